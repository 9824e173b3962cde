// Rotary embedding of queries and keys, and the write of keys and values into their blocks.
//
// Element i of a head is paired with element i + half. A block holds, for each KV head, keys [dim][BLOCK] and then values
// [BLOCK][dim], as `KvLayout` on the host has it.
#pragma once
#include "number.h"

struct RopeArguments {
    float* qkv;            // [rows][(heads + 2 * kv_heads) * dim]; queries become rotated and scaled, the rest stays
    void* cache;           // [blocks][kv_heads][2][dim * BLOCK]
    const u32* tables;     // [lanes][max_blocks]: the blocks of each lane
    const u32* lanes;      // [rows]: the lane of each row
    const u32* positions;  // [rows]
    const float* cos;      // [context][half]; unused where half is 0
    const float* sin;
    int heads, kv_heads, dim, half, max_blocks;
    float scale;
};

const int ROPE_THREADS = 128;

// Value `i` of a head that begins at `head`, rotated.
DEVICE float rotated(const RopeArguments& a, const float* head, u64 position, int i) {
    const float x = head[i];
    if (i >= 2 * a.half) return x;
    const u64 pair = position * a.half + (i < a.half ? i : i - a.half);
    return i < a.half ? x * a.cos[pair] - head[i + a.half] * a.sin[pair] : x * a.cos[pair] + head[i - a.half] * a.sin[pair];
}

// One block for a row and a head of it: queries, then keys, then values.
template <class C>
DEVICE void rope_write(const RopeArguments& a) {
    const int row = blockIdx.x, head = blockIdx.y;
    const u64 position = a.positions[row];
    float* const x = a.qkv + ((u64)row * (a.heads + 2 * a.kv_heads) + head) * a.dim;
    if (head < a.heads) {
        // A thread reads and writes whole pairs, so the others' are not touched.
        for (int i = threadIdx.x; i < a.dim; i += blockDim.x) {
            if (i >= a.half && i < 2 * a.half) continue;
            const bool paired = i < a.half;
            const float low = rotated(a, x, position, i) * a.scale;
            const float high = paired ? rotated(a, x, position, i + a.half) * a.scale : 0.0f;
            x[i] = low;
            if (paired) x[i + a.half] = high;
        }
        return;
    }
    const int kv = (head - a.heads) % a.kv_heads, slot = position % BLOCK;
    const u64 block = a.tables[(u64)a.lanes[row] * a.max_blocks + position / BLOCK];
    C* const keys = (C*)a.cache + keys_at(block, kv, a.kv_heads, a.dim);
    C* const values = keys + a.dim * BLOCK + slot * a.dim;
    const bool key = head < a.heads + a.kv_heads;
    for (int i = threadIdx.x; i < a.dim; i += blockDim.x) {
        if (key)
            keys[i * BLOCK + slot] = nearest<C>(rotated(a, x, position, i));
        else
            values[i] = nearest<C>(x[i]);
    }
}

ENTRY(rope_write_f32, ROPE_THREADS, RopeArguments, rope_write<float>)
ENTRY(rope_write_f16, ROPE_THREADS, RopeArguments, rope_write<f16>)
