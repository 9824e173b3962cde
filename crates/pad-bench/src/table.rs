//! The engine's figures as a table for people, or as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::decode::{Case, Figures};
use crate::quantile::median;

/// What was measured with.
#[derive(Debug, Serialize)]
pub struct About {
    /// The model's name in the API.
    pub model: String,
    /// Arithmetic.
    pub dtype: &'static str,
    /// Threads that compute.
    pub threads: usize,
    /// Weights in memory.
    pub weights_mib: usize,
    /// KV cache, as large as the largest case needs.
    pub kv_mib: usize,
    /// RAM that the process holds; none where the system does not say.
    pub resident_mib: Option<u64>,
    /// Tokens decoded by each sequence.
    pub tokens: usize,
    /// Rounds over all cases.
    pub rounds: usize,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    case: Case,
    #[serde(flatten)]
    median: Figures,
    /// Median over rounds of decoding relative to the first case.
    of_first: f64,
    /// The same, relative to the same sequences and prompts without reward lanes and without a form; none where that was not measured.
    of_plain: Option<f64>,
}

/// The medians of all cases.
///
/// # Errors
///
/// When the figures cannot be written as JSON.
pub fn report(about: &About, cases: &[Case], rounds: &[Vec<Figures>], json: bool) -> serde_json::Result<String> {
    let rows: Vec<Row> = cases.iter().zip(rounds).map(|(case, own)| row(*case, own, cases, rounds)).collect();
    if json {
        let all = serde_json::json!({ "about": about, "cases": rows });
        return Ok(serde_json::to_string_pretty(&all)? + "\n");
    }
    let resident = about.resident_mib.map_or_else(String::new, |mib| format!(", {mib} MiB resident"));
    let mut text = format!(
        "{}, {}, {} threads; {} MiB of weights, {} MiB of KV cache{resident}; {} tokens decoded; medians of {} rounds\n\n\
         | sequences | reward lanes | prompt | form | prefill tokens/s | decode tokens/s | of the first row | of plain | scheduler |\n\
         |---:|---:|---:|---|---:|---:|---:|---:|---:|\n",
        about.model, about.dtype, about.threads, about.weights_mib, about.kv_mib, about.tokens, about.rounds
    );
    for Row { case, median, of_first, of_plain } in rows {
        let of_plain = of_plain.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {:.0} | {:.0} | {of_first:.2} | {of_plain} | {:.1} % |",
            case.sequences,
            case.rewards,
            case.prompt,
            if case.form { "schema" } else { "" },
            median.prefill,
            median.decode,
            100.0 * median.scheduler
        );
    }
    Ok(text)
}

fn row(case: Case, own: &[Figures], cases: &[Case], rounds: &[Vec<Figures>]) -> Row {
    let middle = |values: Vec<f64>| median(&values).unwrap_or(f64::NAN);
    let of = |figure: fn(&Figures) -> f64| middle(own.iter().map(figure).collect());
    let relative = |other: &[Figures]| middle(own.iter().zip(other).map(|(a, b)| a.decode / b.decode).collect());
    let plain = cases.iter().position(|other| *other == Case { rewards: 0, form: false, ..case });
    Row {
        case,
        median: Figures { prefill: of(|f| f.prefill), decode: of(|f| f.decode), scheduler: of(|f| f.scheduler) },
        of_first: relative(&rounds[0]),
        of_plain: plain.map(|at| relative(&rounds[at])),
    }
}

#[cfg(test)]
mod tests {
    use crate::*;

    #[test]
    fn ratios_are_taken_pair_by_pair() {
        let case = |sequences, rewards, prompt| Case { sequences, rewards, prompt, form: rewards == 2 };
        let figures = |decode: &[f64]| -> Vec<Figures> {
            decode.iter().map(|&decode| Figures { prefill: 1.0, decode, scheduler: 0.01 }).collect()
        };
        let cases = [case(1, 0, 2), case(1, 0, 9), case(1, 2, 9)];
        // The machine slows down from round to round; the ratio stays.
        let rounds = [figures(&[100.0, 80.0, 20.0]), figures(&[50.0, 40.0, 10.0]), figures(&[35.0, 28.0, 7.0])];
        let about = About {
            model: "m".into(),
            dtype: "auto",
            threads: 2,
            weights_mib: 91,
            kv_mib: 7,
            resident_mib: Some(120),
            tokens: 3,
            rounds: 3,
        };
        let json: serde_json::Value = serde_json::from_str(&report(&about, &cases, &rounds, true).unwrap()).unwrap();
        assert!((json["cases"][2]["of_plain"].as_f64().unwrap() - 0.7).abs() < 1e-12, "plain has the same prompts");
        assert_eq!(json["cases"][0]["decode"], 80.0);
        assert_eq!(json["cases"][2]["prompt"], 9);
        assert_eq!(json["about"]["resident_mib"], 120);
        let table = report(&about, &cases, &rounds, false).unwrap();
        assert!(table.contains("| 1 | 2 | 9 | schema | 1 | 28 | 0.35 | 0.70 | 1.0 % |"), "{table}");
        assert!(table.contains("91 MiB of weights, 7 MiB of KV cache, 120 MiB resident;"), "{table}");
    }
}
