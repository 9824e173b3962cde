"""PAD with candidates of every lane and with guards, in plain numpy: what `tests/golden.rs` compares the server with.

Single precision for the models, double for the rule; one sequence, the whole text computed again at every step.

    pip install numpy==2.2.6 gguf==0.17.1 safetensors==0.6.2 tokenizers==0.22.1 jinja2==3.1.6
    python tests/reference/guards.py MODEL.gguf models/smollm2-135m-pad > tests/data/smollm2/guards.jsonl
"""

import json
import sys
from pathlib import Path

import jinja2
import numpy as np
from safetensors.numpy import load_file

from heads import Model

TEMPLATE = "{content}\n\n({principle})"
PRINCIPLES = {"concise": "Answer in one short sentence.", "pirate": "Answer like a pirate."}

# Reward model, question, preference, `pad`, other fields, steps.
CASES = [
    ("prompted", "What is the capital of France?", {"pirate": 2.0}, {"top_k": 4, "candidates": "union"}, {}, 14),
    ("prompted", "How do I boil an egg?", {"pirate": 1.0, "concise": -0.5}, {"top_k": 3, "candidates": "union", "beta": 1.5}, {}, 12),
    ("prompted", "Name a fruit.", {"pirate": 1.5}, {"top_k": 4, "candidates": "union"},
     {"logit_bias": {"28": -3.0, "30": 2.5, "13": -100.0}, "repetition_penalty": 1.2, "presence_penalty": 0.5,
      "frequency_penalty": 0.25, "min_tokens": 8}, 12),
    ("prompted", "Say hello.", {"pirate": 2.0}, {"top_k": 10, "candidates": "union", "plausibility": 0.01}, {}, 12),
    ("prompted", "Why is the sky blue?", {"pirate": 2.0}, {"top_k": 10, "candidates": "union", "loop_guard": 1}, {}, 16),
    ("prompted", "Why is the sky blue?", {"pirate": 2.0}, {"top_k": 10, "max_kl": 0.2}, {}, 14),
    ("prompted", "How do I boil an egg?", {"pirate": 2.0}, {"top_k": 10, "candidates": "union", "guide_tokens": 4}, {}, 12),
    ("prompted", "Tell me a story.", {"pirate": 2.0},
     {"top_k": 6, "candidates": "union", "plausibility": 0.005, "loop_guard": 1, "max_kl": 0.8, "guide_tokens": 10}, {}, 14),
    ("heads", "Tell me about your day.", {"cheerful": 2.0, "simple": 1.0}, {"top_k": 3, "candidates": "union"}, {}, 12),
    ("heads", "How do I remove a coffee stain?", {"cheerful": 2.0}, {"top_k": 5, "loop_guard": 2, "max_kl": 1.0}, {}, 16),
]


def log_softmax(x):
    x = np.asarray(x, np.float64)
    x = x - x.max()
    return x - np.log(np.exp(x).sum())


def adjusted(logits, fields, prompt, answer, end):
    """Bias, then penalties; an end token is none before `min_tokens`."""
    z = np.array(logits, np.float64)
    for token, bias in fields.get("logit_bias", {}).items():
        z[int(token)] += bias
    repetition = fields.get("repetition_penalty", 1.0)
    for token in set(prompt) | set(answer):
        z[token] = z[token] / repetition if z[token] > 0 else z[token] * repetition
    for token in set(answer):
        z[token] -= fields.get("frequency_penalty", 0.0) * answer.count(token) + fields.get("presence_penalty", 0.0)
    if len(answer) < fields.get("min_tokens", 0):
        z[end] = -np.inf
    return z


def best(z, k):
    ranked = np.argsort(-z, kind="stable")[:k]
    return [int(token) for token in ranked if z[token] > -np.inf]


def repeats(answer, length):
    """The tokens that end a run of `length` tokens which is in the answer already."""
    found = set()
    if length and length - 1 <= len(answer):
        last = answer[len(answer) - (length - 1):]
        for start in range(len(answer) - length + 1):
            if answer[start:start + length - 1] == last:
                found.add(answer[start + length - 1])
    return found


def guarded(base, reward, strength, plausible, repeating):
    """The scores at one strength. What repeats has at most the base's probability, and the rest share what is left."""
    score = np.where(plausible, base + strength * reward, -np.inf)
    p_base = np.exp(log_softmax(np.where(plausible, base, -np.inf)))
    steered = np.exp(log_softmax(score))
    held = np.zeros(len(base), bool)
    while True:
        p, free = np.array(p_base), plausible & ~held
        if not free.any():
            return p, base
        p[free] = steered[free] / steered[free].sum() * (1 - p_base[held].sum())
        more = repeating & free & (p > p_base * (1 + 1e-12))
        if not more.any() or (more == free).all():
            break
        held |= more
    some = int(np.argmax(free))
    score[held] = np.log(p_base[held]) - np.log(p[some]) + score[some]
    return np.exp(log_softmax(score)), score


def divergence(p, base):
    q = log_softmax(base)
    return float(sum(a * (np.log(a) - b) for a, b in zip(p, q) if a > 0))


def decide(base, reward, pad, tokens, answer, spent):
    beta, fade = pad.get("beta", 1.0), pad.get("guide_tokens", 0)
    if fade and len(answer) >= fade:
        beta *= max(0, 2 * fade - len(answer)) / (fade + 1)
    plausible = base >= base.max() + np.log(max(pad.get("plausibility", 0.0), 1e-300))
    repeating = np.isin(tokens, list(repeats(answer, pad.get("loop_guard", 0))))
    most = pad.get("max_kl", np.inf) * (len(answer) + 1) - spent
    at = lambda strength: guarded(base, reward, strength, plausible, repeating)
    p, score = at(beta)
    if divergence(p, base) <= most:
        return score, beta, divergence(p, base)
    low, high = 0.0, beta
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if divergence(at(middle)[0], base) <= most else (low, middle)
    p, score = at(low)
    return (score, low, divergence(p, base)) if low > 0 else (base, 0.0, 0.0)


class Lanes:
    """What the base and every reward lane make of an answer so far."""

    def __init__(self, model, folder):
        self.model, self.tokenizer = model, model.tokenizer()
        environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        self.template = environment.from_string(model.field("tokenizer.chat_template"))
        self.heads = {name: value.astype(np.float32) for name, value in load_file(folder / "heads.safetensors").items()}

    def render(self, content):
        messages = [{"role": "user", "content": content}]
        return self.tokenizer.encode(self.template.render(messages=messages, add_generation_prompt=True)).ids

    def logits(self, kind, question, dimension, answer):
        if kind == "prompted":
            told = TEMPLATE.replace("{content}", question).replace("{principle}", PRINCIPLES[dimension])
            return self.model.unembedding @ self.model.hidden(self.render(told) + answer)
        hidden = self.model.hidden(self.render(question) + answer)
        u, v, b = (self.heads[f"heads.{dimension}.{part}"] for part in "uvb")
        return self.model.unembedding @ (hidden + u @ (v.T @ hidden) + b)


def main():
    model = Model(sys.argv[1])
    lanes, end = Lanes(model, Path(sys.argv[2])), model.field("tokenizer.ggml.eos_token_id")
    for kind, question, preference, pad, fields, count in CASES:
        prompt = lanes.render(question)
        chosen, steps, spent = [], [], 0.0
        while len(steps) < count:
            base = np.float64(model.unembedding @ model.hidden(prompt + chosen))
            own = {name: np.float64(lanes.logits(kind, question, name, chosen)) for name in preference}
            change = lambda z: adjusted(z, fields, prompt, chosen, end)
            proposed = best(change(base), pad["top_k"])
            if pad.get("candidates") == "union":
                of_lanes = {token for z in own.values() for token in best(change(z), pad["top_k"])} - set(proposed)
                proposed += sorted(of_lanes, key=lambda token: (-change(base)[token], token))
            log_base = log_softmax(change(base)[proposed])
            reward = sum(w * (log_softmax(own[n][proposed]) - log_softmax(base[proposed])) for n, w in preference.items())
            score, strength, kl = decide(log_base, reward, pad, proposed, chosen, spent)
            at = int(np.argmax(score))
            ordered = np.sort(score)[::-1]
            numbers = lambda values: [round(max(float(value), -9999.0), 5) for value in values]
            steps.append({
                "token": proposed[at], "base_rank": at, "margin": float(ordered[0] - ordered[1]), "strength": round(strength, 5),
                "kl": round(kl, 5), "candidates": proposed, "base_logprob": numbers(log_base), "reward": numbers(reward),
                "score": numbers(score),
            })
            spent += kl
            if proposed[at] == end:
                break
            chosen.append(proposed[at])
        print(json.dumps({
            "reward_model": kind, "messages": [{"role": "user", "content": question}], "preference": preference, "pad": pad,
            "fields": fields, "prompt_tokens": prompt, "tokens": chosen, "text": lanes.tokenizer.decode(chosen), "steps": steps,
        }, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
