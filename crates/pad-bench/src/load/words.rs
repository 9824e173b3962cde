//! Prompts of plain English words.

use pad_client::draws::Draws;

/// Short words that most vocabularies hold whole.
const WORDS: [&str; 96] = [
    "air", "apple", "arm", "baby", "bag", "ball", "bank", "bed", "bird", "blue", "boat", "body", "book", "box",
    "bread", "bridge", "car", "cat", "chair", "child", "city", "cloud", "coat", "cold", "cook", "corn", "cup", "dance",
    "day", "desk", "dog", "door", "dream", "east", "egg", "eye", "face", "farm", "field", "fire", "fish", "floor",
    "flower", "food", "game", "garden", "gift", "glass", "gold", "green", "hand", "hat", "heart", "hill", "home",
    "horse", "house", "ice", "island", "key", "king", "lake", "lamp", "leaf", "letter", "light", "line", "map", "milk",
    "moon", "music", "night", "ocean", "paper", "park", "pen", "plant", "rain", "river", "road", "rock", "room",
    "salt", "sea", "ship", "snow", "song", "star", "stone", "street", "summer", "table", "tree", "water", "wind",
    "winter",
];

/// The end of every prompt, so that the answer is long even where a model may end it.
const TASK: &str = "\n\nTell a very long story with all of these words.";

/// Tokens of `TASK` in most vocabularies.
const TASK_TOKENS: usize = 12;

/// A prompt of about `tokens` tokens. Prompts of other draws differ from the first words on.
pub fn prompt(tokens: usize, draws: &mut Draws) -> String {
    let count = tokens.saturating_sub(TASK_TOKENS).max(4);
    let words: Vec<&str> = (0..count).map(|_| WORDS[draws.below(WORDS.len())]).collect();
    words.join(" ") + TASK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prompts_have_their_length_and_begin_differently() {
        let first = prompt(132, &mut Draws::of(&[1]));
        assert_eq!(first.strip_suffix(TASK).unwrap().split(' ').count(), 120);
        assert_eq!(first, prompt(132, &mut Draws::of(&[1])));
        let start = |number| prompt(4, &mut Draws::of(&[number])).split_whitespace().take(4).collect::<String>();
        let starts: std::collections::BTreeSet<String> = (0..100).map(start).collect();
        assert_eq!(starts.len(), 100);
    }
}
