//! The candidates of a step: the best tokens of every lane that proposes some, under its sequence's adjustments.

use pad_decode::{Candidates, TokenSet};
use pad_model::{Logits, RowWanted, Wanted};

use crate::lockstep::{Followed, LockstepRunner, RowRead, StepStates, readout};
use crate::{DecodeRows, LaneReadout, StepError, StepPlan};

/// A row whose best tokens are taken.
struct Proposer {
    /// The sequence, by index among those that decode.
    decode: usize,
    row: usize,
    what: LaneReadout,
    /// Whether log sum exp over the vocabulary is read as well.
    log_sum_exp: bool,
}

impl Proposer {
    /// Its `count` best tokens of those that the sequence allows.
    fn best(&self, decode: &DecodeRows, count: usize) -> RowWanted {
        let among = |allowed: &TokenSet| Wanted::BestAmong(count, allowed.clone());
        let logits = decode.adjustments.allowed().map_or(Wanted::Best(count), among);
        RowWanted { logits, log_sum_exp: self.log_sum_exp }
    }
}

impl LockstepRunner {
    /// Every sequence's candidates, and the rewards that were read with them.
    pub(crate) fn candidates(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
    ) -> Result<(Vec<Candidates>, Followed), StepError> {
        let base = |(decode, rows): (usize, &DecodeRows)| Proposer {
            decode,
            row: rows.base,
            what: LaneReadout::Plain,
            log_sum_exp: rows.log_sum_exp,
        };
        let lanes = |(decode, rows): (usize, &DecodeRows)| {
            let lane = move |(row, what)| Proposer { decode, row, what, log_sum_exp: false };
            rows.proposers.clone().into_iter().map(lane)
        };
        let decodes = || plan.decodes.iter().enumerate();
        let proposers: Vec<Proposer> = decodes().map(base).chain(decodes().flat_map(lanes)).collect();
        let (mut proposed, followed) = self.proposed(plan, states, &proposers)?;
        let by_lanes = proposed.split_off(plan.decodes.len());
        let mut others: Vec<Vec<u32>> = vec![Vec::new(); plan.decodes.len()];
        for (lane, by_lane) in proposers[plan.decodes.len()..].iter().zip(by_lanes) {
            let (base, others) = (&proposed[lane.decode].tokens, &mut others[lane.decode]);
            for token in by_lane.tokens {
                if !base.contains(&token) && !others.contains(&token) {
                    others.push(token);
                }
            }
        }
        Ok((self.extended(plan, states, proposed, others)?, followed))
    }

    /// The base's candidates with what other lanes propose.
    fn extended(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
        candidates: Vec<Candidates>,
        others: Vec<Vec<u32>>,
    ) -> Result<Vec<Candidates>, StepError> {
        let proposed = plan.decodes.iter().zip(&others).filter(|(_, tokens)| !tokens.is_empty());
        let at = |(decode, tokens): (&DecodeRows, &Vec<u32>)| {
            RowRead::new(decode.base, LaneReadout::Plain, Wanted::At(tokens.clone()).alone())
        };
        let reads: Vec<RowRead> = proposed.map(at).collect();
        let mut read = self.read_rows(plan, states, &reads)?.into_iter();
        let extend = |((own, tokens), decode): ((Candidates, Vec<u32>), &DecodeRows)| {
            let read = if tokens.is_empty() { None } else { read.next() };
            let Some(read) = read else { return own };
            decode.adjustments.extend(own, tokens, &readout(&read))
        };
        Ok(candidates.into_iter().zip(others).zip(&plan.decodes).map(extend).collect())
    }

    /// The k best tokens of each of these rows, the bases first, under its sequence's adjustments; and rewards that were read with them.
    fn proposed(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
        proposers: &[Proposer],
    ) -> Result<(Vec<Candidates>, Followed), StepError> {
        let first = |proposer: &Proposer| {
            let decode = &plan.decodes[proposer.decode];
            RowRead::new(proposer.row, proposer.what, proposer.best(decode, decode.adjustments.reach(decode.top_k)))
        };
        let reads: Vec<RowRead> = proposers.iter().map(first).collect();
        let (mut read, followed) = self.read_bases(plan, states, &reads)?;
        let deeper = |proposer: &Proposer, decode: &DecodeRows, read: &[u32]| {
            Some(proposer.best(decode, decode.adjustments.deeper(decode.top_k, read)?))
        };
        for (i, deeper) in self.read_again(plan, states, proposers, &read, deeper)? {
            read[i] = deeper;
        }
        let vocabulary = self.tokens();
        let missing = |proposer: &Proposer, decode: &DecodeRows, best: &[u32]| {
            let mut unread = decode.adjustments.unread(best, proposer.log_sum_exp);
            unread.retain(|token| (*token as usize) < vocabulary);
            (!unread.is_empty()).then(|| Wanted::At(unread).alone())
        };
        for (i, more) in self.read_again(plan, states, proposers, &read, missing)? {
            read[i].ranked.extend(more.ranked);
        }
        let candidates = |(logits, proposer): (Logits, &Proposer)| {
            let decode = &plan.decodes[proposer.decode];
            decode.adjustments.candidates(decode.top_k, tokens(&logits), readout(&logits), logits.among)
        };
        Ok((read.into_iter().zip(proposers).map(candidates).collect(), followed))
    }

    /// Read rows again of sequences of which more is wanted than was read; with their indices.
    fn read_again(
        &mut self,
        plan: &StepPlan,
        states: &StepStates,
        proposers: &[Proposer],
        read: &[Logits],
        wanted: impl Fn(&Proposer, &DecodeRows, &[u32]) -> Option<RowWanted>,
    ) -> Result<Vec<(usize, Logits)>, StepError> {
        let again = |(i, (proposer, best)): (usize, (&Proposer, &Logits))| {
            let decode = &plan.decodes[proposer.decode];
            let changed = !decode.adjustments.is_empty();
            let wanted = changed.then(|| wanted(proposer, decode, &tokens(best))).flatten()?;
            Some((i, RowRead::new(proposer.row, proposer.what, wanted)))
        };
        let (which, reads): (Vec<usize>, Vec<RowRead>) =
            proposers.iter().zip(read).enumerate().filter_map(again).unzip();
        Ok(which.into_iter().zip(self.read_rows(plan, states, &reads)?).collect())
    }
}

fn tokens(logits: &Logits) -> Vec<u32> {
    logits.ranked.iter().map(|r| r.token).collect()
}
