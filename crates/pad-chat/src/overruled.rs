//! Where a preference chose another word than the base model's first.

use pad_api::{CandidateTrace, TokenTrace};

/// Most words that are explained, those with the largest effect.
const MOST: usize = 12;

/// Words on both sides of an overruled one.
const AROUND: usize = 4;

/// Whether the rewards, and not chance, put a token before the base model's first choice.
pub fn overruled(token: &TokenTrace) -> bool {
    let before = |first: &CandidateTrace| token.score > first.score;
    token.base_rank > 0 && !token.rewards.is_empty() && token.candidates.first().is_some_and(before)
}

/// A line for each overruled token, in the order of the answer; the most rewarded ones where there are many. `None` if there is nothing
/// to say.
pub fn explain(trace: &[TokenTrace]) -> Option<String> {
    let mut at: Vec<usize> = (0..trace.len()).filter(|at| overruled(&trace[*at])).collect();
    if at.is_empty() {
        return None;
    }
    let all = at.len();
    at.sort_by(|a, b| gain(&trace[*b]).total_cmp(&gain(&trace[*a])));
    at.truncate(MOST);
    at.sort_unstable();
    let mut lines: Vec<String> = at.iter().map(|at| line(trace, *at)).collect();
    let share = 100.0 * all as f64 / trace.len() as f64;
    let shown = if all > MOST { format!("; the {MOST} with the largest effect") } else { String::new() };
    lines.insert(
        0,
        format!(
            "the rewards put {all} of {} tokens ({share:.0} %) before the base model's first choice{shown}:",
            trace.len()
        ),
    );
    Some(lines.join("\n"))
}

/// How much more reward the chosen token has than the base model's first choice.
fn gain(token: &TokenTrace) -> f32 {
    token.strength * (token.reward - token.candidates.first().map_or(0.0, |first| first.reward))
}

fn line(trace: &[TokenTrace], at: usize) -> String {
    let token = &trace[at];
    let texts = |tokens: &[TokenTrace]| tokens.iter().map(|token| printable(&token.text)).collect::<String>();
    let before = texts(&trace[at.saturating_sub(AROUND)..at]);
    let first = token.candidates.first();
    let (instead, probability) =
        first.map_or((String::new(), 0.0), |first| (printable(&first.text), first.base_logprob.exp()));
    let mut rewards: Vec<(&String, f32)> = token
        .rewards
        .iter()
        .map(|(name, reward)| {
            let of_first = first.and_then(|first| first.rewards.get(name)).copied().unwrap_or(0.0);
            (name, reward - of_first)
        })
        .collect();
    rewards.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
    let rewards: Vec<String> = rewards.iter().take(2).map(|(name, reward)| format!("{name} {reward:+.1}")).collect();
    format!(
        "  …{before}[{}]  {:.1} % for the base model; it prefers [{instead}], {:.1} %; {}",
        printable(&token.text),
        100.0 * token.base_logprob.exp(),
        100.0 * probability,
        rewards.join(", ")
    )
}

/// A token on one line.
fn printable(text: &str) -> String {
    text.replace('\n', "⏎").chars().filter(|c| !c.is_control()).collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// A decision between candidates with log-probabilities and rewards; the chosen one has this rank.
    pub(crate) fn token(text: &str, base_rank: usize, candidates: &[(&str, f32, f32)]) -> TokenTrace {
        let rewards = |reward: f32| BTreeMap::from([("jolly".to_owned(), reward)]);
        let candidates: Vec<CandidateTrace> = candidates
            .iter()
            .enumerate()
            .map(|(id, (text, base_logprob, reward))| CandidateTrace {
                token: id as u32,
                text: (*text).to_owned(),
                base_logprob: *base_logprob,
                rewards: rewards(*reward),
                reward: *reward,
                score: base_logprob + reward,
                held: None,
            })
            .collect();
        let chosen = &candidates[base_rank];
        TokenTrace {
            token: chosen.token,
            text: text.to_owned(),
            base_rank,
            base_logprob: chosen.base_logprob,
            rewards: chosen.rewards.clone(),
            reward: chosen.reward,
            score: chosen.score,
            strength: 1.0,
            candidates,
        }
    }

    #[test]
    fn an_overruled_word_is_shown_with_what_it_replaced() {
        let plain = token(" Say", 0, &[(" Say", -0.2, 0.1)]);
        let other = token(" Ahoy", 1, &[(" Hello", -0.105, 0.0), (" Ahoy", -3.0, 4.0)]);
        assert_eq!(explain(std::slice::from_ref(&plain)), None);
        let said = explain(&[plain, other]).unwrap();
        assert!(said.starts_with("the rewards put 1 of 2 tokens (50 %) before"), "{said}");
        assert!(
            said.contains("… Say[ Ahoy]  5.0 % for the base model; it prefers [ Hello], 90.0 %; jolly +4.0"),
            "{said}"
        );
    }

    #[test]
    fn what_chance_chose_is_not_overruled() {
        let drawn = token(" Ahoy", 1, &[(" Hello", -0.1, 0.0), (" Ahoy", -3.0, 1.0)]);
        assert!(!overruled(&drawn) && explain(std::slice::from_ref(&drawn)).is_none());
        let mut plain = token(" Ahoy", 1, &[(" Hello", -3.0, 0.0), (" Ahoy", -3.1, 4.0)]);
        assert!(overruled(&plain));
        plain.rewards.clear();
        assert!(!overruled(&plain), "nothing is preferred");
    }

    #[test]
    fn of_many_the_strongest_are_shown_in_order() {
        let word = |n: usize| token(&format!(" w{n}"), 1, &[(" x", -0.1, 0.0), (" w", -2.0, n as f32)]);
        let said = explain(&(2..22).map(word).collect::<Vec<_>>()).unwrap();
        assert_eq!(said.lines().count(), 1 + MOST);
        assert!(said.contains("[ w10]") && said.contains("[ w21]") && !said.contains("[ w9]"), "{said}");
    }
}
