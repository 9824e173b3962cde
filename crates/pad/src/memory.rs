//! How much memory this process may still take: what is free on the machine, and what the limits of its control groups leave.

use std::fs;
use std::path::Path;

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Files of a control group: its limit, what it uses, and the name of that part of it which the kernel drops when memory is needed (files
/// that were read and not used lately).
const VERSIONS: [[&str; 3]; 2] = [
    ["memory.max", "memory.current", "inactive_file"],
    ["memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "total_inactive_file"],
];

/// Bytes that can still be taken; none where the system does not tell.
pub fn available() -> Option<u64> {
    let machine = read(Path::new("/proc/meminfo")).as_deref().and_then(available_in);
    let own = read(Path::new("/proc/self/cgroup"));
    machine.into_iter().chain(left_in(Path::new(GROUPS), own.as_deref().unwrap_or_default())).min()
}

fn read(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// `MemAvailable` in bytes.
fn available_in(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kib| kib << 10)
}

/// What the limits of the group leave that `own` names, the contents of `/proc/self/cgroup`, and those of the groups around it.
fn left_in(groups: &Path, own: &str) -> Option<u64> {
    let own = own.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default();
    // In a container the path may be that outside of it, which is not there.
    let folders = Path::new(own).ancestors().map(|path| groups.join(path));
    folders.flat_map(|folder| VERSIONS.map(|files| left(&folder, files))).flatten().min()
}

fn left(group: &Path, [limit, usage, droppable]: [&str; 3]) -> Option<u64> {
    let number = |file: &str| read(&group.join(file))?.trim().parse::<u64>().ok();
    let limit = number(limit)?;
    let statistics = read(&group.join(usage).with_file_name("memory.stat")).unwrap_or_default();
    let droppable = statistics.lines().find_map(|line| line.strip_prefix(droppable)?.trim().parse::<u64>().ok());
    let used = number(usage).unwrap_or(0).saturating_sub(droppable.unwrap_or(0));
    Some(limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_has_is_read() {
        assert_eq!(available_in("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available_in("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn the_tightest_group_counts_without_the_files_that_were_read() {
        let root = tempfile::tempdir().unwrap();
        let group = |path: &str, files: &[(&str, &str)]| {
            let folder = root.path().join(path);
            fs::create_dir_all(&folder).unwrap();
            files.iter().for_each(|(name, text)| fs::write(folder.join(name), text).unwrap());
        };
        assert_eq!(left_in(root.path(), "0::/a/b\n"), None, "no group has a limit");
        group("a/b", &[("memory.max", "max\n"), ("memory.current", "900\n")]);
        assert_eq!(left_in(root.path(), "0::/a/b\n"), None, "no limit is no limit");
        group(
            "a",
            &[("memory.max", "1000"), ("memory.current", "700"), ("memory.stat", "anon 1\ninactive_file 200\n")],
        );
        assert_eq!(left_in(root.path(), "0::/a/b\n"), Some(500));
        assert_eq!(left_in(root.path(), "0::/elsewhere\n"), None);
        group("", &[("memory.max", "100")]);
        assert_eq!(left_in(root.path(), "0::/elsewhere\n"), Some(100), "that of the container itself");
        fs::remove_file(root.path().join("memory.max")).unwrap();
        group("memory", &[("memory.limit_in_bytes", "50"), ("memory.usage_in_bytes", "60")]);
        assert_eq!(left_in(root.path(), "4:memory:/x\n"), Some(0), "the older kind");
    }
}
