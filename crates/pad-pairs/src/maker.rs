//! From prompts to pairs.

use pad_client::{ChatAnswer, ChatBody, Client, draws};

use crate::in_order::in_order;
use crate::{Candidate, Filter, Flaw, Item, Output, Pair, PairsError, Plan, Prompt, Told};

/// Prompts that are begun for each thread before the pairs of their predecessors are written.
const AHEAD: usize = 2;

/// What has been done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Prompts to be asked in this run at most.
    pub prompts: usize,
    /// Prompts that pairs were there of already.
    pub skipped: usize,
    /// Prompts that were asked.
    pub asked: usize,
    /// Answers that came.
    pub answers: usize,
    /// Answers without words.
    pub empty: usize,
    /// Answers that run in a circle.
    pub repetitive: usize,
    /// Answers that repeat what they were told.
    pub leaking: usize,
    /// Prompts whose answers make no pair.
    pub unpaired: usize,
    /// Pairs for training that were written.
    pub pairs: usize,
    /// Pairs held out that were written.
    pub held_out: usize,
}

/// Where pairs are written.
#[derive(Debug)]
pub struct Outputs {
    /// For training.
    pub training: Output,
    /// For judging what was trained.
    pub held_out: Option<Output>,
}

/// The answers to a prompt by side; in best of n the second is empty.
struct Sampled<'a> {
    prompt: &'a Prompt,
    chosen: Vec<Candidate>,
    rejected: Vec<Candidate>,
}

/// Asks for the answers to all prompts and writes the pairs that they make, in the order of the prompts and as soon as the answers
/// are there; `observe` is called each time. A scorer runs over all answers that are ready when it is free.
///
/// # Errors
///
/// What the plan, the server, the scorer or the files refuse. What was written until then stays, and a later run continues it.
pub fn make_pairs(
    plan: &Plan,
    client: &Client,
    prompts: &[Prompt],
    outputs: &mut Outputs,
    mut observe: impl FnMut(&Tally),
) -> Result<Tally, PairsError> {
    plan.check()?;
    let there = |p: &Prompt| outputs.training.has(&p.id) || outputs.held_out.as_ref().is_some_and(|o| o.has(&p.id));
    let todo: Vec<&Prompt> = prompts.iter().filter(|prompt| !there(prompt)).collect();
    let mut tally = Tally { prompts: todo.len(), skipped: prompts.len() - todo.len(), ..Tally::default() };
    let threads = (plan.in_flight / plan.samples).max(1);
    let filter = Filter::new([&plan.chosen, &plan.rejected].into_iter().filter_map(|t| t.instruction.as_deref()));
    let is_enough = |outputs: &Outputs| plan.enough.is_some_and(|enough| outputs.training.lines() >= enough);
    if is_enough(outputs) {
        return Ok(tally);
    }
    in_order(
        &todo,
        threads,
        AHEAD * threads,
        |prompt| sample(plan, client, prompt),
        |_, mut sampled| {
            for sampled in &mut sampled {
                tally.answers += sampled.chosen.len() + sampled.rejected.len();
                sampled.chosen.retain(|candidate| passes(&filter, &candidate.answer, &mut tally));
                sampled.rejected.retain(|candidate| passes(&filter, &candidate.answer, &mut tally));
            }
            score(plan, &mut sampled)?;
            write(plan, &sampled, outputs, &mut tally)?;
            tally.asked += sampled.len();
            observe(&tally);
            Ok(!is_enough(outputs))
        },
    )?;
    Ok(tally)
}

/// The answers to a prompt.
fn sample<'a>(plan: &Plan, client: &Client, prompt: &'a Prompt) -> Result<Sampled<'a>, PairsError> {
    let side = |told: &Told, side: u64| {
        // Numbers of a seed that every JSON reader keeps exactly.
        let seed = draws::of_numbers(&[plan.seed, draws::of_text(&prompt.id), 3 + side]) >> 12;
        let body = ChatBody {
            messages: told.messages(prompt),
            n: Some(plan.samples),
            max_tokens: Some(plan.max_tokens),
            temperature: Some(plan.temperature),
            top_p: Some(plan.top_p),
            seed: Some(seed),
            ..ChatBody::default()
        };
        let trimmed = |answer: ChatAnswer| ChatAnswer { text: answer.text.trim().to_owned(), ..answer };
        let answers = client.chat(&body)?.answers.into_iter().map(trimmed);
        Ok::<_, PairsError>(answers.map(|answer| Candidate { answer, score: None }).collect::<Vec<_>>())
    };
    let chosen = side(&plan.chosen, 0)?;
    let rejected = if plan.is_best_of() { Vec::new() } else { side(&plan.rejected_for(&prompt.id), 1)? };
    Ok(Sampled { prompt, chosen, rejected })
}

fn passes(filter: &Filter, answer: &ChatAnswer, tally: &mut Tally) -> bool {
    let flaw = filter.flaw(&answer.text);
    match flaw {
        Some(Flaw::Empty) => tally.empty += 1,
        Some(Flaw::Repetitive) => tally.repetitive += 1,
        Some(Flaw::Leaking) => tally.leaking += 1,
        None => {}
    }
    flaw.is_none()
}

/// Runs the scorer, if there is one, over these answers.
fn score(plan: &Plan, sampled: &mut [Sampled<'_>]) -> Result<(), PairsError> {
    let Some(scorer) = &plan.scorer else { return Ok(()) };
    let mut items = Vec::new();
    for Sampled { prompt, chosen, rejected } in sampled.iter() {
        items.extend(chosen.iter().chain(rejected).map(|candidate| (prompt.last(), &candidate.answer.text)));
    }
    let item = |(at, (prompt, answer)): (usize, (&str, &String))| Item {
        id: at.to_string(),
        prompt: prompt.to_owned(),
        answer: answer.clone(),
    };
    let items: Vec<Item> = items.into_iter().enumerate().map(item).collect();
    let scores = scorer.score(&items)?;
    let candidates = sampled.iter_mut().flat_map(|one| one.chosen.iter_mut().chain(&mut one.rejected));
    for (item, candidate) in items.iter().zip(candidates) {
        candidate.score = scores.get(&item.id).copied().flatten();
    }
    for one in sampled {
        one.chosen.retain(|candidate| candidate.score.is_some());
        one.rejected.retain(|candidate| candidate.score.is_some());
    }
    Ok(())
}

fn write(plan: &Plan, sampled: &[Sampled<'_>], outputs: &mut Outputs, tally: &mut Tally) -> Result<(), PairsError> {
    let (mut training, mut held_out) = (Vec::new(), Vec::new());
    for Sampled { prompt, chosen, rejected } in sampled {
        let rejected = if plan.is_best_of() { chosen } else { rejected };
        let pairs = plan.rules.pairs(chosen, rejected);
        tally.unpaired += usize::from(pairs.is_empty());
        let out = outputs.held_out.is_some() && plan.holds_out(&prompt.id);
        let lines = pairs.into_iter().map(|(chosen, rejected)| pair(plan, prompt, chosen.answer, rejected.answer));
        if out { held_out.extend(lines) } else { training.extend(lines) }
    }
    if let Some(enough) = plan.enough {
        training.truncate(enough.saturating_sub(outputs.training.lines()));
    }
    tally.pairs += training.len();
    tally.held_out += held_out.len();
    outputs.training.add(&training)?;
    outputs.held_out.as_mut().map_or(Ok(()), |output| output.add(&held_out))
}

fn pair(plan: &Plan, prompt: &Prompt, chosen: ChatAnswer, rejected: ChatAnswer) -> Pair {
    Pair {
        prompt: prompt.messages.clone(),
        chosen: chosen.text,
        rejected: rejected.text,
        dimension: plan.dimension.clone(),
        source: plan.source.clone(),
        prompt_id: prompt.id.clone(),
        chosen_complete: chosen.complete,
        rejected_complete: rejected.complete,
    }
}
