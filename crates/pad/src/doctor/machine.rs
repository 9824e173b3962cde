//! The processor and its pages.

use pad_model::Isa;

use super::Finding;
use crate::cores;

/// Model, cores and the instructions that the kernels use.
pub fn processor() -> Finding {
    let name = std::fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| model(&text));
    let (isa, cores) = (Isa::detect(), cores::physical());
    let found = format!("{}, {cores} physical cores, {}", name.as_deref().unwrap_or("unknown"), instructions(isa));
    match isa {
        Isa::Portable => Finding::notable(
            "processor",
            format!(
                "{found}; decoding is many times slower without AVX2 (x86-64) or dot products (ARM): in a virtual machine, pass the \
                     host's processor through"
            ),
        ),
        Isa::Avx2 | Isa::AvxVnni | Isa::Avx512 | Isa::Neon => Finding::good("processor", found),
    }
}

fn instructions(isa: Isa) -> &'static str {
    match isa {
        Isa::Portable => "no vector instructions that the kernels use",
        Isa::Avx2 => "AVX2",
        Isa::AvxVnni => "AVX-VNNI",
        Isa::Avx512 => "AVX512-VNNI",
        Isa::Neon => "NEON with dot products",
    }
}

/// The processor's name in `/proc/cpuinfo`.
fn model(cpuinfo: &str) -> Option<String> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Whether the kernel gives large pages, which weights and the KV cache are read faster from.
pub fn huge_pages() -> Finding {
    const SUBJECT: &str = "huge pages";
    const FILE: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
    match std::fs::read_to_string(FILE).ok().as_deref().and_then(chosen) {
        Some("never") => Finding::notable(SUBJECT, format!("never; `echo madvise > {FILE}` allows them")),
        Some(mode) => Finding::good(SUBJECT, mode.to_owned()),
        None => Finding::good(SUBJECT, "this system does not tell"),
    }
}

/// The word in brackets.
fn chosen(text: &str) -> Option<&str> {
    text.split_once('[')?.1.split_once(']').map(|(mode, _)| mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read() {
        assert_eq!(chosen("always [madvise] never\n"), Some("madvise"));
        assert_eq!(chosen("always"), None);
        assert_eq!(model("processor\t: 0\nmodel name\t: Some CPU\n").as_deref(), Some("Some CPU"));
        assert_eq!(model("processor\t: 0\n"), None);
        assert!(!processor().text.is_empty() && !huge_pages().text.is_empty());
    }
}
