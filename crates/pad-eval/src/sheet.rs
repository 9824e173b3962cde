//! All answers with all scores, looked up by how they were made.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use crate::answer::{Answer, Style};
use crate::built_in;
use crate::error::EvalError;
use crate::method::Method;
use crate::preference::Preference;
use crate::run::Run;
use crate::scorer::{Scored, Scorer, Scores};
use crate::statistics::{Bootstrap, Estimate, mean};

/// One figure for each prompt, in the order of the plan; none where it is missing.
pub type Series = Vec<Option<f64>>;

/// How answers were made, but for prompt and seed.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    /// The method.
    pub method: Method,
    /// The preference.
    pub preference: Preference,
    /// The way of decoding.
    pub style: Style,
}

/// An answer with its scores: a line of `scores.jsonl`.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// The answer's id.
    pub id: String,
    /// All scores by name.
    pub scores: Scores,
    #[serde(skip)]
    answer: Answer,
    /// Log-probability under the base model and number of tokens.
    #[serde(skip)]
    likelihood: Option<(f64, u64)>,
}

impl Row {
    /// The answer.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }
}

/// All answers with all scores.
#[derive(Debug)]
pub struct Sheet {
    rows: Vec<Row>,
    prompts: usize,
    /// The numbers of the rows of each prompt, by cell.
    cells: HashMap<(Method, String, Style), Vec<Vec<usize>>>,
    order: Vec<Cell>,
}

impl Sheet {
    /// Scores all answers of a run.
    ///
    /// # Errors
    ///
    /// When a scorer fails.
    pub fn score(run: &Run, scorers: &[Scorer]) -> Result<Self, EvalError> {
        let texts: BTreeMap<&str, &str> =
            run.plan().prompts.iter().map(|prompt| (prompt.id.as_str(), prompt.text())).collect();
        let answers: Vec<&Answer> = run.asked().collect();
        let lines: Vec<Scored<'_>> = answers
            .iter()
            .map(|answer| Scored {
                id: &answer.id,
                prompt: texts.get(answer.prompt.as_str()).copied().unwrap_or_default(),
                answer: &answer.answer,
                preference: &answer.preference,
            })
            .collect();
        let mut scores: Vec<Scores> = answers.iter().map(|answer| own_scores(answer)).collect();
        for scorer in scorers {
            let mut found = scorer.score(&lines)?;
            for (answer, scores) in answers.iter().zip(&mut scores) {
                scores.extend(found.remove(&answer.id).unwrap_or_default());
            }
        }
        let rows = answers.into_iter().zip(scores).map(|(answer, scores)| Row {
            id: answer.id.clone(),
            scores,
            answer: answer.clone(),
            likelihood: run.likelihood(answer).map(|found| (found.base_logprob, found.tokens)),
        });
        let prompts: Vec<&str> = run.plan().prompts.iter().map(|prompt| prompt.id.as_str()).collect();
        Ok(Self::of(rows.collect(), &prompts))
    }

    fn of(rows: Vec<Row>, prompts: &[&str]) -> Self {
        let place: HashMap<&str, usize> = prompts.iter().enumerate().map(|(at, id)| (*id, at)).collect();
        let (mut cells, mut order) = (HashMap::new(), Vec::new());
        for (number, row) in rows.iter().enumerate() {
            let Answer { method, preference, decoding, prompt, .. } = &row.answer;
            let Some(at) = place.get(prompt.as_str()) else { continue };
            let key = (method.clone(), preference.to_string(), decoding.style());
            let cell = cells.entry(key).or_insert_with(|| {
                order.push(Cell { method: method.clone(), preference: preference.clone(), style: decoding.style() });
                vec![Vec::new(); prompts.len()]
            });
            cell[*at].push(number);
        }
        Self { prompts: prompts.len(), cells, order, rows }
    }

    /// All answers.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// All ways in which answers were made, in the order of the run.
    pub fn cells(&self) -> &[Cell] {
        &self.order
    }

    /// The answers of a cell, by prompt.
    fn of_prompts(&self, cell: &Cell) -> Option<&Vec<Vec<usize>>> {
        self.cells.get(&(cell.method.clone(), cell.preference.to_string(), cell.style))
    }

    /// The answers of a cell to a prompt, by seed.
    pub fn answers(&self, cell: &Cell, prompt: usize) -> impl Iterator<Item = &Row> {
        let numbers = self.of_prompts(cell).and_then(|prompts| prompts.get(prompt));
        numbers.into_iter().flatten().map(|number| &self.rows[*number])
    }

    /// A figure of each prompt: the mean over its answers.
    pub fn series(&self, cell: &Cell, figure: impl Fn(&Row) -> Option<f64>) -> Series {
        let of_prompt = |prompt| mean(&self.answers(cell, prompt).filter_map(&figure).collect::<Vec<_>>());
        (0..self.prompts).map(of_prompt).collect()
    }

    /// A score of each prompt.
    pub fn scores(&self, cell: &Cell, score: &str) -> Series {
        self.series(cell, |row| row.scores.get(score).copied())
    }

    /// The sums of surprise (in nats) and of tokens of each prompt's answers under the base model.
    fn surprise(&self, cell: &Cell) -> Vec<Option<(f64, f64)>> {
        let of_prompt = |prompt| {
            let found = self.answers(cell, prompt).filter_map(|row| row.likelihood);
            let sum = found.fold((0.0, 0.0), |sum, (logprob, tokens)| (sum.0 - logprob, sum.1 + tokens as f64));
            (sum.1 > 0.0).then_some(sum)
        };
        (0..self.prompts).map(of_prompt).collect()
    }

    /// The perplexity of a cell's answers under the base model, over all of their tokens.
    pub fn perplexity(&self, cell: &Cell) -> Option<Estimate> {
        let found: Vec<(f64, f64)> = self.surprise(cell).into_iter().flatten().collect();
        Bootstrap::default().of(found.len(), |drawn| perplexity(drawn.iter().map(|at| found[*at])))
    }

    /// The perplexity of a cell's answers over that of another's, over the prompts that both have answered.
    pub fn perplexity_ratio(&self, cell: &Cell, base: &Cell) -> Option<Estimate> {
        let both: Vec<_> =
            self.surprise(cell).into_iter().zip(self.surprise(base)).filter_map(|(a, b)| Some((a?, b?))).collect();
        Bootstrap::default().of(both.len(), |drawn| {
            let own = perplexity(drawn.iter().map(|at| both[*at].0))?;
            Some(own / perplexity(drawn.iter().map(|at| both[*at].1))?)
        })
    }
}

/// The scores that need no scorer.
fn own_scores(answer: &Answer) -> Scores {
    let mut scores = built_in::scores(&answer.answer);
    scores.insert(built_in::FINISHED.to_owned(), f64::from(u8::from(answer.complete)));
    scores
}

fn perplexity(answers: impl Iterator<Item = (f64, f64)>) -> Option<f64> {
    let (surprise, tokens) = answers.fold((0.0, 0.0), |sum, answer| (sum.0 + answer.0, sum.1 + answer.1));
    (tokens > 0.0).then(|| (surprise / tokens).exp())
}

/// The mean over prompts with its interval.
pub fn estimate(series: &Series) -> Option<Estimate> {
    Bootstrap::default().mean(&series.iter().copied().flatten().collect::<Vec<_>>())
}

/// How far one is above the other, prompt by prompt, with its interval.
pub fn difference(one: &Series, other: &Series) -> Option<Estimate> {
    let pairs = one.iter().zip(other).filter_map(|(one, other)| Some((*one)? - (*other)?));
    Bootstrap::default().mean(&pairs.collect::<Vec<_>>())
}

/// One over the other: of their sums, over the prompts that both have.
pub fn ratio(one: &Series, other: &Series) -> Option<Estimate> {
    let both: (Vec<f64>, Vec<f64>) = one.iter().zip(other).filter_map(|(a, b)| Some(((*a)?, (*b)?))).unzip();
    Bootstrap::default().quotient(&both.0, &both.1)
}

#[cfg(test)]
mod tests {
    use crate::answer::Decoding;

    use super::*;

    fn row(preference: &Preference, prompt: &str, decoding: Decoding, words: f64, likelihood: (f64, u64)) -> Row {
        let method = if preference.is_none() { Method::Base } else { Method::pad() };
        let answer = Answer {
            id: format!("{preference} {prompt} {decoding}"),
            method,
            preference: preference.clone(),
            prompt: prompt.to_owned(),
            messages: Vec::new(),
            decoding,
            answer: "text".to_owned(),
            complete: true,
            tokens: likelihood.1,
            steered_tokens: 0,
            reward_lanes: 0,
            seconds: 0.0,
        };
        let scores = Scores::from([("words".to_owned(), words)]);
        Row { id: answer.id.clone(), scores, answer, likelihood: Some(likelihood) }
    }

    #[test]
    fn seeds_are_averaged_and_prompts_are_paired() {
        let (none, more) = (Preference::none(), Preference::of(&[("concise", 1.0)]));
        let seed = Decoding::Seed;
        let rows = vec![
            row(&none, "a", seed(1), 10.0, (-2.0, 2)),
            row(&none, "a", seed(2), 20.0, (-4.0, 4)),
            row(&none, "b", seed(1), 30.0, (-2.0, 2)),
            row(&none, "a", Decoding::Greedy, 99.0, (-9.0, 1)),
            row(&more, "b", seed(1), 5.0, (-8.0, 4)),
        ];
        let sheet = Sheet::of(rows, &["a", "b", "c"]);
        assert_eq!(sheet.cells().len(), 3);
        let base = Cell { method: Method::Base, preference: none, style: Style::Sampled };
        let steered = Cell { method: Method::pad(), preference: more, style: Style::Sampled };
        let (one, other) = (sheet.scores(&steered, "words"), sheet.scores(&base, "words"));
        assert_eq!(other, [Some(15.0), Some(30.0), None]);
        assert_eq!(one, [None, Some(5.0), None]);
        assert_eq!(difference(&one, &other).map(|found| (found.value, found.count)), Some((-25.0, 1)));
        assert_eq!(ratio(&one, &other).map(|found| found.value), Some(5.0 / 30.0));
        let perplexity = sheet.perplexity(&base).unwrap().value;
        assert!((perplexity - 1f64.exp()).abs() < 1e-9, "8 nats over 8 tokens");
        let ratio = sheet.perplexity_ratio(&steered, &base).unwrap();
        assert!((ratio.value - 1f64.exp()).abs() < 1e-9 && ratio.count == 1, "2 nats a token over 1: {ratio:?}");
        assert_eq!(estimate(&sheet.scores(&base, "no such")), None);
    }
}
