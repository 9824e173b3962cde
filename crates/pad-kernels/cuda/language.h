// What the kernels are written in: the part of CUDA C++ that nvcc and NVRTC compile for a device, and that a plain C++ compiler
// compiles for the host with `host/threads.h`.
//
// A kernel is a function template over the types of its numbers that takes one structure of arguments by value: pointers first,
// then 32-bit numbers, so that a caller can lay it out byte by byte. ENTRY gives an instance of it a plain name. No system header
// is included for a device: NVRTC has none.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

#ifdef __CUDACC__

#define DEVICE __device__ __forceinline__
// `count` values of shared memory under one name; nothing is in them before a thread writes it.
#define SHARED(type, name, count) __shared__ __align__(16) type name[count]

#ifdef PAD_LIBRARY
#define REGISTER(name) static const pad::Registered registered_##name(#name, (const void*)name);
#else
#define REGISTER(name)
#endif

// An instance of a kernel under a name that a loader finds, with the most threads that its blocks may have.
#define ENTRY(name, threads, Arguments, ...)                                                        \
    extern "C" __global__ void __launch_bounds__(threads, 1) name(const Arguments a) { __VA_ARGS__(a); } \
    REGISTER(name)

#else

#include "host/threads.h"

#define DEVICE inline
#define SHARED(type, name, count)     \
    static const char site_##name = 0; \
    type* const name = static_cast<type*>(host::shared(&site_##name, sizeof(type) * (count)))

#define ENTRY(name, threads, Arguments, ...)                     \
    static void name(const void* bytes) {                        \
        Arguments a;                                             \
        __builtin_memcpy(&a, bytes, sizeof(a));                  \
        __VA_ARGS__(a);                                          \
    }                                                            \
    static const host::Registered registered_##name(#name, threads, sizeof(Arguments), name);

#endif

const int WARP = 32;
const u32 ALL_LANES = 0xffffffffu;
// Positions in a block of keys and values.
const int BLOCK = 16;

// Where in a cache [blocks][kv_heads][2][dim * BLOCK] the keys of a block's KV head begin; its values follow.
DEVICE u64 keys_at(u64 block, int kv, int kv_heads, int dim) { return (block * kv_heads + kv) * 2 * dim * BLOCK; }

DEVICE int warp_of_block() { return threadIdx.x / WARP; }
DEVICE int lane_of_warp() { return threadIdx.x % WARP; }
DEVICE int least(int a, int b) { return a < b ? a : b; }
DEVICE int most(int a, int b) { return a > b ? a : b; }
