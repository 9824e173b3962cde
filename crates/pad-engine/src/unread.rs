//! From what a step read to the sequences that it was read for.

use std::vec::IntoIter;

use crate::generation::Next;
use crate::sequence::{Sequence, Work};
use crate::tally::Tally;
use crate::{DecodeReadouts, ScoreReadouts, StepReadouts};

/// What a step read and no sequence has taken yet; all in the order of the plan.
pub struct Unread {
    decodes: IntoIter<DecodeReadouts>,
    scores: IntoIter<ScoreReadouts>,
    embeds: IntoIter<Vec<Vec<f32>>>,
}

impl From<StepReadouts> for Unread {
    fn from(StepReadouts { decodes, scores, embeds, .. }: StepReadouts) -> Self {
        Self { decodes: decodes.into_iter(), scores: scores.into_iter(), embeds: embeds.into_iter() }
    }
}

impl Unread {
    /// Give a sequence what was read for it: for the lanes `scored`, or for a decision. Whether it goes on.
    pub fn take(&mut self, sequence: &mut Sequence, decodes: bool, scored: &[usize], tally: &mut Tally) -> bool {
        let pending = sequence.pending();
        match &mut sequence.work {
            Work::Score(scoring) => {
                scored.iter().zip(self.scores.by_ref()).for_each(|(lane, read)| scoring.extend(*lane, read));
                if pending > 0 {
                    return true;
                }
                tally.finished += 1;
                scoring.finish(sequence.seat.leave());
            }
            Work::Embed(embedding) => {
                embedding.extend(&self.embeds.next().unwrap_or_default());
                if pending > 0 {
                    return true;
                }
                tally.finished += 1;
                sequence.seat.leave();
                embedding.finish();
            }
            Work::Generate(generation) => {
                let Some(read) = decodes.then(|| self.decodes.next()).flatten() else { return true };
                let decision = generation.decide(read);
                tally.generated += 1;
                tally.steered += u64::from(decision.steered());
                match generation.choose(decision, &mut sequence.lanes) {
                    Next::GoesOn => return true,
                    Next::Finish(reason) => {
                        tally.finished += 1;
                        generation.finish(reason, sequence.seat.leave());
                    }
                    Next::OffGrammar(why) => {
                        tally.failed += 1;
                        sequence.seat.leave();
                        generation.leave_grammar(why);
                    }
                }
            }
        }
        false
    }
}
