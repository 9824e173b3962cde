"""PAD with a KV cache in PyTorch: the yardstick of what a straightforward implementation reaches.

    pip install torch gguf==0.19.0
    python torch_pad.py MODEL.gguf [threads]       # on the CPU, in single precision
    python torch_pad.py --random llama-3-8b        # on a CUDA device, in bfloat16, with random weights of this shape

One base row and some reward rows of the same weights are decoded in lockstep: at each step the base's ten best tokens are rescored by
the reward rows, and all rows take the same token. All rows of the batch have prompts of one length, which is the easiest case for it.
"""

import sys
import time

import torch

CONTEXT, PROMPT, TOKENS, K, BETA = 160, 64, 32, 10, 1.0

# Vocabulary, hidden width, width of the feed-forward part, layers, heads, KV heads, values in a head.
SHAPES = {"llama-3-8b": (128256, 4096, 14336, 32, 32, 8, 128), "llama-3.2-1b": (128256, 2048, 8192, 16, 32, 8, 64)}


class Llama:
    """The llama architecture with rotary pairs interleaved, as GGUF files keep them."""

    def read(self, path):
        from gguf import GGUFReader
        from gguf.quants import dequantize

        reader = GGUFReader(path)
        field = lambda name: reader.fields["llama." + name].contents()
        self.w = {t.name: torch.tensor(dequantize(t.data, t.tensor_type).reshape(*reversed(t.shape.tolist())).copy())
                  for t in reader.tensors}
        self.layers, self.heads = field("block_count"), field("attention.head_count")
        self.kv_heads, self.eps = field("attention.head_count_kv"), field("attention.layer_norm_rms_epsilon")
        self.head_dim = field("embedding_length") // self.heads
        return self.rotated(field("rope.freq_base"))

    def random(self, shape):
        vocabulary, hidden, width, self.layers, self.heads, self.kv_heads, self.head_dim = SHAPES[shape]
        self.eps, queries, keys = 1e-5, self.heads * self.head_dim, self.kv_heads * self.head_dim
        matrix = lambda rows, columns: torch.randn(rows, columns) * 0.02
        self.w = {"token_embd.weight": matrix(vocabulary, hidden), "output_norm.weight": torch.ones(hidden)}
        self.w["output.weight"] = matrix(vocabulary, hidden)
        for i in range(self.layers):
            parts = {"attn_q": (queries, hidden), "attn_k": (keys, hidden), "attn_v": (keys, hidden), "attn_output": (hidden, queries),
                     "ffn_gate": (width, hidden), "ffn_up": (width, hidden), "ffn_down": (hidden, width)}
            self.w |= {f"blk.{i}.{name}.weight": matrix(*size) for name, size in parts.items()}
            self.w |= {f"blk.{i}.{name}.weight": torch.ones(hidden) for name in ("attn_norm", "ffn_norm")}
        return self.rotated(500000.0)

    def rotated(self, base):
        half = torch.arange(0, self.head_dim, 2) / self.head_dim
        angles = torch.arange(CONTEXT)[:, None] / base ** half[None]
        self.cos, self.sin = angles.cos(), angles.sin()
        return self

    def norm(self, x, name):
        return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + self.eps) * self.w[name]

    def rope(self, x, start):
        cos, sin = self.cos[start:start + x.shape[2]], self.sin[start:start + x.shape[2]]
        a, b = x[..., 0::2], x[..., 1::2]
        return torch.stack((a * cos - b * sin, a * sin + b * cos), -1).flatten(-2)

    def forward(self, tokens, cache, start):
        """Last hidden states [rows, hidden] of tokens [rows, length]."""
        rows, length = tokens.shape
        split = lambda x, heads: x.view(rows, length, heads, self.head_dim).transpose(1, 2)
        x = self.w["token_embd.weight"][tokens]
        for i, (keys, values) in enumerate(cache):
            p = f"blk.{i}."
            h = self.norm(x, p + "attn_norm.weight")
            q = self.rope(split(h @ self.w[p + "attn_q.weight"].T, self.heads), start)
            keys[:, :, start:start + length] = self.rope(split(h @ self.w[p + "attn_k.weight"].T, self.kv_heads), start)
            values[:, :, start:start + length] = split(h @ self.w[p + "attn_v.weight"].T, self.kv_heads)
            seen = start + length
            out = torch.nn.functional.scaled_dot_product_attention(
                q, keys[:, :, :seen], values[:, :, :seen], is_causal=start == 0, enable_gqa=True)
            x = x + out.transpose(1, 2).reshape(rows, length, -1) @ self.w[p + "attn_output.weight"].T
            h = self.norm(x, p + "ffn_norm.weight")
            gate = torch.nn.functional.silu(h @ self.w[p + "ffn_gate.weight"].T)
            x = x + (gate * (h @ self.w[p + "ffn_up.weight"].T)) @ self.w[p + "ffn_down.weight"].T
        return self.norm(x[:, -1], "output_norm.weight")

    def cache(self, rows):
        empty = lambda: torch.zeros(rows, self.kv_heads, CONTEXT, self.head_dim)
        return [(empty(), empty()) for _ in range(self.layers)]


def decode(model, sequences, lanes):
    """Tokens per second of `sequences` with `lanes` reward rows each."""
    rows = sequences * (1 + lanes)
    cache = model.cache(rows)
    tokens = 100 + (torch.arange(rows)[:, None] * 131 + torch.arange(PROMPT) * 17) % 900
    unembedding, start = model.w.get("output.weight", model.w["token_embd.weight"]), 0
    finish = torch.cuda.synchronize if torch.get_default_device().type == "cuda" else lambda: None
    for step in range(TOKENS + 1):
        if step == 1:
            finish()
            begun = time.perf_counter()
        hidden = model.forward(tokens, cache, start).view(sequences, 1 + lanes, -1)
        start += tokens.shape[1]
        base, best = (hidden[:, 0] @ unembedding.T).topk(K)
        base = base.log_softmax(-1)
        rewards = torch.einsum("slh,skh->slk", hidden[:, 1:], unembedding[best]).log_softmax(-1) - base[:, None]
        chosen = best.gather(1, (base + BETA * rewards.sum(1)).argmax(-1, keepdim=True))
        tokens = chosen.repeat_interleave(1 + lanes, 0)
    finish()
    return sequences * TOKENS / (time.perf_counter() - begun)


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    if sys.argv[1] == "--random":
        torch.set_default_device("cuda")
        torch.set_default_dtype(torch.bfloat16)
        model, counts = Llama().random(sys.argv[2]), (1, 8, 32, 128)
    else:
        torch.set_num_threads(int(sys.argv[2]) if len(sys.argv) > 2 else 2)
        model, counts = Llama().read(sys.argv[1]), (1, 8, 32)
    print("| sequences | reward lanes | tokens/s |\n|---:|---:|---:|")
    for sequences in counts:
        for lanes in (0, 2):
            print(f"| {sequences} | {lanes} | {sorted(decode(model, sequences, lanes) for _ in range(3))[1]:.0f} |", flush=True)
