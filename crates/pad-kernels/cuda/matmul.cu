// Products of few rows with a matrix whose reading is what they cost: y = x W^T (+ bias) (+ residual).
//
// A warp computes OUTS outputs of ROWS rows, so that each weight that it reads serves all rows and each value of x that it reads
// serves all outputs. The order of a sum depends on neither: a row's result is the same in every batch, and the same where only some
// tokens of the unembedding are read.
#pragma once
#include "warp.h"
#include "weights.h"

struct MatmulArguments {
    const float* x;         // [rows][inputs]
    const void* weights;    // [outputs][inputs], as stored
    const float* bias;      // [outputs]; may be null
    const float* residual;  // [rows][y_stride]; may be null, and may be `y`
    float* y;               // [rows][y_stride]
    int rows, inputs, outputs, y_stride;
    float cap;              // y becomes cap * tanh(y / cap); 0: it does not
};

const int MATMUL_THREADS = 128;

// sums[o][r] = the products of rows `rows[o]` of a matrix with ROWS rows of `x`, in every lane; rows behind `last` are as `last`.
template <class W, int OUTS, int ROWS>
DEVICE void products(const u8* const* rows, const float* x, int last, int inputs, float (*sums)[ROWS]) {
#pragma unroll
    for (int o = 0; o < OUTS; ++o)
#pragma unroll
        for (int r = 0; r < ROWS; ++r) sums[o][r] = 0.0f;
    const int units = W::units(inputs);
    for (int unit = lane_of_warp(); unit < units; unit += WARP) {
#pragma unroll
        for (int run = 0; run < W::RUNS; ++run) {
            float w[OUTS][W::RUN];
#pragma unroll
            for (int o = 0; o < OUTS; ++o) W::read(rows[o], unit, run, w[o]);
            const float* const from = x + W::input(unit, run);
#pragma unroll
            for (int r = 0; r < ROWS; ++r) {
                float values[W::RUN];
                load<W::RUN>(from + (u64)least(r, last) * inputs, values);
#pragma unroll
                for (int o = 0; o < OUTS; ++o)
#pragma unroll
                    for (int i = 0; i < W::RUN; ++i) sums[o][r] += w[o][i] * values[i];
            }
        }
    }
#pragma unroll
    for (int o = 0; o < OUTS; ++o)
#pragma unroll
        for (int r = 0; r < ROWS; ++r) sums[o][r] = warp_sum(sums[o][r]);
}

// Block (x, y): ROWS rows from x on, outputs from y on. Blocks of the same outputs are neighbours, so that what one of them reads of the
// matrix is still in the device's cache for the others. Where fewer rows are left, the last is computed again and not written.
template <class W, int OUTS, int ROWS>
DEVICE void matmul(const MatmulArguments& a) {
    const int output = (blockIdx.y * (blockDim.x / WARP) + warp_of_block()) * OUTS;
    if (output >= a.outputs) return;
    const int first = blockIdx.x * ROWS, last = a.rows - 1 - first;
    const u8* rows[OUTS];
#pragma unroll
    for (int o = 0; o < OUTS; ++o) {
        const int row = least(output + o, a.outputs - 1);
        rows[o] = (const u8*)a.weights + row * W::row_bytes(a.inputs);
    }
    float sums[OUTS][ROWS];
    products<W, OUTS, ROWS>(rows, a.x + (u64)first * a.inputs, last, a.inputs, sums);
    const int lane = lane_of_warp();
#pragma unroll
    for (int o = 0; o < OUTS; ++o)
#pragma unroll
        for (int r = 0; r < ROWS; ++r) {
            if (lane != (o * ROWS + r) % WARP || r > last || output + o >= a.outputs) continue;
            const u64 at = (u64)(first + r) * a.y_stride + output + o;
            float y = sums[o][r];
            if (a.bias) y += a.bias[output + o];
            if (a.residual) y += a.residual[at];
            a.y[at] = soft_cap(y, a.cap);
        }
}

// Each for up to so many rows; more are taken in several blocks, each of which reads the matrix.
#define MATMUL(format, Weights)                                                             \
    ENTRY(matmul_##format##_1, MATMUL_THREADS, MatmulArguments, matmul<Weights, 4, 1>)      \
    ENTRY(matmul_##format##_2, MATMUL_THREADS, MatmulArguments, matmul<Weights, 4, 2>)      \
    ENTRY(matmul_##format##_4, MATMUL_THREADS, MatmulArguments, matmul<Weights, 2, 4>)      \
    ENTRY(matmul_##format##_8, MATMUL_THREADS, MatmulArguments, matmul<Weights, 2, 8>)

MATMUL(f32, Plain<float>)
MATMUL(bf16, Plain<bf16>)
MATMUL(f16, Plain<f16>)
MATMUL(q4k, Q4K)
MATMUL(q6k, Q6K)
MATMUL(q8_0, Q80)
