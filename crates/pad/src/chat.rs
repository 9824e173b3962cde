//! `pad chat`: a conversation in the terminal.

use std::io::{BufRead, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use pad_chat::{ChatError, Colours, Conversation, HELP, Next, Options};
use pad_client::{Client, Connections};
use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{Config, Editor};

use crate::flags::Flags;
use crate::local_server::AskedServer;
use crate::output::{self, OutputError};
use crate::settings::{Environment, Settings};
use crate::{home, logging};

/// Time limit of an answer.
const PATIENCE: Duration = Duration::from_mins(10);

/// The file of earlier lines, in the cache folder.
const HISTORY: &str = "chat-history";

/// Whom to talk to, and how.
#[derive(Debug, Args)]
pub struct ChatArgs {
    /// URL of a running server to use instead of a model in this process
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The first preference: concise=1,cheerful=-0.5, or words
    #[arg(long, value_name = "WEIGHTS|TEXT")]
    prefer: Option<String>,
    /// Maximum number of tokens of an answer
    #[arg(long, value_name = "TOKENS")]
    max_tokens: Option<usize>,
    /// Sampling temperature; 0 is greedy. Below a server's usual 1: small models wander there
    #[arg(long, default_value_t = 0.7)]
    temperature: f64,
    /// Seed of the first answer
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Write words without colours
    #[arg(long)]
    no_colours: bool,
    #[command(flatten)]
    flags: Flags,
}

/// Talks until the end of the input or `/quit`.
///
/// # Errors
///
/// When the model cannot be loaded, the server cannot be reached, or the terminal cannot be read.
pub fn run(args: &ChatArgs, environment: &Environment) -> anyhow::Result<()> {
    let mut layer = args.flags.layer();
    if layer.get(&["log", "level"]).is_none() {
        layer.set("log.level", "pad chat", "warn");
    }
    let settings = Settings::load(args.flags.file.path(environment).as_deref(), environment, layer)?;
    logging::start(&settings.log)?;
    let server = AskedServer::at(args.server.as_deref(), &settings, environment)?;
    let url = server.url();
    let client = Client::new(url, args.flags.api_key(), Connections { most: 1, timeout: PATIENCE })?;
    // Other servers have no preferences, and some refuse fields that they do not know.
    let dimensions: Option<Vec<String>> =
        client.preferences().ok().map(|list| list.data.into_iter().map(|dimension| dimension.name).collect());
    let model = client.models()?.into_iter().next();
    let terminal = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let preference =
        args.prefer.as_deref().map(pad_chat::preference).transpose().map_err(anyhow::Error::msg)?.flatten();
    let options = Options {
        model: if args.server.is_some() { args.flags.model().map(str::to_owned).or(model.clone()) } else { None },
        preference,
        max_tokens: args.max_tokens,
        temperature: Some(args.temperature),
        seed: args.seed,
        colours: if terminal && !args.no_colours && !environment.colourless() { Colours::On } else { Colours::Off },
        traces: dimensions.is_some(),
    };
    let conversation = Conversation::new(client, options);
    if !terminal {
        return from_lines(conversation, std::io::stdin().lock());
    }
    output::print(format_args!("{}\n", greeting(&model.unwrap_or_else(|| url.to_owned()), dimensions.as_deref())))?;
    let history = home::home(&settings, environment)?.join(HISTORY);
    in_terminal(conversation, &history)
}

/// What can be said and preferred.
fn greeting(model: &str, dimensions: Option<&[String]>) -> String {
    match dimensions {
        Some([]) => format!("{model} (no preferences). /help lists the commands."),
        Some(names) => format!("{model} (preferences: {}).\n{HELP}", names.join(", ")),
        None => format!("{model} (a server without preferences). /help lists the commands."),
    }
}

/// A conversation whose lines come from a pipe.
fn from_lines(mut conversation: Conversation, input: impl BufRead) -> anyhow::Result<()> {
    let stop = AtomicBool::new(false);
    for line in input.lines() {
        if say(&mut conversation, &line.context("cannot read the input")?, &stop)? == Next::End {
            break;
        }
    }
    Ok(())
}

/// A conversation with line editing; earlier lines are kept in a file.
fn in_terminal(mut conversation: Conversation, history: &PathBuf) -> anyhow::Result<()> {
    let config = Config::builder().auto_add_history(true).max_history_size(1000)?.build();
    let mut editor: Editor<(), FileHistory> = Editor::with_config(config)?;
    // There is none at first.
    let _ = editor.load_history(history);
    let stop = stop_on_interrupt()?;
    loop {
        match editor.readline("> ") {
            Ok(line) => {
                stop.store(false, Ordering::Relaxed);
                if say(&mut conversation, &line, &stop)? == Next::End {
                    break;
                }
            }
            // Ctrl-C clears the line, Ctrl-D ends.
            Err(ReadlineError::Interrupted) => {}
            Err(ReadlineError::Eof) => break,
            Err(error) => return Err(error).context("cannot read the terminal"),
        }
    }
    if let Err(error) = editor.save_history(history) {
        tracing::warn!(%error, path = %history.display(), "the lines of this conversation cannot be kept");
    }
    Ok(())
}

/// Does what a line says, and prints what there is to read.
fn say(conversation: &mut Conversation, line: &str, stop: &AtomicBool) -> anyhow::Result<Next> {
    let mut out = std::io::stdout();
    let next = conversation.line(line, stop, &mut out).map_err(|error| match error {
        ChatError::Output(error) => OutputError::from(error).into(),
        other => anyhow::Error::from(other),
    })?;
    out.flush().map_err(OutputError::from)?;
    Ok(next)
}

/// A flag that Ctrl-C sets while an answer is written; while a line is edited, the editor reads the key itself.
fn stop_on_interrupt() -> anyhow::Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let (flag, runtime) = (Arc::clone(&stop), tokio::runtime::Builder::new_current_thread().enable_all().build()?);
    std::thread::spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                flag.store(true, Ordering::Relaxed);
            }
        });
    });
    Ok(stop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greeting_lists_what_can_be_preferred() {
        let names = ["concise".to_owned(), "simple".to_owned()];
        assert!(greeting("tiny", Some(&names)).starts_with("tiny (preferences: concise, simple).\n/prefer"));
        assert!(greeting("tiny", Some(&[])).contains("no preferences"));
        assert!(greeting("tiny", None).contains("without preferences"));
    }
}
