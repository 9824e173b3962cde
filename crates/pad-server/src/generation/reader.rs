//! One choice's events as text: detokenized, cut at stop strings, explained.

use std::sync::Arc;

use pad_api::{FinishReason, TokenLogprob, TokenTrace, ToolCallDelta};
use pad_engine::{Choice, Event, Token};
use pad_text::{Detokenizer, StopStrings, Tokenizer};

use super::calls::{CallReader, CallText};
use super::logprobs::LogprobQueue;
use super::token_details::TokenDetails;
use super::trace;
use crate::token_meter::TokenMeter;

/// What one event of a choice adds to its answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnswerPart {
    /// Text that is final: no stop string or broken character can begin in it.
    pub(crate) text: String,
    /// Additions to tool calls.
    pub(crate) calls: Vec<ToolCallDelta>,
    /// Traces of the tokens since the last part with text, calls or an end, if requested; only with one of these.
    pub(crate) trace: Vec<TokenTrace>,
    /// Log-probabilities of the tokens whose text is complete, if requested; only with text, calls or an end.
    pub(crate) logprobs: Vec<TokenLogprob>,
    /// The token of this event, if it had one.
    pub(crate) token: Option<TokenFacts>,
    /// Set in the last part.
    pub(crate) end: Option<AnswerEnd>,
}

/// What is counted of a token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct TokenFacts {
    /// Steering was on and the token is not the base's first choice.
    pub(crate) steered: bool,
    /// How far rewards moved its distribution, in nats.
    pub(crate) kl: f64,
    /// Its log-probability in the distribution that it was sampled from, before temperature and cuts.
    pub(crate) logprob: f32,
    /// Its weighted reward.
    pub(crate) reward: f32,
    /// Its score.
    pub(crate) score: f32,
}

/// How a choice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AnswerEnd {
    pub(crate) reason: FinishReason,
    /// Whether the model ended it, and not a limit or a stop string.
    pub(crate) natural: bool,
    /// Prompt tokens found in the cache; unknown where a stop string or the time limit ended the choice before the engine did.
    pub(crate) cached_tokens: Option<usize>,
}

/// Why a choice failed, with the details.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChoiceError {
    /// The engine failed.
    Engine(String),
    /// The answer's grammar exceeded its limits.
    Form(String),
}

/// Reads one choice. Dropping it drops the choice, which cancels the sequence.
pub(crate) struct ChoiceReader {
    choice: Choice,
    detokenizer: Detokenizer,
    stop: StopStrings,
    /// No stop string ends the answer before this many tokens.
    min_tokens: usize,
    /// Tokens read so far.
    tokens_read: usize,
    /// Names of the rewards, where tokens are to be explained.
    reward_names: Option<Arc<[String]>>,
    /// Explanations of tokens whose text is held back.
    held: Vec<TokenTrace>,
    /// Log-probabilities of tokens whose text is held back, where they are asked for.
    logprobs: Option<LogprobQueue>,
    /// Also report end tokens, which have no text.
    end_logprobs: bool,
    /// Log-probabilities of tokens whose text may turn out to be a call.
    released: Vec<TokenLogprob>,
    /// Reads calls of tools, where there may be some.
    calls: Option<CallReader>,
    /// Counts what was generated.
    meter: TokenMeter,
}

/// Tokens that nobody read were generated all the same.
impl Drop for ChoiceReader {
    fn drop(&mut self) {
        self.meter.count(self.choice.unread_tokens());
    }
}

impl ChoiceReader {
    pub(crate) fn new(
        choice: Choice,
        tokenizer: Arc<Tokenizer>,
        stop: Vec<String>,
        reward_names: Option<Arc<[String]>>,
        details: TokenDetails,
    ) -> Self {
        let logprobs = details.logprobs.map(|top| LogprobQueue::new(Arc::clone(&tokenizer), top));
        let (detokenizer, stop) = (Detokenizer::new(tokenizer), StopStrings::new(stop));
        Self {
            choice,
            detokenizer,
            stop,
            min_tokens: 0,
            tokens_read: 0,
            reward_names,
            held: Vec::new(),
            logprobs,
            end_logprobs: details.end_logprobs,
            released: Vec::new(),
            calls: None,
            meter: TokenMeter::default(),
        }
    }

    /// The same, where no stop string ends the choice before so many tokens.
    pub(crate) fn for_at_least(mut self, tokens: usize) -> Self {
        self.min_tokens = tokens;
        self
    }

    /// The same, where the text may call tools.
    pub(crate) fn with_calls(mut self, calls: Option<CallReader>) -> Self {
        self.calls = calls;
        self
    }

    /// The same, with tokens counted by this meter.
    pub(crate) fn metered(mut self, meter: TokenMeter) -> Self {
        self.meter = meter;
        self
    }

    /// The next part. Nothing may be read after an end or an error.
    ///
    /// # Errors
    /// Where the choice failed.
    pub(crate) async fn next(&mut self) -> Result<AnswerPart, ChoiceError> {
        match self.choice.next().await {
            Some(Event::Token(token)) => Ok(self.token(&token)),
            Some(Event::Finished(finish)) => {
                let reason = match finish.reason {
                    pad_engine::FinishReason::Stop => FinishReason::Stop,
                    pad_engine::FinishReason::Length => FinishReason::Length,
                };
                Ok(self.finish(reason, Some(finish.cached_tokens)))
            }
            Some(Event::Failed(why)) => Err(ChoiceError::Engine(why)),
            Some(Event::OffGrammar(why)) => Err(ChoiceError::Form(why)),
            None => Err(ChoiceError::Engine("the engine stopped".to_owned())),
        }
    }

    /// The last part of a choice whose time is over: it ends with reason `length`.
    pub(crate) fn break_off(&mut self) -> AnswerPart {
        self.finish(FinishReason::Length, None)
    }

    fn token(&mut self, token: &Token) -> AnswerPart {
        let before = self.reward_names.is_some().then(|| self.detokenizer.clone());
        let text = if token.end { self.ending(token) } else { self.text(token) };
        self.tokens_read += 1;
        self.meter.count(1);
        let stopped = if self.tokens_read < self.min_tokens { self.stop.pass(&text) } else { self.stop.push(&text) };
        let (sent, midway) = (stopped.emit.len(), self.detokenizer.is_midway());
        let queue = self.logprobs.as_mut();
        let held = queue.map(LogprobQueue::held);
        let logprobs = held.map(|all| if stopped.hit { all.cut(sent) } else { all.release(sent, midway) });
        if let (Some(names), Some(before)) = (&self.reward_names, &before) {
            self.held.push(trace::explain(token, text, names, |id| before.spelled(id)));
        }
        let decision = &token.decision;
        let facts = TokenFacts {
            steered: decision.steered(),
            kl: f64::from(decision.kl),
            logprob: decision.logprobs()[decision.chosen],
            reward: decision.reward[decision.chosen],
            score: decision.score[decision.chosen],
        };
        let end = stopped.hit.then_some(AnswerEnd { reason: FinishReason::Stop, natural: false, cached_tokens: None });
        self.released.extend(logprobs.unwrap_or_default());
        self.part(stopped.emit, Some(facts), end)
    }

    /// The text of an end token: none.
    fn ending(&mut self, token: &Token) -> String {
        if let Some(queue) = self.logprobs.as_mut().filter(|_| self.end_logprobs) {
            queue.push(token, &self.detokenizer, "");
        }
        String::new()
    }

    /// The text that a token completes.
    fn text(&mut self, token: &Token) -> String {
        let Some(queue) = &mut self.logprobs else { return self.detokenizer.push(token.id) };
        let before = self.detokenizer.clone();
        let text = self.detokenizer.push(token.id);
        queue.push(token, &before, &text);
        text
    }

    /// What was held back comes out, unless it completes a stop string after all.
    fn finish(&mut self, reason: FinishReason, cached_tokens: Option<usize>) -> AnswerPart {
        // What is cut within a character ends before it.
        let cut = reason == FinishReason::Length && self.detokenizer.is_midway();
        let rest = if cut { String::new() } else { self.detokenizer.finish() };
        let stopped = self.stop.push(&rest);
        let mut text = stopped.emit;
        let mut reason = reason;
        if stopped.hit {
            reason = FinishReason::Stop;
        } else {
            text.push_str(&self.stop.finish());
        }
        let queue = self.logprobs.as_mut();
        let logprobs = queue.map(LogprobQueue::held).map(|held| {
            held.attach(&rest);
            if stopped.hit || cut { held.cut(text.len()) } else { held.finish() }
        });
        let natural = reason == FinishReason::Stop && !stopped.hit;
        let end = AnswerEnd { reason, natural, cached_tokens };
        self.released.extend(logprobs.unwrap_or_default());
        self.part(text, None, Some(end))
    }

    fn part(&mut self, text: String, token: Option<TokenFacts>, mut end: Option<AnswerEnd>) -> AnswerPart {
        let CallText { text, calls } = self.calls(text, &mut end);
        if text.is_empty() && calls.is_empty() && end.is_none() {
            return AnswerPart { token, ..AnswerPart::default() };
        }
        let (trace, logprobs) = (std::mem::take(&mut self.held), std::mem::take(&mut self.released));
        AnswerPart { text, calls, trace, logprobs, token, end }
    }

    /// Splits off tool calls; an answer ending after a complete call ends with `tool_calls`.
    fn calls(&mut self, text: String, end: &mut Option<AnswerEnd>) -> CallText {
        let Some(reader) = &mut self.calls else { return CallText { text, calls: Vec::new() } };
        let mut read = reader.push(&text);
        if let Some(end) = end {
            let rest = reader.finish();
            read.text.push_str(&rest.text);
            read.calls.extend(rest.calls);
            if end.reason == FinishReason::Stop && reader.is_complete() {
                end.reason = FinishReason::ToolCalls;
            }
        }
        read
    }
}
