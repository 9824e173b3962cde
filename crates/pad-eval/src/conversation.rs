//! The conversation that each arm sends: the prompt, and in some arms an instruction or examples.

use pad_client::Message;

use crate::method::{Method, Pad};
use crate::preference::Preference;
use crate::prompt::Prompt;
use crate::scale::Scales;
use crate::turn::Turn;

/// The conversation of an arm; `None` where the arm has no answer of its own to this preference.
///
/// An instruction has no strength: it asks for more or less of a dimension at weight 1 or -1, and other weights would be the
/// same question again. Steering on top of an instruction has all weights; the instruction follows their signs. Examples
/// are there for more of one dimension.
pub fn conversation(
    method: &Method,
    prompt: &Prompt,
    preference: &Preference,
    scales: &Scales,
) -> Option<Vec<Message>> {
    let plain = || prompt.messages.clone();
    match method {
        Method::Base => preference.is_none().then(plain),
        Method::Pad(_) if preference.is_none() => None,
        Method::Pad(Pad { told: None, .. }) => Some(plain()),
        Method::Pad(Pad { told: Some(turn), .. }) => {
            Some(told(prompt, &instruction(preference, scales, |_| true)?, *turn))
        }
        Method::Told(turn) => {
            Some(told(prompt, &instruction(preference, scales, |weight| weight.abs() == 1.0)?, *turn))
        }
        Method::Examples => with_examples(prompt, preference, scales),
    }
}

/// The words for a preference: those of each dimension, for more or for less of it. `None` where the scales have no words for
/// one, or a weight is not allowed.
pub fn instruction(preference: &Preference, scales: &Scales, allowed: impl Fn(f64) -> bool) -> Option<String> {
    let words = preference.weights().map(|(dimension, weight)| {
        let scale = scales.of(dimension).filter(|_| allowed(weight))?;
        if weight > 0.0 { scale.told.as_deref() } else { scale.opposite.as_deref() }
    });
    let words: Option<Vec<&str>> = words.collect();
    words.filter(|words| !words.is_empty()).map(|words| words.join(" "))
}

fn told(prompt: &Prompt, instruction: &str, turn: Turn) -> Vec<Message> {
    let mut messages = prompt.messages.clone();
    let at = match turn {
        Turn::System => messages.iter().position(|message| message.role == "system"),
        Turn::User => messages.iter().rposition(|message| message.role == "user"),
    };
    match at {
        Some(at) => messages[at].content = format!("{instruction}\n\n{}", messages[at].content),
        None => messages.insert(0, Message::system(instruction)),
    }
    messages
}

fn with_examples(prompt: &Prompt, preference: &Preference, scales: &Scales) -> Option<Vec<Message>> {
    let mut weights = preference.weights();
    let (dimension, weight) = weights.next()?;
    let examples = &scales.of(dimension)?.examples;
    if weight != 1.0 || weights.next().is_some() || examples.is_empty() {
        return None;
    }
    let mut messages = prompt.messages.clone();
    let start = messages.iter().take_while(|message| message.role == "system").count();
    let turns = examples.iter().flat_map(|one| [Message::user(&one.question), Message::assistant(&one.answer)]);
    messages.splice(start..start, turns);
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> Prompt {
        Prompt { id: "p".to_owned(), messages: vec![Message::user("Why is the sky blue?")], harmful: false }
    }

    fn asked(method: &str, weights: &[(&str, f64)]) -> Option<Vec<Message>> {
        let scales = Scales::shipped().unwrap();
        conversation(&method.parse().unwrap(), &prompt(), &Preference::of(weights), &scales)
    }

    #[test]
    fn words_know_more_and_less_but_no_strength() {
        for (weights, expected) in
            [(&[("concise", 1.0)][..], true), (&[("concise", -1.0)], true), (&[("concise", 2.0)], false), (&[], false)]
        {
            assert_eq!(asked("told:user", weights).is_some(), expected, "{weights:?}");
        }
        assert!(asked("told:system", &[("concise", 1.0), ("cheerful", -1.0)]).is_some());
        assert!(asked("told:system", &[("humor", -1.0)]).is_none(), "there is no opposite");
        assert!(asked("base", &[]).is_some() && asked("base", &[("concise", 1.0)]).is_none());
        assert!(asked("pad", &[]).is_none() && asked("pad", &[("concise", 0.3)]).is_some());
        assert!(asked("told:user+pad", &[("concise", 0.3)]).is_some());
    }

    #[test]
    fn an_instruction_is_in_one_turn_or_the_other() {
        let more = [("concise", 1.0)];
        let in_system = asked("told:system", &more).unwrap();
        assert_eq!(in_system[0], Message::system("Answer in one short sentence."));
        assert_eq!(in_system[1..], prompt().messages);
        let in_user = [Message::user("Answer in one short sentence.\n\nWhy is the sky blue?")];
        assert_eq!(asked("told:user", &more).unwrap(), in_user);
        assert_eq!(asked("told:user+pad", &[("concise", 2.0)]).unwrap(), in_user, "it has all weights");
        let less = asked("told:user+pad", &[("concise", -2.0)]).unwrap();
        assert!(
            less[0].content.starts_with("Give a long and thorough answer"),
            "the instruction follows the sign: {less:?}"
        );
        assert_eq!(asked("pad", &more).unwrap(), prompt().messages);
        let mut with_system = prompt();
        with_system.messages.insert(0, Message::system("You are Bob."));
        let both = told(&with_system, "Be brief.", Turn::System);
        assert_eq!((both.len(), both[0].content.as_str()), (2, "Be brief.\n\nYou are Bob."));
    }

    #[test]
    fn examples_come_before_the_prompt() {
        let shown = asked("examples", &[("concise", 1.0)]).unwrap();
        assert!(shown.len() >= 5 && shown.len() % 2 == 1);
        assert_eq!((shown[0].role.as_str(), shown[1].role.as_str()), ("user", "assistant"));
        assert_eq!(shown.last(), prompt().messages.last());
        for weights in [&[("concise", -1.0)][..], &[("concise", 2.0)], &[("concise", 1.0), ("simple", 1.0)]] {
            assert!(asked("examples", weights).is_none(), "{weights:?}");
        }
    }
}
