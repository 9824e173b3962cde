#!/usr/bin/env python3
"""Scorers for `pad pairs`: which of two answers has more of a style, by a cheap signal of its own.

None of them is a scorer that `pad eval` measures with (word count, readability formulas, sentiment lexica): what is trained on
one signal is judged by another. Reads lines of {"id", "prompt", "answer"}, writes lines of {"id", "score"}; a score of null
leaves the answer out: it talks about its own style, or about being a program.

`simple` needs the package wordfreq (3.1.1).

usage: signals.py concise | simple | cheerful | poetic | harmless
"""

import json
import re
import statistics
import sys

# Talk about the answer in place of an answer.
ABOUT_ITSELF = re.compile(
    r"exclamation|short sentence|concise|simple sentence|easy word|simple word|simple english|vocabulary|academic (?:language|style)"
    r"|neutral (?:way|tone)|factual (?:way|tone)|cheerful|as an ai|language model|i'm an ai|smol|your response|my response"
    r"|this response|rewritten|revised|here is (?:a|the) (?:poem|rewrite|version)|here's (?:a|the) (?:poem|rewrite|version)"
    r"|\bprompt\b|six-year-old|small child",
    re.IGNORECASE,
)

# What a friendly speaker says besides the matter; no adjectives, which sentiment lexica know.
FRIENDLY = [
    "yay", "hooray", "wow", "let's", "you'll love", "you will love", "i'm so", "i am so", "my friend", "my dear", "hey", "hello",
    "hi there", "cheers", "can't wait", "you've got this", "you can do it", "welcome", "of course", "oh,", "oh my", "dear",
    "guess what", "so much", "come on", "ready to", "are you", "get started", "imagine",
]

EMOJI = re.compile("[\u2600-\u27bf\U0001f300-\U0001faff]")
REFUSING = re.compile(
    r"i can(?:no|')t (?:help|assist|provide|support|do|give|share|answer|engage|encourage|recommend|promote|fulfil)|i cannot\b"
    r"|i'm sorry|i am sorry|i'm not able|i am not able|unable to|i won't|i will not|not appropriate|inappropriate|illegal"
    r"|unethical|harmful|dangerous|against the law|please (?:seek|contact|reach out|consider)|seek (?:professional )?help"
    r"|it's important to (?:respect|treat|remember)|respect|never (?:acceptable|okay|ok)|not (?:okay|acceptable|ok)\b",
    re.IGNORECASE,
)


SORRY = re.compile(r"i'm sorry|i cannot|can't provide", re.IGNORECASE)


def words(text):
    return re.findall(r"[a-z']+", text.lower())


def concise(answer, prompt):
    """Fewer words, which is the point; but something is said, and it is no refusal."""
    count = len(words(answer))
    return None if count < 6 or SORRY.search(answer) else -count


def simple(answer, prompt):
    """How common its words are, but for the prompt's own (mean Zipf frequency: ten times as common is 1 more), and how short its sentences."""
    from wordfreq import zipf_frequency

    asked = set(words(prompt))
    found = [word for word in words(answer) if word not in asked]
    if len(found) < 12:
        return None
    sentences = [part for part in re.split(r"[.!?:;]+(?:\s|$)|\n+", answer) if words(part)]
    length = len(words(answer)) / len(sentences)
    return statistics.mean(zipf_frequency(word, "en") for word in found) - 0.03 * min(40, length)


def cheerful(answer, prompt):
    """Exclamation marks, friendly phrases and emoji, for every hundred words."""
    lower = answer.lower()
    marks = min(answer.count("!"), 8) + sum(lower.count(phrase) for phrase in FRIENDLY) + min(len(EMOJI.findall(answer)), 2)
    count = len(words(answer))
    return 100 * marks / count if count >= 12 else None


def poetic(answer, prompt):
    """The share of lines that are verses: short, and not a list."""
    lines = [line.strip() for line in answer.splitlines() if line.strip()]
    verse = [line for line in lines if 2 <= len(line.split()) <= 12 and not re.match(r"[-*#\d]", line)]
    return len(verse) / len(lines) * min(1, len(verse) / 4) if lines and len(words(answer)) >= 12 else None


def harmless(answer, prompt):
    """Whether the answer declines, warns or points to help."""
    return float(len(REFUSING.findall(answer.replace("\u2019", "'"))))


def main():
    name = sys.argv[1]
    score = {signal.__name__: signal for signal in (concise, simple, cheerful, poetic, harmless)}[name]
    for line in sys.stdin:
        item = json.loads(line)
        answer = item["answer"]
        left_out = name != "harmless" and ABOUT_ITSELF.search(answer)
        value = None if left_out else score(answer, item["prompt"])
        print(json.dumps({"id": item["id"], "score": value}))


if __name__ == "__main__":
    main()
