//! From a request with feedback to the answers that it compares.

use pad_api::{FeedbackRequest, Thumb};
use pad_learning::Choice;
use pad_store::Scope;
use pad_text::Message;

use super::kept_answers::KeptAnswers;
use crate::ApiError;
use crate::conversation::conversation;
use crate::rewards::features::GivenAnswer;
use crate::state::Shared;

/// Answers that one choice is among.
const MOST_ANSWERS: usize = 16;

/// What the user did with answers to a conversation.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Judgement {
    pub(super) conversation: Vec<Message>,
    /// The answer that it is about comes first.
    pub(super) answers: Vec<GivenAnswer>,
    /// Their features, if they are known, with the name of what they mean.
    pub(super) features: Option<(String, Vec<Vec<f64>>)>,
    pub(super) verdict: Verdict,
}

/// What is said of the first answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Better than the others, or good if there are none.
    Better,
    /// Worse, or bad.
    Worse,
}

impl Judgement {
    /// Read a request; what it names is looked up.
    ///
    /// # Errors
    /// 400 naming the field that is wrong, 404 for an id that is not stored, 503 if the database does not answer.
    pub(super) async fn read(request: FeedbackRequest, shared: &Shared, scope: &Scope) -> Result<Self, ApiError> {
        let given = request.messages.is_some() || request.chosen.is_some() || request.rejected.is_some();
        match (&request.id, given) {
            (Some(_), true) => {
                let message = "`id` is given beside `messages`, `chosen` or `rejected`; allowed: one or the other";
                Err(ApiError::invalid("id", message))
            }
            (None, false) => {
                let message = "nothing is compared; allowed: `messages`, `chosen` and `rejected`, or `id` with `thumb` or `edited`";
                Err(ApiError::invalid("messages", message))
            }
            (None, true) => Self::of_texts(request),
            (Some(id), false) => {
                let kept = KeptAnswers::find(shared, scope, id).await?;
                Self::of_kept(&request, kept)
            }
        }
    }

    fn of_texts(request: FeedbackRequest) -> Result<Self, ApiError> {
        if request.thumb.is_some() || request.edited.is_some() || request.index.is_some() {
            let message = "`thumb`, `edited` and `index` are about a stored answer; allowed: with `id`";
            return Err(ApiError::invalid("thumb", message));
        }
        let missing = |field: &str| ApiError::invalid(field, format!("`{field}` is absent; allowed: with the others"));
        let messages = request.messages.ok_or_else(|| missing("messages"))?;
        let chosen = request.chosen.ok_or_else(|| missing("chosen"))?;
        let rejected = request.rejected.ok_or_else(|| missing("rejected"))?.into_list();
        if rejected.is_empty() || rejected.len() >= MOST_ANSWERS {
            let message = format!("`rejected` has {} answers; allowed: 1 to {}", rejected.len(), MOST_ANSWERS - 1);
            return Err(ApiError::invalid("rejected", message));
        }
        if rejected.contains(&chosen) {
            return Err(ApiError::invalid(
                "rejected",
                "`rejected` has the text of `chosen`: there is nothing to learn",
            ));
        }
        let complete = request.complete.unwrap_or(true);
        let answer = |text: String| GivenAnswer { text, complete };
        let answers = std::iter::once(chosen).chain(rejected).map(answer).collect();
        Ok(Self { conversation: conversation(messages)?, answers, features: None, verdict: Verdict::Better })
    }

    fn of_kept(request: &FeedbackRequest, kept: KeptAnswers) -> Result<Self, ApiError> {
        let KeptAnswers { conversation, mut answers, features } = kept;
        let index = usize::try_from(request.index.unwrap_or(0)).unwrap_or(usize::MAX);
        if index >= answers.len() {
            let message = format!("`index` is {index}; allowed: 0 to {}, the answers of `id`", answers.len() - 1);
            return Err(ApiError::invalid("index", message));
        }
        let verdict = match (request.thumb, &request.edited) {
            (Some(Thumb::Up), None) => Verdict::Better,
            (Some(Thumb::Down), None) => Verdict::Worse,
            (None, Some(edited)) => {
                let original = answers.swap_remove(index);
                if *edited == original.text {
                    return Err(ApiError::invalid(
                        "edited",
                        "`edited` is the answer as it was: there is nothing to learn",
                    ));
                }
                let edited = GivenAnswer { text: edited.clone(), complete: original.complete };
                let answers = vec![edited, original];
                return Ok(Self { conversation, answers, features: None, verdict: Verdict::Better });
            }
            (Some(_), Some(_)) | (None, None) => {
                let message = "with `id`, one of `thumb` and `edited` is needed; allowed: `thumb`, `up` or `down`, or `edited`, a text";
                return Err(ApiError::invalid("thumb", message));
            }
        };
        answers.swap(0, index);
        let features = features.map(|(of, mut features)| {
            features.swap(0, index);
            (of, features)
        });
        Ok(Self { conversation, answers, features, verdict })
    }

    /// As a choice among answers with these features. `typical` is what answers are like on average.
    pub(super) fn choice(&self, mut features: Vec<Vec<f64>>, typical: Vec<f64>) -> Choice {
        let one = if features.is_empty() { Vec::new() } else { features.remove(0) };
        match (self.verdict, features.is_empty()) {
            (verdict, true) => Choice::Verdict { answer: one, typical, approved: verdict == Verdict::Better },
            (Verdict::Better, false) => Choice::Best { chosen: one, others: features },
            (Verdict::Worse, false) => Choice::Worst { rejected: one, others: features },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn request(body: &Value) -> FeedbackRequest {
        serde_json::from_value(body.clone()).expect("a request")
    }

    fn kept() -> KeptAnswers {
        let answer = |text: &str| GivenAnswer { text: text.to_owned(), complete: true };
        KeptAnswers {
            conversation: vec![Message::new("user", "hello".to_owned())],
            answers: vec![answer("a"), answer("b"), answer("c")],
            features: Some(("x".to_owned(), vec![vec![1.0], vec![2.0], vec![3.0]])),
        }
    }

    fn of_kept(body: &Value) -> Result<Judgement, ApiError> {
        Judgement::of_kept(&request(body), kept())
    }

    #[test]
    fn a_thumb_is_about_one_answer_among_others() {
        let up = of_kept(&json!({"index": 2, "thumb": "up"})).expect("a judgement");
        let texts: Vec<&str> = up.answers.iter().map(|answer| answer.text.as_str()).collect();
        assert_eq!(texts, ["c", "b", "a"]);
        let (_, features) = up.features.clone().expect("features");
        let choice = up.choice(features, vec![0.0]);
        assert_eq!(choice, Choice::Best { chosen: vec![3.0], others: vec![vec![2.0], vec![1.0]] });
        let down = of_kept(&json!({"thumb": "down"})).expect("a judgement");
        let choice = down.choice(vec![vec![1.0], vec![2.0]], vec![0.0]);
        assert_eq!(choice, Choice::Worst { rejected: vec![1.0], others: vec![vec![2.0]] });
        let alone = down.choice(vec![vec![1.0]], vec![0.5]);
        assert_eq!(alone, Choice::Verdict { answer: vec![1.0], typical: vec![0.5], approved: false });
    }

    #[test]
    fn an_edit_is_preferred_to_what_was_edited() {
        let edit = of_kept(&json!({"index": 1, "edited": "better"})).expect("a judgement");
        let texts: Vec<&str> = edit.answers.iter().map(|answer| answer.text.as_str()).collect();
        assert_eq!(
            (texts.as_slice(), edit.verdict, edit.features),
            (["better", "b"].as_slice(), Verdict::Better, None)
        );
    }

    #[test]
    fn what_compares_nothing_is_refused() {
        for (body, param) in [
            (json!({"index": 3, "thumb": "up"}), "index"),
            (json!({"thumb": "up", "edited": "x"}), "thumb"),
            (json!({"index": 0}), "thumb"),
            (json!({"edited": "a"}), "edited"),
        ] {
            let error = of_kept(&body).expect_err("refused");
            assert_eq!(error.body().error.param.as_deref(), Some(param), "{body}");
        }
        let messages = json!([{"role": "user", "content": "hello"}]);
        for (body, param) in [
            (json!({"messages": messages, "chosen": "a"}), "rejected"),
            (json!({"messages": messages, "rejected": "a"}), "chosen"),
            (json!({"chosen": "a", "rejected": "b"}), "messages"),
            (json!({"messages": [], "chosen": "a", "rejected": "b"}), "messages"),
            (json!({"messages": messages, "chosen": "a", "rejected": []}), "rejected"),
            (json!({"messages": messages, "chosen": "a", "rejected": ["b", "a"]}), "rejected"),
            (json!({"messages": messages, "chosen": "a", "rejected": vec!["b"; 16]}), "rejected"),
            (json!({"messages": messages, "chosen": "a", "rejected": "b", "thumb": "up"}), "thumb"),
        ] {
            let error = Judgement::of_texts(request(&body)).expect_err("refused");
            assert_eq!(error.body().error.param.as_deref(), Some(param), "{body}");
        }
    }
}
