//! How answers are made to follow a preference.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::preference::Preference;
use crate::prompt::{Message, Prompt};
use crate::scale::Scales;

/// A way to steer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Method {
    /// Nothing is steered. Always measured: it is weight 0 of all the others.
    Base,
    /// The base model is told in its prompt.
    Prompting,
    /// The server steers, with its own reward model or with one of this name (a folder, where the server is started here).
    Pad(Option<String>),
}

impl Method {
    /// Whether this method has an answer of its own to this preference.
    ///
    /// Words have no strength: a prompted model is told more or less of a thing, as the weight 1 or -1, and other weights would
    /// be the same question again.
    pub fn takes(&self, preference: &Preference, scales: &Scales) -> bool {
        match self {
            Self::Base => preference.is_none(),
            Self::Pad(_) => !preference.is_none(),
            Self::Prompting => told(preference, scales).is_some(),
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Prompting => f.write_str("prompting"),
            Self::Pad(None) => f.write_str("pad"),
            Self::Pad(Some(reward)) => write!(f, "pad:{reward}"),
        }
    }
}

impl FromStr for Method {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        match text {
            "base" => Ok(Self::Base),
            "prompting" => Ok(Self::Prompting),
            "pad" => Ok(Self::Pad(None)),
            _ => match text.strip_prefix("pad:").filter(|reward| !reward.is_empty()) {
                Some(reward) => Ok(Self::Pad(Some(reward.to_owned()))),
                None => Err(EvalError::Value {
                    what: "a method",
                    given: text.to_owned(),
                    problem: "allowed are `base`, `prompting`, `pad` and `pad:REWARD_MODEL`".to_owned(),
                }),
            },
        }
    }
}

impl From<Method> for String {
    fn from(method: Method) -> Self {
        method.to_string()
    }
}

impl TryFrom<String> for Method {
    type Error = EvalError;

    fn try_from(text: String) -> Result<Self, EvalError> {
        text.parse()
    }
}

/// Where a prompted model is told what to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// In a system message, before the conversation's own.
    #[default]
    System,
    /// In the last user message, before its text.
    User,
}

impl FromStr for Turn {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        match text {
            "system" => Ok(Self::System),
            "user" => Ok(Self::User),
            _ => Err(EvalError::Value {
                what: "the turn of prompting",
                given: text.to_owned(),
                problem: "allowed are `system` and `user`".to_owned(),
            }),
        }
    }
}

/// What a prompted model is told; none where the scales have no words for a dimension, or a weight is neither 1 nor -1.
fn told(preference: &Preference, scales: &Scales) -> Option<String> {
    let words = preference.weights().map(|(dimension, weight)| {
        let scale = scales.of(dimension)?;
        if weight == 1.0 {
            scale.told.as_deref()
        } else if weight == -1.0 {
            scale.opposite.as_deref()
        } else {
            None
        }
    });
    let words: Option<Vec<&str>> = words.collect();
    words.filter(|words| !words.is_empty()).map(|words| words.join(" "))
}

/// The conversation with the preference in its prompt; none as for [`Method::takes`].
pub fn prompted(prompt: &Prompt, preference: &Preference, scales: &Scales, turn: Turn) -> Option<Vec<Message>> {
    let told = told(preference, scales)?;
    let mut messages = prompt.messages.clone();
    let at = match turn {
        Turn::System => messages.iter().position(|message| message.role == "system"),
        Turn::User => messages.iter().rposition(|message| message.role == "user"),
    };
    match at {
        Some(at) => messages[at].content = format!("{told}\n\n{}", messages[at].content),
        None => messages.insert(0, Message::new("system", &told)),
    }
    Some(messages)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prompt() -> Prompt {
        Prompt { id: "p".to_owned(), messages: vec![Message::new("user", "Why is the sky blue?")] }
    }

    #[test]
    fn methods_are_read_as_they_are_written() {
        for text in ["base", "prompting", "pad", "pad:models/style"] {
            assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
        }
        let error = "best".parse::<Method>().unwrap_err().to_string();
        assert!(error.contains("`best`") && error.contains("`pad:REWARD_MODEL`"), "{error}");
        assert!("pad:".parse::<Method>().is_err());
    }

    #[test]
    fn words_know_more_and_less_but_no_strength() {
        let scales = Scales::shipped().unwrap();
        let takes = |method: &Method, weights: &[(&str, f64)]| method.takes(&Preference::of(weights), &scales);
        for (weights, expected) in
            [(&[("concise", 1.0)][..], true), (&[("concise", -1.0)], true), (&[("concise", 2.0)], false), (&[], false)]
        {
            assert_eq!(takes(&Method::Prompting, weights), expected, "{weights:?}");
        }
        assert!(takes(&Method::Prompting, &[("concise", 1.0), ("cheerful", -1.0)]));
        assert!(!takes(&Method::Prompting, &[("humor", -1.0)]), "there is no opposite");
        assert!(takes(&Method::Base, &[]) && !takes(&Method::Base, &[("concise", 1.0)]));
        assert!(!takes(&Method::Pad(None), &[]) && takes(&Method::Pad(None), &[("concise", 0.3)]));
    }

    #[test]
    fn a_model_is_told_in_one_turn_or_the_other() {
        let scales = Scales::shipped().unwrap();
        let preference = Preference::of(&[("concise", 1.0)]);
        let told = prompted(&prompt(), &preference, &scales, Turn::System).unwrap();
        assert_eq!(told[0], Message::new("system", "Answer in one short sentence."));
        assert_eq!(told[1..], prompt().messages);
        let told = prompted(&prompt(), &preference, &scales, Turn::User).unwrap();
        assert_eq!(told, [Message::new("user", "Answer in one short sentence.\n\nWhy is the sky blue?")]);
        let mut with_system = prompt();
        with_system.messages.insert(0, Message::new("system", "You are Bob."));
        let told = prompted(&with_system, &preference, &scales, Turn::System).unwrap();
        assert_eq!((told.len(), told[0].content.as_str()), (2, "Answer in one short sentence.\n\nYou are Bob."));
    }
}
