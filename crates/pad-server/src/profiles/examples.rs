//! Examples in the prompt: answers that a user chose, put before the conversation as turns.
//!
//! The choices that a profile's weights are learned from serve a second time. With base models of three billion parameters and more, a few
//! of them in the prompt do more than any guidance by a reward (arXiv 2512.23067); small ones follow the weights better.

use std::collections::HashMap;
use std::time::Duration;

use pad_store::{Choice, Scope};
use pad_text::Message;
use serde::{Deserialize, Serialize};

use crate::conversation::last_question;
use crate::rewards::features::GivenAnswer;
use crate::state::Shared;

/// The latest choices, so many of them, are what examples are taken from.
const LATEST: u32 = 200;

/// How long a request waits for its examples.
const PATIENCE: Duration = Duration::from_secs(1);

/// Bytes of all examples together: about 1,000 tokens.
const MOST_BYTES: usize = 4096;

/// The column `content` of a choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ChoiceTexts {
    pub(super) conversation: Vec<Message>,
    /// The answer that the choice is about comes first.
    pub(super) answers: Vec<GivenAnswer>,
    /// Whether it is the better one, or the worse one.
    pub(super) first_is_better: bool,
}

impl ChoiceTexts {
    /// These texts. Of a message its role and its words are kept, not what else a client put beside them.
    pub(super) fn new(conversation: &[Message], answers: &[GivenAnswer], first_is_better: bool) -> Self {
        let bare = |message: &Message| Message::new(message.role.clone(), message.content.clone());
        Self { conversation: conversation.iter().map(bare).collect(), answers: answers.to_vec(), first_is_better }
    }
}

/// Turns of the user and the assistant that the prompt begins with: the chosen answers of the profile whose questions are most
/// like this one, the most similar one last. None where no profile applies, the settings want none, or the database does not answer: an
/// answer without examples is better than none.
pub(crate) async fn examples(
    shared: &Shared,
    scope: &Scope,
    profile: Option<&str>,
    question: Option<&str>,
) -> Vec<Message> {
    let count = shared.state.profiles.in_context;
    let (Some(store), Some(name), Some(question), 1..) = (&shared.state.store, profile, question, count) else {
        return Vec::new();
    };
    let found = async {
        let Some(profile) = store.profile(scope, name).await? else { return Ok(Vec::new()) };
        let after = profile.choices.saturating_sub(i64::from(LATEST));
        store.choices(scope, name, after, LATEST).await
    };
    let late = |_| Err(pad_store::StoreError::Unavailable("it is slow".to_owned()));
    match tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(late) {
        Ok(choices) => most_similar(&choices, question, count),
        Err(error) => {
            tracing::debug!(%error, "a request is answered without the examples of its profile");
            Vec::new()
        }
    }
}

/// A question, and the answer to it that was chosen.
struct Example {
    question: String,
    answer: String,
    similarity: f64,
}

fn most_similar(choices: &[Choice], question: &str, count: usize) -> Vec<Message> {
    // Of several choices on one question the latest stands.
    let mut examples: Vec<Example> = Vec::new();
    for choice in choices.iter().rev() {
        if let Some((asked, answer)) = example(choice)
            && !examples.iter().any(|known| known.question == asked)
        {
            examples.push(Example { question: asked, answer, similarity: 0.0 });
        }
    }
    let rarity = rarity(examples.iter().map(|example| example.question.as_str()).chain([question]));
    for example in &mut examples {
        example.similarity = cosine(&example.question, question, &rarity);
    }
    // The sort is stable: among equals the latest comes first.
    examples.sort_by(|one, other| other.similarity.total_cmp(&one.similarity));
    let mut room = MOST_BYTES;
    examples.retain(|example| {
        let bytes = example.question.len() + example.answer.len();
        let fits = bytes <= room;
        room -= if fits { bytes } else { 0 };
        fits
    });
    examples.truncate(count);
    let turns = |example: Example| [Message::new("user", example.question), Message::new("assistant", example.answer)];
    examples.into_iter().rev().flat_map(turns).collect()
}

/// What was asked last, and the answer that was preferred; none for a choice that was undone, and for a verdict against an answer.
fn example(choice: &Choice) -> Option<(String, String)> {
    if choice.undone_at.is_some() {
        return None;
    }
    let texts = ChoiceTexts::deserialize(choice.content.as_ref()?).ok().filter(|texts| texts.first_is_better)?;
    let asked = last_question(&texts.conversation)?.to_owned();
    let answer = texts.answers.into_iter().next().filter(|answer| answer.complete)?.text;
    (!answer.trim().is_empty()).then_some((asked, answer))
}

fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_lowercase)
}

/// The inverse document frequency of each word: ln(texts / texts with the word), and a bit more, so that two equal texts are alike even
/// where there is no other.
fn rarity<'a>(texts: impl Iterator<Item = &'a str>) -> HashMap<String, f64> {
    let (mut count, mut seen) = (0.0, HashMap::<String, f64>::new());
    for text in texts {
        count += 1.0;
        let mut of_text: Vec<String> = words(text).collect();
        of_text.sort_unstable();
        of_text.dedup();
        of_text.into_iter().for_each(|word| *seen.entry(word).or_default() += 1.0);
    }
    seen.into_iter().map(|(word, with)| (word, (count / with).ln() + 0.01)).collect()
}

/// The cosine between the words of two texts, each word weighted by its rarity.
fn cosine(one: &str, other: &str, rarity: &HashMap<String, f64>) -> f64 {
    let vector = |text: &str| {
        let mut vector = HashMap::<String, f64>::new();
        words(text).for_each(|word| *vector.entry(word).or_default() += 1.0);
        vector.iter_mut().for_each(|(word, value)| *value *= rarity.get(word).copied().unwrap_or_default());
        vector
    };
    let (one, other) = (vector(one), vector(other));
    let norm = |vector: &HashMap<String, f64>| vector.values().map(|value| value * value).sum::<f64>().sqrt();
    let product: f64 = one.iter().map(|(word, value)| value * other.get(word).copied().unwrap_or_default()).sum();
    let norms = norm(&one) * norm(&other);
    if norms > 0.0 { product / norms } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn choice(number: i64, asked: &str, chosen: &str) -> Choice {
        let texts = ChoiceTexts {
            conversation: vec![Message::new("system", "Be kind.".to_owned()), Message::new("user", asked.to_owned())],
            answers: vec![
                GivenAnswer { text: chosen.to_owned(), complete: true },
                GivenAnswer { text: "another".to_owned(), complete: true },
            ],
            first_is_better: true,
        };
        Choice { number, evidence: json!({}), content: Some(json!(texts)), created_at: 0, undone_at: None }
    }

    fn texts(messages: &[Message]) -> Vec<&str> {
        messages.iter().map(|message| message.content.as_str()).collect()
    }

    #[test]
    fn the_most_similar_question_stands_next_to_the_one_that_is_asked() {
        let choices = [
            choice(1, "How do I boil an egg?", "Seven minutes."),
            choice(2, "Why is the sky blue?", "Scattering."),
            choice(3, "How do I fry an egg?", "In butter."),
            choice(4, "How do I boil an egg?", "Eight minutes."),
        ];
        let found = most_similar(&choices, "How long do I boil an egg?", 2);
        assert_eq!(
            texts(&found),
            ["How do I fry an egg?", "In butter.", "How do I boil an egg?", "Eight minutes."],
            "of two choices on one question the latest"
        );
        assert_eq!((found[0].role.as_str(), found[1].role.as_str()), ("user", "assistant"));
        assert_eq!(texts(&most_similar(&choices, "Why is the sea blue?", 1)), ["Why is the sky blue?", "Scattering."]);
        assert_eq!(most_similar(&choices, "How long do I boil an egg?", 0), []);
        assert_eq!(most_similar(&choices, "quite another matter", 9).len(), 6, "whatever they are about");
    }

    #[test]
    fn what_was_undone_rejected_cut_off_or_is_too_long_is_no_example() {
        let undone = Choice { undone_at: Some(1), ..choice(1, "a b", "c") };
        let change = |change: &dyn Fn(&mut ChoiceTexts)| {
            let choice = choice(1, "a b", "c");
            let mut texts: ChoiceTexts = serde_json::from_value(choice.content.clone().expect("texts")).expect("texts");
            change(&mut texts);
            Choice { content: Some(json!(texts)), ..choice }
        };
        let worse = change(&|texts| texts.first_is_better = false);
        let cut = change(&|texts| texts.answers[0].complete = false);
        let empty = change(&|texts| texts.answers[0].text = " ".to_owned());
        let bare = Choice { content: None, ..choice(1, "a b", "c") };
        let long = choice(1, "a b", &"x".repeat(MOST_BYTES));
        for none in [undone, worse, cut, empty, bare, long] {
            assert_eq!(most_similar(std::slice::from_ref(&none), "a b", 1), [], "{none:?}");
        }
        let half = "x".repeat(MOST_BYTES / 2 + 1);
        let choices = [choice(1, "a b c", &half), choice(2, "a b", &half), choice(3, "d", "e")];
        assert_eq!(texts(&most_similar(&choices, "a b", 3)), ["d", "e", "a b", half.as_str()], "what fits");
    }
}
