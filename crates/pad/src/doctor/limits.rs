//! What the system and a container allow: time, memory, files, the port.

use std::net::{TcpListener, ToSocketAddrs};

use super::Finding;
use crate::settings::Settings;
use crate::{cores, memory, open_files, placement};

/// Whether threads get the time that they are made for.
pub fn processor_time(settings: &Settings) -> Finding {
    const SUBJECT: &str = "threads";
    let (threads, cores) = (placement::threads(&settings.model), cores::physical());
    let quota = std::fs::read_to_string("/sys/fs/cgroup/cpu.max").ok().as_deref().and_then(cores_allowed);
    match quota {
        Some(allowed) if allowed + 0.01 < threads as f64 => Finding::notable(
            SUBJECT,
            format!(
                "{threads} threads, but the container's quota is {allowed:.1} processors: they wait for each other; raise the quota, or \
                 set model.threads to {}",
                allowed.floor().max(1.0)
            ),
        ),
        _ if threads > cores => Finding::notable(
            SUBJECT,
            format!(
                "{threads} threads on {cores} physical cores: they wait for each other; set model.threads to 0 or {cores}"
            ),
        ),
        _ => Finding::good(SUBJECT, threads.to_string()),
    }
}

/// Processors that a quota of a control group allows: `max 100000`, or `200000 100000`.
fn cores_allowed(text: &str) -> Option<f64> {
    let (quota, period) = text.trim().split_once(' ')?;
    Some(quota.parse::<f64>().ok()? / period.parse::<f64>().ok()?)
}

/// Whether the KV cache fits the available memory, and how much is left for weights.
pub fn memory(settings: &Settings) -> Finding {
    const SUBJECT: &str = "memory";
    let Some(room) = memory::available() else {
        return Finding::good(SUBJECT, "this system does not tell");
    };
    let cache = settings.engine.kv_memory.0;
    let (room_mib, cache_mib) = (room >> 20, cache >> 20);
    if cache == 0 {
        return Finding::good(
            SUBJECT,
            format!("{room_mib} MiB are free; the KV cache may take half of what the weights leave"),
        );
    }
    if cache > room {
        return Finding::bad(
            SUBJECT,
            format!(
                "{room_mib} MiB are free, but engine.kv_memory is {cache_mib} MiB: reduce it, leave it out, or free memory"
            ),
        );
    }
    Finding::good(
        SUBJECT,
        format!(
            "{room_mib} MiB are free; the KV cache may take {cache_mib}, which leaves {} for weights",
            room_mib - cache_mib
        ),
    )
}

/// How many connections the limit of open files has room for.
pub fn open_files(settings: &Settings) -> Finding {
    const SUBJECT: &str = "open files";
    match open_files::connections(settings.server.max_connections) {
        Ok(limits) if limits.regular < 256 => Finding::notable(
            SUBJECT,
            format!("room for {} connections; raise the limit (ulimit -n) for more clients", limits.regular),
        ),
        Ok(limits) => Finding::good(SUBJECT, format!("room for {} connections", limits.regular)),
        Err(error) => Finding::bad(SUBJECT, error.to_string()),
    }
}

/// Whether the address can be listened on.
pub fn port(settings: &Settings) -> Finding {
    const SUBJECT: &str = "address";
    let (host, port) = (settings.server.host.as_str(), settings.server.port);
    let bound = (host, port)
        .to_socket_addrs()
        .and_then(|addresses| TcpListener::bind(addresses.collect::<Vec<_>>().as_slice()));
    match bound {
        Ok(_) => Finding::good(SUBJECT, format!("{host}:{port} is free")),
        Err(error) => Finding::bad(
            SUBJECT,
            format!("cannot listen on {host}:{port}: {error}; choose another server.host or server.port (--port)"),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Environment, Layer};

    fn settings(changes: &[(&str, &str)]) -> Settings {
        let variables = changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::load(None, &Environment::new(variables), Layer::default()).unwrap()
    }

    #[test]
    fn files_of_the_kernel_are_read() {
        assert_eq!(cores_allowed("150000 100000\n"), Some(1.5));
        assert_eq!(cores_allowed("max 100000"), None);
    }

    #[test]
    fn a_taken_port_and_a_cache_larger_than_memory_are_bad() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port().to_string();
        let finding = super::port(&settings(&[("PAD_HOST", "127.0.0.1"), ("PAD_PORT", &port)]));
        assert!(finding.to_string().starts_with("BAD") && finding.text.contains(&port), "{finding}");
        let finding = super::memory(&settings(&[("PAD_ENGINE__KV_MEMORY", "65536 GiB")]));
        assert!(finding.to_string().starts_with("BAD") && finding.text.contains("engine.kv_memory"), "{finding}");
    }
}
