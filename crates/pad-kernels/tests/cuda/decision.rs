//! The rule and the draw, against `pad_decode::decide`.

use pad_decode::{Candidates, Decision, Normalisation, Progress, Readout, Reference, Rule, Sampler, Term, decide};
use pad_kernels::device::{Address, Against, DecisionLaunch};

use crate::library::kernels;
use crate::memory::{Buffer, distance};
use crate::random::Random;

const K: usize = 40;

struct Sequence {
    rule: Rule,
    base: Readout,
    readouts: Vec<Readout>,
    terms: Vec<Term>,
    seed: u64,
}

impl Sequence {
    fn random(number: usize, normalisation: Normalisation, random: &mut Random) -> Self {
        // All of the candidates, or few of them.
        let count = if number.is_multiple_of(3) { 1 + random.below(6) } else { K };
        let mut readout = |spread: f32| {
            // Coarse ones, many of them equal, where no reward tells them apart.
            let logit = |x: f32| if number.is_multiple_of(4) { x.round() } else { x };
            let logits = (0..count).map(|_| logit(spread * random.next())).collect();
            Readout { logits, log_sum_exp: (normalisation == Normalisation::Vocabulary).then_some(spread + 1.0) }
        };
        let mut base = readout(4.0);
        base.logits.sort_by(|a, b| b.total_cmp(a));
        let mut readouts: Vec<Readout> = (0..number % 4).map(|_| readout(3.0)).collect();
        if let (Some(readout), true) = (readouts.first_mut(), number.is_multiple_of(5)) {
            readout.logits[count - 1] = f32::NEG_INFINITY;
        }
        let references = [Reference::Base, Reference::Opposing, Reference::Readout(0), Reference::None];
        let weight = |term: usize| if number.is_multiple_of(7) { 0.0 } else { 1.5 - term as f32 };
        let terms = (0..readouts.len())
            .map(|term| Term { weight: weight(term), readout: term, reference: references[(number + term) % 4] })
            .collect();
        let rule = Rule {
            beta: [1.0, 0.0, 0.5, 2.0, 1.0][number % 5],
            temperature: [0.0, 1.0, 0.7, 2.5, 1e-3, 0.0, 1.3][number % 7],
            min_p: [0.0, 0.1, 0.0][number % 3],
            top_k: [0, 0, 5, 1][number % 4],
            top_p: [1.0, 0.9, 0.5, 1.0, 0.0][number % 5],
            normalisation,
            ..Rule::default()
        };
        Self { rule, base, readouts, terms, seed: number as u64 }
    }

    fn count(&self) -> usize {
        self.base.logits.len()
    }

    fn tokens(&self) -> Vec<u32> {
        (0..self.count() as u32).map(|rank| 1000 + 7 * rank).collect()
    }

    fn twin(&self) -> Decision {
        let candidates = Candidates { tokens: self.tokens(), base: self.base.clone(), adjusted: None };
        let sampler = &mut Sampler::new(self.seed, 0);
        decide(&self.rule, candidates, &self.terms, &self.readouts, &Progress::default(), sampler)
    }
}

/// Values of a sequence, followed by poison.
fn padded<T: Clone>(values: &[T], poison: T) -> Vec<T> {
    let mut values = values.to_vec();
    values.resize(K, poison);
    values
}

#[test]
fn decisions_as_on_the_host() {
    let mut random = Random(14);
    for normalisation in [Normalisation::Candidates, Normalisation::Vocabulary] {
        let sequences: Vec<Sequence> =
            (0..120).map(|number| Sequence::random(number, normalisation, &mut random)).collect();
        let whole = normalisation == Normalisation::Vocabulary;
        let (mut first, mut of, mut references, mut weights) = (vec![0], vec![], vec![], vec![]);
        let (mut lanes, mut lane_sums) = (vec![], vec![]);
        for sequence in &sequences {
            let start = lane_sums.len() as i32;
            for readout in &sequence.readouts {
                lanes.extend(padded(&readout.logits, f32::NAN));
                lane_sums.push(readout.log_sum_exp.unwrap_or(f32::NAN));
            }
            for term in &sequence.terms {
                of.push(start + term.readout as i32);
                weights.push(term.weight);
                references.push(match term.reference {
                    Reference::Base => Against::Base as i32,
                    Reference::Opposing => Against::Opposing as i32,
                    Reference::Readout(readout) => start + readout as i32,
                    Reference::None => Against::Nothing as i32,
                });
            }
            first.push(of.len() as i32);
        }
        let each = |make: &dyn Fn(&Sequence) -> Vec<f32>| sequences.iter().flat_map(make).collect::<Vec<f32>>();
        let tokens: Vec<u32> = sequences.iter().flat_map(|s| padded(&s.tokens(), u32::MAX)).collect();
        let rules = each(&|s| vec![s.rule.beta, s.rule.temperature, s.rule.min_p, s.rule.top_k as f32, s.rule.top_p]);
        let draws: Vec<f64> = sequences.iter().map(|s| Sampler::new(s.seed, 0).uniform()).collect();
        for order in kernels().orders() {
            let (tokens, base) = (Buffer::of(&tokens), Buffer::of(&each(&|s| padded(&s.base.logits, f32::NAN))));
            let sums = Buffer::of(&each(&|s| vec![s.base.log_sum_exp.unwrap_or(f32::NAN)]));
            let (lanes, lane_sums) = (Buffer::of(&lanes), Buffer::of(&lane_sums));
            let (first, of, references) = (Buffer::of(&first), Buffer::of(&of), Buffer::of(&references));
            let (weights, rules, draws) = (Buffer::of(&weights), Buffer::of(&rules), Buffer::of(&draws));
            let (chosen, ranks) = (Buffer::<u32>::poisoned(120), Buffer::<i32>::poisoned(120));
            let traces: [Buffer<f32>; 3] = std::array::from_fn(|_| Buffer::poisoned(120 * K));
            let launch = DecisionLaunch {
                tokens: tokens.address(),
                base: base.address(),
                base_sums: if whole { sums.address() } else { Address::NONE },
                readouts: lanes.address(),
                lane_sums: if whole { lane_sums.address() } else { Address::NONE },
                first_term: first.address(),
                term_readouts: of.address(),
                references: references.address(),
                weights: weights.address(),
                rules: rules.address(),
                draws: draws.address(),
                chosen: chosen.address(),
                ranks: ranks.address(),
                base_logprobs: traces[0].address(),
                rewards: traces[1].address(),
                scores: traces[2].address(),
                sequences: 120,
                k: K,
            };
            order.run(&[launch.launch().unwrap()]);
            let (chosen, ranks, traces) = (chosen.values(), ranks.values(), traces.each_ref().map(Buffer::values));
            for (i, sequence) in sequences.iter().enumerate() {
                let want = sequence.twin();
                assert_eq!((ranks[i] as usize, chosen[i]), (want.chosen, want.token()), "sequence {i}: {want:?}");
                let wanted = [&want.base_logprob, &want.reward, &want.score];
                for (got, want) in traces.iter().zip(wanted) {
                    let (got, rest) = got[i * K..(i + 1) * K].split_at(sequence.count());
                    assert!(distance(got, want) < 1e-5 || got == want, "sequence {i}: {got:?} against {want:?}");
                    assert!(rest.iter().all(|value| value.is_nan()), "nothing is written behind the last candidate");
                }
            }
            // The chosen tokens alone.
            let none = Address::NONE;
            let without = DecisionLaunch { base_logprobs: none, rewards: none, scores: none, ..launch };
            order.run(&[without.launch().unwrap()]);
            let error = DecisionLaunch { k: 129, ..launch }.launch().unwrap_err().to_string();
            assert!(error.contains("129 candidates; 1 to 128"), "{error}");
        }
    }
}
