#!/usr/bin/env bash
# What the kernels do on an NVIDIA device: whether they are right, and how fast. In two calls, for a machine with a device need not have a
# compiler:
#
#   bench/gpu/run.sh build   # anywhere: needs cargo, python3 with pip, a C++ compiler; leaves target/gpu
#   bench/gpu/run.sh         # with a device and target/gpu, in the root of the repository; about seven minutes; prints one table
#
# The second call needs a driver for CUDA 13, python3 and, for the comparison, PyTorch. NVRTC is taken from target/gpu or, where it is too
# large to be carried (target/gpu/libnvrtc*), from the Python package that comes with PyTorch.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=target/gpu
shape=${SHAPE:-llama-3-8b}

if [ "${1:-}" = build ]; then
    .ci/cuda
    mkdir -p "$out"
    cp target/cuda/kernels.so "$out/"
    cargo build --release --locked --package pad --features cuda
    cp "${CARGO_TARGET_DIR:-target}/release/pad" "$out/"
    strip "$out/pad"
    # The name of a test's binary ends with a hash.
    for test in pad-kernels:cuda pad-device:device; do
        cargo test --locked --package "${test%:*}" --test "${test#*:}" --no-run --message-format=json \
            | python3 -c 'import json, sys; print([m["executable"] for m in map(json.loads, sys.stdin) if m.get("executable")][-1])' \
            | xargs -I BINARY cp BINARY "$out/test-${test#*:}"
    done
    python3 -m pip install -q --no-deps --no-compile --disable-pip-version-check --root-user-action=ignore --only-binary=:all: \
        --upgrade --target "$out/nvrtc" nvidia-cuda-nvrtc==13.0.88
    cp "$out"/nvrtc/nvidia/cu13/lib/libnvrtc.so.13 "$out"/nvrtc/nvidia/cu13/lib/libnvrtc-builtins.so.13.0 "$out/"
    rm -r "$out/nvrtc"
    pwd >"$out/root"
    du -sh "$out"
    exit
fi
[ $# = 0 ] || { sed -n '2,10s/^# \?//p' "$0" >&2; exit 2; }

packages=$(python3 -c 'import glob, os, sys
found = [f for path in sys.path for f in glob.glob(path + "/nvidia/**/libnvrtc.so.*", recursive=True)]
print(os.path.dirname(sorted(found)[-1]) if found else "")')
export LD_LIBRARY_PATH="$PWD/$out${packages:+:$packages}${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT
# Tests find their data where they were built.
root=$(cat "$out/root")
if [ ! -e "$root" ]; then
    mkdir -p "$(dirname "$root")"
    ln -s "$PWD" "$root"
fi

# Runs a part within so many seconds; what it says goes to a file, what failed to the table.
part() {
    local name=$1 seconds=$2
    shift 2
    if timeout "$seconds" "$@" >"$results/$name" 2>"$results/$name.log"; then
        echo ok >"$results/$name.state"
    else
        echo "failed ($?): $(tail -n 1 "$results/$name.log" | tr '|' ' ')" >"$results/$name.state"
    fi
}

nvidia-smi --query-gpu=name,memory.total,driver_version --format=csv,noheader >"$results/device" || true
tests() { (cd "crates/$1" && PAD_KERNELS_LIBRARY="$PWD/../../$out/kernels.so" exec "../../$out/test-$2" --test-threads 4); }
export -f tests
export out
part twins 100 bash -c 'tests pad-kernels cuda'
part families 80 bash -c 'tests pad-device device'
bench=("$out/pad" bench --random "$shape" --device cuda:0 --json)
part decode 150 "${bench[@]}" --sequences 1,8,32,128 --lanes 0,2 --prompt 64 --tokens 33 --rounds 3
part prefill 60 "${bench[@]}" --sequences 1 --lanes 0 --prompt 512,4096 --tokens 2 --rounds 3
part torch 80 python3 docs/performance/torch_pad.py --random "$shape"

python3 - "$results" "$shape" <<'PYTHON'
import json
import pathlib
import sys

results, shape = pathlib.Path(sys.argv[1]), sys.argv[2]
text = lambda name: (results / name).read_text() if (results / name).exists() else ""
state = lambda name: text(name + ".state").strip() or "not run"
device = text("device").strip() or "no device"
# Bytes per second that the device's memory gives, by its data sheet.
speed = next((speed for name, speed in (("H200", 4.8e12), ("H100", 3.35e12), ("A100", 2.0e12)) if name in device), None)
print(f"{device}; {shape} in bf16\n")
print("| part | |\n|---|---|")
for name in ("twins", "families", "decode", "prefill", "torch"):
    print(f"| {name} | {state(name)} |")

def read(name):
    try:
        return json.loads(text(name))
    except ValueError:
        return None

torch = {}
for line in text("torch").splitlines():
    cells = [cell.strip() for cell in line.strip("|").split("|")]
    if len(cells) == 3 and cells[0].isdigit():
        torch[int(cells[0]), int(cells[1])] = float(cells[2])
if decode := read("decode"):
    floor = decode["about"]["weights_mib"] * 2**20 / speed * 1e3 if speed else None
    print("\n| sequences | reward lanes | ms a step | of the memory floor | of plain | PyTorch, ms | times PyTorch |")
    print("|---:|---:|---:|---:|---:|---:|---:|")
    plain = {}
    for case in decode["cases"]:
        sequences, lanes = case["sequences"], case["lanes"]
        step = 1e3 * sequences / case["decode"]
        plain.setdefault(sequences, step)
        other = torch.get((sequences, lanes))
        other = 1e3 * sequences / other if other else None
        cells = (f"{step:.2f}", f"{floor / step:.0%}" if floor else "-", f"{plain[sequences] / step:.2f}",
                 f"{other:.2f}" if other else "-", f"{other / step:.2f}" if other else "-")
        print(f"| {sequences} | {lanes} | {' | '.join(cells)} |")
if prefill := read("prefill"):
    print("\n| prompt | tokens/s | ms |\n|---:|---:|---:|")
    for case in prefill["cases"]:
        print(f"| {case['prompt']} | {case['prefill']:.0f} | {1e3 * case['prompt'] / case['prefill']:.1f} |")
PYTHON
