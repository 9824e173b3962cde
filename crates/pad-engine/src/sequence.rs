//! A sequence: one choice being generated.

use std::sync::Arc;

use pad_decode::{Adjustments, Decision, History, Rule, Sampler, Term};
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Sender;

use crate::block_pool::BlockPool;
use crate::constraint::Constraint;
use crate::lane::Lane;
use crate::scoring::Scoring;
use crate::{Event, Finish, FinishReason, GenerateRequest, ScoreRequest, Token};

/// One choice of a request, or an answer that is scored: its lanes, how it chooses, and where its events go.
#[derive(Debug)]
pub struct Sequence {
    /// Unique in the engine.
    pub id: u64,
    /// The sequence of the same prompt that computes it; this one waits to find it in the cache.
    pub leader: Option<u64>,
    pub lanes: Vec<Lane>,
    pub terms: Vec<Term>,
    pub rule: Rule,
    pub top_k: usize,
    pub sampler: Sampler,
    /// What penalties look back on: the base lane's tokens.
    history: History,
    /// Tokens to be chosen before an end token is a candidate.
    endless: usize,
    /// Tokens that may still be chosen.
    remaining: usize,
    end_tokens: Arc<[u32]>,
    /// What is read of a given answer; then nothing is chosen.
    pub scoring: Option<Scoring>,
    /// What may be chosen, where not every token may.
    constraint: Option<Constraint>,
    events: Sender<Event>,
    /// Prompt tokens of the base lane that were found in the cache at first admission.
    cached: Option<usize>,
    /// Admission counts what is queued and what runs. Given back before the last word, so that a client that has heard it finds a
    /// place, or when the sequence is dropped.
    permit: Option<OwnedSemaphorePermit>,
}

impl Sequence {
    /// Choice `choice` of a request.
    pub fn new(
        id: u64,
        choice: usize,
        request: &GenerateRequest,
        events: Sender<Event>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            id,
            leader: (choice > 0).then(|| id - choice as u64),
            lanes: request.lanes.iter().map(|lane| Lane::new(lane.clone(), &[])).collect(),
            terms: request.terms.clone(),
            rule: request.rule.clone(),
            top_k: request.top_k,
            sampler: Sampler::new(request.seed, choice as u64),
            history: History::new(
                &request.rule.penalties,
                request.lanes.first().map_or(&[], |base| base.prompt.as_ref()),
            ),
            endless: request.rule.min_tokens,
            remaining: request.max_tokens,
            end_tokens: Arc::clone(&request.end_tokens),
            scoring: None,
            constraint: None,
            events,
            cached: None,
            permit: Some(permit),
        }
    }

    /// An answer to be scored.
    pub fn scoring(id: u64, request: &ScoreRequest, events: Sender<Event>, permit: OwnedSemaphorePermit) -> Self {
        Self {
            id,
            leader: None,
            lanes: request.lanes.iter().map(|lane| Lane::new(lane.clone(), request.fed())).collect(),
            terms: Vec::new(),
            rule: Rule::default(),
            top_k: 1,
            sampler: Sampler::new(0, 0),
            history: History::new(&Rule::default().penalties, &[]),
            endless: 0,
            remaining: 0,
            end_tokens: Arc::new([]),
            constraint: None,
            scoring: Some(Scoring::new(request)),
            events,
            cached: None,
            permit: Some(permit),
        }
    }

    /// The same sequence, with a grammar to follow.
    pub fn constrained(self, constraint: Option<Constraint>) -> Self {
        Self { constraint, ..self }
    }

    /// Whether the client has gone.
    pub fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// Rows that are to be computed before the next token can be chosen, all lanes together.
    pub fn pending(&self) -> usize {
        self.lanes.iter().map(Lane::pending).sum()
    }

    /// Whether only the last token of every lane is to be computed, to choose the next one.
    pub fn is_decoding(&self) -> bool {
        self.scoring.is_none() && self.lanes.iter().all(|lane| lane.pending() == 1)
    }

    /// Rows of each lane that fit `budget`, from which they are taken; `spare` rows of each lane are left. Lanes that branch off
    /// take the same rows as the base lane.
    pub fn chunk(&self, budget: &mut usize, spare: usize) -> Vec<usize> {
        let together = 1 + self.lanes.iter().filter(|lane| lane.spec().branches()).count();
        let mut rows: Vec<usize> = Vec::with_capacity(self.lanes.len());
        for (i, lane) in self.lanes.iter().enumerate() {
            if lane.spec().branches() {
                rows.push(rows[0]);
                continue;
            }
            let cost = if i == 0 { together } else { 1 };
            let fits = if *budget == 0 { 0 } else { (*budget / cost).max(1) };
            let count = lane.pending().saturating_sub(spare).min(fits);
            *budget = budget.saturating_sub(count * cost);
            rows.push(count);
        }
        rows
    }

    /// Tokens at the beginning of each lane that may come from the cache: those whose hidden states nothing reads. Lanes that
    /// branch off and the base lane take equally many, as their rows are computed together.
    fn cacheable(&self, pools: &[BlockPool]) -> Vec<usize> {
        let unread = |lane: &Lane| if self.scoring.is_some() { lane.spec().prompt.len() } else { lane.len() } - 1;
        let known = |lane: &Lane| lane.known(&pools[lane.spec().weights.0], unread(lane));
        let branching = self.lanes.iter().filter(|lane| lane.spec().branches()).map(known).min();
        let together = branching.map(|least| least.min(known(&self.lanes[0])));
        let limit = |(i, lane): (usize, &Lane)| match together {
            Some(together) if i == 0 || lane.spec().branches() => together,
            _ => unread(lane),
        };
        self.lanes.iter().enumerate().map(limit).collect()
    }

    /// Take KV blocks for all lanes, or for none.
    pub fn admit(&mut self, pools: &mut [BlockPool]) -> bool {
        for (i, limit) in self.cacheable(pools).into_iter().enumerate() {
            let weights = self.lanes[i].spec().weights.0;
            if !self.lanes[i].admit(&mut pools[weights], limit) {
                self.free(pools);
                return false;
            }
        }
        self.cached.get_or_insert(self.lanes[0].len() - self.lanes[0].pending());
        true
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
        if let Some(scoring) = &mut self.scoring {
            scoring.restart();
        }
    }

    /// What is changed about the base's logits at the next step.
    pub fn adjustments(&self) -> Adjustments {
        let excluded: &[u32] = if self.endless > 0 { &self.end_tokens } else { &[] };
        Adjustments::new(&self.rule.penalties, &self.history, excluded)
            .among(self.constraint.as_ref().map(Constraint::allowed))
    }

    /// Take a decision's token into every lane and tell the client.
    pub fn choose(&mut self, decision: Decision, context: usize) -> Fate {
        let id = decision.token();
        let end = self.end_tokens.contains(&id);
        self.remaining -= 1;
        self.endless = self.endless.saturating_sub(1);
        self.history.push(id);
        self.lanes.iter_mut().for_each(|lane| lane.push(id));
        self.tell(Event::Token(Token { id, end, decision }));
        let full = self.remaining == 0 || self.lanes.iter().any(|lane| lane.len() >= context);
        let follow = |constraint: &mut Constraint| constraint.follow(id, &self.end_tokens);
        let goes_on = if end { Ok(false) } else { self.constraint.as_mut().map_or(Ok(true), follow) };
        match goes_on {
            Ok(false) => self.finish(FinishReason::Stop),
            _ if full => self.finish(FinishReason::Length),
            Ok(true) => return Fate::GoesOn,
            Err(error) => {
                self.fail(&error.to_string());
                return Fate::Failed;
            }
        }
        Fate::Finished
    }

    /// Tell what was read of an answer, if all of it was; true if so.
    pub fn tell_scores(&mut self) -> bool {
        let read = self.pending() == 0;
        if let Some(scoring) = self.scoring.as_mut().filter(|_| read) {
            let scores = scoring.scores();
            self.tell(Event::Scored(scores));
            self.finish(FinishReason::Stop);
        }
        read
    }

    /// The last word.
    fn finish(&mut self, reason: FinishReason) {
        self.permit = None;
        self.tell(Event::Finished(Finish { reason, cached_tokens: self.cached.unwrap_or(0) }));
    }

    /// The last word about a failure.
    pub fn fail(&mut self, why: &str) {
        self.permit = None;
        self.tell(Event::Failed(why.to_owned()));
    }

    /// The channel has room for every event that a sequence can send, so it is full only if the client has gone.
    fn tell(&self, event: Event) {
        let _ = self.events.try_send(event);
    }
}

/// What becomes of a sequence after a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// The next one is to be chosen.
    GoesOn,
    /// That was the last one.
    Finished,
    /// Its grammar cannot go on.
    Failed,
}
