//! Candidates of several lanes, against all tokens of a small vocabulary.

use std::collections::BTreeMap;
use std::sync::Arc;

use pad_decode::{Allowed, CandidateSource, Decision, Grammar, GrammarError, Reference, Rule, Term, TokenSet};
use pad_engine::{
    Adaptation, AdapterId, Engine, GenerateRequest, HeadId, LaneReadout, LaneSpec, Strength, Tenant, Trunk, WeightsId,
};

use crate::fake::decisions;
use crate::heads::{HEADS, generated, prompt, start};

/// Allows every third token, whatever came before.
#[derive(Clone, Debug)]
struct EveryThird;

impl Grammar for EveryThird {
    fn allowed(&mut self) -> Result<Allowed, GrammarError> {
        let tokens: Vec<u32> = (0..100_u32).filter(|token| token.is_multiple_of(3)).collect();
        Ok(Allowed { tokens: TokenSet::default().with(&tokens), end: true })
    }

    fn accept(&mut self, _: u32) -> Result<(), GrammarError> {
        Ok(())
    }

    fn another(&self) -> Box<dyn Grammar> {
        Box::new(self.clone())
    }
}

/// The base lane, which a head reads as well, a lane through the adapter that two heads read, and one with a prompt of its own.
fn request(prompt: &[u32]) -> GenerateRequest {
    let own: Vec<u32> = [&[9, 8, 7][..], prompt].concat();
    let mut base = LaneSpec::base(prompt.into());
    base.readouts.push(LaneReadout::Head(HeadId(1)));
    let adapter = Some(Adaptation { adapter: AdapterId(0), strength: Strength::ONE, trunk: Trunk::Base });
    let adapted =
        LaneSpec { weights: WeightsId::BASE, adapter, readouts: HEADS.to_vec(), prompt: Arc::clone(&base.prompt) };
    let term = |(readout, weight)| Term { weight, readout, reference: Reference::Base };
    GenerateRequest {
        lanes: vec![base, adapted, LaneSpec::base(own.into())],
        terms: [1.0, -0.5, 0.5, 1.0].into_iter().enumerate().map(term).collect(),
        rule: Rule::default(),
        top_k: 4,
        source: CandidateSource::Union,
        seed: 0,
        choices: 1,
        max_tokens: 1,
        end_tokens: Arc::new([0]),
        grammar: None,
        tenant: Tenant::default(),
    }
}

/// A step of this request with every token of the vocabulary as a candidate and nothing changed about them: by token the
/// log-probability by the base, then by each readout.
fn whole(engine: &Engine, request: &GenerateRequest) -> BTreeMap<u32, Vec<f32>> {
    let rule = Rule::default();
    let all = GenerateRequest { top_k: 100, source: CandidateSource::Base, rule, grammar: None, ..request.clone() };
    let step = generated(engine, all).remove(0);
    assert!(step.tokens.len() < 100, "the vocabulary is larger than what can be read");
    let lanes = |i: usize| step.rewards.iter().map(move |phi| phi[i]);
    let logprobs = |i: usize| {
        let base = step.base_logprob[i];
        std::iter::once(base).chain(lanes(i).map(|phi| base + phi)).collect()
    };
    step.tokens.iter().enumerate().map(|(i, token)| (*token, logprobs(i))).collect()
}

/// The candidates and their scores, reckoned from all tokens.
fn expected(all: &BTreeMap<u32, Vec<f32>>, request: &GenerateRequest) -> Vec<(u32, f32)> {
    let excluded = |token: u32| request.rule.min_tokens > 0 && token == 0;
    let allowed = |token: u32| request.grammar.is_none() || token.is_multiple_of(3);
    let bias = |token: u32| request.rule.penalties.bias.get(&token).copied().unwrap_or(0.0);
    // By the base and by each lane, best first.
    let ranked = |lane: usize| {
        let known = all.iter().filter(|(token, _)| allowed(**token) && !excluded(**token));
        let mut ranked: Vec<(u32, f32)> = known.map(|(token, of)| (*token, of[lane] + bias(*token))).collect();
        ranked.sort_by(|a, b| b.1.total_cmp(&a.1));
        ranked
    };
    let best = |lane: usize| ranked(lane).into_iter().take(request.top_k).map(|(token, _)| token);
    let proposed: Vec<u32> = (0..5).flat_map(best).collect();
    let candidates: Vec<u32> = ranked(0).into_iter().map(|(token, _)| token).filter(|t| proposed.contains(t)).collect();
    let softmax = |value: &dyn Fn(u32) -> f32| {
        let sum: f32 = candidates.iter().map(|token| value(*token).exp()).sum();
        candidates.iter().map(|token| value(*token) - sum.ln()).collect::<Vec<f32>>()
    };
    let own: Vec<Vec<f32>> = (0..5).map(|lane| softmax(&|token| all[&token][lane])).collect();
    let base = softmax(&|token| all[&token][0] + bias(token));
    let score = |i: usize| {
        let reward = request.terms.iter().map(|term| term.weight * (own[1 + term.readout][i] - own[0][i]));
        base[i] + request.rule.beta * reward.sum::<f32>()
    };
    (0..candidates.len()).map(|i| (candidates[i], score(i))).collect()
}

fn check(got: &Decision, expected: &[(u32, f32)], place: &str) {
    let tokens: Vec<u32> = expected.iter().map(|(token, _)| *token).collect();
    assert_eq!(got.tokens, tokens, "{place}");
    let near = got.score.iter().zip(expected).all(|(got, (_, score))| (got - score).abs() < 1e-4);
    assert!(near, "{place}: {:?} is not {expected:?}", got.score);
    let best = expected.iter().fold(expected[0], |best, next| if next.1 > best.1 { *next } else { best });
    assert_eq!(got.token(), best.0, "{place}");
}

/// Plain, with biases (one raises a token that nobody proposed), without an end token, under a grammar, and all together.
fn requests(prompt: &[u32]) -> Vec<(&'static str, GenerateRequest)> {
    let bias = BTreeMap::from([(12, 3.0), (17, -4.0), (30, 2.0), (45, -100.0)]);
    let with = |change: fn(&mut GenerateRequest)| {
        let mut request = request(prompt);
        change(&mut request);
        request
    };
    let mut biased = request(prompt);
    biased.rule.penalties.bias.clone_from(&bias);
    let mut all = with(|r| r.grammar = Some(Box::new(EveryThird)));
    all.rule.penalties.bias = bias;
    all.rule.min_tokens = 3;
    vec![
        ("plain", request(prompt)),
        ("biased", biased),
        ("min_tokens", with(|r| r.rule.min_tokens = 3)),
        ("grammar", with(|r| r.grammar = Some(Box::new(EveryThird)))),
        ("all", all),
    ]
}

#[test]
fn they_are_the_best_of_every_lane_under_the_same_changes() {
    let engine = start(512, 64);
    let mut others = 0;
    for seed in 0..12 {
        let prompt = prompt(seed, 11 + 3 * seed);
        for (name, request) in requests(&prompt) {
            let all = whole(&engine, &request);
            let got = generated(&engine, request.clone()).remove(0);
            check(&got, &expected(&all, &request), &format!("{name}, prompt {seed}"));
            others += usize::from(got.chosen >= request.top_k);
        }
    }
    assert!(others > 5, "{others} tokens were chosen that only reward lanes propose");
}

#[test]
fn they_depend_on_nobody_else_in_the_batch() {
    let prompts: Vec<Vec<u32>> = (0..4).map(|seed| prompt(seed, 9 + seed)).collect();
    let longer = |request: &GenerateRequest| GenerateRequest { max_tokens: 12, ..request.clone() };
    let requests: Vec<GenerateRequest> =
        prompts.iter().flat_map(|prompt| requests(prompt)).map(|(_, request)| longer(&request)).collect();
    let alone = start(512, 64);
    let expected: Vec<_> = requests.iter().map(|request| generated(&alone, request.clone())).collect();
    let engine = start(7, 200);
    let choices: Vec<_> = requests.iter().map(|request| engine.submit(request.clone()).unwrap().remove(0)).collect();
    for (choice, expected) in choices.into_iter().zip(expected) {
        assert_eq!(decisions(choice), expected);
    }
}

#[test]
fn without_a_lane_that_counts_they_are_the_bases() {
    let engine = start(512, 64);
    let mut union = request(&prompt(3, 15));
    union.rule.beta = 0.0;
    let base = GenerateRequest { source: CandidateSource::Base, ..union.clone() };
    assert_eq!(generated(&engine, union), generated(&engine, base));
}

#[test]
fn what_a_term_is_measured_against_proposes_nothing() {
    let engine = start(512, 64);
    for seed in 0..6 {
        let measured = |reference| {
            let mut request = request(&prompt(seed, 15));
            request.terms = vec![Term { weight: 1.0, readout: 0, reference }];
            generated(&engine, request).remove(0).tokens
        };
        let (alone, against) = (measured(Reference::Base), measured(Reference::Readout(3)));
        assert_eq!(alone, against, "prompt {seed}");
        let all = generated(&engine, request(&prompt(seed, 15))).remove(0).tokens;
        assert!(all.len() > alone.len(), "lanes with terms propose more");
    }
}
