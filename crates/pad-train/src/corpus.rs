//! From pairs of texts to tokens, as at serving time.

use pad_text::{Chat, Message};

use crate::draws::Draws;
use crate::layout::Example;
use crate::pair::Pair;
use crate::{Settings, TrainError};

/// Pairs as tokens.
#[derive(Clone, Debug, Default)]
pub struct Corpus {
    /// The pairs that are used.
    pub examples: Vec<Example>,
    /// Pairs whose prompt is too long, or that are the same after cutting.
    pub left_out: usize,
    /// Answers that were cut.
    pub cut: usize,
}

/// Names of dimensions, in the order in which the pairs bring them.
pub fn dimensions(pairs: &[Pair]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for pair in pairs {
        if !names.contains(&pair.dimension) {
            names.push(pair.dimension.clone());
        }
    }
    names
}

/// The fewest tokens that a prompt must leave to its answers.
const LEAST_ANSWER: usize = 4;

impl Corpus {
    /// Pairs through the chat template and the tokenizer. At most `max_pairs_per_dimension` of each dimension, drawn by the seed.
    ///
    /// # Errors
    /// [`TrainError::Text`], or [`TrainError::Setting`] for a pair of a dimension that is not in `dimensions`.
    pub fn new(chat: &Chat, pairs: &[Pair], dimensions: &[String], settings: &Settings) -> Result<Self, TrainError> {
        let end = end_of_turn(chat)?;
        let mut order: Vec<usize> = (0..pairs.len()).collect();
        let limit = match settings.max_pairs_per_dimension {
            0 => usize::MAX,
            limit => {
                Draws::new(settings.seed, 0).shuffle(&mut order);
                limit
            }
        };
        let (mut corpus, mut counts) = (Self::default(), vec![0; dimensions.len()]);
        for pair in order.into_iter().map(|i| &pairs[i]) {
            let Some(dimension) = dimensions.iter().position(|name| *name == pair.dimension) else {
                let message =
                    format!("dimension {:?} is not among those trained: {}", pair.dimension, dimensions.join(", "));
                return Err(TrainError::setting("held_out", message));
            };
            if counts[dimension] == limit {
                continue;
            }
            match corpus.encode(chat, pair, dimension, end, settings)? {
                Some(example) => {
                    counts[dimension] += 1;
                    corpus.examples.push(example);
                }
                None => corpus.left_out += 1,
            }
        }
        Ok(corpus)
    }

    fn encode(
        &mut self,
        chat: &Chat,
        pair: &Pair,
        dimension: usize,
        end: Option<u32>,
        settings: &Settings,
    ) -> Result<Option<Example>, TrainError> {
        let prompt = chat.encode(&pair.messages())?;
        if prompt.is_empty() || prompt.len() + LEAST_ANSWER > settings.max_tokens {
            return Ok(None);
        }
        let room = (settings.max_tokens - prompt.len()).min(settings.max_answer_tokens);
        let mut cut = 0;
        let mut encode = |text: &str, complete: bool| -> Result<Vec<u32>, TrainError> {
            let mut tokens = chat.encode_text(text)?;
            tokens.extend(end.filter(|_| complete));
            cut += usize::from(tokens.len() > room);
            tokens.truncate(room);
            Ok(tokens)
        };
        let answers = [encode(&pair.chosen, pair.chosen_complete)?, encode(&pair.rejected, pair.rejected_complete)?];
        if answers[0] == answers[1] || answers.iter().any(Vec::is_empty) {
            return Ok(None);
        }
        self.cut += cut;
        Ok(Some(Example { prompt, answers, dimension }))
    }

    /// Every token that occurs, some of them more than once.
    pub fn tokens(&self) -> impl Iterator<Item = u32> {
        self.examples.iter().flat_map(|e| e.prompt.iter().chain(e.answers.iter().flatten()).copied())
    }

    /// Rows of all examples.
    pub fn rows(&self) -> usize {
        self.examples.iter().map(Example::rows).sum()
    }

    /// Tokens of all answers.
    pub fn targets(&self) -> usize {
        self.examples.iter().map(Example::targets).sum()
    }
}

/// The token that the chat template puts behind an answer, if the model has one.
fn end_of_turn(chat: &Chat) -> Result<Option<u32>, TrainError> {
    let question = Message::new("user", "a");
    let opened = chat.encode(std::slice::from_ref(&question))?;
    let whole = chat.encode(&[question.clone(), Message::new("assistant", "b"), question]);
    let ends = chat.end_tokens();
    // A template may refuse longer conversations.
    let after = whole.ok().and_then(|tokens| tokens.into_iter().skip(opened.len()).find(|t| ends.contains(t)));
    Ok(after.or_else(|| ends.last().copied()))
}
