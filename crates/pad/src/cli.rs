//! The command line.

use clap::{CommandFactory, Parser, Subcommand};

use crate::flags::Flags;
use crate::settings::{Environment, Layer, Settings};
use crate::{bench, chat, doctor, eval, health, manual, models, openapi, pairs, pull, serve, train};

/// An OpenAI-compatible server that steers answers towards each user's preferences while decoding.
#[derive(Debug, Parser)]
#[command(name = "pad", version, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve a model over HTTP.
    Serve(Flags),
    /// Tell whether the server on this machine takes requests; for health checks.
    Health(health::HealthArgs),
    /// Talk to a model in the terminal, with preferences.
    Chat(Box<chat::ChatArgs>),
    /// Check what a server needs on this machine, and say what to do about what is missing.
    Doctor(doctor::DoctorArgs),
    /// Fetch a model, so that a later start needs no network, and print its path.
    Pull(pull::PullArgs),
    /// List the models that are known to work, and which of them are on this machine.
    Models(models::ModelsArgs),
    /// Measure the speed of decoding on this machine, plain and with reward lanes, or of running servers.
    Bench(Box<bench::BenchArgs>),
    /// Train a reward model from pairs of answers, or distil one from prompts alone.
    Train(Box<train::TrainArgs>),
    /// Make preference pairs from the base model's own answers, for training a reward model.
    Pairs(Box<pairs::PairsArgs>),
    /// Measure how far steering goes: generate answers, score them and write a report.
    Eval(Box<eval::EvalArgs>),
    /// Print the description of the HTTP interface as JSON, write it to a file, or check a file.
    Openapi(openapi::OpenapiArgs),
    /// Print completions of this command line for a shell.
    Completions(manual::CompletionsArgs),
    /// Write the manual pages, one for each command.
    Man(manual::ManArgs),
}

impl Cli {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// Any error of the command, with its context.
    pub fn run(self) -> anyhow::Result<()> {
        match self.command {
            Command::Serve(flags) => {
                let environment = Environment::of_process();
                let file = flags.file.path(&environment);
                let settings = Settings::load(file.as_deref(), &environment, flags.layer())?;
                serve::run(&settings, &environment)
            }
            Command::Health(args) => {
                let environment = Environment::of_process();
                let file = args.file.path(&environment);
                health::run(&args, &Settings::load(file.as_deref(), &environment, Layer::default())?)
            }
            Command::Chat(args) => chat::run(&args, &Environment::of_process()),
            Command::Doctor(args) => doctor::run(&args, &Environment::of_process()),
            Command::Pull(args) => pull::run(&args, &Environment::of_process()),
            Command::Models(args) => models::run(&args, &Environment::of_process()),
            Command::Bench(args) => bench::run(&args),
            Command::Train(args) => train::run(&args, &Environment::of_process()),
            Command::Pairs(args) => pairs::run(&args),
            Command::Eval(args) => eval::run(&args),
            Command::Openapi(args) => openapi::run(&args),
            Command::Completions(args) => manual::completions(&args, Self::command()),
            Command::Man(args) => manual::pages(&args, Self::command()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
