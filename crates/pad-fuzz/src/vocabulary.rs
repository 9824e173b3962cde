//! A small vocabulary: three control tokens, the 256 bytes, and a few words.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use pad_text::Tokenizer;

/// The vocabulary of the tests of `pad-text`.
///
/// # Panics
/// Where its file is not there.
pub(crate) fn vocabulary() -> Arc<Tokenizer> {
    static VOCABULARY: OnceLock<Arc<Tokenizer>> = OnceLock::new();
    let read = || {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pad-text/tests/data/tokenizer.json");
        Arc::new(Tokenizer::from_file(&file).expect("the vocabulary is whole"))
    };
    Arc::clone(VOCABULARY.get_or_init(read))
}
