//! Low-rank additions: adapters on some rows, heads of a reward model.

use pad_kernels::device::{Address, LowRankLaunch};
use pad_kernels::{LowRank, LowRankStack};

use crate::library::kernels;
use crate::memory::{Buffer, distance};
use crate::random::{Random, tensor, values};

/// Parts of one shape, as the kernels have them and as the host has them.
struct Parts {
    down: Vec<f32>,
    up: Vec<f32>,
    twins: Vec<LowRankStack>,
}

fn parts(count: usize, (rank, inputs, outputs): (usize, usize, usize), random: &mut Random) -> Parts {
    let mut parts = Parts { down: vec![], up: vec![], twins: vec![] };
    for _ in 0..count {
        let (down, up) = (random.values(rank * inputs), random.values(outputs * rank));
        parts.down.extend(&down);
        parts.up.extend((0..rank).flat_map(|k| (0..outputs).map(move |j| (j, k))).map(|(j, k)| 0.5 * up[j * rank + k]));
        let mut stack = LowRankStack::new();
        stack.push(0, LowRank::new(rank, inputs, outputs, down, &up, 0.5).unwrap());
        parts.twins.push(stack);
    }
    parts
}

#[test]
fn adapters_add_to_their_rows() {
    let mut random = Random(11);
    for (rank, inputs, outputs) in [(1, 1, 2), (3, 33, 17), (16, 64, 300), (256, 96, 40)] {
        let (rows, more) = (6, 5);
        let parts = parts(2, (rank, inputs, outputs), &mut random);
        let (x, y) = (random.values(rows * inputs), random.values(rows * (outputs + more)));
        // Rows 1 and 4 go through the first part, row 5 through the second.
        let tasks = [(1, 0), (5, 1), (4, 0)];
        let mut want = y.clone();
        for (row, part) in tasks {
            let at = row * (outputs + more)..row * (outputs + more) + outputs;
            let (x, y) = (tensor(&x[row * inputs..(row + 1) * inputs], 1), tensor(&y[at.clone()], 1));
            want[at].copy_from_slice(&values(&parts.twins[part].twin(&y, &x, &(0..1)).unwrap()));
        }
        for order in kernels().orders() {
            let (x, y) = (Buffer::of(&x), Buffer::of(&y));
            let (down, up) = (Buffer::of(&parts.down), Buffer::of(&parts.up));
            let (rows, of) = (Buffer::of(&[1_u32, 5, 4]), Buffer::of(&[0_u32, 1, 0]));
            let product = Buffer::<f32>::poisoned(3 * rank);
            let launch = LowRankLaunch {
                x: x.address(),
                down: down.address(),
                up: up.address(),
                bias: Address::NONE,
                base: y.address(),
                product: product.address(),
                y: y.address(),
                rows: rows.address(),
                parts: of.address(),
                targets: rows.address(),
                tasks: 3,
                inputs,
                outputs,
                rank,
                x_stride: inputs,
                base_stride: outputs + more,
                y_stride: outputs + more,
            };
            order.run(&launch.launches().unwrap());
            product.values();
            let worst = distance(&y.values(), &want);
            assert!(worst < 1e-5, "[{outputs}, {inputs}] of rank {rank}: {worst}");
            let refused = |launch: LowRankLaunch| launch.launches().unwrap_err().to_string();
            assert!(refused(LowRankLaunch { rank: 257, ..launch }).contains("the rank is 257, allowed is 1 to 256"));
            assert!(refused(LowRankLaunch { x_stride: inputs - 1, ..launch }).contains("inputs"));
        }
    }
}

#[test]
fn one_row_goes_through_several_heads() {
    let mut random = Random(12);
    let (rank, hidden) = (4, 96);
    let parts = parts(3, (rank, hidden, hidden), &mut random);
    let (x, bias) = (random.values(2 * hidden), random.values(3 * hidden));
    let tasks = [(0, 0), (0, 1), (0, 2), (1, 2), (1, 0)];
    let want: Vec<f32> = tasks
        .iter()
        .flat_map(|&(row, part)| {
            let h = tensor(&x[row * hidden..(row + 1) * hidden], 1);
            let through = values(&parts.twins[part].twin(&h, &h, &(0..1)).unwrap());
            let bias = &bias[part * hidden..(part + 1) * hidden];
            through.iter().zip(bias).map(|(h, b)| h + b).collect::<Vec<_>>()
        })
        .collect();
    for order in kernels().orders() {
        let (x, bias) = (Buffer::of(&x), Buffer::of(&bias));
        let (down, up) = (Buffer::of(&parts.down), Buffer::of(&parts.up));
        let rows = Buffer::of(&tasks.map(|(row, _)| row as u32));
        let (of, targets) = (Buffer::of(&tasks.map(|(_, part)| part as u32)), Buffer::of(&[0_u32, 1, 2, 3, 4]));
        let (product, y) = (Buffer::<f32>::poisoned(5 * rank), Buffer::<f32>::poisoned(5 * hidden));
        let launch = LowRankLaunch {
            x: x.address(),
            down: down.address(),
            up: up.address(),
            bias: bias.address(),
            base: x.address(),
            product: product.address(),
            y: y.address(),
            rows: rows.address(),
            parts: of.address(),
            targets: targets.address(),
            tasks: 5,
            inputs: hidden,
            outputs: hidden,
            rank,
            x_stride: hidden,
            base_stride: hidden,
            y_stride: hidden,
        };
        order.run(&launch.launches().unwrap());
        assert!(distance(&y.values(), &want) < 1e-5);
    }
}
