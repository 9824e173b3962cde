//! The scores of content, as the scorer `relevance` names them.

/// 1 where no other question of the run is nearer to the answer than its own.
pub const FOUND: &str = "found";

/// Cosine of question and answer.
pub const RELEVANCE: &str = "relevance";
