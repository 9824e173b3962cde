// Attention of chunks of prompts over blocks, by tensor cores: queries, keys, weights and values in half precision, sums in single.
//
// A tile is TILE queries of one segment at one KV head: its rows one after another, of each row the heads that share the KV head. A
// warp has sixteen of them. The KV blocks that any query of the tile sees pass through shared memory, STAGE at a time.
#pragma once
#include "attention.cu"
#include "tensor_core.h"

struct PrefillArguments {
    const float* query;    // [rows][query_stride], rotated and scaled
    const void* cache;     // [blocks][kv_heads][2][dim * BLOCK], as for rows
    const u32* tables;     // [lanes][max_blocks]
    const u32* tiles;      // [tiles][5]: lane, position of the segment's first row, its place in the batch, its rows, the first query
    float* out;            // [rows][heads][dim]
    int heads, kv_heads, query_stride, max_blocks, window;
    float soft_cap;
};

const int PREFILL_THREADS = 128, TILE = 64, STAGE = 2, TILE_NUMBERS = 5;

// One row of the warp's sixteen: the largest score, the lane's share of the sum of weights.
struct Row {
    int position, first;
    float max, sum;
};

// The largest of the four lanes that share a row.
DEVICE float quad_max(float x) {
    x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
    return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}
DEVICE float quad_sum(float x) {
    x += __shfl_xor_sync(ALL_LANES, x, 1);
    return x + __shfl_xor_sync(ALL_LANES, x, 2);
}

// The scores of sixteen positions from `start` on become weights; what was summed so far is to be multiplied by `kept`.
DEVICE void weigh(const PrefillArguments& a, float (*scores)[4], Row* rows, int start, float* kept) {
    const int t = lane_of_warp() % 4;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        float max = rows[r].max;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            float& score = scores[i / 2][2 * r + i % 2];
            const int position = start + i / 2 * 8 + 2 * t + i % 2;
            score = soft_cap(score, a.soft_cap);
            if (position < rows[r].first || position > rows[r].position) score = minus_infinity();
            max = fmaxf(max, score);
        }
        max = quad_max(max);
        // A row may see nothing yet.
        const float base = max > LOWEST ? max : 0.0f;
        kept[r] = expf(rows[r].max - base);
        rows[r].sum *= kept[r];
        rows[r].max = max;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
            float& score = scores[i / 2][2 * r + i % 2];
            score = expf(score - base);
            rows[r].sum += score;
        }
    }
}

// Block (tile, KV head).
template <int DIM>
DEVICE void prefill(const PrefillArguments& a) {
    // Rows of values are padded, so that eight of them lie in different banks.
    const int VALUE_STRIDE = DIM + 8;
    SHARED(f16, keys, STAGE * DIM * BLOCK);
    SHARED(f16, values, STAGE * BLOCK * VALUE_STRIDE);
    const u32* const tile = a.tiles + blockIdx.x * TILE_NUMBERS;
    const int kv = blockIdx.y, group = a.heads / a.kv_heads, lane = lane_of_warp(), g = lane / 4, t = lane % 4;
    const int start = tile[1], place = tile[2], count = tile[3], first_query = tile[4], last_query = count * group - 1;
    const int last = start + least(first_query + TILE - 1, last_query) / group;
    const int from = first_seen(start + first_query / group, a.window) / BLOCK, to = last / BLOCK + 1;

    // The lane's two rows, and their queries.
    Row rows[2];
    const float* queries[2];
    u64 out[2];
    bool own[2];
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const int wanted = first_query + warp_of_block() * 16 + g + 8 * r, query = least(wanted, last_query);
        const u64 row = place + query / group, head = kv * group + query % group;
        own[r] = wanted <= last_query;
        rows[r].position = start + query / group;
        rows[r].first = first_seen(rows[r].position, a.window);
        rows[r].max = minus_infinity();
        rows[r].sum = 0.0f;
        queries[r] = a.query + row * a.query_stride + head * DIM;
        out[r] = (row * a.heads + head) * DIM;
    }
    u32 q[DIM / 16][4];
#pragma unroll
    for (int k = 0; k < DIM / 16; ++k)
#pragma unroll
        for (int word = 0; word < 4; ++word) {
            const float* const two = queries[word % 2] + k * 16 + word / 2 * 8 + 2 * t;
            q[k][word] = halves(two[0], two[1]);
        }
    float sums[DIM / 8][4];
#pragma unroll
    for (int n = 0; n < DIM / 8; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) sums[n][i] = 0.0f;

    const u32* const table = a.tables + (u64)tile[0] * a.max_blocks;
    for (int stage = from; stage < to; stage += STAGE) {
        const int blocks = least(STAGE, to - stage);
        __syncthreads();
        for (int i = threadIdx.x; i < blocks * DIM * 2; i += blockDim.x) {
            // Eight numbers of keys and eight of values.
            const int block = i / (2 * DIM), at = i % (2 * DIM) * 8, slot = at / DIM;
            const f16* const head = (const f16*)a.cache + keys_at(table[stage + block], kv, a.kv_heads, DIM);
            *(uint4*)(keys + block * DIM * BLOCK + at) = *(const uint4*)(head + at);
            // Behind the last position anything may lie, and a weight of 0 would not hide it.
            const bool written = (stage + block) * BLOCK + slot <= last;
            const uint4 zeros = {0, 0, 0, 0};
            uint4* const to_values = (uint4*)(values + (block * BLOCK + slot) * VALUE_STRIDE + at % DIM);
            *to_values = written ? *(const uint4*)(head + DIM * BLOCK + at) : zeros;
        }
        __syncthreads();
        for (int block = 0; block < blocks; ++block) {
            float scores[2][4] = {{0.0f, 0.0f, 0.0f, 0.0f}, {0.0f, 0.0f, 0.0f, 0.0f}}, kept[2];
#pragma unroll
            for (int k = 0; k < DIM / 16; ++k)
#pragma unroll
                for (int n = 0; n < 2; ++n) {
                    u32 b[2];
                    load_b(keys + (block * DIM + k * 16) * BLOCK + n * 8, BLOCK, b);
                    multiply_add(scores[n], q[k], b);
                }
            weigh(a, scores, rows, (stage + block) * BLOCK, kept);
            const u32 weights[4] = {halves(scores[0][0], scores[0][1]), halves(scores[0][2], scores[0][3]),
                                    halves(scores[1][0], scores[1][1]), halves(scores[1][2], scores[1][3])};
#pragma unroll
            for (int n = 0; n < DIM / 8; ++n) {
#pragma unroll
                for (int i = 0; i < 4; ++i) sums[n][i] *= kept[i / 2];
                u32 b[2];
                load_b(values + block * BLOCK * VALUE_STRIDE + n * 8, VALUE_STRIDE, b);
                multiply_add(sums[n], weights, b);
            }
        }
    }
#pragma unroll
    for (int r = 0; r < 2; ++r) {
        const float sum = quad_sum(rows[r].sum);
        if (!own[r]) continue;
#pragma unroll
        for (int n = 0; n < DIM / 8; ++n)
#pragma unroll
            for (int i = 0; i < 2; ++i) a.out[out[r] + n * 8 + 2 * t + i] = sums[n][2 * r + i] / sum;
    }
}

#define PREFILL(dim) ENTRY(prefill_##dim, PREFILL_THREADS, PrefillArguments, prefill<dim>)

PREFILL(16)
PREFILL(32)
PREFILL(64)
PREFILL(80)
PREFILL(96)
PREFILL(128)
PREFILL(256)
