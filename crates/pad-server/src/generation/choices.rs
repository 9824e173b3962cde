//! All choices of one request, read as they arrive.

use std::sync::Arc;
use std::time::Instant;

use futures::StreamExt;
use futures::stream::{self, BoxStream, SelectAll};
use pad_api::FinishReason;
use pad_engine::{Choice, GenerateRequest};
use tracing::Span;

use super::options::GenerationOptions;
use super::reader::{AnswerEnd, AnswerPart, ChoiceError, ChoiceReader};
use super::tally::Tally;
use super::timing::Timing;
use crate::grant::Grant;
use crate::lifecycle::Phase;
use crate::spans::{GenerationSpan, SpanRecorder};
use crate::state::Shared;
use crate::{ApiError, refusal};

/// A part, and the index of the choice that it belongs to.
type Indexed = (usize, Result<AnswerPart, ChoiceError>);

/// A running request. Dropping it drops its choices, which cancels their sequences and frees their blocks.
pub(crate) struct Generation {
    parts: SelectAll<BoxStream<'static, Indexed>>,
    tally: Tally,
    timing: Timing,
    choices: usize,
    ended: usize,
    /// The caller's reservation, released on drop.
    _grant: Grant,
    /// The server, whose phase interrupts the request when its time is over.
    shared: Arc<Shared>,
    /// The request's span in the log: parts are read long after the handler returned.
    span: Span,
    /// Is told of the generation when it is dropped.
    recorder: SpanRecorder,
}

impl Generation {
    /// Hand a request to the engine: one piece of work for each of its prompts. Either all of them are taken or none.
    ///
    /// The choices are numbered consecutively: those of the first prompt, then those of the next.
    ///
    /// # Errors
    /// Where the engine does not take it.
    pub(crate) fn start(
        shared: &Arc<Shared>,
        options: &GenerationOptions,
        names: Vec<String>,
        requests: Vec<GenerateRequest>,
        grant: Grant,
        recorder: SpanRecorder,
    ) -> Result<Self, ApiError> {
        let state = &shared.state;
        let base = |request: &GenerateRequest| request.lanes.first().map_or(0, |base| base.prompt.len());
        let prompt_tokens = requests.iter().map(base).sum();
        let lanes = requests.iter().map(|request| request.lanes.len().saturating_sub(1)).max().unwrap_or(0);
        let tally = Tally::new(prompt_tokens, lanes, options.best_of.generated);
        let tally = tally.steered_by(options.preference_source, options.examples);
        let reward_names: Option<Arc<[String]>> = options.details.trace.then(|| names.into());
        let count = requests.len() * options.best_of.generated;
        let meter = grant.meter();
        let (submitted, mut courses) = (Instant::now(), Vec::with_capacity(count));
        let parts: Vec<BoxStream<'static, Indexed>> = if requests.iter().any(|request| request.max_tokens == 0) {
            // Nothing is asked of the engine, but without it nothing is answered.
            state.engine.check_open().map_err(|error| refusal::submit(&error, options.names.prompt))?;
            (0..count).map(|index| stream::iter([(index, Ok(nothing()))]).boxed()).collect()
        } else {
            let reader = |choice| {
                let (tokenizer, stop) = (Arc::clone(state.chat.tokenizer()), options.stop.clone());
                let reader = ChoiceReader::new(choice, tokenizer, stop, reward_names.clone(), options.details);
                let reader = reader.with_calls(options.form.call_reader()).for_at_least(options.min_tokens);
                reader.metered(meter.clone())
            };
            let mut choices: Vec<Choice> = Vec::with_capacity(count);
            for request in requests {
                // Those before a refused one are dropped with the error, which cancels them.
                let submitted = state.engine.submit(request);
                choices.extend(submitted.map_err(|error| refusal::submit(&error, options.names.prompt))?);
            }
            courses.extend(choices.iter().map(Choice::course));
            let end = state.limits.answer.map(|limit| tokio::time::Instant::now() + limit);
            choices.into_iter().map(reader).enumerate().map(|(index, reader)| read(index, reader, end)).collect()
        };
        shared.metrics.admitted(prompt_tokens);
        let timing = Timing::new(Arc::clone(&shared.metrics), options.arrived, submitted, count, courses);
        let choices = parts.len();
        let parts = stream::select_all(parts);
        Ok(Self {
            parts,
            tally,
            timing,
            choices,
            ended: 0,
            _grant: grant,
            shared: Arc::clone(shared),
            span: Span::current(),
            recorder,
        })
    }

    /// How many choices there are.
    pub(crate) fn choices(&self) -> usize {
        self.choices
    }

    /// The next part of any choice; none once all have ended.
    ///
    /// # Errors
    /// 400 where a choice's form went beyond its bounds, 500 where the engine failed, 503 if the server
    /// shuts down first. The request is then over as a whole.
    pub(crate) async fn next(&mut self) -> Result<Option<(usize, AnswerPart)>, ApiError> {
        let part = tokio::select! {
            biased;
            () = self.shared.state.lifecycle.reached(Phase::Interrupting) => {
                self.parts = SelectAll::new();
                self.timing.failed();
                return Err(ApiError::interrupted());
            }
            part = self.parts.next() => part,
        };
        match part {
            None => Ok(None),
            Some((index, Ok(part))) => {
                self.count(index, &part);
                Ok(Some((index, part)))
            }
            Some((index, Err(error))) => {
                self.parts = SelectAll::new();
                self.timing.failed();
                Err(match error {
                    ChoiceError::Engine(why) => {
                        self.span.in_scope(|| tracing::error!(choice = index, why, "a generation failed"));
                        ApiError::internal(format!("the generation failed: {why}"))
                    }
                    ChoiceError::Form(why) => {
                        self.span.in_scope(|| tracing::info!(choice = index, why, "a form exceeded its limits"));
                        ApiError::form_too_complex(&why)
                    }
                })
            }
        }
    }

    /// Report cached prompt tokens as 0: this request itself put them there.
    pub(crate) fn count_cached_as_computed(&mut self) {
        self.tally.count_cached_as_computed();
    }

    /// What it has cost so far.
    pub(crate) fn tally(&self) -> &Tally {
        &self.tally
    }

    fn count(&mut self, index: usize, part: &AnswerPart) {
        self.tally.add(index, part);
        if let Some(token) = part.token {
            self.timing.token(index, token);
        }
        let Some(end) = part.end else { return };
        self.timing.choice_ended(end.reason);
        self.ended += 1;
        if self.ended == self.choices {
            let tokens = self.tally.tokens();
            let millis = self.timing.request_ended().as_millis() as u64;
            self.span.in_scope(|| tracing::info!(choices = self.choices, tokens, millis, "generated"));
        }
    }
}

/// The request's span ends with its generation, whoever ended that.
impl Drop for Generation {
    fn drop(&mut self) {
        self.timing.tell(&self.recorder);
        self.recorder.generated(|| GenerationSpan {
            model: self.shared.state.model.id.clone(),
            outcome: self.timing.outcome(),
            choices: self.choices,
            finish_reasons: self.timing.finish_reasons().to_vec(),
            usage: self.tally.usage(),
        });
    }
}

/// A reader's parts up to the last, which comes at the `end` at the latest. The reader, and with it the choice, is dropped before
/// the last part is handed out.
fn read(index: usize, reader: ChoiceReader, end: Option<tokio::time::Instant>) -> BoxStream<'static, Indexed> {
    stream::unfold(Some(reader), move |reader| async move {
        let mut reader = reader?;
        let part = match end {
            None => reader.next().await,
            // Parts that are there already would come before the time is looked at.
            Some(end) if end <= tokio::time::Instant::now() => Ok(reader.break_off()),
            Some(end) => {
                let part = tokio::time::timeout_at(end, reader.next()).await;
                part.unwrap_or_else(|_| Ok(reader.break_off()))
            }
        };
        let over = part.as_ref().map_or(true, |part| part.end.is_some());
        Some(((index, part), (!over).then_some(reader)))
    })
    .boxed()
}

/// The single part of a choice that generates nothing (`max_tokens` 0).
fn nothing() -> AnswerPart {
    AnswerPart {
        end: Some(AnswerEnd { reason: FinishReason::Length, natural: false, cached_tokens: None }),
        ..AnswerPart::default()
    }
}
