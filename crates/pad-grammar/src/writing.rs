//! What an answer has written so far, as far as something of it may not come again: the keys of the objects that are open, and calls.
//!
//! It follows bytes that the grammar allows, so it need not know what is right: it only finds strings, keys and the ends of objects.

use std::sync::Arc;

use pad_text::call;
use serde_json::{Number, Value};

/// Bytes between the JSON of a call and its end.
const CLOSING: usize = call::AFTER_ARGUMENTS.len() - 1 + call::CLOSE.len();

/// The state of an answer.
#[derive(Clone, Debug)]
pub(crate) struct Writing {
    place: Place,
    /// Objects and arrays that are open, the innermost last.
    levels: Vec<Arc<Level>>,
    /// A key is next in the innermost object.
    before_key: bool,
    /// The key that is being written, without its quotes.
    key: Vec<u8>,
    /// The call that is being written, without white space between its tokens.
    call: Vec<u8>,
    /// Calls that are complete.
    calls: Vec<Arc<Call>>,
}

/// Where the next byte goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Text; so many bytes of an opening tag, and so many bytes behind a call.
    Text { matched: usize, behind: usize },
    /// JSON, of a call or not.
    Json { in_call: bool },
    /// A string in it: a key or not, behind a backslash or not.
    String { in_call: bool, is_key: bool, escaped: bool },
}

#[derive(Clone, Debug)]
struct Level {
    is_object: bool,
    keys: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Call {
    text: Vec<u8>,
    value: Value,
}

/// What is there a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// A key of one object.
    Key,
    /// A call, by name and arguments.
    Call,
}

impl Writing {
    /// Nothing written of a JSON value; calls may stand in its place.
    pub(crate) fn json() -> Self {
        Self::at(Place::Json { in_call: false })
    }

    /// Nothing written of a text with calls.
    pub(crate) fn text() -> Self {
        Self::at(Place::Text { matched: 0, behind: 0 })
    }

    fn at(place: Place) -> Self {
        let (levels, calls) = (Vec::new(), Vec::new());
        Self { place, levels, before_key: false, key: Vec::new(), call: Vec::new(), calls }
    }

    /// Whether something is written that may not come again.
    pub(crate) fn has_something(&self) -> bool {
        !self.calls.is_empty() || self.levels.iter().any(|level| !level.keys.is_empty())
    }

    /// Whether the next byte is in a string, which only a quote ends.
    pub(crate) fn is_in_string(&self) -> bool {
        matches!(self.place, Place::String { .. })
    }

    /// Whether the next byte is in no JSON.
    pub(crate) fn is_in_text(&self) -> bool {
        matches!(self.place, Place::Text { .. })
    }

    /// Whether white space is between tokens here.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.place, Place::Json { .. })
    }

    /// Whether what is being written is as far as it goes the beginning of something that is written already: a key of the same object,
    /// or a call.
    pub(crate) fn is_suspect(&self) -> bool {
        match self.place {
            Place::Text { behind, .. } => !self.calls.is_empty() && behind > CLOSING,
            _ => self.begun_keys().next().is_some() || self.begun_calls().next().is_some(),
        }
    }

    /// Whether it may still be the beginning of that with this byte.
    pub(crate) fn is_on_path(&self, byte: u8) -> bool {
        let of_key = |key: &[u8]| match self.place {
            Place::Json { .. } => byte == b'"',
            _ => key.get(self.key.len()).map_or(byte == b'"', |next| *next == byte),
        };
        let text = matches!(self.place, Place::Text { .. });
        text || self.begun_keys().any(of_key) || self.begun_calls().any(|call| call.get(self.call.len()) == Some(&byte))
    }

    /// The keys of the innermost object that begin like the one that is being written.
    fn begun_keys(&self) -> impl Iterator<Item = &[u8]> {
        let begun = match self.place {
            Place::Json { .. } => self.before_key,
            Place::String { is_key, .. } => is_key && !self.key.contains(&b'\\'),
            Place::Text { .. } => false,
        };
        let keys = self.levels.last().filter(|_| begun).map_or(&[][..], |level| &level.keys);
        keys.iter().map(|key| key.as_bytes()).filter(|key| key.starts_with(&self.key))
    }

    /// The calls that begin like the one that is being written.
    fn begun_calls(&self) -> impl Iterator<Item = &[u8]> {
        let in_call = matches!(self.place, Place::Json { in_call: true } | Place::String { in_call: true, .. });
        let calls = if in_call { &self.calls[..] } else { &[] };
        calls.iter().map(|call| &call.text[..]).filter(|call| call.starts_with(&self.call))
    }

    /// Write on.
    ///
    /// # Errors
    /// Where something is then there a second time.
    pub(crate) fn extend(&mut self, bytes: &[u8]) -> Result<(), Repeat> {
        bytes.iter().try_for_each(|byte| self.push(*byte))
    }

    /// Write a byte.
    ///
    /// # Errors
    /// As for [`Writing::extend`].
    pub(crate) fn push(&mut self, byte: u8) -> Result<(), Repeat> {
        match self.place {
            Place::Text { matched, behind } => {
                let next = call::OPEN.as_bytes().get(matched) == Some(&byte);
                // The first byte of the tag is nowhere else in it.
                let matched =
                    if next { matched + 1 } else { usize::from(call::OPEN.as_bytes().first() == Some(&byte)) };
                self.place = Place::Text { matched, behind: behind + 1 };
                if matched == call::OPEN.len() {
                    self.call.clear();
                    self.place = Place::Json { in_call: true };
                }
                Ok(())
            }
            Place::String { in_call, is_key, escaped } => {
                self.keep(in_call, byte);
                let ends = byte == b'"' && !escaped;
                if ends {
                    self.place = Place::Json { in_call };
                    return if is_key { self.end_key() } else { Ok(()) };
                }
                if is_key {
                    self.key.push(byte);
                }
                self.place = Place::String { in_call, is_key, escaped: byte == b'\\' && !escaped };
                Ok(())
            }
            Place::Json { in_call } => self.push_json(byte, in_call),
        }
    }

    fn push_json(&mut self, byte: u8, in_call: bool) -> Result<(), Repeat> {
        if byte.is_ascii_whitespace() {
            return Ok(());
        }
        self.keep(in_call, byte);
        let in_object = self.levels.last().is_some_and(|level| level.is_object);
        match byte {
            b'{' | b'[' => {
                self.levels.push(Arc::new(Level { is_object: byte == b'{', keys: Vec::new() }));
                self.before_key = byte == b'{';
            }
            b'}' | b']' => {
                self.levels.pop();
                self.before_key = false;
                if self.levels.is_empty() {
                    self.place = Place::Text { matched: 0, behind: 0 };
                    return if in_call { self.end_call() } else { Ok(()) };
                }
            }
            b',' => self.before_key = in_object,
            b'"' => {
                self.place = Place::String { in_call, is_key: self.before_key, escaped: false };
                self.key.clear();
            }
            // A call in place of a value.
            b'<' if self.levels.is_empty() && !in_call => {
                self.place = Place::Text { matched: 1, behind: 0 };
            }
            _ => {}
        }
        Ok(())
    }

    fn keep(&mut self, in_call: bool, byte: u8) {
        if in_call {
            self.call.push(byte);
        }
    }

    fn end_key(&mut self) -> Result<(), Repeat> {
        self.before_key = false;
        let raw = std::mem::take(&mut self.key);
        let key: Arc<str> = if raw.contains(&b'\\') {
            let quoted = [b"\"", &raw[..], b"\""].concat();
            serde_json::from_slice::<String>(&quoted).unwrap_or_else(|_| String::from_utf8_lossy(&raw).into_owned())
        } else {
            String::from_utf8_lossy(&raw).into_owned()
        }
        .into();
        let Some(level) = self.levels.last_mut() else { return Ok(()) };
        if level.keys.contains(&key) {
            return Err(Repeat::Key);
        }
        Arc::make_mut(level).keys.push(key);
        Ok(())
    }

    fn end_call(&mut self) -> Result<(), Repeat> {
        let text = std::mem::take(&mut self.call);
        let value = serde_json::from_slice(&text).unwrap_or_default();
        if self.calls.iter().any(|call| call.text == text || are_equal(&call.value, &value)) {
            return Err(Repeat::Call);
        }
        self.calls.push(Arc::new(Call { text, value }));
        Ok(())
    }
}

/// Whether two values are the same: numbers by their value, objects whatever the order of their keys.
fn are_equal(one: &Value, other: &Value) -> bool {
    let number = |number: &Number| number.as_f64();
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || ((one.is_f64() || other.is_f64()) && number(one) == number(other))
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| are_equal(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let same = |(key, value): (&String, &Value)| other.get(key).is_some_and(|other| are_equal(value, other));
            one.len() == other.len() && one.iter().all(same)
        }
        _ => one == other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(start: Writing, text: &str) -> Result<Writing, Repeat> {
        let mut writing = start;
        writing.extend(text.as_bytes()).map(|()| writing)
    }

    fn call(arguments: &str) -> String {
        format!("<tool_call>\n{{\"name\": \"f\", \"arguments\": {arguments}}}\n</tool_call>")
    }

    #[test]
    fn a_key_is_told_from_a_value_and_from_keys_of_other_objects() {
        for once in [
            r#"{"a": "a", "b": {"a": ["a", {"a": 1}, {"a": 2}], "b": {}}, "c": "\",\"a\":"}"#,
            r#"[{"a": 1}, {"a": 1}]"#,
            r#"{"a\"": 1, "a": 2}"#,
        ] {
            assert!(written(Writing::json(), once).is_ok(), "{once}");
        }
        for twice in [r#"{"a": 1, "a""#, r#"{"a": {"b": [1]}, "\u0061""#, r#"[{"x": 1, "y": {"x": 1}, "x""#] {
            assert_eq!(written(Writing::json(), twice).err(), Some(Repeat::Key), "{twice}");
            // An escape is not followed until the key ends.
            let before = written(Writing::json(), &twice[..twice.len() - 1]);
            assert!(before.is_ok_and(|writing| writing.is_suspect() != twice.contains('\\')), "{twice}");
        }
    }

    #[test]
    fn calls_are_the_same_by_name_and_arguments() {
        let first = call(r#"{"x": 1, "y": "a"}"#);
        for same in [r#"{"x": 1, "y": "a"}"#, r#"{ "x":1,"y" :"a"}"#, r#"{"y": "\u0061", "x": 1.0}"#] {
            let text = format!("Well. {first}\n{}", call(same));
            assert_eq!(written(Writing::text(), &text).err(), Some(Repeat::Call), "{same}");
        }
        for other in [r#"{"x": 1, "y": "a "}"#, r#"{"x": 2, "y": "a"}"#, r#"{"x": 1}"#] {
            let text = format!("{first}\n{}", call(other));
            assert!(written(Writing::json(), &text).is_ok(), "{other}");
        }
        let suspect = |text: &str| written(Writing::text(), &format!("{first}{text}")).is_ok_and(|w| w.is_suspect());
        assert!(!suspect("") && suspect("\n<tool"));
        let open = "\n<tool_call>\n{\"name\": \"f\", \"arguments\": {";
        assert!(suspect(open) && suspect(&format!("{open}  \"x\": 1")) && !suspect(&format!("{open}\"x\": 2")));
    }
}
