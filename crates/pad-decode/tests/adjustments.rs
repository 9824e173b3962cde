//! Candidates under penalties are those of the whole vocabulary, whatever little of it was read.

use std::collections::BTreeMap;

use pad_decode::{Adjustments, Candidates, History, Penalties, Readout};
use proptest::prelude::*;

const VOCABULARY: u32 = 150;

/// A model's logits; few values, so that many are equal.
fn vocabulary() -> impl Strategy<Value = Vec<f32>> {
    prop::collection::vec((-12i8..12).prop_map(|x| f32::from(x) / 2.0), VOCABULARY as usize)
}

fn tokens(most: usize) -> impl Strategy<Value = Vec<u32>> {
    prop::collection::vec(0..VOCABULARY, 0..most)
}

prop_compose! {
    fn penalties()(
        bias in prop::collection::btree_map(0..VOCABULARY, prop_oneof![Just(100f32), Just(-100f32), -3f32..3.0], 0..6),
        repetition in prop_oneof![Just(1f32), 0.5f32..2.0],
        (frequency, presence) in (prop_oneof![Just(0f32), -2f32..2.0], prop_oneof![Just(0f32), -2f32..2.0]),
    ) -> Penalties {
        Penalties { bias, repetition, frequency, presence }
    }
}

/// The definition: change every logit of the vocabulary, sort, take k.
fn expected(
    logits: &[f32],
    k: usize,
    penalties: &Penalties,
    prompt: &[u32],
    said: &[u32],
    excluded: &[u32],
) -> Vec<(u32, f32)> {
    let mut all: Vec<(u32, f32)> = (0..VOCABULARY)
        .filter(|token| !excluded.contains(token))
        .map(|token| {
            let count = said.iter().filter(|t| **t == token).count();
            let mut z = logits[token as usize] + penalties.bias.get(&token).unwrap_or(&0.0);
            if count > 0 || prompt.contains(&token) {
                z = if z > 0.0 { z / penalties.repetition } else { z * penalties.repetition };
            }
            if count > 0 {
                z -= penalties.frequency * count as f32 + penalties.presence;
            }
            (token, z)
        })
        .collect();
    all.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap().then(a.0.cmp(&b.0)));
    all.truncate(k);
    all
}

fn log_sum_exp(logits: impl Iterator<Item = f32>) -> f32 {
    logits.map(|z| f64::from(z).exp()).sum::<f64>().ln() as f32
}

/// What a runner does: the best, then what is missing.
fn read(logits: &[f32], k: usize, adjustments: &Adjustments, whole: bool) -> Candidates {
    let mut best: Vec<u32> = (0..VOCABULARY).collect();
    best.sort_by(|a, b| logits[*b as usize].total_cmp(&logits[*a as usize]).then(a.cmp(b)));
    let deeper = adjustments.deeper(k, &best[..adjustments.reach(k).min(best.len())]);
    best.truncate(deeper.unwrap_or(adjustments.reach(k)));
    let missing = adjustments.unread(&best, whole);
    best.extend(missing);
    let log_sum_exp = whole.then(|| log_sum_exp(logits.iter().copied()));
    let readout = Readout { logits: best.iter().map(|t| logits[*t as usize]).collect(), log_sum_exp };
    adjustments.candidates(k, best, readout, None)
}

proptest! {
    #[test]
    fn the_candidates_are_those_of_the_whole_vocabulary(
        logits in vocabulary(), k in 1usize..40, penalties in penalties(),
        (prompt, said, excluded) in (tokens(150), tokens(100), tokens(3)), whole: bool,
    ) {
        let mut history = History::new(&penalties, &prompt);
        said.iter().for_each(|token| history.push(*token));
        let adjustments = Adjustments::new(&penalties, &history, &excluded);
        let taken = read(&logits, k, &adjustments, whole);
        let want = expected(&logits, k, &penalties, &prompt, &said, &excluded);
        prop_assert_eq!(&taken.tokens, &want.iter().map(|w| w.0).collect::<Vec<_>>());
        let own: Vec<f32> = taken.tokens.iter().map(|t| logits[*t as usize]).collect();
        prop_assert_eq!(&taken.base.logits, &own);
        if adjustments.is_empty() {
            prop_assert_eq!(taken.adjusted, None);
            return Ok(());
        }
        let adjusted = taken.adjusted.unwrap();
        prop_assert_eq!(&adjusted.logits, &want.iter().map(|w| w.1).collect::<Vec<_>>());
        let all = expected(&logits, VOCABULARY as usize, &penalties, &prompt, &said, &excluded);
        match adjusted.log_sum_exp {
            Some(sum) => {
                let want = log_sum_exp(all.iter().map(|w| w.1));
                prop_assert!((sum - want).abs() < 1e-3, "{} is not {}", sum, want);
            }
            None => prop_assert!(!whole),
        }
    }

    #[test]
    fn penalties_that_only_lower_read_nothing_more(said in tokens(12), best in tokens(20), repetition in 1f32..2.0) {
        let bias = BTreeMap::from([(3, -100.0), (5, 0.0)]);
        let penalties = Penalties { bias, repetition, frequency: 0.5, presence: 0.5 };
        let mut history = History::new(&penalties, &[1, 2, 3]);
        said.iter().for_each(|token| history.push(*token));
        prop_assert!(Adjustments::new(&penalties, &history, &[7]).unread(&best, false).is_empty());
    }
}
