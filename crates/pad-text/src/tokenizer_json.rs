//! Reads a `tokenizer.json` without a panic, whatever is in it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::Deserialize;
use serde_json::Value;

/// The part of the file that the `tokenizers` crate reads with a panic where it is not JSON: it buffers it first, and takes for granted
/// that this works.
#[derive(Deserialize)]
struct Checked {
    #[serde(rename = "decoder")]
    _decoder: Option<Value>,
}

/// The tokenizer that a file describes.
///
/// # Errors
/// If the file is not JSON or not a tokenizer. A panic of the crate that reads it is an error as well.
pub(crate) fn parse(json: &[u8]) -> Result<tokenizers::Tokenizer, tokenizers::Error> {
    // All of the file is read here, and only the decoder is kept.
    serde_json::from_slice::<Checked>(json)?;
    let read = catch_unwind(AssertUnwindSafe(|| tokenizers::Tokenizer::from_bytes(json)));
    read.unwrap_or_else(|_| Err("the file cannot be read as a tokenizer".into()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_file_that_is_cut_or_has_no_decoder_is_an_error() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/tokenizer.json");
        let whole = std::fs::read(path).unwrap();
        assert!(parse(&whole).is_ok());
        let text = String::from_utf8(whole).unwrap();
        let decoder = text.find("\"decoder\"").unwrap();
        let cut = (decoder..decoder + 60).map(|end| text[..end].to_owned());
        let value: Value = serde_json::from_str(&text).unwrap();
        let with = |decoder: &str| {
            let mut value = value.clone();
            value["decoder"] = "HERE".into();
            value.to_string().replace("\"HERE\"", decoder)
        };
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let wrong = ["{}", "[]", "7", "", "1e999", "{\"type\": \"Sequence\"}", "{\"type\": 1e999}", &deep].map(with);
        for file in cut.chain(wrong).chain([String::new(), "{}".to_owned()]) {
            assert!(parse(file.as_bytes()).is_err(), "{}", &file[file.len().saturating_sub(80)..]);
        }
        assert!(parse(with("null").as_bytes()).is_ok());
    }
}
