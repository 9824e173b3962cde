//! The principle prompt: the text that conditions a lane on a dimension.

use pad_text::Message;
use serde::{Deserialize, Serialize};

use crate::error::RewardError;
use crate::framed::Framed;

/// The user turn with an instruction in plain words.
pub const TEMPLATE: &str = "{content}\n\n({principle})";

/// The user turn as the released checkpoint was trained to read it: no full stop, one space after
/// the principles.
pub const PAPER_TEMPLATE: &str = "[Guidelines] Your task is to generate response by considering the following principle. \
                            [Principles] {principle} [Instruction] {content}";

const PRINCIPLE: &str = "{principle}";
const CONTENT: &str = "{content}";

/// The turn of a conversation that contains the principle in a reward lane's prompt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PrincipleTurn {
    /// The last user turn, rewritten by the template.
    #[default]
    User,
    /// The system turn, at its end; a new one if there is none. The template is not used.
    System,
}

/// What stands in a template.
enum Place<'a> {
    Words(&'a str),
    Principle,
    Content,
}

/// A text with `{principle}` and `{content}` in it, and the turn that tells a principle.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipleTemplate {
    source: String,
    turn: PrincipleTurn,
}

impl PrincipleTemplate {
    /// Takes the text; an error when one of the two places is missing.
    ///
    /// # Errors
    ///
    /// [`RewardError::Manifest`] naming the missing place.
    pub fn new(source: &str, turn: PrincipleTurn) -> Result<Self, RewardError> {
        for place in [PRINCIPLE, CONTENT] {
            if !source.contains(place) {
                let allowed = format!("a text that contains {PRINCIPLE} and {CONTENT}");
                return Err(RewardError::manifest("template", &format!("without {place}"), &allowed));
            }
        }
        Ok(Self { source: source.to_owned(), turn })
    }

    /// The template with both places filled.
    ///
    /// In one pass: braces in a user's text are text.
    pub fn render(&self, principle: &str, content: &str) -> String {
        let mut out = String::with_capacity(self.source.len() + principle.len() + content.len());
        self.fill(|place| {
            out.push_str(match place {
                Place::Words(words) => words,
                Place::Principle => principle,
                Place::Content => content,
            });
        });
        out
    }

    /// The template around a text that is no message.
    pub(crate) fn frame(&self, principle: &str, content: &str) -> Vec<Framed> {
        let mut parts = Vec::new();
        self.fill(|place| {
            parts.push(match place {
                Place::Words(words) => Framed::Words(words.to_owned()),
                Place::Principle => Framed::Words(principle.to_owned()),
                Place::Content => Framed::Inner(content.to_owned()),
            });
        });
        parts
    }

    /// Goes through the template's words and places, in order.
    fn fill(&self, mut visit: impl FnMut(Place)) {
        let mut rest = self.source.as_str();
        while !rest.is_empty() {
            let places = [(PRINCIPLE, Place::Principle), (CONTENT, Place::Content)];
            let found = places.into_iter().filter_map(|(name, place)| Some((rest.find(name)?, name.len(), place)));
            let Some((at, length, place)) = found.min_by_key(|(at, ..)| *at) else { break };
            if at > 0 {
                visit(Place::Words(&rest[..at]));
            }
            visit(place);
            rest = &rest[at + length..];
        }
        if !rest.is_empty() {
            visit(Place::Words(rest));
        }
    }

    /// The messages that a lane with this principle reads: the last user message rewritten, or the system message extended, and all
    /// others as they are.
    ///
    /// # Errors
    ///
    /// [`RewardError::NoUserMessage`].
    pub fn apply(&self, messages: &[Message], principle: &str) -> Result<Vec<Message>, RewardError> {
        let mut messages = messages.to_vec();
        match self.turn {
            PrincipleTurn::User => {
                let last = messages.iter_mut().rfind(|m| m.role == "user").ok_or(RewardError::NoUserMessage)?;
                last.content = self.render(principle, &last.content);
            }
            PrincipleTurn::System => match messages.iter_mut().find(|m| m.role == "system") {
                Some(system) => system.content = format!("{}\n\n{principle}", system.content),
                None => messages.insert(0, Message::new("system", principle)),
            },
        }
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, content: &str) -> Message {
        Message::new(role, content)
    }

    fn template(source: &str) -> PrincipleTemplate {
        PrincipleTemplate::new(source, PrincipleTurn::User).unwrap()
    }

    #[test]
    fn the_released_prompt_word_for_word() {
        let template = template(PAPER_TEMPLATE);
        assert_eq!(
            template.render("harmless and helpfulness and humor", "Why is the sky blue?"),
            "[Guidelines] Your task is to generate response by considering the following principle. \
             [Principles] harmless and helpfulness and humor [Instruction] Why is the sky blue?"
        );
    }

    #[test]
    fn braces_in_the_texts_are_text() {
        let template = template("{ {principle}|{content}|{x} {");
        assert_eq!(template.render("{content}", "{principle}"), "{ {content}|{principle}|{x} {");
    }

    #[test]
    fn a_missing_place_is_named() {
        let error = PrincipleTemplate::new("{content}", PrincipleTurn::User).unwrap_err().to_string();
        assert!(error.contains("template is without {principle}"), "{error}");
        let error = PrincipleTemplate::new("{principle}", PrincipleTurn::User).unwrap_err().to_string();
        assert!(error.contains("template is without {content}"), "{error}");
    }

    #[test]
    fn only_the_last_user_message_changes() {
        let template = template("<{principle}> {content}");
        let messages = [
            message("system", "s"),
            message("user", "first"),
            message("assistant", "a"),
            message("user", "second"),
            message("assistant", "b"),
        ];
        let changed = template.apply(&messages, "humor").unwrap();
        let contents: Vec<&str> = changed.iter().map(|m| m.content.as_str()).collect();
        assert_eq!(contents, ["s", "first", "a", "<humor> second", "b"]);
    }

    #[test]
    fn the_system_turn_says_it_behind_what_it_says_already() {
        let template = PrincipleTemplate::new(TEMPLATE, PrincipleTurn::System).unwrap();
        let told = |messages: &[Message]| {
            let told = template.apply(messages, "Be brief.").unwrap();
            told.into_iter().map(|m| format!("{}: {}", m.role, m.content)).collect::<Vec<_>>()
        };
        assert_eq!(told(&[message("user", "why?")]), ["system: Be brief.", "user: why?"]);
        let both = [message("system", "You are Ann."), message("user", "why?")];
        assert_eq!(told(&both), ["system: You are Ann.\n\nBe brief.", "user: why?"]);
    }

    #[test]
    fn without_a_user_message_there_is_no_place_for_it() {
        let template = template(PAPER_TEMPLATE);
        let error = template.apply(&[message("system", "s")], "humor").unwrap_err();
        assert!(matches!(error, RewardError::NoUserMessage));
        assert_eq!(error.param(), Some("messages"));
    }
}
