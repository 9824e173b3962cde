"""Answers of a served model with their features and two independent scores, for `crates/pad-learning/examples/simulated_users.rs`.

Each prompt gets 12 answers: 3 of the base model, and 9 under random weights of one or two dimensions. The features are what
`POST /v1/rewards` returns; `words` and `sentiment` (VADER, without exclamation marks) do not depend on the reward model.

    pad serve --port 8080 &
    pip install vaderSentiment==3.3.2
    python docs/profiles/answers.py http://127.0.0.1:8080 docs/profiles/prompts.json > answers.jsonl
"""

import json
import random
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

UNSTEERED, STEERED = 3, 9
MAX_TOKENS = 64
AT_ONCE = 24

SENTIMENT = SentimentIntensityAnalyzer()


def call(server, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(server + path, data, {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=600) as answer:
        return json.load(answer)


def some_weights(dimensions, draws):
    chosen = draws.sample(dimensions, draws.choice([1, 2]))
    return {name: round(draws.uniform(-1.5, 1.5), 2) for name in chosen}


def answer(server, prompt, question, weights, seed):
    messages = [{"role": "user", "content": question}]
    body = {"messages": messages, "preference": weights, "seed": seed, "temperature": 0.8, "max_tokens": MAX_TOKENS}
    choice = call(server, "/v1/chat/completions", body)["choices"][0]
    text = choice["message"]["content"]
    told = [*messages, {"role": "assistant", "content": text}]
    rewards = call(server, "/v1/rewards", {"messages": told, "complete": choice["finish_reason"] == "stop"})
    scores = {"words": float(len(text.split())), "sentiment": SENTIMENT.polarity_scores(text.replace("!", ""))["compound"]}
    return {"prompt": prompt, "weights": weights, "text": text, "features": list(rewards["dimensions"].values()), "scores": scores}


def main():
    server, path = sys.argv[1:]
    dimensions = [dimension["name"] for dimension in call(server, "/v1/preferences")["data"]]
    draws, jobs = random.Random(16), []
    for prompt, question in enumerate(json.load(open(path))):
        for at in range(UNSTEERED + STEERED):
            weights = {} if at < UNSTEERED else some_weights(dimensions, draws)
            jobs.append((server, prompt, question, weights, 1000 * prompt + at))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for line in pool.map(lambda job: answer(*job), jobs):
            print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
