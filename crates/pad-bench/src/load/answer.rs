//! A streamed answer, with the arrival times of its tokens.

use std::time::{Duration, Instant};

use pad_client::{ChatEvent, ClientError, TokenUsage};

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
    pub usage: Option<TokenUsage>,
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

/// Notes when the events of one answer come.
#[derive(Debug)]
pub struct Stopwatch {
    sent: Instant,
    answer: Answer,
    /// When the latest words came.
    latest: Option<Instant>,
    ended: bool,
}

impl Stopwatch {
    /// Before the first event of a request that was sent at this time.
    pub fn new(sent: Instant) -> Self {
        Self { sent, answer: Answer::default(), latest: None, ended: false }
    }

    /// Takes an event that came at this time.
    pub fn record(&mut self, event: ChatEvent, now: Instant) {
        self.answer.total = now - self.sent;
        let ChatEvent::Chunk(chunk) = event else {
            self.ended = true;
            return;
        };
        self.ended |= chunk.ends;
        self.answer.usage = chunk.usage.or(self.answer.usage.take());
        if !chunk.text.is_empty() {
            self.answer.chunks += 1;
            match self.latest.replace(now) {
                Some(before) => self.answer.gaps.push(now - before),
                None => self.answer.first = Some(now - self.sent),
            }
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
    pub fn finish(self) -> Result<Answer, ClientError> {
        if self.ended {
            return Ok(self.answer);
        }
        Err(ClientError::Stream(format!("the stream ended early, after {} chunks with text", self.answer.chunks)))
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
        let mut watch = Stopwatch::new(sent);
        let mut hear = |millis, data: &str| {
            watch.record(ChatEvent::parse(data).unwrap(), sent + Duration::from_millis(millis));
        };
        hear(5, r#"{"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}],"usage":null}"#);
        hear(10, &words("Hel"));
        hear(14, r#"{"choices":[{"delta":{"reasoning_content":"hm"},"finish_reason":null}]}"#);
        hear(20, &words("lo"));
        hear(21, r#"{"choices":[{"delta":{},"finish_reason":"length"}]}"#);
        let usage = r#"{"prompt_tokens":7,"completion_tokens":6,"prompt_tokens_details":{"cached_tokens":2}}"#;
        hear(22, &format!(r#"{{"choices":[],"usage":{usage}}}"#));
        hear(23, "[DONE]");
        let answer = watch.finish().unwrap();
        assert_eq!((answer.first, answer.total), (Some(Duration::from_millis(10)), Duration::from_millis(23)));
        assert_eq!(answer.gaps, [4, 6].map(Duration::from_millis));
        assert_eq!((answer.chunks, answer.tokens()), (3, 6), "the server's count is believed");
        assert_eq!(answer.per_token(), Some(Duration::from_millis(2)));
        assert_eq!(answer.usage.unwrap().cached_tokens(), Some(2));
    }

    #[test]
    fn without_usage_chunks_count() {
        let sent = Instant::now();
        let mut watch = Stopwatch::new(sent);
        watch.record(ChatEvent::parse(&words("one")).unwrap(), sent);
        watch.record(ChatEvent::Done, sent);
        let answer = watch.finish().unwrap();
        assert_eq!((answer.tokens(), answer.per_token()), (1, None));
    }

    #[test]
    fn what_is_no_whole_answer_is_an_error() {
        let now = Instant::now();
        let mut watch = Stopwatch::new(now);
        watch.record(ChatEvent::parse(&words("one")).unwrap(), now);
        assert_eq!(watch.finish().unwrap_err().to_string(), "the stream ended early, after 1 chunks with text");
    }
}
