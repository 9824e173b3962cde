"""PAD with reward models of kind `model`, `contrast` and `vector`, in plain numpy: what `tests/guides.rs` compares the server with.

Double precision, one sequence, the whole text computed again at every step: no cache, no batch, no branching off. The models are the
tiny random checkpoints of `tests/data/families`, over a vocabulary of 96 characters; the manifests are those that the server reads.

    pip install numpy==2.2.6 safetensors==0.6.2 gguf==0.17.1
    python tests/reference/guides.py tests/data

writes the tokenizer, the control vectors and the cases into `tests/data/guides`.
"""

import json
import sys
import tomllib
from pathlib import Path

import numpy as np
from gguf import GGUFReader, GGUFWriter
from safetensors.numpy import load_file, save_file

from families import Model

BASE, CONTROL = "llama", ["<pad>", "<|im_start|>", "<|im_end|>"]
CHARACTERS = "\n " + "".join(chr(c) for c in range(33, 127) if chr(c) not in "`~^")
END = 2
TEMPLATE = ("{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>{% endfor %}"
            "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}")

# Manifest, question, preference, `pad`, steps.
CASES = [
    ("model", "Why is the sky blue?", {"kind": 1.0}, {"beta": 1.0, "top_k": 10}, 10),
    ("model", "Say hello.", {"kind": 0.5, "plain": -0.75, "mine": 1.5}, {"beta": 0.8, "top_k": 20}, 12),
    ("model", "Tell me a story.", {"kind": 2.0, "mine": -0.5}, {"top_k": 4, "candidates": "union"}, 12),
    ("model", "Name a fruit.", "Be kind.", {"top_k": 12}, 8),
    ("contrast", "Why is the sky blue?", {"kind": 1.0}, {"beta": 1.0, "top_k": 10}, 10),
    ("contrast", "Say hello.", {"mine": 2.0}, {"beta": 1.5, "top_k": 15}, 12),
    ("contrast", "Tell me a story.", {"kind": -1.0, "plain": 0.5, "mine": 1.0, "hers": -0.25}, {"top_k": 20}, 12),
    ("contrast", "Name a fruit.", {"kind": 1.5, "mine": -2.0}, {"top_k": 3, "candidates": "union"}, 12),
    ("vector", "Why is the sky blue?", {"soft": 1.0}, {"beta": 1.0, "top_k": 10}, 10),
    ("vector", "Say hello.", {"soft": -1.5, "loud": 0.5}, {"beta": 1.2, "top_k": 20}, 12),
    ("vector", "Tell me a story.", {"loud": -2.0, "soft": 0.25}, {"top_k": 3, "candidates": "union"}, 12),
]

# The layers with a direction, by file.
VECTORS = {"soft.safetensors": [1], "loud.gguf": [0, 2]}


def log_softmax(x):
    x = np.asarray(x, np.float64)
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


def encode(text):
    return [len(CONTROL) + CHARACTERS.index(character) for character in text]


def render(content):
    return [1, *encode("user\n" + content), END, 1, *encode("assistant\n")]


class Lane(Model):
    """A checkpoint, with a LoRA adapter merged into its weights, or with vectors that are added behind its layers."""

    def __init__(self, folder, adapter=None):
        super().__init__(folder)
        if adapter is not None:
            config = json.loads((adapter / "adapter_config.json").read_text())
            tensors = load_file(adapter / "adapter_model.safetensors")
            for name in [name for name in tensors if name.endswith(".lora_A.weight")]:
                down, up = (tensors[name.replace("lora_A", side)].astype(np.float64) for side in ("lora_A", "lora_B"))
                weight = name.removeprefix("base_model.model.").replace(".lora_A", "")
                self.weights[weight] = self.weights[weight] + config["lora_alpha"] / config["r"] * (up @ down)

    def last(self, tokens, vectors=None, strength=0.0):
        """The last position's logits; the vector of layer n, times the strength, is added to what that layer gives."""
        x = self.weights["model.embed_tokens.weight"][tokens]
        for layer in range(self.config["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            x = x + self.attention(layer, self.norm(name + ".input_layernorm", x))
            x = x + self.feed_forward(layer, self.norm(name + ".post_attention_layernorm", x))
            if vectors and layer in vectors:
                x = x + strength * vectors[layer]
        x = self.norm("model.norm", x)
        return self.weights.get("lm_head.weight", self.weights["model.embed_tokens.weight"]) @ x[-1]


class Lanes:
    """The lanes of one manifest."""

    def __init__(self, data, manifest):
        self.data, self.kind = data, manifest["kind"]
        self.dimensions = {dimension["name"]: dimension for dimension in manifest["dimensions"]}
        self.base = Lane(data / "families" / BASE)
        self.models = {}

    def guide(self, guide):
        key = (guide.get("model"), guide.get("adapter"))
        if key not in self.models:
            model, adapter = key
            adapter = self.data / "families" / adapter if adapter else None
            self.models[key] = Lane(self.data / "families" / (model or BASE), adapter)
        return self.models[key]

    def terms(self, question, preference, answer):
        """Of each dimension: its weight, the logits of its lane, and those that it is measured against: none, or a lane's."""
        prompt = render(question) + answer
        base = self.base.last(prompt)
        if isinstance(preference, str):
            return base, [(1.0, self.base.last(render(f"{question}\n\n({preference})") + answer), base)]
        terms = []
        for name, weight in preference.items():
            dimension = self.dimensions[name]
            if self.kind == "vector":
                vectors = read_vectors(self.data / "guides" / dimension["vector"])
                moved = self.base.last(prompt, vectors, weight * dimension.get("scale", 1.0))
                # The weight is the strength; below 0 the base is measured against the lane.
                terms.append((1.0, moved, base) if weight > 0 else (-1.0, base, moved))
                continue
            against = dimension.get("against")
            reference = base if against is None else self.guide(against).last(prompt)
            own = self.guide(dimension["guide"]).last(prompt)
            terms.append((weight, own, None if self.kind == "model" else reference))
        return base, terms


def numbers(values):
    return [round(float(value), 5) for value in values]


def decoded(lanes, question, preference, pad, steps):
    answer, trace, beta, k = [], [], pad.get("beta", 1.0), pad["top_k"]
    while len(trace) < steps:
        logits, terms = lanes.terms(question, preference, answer)
        ranked = np.argsort(-logits, kind="stable")
        candidates = set(ranked[:k].tolist())
        if pad.get("candidates") == "union":
            for weight, own, reference in terms:
                lane = reference if weight < 0 and lanes.kind == "vector" else own
                candidates |= set(np.argsort(-lane, kind="stable")[:k].tolist())
        candidates = [token for token in ranked.tolist() if token in candidates]
        # An autoregressive reward model is a distribution over the vocabulary; other kinds are compared over the candidates.
        wide = lanes.kind in ("model", "bilinear")
        logprobs = lambda z: log_softmax(z)[candidates] if wide else log_softmax(z[candidates])
        base = logprobs(logits)
        reward = np.zeros(len(candidates))
        for weight, own, reference in terms:
            reward += weight * (logprobs(own) - (0 if reference is None else logprobs(reference)))
        score = base + beta * reward
        best, ordered = int(np.argmax(score)), np.sort(score)[::-1]
        trace.append({
            "token": candidates[best], "base_rank": best, "margin": float(ordered[0] - ordered[1]),
            "candidates": candidates, "base_logprob": numbers(base), "reward": numbers(reward), "score": numbers(score),
        })
        if candidates[best] == END:
            break
        answer.append(candidates[best])
    return answer, trace


def write_tokenizer(folder):
    """Byte-level BPE without merges: every character is a token."""
    spelled = {"\n": "Ċ", " ": "Ġ"}
    vocabulary = {token: i for i, token in enumerate(CONTROL + [spelled.get(c, c) for c in CHARACTERS])}
    added = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for i, token in enumerate(CONTROL)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary, "merges": []}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": level, "post_processor": None, "decoder": level, "model": model}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n")
    config = {"eos_token": CONTROL[END], "chat_template": TEMPLATE}
    (folder / "tokenizer_config.json").write_text(json.dumps(config) + "\n")


def read_vectors(path):
    if path.suffix == ".gguf":
        tensors = {tensor.name: tensor.data for tensor in GGUFReader(path).tensors}
    else:
        tensors = load_file(path)
    return {int(name.removeprefix("direction.")): value.astype(np.float64) for name, value in tensors.items()}


def write_vectors(folder, hidden):
    random = np.random.default_rng(7)
    for name, layers in VECTORS.items():
        tensors = {f"direction.{layer}": (0.6 * random.standard_normal(hidden)).astype(np.float32) for layer in layers}
        if not name.endswith(".gguf"):
            save_file(tensors, folder / name)
            continue
        writer = GGUFWriter(folder / name, "controlvector")
        writer.add_string("controlvector.model_hint", "llama")
        for tensor, values in tensors.items():
            writer.add_tensor(tensor, values)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def main():
    data = Path(sys.argv[1])
    folder = data / "guides"
    write_tokenizer(folder)
    write_vectors(folder, json.loads((data / "families" / BASE / "config.json").read_text())["hidden_size"])
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
