//! PAD Server: personalized decoding of language models.

mod announcement;
mod api_keys;
mod bench;
mod cli;
mod cores;
mod eval;
mod fingerprint;
mod flags;
mod home;
mod loading;
mod local_server;
mod logging;
mod openapi;
mod pairs;
mod pull;
mod reward;
mod serve;
mod settings;
mod shipped;
mod signals;
mod style_scorer;
mod train;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    pad_model::keep_freed_memory();
    match cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // `{:#}` puts the causes behind the error, on one line.
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
