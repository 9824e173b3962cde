//! A text in a frame of words.

use pad_text::Piece;

/// A part of a framed text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framed {
    /// What is framed: the caller's own template, whose control tokens are read as such.
    Inner(String),
    /// Words of the frame, a principle's among them: they are text.
    Words(String),
}

impl Framed {
    /// The text of this part.
    pub(crate) fn text(&self) -> &str {
        let (Self::Inner(text) | Self::Words(text)) = self;
        text
    }

    /// As the tokenizer takes it.
    pub(crate) fn piece(&self) -> Piece<'_> {
        match self {
            Self::Inner(text) => Piece::Template(text),
            Self::Words(text) => Piece::Text(text),
        }
    }
}
