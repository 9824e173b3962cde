//! Stop strings: the text ends before them.

/// Watches a stream of text for stop strings.
///
/// A stop string can be spread over several pushes, so text that may be the beginning of one is
/// held back. What is emitted does not depend on how the text is cut: the stop string that is
/// complete first wins, and among those complete at the same character the longest.
#[derive(Debug, Clone)]
pub struct StopStrings {
    stops: Vec<String>,
    held: String,
    /// How much of the held text was passed: a stop string has to end after it.
    passed: usize,
    hit: bool,
}

/// The outcome of one push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stopped {
    /// Text that is certainly before any stop string.
    pub emit: String,
    /// Whether a stop string is complete: the text is over.
    pub hit: bool,
}

impl StopStrings {
    /// A watch for some strings. An empty string would stop every text and is left out.
    pub fn new(mut stops: Vec<String>) -> Self {
        stops.retain(|stop| !stop.is_empty());
        Self { stops, held: String::new(), passed: 0, hit: false }
    }

    /// Takes the next piece of text. After a hit, nothing more is emitted.
    pub fn push(&mut self, text: &str) -> Stopped {
        if !self.hit {
            self.held.push_str(text);
            if let Some(at) = self.first_stop() {
                self.hit = true;
                let mut emit = std::mem::take(&mut self.held);
                emit.truncate(at);
                return Stopped { emit, hit: true };
            }
        }
        if self.hit {
            return Stopped { emit: String::new(), hit: true };
        }
        let certain = self.certain();
        let keep = self.held.split_off(certain);
        self.passed = self.passed.saturating_sub(certain);
        let emit = std::mem::replace(&mut self.held, keep);
        Stopped { emit, hit: false }
    }

    /// Takes the next piece of text that no stop string may end: one that is complete in it is text like any other. One that
    /// begins in it can still be completed by what is pushed later.
    pub fn pass(&mut self, text: &str) -> Stopped {
        self.held.push_str(text);
        self.passed = self.held.len();
        let certain = self.certain();
        let keep = self.held.split_off(certain);
        self.passed -= certain;
        Stopped { emit: std::mem::replace(&mut self.held, keep), hit: self.hit }
    }

    /// The end of the text: what was held back after all was no stop string.
    pub fn finish(&mut self) -> String {
        std::mem::take(&mut self.held)
    }

    /// Where the stop string that is complete first begins.
    fn first_stop(&self) -> Option<usize> {
        let found = self.stops.iter().filter_map(|stop| {
            let ends_later = |(at, _): &(usize, &str)| at + stop.len() > self.passed;
            let start = if self.passed == 0 {
                self.held.find(stop.as_str())?
            } else {
                let starts = self.held.char_indices().map(|(at, _)| (at, &self.held[at..]));
                starts.filter(ends_later).find(|(_, rest)| rest.starts_with(stop.as_str()))?.0
            };
            Some((start + stop.len(), start))
        });
        found.min().map(|(_, start)| start)
    }

    /// How many bytes cannot be part of a stop string: all but the longest end of the text that begins one.
    fn certain(&self) -> usize {
        let starts = self.held.char_indices().map(|(at, _)| at);
        let begins = |at: &usize| {
            let rest = &self.held[*at..];
            self.stops.iter().any(|stop| stop.len() > rest.len() && stop.starts_with(rest))
        };
        starts.into_iter().find(begins).unwrap_or(self.held.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stops(list: &[&str]) -> StopStrings {
        StopStrings::new(list.iter().map(ToString::to_string).collect())
    }

    /// Pushes the pieces; the whole text emitted and whether a stop was hit.
    fn run<'a>(mut stops: StopStrings, pieces: impl IntoIterator<Item = &'a str>) -> (String, bool) {
        let mut out = String::new();
        let mut hit = false;
        for piece in pieces {
            let stopped = stops.push(piece);
            out.push_str(&stopped.emit);
            hit = stopped.hit;
        }
        out.push_str(&stops.finish());
        (out, hit)
    }

    /// The definition, without a stream: the shortest beginning of the text that ends with a
    /// stop string, less the longest stop string it ends with.
    fn expected(list: &[String], text: &str) -> (String, bool) {
        for end in (0..=text.len()).filter(|&end| text.is_char_boundary(end)) {
            let ends = list.iter().filter(|s| !s.is_empty() && text[..end].ends_with(s.as_str()));
            if let Some(longest) = ends.map(String::len).max() {
                return (text[..end - longest].to_owned(), true);
            }
        }
        (text.to_owned(), false)
    }

    #[test]
    fn a_partial_match_is_held_and_released() {
        let mut stops = stops(&["\n\nUser:"]);
        let emit = |s: &mut StopStrings, text| s.push(text).emit;
        assert_eq!(emit(&mut stops, "Hello\n"), "Hello");
        assert_eq!(emit(&mut stops, "\nUs"), "");
        assert_eq!(emit(&mut stops, "a\n"), "\n\nUsa");
        assert_eq!(stops.finish(), "\n");
    }

    #[test]
    fn a_stop_over_three_pieces_ends_the_text() {
        assert_eq!(run(stops(&["END"]), ["a E", "N", "D b", "c"]), ("a ".into(), true));
    }

    #[test]
    fn the_stop_complete_first_wins_and_then_the_longest() {
        assert_eq!(run(stops(&["abcd", "bc"]), ["abcd"]), ("a".into(), true));
        assert_eq!(run(stops(&["c", "abc"]), ["xabc"]), ("x".into(), true));
    }

    #[test]
    fn what_is_passed_is_not_stopped_but_may_begin_a_stop() {
        let mut passed = stops(&["END", "a"]);
        assert_eq!(passed.pass("xENDa E"), Stopped { emit: "xENDa ".into(), hit: false });
        assert_eq!(passed.push("ND"), Stopped { emit: String::new(), hit: true });
        let mut ends = stops(&["END"]);
        assert_eq!(ends.pass("END").emit, "END", "complete: it is no beginning");
        assert_eq!(ends.push("END"), Stopped { emit: String::new(), hit: true });
        // A complete one within the beginning of another.
        let mut nested = stops(&["xaby", "ab"]);
        assert_eq!(nested.pass("xab").emit, "");
        assert_eq!(nested.push("z"), Stopped { emit: "xabz".into(), hit: false });
        assert_eq!(nested.push("ab"), Stopped { emit: String::new(), hit: true });
        // Overlapping: the second ends later.
        let mut twice = stops(&["aa"]);
        assert_eq!(twice.pass("aa").emit, "a");
        assert_eq!(twice.push("a"), Stopped { emit: String::new(), hit: true });
    }

    #[test]
    fn without_stops_nothing_is_held() {
        assert_eq!(stops(&[""]).push("text").emit, "text");
        assert_eq!(stops(&["xy"]).push("a xz b").emit, "a xz b");
    }

    proptest! {
        #[test]
        fn the_cut_of_the_text_does_not_matter(
            list in prop::collection::vec("[abé😀]{0,4}", 0..4),
            pieces in prop::collection::vec("[abcé😀]{0,5}", 0..8),
        ) {
            let text = pieces.concat();
            let watch = StopStrings::new(list.clone());
            let whole = run(watch.clone(), [text.as_str()]);
            prop_assert_eq!(&whole, &expected(&list, &text));
            if !pieces.is_empty() {
                prop_assert_eq!(run(watch, pieces.iter().map(String::as_str)), whole);
            }
        }

        #[test]
        fn what_is_held_is_never_more_than_a_beginning(text in "[ab]{0,12}") {
            let mut watch = stops(&["aab"]);
            let stopped = watch.push(&text);
            prop_assume!(!stopped.hit);
            let held = watch.finish();
            prop_assert!(["", "a", "aa"].contains(&held.as_str()), "{}", held);
        }
    }
}
