"""Three servers behind HAProxy with docker/haproxy.cfg, under load: affinity, conversations that go from server to server over a shared
PostgreSQL, a drained server, a killed one, a rolling restart.

    cargo build --release && python3 tests/scale.py target/release/pad [--prometheus]

Needs `haproxy`, `postgresql`, and `prometheus` for the figures (Debian has all of them). All processes listen on 127.0.0.1 and end with the script.
"""

import argparse
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
LAME_DUCK = 4
DRAIN = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def get(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    except OSError:
        return 0, ""
    finally:
        connection.close()


def wait(what, condition, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    sys.exit(f"waited {seconds} s until {what}")


class Database:
    """PostgreSQL in a folder of its own; as root it runs as the account of Debian's package."""

    def __init__(self, folder):
        versions = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        if not versions:
            sys.exit("needs postgresql")
        programs, data = versions[-1], folder / "database"
        self.port, account = free_port(), []
        folder.chmod(0o711)
        data.mkdir()
        if os.getuid() == 0:
            account = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
            shutil.chown(data, "postgres")
        initdb = [*account, programs / "initdb", "--auth=trust", "--username=pad", "--encoding=UTF8", "--pgdata", data]
        subprocess.run(initdb, check=True, stdout=subprocess.DEVNULL)
        server = [*account, programs / "postgres", "-D", data, "-k", data, "-p", str(self.port), "-h", "127.0.0.1"]
        self.process = subprocess.Popen(server, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        wait("PostgreSQL answers", lambda: subprocess.run(ready).returncode == 0)

    def url(self):
        return f"postgres://pad@127.0.0.1:{self.port}/postgres"

    def end(self):
        self.process.send_signal(signal.SIGINT)
        self.process.wait()


class Replica:
    def __init__(self, binary, name, store):
        self.binary, self.name, self.store, self.port, self.process = binary, name, store, free_port(), None

    def start(self):
        variables = {
            "PAD_SERVER__LAME_DUCK_SECONDS": str(LAME_DUCK),
            "PAD_SERVER__DRAIN_SECONDS": str(DRAIN),
            "PAD_LOG": "warn",
            "PAD_STORE__URL": self.store,
        }
        # What is tried is the routing: the smallest model is enough.
        command = [self.binary, "serve", "--model", "smollm2-135m", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = subprocess.Popen(command, env={**os.environ, **variables}, stdout=subprocess.DEVNULL)
        wait(f"{self.name} is ready", lambda: get(self.port, "/ready")[0] == 200)

    def end(self, sign):
        self.process.send_signal(sign)
        return self.process.wait(timeout=LAME_DUCK + DRAIN + 30)


def stream(port, user, tokens):
    """The text of a streamed answer, or why there is none."""
    body = {
        "messages": [{"role": "user", "content": f"Tell {user} a story."}],
        "preference": {"concise": 0.5}, "seed": 7, "max_tokens": tokens, "stream": True, "user": user,
    }
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=300)
    try:
        connection.request("POST", "/v1/chat/completions", json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            return None, f"status {answer.status}: {answer.read()[:200]!r}"
        text, done = "", False
        for line in answer:
            line = line.strip()
            if line == b"data: [DONE]":
                done = True
            elif line.startswith(b"data: "):
                event = json.loads(line[6:])
                if "error" in event:
                    return None, event["error"]["message"]
                for choice in event["choices"]:
                    text += choice["delta"].get("content") or ""
        return (text, None) if done else (None, "the stream broke off")
    except (OSError, http.client.HTTPException) as error:
        return None, repr(error)
    finally:
        connection.close()


def respond(port, text, previous):
    """A response and the server that made it, or why there is none."""
    body = {"input": text, "previous_response_id": previous, "max_output_tokens": 4}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", "/v1/responses", json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def conversations(router, replicas, rounds=20):
    """How many second turns are answered by another server than the first, and how many of them know the first."""
    known = moved = 0
    for number in range(rounds):
        counts = [metric(get(r.port, "/metrics")[1], "vllm:request_success_total") for r in replicas]
        status, first = respond(router, f"My number is {number}.", None)
        assert status == 200, first
        after = [metric(get(r.port, "/metrics")[1], "vllm:request_success_total") for r in replicas]
        maker = [one != two for one, two in zip(counts, after)].index(True)
        # Straight to another one: the router may send it to the same server.
        other = replicas[(maker + 1 + number % 2) % len(replicas)].port if number % 2 else router
        status, second = respond(other, "What is my number?", first["id"])
        again = [metric(get(r.port, "/metrics")[1], "vllm:request_success_total") for r in replicas]
        moved += status == 200 and [one != two for one, two in zip(after, again)].index(True) != maker
        known += status == 200 and second["usage"]["input_tokens"] > first["usage"]["input_tokens"]
    print(f"conversations over several servers: {known} of {rounds} second turns know the first; {moved} by another server")
    return known == rounds and moved >= rounds // 2


class Load:
    """So many clients, each of a user, that ask again and again until told to stop."""

    def __init__(self, port, clients, tokens):
        self.answers, self.failures, self.stop = 0, [], threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(port, f"user {n}", tokens)) for n in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, port, user, tokens):
        while not self.stop.is_set():
            text, why = stream(port, user, tokens)
            with self.lock:
                if text is None:
                    self.failures.append(why)
                else:
                    self.answers += 1

    def end(self):
        self.stop.set()
        for thread in self.threads:
            thread.join()
        return self.answers, self.failures


def running(replica):
    return json.loads(get(replica.port, "/health")[1])["engine"]["running"]


def through_and_past(router, replica, rounds=200):
    """Median milliseconds of a small request through the router and straight to a server, in turns."""
    times = {router: [], replica: []}
    for _ in range(rounds):
        for port, measured in times.items():
            begun = time.perf_counter()
            assert get(port, "/v1/models")[0] == 200
            measured.append(1000 * (time.perf_counter() - begun))
    return [statistics.median(measured) for measured in times.values()]


def metric(page, name):
    return sum(float(line.rsplit(" ", 1)[1]) for line in page.splitlines() if line.startswith((name + "{", name + " ")))


def prometheus_sees(folder, replicas, answers):
    """Counters as a real Prometheus scraped them equal what the load did; every query of the dashboard gives data."""
    port = free_port()
    targets = ", ".join(f"'127.0.0.1:{replica.port}'" for replica in replicas)
    (folder / "alerts.yml").write_text((ROOT / "docker/observability/alerts.yml").read_text())
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [alerts.yml]\n"
        f"scrape_configs: [{{job_name: pad, static_configs: [{{targets: [{targets}]}}]}}]\n"
    )
    command = ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
               f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    process = subprocess.Popen(command)
    try:
        def ask(query):
            status, text = get(port, "/api/v1/query?" + urllib.parse.urlencode({"query": query}))
            return json.loads(text)["data"]["result"] if status == 200 else []

        wait("Prometheus has read all servers", lambda: len(ask("up == 1")) == len(replicas))
        before = sum(float(row["value"][1]) for row in ask("vllm:request_success_total"))
        asked = sum(1 for n in range(answers) if stream(replicas[n % 3].port, f"user {n}", 8)[0] is not None)
        count = lambda: sum(float(row["value"][1]) for row in ask("vllm:request_success_total")) - before
        wait(f"Prometheus counts {asked} answers", lambda: count() == asked, 20)
        time.sleep(3)
        dashboard = json.loads((ROOT / "docker/observability/grafana/pad.json").read_text())
        empty = []
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                query = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "30s")
                # Nothing was refused: a label that was never set has no series.
                if not ask(query) and "refused" not in query:
                    empty.append((panel["title"], query))
        rules = json.loads(get(port, "/api/v1/rules")[1])["data"]["groups"]
        unhealthy = [rule["name"] for group in rules for rule in group["rules"] if rule["health"] != "ok"]
        print(f"Prometheus: {asked} answers counted; queries without data: {empty or 'none'}; broken alerts: {unhealthy or 'none'}")
        return not empty and not unhealthy
    finally:
        process.terminate()
        process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("binary")
    parser.add_argument("--clients", type=int, default=60)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--prometheus", action="store_true")
    given = parser.parse_args()
    if not shutil.which("haproxy"):
        sys.exit("needs haproxy")
    router, database, replicas, well = None, None, [], True
    folder = pathlib.Path(tempfile.mkdtemp())
    try:
        database = Database(folder)
        replicas = [Replica(given.binary, name, database.url()) for name in ("one", "two", "three")]
        for replica in replicas:
            replica.start()
        port = free_port()
        variables = {"PAD_BIND": f"127.0.0.1:{port}"}
        variables.update({f"PAD_REPLICA_{n + 1}": f"127.0.0.1:{replica.port}" for n, replica in enumerate(replicas)})
        router = subprocess.Popen(["haproxy", "-f", str(ROOT / "docker/haproxy.cfg")], env={**os.environ, **variables})
        wait("the router passes requests", lambda: get(port, "/ready")[0] == 200)

        through, past = through_and_past(port, replicas[0].port)
        print(f"through the router {through:.2f} ms, past it {past:.2f} ms (median of 200, in turns)")

        texts = {stream(at, "alice", 16)[0] for at in [port] + [replica.port for replica in replicas]}
        print(f"the same seeded answer through the router and from each server: {len(texts) == 1}")
        well &= len(texts) == 1

        before = [metric(get(r.port, "/metrics")[1], "vllm:request_success_total") for r in replicas]
        for _ in range(9):
            stream(port, "bob", 4)
        after = [metric(get(r.port, "/metrics")[1], "vllm:request_success_total") for r in replicas]
        served = sum(1 for one, two in zip(before, after) if two > one)
        print(f"servers that answered bob's nine requests: {served}")
        well &= served == 1

        well &= conversations(port, replicas)

        if given.prometheus:
            well &= prometheus_sees(folder, replicas, 12)

        load = Load(port, given.clients, given.tokens)
        wait("all servers are at work", lambda: all(running(replica) for replica in replicas))
        status = replicas[0].end(signal.SIGTERM)
        replicas[0].start()
        answers, failures = load.end()
        print(f"one server drained: {answers} answers, {len(failures)} failed {failures[:3]}; exit status {status}")
        well &= not failures and status == 0

        load = Load(port, given.clients, given.tokens)
        wait("all servers are at work", lambda: all(running(replica) for replica in replicas))
        replicas[1].end(signal.SIGKILL)
        time.sleep(3)
        answers, failures = load.end()
        print(f"one server killed: {answers} answers, {len(failures)} failed, of {given.clients} at once")
        well &= len(failures) <= given.clients
        replicas[1].start()
        wait("the router has it back", lambda: stream(port, "carol", 2)[0] is not None)

        load = Load(port, given.clients, given.tokens)
        for replica in replicas:
            wait("all servers are at work", lambda: all(running(other) for other in replicas))
            status = replica.end(signal.SIGTERM)
            replica.start()
            # As long as an orchestrator waits for a new one before it takes the next: two checks of the router.
            time.sleep(2)
            well &= status == 0
        answers, failures = load.end()
        print(f"rolling restart of all three: {answers} answers, {len(failures)} failed {failures[:3]}")
        well &= not failures
    finally:
        for process in [router] + [replica.process for replica in replicas]:
            if process and process.poll() is None:
                process.kill()
                process.wait()
        if database:
            database.end()
        shutil.rmtree(folder, ignore_errors=True)
    print("all as it has to be" if well else "NOT as it has to be")
    sys.exit(not well)


if __name__ == "__main__":
    main()
