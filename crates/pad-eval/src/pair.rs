//! Held-out pairs of answers, and how often a reward model prefers the right one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use flate2::Crc;
use flate2::read::MultiGzDecoder;
use pad_client::Message;
use serde::{Deserialize, Serialize};

use crate::error::EvalError;
use crate::journal::Record;
use crate::method::Method;

/// A pair of answers, as `pad train` reads it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Pair {
    /// The conversation.
    pub prompt: Vec<Message>,
    /// The answer with more of the dimension.
    pub chosen: String,
    /// The answer with less of it.
    pub rejected: String,
    /// The dimension.
    pub dimension: String,
    /// Whether the chosen answer ends where its author ended it.
    #[serde(default = "yes")]
    pub chosen_complete: bool,
    /// The same of the rejected one.
    #[serde(default = "yes")]
    pub rejected_complete: bool,
    /// Its name in the results.
    #[serde(skip)]
    pub id: String,
}

fn yes() -> bool {
    true
}

/// A line of `pairs.jsonl`: the rewards of a pair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The method and the pair.
    pub id: String,
    /// The method whose reward model it is.
    pub method: Method,
    /// The dimension.
    pub dimension: String,
    /// The chosen answer.
    pub chosen: Judged,
    /// The rejected one.
    pub rejected: Judged,
}

impl Judgement {
    /// Whether the chosen answer has the greater reward.
    pub fn is_right(&self) -> bool {
        self.chosen.reward > self.rejected.reward
    }
}

/// The rewards of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judged {
    /// The reward, summed over the tokens.
    pub reward: f64,
    /// The tokens.
    pub tokens: u64,
    /// The log-probability under the base model, summed over the tokens, in nats.
    pub base_logprob: Option<f64>,
}

impl Record for Judgement {
    fn id(&self) -> &str {
        &self.id
    }
}

/// Reads pairs, a JSON object a line, packed by gzip or not.
///
/// # Errors
///
/// When the file cannot be read or a line is not a pair.
pub fn read(path: &Path) -> Result<Vec<Pair>, EvalError> {
    let file = File::open(path).map_err(EvalError::io("read", path))?;
    let packed = path.extension().is_some_and(|ending| ending == "gz");
    let file: Box<dyn Read> = if packed { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut pairs = Vec::new();
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(EvalError::io("read", path))?;
        if line.trim().is_empty() {
            continue;
        }
        let mut pair: Pair = serde_json::from_str(&line)
            .map_err(|error| EvalError::file(path, format!("line {}: {error}", number + 1)))?;
        // The checksum distinguishes another file of the same name.
        let mut sum = Crc::new();
        sum.update(line.as_bytes());
        pair.id = format!("{name}:{}:{:08x}", number + 1, sum.sum());
        pairs.push(pair);
    }
    Ok(pairs)
}

/// At most this many pairs of each dimension, spread over all of them.
pub fn thinned(pairs: Vec<Pair>, most: usize) -> Vec<Pair> {
    let mut dimensions: Vec<String> = pairs.iter().map(|pair| pair.dimension.clone()).collect();
    dimensions.sort();
    dimensions.dedup();
    let (mut pairs, mut kept) = (pairs, Vec::new());
    for dimension in dimensions {
        let (own, others): (Vec<Pair>, Vec<Pair>) = pairs.into_iter().partition(|pair| pair.dimension == dimension);
        let count = own.len();
        let taken = count.min(most);
        // The numbers k * count / taken are `taken` different ones, evenly spread.
        let mut wanted = (0..taken).map(|k| k * count / taken).peekable();
        kept.extend(own.into_iter().enumerate().filter_map(|(number, pair)| wanted.next_if_eq(&number).map(|_| pair)));
        pairs = others;
    }
    kept
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const LINE: &str = r#"{"prompt": [{"role": "user", "content": "Why?"}], "chosen": "So.", "rejected": "Well, because.", "dimension": "concise", "source": "x", "prompt_id": "1", "chosen_complete": true, "rejected_complete": false}"#;

    #[test]
    fn packed_and_plain_files_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("held.jsonl");
        std::fs::write(&plain, format!("{LINE}\n\n{LINE}\n")).unwrap();
        let packed = folder.path().join("held.jsonl.gz");
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::default());
        encoder.write_all(format!("{LINE}\n").as_bytes()).unwrap();
        encoder.finish().unwrap();
        let pairs = read(&plain).unwrap();
        let ids: Vec<&str> = pairs.iter().filter_map(|pair| Some(pair.id.rsplit_once(':')?.0)).collect();
        assert_eq!(ids, ["held.jsonl:1", "held.jsonl:3"]);
        assert!(pairs[0].chosen_complete && !pairs[0].rejected_complete);
        assert_eq!(read(&packed).unwrap()[0].rejected, "Well, because.");
    }

    #[test]
    fn a_line_that_is_no_pair_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("held.jsonl");
        std::fs::write(&path, format!("{LINE}\n{{}}\n")).unwrap();
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains("held.jsonl: line 2: missing field"), "{error}");
    }

    #[test]
    fn some_of_each_dimension_are_kept() {
        let pair = |number: usize, dimension: &str| {
            let mut pair: Pair = serde_json::from_str(LINE).unwrap();
            (pair.id, pair.dimension) = (number.to_string(), dimension.to_owned());
            pair
        };
        let pairs = (0..7).map(|n| pair(n, "a")).chain((7..9).map(|n| pair(n, "b"))).collect();
        let kept: Vec<String> = thinned(pairs, 3).into_iter().map(|pair| pair.id).collect();
        assert_eq!(kept, ["0", "2", "4", "7", "8"]);
    }
}
