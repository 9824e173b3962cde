"""Streams answers until the server ends: python3 streams.py URL COUNT TOKENS. Prints how many were begun, complete and lost."""

import json
import sys
import threading
import urllib.request

url, count, tokens = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
outcomes = []


def stream(seed):
    body = {"messages": [{"role": "user", "content": "Tell me a story."}], "max_tokens": tokens, "seed": seed, "stream": True,
            "preference": {"cheerful": 1}, "ignore_eos": True}
    request = urllib.request.Request(url + "/v1/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    lines = []
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            lines = [line for line in answer if line.startswith(b"data:")]
    except OSError as error:
        print(error, file=sys.stderr)
    outcomes.append(bool(lines) and lines[-1].strip() == b"data: [DONE]" and b"error" not in lines[-2])


threads = [threading.Thread(target=stream, args=(seed,)) for seed in range(count)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
complete = sum(outcomes)
print(f"{count} streams, {complete} complete, {count - complete} lost")
