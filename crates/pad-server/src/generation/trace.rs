//! A decision in its wire format.

use std::collections::BTreeMap;

use pad_api::{CandidateHold, CandidateTrace, TokenTrace};
use pad_decode::Hold;
use pad_engine::Token;

/// Stands for a log-probability of minus infinity, which JSON cannot hold; OpenAI uses the same.
const MINUS_INFINITY: f32 = -9999.0;

/// Why `token` was chosen; `names` are the dimensions of the decision's rewards, in order. `spelled` gives the text that a candidate
/// would have completed.
pub(crate) fn explain(token: &Token, text: String, names: &[String], spelled: impl Fn(u32) -> String) -> TokenTrace {
    let decision = &token.decision;
    let candidates: Vec<CandidateTrace> = (0..decision.tokens.len())
        .map(|rank| CandidateTrace {
            token: decision.tokens[rank],
            text: spelled(decision.tokens[rank]),
            base_logprob: finite(decision.base_logprob[rank]),
            rewards: rewards(names, &decision.rewards, rank),
            reward: finite(decision.reward[rank]),
            score: finite(decision.score[rank]),
            held: decision.held[rank].map(hold),
        })
        .collect();
    let chosen = &candidates[decision.chosen];
    TokenTrace {
        token: token.id,
        text,
        base_rank: decision.chosen,
        base_logprob: chosen.base_logprob,
        rewards: chosen.rewards.clone(),
        reward: chosen.reward,
        score: chosen.score,
        strength: decision.strength,
        candidates,
    }
}

fn hold(hold: Hold) -> CandidateHold {
    match hold {
        Hold::Implausible => CandidateHold::Implausible,
        Hold::Repetition => CandidateHold::Repetition,
    }
}

fn rewards(names: &[String], rewards: &[Vec<f32>], rank: usize) -> BTreeMap<String, f32> {
    names.iter().zip(rewards).map(|(name, of_candidates)| (name.clone(), finite(of_candidates[rank]))).collect()
}

/// The value as JSON can hold it.
pub(crate) fn finite(value: f32) -> f32 {
    if value.is_nan() { MINUS_INFINITY } else { value.clamp(MINUS_INFINITY, -MINUS_INFINITY) }
}

#[cfg(test)]
mod tests {
    use pad_decode::Decision;

    use super::*;

    #[test]
    fn the_chosen_candidate_is_shown_with_all_others() {
        let decision = Decision {
            chosen: 1,
            tokens: vec![7, 9],
            base_logprob: vec![-0.5, f32::NEG_INFINITY],
            rewards: vec![vec![0.0, 1.0], vec![0.5, -0.5]],
            reward: vec![0.25, 0.75],
            score: vec![-0.25, 0.0],
            strength: 0.5,
            held: vec![Some(Hold::Repetition), None],
            kl: 0.1,
        };
        let token = Token { id: 9, end: false, decision };
        let trace =
            explain(&token, "x".to_owned(), &["helpful".to_owned(), "brief".to_owned()], |id| format!("<{id}>"));
        assert_eq!((trace.token, trace.base_rank, trace.candidates.len()), (9, 1, 2));
        assert_eq!(trace.candidates[0].text, "<7>");
        assert_eq!(trace.rewards, BTreeMap::from([("helpful".to_owned(), 1.0), ("brief".to_owned(), -0.5)]));
        assert_eq!(trace.candidates[0].rewards["brief"].to_bits(), 0.5_f32.to_bits());
        let json = serde_json::to_value(&trace).expect("it is JSON");
        assert_eq!(json["base_logprob"], -9999.0, "minus infinity stays a number");
        assert_eq!((&json["strength"], &json["candidates"][0]["held"]), (&0.5.into(), &"repetition".into()));
        assert!(json["candidates"][1].get("held").is_none());
    }
}
