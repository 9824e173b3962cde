//! `pad openapi`: the description of the HTTP interface as a file.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::output;

/// Print, write or check the description.
#[derive(Debug, Args)]
pub struct OpenapiArgs {
    /// Write to this file; standard output if not given
    file: Option<PathBuf>,
    /// Write nothing; fail if the file differs
    #[arg(long, requires = "file")]
    check: bool,
}

/// Prints the document, writes it, or compares it with a file.
///
/// # Errors
///
/// When the file cannot be read or written, or is out of date.
pub fn run(args: &OpenapiArgs) -> anyhow::Result<()> {
    let document = document()?;
    let Some(file) = &args.file else {
        return Ok(output::print(document)?);
    };
    if !args.check {
        return std::fs::write(file, document).with_context(|| format!("cannot write {}", file.display()));
    }
    let current = std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    anyhow::ensure!(current == document, "{} is out of date: run `pad openapi {}`", file.display(), file.display());
    Ok(())
}

/// The document as indented JSON with a newline at its end.
fn document() -> anyhow::Result<String> {
    let mut json = pad_server::openapi(&pad_server::RequestLimits::default())
        .to_pretty_json()
        .context("the OpenAPI document cannot be written")?;
    json.push('\n');
    Ok(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_written_file_passes_the_check_and_a_changed_one_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("openapi.json");
        let args = |check| OpenapiArgs { file: Some(file.clone()), check };
        let missing = run(&args(true)).unwrap_err().to_string();
        assert!(missing.contains("cannot read"), "{missing}");
        run(&args(false)).unwrap();
        run(&args(true)).unwrap();
        std::fs::write(&file, "{}").unwrap();
        let changed = run(&args(true)).unwrap_err().to_string();
        assert!(changed.contains("out of date"), "{changed}");
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "{}");
    }
}
