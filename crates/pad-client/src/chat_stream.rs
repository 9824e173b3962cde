//! A chat answer that is read while it is generated.

use std::collections::VecDeque;
use std::io::Read;
use std::time::Instant;

use crate::{ChatEvent, ClientError, SseDecoder};

/// Most bytes that are read at once.
const READ_SIZE: usize = 16 << 10;

/// The events of one answer with the times when they came.
pub struct ChatStream {
    body: Box<dyn Read>,
    decoder: SseDecoder,
    /// Events that came with the last read.
    pending: VecDeque<String>,
    arrived: Instant,
    buffer: Vec<u8>,
}

impl ChatStream {
    /// Reads events from the body of a reply.
    pub fn new(body: Box<dyn Read>) -> Self {
        let (decoder, pending) = (SseDecoder::default(), VecDeque::new());
        Self { body, decoder, pending, arrived: Instant::now(), buffer: vec![0; READ_SIZE] }
    }

    /// Waits for the next event; `None` when the connection is closed. Events that came in one piece have the same time.
    ///
    /// # Errors
    ///
    /// [`ClientError::Stream`] when the connection fails, or the event is an error or no chunk.
    pub fn next_event(&mut self) -> Result<Option<(ChatEvent, Instant)>, ClientError> {
        loop {
            if let Some(data) = self.pending.pop_front() {
                return ChatEvent::parse(&data).map(|event| Some((event, self.arrived)));
            }
            let count = self.body.read(&mut self.buffer).map_err(|error| ClientError::Stream(error.to_string()))?;
            if count == 0 {
                return Ok(None);
            }
            self.arrived = Instant::now();
            self.pending.extend(self.decoder.push(&self.buffer[..count]));
        }
    }
}
