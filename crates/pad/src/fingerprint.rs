//! `system_fingerprint`: changes when something changes that decides what is generated.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::settings::Settings;

/// The version, and a digest of the model's and the reward model's settings.
pub fn fingerprint(settings: &Settings) -> String {
    let mut hasher = DefaultHasher::new();
    let model = &settings.model;
    (&model.source, &model.sha256, model.dtype.name(), &model.device).hash(&mut hasher);
    format!("{:?}", settings.reward).hash(&mut hasher);
    format!("pad-{}-{:016x}", env!("CARGO_PKG_VERSION"), hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Layer};

    fn of(variable: &str, value: &str) -> String {
        let environment = Environment::new([(variable.to_owned(), value.to_owned())]);
        fingerprint(&Settings::load(None, &environment, Layer::default()).unwrap())
    }

    #[test]
    fn it_follows_what_decides_the_tokens_and_nothing_else() {
        let plain = of("PAD_PORT", "1");
        assert_eq!(plain, of("PAD_LOG", "debug"));
        for (variable, value) in [("PAD_MODEL", "./m.gguf"), ("PAD_MODEL__DTYPE", "f32"), ("PAD_REWARD__BETA", "2")] {
            assert_ne!(plain, of(variable, value), "{variable}");
        }
    }
}
