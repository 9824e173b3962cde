//! The k best of a vocabulary, under masks.

use pad_decode::TokenSet;
use pad_kernels::Best;
use pad_kernels::device::{Address, BestLaunch};

use crate::library::kernels;
use crate::memory::Buffer;
use crate::random::Random;

/// What `Best` keeps of a row, and log sum exp of all and of those allowed.
fn twin(logits: &[f32], allowed: Option<&TokenSet>, k: usize) -> (Vec<(u32, f32)>, [f32; 2]) {
    let mut best = Best::new(k);
    let (mut all, mut among) = (0.0_f64, 0.0_f64);
    for (token, &logit) in (0..).zip(logits) {
        let mass = if logit.is_nan() { 0.0 } else { f64::from(logit).exp() };
        all += mass;
        if allowed.is_none_or(|allowed| allowed.contains(token)) {
            best.show(token, logit);
            among += mass;
        }
    }
    let mut ranked: Vec<(u32, f32)> = best.into_ranked().iter().map(|best| (best.token, best.logit)).collect();
    ranked.resize(k, (u32::MAX, f32::NEG_INFINITY));
    (ranked, [all.ln() as f32, among.ln() as f32])
}

/// The launch of what one round does, without masks and sums.
pub fn in_one_round(
    logits: &Buffer<f32>,
    tokens: &Buffer<u32>,
    best: &Buffer<f32>,
    (rows, vocabulary, k): (usize, usize, usize),
) -> BestLaunch {
    let none = Address::NONE;
    BestLaunch {
        logits: logits.address(),
        masks: none,
        mask_of: none,
        keys: none,
        mass: none,
        tokens: tokens.address(),
        best: best.address(),
        log_sums: none,
        rows,
        vocabulary,
        words: 0,
        k,
    }
}

#[test]
fn the_best_in_one_round_and_in_several() {
    let mut random = Random(13);
    for (vocabulary, k) in [(1_usize, 1), (96, 10), (2048, 100), (2049, 7), (9000, 100), (50_000, 512)] {
        let (words, last) = (vocabulary.div_ceil(32), vocabulary - 1);
        // Coarse logits, so that many are equal; infinities.
        let mut rows: Vec<Vec<f32>> =
            (0..4).map(|_| (0..vocabulary).map(|_| (random.next() * 50.0).round() / 8.0).collect()).collect();
        if vocabulary > 90 {
            (rows[0][3], rows[0][90]) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
        }
        // One token, every third token, none at all; and one row without a mask.
        let bits: [Vec<u32>; 3] = [
            (0..words).map(|word| u32::from(word == last / 32) << (last % 32)).collect(),
            (0..words).map(|word| 0x9249_2492 >> (word % 3)).collect(),
            vec![0; words],
        ];
        let masks = bits.clone().map(TokenSet::from_words);
        let mask_of = [1, 0, -1, 2];
        for masked in [true, false] {
            let mask = |row: usize| usize::try_from(mask_of[row]).ok().filter(|_| masked).map(|mask| &masks[mask]);
            let wanted: Vec<_> = rows.iter().enumerate().map(|(row, logits)| twin(logits, mask(row), k)).collect();
            for order in kernels().orders() {
                let logits = Buffer::of(&rows.concat());
                let (bits, of) = (Buffer::of(&bits.concat()), Buffer::of(&mask_of));
                let keys = Buffer::<u64>::poisoned(4 * BestLaunch::kept(vocabulary, k));
                let mass = Buffer::<f32>::poisoned(16 * BestLaunch::blocks(vocabulary));
                let (tokens, best) = (Buffer::<u32>::poisoned(4 * k), Buffer::<f32>::poisoned(4 * k));
                let sums = Buffer::<f32>::poisoned(8);
                let launch = BestLaunch {
                    logits: logits.address(),
                    masks: bits.address(),
                    mask_of: if masked { of.address() } else { Address::NONE },
                    keys: keys.address(),
                    mass: mass.address(),
                    tokens: tokens.address(),
                    best: best.address(),
                    log_sums: sums.address(),
                    rows: 4,
                    vocabulary,
                    words,
                    k,
                };
                order.run(&launch.launches().unwrap());
                keys.values();
                mass.values();
                let (tokens, best, sums) = (tokens.values(), best.values(), sums.values());
                for (row, (want, log_sums)) in wanted.iter().enumerate() {
                    let got = tokens[row * k..].iter().copied().zip(best[row * k..].iter().copied()).take(k);
                    assert_eq!(got.collect::<Vec<_>>(), *want, "{vocabulary} tokens, k {k}, row {row}");
                    for (got, want) in sums[2 * row..2 * row + 2].iter().zip(log_sums) {
                        assert!(got == want || (got - want).abs() < 1e-5 * want.abs().max(1.0), "{got} against {want}");
                    }
                }
            }
        }
    }
}

#[test]
fn without_sums_and_with_nan() {
    // Zeros of both signs are equal.
    let logits = [1.0, f32::NAN, 2.0, f32::NEG_INFINITY, -0.0, 0.0];
    for order in kernels().orders() {
        let given = Buffer::of(&logits);
        let (tokens, best) = (Buffer::<u32>::poisoned(6), Buffer::<f32>::poisoned(6));
        let launch = in_one_round(&given, &tokens, &best, (1, 6, 6));
        order.run(&launch.launches().unwrap());
        let want = twin(&logits, None, 6).0;
        assert_eq!(tokens.values().into_iter().zip(best.values()).collect::<Vec<_>>(), want);
        let error = BestLaunch { k: 513, ..launch }.launches().unwrap_err().to_string();
        assert!(error.contains("k is 513; 1 to 512"), "{error}");
        assert!(BestLaunch { mass: given.address(), ..launch }.launches().is_err());
    }
}
