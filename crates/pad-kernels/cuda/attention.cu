// Attention of single rows over blocks of keys and values: decode, and any row where prefill has no faster way.
//
// The blocks that a row sees are split into parts of a fixed number, so that a long context occupies the device and a row's sums do
// not depend on what else is in the batch. A block of threads takes one part for the query heads that share a KV head; its warps
// take the part's KV blocks in turn, each with an online softmax of its own.
#pragma once
#include "warp.h"

struct AttentionArguments {
    const float* query;    // [rows][query_stride], rotated and scaled
    const void* cache;     // [blocks][kv_heads][2][dim * BLOCK]: keys [dim][BLOCK], values [BLOCK][dim]
    const u32* tables;     // [lanes][max_blocks]
    const u32* lanes;      // [rows]
    const u32* positions;  // [rows]
    float* partial;        // [rows][heads][parts][dim]; unused where there is one part
    float* mass;           // [rows][heads][parts][2]: the largest score, and the sum of weights against it
    float* out;            // [rows][heads][dim]
    int heads, kv_heads, dim, query_stride, max_blocks, part_blocks, parts;
    int window;            // positions that a row sees; 0: all
    float soft_cap;        // scores become cap * tanh(score / cap); 0: they do not
};

const int ATTENTION_THREADS = 128, ATTENTION_WARPS = ATTENTION_THREADS / WARP, COMBINE_THREADS = 128;

// The first position that a row sees.
DEVICE int first_seen(int position, int window) { return window > 0 && position + 1 > window ? position + 1 - window : 0; }

// What one warp or one part knows of a query: the largest score, the sum of exp(score - largest), the sum of weighted values.
template <int VALUES>
struct Softmax {
    float max, sum, values[VALUES];
};

// The scores of the BLOCK positions for GROUP queries: a lane gets those of one position, each position two lanes. Lanes of even
// number read the first eight positions of a dimension, odd ones the others, and pass on what the other lanes sum up.
template <class C, int GROUP>
DEVICE void block_scores(const C* keys, const float* query, int dim, float* scores) {
    const int lane = lane_of_warp();
    float sums[GROUP][8];
#pragma unroll
    for (int g = 0; g < GROUP; ++g)
#pragma unroll
        for (int j = 0; j < 8; ++j) sums[g][j] = 0.0f;
    for (int d = lane / 2; d < dim; d += WARP / 2) {
        float key[8];
        load<8>(keys + d * BLOCK + lane % 2 * 8, key);
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            const float q = query[g * dim + d];
#pragma unroll
            for (int j = 0; j < 8; ++j) sums[g][j] += q * key[j];
        }
    }
#pragma unroll
    for (int g = 0; g < GROUP; ++g) {
#pragma unroll
        for (int kept = 4, bit = 16; kept > 0; kept /= 2, bit /= 2)
#pragma unroll
            for (int j = 0; j < kept; ++j) {
                const float low = sums[g][j], high = sums[g][j + kept];
                sums[g][j] = (lane & bit ? high : low) + __shfl_xor_sync(ALL_LANES, lane & bit ? low : high, bit);
            }
        scores[g] = sums[g][0] + __shfl_xor_sync(ALL_LANES, sums[g][0], 2);
    }
}

// The position within a block whose scores `block_scores` gives to this lane.
DEVICE int position_of_lane() {
    const int lane = lane_of_warp();
    return lane % 2 * 8 + (lane >> 4 & 1) * 4 + (lane >> 3 & 1) * 2 + (lane >> 2 & 1);
}

// Block (row, KV head and GROUP of its query heads, part). A lane holds VALUES of a head's dimensions.
template <class C, int GROUP, int VALUES>
DEVICE void attend(const AttentionArguments& a) {
    SHARED(float, query, GROUP * VALUES * WARP);
    SHARED(float, weights, ATTENTION_WARPS * GROUP * BLOCK);
    SHARED(float, masses, ATTENTION_WARPS * GROUP * 2);
    SHARED(float, sums, ATTENTION_WARPS * GROUP * VALUES * WARP);
    const int row = blockIdx.x, part = blockIdx.z, group = a.heads / a.kv_heads, chunks = (group + GROUP - 1) / GROUP;
    const int kv = blockIdx.y / chunks, chunk = blockIdx.y % chunks * GROUP, count = least(GROUP, group - chunk);
    const int head = kv * group + chunk, lane = lane_of_warp(), warp = warp_of_block();
    const int position = a.positions[row], first = first_seen(position, a.window);
    const int start = first / BLOCK + part * a.part_blocks, end = least(start + a.part_blocks, position / BLOCK + 1);
    for (int i = threadIdx.x; i < GROUP * a.dim; i += blockDim.x)
        query[i] = i < count * a.dim ? a.query[(u64)row * a.query_stride + head * a.dim + i] : 0.0f;
    __syncthreads();

    Softmax<VALUES> own[GROUP];
#pragma unroll
    for (int g = 0; g < GROUP; ++g) {
        own[g].max = minus_infinity();
        own[g].sum = 0.0f;
#pragma unroll
        for (int j = 0; j < VALUES; ++j) own[g].values[j] = 0.0f;
    }
    float* const weight = weights + warp * GROUP * BLOCK;
    const u32* const table = a.tables + (u64)a.lanes[row] * a.max_blocks;
    for (int index = start + warp; index < end; index += ATTENTION_WARPS) {
        const C* const keys = (const C*)a.cache + keys_at(table[index], kv, a.kv_heads, a.dim);
        const C* const values = keys + a.dim * BLOCK;
        float scores[GROUP];
        block_scores<C, GROUP>(keys, query, a.dim, scores);
        const int from = most(first - index * BLOCK, 0), to = least(position - index * BLOCK, BLOCK - 1), at = position_of_lane();
#pragma unroll
        for (int g = 0; g < GROUP; ++g) {
            float score = soft_cap(scores[g], a.soft_cap);
            // What lies in the places behind the last position may be anything.
            score = at >= from && at <= to ? score : minus_infinity();
            const float max = fmaxf(own[g].max, warp_max(score)), kept = expf(own[g].max - max), w = expf(score - max);
            // Each position is in two lanes.
            own[g].sum = own[g].sum * kept + 0.5f * warp_sum(w);
            own[g].max = max;
#pragma unroll
            for (int j = 0; j < VALUES; ++j) own[g].values[j] *= kept;
            if ((lane & 2) == 0) weight[g * BLOCK + at] = w;
        }
        __syncwarp();
        if (lane * VALUES < a.dim) {
#pragma unroll
            for (int p = 0; p < BLOCK; ++p) {
                if (p < from || p > to) continue;
                float value[VALUES];
                load<VALUES>(values + p * a.dim + lane * VALUES, value);
#pragma unroll
                for (int g = 0; g < GROUP; ++g)
#pragma unroll
                    for (int j = 0; j < VALUES; ++j) own[g].values[j] += weight[g * BLOCK + p] * value[j];
            }
        }
        __syncwarp();
    }
#pragma unroll
    for (int g = 0; g < GROUP; ++g) {
        const int at = warp * GROUP + g;
        if (lane == 0) {
            masses[2 * at] = own[g].max;
            masses[2 * at + 1] = own[g].sum;
        }
#pragma unroll
        for (int j = 0; j < VALUES; ++j) sums[at * VALUES * WARP + lane * VALUES + j] = own[g].values[j];
    }
    __syncthreads();

    for (int i = threadIdx.x; i < count * a.dim; i += blockDim.x) {
        const int g = i / a.dim, d = i % a.dim;
        float max = minus_infinity();
        for (int w = 0; w < ATTENTION_WARPS; ++w) max = fmaxf(max, masses[2 * (w * GROUP + g)]);
        float sum = 0.0f, value = 0.0f;
        // A part behind the last position has no score.
        for (int w = 0; w < ATTENTION_WARPS && max > LOWEST; ++w) {
            const float kept = expf(masses[2 * (w * GROUP + g)] - max);
            sum += kept * masses[2 * (w * GROUP + g) + 1];
            value += kept * sums[(w * GROUP + g) * VALUES * WARP + d];
        }
        const u64 of = (u64)row * a.heads + head + g;
        if (a.parts == 1) {
            a.out[of * a.dim + d] = value / sum;
            continue;
        }
        a.partial[(of * a.parts + part) * a.dim + d] = value;
        if (d == 0) {
            a.mass[2 * (of * a.parts + part)] = max;
            a.mass[2 * (of * a.parts + part) + 1] = sum;
        }
    }
}

// Joins the parts of a row's head: block (row, head).
DEVICE void combine(const AttentionArguments& a) {
    const u64 of = (u64)blockIdx.x * a.heads + blockIdx.y;
    const float* const mass = a.mass + 2 * of * a.parts;
    float max = minus_infinity(), sum = 0.0f;
    for (int part = 0; part < a.parts; ++part) max = fmaxf(max, mass[2 * part]);
    for (int part = 0; part < a.parts; ++part) sum += expf(mass[2 * part] - max) * mass[2 * part + 1];
    for (int d = threadIdx.x; d < a.dim; d += blockDim.x) {
        float value = 0.0f;
        for (int part = 0; part < a.parts; ++part) value += expf(mass[2 * part] - max) * a.partial[(of * a.parts + part) * a.dim + d];
        a.out[of * a.dim + d] = value / sum;
    }
}

#define ATTEND(cell, C, group, values) \
    ENTRY(attend_##cell##_##group##_##values, ATTENTION_THREADS, AttentionArguments, attend<C, group, values>)
#define ATTEND_GROUPS(cell, C, values) \
    ATTEND(cell, C, 1, values)         \
    ATTEND(cell, C, 2, values)         \
    ATTEND(cell, C, 4, values)         \
    ATTEND(cell, C, 8, values)
#define ATTEND_HEADS(cell, C)   \
    ATTEND_GROUPS(cell, C, 2)   \
    ATTEND_GROUPS(cell, C, 4)   \
    ATTEND_GROUPS(cell, C, 8)

ATTEND_HEADS(f32, float)
ATTEND_HEADS(f16, f16)
ENTRY(attend_combine, COMBINE_THREADS, AttentionArguments, combine)
