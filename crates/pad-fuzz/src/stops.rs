//! A text in pieces ends where the whole text would.

use pad_text::StopStrings;

/// Bytes that are read from the front.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn one(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn some(&mut self, count: usize) -> Vec<u8> {
        let (some, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        some.to_vec()
    }
}

/// Letters of few kinds, so that they repeat, or any characters.
fn text(bytes: &[u8], few: bool) -> String {
    const LETTERS: [char; 4] = ['a', 'b', '\u{e9}', '\u{1F600}'];
    let letter = |byte: &u8| LETTERS[usize::from(*byte) % LETTERS.len()];
    if few { bytes.iter().map(letter).collect() } else { String::from_utf8_lossy(bytes).into_owned() }
}

/// Where the stop string begins that is complete first after `passed` bytes, the longest of several.
fn reference(text: &str, stops: &[String], passed: usize) -> Option<usize> {
    let ends = (passed + 1..=text.len()).filter(|end| text.is_char_boundary(*end));
    ends.into_iter().find_map(|end| {
        let complete = stops.iter().filter(|stop| !stop.is_empty() && text[..end].ends_with(stop.as_str()));
        complete.map(|stop| end - stop.len()).min()
    })
}

/// How many strings there are, how they and the text are made, how the text is cut, and the text.
///
/// # Panics
/// Where the pieces do not end as the whole does.
pub fn check(data: &[u8]) {
    let mut bytes = Bytes(data);
    let head = bytes.one();
    let (count, few) = (head % 5, head >= 64);
    let stops: Vec<String> = (0..count)
        .map(|_| {
            let length = usize::from(bytes.one() % 8);
            text(&bytes.some(length), few)
        })
        .collect();
    let (mut cut, pass) = (u32::from(bytes.one()) + 1, usize::from(bytes.one() % 16));
    let whole = text(bytes.0, few);
    let longest = stops.iter().map(String::len).max().unwrap_or(0);
    let mut watch = StopStrings::new(stops.clone());
    let (mut emitted, mut hit, mut rest, mut pushed) = (String::new(), false, whole.as_str(), 0);
    let mut passed = 0;
    while !rest.is_empty() && !hit {
        cut = cut.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        let end = rest.char_indices().map(|(at, _)| at).nth((cut >> 16) as usize % 5 + 1).unwrap_or(rest.len());
        let (piece, more) = rest.split_at(end);
        (rest, pushed) = (more, pushed + piece.len());
        let stopped = if pushed <= pass { watch.pass(piece) } else { watch.push(piece) };
        if pushed <= pass {
            passed = pushed;
        }
        emitted.push_str(&stopped.emit);
        hit = stopped.hit;
        assert!(hit || pushed - emitted.len() < longest.max(1), "more is held back than may be a stop string");
    }
    if !hit {
        emitted.push_str(&watch.finish());
    }
    let expected = reference(&whole, &stops, passed);
    assert_eq!((emitted.as_str(), hit), (&whole[..expected.unwrap_or(whole.len())], expected.is_some()), "{stops:?}");
}
