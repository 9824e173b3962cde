//! Attention of rows over blocks.

use std::num::NonZeroUsize;

use half::f16;
use pad_kernels::device::{Address, AttentionLaunch, CellType, PrefillLaunch};
use pad_kernels::{AttentionRule, BLOCK, BatchView, KvLayout, Segment, twins};

use crate::library::{Order, kernels};
use crate::memory::{Buffer, distance};
use crate::random::{Random, tensor, values};
use crate::segments::{block_tables, lanes_and_positions};

/// A layer's cache, in which what no position has written is poison, and the same without poison for the twin.
struct Cache {
    poisoned: Vec<f32>,
    plain: Vec<f32>,
}

impl Cache {
    fn new(layout: KvLayout, blocks: usize) -> Self {
        let len = blocks * layout.block_len();
        Self { poisoned: vec![f32::NAN; len], plain: vec![0.0; len] }
    }

    /// Random keys and values, of half precision, at all positions up to the last of a segment.
    fn fill(&mut self, layout: KvLayout, segment: &Segment, random: &mut Random) {
        for position in 0..segment.start + segment.rows {
            for head in 0..layout.kv_heads {
                let start = segment.blocks[position / BLOCK] as usize * layout.block_len()
                    + head * layout.block_len() / layout.kv_heads;
                let (slot, dim) = (position % BLOCK, layout.head_dim);
                for d in 0..dim {
                    for at in [start + d * BLOCK + slot, start + dim * BLOCK + slot * dim + d] {
                        self.plain[at] = f16::from_f32(random.next()).to_f32();
                        self.poisoned[at] = self.plain[at];
                    }
                }
            }
        }
    }

    /// In half precision, with its poison.
    fn narrow(&self) -> Vec<f16> {
        self.poisoned.iter().map(|value| f16::from_f32(*value)).collect()
    }
}

/// Rows of segments with scattered blocks, and a cache of what they see.
struct Batch {
    layout: KvLayout,
    view: BatchView,
    cache: Cache,
    qkv: Vec<f32>,
}

impl Batch {
    /// Segments of these starts and numbers of rows, in a cache of so many blocks.
    fn random(layout: KvLayout, chunks: &[(usize, usize)], blocks: usize, random: &mut Random) -> Self {
        let mut free = random.shuffled(blocks);
        let segments: Vec<Segment> = chunks
            .iter()
            .map(|&(start, rows)| {
                let needed = (start + rows).div_ceil(BLOCK);
                Segment { start, rows, blocks: free.split_off(free.len() - needed) }
            })
            .collect();
        let mut cache = Cache::new(layout, blocks);
        segments.iter().for_each(|segment| cache.fill(layout, segment, random));
        let view = BatchView::new(segments, &[]).unwrap();
        let qkv = random.values(view.rows() * layout.qkv_width());
        Self { layout, view, cache, qkv }
    }

    /// The queries under a rule, scaled as kernels read them, and what the twin gives for them.
    fn under(&self, rule: &AttentionRule) -> (Vec<f32>, Vec<f32>) {
        let plain = tensor(&self.cache.plain, self.cache.plain.len() / self.layout.block_len());
        let qkv = tensor(&self.qkv, self.view.rows());
        let twin = twins::attention(&qkv, &plain, self.layout, rule, &self.view).unwrap();
        (self.qkv.iter().map(|q| q * rule.scale).collect(), values(&twin))
    }
}

fn rules(head_dim: usize) -> [AttentionRule; 4] {
    let usual = AttentionRule { rope: None, ..AttentionRule::usual(head_dim) };
    let window = NonZeroUsize::new;
    [
        usual,
        AttentionRule { window: window(20), soft_cap: Some(1.5), scale: 0.7, ..usual },
        AttentionRule { window: window(300), ..usual },
        AttentionRule { window: window(1), soft_cap: Some(30.0), ..usual },
    ]
}

/// What the kernel gives for rows of `queries`, which are scaled already.
fn attend(
    order: Order,
    cell: CellType,
    queries: &[f32],
    cache: &Cache,
    segments: &[Segment],
    (layout, rule): (KvLayout, AttentionRule),
) -> Vec<f32> {
    let (tables, max_blocks) = block_tables(segments);
    let (lanes, positions) = lanes_and_positions(segments);
    let (rows, last) = (lanes.len(), *positions.iter().max().unwrap() as usize);
    let parts = AttentionLaunch::parts(last, &rule);
    let room = if parts > 1 { rows * layout.heads * parts } else { 0 };
    let (wide, narrow) = (Buffer::of(&cache.poisoned), Buffer::of(&cache.narrow()));
    let (query, tables) = (Buffer::of(queries), Buffer::of(&tables));
    let (lanes, positions) = (Buffer::of(&lanes), Buffer::of(&positions));
    let (partial, mass) = (Buffer::<f32>::poisoned(room * layout.head_dim), Buffer::<f32>::poisoned(room * 2));
    let out = Buffer::<f32>::poisoned(rows * layout.heads * layout.head_dim);
    let launch = AttentionLaunch {
        cell,
        query: query.address(),
        cache: if cell == CellType::F32 { wide.address() } else { narrow.address() },
        tables: tables.address(),
        lanes: lanes.address(),
        positions: positions.address(),
        partial: partial.address(),
        mass: mass.address(),
        out: out.address(),
        rows,
        layout,
        rule,
        query_stride: layout.qkv_width(),
        max_blocks,
        last,
    };
    order.run(&launch.launches().unwrap());
    // Their guards.
    partial.values();
    mass.values();
    out.values()
}

#[test]
fn rows_over_blocks_as_their_twin() {
    let mut random = Random(5);
    let shapes = [
        (9, 3, 64),
        (4, 2, 8),
        (2, 1, 16),
        (3, 3, 80),
        (14, 2, 64),
        (8, 2, 128),
        (11, 1, 32),
        (2, 1, 256),
        (8, 1, 192),
    ];
    for (shape, (heads, kv_heads, head_dim)) in shapes.into_iter().enumerate() {
        let layout = KvLayout { heads, kv_heads, head_dim };
        // A chunk, rows at a block's end and start, a first token, and a row far on, for some shapes in three parts.
        let long = if shape.is_multiple_of(3) { 520 } else { 70 };
        let batch = Batch::random(layout, &[(14, 5), (31, 1), (32, 1), (0, 1), (long, 1)], 90, &mut random);
        for rule in rules(head_dim) {
            let (queries, want) = batch.under(&rule);
            let orders = kernels().orders();
            let runs = orders
                .iter()
                .map(|order| (*order, CellType::F32))
                .chain([(orders[shape % orders.len()], CellType::F16)]);
            for (order, cell) in runs {
                let got = attend(order, cell, &queries, &batch.cache, batch.view.segments(), (layout, rule));
                let worst = distance(&got, &want);
                assert!(worst < 1e-5, "{layout:?} {rule:?} {cell:?} {order:?}: {worst}");
            }
        }
    }
}

#[test]
fn chunks_by_tensor_cores_as_their_twin() {
    let mut random = Random(15);
    let shapes = [(4, 2, 16), (3, 3, 32), (9, 3, 64), (2, 1, 80), (7, 1, 96), (8, 2, 128), (2, 2, 256)];
    for (heads, kv_heads, head_dim) in shapes {
        let layout = KvLayout { heads, kv_heads, head_dim };
        // A prompt's start, a chunk behind 50 positions that ends within a block, and a single row.
        let batch = Batch::random(layout, &[(0, 35), (50, 23), (100, 1)], 20, &mut random);
        let (tables, max_blocks) = block_tables(batch.view.segments());
        let tiles = PrefillLaunch::tiles(batch.view.segments(), layout);
        // The tensor cores' twin on the host is slow: a rule an order.
        for (i, rule) in rules(head_dim).into_iter().enumerate() {
            let (queries, want) = batch.under(&rule);
            let order = kernels().orders()[i % kernels().orders().len()];
            let (query, cache) = (Buffer::of(&queries), Buffer::of(&batch.cache.narrow()));
            let tables = Buffer::of(&tables);
            let given = Buffer::of(tiles.as_flattened());
            let out = Buffer::<f32>::poisoned(batch.view.rows() * heads * head_dim);
            let launch = PrefillLaunch {
                query: query.address(),
                cache: cache.address(),
                tables: tables.address(),
                tiles: given.address(),
                out: out.address(),
                count: tiles.len(),
                layout,
                rule,
                query_stride: layout.qkv_width(),
                max_blocks,
            };
            order.run(&[launch.launch().unwrap()]);
            let worst = distance(&out.values(), &want);
            assert!(worst < 3e-3, "{layout:?} {rule:?} {order:?}: {worst}");
            let wrong = KvLayout { head_dim: 24, ..layout };
            let error = PrefillLaunch { layout: wrong, ..launch }.launch().unwrap_err().to_string();
            assert!(error.contains("of 24 values; values may be [16, 32,"), "{error}");
        }
    }
}

#[test]
fn a_row_is_the_same_alone_and_in_a_batch() {
    let mut random = Random(6);
    let layout = KvLayout { heads: 4, kv_heads: 2, head_dim: 16 };
    let rule = AttentionRule { rope: None, ..AttentionRule::usual(16) };
    let Batch { view, cache, qkv, .. } = Batch::random(layout, &[(40, 1), (400, 1)], 40, &mut random);
    let (order, segments, width) = (kernels().orders()[0], view.segments(), layout.qkv_width());
    let both = attend(order, CellType::F16, &qkv, &cache, segments, (layout, rule));
    let alone = attend(order, CellType::F16, &qkv[..width], &cache, &segments[..1], (layout, rule));
    assert_eq!(both[..64], alone, "with another number of parts");
}

#[test]
fn heads_without_a_kernel_are_refused() {
    let none = Address::NONE;
    let launch = |heads, kv_heads, head_dim, last| AttentionLaunch {
        cell: CellType::F32,
        query: none,
        cache: none,
        tables: none,
        lanes: none,
        positions: none,
        partial: none,
        mass: none,
        out: none,
        rows: 1,
        layout: KvLayout { heads, kv_heads, head_dim },
        rule: AttentionRule::usual(head_dim),
        query_stride: 0,
        max_blocks: 0,
        last,
    };
    assert_eq!(launch(4, 2, 64, 255).launches().unwrap().len(), 1);
    for (launch, message) in [
        (launch(4, 2, 63, 0), "heads of 63 values"),
        (launch(4, 2, 320, 0), "heads of 320 values"),
        (launch(4, 3, 64, 0), "4 query heads for 3 KV heads"),
        (launch(4, 2, 64, 256), "2 parts and no room"),
    ] {
        let error = launch.launches().unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}
