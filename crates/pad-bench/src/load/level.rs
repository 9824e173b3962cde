//! One level of load on one server: a number of concurrent streams.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use pad_client::{ChatBody, Client, ClientError};
use serde::Serialize;

use super::answer::Answer;
use super::plan::Plan;
use super::server::{Server, ask};

/// How many streams, and the length of their prompts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    /// Streams side by side.
    pub concurrency: usize,
    /// Tokens in each prompt, about.
    pub prompt: usize,
}

/// What became of the requests of a level.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The measured requests.
    pub streams: Vec<Result<Answer, ClientError>>,
    /// The long prompts that were sent meanwhile.
    pub long_prompts: Vec<Result<Answer, ClientError>>,
    /// From the first request to the end of the last measured stream.
    pub wall: Duration,
}

/// A number that makes a level's prompts different from all others.
#[derive(Clone, Copy)]
enum Kind {
    WarmUp,
    Stream,
    Long,
}

/// A level's requests, in one round.
struct Turn<'a> {
    server: &'a Server,
    level: Level,
    plan: &'a Plan,
    round: usize,
    client: Client,
}

/// One stream of a level, as a test.
///
/// # Errors
///
/// When it fails.
pub fn warm_up(server: &Server, level: Level, plan: &Plan) -> Result<Answer, ClientError> {
    let turn = Turn { server, level, plan, round: 0, client: server.client(1)? };
    ask(&turn.client, &turn.body(Kind::WarmUp, 0), || ())
}

/// Send all requests of a level, as many at once as it says, and the long prompts beside them.
///
/// # Errors
///
/// When the server's address is none. Requests that fail are in the outcome.
pub fn run(server: &Server, level: Level, plan: &Plan, round: usize) -> Result<Outcome, ClientError> {
    let turn = Turn { server, level, plan, round, client: server.client(level.concurrency + 1)? };
    let (turn, sent, over) = (&turn, &AtomicUsize::new(0), &AtomicBool::new(false));
    let (spoke, speaks) = mpsc::channel();
    let begun = Instant::now();
    thread::scope(|scope| {
        let stream = |_| {
            let spoke = spoke.clone();
            let first_words = move || {
                // The long prompts may be finished: then the receiver is closed.
                let _ = spoke.send(());
            };
            scope.spawn(move || turn.streams(sent, first_words))
        };
        let streams: Vec<_> = (0..level.concurrency).map(stream).collect();
        drop(spoke);
        let long = scope.spawn(move || turn.long_prompts(&speaks, over));
        let streams = streams.into_iter().flat_map(joined).collect();
        let wall = begun.elapsed();
        over.store(true, Ordering::Relaxed);
        Ok(Outcome { streams, wall, long_prompts: joined(long) })
    })
}

/// What a thread found; its panic is this one's.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

impl Turn<'_> {
    /// One client: ask, listen to the end, ask again, until all clients together have asked enough.
    fn streams(&self, sent: &AtomicUsize, first_words: impl Fn()) -> Vec<Result<Answer, ClientError>> {
        let requests = self.plan.requests(self.level.concurrency);
        let numbers = std::iter::from_fn(|| Some(sent.fetch_add(1, Ordering::Relaxed)));
        numbers
            .take_while(|number| *number < requests)
            .map(|number| ask(&self.client, &self.body(Kind::Stream, number), &first_words))
            .collect()
    }

    /// Long prompts one after the other, from the first words of a measured stream on; none any more once all streams have
    /// ended.
    fn long_prompts(&self, speaks: &Receiver<()>, over: &AtomicBool) -> Vec<Result<Answer, ClientError>> {
        let mut answers = Vec::new();
        if self.plan.long_prompts.count == 0 || speaks.recv().is_err() {
            return answers;
        }
        for number in 0..self.plan.long_prompts.count {
            answers.push(ask(&self.client, &self.body(Kind::Long, number), || ()));
            if over.load(Ordering::Relaxed) {
                break;
            }
        }
        answers
    }

    fn body(&self, kind: Kind, number: usize) -> ChatBody {
        let (prompt, tokens) = match kind {
            Kind::Long => (self.plan.long_prompts.tokens, 1),
            Kind::WarmUp | Kind::Stream => (self.level.prompt, self.plan.tokens),
        };
        let Level { concurrency, prompt: length } = self.level;
        let which = [kind as usize, self.round, concurrency, length, number].map(|part| part as u64);
        self.plan.body(self.server.model(), prompt, tokens, &[&which[..], &[self.server.turn()]].concat())
    }
}
