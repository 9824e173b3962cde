//! Which host names and web pages a server without keys accepts.
//!
//! Any web page can make a browser on the server's machine send requests: at once, as far as they need no
//! preflight, and with their answers read once the page's own name leads to the loopback address (DNS rebinding). Both carry the
//! page's name, in `Origin` and in `Host`.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderValue, Version, header};

use crate::{ApiError, Origins};

/// The names that the `Host` of a request may have: any, or those of the loopback interface and some others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedHosts(Option<Vec<String>>);

impl AllowedHosts {
    /// Any name, and pages of any origin. This is the default.
    pub fn any() -> Self {
        Self(None)
    }

    /// `localhost` and the loopback addresses, and these names and addresses, without ports. `*` is any. None where one of them is
    /// no name.
    pub fn loopback_and<'a>(names: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut allowed = Vec::new();
        for name in names {
            if name == "*" {
                return Some(Self::any());
            }
            // An IPv6 address may stand with or without its brackets.
            let bare = name.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6());
            let text = if bare { format!("[{name}]") } else { name.to_owned() };
            let host = Host::parse(text.as_bytes()).filter(|host| host.port.is_none())?;
            allowed.push(host.name);
        }
        Some(Self(Some(allowed)))
    }

    fn allows(&self, host: &Host) -> bool {
        self.0.as_ref().is_none_or(|names| host.is_loopback() || names.contains(&host.name))
    }

    /// Check where a request is sent to and which page sends it.
    ///
    /// # Errors
    /// 400 for another number of hosts than one; 403 for a name, or a page, that is not allowed.
    pub(crate) fn check(&self, request: &Request, origins: &Origins) -> Result<(), ApiError> {
        let host = one_host(request)?;
        if self.0.is_none() {
            return Ok(());
        }
        // The target of a request may hold a name as well, which then counts.
        let target = request.uri().authority().map(|authority| Host::parse(authority.as_str().as_bytes()));
        if let Some(host) = host.iter().chain(target.iter().flatten()).find(|host| !self.allows(host)) {
            return Err(ApiError::host_not_allowed(&host.name));
        }
        for origin in request.headers().get_all(header::ORIGIN) {
            if !origins.contains(origin) && !is_same(origin, host.as_ref()) {
                return Err(ApiError::origin_not_allowed(&origin.as_bytes().escape_ascii().to_string()));
            }
        }
        Ok(())
    }
}

/// A host as requests name it: in lower case, an address in its shortest form, without a dot at its end.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// None if the text is not a host, or has more than a host and a port.
    fn parse(text: &[u8]) -> Option<Self> {
        let authority = Authority::try_from(text).ok()?;
        let name = authority.host();
        let port = match authority.as_str().strip_prefix(name)? {
            "" | ":" => None,
            port => Some(port.strip_prefix(':')?.parse().ok()?),
        };
        let name = match name.strip_prefix('[').and_then(|name| name.strip_suffix(']')) {
            Some(address) => address.parse::<IpAddr>().ok().filter(IpAddr::is_ipv6)?.to_canonical().to_string(),
            None => name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase(),
        };
        (!name.is_empty()).then_some(Self { name, port })
    }

    fn is_loopback(&self) -> bool {
        let address = self.name.parse::<IpAddr>();
        // RFC 6761: names below `localhost` lead to the loopback interface and nowhere else.
        self.name == "localhost"
            || self.name.ends_with(".localhost")
            || address.is_ok_and(|address| address.is_loopback())
    }
}

/// The one `Host` of a request; none where its version of HTTP does not ask for one.
fn one_host(request: &Request) -> Result<Option<Host>, ApiError> {
    let mut values = request.headers().get_all(header::HOST).iter();
    match (values.next(), values.next()) {
        (None, _) if request.version() < Version::HTTP_11 => Ok(None),
        (None, _) => Err(ApiError::bad_host("the header `Host` is missing")),
        (Some(_), Some(_)) => Err(ApiError::bad_host("there is more than one header `Host`")),
        (Some(value), None) => match Host::parse(value.as_bytes()) {
            Some(host) => Ok(Some(host)),
            None => Err(ApiError::bad_host("the header `Host` is not a host, with a port or without")),
        },
    }
}

/// Whether a page's origin is this server itself, under the name that the request has.
fn is_same(origin: &HeaderValue, host: Option<&Host>) -> bool {
    let origin = origin.to_str().ok().and_then(|origin| {
        let (scheme, authority) = origin.split_once("://")?;
        matches!(scheme, "http" | "https").then(|| Host::parse(authority.as_bytes()))?
    });
    origin.is_some() && origin.as_ref() == host
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    fn status(hosts: &AllowedHosts, headers: &[(&str, &str)]) -> u16 {
        let mut request = Request::new(Body::empty());
        for (name, value) in headers {
            let name = header::HeaderName::try_from(*name).unwrap();
            request.headers_mut().append(name, HeaderValue::try_from(*value).unwrap());
        }
        let origins = Origins::parse(["https://chat.example.org"]).unwrap();
        hosts.check(&request, &origins).map_or_else(|error| error.status().as_u16(), |()| 200)
    }

    #[test]
    fn a_request_has_one_host_that_is_one() {
        let any = AllowedHosts::any();
        for good in ["pad", "pad:80", "Pad.Example.Org.", "127.0.0.1:8080", "[::1]:80", "[::1]", "a_b", "localhost:"] {
            assert_eq!(status(&any, &[("host", good)]), 200, "{good}");
        }
        for bad in
            ["", " ", "a b", "user@pad", "pad:port", "pad:99999", "[::1", "::1", "pad/", "http://pad", "[pad]", "."]
        {
            assert_eq!(status(&any, &[("host", bad)]), 400, "{bad}");
        }
        assert_eq!(status(&any, &[]), 400);
        assert_eq!(status(&any, &[("host", "pad"), ("host", "pad")]), 400);
    }

    #[test]
    fn names_are_those_of_the_loopback_interface_and_those_that_were_added() {
        let hosts = AllowedHosts::loopback_and(["pad.example.org", "10.1.2.3", "fd00::1"]).unwrap();
        for good in [
            "localhost",
            "LOCALHOST:8080",
            "app.localhost",
            "127.0.0.1:8080",
            "127.9.9.9",
            "[::1]:8080",
            "[::ffff:127.0.0.1]",
            "pad.example.org:99",
            "Pad.Example.Org.",
            "10.1.2.3",
            "[fd00:0::1]:80",
        ] {
            assert_eq!(status(&hosts, &[("host", good)]), 200, "{good}");
        }
        for bad in
            ["evil.example", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example", "10.1.2.4", "0x7f.1"]
        {
            assert_eq!(status(&hosts, &[("host", bad)]), 403, "{bad}");
        }
        assert_eq!(AllowedHosts::loopback_and(["*"]), Some(AllowedHosts::any()));
        for no_name in ["", "a b", "pad:80", "http://pad", "pad/"] {
            assert_eq!(AllowedHosts::loopback_and([no_name]), None, "{no_name}");
        }
    }

    #[test]
    fn pages_are_the_servers_own_and_those_that_were_allowed() {
        let hosts = AllowedHosts::loopback_and([]).unwrap();
        let host = ("host", "localhost:8080");
        for good in ["http://localhost:8080", "https://chat.example.org"] {
            assert_eq!(status(&hosts, &[host, ("origin", good)]), 200, "{good}");
        }
        for bad in [
            "null",
            "http://localhost",
            "http://localhost:3000",
            "http://evil.example",
            "file://",
            "",
            "localhost:8080",
        ] {
            assert_eq!(status(&hosts, &[host, ("origin", bad)]), 403, "{bad}");
            assert_eq!(status(&AllowedHosts::any(), &[host, ("origin", bad)]), 200, "{bad}");
        }
    }

    #[test]
    fn the_name_in_a_requests_target_counts_too() {
        let hosts = AllowedHosts::loopback_and([]).unwrap();
        let request =
            |target: &str| Request::builder().uri(target).header("host", "localhost").body(Body::empty()).unwrap();
        let check = |target: &str| hosts.check(&request(target), &Origins::default()).is_ok();
        assert!(check("/health") && check("http://127.0.0.1/health") && !check("http://evil.example/health"));
    }
}
