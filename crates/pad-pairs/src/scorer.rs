//! A scorer of the user's own: a command that reads answers and writes numbers.

use std::collections::HashMap;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::PairsError;

/// A command that is run by the shell: JSON lines in, JSON lines out, in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scorer {
    command: String,
    name: Option<String>,
}

/// A line that the command reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    /// Comes back with the score.
    pub id: String,
    /// The user's last words.
    pub prompt: String,
    /// The answer to be scored.
    pub answer: String,
}

/// A line that the command writes: one `score`, or several `scores` by name. A score of null leaves the answer out.
#[derive(Deserialize)]
struct Line {
    id: String,
    #[serde(default)]
    score: Single,
    #[serde(default)]
    scores: HashMap<String, Option<f64>>,
}

/// The one score: a null is a value here, and not the same as nothing.
#[derive(Default, Deserialize)]
#[serde(from = "Option<f64>")]
enum Single {
    #[default]
    Absent,
    Given(Option<f64>),
}

impl From<Option<f64>> for Single {
    fn from(score: Option<f64>) -> Self {
        Self::Given(score)
    }
}

impl Scorer {
    /// The scorer of a command line. `name` says which one to take where the command gives several scores.
    pub fn new(command: &str, name: Option<&str>) -> Self {
        Self { command: command.to_owned(), name: name.map(Into::into) }
    }

    /// The scores of these answers by id; none for an answer that is to be left out.
    ///
    /// # Errors
    ///
    /// [`PairsError::Scorer`] where the command does not start, fails or leaves an answer out; [`PairsError::Score`] with the line
    /// where it writes something else than scores.
    pub fn score(&self, items: &[Item]) -> Result<HashMap<String, Option<f64>>, PairsError> {
        if items.is_empty() {
            return Ok(HashMap::new());
        }
        let mut input = String::new();
        for item in items {
            let line = serde_json::to_string(item).map_err(|error| self.failed(error.to_string()))?;
            input.push_str(&line);
            input.push('\n');
        }
        let output = self.run(&input)?;
        let mut scores = HashMap::new();
        for (at, line) in output.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
            let (id, score) = self.parse(line).map_err(|problem| PairsError::Score {
                command: self.command.clone(),
                line: at + 1,
                problem,
            })?;
            scores.insert(id, score);
        }
        match items.iter().find(|item| !scores.contains_key(&item.id)) {
            Some(item) => Err(self.failed(format!("wrote no score for `{}`", item.id))),
            None => Ok(scores),
        }
    }

    fn run(&self, input: &str) -> Result<String, PairsError> {
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| self.failed(format!("cannot be started: {error}")))?;
        let stdin = child.stdin.take();
        let output = thread::scope(|scope| {
            // A thread of its own, so that neither side waits for the other with a full pipe. A command that does not read
            // to the end is known by its status or its missing lines.
            scope.spawn(move || stdin.map(|mut stdin| stdin.write_all(input.as_bytes())));
            child.wait_with_output()
        });
        let output = output.map_err(|error| self.failed(format!("cannot be read: {error}")))?;
        if !output.status.success() {
            return Err(self.failed(format!("ended with {}", output.status)));
        }
        String::from_utf8(output.stdout).map_err(|_| self.failed("wrote output that is not UTF-8".to_owned()))
    }

    fn parse(&self, line: &str) -> Result<(String, Option<f64>), String> {
        let line: Line = serde_json::from_str(line).map_err(|error| format!("{error}: {line}"))?;
        let score = match (&self.name, line.score) {
            (Some(name), _) => line.scores.get(name).copied().ok_or_else(|| format!("it has no score `{name}`"))?,
            (None, Single::Given(score)) => score,
            (None, Single::Absent) => match line.scores.into_values().collect::<Vec<_>>()[..] {
                [score] => score,
                _ => return Err("it has no `score`; name one of `scores`".to_owned()),
            },
        };
        Ok((line.id, score))
    }

    fn failed(&self, problem: String) -> PairsError {
        PairsError::Scorer { command: self.command.clone(), problem }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(count: usize) -> Vec<Item> {
        let item = |at: usize| Item { id: format!("i{at}"), prompt: "p".to_owned(), answer: "a\n\"b\"".to_owned() };
        (0..count).map(item).collect()
    }

    fn scored(command: &str, name: Option<&str>, count: usize) -> Result<HashMap<String, Option<f64>>, PairsError> {
        Scorer::new(command, name).score(&items(count))
    }

    #[test]
    fn every_answer_gets_its_score() {
        // More than a pipe holds, in both directions.
        let command = r#"sed -E 's/.*"id":"(i([0-9]+))".*/{"id": "\1", "score": \2, "more": 1}/'"#;
        let scores = scored(command, None, 5000).unwrap();
        assert_eq!((scores.len(), scores["i0"], scores["i4999"]), (5000, Some(0.0), Some(4999.0)));
        let several = r#"echo '{"id": "i0", "scores": {"a": 1, "b": 2.5}}'"#;
        assert_eq!(scored(several, Some("b"), 1).unwrap()["i0"], Some(2.5));
        let without = r#"echo '{"id": "i0", "score": null}'"#;
        assert_eq!(scored(without, None, 1).unwrap()["i0"], None);
        assert_eq!(scored("false", None, 0).unwrap().len(), 0, "nothing is asked for nothing");
    }

    #[test]
    fn what_goes_wrong_names_the_command_and_the_line() {
        for (command, name, expected) in [
            ("exit 3", None, "the scorer `exit 3` ended with exit status: 3"),
            ("no-such-command-here 2>&-", None, "ended with exit status: 127"),
            ("cat > /dev/null", None, "wrote no score for `i0`"),
            ("echo; echo 7", None, "line 2 of its output"),
            (r#"echo '{"id": "i0", "score": "high"}'"#, None, "line 1 of its output"),
            (r#"echo '{"id": "i0", "scores": {"a": 1, "b": 2}}'"#, None, "name one of `scores`"),
            (r#"echo '{"id": "i0", "score": 1}'"#, Some("c"), "it has no score `c`"),
        ] {
            let message = scored(command, name, 1).unwrap_err().to_string();
            assert!(message.contains(expected) && message.contains(command), "{message}");
        }
    }
}
