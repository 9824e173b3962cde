//! Paths by which supervisors, routers and scrapers watch over the server.

/// Reached even when all connections are in use, and not traced unless asked to: they are asked every few seconds.
pub(crate) const PROBES: [&str; 5] = ["/health", "/ready", "/ping", "/version", "/metrics"];
