//! Rotary embedding and the write of keys and values.

use candle_core::{Device, Tensor};
use half::f16;
use pad_kernels::device::{Address, CellType, RopeLaunch};
use pad_kernels::{AttentionRule, BatchView, KvLayout, Rope, RopeScaling, Segment, rotate, twins};

use crate::library::kernels;
use crate::memory::{Buffer, distance};
use crate::random::{Random, tensor, values};
use crate::segments::lanes_and_positions;

const BLOCKS: usize = 12;

#[test]
fn rotation_and_cache_as_their_twin() {
    let mut random = Random(4);
    for (heads, kv_heads, head_dim) in [(9, 3, 64), (4, 2, 8), (3, 3, 24), (2, 1, 256), (14, 2, 80)] {
        let layout = KvLayout { heads, kv_heads, head_dim };
        for (rope, dimensions) in [(Some(0), head_dim), (Some(0), head_dim / 2), (None, 0)] {
            let rule = AttentionRule { rope, ..AttentionRule::usual(head_dim) };
            let ropes = [Rope::new(dimensions, 10_000.0, &RopeScaling::None).with_amplitude(1.25)];
            // Lanes with scattered blocks: a chunk over three blocks, one row at a block's end, one at a start.
            let tables: [Vec<u32>; 3] = [vec![5, 0, 11], vec![3, 9, 7], vec![10, 2, 8]];
            let chunks = [(9, 27), (15, 1), (32, 1)];
            let segments: Vec<Segment> = chunks
                .iter()
                .zip(&tables)
                .map(|(&(start, rows), blocks)| Segment { start, rows, blocks: blocks.clone() })
                .collect();
            let view = BatchView::new(segments, &ropes).unwrap();
            let rows = view.rows();
            let qkv: Vec<f32> = random.values(rows * layout.qkv_width());
            let (lanes, positions) = lanes_and_positions(view.segments());
            let (mut cos, mut sin) = (vec![], vec![]);
            (0..48).for_each(|position| ropes[0].push(position, &mut cos, &mut sin));
            // The twin of the cache, and queries rotated one by one.
            let cache = Tensor::full(-7.0_f32, (BLOCKS, layout.block_len()), &Device::Cpu).unwrap();
            twins::write_kv(&cache, &tensor(&qkv, rows), layout, &rule, &view).unwrap();
            let half = dimensions / 2;
            let mut want = qkv.clone();
            for (row, position) in positions.iter().enumerate() {
                let at = *position as usize * half..(*position as usize + 1) * half;
                let queries = &mut want[row * layout.qkv_width()..][..heads * head_dim];
                for head in queries.chunks_exact_mut(head_dim) {
                    rotate(head, &cos[at.clone()], &sin[at.clone()]);
                    head.iter_mut().for_each(|q| *q *= rule.scale);
                }
            }
            for (order, cell) in kernels().orders().iter().flat_map(|o| [(o, CellType::F32), (o, CellType::F16)]) {
                let start = vec![-7.0_f32; BLOCKS * layout.block_len()];
                let (wide, narrow) = (Buffer::of(&start), Buffer::of(&vec![f16::from_f32(-7.0); start.len()]));
                let (given, flat) = (Buffer::of(&qkv), tables.concat());
                let (tables, lanes, positions) = (Buffer::of(&flat), Buffer::of(&lanes), Buffer::of(&positions));
                let (cos, sin) = (Buffer::of(&cos), Buffer::of(&sin));
                let launch = RopeLaunch {
                    cell,
                    qkv: given.address(),
                    cache: if cell == CellType::F32 { wide.address() } else { narrow.address() },
                    tables: tables.address(),
                    lanes: lanes.address(),
                    positions: positions.address(),
                    cos: cos.address(),
                    sin: sin.address(),
                    rows,
                    layout,
                    half,
                    max_blocks: 3,
                    scale: rule.scale,
                };
                order.run(&[launch.launch().unwrap()]);
                assert!(distance(&given.values(), &want) < 1e-6, "{layout:?}: queries");
                let written = match cell {
                    CellType::F32 => wide.values(),
                    CellType::F16 => narrow.values().iter().map(|value| value.to_f32()).collect(),
                };
                let tolerance = if cell == CellType::F32 { 1e-6 } else { 1e-3 };
                assert!(distance(&written, &values(&cache)) < tolerance, "{layout:?} {cell:?}: cache");
            }
        }
    }
    let none = Address::NONE;
    let launch = RopeLaunch {
        cell: CellType::F32,
        qkv: none,
        cache: none,
        tables: none,
        lanes: none,
        positions: none,
        cos: none,
        sin: none,
        rows: 1,
        layout: KvLayout { heads: 1, kv_heads: 1, head_dim: 8 },
        half: 5,
        max_blocks: 1,
        scale: 1.0,
    };
    assert!(launch.launch().unwrap_err().to_string().contains("5 pairs in a head of 8 values"));
}

#[test]
fn what_half_precision_cannot_hold_becomes_the_largest() {
    let layout = KvLayout { heads: 1, kv_heads: 1, head_dim: 8 };
    let special: [f32; 12] = [1e9, -1e9, 65_519.0, 65_504.0, 6e-8, 2.9e-8, -3e-5, 1.000_488_3, 0.1, 2049.0, 1e-40, 0.0];
    let mut qkv = vec![0.5_f32; layout.qkv_width()];
    qkv[8..20].copy_from_slice(&special);
    for order in kernels().orders() {
        let (cache, given, zeros) = (Buffer::of(&[f16::ZERO; 256]), Buffer::of(&qkv), Buffer::of(&[0_u32]));
        let launch = RopeLaunch {
            cell: CellType::F16,
            qkv: given.address(),
            cache: cache.address(),
            tables: zeros.address(),
            lanes: zeros.address(),
            positions: zeros.address(),
            cos: Address::NONE,
            sin: Address::NONE,
            rows: 1,
            layout,
            half: 0,
            max_blocks: 1,
            scale: 1.0,
        };
        order.run(&[launch.launch().unwrap()]);
        let cache = cache.values();
        for (i, value) in qkv[8..24].iter().enumerate() {
            let got = if i < 8 { cache[i * 16] } else { cache[128 + i - 8] };
            assert_eq!(got, f16::from_f32(value.clamp(-65_504.0, 65_504.0)), "{value}");
        }
    }
}
