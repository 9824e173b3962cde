//! The memory use of this process.

/// Bytes of RAM that this process holds; none on systems that do not tell it the way Linux does.
pub fn resident() -> Option<u64> {
    resident_in(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The line `VmRSS:  1234 kB` of a process's status.
fn resident_in(status: &str) -> Option<u64> {
    let value = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_resident_size_is_found_among_the_others() {
        let status = "Name:\tpad\nVmHWM:\t  999 kB\nVmRSS:\t  2048 kB\nThreads:\t2\n";
        assert_eq!(resident_in(status), Some(2 << 20));
        assert_eq!(resident_in("Name:\tpad\n"), None);
        assert_eq!(resident_in("VmRSS:\tmuch\n"), None);
        assert_eq!(resident().is_some(), cfg!(target_os = "linux"));
    }
}
