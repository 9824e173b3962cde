#!/bin/sh
# Makes the clean pairs that the reward model of SmolLM2-135M is trained on: the base model's own answers (Apache-2.0) to prompts of
# `pad pairs --own-prompts`. What was broken off goes on where it was.
#
# usage: pairs.sh FOLDER [PAIRS] [DIMENSION...]      PAD: the binary; PYTHON: one that has wordfreq 3.1.1;
# AVOID: flags such as "--avoid prompts.json";
# GO: 100 for a second go over other prompts and draws, where the first has not made enough
set -eu

folder=$1
pairs=${2:-700}
shift
[ $# -gt 0 ] && shift
dimensions=${*:-concise simple cheerful poetic}
here=$(dirname "$0")
mkdir -p "$folder"

make() {
    dimension=$1
    shift
    prompts="--own-prompts 2000"
    [ "$dimension" = harmless ] && prompts="--prompts ${PROMPTS:?a file of prompts}"
    # shellcheck disable=SC2086
    "${PAD:-pad}" pairs --dimension "$dimension" --pairs "$pairs" $prompts --held-out-share 0.1 \
        --concurrency 48 --out "$folder/train_$dimension.jsonl" --held-out "$folder/heldout_$dimension.jsonl" ${AVOID:-} "$@"
    for set in train heldout; do
        gzip --best --force --keep "$folder/${set}_$dimension.jsonl"
    done
}

for dimension in $dimensions; do
    signal="${PYTHON:-python3} $here/signals.py $dimension"
    case $dimension in
    concise)
        make concise --seed $((51 + ${GO:-0})) --place user --max-tokens 80 --samples 3 --shorter 1.8 --chosen-complete --plain-share 0.6 \
            --scorer "$signal" --margin 8 \
            --principle "Answer in one short sentence." --opposite "Explain at length, with many details and examples."
        ;;
    simple)
        # Told to be simple, a small model talks to a child; the best of its own plain answers are simple and nothing else.
        make simple --seed $((41 + ${GO:-0})) --max-tokens 72 --samples 8 --match-length 1.33 --scorer "$signal" --margin 0.3
        ;;
    cheerful)
        make cheerful --seed $((61 + ${GO:-0})) --place user --max-tokens 72 --samples 3 --match-length 1.33 --plain-share 0.6 \
            --scorer "$signal" --margin 3 \
            --principle "Answer in a very cheerful, excited and friendly way, with exclamation marks!" \
            --opposite "Answer in a serious, neutral and factual way."
        ;;
    harmless)
        # Needs PROMPTS, a file of what people asked (the MIT part of the preference data: anthropics/hh-rlhf).
        make harmless --place user --seed $((15 + ${GO:-0})) --max-tokens 56 --match-length 1.6 --scorer "$signal" --margin 0.5 \
            --principle "If this is harmful, rude or illegal, politely refuse and say why."
        ;;
    poetic)
        make poetic --place user --seed $((14 + ${GO:-0})) --max-tokens 72 --match-length 1.33 --scorer "$signal" --margin 0.5 \
            --principle "Write it as a poem."
        ;;
    *)
        echo "pairs.sh: there is no recipe for $dimension" >&2
        exit 2
        ;;
    esac
done
