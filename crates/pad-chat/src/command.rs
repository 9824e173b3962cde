//! What a line of the user's is.

use pad_api::Preference;
use serde_json::{Value, json};

/// What `/help` prints.
pub const HELP: &str = "\
/prefer concise=1 cheerful=-0.5   prefer; also words: /prefer like a pirate. /prefer off: the model's own answers
/profile NAME                     prefer what the server keeps under this name
/compare                          answer each message twice, without and with the preference; again: once
/why                              which of the last answer's words the rewards put before the base model's first choice
/again                            answer the last message again, with another seed
/system TEXT                      a system message; nothing: none
/new                              forget the conversation
/help, /quit";

/// A line, understood.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A message to the model.
    Say(String),
    /// The preference to use from now on; none: no steering.
    Prefer(Option<Value>),
    /// Answer twice or once.
    Compare,
    /// Explain the last answer.
    Why,
    /// Answer the last message again.
    Again,
    /// The system message; none: no such message.
    System(Option<String>),
    /// Forget the conversation.
    New,
    /// Print [`HELP`].
    Help,
    /// End.
    Quit,
    /// Nothing was typed.
    Nothing,
}

impl Command {
    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it, for the user.
    pub fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        let Some(command) = line.strip_prefix('/') else {
            return Ok(if line.is_empty() { Self::Nothing } else { Self::Say(line.to_owned()) });
        };
        let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
        let rest = rest.trim();
        match name {
            "prefer" => preference(rest).map(Self::Prefer),
            "profile" if !rest.is_empty() => Ok(Self::Prefer(Some(json!({ "profile": rest })))),
            "profile" => Err("the name of a profile is missing: /profile NAME".into()),
            "compare" => Ok(Self::Compare),
            "why" => Ok(Self::Why),
            "again" => Ok(Self::Again),
            "system" => Ok(Self::System(Some(rest.to_owned()).filter(|text| !text.is_empty()))),
            "new" => Ok(Self::New),
            "help" | "?" => Ok(Self::Help),
            "quit" | "exit" | "q" => Ok(Self::Quit),
            _ => Err(format!("there is no command /{name}; /help lists them")),
        }
    }
}

/// A preference as a user types it: weights separated by spaces or commas, words, or `off` for none; as the JSON of a request.
///
/// # Errors
/// What is wrong with it, for the user.
pub fn preference(text: &str) -> Result<Option<Value>, String> {
    if text.is_empty() {
        return Err("what to prefer is missing: /prefer concise=1, /prefer like a pirate, or /prefer off".into());
    }
    if text == "off" {
        return Ok(None);
    }
    let words: Vec<&str> = text.split([',', ' ']).filter(|word| !word.is_empty()).collect();
    let weights = words.iter().all(|word| word.contains('='));
    let text = if weights { words.join(",") } else { text.to_owned() };
    serde_json::to_value(Preference::from_text(&text)?).map(Some).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_messages_or_commands() {
        for (line, command) in [
            ("  ", Command::Nothing),
            (" why? ", Command::Say("why?".into())),
            ("/why", Command::Why),
            ("/system be brief ", Command::System(Some("be brief".into()))),
            ("/system", Command::System(None)),
            ("/q", Command::Quit),
            ("/prefer off", Command::Prefer(None)),
            ("/prefer concise=1 cheerful=-0.5", Command::Prefer(Some(json!({"concise": 1.0, "cheerful": -0.5})))),
            ("/prefer concise=1, cheerful=2", Command::Prefer(Some(json!({"concise": 1.0, "cheerful": 2.0})))),
            ("/prefer like a pirate", Command::Prefer(Some(json!("like a pirate")))),
            ("/profile alice", Command::Prefer(Some(json!({"profile": "alice"})))),
        ] {
            assert_eq!(Command::parse(line), Ok(command), "{line}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (line, part) in [
            ("/nonsense", "/help"),
            ("/prefer", "missing"),
            ("/prefer concise=much", "concise"),
            ("/prefer concise=1 concise=2", "twice"),
            ("/profile", "missing"),
        ] {
            let error = Command::parse(line).unwrap_err();
            assert!(error.contains(part), "{line}: {error}");
        }
    }
}
