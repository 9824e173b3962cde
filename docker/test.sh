#!/usr/bin/env bash
# Builds the image from docker/Dockerfile, runs it with the options of docker/compose.yaml, and checks what an operator relies on.
#
#   docker/test.sh                                                     with Docker
#   ENGINE=podman BUILD="buildah bud --isolation chroot" docker/test.sh   with podman, without a daemon
#
# BUILD: the command that builds. RUN: options for every container, such as `--runtime runc`. MODELS: a folder of fetched models
# (~/.cache/pad) that is copied into the volume, where the container cannot fetch any. IMAGE: an image that is there; nothing is built.
# MODEL: what is served (smollm2-135m, which answers 20 streams in time on two cores).
# TOKENS: length of the 20 streams (300), which must end within the server's 30 seconds; fewer where the machine is busy.
# Needs python3 and curl. Everything that it starts is removed at the end.
set -euo pipefail
cd "$(dirname "$0")/.."
engine=${ENGINE:-docker}
read -ra build <<< "${BUILD:-$engine build}"
read -ra options <<< "${RUN:-}"
name=pad-test-$$ volume=pad-test-$$ port=${PORT:-18080}
trap '$engine rm -f "$name" >/dev/null 2>&1 || true; $engine volume rm -f "$volume" >/dev/null 2>&1 || true' EXIT

say() { printf '%-46s %s\n' "$1" "$2"; }
fail() { echo "FAILED: $1" >&2; $engine logs "$name" 2>&1 | tail -20 >&2 || true; exit 1; }
since() { printf '%s s' $((SECONDS - $1)); }

if [ -z "${IMAGE:-}" ]; then
  begun=$SECONDS IMAGE=pad-server-test
  "${build[@]}" -f docker/Dockerfile -t "$IMAGE" .
  say "built in" "$(since $begun)"
fi
bytes=$($engine image inspect --format '{{.Size}}' "$IMAGE")
say "image" "$((bytes / 1000000)) MB"
[ "$bytes" -lt 200000000 ] || say "image" "larger than 200 MB"
[ "$($engine image inspect --format '{{.Config.User}}' "$IMAGE")" = 10001 ] || fail "the image runs as root"

$engine volume create "$volume" >/dev/null
if [ -n "${MODELS:-}" ]; then
  $engine run --rm "${options[@]}" --user 0 --entrypoint sh -v "$volume:/var/lib/pad" -v "$MODELS:/models:ro" "$IMAGE" \
    -c 'cp -r /models/. /var/lib/pad/ && chown -R pad:pad /var/lib/pad'
fi

# The options of compose.yaml.
start() {
  $engine run -d --name "$name" "${options[@]}" --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges \
    -v "$volume:/var/lib/pad" -p "127.0.0.1:$port:8080" -e PAD_ENGINE__KV_MEMORY="256 MiB" \
    -e PAD_MODEL="${MODEL:-smollm2-135m}" "$IMAGE" >/dev/null
}
url=http://127.0.0.1:$port
ready() {
  local begun=$SECONDS
  until curl -fsS -m 2 "$url/ready" >/dev/null 2>&1; do
    [ $((SECONDS - begun)) -lt 300 ] || fail "the server is not ready within 300 s"
    [ "$($engine inspect --format '{{.State.Running}}' "$name")" = true ] || fail "the container ended"
    sleep 0.2
  done
  say "$1" "$(since $begun)"
}
start
ready "ready after the first start in"
$engine exec "$name" pad health >/dev/null || fail "pad health in the container"
say "pad health" "ok"

question='{"messages": [{"role": "user", "content": "What is a volcano?"}], "max_tokens": 24, "temperature": 0'
plain=$(curl -fsS "$url/v1/chat/completions" -H 'Content-Type: application/json' -d "$question}")
steered=$(curl -fsS "$url/v1/chat/completions" -H 'Content-Type: application/json' -d "$question, \"preference\": {\"concise\": 2}}")
python3 - "$plain" "$steered" <<'PYTHON' || fail "a preference makes no difference"
import json, sys
plain, steered = (json.loads(text)["choices"][0]["message"]["content"] for text in sys.argv[1:])
sys.exit(plain == steered)
PYTHON
say "a preference changes the answer" "ok"
curl -fsS -X PUT "$url/v1/preferences/profiles/alice" -H 'Content-Type: application/json' -d '{"preference": {"concise": 1}}' >/dev/null \
  || fail "a profile cannot be stored"

user=$($engine exec "$name" sh -c 'id -u'); [ "$user" != 0 ] || fail "the server runs as root"
writable=$($engine exec "$name" sh -c 'for d in / /usr /etc /var /tmp /var/lib/pad /home; do [ -w $d ] && echo $d; done; true' | paste -sd' ')
say "runs as uid; may write to" "$user; $writable"
[ "$writable" = "/tmp /var/lib/pad" ] || fail "it may write to $writable"
setuid=$($engine exec "$name" sh -c 'find / -xdev -perm /6000 -type f 2>/dev/null | paste -sd" "')
[ -z "$setuid" ] || fail "setuid or setgid programs: $setuid"
say "setuid and setgid programs" "none"

# SIGTERM under load: what was being answered is answered to its end.
python3 docker/streams.py "$url" 20 "${TOKENS:-300}" > "/tmp/$name.streams" &
load=$!
until curl -fsS "$url/metrics" | grep -E '^vllm:num_requests_running' | grep -qvE ' 0(\.0)?$'; do sleep 0.1; done
sleep 0.5
begun=$SECONDS
$engine stop -t 60 "$name" >/dev/null
wait $load || true
lost=$(cat "/tmp/$name.streams"); rm -f "/tmp/$name.streams"
say "stopped under 20 streams in" "$(since $begun); $lost"
code=$($engine inspect --format '{{.State.ExitCode}}' "$name")
say "exit code" "$code"
[ "$code" = 0 ] || fail "it was ended before its streams were"
[[ "$lost" == *" 0 lost"* ]] || fail "answers were lost"

$engine rm "$name" >/dev/null
start
ready "ready after the second start in"
curl -fsS "$url/v1/preferences/profiles/alice" >/dev/null || fail "the profile did not outlive the container"
say "what was stored outlives the container" "ok"
$engine stop -t 10 "$name" >/dev/null
echo "ok"
