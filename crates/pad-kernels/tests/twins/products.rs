//! Products and what is read of them.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use pad_decode::TokenSet;
use pad_kernels::{
    AdaptedRows, FeedForward, Format, Gate, Input, Linear, LowRank, LowRankStack, PackedWeights, Pool, RmsNorm, Wanted,
};

use crate::random::{Random, distance, values};

fn packed(format: Format, outputs: usize, inputs: usize, bias: bool, random: &mut Random, pool: &Arc<Pool>) -> Linear {
    let weights: Vec<f32> = (0..outputs * inputs).map(|_| random.next()).collect();
    let bias = bias.then(|| (0..outputs).map(|_| random.next()).collect());
    Linear::Packed {
        weights: Arc::new(PackedWeights::from_f32(format, outputs, inputs, &weights)),
        bias,
        pool: Arc::clone(pool),
    }
}

/// Additions of rank 3 to outputs from each start on, so many of them.
fn stack(random: &mut Random, inputs: usize, parts: &[(usize, usize)]) -> LowRankStack {
    let mut stack = LowRankStack::new();
    for &(start, outputs) in parts {
        let (down, up) = (values(&random.tensor(3, inputs)), values(&random.tensor(outputs, 3)));
        stack.push(start, LowRank::new(3, inputs, outputs, down, &up, 0.5).unwrap());
    }
    stack
}

#[test]
fn low_rank_additions() {
    let mut random = Random(9);
    let pool = Pool::new(2);
    for (inputs, outputs) in [(64, 100), (33, 17), (1, 2)] {
        let stack = stack(&mut random, inputs, &[(0, outputs / 2), (outputs / 2, outputs - outputs / 2)]);
        for (rows, span) in [(1, 0..1), (7, 2..5), (20, 19..20), (3, 1..1)] {
            let (x, y) = (random.tensor(rows, inputs), random.tensor(rows, outputs));
            let twin = stack.twin(&y, &x, &span).unwrap();
            let got = stack.add(y.copy().unwrap(), &x, Input::Plain, &span, &pool).unwrap();
            assert!(distance(&got, &twin) < 1e-5, "[{outputs}, {inputs}], rows {span:?} of {rows}");
            assert_eq!(span.is_empty(), values(&got) == values(&y));
        }
        let (x, y) = (random.tensor(2, inputs + 1), random.tensor(2, outputs));
        assert!(stack.add(y.clone(), &x, Input::Plain, &(0..2), &pool).is_err());
        assert!(
            stack.add(y, &x.narrow(1, 0, inputs).unwrap().contiguous().unwrap(), Input::Plain, &(0..3), &pool).is_err()
        );
    }
    assert!(
        LowRank::new(0, 2, 2, vec![], &[], 1.0).is_err()
            && LowRank::new(1, 2, 2, vec![0.0; 3], &[0.0; 2], 1.0).is_err()
    );
}

/// Against a product without core, whose B is multiplied by the core beforehand.
#[test]
fn a_core_is_the_weighted_sum_of_its_parts() {
    let mut random = Random(13);
    let pool = Pool::new(2);
    let (rank, inputs, outputs, rows, span) = (3, 33, 17, 5, 1..4);
    let [down, up, cores] =
        [(rank, inputs), (outputs, rank), (2 * rank, rank)].map(|(rows, width)| values(&random.tensor(rows, width)));
    let weights = [0.25, -1.5];
    let core = |i: usize, j: usize| weights[0] * cores[i * rank + j] + weights[1] * cores[(rank + i) * rank + j];
    let through: Vec<f32> = (0..outputs)
        .flat_map(|row| (0..rank).map(move |j| (row, j)))
        .map(|(row, j)| (0..rank).map(|k| up[row * rank + k] * core(k, j)).sum())
        .collect();
    let alone = |part: LowRank| {
        let mut stack = LowRankStack::new();
        stack.push(0, part);
        stack
    };
    let part = |up: &[f32]| LowRank::new(rank, inputs, outputs, down.clone(), up, 0.5).unwrap();
    let (x, y) = (random.tensor(rows, inputs), random.tensor(rows, outputs));
    let add = |stack: &LowRankStack| stack.add(y.copy().unwrap(), &x, Input::Plain, &span, &pool).unwrap();
    let want = add(&alone(part(&through)));
    let unmixed = alone(part(&up).with_cores(cores.clone()).unwrap());
    let mixed = unmixed.mixed(&weights);
    assert!(distance(&add(&mixed), &want) < 1e-5 && distance(&mixed.twin(&y, &x, &span).unwrap(), &want) < 1e-5);
    assert!(distance(&want, &y) > 0.1);
    for nothing in [&unmixed, &mixed.mixed(&[0.0, 0.0])] {
        assert_eq!(values(&add(nothing)), values(&y), "weights of 0 add nothing");
    }
    assert_eq!(values(&add(&mixed.mixed(&[2.0, 1.0]).mixed(&weights))), values(&add(&mixed)), "weights are not kept");
    for values in [vec![], vec![0.0; 10]] {
        assert!(part(&up).with_cores(values).unwrap_err().to_string().contains("cores of 9"));
    }
}

#[test]
fn linear() {
    let mut random = Random(1);
    let pool = Arc::new(Pool::new(2));
    // Quantised activations: 127 steps of the largest value of a block.
    for (format, tolerance) in [(Format::F32, 2e-6), (Format::Q8_0, 1.5e-2)] {
        for (outputs, inputs) in [(576, 576), (192, 576), (1536, 64), (17, 33), (1, 1), (100, 48)] {
            let linear = packed(format, outputs, inputs, outputs % 2 == 0, &mut random, &pool);
            let twin = linear.twin().unwrap();
            let weight =
                Tensor::from_vec((0..inputs).map(|_| random.next()).collect::<Vec<f32>>(), inputs, &Device::Cpu);
            let norm = RmsNorm::new(weight.unwrap(), 1e-5).unwrap();
            for rows in [1, 2, 3, 7, 8, 15, 33] {
                let x = random.tensor(rows, inputs);
                let residual = random.tensor(rows, outputs);
                for input in [Input::Plain, Input::Norm(&norm)] {
                    for residual in [None, Some(&residual)] {
                        let got = linear.forward(&x, input, residual).unwrap();
                        let want = twin.forward(&x, input, residual).unwrap();
                        let distance = distance(&got, &want);
                        assert!(distance < tolerance, "{format:?} [{outputs}, {inputs}] {rows} rows: {distance}");
                    }
                }
            }
        }
    }
}

#[test]
fn feed_forward() {
    let mut random = Random(8);
    let pool = Arc::new(Pool::new(2));
    for (format, tolerance) in [(Format::F32, 1e-4), (Format::Q8_0, 0.3)] {
        for (width, hidden) in [(64, 96), (48, 64), (17, 40), (5, 33)] {
            let norm = RmsNorm::new(random.tensor(1, hidden).squeeze(0).unwrap(), 1e-5).unwrap();
            for biased in [false, true] {
                let outputs = FeedForward::packed_outputs(width);
                let (mut gate_up, mut bias) = (vec![0.0; outputs * hidden], vec![0.0; outputs]);
                for part in 0..2 {
                    for i in 0..width {
                        let row = &mut gate_up[FeedForward::place(part, i) * hidden..][..hidden];
                        row.copy_from_slice(&values(&random.tensor(1, hidden)));
                        bias[FeedForward::place(part, i)] = values(&random.tensor(1, 1))[0];
                    }
                }
                let gate_up = PackedWeights::from_f32(format, outputs, hidden, &gate_up);
                let down = PackedWeights::from_f32(format, hidden, width, &values(&random.tensor(hidden, width)));
                let gate = if biased { Gate::GeluTanh } else { Gate::Silu };
                let packed = FeedForward::Packed {
                    gate,
                    gate_up: Arc::new(gate_up),
                    gate_up_bias: biased.then(|| bias.into()),
                    down: Arc::new(down),
                    down_bias: biased.then(|| values(&random.tensor(1, hidden)).into()),
                    pool: Arc::clone(&pool),
                };
                let twin = packed.twin().unwrap();
                for rows in [1, 3, 16, 21] {
                    let x = random.tensor(rows, hidden);
                    let norm = Input::Norm(&norm);
                    let got = packed.forward(&x, norm, true, &[]).unwrap();
                    let distance = self::distance(&got, &twin.forward(&x, norm, true, &[]).unwrap());
                    assert!(distance < tolerance, "{format:?} [{width}, {hidden}] {rows} rows: {distance}");
                    let alone = packed.forward(&x, Input::Plain, false, &[]).unwrap();
                    let distance = self::distance(&alone, &twin.forward(&x, Input::Plain, false, &[]).unwrap());
                    assert!(distance < tolerance, "alone {format:?} [{width}, {hidden}] {rows} rows: {distance}");
                    let (gate_up, down_added) = (
                        stack(&mut random, hidden, &[(0, width), (FeedForward::padded(width), width)]),
                        stack(&mut random, width, &[(0, hidden)]),
                    );
                    let adapt = |span| AdaptedRows { span, gate_up: &gate_up, down: &down_added };
                    let adapted = [adapt(rows / 3..rows / 2), adapt(rows / 2..rows)];
                    let with = packed.forward(&x, norm, true, &adapted).unwrap();
                    let distance = self::distance(&with, &twin.forward(&x, norm, true, &adapted).unwrap());
                    assert!(distance < tolerance, "adapted {format:?} [{width}, {hidden}] {rows} rows: {distance}");
                    let (plain, with) = (got.to_vec2::<f32>().unwrap(), with.to_vec2::<f32>().unwrap());
                    assert_eq!(plain[..rows / 3], with[..rows / 3], "other rows are untouched");
                    assert!((rows / 3..rows).all(|row| plain[row] != with[row]));
                }
            }
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_in_any_batch_on_any_threads() {
    let mut random = Random(2);
    for format in [Format::F32, Format::Q8_0] {
        let (one, three) = (Arc::new(Pool::new(1)), Arc::new(Pool::new(3)));
        let linear = packed(format, 130, 96, true, &mut random, &one);
        let Linear::Packed { weights, bias, .. } = linear.clone() else { unreachable!() };
        let threaded = Linear::Packed { weights, bias, pool: three };
        let x = random.tensor(13, 96);
        let together = values(&threaded.forward(&x, Input::Plain, None).unwrap());
        for row in 0..13 {
            let alone = linear.forward(&x.narrow(0, row, 1).unwrap(), Input::Plain, None).unwrap();
            assert_eq!(values(&alone), together[row * 130..(row + 1) * 130], "{format:?}, row {row}");
        }
    }
}

#[test]
fn unembedding() {
    let mut random = Random(3);
    let pool = Arc::new(Pool::new(2));
    let formats = [(Format::F32, 1e-5), (Format::Q8_0, 5e-2)];
    for ((format, tolerance), cap) in formats.into_iter().flat_map(|f| [None, Some(4.0_f32)].map(|cap| (f, cap))) {
        let linear = packed(format, 1000, 64, false, &mut random, &pool);
        let twin = linear.twin().unwrap();
        let hidden = random.tensor(9, 64);
        let (few, many) = ([999, 3, 500, 2, 7], (0..1000).filter(|t| t % 3 == 1).collect::<Vec<u32>>());
        // A set may have tokens that the vocabulary has not.
        let set = |tokens: &[u32]| TokenSet::default().with(tokens).with(&[1000, 5000]);
        let wanted = [
            Wanted::BestAmong(3, set(&few)).alone(),
            Wanted::BestAmong(3, set(&few)).normalised(),
            Wanted::BestAmong(100, set(&many)).normalised(),
            Wanted::BestAmong(9, set(&few)).alone(),
            Wanted::Best(10).normalised(),
            Wanted::At(vec![3, 999, 17]).alone(),
            Wanted::Best(100).alone(),
            Wanted::At(vec![0, 500]).normalised(),
            Wanted::Best(1).alone(),
        ];
        let got = linear.logits(&hidden, cap, &wanted).unwrap();
        let want = twin.logits(&hidden, cap, &wanted).unwrap();
        let mut full: Vec<Vec<f32>> = linear.forward(&hidden, Input::Plain, None).unwrap().to_vec2().unwrap();
        if let Some(cap) = cap {
            full.iter_mut().flatten().for_each(|logit| *logit = cap * (*logit / cap).tanh());
        }
        for (row, (got, want)) in got.iter().zip(&want).enumerate() {
            assert_eq!(got.ranked.len(), want.ranked.len());
            for (g, w) in got.ranked.iter().zip(&want.ranked) {
                assert!((g.logit - w.logit).abs() < tolerance, "{format:?} row {row}: {g:?} against {w:?}");
                // The few are computed exactly as the whole.
                let whole = full[row][g.token as usize];
                assert!(g.logit == whole || cap.is_some() && (g.logit - whole).abs() < 2e-6, "{format:?} row {row}");
            }
            assert_eq!(got.log_sum_exp.is_some(), wanted[row].log_sum_exp);
            let narrowed = matches!(wanted[row].logits, Wanted::BestAmong(..));
            assert_eq!((got.among.is_some(), want.among.is_some()), ([wanted[row].log_sum_exp && narrowed; 2]).into());
            for pair in [(got.log_sum_exp, want.log_sum_exp), (got.among, want.among)] {
                if let (Some(g), Some(w)) = pair {
                    assert!((g - w).abs() < tolerance, "{g} against {w}");
                }
            }
        }
        for (row, tokens, count) in [(0, &few[..], 3), (1, &few, 3), (2, &many, 100), (3, &few, 5)] {
            let mut best: Vec<u32> = tokens.to_vec();
            best.sort_by(|a, b| full[row][*b as usize].total_cmp(&full[row][*a as usize]).then(a.cmp(b)));
            let read: Vec<u32> = got[row].ranked.iter().map(|r| r.token).collect();
            assert_eq!(read, best[..count], "{format:?} row {row}");
        }
        let sum: f32 = many.iter().map(|token| full[2][*token as usize].exp()).sum();
        assert!((got[2].among.unwrap() - sum.ln()).abs() < 1e-3);
        assert!(linear.logits(&hidden, None, &wanted[..4]).is_err());
        assert!(linear.logits(&hidden.narrow(0, 0, 1).unwrap(), None, &[Wanted::At(vec![1000]).alone()]).is_err());
    }
}

#[test]
fn bad_shapes_are_refused() {
    let pool = Arc::new(Pool::new(1));
    let mut random = Random(6);
    let linear = packed(Format::F32, 8, 4, false, &mut random, &pool);
    assert!(linear.forward(&random.tensor(2, 5), Input::Plain, None).is_err());
    assert!(linear.forward(&random.tensor(2, 4), Input::Plain, Some(&random.tensor(3, 8))).is_err());
}
