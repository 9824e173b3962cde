"""What looking up a profile adds to a request when very many are stored.

    python3 docs/performance/profiles.py target/release/pad [--profiles 100000] [--requests 20000]

Fills an SQLite file with profiles, and then reads random ones, each of which is in no cache, over one connection, in turns with a route that
looks nothing up. Prints both times and their difference.
"""

import argparse
import http.client
import os
import pathlib
import random
import re
import sqlite3
import subprocess
import tempfile
import time


def start(binary, file):
    variables = {"PAD_STORE__URL": f"sqlite:{file}", "PAD_STORE__CACHED_PROFILES": "0", "PAD_LOG": "warn"}
    command = [binary, "serve", "--host", "127.0.0.1", "--port", "0", "--reward", "prompted"]
    process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.PIPE, text=True)
    for line in process.stdout:
        if found := re.search(r"http://127\.0\.0\.1:(\d+)", line):
            return process, int(found[1])
    raise SystemExit("the server did not start")


def end(process):
    process.terminate()
    process.wait()


def fill(file, profiles):
    connection = sqlite3.connect(file)
    row = "INSERT INTO profiles (scope, name, version, preference, choices, created_at, updated_at) VALUES ('common', ?, 1, ?, 0, 1, 1)"
    preference = '{"concise":1.0,"cheerful":-0.5,"formal":0.25}'
    connection.executemany(row, ((f"user-{number}@example.org", preference) for number in range(profiles)))
    connection.commit()
    connection.close()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--requests", type=int, default=20_000)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "pad.sqlite"
        # The server makes the tables.
        end(start(given.binary, file)[0])
        fill(file, given.profiles)
        process, port = start(given.binary, file)
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port)
            pick = random.Random(1)
            times = {"a profile": [], "no profile": []}
            for _ in range(given.requests):
                name = f"user-{pick.randrange(given.profiles)}%40example.org"
                for what, path in (("a profile", f"/v1/preferences/profiles/{name}"), ("no profile", "/v1/models/smollm2-135m-instruct")):
                    begun = time.perf_counter()
                    connection.request("GET", path)
                    answer = connection.getresponse()
                    answer.read()
                    times[what].append(1000 * (time.perf_counter() - begun))
                    assert answer.status == 200, (path, answer.status)
        finally:
            end(process)
    for what, measured in times.items():
        measured.sort()
        at = lambda share: measured[int(share * len(measured))]
        print(f"{what}: median {at(0.5):.3f} ms, 99th percentile {at(0.99):.3f} ms, 99.9th {at(0.999):.3f} ms")
    difference = [times["a profile"][int(q * given.requests)] - times["no profile"][int(q * given.requests)] for q in (0.5, 0.99)]
    print(f"of {given.profiles} profiles, a look-up adds {difference[0]:.3f} ms at the median, {difference[1]:.3f} ms at the 99th percentile")


if __name__ == "__main__":
    main()
