//! A vocabulary of three special tokens and the 256 bytes: one token is one byte.

use pad_text::Chat;
use serde_json::{Map, Value, json};

/// Ends an answer.
pub(super) const END: u32 = 2;
/// The token of byte 0.
const FIRST_BYTE: u32 = 3;

/// The token of a byte.
pub(crate) fn token(byte: u8) -> u32 {
    FIRST_BYTE + u32::from(byte)
}

/// The byte of a token; none for a special token.
pub(super) fn byte(token: u32) -> Option<u8> {
    token.checked_sub(FIRST_BYTE).and_then(|byte| u8::try_from(byte).ok())
}

/// The tokenizer with a template of its own, in which the user's words may not be "refuse".
pub(crate) fn chat() -> Chat {
    let folder = tempfile::tempdir().expect("a folder for the tokenizer");
    let write = |name: &str, value: &Value| {
        std::fs::write(folder.path().join(name), value.to_string()).expect("the tokenizer is written");
    };
    let template = "{% for m in messages %}{% if m.content == 'refuse' %}{{ raise_exception('not that') }}{% endif %}\
        {{ '<|im_start|>' + m.role + '\n' + m.content + '<|im_end|>' + '\n' }}{% endfor %}{{ '<|im_start|>assistant\n' }}";
    write("tokenizer.json", &tokenizer_json());
    write("tokenizer_config.json", &json!({"eos_token": "<|im_end|>", "chat_template": template}));
    Chat::from_dir(folder.path()).expect("the tokenizer is whole")
}

fn tokenizer_json() -> Value {
    let specials = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];
    let mut vocabulary = Map::new();
    for (id, special) in specials.iter().enumerate() {
        vocabulary.insert((*special).to_owned(), json!(id));
    }
    for byte in 0..=255 {
        vocabulary.insert(spelling(byte).to_string(), json!(token(byte)));
    }
    let added = specials.iter().enumerate().map(|(id, special)| {
        json!({"id": id, "content": special, "special": true, "normalized": false, "single_word": false, "lstrip": false, "rstrip": false})
    });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": added.collect::<Vec<_>>(), "normalizer": null,
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        "post_processor": null, "decoder": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false},
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null,
            "fuse_unk": false, "byte_fallback": false, "vocab": vocabulary, "merges": []}
    })
}

/// The character by which byte-level BPE spells a byte: itself where it is printable, one beyond Latin-1 otherwise.
fn spelling(byte: u8) -> char {
    let printable = |byte: u8| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    if printable(byte) {
        return char::from(byte);
    }
    let before = (0..byte).filter(|other| !printable(*other)).count() as u32;
    char::from_u32(256 + before).expect("a character")
}
