//! How one request is steered.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::object::objects;
use crate::whole;

/// Guidance of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize, ToSchema)]
#[serde(remote = "Self")]
pub struct PadOptions {
    /// Guidance strength; 0 gives the base model's own answer.
    #[schema(minimum = 0, maximum = 4)]
    pub beta: Option<f64>,
    /// How many of the base model's best tokens are candidates at each step, and of each reward lane's with `candidates` `union`.
    #[serde(default, deserialize_with = "whole::optional")]
    pub top_k: Option<u64>,
    /// Whose best tokens are the candidates of each step.
    pub candidates: Option<CandidateLanes>,
    /// Minimum probability of a candidate under the base model, relative to its most probable one; 0: no minimum.
    #[schema(minimum = 0, maximum = 1)]
    pub plausibility: Option<f64>,
    /// A token that would repeat a run of this many tokens of the answer gets at most its probability under the base model; 0: no
    /// limit.
    #[serde(default, deserialize_with = "whole::optional")]
    pub loop_guard: Option<u64>,
    /// Maximum distance from the base model's distribution in nats per token, as a mean over the tokens so far: the guidance strength
    /// of a step is reduced until it holds. 0 gives the base model's own answer, 1000 is no limit.
    #[schema(minimum = 0, maximum = 1000)]
    pub max_kl: Option<f64>,
    /// Guide this many tokens fully, and as many more with falling strength; 0: all.
    #[serde(default, deserialize_with = "whole::optional")]
    pub guide_tokens: Option<u64>,
    /// By what `best_of` chooses; `logprob` where it is absent.
    pub best_of_by: Option<BestOfBy>,
    /// Report every token's candidates, rewards and scores in `choices[].pad.trace`.
    pub trace: Option<bool>,
}

/// The lanes whose best tokens are candidates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CandidateLanes {
    /// The base model's `top_k` best.
    #[default]
    Base,
    /// The base model's `top_k` best and the `top_k` best of every reward lane that counts, so that a token which only a reward lane
    /// proposes can be chosen.
    Union,
}

/// What makes a choice better than another: a mean over its tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BestOfBy {
    /// Their log-probabilities in the distribution that they were sampled from, before temperature and cuts.
    #[default]
    Logprob,
    /// Their weighted rewards: how well the choice follows the preference.
    Reward,
    /// Their scores: the base model's log-probability and the weighted reward together.
    Score,
}

objects! {
    PadOptions: "an object with `beta`, `top_k`, `candidates` and other options",
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChatRequest, ParseError, Preference, from_slice};

    fn read(pad: &str) -> Result<ChatRequest, ParseError> {
        let body =
            format!(r#"{{"messages": [{{"role": "user", "content": "hi"}}], "preference": [1, -0.5], "pad": {pad}}}"#);
        from_slice(body.as_bytes()).map(|parsed| parsed.value)
    }

    #[test]
    fn guidance_is_read() {
        let request = read(r#"{"beta": 2, "top_k": 5, "candidates": "union", "trace": true}"#).expect("well formed");
        assert_eq!(request.preference, Some(Preference::Ordered(vec![1.0, -0.5]).into()));
        let candidates = Some(CandidateLanes::Union);
        let expected =
            PadOptions { beta: Some(2.0), top_k: Some(5), candidates, trace: Some(true), ..PadOptions::default() };
        assert_eq!(request.pad, Some(expected));
        let guards = read(
            r#"{"plausibility": 0.1, "loop_guard": 3.0, "max_kl": 0.5, "guide_tokens": 40, "best_of_by": "reward"}"#,
        );
        let expected = PadOptions {
            plausibility: Some(0.1),
            loop_guard: Some(3),
            max_kl: Some(0.5),
            guide_tokens: Some(40),
            best_of_by: Some(BestOfBy::Reward),
            ..PadOptions::default()
        };
        assert_eq!(guards.expect("well formed").pad, Some(expected));
        assert_eq!(read("{}").expect("well formed").pad, Some(PadOptions::default()));
    }

    #[test]
    fn an_unknown_word_is_refused_by_name() {
        let error = read(r#"{"candidates": "all"}"#).expect_err("refused");
        assert_eq!(error.param.as_deref(), Some("pad.candidates"));
        assert!(error.message.contains("base") && error.message.contains("union"), "{}", error.message);
    }
}
