//! A prompt: a conversation, or a plain text.

use pad_text::{Chat, Message, Piece};

use crate::error::RewardError;
use crate::framed::Framed;
use crate::principle::PrincipleTemplate;

/// What a lane reads, before it becomes tokens.
#[derive(Clone, Debug, PartialEq)]
pub enum Prompt {
    /// A conversation, read through the chat template.
    Messages(Vec<Message>),
    /// A text, read as it stands.
    Text(String),
    /// A text in a frame of words.
    Framed(Vec<Framed>),
    /// Tokens, read as they stand.
    Tokens {
        /// The tokens.
        ids: Vec<u32>,
        /// What they spell: what a principle is put around.
        text: String,
    },
}

impl Prompt {
    /// The same under a principle: in a conversation one of its turns says it; around a text or tokens the template is put as a
    /// whole, since there is no turn to put it in.
    pub(crate) fn under(&self, template: &PrincipleTemplate, principle: &str) -> Result<Self, RewardError> {
        Ok(match self {
            Self::Messages(messages) => Self::Messages(template.apply(messages, principle)?),
            Self::Text(text) | Self::Tokens { text, .. } => Self::Framed(template.frame(principle, text)),
            Self::Framed(parts) => {
                let inner: String = parts.iter().map(Framed::text).collect();
                Self::Framed(template.frame(principle, &inner))
            }
        })
    }

    /// Its tokens.
    ///
    /// # Errors
    /// [`RewardError::Text`] from the chat template or the tokenizer.
    pub fn encode(&self, chat: &Chat) -> Result<Vec<u32>, RewardError> {
        Ok(match self {
            Self::Messages(messages) => chat.encode(messages)?,
            Self::Text(text) => chat.opened(chat.tokenizer().encode(text)?),
            Self::Framed(parts) => {
                let pieces: Vec<Piece> = parts.iter().map(Framed::piece).collect();
                chat.opened(chat.encode_pieces(&pieces)?)
            }
            Self::Tokens { ids, .. } => ids.clone(),
        })
    }

    /// Its tokens in another vocabulary than that which its own tokens, if it has some, are of.
    ///
    /// # Errors
    /// As for [`Self::encode`].
    pub(crate) fn encode_anew(&self, chat: &Chat) -> Result<Vec<u32>, RewardError> {
        match self {
            Self::Tokens { text, .. } => Self::Text(text.clone()).encode(chat),
            Self::Messages(_) | Self::Text(_) | Self::Framed(_) => self.encode(chat),
        }
    }

    /// Bytes of its text: a measure of the work that it makes.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Messages(messages) => messages.iter().map(|message| message.content.len()).sum(),
            Self::Text(text) | Self::Tokens { text, .. } => text.len(),
            Self::Framed(parts) => parts.iter().map(|part| part.text().len()).sum(),
        }
    }
}

impl From<Vec<Message>> for Prompt {
    fn from(messages: Vec<Message>) -> Self {
        Self::Messages(messages)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principle::PrincipleTurn;

    #[test]
    fn a_principle_is_put_around_what_is_no_conversation() {
        let template = PrincipleTemplate::new("<{principle}> {content}", PrincipleTurn::User).unwrap();
        let tokens = Prompt::Tokens { ids: vec![1, 2], text: "once".to_owned() };
        for prompt in [Prompt::Text("once".to_owned()), tokens] {
            let framed = ["<", "humor", "> "].map(|words| Framed::Words(words.to_owned()));
            let framed = framed.into_iter().chain([Framed::Inner("once".to_owned())]).collect();
            assert_eq!(prompt.under(&template, "humor").unwrap(), Prompt::Framed(framed));
            assert_eq!(prompt.bytes(), 4);
        }
        let said = Prompt::from(vec![Message::new("user", "hi")]);
        let expected = Prompt::from(vec![Message::new("user", "<humor> hi")]);
        assert_eq!(said.under(&template, "humor").unwrap(), expected);
    }
}
