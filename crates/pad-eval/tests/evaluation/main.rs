//! Whole evaluations against a server that steers by rule.

mod server;

use std::path::Path;

use pad_client::Message;
use pad_eval::{
    Choice, Decoding, EvalError, Judge, Method, OtherRun, Plan, Prompt, Run, Scales, Scorer, Server, Sheet, Summary,
    Terms, judged, read_pairs,
};

use server::FakeServer;

/// Counts happy words; what a real scorer would call sentiment.
const HAPPY: &str = r#"vader=sed 's/.*"id":"\([^"]*\)".*"answer":"\([^"]*\)".*/\1\t\2/' | awk -F'\t' '{ n = gsub(/happy/, "", $2); printf "{\"id\": \"%s\", \"score\": %d}\n", $1, n }'"#;

fn prompts() -> Vec<Prompt> {
    let texts =
        ["Why is the sky blue?", "<script>alert('no')</script>", "Tell me more.", "How are you?", "What is tea?"];
    let prompt = |(number, text): (usize, &&str)| Prompt {
        id: format!("p{number}"),
        messages: vec![Message::user(*text)],
        harmful: false,
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
            mixtures: Vec::new(),
        },
        decodings: vec![Decoding::Seed(1), Decoding::Seed(2), Decoding::Greedy],
        terms: Terms { temperature: 0.7, max_tokens: 32 },
        likelihoods: true,
        threads: 4,
    }
}

fn open(folder: &Path, plan: Plan) -> Result<Run, EvalError> {
    Run::open(folder, plan, Scales::shipped().unwrap())
}

fn methods(names: &[&str]) -> Vec<Method> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

/// The arms of most tests.
fn arms() -> Vec<Method> {
    methods(&["base", "told:system", "pad"])
}

/// Everything, from the first question to the summary.
fn evaluate(folder: &Path, server: &FakeServer) -> Result<Summary, EvalError> {
    let mut run = open(folder, plan(&["concise", "cheerful"]))?;
    let connection = Server::connect(server.url(), None, 4)?;
    run.ask(&connection, &arms(), "heads")?;
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
    // For each prompt, three answers: base 1, told 5 (two dimensions, more and less, and both), pad 6 and 4 of both together.
    assert_eq!((summary.about.answers, server.chats()), (5 * 3 * 16, 5 * 3 * 16));
    for finding in &summary.findings {
        // Of what is told, the server heeds half; no scorer says what is found.
        assert!(finding.holds || finding.check.contains("told:system"), "{finding:?}");
    }
    assert_eq!(summary.findings.len(), 11, "{:#?}", summary.findings);
    let concise = summary.doses.iter().find(|dose| dose.dimension == "concise").unwrap();
    let line = concise.lines.iter().find(|line| line.method == Method::pad()).unwrap();
    let changes: Vec<f64> = line.points.iter().filter_map(|point| Some(point.change?.value)).collect();
    assert_eq!(changes, [-5.0, 5.0, 10.0], "fewer words are more concise");
    assert_eq!(line.correlation.map(|found| found.value), Some(1.0), "each prompt follows the weight");
    let at_one = summary.fluency.iter().find(|row| row.preference.to_string() == "concise=1").unwrap();
    assert!((at_one.perplexity.unwrap().value - 2f64.exp()).abs() < 1e-9, "two nats a word");
    assert!((at_one.perplexity_ratio.unwrap().value - 1.0).abs() < 1e-9);

    let text = summary.text();
    for piece in ["concise (words)", "pad +2", "ok  pad: the score rises", "dimensions at +1 together all move"] {
        assert!(text.contains(piece), "{piece} in\n{text}");
    }
    let report = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for piece in [
        "Checks",
        "Dose and response",
        "Method against dimension",
        "Side effects",
        "Trade-off",
        "Content",
        "Several dimensions at once",
        "Cost",
        "Fluency",
        "Answers side by side",
        "<svg",
        "told:system +1",
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
fn without_perplexity_no_answer_is_read_again() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    let mut run = open(folder.path(), Plan { likelihoods: false, ..plan(&["concise"]) }).unwrap();
    run.ask(&Server::connect(server.url(), None, 4).unwrap(), &arms(), "heads").unwrap();
    let scorers = [Scorer::new(HAPPY)];
    let sheet = Sheet::score(&run, &scorers).unwrap();
    let summary = Summary::of(&run, &sheet, &scorers);
    assert_eq!(server.judged(), 0);
    assert!(summary.fluency.iter().all(|row| row.perplexity.is_none() && row.distinct_3.is_some()));
    assert!(summary.findings.iter().any(|finding| finding.check.contains("the score rises")));
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
    let error = run.ask(&connection, &arms(), "heads, trained again").unwrap_err().to_string();
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
    let error = run.ask(&connection, &arms(), "heads").unwrap_err().to_string();
    assert!(error.contains("[concise, cheerful, humor]"), "{error}");
    let mut run = open(folder.path(), plan(&["concise", "simple"])).unwrap();
    run.ask(&connection, &arms(), "heads").unwrap();
    assert_eq!(run.notes(), ["The reward model of `pad` does not have: simple."]);
    let error = Server::connect("localhost:8080", None, 1).unwrap_err().to_string();
    assert!(error.contains("must begin with http://"), "{error}");
}

#[test]
fn a_scorer_that_fails_ends_the_evaluation_and_is_named() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    let mut run = open(folder.path(), plan(&["concise"])).unwrap();
    run.ask(&Server::connect(server.url(), None, 4).unwrap(), &arms(), "heads").unwrap();
    for (command, said) in [("cat >&2; exit 1", "failed (exit status: 1)"), ("cat", "no valid score")] {
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
        run.ask(&connection, &arms(), "heads").unwrap();
        run.judge(&connection, &Method::pad(), &pairs).unwrap();
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
    // It prefers the shorter answer, and so does a rule that needs no reward model.
    let (rule, rate) = summary.accuracies[0].best_rule().unwrap();
    assert!(
        rate.value == 0.75 && ["the shorter answer", "the more probable answer"].contains(&rule.as_str()),
        "{rule}"
    );
    assert_eq!(summary.accuracies[0].rules.len(), 4);
    let right = summary.accuracies[0].right;
    // A tie is not told apart.
    assert_eq!((right.value, right.count), (0.75, 4));
    assert!((right.low - 0.3006).abs() < 1e-3 && (right.high - 0.9544).abs() < 1e-3, "{right:?}");
    assert!(summary.html().contains("Held-out pairs") && summary.text().contains("told apart"));
}

/// Says of each answer that its question is found, but for steered ones of the greatest weight, and how happy it is.
const FOUND: &str = r#"sed 's/.*"id":"\([^"]*\)".*"answer":"\([^"]*\)".*/\1\t\2/' | awk -F'\t' '{ n = gsub(/happy/, "", $2); lost = ($1 ~ /=2 \|/); printf "{\"id\": \"%s\", \"scores\": {\"vader\": %d, \"found\": %d, \"relevance\": 0.5}}\n", $1, n, !lost }'"#;

#[test]
fn arms_and_sweeps_are_compared_by_style_and_content() {
    let (folder, server) = (tempfile::tempdir().unwrap(), FakeServer::start());
    let mut plan = plan(&["concise", "cheerful"]);
    plan.prompts[4].harmful = true;
    plan.decodings = vec![Decoding::Seed(1)];
    plan.choice = Choice::Grid {
        dimensions: ["concise", "cheerful"].map(str::to_owned).to_vec(),
        weights: vec![-1.0, 1.0, 2.0],
        fronts: Some(Vec::new()),
        mixtures: vec![["concise", "cheerful"].map(str::to_owned).to_vec()],
    };
    let mut run = open(folder.path(), plan).unwrap();
    let names = ["base", "told:user", "examples", "told:user+pad", "pad", "pad@beta=0.5,k=20"];
    let connection = Server::connect(server.url(), None, 4).unwrap();
    run.ask(&connection, &methods(&names), "heads").unwrap();
    let heard = server.heard();
    assert!(heard.iter().any(|body| body["pad"] == serde_json::json!({"beta": 0.5, "top_k": 20})));
    assert!(heard.iter().any(|body| body["messages"].as_array().unwrap().len() == 7), "three examples, and the prompt");
    let told = |body: &serde_json::Value| body["messages"][0]["content"].as_str().unwrap().starts_with("Answer in one");
    assert!(heard.iter().any(|body| told(body) && body["preference"]["concise"] == 2.0), "steered on top of the words");
    assert!(heard.iter().any(|body| told(body) && body["preference"] == serde_json::json!({})), "told only");

    let scorers = [Scorer::new(FOUND)];
    let sheet = Sheet::score(&run, &scorers).unwrap();
    let judge = Judge::new(r#"sed 's/.*"id":"\([^"]*\)".*"one":"\([^"]*\)","other":"\([^"]*\)".*/\1\t\2\t\3/' | awk -F'\t' '{ w = (length($2) < length($3)) ? "one" : "other"; printf "{\"id\": \"%s\", \"winner\": \"%s\"}\n", $1, w }'"#, None, 1).unwrap();
    let verdicts = judged(&run, &sheet, &judge, 1).unwrap();
    let summary = Summary::of(&run, &sheet, &scorers).with_verdicts(&verdicts);
    summary.write(folder.path(), &sheet).unwrap();

    let outcome = |method: &str, preference: &str| {
        let of =
            |row: &&pad_eval::Outcome| row.method.to_string() == method && row.preference.to_string() == preference;
        summary.outcomes.iter().find(of).unwrap_or_else(|| panic!("{method} {preference}"))
    };
    let found = |method: &str, preference: &str| outcome(method, preference).found.map(|found| found.value);
    assert_eq!(
        (found("pad", "concise=1"), found("pad", "concise=2"), found("base", "none")),
        (Some(1.0), Some(0.0), Some(1.0))
    );
    let (half, whole) = (outcome("pad@beta=0.5,k=20", "concise=2"), outcome("pad", "concise=2"));
    assert!(half.size.unwrap() > 0.0 && half.size < whole.size, "half the strength goes half as far");
    assert!(outcome("told:user+pad", "concise=1").size > outcome("told:user", "concise=1").size);
    assert_eq!(
        outcome("pad", "concise=1").over_refusal.map(|e| (e.value, e.count)),
        Some((0.0, 4)),
        "four are harmless"
    );
    assert_eq!(outcome("pad", "concise=1").refusal.map(|e| e.count), Some(1));
    let mixture = summary.mixtures.iter().find(|mixture| mixture.method == Method::pad()).unwrap();
    assert_eq!((mixture.all_move.value, mixture.changes.len()), (1.0, 2));
    let holds = |check: &str| {
        let of = |finding: &&pad_eval::Finding| finding.method == Method::pad() && finding.check.starts_with(check);
        summary.findings.iter().find(of).map(|finding| finding.holds)
    };
    assert_eq!((holds("at +1 at most 3 % lose"), holds("at +2 at most 8 % lose")), (Some(true), Some(false)));
    assert_eq!(
        (holds("+2 goes further than told:user"), holds("weight and score correlate")),
        (Some(true), Some(true))
    );
    let win = |against: &str, preference: &str| {
        let of = |win: &&pad_eval::WinRate| {
            win.method == Method::pad()
                && win.against.to_string() == against
                && win.preference.to_string() == preference
        };
        summary.wins.iter().find(of).map(|win| win.rate.value)
    };
    assert_eq!(
        (win("base", "concise=2"), win("told:user", "concise=2"), win("base", "cheerful=1")),
        (Some(1.0), Some(1.0), Some(0.0))
    );
    assert!(summary.costs.iter().all(|cost| cost.ms_per_token.is_some_and(|pace| pace.value > 0.0)));
    let again = Judge::new("exit 7", None, 1);
    assert!(again.is_ok_and(|judge| judged(&run, &sheet, &judge, 1).is_err()), "another judge judges anew");
    assert_eq!(judged(&run, &sheet, &judge, 1).unwrap(), verdicts);

    let report = std::fs::read_to_string(folder.path().join("report.html")).unwrap();
    for piece in ["Style against content", "Win rates", "pad@beta=0.5,k=20", "told:user+pad", "found against change"] {
        assert!(report.contains(piece), "{piece}");
    }
    let other = OtherRun::read(folder.path()).unwrap();
    assert_eq!((other.model.as_str(), other.outcomes.len()), ("tiny", summary.outcomes.len()));
    let mut bigger = other.clone();
    bigger.model = "bigger".to_owned();
    bigger.outcomes.iter_mut().for_each(|outcome| outcome.model = "bigger".to_owned());
    let both = Summary::of(&run, &sheet, &scorers).beside(vec![bigger]);
    assert!(both.html().contains("Other models") && both.text().contains("bigger"), "{}", both.text());
}
