//! Judges: they decide which of two answers is better.

use std::time::Duration;

use pad_client::{ChatBody, Client, Connections, Message};
use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::scorer::Scorer;
use crate::work;

/// After this, a request has failed.
const TIMEOUT: Duration = Duration::from_mins(10);

/// Tokens of a judge's reply at most.
const REPLY_TOKENS: usize = 8;

/// Two answers in the order in which the judge reads them.
#[derive(Clone, Debug, Serialize)]
pub struct Comparison {
    /// Comes back with the verdict.
    pub id: String,
    /// What the user said last.
    pub prompt: String,
    /// What the user likes, in words.
    pub wish: String,
    /// The first answer.
    pub one: String,
    /// The second answer.
    pub other: String,
}

/// Which answer is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Winner {
    /// The first.
    One,
    /// The second.
    Other,
    /// Neither.
    Tie,
}

/// A line that a command writes.
#[derive(Deserialize)]
struct Line {
    id: String,
    winner: Winner,
}

/// A judge.
#[derive(Debug)]
pub enum Judge {
    /// A command: comparisons in, `{"id", "winner": "one" | "other" | "tie"}` out, a JSON object a line.
    Command(Scorer),
    /// A chat server, asked with a fixed question.
    Server(Client, String),
}

impl Judge {
    /// A URL of a chat server, or a command line for the shell; `key` is sent to a server.
    ///
    /// # Errors
    ///
    /// When the server does not tell its model.
    pub fn new(text: &str, key: Option<&str>, connections: usize) -> Result<Self, EvalError> {
        if !(text.starts_with("http://") || text.starts_with("https://")) {
            return Ok(Self::Command(Scorer::named("judge", text)));
        }
        let client = Client::new(text, key, Connections { most: connections, timeout: TIMEOUT })?;
        let model = client.models()?.into_iter().next().unwrap_or_default();
        Ok(Self::Server(client, model))
    }

    /// Its name, which also identifies its verdicts.
    pub fn title(&self) -> String {
        match self {
            Self::Command(command) => command.command().to_owned(),
            Self::Server(client, model) => format!("{model} at {}", client.base()),
        }
    }

    /// Decides each comparison; `take` gets the verdicts by the comparisons' ids.
    ///
    /// # Errors
    ///
    /// When the command fails or leaves a comparison out, or the server does not answer.
    pub fn compare(
        &self,
        comparisons: &[Comparison],
        threads: usize,
        mut take: impl FnMut(String, Winner) -> Result<(), EvalError> + Send,
    ) -> Result<(), EvalError> {
        match self {
            Self::Command(command) => {
                let lines = command.exchange(comparisons)?;
                let mut verdicts = Vec::new();
                for line in &lines {
                    let Line { id, winner } =
                        serde_json::from_str(line).map_err(|error| command.failed(format!("wrote {line}: {error}")))?;
                    verdicts.push((id, winner));
                }
                for comparison in comparisons {
                    let own = verdicts.iter().find(|(id, _)| *id == comparison.id);
                    let winner = own.map(|(_, winner)| *winner);
                    let missing = || command.failed(format!("gave no verdict of `{}`", comparison.id));
                    take(comparison.id.clone(), winner.ok_or_else(missing)?)?;
                }
                Ok(())
            }
            Self::Server(client, model) => {
                let ask = |comparison: &Comparison| {
                    let reply = client.chat(&question(comparison, model))?;
                    let text = reply.answers.first().map(|answer| answer.text.as_str()).unwrap_or_default();
                    Ok((comparison.id.clone(), verdict(text)))
                };
                work::each("judge", comparisons, threads, ask, |(id, winner)| take(id, winner))
            }
        }
    }
}

fn question(comparison: &Comparison, model: &str) -> ChatBody {
    let Comparison { prompt, wish, one, other, .. } = comparison;
    let text = format!(
        "A user asked:\n{prompt}\n\nThe user wants answers that follow this wish: {wish}\n\n[Answer 1]\n{one}\n\n[Answer 2]\n{other}\n\n\
         Which answer serves the user better: does it answer the question, and does it follow the wish? Reply with 1 or 2 \
         only, or 0 if they are equally good."
    );
    ChatBody {
        model: (!model.is_empty()).then(|| model.to_owned()),
        messages: vec![Message::user(text)],
        max_tokens: Some(REPLY_TOKENS),
        temperature: Some(0.0),
        seed: Some(0),
        // The judge itself is not steered.
        ..ChatBody::default()
    }
}

/// The first number of a reply; what is neither 1 nor 2 is a tie.
fn verdict(reply: &str) -> Winner {
    match reply.chars().find(char::is_ascii_digit) {
        Some('1') => Winner::One,
        Some('2') => Winner::Other,
        _ => Winner::Tie,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn comparison(id: &str) -> Comparison {
        let [prompt, wish, one, other] = ["Why?", "Be brief.", "So.", "It is so."].map(str::to_owned);
        Comparison { id: id.to_owned(), prompt, wish, one, other }
    }

    fn verdicts(command: &str) -> Result<Vec<(String, Winner)>, EvalError> {
        let mut found = Vec::new();
        let take = |id, winner| {
            found.push((id, winner));
            Ok(())
        };
        Judge::new(command, None, 1)?.compare(&[comparison("a"), comparison("b")], 1, take)?;
        Ok(found)
    }

    #[test]
    fn a_command_says_who_wins() {
        let command = r#"sed 's/{"id":\("[ab]"\).*/{"id": \1, "winner": "other"}/' | sort -r"#;
        let expected = [("a".to_owned(), Winner::Other), ("b".to_owned(), Winner::Other)];
        assert_eq!(verdicts(command).unwrap(), expected, "in the order of the comparisons");
        let error = verdicts("cat").unwrap_err().to_string();
        assert!(error.starts_with("the scorer `cat` wrote") && error.contains("missing field `winner`"), "{error}");
        let error = verdicts("head -n 0").unwrap_err().to_string();
        assert!(error.contains("gave no verdict of `a`"), "{error}");
    }

    #[test]
    fn the_first_number_of_a_reply_counts() {
        let found = ["1", "Answer 2 is better", "0", "Both", " 2."].map(verdict);
        assert_eq!(found, [Winner::One, Winner::Other, Winner::Tie, Winner::Tie, Winner::Other]);
        let body = question(&comparison("a"), "m");
        assert!(body.messages[0].content.contains("[Answer 1]\nSo.\n\n[Answer 2]\nIt is so."));
    }
}
