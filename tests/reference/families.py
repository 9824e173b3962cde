"""Tiny random checkpoints of model families in Hugging Face layout, with golden logits, in plain numpy.

    python families.py check DIR        compares with the golden logits of every DIR/<family>/
    python families.py write DIR        writes the families that `EXTRA` describes into DIR/<family>/

The goldens of llama, qwen2, mistral-window, qwen3, gemma, gemma2, gemma3 and phi3 came from the Python library `transformers`; that this
program repeats them within 1e-4 is what makes it a witness for the others. Needs numpy and safetensors. Double precision throughout.
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file


def rope_parameters(config, windowed):
    rope = config.get("rope_parameters") or {}
    if "full_attention" in rope:
        rope = rope["sliding_attention" if windowed else "full_attention"]
    return rope


def frequencies(config, windowed, head_dim):
    """Inverse frequencies of the rotated pairs, and what cosines and sines are multiplied by."""
    rope = rope_parameters(config, windowed)
    theta = rope.get("rope_theta", 10000.0)
    n = int(head_dim * rope.get("partial_rotary_factor", 1.0))
    plain = theta ** -(np.arange(0, n, 2) / n)
    kind = rope.get("rope_type", "default")
    if kind == "default":
        return plain, 1.0
    if kind == "linear":
        return plain / rope["factor"], 1.0
    original = rope.get("original_max_position_embeddings") or config.get("original_max_position_embeddings")
    if kind == "llama3":
        wave = 2 * np.pi / plain
        low, high = rope["low_freq_factor"], rope["high_freq_factor"]
        smooth = np.clip((original / wave - low) / (high - low), 0, 1)
        return (1 - smooth) * plain / rope["factor"] + smooth * plain, 1.0
    if kind == "yarn":
        factor = rope["factor"]

        def pair(turns):
            return n * math.log(original / (turns * 2 * math.pi)) / (2 * math.log(theta))

        low = max(math.floor(pair(rope.get("beta_fast", 32))), 0)
        high = min(math.ceil(pair(rope.get("beta_slow", 1))), n - 1)
        ramp = np.clip((np.arange(n // 2) - low) / max(high - low, 0.001), 0, 1)
        return plain / factor * ramp + plain * (1 - ramp), 0.1 * math.log(factor) + 1
    if kind == "longrope":
        context = config["max_position_embeddings"]
        factors = np.array(rope["long_factor" if context > original else "short_factor"])
        grown = context / original
        return plain / factors, 1.0 if grown <= 1 else math.sqrt(1 + math.log(grown) / math.log(original))
    raise ValueError(kind)


def is_windowed(config, layer):
    if not config.get("sliding_window"):
        return False
    if config.get("layer_types"):
        return config["layer_types"][layer] == "sliding_attention"
    return config["model_type"] in ("mistral", "mixtral", "phi3")


class Model:
    def __init__(self, folder):
        self.config = json.loads((folder / "config.json").read_text())
        self.weights = {k: v.astype(np.float64) for k, v in load_file(folder / "model.safetensors").items()}
        self.kind = self.config["model_type"]
        self.gemma = self.kind.startswith("gemma")

    def has(self, name):
        return name in self.weights

    def linear(self, name, x):
        y = x @ self.weights[name + ".weight"].T
        return y + self.weights[name + ".bias"] if self.has(name + ".bias") else y

    def norm(self, name, x):
        weight = self.weights[name + ".weight"] + (1.0 if self.gemma else 0.0)
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.config["rms_norm_eps"]) * weight

    def act(self, x):
        if self.gemma:
            return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return x / (1 + np.exp(-x))

    def attention(self, layer, x):
        c, name = self.config, f"model.layers.{layer}.self_attn"
        heads, kv = c["num_attention_heads"], c.get("num_key_value_heads") or c["num_attention_heads"]
        d = c.get("head_dim") or c["hidden_size"] // heads
        if self.has(name + ".qkv_proj.weight"):
            q, k, v = np.split(self.linear(name + ".qkv_proj", x), [heads * d, (heads + kv) * d], axis=-1)
        else:
            q, k, v = (self.linear(f"{name}.{p}_proj", x) for p in "qkv")
        by_row = self.kind == "olmo2"
        if by_row:
            q, k = self.norm(name + ".q_norm", q), self.norm(name + ".k_norm", k)
        q, k, v = (t.reshape(len(x), -1, d) for t in (q, k, v))
        if self.has(name + ".q_norm.weight") and not by_row:
            q, k = self.norm(name + ".q_norm", q), self.norm(name + ".k_norm", k)
        windowed = is_windowed(c, layer)
        if (c.get("no_rope_layers") or [1] * c["num_hidden_layers"])[layer]:
            inverse, amplitude = frequencies(c, windowed, d)
            angle = np.arange(len(x))[:, None] * inverse[None]
            cos, sin = amplitude * np.cos(angle)[:, None], amplitude * np.sin(angle)[:, None]
            n = len(inverse)

            def rotate(t):
                a, b, rest = t[..., :n], t[..., n : 2 * n], t[..., 2 * n :]
                return np.concatenate([a * cos - b * sin, b * cos + a * sin, rest], -1)

            q, k = rotate(q), rotate(k)
        k, v = (np.repeat(t, heads // kv, axis=1) for t in (k, v))
        scale = (c["query_pre_attn_scalar"] if self.gemma and c.get("query_pre_attn_scalar") else d) ** -0.5
        scores = np.einsum("qhd,khd->hqk", q, k) * scale
        if c.get("attn_logit_softcapping"):
            scores = c["attn_logit_softcapping"] * np.tanh(scores / c["attn_logit_softcapping"])
        at = np.arange(len(x))
        seen = at[None] <= at[:, None]
        if windowed:
            seen &= at[None] > at[:, None] - c["sliding_window"]
        scores = np.where(seen[None], scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return self.linear(name + ".o_proj", np.einsum("hqk,khd->qhd", weights, v).reshape(len(x), -1))

    def dense(self, name, x, gate="gate_proj", up="up_proj", down="down_proj"):
        if self.has(f"{name}.gate_up_proj.weight"):
            g, u = np.split(self.linear(f"{name}.gate_up_proj", x), 2, axis=-1)
        else:
            g, u = self.linear(f"{name}.{gate}", x), self.linear(f"{name}.{up}", x)
        return self.linear(f"{name}.{down}", self.act(g) * u)

    def feed_forward(self, layer, x):
        c, name = self.config, f"model.layers.{layer}"
        if self.kind == "mixtral":
            names, router = ("w1", "w3", "w2"), name + ".block_sparse_moe"
        elif self.kind == "qwen3_moe":
            names, router = ("gate_proj", "up_proj", "down_proj"), name + ".mlp"
        else:
            return self.dense(name + ".mlp", x)
        logits = self.linear(router + ".gate", x)
        share = np.exp(logits - logits.max(-1, keepdims=True))
        share /= share.sum(-1, keepdims=True)
        out = np.zeros_like(x)
        for row, shares in enumerate(share):
            best = np.argsort(-shares, kind="stable")[: c["num_experts_per_tok"]]
            weight = shares[best]
            if self.kind == "mixtral" or c["norm_topk_prob"]:
                weight = weight / weight.sum()
            for expert, w in zip(best, weight):
                out[row] += w * self.dense(f"{router}.experts.{expert}", x[row : row + 1], *names)[0]
        return out

    def logits(self, tokens):
        c = self.config
        embedding = self.weights["model.embed_tokens.weight"]
        x = embedding[tokens] * (math.sqrt(c["hidden_size"]) if self.gemma else 1.0)
        for layer in range(c["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            if self.has(name + ".pre_feedforward_layernorm.weight"):
                x = x + self.norm(name + ".post_attention_layernorm", self.attention(layer, self.norm(name + ".input_layernorm", x)))
                y = self.feed_forward(layer, self.norm(name + ".pre_feedforward_layernorm", x))
                x = x + self.norm(name + ".post_feedforward_layernorm", y)
            elif self.kind == "olmo2":
                x = x + self.norm(name + ".post_attention_layernorm", self.attention(layer, x))
                x = x + self.norm(name + ".post_feedforward_layernorm", self.feed_forward(layer, x))
            else:
                x = x + self.attention(layer, self.norm(name + ".input_layernorm", x))
                x = x + self.feed_forward(layer, self.norm(name + ".post_attention_layernorm", x))
        x = self.norm("model.norm", x)
        z = x @ self.weights.get("lm_head.weight", embedding).T
        cap = c.get("final_logit_softcapping")
        return cap * np.tanh(z / cap) if cap else z


SMALL = dict(vocab_size=96, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
             max_position_embeddings=128, rms_norm_eps=1e-6, hidden_act="silu", tie_word_embeddings=True)
PLAIN = {"rope_type": "default", "rope_theta": 10000.0}
EXTRA = {
    "gemma3-full": {
        **SMALL, "model_type": "gemma3_text", "head_dim": 16, "hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": 16,
        "sliding_window": 5, "sliding_window_pattern": 2, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
        "rope_parameters": {"full_attention": {"rope_type": "linear", "rope_theta": 1000000.0, "factor": 8.0},
                            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0}}},
    "smollm3": {**SMALL, "model_type": "smollm3", "rope_parameters": {**PLAIN, "rope_theta": 5000000.0}, "num_hidden_layers": 4,
                "no_rope_layers": [1, 1, 1, 0]},
    "olmo2": {**SMALL, "model_type": "olmo2", "rope_parameters": {**PLAIN, "rope_theta": 500000.0}},
    "qwen2-yarn": {**SMALL, "model_type": "qwen2", "rope_parameters": {
        "rope_type": "yarn", "rope_theta": 1000.0, "factor": 4.0, "original_max_position_embeddings": 32, "beta_fast": 4.0,
        "beta_slow": 1.0}},
    "phi3-longrope": {**SMALL, "model_type": "phi3", "original_max_position_embeddings": 32,
                      "sliding_window": 9, "rope_parameters": {
                          "rope_type": "longrope", "rope_theta": 10000.0, "partial_rotary_factor": 0.75,
                          "short_factor": [1.0, 1.1, 1.2], "long_factor": [1.0, 2.0, 5.0]}},
    "qwen3-moe": {**SMALL, "model_type": "qwen3_moe", "head_dim": 16, "rope_parameters": PLAIN, "num_experts": 5, "num_hidden_layers": 2,
                  "num_experts_per_tok": 2, "moe_intermediate_size": 16, "norm_topk_prob": True, "decoder_sparse_step": 1,
                  "mlp_only_layers": []},
    "mixtral": {**SMALL, "model_type": "mixtral", "rope_parameters": PLAIN, "num_local_experts": 4, "num_experts_per_tok": 2,
                "sliding_window": None, "num_hidden_layers": 2},
}


def tensors(c):
    """Names and shapes."""
    h, w, kind = c["hidden_size"], c["intermediate_size"], c["model_type"]
    d = c.get("head_dim") or h // c["num_attention_heads"]
    q, k = c["num_attention_heads"] * d, c["num_key_value_heads"] * d
    yield "model.embed_tokens.weight", (c["vocab_size"], h)
    yield "model.norm.weight", (h,)
    for layer in range(c["num_hidden_layers"]):
        name = f"model.layers.{layer}"
        norms = {"olmo2": ["post_attention_layernorm", "post_feedforward_layernorm"],
                 "gemma3_text": ["input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm", "post_feedforward_layernorm"]}
        for norm in norms.get(kind, ["input_layernorm", "post_attention_layernorm"]):
            yield f"{name}.{norm}.weight", (h,)
        if kind == "phi3":
            yield f"{name}.self_attn.qkv_proj.weight", (q + 2 * k, h)
            yield f"{name}.mlp.gate_up_proj.weight", (2 * w, h)
            yield f"{name}.mlp.down_proj.weight", (h, w)
        else:
            for part, rows in (("q", q), ("k", k), ("v", k)):
                yield f"{name}.self_attn.{part}_proj.weight", (rows, h)
                if kind == "qwen2":
                    yield f"{name}.self_attn.{part}_proj.bias", (rows,)
        if kind in ("gemma3_text", "qwen3_moe", "olmo2"):
            yield f"{name}.self_attn.q_norm.weight", (q if kind == "olmo2" else d,)
            yield f"{name}.self_attn.k_norm.weight", (k if kind == "olmo2" else d,)
        yield f"{name}.self_attn.o_proj.weight", (h, q)
        if kind in ("qwen3_moe", "mixtral"):
            part, names = ("mlp", ("gate_proj", "up_proj", "down_proj")) if kind == "qwen3_moe" else ("block_sparse_moe", ("w1", "w3", "w2"))
            experts = c.get("num_experts") or c["num_local_experts"]
            width = c.get("moe_intermediate_size", w)
            yield f"{name}.{part}.gate.weight", (experts, h)
            for expert in range(experts):
                for matrix, shape in zip(names, ((width, h), (width, h), (h, width))):
                    yield f"{name}.{part}.experts.{expert}.{matrix}.weight", shape
        elif kind != "phi3":
            for matrix, shape in (("gate", (w, h)), ("up", (w, h)), ("down", (h, w))):
                yield f"{name}.mlp.{matrix}_proj.weight", shape


def write(out):
    for seed, (name, config) in enumerate(EXTRA.items(), 100):
        random = np.random.default_rng(seed)
        folder = out / name
        folder.mkdir(parents=True, exist_ok=True)
        state = {}
        for tensor, shape in tensors(config):
            if len(shape) == 1:
                base = 0.0 if config["model_type"].startswith("gemma") or tensor.endswith("bias") else 1.0
                value = base + 0.2 * random.standard_normal(shape)
            else:
                value = random.standard_normal(shape) * (1.6 / shape[-1] ** 0.5)
            state[tensor] = value.astype(np.float32)
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(json.dumps(config, indent=1))
        model = Model(folder)
        prompts = [random.integers(3, config["vocab_size"], n).tolist() for n in (37, 5, 1)]
        logits = [[[round(float(v), 5) for v in row] for row in model.logits(p)] for p in prompts]
        (folder / "golden.json").write_text(json.dumps({"prompts": prompts, "logits": logits}))
        print(name, sum(v.size for v in state.values()), "parameters")


def check(out):
    for folder in sorted(f for f in out.iterdir() if (f / "config.json").exists()):
        golden = json.loads((folder / "golden.json").read_text())
        if "logits" not in golden:
            continue
        model = Model(folder)
        pairs = zip(golden["prompts"], golden["logits"])
        worst = max(float(np.abs(model.logits(p) - np.array(want)).max()) for p, want in pairs)
        print(f"{folder.name}: {worst:.2e}")
        assert worst < 1e-4, folder.name


if __name__ == "__main__":
    {"check": check, "write": write}[sys.argv[1]](Path(sys.argv[2]))
