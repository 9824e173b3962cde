use super::*;

fn environment(variables: &[(&str, &str)]) -> Environment {
    Environment::new(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())))
}

/// A settings file that lives as long as the test.
struct File(tempfile::TempDir);

impl File {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("my.toml"), text).unwrap();
        Self(folder)
    }

    fn load(&self, variables: &[(&str, &str)], flags: Layer) -> Result<Settings, SettingsError> {
        Settings::load(Some(&self.0.path().join("my.toml")), &environment(variables), flags)
    }
}

fn load(variables: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    Settings::load(None, &environment(variables), Layer::default())
}

/// The message with which a file is refused.
fn refused(text: &str) -> String {
    File::new(text).load(&[], Layer::default()).unwrap_err().to_string()
}

#[test]
fn the_embedded_file_has_the_documented_defaults() {
    let settings = load(&[]).unwrap();
    assert_eq!(settings.home, "");
    let server = &settings.server;
    assert_eq!((server.host.as_str(), server.port), ("127.0.0.1", 8080));
    assert_eq!(server.api_keys, [""; 0]);
    assert_eq!((server.body_limit.0, server.max_choices, server.max_requests_per_key), (4 << 20, 16, 0));
    assert_eq!((server.keep_alive_seconds, server.drain_seconds), (15, 30));
    assert_eq!(
        (server.body_seconds, server.head_limit.0, server.head_seconds, server.answer()),
        (60, 64 << 10, 60, None)
    );
    assert_eq!((server.tokens_per_minute_per_key, server.open(), server.tls.on()), (0, true, false));
    assert!(server.cors_origins.is_empty());
    let model = &settings.model;
    assert_eq!(model.aliases, [""; 0]);
    assert_eq!(model.source, "qwen2.5-coder-1.5b");
    assert_eq!((model.served_name().as_str(), model.sha256.as_str()), ("qwen2.5-coder-1.5b", ""));
    assert_eq!((model.dtype, model.device.as_str(), model.cuda()), (Dtype::Auto, "auto", None));
    assert_eq!((model.threads, model.context, model.special_tokens_in_text), (0, 0, false));
    let engine = &settings.engine;
    assert_eq!((engine.kv_memory.0, engine.kv_positions, engine.kv_dtype), (0, 0, KvDtype::Auto));
    assert_eq!((engine.token_budget, engine.max_sequences, engine.queue), (128, 64, 256));
    assert_eq!(settings.grammar.budget(), pad_grammar::Budget::default());
    let defaults = &settings.defaults;
    assert_eq!((defaults.max_tokens, defaults.parallel_tool_calls), (1024, true));
    assert!((defaults.temperature - 0.7).abs() < f32::EPSILON && (defaults.top_p - 1.0).abs() < f32::EPSILON);
    assert_eq!(settings.log.level, "info");
    assert_eq!(settings.log.format, LogFormat::Text);
}

#[test]
fn the_embedded_reward_model_is_the_catalogue() {
    let RewardSettings::Auto(manifest) = load(&[]).unwrap().reward else { panic!("a choice") };
    assert_eq!(load(&[("PAD_REWARD", "prompted")]).unwrap().reward, RewardSettings::Manifest(manifest.clone()));
    assert_eq!((manifest.template(), manifest.top_k()), (pad_reward::TEMPLATE, 40));
    assert_eq!(manifest.dimensions.len(), 13);
    for dimension in &manifest.dimensions {
        assert!(dimension.opposite.is_some() && dimension.description.is_some() && dimension.recommended.is_some());
    }
    // All else is what a manifest has that says nothing of it.
    let short = "kind = \"prompted\"\ndimensions = []";
    let plain = pad_reward::Manifest { dimensions: manifest.dimensions.clone(), ..toml(short) };
    assert_eq!(*manifest, plain);
    assert!(pad_reward::RewardModel::new(*manifest).is_ok());
}

fn toml(text: &str) -> pad_reward::Manifest {
    pad_reward::Manifest::from_toml(text).unwrap()
}

#[test]
fn a_checksum_belongs_to_the_source_beside_it() {
    let digest = "0".repeat(64);
    let file = File::new(&format!("[model]\nsource = \"./a.gguf\"\nsha256 = \"{digest}\""));
    assert_eq!(file.load(&[], Layer::default()).unwrap().model.sha256, digest);
    // Another source, of which that checksum says nothing.
    assert_eq!(file.load(&[("PAD_MODEL", "./b.gguf")], Layer::default()).unwrap().model.sha256, "");
    assert_eq!(load(&[("PAD_MODEL", "./b.gguf")]).unwrap().model.sha256, "");
}

#[test]
fn later_layers_win() {
    let file = File::new("[server]\nhost = \"file\"\nport = 1\nmax_choices = 3\n[model]\nname = \"from-file\"");
    let variables = [("PAD_SERVER__HOST", "environment"), ("PAD_PORT", "2"), ("PAD_MODEL__THREADS", "3")];
    let mut flags = Layer::default();
    flags.set("server.port", "the flag --port", 4);
    let settings = file.load(&variables, flags).unwrap();
    assert_eq!(settings.server.host, "environment");
    assert_eq!(settings.server.port, 4);
    assert_eq!(settings.server.max_choices, 3);
    assert_eq!((settings.model.name.as_str(), settings.model.threads), ("from-file", 3));
    assert_eq!(settings.server.drain_seconds, 30);
}

#[test]
fn short_names_reach_their_keys_and_win_over_long_ones() {
    let settings = load(&[
        ("PAD_HOST", "0.0.0.0"),
        ("PAD_SERVER__HOST", "long"),
        ("PAD_PORT", "80"),
        ("PAD_MODEL", "./m.gguf"),
        ("PAD_REWARD", "none"),
        ("PAD_API_KEY", "12345, second"),
        ("PAD_HOME", "/models"),
        ("PAD_LOG", "info,pad_engine=debug"),
        ("PAD_MODEL__NAME", "7"),
    ])
    .unwrap();
    assert_eq!((settings.server.host.as_str(), settings.server.port), ("0.0.0.0", 80));
    assert_eq!(settings.server.api_keys, ["12345", "second"]);
    assert_eq!((settings.model.source.as_str(), settings.model.name.as_str()), ("./m.gguf", "7"));
    assert_eq!(settings.reward, RewardSettings::Off);
    assert_eq!((settings.home.as_str(), settings.log.level.as_str()), ("/models", "info,pad_engine=debug"));
}

#[test]
fn variables_that_are_no_settings_are_ignored_and_told() {
    let environment = environment(&[("PAD_SERVICE_HOST", "10.0.0.1"), ("PAD_HOST", ""), ("PATH", "/bin")]);
    assert_eq!(environment.ignored(), ["PAD_SERVICE_HOST"]);
    let settings = Settings::load(None, &environment, Layer::default()).unwrap();
    assert_eq!(settings, load(&[]).unwrap());
}

#[test]
fn colours_are_for_terminals_that_show_them_and_readers_who_want_them() {
    for (variables, colourless) in [
        (vec![("TERM", "xterm")], false),
        (vec![("TERM", "xterm"), ("NO_COLOR", "")], false),
        (vec![("TERM", "xterm"), ("NO_COLOR", "1")], true),
        (vec![("TERM", "dumb")], true),
        (vec![], true),
    ] {
        assert_eq!(environment(&variables).colourless(), colourless, "{variables:?}");
    }
}

#[test]
fn the_reward_model_may_be_named_or_changed_in_part() {
    let reward = |text: &str| File::new(text).load(&[], Layer::default()).unwrap().reward;
    assert_eq!(reward("reward = \"none\""), RewardSettings::Off);
    assert!(matches!(reward("reward = \"auto\""), RewardSettings::Auto(_)));
    let file = File::new("[reward]\nbeta = 0.5");
    let mut flags = Layer::default();
    flags.set("reward", "the flag --reward", "auto");
    assert!(matches!(file.load(&[], flags).unwrap().reward, RewardSettings::Auto(_)), "the last word holds");
    assert_eq!(reward("reward = \"my/persrm\""), RewardSettings::Path("my/persrm".into()));
    let RewardSettings::Manifest(manifest) = reward("[reward]\nbeta = 0.5") else { panic!("a table") };
    assert!((manifest.beta - 0.5).abs() < f32::EPSILON);
    assert_eq!(manifest.dimensions.len(), 13);
    let one = "[reward]\ndimensions = [{ name = \"short\", principle = \"brevity\" }]";
    let RewardSettings::Manifest(manifest) = reward(one) else { panic!("a table") };
    assert_eq!(manifest.dimensions.len(), 1);
    let RewardSettings::Manifest(manifest) = load(&[("PAD_REWARD__TOP_K", "20")]).unwrap().reward else {
        panic!("a table")
    };
    assert_eq!((manifest.top_k, manifest.dimensions.len()), (20, 13));
}

/// What steering is compared with is the same instruction.
#[test]
fn evaluations_tell_what_the_catalogue_tells() {
    let RewardSettings::Auto(manifest) = load(&[]).unwrap().reward else { panic!("a choice") };
    let scales = pad_eval::Scales::shipped().unwrap();
    for dimension in manifest.dimensions {
        let scale = scales.of(&dimension.name).unwrap_or_else(|| panic!("no scale of {}", dimension.name));
        assert_eq!((scale.told.as_ref(), &scale.opposite), (Some(&dimension.principle), &dimension.opposite));
    }
}

/// A table that changes the kind alone does not keep what the default kind reads.
#[test]
fn a_checkpoint_reads_what_it_was_trained_on() {
    let file = File::new("[reward]\nkind = \"checkpoint\"\nsource = \"weights\"");
    let RewardSettings::Manifest(manifest) = file.load(&[], Layer::default()).unwrap().reward else {
        panic!("a table")
    };
    assert_eq!((manifest.template(), manifest.top_k()), (pad_reward::PAPER_TEMPLATE, 10));
}

#[test]
fn unknown_keys_are_named_with_their_place() {
    for (text, key) in [
        ("prot = 1", "`prot`"),
        ("[server]\nprot = 1", "`server.prot`"),
        ("[serve]\nport = 1", "`serve`"),
        ("[reward]\nbetta = 1", "`reward.betta`"),
        ("[reward]\ndimensions = [{ name = \"a\", principle = \"b\", weight = 1 }]", "`reward.dimensions.0.weight`"),
    ] {
        let message = refused(text);
        assert!(message.contains(&format!("unknown key {key}, set by ")), "{message}");
        assert!(message.contains("my.toml; known here: `"), "{message}");
    }
    let message = load(&[("PAD_SERVER__PROT", "1")]).unwrap_err().to_string();
    assert!(message.contains("`server.prot`, set by the environment variable PAD_SERVER__PROT; known"), "{message}");
}

#[test]
fn values_of_the_wrong_type_are_named_with_their_place() {
    for (text, key) in [
        ("[server]\nport = 70000", "`server.port`"),
        ("[server]\nport = \"http\"", "`server.port`"),
        ("[server]\nbody_limit = \"4 apples\"", "`server.body_limit`"),
        ("[engine]\nqueue = -1", "`engine.queue`"),
        ("[model]\ndtype = \"f8\"", "`model.dtype`"),
        ("[reward]\nkind = \"magic\"", "`reward.kind`"),
        ("[reward]\ndimensions = [{ principle = \"a\" }]", "`reward.dimensions.0.name`"),
        ("reward = 3", "`reward`"),
    ] {
        let message = refused(text);
        assert!(message.starts_with(&format!("{key}, set by ")) && message.contains("my.toml: "), "{message}");
    }
    let message = load(&[("PAD_PORT", "tcp://10.0.0.1:80")]).unwrap_err().to_string();
    assert!(message.starts_with("`server.port`, set by the environment variable PAD_PORT: "), "{message}");
}

#[test]
fn values_that_are_not_allowed_are_named_with_their_place() {
    for (text, start) in [
        ("[server]\nhost = \"\"", "`server.host`"),
        ("[server]\napi_keys = [\"\"]", "`server.api_keys`"),
        ("[server]\nbody_limit = 10", "`server.body_limit`"),
        ("[server]\nmax_choices = 0", "`server.max_choices`"),
        ("[server]\nkeep_alive_seconds = 0", "`server.keep_alive_seconds`"),
        ("[model]\nsource = \" \"", "`model.source`"),
        ("[model]\nsha256 = \"abc\"", "`model.sha256`"),
        ("[model]\ndevice = \"gpu\"", "`model.device`"),
        ("[model]\nthreads = 5000", "`model.threads`"),
        ("[engine]\nkv_memory = \"1 KiB\"", "`engine.kv_memory`"),
        ("[engine]\ntoken_budget = 0", "`engine.token_budget`"),
        ("[engine]\nqueue = 0", "`engine.queue`"),
        ("[engine]\nkv_positions = 15", "`engine.kv_positions`"),
        ("[engine]\nkv_dtype = \"q8\"\n[model]\ndevice = \"cuda:0\"", "`engine.kv_dtype`"),
        ("[model]\ncontext = 9000000000", "`model.context`"),
        ("[engine]\nmax_sequences = 0", "`engine.max_sequences`"),
        ("[defaults]\ntemperature = -0.1", "`defaults.temperature`"),
        ("[defaults]\ntemperature = nan", "`defaults.temperature`"),
        ("[defaults]\ntop_p = 0.0", "`defaults.top_p`"),
        ("[log]\nlevel = \"loud\"", "`log.level`"),
        ("[traces]\nendpoint = \"localhost:4318\"", "`traces.endpoint`"),
        ("[traces]\nendpoint = \"https://\"", "`traces.endpoint`"),
        ("[traces]\nservice = \"\"", "`traces.service`"),
        ("[traces]\nsample = 1.5", "`traces.sample`"),
    ] {
        let message = refused(text);
        assert!(message.starts_with(&format!("{start} is `")) && message.contains("my.toml; allowed: "), "{message}");
    }
}

#[test]
fn a_file_that_is_missing_or_no_toml_is_named() {
    let missing = Settings::load(Some(Path::new("no/such.toml")), &environment(&[]), Layer::default());
    assert!(missing.unwrap_err().to_string().contains("no/such.toml"));
    let message = refused("[server\nport = 1");
    assert!(message.contains("my.toml is not valid TOML: ") && message.contains("line 1"), "{message}");
}

#[test]
fn keys_do_not_stand_in_debug_output() {
    let settings = load(&[("PAD_API_KEY", "secret-1")]).unwrap();
    assert!(!format!("{settings:?}").contains("secret-1"));
}

#[test]
fn origins_and_certificates_are_checked() {
    let message = refused("[server]\ncors_origins = [\"chat.example.org\"]");
    assert!(message.contains("server.cors_origins") && message.contains("https://"), "{message}");
    let message = refused("[server.tls]\ncertificate = \"a.pem\"");
    assert!(message.contains("server.tls") && message.contains("or neither"), "{message}");
    let settings = load(&[("PAD_SERVER__CORS_ORIGINS", "http://localhost:3000, https://a.org")]).unwrap();
    assert!(settings.server.origins().is_some_and(|origins| origins != pad_server::Origins::default()));
    let names = load(&[("PAD_MODEL__ALIASES", "gpt-4o,string")]).unwrap().model.aliases;
    assert_eq!(names, ["gpt-4o", "string"]);
}

/// Variables that tracing systems set for all programs.
#[test]
fn the_receiver_of_traces_may_come_from_standard_variables() {
    let traces = load(&[]).unwrap().traces;
    assert_eq!((traces.url(), traces.service.as_str(), traces.sample), (None, "pad", 1.0));
    let standard = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/"), ("OTEL_SERVICE_NAME", "answers")];
    let traces = load(&standard).unwrap().traces;
    let url = Some("http://collector:4318/v1/traces".to_owned());
    assert_eq!((traces.url(), traces.service.as_str()), (url, "answers"));
    let own = [standard[0], ("PAD_TRACES__ENDPOINT", "https://a.org/otlp")];
    assert_eq!(load(&own).unwrap().traces.url().as_deref(), Some("https://a.org/otlp/v1/traces"));
    let message = load(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http//x:secret")]).unwrap_err().to_string();
    assert!(message.contains("variable OTEL_EXPORTER_OTLP_ENDPOINT") && !message.contains("secret"), "{message}");
}
