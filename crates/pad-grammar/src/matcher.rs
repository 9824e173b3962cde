//! The state of a grammar during an answer.

use std::fmt;
use std::panic::AssertUnwindSafe;

use llguidance::api::StopReason;
use llguidance::{TokenParser, panic_utils};
use pad_decode::{Allowed, Grammar, GrammarError, TokenSet};

use crate::repeats::Repeats;
use crate::writing::Repeat;

/// Bytes of a grammar beside its lexer's tables.
const BASE_BYTES: usize = 64 << 10;
/// How much more the tables take than the lexer counts: it leaves out symbolic derivatives, and the room that its maps keep.
const UNCOUNTED: usize = 4;

/// The grammar of one sequence.
pub struct ShapeGrammar {
    parser: TokenParser,
    /// What keeps the answer from repeating keys and calls, where it has some.
    repeats: Option<Repeats>,
    /// Bytes that it may take.
    memory: usize,
    /// It cannot go on, and why.
    broken: Option<GrammarError>,
}

impl ShapeGrammar {
    /// A grammar before the first token, which may take so many bytes.
    pub(crate) fn new(mut parser: TokenParser, repeats: Option<Repeats>, memory: usize) -> Self {
        if parser.is_fresh() {
            parser.start_without_prompt();
        }
        Self { parser, repeats, memory, broken: None }
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        BASE_BYTES + self.parser.parser.lexer_stats().num_bytes * UNCOUNTED
    }

    /// The same grammar, come as far. Its caches are copied, not shared, so that an error in one sequence affects no other.
    pub(crate) fn copy(&self) -> Self {
        let repeats = self.repeats.clone();
        Self { parser: self.parser.deep_clone(), repeats, memory: self.memory, broken: self.broken.clone() }
    }

    /// Something that the parser does. Once it fails, it stays so: its state is then no longer what the answer is.
    fn guarded<T>(
        &mut self,
        act: impl FnOnce(&mut TokenParser) -> Result<T, Box<dyn std::error::Error + Send + Sync>>,
    ) -> Result<T, GrammarError> {
        if let Some(why) = &self.broken {
            return Err(why.clone());
        }
        let parser = &mut self.parser;
        let done = panic_utils::catch_unwind(AssertUnwindSafe(|| Ok(act(parser).map_err(|error| error.to_string()))));
        let done = match done {
            Ok(Ok(value)) => Ok(value),
            // The message goes to the log, so it must hold nothing of the answer or of the schema.
            Ok(Err(_)) | Err(_) => Err(self.complaint()),
        };
        let bytes = if done.is_ok() { self.bytes() } else { 0 };
        let done = if bytes > self.memory {
            let allowed = self.memory >> 20;
            Err(GrammarError(format!("the form needs {} MiB at this point; allowed: {allowed} MiB", bytes >> 20)))
        } else {
            done
        };
        self.broken = done.as_ref().err().cloned();
        done
    }

    fn complaint(&self) -> GrammarError {
        GrammarError(match self.parser.stop_reason() {
            StopReason::LexerTooComplex => {
                "a pattern, a number or a name in the form is too complex for one step".to_owned()
            }
            StopReason::ParserTooComplex => "the form has too many alternatives for one step".to_owned(),
            other => format!("the parser stopped: {other}"),
        })
    }
}

impl Grammar for ShapeGrammar {
    fn allowed(&mut self) -> Result<Allowed, GrammarError> {
        if self.broken.is_none()
            && self.parser.stop_reason() != StopReason::NotStopped
            && self.parser.stop_reason().is_ok()
        {
            return Ok(Allowed { tokens: TokenSet::default(), end: true });
        }
        let repeats = self.repeats.take();
        let step = |parser: &mut TokenParser| -> Result<(TokenSet, bool), Box<dyn std::error::Error + Send + Sync>> {
            let (mask, end) = (parser.compute_mask()?, parser.is_accepting());
            let mut tokens = TokenSet::from_words(mask.as_slice());
            if let Some(repeats) = &repeats {
                tokens = repeats.without(tokens, &mut parser.parser);
                if parser.parser.get_error().is_some() {
                    return Err("looking ahead failed".into());
                }
            }
            Ok((tokens, end))
        };
        let done = self.guarded(step);
        self.repeats = repeats;
        let (tokens, end) = done?;
        Ok(Allowed { tokens, end })
    }

    fn accept(&mut self, token: u32) -> Result<(), GrammarError> {
        self.guarded(|parser| {
            parser.consume_token(token)?;
            parser.check_stop()?;
            Ok(())
        })?;
        let repeated = self.repeats.as_mut().and_then(|repeats| repeats.accept(token).err());
        self.broken = repeated.map(|repeat| {
            GrammarError(format!("it repeats {}", if repeat == Repeat::Key { "a key" } else { "a call" }))
        });
        self.broken.clone().map_or(Ok(()), Err)
    }

    fn another(&self) -> Box<dyn Grammar> {
        Box::new(self.copy())
    }
}

impl fmt::Debug for ShapeGrammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShapeGrammar").field("stop", &self.parser.stop_reason()).finish_non_exhaustive()
    }
}
