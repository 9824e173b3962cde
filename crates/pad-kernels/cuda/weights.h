// How matrices [outputs][inputs] are stored, and how a lane reads some of a row's weights.
//
// A row is a sequence of units, each read by one lane: RUNS runs of RUN consecutive inputs. `input(unit, run)` is where a run
// begins, `read` gives its weights in single precision. A row begins at a multiple of 16 bytes (of 2 for the 8-bit blocks).
#pragma once
#include "number.h"

template <class T>
struct Plain {
    static const int RUNS = 1, RUN = 16 / sizeof(T);
    static DEVICE u64 row_bytes(int inputs) { return (u64)inputs * sizeof(T); }
    static DEVICE int units(int inputs) { return inputs / RUN; }
    static DEVICE int input(int unit, int) { return unit * RUN; }
    static DEVICE void read(const u8* row, int unit, int, float* w) { unpack_four(streamed((const uint4*)row + unit), (const T*)0, w); }
};

DEVICE f16 half_at(const u8* from) { return f16{*(const u16*)from}; }

// ggml's Q4_K: 256 values in 144 bytes. Scale and scale of the minima in half precision, 12 bytes with a 6-bit scale and a 6-bit
// minimum for each of 8 blocks of 32, then 4 bits a value, blocks 2c and 2c + 1 in the low and high halves of 32 bytes.
struct Q4K {
    static const int RUNS = 2, RUN = 16, BYTES = 144;
    static DEVICE u64 row_bytes(int inputs) { return (u64)(inputs / 256) * BYTES; }
    static DEVICE int units(int inputs) { return inputs / 32; }
    // A unit is 16 bytes: half of the 32 bytes of two blocks.
    static DEVICE int input(int unit, int run) { return unit / 8 * 256 + unit % 8 / 2 * 64 + run * 32 + unit % 2 * 16; }
    static DEVICE void read(const u8* row, int unit, int run, float* w) {
        const u8* const block = row + (u64)(unit / 8) * BYTES;
        const uint4 head = *(const uint4*)block, nibbles = streamed((const uint4*)(block + 16) + unit % 8);
        const float scale = single(f16{(u16)head.x}), min = single(f16{(u16)(head.x >> 16)});
        // The scales' and minima's words: bytes 0 to 3, 4 to 7 and 8 to 11 of the 12.
        const int i = unit % 8 / 2 * 2 + run, shift = 8 * (i % 4);
        const u32 first = head.y >> shift, second = head.z >> shift, third = head.w >> shift;
        const u32 factor = i < 4 ? first & 63 : (third & 15) | (first >> 6 & 3) << 4;
        const u32 offset = i < 4 ? second & 63 : (third >> 4 & 15) | (second >> 6 & 3) << 4;
        const float step = scale * (float)factor, low = min * (float)offset;
        const u32 words[4] = {nibbles.x, nibbles.y, nibbles.z, nibbles.w};
#pragma unroll
        for (int j = 0; j < 16; ++j) w[j] = step * (float)(words[j / 4] >> (8 * (j % 4) + 4 * run) & 15) - low;
    }
};

// ggml's Q6_K: 256 values in 210 bytes: 128 of low bits, 64 of high ones, 16 8-bit scales, a scale in half precision.
struct Q6K {
    static const int RUNS = 2, RUN = 16, BYTES = 210;
    static DEVICE u64 row_bytes(int inputs) { return (u64)(inputs / 256) * BYTES; }
    static DEVICE int units(int inputs) { return inputs / 32; }
    // A unit is 16 bytes of low bits: 16 values of one quarter of 128 in their low halves, of the quarter after the next in the high.
    static DEVICE int input(int unit, int run) {
        const int part = unit % 8;
        return unit / 8 * 256 + part / 4 * 128 + (part % 4 / 2 + 2 * run) * 32 + part % 2 * 16;
    }
    static DEVICE void read(const u8* row, int unit, int run, float* w) {
        const u8* const block = row + (u64)(unit / 8) * BYTES;
        const int part = unit % 8, quarter = part % 4 / 2 + 2 * run;
        const u16* const low = (const u16*)(block + part * 16);
        const u16* const high = (const u16*)(block + 128 + part / 4 * 32 + part % 2 * 16);
        const signed char factor = (signed char)block[192 + part / 4 * 8 + quarter * 2 + part % 2];
        const float step = single(half_at(block + 208)) * (float)factor;
#pragma unroll
        for (int j = 0; j < 16; ++j) {
            const u32 bits = (low[j / 2] >> (8 * (j % 2) + 4 * run) & 15) | (high[j / 2] >> (8 * (j % 2) + 2 * quarter) & 3) << 4;
            w[j] = step * ((float)bits - 32.0f);
        }
    }
};

// ggml's Q8_0: 32 values in 34 bytes: a scale in half precision, then 8 bits a value.
struct Q80 {
    static const int RUNS = 1, RUN = 8, BYTES = 34;
    static DEVICE u64 row_bytes(int inputs) { return (u64)(inputs / 32) * BYTES; }
    static DEVICE int units(int inputs) { return inputs / RUN; }
    static DEVICE int input(int unit, int) { return unit * RUN; }
    static DEVICE void read(const u8* row, int unit, int, float* w) {
        const u8* const block = row + (u64)(unit / 4) * BYTES;
        const u16* const values = (const u16*)(block + 2) + unit % 4 * (RUN / 2);
        const float step = single(half_at(block));
#pragma unroll
        for (int j = 0; j < RUN; ++j) w[j] = step * (float)(signed char)(u8)(values[j / 2] >> (8 * (j % 2)));
    }
};
