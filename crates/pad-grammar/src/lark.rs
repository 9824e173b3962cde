//! Grammars in Lark's notation.

use crate::ShapeError;
use crate::bounds::check_number;
use crate::literal::within;

/// Most repetitions that a grammar counts.
const MOST_REPEATS: u64 = 1000;

/// A grammar in Lark's notation. Its first rule is `start`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lark(String);

impl Lark {
    /// Take a grammar.
    ///
    /// # Errors
    /// [`ShapeError::TooLong`], [`ShapeError::Beyond`] if it counts too many repetitions; [`ShapeError::Unsupported`] for another notation,
    /// for directives (a schema in a grammar would be compiled unchecked), and for the compiler's operators `&` and `~`, which Lark does not
    /// have: the work on an intersection is the product of the work on its parts, and is not counted before it is done.
    pub fn new(grammar: &str) -> Result<Self, ShapeError> {
        within(grammar.len())?;
        if grammar.contains("::=") {
            return Err(ShapeError::Unsupported(
                "a grammar is in Lark's notation: `start: ...`, not `root ::= ...`".to_owned(),
            ));
        }
        let names = grammar.split('%').skip(1).filter_map(|rest| rest.split(|c: char| !c.is_alphabetic()).next());
        let refused = ["json", "llguidance", "regex", "lark", "import", "override", "extend"];
        if let Some(name) = names.into_iter().find(|name| refused.contains(name)) {
            return Err(ShapeError::Unsupported(format!("the directive `%{name}` is not supported in a grammar")));
        }
        if let Some(operator) = set_operator(grammar) {
            return Err(ShapeError::Unsupported(format!("the operator `{operator}` is not supported in a grammar")));
        }
        let nested = grammar.bytes().scan(0_u64, |level, byte| {
            match byte {
                b'(' | b'[' => *level += 1,
                b')' | b']' => *level = level.saturating_sub(1),
                _ => {}
            }
            Some(*level)
        });
        check_number("the nesting depth of brackets", "#", nested.max().unwrap_or(0), 0, 100)?;
        for counted in grammar.split(['{', '~']).skip(1) {
            for number in counted
                .split(|c: char| !(c.is_ascii_digit() || c == ' ' || c == ','))
                .take(1)
                .flat_map(|list| list.split(','))
            {
                check_number("a repetition", "#", number.trim().parse().unwrap_or(0), 0, MOST_REPEATS)?;
            }
        }
        Ok(Self(grammar.to_owned()))
    }

    pub(crate) fn notation(&self) -> &str {
        &self.0
    }
}

/// The first operator of intersection or complement. What stands in strings, expressions, comments and names of special tokens is none.
/// These four are read as the compiler's lexer reads them.
fn set_operator(grammar: &str) -> Option<char> {
    let mut rest = grammar;
    while let Some(first) = rest.chars().next() {
        let after = &rest[first.len_utf8()..];
        rest = match first {
            '&' => return Some('&'),
            // Before a number it is a repetition.
            '~' if !after.trim_start().starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-') => {
                return Some('~');
            }
            '#' => after_line(after),
            '/' if after.starts_with('/') => after_line(after),
            '"' | '/' => after_closing(after, first),
            '<' => after_name(after),
            _ => after,
        };
    }
    None
}

fn after_line(text: &str) -> &str {
    text.split_once('\n').map_or("", |(_, rest)| rest)
}

/// What follows the next unescaped closing character.
fn after_closing(text: &str, closing: char) -> &str {
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        if c == closing && !escaped {
            return &text[at + c.len_utf8()..];
        }
        escaped = c == '\\' && !escaped;
    }
    ""
}

/// What follows the name of a special token, `<name>`, or the opening bracket if there is no such name.
fn after_name(text: &str) -> &str {
    match text.find(|c: char| c == '<' || c == '>' || c.is_whitespace()) {
        Some(at) if at > 0 && text[at..].starts_with('>') => &text[at + 1..],
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_operators_are_found_where_they_are_operators() {
        for (grammar, found) in [
            ("start: A & B", Some('&')),
            ("start: ~A", Some('~')),
            ("start: A~2..3 | B ~ 4", None),
            ("start: \"&~\" | /[&~]/ // & ~\n# & ~\n", None),
            (r#"start: "\"" & "\"""#, Some('&')),
            (r"start: /\// & /a/", Some('&')),
            ("start: <\"> & <\">", Some('&')),
            ("start: <|a&b|>", None),
            ("// \"\nstart: A & B // \"", Some('&')),
        ] {
            assert_eq!(set_operator(grammar), found, "{grammar}");
        }
    }
}
