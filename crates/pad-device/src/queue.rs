//! Work for a device, and memory on it.

use candle_core::Result;
use pad_kernels::device::{Address, Executor, Launch};

/// An executor, and how much memory it holds for weights.
#[derive(Debug)]
pub struct Queue {
    executor: Box<dyn Executor>,
    held: usize,
}

impl Queue {
    pub fn new(executor: Box<dyn Executor>) -> Self {
        Self { executor, held: 0 }
    }

    /// Bytes that [`Self::hold`] was given.
    pub fn held(&self) -> usize {
        self.held
    }

    pub fn free(&mut self) -> Option<usize> {
        self.executor.free()
    }

    pub fn run(&mut self, launch: &Launch) -> Result<()> {
        self.executor.launch(launch)
    }

    pub fn run_all(&mut self, launches: &[Launch]) -> Result<()> {
        launches.iter().try_for_each(|launch| self.executor.launch(launch))
    }

    pub fn copy(&mut self, from: Address, to: Address, bytes: usize) -> Result<()> {
        self.executor.copy(from, to, bytes)
    }

    /// Memory for as long as the program runs.
    pub fn allocate(&mut self, bytes: usize) -> Result<Address> {
        self.executor.allocate(bytes)
    }

    /// Keeps these bytes on the device.
    pub fn hold(&mut self, bytes: &[u8]) -> Result<Address> {
        let memory = self.executor.allocate(bytes.len())?;
        self.executor.write(memory, bytes)?;
        self.held += bytes.len();
        Ok(memory)
    }

    /// Keeps these numbers on the device.
    pub fn hold_numbers(&mut self, numbers: &[f32]) -> Result<Address> {
        self.hold(&numbers.iter().flat_map(|number| number.to_ne_bytes()).collect::<Vec<_>>())
    }

    pub fn write(&mut self, to: Address, words: &[u32]) -> Result<()> {
        self.executor.write(to, &words.iter().flat_map(|word| word.to_ne_bytes()).collect::<Vec<_>>())
    }

    /// Waits, and reads so many words.
    pub fn read(&mut self, from: Address, words: usize) -> Result<Vec<u32>> {
        let mut bytes = vec![0; 4 * words];
        self.executor.read(from, &mut bytes)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|word| u32::from_ne_bytes(*word)).collect())
    }

    /// The same of numbers in single precision.
    pub fn read_numbers(&mut self, from: Address, count: usize) -> Result<Vec<f32>> {
        Ok(self.read(from, count)?.into_iter().map(f32::from_bits).collect())
    }
}

/// Memory that every step uses again.
#[derive(Debug)]
pub struct Room {
    memory: Address,
    bytes: usize,
}

impl Default for Room {
    fn default() -> Self {
        Self { memory: Address::NONE, bytes: 0 }
    }
}

impl Room {
    /// Where it is.
    pub fn address(&self) -> Address {
        self.memory
    }

    /// Room for `words` words of 32 bits. What was there is lost where it grows.
    pub fn of(&mut self, queue: &mut Queue, words: usize) -> Result<Address> {
        self.grown(queue, words, 0)
    }

    /// The same, with the first `kept` words as they were.
    pub fn grown(&mut self, queue: &mut Queue, words: usize, kept: usize) -> Result<Address> {
        let wanted = 4 * words;
        if wanted > self.bytes {
            // Somewhat more, so that rooms of a rising size do not grow in every step.
            let bytes = wanted + wanted / 4;
            let memory = queue.executor.allocate(bytes)?;
            if kept > 0 {
                queue.executor.copy(self.memory, memory, 4 * kept)?;
            }
            let old = std::mem::replace(self, Self { memory, bytes });
            if old.memory != Address::NONE {
                queue.executor.release(old.memory)?;
            }
        }
        Ok(self.memory)
    }
}
