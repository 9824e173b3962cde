//! The principle prompt: how a text-conditioned lane is told what to prefer.

use pad_text::Message;

use crate::error::RewardError;

/// The user turn as the released checkpoint was trained to read it: no full stop, one space after
/// the principles.
pub const TEMPLATE: &str = "[Guidelines] Your task is to generate response by considering the following principle. \
                            [Principles] {principle} [Instruction] {content}";

const PRINCIPLE: &str = "{principle}";
const CONTENT: &str = "{content}";

/// A text with `{principle}` and `{content}` in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipleTemplate {
    source: String,
}

impl PrincipleTemplate {
    /// Takes the text; an error when one of the two places is missing.
    ///
    /// # Errors
    ///
    /// [`RewardError::Manifest`] naming the missing place.
    pub fn new(source: &str) -> Result<Self, RewardError> {
        for place in [PRINCIPLE, CONTENT] {
            if !source.contains(place) {
                let allowed = format!("a text that contains {PRINCIPLE} and {CONTENT}");
                return Err(RewardError::manifest("template", &format!("without {place}"), &allowed));
            }
        }
        Ok(Self { source: source.to_owned() })
    }

    /// The template with both places filled.
    ///
    /// In one pass: braces in a user's text are text.
    pub fn render(&self, principle: &str, content: &str) -> String {
        let mut out = String::with_capacity(self.source.len() + principle.len() + content.len());
        let mut rest = self.source.as_str();
        while let Some(at) = rest.find('{') {
            out.push_str(&rest[..at]);
            rest = &rest[at..];
            if let Some(after) = rest.strip_prefix(PRINCIPLE) {
                out.push_str(principle);
                rest = after;
            } else if let Some(after) = rest.strip_prefix(CONTENT) {
                out.push_str(content);
                rest = after;
            } else {
                out.push('{');
                rest = &rest[1..];
            }
        }
        out.push_str(rest);
        out
    }

    /// The messages that a lane with this principle reads: the last user message rewritten, all
    /// others as they are.
    ///
    /// # Errors
    ///
    /// [`RewardError::NoUserMessage`].
    pub fn apply(&self, messages: &[Message], principle: &str) -> Result<Vec<Message>, RewardError> {
        let mut messages = messages.to_vec();
        let last = messages.iter_mut().rev().find(|m| m.role == "user").ok_or(RewardError::NoUserMessage)?;
        last.content = self.render(principle, &last.content);
        Ok(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(role: &str, content: &str) -> Message {
        Message::new(role, content)
    }

    #[test]
    fn the_released_prompt_word_for_word() {
        let template = PrincipleTemplate::new(TEMPLATE).unwrap();
        assert_eq!(
            template.render("harmless and helpfulness and humor", "Why is the sky blue?"),
            "[Guidelines] Your task is to generate response by considering the following principle. \
             [Principles] harmless and helpfulness and humor [Instruction] Why is the sky blue?"
        );
    }

    #[test]
    fn braces_in_the_texts_are_text() {
        let template = PrincipleTemplate::new("{ {principle}|{content}|{x} {").unwrap();
        assert_eq!(template.render("{content}", "{principle}"), "{ {content}|{principle}|{x} {");
    }

    #[test]
    fn a_missing_place_is_named() {
        let error = PrincipleTemplate::new("{content}").unwrap_err().to_string();
        assert!(error.contains("template is without {principle}"), "{error}");
        let error = PrincipleTemplate::new("{principle}").unwrap_err().to_string();
        assert!(error.contains("template is without {content}"), "{error}");
    }

    #[test]
    fn only_the_last_user_message_changes() {
        let template = PrincipleTemplate::new("<{principle}> {content}").unwrap();
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
    fn without_a_user_message_there_is_no_place_for_it() {
        let template = PrincipleTemplate::new(TEMPLATE).unwrap();
        let error = template.apply(&[message("system", "s")], "humor").unwrap_err();
        assert!(matches!(error, RewardError::NoUserMessage));
        assert_eq!(error.param(), Some("messages"));
    }
}
