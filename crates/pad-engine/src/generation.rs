//! What is needed to generate one choice: the rule, the draws, and where its events go.

use std::sync::Arc;

use pad_decode::{
    Adjustments, CandidateSource, Decision, History, Normalisation, Progress, Rule, Sampler, Term, decide,
};
use tokio::sync::mpsc::Sender;

use crate::constraint::Constraint;
use crate::lane::Lane;
use crate::{DecodeReadouts, Event, Finish, FinishReason, GenerateRequest, Token};

/// A choice being generated.
#[derive(Debug)]
pub struct Generation {
    terms: Vec<Term>,
    rule: Rule,
    top_k: usize,
    source: CandidateSource,
    sampler: Sampler,
    /// What penalties look back on: the base lane's tokens.
    history: History,
    /// What guards look back on.
    progress: Progress,
    /// Tokens to be chosen before an end token is a candidate.
    without_end: usize,
    /// Tokens that may still be chosen.
    remaining: usize,
    end_tokens: Arc<[u32]>,
    /// What may be chosen, where not every token may.
    constraint: Option<Constraint>,
    events: Sender<Event>,
}

/// What becomes of a choice after a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The next token is to be chosen.
    GoesOn,
    /// That was the last one.
    Finish(FinishReason),
    /// Its grammar cannot go on; the text says why.
    OffGrammar(String),
}

impl Generation {
    /// Choice `choice` of a request.
    pub fn new(
        choice: usize,
        request: &GenerateRequest,
        constraint: Option<Constraint>,
        events: Sender<Event>,
    ) -> Self {
        let prompt = request.lanes.first().map_or(&[][..], |base| base.prompt.as_ref());
        Self {
            terms: request.terms.clone(),
            rule: request.rule.clone(),
            top_k: request.top_k,
            source: request.source,
            sampler: Sampler::new(request.seed, choice as u64),
            history: History::new(&request.rule.penalties, prompt),
            progress: Progress::default(),
            without_end: request.rule.min_tokens,
            remaining: request.max_tokens,
            end_tokens: Arc::clone(&request.end_tokens),
            constraint,
            events,
        }
    }

    /// Number of candidates that a lane proposes.
    pub fn top_k(&self) -> usize {
        self.top_k
    }

    /// Whether the lane of this reward readout proposes candidates: one that a term weighs, and not what it is measured against.
    pub fn proposes(&self, readout: usize) -> bool {
        match self.source {
            CandidateSource::Base => false,
            CandidateSource::Union => self.terms.iter().any(|term| term.readout == readout),
        }
    }

    /// Whether readouts carry the log-sum-exp over the vocabulary.
    pub fn reads_log_sum_exp(&self) -> bool {
        self.rule.normalisation == Normalisation::Vocabulary
    }

    /// Whether the client has gone.
    pub fn is_cancelled(&self) -> bool {
        self.events.is_closed()
    }

    /// What is changed about the base's logits at the next step.
    pub fn adjustments(&self) -> Adjustments {
        let excluded: &[u32] = if self.without_end > 0 { &self.end_tokens } else { &[] };
        Adjustments::new(&self.rule.penalties, &self.history, excluded)
            .among(self.constraint.as_ref().map(Constraint::allowed))
    }

    /// Decide a step by what was read in it.
    pub fn decide(&mut self, read: DecodeReadouts) -> Decision {
        decide(&self.rule, read.candidates, &self.terms, &read.rewards, &self.progress, &mut self.sampler)
    }

    /// Take a decision's token into every lane and tell the client.
    pub fn choose(&mut self, decision: Decision, lanes: &mut [Lane]) -> Next {
        let id = decision.token();
        let end = self.end_tokens.contains(&id);
        self.remaining -= 1;
        self.without_end = self.without_end.saturating_sub(1);
        self.history.push(id);
        self.progress.push(id, decision.kl);
        lanes.iter_mut().for_each(|lane| lane.push(id));
        self.tell(Event::Token(Token { id, end, decision }));
        let follow = |constraint: &mut Constraint| constraint.follow(id, &self.end_tokens);
        let goes_on = if end { Ok(false) } else { self.constraint.as_mut().map_or(Ok(true), follow) };
        match goes_on {
            Ok(false) => Next::Finish(FinishReason::Stop),
            // Prompt and answer together fit the context: the engine admits no other request. Only over a bridge they may grow further.
            _ if self.remaining == 0 || !lanes.iter().all(Lane::fits) => Next::Finish(FinishReason::Length),
            Ok(true) => Next::GoesOn,
            Err(error) => Next::OffGrammar(error.to_string()),
        }
    }

    /// Report the end; no event follows.
    pub fn finish(&self, reason: FinishReason, cached_tokens: usize) {
        self.tell(Event::Finished(Finish { reason, cached_tokens }));
    }

    /// Report the failure; no event follows.
    pub fn fail(&self, why: &str) {
        self.tell(Event::Failed(why.to_owned()));
    }

    /// Report that the grammar cannot go on; no event follows.
    pub fn leave_grammar(&self, why: String) {
        self.tell(Event::OffGrammar(why));
    }

    /// The channel has room for every event that a choice can send, so it is full only if the client has gone.
    fn tell(&self, event: Event) {
        let _ = self.events.try_send(event);
    }
}
