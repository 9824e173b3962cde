//! Shapes to grammars over one vocabulary.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokEnv};
use llguidance::{Matcher, ParserFactory, panic_utils};
use pad_decode::Grammar;
use pad_text::Tokenizer;

use crate::matcher::ShapeGrammar;
use crate::vocabulary::Vocabulary;
use crate::{Shape, ShapeError};

/// Grammars that are kept compiled: agents send the same tools again and again.
const KEPT: usize = 16;

/// Bounds of one grammar. Each is some milliseconds of work or some megabytes.
fn limits() -> ParserLimits {
    ParserLimits {
        max_grammar_size: 200_000,
        initial_lexer_fuel: 1_000_000,
        step_lexer_fuel: 200_000,
        step_max_items: 50_000,
        max_lexer_states: 20_000,
        // Errors go to the log, and hold nothing of the answer.
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

/// Makes grammars. The vocabulary is prepared for it when the first is asked for.
pub struct Grammars {
    tokenizer: Arc<Tokenizer>,
    factory: OnceLock<Result<ParserFactory, String>>,
    /// Notations and what they were compiled to, the latest last.
    kept: Mutex<VecDeque<(String, Box<dyn Grammar>)>>,
}

impl Grammars {
    /// Grammars over the tokens of a model.
    pub fn new(tokenizer: Arc<Tokenizer>) -> Self {
        Self { tokenizer, factory: OnceLock::new(), kept: Mutex::default() }
    }

    /// The grammar of a shape; none if it allows everything. Takes milliseconds, the very first a good part of a second.
    ///
    /// # Errors
    /// [`ShapeError::Unsupported`] saying why.
    pub fn compile(&self, shape: &Shape) -> Result<Option<Box<dyn Grammar>>, ShapeError> {
        let Some(notation) = shape.notation() else { return Ok(None) };
        if let Some(grammar) = self.find(&notation) {
            return Ok(Some(grammar));
        }
        let grammar = self.build(&notation)?;
        self.keep(notation, grammar.clone());
        Ok(Some(grammar))
    }

    fn build(&self, notation: &str) -> Result<Box<dyn Grammar>, ShapeError> {
        let factory = self.factory.get_or_init(|| factory(&self.tokenizer)).as_ref();
        let factory = factory.map_err(|why| ShapeError::Unsupported(why.clone()))?;
        let grammar = TopLevelGrammar::from_lark(notation.to_owned());
        // Whatever the compiler does about a schema is an answer to the request.
        let parser = panic_utils::catch_unwind(std::panic::AssertUnwindSafe(|| factory.create_parser(grammar)));
        let parser = parser.map_err(|error| ShapeError::Unsupported(plain(&error.to_string())))?;
        let mut grammar = ShapeGrammar::new(Matcher::new(Ok(parser)));
        // The first step is tried here: later ones fail a sequence, this one is the request's fault.
        let allowed = grammar.allowed().map_err(|error| ShapeError::Unsupported(error.0))?;
        if allowed.tokens.is_empty() {
            return Err(ShapeError::Unsupported("no answer is of this shape".to_owned()));
        }
        Ok(Box::new(grammar))
    }

    fn find(&self, notation: &str) -> Option<Box<dyn Grammar>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == notation)?;
        let entry = kept.remove(at)?;
        let grammar = entry.1.another();
        kept.push_back(entry);
        Some(grammar)
    }

    fn keep(&self, notation: String, grammar: Box<dyn Grammar>) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push_back((notation, grammar));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
}

impl fmt::Debug for Grammars {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammars").finish_non_exhaustive()
    }
}

fn factory(tokenizer: &Arc<Tokenizer>) -> Result<ParserFactory, String> {
    let environment: TokEnv = Arc::new(Vocabulary::new(Arc::clone(tokenizer)));
    let slices = SlicedBiasComputer::general_slices();
    let mut factory = ParserFactory::new(&environment, InferenceCapabilities::default(), &slices)
        .map_err(|error| format!("the model's vocabulary cannot be held to a grammar: {error}"))?;
    factory.quiet();
    *factory.limits_mut() = limits();
    Ok(factory)
}

/// The compiler's words without what is only said to programmers.
fn plain(error: &str) -> String {
    let first = error.lines().find(|line| !line.trim().is_empty()).unwrap_or("it cannot be compiled");
    if first.contains("oneOf constraints are not supported") {
        return "the alternatives of a `oneOf` have to exclude each other visibly; `anyOf` takes any".to_owned();
    }
    let keys = first.strip_prefix("Unimplemented keys: ");
    keys.map_or_else(|| first.to_owned(), |keys| format!("these keywords are not supported: {keys}"))
}
