//! Distillation on a tiny model: rewards of planted heads are found again, and an interruption changes nothing.

mod tiny;

use std::path::Path;
use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_model::{Dtype, KvDtype, Model, ModelOptions, Pool};
use pad_train::{
    Backbone, DistilSettings, Distilled, Distiller, Draws, Example, Head, Packed, Trace, TracedAnswer, TracedStep,
    Turn, Unembedding, Verbosity,
};

const NAMES: [&str; 2] = ["short", "long"];
const K: usize = 12;

/// A head whose rewards are a few nats at most.
fn planted(hidden: usize, seed: u64) -> Head {
    let mut draws = Draws::new(seed, 1);
    let head = Head::new(hidden, 2, &mut draws).unwrap();
    let random = |count: usize, draws: &mut Draws| (0..count).map(|_| 0.4 * draws.normal()).collect::<Vec<f32>>();
    let u = Tensor::from_vec(random(2 * hidden, &mut draws), (hidden, 2), &Device::Cpu).unwrap();
    head.u.set(&u).unwrap();
    let b = Tensor::from_vec(random(hidden, &mut draws), hidden, &Device::Cpu).unwrap();
    head.b.set(&b).unwrap();
    head
}

/// Log-probabilities of these tokens, one list for each row of `states`, `[rows, hidden]`.
fn logs(backbone: &Backbone, states: &Tensor, tokens: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let of = |rank: usize| {
        let targets: Vec<u32> = tokens.iter().map(|tokens| tokens[rank]).collect();
        let logs = backbone.vocabulary().log_probabilities(states, &targets, false).unwrap();
        logs.to_vec1::<f32>().unwrap()
    };
    let by_rank: Vec<Vec<f32>> = (0..K).map(of).collect();
    (0..tokens.len()).map(|row| by_rank.iter().map(|logs| logs[row]).collect()).collect()
}

/// The rewards of a head at these tokens, up to a constant per row.
fn rewards(backbone: &Backbone, head: &Head, states: &Tensor, tokens: &[Vec<u32>]) -> Vec<Vec<f32>> {
    let kept = Arc::new(states.flatten_all().unwrap().to_vec1().unwrap());
    let moved = head.forward(kept, backbone.pool()).unwrap().detach();
    let (told, untold) = (logs(backbone, &moved, tokens), logs(backbone, states, tokens));
    told.iter().zip(untold).map(|(a, b)| a.iter().zip(b).map(|(a, b)| a - b).collect()).collect()
}

/// The tiny model as a server loads it, in single precision, with the rows of its unembedding.
fn served(threads: usize) -> (Model, Unembedding) {
    let (dtype, pool) = (Dtype::F32, Arc::new(Pool::new(threads)));
    let options = ModelOptions { dtype, kv_dtype: KvDtype::Auto, device: Device::Cpu, pool };
    let open = || pad_model::open(&tiny::path("llama")).unwrap();
    (Model::load(open().as_mut(), &options).unwrap(), Unembedding::load(open().as_mut()).unwrap())
}

struct Material {
    prompts: Vec<Vec<u32>>,
    traces: Vec<Trace>,
}

/// Random answers whose rewards are those of planted heads; every third prompt has an odd number of answers.
fn material(backbone: &Backbone, count: usize, seed: u64) -> Material {
    let mut draws = Draws::new(seed, 9);
    let hidden = backbone.config().hidden;
    let heads: Vec<Head> = (0..2).map(|d| planted(hidden, 50 + d)).collect();
    let (mut prompts, mut traces) = (Vec::new(), Vec::new());
    for number in 0..count {
        let tokens = |least: usize, draws: &mut Draws| -> Vec<u32> {
            (0..least + draws.below(6)).map(|_| draws.below(96) as u32).collect()
        };
        let prompt = tokens(2, &mut draws);
        let answers = (0..2 + usize::from(number % 3 == 0)).map(|_| {
            let answer = tokens(3, &mut draws);
            let example = Example { prompt: prompt.clone(), answers: [answer.clone(), vec![0]], dimension: 0 };
            let packed = Packed::new(&[example], backbone.ropes());
            let x = backbone.embed(&packed.tokens).unwrap();
            let x = backbone.layers(x, &packed, 0..backbone.config().layers, None).unwrap();
            let states = backbone.read(&x, &packed).unwrap().narrow(0, 0, answer.len()).unwrap().contiguous().unwrap();
            let first = |row: usize| (row * 7 + number) % 60;
            let candidates: Vec<Vec<u32>> =
                (0..answer.len()).map(|row| (0..K).map(|c| (first(row) + 3 * c) as u32).collect()).collect();
            let base = logs(backbone, &states, &candidates);
            let by_head: Vec<Vec<Vec<f32>>> =
                heads.iter().map(|head| rewards(backbone, head, &states, &candidates)).collect();
            let step = |row: usize| TracedStep {
                candidates: candidates[row].clone(),
                base: base[row].clone(),
                rewards: by_head.iter().map(|rewards| rewards[row].clone()).collect(),
            };
            TracedAnswer { steps: (0..answer.len()).map(step).collect(), tokens: answer }
        });
        let answers = answers.collect();
        traces.push(Trace {
            prompt_id: format!("p{number}"),
            prompt: vec![Turn { role: "user".to_owned(), content: "hi".to_owned() }],
            dimensions: NAMES.map(str::to_owned).to_vec(),
            answers,
        });
        prompts.push(prompt);
    }
    Material { prompts, traces }
}

fn settings() -> DistilSettings {
    DistilSettings {
        head_rank: 4,
        epochs: 60,
        lr: 2e-2,
        batch: 100,
        weight_decay: 0.0,
        held_out_share: 0.2,
        rows: 40,
        checkpoint_steps: 0,
        ..DistilSettings::default()
    }
}

fn distiller<'a>(
    (model, unembedding): &'a (Model, Unembedding),
    material: &Material,
    settings: DistilSettings,
    threads: usize,
) -> Distiller<'a> {
    let (prompts, traces) = (material.prompts.clone(), material.traces.clone());
    Distiller::of_tokens(settings, model, unembedding, prompts, traces, threads, Verbosity::Silent).unwrap()
}

fn numbers(distilled: &Distilled) -> Vec<Vec<f32>> {
    let read = |(_, var): (String, candle_core::Var)| var.flatten_all().unwrap().to_vec1().unwrap();
    distilled.heads.iter().flat_map(|head| head.variables("x")).map(read).collect()
}

fn run(distiller: &Distiller<'_>, folder: &Path, resume: bool, stop: &(dyn Fn() -> bool + Sync)) -> Option<Distilled> {
    distiller.run(folder, resume, stop).unwrap()
}

#[test]
fn rewards_of_planted_heads_are_found_again() {
    let backbone = tiny::family("llama", 1);
    let material = material(&backbone, 60, 3);
    let tiny = served(2);
    let distiller = distiller(&tiny, &material, settings(), 2);
    assert_eq!(distiller.prompts(), [48, 12]);
    let folder = tempfile::tempdir().unwrap();
    let distilled = run(&distiller, &folder.path().join("checkpoint"), false, &|| false).unwrap();
    for (fidelity, strength) in distilled.fidelity.iter().zip(&distilled.strengths) {
        assert!(fidelity.variance > 0.97 && fidelity.correlation > 0.98, "{fidelity:?}");
        assert!((1.0..1.1).contains(strength), "what is told whole is not amplified: {strength}");
    }
    // The heads work on hidden states as the server has them, not as the fit saw them.
    let (states, candidates) = {
        let example = Example { prompt: vec![5, 6, 7], answers: [vec![8, 9, 10], vec![0]], dimension: 0 };
        let packed = Packed::new(&[example], backbone.ropes());
        let x = backbone.embed(&packed.tokens).unwrap();
        let x = backbone.layers(x, &packed, 0..3, None).unwrap();
        (
            backbone.read(&x, &packed).unwrap().narrow(0, 0, 3).unwrap().contiguous().unwrap(),
            vec![(0..K as u32).collect(); 3],
        )
    };
    for (d, head) in distilled.heads.iter().enumerate() {
        let want = rewards(&backbone, &planted(backbone.config().hidden, 50 + d as u64), &states, &candidates);
        let got = rewards(&backbone, head, &states, &candidates);
        for (want, got) in want.iter().zip(&got) {
            let centred = |values: &[f32]| {
                let mean = values.iter().sum::<f32>() / values.len() as f32;
                values.iter().map(|value| value - mean).collect::<Vec<f32>>()
            };
            let (want, got) = (centred(want), centred(got));
            let size = |values: &[f32]| values.iter().map(|v| v * v).sum::<f32>().sqrt();
            let error: Vec<f32> = want.iter().zip(&got).map(|(a, b)| a - b).collect();
            assert!(size(&error) < 0.4 * size(&want), "{d}: {want:?} {got:?}");
        }
    }
}

#[test]
fn stopping_and_going_on_changes_nothing() {
    let backbone = tiny::family("llama", 1);
    let material = material(&backbone, 20, 4);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let settings = || DistilSettings { epochs: 6, checkpoint_steps: 4, ..settings() };
    let (both, alone) = (served(2), served(1));
    let whole = run(&distiller(&both, &material, settings(), 2), &folder.path().join("other"), false, &|| false);
    let (mut resume, mut endings) = (false, 0);
    let last = loop {
        // A new process each time, which stops at the first step after a checkpoint has been written.
        let state = || std::fs::read_to_string(checkpoint.join("state.json")).unwrap_or_default();
        let before = state();
        let written = || state() != before;
        if let Some(distilled) = run(&distiller(&alone, &material, settings(), 1), &checkpoint, resume, &written) {
            break distilled;
        }
        (resume, endings) = (true, endings + 1);
    };
    assert!(endings >= 2, "only {endings} interruptions");
    assert!(numbers(&whole.unwrap()) == numbers(&last), "neither the interruptions nor the threads change a number");
}

#[test]
fn another_distillations_checkpoint_is_refused() {
    let backbone = tiny::family("llama", 1);
    let material = material(&backbone, 20, 4);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let settings = || DistilSettings { checkpoint_steps: 2, ..settings() };
    let tiny = served(1);
    let first = distiller(&tiny, &material, settings(), 1);
    assert!(run(&first, &checkpoint, false, &|| checkpoint.exists()).is_none());
    let other = distiller(&tiny, &material, DistilSettings { lr: 1e-3, ..settings() }, 1);
    let error = other.run(&checkpoint, true, &|| false).unwrap_err().to_string();
    assert!(error.contains("other settings"), "{error}");
}

#[test]
fn what_cannot_be_distilled_is_refused_by_name() {
    let backbone = tiny::family("llama", 1);
    let (model, unembedding) = served(1);
    let good = material(&backbone, 4, 5);
    let refused = |material: &Material, settings: DistilSettings| {
        let (prompts, traces) = (material.prompts.clone(), material.traces.clone());
        let made = Distiller::of_tokens(settings, &model, &unembedding, prompts, traces, 1, Verbosity::Silent);
        made.unwrap_err().to_string()
    };
    assert!(refused(&good, DistilSettings { epochs: 0, ..settings() }).contains("epochs: 0"));
    assert!(refused(&good, DistilSettings { held_out_share: 1.0, ..settings() }).contains("held_out_share: 1"));
    assert!(refused(&Material { prompts: vec![], traces: vec![] }, settings()).contains("no token"));
    let mut foreign = material(&backbone, 4, 5);
    foreign.traces[2].answers[0].steps[1].candidates[3] = 96;
    assert!(refused(&foreign, settings()).contains("token 96"));
    let mut long = material(&backbone, 4, 5);
    long.prompts[1] = vec![7; 127];
    assert!(refused(&long, settings()).contains("prompt p1 has 127 tokens"));
}

#[test]
fn a_file_of_traces_is_read_or_its_line_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("traces.jsonl");
    let line = |names: &str, base: &str| {
        format!(
            r#"{{"prompt_id": "a", "prompt": [{{"role": "user", "content": "hi"}}], "dimensions": [{names}], "answers": [{{"weights": {{}}, "tokens": [7],
            "steps": [{{"candidates": [7, 8], "base": [{base}], "rewards": [[0.5, -1.0]]}}]}}]}}"#
        )
        .replace('\n', " ")
    };
    let read = |text: &str| {
        std::fs::write(&path, text).unwrap();
        pad_train::read_traces(&path).map_err(|error| error.to_string())
    };
    let good = line("\"x\"", "-0.1, -2.0");
    let traces = read(&format!("{good}\n\n{good}\n")).unwrap();
    assert_eq!((traces.len(), traces[1].answers[0].steps[0].rewards[0][1]), (2, -1.0));
    for (bad, message) in [
        (line("\"y\"", "-0.1, -2.0"), "line 2: dimensions: y; the lines before have x"),
        (line("\"x\"", "-0.1"), "line 2: steps: 2 candidates"),
        (good.replace("[7, 8]", "[7, \"8\"]"), "line 2: answers[0].steps[0].candidates[1]"),
        (good.replace("\"tokens\": [7]", "\"tokens\": [7, 8]"), "line 2: answers: 2 tokens with 1 steps"),
    ] {
        let error = read(&format!("{good}\n{bad}\n")).unwrap_err();
        assert!(error.contains(message), "{error}");
    }
}
