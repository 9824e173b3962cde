//! `pad completions` and `pad man`: what shells and `man` read.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::output;

/// For which shell.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Where to.
#[derive(Debug, Args)]
pub struct ManArgs {
    /// The folder to write pad.1, pad-serve.1 and the other pages into
    #[arg(value_name = "DIR")]
    folder: PathBuf,
}

/// Prints a shell's completions of `command`.
///
/// # Errors
///
/// When they cannot be printed.
pub fn completions(args: &CompletionsArgs, command: Command) -> anyhow::Result<()> {
    Ok(output::print(script(args.shell, command))?)
}

fn script(shell: Shell, mut command: Command) -> String {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, "pad", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes the manual pages of `command` and of its subcommands.
///
/// # Errors
///
/// When they cannot be written.
pub fn pages(args: &ManArgs, command: Command) -> anyhow::Result<()> {
    let context = || format!("cannot write into {}", args.folder.display());
    std::fs::create_dir_all(&args.folder).with_context(context)?;
    clap_mangen::generate_to(command, &args.folder).with_context(context)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn every_command_has_a_page_and_is_completed() {
        let folder = tempfile::tempdir().unwrap();
        pages(&ManArgs { folder: folder.path().to_owned() }, Cli::command()).unwrap();
        let text = script(Shell::Bash, Cli::command());
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(text.contains(name), "{name}");
            assert!(folder.path().join(format!("pad-{name}.1")).is_file(), "{name}");
        }
    }
}
