//! What is read of states, by heads and under masks, against the CPU; and branches of a step.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use pad_decode::TokenSet;
use pad_device::{DeviceLanes, DeviceModel};
use pad_model::{Dtype, Follower, LaneChunk, LaneModel, Logits, StateRead, Strength, Wanted};

use crate::host::Host;
use crate::models::{beside, cached, family, lanes};

const TOLERANCE: f32 = 1e-3;

fn same(got: &[Logits], want: &[Logits]) {
    assert_eq!(got.len(), want.len());
    for (i, (got, want)) in got.iter().zip(want).enumerate() {
        let tokens = |logits: &Logits| logits.ranked.iter().map(|ranked| ranked.token).collect::<Vec<_>>();
        assert_eq!(tokens(got), tokens(want), "read {i}");
        let numbers = |logits: &Logits| {
            let sums = [logits.log_sum_exp, logits.among].map(|sum| sum.unwrap_or(0.0));
            assert!(sums.iter().all(|sum| sum.is_finite()));
            logits.ranked.iter().map(|ranked| ranked.logit).chain(sums).collect::<Vec<_>>()
        };
        assert_eq!(
            (got.log_sum_exp.is_some(), got.among.is_some()),
            (want.log_sum_exp.is_some(), want.among.is_some())
        );
        let close = |(got, want): (f32, f32)| (got - want).abs() < TOLERANCE;
        assert!(numbers(got).into_iter().zip(numbers(want)).all(close), "read {i}: {got:?} is not {want:?}");
    }
}

/// Everything that can be read, of states in no order, through all heads.
fn reads(states: usize) -> Vec<StateRead> {
    let every_third: Vec<u32> = (0..96).filter(|token| token % 3 == 1).collect();
    let third = TokenSet::default().with(&every_third);
    let kinds = [
        Wanted::Best(7).alone(),
        Wanted::Best(2).normalised(),
        Wanted::BestAmong(5, third).normalised(),
        Wanted::BestAmong(9, TokenSet::default().with(&[3, 50, 95])).alone(),
        Wanted::At(vec![95, 0, 41]).alone(),
        Wanted::At(vec![17]).normalised(),
        Wanted::At(vec![]).alone(),
    ];
    let read = |i: usize| {
        let head = [None, Some(0), Some(1), Some(2)][i % 4];
        StateRead { state: i * 7 % states, head, wanted: kinds[i % kinds.len()].clone() }
    };
    (0..84).map(read).collect()
}

#[test]
fn adapters_trunks_and_heads_are_read_as_on_the_cpu() {
    let (mut cpu, mut device) = (cached("llama", beside()), lanes("llama", &beside(), 1));
    let models: [&mut dyn LaneModel; 2] = [&mut cpu, &mut device];
    let tokens: Vec<u32> = (0..23).map(|i| 3 + i * 7 % 90).collect();
    let tables: Vec<Vec<u32>> = (0..6).map(|lane| vec![20 + lane, lane]).collect();
    let found = models.map(|model| {
        let chunk = |lane: usize, tokens, start, read| LaneChunk::new(tokens, start, &tables[lane], read);
        let adapted = |lane: usize, (tokens, start), adapter, strength, trunk| LaneChunk {
            adapter: Some(adapter),
            strength: Strength::new(strength),
            trunk,
            ..chunk(lane, tokens, start, 2)
        };
        let mut found = Vec::new();
        // A prompt in two chunks, then a token; another lane beside it; lanes that branch off, and that do not.
        for (start, end) in [(0, 11), (11, 22), (22, 23)] {
            let now = (&tokens[start..end], start);
            model
                .run(&[
                    adapted(1, now, 0, 1.0, None),
                    chunk(0, now.0, now.1, 3),
                    adapted(2, now, 0, 1.0, Some(1)),
                    adapted(3, now, 1, -0.5, Some(1)),
                    adapted(4, now, 1, 2.0, None),
                    chunk(5, now.0, now.1, 1),
                ])
                .unwrap();
            let states = if end == 23 { 6 } else { 12 };
            found.push((model.logits(&reads(states)).unwrap(), model.states(1..states).unwrap()));
            assert!(model.states(0..states + 1).is_err());
        }
        found
    });
    let [want, got] = found;
    for ((got, got_states), (want, want_states)) in got.iter().zip(&want) {
        same(got, want);
        let worst = |(got, want): (&f32, &f32)| (got - want).abs() < TOLERANCE;
        assert!(got_states.concat().iter().zip(&want_states.concat()).all(worst));
    }
}

#[test]
fn a_step_and_what_is_decided_by_take_one_wait() {
    let host = Host::new(0);
    let waits = Arc::clone(&host.waits);
    let mut weights = pad_model::open(&family("llama")).unwrap();
    let model = DeviceModel::load(weights.as_mut(), Box::new(host), Dtype::F32, |_| {}).unwrap();
    let mut device = DeviceLanes::new(model, &beside().heads, 8).unwrap();
    let mut cpu = cached("llama", beside());
    assert!(device.follows() && !cpu.follows());
    let models: [&mut dyn LaneModel; 2] = [&mut cpu, &mut device];
    let found = models.map(|model| {
        let before = waits.load(Ordering::Relaxed);
        model.run(&[LaneChunk::new(&[5, 9, 70], 0, &[3], 3), LaneChunk::new(&[8], 0, &[1], 1)]).unwrap();
        let read = |state, wanted| StateRead { state, head: None, wanted };
        let few = TokenSet::default().with(&[1, 40, 77]);
        let reads = [
            read(3, Wanted::Best(4).normalised()),
            read(0, Wanted::At(vec![2, 3]).normalised()),
            read(1, Wanted::BestAmong(6, few).alone()),
        ];
        let follower = |(i, of): (usize, usize)| Follower {
            state: i % 4,
            head: [None, Some(0), Some(2), Some(1)][i % 4],
            of,
            log_sum_exp: i >= 4,
        };
        let followers: Vec<Follower> = [0, 2, 2, 0, 2, 0, 0].into_iter().enumerate().map(follower).collect();
        let (found, followed) = model.logits_at_best(&reads, &followers).unwrap();
        assert!(model.logits_at_best(&reads, &[follower((0, 1))]).is_err() || !model.follows());
        ([found, followed].concat(), waits.load(Ordering::Relaxed) - before)
    });
    same(&found[1].0, &found[0].0);
    assert_eq!(found[1].0[5].ranked.len(), 3, "as many as there are");
    assert_eq!(found[1].1, 1);
}

#[test]
fn branches_see_the_blocks_that_were_copied() {
    let (mut cpu, mut device) = (cached("llama", beside()), lanes("llama", &beside(), 2));
    let models: [&mut dyn LaneModel; 2] = [&mut cpu, &mut device];
    let tokens: Vec<u32> = (0..19).map(|i| 5 + i * 11 % 80).collect();
    let found = models.map(|model| {
        model.run(&[LaneChunk::new(&tokens, 0, &[4, 9], 2)]).unwrap();
        // Both go on behind position 18, in blocks of their own.
        let more = [[7, 8, 9], [40, 41, 42]];
        let tables = [[4, 60], [4, 61]];
        let chunks: Vec<LaneChunk<'_>> =
            more.iter().zip(&tables).map(|(tokens, blocks)| LaneChunk::new(tokens, 19, blocks, 3)).collect();
        let first = model.run_more(&[(9, 60), (9, 61)], &chunks).unwrap();
        assert_eq!(first, 2);
        let read = |state| StateRead { state, head: None, wanted: Wanted::Best(6).normalised() };
        model.logits(&(0..8).map(read).collect::<Vec<_>>()).unwrap()
    });
    same(&found[1], &found[0]);
}

#[test]
fn what_does_not_exist_is_refused() {
    let mut device = lanes("llama", &beside(), 0);
    device.run(&[LaneChunk::new(&[1, 2], 0, &[0], 2)]).unwrap();
    for (state, head, token, wanted) in
        [(2, None, 0, "state 2 of 2"), (0, Some(3), 0, "no value head 3"), (0, None, 96, "token 96")]
    {
        let read = StateRead { state, head, wanted: Wanted::At(vec![token]).alone() };
        let error = device.logits(&[read]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    assert!(device.run_more(&[(0, 64)], &[]).unwrap_err().to_string().contains("64"));
}
