//! How many choices it takes to learn what a user prefers: simulated users choose between real answers of a model.
//!
//! ```text
//! cargo run --release --example simulated_users -- ANSWERS.jsonl > users.json
//! ```
//!
//! `ANSWERS.jsonl` has a line of JSON for each answer: the number of its `prompt`, its `features` (the sum of each dimension's reward),
//! and `scores`, numbers by name that have nothing to do with the reward model, such as its number of words. `docs/profiles/answers.py`
//! makes it. `gaussian:D:CORRELATION` stands for answers with normally distributed features in its place.
//!
//! A user has hidden weights of a given norm, for features of unit variance among the answers to a prompt, or else prefers a score, and
//! chooses as Bradley and Terry have it. Two thirds of the prompts are used to ask; choices on the others are predicted. Intervals are 95 %
//! bootstraps over users.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;

use pad_learning::{Choice, Posterior, Prior};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

/// Users of each kind and norm.
const USERS: u64 = 40;

/// Norms of the hidden weights.
const NORMS: [f64; 3] = [1.0, 2.0, 4.0];

/// Numbers of choices after which is measured.
const MEASURED: [usize; 11] = [1, 2, 3, 5, 7, 10, 15, 20, 25, 30, 40];

/// Pairs of answers to prompts that were not asked about, whose choice is predicted.
const HELD_OUT: usize = 400;

/// Answers generated to ask a question: the two that teach most are shown.
const CANDIDATES: usize = 6;

#[derive(Clone, Deserialize)]
struct Answer {
    prompt: usize,
    features: Vec<f64>,
    #[serde(default)]
    scores: BTreeMap<String, f64>,
}

/// Answers by prompt, and the deviation of each number among answers to one prompt.
struct Pool {
    prompts: Vec<Vec<Answer>>,
    scale: Vec<f64>,
}

/// How the two answers of a question are selected.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Selection {
    /// Any two answers to any prompt.
    Random,
    /// The pair that teaches most, of six answers to any prompt.
    Elicited,
    /// The pair that teaches most, of all answers to any prompt.
    ElicitedOfAll,
}

/// What a simulated user goes by.
#[derive(Clone)]
enum Taste {
    /// Hidden weights for features of unit variance.
    Weights(Vec<f64>),
    /// A score, as one of unit variance, times a norm.
    Score { name: String, factor: f64 },
}

#[derive(Serialize)]
struct Figure {
    value: f64,
    low: f64,
    high: f64,
}

#[derive(Serialize)]
struct Row {
    users: String,
    norm: f64,
    selection: Selection,
    choices: usize,
    cosine: Option<Figure>,
    held_out: Figure,
    /// What the hidden taste itself would predict.
    ceiling: f64,
}

/// One user after one number of choices.
struct Measure {
    cosine: Option<f64>,
    held_out: f64,
    ceiling: f64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let source = std::env::args().nth(1).ok_or("which answers?")?;
    let pool = match source.strip_prefix("gaussian:").and_then(|rest| rest.split_once(':')) {
        Some((dimensions, correlation)) => Pool::gaussian(dimensions.parse()?, correlation.parse()?),
        None => Pool::read(&source)?,
    };
    let scores: Vec<String> = pool.prompts[0][0].scores.keys().cloned().collect();
    let mut rows = Vec::new();
    for kind in std::iter::once("weights").chain(scores.iter().map(String::as_str)) {
        for norm in NORMS {
            for selection in [Selection::Random, Selection::Elicited, Selection::ElicitedOfAll] {
                rows.extend(simulate(&pool, kind, norm, selection)?);
            }
        }
    }
    println!("{}", serde_json::to_string_pretty(&rows)?);
    Ok(())
}

fn simulate(pool: &Pool, kind: &str, norm: f64, selection: Selection) -> Result<Vec<Row>, Box<dyn Error>> {
    let mut measures: Vec<Vec<Measure>> = MEASURED.iter().map(|_| Vec::new()).collect();
    for user in 0..USERS {
        let mut draws = ChaCha8Rng::seed_from_u64(user);
        let taste = match kind {
            "weights" => {
                let direction: Vec<f64> = (0..pool.scale.len()).map(|_| normal(&mut draws)).collect();
                let length = direction.iter().map(|x| x * x).sum::<f64>().sqrt();
                Taste::Weights(direction.into_iter().map(|x| x / length * norm).collect())
            }
            // Half of the users like more of it, half of them less.
            name => {
                let sign = if user % 2 == 0 { 1.0 } else { -1.0 };
                Taste::Score {
                    name: name.to_owned(),
                    factor: sign * norm / pool.deviation(|answer| answer.scores[name]),
                }
            }
        };
        for (at, measure) in one_user(pool, &taste, selection, &mut draws)?.into_iter().enumerate() {
            measures[at].push(measure);
        }
    }
    let row = |(choices, measures): (&usize, Vec<Measure>)| Row {
        users: kind.to_owned(),
        norm,
        selection,
        choices: *choices,
        cosine: figure(&measures.iter().filter_map(|measure| measure.cosine).collect::<Vec<_>>()),
        held_out: figure(&measures.iter().map(|measure| measure.held_out).collect::<Vec<_>>()).expect("users"),
        ceiling: measures.iter().map(|measure| measure.ceiling).sum::<f64>() / measures.len() as f64,
    };
    Ok(MEASURED.iter().zip(measures).map(row).collect())
}

/// Asks one user questions, and measures after some of them.
fn one_user(
    pool: &Pool,
    taste: &Taste,
    selection: Selection,
    draws: &mut ChaCha8Rng,
) -> Result<Vec<Measure>, Box<dyn Error>> {
    let dimensions = pool.scale.len();
    let (asked, held_out) = pool.prompts.split_at(pool.prompts.len() * 2 / 3);
    let prior = Prior::unit(dimensions);
    let (mut choices, mut measures) = (Vec::new(), Vec::new());
    let mut posterior = Posterior::fit(dimensions, &[], &prior)?;
    for count in 1..=MEASURED[MEASURED.len() - 1] {
        let answers = &asked[draws.random_range(0..asked.len())];
        let shown = match selection {
            Selection::Random => sample(answers, 2, draws),
            Selection::Elicited => sample(answers, CANDIDATES, draws),
            Selection::ElicitedOfAll => answers.iter().collect(),
        };
        let features: Vec<Vec<f64>> = shown.iter().map(|answer| answer.features.clone()).collect();
        let question = posterior.most_informative(&features).ok_or("a prompt has fewer than two answers")?;
        let (one, other) = (shown[question.first], shown[question.second]);
        let first = draws.random::<f64>() < sigmoid(pool.utility(taste, one) - pool.utility(taste, other));
        let (chosen, rejected) = if first { (one, other) } else { (other, one) };
        choices.push(Choice::Best { chosen: chosen.features.clone(), others: vec![rejected.features.clone()] });
        posterior = Posterior::fit(dimensions, &choices, &prior)?;
        if MEASURED.contains(&count) {
            measures.push(pool.measure(taste, &posterior, held_out));
        }
    }
    Ok(measures)
}

impl Pool {
    fn read(path: &str) -> Result<Self, Box<dyn Error>> {
        let mut prompts: BTreeMap<usize, Vec<Answer>> = BTreeMap::new();
        for line in fs::read_to_string(path)?.lines() {
            let answer: Answer = serde_json::from_str(line)?;
            prompts.entry(answer.prompt).or_default().push(answer);
        }
        Ok(Self::of(prompts.into_values().collect()))
    }

    /// Answers to 150 prompts, 16 each, whose features are normally distributed.
    fn gaussian(dimensions: usize, correlation: f64) -> Self {
        let mut draws = ChaCha8Rng::seed_from_u64(1 << 40);
        let mut answer = |prompt| {
            let shared = normal(&mut draws) * correlation.sqrt();
            let own = (1.0 - correlation).sqrt();
            let features = (0..dimensions).map(|_| shared + own * normal(&mut draws)).collect();
            Answer { prompt, features, scores: BTreeMap::new() }
        };
        Self::of((0..150).map(|prompt| (0..16).map(|_| answer(prompt)).collect()).collect())
    }

    fn of(prompts: Vec<Vec<Answer>>) -> Self {
        let mut pool = Self { scale: Vec::new(), prompts };
        let dimensions = pool.prompts[0][0].features.len();
        pool.scale = (0..dimensions).map(|at| pool.deviation(|answer| answer.features[at])).collect();
        pool
    }

    /// The standard deviation of a number among answers to the same prompt.
    fn deviation(&self, number: impl Fn(&Answer) -> f64) -> f64 {
        let (mut squares, mut freedom) = (0.0, 0.0);
        for answers in &self.prompts {
            let mean = answers.iter().map(&number).sum::<f64>() / answers.len() as f64;
            squares += answers.iter().map(|answer| (number(answer) - mean).powi(2)).sum::<f64>();
            freedom += answers.len() as f64 - 1.0;
        }
        (squares / freedom).sqrt()
    }

    fn utility(&self, taste: &Taste, answer: &Answer) -> f64 {
        match taste {
            Taste::Weights(weights) => {
                let scaled = answer.features.iter().zip(&self.scale).map(|(feature, scale)| feature / scale);
                scaled.zip(weights).map(|(feature, weight)| feature * weight).sum()
            }
            Taste::Score { name, factor } => answer.scores[name] * factor,
        }
    }

    fn measure(&self, taste: &Taste, posterior: &Posterior, held_out: &[Vec<Answer>]) -> Measure {
        // The same pairs for all users.
        let mut draws = ChaCha8Rng::seed_from_u64(1 << 41);
        let (mut share, mut ceiling) = (0.0, 0.0);
        for _ in 0..HELD_OUT {
            let answers = &held_out[draws.random_range(0..held_out.len())];
            let pair = sample(answers, 2, &mut draws);
            let chosen = sigmoid(self.utility(taste, pair[0]) - self.utility(taste, pair[1]));
            let predicted = posterior.probability(&pair[0].features, &pair[1].features) > 0.5;
            share += if predicted { chosen } else { 1.0 - chosen };
            ceiling += chosen.max(1.0 - chosen);
        }
        let learned = posterior.mean.iter().zip(&posterior.scale.0).zip(&self.scale);
        let learned: Vec<f64> = learned.map(|((mean, scale), of_pool)| mean / scale * of_pool).collect();
        let cosine = match taste {
            Taste::Weights(weights) => Some(cosine(weights, &learned)),
            Taste::Score { .. } => None,
        };
        Measure { cosine, held_out: share / HELD_OUT as f64, ceiling: ceiling / HELD_OUT as f64 }
    }
}

/// So many different answers, in a random order.
fn sample<'a>(answers: &'a [Answer], count: usize, draws: &mut ChaCha8Rng) -> Vec<&'a Answer> {
    let mut left: Vec<&Answer> = answers.iter().collect();
    (0..count.min(left.len())).map(|_| left.swap_remove(draws.random_range(0..left.len()))).collect()
}

/// The mean with a 95 % bootstrap interval.
fn figure(values: &[f64]) -> Option<Figure> {
    if values.is_empty() {
        return None;
    }
    let mut draws = ChaCha8Rng::seed_from_u64(0);
    let mut resample = |_| (0..values.len()).map(|_| values[draws.random_range(0..values.len())]).sum::<f64>();
    let mut means: Vec<f64> = (0..2000).map(&mut resample).map(|sum| sum / values.len() as f64).collect();
    means.sort_by(f64::total_cmp);
    Some(Figure { value: values.iter().sum::<f64>() / values.len() as f64, low: means[50], high: means[1949] })
}

fn cosine(one: &[f64], other: &[f64]) -> f64 {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    dot(one, other) / (dot(one, one) * dot(other, other)).sqrt().max(f64::MIN_POSITIVE)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// A standard normal number (Box and Muller).
fn normal(draws: &mut ChaCha8Rng) -> f64 {
    let (radius, angle): (f64, f64) = (draws.random(), draws.random());
    (-2.0 * (1.0 - radius).ln()).sqrt() * (2.0 * std::f64::consts::PI * angle).cos()
}
