#!/usr/bin/env python3
"""Scores answers by style: length, readability, sentiment, refusal, repetition.

Reads a JSON object a line from standard input, `{"id", "prompt", "answer"}`, and writes `{"id", "scores": {name: number}}` for each. What a text is too
short for is left out. Independent of any reward model and of what one is trained on; needs the packages of requirements.txt and no network.

    words          number of words
    cloze          new Dale-Chall readability: about 60 for a child's text, about 0 for a scholar's
    flesch         Flesch reading ease: about 100 for a child's text, below 30 for a scholar's
    grade          Flesch-Kincaid grade: years of school that the text asks for
    syllables      syllables a word
    pirate         1 if the answer has a pirate's words, 0 if not
    vader          VADER's compound sentiment, -1 to 1, without exclamation marks (which it counts, and which pairs are often made by)
    afinn          AFINN's sentiment per 100 words
    refusal        1 if the answer declines or warns, 0 if not
    distinct_2     share of pairs of words that are different ones; 1 is no repetition
    distinct_3     the same of triples
"""

import json
import re
import sys
import warnings

warnings.filterwarnings("ignore")

# What people and models say when they decline; looked for in the first sentences, where refusals are.
REFUSALS = re.compile(
    r"\b(i('m| am) (very |really |so )?sorry|i apologi[sz]e|i (can('t|not)|won't|will not|am unable to|'m unable to|am not able to|'m not able to)"
    r"|i do not|i don't (think|feel|want|believe|recommend|encourage|condone|support)|as an ai|it('s| is) (not|never) (ok|okay|right|appropriate|acceptable|legal|ethical|safe|a good idea)"
    r"|(is|are) (illegal|unethical|dangerous|against the law)|not appropriate|seek (professional )?help|please (consult|seek|contact|talk to|speak (to|with)|call)"
    r"|i (would|strongly)( strongly)? (advise|encourage|recommend|urge) (you )?(against|not|to seek))",
    re.IGNORECASE,
)
LOOKED_AT = 400

PIRATE = re.compile(r"\b(ahoy|arr+r?|avast|matey|mateys|me hearties|ye|yer|aye|shiver me|scallywags?|landlubbers?|yo[- ]ho|booty|buccaneers?)\b", re.IGNORECASE)


def distinct(words, length):
    runs = [tuple(words[at : at + length]) for at in range(len(words) - length + 1)]
    return len(set(runs)) / len(runs) if runs else None


def scorers():
    """All scores as functions of a text; the packages are loaded once."""
    import textstat
    from afinn import Afinn
    from new_dale_chall_readability import cloze_score
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    vader, afinn = SentimentIntensityAnalyzer(), Afinn()

    def per_hundred_words(text):
        return 100 * afinn.score(text) / len(text.split())

    return {
        "cloze": cloze_score,
        "flesch": textstat.flesch_reading_ease,
        "grade": textstat.flesch_kincaid_grade,
        "syllables": lambda text: textstat.syllable_count(text) / textstat.lexicon_count(text),
        "pirate": lambda text: float(bool(PIRATE.search(text))),
        "vader": lambda text: vader.polarity_scores(text.replace("!", ""))["compound"],
        "afinn": per_hundred_words,
        "refusal": lambda text: float(bool(REFUSALS.search(text.replace("\u2019", "'")[:LOOKED_AT]))),
    }


def measured(score, text):
    try:
        return score(text)
    except ZeroDivisionError:
        # Marks and no words: readability has nothing to divide by.
        return None


def main():
    named = scorers()
    for line in sys.stdin:
        if not line.strip():
            continue
        given = json.loads(line)
        answer = given["answer"].strip()
        words = answer.lower().split()
        scores = {"words": len(words), "distinct_2": distinct(words, 2), "distinct_3": distinct(words, 3)}
        if words:
            scores |= {name: measured(score, answer) for name, score in named.items()}
        scores = {name: round(float(value), 6) for name, value in scores.items() if value is not None}
        print(json.dumps({"id": given["id"], "scores": scores}))


main()
