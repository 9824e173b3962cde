//! Scorers: commands that read answers and write scores, one line of JSON each.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::process::{Command, Output, Stdio};
use std::thread;

use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::preference::Preference;

/// Characters of a scorer's output that are shown.
const EXCERPT: usize = 200;

/// Scores by name.
pub type Scores = BTreeMap<String, f64>;

/// A line that a scorer reads.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Scored<'a> {
    /// The answer's id, which comes back with its scores.
    pub id: &'a str,
    /// What the user said last.
    pub prompt: &'a str,
    /// The answer.
    pub answer: &'a str,
    /// What was preferred.
    pub preference: &'a Preference,
}

/// A line that a scorer writes.
#[derive(Deserialize)]
struct Line {
    id: String,
    scores: Option<Scores>,
    score: Option<f64>,
}

/// A command that scores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scorer {
    /// The name of a single `score`, and in reports.
    name: Option<String>,
    command: String,
}

impl Scorer {
    /// A command line for the shell, or `NAME=COMMAND`: the name is that of a scorer's single `score`.
    pub fn new(text: &str) -> Self {
        let plain = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
        match text.split_once('=') {
            Some((name, command)) if !name.is_empty() && plain(name) => Self::named(name, command),
            _ => Self { name: None, command: text.to_owned() },
        }
    }

    /// A command line with a name.
    pub fn named(name: &str, command: &str) -> Self {
        Self { name: Some(name.to_owned()), command: command.to_owned() }
    }

    /// What people call it: its name, or the command.
    pub fn title(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.command)
    }

    /// The command line.
    pub fn command(&self) -> &str {
        &self.command
    }

    /// Scores all answers, by id.
    ///
    /// # Errors
    ///
    /// When the command cannot be run, fails, writes something else than scores, or leaves an answer out.
    pub fn score(&self, answers: &[Scored<'_>]) -> Result<HashMap<String, Scores>, EvalError> {
        let mut found = HashMap::new();
        for (number, line) in self.exchange(answers)?.iter().enumerate() {
            let (id, scores) = self.read(line).map_err(|problem| {
                self.failed(format!("wrote no valid score in line {} ({problem}): {}", number + 1, excerpt(line)))
            })?;
            found.insert(id, scores);
        }
        match answers.iter().find(|answer| !found.contains_key(answer.id)) {
            None => Ok(found),
            Some(missing) => {
                let problem = format!("gave {} of {} scores; `{}` is missing", found.len(), answers.len(), missing.id);
                Err(self.failed(problem))
            }
        }
    }

    /// Runs the command: a line of JSON in for each item; the lines that it writes, without empty ones.
    pub(crate) fn exchange(&self, items: &[impl Serialize]) -> Result<Vec<String>, EvalError> {
        let mut input = Vec::new();
        for item in items {
            serde_json::to_writer(&mut input, item).map_err(|error| self.failed(error.to_string()))?;
            input.push(b'\n');
        }
        let output = self.run(&input)?;
        let text = String::from_utf8(output.stdout).map_err(|_| self.failed("wrote output that is not UTF-8"))?;
        Ok(text.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect())
    }

    fn read(&self, line: &str) -> Result<(String, Scores), String> {
        let line: Line = serde_json::from_str(line).map_err(|error| error.to_string())?;
        let mut scores = line.scores.unwrap_or_default();
        if let Some(score) = line.score {
            scores.insert(self.name.clone().unwrap_or_else(|| "score".to_owned()), score);
        } else if scores.is_empty() {
            return Err("neither `scores` nor `score`".to_owned());
        }
        Ok((line.id, scores))
    }

    fn run(&self, input: &[u8]) -> Result<Output, EvalError> {
        let mut child = Command::new("sh")
            .args(["-c", &self.command])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| self.failed(format!("cannot be started: {error}")))?;
        let stdin = child.stdin.take();
        let output = thread::scope(|scope| {
            // On a thread of its own: a scorer may write before it has read everything.
            scope.spawn(move || {
                // A scorer that does not want to read on says so by its status, or by what it leaves out.
                let _ = stdin.map(|mut stdin| stdin.write_all(input));
            });
            child.wait_with_output()
        });
        let output = output.map_err(|error| self.failed(format!("cannot be read: {error}")))?;
        if output.status.success() {
            return Ok(output);
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let last = said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it wrote no error message");
        Err(self.failed(format!("failed ({}): {}", output.status, excerpt(last))))
    }

    pub(crate) fn failed(&self, problem: impl Into<String>) -> EvalError {
        EvalError::Scorer { command: self.command.clone(), problem: problem.into() }
    }
}

fn excerpt(text: &str) -> String {
    text.trim().chars().take(EXCERPT).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(command: &str) -> Result<HashMap<String, Scores>, EvalError> {
        let none = Preference::none();
        let answer = |id| Scored { id, prompt: "Why?", answer: "Because.", preference: &none };
        Scorer::new(command).score(&[answer("a"), answer("b")])
    }

    #[test]
    fn a_scorer_gives_one_score_or_several() {
        let several = r#"sed 's/{"id":\("[ab]"\).*/{"id": \1, "scores": {"x": 1, "y": 2.5}}/'"#;
        let found = score(several).unwrap();
        assert_eq!(found["b"], Scores::from([("x".to_owned(), 1.0), ("y".to_owned(), 2.5)]));
        let one = r#"length=sed 's/{"id":\("[ab]"\).*/{"id": \1, "score": 8}/'"#;
        assert_eq!(score(one).unwrap()["a"], Scores::from([("length".to_owned(), 8.0)]));
        assert_eq!(Scorer::new("A=python x.py").title(), "A");
        assert_eq!(Scorer::new("python x.py --n=3").title(), "python x.py --n=3");
    }

    #[test]
    fn a_scorer_that_fails_is_named_with_its_last_words() {
        let said = score("echo first >&2; echo 'no module named vader' >&2; exit 3").unwrap_err().to_string();
        assert!(said.starts_with("the scorer `echo first") && said.contains("exit status: 3"), "{said}");
        assert!(said.ends_with("no module named vader"), "{said}");
        let said = score("no_such_command_anywhere").unwrap_err().to_string();
        assert!(said.contains("no_such_command_anywhere") && said.contains("not found"), "{said}");
    }

    #[test]
    fn nonsense_and_gaps_are_named() {
        let said = score("echo '{\"id\": \"a\", \"score\": 1}'; echo hello").unwrap_err().to_string();
        assert!(said.contains("wrote no valid score in line 2") && said.ends_with("hello"), "{said}");
        let said = score("echo '{\"id\": \"a\", \"score\": 1}'").unwrap_err().to_string();
        assert!(said.contains("gave 1 of 2 scores; `b` is missing"), "{said}");
        let said = score("echo '{\"id\": \"a\"}'").unwrap_err().to_string();
        assert!(said.contains("neither `scores` nor `score`"), "{said}");
    }
}
