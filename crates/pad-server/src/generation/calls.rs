//! Calls of tools in the text of an answer.

use std::mem;

use pad_api::{FunctionCallDelta, ToolCallDelta, ToolKind};
use pad_text::call;

use super::fenced_calls::{self, Found};

/// Reads calls from an answer's text as it grows. The text follows a grammar: after an opening tag comes a call, and after a call come
/// others or nothing.
#[derive(Debug, Default)]
pub(crate) struct CallReader {
    held: String,
    place: Position,
    /// Calls that have begun.
    begun: usize,
    /// Calls are the whole answer or no part of it.
    alone: bool,
    /// Names of the tools, whose calls are read from code fences as well.
    tools: Vec<String>,
    /// There may be one call at most.
    single: bool,
    /// Some text was handed out.
    told: bool,
}

/// Where in the text the reader is.
#[derive(Debug, Default)]
enum Position {
    /// Before the first call.
    #[default]
    Text,
    /// In an answer that has no calls.
    Content,
    /// After an opening tag.
    Head,
    /// In the arguments.
    Arguments(ObjectEnd),
    /// Before a closing tag.
    Tail,
    /// After a call.
    Between,
}

/// What was read.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CallText {
    /// Text outside any call.
    pub(crate) text: String,
    /// What is added to calls, in order.
    pub(crate) calls: Vec<ToolCallDelta>,
}

impl CallReader {
    /// For answers of free text, in which calls of these tools may stand.
    pub(crate) fn among_text(tools: Vec<String>, single: bool) -> Self {
        Self { tools, single, ..Self::default() }
    }

    /// For answers whose text has a form of its own: an opening tag in the midst of it is text.
    pub(crate) fn of_calls_alone() -> Self {
        Self { alone: true, ..Self::default() }
    }

    /// More text. What may be the beginning of a call is held back, and white space before one is dropped.
    pub(crate) fn push(&mut self, text: &str) -> CallText {
        self.held.push_str(text);
        let mut read = CallText::default();
        while self.step(&mut read) {}
        self.told |= !read.text.is_empty();
        read
    }

    /// End of text: what was held back. A call that is cut stays cut.
    pub(crate) fn finish(&mut self) -> CallText {
        let mut read = CallText::default();
        if matches!(self.place, Position::Text | Position::Between) && !self.alone {
            while self.read_fenced(&mut read, true).is_none() {}
        }
        read.text.push_str(&self.rest());
        read
    }

    fn rest(&mut self) -> String {
        let held = mem::take(&mut self.held);
        match self.place {
            Position::Text | Position::Content => held,
            // What the tag opened was no call.
            Position::Head if self.begun == 0 && !call::BEFORE_NAME.starts_with(common(&held)) => {
                format!("{}{held}", call::OPEN)
            }
            Position::Head | Position::Arguments(_) | Position::Tail | Position::Between => String::new(),
        }
    }

    /// Whether something was called, and no call is cut.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.place, Position::Between)
    }

    /// Whether there is more to read in what is held.
    fn step(&mut self, read: &mut CallText) -> bool {
        match &mut self.place {
            Position::Content => {
                read.text.push_str(&mem::take(&mut self.held));
                false
            }
            Position::Text if self.alone => {
                if call::OPEN.starts_with(self.held.as_str()) && self.held.len() < call::OPEN.len() {
                    return false;
                }
                let is_call = self.held.starts_with(call::OPEN);
                self.held.drain(..if is_call { call::OPEN.len() } else { 0 });
                self.place = if is_call { Position::Head } else { Position::Content };
                true
            }
            Position::Text => {
                if let Some(at) = self.held.find(call::OPEN) {
                    read.text.push_str(self.held[..at].trim_end());
                    self.held.drain(..at + call::OPEN.len());
                    self.place = Position::Head;
                    return true;
                }
                let Some(perhaps) = self.read_fenced(read, false) else { return true };
                let begins = |at: &usize| call::OPEN.starts_with(self.held[*at..].trim_start());
                let certain = self.held.char_indices().map(|(at, _)| at).find(begins).unwrap_or(self.held.len());
                read.text.extend(self.held.drain(..certain.min(perhaps)));
                false
            }
            Position::Head => {
                let Some((name, length)) = head(&self.held) else { return false };
                self.held.drain(..length);
                self.place = Position::Arguments(ObjectEnd::default());
                read.calls.push(opening(self.begun, name));
                self.begun += 1;
                true
            }
            Position::Arguments(object) => {
                let end = object.end(&self.held);
                let fragment: String = self.held.drain(..end.unwrap_or(self.held.len())).collect();
                if !fragment.is_empty() {
                    read.calls.push(more(self.begun - 1, fragment));
                }
                if end.is_some() {
                    self.place = Position::Tail;
                }
                end.is_some()
            }
            Position::Tail => self.skip_past(call::CLOSE, Position::Between),
            Position::Between => self.read_fenced(read, false).is_none() || self.skip_past(call::OPEN, Position::Head),
        }
    }

    /// Reads calls from a code fence in what is held, if there are some before any tag. If not, returns where some may begin.
    fn read_fenced(&mut self, read: &mut CallText, complete: bool) -> Option<usize> {
        let whole = !self.told && self.begun == 0;
        let (start, end, calls) = match fenced_calls::find(&self.held, &self.tools, whole, complete) {
            Found::Nothing => return Some(self.held.len()),
            // White space before a call is dropped.
            Found::Perhaps(at) => return Some(self.held[..at].trim_end().len()),
            Found::Calls { start, end, calls } => (start, end, calls),
        };
        if self.held.find(call::OPEN).is_some_and(|tag| tag < start) {
            return Some(self.held.len());
        }
        if matches!(self.place, Position::Text) {
            read.text.push_str(self.held[..start].trim_end());
        }
        self.held.drain(..end);
        self.place = Position::Between;
        for (name, arguments) in calls {
            if self.single && self.begun > 0 {
                break;
            }
            read.calls.extend([opening(self.begun, name), more(self.begun, arguments)]);
            self.begun += 1;
        }
        None
    }

    fn skip_past(&mut self, tag: &str, place: Position) -> bool {
        let Some(at) = self.held.find(tag) else { return false };
        self.held.drain(..at + tag.len());
        self.place = place;
        true
    }
}

/// As much of what follows an opening tag as should be equal in every call.
fn common(held: &str) -> &str {
    held.get(..call::BEFORE_NAME.len()).unwrap_or(held)
}

/// The name of a call whose arguments come next, and the length of the call's head.
fn head(held: &str) -> Option<(String, usize)> {
    let rest = held.strip_prefix(call::BEFORE_NAME)?;
    let mut names = serde_json::Deserializer::from_str(rest).into_iter::<String>();
    let name = names.next()?.ok()?;
    let rest = rest[names.byte_offset()..].strip_prefix(call::BEFORE_ARGUMENTS)?;
    Some((name, held.len() - rest.len()))
}

fn opening(index: usize, name: String) -> ToolCallDelta {
    ToolCallDelta {
        index,
        id: Some(format!("call_{:024x}", rand::random::<u128>() >> 32)),
        kind: Some(ToolKind::Function),
        function: FunctionCallDelta { name: Some(name), arguments: String::new() },
    }
}

fn more(index: usize, arguments: String) -> ToolCallDelta {
    ToolCallDelta { index, id: None, kind: None, function: FunctionCallDelta { name: None, arguments } }
}

/// Scanner for the end of a JSON object.
#[derive(Debug, Default)]
struct ObjectEnd {
    depth: usize,
    in_string: bool,
    escaped: bool,
}

impl ObjectEnd {
    /// Where in the next text the object ends, if it does.
    fn end(&mut self, text: &str) -> Option<usize> {
        for (at, byte) in text.bytes().enumerate() {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' if self.in_string => self.escaped = true,
                b'"' => self.in_string = !self.in_string,
                _ if self.in_string => {}
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at + 1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text, and the name and arguments of every call, however the answer is cut.
    fn read(pieces: &[&str]) -> (String, Vec<(String, String)>, bool) {
        let (mut reader, mut text, mut calls) = (CallReader::default(), String::new(), Vec::new());
        for piece in pieces {
            let read = reader.push(piece);
            text.push_str(&read.text);
            for delta in read.calls {
                match (delta.id, delta.function.name) {
                    (Some(id), Some(name)) => {
                        assert!(id.len() == 29 && delta.index == calls.len() && delta.kind == Some(ToolKind::Function));
                        assert_eq!(delta.function.arguments, "");
                        calls.push((name, String::new()));
                    }
                    (None, None) => {
                        assert!(delta.index + 1 == calls.len() && !delta.function.arguments.is_empty());
                        calls[delta.index].1.push_str(&delta.function.arguments);
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        let complete = reader.is_complete();
        text.push_str(&reader.finish().text);
        (text, calls, complete)
    }

    /// The same text whole, by characters, and cut in two anywhere.
    fn check(answer: &str, text: &str, calls: &[(&str, &str)], complete: bool) {
        let calls: Vec<(String, String)> = calls.iter().map(|(n, a)| ((*n).to_owned(), (*a).to_owned())).collect();
        let expected = (text.to_owned(), calls, complete);
        let characters: Vec<String> = answer.chars().map(String::from).collect();
        assert_eq!(read(&characters.iter().map(String::as_str).collect::<Vec<_>>()), expected);
        for at in (0..=answer.len()).filter(|at| answer.is_char_boundary(*at)) {
            let (one, two) = answer.split_at(at);
            assert_eq!(read(&[one, two]), expected, "{one:?} {two:?}");
        }
    }

    #[test]
    fn text_without_calls_is_text() {
        check("a <b> <tool\n\n é <tool_call", "a <b> <tool\n\n é <tool_call", &[], false);
        check("", "", &[], false);
        check("\n ", "\n ", &[], false);
    }

    #[test]
    fn calls_after_text() {
        let arguments = r#"{"a": "}\"{é", "b": [{}, {"c": 1}]}"#;
        let (one, two) = (call::written("one", arguments), call::written("two", "{}"));
        check(&format!("So. \n{one}\n{two}"), "So.", &[("one", arguments), ("two", "{}")], true);
        check(&one, "", &[("one", arguments)], true);
    }

    #[test]
    fn a_call_that_is_cut_is_told_as_far_as_it_came() {
        check("<tool_call>\n{\"name\": \"one\", \"argum", "", &[], false);
        check("<tool_call>\n{\"name\": \"one\", \"arguments\": {\"a\": [1, ", "", &[("one", "{\"a\": [1, ")], false);
        check("<tool_call>\n{\"name\": \"one\", \"arguments\": {}}\n</tool", "", &[("one", "{}")], false);
    }

    #[test]
    fn where_calls_stand_alone_a_tag_within_text_is_text() {
        let all = |answer: &str| {
            let read = |pieces: &[String]| {
                let (mut reader, mut text, mut calls) = (CallReader::of_calls_alone(), String::new(), 0);
                for piece in pieces {
                    let read = reader.push(piece);
                    text.push_str(&read.text);
                    calls += read.calls.len();
                }
                text.push_str(&reader.finish().text);
                (text, calls)
            };
            let whole = read(&[answer.to_owned()]);
            assert_eq!(read(&answer.chars().map(String::from).collect::<Vec<_>>()).0, whole.0);
            whole
        };
        let json = r#"{"a": "<tool_call>\n{\"name\": \"one\""}"#;
        assert_eq!(all(json), (json.to_owned(), 0));
        assert_eq!(all("<tool"), ("<tool".to_owned(), 0));
        assert_eq!(all("<tool_call>x"), ("<tool_call>x".to_owned(), 0), "what is no call is not lost");
        assert!(all(&call::written("one", "{}")).1 > 0);
        assert_eq!(all(&call::written("one", "{}")).0, "");
    }

    #[test]
    fn calls_in_code_fences_are_calls() {
        let tools = || vec!["one".to_owned(), "two".to_owned()];
        let read = |answer: &str, single: bool| {
            let mut all = Vec::new();
            for size in [1, 7, answer.len()] {
                let mut reader = CallReader::among_text(tools(), single);
                let (mut text, mut calls) = (String::new(), Vec::<String>::new());
                let mut take = |read: CallText| {
                    text.push_str(&read.text);
                    for ToolCallDelta { index, function, .. } in read.calls {
                        calls.resize(calls.len().max(index + 1), String::new());
                        calls[index].push_str(&function.name.unwrap_or_default());
                        calls[index].push_str(&function.arguments);
                    }
                };
                for piece in answer.as_bytes().chunks(size) {
                    take(reader.push(std::str::from_utf8(piece).expect("ASCII")));
                }
                take(reader.finish());
                all.push((text, calls.join("; "), reader.is_complete()));
            }
            assert!(all.windows(2).all(|two| two[0] == two[1]), "{all:?}");
            all.remove(0)
        };
        let two = "I will.\n```json\n{\"name\": \"one\", \"arguments\": {\"a\": 1}}\n```\nand\n```json\n{\"name\": \"two\"}\n```\nDone.";
        let calls = "one{\"a\":1}; two{}";
        assert_eq!(read(two, false), ("I will.".to_owned(), calls.to_owned(), true));
        assert_eq!(read(two, true).1, "one{\"a\":1}");
        let bare = "{\"name\": \"two\", \"arguments\": {}}";
        assert_eq!(read(bare, false), (String::new(), "two{}".to_owned(), true));
        let code = "Use\n```json\n{\"name\": \"Alice\"}\n```\nas a file.";
        assert_eq!(read(code, false), (code.to_owned(), String::new(), false));
        let tagged = format!("So: {}", call::written("one", "{}"));
        assert_eq!(read(&tagged, false), ("So:".to_owned(), "one{}".to_owned(), true));
    }
}
