//! How many threads the CPU can keep busy with arithmetic.

use std::collections::HashSet;

/// The number of physical cores that this process may use: two threads of one core share its
/// arithmetic units, so a second one only adds noise.
pub fn physical() -> usize {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    let cores = std::fs::read_to_string("/proc/cpuinfo").map_or(0, |text| count(&text));
    if cores == 0 { usable } else { cores.min(usable) }
}

/// Distinct (socket, core) pairs in the text of `/proc/cpuinfo`; 0 where it does not tell.
fn count(cpuinfo: &str) -> usize {
    let value = |block: &str, key: &str| -> Option<u32> {
        let line = block.lines().find(|line| line.starts_with(key))?;
        line.split_once(':')?.1.trim().parse().ok()
    };
    let blocks = cpuinfo.split("\n\n");
    let cores: HashSet<_> = blocks.filter_map(|b| Some((value(b, "physical id")?, value(b, "core id")?))).collect();
    cores.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(socket: u32, core: u32) -> String {
        format!("processor\t: 0\nphysical id\t: {socket}\nsiblings\t: 2\ncore id\t\t: {core}\n\n")
    }

    #[test]
    fn threads_of_one_core_count_once() {
        let two_sockets = [block(0, 0), block(0, 1), block(0, 0), block(0, 1), block(1, 0)].concat();
        assert_eq!(count(&two_sockets), 3);
        assert_eq!(count("processor : 0\nmodel name : x\n\n"), 0);
    }

    #[test]
    fn there_is_at_least_one() {
        assert!(physical() >= 1);
    }
}
