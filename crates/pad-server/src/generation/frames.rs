//! A generation as the messages of a stream, whatever their shape.

use std::collections::VecDeque;

use pad_api::ErrorBody;
use serde::Serialize;

use super::choices::Generation;
use super::reader::AnswerPart;
use super::tally::Tally;
use crate::ApiError;

/// One message of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// More of the answer, or why it failed.
    Data {
        /// The event's name, where the shape has names.
        event: Option<&'static str>,
        /// JSON, which has no line breaks.
        json: String,
    },
    /// `[DONE]`: the stream is complete.
    Done,
}

impl Frame {
    /// A message without a name.
    pub(crate) fn data(message: &impl Serialize) -> Self {
        Self::Data { event: None, json: json(message) }
    }

    /// A message with a name.
    pub(crate) fn named(event: &'static str, message: &impl Serialize) -> Self {
        Self::Data { event: Some(event), json: json(message) }
    }

    /// The error of an answer that failed.
    pub(crate) fn error(body: &ErrorBody) -> Self {
        Self::data(body)
    }
}

fn json(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_else(|error| {
        tracing::error!(%error, "a message could not be written");
        serde_json::to_string(&ApiError::internal("a message could not be written").body()).unwrap_or_default()
    })
}

/// The messages of a dialect's stream, made from the parts of a generation.
pub(crate) trait StreamShape: Send + 'static {
    /// Before the first part.
    fn opening(&mut self) -> Vec<Frame> {
        Vec::new()
    }

    /// The next part of choice `index`.
    fn part(&mut self, index: usize, part: AnswerPart) -> Vec<Frame>;

    /// All choices have ended.
    fn end(&mut self, tally: &Tally) -> impl Future<Output = Vec<Frame>> + Send;

    /// The generation failed.
    fn broken(&mut self, error: &ApiError) -> Vec<Frame> {
        vec![Frame::error(&error.body()), Frame::Done]
    }
}

/// A generation, its shape, and the messages that are ready to be sent.
pub(crate) struct Frames<S> {
    /// None once it has ended or failed.
    generation: Option<Generation>,
    shape: S,
    ready: VecDeque<Frame>,
}

impl<S: StreamShape> Frames<S> {
    /// The messages of a generation, none of which was sent.
    pub(crate) fn new(generation: Generation, mut shape: S) -> Self {
        let ready = shape.opening().into();
        Self { generation: Some(generation), shape, ready }
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            let generation = self.generation.as_mut()?;
            let frames = match generation.next().await {
                Ok(Some((index, part))) => self.shape.part(index, part),
                Ok(None) => {
                    let frames = self.shape.end(generation.tally()).await;
                    self.generation = None;
                    frames
                }
                Err(error) => {
                    self.generation = None;
                    self.shape.broken(&error)
                }
            };
            self.ready.extend(frames);
        }
    }
}
