//! One evaluation: its requests and results so far, in a folder.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::answer::{Answer, Likelihood, Question};
use crate::error::EvalError;
use crate::journal::Journal;
use crate::method::Method;
use crate::pair::{Judged, Judgement, Pair};
use crate::plan::{Plan, Terms};
use crate::preference::Preference;
use crate::scale::Scales;
use crate::server::Server;
use crate::work;

/// The status of a server that does not know a route.
const NOT_FOUND: u16 = 404;

/// An evaluation in its folder.
#[derive(Debug)]
pub struct Run {
    folder: PathBuf,
    plan: Plan,
    scales: Scales,
    record: RunRecord,
    answers: Journal<Answer>,
    likelihoods: Journal<Likelihood>,
    judgements: Journal<Judgement>,
    /// Ids of the answers and pairs that this run asked for, or found.
    asked: Vec<String>,
    judged: Vec<String>,
    notes: Vec<String>,
}

/// `run.json`: what the results in the folder were made with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct RunRecord {
    terms: Terms,
    /// The base model, once a server said which.
    model: Option<String>,
    /// The reward model of each method.
    rewards: BTreeMap<String, String>,
}

impl Run {
    /// Begins an evaluation in a folder, or goes on with the one that is there.
    ///
    /// # Errors
    ///
    /// When the folder cannot be used or was made with other settings, or the plan cannot be followed.
    pub fn open(folder: &Path, plan: Plan, scales: Scales) -> Result<Self, EvalError> {
        plan.check()?;
        fs::create_dir_all(folder).map_err(EvalError::io("make", folder))?;
        let path = folder.join("run.json");
        let now = RunRecord { terms: plan.terms.clone(), model: None, rewards: BTreeMap::new() };
        let record = match fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text).map_err(|error| EvalError::file(&path, error.to_string()))?,
            Err(_) => now.clone(),
        };
        if let Some((setting, before, now)) = record.terms.difference(&now.terms) {
            return Err(EvalError::OtherRun { path, setting, before, now });
        }
        Ok(Self {
            answers: Journal::open(&folder.join("answers.jsonl"))?,
            likelihoods: Journal::open(&folder.join("likelihoods.jsonl"))?,
            judgements: Journal::open(&folder.join("pairs.jsonl"))?,
            folder: folder.to_owned(),
            plan,
            scales,
            record,
            asked: Vec::new(),
            judged: Vec::new(),
            notes: Vec::new(),
        })
    }

    /// Asks a server for the answers of these methods, and how probable they are under the base model. What is in the folder
    /// already is not asked again. `identity` tells one reward model from another of the same name.
    ///
    /// # Errors
    ///
    /// When the server is another one than before, refuses, or is gone.
    pub fn ask(&mut self, server: &Server, methods: &[Method], identity: &str) -> Result<(), EvalError> {
        self.recognise(server, methods, identity)?;
        for dimension in server.dimensions() {
            if !dimension.principle.trim().is_empty() {
                self.scales.tell(&dimension.name, &dimension.principle, dimension.opposite.as_deref());
            }
        }
        let preferences = if methods.iter().any(|method| *method != Method::Base) {
            self.plan.preferences(server, &self.scales)?
        } else {
            Vec::new()
        };
        let others = self.plan.missing(server);
        if let Some(method) = methods.last().filter(|_| !others.is_empty()) {
            self.notes.push(format!("The reward model of `{method}` does not have: {}.", others.join(", ")));
        }
        for method in methods {
            let questions = self.plan.questions(method, &preferences, &self.scales);
            self.answers(server, method, &questions)?;
            if self.plan.likelihoods {
                self.likelihoods(server, method, &questions)?;
            }
            // A method that several servers are asked about is there once.
            let known: HashSet<String> = self.asked.iter().cloned().collect();
            self.asked.extend(questions.iter().map(Question::id).filter(|id| !known.contains(id)));
        }
        Ok(())
    }

    /// Asks a server's reward model about pairs of its dimensions; others are left out.
    ///
    /// # Errors
    ///
    /// When the server refuses or is gone. A server without `/v1/rewards` leaves a note.
    pub fn judge(&mut self, server: &Server, method: &Method, pairs: &[Pair]) -> Result<(), EvalError> {
        let has = |pair: &&Pair| server.dimensions().iter().any(|dimension| dimension.name == pair.dimension);
        let id = |pair: &Pair| format!("{method} | {}", pair.id);
        let wanted: Vec<&Pair> = pairs.iter().filter(has).collect();
        let open: Vec<&Pair> = wanted.iter().filter(|pair| self.judgements.get(&id(pair)).is_none()).copied().collect();
        let judge = |pair: &&Pair| {
            let preference = Preference::of(&[(&pair.dimension, 1.0)]);
            let ask = |answer: &str, complete| {
                let rewards = server.rewards(&pair.prompt, answer, complete, &preference)?;
                match rewards.dimensions.get(&pair.dimension) {
                    Some(reward) => {
                        Ok(Judged { reward: *reward, tokens: rewards.tokens, base_logprob: Some(rewards.base_logprob) })
                    }
                    None => Err(server.unexpected("/rewards", &format!("it has no reward of `{}`", pair.dimension))),
                }
            };
            let chosen = ask(&pair.chosen, pair.chosen_complete)?;
            let rejected = ask(&pair.rejected, pair.rejected_complete)?;
            let (id, method, dimension) = (id(pair), method.clone(), pair.dimension.clone());
            Ok(Judgement { id, method, dimension, chosen, rejected })
        };
        let journal = &mut self.judgements;
        let what = format!("{method}: pairs");
        let done = work::each(&what, &open, self.plan.threads, judge, |judgement| journal.add(judgement));
        if self.has_route(done, "held-out pairs are not judged")? {
            self.judged.extend(wanted.into_iter().map(id));
        }
        Ok(())
    }

    /// Refuses a server that is another one than the folder's results are from, and remembers this one.
    fn recognise(&mut self, server: &Server, methods: &[Method], identity: &str) -> Result<(), EvalError> {
        let path = self.folder.join("run.json");
        let other = |setting, before: &str, now: &str| EvalError::OtherRun {
            path: path.clone(),
            setting,
            before: before.to_owned(),
            now: now.to_owned(),
        };
        let model = self.record.model.get_or_insert_with(|| server.model().to_owned());
        if model != server.model() {
            return Err(other("the base model", model, server.model()));
        }
        for method in methods.iter().filter(|method| method.steering().is_some()) {
            let before = self.record.rewards.entry(method.to_string()).or_insert_with(|| identity.to_owned());
            if before != identity {
                return Err(other("the reward model", before, identity));
            }
        }
        let text = serde_json::to_string_pretty(&self.record).unwrap_or_default();
        fs::write(&path, text + "\n").map_err(EvalError::io("write", &path))
    }

    fn answers(&mut self, server: &Server, method: &Method, questions: &[Question]) -> Result<(), EvalError> {
        let is_open = |question: &&Question| {
            self.answers.get(&question.id()).is_none_or(|answer| answer.messages != question.messages)
        };
        let open: Vec<&Question> = questions.iter().filter(is_open).collect();
        let plan = &self.plan;
        let ask = |question: &&Question| {
            // The other arms are not steered.
            let none = Preference::none();
            let preference = if method.steering().is_some() { &question.preference } else { &none };
            let reply = server.answer(&question.messages, preference, &plan.sampling(method, question.decoding))?;
            Ok(Answer {
                id: question.id(),
                method: method.clone(),
                preference: question.preference.clone(),
                prompt: question.prompt.clone(),
                messages: question.messages.clone(),
                decoding: question.decoding,
                answer: reply.text,
                complete: reply.complete,
                tokens: reply.tokens,
                steered_tokens: reply.steered_tokens,
                reward_lanes: reply.reward_lanes,
                seconds: reply.seconds,
            })
        };
        let journal = &mut self.answers;
        work::each(&format!("{method}: answers"), &open, plan.threads, ask, |answer| journal.add(answer))
    }

    fn likelihoods(&mut self, server: &Server, method: &Method, questions: &[Question]) -> Result<(), EvalError> {
        let open: Vec<(&Question, &Answer)> = questions
            .iter()
            .filter_map(|question| Some((question, self.answers.get(&question.id())?)))
            .filter(|(_, answer)| {
                let known = self.likelihoods.get(&answer.id);
                !answer.answer.is_empty() && known.is_none_or(|known| known.answer != answer.answer)
            })
            .collect();
        let ask = |(question, answer): &(&Question, &Answer)| {
            let found = server.rewards(&question.plain, &answer.answer, answer.complete, &Preference::none())?;
            let (id, answer) = (answer.id.clone(), answer.answer.clone());
            Ok(Likelihood { id, answer, base_logprob: found.base_logprob, tokens: found.tokens })
        };
        let journal = &mut self.likelihoods;
        let what = format!("{method}: likelihoods");
        let done = work::each(&what, &open, self.plan.threads, ask, |likelihood| journal.add(likelihood));
        self.has_route(done, "perplexity is not measured").map(|_| ())
    }

    /// Turns a missing route into a note: an older server can be measured without it.
    fn has_route(&mut self, done: Result<(), EvalError>, without: &str) -> Result<bool, EvalError> {
        match done {
            Ok(()) => Ok(true),
            Err(EvalError::Server(error)) if error.status() == Some(NOT_FOUND) => {
                let note = format!("The server has no /v1/rewards: {without}.");
                if !self.notes.contains(&note) {
                    self.notes.push(note);
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What was asked for.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// How dimensions are measured.
    pub fn scales(&self) -> &Scales {
        &self.scales
    }

    /// The base model.
    pub fn model(&self) -> &str {
        self.record.model.as_deref().unwrap_or_default()
    }

    /// What could not be measured, in sentences.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The answers that this run asked for, in its order.
    pub fn asked(&self) -> impl Iterator<Item = &Answer> {
        self.asked.iter().filter_map(|id| self.answers.get(id))
    }

    /// How probable an answer is under the base model.
    pub fn likelihood(&self, answer: &Answer) -> Option<&Likelihood> {
        self.likelihoods.get(&answer.id).filter(|likelihood| likelihood.answer == answer.answer)
    }

    /// What the reward models said of the pairs.
    pub fn judged(&self) -> impl Iterator<Item = &Judgement> {
        self.judged.iter().filter_map(|id| self.judgements.get(id))
    }
}
