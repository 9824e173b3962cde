// The logits of given tokens only, and the embeddings of tokens: single rows of a matrix [vocabulary][hidden].
#pragma once
#include "matmul.cu"

struct ReadoutArguments {
    const float* hidden;  // [rows][inputs]
    const void* weights;  // [vocabulary][inputs], as stored
    const u32* tokens;    // [sets][count]; one that the vocabulary has not gets minus infinity
    const u32* sets;      // [rows]: the set of tokens that each row is read at
    float* logits;        // [rows][count]
    int inputs, vocabulary, count;
    float cap;
};

const int READOUT_THREADS = 128;

// One warp for a row and a token.
template <class W>
DEVICE void readout(const ReadoutArguments& a) {
    const int row = blockIdx.y, at = blockIdx.x * (blockDim.x / WARP) + warp_of_block();
    if (at >= a.count) return;
    const u32 token = a.tokens[(u64)a.sets[row] * a.count + at];
    float logit = minus_infinity();
    if (token < (u32)a.vocabulary) {
        const u8* const weights[1] = {(const u8*)a.weights + token * W::row_bytes(a.inputs)};
        float sums[1][1];
        products<W, 1, 1>(weights, a.hidden + (u64)row * a.inputs, 0, a.inputs, sums);
        logit = soft_cap(sums[0][0], a.cap);
    }
    if (lane_of_warp() == 0) a.logits[(u64)row * a.count + at] = logit;
}

struct EmbeddingArguments {
    const void* weights;  // [vocabulary][hidden], as stored
    const u32* tokens;    // [rows], all of them known
    float* x;             // [rows][hidden]
    int hidden;
    float scale;
};

const int EMBEDDING_THREADS = 128;

template <class W>
DEVICE void embed(const EmbeddingArguments& a) {
    const u8* const row = (const u8*)a.weights + a.tokens[blockIdx.x] * W::row_bytes(a.hidden);
    float* const x = a.x + (u64)blockIdx.x * a.hidden;
    const int units = W::units(a.hidden);
    for (int unit = threadIdx.x; unit < units; unit += blockDim.x)
        for (int run = 0; run < W::RUNS; ++run) {
            float w[W::RUN];
            W::read(row, unit, run, w);
            for (int i = 0; i < W::RUN; ++i) x[W::input(unit, run) + i] = a.scale * w[i];
        }
}

#define READOUT(format, Weights)                                                    \
    ENTRY(readout_##format, READOUT_THREADS, ReadoutArguments, readout<Weights>)    \
    ENTRY(embed_##format, EMBEDDING_THREADS, EmbeddingArguments, embed<Weights>)

READOUT(f32, Plain<float>)
READOUT(bf16, Plain<bf16>)
READOUT(f16, Plain<f16>)
READOUT(q4k, Q4K)
READOUT(q6k, Q6K)
READOUT(q8_0, Q80)
