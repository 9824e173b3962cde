//! A sequence: one choice being generated, one answer being scored, or one text being embedded.

use std::time::{Duration, Instant};

use tokio::sync::mpsc::Sender;

use crate::block_pool::BlockPool;
use crate::constraint::Constraint;
use crate::embedding::Embedding;
use crate::generation::Generation;
use crate::lane::Lane;
use crate::pending::Reply;
use crate::places::Place;
use crate::scoring::Scoring;
use crate::sides::{LaneAnswer, Sides};
use crate::{Course, EmbedRequest, Event, GenerateRequest, LaneSpec, Owner, ScoreRequest, Scored, Tenant};

/// What a sequence is there for, with the end of the client that waits for it.
#[derive(Debug)]
pub enum Work {
    /// To generate a choice.
    Generate(Box<Generation>),
    /// To score a given answer.
    Score(Scoring),
    /// To embed a text.
    Embed(Embedding),
}

/// The lanes of one piece of work, which are admitted, preempted and freed together.
#[derive(Debug)]
pub struct Sequence {
    /// Unique in the engine.
    pub id: u64,
    /// The first choice of the same request: it reads the prompt, this one waits and finds the blocks cached.
    pub leader: Option<u64>,
    /// Whose share of the queue it uses; `None` if senders are not distinguished.
    pub owner: Option<Owner>,
    pub lanes: Vec<Lane>,
    pub work: Work,
    /// The step in which rows of its prompt were last planned, or it was admitted.
    pub served: u64,
    pub seat: Seat,
}

/// The sequence's place, and what is told of it at its end.
#[derive(Debug)]
pub struct Seat {
    /// Prompt tokens of the base lane that were found in the cache at first admission.
    cached: Option<usize>,
    /// When the sequence was taken into the queue.
    since: Instant,
    /// What whoever waits for it can see.
    course: Course,
    /// Admission counts what is queued and what runs. Given back before the last word, so that a client that has heard it finds a
    /// place, or when the sequence is dropped.
    place: Option<Place>,
}

impl Seat {
    fn new(place: Place) -> Self {
        Self { cached: None, since: Instant::now(), course: Course::default(), place: Some(place) }
    }

    /// What tells what became of the sequence.
    pub fn course(&self) -> Course {
        self.course.clone()
    }

    /// The last word is about to be said: the place is free from now on. Returns the prompt tokens of the base lane that were found
    /// in the cache.
    pub fn leave(&mut self) -> usize {
        self.place = None;
        self.cached.unwrap_or(0)
    }
}

impl Sequence {
    /// Choice `choice` of a request.
    pub fn generating(
        id: u64,
        choice: usize,
        request: &GenerateRequest,
        sides: &Sides,
        constraint: Option<Constraint>,
        events: Sender<Event>,
        place: Place,
    ) -> Self {
        let lanes = sides.generating(&request.lanes, request.tenant.cache);
        let work = Work::Generate(Box::new(Generation::new(choice, request, constraint, events)));
        let leader = (choice > 0).then(|| id - choice as u64);
        Self { leader, ..Self::new(id, request.tenant, lanes, work, place) }
    }

    /// An answer to be scored.
    pub fn scoring(id: u64, request: &ScoreRequest, sides: &Sides, client: Reply<Scored>, place: Place) -> Self {
        let answers: Vec<LaneAnswer> = request.lanes.iter().map(|lane| sides.answer(lane, &request.answer)).collect();
        let lane =
            |(lane, answer): (&LaneSpec, &LaneAnswer)| Lane::new(lane.clone(), answer.fed(), request.tenant.cache);
        let lanes = request.lanes.iter().zip(&answers).map(lane).collect();
        Self::new(id, request.tenant, lanes, Work::Score(Scoring::new(request, answers, client)), place)
    }

    /// A text to be embedded.
    pub fn embedding(id: u64, request: &EmbedRequest, client: Reply<Vec<f32>>, place: Place) -> Self {
        let lanes = vec![Lane::new(request.lane(), &[], request.tenant.cache)];
        Self::new(id, request.tenant, lanes, Work::Embed(Embedding::new(client)), place)
    }

    fn new(id: u64, tenant: Tenant, lanes: Vec<Lane>, work: Work, place: Place) -> Self {
        Self { id, leader: None, owner: tenant.owner, lanes, work, served: 0, seat: Seat::new(place) }
    }

    /// Whether the client has gone.
    pub fn is_cancelled(&self) -> bool {
        match &self.work {
            Work::Generate(generation) => generation.is_cancelled(),
            Work::Score(scoring) => scoring.is_cancelled(),
            Work::Embed(embedding) => embedding.is_cancelled(),
        }
    }

    /// Rows that are to be computed before the next token can be chosen, all lanes together.
    pub fn pending(&self) -> usize {
        self.lanes.iter().map(Lane::pending).sum()
    }

    /// Whether only the last tokens of every lane are to be computed, to choose the next one.
    pub fn is_decoding(&self) -> bool {
        match self.work {
            Work::Generate(_) => self.lanes.iter().all(Lane::is_ready),
            Work::Score(_) | Work::Embed(_) => false,
        }
    }

    /// Rows of each lane in a step that may have `budget` rows of it. A sequence that generates keeps the decisive rows of each lane for
    /// the step in which all of them decode. Lanes that branch off take the same rows as the base lane.
    pub fn chunk(&self, budget: usize) -> Vec<usize> {
        let spare = |lane: &Lane| match self.work {
            Work::Generate(_) => lane.decisive(),
            Work::Score(_) | Work::Embed(_) => 0,
        };
        let together = 1 + self.lanes.iter().filter(|lane| lane.spec().branches()).count();
        let (mut left, mut rows) = (budget, Vec::<usize>::with_capacity(self.lanes.len()));
        for (i, lane) in self.lanes.iter().enumerate() {
            if lane.spec().branches() {
                rows.push(rows[0]);
                continue;
            }
            let cost = if i == 0 { together } else { 1 };
            let fits = if left == 0 { 0 } else { (left / cost).max(1) };
            let count = lane.pending().saturating_sub(spare(lane)).min(fits);
            left = left.saturating_sub(count * cost);
            rows.push(count);
        }
        rows
    }

    /// Tokens at the beginning of each lane that may come from the cache: those whose hidden states nothing reads. Lanes that
    /// branch off and the base lane take equally many, as their rows are computed together.
    fn cacheable(&self, pools: &[BlockPool]) -> Vec<usize> {
        let unread = |lane: &Lane| match self.work {
            Work::Generate(_) => lane.len() - lane.decisive(),
            Work::Score(_) => lane.spec().prompt.len() - 1,
            Work::Embed(_) => 0,
        };
        let known = |lane: &Lane| lane.known(&pools[lane.spec().weights.0], unread(lane));
        let branching = self.lanes.iter().filter(|lane| lane.spec().branches()).map(known).min();
        let together = branching.map(|least| least.min(known(&self.lanes[0])));
        let limit = |(i, lane): (usize, &Lane)| match together {
            Some(together) if i == 0 || lane.spec().branches() => together,
            _ => unread(lane),
        };
        self.lanes.iter().enumerate().map(limit).collect()
    }

    /// Its part in a step took so long for reward lanes.
    pub fn note_rewards(&self, spent: Duration) {
        let reading = self.lanes.first().is_some_and(|base| base.len() == base.spec().prompt.len());
        self.seat.course.step(reading, spent);
    }

    /// How long it has waited for its first admission; none if it had that.
    pub fn first_wait(&self) -> Option<Duration> {
        self.seat.cached.is_none().then(|| self.seat.since.elapsed())
    }

    /// Hold the blocks of all lanes that the cache has already. Returns how many the pools cannot give of those that are still lacking,
    /// by weights.
    ///
    /// This is done for every lane before anything is allocated: a block for one lane would otherwise evict what another one has been
    /// found to have, and a request that does not fit would evict what others are cached for.
    fn hold_known(&mut self, pools: &mut [BlockPool]) -> Vec<usize> {
        let limits = self.cacheable(pools);
        let mut lacking = vec![0; pools.len()];
        for (lane, limit) in self.lanes.iter_mut().zip(limits) {
            let weights = lane.spec().weights.0;
            lane.hold_known(&mut pools[weights], limit);
            lacking[weights] += lane.lacking();
        }
        lacking.iter().zip(pools).map(|(lacking, pool)| lacking.saturating_sub(pool.available())).collect()
    }

    /// The blocks that the pools lack for it, by weights.
    pub fn missing(&mut self, pools: &mut [BlockPool]) -> Vec<usize> {
        let missing = self.hold_known(pools);
        self.free(pools);
        missing
    }

    /// Take KV blocks for all lanes, or for none.
    ///
    /// # Errors
    /// The blocks that are missing, by weights.
    pub fn admit(&mut self, pools: &mut [BlockPool]) -> Result<(), Vec<usize>> {
        let missing = self.hold_known(pools);
        if missing.iter().any(|missing| *missing > 0) || !self.grow(pools) {
            self.free(pools);
            return Err(missing);
        }
        self.seat.course.admit();
        self.seat.cached.get_or_insert(self.lanes[0].len() - self.lanes[0].pending());
        Ok(())
    }

    /// Blocks that its lanes hold, by weights of `pools`.
    pub fn held(&self, pools: &[BlockPool]) -> Vec<usize> {
        let mut held = vec![0; pools.len()];
        self.lanes.iter().for_each(|lane| held[lane.spec().weights.0] += lane.held());
        held
    }

    /// Make room for every lane's tokens; false if there is none.
    pub fn grow(&mut self, pools: &mut [BlockPool]) -> bool {
        self.lanes.iter_mut().all(|lane| {
            let weights = lane.spec().weights.0;
            lane.grow(&mut pools[weights])
        })
    }

    /// Give all KV blocks back.
    pub fn free(&mut self, pools: &mut [BlockPool]) {
        for lane in &mut self.lanes {
            let weights = lane.spec().weights.0;
            lane.free(&mut pools[weights]);
        }
        match &mut self.work {
            Work::Generate(_) => {}
            Work::Score(scoring) => scoring.restart(),
            Work::Embed(embedding) => embedding.restart(),
        }
    }

    /// Report the failure; no event follows.
    pub fn fail(&mut self, why: &str) {
        self.seat.leave();
        match &mut self.work {
            Work::Generate(generation) => generation.fail(why),
            Work::Score(scoring) => scoring.fail(why),
            Work::Embed(embedding) => embedding.fail(why),
        }
    }
}
