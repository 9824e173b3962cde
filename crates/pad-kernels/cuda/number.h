// Number formats: how single, half and bfloat16 precision become each other, and how several are read at once.
#pragma once
#include "language.h"

struct bf16 {
    u16 bits;
};
struct f16 {
    u16 bits;
};

#ifdef __CUDACC__
DEVICE float single_of_bits(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 bits_of_single(float x) { return __float_as_uint(x); }
DEVICE float single(f16 x) {
    float y;
    asm("cvt.f32.f16 %0, %1;" : "=f"(y) : "h"(x.bits));
    return y;
}
DEVICE f16 nearest_half(float x) {
    f16 y;
    asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}
DEVICE uint4 streamed(const uint4* from) { return __ldcs(from); }
#else
DEVICE float single_of_bits(u32 bits) {
    float x;
    __builtin_memcpy(&x, &bits, 4);
    return x;
}
DEVICE u32 bits_of_single(float x) {
    u32 bits;
    __builtin_memcpy(&bits, &x, 4);
    return bits;
}
DEVICE float single(f16 x) {
    const u32 magnitude = x.bits & 0x7fff, sign = (x.bits & 0x8000u) << 16;
    if (magnitude >= 0x7c00) return single_of_bits(sign | 0x7f800000u | (magnitude & 0x3ff) << 13);
    // Exact for subnormal halves, too: the product is a power of two times an integer.
    return single_of_bits(sign | bits_of_single(single_of_bits(magnitude << 13) * single_of_bits((127 + 112) << 23)));
}
DEVICE f16 nearest_half(float x) {
    const u32 bits = bits_of_single(x), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return {(u16)(sign | 0x7e00)};
    if (magnitude >= 0x477ff000u) return {(u16)(sign | 0x7c00)};
    if (magnitude < 0x38800000u) {
        // A subnormal half counts steps of 2^-24; adding 2^23 rounds to an integer, ties to even.
        const float steps = single_of_bits(magnitude) * 16777216.0f + 8388608.0f;
        return {(u16)(sign | (bits_of_single(steps) & 0xffff))};
    }
    return {(u16)(sign | ((magnitude - 0x38000000u + 0xfff + (magnitude >> 13 & 1)) >> 13))};
}
DEVICE uint4 streamed(const uint4* from) { return *from; }
#endif

const float LOWEST = -3.402823466e38f;
DEVICE float minus_infinity() { return single_of_bits(0xff800000u); }

// cap * tanh(x / cap); `x` itself where `cap` is 0.
DEVICE float soft_cap(float x, float cap) { return cap > 0.0f ? cap * tanhf(x / cap) : x; }

DEVICE float single(float x) { return x; }
DEVICE float single(bf16 x) { return single_of_bits((u32)x.bits << 16); }

// The nearest number of a format. Half precision never becomes infinite: what is too large becomes the largest.
template <class T>
DEVICE T nearest(float x);
template <>
DEVICE float nearest<float>(float x) {
    return x;
}
template <>
DEVICE bf16 nearest<bf16>(float x) {
    const u32 bits = bits_of_single(x);
    if ((bits & 0x7fffffffu) > 0x7f800000u) return {(u16)(bits >> 16 | 0x40)};
    return {(u16)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}
template <>
DEVICE f16 nearest<f16>(float x) {
    return nearest_half(x > 65504.0f ? 65504.0f : x < -65504.0f ? -65504.0f : x);
}

// The numbers in a word, the first in its low bits.
DEVICE void unpack(u32 word, const float*, float* to) { to[0] = single_of_bits(word); }
DEVICE void unpack(u32 word, const bf16*, float* to) {
    to[0] = single_of_bits(word << 16);
    to[1] = single_of_bits(word & 0xffff0000u);
}
DEVICE void unpack(u32 word, const f16*, float* to) {
    to[0] = single(f16{(u16)word});
    to[1] = single(f16{(u16)(word >> 16)});
}
template <class T>
DEVICE void unpack_four(uint4 words, const T* format, float* to) {
    const int each = 4 / sizeof(T);
    unpack(words.x, format, to);
    unpack(words.y, format, to + each);
    unpack(words.z, format, to + 2 * each);
    unpack(words.w, format, to + 3 * each);
}

// N numbers from `from` on, which is aligned to their size, or to 16 bytes where they are larger.
template <int N, class T>
DEVICE void load(const T* from, float* to) {
    const int bytes = N * sizeof(T), each = 16 / sizeof(T);
    if (bytes % 16 == 0) {
#pragma unroll
        for (int i = 0; i < bytes / 16; ++i) unpack_four(((const uint4*)from)[i], from, to + i * each);
    } else if (bytes == 8) {
        const uint2 words = *(const uint2*)from;
        unpack(words.x, from, to);
        unpack(words.y, from, to + each / 4);
    } else {
        static_assert(N * sizeof(T) % 16 == 0 || N * sizeof(T) == 8 || N * sizeof(T) == 4, "4, 8 or a multiple of 16 bytes");
        unpack(*(const u32*)from, from, to);
    }
}
