//! The requests that every level sends.

use pad_client::draws::Draws;
use pad_client::{ChatBody, Message};
use serde::Serialize;
use serde_json::Value;

use super::words;

/// The load, as far as it is the same at all levels.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Tokens of each answer.
    pub tokens: usize,
    /// Requests of each level and round, where the number is given.
    pub requests: Option<usize>,
    /// The preference sent with each request.
    pub preference: Option<Value>,
    /// Seed of the prompts.
    pub seed: u64,
    /// What arrives meanwhile.
    pub long_prompts: LongPrompts,
}

/// Long prompts that arrive while others are answered.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct LongPrompts {
    /// How many in each level and round.
    pub count: usize,
    /// Tokens in each.
    pub tokens: usize,
}

impl Plan {
    /// Requests of a level with this many streams.
    pub fn requests(&self, concurrency: usize) -> usize {
        self.requests.unwrap_or_else(|| (2 * concurrency).max(4))
    }

    /// The body of a request with a prompt of about `prompt` tokens that belongs to `which`, for an answer of `tokens` tokens.
    pub fn body(&self, model: &str, prompt: usize, tokens: usize, which: &[u64]) -> ChatBody {
        let mut draws = Draws::of(&[&[self.seed], which].concat());
        ChatBody {
            model: Some(model.to_owned()),
            messages: vec![Message::user(words::prompt(prompt, &mut draws))],
            max_tokens: Some(tokens),
            temperature: Some(0.0),
            // Answers of one length, whatever the words: servers that do not know the field ignore it.
            ignore_eos: Some(true),
            preference: self.preference.clone(),
            ..ChatBody::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn requests_say_what_is_measured() {
        let long_prompts = LongPrompts { count: 0, tokens: 0 };
        let mut plan = Plan { tokens: 8, requests: None, preference: None, seed: 3, long_prompts };
        let body = |plan: &Plan, which: u64| json!(plan.body("m", 20, plan.tokens, &[which]));
        let plain = body(&plan, 1);
        assert_eq!(plain, body(&plan, 1), "the same request again");
        assert_ne!(plain["messages"], body(&plan, 2)["messages"]);
        assert_eq!((&plain["max_tokens"], &plain["temperature"]), (&json!(8), &json!(0.0)));
        assert_eq!(plain["ignore_eos"], json!(true));
        assert!(plain.get("preference").is_none(), "other servers get nothing that they may refuse");
        plan.preference = Some(json!({"concise": 1}));
        assert_eq!(body(&plan, 1)["preference"], json!({"concise": 1}));
        plan.seed = 4;
        assert_ne!(plain["messages"], body(&plan, 1)["messages"]);
        assert_eq!((plan.requests(1), plan.requests(8)), (4, 16));
        plan.requests = Some(3);
        assert_eq!(plan.requests(8), 3);
    }
}
