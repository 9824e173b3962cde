"""PAD with guides that have another tokenizer than the base model, in plain numpy: what `tests/bridge.rs` compares the server with.

A candidate is worth log pi(answer so far, candidate) - log pi(answer so far) of the guide, each text encoded as a whole and run anew. The
models are tiny random checkpoints: the base model and its twin have one vocabulary, the guide has another one.

    pip install numpy==2.2.6 safetensors==0.6.2
    python tests/reference/bridge.py tests/data

writes the models, the guide's heads and the cases into `tests/data/bridge`.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from bilinear import mixed, weighed
from families import Model, tensors
from guides import TEMPLATE, log_softmax, numbers

NAMES = ["short", "long"]
WIDE = ("t h|th e|Ġ the|h e|i n|in g|o n|Ġ a|Ġa n|Ġan d|e r|w h|wh y|Ġ i|Ġi s|s k|sk y|b l|bl u|blu e|o r|Ġ b|Ġb e|c a|ca t|d o|do g|"
        "Ġ 1|1 2|! !|. .|.. .|Ċ Ċ|Ġ Ġ|' s|o u|y ou|l l|e ll|h ell|hell o|w o|wo r|wor l|worl d|Ã ©|ð Ł|ðŁ ĺ|a b|ab c|Ġ T|ĠT he|q u|x y|"
        "# #|( )|= =|- -|Ġ -|Ġ y|Ġy ou|m e|s e|r e|re d|Ġ c|Ġc o|u r|ur s|k e|li k|l i|lik e").split("|")
NARROW = "h e|e l|l o|o o|Ġ t|Ġt he|a n|n d|an d|Ġ w|u e|r l|rl d|y o|yo u|. .|Ġ .|' s|Ł ĺ|b c|2 3|e d|k y|i k|g #".split("|")
NEAR, FAR = (
    {"control": ["<|im_end|>", "<pad>", "<|im_start|>"], "merges": WIDE, "words": r" ?[A-Za-z]+| ?[0-9]| ?[^\sA-Za-z0-9]+|\s+(?!\S)|\s+"},
    {"control": ["<pad>", "<|im_start|>", "<|im_end|>"], "merges": NARROW,
     "words": r"[^\r\nA-Za-z0-9]?[A-Za-z]+|[0-9]{1,3}| ?[^\sA-Za-z0-9]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"},
)

# Manifest, question, preference, `pad`, steps.
CASES = [
    ("model", "Why is the sky blue?", {"far": 1.0}, {"beta": 1.0, "top_k": 20}, 16),
    ("model", "Say hello.", {"far": 0.5, "near": -0.75}, {"beta": 0.8, "top_k": 30}, 16),
    ("model", "Tell me a story.", {"far": -1.0, "near": 0.5}, {"top_k": 6, "candidates": "union"}, 12),
    ("contrast", "Name a fruit.", {"far": 1.5}, {"top_k": 25}, 16),
    ("contrast", "Say hello.", {"far": 0.5, "mixed": 1.0}, {"beta": 1.2, "top_k": 10}, 16),
    ("heads", "Why is the sky blue?", {"short": 2.0}, {"top_k": 40}, 16),
    ("heads", "Tell me a story.", {"short": -1.5, "long": 1.0}, {"top_k": 20}, 16),
    ("bilinear", "Why is the sky blue?", {"harmless": 0.25, "helpful": 0.75}, {"top_k": 40}, 16),
    ("bilinear", "Say hello.", {"helpful": -0.4, "humor": -1.2}, {"top_k": 20}, 16),
]


def alphabet():
    """GPT-2's characters for the 256 bytes."""
    plain = [*range(33, 127), *range(161, 173), *range(174, 256)]
    rest = [byte for byte in range(256) if byte not in plain]
    return {**{byte: chr(byte) for byte in plain}, **{byte: chr(256 + i) for i, byte in enumerate(rest)}}


ALPHABET = alphabet()
BYTES = {character: byte for byte, character in ALPHABET.items()}


class Vocabulary:
    def __init__(self, side):
        self.control, self.words = side["control"], side["words"]
        self.merges = side["merges"]
        self.ids = {token: i for i, token in enumerate(self.control + list(ALPHABET.values()) + [m.replace(" ", "") for m in self.merges])}
        self.tokens = list(self.ids)
        self.ranks = {tuple(merge.split(" ")): i for i, merge in enumerate(self.merges)}

    def word(self, word):
        parts = [ALPHABET[byte] for byte in word]
        while True:
            pairs = [(self.ranks[pair], i) for i, pair in enumerate(zip(parts, parts[1:])) if pair in self.ranks]
            if not pairs:
                return [self.ids[part] for part in parts]
            i = min(pairs)[1]
            parts[i : i + 2] = [parts[i] + parts[i + 1]]

    def encode(self, data):
        """Text by words; bytes that are no text, or the beginning of a character, are a word of their own."""
        tokens = []
        while data:
            try:
                text, wrong, data = data.decode(), b"", b""
            except UnicodeDecodeError as error:
                text, wrong, data = data[: error.start].decode(), data[error.start : error.end], data[error.end :]
            for word in re.findall(self.words, text):
                tokens += self.word(word.encode())
            tokens += self.word(wrong)
        return tokens

    def bytes(self, token):
        return bytes(BYTES[character] for character in self.tokens[token])

    def prompt(self, content):
        start, end = self.ids["<|im_start|>"], self.ids["<|im_end|>"]
        return [start, *self.encode(b"user\n" + content.encode()), end, start, *self.encode(b"assistant\n")]

    def text(self, answer):
        return b"".join(self.bytes(token) for token in answer if token >= len(self.control)).decode(errors="replace")


def crossed(near, far, answer):
    """Tokens in another vocabulary: what is between control tokens encoded as a whole."""
    tokens, data = [], b""
    for token in answer:
        if token < len(near.control):
            tokens, data = tokens + far.encode(data) + [far.ids[near.control[token]]], b""
        else:
            data += near.bytes(token)
    return tokens + far.encode(data)


class Lane(Model):
    def hidden(self, tokens):
        x = self.weights["model.embed_tokens.weight"][tokens]
        for layer in range(self.config["num_hidden_layers"]):
            name = f"model.layers.{layer}"
            x = x + self.attention(layer, self.norm(name + ".input_layernorm", x))
            x = x + self.feed_forward(layer, self.norm(name + ".post_attention_layernorm", x))
        return self.norm("model.norm", x)

    def read(self, hidden):
        return hidden @ self.weights["model.embed_tokens.weight"].T

    def worth(self, start, tokens, head=None):
        """The log-probability of tokens behind others."""
        h = self.hidden(start + tokens)[len(start) - 1 : -1]
        if head is not None:
            u, v, b = head
            h = h + (h @ v) @ u.T + b
        return sum(log_softmax(row)[token] for row, token in zip(self.read(h), tokens))


class Lanes:
    def __init__(self, folder, manifest):
        self.kind, self.manifest, self.folder = manifest["kind"], manifest, folder
        self.dimensions = {dimension["name"]: dimension for dimension in manifest["dimensions"]}
        self.near, self.far = Vocabulary(NEAR), Vocabulary(FAR)
        self.base, self.twin, self.guide = (Lane(folder / name) for name in ("base", "twin", "guide"))
        heads = {k: v.astype(np.float64) for k, v in load_file(folder / "heads.safetensors").items()}
        self.heads = {name: [heads[f"heads.{name}.{part}"] for part in "uvb"] for name in NAMES}

    def last(self, model, question, answer):
        return model.read(model.hidden(self.near.prompt(question) + answer)[-1])

    def across(self, question, answer, candidates, head=None):
        """The guide's log-probabilities of candidates, of each as the text that it adds."""
        worth = lambda answer: self.guide.worth(self.far.prompt(question), crossed(self.near, self.far, answer), head)
        so_far = worth(answer)
        return np.array([worth(answer + [token]) - so_far for token in candidates])

    def of(self, guide, question, answer, candidates):
        if guide["model"] == "guide":
            return self.across(question, answer, candidates)
        return log_softmax(self.last(self.twin, question, answer))[candidates]

    def reward(self, preference, base, question, answer, candidates):
        if self.kind == "bilinear":
            shares, total = weighed(self.manifest, preference)
            self.guide = mixed(Lane(self.folder / "guide"), self.folder.parent / "bilinear", shares)
            return total * self.across(question, answer, candidates)
        return sum(weight * self.phi(name, base, question, answer, candidates) for name, weight in preference.items())

    def phi(self, name, base, question, answer, candidates):
        if self.kind == "heads":
            own = self.across(question, answer, candidates, self.heads[name])
            return log_softmax(own) - log_softmax(self.across(question, answer, candidates))
        dimension = self.dimensions[name]
        own = self.of(dimension["guide"], question, answer, candidates)
        if self.kind == "model":
            return own
        against = dimension.get("against")
        return log_softmax(own) - log_softmax(self.of(against, question, answer, candidates) if against else base[candidates])


def decoded(lanes, question, preference, pad, steps):
    answer, trace, beta, k = [], [], pad.get("beta", 1.0), pad["top_k"]
    while len(trace) < steps:
        logits = lanes.last(lanes.base, question, answer)
        ranked = np.argsort(-logits, kind="stable")
        candidates = set(ranked[:k].tolist())
        if pad.get("candidates") == "union" and "near" in preference:
            # The lane over the bridge proposes nothing: its tokens are not the base model's.
            candidates |= set(np.argsort(-lanes.last(lanes.twin, question, answer), kind="stable")[:k].tolist())
        candidates = [token for token in ranked.tolist() if token in candidates]
        base = log_softmax(logits)[candidates] if lanes.kind in ("model", "bilinear") else log_softmax(logits[candidates])
        reward = lanes.reward(preference, logits, question, answer, candidates)
        score = base + beta * reward
        best, ordered = int(np.argmax(score)), np.sort(score)[::-1]
        trace.append({
            "token": candidates[best], "base_rank": best, "margin": float(ordered[0] - ordered[1]),
            "candidates": candidates, "base_logprob": numbers(base), "reward": numbers(reward), "score": numbers(score),
        })
        if candidates[best] == lanes.near.ids["<|im_end|>"]:
            break
        answer.append(candidates[best])
    return answer, trace


def write_model(folder, side, seed):
    random, vocabulary = np.random.default_rng(seed), Vocabulary(side)
    config = dict(model_type="llama", vocab_size=len(vocabulary.ids), hidden_size=32, intermediate_size=48, num_hidden_layers=2,
                  num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=256, rms_norm_eps=1e-6, hidden_act="silu",
                  tie_word_embeddings=True, rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
    state = {}
    for name, shape in tensors(config):
        value = 1 + 0.2 * random.standard_normal(shape) if len(shape) == 1 else random.standard_normal(shape) * 1.6 / shape[-1] ** 0.5
        if name == "model.embed_tokens.weight":
            # Bytes that are no text by themselves come up now and then.
            rare = [i for token, i in vocabulary.ids.items() if len(token) == 1 and not 32 <= BYTES[token] < 127]
            value[rare] *= 0.6
        state[name] = value.astype(np.float32)
    folder.mkdir(parents=True, exist_ok=True)
    save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config) + "\n")
    added = [{"id": i, "content": token, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
             for i, token in enumerate(vocabulary.control)]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    split = {"type": "Split", "pattern": {"Regex": vocabulary.words}, "behavior": "Isolated", "invert": False}
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
             "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, "vocab": vocabulary.ids, "merges": vocabulary.merges}
    tokenizer = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None,
                 "pre_tokenizer": {"type": "Sequence", "pretokenizers": [split, level]}, "post_processor": None, "decoder": level,
                 "model": model}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>", "chat_template": TEMPLATE}) + "\n")


def write_heads(folder):
    random, heads = np.random.default_rng(23), {}
    for name in NAMES:
        for part, shape, scale in (("u", (32, 4), 0.4), ("v", (32, 4), 0.4), ("b", (32,), 0.2)):
            heads[f"heads.{name}.{part}"] = (scale * random.standard_normal(shape)).astype(np.float32)
    save_file(heads, folder / "heads.safetensors")


def main():
    folder = Path(sys.argv[1]) / "bridge"
    for name, side, seed in (("base", NEAR, 20), ("twin", NEAR, 21), ("guide", FAR, 22)):
        write_model(folder / name, side, seed)
    write_heads(folder)
    with open(folder / "golden.jsonl", "w") as out:
        for manifest, question, preference, pad, steps in CASES:
            lanes = Lanes(folder, tomllib.loads((folder / f"{manifest}.toml").read_text()))
            answer, trace = decoded(lanes, question, preference, pad, steps)
            case = {
                "manifest": manifest, "messages": [{"role": "user", "content": question}], "preference": preference, "pad": pad,
                "prompt_tokens": lanes.near.prompt(question), "tokens": answer, "steps": trace, "text": lanes.near.text(answer),
            }
            far = len(crossed(lanes.near, lanes.far, answer))
            print(manifest, repr(case["text"]), len(answer), "tokens,", far, "of the guide's; least margin",
                  round(min(step["margin"] for step in trace), 4))
            out.write(json.dumps(case, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
