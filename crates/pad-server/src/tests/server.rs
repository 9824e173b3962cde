//! A server over the made-up model.

use std::sync::Arc;

use axum::Router;
use pad_engine::{Engine, EngineConfig, Status};
use pad_reward::{Manifest, RewardModel};
use pad_store::{Store, StoreLimits};
use serde_json::json;

use super::model::{Behaviour, Parrot};
use super::tokenizer;
use crate::{
    AllowedHosts, ApiKeys, AppState, Defaults, Lifecycle, ModelCard, Origins, Preset, ProfileRules, RequestLimits,
    Reward,
};

const MANIFEST: &str = r#"
    kind = "prompted"
    dimensions = [
        { name = "loud", principle = "speak in capitals", description = "Louder.", recommended = [-3, 1] },
        { name = "kind", principle = "be kind" },
    ]
"#;

/// The state of a server whose model behaves so: steered by two dimensions, greedy where a request does not say.
pub(crate) fn state(behaviour: Behaviour) -> AppState {
    let manifest = Manifest::from_toml(MANIFEST).expect("the manifest is TOML");
    let reward = RewardModel::new(manifest).expect("the manifest is right");
    AppState {
        model: ModelCard {
            id: "lab/parrot".to_owned(),
            aliases: vec!["default".to_owned()],
            family: "bird".to_owned(),
            format: "F32".to_owned(),
            presets: vec![Preset::new("loud-parrot", &json!({"loud": 1})).expect("a preference")],
            created: 1_700_000_000,
            fingerprint: "pad-test".to_owned(),
        },
        chat: Arc::new(tokenizer::chat()),
        reward: Some(Reward::prompted(Arc::new(reward))),
        engine: engine(behaviour),
        store: Some(Store::in_memory(StoreLimits::default())),
        profiles: ProfileRules::default(),
        defaults: Defaults { temperature: 0.0, ..Defaults::default() },
        keys: ApiKeys::default(),
        limits: RequestLimits::default(),
        origins: Origins::default(),
        hosts: AllowedHosts::any(),
        page: false,
        open_metrics: false,
        spans: None,
        lifecycle: Lifecycle::default(),
    }
}

/// Wait until the engine's figures, which it brings up to date after every step, are so.
pub(crate) async fn until(engine: &Engine, settled: impl Fn(&Status) -> bool) {
    let wait = async {
        while !settled(&engine.status()) {
            tokio::task::yield_now().await;
        }
    };
    let patience = std::time::Duration::from_secs(30);
    assert!(tokio::time::timeout(patience, wait).await.is_ok(), "still {:?}", engine.status());
}

/// A server that behaves well.
pub(crate) fn app() -> Router {
    crate::app(state(Behaviour::default()))
}

fn engine(behaviour: Behaviour) -> Engine {
    Engine::start(Parrot(behaviour), EngineConfig::default()).expect("a thread for the engine")
}
