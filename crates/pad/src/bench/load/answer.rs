//! A streamed answer, and when its words came.

use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

/// What is kept of a request that was answered.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// From sending the request to the first words; none where there were none.
    pub first: Option<Duration>,
    /// Between each chunk with words and the one before.
    pub gaps: Vec<Duration>,
    /// From sending the request to the last event.
    pub total: Duration,
    /// Chunks with words.
    pub chunks: u64,
    /// What the server counted.
    pub usage: Option<Usage>,
}

/// Tokens as the server counted them.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Usage {
    /// Of the prompt, with its template.
    pub prompt_tokens: u64,
    /// Of the answer.
    pub completion_tokens: u64,
    /// Details of the prompt's.
    prompt_tokens_details: Option<PromptDetails>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
struct PromptDetails {
    cached_tokens: Option<u64>,
}

impl Usage {
    /// Tokens of the prompt that were found in a cache; none where the server does not say.
    pub fn cached_tokens(&self) -> Option<u64> {
        self.prompt_tokens_details.as_ref()?.cached_tokens
    }
}

impl Answer {
    /// Tokens of the answer; where the server does not count them, chunks.
    pub fn tokens(&self) -> u64 {
        self.usage.as_ref().map_or(self.chunks, |usage| usage.completion_tokens)
    }

    /// Mean time between tokens; none where there were not two.
    pub fn per_token(&self) -> Option<Duration> {
        let spoken: Duration = self.gaps.iter().sum();
        let between = self.tokens().saturating_sub(1);
        (between > 0).then(|| spoken.div_f64(between as f64))
    }
}

/// An event of the stream; only what is looked at.
#[derive(Deserialize)]
struct Chunk {
    #[serde(default)]
    choices: Vec<Choice>,
    usage: Option<Usage>,
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Delta,
    finish_reason: Option<String>,
}

#[derive(Default, Deserialize)]
struct Delta {
    content: Option<String>,
    /// Words that a model thinks before it answers; servers name them one way or the other.
    reasoning_content: Option<String>,
    reasoning: Option<String>,
}

impl Delta {
    fn has_words(&self) -> bool {
        let all = [&self.content, &self.reasoning_content, &self.reasoning];
        all.into_iter().flatten().any(|words| !words.is_empty())
    }
}

/// Reads the events of one answer.
#[derive(Debug)]
pub struct Listener {
    sent: Instant,
    answer: Answer,
    /// When the latest words came.
    latest: Option<Instant>,
    ended: bool,
}

impl Listener {
    /// Before the first event of a request that was sent at this time.
    pub fn new(sent: Instant) -> Self {
        Self { sent, answer: Answer::default(), latest: None, ended: false }
    }

    /// Take the data of an event that came at this time.
    ///
    /// # Errors
    ///
    /// When the event is an error, or nothing that belongs into such a stream.
    pub fn hear(&mut self, data: &str, now: Instant) -> anyhow::Result<()> {
        self.answer.total = now - self.sent;
        if data.trim() == "[DONE]" {
            self.ended = true;
            return Ok(());
        }
        let chunk: Chunk = serde_json::from_str(data).with_context(|| format!("not a chunk: {data}"))?;
        if let Some(error) = chunk.error {
            bail!("the stream has an error: {}", error["message"].as_str().map_or(error.to_string(), Into::into));
        }
        self.answer.usage = chunk.usage.or(self.answer.usage.take());
        for choice in chunk.choices {
            self.ended |= choice.finish_reason.is_some();
            if choice.delta.has_words() {
                self.words(now);
            }
        }
        Ok(())
    }

    fn words(&mut self, now: Instant) {
        self.answer.chunks += 1;
        match self.latest.replace(now) {
            Some(before) => self.answer.gaps.push(now - before),
            None => self.answer.first = Some(now - self.sent),
        }
    }

    /// Whether there were words.
    pub fn has_words(&self) -> bool {
        self.latest.is_some()
    }

    /// The answer, when the stream has ended.
    ///
    /// # Errors
    ///
    /// When it ended too early.
    pub fn finish(self) -> anyhow::Result<Answer> {
        ensure!(self.ended, "the stream broke off after {} chunks with words", self.answer.chunks);
        Ok(self.answer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(content: &str) -> String {
        format!(r#"{{"choices":[{{"index":0,"delta":{{"content":"{content}"}},"finish_reason":null}}]}}"#)
    }

    #[test]
    fn times_are_those_of_chunks_with_words() {
        let sent = Instant::now();
        let mut listener = Listener::new(sent);
        let mut hear = |millis, data: &str| listener.hear(data, sent + Duration::from_millis(millis)).unwrap();
        hear(5, r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#);
        hear(10, &words("Hel"));
        hear(14, r#"{"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":null}]}"#);
        hear(20, &words("lo"));
        hear(21, r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#);
        let usage = r#"{"prompt_tokens":7,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":2}}"#;
        hear(22, &format!(r#"{{"choices":[],"usage":{usage}}}"#));
        hear(23, "[DONE]");
        let answer = listener.finish().unwrap();
        assert_eq!((answer.first, answer.total), (Some(Duration::from_millis(10)), Duration::from_millis(23)));
        assert_eq!(answer.gaps, [4, 6].map(Duration::from_millis));
        assert_eq!((answer.chunks, answer.tokens()), (3, 6), "the server's count is believed");
        assert_eq!(answer.per_token(), Some(Duration::from_millis(2)));
        assert_eq!(answer.usage.unwrap().cached_tokens(), Some(2));
    }

    #[test]
    fn without_usage_chunks_count() {
        let sent = Instant::now();
        let mut listener = Listener::new(sent);
        listener.hear(&words("one"), sent).unwrap();
        listener.hear("[DONE]", sent).unwrap();
        let answer = listener.finish().unwrap();
        assert_eq!((answer.tokens(), answer.per_token()), (1, None));
    }

    #[test]
    fn what_is_no_whole_answer_is_an_error() {
        let now = Instant::now();
        let mut listener = Listener::new(now);
        listener.hear(&words("one"), now).unwrap();
        assert_eq!(listener.finish().unwrap_err().to_string(), "the stream broke off after 1 chunks with words");
        let said = |data| Listener::new(now).hear(data, now).unwrap_err().to_string();
        assert_eq!(said(r#"{"error":{"message":"no room"}}"#), "the stream has an error: no room");
        assert_eq!(said("<html>"), "not a chunk: <html>");
    }
}
