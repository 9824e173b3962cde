//! From prompts to files of pairs, over HTTP to a made-up model.

mod fake;

use std::path::Path;
use std::sync::atomic::Ordering;

use fake::{Fake, Said};
use pad_client::Client;
use pad_pairs::{
    Length, Output, Outputs, Pair, PairsError, Place, Plan, Prompt, Questions, Rules, Scorer, Tally, Told, make_pairs,
    own_prompts,
};
use serde_json::Value;

const BRIEF: &str = "Use very few words, please.";
const LONG: &str = "Use a great many words, please.";

fn told(instruction: &str) -> Told {
    Told { instruction: Some(instruction.to_owned()), place: Place::System }
}

fn plan() -> Plan {
    Plan {
        dimension: "concise".to_owned(),
        source: "made up".to_owned(),
        chosen: told(BRIEF),
        rejected: told(LONG),
        plain_share: 0.0,
        samples: 1,
        max_tokens: 8,
        temperature: 1.0,
        top_p: 0.9,
        seed: 1,
        in_flight: 4,
        scorer: None,
        rules: Rules { length: Length::Shorter(1.5), margin: 0.0, chosen_complete: true, pairs: 1 },
        enough: None,
        held_out_share: 0.0,
    }
}

fn prompts(count: usize) -> Vec<Prompt> {
    (0..count).map(|number| Prompt::question(&format!("What is number {number}?"))).collect()
}

/// What the model was told, and asked.
fn heard(body: &Value) -> (Option<&str>, &str) {
    let messages = body["messages"].as_array().unwrap();
    let told = messages.iter().find(|message| message["role"] == "system");
    (told.and_then(|told| told["content"].as_str()), messages.last().unwrap()["content"].as_str().unwrap())
}

/// A model that does as it is told.
#[expect(clippy::unnecessary_wraps, reason = "a server may refuse")]
fn obedient(body: &Value) -> Result<Vec<Said>, (u16, &'static str)> {
    let (told, asked) = heard(body);
    let text = match told {
        Some(BRIEF) => format!(" Short: {asked}\n"),
        Some(_) => format!("At great length I say of {asked} that it is a thing of its own kind"),
        None => format!("A plain and not quite so short answer to {asked} is this"),
    };
    Ok(vec![(text, told == Some(BRIEF))])
}

fn outputs(folder: &Path) -> Outputs {
    Outputs { training: Output::open(&folder.join("train.jsonl")).unwrap(), held_out: None }
}

fn lines(path: &Path) -> Vec<Pair> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn make(plan: &Plan, client: &Client, prompts: &[Prompt], folder: &Path) -> Result<Tally, PairsError> {
    make_pairs(plan, client, prompts, &mut outputs(folder), |_| ())
}

#[test]
fn what_was_told_is_paired_and_not_recorded() {
    let fake = Fake::start(obedient);
    let folder = tempfile::tempdir().unwrap();
    let tally = make(&plan(), &fake.client(), &prompts(40), folder.path()).unwrap();
    assert_eq!((tally.pairs, tally.answers, tally.unpaired, fake.asked()), (40, 80, 0, 80));
    let pairs = lines(&folder.path().join("train.jsonl"));
    assert_eq!(pairs.len(), 40);
    let first = &pairs[0];
    assert_eq!(first.prompt, prompts(1)[0].messages);
    assert_eq!(first.chosen, "Short: What is number 0?");
    assert!(first.rejected.starts_with("At great length"), "{}", first.rejected);
    assert_eq!((first.chosen_complete, first.rejected_complete, first.dimension.as_str()), (true, false, "concise"));
}

#[test]
fn a_share_of_the_worse_answers_is_told_nothing() {
    let fake = Fake::start(obedient);
    let folder = tempfile::tempdir().unwrap();
    let half = Plan { plain_share: 0.5, ..plan() };
    make(&half, &fake.client(), &prompts(200), folder.path()).unwrap();
    let pairs = lines(&folder.path().join("train.jsonl"));
    let plain = pairs.iter().filter(|pair| pair.rejected.starts_with("A plain")).count();
    assert!((60..140).contains(&plain), "{plain} of {}", pairs.len());
}

#[test]
fn a_run_that_was_broken_off_goes_on_to_the_same_pairs() {
    let fake = Fake::start(|body| {
        let seed = body["seed"].as_u64().unwrap();
        obedient(body).map(|said| said.into_iter().map(|(text, whole)| (format!("{text} {seed}"), whole)).collect())
    });
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let loose = Plan { rules: Rules { length: Length::Any, ..plan().rules }, ..plan() };
    make(&loose, &fake.client(), &prompts(30), whole.path()).unwrap();
    make(&loose, &fake.client(), &prompts(11), parts.path()).unwrap();
    let before = fake.asked();
    let tally = make(&loose, &fake.client(), &prompts(30), parts.path()).unwrap();
    assert_eq!((tally.skipped, tally.asked, fake.asked() - before), (11, 19, 38), "what is there is not asked again");
    let name = "train.jsonl";
    assert_eq!(lines(&whole.path().join(name)), lines(&parts.path().join(name)));
}

#[test]
fn prompts_are_held_out_whole_and_enough_is_enough() {
    let fake = Fake::start(obedient);
    let folder = tempfile::tempdir().unwrap();
    let held_out = folder.path().join("heldout.jsonl");
    let mut outputs = Outputs { held_out: Some(Output::open(&held_out).unwrap()), ..outputs(folder.path()) };
    let split = Plan { held_out_share: 0.25, enough: Some(50), ..plan() };
    let tally = make_pairs(&split, &fake.client(), &prompts(400), &mut outputs, |_| ()).unwrap();
    let (training, held_out) = (lines(&folder.path().join("train.jsonl")), lines(&held_out));
    assert_eq!((tally.pairs, training.len(), tally.held_out), (50, 50, held_out.len()));
    assert!((5..40).contains(&held_out.len()), "{}", held_out.len());
    assert!(tally.asked < 120, "{} prompts were asked", tally.asked);
    assert!(held_out.iter().all(|out| training.iter().all(|pair| pair.prompt_id != out.prompt_id)));
}

#[test]
fn flawed_answers_are_counted_and_left_out() {
    let fake = Fake::start(|body| {
        let (told, asked) = heard(body);
        let text = match (told, &asked[15..]) {
            (Some(BRIEF), "0?") => String::new(),
            (Some(BRIEF), "1?") => "no no no no no no no no no no no no".to_owned(),
            (Some(BRIEF), "2?") => "I use very few words here".to_owned(),
            (Some(BRIEF), _) => "same words".to_owned(),
            _ => "Same words!".to_owned(),
        };
        Ok(vec![(text, true)])
    });
    let folder = tempfile::tempdir().unwrap();
    let any = Plan { rules: Rules { length: Length::Any, ..plan().rules }, ..plan() };
    let tally = make(&any, &fake.client(), &prompts(4), folder.path()).unwrap();
    assert_eq!((tally.empty, tally.repetitive, tally.leaking, tally.unpaired, tally.pairs), (1, 1, 1, 4, 0));
}

/// Four answers, of which the longest is the best by `LENGTH`.
fn sampled() -> Fake {
    Fake::start(|body| {
        let (told, _) = heard(body);
        assert_eq!((told, body["n"].as_u64()), (None, Some(4)));
        let texts = ["one", "one two", "one two three", "one two three four"];
        Ok(texts.map(|text| (text.to_owned(), true)).to_vec())
    })
}

const LENGTH: &str = r#"sed -E 's/.*"id":"([0-9]+)".*"answer":"(.*)"\}/\1 \2/' | awk '{print "{\"id\": \"" $1 "\", \"score\": " NF-1 "}"}'"#;

fn best_of(command: &str) -> Plan {
    let rules = Rules { length: Length::Any, margin: 0.0, chosen_complete: false, pairs: 1 };
    let scorer = Some(Scorer::new(command, None));
    Plan { chosen: Told::default(), rejected: Told::default(), samples: 4, scorer, rules, ..plan() }
}

#[test]
fn a_scorer_pairs_best_with_worst() {
    let fake = sampled();
    let folder = tempfile::tempdir().unwrap();
    let tally = make(&best_of(LENGTH), &fake.client(), &prompts(3), folder.path()).unwrap();
    assert_eq!((tally.pairs, fake.asked()), (3, 3), "one request a prompt");
    let pair = &lines(&folder.path().join("train.jsonl"))[2];
    assert_eq!((pair.chosen.as_str(), pair.rejected.as_str()), ("one two three four", "one"));

    let folder = tempfile::tempdir().unwrap();
    let mut matched = best_of(LENGTH);
    matched.rules.length = Length::Matched(1.34);
    make(&matched, &fake.client(), &prompts(1), folder.path()).unwrap();
    let pair = &lines(&folder.path().join("train.jsonl"))[0];
    assert_eq!((pair.chosen.as_str(), pair.rejected.as_str()), ("one two three four", "one two three"));
}

#[test]
fn what_goes_wrong_is_named_and_what_was_made_stays() {
    let folder = tempfile::tempdir().unwrap();
    let broken = make(&best_of("echo nonsense"), &sampled().client(), &prompts(1), folder.path()).unwrap_err();
    assert!(broken.to_string().contains("`echo nonsense`, line 1 of its output"), "{broken}");
    let refusing = Fake::start(|body| match heard(body).1 {
        "What is number 20?" => Err((429, "too many requests")),
        _ => obedient(body),
    });
    let refused = make(&plan(), &refusing.client(), &prompts(40), folder.path()).unwrap_err().to_string();
    assert!(refused.contains("/v1/chat/completions: status 429") && refused.contains("too many"), "{refused}");
    assert_eq!(lines(&folder.path().join("train.jsonl")).len(), 20, "all pairs before it were written");
}

#[test]
fn plans_that_make_no_pairs_are_refused() {
    let same = Plan { rejected: told(BRIEF), ..plan() };
    let alone = Plan { samples: 1, ..best_of("cat") };
    let narrow = Plan { rules: Rules { length: Length::Matched(0.5), ..plan().rules }, ..plan() };
    for (plan, name) in [(same, "the worse side"), (alone, "the worse side"), (narrow, "the ratio of lengths")] {
        let message = plan.check().unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    }
    assert!(plan().check().is_ok() && best_of("cat").check().is_ok());
}

#[test]
fn the_model_asks_half_of_its_own_prompts() {
    let fake = Fake::start(|body| {
        let about = heard(body).1.to_owned();
        Ok(vec![(format!("What would a child say of {about} today?"), true)])
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("questions.jsonl");
    let own = |count| own_prompts(&fake.client(), count, 4, &mut Questions::open(&path, 3).unwrap());
    let made = own(200).unwrap();
    let asked = made.iter().filter(|prompt| prompt.last().starts_with("What would a child say")).count();
    assert!((60..140).contains(&asked) && made.len() > 150, "{asked} of {}", made.len());
    let before = fake.asked();
    assert_eq!(made, own(200).unwrap());
    assert_eq!(fake.asked(), before, "no question is asked for twice");
    assert!(own(100_000).is_err());
}

#[test]
fn questions_outlive_a_run_that_breaks_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("questions.jsonl");
    let answer = |body: &Value| Ok(vec![(format!("What would a child say of {} today?", heard(body).1), true)]);
    let patience = std::sync::atomic::AtomicUsize::new(20);
    let weak = Fake::start(move |body| {
        let left = patience.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| (500, "out of memory")).and_then(|_| answer(body))
    });
    own_prompts(&weak.client(), 200, 1, &mut Questions::open(&path, 3).unwrap()).unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 20, "each is written as it comes");
    let strong = Fake::start(answer);
    let resumed = own_prompts(&strong.client(), 200, 4, &mut Questions::open(&path, 3).unwrap()).unwrap();
    let (asked, other) = (strong.asked(), folder.path().join("other.jsonl"));
    let whole = own_prompts(&strong.client(), 200, 4, &mut Questions::open(&other, 3).unwrap()).unwrap();
    assert_eq!(resumed, whole);
    assert_eq!(strong.asked() - asked, asked + 20, "those that were there were not asked for again");
}

#[test]
fn pairs_are_written_while_later_prompts_are_asked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("train.jsonl");
    let written = path.clone();
    // The answer to prompt 8 waits until the pairs of prompt 0 are in the file; there are four requests at once, so one round
    // of four for each would be 16 prompts.
    let fake = Fake::start(move |body| {
        if heard(body).1 == "What is number 8?" {
            let deadline = std::time::Instant::now() + std::time::Duration::from_mins(1);
            while std::fs::read_to_string(&written).unwrap().is_empty() {
                if std::time::Instant::now() > deadline {
                    return Err((500, "nothing was written"));
                }
                std::thread::yield_now();
            }
        }
        obedient(body)
    });
    let tally = make(&plan(), &fake.client(), &prompts(16), folder.path()).unwrap();
    assert_eq!((tally.pairs, lines(&path).len()), (16, 16));
}
