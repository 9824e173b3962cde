//! `pad bench --against URL`: the same load over HTTP on any OpenAI-compatible servers.

use std::time::{Duration, SystemTime};

use anyhow::{Context, ensure};
use clap::Args;
use pad_bench::load::{self, About, Figures, Level, LongPrompts, Pace, Plan, Server};
use serde_json::Value;

/// Default length of a prompt in tokens.
const PROMPT: usize = 132;

/// Default length of an answer in tokens.
const TOKENS: usize = 128;

/// The load on servers.
#[derive(Debug, Args)]
#[command(next_help_heading = "Against servers")]
pub struct LoadArgs {
    /// Measure a server over HTTP instead of this process: the address of an OpenAI-compatible API, such as
    /// `http://127.0.0.1:8080/v1`. If repeated, the servers take turns. `--model` is then the model name to request (default: the
    /// first that a server lists), `--api-key` the key to send
    #[arg(long, value_name = "URL")]
    against: Vec<String>,
    /// Numbers of concurrent streams, one case each
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 32], requires = "against")]
    concurrency: Vec<usize>,
    /// Requests per case and round [default: two per stream, at least 4]
    #[arg(long, requires = "against")]
    requests: Option<usize>,
    /// A preference to send with each request, as JSON: '{"concise": 1}'
    #[arg(long, value_name = "JSON", value_parser = json, requires = "against")]
    preference: Option<Value>,
    /// Seed of the prompts; by default different in each run, so that no server has cached them
    #[arg(long, requires = "against")]
    seed: Option<u64>,
    /// Number of long prompts that arrive one after the other while the streams of a case run
    #[arg(long, value_name = "N", default_value_t = 0, requires = "against")]
    long_prompts: usize,
    /// Tokens in each long prompt
    #[arg(long, value_name = "TOKENS", default_value_t = 1500, requires = "against")]
    long_prompt_tokens: usize,
    /// Maximum time to the first token of a good answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000.0, requires = "against")]
    slo_ttft_ms: f64,
    /// Maximum mean time between the tokens of a good answer, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 100.0, requires = "against")]
    slo_itl_ms: f64,
    /// Seconds after which a request counts as failed
    #[arg(long, value_name = "SECONDS", default_value_t = 300, requires = "against")]
    timeout: u64,
}

/// Without it, clap would take the text for a JSON string.
fn json(text: &str) -> serde_json::Result<Value> {
    serde_json::from_str(text)
}

/// A load with the flags that it shares with measurements in this process.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The flags of the load.
    pub load: &'a LoadArgs,
    /// The model to ask for; the first that a server lists if none.
    pub model: Option<&'a str>,
    /// The key to send.
    pub key: Option<&'a str>,
    /// Lengths of prompts in tokens; none for the default.
    pub prompts: &'a [usize],
    /// Tokens of each answer.
    pub tokens: Option<usize>,
    /// Rounds over all levels.
    pub rounds: usize,
    /// Report as JSON.
    pub json: bool,
}

impl LoadArgs {
    /// Whether servers are measured at all.
    pub fn is_wanted(&self) -> bool {
        !self.against.is_empty()
    }

    fn plan(&self, tokens: usize) -> Plan {
        let clock = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Plan {
            tokens,
            requests: self.requests,
            preference: self.preference.clone(),
            seed: self.seed.unwrap_or_else(clock),
            long_prompts: LongPrompts { count: self.long_prompts, tokens: self.long_prompt_tokens },
        }
    }
}

/// Loads the servers and reports.
///
/// # Errors
///
/// When a server does not answer a first request. Requests that fail later are counted.
pub fn run(asked: &Asked<'_>) -> anyhow::Result<String> {
    let args = asked.load;
    ensure!(!args.concurrency.contains(&0), "--concurrency must be at least 1");
    ensure!(args.requests != Some(0), "--requests must be at least 1");
    ensure!(asked.tokens != Some(0), "--tokens must be at least 1");
    ensure!(args.timeout >= 1, "--timeout must be at least 1 second");
    let plan = args.plan(asked.tokens.unwrap_or(TOKENS));
    let prompts = if asked.prompts.is_empty() { &[PROMPT] } else { asked.prompts };
    let levels: Vec<Level> = prompts
        .iter()
        .flat_map(|&prompt| args.concurrency.iter().map(move |&concurrency| Level { concurrency, prompt }))
        .collect();
    let servers = servers(asked)?;
    for server in &servers {
        // One stream warms what a server does at its first request, and finds out whether it answers at all.
        let stream = load::warm_up(server, levels[0], &plan);
        stream.with_context(|| format!("{} does not answer", server.base()))?;
    }
    let good = Pace { ttft_ms: args.slo_ttft_ms, itl_ms: args.slo_itl_ms };
    let mut rounds = vec![vec![Vec::with_capacity(asked.rounds); servers.len()]; levels.len()];
    for round in 1..=asked.rounds {
        for (level, found) in levels.iter().zip(&mut rounds) {
            let mut turns: Vec<usize> = (0..servers.len()).collect();
            turns.rotate_left(round % servers.len());
            for at in turns {
                found[at].push(Figures::of(&load::run(&servers[at], *level, &plan, round)?, good));
            }
        }
    }
    let about = About { plan, good, rounds: asked.rounds };
    Ok(load::report(&about, &servers, &levels, &rounds, asked.json)?)
}

fn servers(asked: &Asked<'_>) -> anyhow::Result<Vec<Server>> {
    let timeout = Duration::from_secs(asked.load.timeout);
    let addresses: Vec<&str> = asked.load.against.iter().map(|address| address.trim_end_matches('/')).collect();
    let server = |(at, address): (usize, &&str)| {
        // A server that is measured against itself is asked other things each time.
        let turn = addresses[..at].iter().filter(|earlier| *earlier == address).count();
        Ok(Server::new(address, asked.model, asked.key, timeout, turn as u64)?)
    };
    addresses.iter().enumerate().map(server).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        load: LoadArgs,
    }

    fn parsed(flags: &[&str]) -> Result<LoadArgs, clap::Error> {
        Line::try_parse_from([&["bench"], flags].concat()).map(|line| line.load)
    }

    #[test]
    fn a_preference_is_json() {
        let preference = |text| parsed(&["--against", "http://one/v1", "--preference", text]).map(|a| a.preference);
        assert_eq!(preference(r#"{"concise": 1}"#).unwrap(), Some(json!({"concise": 1})));
        assert_eq!(preference("\"like a pirate\"").unwrap(), Some(json!("like a pirate")));
        assert!(preference("concise").unwrap_err().to_string().contains("--preference"));
    }

    #[test]
    fn a_server_that_is_measured_against_itself_gets_other_prompts() {
        let flags = ["http://one/v1", "http://two/v1", "http://one/v1/"].map(|address| ["--against", address]);
        let mut load = parsed(flags.as_flattened()).unwrap();
        let servers = |load: &LoadArgs| {
            let model = Some("m");
            let asked = Asked { load, model, key: None, prompts: &[], tokens: None, rounds: 1, json: false };
            super::servers(&asked)
        };
        assert_eq!(servers(&load).unwrap().iter().map(Server::turn).collect::<Vec<_>>(), [0, 0, 1]);
        load.against = vec!["localhost:8080".to_owned()];
        assert!(servers(&load).err().unwrap().to_string().contains("must begin with http://"));
    }
}
