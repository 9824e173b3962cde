//! Attention over blocks, and the blocks themselves.

use std::num::NonZeroUsize;

use candle_core::{Device, Tensor};
use pad_kernels::{
    AttentionRule, BLOCK, BatchView, KvFormat, KvLayout, Pool, Rope, RopeScaling, Segment, attention, twins, write_kv,
};

use crate::random::{Random, distance, values};

const FORMATS: [KvFormat; 3] = [KvFormat::F32, KvFormat::F16, KvFormat::Q8];

/// Blocks in which nothing is written yet.
fn cache(format: KvFormat, layout: KvLayout, blocks: usize) -> Tensor {
    Tensor::zeros((blocks, format.block_cells(layout)), format.dtype(), &Device::Cpu).unwrap()
}

/// Rules that layers have: the usual one; a window and a cap; the second rotary embedding, which rotates half of a head; none.
fn rules(head_dim: usize) -> [AttentionRule; 4] {
    let usual = AttentionRule::usual(head_dim);
    let window = NonZeroUsize::new;
    [
        usual,
        AttentionRule { window: window(20), soft_cap: Some(1.5), scale: 0.7, ..usual },
        AttentionRule { rope: Some(1), window: window(6), ..usual },
        AttentionRule { rope: None, soft_cap: Some(30.0), ..usual },
    ]
}

/// The rotary embeddings that [`rules`] name.
fn ropes(head_dim: usize) -> [Rope; 2] {
    let rope = |dimensions| Rope::new(dimensions, 10_000.0, &RopeScaling::None);
    [rope(head_dim), rope(head_dim / 2).with_amplitude(1.25)]
}

#[test]
fn attention_and_cache() {
    let mut random = Random(4);
    let pool = Pool::new(2);
    let shapes = [(9, 3, 64), (4, 2, 8), (2, 1, 16), (3, 3, 80), (14, 2, 64), (8, 2, 128)];
    for ((heads, kv_heads, head_dim), format) in shapes.into_iter().flat_map(|s| FORMATS.map(|format| (s, format))) {
        let layout = KvLayout { heads, kv_heads, head_dim };
        for rule in &rules(head_dim) {
            let (fast, plain) = (cache(format, layout, 24), cache(format, layout, 24));
            // Three lanes with scattered blocks, advanced together by uneven chunks.
            let tables: [Vec<u32>; 3] = [vec![5, 0, 17], vec![3], vec![11, 2, 9, 20]];
            for chunks in [[(0, 20), (0, 3), (0, 1)], [(20, 1), (3, 7), (1, 40)], [(21, 27), (10, 6), (41, 1)]] {
                let segments: Vec<Segment> = chunks
                    .iter()
                    .zip(&tables)
                    .map(|(&(start, rows), blocks)| Segment { start, rows, blocks: blocks.clone() })
                    .collect();
                let view = BatchView::new(segments, &ropes(head_dim)).unwrap();
                let qkv = random.tensor(view.rows(), layout.qkv_width());
                write_kv(&fast, &qkv, layout, rule, &view, &pool).unwrap();
                twins::write_kv(&plain, &qkv, layout, rule, &view).unwrap();
                // A last bit, of a rotation or (in 8 bits) of a quotient, may be a step of what is kept.
                let numbers = |cache: &Tensor| twins::cache_numbers(cache, layout).unwrap();
                let tolerance = match format {
                    KvFormat::F32 | KvFormat::F16 if rule.rope.is_none() => 0.0,
                    KvFormat::F32 => 1e-6,
                    KvFormat::F16 => 2e-3,
                    KvFormat::Q8 => 1e-2,
                };
                assert!(distance(&numbers(&fast), &numbers(&plain)) <= tolerance, "{layout:?} {rule:?} {format:?}");
                let got = attention(&qkv, &fast, layout, rule, &view, &pool).unwrap();
                let want = twins::attention(&qkv, &fast, layout, rule, &view).unwrap();
                assert!(distance(&got, &want) < 3e-6, "{layout:?} {rule:?} {format:?}: {}", distance(&got, &want));
            }
        }
    }
}

#[test]
fn what_a_window_hides_is_not_read() {
    let mut random = Random(11);
    let pool = Pool::new(1);
    for head_dim in [16, 24] {
        let layout = KvLayout { heads: 2, kv_heads: 1, head_dim };
        let window = 5;
        let rule = AttentionRule { window: NonZeroUsize::new(window), ..AttentionRule::usual(head_dim) };
        let (qkv, other) = (random.tensor(40, layout.qkv_width()), random.tensor(40, layout.qkv_width()));
        let run = |hidden: &Tensor, rule: &AttentionRule| {
            let cache = cache(KvFormat::F32, layout, 3);
            let fill = |rows: &Tensor, start: usize, count: usize| {
                let segment = Segment { start, rows: count, blocks: vec![2, 0, 1] };
                let view = BatchView::new(vec![segment], &ropes(head_dim)).unwrap();
                let part = rows.narrow(0, start, count).unwrap();
                write_kv(&cache, &part, layout, rule, &view, &pool).unwrap();
                (part, view)
            };
            fill(hidden, 0, 39 - window + 1);
            fill(&qkv, 39 - window + 1, window - 1);
            let (last, view) = fill(&qkv, 39, 1);
            values(&attention(&last, &cache, layout, rule, &view, &pool).unwrap())
        };
        assert_eq!(run(&qkv, &rule), run(&other, &rule));
        let wider = AttentionRule { window: NonZeroUsize::new(window + 1), ..rule };
        assert_ne!(run(&qkv, &wider), run(&other, &wider));
    }
}

#[test]
fn two_segments_do_not_write_one_block() {
    let pool = Pool::new(2);
    let layout = KvLayout { heads: 2, kv_heads: 1, head_dim: 16 };
    let segment = |start| Segment { start, rows: 2, blocks: vec![0, 1] };
    let (rule, ropes) = (AttentionRule::usual(16), ropes(16));
    let cache = cache(KvFormat::F32, layout, 2);
    let qkv = Random(1).tensor(4, layout.qkv_width());
    let view = BatchView::new(vec![segment(0), segment(16)], &ropes).unwrap();
    write_kv(&cache, &qkv, layout, &rule, &view, &pool).unwrap();
    let third = AttentionRule { rope: Some(2), ..rule };
    assert!(write_kv(&cache, &qkv, layout, &third, &view, &pool).is_err());
    assert!(attention(&qkv, &cache, layout, &third, &view, &pool).is_err());
    let view = BatchView::new(vec![segment(0), segment(2)], &ropes).unwrap();
    let error = write_kv(&cache, &qkv, layout, &rule, &view, &pool).unwrap_err();
    assert!(error.to_string().contains("two segments write block 0"), "{error}");
}

#[test]
fn chunks_do_not_change_a_bit() {
    let mut random = Random(5);
    let pool = Pool::new(2);
    let rules = [8, 16].into_iter().flat_map(|head_dim| rules(head_dim).map(|rule| (head_dim, rule)));
    for ((head_dim, rule), format) in rules.flat_map(|rule| FORMATS.map(|format| (rule, format))) {
        let layout = KvLayout { heads: 4, kv_heads: 2, head_dim };
        let qkv = random.tensor(50, layout.qkv_width());
        let run = |sizes: &[usize]| -> Vec<f32> {
            let cache = cache(format, layout, 4);
            let (mut start, mut out) = (0, Vec::new());
            for &rows in sizes {
                let segment = Segment { start, rows, blocks: vec![2, 0, 3, 1] };
                let view = BatchView::new(vec![segment], &ropes(head_dim)).unwrap();
                let part = qkv.narrow(0, start, rows).unwrap();
                write_kv(&cache, &part, layout, &rule, &view, &pool).unwrap();
                out.extend(values(&attention(&part, &cache, layout, &rule, &view, &pool).unwrap()));
                start += rows;
            }
            out
        };
        let whole = run(&[50]);
        assert_eq!(whole, run(&[7, 7, 7, 7, 7, 7, 7, 1]));
        assert_eq!(whole, run(&[1; 50]));
        assert_eq!(whole, run(&[33, 17]));
    }
}

/// A lane so long that its positions are attended to in three parts: against the twin, and the same bits whatever the chunks and the threads.
#[test]
fn parts_of_a_long_context_are_joined() {
    const LEN: usize = 600;
    let mut random = Random(6);
    let pools = [Pool::new(1), Pool::new(3)];
    let tables: Vec<u32> = (0..38).map(|i| (i * 7 + 3) % 38).collect();
    let windows = [None, NonZeroUsize::new(20), NonZeroUsize::new(300)];
    let shapes = [((9, 3, 16), KvFormat::F16), ((4, 2, 8), KvFormat::F32), ((14, 2, 32), KvFormat::Q8)];
    for ((shape, format), window) in shapes.into_iter().flat_map(|shape| windows.map(|window| (shape, window))) {
        let (heads, kv_heads, head_dim) = shape;
        let layout = KvLayout { heads, kv_heads, head_dim };
        let rule = AttentionRule { window, ..AttentionRule::usual(head_dim) };
        let qkv = random.tensor(LEN, layout.qkv_width());
        let run = |sizes: &[usize], pool: &Pool, compare: bool| -> Vec<f32> {
            let cache = cache(format, layout, 38);
            let (mut start, mut out) = (0, Vec::new());
            for &rows in sizes {
                let segment = Segment { start, rows, blocks: tables.clone() };
                let view = BatchView::new(vec![segment], &ropes(head_dim)).unwrap();
                let part = qkv.narrow(0, start, rows).unwrap();
                write_kv(&cache, &part, layout, &rule, &view, pool).unwrap();
                let got = attention(&part, &cache, layout, &rule, &view, pool).unwrap();
                if compare {
                    let want = twins::attention(&part, &cache, layout, &rule, &view).unwrap();
                    assert!(
                        distance(&got, &want) < 3e-6,
                        "{layout:?} {window:?} at {start}: {}",
                        distance(&got, &want)
                    );
                }
                out.extend(values(&got));
                start += rows;
            }
            out
        };
        let whole = run(&[LEN], &pools[0], true);
        assert_eq!(whole, run(&[255, 2, 254, 1, 88], &pools[1], true), "{layout:?} {window:?}");
        assert_eq!(whole, run(&[1; LEN], &pools[1], false), "{layout:?} {window:?}");
    }
}

#[test]
fn a_segment_has_blocks_for_its_rows() {
    assert!(BatchView::new(vec![Segment { start: BLOCK, rows: 1, blocks: vec![0] }], &ropes(8)).is_err());
}

/// One lane of `rows` rows in blocks 0 and on.
fn lane(rows: usize, head_dim: usize) -> BatchView {
    let blocks = (0..rows.div_ceil(BLOCK) as u32).collect();
    BatchView::new(vec![Segment { start: 0, rows, blocks }], &ropes(head_dim)).unwrap()
}

#[test]
fn eight_bits_are_within_half_a_scale_and_each_head_and_position_has_its_own() {
    let (mut random, pool) = (Random(12), Pool::new(2));
    let (layout, rows) = (KvLayout { heads: 4, kv_heads: 2, head_dim: 24 }, 37);
    let rule = AttentionRule { rope: None, ..AttentionRule::usual(24) };
    let view = lane(rows, 24);
    // Heads and positions differ in size by up to a million.
    let size = |row: usize, head: usize| 10_f32.powi((row % 4) as i32 + 3 * (head % 2) as i32 - 3);
    let qkv: Vec<f32> = (0..rows * layout.qkv_width())
        .map(|i| random.next() * size(i / layout.qkv_width(), i % layout.qkv_width() / 24))
        .collect();
    let tensor = Tensor::from_slice(&qkv, (rows, layout.qkv_width()), &Device::Cpu).unwrap();
    let cache = cache(KvFormat::Q8, layout, 3);
    write_kv(&cache, &tensor, layout, &rule, &view, &pool).unwrap();
    let kept = values(&twins::cache_numbers(&cache, layout).unwrap());
    for (row, head) in (0..rows).flat_map(|row| [(row, 0), (row, 1)]) {
        let block = &kept[row / BLOCK * layout.block_len() + head * 2 * 24 * BLOCK..];
        let key: Vec<f32> = (0..24).map(|d| block[d * BLOCK + row % BLOCK]).collect();
        let value = &block[(BLOCK + row % BLOCK) * 24..][..24];
        for (kept, at) in [(&key[..], 4 + head), (value, 6 + head)] {
            let given = &qkv[row * layout.qkv_width() + at * 24..][..24];
            let scale = given.iter().fold(0.0_f32, |most, number| most.max(number.abs())) / 127.0;
            let off = kept.iter().zip(given).fold(0.0_f32, |most, (a, b)| most.max((a - b).abs()));
            assert!(off <= 0.501 * scale && off > 0.0, "row {row}, head {head}: {off} at a scale of {scale}");
        }
    }
}

#[test]
fn what_is_no_number_stays_none_and_zeros_stay_zeros() {
    let pool = Pool::new(1);
    let layout = KvLayout { heads: 1, kv_heads: 1, head_dim: 16 };
    let rule = AttentionRule::usual(16);
    for format in FORMATS {
        for (bad, finite) in [(0.0, true), (f32::NAN, false)] {
            let mut qkv = vec![0.0; 2 * 48];
            qkv[20] = bad;
            let qkv = Tensor::from_vec(qkv, (2, 48), &Device::Cpu).unwrap();
            let (cache, view) = (cache(format, layout, 1), lane(2, 16));
            write_kv(&cache, &qkv, layout, &rule, &view, &pool).unwrap();
            let out = values(&attention(&qkv, &cache, layout, &rule, &view, &pool).unwrap());
            let fine = if finite { out.iter().all(|x| *x == 0.0) } else { out.iter().all(|x| x.is_nan()) };
            assert!(fine, "{format:?}: {out:?}");
        }
    }
}
