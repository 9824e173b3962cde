//! Shapes to grammars over one vocabulary.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};

use llguidance::api::TopLevelGrammar;
use llguidance::earley::SlicedBiasComputer;
use llguidance::toktrie::{InferenceCapabilities, TokEnv};
use llguidance::{ParserFactory, panic_utils};
use pad_decode::Grammar;
use pad_text::Tokenizer;

use crate::cache::{Cache, CacheKey};
use crate::compiler::Compiler;
use crate::matcher::ShapeGrammar;
use crate::repeats::{Marks, Repeats};
use crate::vocabulary::Vocabulary;
use crate::{Budget, Calls, Requester, Schema, Shape, ShapeError, budget};

/// Makes grammars. The vocabulary is prepared for it when the first is asked for.
pub struct Grammars {
    maker: Arc<Maker>,
    compiler: Compiler,
    cache: Cache,
}

/// What a thread that compiles needs.
struct Maker {
    tokenizer: Arc<Tokenizer>,
    prepared: OnceLock<Result<Prepared, String>>,
    memory: usize,
}

/// The vocabulary, prepared for all grammars.
struct Prepared {
    factory: ParserFactory,
    marks: Arc<Marks>,
}

/// The part of a shape that cannot be enforced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShapePart {
    /// What may be said.
    Content,
    /// The arguments of this tool.
    Tool(usize),
    /// All together.
    Whole,
}

/// A grammar that was made for a shape.
#[derive(Debug)]
pub struct Fitted {
    /// The grammar; none if the shape allows everything.
    pub grammar: Option<Box<dyn Grammar>>,
    /// Lenient tools whose schemas were ignored, and why: their arguments are any object.
    pub passed_over: Vec<(usize, ShapeError)>,
}

impl Grammars {
    /// Grammars over the tokens of a model.
    pub fn new(tokenizer: Arc<Tokenizer>, budget: Budget) -> Self {
        let maker = Maker { tokenizer, prepared: OnceLock::new(), memory: budget.memory };
        Self { maker: Arc::new(maker), compiler: Compiler::new(budget), cache: Cache::new(budget.cache) }
    }

    /// The grammar of a shape; none if it allows everything. Takes milliseconds, the very first a good part of a second. May block.
    ///
    /// # Errors
    /// Any but [`ShapeError::NotAnObject`] and [`ShapeError::TooLong`].
    pub fn compile(&self, shape: &Shape, requester: &Requester) -> Result<Option<Box<dyn Grammar>>, ShapeError> {
        let Some(notation) = shape.notation() else { return Ok(None) };
        let key = CacheKey { scope: requester.scope, notation };
        if let Some(grammar) = self.cache.find(&key) {
            return Ok(Some(Box::new(grammar)));
        }
        // The first request prepares the vocabulary. That is no work on its shape, so the time limit does not count it.
        self.maker.prepared()?;
        let (maker, notation, shape) = (Arc::clone(&self.maker), key.notation.clone(), shape.clone());
        let grammar = self.compiler.run(requester, move || maker.make(&notation, &shape))?;
        self.cache.keep(key, &grammar);
        Ok(Some(Box::new(grammar)))
    }

    /// The same, but a lenient tool's schema that cannot be enforced is ignored.
    ///
    /// # Errors
    /// As [`Grammars::compile`], with the part that is at fault.
    pub fn fit(&self, shape: &Shape, requester: &Requester) -> Result<Fitted, (ShapePart, ShapeError)> {
        let whole = match self.compile(shape, requester) {
            Ok(grammar) => return Ok(Fitted { grammar, passed_over: Vec::new() }),
            Err(error @ (ShapeError::Busy | ShapeError::TooSlow { .. })) => return Err((ShapePart::Whole, error)),
            Err(error) => error,
        };
        let content = Shape { content: shape.content.clone(), calls: None };
        if content.content.is_some() {
            self.compile(&content, requester).map_err(|error| (ShapePart::Content, error))?;
        }
        let mut fitting = shape.clone();
        let mut passed_over = Vec::new();
        for (place, tool) in fitting.calls.iter_mut().flat_map(|calls| &mut calls.tools).enumerate() {
            let calls = Calls { tools: vec![tool.clone()], parallel: false };
            match self.compile(&Shape { content: None, calls: Some(calls) }, requester) {
                Ok(_) => {}
                Err(error) if tool.parameters.is_lenient() && !matches!(error, ShapeError::Busy) => {
                    tool.parameters = Schema::any_object();
                    passed_over.push((place, error));
                }
                Err(error) => return Err((ShapePart::Tool(place), error)),
            }
        }
        if passed_over.is_empty() {
            return Err((ShapePart::Whole, whole));
        }
        let grammar = self.compile(&fitting, requester).map_err(|error| (ShapePart::Whole, error))?;
        Ok(Fitted { grammar, passed_over })
    }
}

impl Maker {
    fn prepared(&self) -> Result<&Prepared, ShapeError> {
        let prepare = || {
            let marks = Arc::new(Marks::new(Arc::clone(&self.tokenizer)));
            Ok(Prepared { factory: factory(&self.tokenizer)?, marks })
        };
        self.prepared.get_or_init(prepare).as_ref().map_err(|why| ShapeError::Unsupported(why.clone()))
    }

    fn make(&self, notation: &str, shape: &Shape) -> Result<ShapeGrammar, ShapeError> {
        let Prepared { factory, marks } = self.prepared()?;
        let grammar = TopLevelGrammar::from_lark(notation.to_owned());
        // Whatever the compiler does about a schema is an answer to the request.
        let parser = panic_utils::catch_unwind(AssertUnwindSafe(|| factory.create_parser(grammar)));
        let parser = parser.map_err(|error| ShapeError::Unsupported(plain(&error.to_string())))?;
        let repeats = Repeats::of(shape, Arc::clone(marks));
        let mut grammar = ShapeGrammar::new(parser, repeats, self.memory);
        // The first step is tried here: later ones fail a sequence, this one is the request's fault.
        let allowed = grammar.allowed().map_err(|error| ShapeError::Unsupported(error.0))?;
        if allowed.tokens.is_empty() && !allowed.end {
            return Err(ShapeError::Unsupported("no answer can have this form".to_owned()));
        }
        if grammar.bytes() > self.memory {
            return Err(ShapeError::TooLarge { mib: grammar.bytes() >> 20, allowed: self.memory >> 20 });
        }
        Ok(grammar)
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
        .map_err(|error| format!("the model's vocabulary cannot be used with grammars: {error}"))?;
    factory.quiet();
    *factory.limits_mut() = budget::limits();
    Ok(factory)
}

/// The compiler's words without what is only said to programmers.
fn plain(error: &str) -> String {
    if error.contains("panic") {
        return "the grammar compiler failed".to_owned();
    }
    if error.contains("oneOf constraints are not supported") {
        return "the alternatives of a `oneOf` must differ in their types or constants, so that only one can match; use `anyOf` instead".to_owned();
    }
    let mut lines = error.lines().map(str::trim).filter(|line| !line.is_empty());
    if error.contains("regex parse error") {
        // The pattern, a caret below it, and only then what is wrong with it.
        let why = lines.find_map(|line| line.strip_prefix("error: ")).unwrap_or("it cannot be parsed");
        return format!("the pattern is invalid: {why}");
    }
    let first = lines.next().unwrap_or("it cannot be compiled");
    let keys = first.strip_prefix("Unimplemented keys: ");
    keys.map_or_else(|| first.to_owned(), |keys| format!("these keywords are not supported: {keys}"))
}
