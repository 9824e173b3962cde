//! Whole evaluations against a server that steers by rule.

mod server;

use std::path::Path;

use pad_eval::{
    Choice, Decoding, EvalError, Message, Method, Plan, Prompt, Run, Scales, Scorer, Server, Sheet, Summary, Terms,
    Turn, read_pairs,
};

use server::FakeServer;

/// Counts happy words; what a real scorer would call sentiment.
const HAPPY: &str = r#"vader=sed 's/.*"id":"\([^"]*\)".*"answer":"\([^"]*\)".*/\1\t\2/' | awk -F'\t' '{ n = gsub(/happy/, "", $2); printf "{\"id\": \"%s\", \"score\": %d}\n", $1, n }'"#;

fn prompts() -> Vec<Prompt> {
    let texts =
        ["Why is the sky blue?", "<script>alert('no')</script>", "Tell me more.", "How are you?", "What is tea?"];
    let prompt = |(number, text): (usize, &&str)| Prompt {
        id: format!("p{number}"),
        messages: vec![Message::new("user", text)],
    };
    texts.iter().enumerate().map(prompt).collect()
}

fn plan(dimensions: &[&str]) -> Plan {
    Plan {
        prompts: prompts(),
        choice: Choice::Grid {
            dimensions: dimensions.iter().map(|name| (*name).to_owned()).collect(),
            weights: vec![-1.0, 0.0, 1.0, 2.0],
            fronts: None,
        },
        decodings: vec![Decoding::Seed(1), Decoding::Seed(2), Decoding::Greedy],
        terms: Terms { temperature: 0.7, max_tokens: 32, turn: Turn::System, beta: None },
        threads: 4,
    }
}

fn open(folder: &Path, plan: Plan) -> Result<Run, EvalError> {
    Run::open(folder, plan, Scales::shipped().unwrap())
}

const METHODS: [Method; 3] = [Method::Base, Method::Prompting, Method::Pad(None)];

/// Everything, from the first question to the summary.
fn evaluate(folder: &Path, server: &FakeServer) -> Result<Summary, EvalError> {
    let mut run = open(folder, plan(&["concise", "cheerful"]))?;
    let connection = Server::connect(server.url(), None, 4)?;
    run.ask(&connection, &METHODS, "heads")?;
    let scorers = [Scorer::new(HAPPY)];
    let sheet = Sheet::score(&run, &scorers)?;
    let summary = Summary::of(&run, &sheet, &scorers);
    summary.write(folder, &sheet)?;
    Ok(summary)
}

#[test]
fn a_server_that_steers_passes_and_its_report_says_so() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    let summary = evaluate(folder.path(), &server).unwrap();
    // For each prompt, three answers: base 1, prompting 5 (two dimensions, more and less, and both), pad 6 and 4 of both together.
    assert_eq!((summary.about.answers, server.chats()), (5 * 3 * 16, 5 * 3 * 16));
    for finding in &summary.findings {
        let prompting = finding.check.contains("prompting");
        assert!(finding.holds || prompting, "{finding:?}");
    }
    assert_eq!(summary.findings.len(), 6);
    let concise = summary.doses.iter().find(|dose| dose.dimension == "concise").unwrap();
    let line = concise.lines.iter().find(|line| line.method == Method::Pad(None)).unwrap();
    let changes: Vec<f64> = line.points.iter().filter_map(|point| Some(point.change?.value)).collect();
    assert_eq!(changes, [-5.0, 5.0, 10.0], "fewer words are more concise");
    let at_one = summary.fluency.iter().find(|row| row.preference.to_string() == "concise=1").unwrap();
    assert!((at_one.perplexity.unwrap().value - 2f64.exp()).abs() < 1e-9, "two nats a word");
    assert!((at_one.perplexity_ratio.unwrap().value - 1.0).abs() < 1e-9);

    let text = summary.text();
    for piece in ["concise (words)", "pad +2", "ok  pad: the score rises", "two dimensions at +1 together both move"] {
        assert!(text.contains(piece), "{piece} in\n{text}");
    }
    let report = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for piece in [
        "Checks",
        "Dose and response",
        "Method against dimension",
        "Side effects",
        "Trade-off",
        "Fluency",
        "Answers side by side",
        "<svg",
        "prompting +1",
        "&lt;script&gt;alert(&#39;no&#39;)",
        "prefers-color-scheme: dark",
        "VADER sentiment",
    ] {
        assert!(report.contains(piece), "{piece}");
    }
    for foreign in ["<script", "http://", "https://", " src=", "@import", "url("] {
        assert!(!report.contains(foreign), "{foreign}");
    }
    let scores = std::fs::read_to_string(folder.path().join("scores.jsonl")).unwrap();
    assert_eq!(scores.lines().count(), summary.about.answers);
    assert!(scores.lines().all(|line| line.contains("\"vader\"") && line.contains("\"words\"")));
}

#[test]
fn a_run_that_broke_off_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let weak = FakeServer::with(true, 40);
    let error = evaluate(folder.path(), &weak).unwrap_err().to_string();
    assert!(error.contains("/v1/chat/completions: status 500: the engine is out of breath"), "{error}");
    let server = FakeServer::start();
    let resumed = evaluate(folder.path(), &server).unwrap();
    assert_eq!(server.chats(), 5 * 3 * 16 - 40, "40 answers are there already");
    let (asked, judged) = (server.chats(), server.judged());
    let again = evaluate(folder.path(), &server).unwrap();
    assert_eq!((server.chats(), server.judged()), (asked, judged), "nothing is asked twice");
    assert_eq!(again.text(), resumed.text());
}

#[test]
fn results_of_other_settings_are_not_mixed() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    evaluate(folder.path(), &server).unwrap();
    let mut warmer = plan(&["concise"]);
    warmer.terms.temperature = 1.0;
    let error = open(folder.path(), warmer).unwrap_err().to_string();
    assert!(error.contains("run.json was made with temperature 0.7, not 1"), "{error}");
    let mut run = open(folder.path(), plan(&["concise"])).unwrap();
    let connection = Server::connect(server.url(), None, 4).unwrap();
    let error = run.ask(&connection, &METHODS, "heads, trained again").unwrap_err().to_string();
    assert!(error.contains("the reward model heads, not heads, trained again"), "{error}");
    let mut other = plan(&["concise"]);
    other.prompts[0].messages[0].content = "Another question?".to_owned();
    let before = server.chats();
    open(folder.path(), other).unwrap().ask(&connection, &[Method::Base], "heads").unwrap();
    assert_eq!(server.chats() - before, 3, "the prompt of this id is another one now");
}

#[test]
fn without_rewards_the_rest_is_measured() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::with(false, usize::MAX));
    let summary = evaluate(folder.path(), &server).unwrap();
    assert_eq!(summary.about.notes, ["The server has no /v1/rewards: perplexity is not measured."]);
    assert!(summary.fluency.iter().all(|row| row.perplexity.is_none() && row.distinct_3.is_some()));
    assert!(summary.findings.iter().all(|finding| !finding.check.contains("perplexity")));
}

#[test]
fn dimensions_that_are_not_there_are_named() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    let connection = Server::connect(server.url(), None, 4).unwrap();
    let mut run = open(folder.path(), plan(&["concize"])).unwrap();
    let error = run.ask(&connection, &METHODS, "heads").unwrap_err().to_string();
    assert!(error.contains("[concise, cheerful, humor]"), "{error}");
    let mut run = open(folder.path(), plan(&["concise", "simple"])).unwrap();
    run.ask(&connection, &METHODS, "heads").unwrap();
    assert_eq!(run.notes(), ["The reward model of `pad` does not have: simple."]);
    let error = Server::connect("localhost:8080", None, 1).unwrap_err().to_string();
    assert!(error.contains("begins with http://"), "{error}");
}

#[test]
fn a_scorer_that_fails_ends_the_evaluation_and_is_named() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    let mut run = open(folder.path(), plan(&["concise"])).unwrap();
    run.ask(&Server::connect(server.url(), None, 4).unwrap(), &METHODS, "heads").unwrap();
    for (command, said) in [("cat >&2; exit 1", "failed (exit status: 1)"), ("cat", "that is no score")] {
        let error = Sheet::score(&run, &[Scorer::new(command)]).unwrap_err().to_string();
        assert!(error.contains(&format!("the scorer `{command}`")) && error.contains(said), "{error}");
    }
}

#[test]
fn held_out_pairs_are_told_apart_by_their_rewards() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    let pair = |chosen: &str, dimension: &str| {
        let prompt = r#"[{"role": "user", "content": "Why?"}]"#;
        format!(
            r#"{{"prompt": {prompt}, "chosen": "{chosen}", "rejected": "one two three", "dimension": "{dimension}"}}"#
        )
    };
    let lines = [
        pair("one", "concise"),
        pair("one two", "concise"),
        pair("one two three", "concise"),
        pair("one", "concise"),
        pair("one", "simple"),
    ];
    let path = folder.path().join("held.jsonl");
    std::fs::write(&path, lines.join("\n")).unwrap();
    let pairs = read_pairs(&path).unwrap();
    let connection = Server::connect(server.url(), None, 4).unwrap();
    let judge = || {
        let mut run = open(folder.path(), plan(&["concise"])).unwrap();
        run.ask(&connection, &METHODS, "heads").unwrap();
        run.judge(&connection, &Method::Pad(None), &pairs).unwrap();
        let sheet = Sheet::score(&run, &[]).unwrap();
        Summary::of(&run, &sheet, &[])
    };
    let before = {
        judge();
        server.judged()
    };
    let summary = judge();
    assert_eq!(server.judged(), before, "nothing is judged twice");
    assert_eq!(summary.accuracies.len(), 1, "the reward model does not know `simple`");
    let right = summary.accuracies[0].right;
    // A tie is not told apart.
    assert_eq!((right.value, right.count), (0.75, 4));
    assert!((right.low - 0.3006).abs() < 1e-3 && (right.high - 0.9544).abs() < 1e-3, "{right:?}");
    assert!(summary.html().contains("Held-out pairs") && summary.text().contains("told apart"));
}
