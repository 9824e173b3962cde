//! The kernels' source, embedded.

macro_rules! sources {
    ($($name:literal),*) => {
        &[$(($name, include_str!(concat!("../../cuda/", $name)))),*]
    };
}

/// The program, which includes all others.
pub const PROGRAM: &str = include_str!("../../cuda/kernels.cu");

/// The files that it includes, by the names that it has for them.
pub const INCLUDED: &[(&str, &str)] = sources![
    "attention.cu",
    "best.cu",
    "decision.cu",
    "gate.cu",
    "language.h",
    "low_rank.cu",
    "matmul.cu",
    "norm.cu",
    "number.h",
    "prefill.cu",
    "readout.cu",
    "rope.cu",
    "tensor_core.h",
    "warp.h",
    "weights.h"
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_is_included_is_embedded() {
        let known = |name: &str| INCLUDED.iter().any(|(known, _)| *known == name);
        let texts = INCLUDED.iter().map(|(_, text)| *text).chain([PROGRAM]);
        let names: Vec<&str> = texts.flat_map(str::lines).filter_map(|line| line.strip_prefix("#include \"")).collect();
        assert!(names.len() > 20, "{names:?}");
        // What only the host has lies in a folder of its own.
        let unknown =
            names.iter().map(|name| name.trim_end_matches('"')).find(|name| !known(name) && !name.starts_with("host/"));
        assert_eq!(unknown, None);
    }
}
