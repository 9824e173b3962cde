"""A real GGUF file served by `pad serve` against the same file in plain numpy.

    pad serve --model FILE.gguf --dtype f32 --reward off &
    python real_file.py FILE.gguf http://127.0.0.1:8080

Prints how many greedily chosen tokens of 20 prompts are those of numpy where numpy's margin is above 0.05, and both perplexities of a
text. Needs numpy and gguf (the package, for reading and dequantising). With `xllamacpp` installed and `--llama-cpp`, the tokens of every
prompt are compared with llama.cpp's tokenizer too, and the chosen tokens with its own (whose activations are of 8 bits), as long as both
chose the same ones before. Qwen2, Qwen3, Llama and Gemma 3 are known here.
"""

import argparse
import json
import math
import urllib.request

import numpy as np
from gguf import GGUFReader
from gguf.quants import dequantize

PROMPTS = [
    "The capital of France is",
    "Water boils at a temperature of",
    "def fibonacci(n):\n    if n < 2:\n        return n\n",
    "Once upon a time there was a",
    "The three primary colours are",
    "In 1969, the first human beings",
    "SELECT name, age FROM users WHERE",
    "Die Hauptstadt von Deutschland heißt",
    "La plus grande ville du Japon est",
    "To get a stain out of a cotton shirt,",
    "1, 1, 2, 3, 5, 8, 13,",
    "import numpy as np\n\nx = np.",
    "Dear Sir or Madam,\n\nI am writing to",
    "The mitochondria is the",
    "Ingredients:\n- 2 eggs\n- 100 g flour\n-",
    "日本の首都は",
    "Photosynthesis converts light into",
    "<html>\n<head>\n<title>",
    "Q: What is 7 times 8?\nA:",
    "It was the best of times, it was the worst of",
]

TEXT = """The lighthouse stood at the end of a long spit of gravel, and for most of the year nobody walked out to it. In winter the waves
came over the path; in summer the terns nested there and dived at anyone who came near. The keeper had left in 1983, when the lamp was
made automatic, and since then the only visitors were a technician, twice a year, and now and then a painter. What the painters wanted
was the colour: the tower had been white once, with a red band, and forty years of salt had worn it to something between rose and grey
that changed with every cloud. A scientist from the university came as well, to measure how fast the spit was moving. It moved about two
metres to the east each year. At that rate, she said, the lighthouse would stand in the sea within a century, and the harbour behind it,
which the spit protects, would have to be given up or defended by a wall. The town council asked what the wall would cost. Then it asked
what the harbour was worth. The two numbers were almost the same, which made the decision harder rather than easier."""


class Model:
    def __init__(self, path):
        reader = GGUFReader(path)
        self.fields = reader.fields
        self.architecture = self.value("general.architecture")
        self.tensors = {t.name: t for t in reader.tensors}
        self.cache = {}
        g = self.get
        self.layers, self.heads = g("block_count"), g("attention.head_count")
        self.kv, self.hidden = g("attention.head_count_kv"), g("embedding_length")
        self.head = g("attention.key_length") or self.hidden // self.heads
        self.eps, self.window = g("attention.layer_norm_rms_epsilon"), g("attention.sliding_window")
        self.gemma = self.architecture == "gemma3"

    def value(self, key):
        return self.fields[key].contents() if key in self.fields else None

    def get(self, name):
        return self.value(f"{self.architecture}.{name}")

    def w(self, name):
        if name not in self.cache:
            tensor = self.tensors.get(name)
            value = None if tensor is None else dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
            self.cache[name] = value if value is None else value.reshape([int(n) for n in reversed(tensor.shape)])
        return self.cache[name]

    def linear(self, name, x):
        bias = self.w(name + ".bias")
        y = x @ self.w(name + ".weight").T
        return y if bias is None else y + bias

    def norm(self, name, x):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.eps) * self.w(name + ".weight")

    def rotate(self, x, windowed):
        theta = 10000.0 if self.gemma and windowed else (self.get("rope.freq_base") or 10000.0)
        n = self.head // 2
        inverse = theta ** -(np.arange(0, self.head, 2) / self.head)
        angle = (np.arange(len(x))[:, None] * inverse[None])[:, None]
        cos, sin = np.cos(angle).astype(np.float32), np.sin(angle).astype(np.float32)
        if self.architecture == "llama":
            a, b = x[..., 0::2], x[..., 1::2]
            return np.stack([a * cos - b * sin, b * cos + a * sin], -1).reshape(x.shape)
        a, b = x[..., :n], x[..., n:]
        return np.concatenate([a * cos - b * sin, b * cos + a * sin], -1)

    def attention(self, i, x):
        name, windowed = f"blk.{i}", self.gemma and (i + 1) % 6 != 0
        q, k, v = (self.linear(f"{name}.attn_{p}", x).reshape(len(x), -1, self.head) for p in "qkv")
        if self.w(f"{name}.attn_q_norm.weight") is not None:
            q, k = self.norm(f"{name}.attn_q_norm", q), self.norm(f"{name}.attn_k_norm", k)
        q, k = self.rotate(q, windowed), self.rotate(k, windowed)
        k, v = (np.repeat(t, self.heads // self.kv, axis=1) for t in (k, v))
        scores = np.einsum("qhd,khd->hqk", q, k) / math.sqrt(self.head)
        at = np.arange(len(x))
        seen = at[None] <= at[:, None]
        if windowed and self.window:
            seen &= at[None] > at[:, None] - self.window
        scores = np.where(seen[None], scores, -np.inf)
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return self.linear(f"{name}.attn_output", np.einsum("hqk,khd->qhd", weights, v).reshape(len(x), -1))

    def feed_forward(self, i, x):
        g, u = self.linear(f"blk.{i}.ffn_gate", x), self.linear(f"blk.{i}.ffn_up", x)
        if self.gemma:
            g = 0.5 * g * (1 + np.tanh(math.sqrt(2 / math.pi) * (g + 0.044715 * g**3)))
        else:
            g = g / (1 + np.exp(-g))
        return self.linear(f"blk.{i}.ffn_down", g * u)

    def logits(self, tokens):
        x = self.w("token_embd.weight")[tokens] * np.float32(math.sqrt(self.hidden) if self.gemma else 1.0)
        for i in range(self.layers):
            a = self.attention(i, self.norm(f"blk.{i}.attn_norm", x))
            x = x + (self.norm(f"blk.{i}.post_attention_norm", a) if self.gemma else a)
            f = self.feed_forward(i, self.norm(f"blk.{i}.ffn_norm", x))
            x = x + (self.norm(f"blk.{i}.post_ffw_norm", f) if self.gemma else f)
        out = self.w("output.weight")
        return self.norm("output_norm", x) @ (self.w("token_embd.weight") if out is None else out).T


class Server:
    def __init__(self, url):
        self.url = url.rstrip("/")
        with urllib.request.urlopen(self.url + "/v1/models") as answer:
            self.model = json.load(answer)["data"][0]["id"]

    def post(self, path, **body):
        data = json.dumps({"model": self.model, **body}).encode()
        request = urllib.request.Request(self.url + path, data, {"content-type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def chosen(self, tokens, steps):
        """Greedy tokens."""
        answer = self.post("/v1/completions", prompt=tokens, max_tokens=steps, temperature=0, pad={"trace": True})
        return [step["token"] for step in answer["choices"][0]["pad"]["trace"]]


def log_softmax(row):
    row = row.astype(np.float64)
    return row - row.max() - math.log(np.exp(row - row.max()).sum())


def compare(model, server, steps):
    agreed = counted = 0
    for prompt in PROMPTS:
        tokens = prompt_tokens(model, server, prompt)
        chosen = server.chosen(tokens, steps)
        rows = model.logits(tokens + chosen[:-1])[len(tokens) - 1 :]
        for row, token in zip(rows, chosen):
            first, second = np.sort(row)[::-1][:2]
            if first - second > 0.05:
                counted += 1
                agreed += int(row.argmax()) == token
    return agreed, counted


def prompt_tokens(model, server, prompt):
    tokens = server.post("/tokenize", prompt=prompt, add_special_tokens=False)["tokens"]
    bos = model.value("tokenizer.ggml.bos_token_id") if model.value("tokenizer.ggml.add_bos_token") else None
    return tokens if bos is None or tokens[:1] == [bos] else [bos, *tokens]


def perplexities(model, server):
    tokens = prompt_tokens(model, server, TEXT)
    answer = server.post("/v1/completions", prompt=tokens, max_tokens=0, echo=True, logprobs=0)
    ours = answer["choices"][0]["logprobs"]["token_logprobs"][1:]
    rows = model.logits(tokens)
    theirs = [log_softmax(row)[token] for row, token in zip(rows, tokens[1:])]
    return math.exp(-np.mean(ours)), math.exp(-np.mean(theirs)), len(theirs)


class LlamaCpp:
    def __init__(self, path):
        import xllamacpp

        params = xllamacpp.CommonParams()
        params.model.path = path
        params.n_ctx, params.warmup, params.port = 512, False, 0
        self.server = xllamacpp.Server(params)

    def post(self, path, **body):
        request = urllib.request.Request(self.server.listening_address + path, json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)

    def chosen(self, tokens, steps):
        """Greedy tokens, each with its margin over the second best."""
        answer = self.post("/completion", prompt=tokens, n_predict=steps, temperature=0, n_probs=2)
        for step in answer["completion_probabilities"]:
            first, second = (best["logprob"] for best in step["top_logprobs"])
            yield step["id"], first - second


def compare_chosen(llama_cpp, model, server, steps):
    agreed = counted = 0
    for prompt in PROMPTS:
        tokens = prompt_tokens(model, server, prompt)
        for token, (theirs, margin) in zip(server.chosen(tokens, steps), llama_cpp.chosen(tokens, steps)):
            if margin > 0.05:
                counted += 1
                agreed += token == theirs
            if token != theirs:
                break
    return agreed, counted


def tokenizers(llama_cpp, server):
    """Texts whose tokens are not llama.cpp's."""
    odd = ["  two  spaces", "tabs\t\tand\n\n\nlines", "naïve café 🦄🌉", "123456.789", "don't won't I'LL", "<start_of_turn>", " "]
    differ = []
    for text in [*PROMPTS, TEXT, *odd]:
        ours = server.post("/tokenize", prompt=text, add_special_tokens=False)["tokens"]
        theirs = llama_cpp.post("/tokenize", content=text, add_special=False, parse_special=False)["tokens"]
        if ours != theirs:
            differ.append((text[:40], ours[:8], theirs[:8]))
    return differ


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("file")
    arguments.add_argument("url")
    arguments.add_argument("--steps", type=int, default=8)
    arguments.add_argument("--llama-cpp", action="store_true")
    given = arguments.parse_args()
    model, server = Model(given.file), Server(given.url)
    if given.llama_cpp:
        llama_cpp = LlamaCpp(given.file)
        print("texts that llama.cpp tokenizes differently:", tokenizers(llama_cpp, server) or "none")
        agreed, counted = compare_chosen(llama_cpp, model, server, given.steps)
        print(f"tokens: {agreed} of {counted} with a margin above 0.05 are llama.cpp's")
    agreed, counted = compare(model, server, given.steps)
    print(f"tokens: {agreed} of {counted} with a margin above 0.05 are numpy's")
    ours, theirs, count = perplexities(model, server)
    print(f"perplexity of {count} tokens: {ours:.4f}, numpy {theirs:.4f}, off by {100 * abs(ours / theirs - 1):.3f} %")
    assert agreed >= 0.99 * counted and abs(ours / theirs - 1) < 0.005


if __name__ == "__main__":
    main()
