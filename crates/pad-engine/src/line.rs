//! The queue of waiting sequences: first come, first served within an owner; among owners, the one that runs least is next.

use std::collections::VecDeque;

use crate::Owner;
use crate::sequence::Sequence;

/// Sequences that wait, in order of arrival.
#[derive(Debug, Default)]
pub struct Line {
    waiting: VecDeque<Sequence>,
}

/// What an owner runs: lanes, since each of them is rows of every step.
pub fn load(running: &[Sequence], owner: Option<Owner>) -> usize {
    running.iter().filter(|sequence| sequence.owner == owner).map(|sequence| sequence.lanes.len()).sum()
}

/// The sequence that makes room, by index: the youngest of the owner with the largest load, among owners that run more than one
/// sequence and may be asked. So the oldest of all is never taken, and something always comes to its end.
pub fn youngest_of_heaviest(running: &[Sequence], may_be_asked: impl Fn(Option<Owner>) -> bool) -> Option<usize> {
    let count = |owner| running.iter().filter(|sequence| sequence.owner == owner).count();
    let candidates = running.iter().enumerate().filter(|(_, sequence)| may_be_asked(sequence.owner));
    let crowded = candidates.filter(|(_, sequence)| count(sequence.owner) > 1);
    crowded.max_by_key(|(at, sequence)| (load(running, sequence.owner), *at)).map(|(at, _)| at)
}

impl Line {
    /// Stand at the end.
    pub fn push(&mut self, sequence: Sequence) {
        self.waiting.push_back(sequence);
    }

    /// Stand at the front again: it ran already, and made room.
    pub fn push_front(&mut self, sequence: Sequence) {
        self.waiting.push_front(sequence);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Drops sequences whose client has disconnected.
    pub fn drop_cancelled(&mut self) {
        self.waiting.retain(|sequence| !sequence.is_cancelled());
    }

    /// Whose turn it is, by index: the first in line of the owner with the smallest load, the earlier one of equals. A choice that
    /// waits for its leader's prompt lets others pass.
    pub fn turn(&self, running: &[Sequence]) -> Option<usize> {
        let mut first: Vec<(Option<Owner>, usize)> = Vec::new();
        for (at, sequence) in self.waiting.iter().enumerate() {
            let seen = first.iter().any(|(owner, _)| *owner == sequence.owner);
            if !seen && !self.waits_for_leader(at, running) {
                first.push((sequence.owner, at));
            }
        }
        first.into_iter().min_by_key(|(owner, at)| (load(running, *owner), *at)).map(|(_, at)| at)
    }

    fn waits_for_leader(&self, at: usize, running: &[Sequence]) -> bool {
        let Some(leader) = self.waiting[at].leader else { return false };
        running.iter().any(|sequence| sequence.id == leader && !sequence.is_decoding())
            || self.waiting.iter().take(at).any(|sequence| sequence.id == leader)
    }

    /// The sequence at an index.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut Sequence> {
        self.waiting.get_mut(at)
    }

    /// Take the sequence at an index out of the line.
    pub fn remove(&mut self, at: usize) -> Option<Sequence> {
        self.waiting.remove(at)
    }

    /// Take all out of the line.
    pub fn take(&mut self) -> VecDeque<Sequence> {
        std::mem::take(&mut self.waiting)
    }
}
