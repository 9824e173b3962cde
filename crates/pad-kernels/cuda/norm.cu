// Root-mean-square normalisation: out = (residual +) (x + added) / sqrt(mean((x + added)^2) + eps) * (offset + weight).
#pragma once
#include "warp.h"

// Part `i` of `count` is `hidden` values at `(i / group) * stride + (i % group) * hidden`: a row where `group` is 1, else a head of a
// row. `out` may be `x`, and `residual` may be `out`, for every value is read by the thread that writes it.
struct NormArguments {
    void* x;
    const float* added;     // what is added to `x` first, and stored there; may be null
    const float* weight;    // [hidden]
    const float* residual;  // added behind the norm; may be null
    void* out;
    int hidden, group, stride, out_stride;
    float eps, offset;
};

const int NORM_THREADS = 512;

template <class In, class Out>
DEVICE void rms_norm(const NormArguments& a) {
    SHARED(float, warps, NORM_THREADS / WARP);
    const u64 row = blockIdx.x / a.group, within = (u64)(blockIdx.x % a.group) * a.hidden;
    In* const x = (In*)a.x + row * a.stride + within;
    const u64 at = row * a.out_stride + within;
    float sum = 0.0f;
    for (int i = threadIdx.x; i < a.hidden; i += blockDim.x) {
        float value = single(x[i]);
        if (a.added) {
            x[i] = nearest<In>(value + a.added[row * a.stride + within + i]);
            value = single(x[i]);
        }
        sum += value * value;
    }
    const float scale = rsqrtf(block_sum(sum, warps) / a.hidden + a.eps);
    for (int i = threadIdx.x; i < a.hidden; i += blockDim.x) {
        float value = single(x[i]) * scale * (a.offset + a.weight[i]);
        if (a.residual) value += a.residual[at + i];
        ((Out*)a.out)[at + i] = nearest<Out>(value);
    }
}

ENTRY(rms_norm_f32_f32, NORM_THREADS, NormArguments, rms_norm<float, float>)
ENTRY(rms_norm_f32_bf16, NORM_THREADS, NormArguments, rms_norm<float, bf16>)
ENTRY(rms_norm_bf16_bf16, NORM_THREADS, NormArguments, rms_norm<bf16, bf16>)
