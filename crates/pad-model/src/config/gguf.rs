//! A [`ModelConfig`] from a GGUF header: what each family sets.

use std::num::NonZeroUsize;
use std::path::Path;

use pad_kernels::{AttentionRule, Gate, RopeScaling};

use super::gguf_header::Header;
use super::rope::{longrope_amplitude, yarn_amplitude};
use super::{Experts, HeadNorms, ModelConfig, NormPlacement, RopeConfig};
use crate::ModelError;
use crate::gguf_directory::GgufDirectory;

/// The families that are read, by `general.architecture`.
const FAMILIES: [&str; 10] =
    ["gemma", "gemma2", "gemma3", "llama", "olmo2", "phi3", "qwen2", "qwen3", "qwen3moe", "smollm3"];

/// Base of the rotary frequencies of Gemma 3's layers with a window: its files do not say.
const GEMMA_3_LOCAL_THETA: f32 = 10_000.0;

/// Where a file says nothing of `YaRN`'s ramp.
const BETAS: (f32, f32) = (32.0, 1.0);

/// Whether the family's files keep query and key rows as interleaved rotary pairs.
pub fn is_interleaved(architecture: &str) -> bool {
    matches!(architecture, "llama" | "smollm3")
}

/// Read the header. Factors of rotary frequencies that lie in a tensor are `factors(name)`.
///
/// # Errors
/// If a figure is missing or the architecture is not supported.
pub fn from_gguf(
    path: &Path,
    directory: &GgufDirectory,
    factors: impl FnMut(&str) -> Result<Vec<f32>, ModelError>,
) -> Result<ModelConfig, ModelError> {
    let header = Header::new(path, directory)?;
    if !FAMILIES.contains(&header.architecture()) {
        let (name, known) = (header.architecture(), FAMILIES.join(", "));
        return header.refuse(format!("architecture {name:?} is not supported; supported are {known}"));
    }
    Reader { header }.config(factors)?.check(path)
}

struct Reader<'a> {
    header: Header<'a>,
}

impl Reader<'_> {
    fn is(&self, families: &[&str]) -> bool {
        families.contains(&self.header.architecture())
    }

    fn is_gemma(&self) -> bool {
        self.is(&["gemma", "gemma2", "gemma3"])
    }

    fn config(&self, factors: impl FnMut(&str) -> Result<Vec<f32>, ModelError>) -> Result<ModelConfig, ModelError> {
        let header = &self.header;
        let (heads, hidden) = (header.needed_count("attention.head_count")?, header.needed_count("embedding_length")?);
        let kv_heads = header.count("attention.head_count_kv")?.unwrap_or(heads);
        let head_dim = match header.count("attention.key_length")? {
            Some(length) => length,
            None => hidden.checked_div(heads).unwrap_or(0),
        };
        let values = header.count("attention.value_length")?.unwrap_or(head_dim);
        if values != head_dim {
            return header
                .refuse(format!("values of {values} and keys of {head_dim} numbers; only equal sizes are supported"));
        }
        let vocabulary = match header.dims("token_embd.weight") {
            Some(dims) => dims.first().copied().unwrap_or(0),
            None => header.needed_count("vocab_size")?,
        };
        let (context, layers) = (header.needed_count("context_length")?, header.needed_count("block_count")?);
        let experts = self.experts()?;
        let width = if experts.is_some() && header.has("expert_feed_forward_length") {
            "expert_feed_forward_length"
        } else {
            "feed_forward_length"
        };
        Ok(ModelConfig {
            vocabulary,
            hidden,
            intermediate: header.needed_count(width)?,
            layers,
            heads,
            kv_heads,
            head_dim,
            context,
            norm_eps: f64::from(header.needed_number("attention.layer_norm_rms_epsilon")?),
            norms: match header.architecture() {
                "gemma2" | "gemma3" => NormPlacement::Both,
                "olmo2" => NormPlacement::After,
                _ => NormPlacement::Before,
            },
            head_norms: match header.architecture() {
                "qwen3" | "qwen3moe" | "gemma3" => HeadNorms::Head,
                "olmo2" => HeadNorms::Row,
                _ => HeadNorms::None,
            },
            gate: if self.is_gemma() { Gate::GeluTanh } else { Gate::Silu },
            embedding_scale: if self.is_gemma() { (hidden as f32).sqrt() } else { 1.0 },
            logit_cap: header.number("final_logit_softcapping")?,
            ropes: self.ropes(head_dim, context, factors)?,
            rules: self.rules(head_dim, hidden.checked_div(heads).unwrap_or(0), layers)?,
            experts,
        })
    }

    fn experts(&self) -> Result<Option<Experts>, ModelError> {
        let Some(count) = self.header.count("expert_count")?.filter(|count| *count > 0) else { return Ok(None) };
        if !self.is(&["llama", "qwen3moe"]) {
            return self.header.refuse(format!("{count} experts in a model of this architecture are not supported"));
        }
        if self.header.count("expert_shared_count")?.is_some_and(|shared| shared > 0) {
            return self.header.refuse("shared experts are not supported");
        }
        Ok(Some(Experts { count, used: self.header.needed_count("expert_used_count")?, normalised: true }))
    }

    fn rules(&self, head_dim: usize, row_share: usize, layers: usize) -> Result<Vec<AttentionRule>, ModelError> {
        let usual = AttentionRule::usual(head_dim);
        let window = self.header.count("attention.sliding_window")?.and_then(NonZeroUsize::new);
        let pattern = self.header.count("attention.sliding_window_pattern")?.filter(|pattern| *pattern > 0);
        // The largest Gemmas scale by the hidden size; their files do not say.
        let by_hidden = matches!((self.header.architecture(), layers), ("gemma2", 46) | ("gemma3", 62));
        let scale = if by_hidden { 1.0 / (row_share as f32).sqrt() } else { usual.scale };
        let soft_cap = self.header.number("attn_logit_softcapping")?;
        let rule = |layer: usize| {
            let last_of = |pattern: usize| (layer + 1).is_multiple_of(pattern);
            let windowed = window.is_some()
                && match self.header.architecture() {
                    "gemma2" => !last_of(pattern.unwrap_or(2)),
                    "gemma3" => !last_of(pattern.unwrap_or(6)),
                    _ => pattern.is_none_or(|pattern| !last_of(pattern)),
                };
            let rope = match self.header.architecture() {
                "gemma3" => Some(usize::from(windowed)),
                "smollm3" if last_of(4) => None,
                _ => Some(0),
            };
            AttentionRule { rope, scale, soft_cap, window: window.filter(|_| windowed) }
        };
        // A file may say any number; what is too much is refused when the shape is checked.
        Ok((0..layers.min(1 << 12)).map(rule).collect())
    }

    fn ropes(
        &self,
        head_dim: usize,
        context: usize,
        mut factors: impl FnMut(&str) -> Result<Vec<f32>, ModelError>,
    ) -> Result<Vec<RopeConfig>, ModelError> {
        let header = &self.header;
        let dimensions = header.count("rope.dimension_count")?.unwrap_or(head_dim);
        let theta = header.number("rope.freq_base")?.unwrap_or(10_000.0);
        let (mut scaling, mut amplitude) = self.scaling(context)?;
        // Llama 3 files carry their scaling as a tensor of divisors, files of longrope two of them.
        let original = header.count("rope.scaling.original_context_length")?.unwrap_or(context);
        let longrope = if context > original { "rope_factors_long.weight" } else { "rope_factors_short.weight" };
        if header.dims(longrope).is_some() {
            let given = header.number("rope.scaling.attn_factor")?;
            amplitude = given.unwrap_or_else(|| longrope_amplitude(context as f32, original as f32));
            scaling = RopeScaling::Factors(factors(longrope)?);
        } else if header.dims("rope_freqs.weight").is_some() {
            scaling = RopeScaling::Factors(factors("rope_freqs.weight")?);
        }
        let one = RopeConfig { dimensions, theta, scaling, amplitude };
        Ok(match header.architecture() {
            "gemma3" => vec![one, RopeConfig::plain(dimensions, GEMMA_3_LOCAL_THETA)],
            _ => vec![one],
        })
    }

    fn scaling(&self, context: usize) -> Result<(RopeScaling, f32), ModelError> {
        let header = &self.header;
        Ok(match header.text("rope.scaling.type")?.unwrap_or("none") {
            // The factors of longrope are tensors.
            "none" | "longrope" => (RopeScaling::None, 1.0),
            "linear" => (RopeScaling::Linear { factor: header.needed_number("rope.scaling.factor")? }, 1.0),
            "yarn" => {
                let factor = header.needed_number("rope.scaling.factor")?;
                let original = header.count("rope.scaling.original_context_length")?.unwrap_or(context);
                let number = |name: &str, usual: f32| Ok::<_, ModelError>(header.number(name)?.unwrap_or(usual));
                let scaling = RopeScaling::Yarn {
                    factor,
                    beta_fast: number("rope.scaling.yarn_beta_fast", BETAS.0)?,
                    beta_slow: number("rope.scaling.yarn_beta_slow", BETAS.1)?,
                    original_context: original as f32,
                    whole: true,
                };
                (scaling, number("rope.scaling.attn_factor", 1.0)? * yarn_amplitude(factor, 1.0))
            }
            other => {
                return header.refuse(format!(
                    "rope scaling {other:?} is not supported; supported are \"none\", \"linear\", \"yarn\" and \"longrope\""
                ));
            }
        })
    }
}
