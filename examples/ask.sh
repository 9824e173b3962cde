#!/usr/bin/env bash
# One question, plain and steered; then a stream.
set -euo pipefail
url=${PAD_URL:-http://localhost:8080}

ask() { # ask EXTRA_FIELDS
    curl -sS --fail-with-body -N "$url/v1/chat/completions" -H 'content-type: application/json' -d '{
        "messages": [{"role": "user", "content": "How do I get a stain out of a cotton shirt?"}],
        "temperature": 0, "max_tokens": 40'"$1"'}'
    echo
}

curl -sS --fail-with-body "$url/v1/preferences"
echo
ask ''
ask ', "preference": {"concise": 2}'
ask ', "preference": {"concise": 2}, "stream": true'
