//! How large a pattern is.

use regex_syntax::ast::{self, Ast, ClassSet, ClassSetItem, RepetitionKind, RepetitionRange};

/// Most bytes of a pattern.
pub(crate) const MOST_BYTES: usize = 4096;
/// Most characters of a pattern with its repetitions written out.
pub(crate) const MOST_SIZE: u64 = 10_000;

/// The number of characters of a pattern with its repetitions written out. One that cannot be read is as large as it is long: the compiler
/// refuses it.
pub(crate) fn size(pattern: &str) -> u64 {
    ast::parse::Parser::new().parse(pattern).map_or(pattern.len() as u64, |ast| of(&ast, |_| 1))
}

/// The sum of what each character is worth, with repetitions written out.
fn of(ast: &Ast, worth: fn(&Ast) -> u64) -> u64 {
    match ast {
        Ast::Empty(_) => 0,
        Ast::Repetition(repeated) => of(&repeated.ast, worth).max(1).saturating_mul(times(&repeated.op.kind)),
        Ast::Group(group) => of(&group.ast, worth),
        Ast::Alternation(parts) => parts.asts.iter().map(|part| of(part, worth)).fold(0, u64::saturating_add),
        Ast::Concat(parts) => parts.asts.iter().map(|part| of(part, worth)).fold(0, u64::saturating_add),
        other => worth(other),
    }
}

fn times(kind: &RepetitionKind) -> u64 {
    let counted = match kind {
        RepetitionKind::Range(RepetitionRange::Exactly(times) | RepetitionRange::AtLeast(times)) => *times,
        RepetitionKind::Range(RepetitionRange::Bounded(_, most)) => *most,
        _ => 1,
    };
    u64::from(counted.max(1))
}

/// About how many parts an automaton over bytes has for a pattern with its repetitions written out: more than its size, since a class of
/// characters is many sequences of bytes.
pub(crate) fn breadth(pattern: &str) -> u64 {
    ast::parse::Parser::new().parse(pattern).map_or(pattern.len() as u64, |ast| of(&ast, ranges))
}

/// About how many ranges of UTF-8 a character of a pattern may come from.
fn ranges(ast: &Ast) -> u64 {
    match ast {
        Ast::Dot(_) | Ast::ClassPerl(_) => 8,
        Ast::ClassUnicode(_) => 500,
        Ast::ClassBracketed(class) => ranges_in(&class.kind),
        _ => 1,
    }
}

fn ranges_in(set: &ClassSet) -> u64 {
    match set {
        ClassSet::BinaryOp(both) => ranges_in(&both.lhs).saturating_add(ranges_in(&both.rhs)),
        ClassSet::Item(item) => ranges_of(item),
    }
}

fn ranges_of(item: &ClassSetItem) -> u64 {
    match item {
        ClassSetItem::Empty(_) | ClassSetItem::Literal(_) | ClassSetItem::Ascii(_) => 1,
        ClassSetItem::Range(range) if range.end.c.is_ascii() => 1,
        ClassSetItem::Range(_) | ClassSetItem::Perl(_) => 8,
        ClassSetItem::Unicode(_) => 500,
        ClassSetItem::Bracketed(class) => ranges_in(&class.kind),
        ClassSetItem::Union(items) => items.items.iter().map(ranges_of).fold(0, u64::saturating_add),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_count_their_ranges() {
        assert_eq!([breadth("abc"), breadth("[a-z]{2,5}|x"), breadth("(?!a)")], [3, 6, 5]);
        assert!(breadth(r"\p{L}") > 300);
    }

    #[test]
    fn repetitions_are_written_out() {
        for (pattern, expected) in [
            ("", 0),
            ("abc", 3),
            ("^a+$", 3),
            ("(ab){3}", 6),
            ("(a{10}){20,}", 200),
            ("[a-z]{2,5}|x", 6),
            ("((a{1000}){1000}){1000}", 1_000_000_000),
            ("(?!a)", 5),
            ("(", 1),
        ] {
            assert_eq!(size(pattern), expected, "{pattern}");
        }
    }
}
