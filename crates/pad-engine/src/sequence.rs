//! A sequence: one choice being generated.

use std::sync::Arc;

use pad_decode::{Adjustments, Decision, History, Rule, Sampler, Term};
use pad_model::BLOCK;
use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::Sender;

use crate::block_pool::BlockPool;
use crate::lane::Lane;
use crate::{Event, Finish, FinishReason, GenerateRequest, Token};

/// One choice of a request: its lanes, how it chooses, and where its events go.
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
            lanes: request.lanes.iter().cloned().map(Lane::new).collect(),
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
            events,
            cached: None,
            permit: Some(permit),
        }
    }

    /// Whether the client has gone.
    pub fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// Rows that are to be computed before the next token can be chosen, all lanes together.
    pub fn pending(&self) -> usize {
        self.lanes.iter().map(Lane::pending).sum()
    }

    /// Whether only the last token of every lane is to be computed.
    pub fn is_decoding(&self) -> bool {
        self.lanes.iter().all(|lane| lane.pending() == 1)
    }

    /// Take KV blocks for all lanes, or for none.
    pub fn admit(&mut self, pools: &mut [BlockPool]) -> bool {
        for i in 0..self.lanes.len() {
            let weights = self.lanes[i].spec().weights.0;
            if !self.lanes[i].admit(&mut pools[weights]) {
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
    }

    /// What is changed about the base's logits at the next step.
    pub fn adjustments(&self) -> Adjustments {
        let excluded: &[u32] = if self.endless > 0 { &self.end_tokens } else { &[] };
        Adjustments::new(&self.rule.penalties, &self.history, excluded)
    }

    /// Take a decision's token into every lane and tell the client; true if that was the last one.
    pub fn choose(&mut self, decision: Decision, context: usize) -> bool {
        let id = decision.token();
        let end = self.end_tokens.contains(&id);
        self.remaining -= 1;
        self.endless = self.endless.saturating_sub(1);
        self.history.push(id);
        self.lanes.iter_mut().for_each(|lane| lane.push(id));
        self.tell(Event::Token(Token { id, end, decision }));
        let full = self.remaining == 0 || self.lanes.iter().any(|lane| lane.len() >= context);
        if end || full {
            let reason = if end { FinishReason::Stop } else { FinishReason::Length };
            self.finish(reason);
        }
        end || full
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

/// KV blocks that lanes of these lengths need, per set of weights, after `more` tokens each.
pub fn blocks_needed(request: &GenerateRequest, more: usize, pools: usize) -> Vec<usize> {
    let mut needed = vec![0; pools];
    for lane in &request.lanes {
        needed[lane.weights.0] += (lane.prompt.len() + more).div_ceil(BLOCK);
    }
    needed
}
