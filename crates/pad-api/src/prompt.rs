//! The prompt of a completion: a text, tokens, or several of either.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use serde_json::json;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, OneOfBuilder, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::whole::{self, Whole};

/// What a completion continues; each prompt is continued on its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// One text.
    Text(String),
    /// Several texts.
    Texts(Vec<String>),
    /// The tokens of one prompt.
    Tokens(Vec<u32>),
    /// The tokens of several.
    TokenLists(Vec<Vec<u32>>),
}

impl<'de> Deserialize<'de> for Prompt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(PromptVisitor)
    }
}

/// Read by hand: an untagged enum would lose the path to what is wrong, and what was expected there.
struct PromptVisitor;

impl<'de> Visitor<'de> for PromptVisitor {
    type Value = Prompt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, an array of strings, an array of token ids, or an array of arrays of token ids")
    }

    fn visit_str<E>(self, text: &str) -> Result<Prompt, E> {
        Ok(Prompt::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Prompt, E> {
        Ok(Prompt::Text(text))
    }

    /// The first element tells what the others have to be.
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Prompt, A::Error> {
        match seq.next_element::<Element>()? {
            None => Ok(Prompt::Texts(Vec::new())),
            Some(Element::Text(first)) => Ok(Prompt::Texts(rest(first, seq)?)),
            Some(Element::Token(first)) => {
                let ids: Vec<Whole<u32>> = rest(Whole(first), seq)?;
                Ok(Prompt::Tokens(ids.into_iter().map(|id| id.0).collect()))
            }
            Some(Element::Tokens(first)) => {
                let lists: Vec<TokenList> = rest(TokenList(first), seq)?;
                Ok(Prompt::TokenLists(lists.into_iter().map(|list| list.0).collect()))
            }
        }
    }
}

fn rest<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(first: T, mut seq: A) -> Result<Vec<T>, A::Error> {
    let mut all = vec![first];
    while let Some(element) = seq.next_element()? {
        all.push(element);
    }
    Ok(all)
}

/// The tokens of one prompt of several.
struct TokenList(Vec<u32>);

impl<'de> Deserialize<'de> for TokenList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        whole::list(deserializer).map(Self)
    }
}

/// An element of a prompt that is an array.
enum Element {
    Text(String),
    Token(u32),
    Tokens(Vec<u32>),
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ElementVisitor)
    }
}

struct ElementVisitor;

impl<'de> Visitor<'de> for ElementVisitor {
    type Value = Element;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a token id, or an array of token ids")
    }

    fn visit_str<E>(self, text: &str) -> Result<Element, E> {
        Ok(Element::Text(text.to_owned()))
    }

    fn visit_u64<E: Error>(self, token: u64) -> Result<Element, E> {
        let token = u32::try_from(token).map_err(|_| E::custom(format_args!("{token} is not a token id")))?;
        Ok(Element::Token(token))
    }

    fn visit_f64<E: Error>(self, token: f64) -> Result<Element, E> {
        let whole = whole::of_float(token, &self)?;
        let token = u32::try_from(whole).map_err(|_| E::custom(format_args!("{token} is not a token id")))?;
        Ok(Element::Token(token))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Element, A::Error> {
        let mut tokens = Vec::new();
        while let Some(Whole(token)) = seq.next_element()? {
            tokens.push(token);
        }
        Ok(Element::Tokens(tokens))
    }
}

impl ToSchema for Prompt {}

impl PartialSchema for Prompt {
    fn schema() -> RefOr<Schema> {
        let text = || ObjectBuilder::new().schema_type(Type::String);
        let token = || ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(0));
        let tokens = || ArrayBuilder::new().items(token()).min_items(Some(1));
        OneOfBuilder::new()
            .item(text())
            .item(ArrayBuilder::new().items(text()).min_items(Some(1)))
            .item(tokens())
            .item(ArrayBuilder::new().items(tokens()).min_items(Some(1)))
            .description(Some(
                "A text, token ids, or several of either, each read separately. Control tokens in a text are parsed as such; none is \
                 added.",
            ))
            .examples([json!("Once upon a time"), json!(["One", "Two"]), json!([504, 3575])])
            .into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CompletionRequest, from_slice};

    fn read(prompt: &str) -> Prompt {
        serde_json::from_str(prompt).expect("a prompt")
    }

    #[test]
    fn four_forms() {
        assert_eq!(read(r#""a""#), Prompt::Text("a".to_owned()));
        assert_eq!(read(r#"["a", "b"]"#), Prompt::Texts(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read("[1, 2]"), Prompt::Tokens(vec![1, 2]));
        assert_eq!(read("[[1], [2, 3]]"), Prompt::TokenLists(vec![vec![1], vec![2, 3]]));
        assert_eq!(read("[]"), Prompt::Texts(Vec::new()));
    }

    #[test]
    fn mixtures_and_other_types_name_the_place() {
        let refused = |prompt: &str| {
            let body = format!(r#"{{"prompt": {prompt}}}"#);
            from_slice::<CompletionRequest>(body.as_bytes()).expect_err("refused")
        };
        for (prompt, param) in [
            ("5", "prompt"),
            (r#"["a", 1]"#, "prompt[1]"),
            (r#"[1, "a"]"#, "prompt[1]"),
            ("[-1]", "prompt[0]"),
            ("[4294967296]", "prompt[0]"),
            ("[[1], 2]", "prompt[1]"),
            ("[[1, 0.5]]", "prompt[0][1]"),
            ("[{}]", "prompt[0]"),
        ] {
            let error = refused(prompt);
            assert_eq!(error.param.as_deref(), Some(param), "{prompt}: {}", error.message);
        }
        assert!(refused("5").message.contains("an array of token ids"));
    }
}
