#!/usr/bin/env python3
"""Adds the human pairs of anthropics/hh-rlhf (MIT) to the pairs of `harmless`: those whose better answer declines or warns more.

The others are left out: which of two evasive answers somebody preferred is noise to a small model.

usage: human_pairs.py FROM.jsonl.gz TO.jsonl [ALL]      ALL: without that rule, for held-out pairs
"""

import gzip
import json
import sys

from signals import harmless

source, target, *everything = sys.argv[1:]
with gzip.open(source, "rt", encoding="utf-8") as lines, open(target, "a", encoding="utf-8") as out:
    for line in lines:
        pair = json.loads(line)
        if not pair["source"].startswith("anthropics/hh-rlhf"):
            continue
        if everything or harmless(pair["chosen"], "") > harmless(pair["rejected"], ""):
            out.write(json.dumps(pair, ensure_ascii=False) + "\n")
