//! Text in, tokens through, text out.
//!
//! * [`Tokenizer`]: text to token ids and token ids to exact bytes, from a `tokenizer.json`
//!   or from the vocabulary inside a GGUF file.
//! * [`ChatTemplate`] and [`Chat`]: a conversation of [`Message`]s to the prompt of one model.
//! * What a client writes is text: the spelling of a control token stays ordinary text ([`Tokenizer::encode_text`]).
//! * [`call`]: how tool calls are written if a template does not define it.
//! * [`Detokenizer`]: generated tokens to text, never a broken character.
//! * [`spell`] and [`Speller`]: given tokens to text, control tokens by their names.
//! * [`StopStrings`]: ends the text before a stop string, also one that spans tokens.
//!
//! From messages to a prompt, and from pieces of an answer to text that ends before a stop string:
//!
//! ```
//! use pad_text::{ChatTemplate, Message, StopStrings};
//!
//! let template = ChatTemplate::new("{% for m in messages %}[{{ m.role }}] {{ m.content }}\n{% endfor %}[assistant] ")?;
//! let prompt = template.render(&[Message::new("user", "Why is the sky blue?")], &[], true, "", "")?;
//! assert_eq!(prompt, "[user] Why is the sky blue?\n[assistant] ");
//!
//! let mut stops = StopStrings::new(vec!["\n[user]".to_owned()]);
//! let pieces = ["Light scatters.", "\n[us", "er] And"].map(|piece| stops.push(piece).emit);
//! assert_eq!(pieces.concat(), "Light scatters.");
//! # Ok::<(), pad_text::TextError>(())
//! ```
//!
//! There are no tensors, sequences or HTTP here: `candle-core` is imported only for the type
//! of a GGUF header, and not at all without the feature `gguf`.

pub mod call;
mod chat;
mod clock;
mod control;
mod cut_character;
mod detokenizer;
mod directory;
mod error;
#[cfg(feature = "gguf")]
mod gguf;
mod json;
mod message;
#[cfg(feature = "gguf")]
mod pretokenizer;
#[cfg(feature = "gguf")]
mod sentencepiece;
mod speller;
mod spelling;
mod stop;
mod template;
mod tokenizer;
mod tokenizer_json;
mod tool_text;
mod words;

#[cfg(all(test, feature = "gguf"))]
mod fixture;

pub use chat::Chat;
pub use cut_character::is_cut_character;
pub use detokenizer::Detokenizer;
pub use error::TextError;
pub use message::Message;
pub use speller::{Speller, spell};
pub use stop::{StopStrings, Stopped};
pub use template::ChatTemplate;
pub use tokenizer::{Piece, Tokenizer};
pub use words::Word;
