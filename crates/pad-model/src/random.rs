//! Weights of a named shape that mean nothing, made as they are read: speed can be measured with no file at hand.

use std::path::Path;
use std::sync::Arc;

use pad_kernels::{AttentionRule, Encoding, Gate};

use crate::config::{HeadNorms, NormPlacement, RopeConfig};
use crate::tensor_bytes::{TensorBytes, TensorFile};
use crate::{Matrix, ModelConfig, ModelError, Part, Weights};

/// A shape: its name, vocabulary, hidden width, width of the feed-forward part, layers, heads, KV heads, values in a head, and whether the
/// embeddings are the unembedding too.
type Shape = (&'static str, [usize; 7], bool);

const SHAPES: [Shape; 4] = [
    ("llama-3-8b", [128_256, 4096, 14_336, 32, 32, 8, 128], false),
    ("llama-3.2-1b", [128_256, 2048, 8192, 16, 32, 8, 64], true),
    ("smollm2-135m", [49_152, 576, 1536, 30, 9, 3, 64], true),
    ("tiny", [1024, 64, 160, 2, 4, 2, 16], true),
];

/// Positions of all shapes.
const CONTEXT: usize = 8192;

/// Weights in bfloat16, between 2^-6 and 2^-5 in size.
#[derive(Debug)]
pub struct RandomWeights {
    config: ModelConfig,
    file: Arc<TensorFile>,
    tied: bool,
    /// Bytes that were given away.
    given: u64,
}

impl RandomWeights {
    /// The names of all shapes.
    pub fn names() -> Vec<&'static str> {
        SHAPES.iter().map(|(name, ..)| *name).collect()
    }

    /// Weights of the shape of this name, if there is one.
    pub fn named(name: &str) -> Option<Self> {
        let (_, [vocabulary, hidden, intermediate, layers, heads, kv_heads, head_dim], tied) =
            SHAPES.iter().find(|(known, ..)| *known == name)?;
        let config = ModelConfig {
            vocabulary: *vocabulary,
            hidden: *hidden,
            intermediate: *intermediate,
            layers: *layers,
            heads: *heads,
            kv_heads: *kv_heads,
            head_dim: *head_dim,
            context: CONTEXT,
            norm_eps: 1e-5,
            norms: NormPlacement::Before,
            head_norms: HeadNorms::None,
            gate: Gate::Silu,
            embedding_scale: 1.0,
            logit_cap: None,
            ropes: vec![RopeConfig::plain(*head_dim, 500_000.0)],
            rules: vec![AttentionRule::usual(*head_dim); *layers],
            experts: None,
        };
        Some(Self { config, file: Arc::new(TensorFile::random(Path::new(name))), tied: *tied, given: 0 })
    }
}

impl Weights for RandomWeights {
    fn config(&self) -> &ModelConfig {
        &self.config
    }

    fn path(&self) -> &Path {
        self.file.path()
    }

    fn family(&self) -> &'static str {
        "llama"
    }

    fn format(&self) -> String {
        "BF16".to_owned()
    }

    fn has_weight(&self, part: Part) -> bool {
        part != Part::Unembedding || !self.tied
    }

    fn has_bias(&self, _: Part) -> bool {
        false
    }

    fn matrix(&mut self, part: Part) -> Result<Matrix, ModelError> {
        let shape = self.config.shape(part);
        let bytes = TensorBytes::new(&format!("{part:?}"), &self.file, self.given);
        self.given += 2 * (shape[0] * shape[1]) as u64;
        Matrix::new(bytes, Encoding::BF16, shape[0], shape[1])
    }

    fn norm(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        Ok(vec![1.0; self.config.shape(part)[0]])
    }

    fn bias(&mut self, part: Part) -> Result<Vec<f32>, ModelError> {
        Ok(vec![0.0; self.config.shape(part)[0]])
    }

    fn unread(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::LayerPart;

    #[test]
    fn the_same_weights_every_time_and_others_in_every_place() {
        let read = || {
            let mut weights = RandomWeights::named("tiny").unwrap();
            let parts = [Part::Embedding, Part::Layer(1, LayerPart::Down)];
            parts.map(|part| weights.matrix(part).unwrap().into_single().unwrap())
        };
        let [embedding, down] = read();
        assert_eq!((embedding.len(), down.len()), (1024 * 64, 64 * 160));
        assert_eq!([embedding.clone(), down.clone()], read());
        assert_ne!(embedding[..down.len()], down[..]);
        let mean = embedding.iter().sum::<f32>() / embedding.len() as f32;
        assert!(mean.abs() < 1e-3 && embedding.iter().all(|weight| (0.015..0.032).contains(&weight.abs())), "{mean}");
        assert!(RandomWeights::named("llama-4").is_none() && RandomWeights::names().contains(&"llama-3-8b"));
    }
}
