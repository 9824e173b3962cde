//! The line that announces the running server, with an example request.

use std::net::SocketAddr;

use crate::settings::ServerSettings;

/// What is served, where, and a first request to copy.
pub fn announcement(model: &str, dimensions: &[String], address: SocketAddr, settings: &ServerSettings) -> String {
    let host = if address.ip().is_unspecified() { "localhost".to_owned() } else { url_host(address) };
    let scheme = if settings.tls.on() { "https" } else { "http" };
    let base = format!("{scheme}://{host}:{}", address.port());
    let steering = if dimensions.is_empty() {
        "no preferences".to_owned()
    } else {
        format!("preferences: {}", dimensions.join(", "))
    };
    let preference = example_dimension(dimensions).map(|name| format!(r#", "preference": {{"{name}": 1}}"#));
    let page = if settings.page { format!(" In a browser: {base}/") } else { String::new() };
    let body = format!(
        r#"{{"messages": [{{"role": "user", "content": "Why is the sky blue?"}}]{}}}"#,
        preference.unwrap_or_default()
    );
    let key = if settings.open() { "" } else { " -H 'authorization: Bearer YOUR_KEY'" };
    format!(
        "PAD Server {}: {model} at {base}/v1 ({steering}).{page} \
         Try: curl {base}/v1/chat/completions{key} -H 'content-type: application/json' -d '{body}'",
        env!("CARGO_PKG_VERSION")
    )
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

    #[test]
    fn it_names_everything_on_one_line() {
        let dimensions = ["humor".to_owned(), "concise".to_owned()];
        let line = announcement("tiny", &dimensions, "127.0.0.1:8080".parse().unwrap(), &settings(&[]));
        assert!(line.contains("tiny at http://127.0.0.1:8080/v1 (preferences: humor, concise)"), "{line}");
        assert!(line.contains(r#""preference": {"concise": 1}}'"#), "{line}");
        assert!(line.contains(" In a browser: http://127.0.0.1:8080/ Try: curl"), "{line}");
        assert!(!line.contains('\n') && !line.contains("Bearer"), "{line}");
        let json = line.split("-d '").nth(1).and_then(|rest| rest.strip_suffix('\'')).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(json).is_ok(), "{json}");
    }

    #[test]
    fn the_example_fits_the_server() {
        let settings = settings(&[("PAD_API_KEY", "secret")]);
        let line = announcement("tiny", &[], "0.0.0.0:80".parse().unwrap(), &settings);
        assert!(line.contains("http://localhost:80/v1 (no preferences)"), "{line}");
        assert!(
            line.contains("Bearer YOUR_KEY") && !line.contains("secret") && !line.contains("preference\""),
            "{line}"
        );
        let line = announcement("tiny", &[], "[::1]:80".parse().unwrap(), &settings);
        assert!(line.contains("http://[::1]:80/v1"), "{line}");
    }
}
