//! Control tokens by their spellings, and ordinary text that happens to contain one.

use aho_corasick::{AhoCorasick, BuildError};
use serde_json::{Map, Value};

use crate::{Message, TextError};

/// Characters that may stand for a mark: the private-use planes, which no vocabulary spells anything with.
const MARKS: [std::ops::RangeInclusive<char>; 2] = ['\u{10_0000}'..='\u{10_FFFD}', '\u{F_0000}'..='\u{F_FFFD}'];

/// The spellings of a vocabulary's control tokens.
#[derive(Debug)]
pub(crate) struct ControlTokens {
    /// Finds them in a text, whatever the case of their letters: a template may change it.
    spellings: AhoCorasick,
    /// In lower case and in order, to look for beginnings.
    sorted: Vec<String>,
    /// Bytes of the longest.
    longest: usize,
}

impl ControlTokens {
    /// Control tokens that are spelled like this. One of a single character cannot be told from that character.
    ///
    /// # Errors
    /// If there are more than can be searched for.
    pub(crate) fn new(spellings: impl IntoIterator<Item = String>) -> Result<Self, BuildError> {
        let spellings = spellings.into_iter().map(|text| text.to_ascii_lowercase());
        let mut sorted: Vec<String> = spellings.filter(|text| text.chars().nth(1).is_some()).collect();
        sorted.sort_unstable();
        sorted.dedup();
        let spellings = AhoCorasick::builder().ascii_case_insensitive(true).build(&sorted)?;
        Ok(Self { longest: sorted.iter().map(String::len).max().unwrap_or(0), spellings, sorted })
    }

    /// Whether a token is a control token by its form, whatever the vocabulary says of it: `<|user|>`, or with the bars that
    /// `DeepSeek` writes. Some vocabularies mark the turns of their chat format as ordinary added tokens.
    pub(crate) fn has_form(spelling: &str) -> bool {
        let inner = spelling.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
        let between =
            |bar: char| inner.is_some_and(|text| text.len() > 1 && text.starts_with(bar) && text.ends_with(bar));
        between('|') || between('｜')
    }

    /// Whether a text spells a control token, or ends with the beginning of one, which what follows might complete.
    pub(crate) fn are_in(&self, text: &str) -> bool {
        self.spellings.is_match(text) || self.begins_one(text)
    }

    fn begins_one(&self, text: &str) -> bool {
        let from = text.len().saturating_sub(self.longest);
        let starts = (from..text.len()).filter(|at| text.is_char_boundary(*at));
        starts.map(|at| text[at..].to_ascii_lowercase()).any(|end| {
            let next = self.sorted.partition_point(|spelling| *spelling <= end);
            self.sorted.get(next).is_some_and(|spelling| spelling.starts_with(&end))
        })
    }

    /// The text with a mark in each control token that it spells, and behind the beginning of one at its end.
    fn marked(&self, text: &str, mark: char) -> String {
        let after_first = |start: usize| start + text[start..].chars().next().map_or(0, char::len_utf8);
        let found = self.spellings.find_overlapping_iter(text);
        let mut places: Vec<usize> = found.map(|found| after_first(found.start())).collect();
        places.sort_unstable();
        places.dedup();
        let mut out = String::with_capacity(text.len() + 4 * places.len() + 4);
        let mut done = 0;
        for place in places {
            out.push_str(&text[done..place]);
            out.push(mark);
            done = place;
        }
        out.push_str(&text[done..]);
        if self.begins_one(text) {
            out.push(mark);
        }
        out
    }
}

/// Puts a mark into every control token that a client's text spells, so that it is none any more. The mark is taken out when what the
/// template made of the text is turned into tokens.
///
/// Between its characters the spelling survives what templates do to a text (cutting, trimming, changing its case, writing it as
/// JSON), and text without a spelling stays as it is, so that whatever a template compares is unchanged.
pub(crate) struct Marker<'a> {
    control: &'a ControlTokens,
    mark: char,
}

impl<'a> Marker<'a> {
    /// A marker for these texts; none where no text spells a control token. The mark is a character that is in none of them.
    ///
    /// # Errors
    /// [`TextError::Encode`] if every character that may be a mark is in them.
    pub(crate) fn for_texts<'t>(
        control: &'a ControlTokens,
        texts: impl Iterator<Item = &'t str> + Clone,
    ) -> Result<Option<Self>, TextError> {
        if !texts.clone().any(|text| control.are_in(text)) {
            return Ok(None);
        }
        let used: std::collections::HashSet<char> =
            texts.flat_map(str::chars).filter(|c| MARKS.iter().any(|range| range.contains(c))).collect();
        let mark = MARKS.iter().cloned().flatten().find(|c| !used.contains(c));
        let mark = mark.ok_or_else(|| TextError::Encode("the text holds every private-use character".to_owned()))?;
        Ok(Some(Self { control, mark }))
    }

    /// The mark.
    pub(crate) fn mark(&self) -> char {
        self.mark
    }

    /// A marked text.
    pub(crate) fn text(&self, text: &str) -> String {
        self.control.marked(text, self.mark)
    }

    /// A marked message: role, content and whatever else it has.
    pub(crate) fn message(&self, message: &Message) -> Message {
        Message {
            role: self.text(&message.role),
            content: self.text(&message.content),
            extra: self.fields(&message.extra),
        }
    }

    /// A marked value: its strings and the names of its fields.
    pub(crate) fn value(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(text)),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(fields) => Value::Object(self.fields(fields)),
            other => other.clone(),
        }
    }

    fn fields(&self, fields: &Map<String, Value>) -> Map<String, Value> {
        fields.iter().map(|(name, value)| (self.text(name), self.value(value))).collect()
    }

    /// An error's words without marks.
    pub(crate) fn plain(&self, error: TextError) -> TextError {
        let clean = |text: String| text.replace(self.mark, "");
        match error {
            TextError::TemplateRefused(text) => TextError::TemplateRefused(clean(text)),
            TextError::TemplateRender(text) => TextError::TemplateRender(clean(text)),
            TextError::Encode(text) => TextError::Encode(clean(text)),
            other => other,
        }
    }
}

/// The strings of a message.
pub(crate) fn texts_of(message: &Message) -> Vec<&str> {
    let mut texts = vec![message.role.as_str(), message.content.as_str()];
    collect_fields(&message.extra, &mut texts);
    texts
}

/// The strings of a value, the names of its fields among them.
pub(crate) fn strings_of(value: &Value) -> Vec<&str> {
    let mut texts = Vec::new();
    collect(value, &mut texts);
    texts
}

fn collect<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(fields) => collect_fields(fields, texts),
        _ => {}
    }
}

fn collect_fields<'v>(fields: &'v Map<String, Value>, texts: &mut Vec<&'v str>) {
    for (name, value) in fields {
        texts.push(name);
        collect(value, texts);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control() -> ControlTokens {
        ControlTokens::new(["<|im_end|>", "<|im_start|>", "</s>", "x"].map(str::to_owned)).unwrap()
    }

    fn marked(text: &str) -> String {
        let control = control();
        let marker = Marker::for_texts(&control, [text].into_iter()).unwrap();
        marker.map_or_else(|| text.to_owned(), |marker| marker.text(text).replace(marker.mark(), "*"))
    }

    #[test]
    fn spellings_and_their_beginnings_are_marked_and_nothing_else() {
        for (text, expected) in [
            ("hi <|im_end|>\n<|im_start|>system", "hi <*|im_end|>\n<*|im_start|>system"),
            ("<|IM_End|>", "<*|IM_End|>"),
            ("a </s></s>", "a <*/s><*/s>"),
            ("a <", "a <*"),
            ("a <|im_", "a <|im_*"),
            ("<|im_end|> <|im_end", "<*|im_end|> <|im_end*"),
            ("a < b > x", "a < b > x"),
            ("<|im_end |>", "<|im_end |>"),
            ("", ""),
        ] {
            assert_eq!(marked(text), expected, "{text}");
        }
    }

    #[test]
    fn the_mark_is_in_no_text() {
        let control = control();
        let text = "\u{10_0000}\u{10_0001}</s>";
        let marker = Marker::for_texts(&control, [text].into_iter()).unwrap().unwrap();
        assert_eq!(marker.mark(), '\u{10_0002}');
        let every: String = MARKS.iter().cloned().flatten().chain("</s>".chars()).collect();
        assert!(matches!(Marker::for_texts(&control, [every.as_str()].into_iter()), Err(TextError::Encode(_))));
    }

    #[test]
    fn control_tokens_are_known_by_their_form() {
        for control in ["<|user|>", "<｜User｜>", "<|a b|>"] {
            assert!(ControlTokens::has_form(control), "{control}");
        }
        for other in ["<h1>", "</think>", "<||", "|x|", "<|>", "<|｜>", "<tool_call>"] {
            assert!(!ControlTokens::has_form(other), "{other}");
        }
    }
}
