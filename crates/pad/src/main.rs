//! PAD Server: the binary, with its command line, settings and wiring.

mod announcement;
mod api_keys;
mod bench;
mod capacity;
mod chat;
mod cli;
mod config_file;
mod cores;
mod doctor;
mod eval;
mod fingerprint;
mod flags;
mod health;
mod home;
mod loading;
mod loading_bar;
mod local_server;
mod logging;
mod manual;
mod memory;
mod models;
mod open_files;
mod openapi;
mod output;
mod pairs;
mod placement;
mod pull;
mod reward;
mod reward_weights;
mod serve;
mod settings;
mod shipped;
mod shipped_scorer;
mod signals;
mod store;
mod traces;
mod train;

use std::process::ExitCode;

use clap::Parser;

/// What `pad serve` ends with if it interrupted answers.
const INTERRUPTED: u8 = 3;

fn main() -> ExitCode {
    pad_model::keep_freed_memory();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if output::nobody_reads(&error) => ExitCode::SUCCESS,
        Err(error) => {
            output::remark(format_args!("error: {}", causes(&error)));
            if error.is::<serve::Interrupted>() { ExitCode::from(INTERRUPTED) } else { ExitCode::FAILURE }
        }
    }
}

/// An error and its causes, on one line. Some errors have the cause in their own words already: it is not said twice.
fn causes(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain().map(ToString::to_string) {
        let cause = without_backtrace(&cause);
        if !line.contains(cause) {
            line = if line.is_empty() { cause.to_owned() } else { format!("{line}: {cause}") };
        }
    }
    line
}

/// Errors of candle end with a backtrace where `RUST_BACKTRACE` is set, which says nothing to who gave a wrong file.
fn without_backtrace(message: &str) -> &str {
    message.split_once("\n   0: ").map_or(message, |(message, _)| message.trim_end())
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the file is bad: {0}")]
    struct Bad(#[from] std::io::Error);

    #[test]
    fn a_cause_is_said_once() {
        let error: anyhow::Result<()> = Err(Bad(std::io::Error::other("it is empty")).into());
        let error = error.context("server.tls.key").unwrap_err();
        assert_eq!(causes(&error), "server.tls.key: the file is bad: it is empty");
        let plain: anyhow::Result<()> = Err(std::io::Error::other("it is empty").into());
        assert_eq!(causes(&plain.context("keys").unwrap_err()), "keys: it is empty");
    }

    #[test]
    fn a_backtrace_is_no_part_of_a_message() {
        let error =
            anyhow::anyhow!("unknown magic\n   0: candle_core::error::Error::bt\n             at lib.rs:1\n   1: main");
        assert_eq!(causes(&error.context("a.gguf")), "a.gguf: unknown magic");
    }
}
