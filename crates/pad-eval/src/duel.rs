//! Duels: steered answers against those of the other arms, judged in both orders.

use std::path::Path;

use flate2::Crc;
use serde::{Deserialize, Serialize};

use crate::conversation::instruction;
use crate::error::EvalError;
use crate::journal::{Journal, Record};
use crate::judge::{Comparison, Judge, Winner};
use crate::method::Method;
use crate::preference::Preference;
use crate::run::Run;
use crate::sheet::{Cell, Row, Sheet};

/// A line of `verdicts.jsonl`: one answer against another, judged once.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Opinion {
    id: String,
    winner: Winner,
}

impl Record for Opinion {
    fn id(&self) -> &str {
        &self.id
    }
}

/// An answer against another.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The arm of the answer.
    pub method: Method,
    /// What was preferred.
    pub preference: Preference,
    /// The arm of the other answer.
    pub against: Method,
    /// The prompt's number.
    pub prompt: usize,
    /// 1 where the answer won in both orders, 0 where it lost in both, 0.5 otherwise.
    pub points: f64,
}

/// Two answers to be compared.
struct Duel<'a> {
    verdict: Verdict,
    one: &'a Row,
    other: &'a Row,
}

/// Judges all duels of a run: every steered answer to a preference with positive weights against the base model's, and against those
/// of every arm with the same instruction. Verdicts are stored in the folder, and nothing is judged twice.
///
/// # Errors
///
/// When the judge fails, or the file cannot be written.
pub fn judged(run: &Run, sheet: &Sheet, judge: &Judge, threads: usize) -> Result<Vec<Verdict>, EvalError> {
    let mut journal: Journal<Opinion> = Journal::open(&run.folder().join(Path::new("verdicts.jsonl")))?;
    let duels = duels(run, sheet);
    let title = judge.title();
    let id = |one: &Row, other: &Row| {
        let mut sum = Crc::new();
        sum.update(title.as_bytes());
        sum.update(one.answer().answer.as_bytes());
        sum.update(other.answer().answer.as_bytes());
        format!("{} | {} | {:08x}", one.id, other.id, sum.sum())
    };
    let both = |duel: &Duel<'_>| [id(duel.one, duel.other), id(duel.other, duel.one)];
    let mut open = Vec::new();
    for duel in &duels {
        let prompt = &run.plan().prompts[duel.verdict.prompt];
        let wish = wish(run, &duel.verdict.preference);
        for (id, (one, other)) in both(duel).into_iter().zip([(duel.one, duel.other), (duel.other, duel.one)]) {
            if journal.get(&id).is_none() {
                let (one, other) = (one.answer().answer.clone(), other.answer().answer.clone());
                open.push(Comparison { id, prompt: prompt.text().to_owned(), wish: wish.clone(), one, other });
            }
        }
    }
    if !open.is_empty() {
        judge.compare(&open, threads, |id, winner| journal.add(Opinion { id, winner }))?;
    }
    let settled = duels.iter().map(|duel| {
        let [there, back] = both(duel).map(|id| journal.get(&id).map(|opinion| opinion.winner));
        let points = match (there, back) {
            (Some(Winner::One), Some(Winner::Other)) => 1.0,
            (Some(Winner::Other), Some(Winner::One)) => 0.0,
            _ => 0.5,
        };
        Verdict { points, ..duel.verdict.clone() }
    });
    Ok(settled.collect())
}

/// What a user with this preference wants, in words.
fn wish(run: &Run, preference: &Preference) -> String {
    instruction(preference, run.scales(), |_| true).unwrap_or_else(|| preference.to_string())
}

fn duels<'a>(run: &Run, sheet: &'a Sheet) -> Vec<Duel<'a>> {
    let positive = |cell: &&Cell| cell.method.steering().is_some() && cell.preference.weights().all(|(_, w)| w > 0.0);
    let mut duels = Vec::new();
    for cell in sheet.cells().iter().filter(positive) {
        for opponent in opponents(sheet, cell) {
            for prompt in 0..run.plan().prompts.len() {
                // The same seed against the same seed.
                let pairs = sheet.answers(cell, prompt).flat_map(|one| {
                    let same = move |other: &&Row| other.answer().decoding == one.answer().decoding;
                    sheet.answers(&opponent, prompt).filter(same).map(move |other| (one, other))
                });
                duels.extend(pairs.map(|(one, other)| Duel {
                    verdict: Verdict {
                        method: cell.method.clone(),
                        preference: cell.preference.clone(),
                        against: opponent.method.clone(),
                        prompt,
                        points: 0.5,
                    },
                    one,
                    other,
                }));
            }
        }
    }
    duels
}

/// The base model's answers, and those of the arms without steering to the same dimensions at 1.
fn opponents(sheet: &Sheet, cell: &Cell) -> Vec<Cell> {
    let names: Vec<&str> = cell.preference.weights().map(|(name, _)| name).collect();
    let same = |other: &Preference| {
        other.weights().all(|(name, weight)| names.contains(&name) && weight == 1.0)
            && other.weights().count() == names.len()
    };
    let unsteered = sheet.cells().iter().filter(|other| other.style == cell.style && !other.method.is_graded());
    unsteered.filter(|other| other.method == Method::Base || same(&other.preference)).cloned().collect()
}
