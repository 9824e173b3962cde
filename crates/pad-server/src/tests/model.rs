//! A made-up model: it says one thing, and a reward lane makes it say it in capitals.

use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use pad_decode::Readout;
use pad_engine::{DecodeReadouts, DecodeRows, Runner, ScoreReadouts, StepError, StepPlan, StepReadouts};

use super::tokenizer::{END, byte, token};

/// What the model says, byte by byte after the line break that ends every prompt. No byte occurs twice, so that the last
/// byte tells the next.
pub(crate) const ANSWER: &str = "hi, joe\u{1F600}!";
/// The same, steered.
pub(crate) const STEERED: &str = "HI, JOE\u{1F600}!";
/// A lane may have so many tokens.
pub(crate) const CONTEXT: usize = 2048;

/// How the model behaves.
#[derive(Clone, Default)]
pub(crate) struct Behaviour {
    /// Fail the step after this byte.
    pub(crate) fail_after: Option<u8>,
    /// Steps wait here.
    pub(crate) gate: Gate,
    /// What to say instead, in the one answer.
    pub(crate) script: Option<Script>,
}

/// Words for one answer, in which bytes may recur.
#[derive(Clone)]
pub(crate) struct Script {
    words: &'static str,
    /// The position of the first word.
    began: Arc<Mutex<Option<usize>>>,
}

impl Script {
    /// Say these words.
    pub(crate) fn of(words: &'static str) -> Self {
        Self { words, began: Arc::default() }
    }

    fn at(&self, position: usize) -> Option<u8> {
        let began = *self.began.lock().expect("the script").get_or_insert(position);
        self.words.as_bytes().get(position - began).copied()
    }
}

/// Lets steps pass: all of them, or a counted few.
#[derive(Clone)]
pub(crate) struct Gate(Arc<(Mutex<Option<usize>>, Condvar)>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new((Mutex::new(None), Condvar::new())))
    }
}

impl Gate {
    /// A gate that lets `steps` steps that decode pass, and then waits.
    pub(crate) fn after(steps: usize) -> Self {
        Self(Arc::new((Mutex::new(Some(steps)), Condvar::new())))
    }

    /// Let everything pass from now on.
    pub(crate) fn open(&self) {
        *self.0.0.lock().expect("the gate") = None;
        self.0.1.notify_all();
    }

    fn pass(&self) {
        let left = self.0.0.lock().expect("the gate");
        let mut left = self.0.1.wait_while(left, |left| *left == Some(0)).expect("the gate");
        *left = left.map(|steps| steps - 1);
    }
}

/// The model.
pub(crate) struct Parrot(pub(crate) Behaviour);

impl Runner for Parrot {
    fn context(&self) -> usize {
        CONTEXT
    }

    fn vocabulary(&self) -> usize {
        usize::MAX
    }

    fn kv_blocks(&self) -> Vec<usize> {
        vec![1024]
    }

    fn step(&mut self, plan: &StepPlan) -> Result<StepReadouts, StepError> {
        if !plan.decodes.is_empty() {
            self.0.gate.pass();
        }
        let decodes = plan.decodes.iter().map(|rows| self.read(plan, rows)).collect::<Result<_, _>>()?;
        // To the base every byte has a log-probability of -2; a reward lane likes capitals.
        let scores = plan.scores.iter().map(|score| {
            let steered = score.row > 0;
            let capital = |token: &u32| byte(*token).is_some_and(|byte| byte.is_ascii_uppercase());
            let logprob = |token: &u32| if steered && capital(token) { -1.0 } else { -2.0 };
            // The best are always the same two.
            let best = [(token(b'a'), -1.5), (token(b'b'), -2.5)].into_iter().take(score.top).collect::<Vec<_>>();
            ScoreReadouts {
                logprobs: vec![score.targets.iter().map(logprob).collect(); score.readouts.len()],
                best: vec![best; score.targets.len()],
            }
        });
        // A hidden state is the token's byte and a one.
        let state = |token: &u32| vec![f32::from(byte(*token).unwrap_or(0)), 1.0];
        let embeds = plan.embeds.iter().map(|row| plan.rows[*row].tokens.iter().map(state).collect()).collect();
        // A nanosecond for each row of a reward lane: less than any step takes.
        let rewards = plan.rows.iter().filter(|rows| rows.reward).map(|rows| rows.tokens.len() as u64);
        let reward_time = Duration::from_nanos(rewards.sum());
        Ok(StepReadouts { decodes, scores: scores.collect(), embeds, reward_time })
    }
}

impl Parrot {
    fn read(&self, plan: &StepPlan, rows: &DecodeRows) -> Result<DecodeReadouts, StepError> {
        let last = plan.rows[rows.base].tokens.last().copied().and_then(byte).unwrap_or(b'\n');
        if self.0.fail_after == Some(last) {
            return Err(StepError::Runner("the model broke".to_owned()));
        }
        let base = &plan.rows[rows.base];
        let next = match &self.0.script {
            Some(script) => script.at(base.start + base.tokens.len()),
            None => following(last),
        };
        let mut tokens = vec![next.map_or(END, token), next.map_or(END + 1, |byte| token(byte.to_ascii_uppercase()))];
        if tokens[0] == tokens[1] {
            tokens[1] = token(b'~');
        }
        let [first, second] = [tokens[0], tokens[1]];
        let bytes = (0x80..=0xff).chain(0..0x80).map(token);
        let others = bytes.chain([END]).filter(|other| !tokens.contains(other)).collect::<Vec<_>>();
        tokens.extend(others);
        if rows.adjustments.is_empty() {
            tokens.truncate(rows.top_k);
        }
        let letter = next.is_some_and(|byte| byte.is_ascii_lowercase());
        let logits = |tokens: &[u32], first_logit: f32, second_logit: f32| {
            let logit = |token: u32| match token {
                token if token == first => first_logit,
                token if token == second => second_logit,
                _ => 0.0,
            };
            readout(tokens.iter().map(|token| logit(*token)).collect(), rows.log_sum_exp)
        };
        let base = logits(&tokens, 10.0, 9.0);
        let candidates = rows.adjustments.candidates(rows.top_k, tokens, base, None);
        // A reward lane likes capitals; of everything else it thinks as the base does.
        let reward = || logits(&candidates.tokens, 10.0, if letter { 12.0 } else { 9.0 });
        let rewards = rows.rewards.iter().map(|_| reward()).collect();
        Ok(DecodeReadouts { candidates, rewards })
    }
}

fn readout(logits: Vec<f32>, whole: bool) -> Readout {
    let log_sum_exp = whole.then(|| logits.iter().map(|logit| logit.exp()).sum::<f32>().ln());
    Readout { logits, log_sum_exp }
}

/// The byte of the answer after `last`, whatever its case; none after the end.
fn following(last: u8) -> Option<u8> {
    let answer = ANSWER.as_bytes();
    if last == b'\n' {
        return answer.first().copied();
    }
    let at = answer.iter().position(|byte| *byte == last.to_ascii_lowercase())?;
    answer.get(at + 1).copied()
}
