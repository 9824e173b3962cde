//! A whole step with the kernels, against the families' golden logits: from tokens to logits, candidates and the chosen token.

use half::f16;
use pad_kernels::BLOCK;
use pad_kernels::device::{
    Address, AttentionLaunch, CellType, DecisionLaunch, EmbeddingLaunch, GateLaunch, Launch, MatmulLaunch, NormLaunch,
    NormTypes, RopeLaunch, StoredAs,
};

use crate::best::in_one_round;
use crate::checkpoint::{Checkpoint, Layer, Matrix, read};
use crate::library::{Order, kernels};
use crate::memory::{self, Buffer};

const FAMILIES: [&str; 12] = [
    "gemma",
    "gemma2",
    "gemma3",
    "llama",
    "llama-tied",
    "llama3-rope",
    "mistral-window",
    "olmo2",
    "phi3",
    "qwen2",
    "qwen3",
    "smollm3",
];

const CONTEXT: usize = 48;
const BLOCKS: usize = 9;

/// The blocks of each lane, scattered.
const TABLES: [[u32; 3]; 3] = [[6, 1, 8], [3, 7, 5], [0, 4, 2]];

/// Candidates of a decision.
const K: usize = 10;

/// A model with its cache and the tables of its rotations.
struct Device {
    model: Checkpoint,
    cell: CellType,
    order: Order,
    caches: Vec<Buffer<u8>>,
    rotations: Vec<[Buffer<f32>; 2]>,
    tables: Buffer<u32>,
}

/// The rows of a step: the lane, the position and the token of each.
struct Rows {
    lanes: Buffer<u32>,
    positions: Buffer<u32>,
    tokens: Buffer<u32>,
    count: usize,
    last: usize,
}

impl Rows {
    fn new(rows: &[(usize, usize, u32)]) -> Self {
        let of = |make: fn(&(usize, usize, u32)) -> u32| Buffer::of(&rows.iter().map(make).collect::<Vec<_>>());
        Self {
            lanes: of(|row| row.0 as u32),
            positions: of(|row| row.1 as u32),
            tokens: of(|row| row.2),
            count: rows.len(),
            last: rows.iter().map(|row| row.1).max().unwrap(),
        }
    }
}

fn room(rows: &Rows, width: usize) -> Buffer<f32> {
    Buffer::poisoned(rows.count * width)
}

fn address(buffer: Option<&Buffer<f32>>) -> Address {
    buffer.map_or(Address::NONE, Buffer::address)
}

impl Device {
    fn new(family: &str, stored: StoredAs, cell: CellType, order: Order) -> Self {
        let model = read(family, stored);
        let size = if cell == CellType::F32 { size_of::<f32>() } else { size_of::<f16>() };
        let bytes = BLOCKS * model.layout.block_len() * size;
        let rotation = |layer: &Layer| {
            let (mut cos, mut sin) = (vec![], vec![]);
            (0..CONTEXT).for_each(|position| layer.rope.push(position, &mut cos, &mut sin));
            [Buffer::of(&cos), Buffer::of(&sin)]
        };
        let rotations = model.layers.iter().map(rotation).collect();
        let caches = model.layers.iter().map(|_| Buffer::poisoned(bytes)).collect();
        Self { model, cell, order, caches, rotations, tables: Buffer::of(TABLES.as_flattened()) }
    }

    fn run(&self, launches: &[Launch]) {
        self.order.run(launches);
    }

    /// `out = norm(x)`, added to `residual` where there is one; of each of `group` parts of a row that begin at `from`.
    fn norm(
        &self,
        rows: &Rows,
        x: &Buffer<f32>,
        weight: &Buffer<f32>,
        residual: Option<&Buffer<f32>>,
        out: &Buffer<f32>,
        (from, group, hidden, stride): (usize, usize, usize, usize),
    ) {
        let launch = NormLaunch {
            types: NormTypes::Single,
            x: x.address().plus(from * size_of::<f32>()),
            added: Address::NONE,
            weight: weight.address(),
            residual: address(residual),
            out: out.address().plus(from * size_of::<f32>()),
            rows: rows.count,
            group,
            hidden,
            stride,
            out_stride: stride,
            eps: self.model.eps,
            offset: self.model.norm_offset,
        };
        self.run(&[launch.launch().unwrap()]);
    }

    /// A row's norm before a part: `x` itself where there is none.
    fn normed<'a>(
        &self,
        rows: &Rows,
        x: &'a Buffer<f32>,
        weight: Option<&Buffer<f32>>,
        out: &'a Buffer<f32>,
    ) -> &'a Buffer<f32> {
        let Some(weight) = weight else { return x };
        self.norm(rows, x, weight, None, out, (0, 1, self.model.hidden, self.model.hidden));
        out
    }

    fn multiply(
        &self,
        rows: &Rows,
        x: &Buffer<f32>,
        matrix: &Matrix,
        bias: Option<&Buffer<f32>>,
        residual: Option<&Buffer<f32>>,
        cap: Option<f32>,
    ) -> Buffer<f32> {
        let y = room(rows, matrix.outputs);
        let launch = MatmulLaunch {
            stored: matrix.stored,
            x: x.address(),
            weights: matrix.weights.address(),
            bias: address(bias),
            residual: address(residual),
            y: y.address(),
            rows: rows.count,
            inputs: matrix.inputs,
            outputs: matrix.outputs,
            y_stride: matrix.outputs,
            cap,
        };
        self.run(&[launch.launch().unwrap()]);
        y
    }

    /// What a part gives, added to `x`: through a norm where the family has one behind the part.
    fn added(
        &self,
        rows: &Rows,
        part: (&Buffer<f32>, &Matrix),
        post: Option<&Buffer<f32>>,
        x: &Buffer<f32>,
    ) -> Buffer<f32> {
        let (given, matrix) = part;
        let sum = self.multiply(rows, given, matrix, None, Some(x).filter(|_| post.is_none()), None);
        if let Some(post) = post {
            self.norm(rows, &sum, post, Some(x), &sum, (0, 1, self.model.hidden, self.model.hidden));
        }
        sum
    }

    fn layer(&self, i: usize, rows: &Rows, x: &Buffer<f32>) -> Buffer<f32> {
        let (layer, layout) = (&self.model.layers[i], self.model.layout);
        let (normed, width) = (room(rows, self.model.hidden), layout.qkv_width());
        let read = self.normed(rows, x, layer.norm.as_ref(), &normed);
        let qkv = self.multiply(rows, read, &layer.qkv, layer.qkv_bias.as_ref(), None, None);
        if let Some([queries, keys]) = &layer.head_norms {
            let (all, all_keys) = (layout.heads * layout.head_dim, layout.kv_heads * layout.head_dim);
            // Over each head, or over all heads of a row: as many values as there are weights.
            for (weight, from, len) in [(queries, 0, all), (keys, all, all_keys)] {
                let hidden = weight.values().len();
                self.norm(rows, &qkv, weight, None, &qkv, (from, len / hidden, hidden, width));
            }
        }
        let rope = RopeLaunch {
            cell: self.cell,
            qkv: qkv.address(),
            cache: self.caches[i].address(),
            tables: self.tables.address(),
            lanes: rows.lanes.address(),
            positions: rows.positions.address(),
            cos: self.rotations[i][0].address(),
            sin: self.rotations[i][1].address(),
            rows: rows.count,
            layout,
            half: if layer.rule.rope.is_some() { layer.rope.half() } else { 0 },
            max_blocks: TABLES[0].len(),
            scale: layer.rule.scale,
        };
        let attended = room(rows, layout.heads * layout.head_dim);
        let attention = AttentionLaunch {
            cell: self.cell,
            query: qkv.address(),
            cache: self.caches[i].address(),
            tables: self.tables.address(),
            lanes: rows.lanes.address(),
            positions: rows.positions.address(),
            partial: Address::NONE,
            mass: Address::NONE,
            out: attended.address(),
            rows: rows.count,
            layout,
            rule: layer.rule,
            query_stride: width,
            max_blocks: TABLES[0].len(),
            last: rows.last,
        };
        self.run(&[rope.launch().unwrap()]);
        self.run(&attention.launches().unwrap());
        let x = self.added(rows, (&attended, &layer.output), layer.post_norm.as_ref(), x);
        let read = self.normed(rows, &x, layer.feed_forward_norm.as_ref(), &normed);
        let both = self.multiply(rows, read, &layer.gate_up, None, None, None);
        let joined = room(rows, self.model.width);
        let gate = GateLaunch {
            gate: self.model.gate,
            bf16: false,
            both: both.address(),
            out: joined.address(),
            rows: rows.count,
            width: self.model.width,
        };
        self.run(&[gate.launch().unwrap()]);
        self.added(rows, (&joined, &layer.down), layer.feed_forward_post_norm.as_ref(), &x)
    }

    /// The logits of all rows, and each row's greedy choice as the step itself makes it.
    fn step(&self, rows: &[(usize, usize, u32)]) -> (Vec<f32>, Vec<u32>) {
        let (rows, hidden) = (Rows::new(rows), self.model.hidden);
        let mut x = room(&rows, hidden);
        let embed = EmbeddingLaunch {
            stored: self.model.embedding.stored,
            weights: self.model.embedding.weights.address(),
            tokens: rows.tokens.address(),
            x: x.address(),
            rows: rows.count,
            hidden,
            scale: self.model.embedding_scale,
        };
        self.run(&[embed.launch().unwrap()]);
        for i in 0..self.model.layers.len() {
            x = self.layer(i, &rows, &x);
        }
        self.norm(&rows, &x, &self.model.norm, None, &x, (0, 1, hidden, hidden));
        let unembedding = self.model.unembedding.as_ref().unwrap_or(&self.model.embedding);
        let logits = self.multiply(&rows, &x, unembedding, None, None, self.model.logit_cap);
        let chosen = self.choose(&logits, rows.count);
        (logits.values(), chosen)
    }

    /// The k best of each row, and a greedy decision without rewards.
    fn choose(&self, logits: &Buffer<f32>, rows: usize) -> Vec<u32> {
        let (tokens, best) = (Buffer::<u32>::poisoned(rows * K), Buffer::<f32>::poisoned(rows * K));
        let none = Address::NONE;
        let launch = in_one_round(logits, &tokens, &best, (rows, self.model.vocabulary, K));
        self.run(&launch.launches().unwrap());
        let (terms, rules) =
            (Buffer::of(&vec![0_i32; rows + 1]), Buffer::of(&[1.0_f32, 0.0, 0.0, 0.0, 1.0].repeat(rows)));
        let (chosen, ranks) = (Buffer::<u32>::poisoned(rows), Buffer::<i32>::poisoned(rows));
        let launch = DecisionLaunch {
            tokens: tokens.address(),
            base: best.address(),
            base_sums: none,
            readouts: none,
            lane_sums: none,
            first_term: terms.address(),
            term_readouts: none,
            references: none,
            weights: none,
            rules: rules.address(),
            draws: none,
            chosen: chosen.address(),
            ranks: ranks.address(),
            base_logprobs: none,
            rewards: none,
            scores: none,
            sequences: rows,
            k: K,
        };
        self.run(&[launch.launch().unwrap()]);
        chosen.values()
    }
}

/// How far the logits of all prompts, read in these steps, are off at most.
fn worst(device: &Device, steps: &[Vec<(usize, usize, u32)>]) -> f32 {
    let (mut worst, vocabulary) = (0.0_f32, device.model.vocabulary);
    for rows in steps {
        let (logits, chosen) = device.step(rows);
        for (row, &(lane, position, _)) in rows.iter().enumerate() {
            let (got, want) = (&logits[row * vocabulary..(row + 1) * vocabulary], &device.model.logits[lane][position]);
            let off = memory::worst(got, want);
            assert!(!off.is_nan(), "a logit is not a number");
            worst = worst.max(off);
            let largest = got.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            assert_eq!(got[chosen[row] as usize], largest, "the greedy choice");
        }
    }
    worst
}

/// One row a lane and step, as in decoding; and all rows at once, as when a prompt is read.
fn plans(model: &Checkpoint) -> [Vec<Vec<(usize, usize, u32)>>; 2] {
    let longest = model.prompts.iter().map(Vec::len).max().unwrap();
    let at = |position: usize| {
        let lanes = model.prompts.iter().enumerate();
        lanes.filter_map(move |(lane, prompt)| Some((lane, position, *prompt.get(position)?))).collect::<Vec<_>>()
    };
    let whole = |(lane, prompt): (usize, &Vec<u32>)| {
        prompt.iter().enumerate().map(|(position, token)| (lane, position, *token)).collect::<Vec<_>>()
    };
    [(0..longest).map(at).collect(), vec![model.prompts.iter().enumerate().flat_map(whole).collect()]]
}

#[test]
fn golden_logits() {
    for (i, family) in FAMILIES.iter().enumerate() {
        let single = (StoredAs::F32, CellType::F32, 1e-3);
        // The rounding of the weights themselves: logits of size 2 from random weights.
        let narrow = (StoredAs::Bf16, CellType::F16, 0.8);
        for (plan, (of, cell, tolerance)) in [(0, single), (1, single), (1, narrow)] {
            let orders = kernels().orders();
            let device = Device::new(family, of, cell, orders[(i + plan) % orders.len()]);
            assert!(device.model.prompts.iter().all(|prompt| prompt.len() <= TABLES[0].len() * BLOCK));
            let worst = worst(&device, &plans(&device.model)[plan]);
            assert!(worst < tolerance, "{family} {of:?}, plan {plan}: {worst}");
        }
    }
}
