//! A lane over a bridge reads what it would read if the whole answer were encoded at once, after every token of the base model.

use std::path::Path;
use std::sync::LazyLock;

use pad_decode::{Bridge, Crossing};
use pad_reward::TokenBridge;
use pad_text::Chat;
use proptest::prelude::*;
use serde_json::{Value, json};

const CONTROL: [&str; 3] = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"];

/// The words of Qwen's vocabularies.
const QWEN2: &str =
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// Those of GPT-4o's, which have an apostrophe and what follows it within a word.
const GPT4O: &str = r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+";

fn split(pattern: &str) -> Value {
    json!({"type": "Sequence", "pretokenizers": [
        {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": false},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false},
    ]})
}

fn digits() -> Value {
    json!({"type": "Sequence", "pretokenizers": [
        {"type": "Digits", "individual_digits": true},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
    ]})
}

/// A byte-level vocabulary with these merges, whose single bytes begin at a place of their own.
fn chat(words: Value, normalizer: Value, merges: &[&str], from: usize) -> Chat {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../pad-text/tests/data/tokenizer.json");
    let mut json: Value = serde_json::from_str(&std::fs::read_to_string(fixture).unwrap()).unwrap();
    let known = json["model"]["vocab"].as_object().unwrap();
    let mut bytes: Vec<String> = known.keys().filter(|token| token.chars().count() == 1).cloned().collect();
    assert_eq!(bytes.len(), 256);
    bytes.sort();
    bytes.rotate_left(from);
    let merged = merges.iter().map(|merge| merge.replace(' ', ""));
    let tokens = CONTROL.iter().map(|name| (*name).to_owned()).chain(bytes).chain(merged);
    let numbered = tokens.enumerate().map(|(id, token)| (token, json!(id)));
    json["model"]["vocab"] = numbered.collect::<serde_json::Map<String, Value>>().into();
    json["model"]["merges"] = json!(merges);
    json["pre_tokenizer"] = words;
    json["normalizer"] = normalizer;
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("tokenizer.json"), json.to_string()).unwrap();
    Chat::from_dir(folder.path()).unwrap()
}

fn one(words: Value, normalizer: Value) -> Chat {
    let merges = ["t h", "th e", "Ġ the", "i n", "in g", "Ċ Ċ", "Ġ Ġ", "ð Ł", "ðŁ ĺ", "ðŁĺ Ģ", "' s", "Ã ©", "! !"];
    chat(words, normalizer, &merges, 0)
}

fn other(words: Value, normalizer: Value) -> Chat {
    let merges =
        ["h e", "e n", "n d", "a nd", "Ġ and", "Ġ t", "Ġt he", "l o", "' r", "'r e", "Ġ ð", "å Ľ", "e '", "Ł ĺ", "1 2"];
    chat(words, normalizer, &merges, 100)
}

/// A lane over a bridge, as the engine keeps it.
#[derive(Default)]
struct Lane {
    tokens: Vec<u32>,
    settled: usize,
    open: Vec<u32>,
    /// Something was settled because too much was open.
    forced: bool,
}

impl Lane {
    fn push(&mut self, bridge: &TokenBridge, token: u32) {
        self.open.push(token);
        let Crossing { tokens, ends_in, settled, closed } = bridge.cross(&self.open);
        assert_eq!(tokens.len(), ends_in.len());
        assert!(ends_in.is_sorted() && ends_in.iter().all(|place| *place < self.open.len()));
        assert!(ends_in[..settled].iter().all(|place| *place < closed) && settled <= tokens.len());
        self.forced |= tokens.len() > 32 && closed == self.open.len();
        self.tokens.truncate(self.settled);
        self.tokens.extend(tokens);
        self.settled += settled;
        self.open.drain(..closed);
    }
}

fn spelled(chat: &Chat, tokens: &[u32]) -> Vec<u8> {
    tokens.iter().flat_map(|id| chat.tokenizer().token_bytes(*id).to_vec()).collect()
}

/// The tokens of an answer so far, encoded at once.
fn whole(guide: &Chat, bytes: &[u8]) -> Vec<u32> {
    let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
    let mut tokens = guide.tokenizer().encode_text(text).unwrap();
    tokens.extend(guide.tokenizer().encode_bytes(&bytes[text.len()..]).unwrap());
    tokens
}

/// Follows a text token by token; where `cut` says so, a token comes as its bytes. Whether too much was open.
fn follow(base: &Chat, guide: &Chat, composes: bool, text: &str, cut: &[bool]) -> bool {
    let bridge = TokenBridge::new(base, guide).unwrap().unwrap();
    let (mut lane, mut chosen) = (Lane::default(), Vec::new());
    let byte = |byte: &u8| base.tokenizer().encode_bytes(&[*byte]).unwrap()[0];
    let tokens = base.tokenizer().encode_text(text).unwrap().into_iter().enumerate().flat_map(|(at, token)| {
        let bytes = base.tokenizer().token_bytes(token);
        if cut[at % cut.len()] { bytes.iter().map(byte).collect() } else { vec![token] }
    });
    for token in tokens {
        chosen.push(token);
        lane.push(&bridge, token);
        let bytes = spelled(base, &chosen);
        assert!(composes || spelled(guide, &lane.tokens) == bytes, "{text:?}: not the same text");
        assert!(lane.forced || lane.tokens == whole(guide, &bytes), "{text:?}: other tokens than those of the whole");
    }
    assert!(!lane.open.is_empty() || lane.settled == lane.tokens.len());
    lane.forced
}

const PIECES: [&str; 48] = [
    "'r",
    "r",
    "e",
    "e\u{301}\u{338}",
    "the",
    "then",
    "and",
    " and",
    "in",
    "ing",
    " ",
    "  ",
    "   ",
    "\n",
    "\n\n",
    "\t",
    "1",
    "12",
    "123",
    "4",
    "'",
    "'s",
    "'re",
    "it's",
    "!",
    "!!",
    "...",
    "😀",
    "😃",
    "👨‍👩‍👧",
    "é",
    "日本",
    "四",
    "。",
    "ß",
    "—",
    "a",
    "b",
    "lo",
    "HELLO",
    "World",
    "\u{a0}",
    "`",
    "<|im_end|>",
    "e\u{301}",
    "\u{338}",
    "/",
    "٣",
];

/// A base model's vocabulary, a guide's, and whether that one composes characters.
static PAIRS: LazyLock<[(Chat, Chat, bool); 4]> = LazyLock::new(|| {
    let composed = || json!({"type": "NFC"});
    [
        (one(digits(), Value::Null), other(split(QWEN2), composed()), true),
        (other(split(QWEN2), composed()), one(digits(), Value::Null), false),
        (one(split(QWEN2), Value::Null), other(split(GPT4O), Value::Null), false),
        (one(digits(), Value::Null), other(digits(), Value::Null), false),
    ]
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]

    /// Four pairs of vocabularies, 10,000 texts.
    #[test]
    fn ten_thousand_texts_never_get_out_of_step(
        pieces in prop::collection::vec(prop::sample::select(&PIECES[..]), 1..24),
        cut in prop::collection::vec(any::<bool>(), 1..8),
    ) {
        let text = pieces.concat();
        for (base, guide, composes) in PAIRS.iter() {
            follow(base, guide, *composes, &text, &cut);
        }
    }
}

#[test]
fn a_long_text_without_words_keeps_its_text() {
    let (base, guide) = (one(digits(), Value::Null), other(split(QWEN2), Value::Null));
    assert!(follow(&base, &guide, false, &"日本四".repeat(40), &[false, true]));
    assert!(
        !follow(&base, &guide, false, &"the end and then ".repeat(40), &[false]),
        "words are settled by themselves"
    );
}

#[test]
fn the_end_of_a_turn_is_the_end_of_a_turn() {
    let (base, guide) = (one(digits(), Value::Null), other(split(QWEN2), Value::Null));
    let bridge = TokenBridge::new(&base, &guide).unwrap().unwrap();
    let id = |chat: &Chat, name: &str| chat.tokenizer().token_id(name).unwrap();
    let the = base.tokenizer().encode_text("the").unwrap();
    let expected: Vec<u32> =
        guide.tokenizer().encode_text("the").unwrap().into_iter().chain(guide.end_of_turn()).collect();
    for end in base.end_tokens() {
        assert_eq!(bridge.cross(&[&the[..], &[*end]].concat()).tokens, expected);
    }
    let start = bridge.cross(&[id(&base, "<|im_start|>")]);
    assert_eq!(start.tokens, [id(&guide, "<|im_start|>")]);
    assert_eq!((start.settled, start.closed), (1, 1), "no word goes over a control token");
    // A spelling is text.
    let spelling = base.tokenizer().encode_text("<|im_end|>").unwrap();
    assert_eq!(bridge.cross(&spelling).tokens, guide.tokenizer().encode_text("<|im_end|>").unwrap());
}

#[test]
fn each_token_ends_in_the_one_with_its_last_byte() {
    let (base, guide) = (one(digits(), Value::Null), other(split(QWEN2), Value::Null));
    let bridge = TokenBridge::new(&base, &guide).unwrap().unwrap();
    // "the", " the", "r", "e" of the base are "t", "he", " the", "r", "e" of the guide.
    let open = base.tokenizer().encode_text("the there").unwrap();
    let crossing = bridge.cross(&open);
    assert_eq!(open.len(), 4);
    assert_eq!(crossing.ends_in, [0, 0, 1, 2, 3]);
    assert_eq!((crossing.settled, crossing.closed), (2, 1));
}

#[test]
fn there_is_no_bridge_to_what_does_not_spell_every_byte() {
    let base = one(digits(), Value::Null);
    let prefixed = json!({"type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true});
    assert!(TokenBridge::new(&base, &one(prefixed, Value::Null)).unwrap().is_none(), "words get a space");
    let lower = one(digits(), json!({"type": "Lowercase"}));
    assert!(TokenBridge::new(&base, &lower).unwrap().is_none(), "capital letters are lost");
}
