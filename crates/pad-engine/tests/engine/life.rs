//! The life of a request: refused, cancelled, failed, drained.

use std::sync::Arc;

use pad_engine::{EngineConfig, Event, FinishReason, SubmitError};

use crate::fake::{BOMB, Fake, POISON, alone, collect, engine, request, settled};

#[test]
fn a_dropped_choice_is_gone_before_the_next_step() {
    let (runner, gate) = Fake::gated(64);
    let seen = Arc::clone(&runner.seen);
    let engine = engine(runner, EngineConfig::default());
    let mut leaver = engine.submit(request(&[1; 40], &[1.0], 100)).unwrap().remove(0);
    gate.send(()).unwrap();
    assert!(matches!(leaver.blocking_next(), Some(Event::Token(_))));
    // The worker may have planned its next step already, and waits in it.
    drop(leaver);
    let stayer = engine.submit(request(&[2; 3], &[], 5)).unwrap().remove(0);
    (0..10).for_each(|_| gate.send(()).unwrap());
    assert_eq!(collect(stayer).0.len(), 5);
    let status = settled(&engine);
    assert_eq!((status.cancelled, status.finished, status.kv_blocks_used), (1, 1, 0));
    let steps_with_leaver = seen.lock().unwrap().iter().filter(|step| step.rows.len() >= 2).count();
    assert!(steps_with_leaver <= 2, "the leaver ran in {steps_with_leaver} steps");
}

#[test]
fn a_failed_step_fails_its_sequences_and_nothing_else() {
    for bad in [POISON, BOMB] {
        let engine = engine(Fake::new(64), EngineConfig::default());
        let (tokens, finish) = collect(engine.submit(request(&[1, bad, 2], &[1.0], 5)).unwrap().remove(0));
        assert!(tokens.is_empty() && finish.is_err(), "{finish:?}");
        let good = request(&[1, 2], &[1.0], 5);
        assert_eq!(collect(engine.submit(good.clone()).unwrap().remove(0)).0, alone(&good));
        let status = settled(&engine);
        assert!(status.ready);
        assert_eq!((status.failed, status.finished, status.kv_blocks_used), (1, 1, 0));
    }
}

/// A request that makes the decision panic: the fake has no sums over the vocabulary.
fn panicking() -> pad_engine::GenerateRequest {
    let mut request = request(&[1, 2], &[], 5);
    request.rule.normalisation = pad_decode::Normalisation::Vocabulary;
    request
}

#[tokio::test]
async fn a_panic_outside_the_runner_costs_what_runs_and_a_second_one_the_worker() {
    let (runner, gate) = Fake::gated(64);
    let engine = engine(runner, EngineConfig { max_sequences: 2, ..EngineConfig::default() });
    let taken: Vec<_> = [panicking(), request(&[3], &[1.0], 50), request(&[4], &[], 50)]
        .map(|request| engine.submit(request).unwrap().remove(0))
        .into();
    (0..3).for_each(|_| gate.send(()).unwrap());
    for mut choice in taken {
        let mut last = None;
        while let Some(event) = choice.next().await {
            last = Some(event);
        }
        assert!(matches!(&last, Some(Event::Failed(why)) if why.contains("start over")), "{last:?}");
    }
    (0..100).for_each(|_| gate.send(()).unwrap());
    let good = request(&[1, 2], &[1.0], 5);
    let mut choice = engine.submit(good.clone()).unwrap().remove(0);
    let mut tokens = Vec::new();
    while let Some(event) = choice.next().await {
        if let Event::Token(token) = event {
            tokens.push(token.id);
        }
    }
    assert_eq!(tokens, std::thread::spawn(move || alone(&good)).join().unwrap(), "the next one finds a clean engine");
    let status = settled(&engine);
    assert_eq!((status.ready, status.failed, status.finished, status.kv_blocks_used), (true, 3, 1, 0));

    let mut choice = engine.submit(panicking()).unwrap().remove(0);
    assert!(matches!(choice.next().await, Some(Event::Failed(_))));
    engine.stopped().await;
    assert!(!engine.status().ready);
    assert_eq!(engine.submit(request(&[1], &[], 1)).unwrap_err(), SubmitError::Dead);
    engine.idle().await;
}

#[test]
fn requests_that_never_fit_are_refused_with_the_figures() {
    let engine = engine(Fake::new(4), EngineConfig { context: 100, ..EngineConfig::default() });
    assert_eq!((engine.limits().context, engine.limits().kv_positions), (100, 64));
    let refused = |request| engine.submit(request).unwrap_err();
    assert_eq!(
        refused(request(&[1; 97], &[1.0], 1)),
        SubmitError::ContextExceeded { prompt: 100, max_tokens: 1, context: 100 }
    );
    assert_eq!(refused(request(&[1; 60], &[], 20)), SubmitError::NoKvRoom { needed: 80, total: 64 });
    assert_eq!(refused(request(&[1; 20], &[1.0, 1.0, 1.0], 9)), SubmitError::NoKvRoom { needed: 96, total: 64 });
    assert!(matches!(refused(request(&[], &[], 5)), SubmitError::Invalid(_)));
    let mut no_candidates = request(&[1], &[], 5);
    no_candidates.top_k = 0;
    assert!(matches!(refused(no_candidates), SubmitError::Invalid(_)));
    let mut dangling = request(&[1], &[1.0], 5);
    dangling.terms[0].readout = 1;
    assert!(matches!(refused(dangling), SubmitError::Invalid(_)));
    // What fits exactly runs to its end.
    assert_eq!(collect(engine.submit(request(&[1; 50], &[], 14)).unwrap().remove(0)).0.len(), 14);
}

#[test]
fn the_queue_is_bounded_at_admission() {
    let (runner, gate) = Fake::gated(64);
    let engine = engine(runner, EngineConfig { queue: 3, max_sequences: 1, ..EngineConfig::default() });
    let mut two = request(&[1, 2], &[], 2);
    two.choices = 2;
    let mut taken = engine.submit(two.clone()).unwrap();
    taken.extend(engine.submit(request(&[3], &[], 2)).unwrap());
    assert!(matches!(engine.submit(two.clone()), Err(SubmitError::QueueFull { limit: 3, .. })));
    assert!(matches!(engine.submit(request(&[1], &[], 1)), Err(SubmitError::QueueFull { .. })));
    (0..12).for_each(|_| gate.send(()).unwrap());
    for choice in taken {
        assert_eq!(collect(choice).0.len(), 2);
    }
    // Whoever has heard the last word finds a place.
    let again = engine.submit(two.clone()).unwrap();
    (0..12).for_each(|_| gate.send(()).unwrap());
    assert!(again.into_iter().all(|choice| collect(choice).1.is_ok()));
}

#[test]
fn end_tokens_end() {
    let plain = alone(&request(&[4, 5], &[], 20));
    let mut ended = request(&[4, 5], &[], 20);
    ended.end_tokens = Arc::new([plain[6]]);
    let engine = engine(Fake::new(8), EngineConfig::default());
    let (tokens, finish) = collect(engine.submit(ended).unwrap().remove(0));
    let first = plain.iter().position(|t| *t == plain[6]).unwrap();
    assert_eq!(tokens, plain[..=first], "the end token is the last one told");
    assert_eq!(finish.unwrap().reason, FinishReason::Stop);
}

#[tokio::test]
async fn draining_finishes_what_runs() {
    let (runner, gate) = Fake::gated(64);
    let engine = engine(runner, EngineConfig::default());
    let mut running = engine.submit(request(&[1], &[], 3)).unwrap().remove(0);
    engine.drain();
    assert_eq!(engine.submit(request(&[1], &[], 3)).unwrap_err(), SubmitError::Draining);
    assert!(engine.status().draining);
    (0..5).for_each(|_| gate.send(()).unwrap());
    engine.idle().await;
    let mut events = Vec::new();
    while let Some(event) = running.next().await {
        events.push(event);
    }
    assert!(matches!(events[..], [Event::Token(_), Event::Token(_), Event::Token(_), Event::Finished(_)]));
}
