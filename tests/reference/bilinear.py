"""PAD with reward models of kind `bilinear` (PARM), in plain numpy: what `tests/bilinear.rs` compares the server with.

As `guides.py`: the adapter is merged into the weights, anew for each request's weights, as PARM's own code merges it.

    pip install numpy==2.2.6 safetensors==0.6.2 gguf==0.17.1
    python tests/reference/bilinear.py tests/data

writes the adapter and the cases into `tests/data/bilinear`.
"""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from guides import BASE, CHARACTERS, CONTROL, Lane, decoded, render

RANKS, ALPHA = (4, 3), 6
# As PARM's training code writes them; `pref_vec_init` is not used.
CONFIG = {"peft_type": "PBLORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "../llama", "r1": RANKS[0], "r2": RANKS[1], "obj_num": 3,
          "pref_vec_init": None, "lora_alpha": ALPHA, "lora_dropout": 0.0, "fan_in_fan_out": False, "bias": "none", "modules_to_save": None,
          "target_modules": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"], "layers_to_transform": None}
# The first layer has no adapter, nor do those behind this one: the guide of `bridge.py` has two layers.
LAYER = 1

# Manifest, question, preference, `pad`, steps. The first three share a question that fills a cache block.
CASES = [
    ("bilinear", "Why is the sky blue?", {"harmless": 0.5, "helpful": 0.5}, {"beta": 1.0, "top_k": 10}, 12),
    ("bilinear", "Why is the sky blue?", {"harmless": 0.1, "helpful": 0.9}, {"beta": 1.0, "top_k": 10}, 12),
    ("bilinear", "Why is the sky blue?", {"harmless": 0.4, "helpful": 0.4, "humor": 1.2}, {"beta": 0.8, "top_k": 20}, 12),
    ("bilinear", "Say hello.", {"helpful": -0.5, "humor": -1.5}, {"beta": 1.2, "top_k": 20}, 12),
    ("bilinear", "Tell me a story.", {"humor": 2.0}, {"top_k": 3, "candidates": "union"}, 12),
    ("bilinear", "Name a fruit.", "Be kind.", {"top_k": 12}, 8),
    ("own", "Why is the sky blue?", {"harmless": 1.5, "humor": 0.5}, {"beta": 1.0, "top_k": 10}, 12),
    ("own", "Say hello.", {"helpful": 2.0}, {"top_k": 3, "candidates": "union"}, 12),
]


def mixed(model, adapter, weights):
    """The model with the adapter in this folder, at these weights of the core."""
    tensors = load_file(adapter / "adapter_model.safetensors")
    r1, r2 = RANKS
    for name in [name for name in tensors if name.endswith(".pblora_A")]:
        a, b, w1, w2 = (tensors[name.replace("pblora_A", part)].astype(np.float64)
                        for part in ("pblora_A", "pblora_B", "pblora_W1", "pblora_W2"))
        core = (weights @ w2).reshape(r2, r2)
        delta = b[:, :r1] @ w1 @ a[:r1] + b[:, r1:] @ core @ a[r1:]
        weight = name.removeprefix("base_model.model.").replace(".pblora_A", ".weight")
        model.weights[weight] = model.weights[weight] + ALPHA / r2 * delta
    return model


def weighed(manifest, preference):
    """The shares of the dimensions in the sum of their weights, and the sum."""
    weights = np.array([preference.get(dimension["name"], 0.0) for dimension in manifest["dimensions"]])
    return weights / weights.sum(), weights.sum()


class Lanes:
    """The lanes of one manifest."""

    kind = "bilinear"

    def __init__(self, data, manifest):
        self.data, self.manifest = data, manifest
        self.base = Lane(data / "families" / BASE)
        self.mixed = {}

    def terms(self, question, preference, answer):
        """The weight of the one lane, its logits, and those that it is measured against: none, or the base lane's."""
        prompt = render(question) + answer
        base = self.base.last(prompt)
        if isinstance(preference, str):
            return base, [(1.0, self.base.last(render(f"{question}\n\n({preference})") + answer), base)]
        shares, total = weighed(self.manifest, preference)
        key = json.dumps(preference)
        if key not in self.mixed:
            model = Lane(self.data / "families" / self.manifest.get("source", BASE))
            self.mixed[key] = mixed(model, self.data / "bilinear", shares)
        reference = base if self.manifest.get("reference") == "base" else None
        return base, [(total, self.mixed[key].last(prompt), reference)]


def write_adapter(folder, config):
    random = np.random.default_rng(11)
    hidden, width, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = head * config["num_attention_heads"], head * config["num_key_value_heads"]
    shapes = {"q": (queries, hidden), "k": (keys, hidden), "v": (keys, hidden), "o": (hidden, queries),
              "gate": (width, hidden), "up": (width, hidden), "down": (hidden, width)}
    r1, r2 = RANKS
    tensors = {}
    for module, (outputs, inputs) in shapes.items():
        block = "mlp" if module in ("gate", "up", "down") else "self_attn"
        for part, shape, size in [("A", (r1 + r2, inputs), 0.3), ("B", (outputs, r1 + r2), 0.3), ("W1", (r1, r1), 0.5),
                                  ("W2", (CONFIG["obj_num"], r2 * r2), 0.8)]:
            values = size * random.standard_normal(shape)
            tensors[f"base_model.model.model.layers.{LAYER}.{block}.{module}_proj.pblora_{part}"] = values.astype(np.float32)
    save_file(tensors, folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")


def main():
    data = Path(sys.argv[1])
    folder = data / "bilinear"
    write_adapter(folder, json.loads((data / "families" / BASE / "config.json").read_text()))
    with open(folder / "golden.jsonl", "w") as out:
        for manifest, question, preference, pad, steps in CASES:
            lanes = Lanes(data, tomllib.loads((folder / f"{manifest}.toml").read_text()))
            answer, trace = decoded(lanes, question, preference, pad, steps)
            case = {
                "manifest": manifest, "messages": [{"role": "user", "content": question}], "preference": preference, "pad": pad,
                "prompt_tokens": render(question), "tokens": answer, "steps": trace,
                "text": "".join(CHARACTERS[token - len(CONTROL)] for token in answer if token >= len(CONTROL)),
            }
            out.write(json.dumps(case, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
