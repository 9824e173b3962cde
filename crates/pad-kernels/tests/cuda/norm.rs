//! Norms and gates.

use half::bf16;
use pad_kernels::device::{Address, GateLaunch, NormLaunch, NormTypes};
use pad_kernels::{Gate, RmsNorm};

use crate::library::kernels;
use crate::memory::{Buffer, distance};
use crate::random::{Random, tensor, values};

/// Numbers as they are after rounding.
fn rounded(values: &[f32]) -> (Vec<bf16>, Vec<f32>) {
    let rounded: Vec<bf16> = values.iter().map(|value| bf16::from_f32(*value)).collect();
    let back = single(&rounded);
    (rounded, back)
}

fn single(values: &[bf16]) -> Vec<f32> {
    values.iter().map(|value| value.to_f32()).collect()
}

#[test]
fn norms_as_their_twin() {
    let mut random = Random(1);
    let (eps, rows) = (1e-5, 3);
    for (group, hidden, more) in [(1, 32, 0), (1, 33, 1), (1, 576, 0), (1, 4100, 3), (9, 64, 64), (3, 80, 5), (2, 1, 0)]
    {
        for (offset, before, behind) in [(0.0, false, false), (1.0, true, false), (0.0, false, true), (1.0, true, true)]
        {
            let (stride, out_stride) = (group * hidden + more, group * hidden + 2 * more);
            let weight = random.values(hidden);
            let shifted: Vec<f32> = weight.iter().map(|weight| weight + offset).collect();
            let norm = RmsNorm::new(tensor(&shifted, 1).squeeze(0).unwrap(), eps).unwrap();
            let (x, added, residual) =
                (random.values(rows * stride), random.values(rows * stride), random.values(rows * out_stride));
            for types in [NormTypes::Single, NormTypes::SingleToBf16, NormTypes::Bf16] {
                let (narrow, given) = if types == NormTypes::Bf16 { rounded(&x) } else { (vec![], x.clone()) };
                // The sum that is normalised, and what comes of it, part by part.
                let mut sums = given.clone();
                let mut want = vec![f32::NAN; rows * out_stride];
                for row in 0..rows {
                    for part in 0..group {
                        let at = row * stride + part * hidden..row * stride + (part + 1) * hidden;
                        if before {
                            sums[at.clone()].iter_mut().zip(&added[at.clone()]).for_each(|(sum, added)| *sum += added);
                        }
                        if types == NormTypes::Bf16 {
                            sums[at.clone()].iter_mut().for_each(|sum| *sum = bf16::from_f32(*sum).to_f32());
                        }
                        let mut normed = values(&norm.twin(&tensor(&sums[at], 1)).unwrap());
                        let to = row * out_stride + part * hidden..row * out_stride + (part + 1) * hidden;
                        if behind {
                            normed.iter_mut().zip(&residual[to.clone()]).for_each(|(out, residual)| *out += residual);
                        }
                        want[to].copy_from_slice(&normed);
                    }
                }
                for order in kernels().orders() {
                    let (wide_x, narrow_x) = (Buffer::of(&x), Buffer::of(&narrow));
                    let (wide_out, narrow_out) = (Buffer::poisoned(want.len()), Buffer::<bf16>::poisoned(want.len()));
                    let (weight, added, residual) = (Buffer::of(&weight), Buffer::of(&added), Buffer::of(&residual));
                    let is_bf16 = types == NormTypes::Bf16;
                    let launch = NormLaunch {
                        types,
                        x: if is_bf16 { narrow_x.address() } else { wide_x.address() },
                        added: if before { added.address() } else { Address::NONE },
                        weight: weight.address(),
                        residual: if behind { residual.address() } else { Address::NONE },
                        out: if types == NormTypes::Single { wide_out.address() } else { narrow_out.address() },
                        rows,
                        group,
                        hidden,
                        stride,
                        out_stride,
                        eps: eps as f32,
                        offset,
                    };
                    order.run(&[launch.launch().unwrap()]);
                    let (got, tolerance) = match types {
                        NormTypes::Single => (wide_out.values(), 1e-5),
                        _ => (single(&narrow_out.values()), 1e-2),
                    };
                    let (mut written, mut wanted) = (Vec::new(), Vec::new());
                    for (got, want) in got.iter().zip(&want) {
                        assert_eq!(want.is_nan(), got.is_nan(), "{group} x {hidden}: what lies between rows is left");
                        if !want.is_nan() {
                            written.push(*got);
                            wanted.push(*want);
                        }
                    }
                    let worst = distance(&written, &wanted);
                    assert!(worst < tolerance, "{types:?} {group} x {hidden}, offset {offset}: {worst}");
                    let summed = if is_bf16 { single(&narrow_x.values()) } else { wide_x.values() };
                    assert!(distance(&summed, &sums) < 1e-6, "the sum is kept");
                }
            }
        }
    }
    let none = Address::NONE;
    let launch = |hidden, group, stride| NormLaunch {
        types: NormTypes::Single,
        x: none,
        added: none,
        weight: none,
        residual: none,
        out: none,
        rows: 1,
        group,
        hidden,
        stride,
        out_stride: stride,
        eps: 0.0,
        offset: 0.0,
    };
    assert!(launch(8, 2, 15).launch().unwrap_err().to_string().contains("2 parts of 8 values in rows of 15"));
    assert!(launch(0, 1, 8).launch().is_err());
}

#[test]
fn a_norm_writes_where_it_reads() {
    let mut random = Random(2);
    let (weight, x) = (random.values(96), random.values(2 * 96));
    let norm = RmsNorm::new(tensor(&weight, 1).squeeze(0).unwrap(), 1e-6).unwrap();
    let want = values(&norm.twin(&tensor(&x, 2)).unwrap());
    let want: Vec<f32> = want.iter().zip(&x).map(|(normed, x)| normed + x).collect();
    for order in kernels().orders() {
        let (weight, x) = (Buffer::of(&weight), Buffer::of(&x));
        let launch = NormLaunch {
            types: NormTypes::Single,
            x: x.address(),
            added: Address::NONE,
            weight: weight.address(),
            residual: x.address(),
            out: x.address(),
            rows: 2,
            group: 1,
            hidden: 96,
            stride: 96,
            out_stride: 96,
            eps: 1e-6,
            offset: 0.0,
        };
        order.run(&[launch.launch().unwrap()]);
        assert!(distance(&x.values(), &want) < 1e-5);
    }
}

#[test]
fn gates_as_their_twin() {
    let mut random = Random(3);
    for gate in [Gate::Silu, Gate::GeluTanh] {
        for (rows, width) in [(1, 1), (3, 100), (2, 256), (5, 1537)] {
            let both: Vec<f32> = random.values(rows * 2 * width).iter().map(|x| 8.0 * x).collect();
            let whole = tensor(&both, rows);
            let (gates, ups) = (whole.narrow(1, 0, width).unwrap(), whole.narrow(1, width, width).unwrap());
            let want = values(&(gate.twin(&gates.contiguous().unwrap()).unwrap() * ups).unwrap());
            for order in kernels().orders() {
                let both = Buffer::of(&both);
                let (wide, narrow) = (Buffer::poisoned(want.len()), Buffer::<bf16>::poisoned(want.len()));
                let to = |bf16: bool, out| GateLaunch { gate, bf16, both: both.address(), out, rows, width };
                order.run(&[to(false, wide.address()).launch().unwrap(), to(true, narrow.address()).launch().unwrap()]);
                assert!(distance(&wide.values(), &want) < 1e-5, "{gate:?} {rows} x {width}");
                assert!(distance(&single(&narrow.values()), &want) < 1e-2, "{gate:?} {rows} x {width} in bf16");
            }
        }
    }
}
