//! What a server says of itself once it runs: what is served, how and where, with a first request to copy.

use std::fmt::Write;
use std::net::SocketAddr;

use crate::settings::ServerSettings;

/// What runs.
#[derive(Debug)]
pub struct Announcement {
    /// The served model's name.
    pub model: String,
    /// Its family and the format of its weights, as its files name them.
    pub weights: String,
    /// What computes: device, threads and arithmetic.
    pub computing: String,
    /// The reward model's kind; none if there is no steering.
    pub reward: Option<String>,
    /// Names of its dimensions.
    pub dimensions: Vec<String>,
    /// How long a sequence may be, and why.
    pub context: String,
    /// How large the KV cache is.
    pub cache: String,
}

impl Announcement {
    /// The summary: programs find the address in its first line, readers the rest below.
    pub fn text(&self, address: SocketAddr, settings: &ServerSettings) -> String {
        let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { url_host(address) };
        let scheme = if settings.tls.on() { "https" } else { "http" };
        let base = format!("{scheme}://{host}:{}", address.port());
        let mut text = format!("PAD Server {}: {} at {base}/v1\n", env!("CARGO_PKG_VERSION"), self.model);
        let mut row = |name: &str, value: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "  {name:<13} {value}");
        };
        if settings.page {
            row("in a browser", &format!("{base}/"));
        }
        row("base model", &format!("{}, {}", self.weights, self.computing));
        match &self.reward {
            Some(kind) => row("preferences", &format!("{} (reward model: {kind})", self.dimensions.join(", "))),
            None => row("preferences", "none: there is no reward model"),
        }
        row("context", &self.context);
        row("KV cache", &self.cache);
        row("try", &self.request(&base, settings));
        text
    }

    /// A command that asks for an answer which a preference changes at once.
    fn request(&self, base: &str, settings: &ServerSettings) -> String {
        let preference = example_dimension(&self.dimensions).map(|name| format!(r#", "preference": {{"{name}": 1}}"#));
        let body = format!(
            r#"{{"messages": [{{"role": "user", "content": "Why is the sky blue?"}}]{}}}"#,
            preference.unwrap_or_default()
        );
        let key = if settings.open() { "" } else { " -H 'authorization: Bearer YOUR_KEY'" };
        format!("curl {base}/v1/chat/completions{key} -H 'content-type: application/json' -d '{body}'")
    }
}

/// An IPv6 address stands in brackets.
fn url_host(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => format!("[{}]", address.ip()),
    }
}

/// A dimension whose effect is seen at once, if there is one.
fn example_dimension(dimensions: &[String]) -> Option<&String> {
    dimensions.iter().find(|name| *name == "concise").or(dimensions.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Layer, Settings};

    fn settings(variables: &[(&str, &str)]) -> ServerSettings {
        let variables = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(None, &Environment::new(variables), Layer::default()).unwrap().server
    }

    fn tiny(dimensions: &[&str]) -> Announcement {
        Announcement {
            model: "tiny".to_owned(),
            weights: "llama, Q4_1".to_owned(),
            computing: "4 threads, dtype auto".to_owned(),
            reward: (!dimensions.is_empty()).then(|| "heads".to_owned()),
            dimensions: dimensions.iter().map(|name| (*name).to_owned()).collect(),
            context: "8 tokens, the model's limit".to_owned(),
            cache: "1 MiB".to_owned(),
        }
    }

    #[test]
    fn it_names_everything_and_where_it_is_in_its_first_line() {
        let text = tiny(&["humor", "concise"]).text("127.0.0.1:8080".parse().unwrap(), &settings(&[]));
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("PAD Server ") && lines[0].ends_with(": tiny at http://127.0.0.1:8080/v1"),
            "{text}"
        );
        let expected = [
            "  in a browser  http://127.0.0.1:8080/",
            "  base model    llama, Q4_1, 4 threads, dtype auto",
            "  preferences   humor, concise (reward model: heads)",
            "  context       8 tokens, the model's limit",
            "  KV cache      1 MiB",
        ];
        assert_eq!(lines[1..6], expected, "{text}");
        assert!(lines.len() == 7 && lines[6].ends_with(r#""preference": {"concise": 1}}'"#), "{text}");
        assert!(!text.contains("Bearer"), "{text}");
        let json = lines[6].split("-d '").nth(1).and_then(|rest| rest.strip_suffix('\'')).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
    }

    #[test]
    fn the_example_fits_the_server() {
        let settings = settings(&[("PAD_API_KEY", "secret"), ("PAD_SERVER__PAGE", "false")]);
        let text = tiny(&[]).text("0.0.0.0:80".parse().unwrap(), &settings);
        assert!(text.contains("http://localhost:80/v1\n") && text.contains("there is no reward model"), "{text}");
        assert!(
            text.contains("Bearer YOUR_KEY") && !text.contains("secret") && !text.contains("preference\""),
            "{text}"
        );
        assert!(!text.contains("browser"), "{text}");
        let text = tiny(&[]).text("[::1]:80".parse().unwrap(), &settings);
        assert!(text.contains("http://[::1]:80/v1"), "{text}");
    }
}
