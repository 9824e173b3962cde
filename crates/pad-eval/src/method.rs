//! The arms of an evaluation: the ways in which a preference reaches the answers.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::guidance::Guidance;
use crate::turn::Turn;

/// What stands between the instruction's turn and the steering of [`Method::Pad`].
const AND_PAD: &str = "+pad";

/// An arm.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Method {
    /// The base model's own answers. Always measured: it is weight 0 of all the others.
    Base,
    /// An instruction in words in the prompt, and no steering.
    Told(Turn),
    /// Questions answered in the wanted style before the prompt's own, and no steering.
    Examples,
    /// Steering by the server.
    Pad(Pad),
}

/// Steering by the server.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pad {
    /// The reward model's folder; without, the server's own.
    pub reward: Option<String>,
    /// Where the prompt holds the instruction as well.
    pub told: Option<Turn>,
    /// Strength and candidates.
    pub guidance: Guidance,
}

impl Method {
    /// Steering by the server's own reward model at its default strength.
    pub fn pad() -> Self {
        Self::Pad(Pad::default())
    }

    /// The steering, where this arm has it.
    pub fn steering(&self) -> Option<&Pad> {
        match self {
            Self::Pad(pad) => Some(pad),
            Self::Base | Self::Told(_) | Self::Examples => None,
        }
    }

    /// Whether weights have a strength: an instruction is given or not, and examples likewise.
    pub fn is_graded(&self) -> bool {
        self.steering().is_some()
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Base => f.write_str("base"),
            Self::Told(turn) => write!(f, "told:{turn}"),
            Self::Examples => f.write_str("examples"),
            Self::Pad(Pad { reward, told, guidance }) => {
                if let Some(turn) = told {
                    write!(f, "told:{turn}+")?;
                }
                f.write_str("pad")?;
                if let Some(reward) = reward {
                    write!(f, ":{reward}")?;
                }
                write!(f, "{guidance}")
            }
        }
    }
}

impl FromStr for Method {
    type Err = EvalError;

    fn from_str(text: &str) -> Result<Self, EvalError> {
        let turn = |text: &str| text.strip_prefix("told:")?.parse::<Turn>().ok();
        let read = match text {
            "base" => Some(Self::Base),
            "examples" => Some(Self::Examples),
            _ => turn(text).map(Self::Told).or_else(|| match text.split_once(AND_PAD) {
                Some((told, rest)) if told.starts_with("told:") => steering(rest, Some(turn(told)?)),
                _ => steering(text.strip_prefix("pad")?, None),
            }),
        };
        read.ok_or_else(|| EvalError::Value {
            what: "a method",
            given: text.to_owned(),
            problem: "allowed are `base`, `told:system`, `told:user`, `examples`, `pad`, `pad:REWARD_MODEL`, \
                      `told:user+pad` (or `system`), and `@beta=NUMBER,k=NUMBER` behind those with `pad`"
                .to_owned(),
        })
    }
}

/// The suffix of `pad`: nothing, `:FOLDER`, `@beta=...`, or both.
fn steering(rest: &str, told: Option<Turn>) -> Option<Method> {
    let guided = rest.rsplit_once('@').and_then(|(rest, text)| Some((rest, Guidance::parse(text)?)));
    let (rest, guidance) = guided.unwrap_or((rest, Guidance::default()));
    let reward = match rest {
        "" => None,
        _ => Some(rest.strip_prefix(':').filter(|reward| !reward.is_empty())?.to_owned()),
    };
    Some(Method::Pad(Pad { reward, told, guidance }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_as_they_are_written() {
        for text in [
            "base",
            "told:system",
            "told:user",
            "examples",
            "pad",
            "pad:models/style",
            "pad@beta=0.5",
            "pad:a@b@k=40",
            "told:user+pad",
            "told:system+pad:models/style@beta=1.5,k=10",
        ] {
            assert_eq!(text.parse::<Method>().unwrap().to_string(), text);
        }
        for wrong in ["best", "pad:", "told", "told:us", "padded", "told:us+pad", "pad@beta=-1", ""] {
            let error = wrong.parse::<Method>().unwrap_err().to_string();
            assert!(error.contains(&format!("`{wrong}`")) && error.contains("`pad:REWARD_MODEL`"), "{error}");
        }
    }
}
