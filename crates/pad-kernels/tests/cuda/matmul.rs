//! Products of few rows, the readout at given tokens, and embeddings.

use half::{bf16, f16};
use pad_kernels::device::{Address, EmbeddingLaunch, MatmulLaunch, ReadoutLaunch, StoredAs};
use pad_kernels::{Input, Linear};

use crate::library::{Order, kernels};
use crate::memory::{Buffer, distance};
use crate::random::{Random, tensor, values};

/// A matrix as a file stores it.
pub struct Stored {
    pub format: StoredAs,
    pub bytes: Vec<u8>,
    pub outputs: usize,
    pub inputs: usize,
}

impl Stored {
    /// Random values; of quantised formats random bytes with moderate scales.
    fn random(stored: StoredAs, outputs: usize, inputs: usize, random: &mut Random) -> Self {
        let (len, size) = stored.encoding().block();
        let half = |value: f32| f16::from_f32(value).to_le_bytes();
        let mut bytes = Vec::new();
        for _ in 0..outputs * inputs / len {
            match stored {
                StoredAs::F32 => bytes.extend(random.next().to_le_bytes()),
                StoredAs::Bf16 => bytes.extend(bf16::from_f32(random.next()).to_le_bytes()),
                StoredAs::F16 => bytes.extend(half(random.next())),
                _ => {
                    let mut block: Vec<u8> = (0..size).map(|_| random.below(256) as u8).collect();
                    let scale = half(0.01 * random.next());
                    match stored {
                        StoredAs::Q6K => block[208..].copy_from_slice(&scale),
                        _ => block[..2].copy_from_slice(&scale),
                    }
                    if stored == StoredAs::Q4K {
                        block[2..4].copy_from_slice(&half(0.01 * random.next()));
                    }
                    bytes.extend(block);
                }
            }
        }
        Self { format: stored, bytes, outputs, inputs }
    }

    /// The values of a row, as the host reads them.
    fn row(&self, row: usize) -> Vec<f32> {
        let size = self.bytes.len() / self.outputs;
        let mut values = vec![0.0; self.inputs];
        self.format.encoding().dequantise(&self.bytes[row * size..(row + 1) * size], &mut values);
        values
    }

    fn twin(&self, bias: Option<&[f32]>) -> Linear {
        let values: Vec<f32> = (0..self.outputs).flat_map(|row| self.row(row)).collect();
        let bias = bias.map(|bias| tensor(bias, 1).squeeze(0).unwrap());
        Linear::Dense { weight: tensor(&values, self.outputs), bias }
    }
}

/// What the kernel gives for rows of `x`.
fn multiply(
    order: Order,
    matrix: &Stored,
    x: &[f32],
    bias: Option<&[f32]>,
    residual: Option<&[f32]>,
    cap: Option<f32>,
) -> Vec<f32> {
    let rows = x.len() / matrix.inputs;
    let (x, weights) = (Buffer::of(x), Buffer::of(&matrix.bytes));
    let bias = bias.map(Buffer::of);
    // A residual is where the sum goes.
    let y = residual.map_or_else(|| Buffer::poisoned(rows * matrix.outputs), Buffer::of);
    let launch = MatmulLaunch {
        stored: matrix.format,
        x: x.address(),
        weights: weights.address(),
        bias: bias.as_ref().map_or(Address::NONE, Buffer::address),
        residual: residual.map_or(Address::NONE, |_| y.address()),
        y: y.address(),
        rows,
        inputs: matrix.inputs,
        outputs: matrix.outputs,
        y_stride: matrix.outputs,
        cap,
    };
    order.run(&[launch.launch().unwrap()]);
    y.values()
}

/// Sizes of each format: outputs that fill no block of threads, inputs that fill no warp.
fn sizes(stored: StoredAs) -> [(usize, usize); 4] {
    match stored.multiple() {
        256 => [(17, 256), (1, 512), (33, 1280), (8, 2304)],
        _ => [(17, 32), (1, 64), (100, 576), (9, 1056)],
    }
}

#[test]
fn few_rows_by_every_format() {
    let mut random = Random(7);
    for stored in StoredAs::ALL {
        for (outputs, inputs) in sizes(stored) {
            let matrix = Stored::random(stored, outputs, inputs, &mut random);
            for rows in [1, 2, 3, 4, 5, 8, 9, 17] {
                let x = random.values(rows * inputs);
                let (bias, residual) = (random.values(outputs), random.values(rows * outputs));
                let (bias, residual) = ((rows != 2).then_some(&bias[..]), (rows != 3).then_some(&residual[..]));
                let cap = (rows == 4).then_some(2.5);
                let given = residual.map(|residual| tensor(residual, rows));
                let twin = matrix.twin(bias).forward(&tensor(&x, rows), Input::Plain, given.as_ref()).unwrap();
                let mut want = values(&twin);
                if let Some(cap) = cap {
                    want.iter_mut().for_each(|y| *y = cap * (*y / cap).tanh());
                }
                for order in kernels().orders() {
                    let worst = distance(&multiply(*order, &matrix, &x, bias, residual, cap), &want);
                    assert!(worst < 1e-5, "{stored:?} [{outputs}, {inputs}], {rows} rows: {worst}");
                }
            }
        }
    }
    let launch = |inputs| MatmulLaunch {
        stored: StoredAs::Q4K,
        x: Address::NONE,
        weights: Address::NONE,
        bias: Address::NONE,
        residual: Address::NONE,
        y: Address::NONE,
        rows: 1,
        inputs,
        outputs: 1,
        y_stride: 1,
        cap: None,
    };
    let error = launch(576).launch().unwrap_err().to_string();
    assert!(error.contains("576 weights as Q4K; multiples of 256"), "{error}");
}

#[test]
fn matrices_beside_each_other_write_the_same_rows() {
    let mut random = Random(12);
    let parts = [StoredAs::F16, StoredAs::Q4K].map(|stored| Stored::random(stored, 19, 256, &mut random));
    for rows in [1, 3, 11] {
        let (x, order) = (random.values(rows * 256), kernels().orders()[rows % kernels().orders().len()]);
        let (given, y) = (Buffer::of(&x), Buffer::<f32>::poisoned(rows * 38));
        for (i, part) in parts.iter().enumerate() {
            let weights = Buffer::of(&part.bytes);
            let launch = MatmulLaunch {
                stored: part.format,
                x: given.address(),
                weights: weights.address(),
                bias: Address::NONE,
                residual: Address::NONE,
                y: y.address().plus(i * 19 * size_of::<f32>()),
                rows,
                inputs: 256,
                outputs: 19,
                y_stride: 38,
                cap: None,
            };
            order.run(&[launch.launch().unwrap()]);
        }
        let [left, right] = [0, 1].map(|i| multiply(order, &parts[i], &x, None, None, None));
        let want = left.chunks(19).zip(right.chunks(19)).flat_map(|(left, right)| [left, right].concat());
        assert_eq!(y.values(), want.collect::<Vec<f32>>(), "{rows} rows");
    }
}

#[test]
fn a_row_is_the_same_alone_and_in_any_batch() {
    let mut random = Random(8);
    for stored in StoredAs::ALL {
        let matrix = Stored::random(stored, 21, 768, &mut random);
        let x = random.values(13 * 768);
        let order = kernels().orders()[0];
        let together = multiply(order, &matrix, &x, None, None, None);
        for (row, x) in x.chunks_exact(768).enumerate() {
            assert_eq!(multiply(order, &matrix, x, None, None, None), together[row * 21..(row + 1) * 21], "{stored:?}");
        }
    }
}

#[test]
fn the_logits_at_tokens_are_those_of_the_whole() {
    let mut random = Random(9);
    for (stored, cap) in StoredAs::ALL.into_iter().flat_map(|stored| [(stored, None), (stored, Some(3.0))]) {
        let matrix = Stored::random(stored, 300, 512, &mut random);
        let hidden = random.values(3 * 512);
        // Two rows read at one set, one at another that ends early.
        let (tokens, sets) = ([[299_u32, 0, 17, 255, 4], [6, 2, 300, u32::MAX, u32::MAX]], [1_u32, 0, 1]);
        for order in kernels().orders() {
            let whole = multiply(*order, &matrix, &hidden, None, None, cap);
            let (weights, x) = (Buffer::of(&matrix.bytes), Buffer::of(&hidden));
            let (given, given_sets) = (Buffer::of(tokens.as_flattened()), Buffer::of(&sets));
            let logits = Buffer::<f32>::poisoned(15);
            let launch = ReadoutLaunch {
                stored,
                hidden: x.address(),
                weights: weights.address(),
                tokens: given.address(),
                sets: given_sets.address(),
                logits: logits.address(),
                rows: 3,
                inputs: 512,
                vocabulary: 300,
                count: 5,
                cap,
            };
            order.run(&[launch.launch().unwrap()]);
            let want: Vec<f32> = sets
                .iter()
                .enumerate()
                .flat_map(|(row, set)| tokens[*set as usize].map(|token| (row, token as usize)))
                .map(|(row, token)| if token < 300 { whole[row * 300 + token] } else { f32::NEG_INFINITY })
                .collect();
            assert_eq!(logits.values(), want, "{stored:?}");
        }
    }
}

#[test]
fn embeddings_are_rows() {
    let mut random = Random(10);
    for stored in StoredAs::ALL {
        let matrix = Stored::random(stored, 50, 1280, &mut random);
        let tokens = [49_u32, 0, 7];
        let want: Vec<f32> = tokens.iter().flat_map(|token| matrix.row(*token as usize)).map(|x| 3.0 * x).collect();
        for order in kernels().orders() {
            let (weights, given) = (Buffer::of(&matrix.bytes), Buffer::of(&tokens));
            let x = Buffer::<f32>::poisoned(3 * 1280);
            let launch = EmbeddingLaunch {
                stored,
                weights: weights.address(),
                tokens: given.address(),
                x: x.address(),
                rows: 3,
                hidden: 1280,
                scale: 3.0,
            };
            order.run(&[launch.launch().unwrap()]);
            assert!(distance(&x.values(), &want) < 1e-6, "{stored:?}");
        }
    }
}
