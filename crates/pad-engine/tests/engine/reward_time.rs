//! How much of the time goes to reward lanes, as the engine and a choice's course tell it.

use std::time::Duration;

use pad_engine::{Course, EngineConfig, LaneSpec, RewardTime, Trunk};

use crate::fake::{Fake, collect, decisions, engine, request, settled};
use crate::heads;

fn both(course: &Course) -> (RewardTime, RewardTime) {
    (course.rewards_reading(), course.rewards_choosing())
}

fn time(millis: u64, steps: u64) -> RewardTime {
    RewardTime { spent: Duration::from_millis(millis), steps }
}

#[test]
fn steps_with_reward_lanes_of_its_own_count_for_a_choice() {
    // The fake takes a millisecond for each row of a reward lane. The lane's prompt has 9 tokens, the base lane's 6.
    for (step_rows, reading) in [(512, time(9, 1)), (6, time(9, 3))] {
        let engine = engine(Fake::new(64), EngineConfig { step_rows, ..EngineConfig::default() });
        let steered = engine.submit(request(&[1, 2, 3, 4, 5, 6], &[1.0], 5)).unwrap().remove(0);
        let course = steered.course();
        collect(steered).1.unwrap();
        assert_eq!(both(&course), (reading, time(4, 4)), "{step_rows} rows a step");
        assert_eq!(settled(&engine).reward_micros, 13_000);
    }
}

#[test]
fn a_plain_choice_has_none_whatever_runs_beside_it() {
    let (runner, gate) = Fake::gated(64);
    let engine = engine(runner, EngineConfig::default());
    let plain = engine.submit(request(&[1, 2], &[], 8)).unwrap().remove(0);
    let steered = engine.submit(request(&[3, 4], &[1.0], 8)).unwrap().remove(0);
    drop((0..20).map(|_| gate.send(())).collect::<Vec<_>>());
    let courses = [plain.course(), steered.course()];
    collect(plain).1.unwrap();
    collect(steered).1.unwrap();
    assert_eq!(both(&courses[0]), Default::default());
    assert_eq!(both(&courses[1]), (time(5, 1), time(7, 7)));
}

#[test]
fn a_model_tells_what_its_reward_lanes_take() {
    let prompt = heads::prompt(1, 30);
    let own = |readouts| LaneSpec { readouts, ..LaneSpec::base(prompt.as_slice().into()) };
    let beside = own([LaneSpec::base(prompt.as_slice().into()).readouts, heads::HEADS.to_vec()].concat());
    for lanes in [heads::lanes(&prompt, Trunk::Base), heads::lanes(&prompt, Trunk::Own), vec![beside]] {
        let engine = heads::start(512, 64);
        let choice = engine.submit(heads::request(lanes)).unwrap().remove(0);
        let course = choice.course();
        decisions(choice);
        let (reading, choosing) = both(&course);
        assert_eq!((reading.steps, choosing.steps), (1, 19));
        assert!(!reading.spent.is_zero() && !choosing.spent.is_zero(), "{course:?}");
        let status = settled(&engine);
        assert_eq!((reading.spent + choosing.spent).as_micros() as u64, status.reward_micros, "nothing else ran");
        assert!(status.reward_micros < status.model_micros, "{status:?}");
    }
    let engine = heads::start(512, 64);
    let plain = heads::request(vec![LaneSpec::base(prompt.as_slice().into())]);
    heads::generated(&engine, pad_engine::GenerateRequest { terms: Vec::new(), ..plain });
    assert_eq!(settled(&engine).reward_micros, 0, "reading no rewards takes no time");
}
