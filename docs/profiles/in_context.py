"""What a user's choices do in the prompt, as weights, and as both: python in_context.py URL prompts.json > arms.json

The server needs `[profiles] in_context = 2` (or more) and a reward model that learns. Two simulated users choose between a plain and a
steered answer to the first prompts: one the shorter answer, one that with the lower reading grade. On the other prompts the arms are
compared: what is asked for (words, or grade), whether an answer still finds its own question among all (by `/v1/embeddings`), and how
many repeat four words in a row.
"""

import json
import re
import statistics
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

CHOICES, TESTS, SEEDS, LENGTH, AT_ONCE = 12, 20, (1, 2), 96, 10


def send(url, path, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, {"content-type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def answer(url, prompt, seed, **fields):
    body = {"messages": [{"role": "user", "content": prompt}], "max_tokens": LENGTH, "temperature": 0.7, "seed": seed, **fields}
    return send(url, "/v1/chat/completions", body)["choices"][0]["message"]["content"]


def words(text):
    return re.findall(r"[\w']+", text.lower())


def grade(text):
    """Flesch and Kincaid's grade, with syllables counted as groups of vowels."""
    all_words = words(text) or ["x"]
    sentences = max(1, len(re.findall(r"[.!?]+(?:\s|$)", text)))
    syllables = sum(max(1, len(re.findall(r"[aeiouy]+", word))) for word in all_words)
    return 0.39 * len(all_words) / sentences + 11.8 * syllables / len(all_words) - 15.59


def loops(text):
    found = words(text)
    fours = [tuple(found[at : at + 4]) for at in range(len(found) - 3)]
    return len(fours) - len(set(fours)) >= 3


def found(url, questions, answers):
    """The share of answers that are nearest to their own question."""
    vectors = lambda texts: [one["embedding"] for one in send(url, "/v1/embeddings", {"input": [text or " " for text in texts]})["data"]]
    asked, said = vectors(questions), vectors(answers)
    # What all texts of a kind have in common says nothing.
    center = lambda rows: [[x - m for x, m in zip(row, mean)] for mean in [[statistics.fmean(column) for column in zip(*rows)]] for row in rows]
    asked, said = center(asked), center(said)
    norm = lambda row: sum(x * x for x in row) ** 0.5 or 1
    cosine = lambda one, other: sum(x * y for x, y in zip(one, other)) / norm(one) / norm(other)
    best = [max(range(len(asked)), key=lambda at: cosine(asked[at], row)) for row in said]
    return sum(at == one for at, one in enumerate(best)) / len(best)


USERS = {
    "concise": ({"concise": 1}, lambda text: len(words(text)), "Answer in one short sentence."),
    "simple": ({"simple": 1}, grade, "Use simple words and short sentences."),
}


def main():
    url, prompts = sys.argv[1], json.load(open(sys.argv[2]))
    prompts = [one if isinstance(one, str) else one["prompt"] for one in prompts]
    learn, test = prompts[:CHOICES], prompts[CHOICES : CHOICES + TESTS]
    names = [one["name"] for one in send(url, "/v1/preferences")["data"]]
    table = {}
    for user, (steered, measure, told) in USERS.items():
        profile = f"/v1/preferences/profiles/study-{user}"
        send(url, profile, {"preference": {}}, "PUT")
        for at, prompt in enumerate(learn):
            pair = [answer(url, prompt, at, preference=preference) for preference in ({}, steered)]
            chosen, rejected = sorted(pair, key=measure)
            if chosen != rejected:
                body = {"messages": [{"role": "user", "content": prompt}], "chosen": chosen, "rejected": rejected}
                send(url, profile + "/feedback", body)
        learned = send(url, profile)["learned"]
        arms = {
            "base": lambda prompt, seed: answer(url, prompt, seed),
            "told": lambda prompt, seed: answer(url, f"{prompt}\n\n{told}", seed),
            "examples": lambda prompt, seed: answer(url, prompt, seed, preference={"profile": f"study-{user}", **dict.fromkeys(names, 0)}),
            "weights": lambda prompt, seed: answer(url, prompt, seed, preference=learned["weights"]),
            "both": lambda prompt, seed: answer(url, prompt, seed, preference={"profile": f"study-{user}"}),
        }
        rows = {}
        for arm, ask in arms.items():
            with ThreadPoolExecutor(AT_ONCE) as pool:
                answers = [list(pool.map(ask, test, [seed] * len(test))) for seed in SEEDS]
            flat = [text for texts in answers for text in texts]
            rows[arm] = {
                "mean": statistics.fmean(map(measure, flat)),
                "found": statistics.fmean(found(url, test, texts) for texts in answers),
                "loops": statistics.fmean(map(loops, flat)),
                "first": answers[0][:3],
            }
            print(user, arm, {key: value for key, value in rows[arm].items() if key != "first"}, file=sys.stderr)
        table[user] = {"learned": learned, "arms": rows}
        send(url, profile, method="DELETE")
    json.dump(table, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
