// What joins the gates and the ups of a feed-forward part: out = f(gate) * up.
#pragma once
#include "number.h"

struct GateArguments {
    const float* both;  // [rows][2 * width]: gates, then ups
    void* out;          // [rows][width]
    int width;
};

const int GATE_THREADS = 256;

struct Silu {
    static DEVICE float at(float x) { return x / (1.0f + expf(-x)); }
};
// GELU in its tanh form.
struct GeluTanh {
    static DEVICE float at(float x) { return 0.5f * x * (1.0f + tanhf(0.7978845608f * (x + 0.044715f * x * x * x))); }
};

template <class Function, class Out>
DEVICE void gated(const GateArguments& a) {
    const u64 row = blockIdx.y;
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= a.width) return;
    const float* const gate = a.both + row * 2 * a.width;
    ((Out*)a.out)[row * a.width + i] = nearest<Out>(Function::at(gate[i]) * gate[a.width + i]);
}

ENTRY(gated_silu_f32, GATE_THREADS, GateArguments, gated<Silu, float>)
ENTRY(gated_silu_bf16, GATE_THREADS, GateArguments, gated<Silu, bf16>)
ENTRY(gated_gelu_f32, GATE_THREADS, GateArguments, gated<GeluTanh, float>)
ENTRY(gated_gelu_bf16, GATE_THREADS, GateArguments, gated<GeluTanh, bf16>)
