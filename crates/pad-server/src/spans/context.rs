//! `traceparent`: the place of a request in a trace (W3C Trace Context, level 1).

use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// The flag by which a caller says that it records its own part of the trace.
const SAMPLED: u8 = 1;

/// The place of a request in a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace; not 0.
    pub trace_id: u128,
    /// The caller's span; none where the trace begins with this request.
    pub parent_id: Option<u64>,
    /// The request's own span; not 0.
    pub span_id: u64,
    /// Whether it is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// The header's name.
    pub(crate) const HEADER: HeaderName = HeaderName::from_static("traceparent");

    /// The place that the request's headers give it. Several headers, or one that is not as it must be, count as none.
    pub(crate) fn given(headers: &HeaderMap) -> Option<Self> {
        let mut all = headers.get_all(Self::HEADER).iter();
        let only = all.next().filter(|_| all.next().is_none())?;
        Self::parse(only.to_str().ok()?)
    }

    /// `version-trace-parent-flags`; a version after 00 may have more behind it.
    fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let version = u8::try_from(hex(parts.next()?, 2)?).ok().filter(|version| *version != u8::MAX)?;
        let trace_id = hex(parts.next()?, 32).filter(|id| *id != 0)?;
        let parent_id = u64::try_from(hex(parts.next()?, 16)?).ok().filter(|id| *id != 0)?;
        let flags = u8::try_from(hex(parts.next()?, 2)?).ok()?;
        if version == 0 && parts.next().is_some() {
            return None;
        }
        Some(Self { trace_id, parent_id: Some(parent_id), span_id: random(), sampled: flags & SAMPLED != 0 })
    }

    /// The beginning of a trace of its own.
    pub(crate) fn new(sampled: bool) -> Self {
        Self { trace_id: rand::random::<u128>().max(1), parent_id: None, span_id: random(), sampled }
    }

    /// The header of what follows from the request.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        let flags = if self.sampled { SAMPLED } else { 0 };
        HeaderValue::from_str(&format!("00-{:032x}-{:016x}-{flags:02x}", self.trace_id, self.span_id)).ok()
    }
}

/// The id of a span.
fn random() -> u64 {
    rand::random::<u64>().max(1)
}

/// So many hexadecimal digits, in lower case.
fn hex(text: &str, digits: usize) -> Option<u128> {
    let valid = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    valid.then(|| u128::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

    fn given(values: &[&str]) -> Option<TraceContext> {
        let headers =
            values.iter().map(|value| (TraceContext::HEADER, HeaderValue::from_str(value).expect("a header")));
        TraceContext::given(&headers.collect())
    }

    #[test]
    fn a_request_has_the_place_that_its_caller_gives_it() {
        for (flags, sampled) in [("01", true), ("00", false), ("03", true), ("fe", false)] {
            let context = given(&[&format!("00-{TRACE}-00f067aa0ba902b7-{flags}")]).expect("a context");
            assert_eq!(
                (context.trace_id, context.parent_id),
                (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, Some(0x00f0_67aa_0ba9_02b7))
            );
            assert_eq!(context.sampled, sampled, "{flags}");
            let header = context.header().expect("a header");
            let own = format!("00-{TRACE}-{:016x}-{:02x}", context.span_id, u8::from(sampled));
            assert_eq!(header.to_str().expect("text"), own);
        }
        assert!(given(&[&format!("42-{TRACE}-00f067aa0ba902b7-01-more")]).is_some(), "a later version");
    }

    #[test]
    fn what_is_not_as_it_must_be_counts_as_none() {
        let good = format!("00-{TRACE}-00f067aa0ba902b7-01");
        for bad in [
            "",
            "00",
            &good.to_uppercase(),
            &good.replacen("00", "ff", 1),
            &format!("{good}-more"),
            &good.replace("00f067aa0ba902b7", "0000000000000000"),
            &good.replace(TRACE, &"0".repeat(32)),
            &good.replace(TRACE, &TRACE[1..]),
            &good.replace("-01", "-1"),
            &good.replace("-01", "-0x"),
        ] {
            assert_eq!(given(&[bad]), None, "{bad}");
        }
        assert_eq!(given(&[&good, &good]), None, "which of the two?");
        assert_eq!(given(&[]), None);
    }

    #[test]
    fn a_trace_of_its_own_has_no_parent() {
        let (one, other) = (TraceContext::new(true), TraceContext::new(false));
        assert_eq!((one.parent_id, one.sampled, other.sampled), (None, true, false));
        assert!(one.trace_id != other.trace_id && one.span_id != other.span_id);
    }
}
