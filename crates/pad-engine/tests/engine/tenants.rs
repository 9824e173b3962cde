//! Owners side by side: nobody waits for another's answers, and nobody finds another's cached blocks.

use std::sync::Arc;

use pad_engine::{CacheScope, EngineConfig, GenerateRequest, Owner, SubmitError};

use crate::fake::{Fake, alone, collect, engine, request, settled};

fn of(owner: u8, request: GenerateRequest) -> GenerateRequest {
    let mut request = request;
    request.tenant.owner = Some(Owner([owner; 32]));
    request
}

fn scoped(scope: u8, request: &GenerateRequest) -> GenerateRequest {
    let mut request = request.clone();
    request.tenant.cache = CacheScope([scope; 32]);
    request
}

#[test]
fn cached_blocks_are_found_in_their_own_scope_only() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    let request = request(&(0..50).collect::<Vec<u32>>(), &[1.0], 4);
    let cached = |request: GenerateRequest| {
        let (tokens, finish) = collect(engine.submit(request).unwrap().remove(0));
        (tokens, finish.unwrap().cached_tokens)
    };
    let want = alone(&request);
    for (scope, found) in [(1, 0), (2, 0), (1, 48), (0, 0), (2, 48)] {
        assert_eq!(cached(scoped(scope, &request)), (want.clone(), found), "scope {scope}");
    }
    assert_eq!(settled(&engine).kv_blocks_used, 0);
}

#[test]
fn an_owner_does_not_wait_for_anothers_answers() {
    let (runner, gate) = Fake::gated(64);
    let seen = Arc::clone(&runner.seen);
    let engine = engine(runner, EngineConfig { max_sequences: 2, ..EngineConfig::default() });
    let long: Vec<GenerateRequest> = (0..4).map(|i| of(1, request(&[i, 2, 3], &[], 30))).collect();
    let taken: Vec<_> = long.iter().map(|request| engine.submit(request.clone()).unwrap().remove(0)).collect();
    // Both places are taken before the other owner comes.
    (0..3).for_each(|_| gate.send(()).unwrap());
    while engine.status().running < 2 {
        std::thread::yield_now();
    }
    // Its sequence is told by its two lanes.
    let other = of(2, request(&[7, 8], &[1.0], 3));
    let answer = engine.submit(other.clone()).unwrap().remove(0);
    (0..200).for_each(|_| gate.send(()).unwrap());
    assert_eq!(collect(answer).0, alone(&other));
    for (choice, request) in taken.into_iter().zip(&long) {
        assert_eq!(collect(choice).0, alone(request), "whoever made room goes on with the same tokens");
    }
    let status = settled(&engine);
    assert_eq!((status.preempted, status.kv_blocks_used), (1, 0));
    let first = seen.lock().unwrap().iter().position(|step| step.rows.len() == 3).expect("they ran side by side");
    assert!(first <= 6, "it waited for {first} steps, and the others have thirty");
}

#[test]
fn owners_take_turns_by_what_they_run() {
    let (runner, gate) = Fake::gated(400);
    let engine = engine(runner, EngineConfig { max_sequences: 4, ..EngineConfig::default() });
    let crowd: Vec<_> = (0..12).map(|i| engine.submit(of(1, request(&[i], &[], 4))).unwrap().remove(0)).collect();
    let few: Vec<_> = (0..4).map(|i| engine.submit(of(2, request(&[90 + i], &[], 4))).unwrap().remove(0)).collect();
    let ends = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for (owner, choices) in [(1, crowd), (2, few)] {
            for choice in choices {
                let ends = &ends;
                scope.spawn(move || {
                    assert_eq!(collect(choice).0.len(), 4);
                    ends.lock().unwrap().push(owner);
                });
            }
        }
        (0..100).for_each(|_| gate.send(()).unwrap());
    });
    assert_eq!(ends.lock().unwrap().len(), 16);
    assert_eq!(settled(&engine).finished, 16);
}

#[test]
fn the_queue_has_room_for_a_newcomer() {
    let (runner, gate) = Fake::gated(64);
    let engine = engine(runner, EngineConfig { queue: 16, max_sequences: 2, ..EngineConfig::default() });
    let mut greedy = of(1, request(&[1, 2], &[], 1));
    greedy.choices = 4;
    let mut taken = Vec::new();
    let refused = loop {
        match engine.submit(greedy.clone()) {
            Ok(choices) => taken.extend(choices),
            Err(error) => break error,
        }
    };
    assert_eq!((taken.len(), refused), (12, SubmitError::ShareFull { held: 12, asked: 4, limit: 16 }));
    taken.extend(engine.submit(of(2, request(&[3], &[], 1))).unwrap());
    (0..40).for_each(|_| gate.send(()).unwrap());
    assert!(taken.into_iter().all(|choice| collect(choice).1.is_ok()));
}

#[test]
fn a_short_prompt_does_not_wait_for_long_ones() {
    let (runner, gate) = Fake::gated(64);
    let seen = Arc::clone(&runner.seen);
    let engine = engine(runner, EngineConfig { step_rows: 40, ..EngineConfig::default() });
    let long: Vec<GenerateRequest> =
        [0, 200, 400, 1000].map(|first| request(&(first..first + 180).collect::<Vec<u32>>(), &[], 1)).to_vec();
    let mut taken: Vec<_> = long.iter().map(|request| engine.submit(request.clone()).unwrap().remove(0)).collect();
    let short = request(&[5, 6, 7, 8, 9, 10, 11, 12, 13, 14], &[], 1);
    taken.push(engine.submit(short.clone()).unwrap().remove(0));
    (0..60).for_each(|_| gate.send(()).unwrap());
    for (choice, request) in taken.into_iter().zip(long.iter().chain([&short])) {
        assert_eq!(collect(choice).0, alone(request));
    }
    let seen = seen.lock().unwrap();
    assert!(seen.iter().all(|step| step.rows.iter().sum::<usize>() <= 40), "{seen:?}");
    let first = seen.iter().position(|step| step.decodes > 0).expect("some step decodes");
    assert!(first <= 2, "the short prompt was read in step {first}, the first long one alone takes five");
}

/// Whoever cannot be given enough room by preempting others waits without costing them their work.
#[test]
fn nobody_makes_room_in_vain() {
    let (runner, gate) = Fake::gated(12);
    let engine = engine(runner, EngineConfig::default());
    // Two blocks each: four of twelve are left, and six can be freed.
    let of_one = |i: u32| of(1, request(&(i * 100..i * 100 + 20).collect::<Vec<u32>>(), &[], 10));
    let taken: Vec<_> = (1..=4).map(|i| engine.submit(of_one(i)).unwrap().remove(0)).collect();
    (0..3).for_each(|_| gate.send(()).unwrap());
    while engine.status().running < 4 {
        std::thread::yield_now();
    }
    let large = engine.submit(of(2, request(&(0..180).collect::<Vec<u32>>(), &[], 1))).unwrap().remove(0);
    drop((0..200).map(|_| gate.send(())).collect::<Vec<_>>());
    for choice in taken {
        assert_eq!(collect(choice).0.len(), 10);
    }
    collect(large).1.unwrap();
    assert_eq!(settled(&engine).preempted, 0);
}
