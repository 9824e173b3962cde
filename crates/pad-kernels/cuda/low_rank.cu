// Low-rank additions to some rows: y = base + B (A x) (+ bias), by adapters and by the heads of a reward model.
//
// A task is one row and one part: different rows may go through different parts, and one row through several. Parts of one rank and
// one shape lie one after another.
#pragma once
#include "warp.h"

struct LowRankArguments {
    const float* x;      // [rows][x_stride]
    const float* down;   // A of each part, [parts][rank][inputs]
    const float* up;     // B transposed, [parts][rank][outputs]
    const float* bias;   // [parts][outputs]; may be null
    const float* base;   // [rows][base_stride]; may be null
    float* product;      // room for [tasks][rank]
    float* y;            // task t adds to row targets[t] of [..][y_stride]; may be `base`
    const u32* rows;     // [tasks]: the row of x and of base
    const u32* parts;    // [tasks]
    const u32* targets;  // [tasks]
    int inputs, outputs, rank, x_stride, base_stride, y_stride;
};

const int LOW_RANK_THREADS = 128;

// product = A x: one warp for a task and a row of A.
DEVICE void product_with_down(const LowRankArguments& a) {
    const int task = blockIdx.y, k = blockIdx.x * (blockDim.x / WARP) + warp_of_block();
    if (k >= a.rank) return;
    const float* const x = a.x + (u64)a.rows[task] * a.x_stride;
    const float* const down = a.down + ((u64)a.parts[task] * a.rank + k) * a.inputs;
    float sum = 0.0f;
    for (int i = lane_of_warp(); i < a.inputs; i += WARP) sum += x[i] * down[i];
    sum = warp_sum(sum);
    if (lane_of_warp() == 0) a.product[(u64)task * a.rank + k] = sum;
}

// y = base + B product (+ bias): one thread for a task and an output.
DEVICE void sum_with_up(const LowRankArguments& a) {
    const int task = blockIdx.y, j = blockIdx.x * blockDim.x + threadIdx.x;
    if (j >= a.outputs) return;
    const u64 part = a.parts[task];
    const float* const product = a.product + (u64)task * a.rank;
    const float* const up = a.up + part * a.rank * a.outputs + j;
    float sum = a.base ? a.base[(u64)a.rows[task] * a.base_stride + j] : 0.0f;
    for (int k = 0; k < a.rank; ++k) sum += product[k] * up[(u64)k * a.outputs];
    if (a.bias) sum += a.bias[part * a.outputs + j];
    a.y[(u64)a.targets[task] * a.y_stride + j] = sum;
}

ENTRY(low_rank_down, LOW_RANK_THREADS, LowRankArguments, product_with_down)
ENTRY(low_rank_up, LOW_RANK_THREADS, LowRankArguments, sum_with_up)
