//! A set of tokens, such as those that a grammar allows.

use std::sync::Arc;

/// A set of tokens, as bits. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct TokenSet {
    /// Token t is bit t % 32 of word t / 32. A token beyond the words is not in the set.
    words: Arc<[u32]>,
}

impl TokenSet {
    /// The set of these words' bits: token t is bit t % 32 of word t / 32.
    pub fn from_words(words: impl Into<Arc<[u32]>>) -> Self {
        Self { words: words.into() }
    }

    /// The words: token t is bit t % 32 of word t / 32, and none beyond them is in the set.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// Whether the token is in the set.
    pub fn contains(&self, token: u32) -> bool {
        self.words.get(token as usize / 32).is_some_and(|word| word >> (token % 32) & 1 == 1)
    }

    /// Whether nothing is in the set.
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many tokens there are.
    pub fn len(&self) -> usize {
        self.words.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// The tokens, in rising order.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = |(at, word): (usize, &u32)| {
            let (mut left, first) = (*word, at as u32 * 32);
            std::iter::from_fn(move || {
                let bit = (left != 0).then(|| left.trailing_zeros())?;
                left &= left - 1;
                Some(first + bit)
            })
        };
        self.words.iter().enumerate().flat_map(bits)
    }

    /// Which of the sixteen tokens from `16 * tile` on are in the set, the first as the lowest bit.
    pub fn sixteen(&self, tile: usize) -> u16 {
        self.words.get(tile / 2).map_or(0, |word| (word >> (16 * (tile % 2))) as u16)
    }

    /// The same set with these tokens in it.
    #[must_use]
    pub fn with(&self, tokens: &[u32]) -> Self {
        let mut words = self.words.to_vec();
        for token in tokens {
            let at = *token as usize / 32;
            words.resize(words.len().max(at + 1), 0);
            words[at] |= 1 << (token % 32);
        }
        Self::from_words(words)
    }

    /// The same set without these tokens.
    #[must_use]
    pub fn without(&self, tokens: &[u32]) -> Self {
        if !tokens.iter().any(|token| self.contains(*token)) {
            return self.clone();
        }
        let mut words = self.words.to_vec();
        for token in tokens {
            if let Some(word) = words.get_mut(*token as usize / 32) {
                *word &= !(1 << (token % 32));
            }
        }
        Self::from_words(words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_tokens() {
        let set = TokenSet::default().with(&[0, 17, 31, 32, 95]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [0, 17, 31, 32, 95]);
        assert_eq!((set.len(), set.is_empty()), (5, false));
        assert!(set.contains(95) && !set.contains(94) && !set.contains(1_000_000));
        assert_eq!([0, 1, 2, 3, 5, 6].map(|tile| set.sixteen(tile)), [1, 0x8002, 1, 0, 0x8000, 0]);
        let less = set.without(&[17, 40, 1_000_000]);
        assert_eq!(less.iter().collect::<Vec<_>>(), [0, 31, 32, 95]);
        assert!(less.without(&[0, 31, 32, 95]).is_empty());
    }
}
