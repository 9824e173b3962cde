//! Win rates.

use serde::Serialize;

use crate::duel::Verdict;
use crate::method::Method;
use crate::preference::Preference;
use crate::statistics::{Bootstrap, Estimate, mean};

/// How often a judge prefers the answers of one arm to those of another.
#[derive(Clone, Debug, Serialize)]
pub struct WinRate {
    /// The arm.
    pub method: Method,
    /// The preference.
    pub preference: Preference,
    /// The other arm.
    pub against: Method,
    /// Wins, and half of the ties, among all: by prompt, with its interval.
    pub rate: Estimate,
}

/// The rates of all pairs of arms.
pub(super) fn rates(verdicts: &[Verdict]) -> Vec<WinRate> {
    let mut groups: Vec<(&Verdict, Vec<&Verdict>)> = Vec::new();
    for verdict in verdicts {
        let same = |known: &Verdict| {
            known.method == verdict.method && known.preference == verdict.preference && known.against == verdict.against
        };
        match groups.iter_mut().find(|(first, _)| same(first)) {
            Some((_, group)) => group.push(verdict),
            None => groups.push((verdict, vec![verdict])),
        }
    }
    let rate = |(first, group): (&Verdict, Vec<&Verdict>)| {
        let mut prompts: Vec<usize> = group.iter().map(|verdict| verdict.prompt).collect();
        prompts.sort_unstable();
        prompts.dedup();
        let of_prompt = |prompt: &usize| {
            let own = group.iter().filter(|verdict| verdict.prompt == *prompt);
            mean(&own.map(|verdict| verdict.points).collect::<Vec<_>>())
        };
        let points: Vec<f64> = prompts.iter().filter_map(of_prompt).collect();
        let rate = Bootstrap::default().mean(&points)?;
        let (method, preference, against) = (first.method.clone(), first.preference.clone(), first.against.clone());
        Some(WinRate { method, preference, against, rate })
    };
    groups.into_iter().filter_map(rate).collect()
}
