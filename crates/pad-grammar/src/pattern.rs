//! How large a pattern is.

use regex_syntax::ast::{self, Ast, RepetitionKind, RepetitionRange};

/// Most bytes of a pattern.
pub(crate) const MOST_BYTES: usize = 4096;
/// Most characters of a pattern with its repetitions written out.
pub(crate) const MOST_SIZE: u64 = 10_000;

/// The number of characters of a pattern with its repetitions written out. One that cannot be read is as large as it is long: the compiler
/// refuses it.
pub(crate) fn size(pattern: &str) -> u64 {
    ast::parse::Parser::new().parse(pattern).map_or(pattern.len() as u64, |ast| of(&ast))
}

fn of(ast: &Ast) -> u64 {
    match ast {
        Ast::Empty(_) => 0,
        Ast::Repetition(repeated) => of(&repeated.ast).max(1).saturating_mul(times(&repeated.op.kind)),
        Ast::Group(group) => of(&group.ast),
        Ast::Alternation(parts) => parts.asts.iter().map(of).fold(0, u64::saturating_add),
        Ast::Concat(parts) => parts.asts.iter().map(of).fold(0, u64::saturating_add),
        _ => 1,
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

#[cfg(test)]
mod tests {
    use super::*;

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
