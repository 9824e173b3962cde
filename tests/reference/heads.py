"""PAD with a reward model of kind `heads`, in plain numpy: what `tests/golden.rs` compares the server with.

Single precision, one sequence, the whole text computed again at every step: no cache, no batch, no branching off. The base model
and the adapted one are run separately, from the first layer to the last.

    pip install numpy==2.2.6 gguf==0.17.1 safetensors==0.6.2 tokenizers==0.22.1 jinja2==3.1.6
    python tests/reference/heads.py MODEL.gguf models/smollm2-135m-pad > tests/data/smollm2/heads.jsonl
"""

import json
import sys
from pathlib import Path

import jinja2
import numpy as np
from gguf import GGUFReader, dequantize
from safetensors.numpy import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers

CASES = [
    ("What is the capital of France?", {"concise": 1.0}, 1.0, 10, 10),
    ("How do I remove a coffee stain?", {"concise": 0.5, "cheerful": 1.0}, 1.0, 10, 12),
    ("Explain what gravity is.", {"simple": -1.0}, 1.5, 5, 12),
    ("Tell me about your day.", {"cheerful": 2.0, "harmless": 0.5, "simple": 0.25}, 0.7, 20, 12),
]

NAMES = {
    "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down",
}


class Model:
    """A Llama in GGUF; `adapter` is added to its linear layers where one is given."""

    def __init__(self, path):
        reader = GGUFReader(path)
        self.field = lambda name: reader.fields[name].contents()
        self.tensors = {
            t.name: dequantize(t.data, t.tensor_type).astype(np.float32).reshape([int(n) for n in reversed(t.shape)])
            for t in reader.tensors
        }
        self.layers = self.field("llama.block_count")
        self.heads = self.field("llama.attention.head_count")
        self.kv_heads = self.field("llama.attention.head_count_kv")
        self.eps = self.field("llama.attention.layer_norm_rms_epsilon")
        self.theta = self.field("llama.rope.freq_base")
        self.unembedding = self.tensors.get("output.weight", self.tensors["token_embd.weight"])

    def linear(self, layer, name, x, adapter):
        weight = self.tensors[f"blk.{layer}.{NAMES[name]}.weight"]
        if name in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = self.heads if "q_proj" in name else self.kv_heads
            # GGUF interleaves the halves of a rotation; adapters, like everybody else, keep them apart.
            weight = weight.reshape(heads, -1, 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
        y = x @ weight.T
        key = f"base_model.model.model.layers.{layer}.{name}"
        if adapter is not None and f"{key}.lora_A.weight" in adapter["tensors"]:
            down, up = (adapter["tensors"][f"{key}.lora_{side}.weight"].astype(np.float32) for side in "AB")
            y = y + adapter["scale"] * ((x @ down.T) @ up.T)
        return y

    def norm(self, x, name):
        return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + self.eps) * self.tensors[name]

    def rotate(self, x):
        """x: [heads, positions, width]."""
        half = x.shape[2] // 2
        angle = np.outer(np.arange(x.shape[1]), self.theta ** (-np.arange(half) / half))
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        a, b = x[..., :half], x[..., half:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)

    def hidden(self, tokens, adapter=None):
        """The last position's hidden state after the final norm, [hidden]."""
        x = self.tensors["token_embd.weight"][tokens]
        count = len(tokens)
        mask = np.triu(np.full((count, count), -np.inf, np.float32), 1)
        for layer in range(self.layers):
            h = self.norm(x, f"blk.{layer}.attn_norm.weight")
            project = lambda name, heads: self.linear(layer, name, h, adapter).reshape(count, heads, -1).transpose(1, 0, 2)
            q = self.rotate(project("self_attn.q_proj", self.heads))
            k = self.rotate(project("self_attn.k_proj", self.kv_heads))
            v = project("self_attn.v_proj", self.kv_heads)
            group = self.heads // self.kv_heads
            k, v = np.repeat(k, group, 0), np.repeat(v, group, 0)
            scores = q @ k.transpose(0, 2, 1) / np.sqrt(np.float32(q.shape[2])) + mask
            weights = np.exp(scores - scores.max(-1, keepdims=True))
            attended = (weights / weights.sum(-1, keepdims=True)) @ v
            attended = attended.transpose(1, 0, 2).reshape(count, -1)
            x = x + self.linear(layer, "self_attn.o_proj", attended, adapter)
            h = self.norm(x, f"blk.{layer}.ffn_norm.weight")
            gate, up = (self.linear(layer, f"mlp.{name}_proj", h, adapter) for name in ("gate", "up"))
            x = x + self.linear(layer, "mlp.down_proj", gate / (1 + np.exp(-gate)) * up, adapter)
        return self.norm(x[-1], "output_norm.weight")

    def tokenizer(self):
        tokens, kinds = self.field("tokenizer.ggml.tokens"), self.field("tokenizer.ggml.token_type")
        merges = [tuple(merge.split(" ")) for merge in self.field("tokenizer.ggml.merges")]
        tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate(tokens)}, merges))
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        )
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.add_special_tokens([token for token, kind in zip(tokens, kinds) if kind == 3])
        return tokenizer


def read_adapter(folder):
    if not (folder / "adapter_config.json").exists():
        return None
    config = json.loads((folder / "adapter_config.json").read_text())
    return {"scale": config["lora_alpha"] / config["r"], "tensors": load_file(folder / "adapter_model.safetensors")}


def log_softmax(x):
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


def main():
    model, folder = Model(sys.argv[1]), Path(sys.argv[2])
    adapter = read_adapter(folder)
    heads = {name: value.astype(np.float32) for name, value in load_file(folder / "heads.safetensors").items()}
    tokenizer, end = model.tokenizer(), model.field("tokenizer.ggml.eos_token_id")
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(model.field("tokenizer.chat_template"))
    for question, preference, beta, k, steps in CASES:
        messages = [{"role": "user", "content": question}]
        prompt = tokenizer.encode(template.render(messages=messages, add_generation_prompt=True)).ids
        chosen, trace = [], []
        while len(trace) < steps:
            logits = model.unembedding @ model.hidden(prompt + chosen)
            candidates = np.argsort(-logits, kind="stable")[:k]
            base = log_softmax(logits[candidates])
            reward_hidden = model.hidden(prompt + chosen, adapter)
            reward = np.zeros(k, np.float32)
            for name, weight in preference.items():
                u, v, b = (heads[f"heads.{name}.{part}"] for part in "uvb")
                moved = reward_hidden + u @ (v.T @ reward_hidden) + b
                reward += np.float32(weight) * (log_softmax(model.unembedding[candidates] @ moved) - base)
            score = base + np.float32(beta) * reward
            best = int(np.argmax(score))
            ordered = np.sort(score)[::-1]
            numbers = lambda values: [round(float(value), 5) for value in values]
            trace.append({
                "token": int(candidates[best]), "base_rank": best, "margin": float(ordered[0] - ordered[1]),
                "candidates": candidates.tolist(), "base_logprob": numbers(base), "reward": numbers(reward),
                "score": numbers(score),
            })
            if trace[-1]["token"] == end:
                break
            chosen.append(trace[-1]["token"])
        print(json.dumps({
            "messages": messages, "preference": preference, "beta": beta, "top_k": k, "prompt_tokens": prompt,
            "tokens": chosen, "text": tokenizer.decode(chosen), "steps": trace,
        }, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
