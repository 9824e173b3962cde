//! The servers' figures as a table for people, or as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use super::figures::{Figures, Pace, Rates};
use super::level::Level;
use super::plan::Plan;
use super::server::Server;
use crate::quantile::median;

/// The load that all servers got.
#[derive(Debug, Serialize)]
pub struct About {
    /// The load.
    #[serde(flatten)]
    pub plan: Plan,
    /// What makes an answer a good one.
    #[serde(rename = "slo")]
    pub good: Pace,
    /// Rounds over all levels.
    pub rounds: usize,
}

#[derive(Debug, Serialize)]
struct Row<'a> {
    /// The server's number, from 1.
    server: usize,
    address: &'a str,
    model: &'a str,
    #[serde(flatten)]
    level: Level,
    #[serde(flatten)]
    figures: Figures,
    of_first: Ratios,
}

/// Medians over rounds of figures relative to the first server's in the same round.
#[derive(Debug, PartialEq, Serialize)]
struct Ratios {
    tokens_per_second: Option<f64>,
    ttft_ms_p50: Option<f64>,
    itl_ms_p50: Option<f64>,
}

impl Ratios {
    fn of(own: &[Figures], first: &[Figures]) -> Self {
        let ratio = |of: fn(&Rates) -> Option<f64>| {
            let pairs = own.iter().zip(first).filter_map(|(a, b)| Some(of(&a.rates)? / of(&b.rates)?));
            median(&pairs.filter(|ratio| ratio.is_finite()).collect::<Vec<_>>())
        };
        Self {
            tokens_per_second: ratio(|rates| rates.tokens_per_second),
            ttft_ms_p50: ratio(|rates| rates.ttft_ms_p50),
            itl_ms_p50: ratio(|rates| rates.itl_ms_p50),
        }
    }
}

/// The figures of all servers at all levels; `rounds` is by level, server and round.
///
/// # Errors
///
/// When the figures cannot be written as JSON.
pub fn report(
    about: &About,
    servers: &[Server],
    levels: &[Level],
    rounds: &[Vec<Vec<Figures>>],
    json: bool,
) -> serde_json::Result<String> {
    let mut rows = Vec::new();
    for (level, found) in levels.iter().zip(rounds) {
        for (number, (server, own)) in servers.iter().zip(found).enumerate() {
            rows.push(Row {
                server: number + 1,
                address: server.base(),
                model: server.model(),
                level: *level,
                figures: Figures::together(own),
                of_first: Ratios::of(own, &found[0]),
            });
        }
    }
    if json {
        let all = serde_json::json!({ "about": about, "cases": rows });
        return Ok(serde_json::to_string_pretty(&all)? + "\n");
    }
    Ok(table(about, servers, &rows))
}

fn table(about: &About, servers: &[Server], rows: &[Row<'_>]) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail, here and below.
    for (number, server) in servers.iter().enumerate() {
        let _ = writeln!(text, "{}. {}, {}", number + 1, server.base(), server.model());
    }
    let preference = about.plan.preference.as_ref().map_or_else(String::new, |asked| format!("; preference {asked}"));
    let _ = writeln!(
        text,
        "\nAnswers of {} tokens{preference}; good: first token within {:.0} ms, then {:.0} ms a token; seed {}; medians of \
         {} rounds\n",
        about.plan.tokens, about.good.ttft_ms, about.good.itl_ms, about.plan.seed, about.rounds
    );
    let mut head = "| server | streams | prompt tokens | requests | failed | tokens/s | TTFT p50 ms | p95 | ITL p50 ms | p95 | p99 \
                    | end to end p50 ms | good |"
        .to_owned();
    if servers.len() > 1 {
        head += " tokens/s of the first | TTFT of the first | ITL of the first |";
    }
    let columns = head.matches('|').count() - 1;
    let _ = writeln!(text, "{head}\n|{}", "---:|".repeat(columns));
    for row in rows {
        let _ = writeln!(text, "| {} |", cells(row, servers.len() > 1).join(" | "));
    }
    for row in rows {
        notes(&mut text, row);
    }
    text
}

fn cells(row: &Row<'_>, ratios: bool) -> Vec<String> {
    let shown = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"));
    let Row { level, figures, of_first, .. } = row;
    let rates = &figures.rates;
    // What the server counted, else what was aimed at.
    let prompt = rates.prompt_tokens.unwrap_or(level.prompt as f64);
    let mut cells = vec![
        row.server.to_string(),
        level.concurrency.to_string(),
        format!("{prompt:.0}"),
        figures.requests.to_string(),
        figures.failures.to_string(),
        shown(rates.tokens_per_second, 1),
        shown(rates.ttft_ms_p50, 1),
        shown(rates.ttft_ms_p95, 1),
        shown(rates.itl_ms_p50, 2),
        shown(rates.itl_ms_p95, 2),
        shown(rates.itl_ms_p99, 2),
        shown(rates.e2e_ms_p50, 0),
        rates.goodput.map_or_else(|| "-".to_owned(), |share| format!("{:.0} %", 100.0 * share)),
    ];
    if ratios {
        cells.extend([of_first.tokens_per_second, of_first.ttft_ms_p50, of_first.itl_ms_p50].map(|v| shown(v, 2)));
    }
    cells
}

/// What a reader of the row has to know besides.
fn notes(text: &mut String, row: &Row<'_>) {
    let Row { server, level, figures, .. } = row;
    let mut note = |what: String| {
        let _ = writeln!(text, "\nServer {server} at {} streams: {what}", level.concurrency);
    };
    if figures.completion_tokens != figures.chunks {
        note(format!("{} tokens came in {} chunks.", figures.completion_tokens, figures.chunks));
    }
    // A few are those of the chat template, which all prompts share.
    let many = |cached: &f64| *cached > figures.rates.prompt_tokens.unwrap_or(0.0) / 4.0;
    if let Some(cached) = figures.rates.cached_tokens.filter(many) {
        note(format!("{cached:.0} tokens of a prompt were found in its cache."));
    }
    if figures.long_prompts + figures.long_prompt_failures > 0 {
        let tokens =
            figures.rates.long_prompt_tokens.map_or_else(String::new, |tokens| format!(" of {tokens:.0} tokens"));
        let failed = figures.long_prompt_failures;
        note(format!("{} long prompts{tokens} arrived meanwhile, {failed} failed.", figures.long_prompts + failed));
    }
    if let Some(error) = &figures.first_error {
        note(format!("the first failure: {error}"));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::super::plan::LongPrompts;
    use super::*;

    fn about() -> About {
        let long_prompts = LongPrompts { count: 0, tokens: 1500 };
        let plan = Plan { tokens: 128, requests: None, preference: None, seed: 5, long_prompts };
        About { plan, good: Pace { ttft_ms: 1000.0, itl_ms: 100.0 }, rounds: 3 }
    }

    fn server(address: &str) -> Server {
        Server::new(address, Some("m"), None, Duration::from_secs(1), 0).unwrap()
    }

    /// Rounds with these speeds and waits for the first words.
    fn rounds(figures: [(f64, f64); 3]) -> Vec<Figures> {
        let round = |(speed, wait)| {
            let rates = Rates { tokens_per_second: Some(speed), ttft_ms_p50: Some(wait), ..Rates::default() };
            Figures { requests: 4, completion_tokens: 8, chunks: 8, rates, ..Figures::default() }
        };
        figures.map(round).to_vec()
    }

    #[test]
    fn servers_are_compared_within_each_round() {
        let servers = [server("http://one/v1"), server("http://two/v1")];
        let levels = [Level { concurrency: 8, prompt: 132 }];
        // The machine slows down, and the second server is half as fast in two rounds of three.
        let first = rounds([(400.0, 10.0), (200.0, 20.0), (100.0, 40.0)]);
        let mut second = rounds([(200.0, 30.0), (100.0, 60.0), (90.0, 120.0)]);
        second[2].chunks = 7;
        second[1].failures = 1;
        second[1].first_error = Some("status 500: ouch".to_owned());
        let rounds = [vec![first, second]];
        let text = report(&about(), &servers, &levels, &rounds, true).unwrap();
        let json: Value = serde_json::from_str(&text).unwrap();
        let (one, two) = (&json["cases"][0], &json["cases"][1]);
        assert_eq!((&one["address"], &one["of_first"]["tokens_per_second"]), (&"http://one/v1".into(), &1.0.into()));
        assert_eq!((&two["tokens_per_second"], &two["of_first"]["tokens_per_second"]), (&100.0.into(), &0.5.into()));
        assert_eq!((&two["of_first"]["ttft_ms_p50"], &two["of_first"]["itl_ms_p50"]), (&3.0.into(), &Value::Null));
        assert_eq!((&two["requests"], &two["failures"], &two["concurrency"]), (&12.into(), &1.into(), &8.into()));
        assert_eq!((&json["about"]["seed"], &json["about"]["slo"]["ttft_ms"]), (&5.into(), &1000.0.into()));

        let table = report(&about(), &servers, &levels, &rounds, false).unwrap();
        let row = "| 2 | 8 | 132 | 12 | 1 | 100.0 | 60.0 | - | - | - | - | - | - | 0.50 | 3.00 | - |";
        assert!(table.contains(row), "{table}");
        assert!(table.contains("Server 2 at 8 streams: 24 tokens came in 23 chunks."), "{table}");
        assert!(table.contains("Server 2 at 8 streams: the first failure: status 500: ouch"), "{table}");
        assert!(!table.contains("Server 1 at"), "{table}");
        let widths: Vec<usize> =
            table.lines().filter(|line| line.starts_with('|')).map(|line| line.matches('|').count()).collect();
        assert_eq!(widths, [17; 4]);
    }

    #[test]
    fn one_server_has_nothing_to_be_compared_with() {
        let rounds = [vec![rounds([(400.0, 10.0), (200.0, 20.0), (100.0, 40.0)])]];
        let levels = [Level { concurrency: 1, prompt: 132 }];
        let table = report(&about(), &[server("http://one/v1")], &levels, &rounds, false).unwrap();
        assert!(
            table.contains("| 1 | 1 | 132 | 12 | 0 | 200.0 | 20.0 |") && !table.contains("of the first"),
            "{table}"
        );
    }
}
