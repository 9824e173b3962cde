//! Whole trainings of a tiny model on made-up pairs: what it learns, and that an interruption changes nothing.

mod tiny;

use std::path::Path;

use pad_train::{Backbone, Corpus, Draws, Ending, Example, Plan, Settings, Trainer, Verbosity};

/// Two dimensions: answers with even tokens over answers with odd ones, and with low tokens over high ones.
fn corpus(pairs: usize, seed: u64) -> Corpus {
    let mut draws = Draws::new(seed, 7);
    let mut example = |dimension: usize| {
        let mut answer = |good: bool| -> Vec<u32> {
            let length = 3 + draws.below(6);
            let other = |draws: &mut Draws| draws.below(12) as u32;
            (0..length)
                .map(|_| match (dimension, good) {
                    (0, _) => 10 + 2 * other(&mut draws) + u32::from(!good),
                    (_, true) => 10 + other(&mut draws),
                    (_, false) => 50 + other(&mut draws),
                })
                .collect()
        };
        let answers = [answer(true), answer(false)];
        let prompt = (0..2 + draws.below(5)).map(|_| draws.below(90) as u32).collect();
        Example { prompt, answers, dimension }
    };
    Corpus { examples: (0..pairs).map(|i| example(i % 2)).collect(), ..Corpus::default() }
}

fn settings() -> Settings {
    Settings {
        rank: 4,
        head_rank: 4,
        epochs: 2,
        stage2_epochs: 6,
        lr: 1e-2,
        stage2_lr: 2e-2,
        batch: 8,
        rows: 40,
        first_layer: Some(1),
        max_tokens: 64,
        ..Settings::default()
    }
}

fn trainer(backbone: &Backbone, settings: Settings) -> Trainer<'_> {
    on_threads(backbone, settings, 96, 2)
}

fn on_threads(backbone: &Backbone, settings: Settings, pairs: usize, threads: usize) -> Trainer<'_> {
    let names = vec!["even".to_owned(), "low".to_owned()];
    Trainer::new(settings, backbone, names, corpus(pairs, 1), threads, Verbosity::Silent).unwrap()
}

fn values(trainer: &Trainer) -> Vec<(String, Vec<f32>)> {
    let read = |var: &candle_core::Var| var.flatten_all().unwrap().to_vec1().unwrap();
    trainer.variables().iter().map(|(name, var)| (name.clone(), read(var))).collect()
}

fn run(trainer: &Trainer, folder: &Path, resume: bool, stop: &(dyn Fn() -> bool + Sync)) -> Ending {
    trainer.run(folder, resume, stop).unwrap()
}

#[test]
fn both_stages_learn_what_the_pairs_say() {
    let backbone = tiny::family("llama", 1);
    let folder = tempfile::tempdir().unwrap();
    let held_out = corpus(100, 2);
    for settings in [settings(), Settings { adapter: false, stage2_epochs: 12, ..settings() }] {
        let trainer = on_threads(&backbone, settings, 320, 2);
        assert_eq!(run(&trainer, &folder.path().join("checkpoint"), false, &|| false), Ending::Finished);
        let all = trainer.evaluate(&held_out, &|| false).unwrap().unwrap();
        for (name, [_, headed]) in trainer.dimensions.iter().zip(all) {
            assert_eq!(headed.pairs, 50);
            assert!(headed.share() >= 0.95, "{name}: {headed:?}, adapter {}", trainer.adapter.is_some());
        }
    }
}

#[test]
fn an_untrained_head_says_nothing() {
    let backbone = tiny::family("llama", 1);
    let trainer = trainer(&backbone, settings());
    let all = trainer.evaluate(&corpus(20, 2), &|| false).unwrap().unwrap();
    // The margins are zero, up to the rounding of kept states.
    assert!(all.iter().flatten().all(|accuracy| accuracy.pairs == 10));
}

#[test]
fn stopping_and_going_on_changes_nothing() {
    let backbone = tiny::family("llama", 1);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    // Checkpoints in between must not matter either.
    let settings = || Settings { checkpoint_steps: 5, ..settings() };
    let whole = trainer(&backbone, settings());
    assert_eq!(run(&whole, &folder.path().join("other"), false, &|| false), Ending::Finished);

    let mut endings = 0;
    let mut resume = false;
    let last = loop {
        // A new process each time, which stops at the first step after a checkpoint has been written.
        let before = std::fs::read_to_string(checkpoint.join("state.json")).unwrap_or_default();
        let written = || std::fs::read_to_string(checkpoint.join("state.json")).is_ok_and(|now| now != before);
        let part = trainer(&backbone, settings());
        if run(&part, &checkpoint, resume, &written) == Ending::Finished {
            break part;
        }
        endings += 1;
        resume = true;
    };
    assert!(endings >= 5, "only {endings} interruptions");
    assert!(values(&whole) == values(&last));
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let backbone = tiny::family("llama", 1);
    let folder = tempfile::tempdir().unwrap();
    let learnt = [1, 3].map(|threads| {
        let settings = Settings { epochs: 1, stage2_epochs: 1, ..settings() };
        let trainer = on_threads(&backbone, settings, 96, threads);
        assert_eq!(run(&trainer, &folder.path().join("checkpoint"), false, &|| false), Ending::Finished);
        values(&trainer)
    });
    assert!(learnt[0] == learnt[1]);
}

#[test]
fn another_trainings_checkpoint_is_refused() {
    let backbone = tiny::family("llama", 1);
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = folder.path().join("checkpoint");
    let first = trainer(&backbone, settings());
    let exists = || checkpoint.exists();
    assert_eq!(run(&first, &checkpoint, false, &exists), Ending::Stopped);
    let other = trainer(&backbone, Settings { lr: 1e-3, ..settings() });
    let error = other.run(&checkpoint, true, &|| false).unwrap_err().to_string();
    assert!(error.contains("different settings"), "{error}");
    let state = checkpoint.join("state.json");
    std::fs::write(&state, "{").unwrap();
    let error = other.run(&checkpoint, true, &|| false).unwrap_err().to_string();
    assert!(error.contains("state.json"), "{error}");
}

#[test]
fn a_plan_has_a_speed_for_each_stage_that_there_is() {
    let backbone = tiny::family("llama", 1);
    let plan = |adapter| Plan::measure(&trainer(&backbone, Settings { adapter, ..settings() })).unwrap().to_string();
    let (with, without) = (plan(true), plan(false));
    assert!(with.contains(" GFLOP/s), 24 steps"), "{with}");
    assert!(without.contains("stage 1         none") && !without.contains("FLOP"), "{without}");
}
