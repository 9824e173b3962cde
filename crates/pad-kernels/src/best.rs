//! The k best logits of a row: the candidates.

use std::sync::atomic::{AtomicU32, Ordering};

/// A token and its logit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ranked {
    /// The token.
    pub token: u32,
    /// Its logit.
    pub logit: f32,
}

/// A logit that the k best of a row reach at least, as far as is known; shared by those who look at different tokens. It only
/// rises, and what it lets pass does not depend on when.
#[derive(Debug)]
pub struct Bar(AtomicU32);

impl Default for Bar {
    fn default() -> Self {
        Self(AtomicU32::new(f32::NEG_INFINITY.to_bits()))
    }
}

impl Bar {
    fn get(&self) -> f32 {
        f32::from_bits(self.0.load(Ordering::Relaxed))
    }

    fn raise(&self, logit: f32) {
        let higher = |bits| (f32::from_bits(bits) < logit).then_some(logit.to_bits());
        // An error says that the bar is as high already.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, higher);
    }
}

/// Keeps the `k` best of the logits it is shown: higher first, and of equal ones the lower token. The result does not depend
/// on the order of showing.
#[derive(Clone, Debug)]
pub struct Best {
    k: usize,
    /// Sorted, best first; at most `k`.
    kept: Vec<Ranked>,
}

impl Best {
    /// Nothing shown yet.
    pub fn new(k: usize) -> Self {
        Self { k, kept: Vec::with_capacity(k + 1) }
    }

    /// Show the logits of consecutive tokens from `first` on. What is below `bar` may be passed over; it is raised where these make
    /// the k-th best better.
    #[expect(clippy::needless_bitwise_bool, reason = "without a branch it is one comparison of vectors")]
    pub fn show_all(&mut self, first: u32, logits: &[f32], bar: &Bar) {
        let lowest = bar.get();
        // Nearly always nothing is good enough, which is one comparison of vectors. NaN is never good enough.
        if !logits.iter().fold(false, |any, logit| any | (*logit >= lowest)) && lowest > f32::NEG_INFINITY {
            return;
        }
        for (token, &logit) in (first..).zip(logits) {
            if logit >= lowest || lowest == f32::NEG_INFINITY {
                self.show(token, logit);
            }
        }
        if let (Some(last), true) = (self.kept.last(), self.kept.len() == self.k) {
            bar.raise(last.logit);
        }
    }

    /// [`Self::show_all`] of those of sixteen tokens, or fewer, whose bit is set.
    pub fn show_among(&mut self, first: u32, logits: &[f32], mut bits: u16, bar: &Bar) {
        let lowest = bar.get();
        while bits != 0 {
            let at = bits.trailing_zeros();
            bits &= bits - 1;
            match logits.get(at as usize) {
                Some(&logit) if logit >= lowest || lowest == f32::NEG_INFINITY => self.show(first + at, logit),
                _ => {}
            }
        }
        if let (Some(last), true) = (self.kept.last(), self.kept.len() == self.k) {
            bar.raise(last.logit);
        }
    }

    /// Show one logit. A NaN is worse than everything.
    pub fn show(&mut self, token: u32, logit: f32) {
        let logit = if logit.is_nan() { f32::NEG_INFINITY } else { logit };
        if self.k == 0 {
            return;
        }
        let before = |r: &Ranked| r.logit > logit || (r.logit == logit && r.token < token);
        if self.kept.len() == self.k && self.kept.last().is_some_and(before) {
            return;
        }
        let at = self.kept.partition_point(before);
        self.kept.insert(at, Ranked { token, logit });
        self.kept.truncate(self.k);
    }

    /// Show everything that `other` kept.
    pub fn merge(&mut self, other: &Self) {
        other.kept.iter().for_each(|r| self.show(r.token, r.logit));
    }

    /// The best, best first.
    pub fn into_ranked(self) -> Vec<Ranked> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_in_any_order_and_any_split() {
        let logits: Vec<f32> = (0..500).map(|i| ((i * 7919 % 97) as f32) / 10.0).collect();
        let mut want: Vec<Ranked> =
            logits.iter().enumerate().map(|(i, &logit)| Ranked { token: i as u32, logit }).collect();
        want.sort_by(|a, b| b.logit.total_cmp(&a.logit).then(a.token.cmp(&b.token)));
        for k in [1, 10, 100, 499, 500, 700] {
            let (mut forward, mut parts, bar) = (Best::new(k), Best::new(k), Bar::default());
            for (i, part) in logits.chunks(16).enumerate() {
                forward.show_all(16 * i as u32, part, &bar);
            }
            let shared = Bar::default();
            for chunk in (0..500).rev().collect::<Vec<_>>().chunks(64) {
                let mut part = Best::new(k);
                chunk.iter().for_each(|&i| part.show_all(i as u32, &logits[i..=i], &shared));
                parts.merge(&part);
            }
            assert_eq!(forward.into_ranked(), want[..k.min(500)]);
            assert_eq!(parts.into_ranked(), want[..k.min(500)]);
        }
    }

    #[test]
    fn nan_comes_last() {
        let mut best = Best::new(2);
        [f32::NAN, 1.0, f32::NEG_INFINITY].iter().enumerate().for_each(|(i, &l)| best.show(i as u32, l));
        assert_eq!(best.into_ranked()[0].token, 1);
    }
}
