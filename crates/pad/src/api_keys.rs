//! The API keys of the settings and of the file that they name.

use std::path::Path;

use anyhow::{Context, bail, ensure};
use pad_server::{ApiKey, ApiKeys};

use crate::settings::ServerSettings;

/// All keys, each with its limits: those of the settings, where its line in the file does not say otherwise.
///
/// # Errors
///
/// When the file cannot be read, or a line of it is not a key. Messages name the line and never quote it.
pub fn keys(settings: &ServerSettings) -> anyhow::Result<ApiKeys> {
    let general = Share { requests: settings.max_requests_per_key, tokens: settings.tokens_per_minute_per_key };
    let mut keys = Vec::new();
    for (number, text) in (1..).zip(&settings.api_keys) {
        let place = || format!("key {number} of server.api_keys");
        keys.push(general.key(text.trim()).with_context(place)?);
    }
    if !settings.api_keys_file.is_empty() {
        let file = Path::new(&settings.api_keys_file);
        let name = || format!("server.api_keys_file, {}", file.display());
        let text = std::fs::read_to_string(file).with_context(name)?;
        let before = keys.len();
        // Some editors start a file with a byte order mark, which is not part of the first key.
        let text = text.trim_start_matches('\u{feff}');
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            keys.push(of_line(line, general).with_context(|| format!("{}, line {number}", name()))?);
        }
        // An empty file must not open the server to everyone.
        ensure!(keys.len() > before, "{}: no keys found", name());
    }
    Ok(ApiKeys::new(keys))
}

/// The SHA-256 of nothing: `printf %s "$UNSET" | sha256sum`.
const DIGEST_OF_NOTHING: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What a key may use; 0 is no limit.
#[derive(Clone, Copy)]
struct Share {
    requests: usize,
    tokens: u32,
}

impl Share {
    fn key(self, text: &str) -> anyhow::Result<ApiKey> {
        // Others could not be sent in a header as they are.
        ensure!(text.bytes().all(|byte| byte.is_ascii_graphic()), "a key must consist of visible ASCII characters");
        ensure!(!text.eq_ignore_ascii_case(DIGEST_OF_NOTHING), "this is the digest of an empty key");
        let mut key = ApiKey::parse(text).context("`sha256:` must be followed by 64 hexadecimal digits")?;
        if self.requests > 0 {
            key = key.limited(self.requests);
        }
        if self.tokens > 0 {
            key = key.rated(self.tokens);
        }
        Ok(key)
    }
}

/// `KEY [requests=N] [tokens_per_minute=N] [preference=TEXT] [owner=NAME]`.
fn of_line(line: &str, general: Share) -> anyhow::Result<ApiKey> {
    let (mut preference, mut owner) = (None, None);
    let mut words = line.split_whitespace();
    let text = words.next().unwrap_or_default();
    let mut share = general;
    for word in words {
        match word.split_once('=') {
            Some(("requests", number)) => share.requests = number.parse().context("`requests` must be a number")?,
            Some(("tokens_per_minute", number)) => {
                share.tokens = number.parse().context("`tokens_per_minute` must be a number")?;
            }
            Some(("preference", text)) => preference = Some(text),
            Some(("owner", name)) if !name.is_empty() => owner = Some(name),
            _ => bail!("only `requests=N`, `tokens_per_minute=N`, `preference=TEXT` and `owner=NAME` may follow a key"),
        }
    }
    let mut key = share.key(text)?;
    if let Some(owner) = owner {
        key = key.owned_by(owner);
    }
    match preference {
        Some(text) => key.preferring(text).map_err(anyhow::Error::msg).context("`preference`"),
        None => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Layer, Settings};

    fn read(file: &str) -> anyhow::Result<ApiKeys> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys");
        std::fs::write(&path, file).unwrap();
        let variables = [
            ("PAD_API_KEY", "alpha"),
            ("PAD_SERVER__MAX_REQUESTS_PER_KEY", "3"),
            ("PAD_SERVER__API_KEYS_FILE", path.to_str().unwrap()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::load(None, &Environment::new(variables), Layer::default()).unwrap();
        keys(&settings.server)
    }

    #[test]
    fn a_line_is_a_key_and_its_limits() {
        let digest = "f44e64e75f3948e9f73f8dfa94721c4ce8cbb4f265c4790c702b2d41cfbf2753"; // of "beta"
        let keys = read(&format!("# people\n\n gamma requests=0\nsha256:{digest} tokens_per_minute=60\r\n")).unwrap();
        let shown = |key| format!("{:?}", keys.find(key).unwrap());
        assert_eq!(shown("alpha"), "ApiKey { limit: Some(3), tokens_per_minute: None, .. }");
        assert_eq!(shown("beta"), "ApiKey { limit: Some(3), tokens_per_minute: Some(60), .. }");
        assert_eq!(shown("gamma"), "ApiKey { limit: None, tokens_per_minute: None, .. }");
        assert!(keys.find("# people").is_none());
    }

    #[test]
    fn what_is_wrong_is_named_by_its_line_and_not_quoted() {
        for (file, says) in [
            ("ok\nsecret speed=3", "line 2"),
            ("ok\nsecret owner=", "line 2"),
            ("secret requests=many", "`requests` must be a number"),
            ("sha256:secret", "64 hexadecimal digits"),
            ("# secret", "no keys found"),
            ("", "no keys found"),
            (" \n\t\r\n", "no keys found"),
            ("ok\nsecr\u{e9}t", "visible ASCII"),
            (DIGEST_OF_NOTHING, "digest of an empty key"),
        ] {
            let error = format!("{:#}", read(file).unwrap_err());
            assert!(error.contains(says) && !error.contains("secret"), "{error}");
        }
    }
}
