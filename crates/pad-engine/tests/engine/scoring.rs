//! Scoring given answers with the fake runner: beside sequences that decode, in chunks, from the cache.

use pad_engine::{EngineConfig, LaneSpec, Pending, ScoreRequest, Scored, Scores, Tenant};

use super::fake::{Fake, alone, collect, engine, request, settled};

fn score(prompt: &[u32], answer: &[u32]) -> ScoreRequest {
    let lanes = request(prompt, &[1.0], 1).lanes;
    ScoreRequest { lanes, answer: answer.into(), top: 2, tenant: Tenant::default() }
}

fn scores(pending: Pending<Scored>) -> Scores {
    pending.blocking_result().expect("scores").scores
}

#[test]
fn scores_depend_on_neither_company_nor_chunks_nor_cache() {
    let (prompt, answer): (Vec<u32>, Vec<u32>) = ((1..40).collect(), (50..90).collect());
    let generate = request(&prompt, &[0.5], 12);
    let want = scores(engine(Fake::new(64), EngineConfig::default()).score(&score(&prompt, &answer)).unwrap());
    assert_eq!((want.base.len(), want.rewards.len(), want.rewards[0].len()), (40, 1, 40));
    assert!(want.best.len() == 40 && want.best.iter().all(|best| best.len() == 2), "two in each place");
    for step_rows in [512, 16, 3, 1] {
        let engine = engine(Fake::new(64), EngineConfig { step_rows, ..EngineConfig::default() });
        let choice = engine.submit(generate.clone()).unwrap().remove(0);
        let beside = engine.score(&score(&prompt, &answer)).unwrap();
        assert_eq!(scores(beside), want, "{step_rows} rows a step");
        assert_eq!(collect(choice).0, alone(&generate));
        // All of the prompt's full blocks are known now, and the answer's own.
        assert_eq!(scores(engine.score(&score(&prompt, &answer)).unwrap()), want);
        // An answer that is scored in one step is never seen running.
        while engine.status().finished < 3 {
            std::thread::yield_now();
        }
        assert_eq!(settled(&engine).kv_blocks_used, 0);
    }
}

#[test]
fn a_preempted_answer_is_scored_from_the_start() {
    let (prompt, answer): (Vec<u32>, Vec<u32>) = ((1..40).collect(), (50..90).collect());
    let want = scores(engine(Fake::new(64), EngineConfig::default()).score(&score(&prompt, &answer)).unwrap());
    // The sequence grows into the room of the younger answer.
    let engine = engine(Fake::new(8), EngineConfig { step_rows: 1, ..EngineConfig::default() });
    let generate = request(&prompt[..20], &[], 100);
    let choice = engine.submit(generate.clone()).unwrap().remove(0);
    let base_only = ScoreRequest {
        lanes: vec![LaneSpec::base(prompt.as_slice().into())],
        answer: answer.as_slice().into(),
        top: 2,
        tenant: Tenant::default(),
    };
    let got = scores(engine.score(&base_only).unwrap());
    assert_eq!((got.base, got.best), (want.base, want.best));
    assert_eq!(collect(choice).0, alone(&generate));
}

#[test]
fn what_cannot_be_scored_is_refused() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    let refused = |request: &ScoreRequest| engine.score(request).unwrap_err().to_string();
    assert!(refused(&score(&[1, 2], &[])).contains("at least one token"));
    assert!(refused(&score(&[1, 2], &[5; 300])).contains("context"));
    assert!(refused(&ScoreRequest { lanes: Vec::new(), ..score(&[1, 2], &[1]) }).contains("base lane"));
    assert!(refused(&ScoreRequest { top: 101, ..score(&[1, 2], &[5]) }).contains("0 to 100"));
}

#[test]
fn tokens_of_an_answer_are_in_the_vocabulary() {
    let engine = engine(Fake::new(8).with_vocabulary(500), EngineConfig::default());
    let request = |answer: u32| ScoreRequest {
        lanes: vec![LaneSpec::base([1, 2].into())],
        answer: [3, answer].into(),
        top: 0,
        tenant: Tenant::default(),
    };
    assert!(engine.score(&request(499)).unwrap().blocking_result().is_ok());
    let refused = engine.score(&request(500)).map(|_| ()).unwrap_err();
    assert!(refused.to_string().contains("token 500"), "{refused}");
}
