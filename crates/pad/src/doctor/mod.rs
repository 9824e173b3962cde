//! `pad doctor`: what a server needs on this machine, whether it is there, and what to do where it is not.

mod hub;
mod limits;
mod machine;
mod sources;

use std::fmt;

use anyhow::ensure;
use clap::Args;

use crate::flags::Flags;
use crate::output;
use crate::settings::{Environment, Settings};

/// The settings of the server that is to run here.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    flags: Flags,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    state: State,
    /// What was looked at.
    subject: &'static str,
    /// What was found, and what to do about it.
    text: String,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// As it should be.
    Good,
    /// It works, and could be better.
    Notable,
    /// A server cannot start, or not with these settings.
    Bad,
}

impl Finding {
    fn good(subject: &'static str, text: impl Into<String>) -> Self {
        Self { state: State::Good, subject, text: text.into() }
    }

    fn notable(subject: &'static str, text: impl Into<String>) -> Self {
        Self { state: State::Notable, subject, text: text.into() }
    }

    fn bad(subject: &'static str, text: impl Into<String>) -> Self {
        Self { state: State::Bad, subject, text: text.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.state {
            State::Good => "good",
            State::Notable => "note",
            State::Bad => "BAD ",
        };
        write!(f, "{mark}  {:<10} {}", self.subject, self.text)
    }
}

/// Prints a line for each thing that was looked at.
///
/// # Errors
///
/// When a setting is not allowed, or a server could not start.
pub fn run(args: &DoctorArgs, environment: &Environment) -> anyhow::Result<()> {
    let settings = Settings::load(args.flags.file.path(environment).as_deref(), environment, args.flags.layer())?;
    let checks: [&dyn Fn() -> Finding; 9] = [
        &machine::processor,
        &machine::huge_pages,
        &|| limits::processor_time(&settings),
        &|| limits::memory(&settings),
        &|| limits::open_files(&settings),
        &|| sources::folder(&settings, environment),
        &|| limits::port(&settings),
        &|| sources::model(&settings, environment),
        // The only one that may take a moment.
        &|| hub::answers(&settings, environment),
    ];
    let mut bad = 0;
    for check in checks {
        let finding = check();
        output::print(format_args!("{finding}\n"))?;
        bad += usize::from(finding.state == State::Bad);
    }
    ensure!(bad == 0, "{bad} of {} checks are bad; each line says what to do", checks.len());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        assert_eq!(Finding::bad("port", "8080 is taken").to_string(), "BAD   port       8080 is taken");
        assert!(Finding::good("port", "").to_string().starts_with("good  port"));
    }
}
