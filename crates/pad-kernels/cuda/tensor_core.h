// Products of small matrices by a whole warp: on a device by its tensor cores, on the host number by number. How the lanes share a
// matrix is PTX's mma.m16n8k16: lane l has g = l / 4 and t = l % 4, and of
//
//   a [16][16]: rows g and g + 8, columns 2t, 2t + 1 (words 0 and 1), and 2t + 8, 2t + 9 (words 2 and 3), in half precision
//   b [16][8]:  rows 2t, 2t + 1 (word 0), and 2t + 8, 2t + 9 (word 1), column g, in half precision
//   d [16][8]:  row g (numbers 0 and 1) and g + 8 (2 and 3), columns 2t, 2t + 1, in single precision
#pragma once
#include "number.h"

// Two numbers as a word of halves, the first in its low bits.
DEVICE u32 halves(float low, float high) { return (u32)nearest<f16>(low).bits | (u32)nearest<f16>(high).bits << 16; }

#ifdef __CUDACC__

// d += a b.
DEVICE void multiply_add(float* d, const u32* a, const u32* b) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

// The lane's part of a matrix b [16][8] in shared memory, whose rows are `stride` numbers apart, a multiple of 8.
DEVICE void load_b(const f16* matrix, int stride, u32* b) {
    const u32 row = (u32)__cvta_generic_to_shared(matrix + (threadIdx.x % 16) * stride);
    asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0, %1}, [%2];" : "=r"(b[0]), "=r"(b[1]) : "r"(row) : "memory");
}

#else

DEVICE float half_of_word(u32 word, int i) { return single(f16{(u16)(word >> (16 * i))}); }

struct Fragments {
    u32 a[4], b[2];
};

DEVICE void multiply_add(float* d, const u32* a, const u32* b) {
    const int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    host::exchange(ALL_LANES, Fragments{{a[0], a[1], a[2], a[3]}, {b[0], b[1]}}, [&](auto of) {
        for (int word = 0; word < 2; ++word)
            for (int pair = 0; pair < 4; ++pair) {
                const Fragments row = of(4 * g + pair);
                for (int column = 0; column < 2; ++column) {
                    const u32 other = of(4 * (2 * t + column) + pair).b[word];
                    for (int r = 0; r < 2; ++r)
                        for (int i = 0; i < 2; ++i) d[2 * r + column] += half_of_word(row.a[2 * word + r], i) * half_of_word(other, i);
                }
            }
    });
}

DEVICE void load_b(const f16* matrix, int stride, u32* b) {
    const int lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    for (int word = 0; word < 2; ++word) {
        const f16* const from = matrix + (2 * t + 8 * word) * stride + g;
        b[word] = (u32)from[0].bits | (u32)from[stride].bits << 16;
    }
}

#endif
