// Reductions over the threads of a warp and of a block. The order of every sum is fixed.
#pragma once
#include "language.h"
#include "number.h"

// The sum over the warp, in every lane.
template <class T>
DEVICE T warp_sum(T x) {
#pragma unroll
    for (int bits = WARP / 2; bits > 0; bits /= 2) x += __shfl_xor_sync(ALL_LANES, x, bits);
    return x;
}

// The largest over the warp, in every lane; NaN loses against every number.
DEVICE float warp_max(float x) {
#pragma unroll
    for (int bits = WARP / 2; bits > 0; bits /= 2) x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, bits));
    return x;
}

// The sum over the block, in every thread; `warps` is room for one number of each warp. The block meets twice.
DEVICE float block_sum(float x, float* warps) {
    x = warp_sum(x);
    if (lane_of_warp() == 0) warps[warp_of_block()] = x;
    __syncthreads();
    float sum = 0.0f;
    for (int warp = 0; warp < (int)blockDim.x / WARP; ++warp) sum += warps[warp];
    __syncthreads();
    return sum;
}

// The largest over the block, in every thread; as `block_sum`.
DEVICE float block_max(float x, float* warps) {
    x = warp_max(x);
    if (lane_of_warp() == 0) warps[warp_of_block()] = x;
    __syncthreads();
    float max = minus_infinity();
    for (int warp = 0; warp < (int)blockDim.x / WARP; ++warp) max = fmaxf(max, warps[warp]);
    __syncthreads();
    return max;
}
