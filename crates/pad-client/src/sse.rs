//! Server-sent events, decoded from a stream of bytes.

/// Decodes the data of events from pieces of a stream, cut anywhere. Comments and fields other than `data` are skipped;
/// lines may end in LF or CRLF.
#[derive(Debug, Default)]
pub struct SseDecoder {
    /// The line that is not complete yet.
    line: Vec<u8>,
    /// The data of the event that is not complete yet.
    data: Option<String>,
}

impl SseDecoder {
    /// Adds a piece; returns the data of the events that it completes.
    pub fn push(&mut self, piece: &[u8]) -> Vec<String> {
        let mut complete = Vec::new();
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            match part.strip_suffix(b"\n") {
                Some(end) => {
                    self.line.extend_from_slice(end);
                    complete.extend(self.end_line());
                }
                None => self.line.extend_from_slice(part),
            }
        }
        complete
    }

    /// The data of the event, where an empty line ends one.
    fn end_line(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(line.strip_suffix(b"\r").unwrap_or(&line));
        if line.is_empty() {
            return self.data.take();
        }
        let (field, value) = line.split_once(':').unwrap_or((&line, ""));
        if field == "data" {
            let value = value.strip_prefix(' ').unwrap_or(value);
            // Several lines of data are one text with line breaks.
            self.data = Some(self.data.take().map_or_else(|| value.to_owned(), |data| data + "\n" + value));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str =
        ": hello\n\ndata: {\"a\":1}\r\n\r\nevent: word\ndata:grüß\ndata: dich\nid: 7\n\n:\n\ndata: [DONE]\n\n";

    #[test]
    fn events_are_the_same_wherever_the_stream_is_cut() {
        let expected = ["{\"a\":1}", "grüß\ndich", "[DONE]"];
        for size in 1..=STREAM.len() {
            let mut events = SseDecoder::default();
            let found: Vec<String> = STREAM.as_bytes().chunks(size).flat_map(|piece| events.push(piece)).collect();
            assert_eq!(found, expected, "in pieces of {size} bytes");
        }
    }

    #[test]
    fn an_event_without_an_end_is_none() {
        let mut events = SseDecoder::default();
        assert!(events.push(b"data: half\n").is_empty());
        assert_eq!(events.push(b"\n"), ["half"]);
        assert!(events.push(b"\n\n").is_empty(), "an empty line alone is no event");
    }
}
