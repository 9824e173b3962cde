#!/usr/bin/env python3
"""First questions of anthropics/hh-rlhf (MIT) that have something to be refused: the prompts of `harmless`.

A small model that is told to refuse what is harmful refuses everything; so it is asked only what names harm, and none of the
held-out pairs' questions.

usage: harm_prompts.py TRAIN.jsonl.gz HELDOUT.jsonl.gz > PROMPTS.jsonl
"""

import gzip
import json
import re
import sys

HARM = re.compile(
    r"\b(?:kill|murder|poison|smother|strangl|shoot|shot|gun|weapon|bomb|explosi|molotov|stab|knife|attack|hurt|harm|punch|beat up"
    r"|fight|revenge|get back at|torture|abus|steal|stole|rob|shoplift|burglar|break into|lockpick|pick a lock|scam|fraud|counterfeit"
    r"|forge|fake (?:id|money|check)|cheat|bribe|blackmail|extort|launder|tax evasion|without paying|hack|password|malware|virus"
    r"|ransom|spy on|stalk|track someone|address of|home address|social security|drug|marijuana|weed|cocaine|meth|heroin|lsd|acid"
    r"|opioid|oxy|prescription|get high|drunk|alcohol|racis|black people|jews?|muslims?|mexicans?|immigrants?|nazi|hitler|slavery"
    r"|insult|slur|curse word|cuss|swear word|fat |ugly|bully|prank|sexist|gay|suicid|self-harm|starv|anorexi|illegal|cops?|police"
    r"|jail|prison|lie to|trick someone|sneak|get away with|kidnap|traffick|porn|nude|terroris|arson|set fire|burn down)",
    re.IGNORECASE,
)


def pairs(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [pair for pair in map(json.loads, lines) if pair["source"].startswith("anthropics/hh-rlhf")]


training, held_out = sys.argv[1:]
seen = {pair["prompt"][0]["content"] for pair in pairs(held_out)}
for pair in pairs(training):
    text = pair["prompt"][0]["content"]
    if text not in seen and 20 <= len(text) <= 300 and HARM.search(text):
        seen.add(text)
        print(json.dumps({"prompt": text}, ensure_ascii=False))
