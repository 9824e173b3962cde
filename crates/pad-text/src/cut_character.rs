//! Characters that are cut in two.

/// Whether these bytes begin a character and do not complete it.
pub fn is_cut_character(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_cut_and_an_error_is_not() {
        for cut in
            ["\u{1F600}", "é", "日"].map(str::as_bytes).iter().flat_map(|all| (1..all.len()).map(|end| &all[..end]))
        {
            assert!(is_cut_character(cut), "{cut:?}");
        }
        for other in [&b""[..], b"a", b"\xff", b"\x9f", b"\xf0\x28", b"a\xf0", "é".as_bytes()] {
            assert!(!is_cut_character(other), "{other:?}");
        }
    }
}
