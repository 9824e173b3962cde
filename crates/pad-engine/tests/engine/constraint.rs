//! Sequences with a grammar: what is chosen, where they end, and what a broken one costs.

use std::sync::Arc;

use pad_decode::{Allowed, Grammar, GrammarError, TokenSet};
use pad_engine::{EngineConfig, FinishReason, GenerateRequest, SubmitError};

use crate::fake::{Fake, alone, collect, engine, request, settled};

/// Allows the tokens of one residue of 7, which follows from the tokens before.
#[derive(Clone, Debug)]
struct Residues {
    sum: u32,
    count: usize,
    /// After so many tokens nothing may follow.
    length: usize,
    /// After so many tokens it may end.
    may_end: usize,
    /// After so many tokens it breaks.
    breaks: usize,
    /// After so many tokens it panics.
    panics: usize,
}

const RESIDUES: Residues =
    Residues { sum: 0, count: 0, length: 12, may_end: 12, breaks: usize::MAX, panics: usize::MAX };

impl Residues {
    fn takes(&self, token: u32) -> bool {
        token % 7 == self.sum % 7
    }
}

impl Grammar for Residues {
    fn allowed(&mut self) -> Result<Allowed, GrammarError> {
        if self.count >= self.breaks {
            return Err(GrammarError("on purpose".to_owned()));
        }
        let tokens: Vec<u32> = (0..500).filter(|token| *token != END && self.takes(*token)).collect();
        let tokens = if self.count < self.length { TokenSet::default().with(&tokens) } else { TokenSet::default() };
        Ok(Allowed { tokens, end: self.count >= self.may_end })
    }

    fn accept(&mut self, token: u32) -> Result<(), GrammarError> {
        assert!(self.count < self.panics, "on purpose");
        assert!(self.takes(token) && token != END, "{token} is not allowed");
        self.sum += token + 3;
        self.count += 1;
        Ok(())
    }

    fn another(&self) -> Box<dyn Grammar> {
        Box::new(self.clone())
    }
}

const END: u32 = 400;

fn held_to(grammar: Residues, request: GenerateRequest) -> GenerateRequest {
    GenerateRequest { grammar: Some(Box::new(grammar)), end_tokens: Arc::new([END]), ..request }
}

fn check(tokens: &[u32]) {
    let mut grammar = RESIDUES;
    tokens.iter().for_each(|token| grammar.accept(*token).unwrap());
}

#[test]
fn only_allowed_tokens_are_chosen_with_and_without_rewards() {
    for weights in [&[][..], &[1.0, -2.0]] {
        let engine = engine(Fake::new(64), EngineConfig::default());
        let mut request = held_to(RESIDUES, request(&[5; 20], weights, 100));
        (request.rule.temperature, request.choices, request.seed) = (1.5, 3, 7);
        let choices = engine.submit(request).unwrap();
        let answers: Vec<Vec<u32>> = choices
            .into_iter()
            .map(|choice| {
                let (tokens, finish) = collect(choice);
                assert_eq!((tokens.len(), finish.unwrap().reason), (12, FinishReason::Stop), "the grammar is complete");
                check(&tokens);
                tokens
            })
            .collect();
        assert_ne!(answers[0], answers[1], "choices have grammars of their own");
    }
}

#[test]
fn an_end_is_allowed_where_the_grammar_may_end_and_nowhere_else() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    let wanted = |may_end| {
        let mut request = held_to(Residues { may_end, ..RESIDUES }, request(&[5; 20], &[], 100));
        request.rule.penalties.bias.insert(END, 100.0);
        collect(engine.submit(request).unwrap().remove(0))
    };
    let (tokens, finish) = wanted(4);
    assert_eq!((tokens.len(), tokens[4], finish.unwrap().reason), (5, END, FinishReason::Stop));
    assert_eq!(wanted(12).0.len(), 12, "it wants to end all the time");
    // Where more tokens are asked for than the grammar has, the grammar decides.
    let mut endless = held_to(Residues { may_end: 4, ..RESIDUES }, request(&[5; 20], &[], 100));
    endless.rule.min_tokens = usize::MAX;
    let (tokens, finish) = collect(engine.submit(endless).unwrap().remove(0));
    assert_eq!((tokens.len(), finish.unwrap().reason), (12, FinishReason::Stop));
}

#[test]
fn the_last_token_that_fits_ends_by_its_length_unless_the_grammar_is_complete() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    for (max_tokens, reason) in [(11, FinishReason::Length), (12, FinishReason::Stop)] {
        let request = held_to(RESIDUES, request(&[5; 20], &[], max_tokens));
        let (tokens, finish) = collect(engine.submit(request).unwrap().remove(0));
        assert_eq!((tokens.len(), finish.unwrap().reason), (max_tokens, reason));
    }
}

#[test]
fn penalties_and_biases_act_among_the_allowed_tokens() {
    let plain = alone(&held_to(RESIDUES, request(&[5; 20], &[1.0], 12)));
    let mut banned = held_to(RESIDUES, request(&[5; 20], &[1.0], 12));
    banned.rule.penalties.bias.extend([(plain[0], -100.0), (1, 100.0)]);
    let first = alone(&banned)[0];
    assert!(first != plain[0] && RESIDUES.takes(first), "{first} is neither the banned nor a raised one");
    let mut raised = held_to(RESIDUES, request(&[5; 20], &[], 12));
    raised.rule.penalties.bias.insert(497, 100.0);
    assert_eq!(alone(&raised)[0], 497, "it is allowed");
}

#[test]
fn a_sequence_that_starts_again_keeps_its_grammar() {
    let sequences: Vec<GenerateRequest> = (0..4)
        .map(|i| held_to(Residues { length: 60, may_end: 60, ..RESIDUES }, request(&[i; 30], &[1.0], 60)))
        .collect();
    let want: Vec<Vec<u32>> = sequences.iter().map(alone).collect();
    let engine = engine(Fake::new(14), EngineConfig::default());
    let choices: Vec<_> = sequences.iter().map(|request| engine.submit(request.clone()).unwrap().remove(0)).collect();
    for (choice, want) in choices.into_iter().zip(want) {
        let (tokens, finish) = collect(choice);
        assert_eq!((tokens, finish.unwrap().reason), (want, FinishReason::Stop));
    }
    assert!(settled(&engine).preempted > 0, "there was too little room for all");
}

#[test]
fn a_grammar_that_breaks_fails_its_sequence_and_nothing_else() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    let bad = held_to(Residues { breaks: 5, ..RESIDUES }, request(&[1; 5], &[1.0], 30));
    let good = held_to(RESIDUES, request(&[2; 5], &[1.0], 30));
    let both: Vec<_> = [bad, good.clone()].map(|request| engine.submit(request).unwrap().remove(0)).into();
    let ended: Vec<_> = both.into_iter().map(collect).collect();
    assert_eq!(ended[0].0.len(), 5);
    assert!(ended[0].1.as_ref().is_err_and(|why| why.contains("on purpose")), "{:?}", ended[0].1);
    assert_eq!(ended[1].0, alone(&good));
    let status = settled(&engine);
    assert_eq!((status.failed, status.finished, status.kv_blocks_used), (1, 1, 0));
    let nothing = held_to(Residues { length: 0, may_end: 0, ..RESIDUES }, request(&[1; 5], &[], 30));
    assert!(matches!(engine.submit(nothing), Err(SubmitError::Invalid(why)) if why.contains("no text")));
}

#[test]
fn a_grammar_that_panics_fails_its_own_sequence_only() {
    let engine = engine(Fake::new(64), EngineConfig::default());
    let beside = request(&[5, 6, 7], &[1.0], 60);
    let running = engine.submit(beside.clone()).unwrap().remove(0);
    for panics in [1, 2, 3] {
        let broken = held_to(Residues { panics, ..RESIDUES }, request(&[1, 2], &[], 20));
        let (tokens, finish) = collect(engine.submit(broken).unwrap().remove(0));
        assert_eq!(tokens.len(), panics + 1);
        assert!(finish.unwrap_err().contains("panicked"));
    }
    assert_eq!(collect(running).0, alone(&beside));
    assert!(settled(&engine).ready, "it is the grammar's fault, and not the engine's");
}
