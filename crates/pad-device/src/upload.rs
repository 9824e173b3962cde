//! Numbers that a step needs on the device, sent at once.

use candle_core::Result;
use pad_kernels::device::Address;

use crate::queue::{Queue, Room};

/// Words to be sent.
#[derive(Debug, Default)]
pub struct Upload {
    words: Vec<u32>,
}

/// Where numbers are among those that are sent.
#[derive(Clone, Copy, Debug)]
pub struct Part(usize);

/// Words that were sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent(Address);

impl Upload {
    pub fn push(&mut self, words: impl IntoIterator<Item = u32>) -> Part {
        let part = Part(self.words.len());
        self.words.extend(words);
        part
    }

    /// 0, 1, 2 and so on.
    pub fn counted(&mut self, count: usize) -> Part {
        self.push(0..count as u32)
    }

    pub fn send(self, queue: &mut Queue, room: &mut Room) -> Result<Sent> {
        let memory = room.of(queue, self.words.len().max(1))?;
        queue.write(memory, &self.words)?;
        Ok(Sent(memory))
    }
}

impl Sent {
    pub fn at(self, part: Part) -> Address {
        words_on(self.0, part.0)
    }
}

/// So many words of 32 bits further on.
pub fn words_on(address: Address, words: usize) -> Address {
    address.plus(4 * words)
}
