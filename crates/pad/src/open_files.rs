//! How many files this process may have open, and how many of them may be connections.

use anyhow::ensure;
use pad_server::ConnectionLimits;
use rlimit::{Resource, increase_nofile_limit};

/// Files other than connections: the log, models, the listener, those of the runtime.
const OWN: u64 = 64;

/// The most connections where the settings leave it to the system's limit.
const MOST: u64 = 16_384;

/// Raises the soft limit of open files to the hard one, which a program without `select` may do, and tells how many connections
/// there is room for; `wanted` is `server.max_connections`, and 0 takes what there is.
///
/// # Errors
///
/// Where `wanted` is more than there is room for.
pub fn connections(wanted: usize) -> anyhow::Result<ConnectionLimits> {
    let files = increase_nofile_limit(u64::MAX).or_else(|error| {
        tracing::debug!(%error, "the limit of open files could not be raised");
        Resource::NOFILE.get().map(|(soft, _)| soft)
    })?;
    limits(files, wanted)
}

fn limits(files: u64, wanted: usize) -> anyhow::Result<ConnectionLimits> {
    let room = files - OWN.min(files / 4);
    let spare = (room / 8).clamp(1, 16);
    let regular = room.saturating_sub(spare);
    ensure!(
        wanted as u64 <= regular,
        "server.max_connections is {wanted}, and this process may have {files} files open (ulimit -n), which leaves {regular} for connections"
    );
    let regular = if wanted > 0 { wanted } else { regular.min(MOST) as usize };
    Ok(ConnectionLimits { regular, spare: spare as usize })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_fit_into_the_limit_of_files() {
        for files in [4, 16, 64, 256, 1024, 4096, 1 << 20, u64::MAX] {
            let limits = limits(files, 0).unwrap();
            let open = (limits.regular + limits.spare) as u64;
            assert!(
                limits.regular > 0 && limits.spare > 0 && open + OWN.min(files / 4) <= files,
                "{files}: {limits:?}"
            );
        }
        assert_eq!(limits(256, 0).unwrap(), ConnectionLimits { regular: 176, spare: 16 });
        assert_eq!(limits(256, 100).unwrap().regular, 100);
        let error = limits(256, 177).unwrap_err().to_string();
        assert!(error.contains("177") && error.contains("256") && error.contains("176"), "{error}");
    }

    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        connections(0).unwrap();
        let (soft, hard) = Resource::NOFILE.get().unwrap();
        assert_eq!(soft, hard);
    }
}
