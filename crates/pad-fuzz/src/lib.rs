//! Properties that must hold for any input, as functions that panic where they do not.
//!
//! Each module has a `check` that takes bytes: `src/bin` passes it to libFuzzer, which searches for bytes that break it (`.ci/fuzz`), and
//! the tests run it on the seeds in `seeds/`, to which every input that once broke something is added.

#[cfg(feature = "files")]
pub mod checkpoints;
#[cfg(feature = "files")]
pub mod descriptions;
pub mod detokenizer;
pub mod requests;
pub mod stops;
pub mod templates;
mod vocabulary;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    /// Every seed of a target.
    fn seeds(target: &str) -> Vec<Vec<u8>> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target);
        let files = fs::read_dir(folder).expect("a folder of seeds");
        let seeds: Vec<Vec<u8>> =
            files.map(|file| fs::read(file.expect("a file").path()).expect("its bytes")).collect();
        assert!(seeds.len() > 3, "{} seeds", seeds.len());
        seeds
    }

    /// The seeds, whole and cut anywhere.
    fn check(target: &str, check: fn(&[u8])) {
        for seed in seeds(target) {
            (0..=seed.len()).for_each(|end| check(&seed[..end]));
        }
    }

    /// Files are large and slow to write: cut at some places.
    #[cfg(feature = "files")]
    #[test]
    fn files_break_nothing() {
        for (target, check) in
            [("checkpoints", super::checkpoints::check as fn(&[u8])), ("descriptions", super::descriptions::check)]
        {
            for seed in seeds(target) {
                (0..seed.len()).step_by(1 + seed.len() / 64).chain([seed.len()]).for_each(|end| check(&seed[..end]));
            }
        }
    }

    #[test]
    fn seeds_break_nothing() {
        check("requests", super::requests::check);
        check("templates", super::templates::check);
        check("detokenizer", super::detokenizer::check);
        check("stops", super::stops::check);
    }
}
