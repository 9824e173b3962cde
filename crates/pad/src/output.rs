//! What commands print. Nobody may be reading it any more: `pad models | head -1` closes the pipe after a line.

use std::fmt::Display;
use std::io::{self, ErrorKind, Write};

/// Standard output cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}")]
pub struct OutputError(#[from] io::Error);

/// Prints a result on standard output.
///
/// # Errors
///
/// When it cannot be written.
pub fn print(text: impl Display) -> Result<(), OutputError> {
    write(&mut io::stdout().lock(), text)
}

fn write(out: &mut impl Write, text: impl Display) -> Result<(), OutputError> {
    write!(out, "{text}")?;
    Ok(out.flush()?)
}

/// Tells something beside the results, on standard error. Where that is closed, nobody wants to know.
pub fn remark(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}

/// Whether a command ended because nobody reads its output: no failure of the command's.
pub fn nobody_reads(error: &anyhow::Error) -> bool {
    let closed = |OutputError(error): &OutputError| error.kind() == ErrorKind::BrokenPipe;
    error.chain().filter_map(|cause| cause.downcast_ref()).any(closed)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_closed_pipe_is_told_from_other_failures() {
        let failed = |kind| Err::<(), _>(write(&mut Broken(kind), "x").unwrap_err()).context("the list").unwrap_err();
        assert!(nobody_reads(&failed(ErrorKind::BrokenPipe)));
        assert!(!nobody_reads(&failed(ErrorKind::StorageFull)));
        // A server that hangs up is a failure.
        assert!(!nobody_reads(&io::Error::from(ErrorKind::BrokenPipe).into()));
    }
}
