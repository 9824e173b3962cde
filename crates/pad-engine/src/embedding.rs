//! The embedding of a text: the mean of the base model's last hidden states, made one long.

use std::sync::Arc;

use crate::lane_spec::check_lanes;
use crate::pending::Reply;
use crate::{LaneSpec, SubmitError, Tenant};

/// A request for the embedding of one text. Nothing is generated.
#[derive(Clone, Debug)]
pub struct EmbedRequest {
    /// The text's tokens, at least one.
    pub tokens: Arc<[u32]>,
    /// Whose it is.
    pub tenant: Tenant,
}

impl EmbedRequest {
    /// The lane that reads the tokens.
    pub(crate) fn lane(&self) -> LaneSpec {
        LaneSpec::base(Arc::clone(&self.tokens))
    }

    /// Refuse a request that makes no sense.
    pub(crate) fn check(&self, weights: usize) -> Result<(), SubmitError> {
        check_lanes(&[self.lane()], weights)
    }
}

/// What was read of a text so far, and where it goes.
#[derive(Debug)]
pub struct Embedding {
    /// The sum of the hidden states so far. It grows row by row, so that it does not depend on how the text is cut into chunks.
    sum: Vec<f64>,
    client: Reply<Vec<f32>>,
}

impl Embedding {
    /// A text of which nothing was read yet.
    pub fn new(client: Reply<Vec<f32>>) -> Self {
        Self { sum: Vec::new(), client }
    }

    /// Take the hidden states of the next rows, `[rows][hidden]`.
    pub fn extend(&mut self, rows: &[Vec<f32>]) {
        for row in rows {
            self.sum.resize(row.len(), 0.0);
            self.sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += f64::from(*value));
        }
    }

    /// Forget what was read: the lane starts again.
    pub fn restart(&mut self) {
        self.sum.clear();
    }

    /// Whether the client has gone.
    pub fn is_cancelled(&self) -> bool {
        self.client.is_closed()
    }

    /// Send the embedding. The mean has the direction of the sum, and its length is made 1 in any case.
    pub fn finish(&mut self) {
        let length = self.sum.iter().map(|value| value * value).sum::<f64>().sqrt();
        let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
        let embedding = self.sum.iter().map(|value| (value * scale) as f32).collect();
        self.client.send(embedding);
    }

    /// Report the failure in place of a result.
    pub fn fail(&mut self, why: &str) {
        self.client.fail(why);
    }
}
