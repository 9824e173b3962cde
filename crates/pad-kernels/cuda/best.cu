// The k best logits of rows over the vocabulary, among the tokens that a mask allows, and the log of the sum of exponentials.
//
// A key is a logit and its token as one integer whose order is the order of `Best` on the host: higher logits first, of equal ones
// the lower token, NaN as minus infinity. A block sorts as many keys as fit into its shared memory and keeps the k best; what the
// blocks of a row kept is sorted again until one block can take it.
#pragma once
#include "matmul.cu"

struct BestArguments {
    const float* logits;  // [rows][vocabulary]; read in the first round
    const u32* masks;     // [..][words]: token t is bit t % 32 of word t / 32
    const int* mask_of;   // [rows]: the row's mask, -1 for none; null where there are none
    const u64* given;     // [rows][count] keys; read in later rounds, else null
    u64* kept;            // [rows][blocks][k], the best first; 0 where there are fewer
    float* mass;          // [rows][blocks][4]: largest and sum of exponentials, of all tokens and of those allowed; may be null
    u32* tokens;          // [rows][k], in the last round; 0xffffffff where there are fewer
    float* best;          // [rows][k], in the last round; else null
    float* log_sums;      // [rows][2]: of all and of those allowed, in the last round; may be null
    int count, words, k, mass_blocks;
};

const int BEST_THREADS = 256, BEST_KEYS = 2048;

// A logit as an integer of the same order; above 0 for minus infinity.
DEVICE u32 ordered(float x) {
    const u32 bits = x != x ? 0xff800000u : x == 0.0f ? 0 : bits_of_single(x);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
DEVICE float logit_of(u64 key) {
    const u32 bits = key >> 32;
    return single_of_bits(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}
DEVICE u32 token_of(u64 key) { return ~(u32)key; }

// Sorts BEST_KEYS keys, the largest first.
DEVICE void sort_keys(u64* keys) {
    for (int size = 2; size <= BEST_KEYS; size *= 2)
        for (int distance = size / 2; distance > 0; distance /= 2) {
            __syncthreads();
            for (int i = threadIdx.x; i < BEST_KEYS / 2; i += blockDim.x) {
                const int low = i / distance * 2 * distance + i % distance, high = low + distance;
                const u64 a = keys[low], b = keys[high];
                // Halves of a sequence rise and fall in turn until they are merged.
                const bool falls = (low & size) == 0;
                if (falls ? a < b : a > b) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
        }
    __syncthreads();
}

// log(sum of masses): of `blocks` pairs of a largest logit and a sum against it, four numbers apart.
DEVICE float log_sum(const float* mass, int blocks) {
    float max = minus_infinity();
    for (int i = lane_of_warp(); i < blocks; i += WARP) max = fmaxf(max, mass[4 * i]);
    max = warp_max(max);
    double sum = 0.0;
    for (int i = lane_of_warp(); i < blocks; i += WARP)
        sum += mass[4 * i] > LOWEST ? exp((double)(mass[4 * i] - max)) * mass[4 * i + 1] : 0.0;
    sum = warp_sum(sum);
    return max > LOWEST ? (float)(max + log(sum)) : minus_infinity();
}

// Block (x, y): the keys from x * BEST_KEYS on of row y.
DEVICE void best(const BestArguments& a) {
    SHARED(u64, keys, BEST_KEYS);
    SHARED(float, warps, BEST_THREADS / WARP);
    const int row = blockIdx.y, from = blockIdx.x * BEST_KEYS, count = least(a.count - from, BEST_KEYS);
    const u64 at = (u64)row * gridDim.x + blockIdx.x;
    if (a.given) {
        for (int i = threadIdx.x; i < BEST_KEYS; i += blockDim.x) keys[i] = i < count ? a.given[(u64)row * a.count + from + i] : 0;
    } else {
        const float* const logits = a.logits + (u64)row * a.count + from;
        const int mask = a.mask_of ? a.mask_of[row] : -1;
        const u32* const words = mask < 0 ? (const u32*)0 : a.masks + (u64)mask * a.words;
        // Of all, and of those allowed.
        float max[2] = {minus_infinity(), minus_infinity()}, sum[2] = {0.0f, 0.0f};
        for (int i = threadIdx.x; i < BEST_KEYS; i += blockDim.x) {
            const u32 token = from + i;
            const bool allowed = i < count && (!words || ((int)(token / 32) < a.words && (words[token / 32] >> (token % 32) & 1)));
            keys[i] = allowed ? (u64)ordered(logits[i]) << 32 | ~token : 0;
            if (i < count) max[0] = fmaxf(max[0], logits[i]);
            if (allowed) max[1] = fmaxf(max[1], logits[i]);
        }
        if (a.mass) {
            for (int of = 0; of < 2; ++of) max[of] = block_max(max[of], warps);
            for (int i = threadIdx.x; i < count; i += blockDim.x) {
                sum[0] += max[0] > LOWEST ? expf(logits[i] - max[0]) : 0.0f;
                if (keys[i]) sum[1] += max[1] > LOWEST ? expf(logits[i] - max[1]) : 0.0f;
            }
            for (int of = 0; of < 2; ++of) {
                sum[of] = block_sum(sum[of], warps);
                if (threadIdx.x == 0) {
                    a.mass[4 * at + 2 * of] = max[of];
                    a.mass[4 * at + 2 * of + 1] = sum[of];
                }
            }
        }
    }
    sort_keys(keys);
    if (!a.best) {
        for (int i = threadIdx.x; i < a.k; i += blockDim.x) a.kept[at * a.k + i] = keys[i];
        return;
    }
    for (int i = threadIdx.x; i < a.k; i += blockDim.x) {
        const bool there = i < count && keys[i] != 0;
        a.tokens[(u64)row * a.k + i] = there ? token_of(keys[i]) : 0xffffffffu;
        a.best[(u64)row * a.k + i] = there ? logit_of(keys[i]) : minus_infinity();
    }
    // With one block in the first round, the threads of this block wrote what is read here.
    __syncthreads();
    if (a.log_sums && warp_of_block() < 2) {
        const float sum = log_sum(a.mass + 4 * (u64)row * a.mass_blocks + 2 * warp_of_block(), a.mass_blocks);
        if (lane_of_warp() == 0) a.log_sums[2 * row + warp_of_block()] = sum;
    }
}

ENTRY(best_tokens, BEST_THREADS, BestArguments, best)
