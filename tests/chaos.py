#!/usr/bin/env python3
"""Chaos against one real server: `python3 tests/chaos.py [--pad target/debug/pad] [--minutes 3] [--clients 24] [--seed 1]`.

Starts `pad serve` on a free port of 127.0.0.1 with keys of its own and puts mixed requests to it for the given time: all routes, streamed or
not, with clients that leave, read slowly, send slowly, send what is no HTTP, or have no key. It fails unless

* every answer has a status that its request may have, and errors have their one shape,
* a seeded request gives the same answer throughout,
* `/health` answers within `--health-seconds`, on a new connection each time,
* the memory of the process stays flat,
* the gauges of `/metrics` are back at 0 in the end, and SIGTERM ends the process with status 0.
"""

import argparse
import asyncio
import collections
import contextlib
import json
import os
import random
import re
import signal
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# What a good request may get: an answer, or 429 if there is no room. Nothing of this is the server's fault.
SERVED = {200, 429}
# The same for a request whose form is compiled: 503 only with the code `grammars_busy`.
FORMED = SERVED | {503}
PROMPTS = ["Why is the sky blue?", "Write a poem about rain.", "日本語で挨拶してください。🙂", "a", "List ten animals. " * 30, "2+2="]
SCHEMAS_GOOD = [
    {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["name", "age"], "additionalProperties": False},
    {"type": "array", "items": {"enum": ["red", "green", "blue"]}, "maxItems": 4},
    {"anyOf": [{"type": "integer", "minimum": 0, "maximum": 99}, {"type": "null"}]},
]
# Constraints of other shapes than a schema's, and the two names of each.
CONSTRAINTS = [
    {"guided_choice": ["yes", "no", "perhaps"]},
    {"guided_regex": "[0-9]{3}-[a-z]{1,8}"},
    {"guided_grammar": 'start: GREETING " " NAME\nGREETING: "hello" | "goodbye"\nNAME: /[A-Z][a-z]{1,8}/'},
    {"guided_json": SCHEMAS_GOOD[0]},
    {"guided_json": json.dumps(SCHEMAS_GOOD[1])},
    {"structured_outputs": {"choice": ["red", "green"]}},
    {"structured_outputs": {"regex": "(ab|cd){1,6}"}},
    {"structured_outputs": {"json": SCHEMAS_GOOD[2]}},
    {"structured_outputs": {"json_object": True}},
]
CONSTRAINTS_BAD = [
    {"guided_choice": []},
    {"guided_regex": "(a{1000}){1000}"},
    {"guided_grammar": 'root ::= "a"'},
    {"guided_grammar": "start: /(a|b)*a(a|b){12}/ & /(a|b)*b(a|b){13}/ & /(a|b)*a(a|b){14}/"},
    {"guided_json": {"type": "nonsense"}, "guided_choice": ["a"]},
    {"structured_outputs": {"structural_tag": "x"}},
]


def doubling(levels):
    """Each definition intersects the next one with itself."""
    defs = {f"d{i}": {"allOf": [{"$ref": f"#/$defs/d{i + 1}"}] * 2} for i in range(levels)}
    return {"$ref": "#/$defs/d0", "$defs": defs | {f"d{levels}": {"type": "string", "pattern": "a"}}}


# Impossible, malformed or too much: 400, or an answer where the server can do it.
SCHEMAS_BAD = [
    {"type": "nonsense"},
    {"const": -9223372036854775808},
    {"type": "object", "properties": {"n": {"type": "integer", "multipleOf": 999983}}, "required": ["n"]},
    {"$ref": "#/$defs/missing"},
    {"$ref": "#"},
    {"type": "string", "pattern": "^(x?){60}x{60}$"},
    {"type": "string", "pattern": "(["},
    {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(500)}},
    {"type": "string", "allOf": [{"pattern": f"^([ab]|[a{c}]x)*{c}[ab]{{9}}$"} for c in "cdefgh"]},
    {"allOf": [{"anyOf": [{"required": [f"a{i}"]}, {"required": [f"b{i}"]}]} for i in range(20)]},
    doubling(30),
]
NAMESPACE = {"type": "namespace", "name": "files", "description": "Files.", "tools": [
    {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {"path": {"type": "string", "maxLength": 20}}}},
    {"type": "function", "name": "remove", "strict": True, "parameters": {
        "type": "object", "properties": {"path": {"type": "string", "maxLength": 20}}, "required": ["path"], "additionalProperties": False}},
]}
NO_REQUESTS = [
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)),
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /health\r\n\r\n",
    b"GET /health HTTP/9.9\r\nhost: localhost\r\n\r\n",
    b"GE T /health HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: a b\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: localhost\r\nbad header\r\n\r\n",
    b"GET /health HTTP/1.1\r\nhost: localhost\r\n" + b"x: y\r\n" * 200 + b"\r\n",
    b"GET /health HTTP/1.1\r\nhost: localhost\r\nx: " + b"y" * 90_000 + b"\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nhost: localhost\r\n\r\n",
    b"POST /tokenize HTTP/1.1\r\nhost: localhost\r\ncontent-length: twelve\r\n\r\n",
    b"POST /tokenize HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET /v1/models/%ff HTTP/1.1\r\nhost: localhost\r\n\r\n",
]


class Broken(Exception):
    """Something that the server must not do."""


class Server:
    """The process under test."""

    def __init__(self, process, address, key_file):
        self.process, self.address, self.key_file = process, address, key_file

    @classmethod
    async def start(cls, binary, log):
        keys = tempfile.NamedTemporaryFile("w", suffix=".keys", delete=False)
        keys.write("probe\nplain\nnarrow requests=2\nslow tokens_per_minute=2000\n")
        keys.close()
        settings = {
            "PAD_SERVER__API_KEYS_FILE": keys.name, "PAD_SERVER__HEAD_SECONDS": "5", "PAD_SERVER__BODY_SECONDS": "5",
            "PAD_SERVER__WRITE_SECONDS": "5", "PAD_STORE__URL": "memory",
            # Small, so that it is full from the beginning and does not look like a leak.
            "PAD_ENGINE__KV_MEMORY": "192 MiB", "PAD_ENGINE__MAX_SEQUENCES": "24", "PAD_ENGINE__QUEUE": "48",
        }
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PAD_") or name == "PAD_HOME"}
        process = await asyncio.create_subprocess_exec(
            binary, "serve", "--model", "smollm2-135m", "--host", "127.0.0.1", "--port", "0", env=environment | settings,
            stdout=asyncio.subprocess.PIPE, stderr=log,
        )
        line = (await asyncio.wait_for(process.stdout.readline(), 600)).decode()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise Broken(f"the server did not start: {line}")
        return cls(process, int(found[1]), keys.name)

    def memory(self):
        """Resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    async def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = await asyncio.wait_for(self.process.wait(), 90)
        os.unlink(self.key_file)
        return status


async def connect(server):
    return await asyncio.open_connection("127.0.0.1", server.address, limit=1 << 22)


def head(method, path, key, body=b"", **headers):
    lines = [f"{method} {path} HTTP/1.1", "host: localhost", "connection: close"]
    if key:
        lines.append(f"authorization: Bearer {key}")
    if body:
        headers = {"content_type": "application/json", "content_length": len(body)} | headers
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items() if value is not None]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def read_answer(reader):
    """Status, headers and body of an answer that is read to the end of the connection."""
    text = await reader.read(-1)
    if not text:
        return None, {}, b""
    front, _, body = text.partition(b"\r\n\r\n")
    while front.startswith(b"HTTP/1.1 100"):
        front, _, body = body.partition(b"\r\n\r\n")
    first, *lines = front.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    if headers.get("transfer-encoding") == "chunked":
        body = unchunked(body)
    return int(first.split()[1]), headers, body


def unchunked(body):
    text = b""
    while body:
        size, _, body = body.partition(b"\r\n")
        count = int(size, 16)
        if count == 0:
            return text
        text, body = text + body[:count], body[count + 2:]
    raise Broken("a chunked body has no end")


def check_shape(status, headers, body):
    """Errors have one shape; streams end with `[DONE]` or are complete by their own events."""
    if status >= 400:
        error = json.loads(body)["error"]
        if set(error) != {"message", "type", "param", "code"} or not error["message"]:
            raise Broken(f"{status} without the shape of an error: {body[:200]}")
    elif headers.get("content-type") == "text/event-stream" and not re.search(rb"\[DONE\]|response\.(completed|incomplete)", body[-9000:]):
        raise Broken(f"a stream without an end: {body[-200:]}")


class Chaos:
    """Clients that do what clients do."""

    def __init__(self, server, seed, patience):
        self.server, self.random, self.patience = server, random.Random(seed), patience
        self.statuses, self.broken, self.probes, self.slowest_health = collections.Counter(), [], set(), 0.0
        self.memory, self.responses = [], collections.deque(maxlen=8)

    async def ask(self, method, path, body=None, key="plain", allowed=SERVED, **headers):
        """One request, sent and read as a good client does."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body is not None else b""
        reader, writer = await connect(self.server)
        try:
            writer.write(head(method, path, key, data, **headers) + data)
            status, answered, text = await asyncio.wait_for(read_answer(reader), self.patience)
        except asyncio.TimeoutError:
            raise Broken(f"{method} {path}: no whole answer within {self.patience:.0f} s for {data[:120]}") from None
        finally:
            writer.close()
        self.statuses[f"{path.split('?')[0][:24]} {status}"] += 1
        busy = status == 503 and b'"grammars_busy"' not in text
        if status not in allowed or busy:
            raise Broken(f"{method} {path}: {status}, allowed: {sorted(allowed)}: {text[:300]} for {data[:300]}")
        check_shape(status, answered, text)
        return status, text

    # Requests.

    def chat(self):
        pick = self.random
        body = {"messages": [{"role": "user", "content": pick.choice(PROMPTS)}], "max_tokens": pick.choice([1, 4, 16, 48])}
        options = [
            {"preference": {"concise": pick.uniform(-2, 2)}}, {"preference": "like a pirate"}, {"n": 3}, {"logprobs": True, "top_logprobs": 5},
            {"temperature": 0}, {"seed": pick.randrange(1 << 31)}, {"stop": ["\n", "."]}, {"pad": {"trace": True}}, {"stream": True},
            {"repetition_penalty": 1.2, "presence_penalty": 0.4}, {"response_format": {"type": "json_object"}},
            {"tools": [{"type": "function", "function": {"name": "look", "parameters": SCHEMAS_GOOD[0]}}]},
            {"preference": {"simple": 1}, "pad": {"candidates": "union", "top_k": 10}},
            {"preference": {"cheerful": 2}, "pad": {"plausibility": 0.05, "loop_guard": 6, "max_kl": 1.5, "guide_tokens": 8}},
        ]
        for option in pick.sample(options, pick.randrange(4)):
            body |= option
        return body

    def schema(self, schema):
        form = {"type": "json_schema", "json_schema": {"name": "form", "schema": schema, "strict": True}}
        return {"messages": [{"role": "user", "content": "Answer."}], "max_tokens": 40, "response_format": form}

    def key(self):
        return self.random.choice(["plain", "plain", "plain", "narrow", "slow"])

    async def good(self):
        pick = self.random
        kind = pick.choice(["chat", "chat", "chat", "completions", "responses", "rewards", "tokenize", "look", "form", "constraint",
                            "embeddings", "best", "profiles"])
        key, stream, prompt = self.key(), pick.random() < 0.5, pick.choice(PROMPTS)
        if kind == "chat":
            await self.ask("POST", "/v1/chat/completions", self.chat(), key, FORMED)
        elif kind == "form":
            await self.ask("POST", "/v1/chat/completions", self.schema(pick.choice(SCHEMAS_GOOD)) | {"stream": stream}, key, FORMED)
        elif kind == "constraint":
            body = pick.choice(CONSTRAINTS) | {"max_tokens": 24, "stream": stream, "preference": {"concise": 1}}
            if pick.random() < 0.5:
                await self.ask("POST", "/v1/completions", body | {"prompt": prompt}, key, FORMED)
            else:
                await self.ask("POST", "/v1/chat/completions", body | {"messages": [{"role": "user", "content": prompt}]}, key, FORMED)
        elif kind == "embeddings":
            body = {"input": pick.choice([prompt, [prompt, "Rain is wet."], [9, 8, 7]]), "encoding_format": pick.choice(["float", "base64"])}
            await self.ask("POST", "/v1/embeddings", body, key)
        elif kind == "profiles":
            await self.profiles(pick.choice(["ann", "bea", "cem"]), prompt)
        elif kind == "best":
            body = {"max_tokens": 12, "n": 2, "best_of": 4, "pad": {"best_of_by": pick.choice(["logprob", "reward", "score"])}}
            body |= {"messages": [{"role": "user", "content": prompt}], "preference": {"concise": 1}}
            await self.ask("POST", "/v1/chat/completions", body, key)
        elif kind == "completions":
            body = {"prompt": [prompt, "Once"], "max_tokens": 12, "stream": stream, "echo": pick.random() < 0.5}
            await self.ask("POST", "/v1/completions", body, key)
        elif kind == "responses":
            body = {"input": prompt, "max_output_tokens": 16, "stream": stream}
            if pick.random() < 0.4:
                choice = pick.choice(["auto", "required", {"type": "function", "name": "read", "namespace": "files"}])
                body |= {"tools": [NAMESPACE, {"type": "web_search"}], "tool_choice": choice, "max_output_tokens": 48}
            status, text = await self.ask("POST", "/v1/responses", body, "plain", FORMED)
            if status == 200 and not stream:
                self.responses.append(json.loads(text)["id"])
            if self.responses and pick.random() < 0.5:
                path = f"/v1/responses/{pick.choice(self.responses)}"
                await self.ask(pick.choice(["GET", "GET", "DELETE"]), path, allowed={200, 404})
        elif kind == "rewards":
            body = {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": "It is."}],
                    "preferences": [{"concise": 1}, {"cheerful": -1}], "per_token": stream}
            await self.ask("POST", "/v1/rewards", body, key)
        elif kind == "tokenize":
            await self.ask("POST", "/tokenize", {"prompt": prompt * 20}, key)
        else:
            path = pick.choice(["/v1/models", "/v1/preferences", "/metrics", "/openapi.json", "/docs", "/version", "/ready"])
            await self.ask("GET", path)

    async def profiles(self, name, prompt):
        """What is stored about one of a few users: set, learned, asked for, used, forgotten."""
        pick, path = self.random, f"/v1/preferences/profiles/{name}"
        messages = [{"role": "user", "content": prompt}]
        await pick.choice([
            lambda: self.ask("PUT", path, {"preference": {"concise": pick.uniform(-1, 1)}}, allowed={200, 201}),
            lambda: self.ask("GET", path, allowed={200, 404}),
            lambda: self.ask("GET", "/v1/preferences/profiles?limit=2"),
            lambda: self.ask("GET", f"{path}/export", allowed={200, 404}),
            lambda: self.ask("DELETE", path, allowed={200, 404}),
            # A profile that is deleted between its making and the choice is one that is not there.
            lambda: self.ask("POST", f"{path}/feedback", {"messages": messages, "chosen": "Yes.", "rejected": ["No, not at all.", "Maybe."]}, allowed=SERVED | {404}),
            lambda: self.ask("POST", f"{path}/elicit", {"max_tokens": 12, "candidates": 2, "temperature": 1.5}, allowed=SERVED | {400}),
            lambda: self.ask("DELETE", f"{path}/feedback/1", allowed={200, 404}),
            lambda: self.ask("POST", "/v1/chat/completions", {"messages": messages, "max_tokens": 8, "preference": {"profile": name}, "store": True}, allowed=SERVED | {404}),
        ])()

    async def bad_schema(self):
        if self.random.random() < 0.3:
            body = self.random.choice(CONSTRAINTS_BAD) | {"messages": [{"role": "user", "content": "Answer."}], "max_tokens": 8}
        else:
            body = self.schema(self.random.choice(SCHEMAS_BAD))
        await self.ask("POST", "/v1/chat/completions", body, self.key(), FORMED | {400})

    async def bad(self):
        pick = self.random
        chat = "/v1/chat/completions"
        await pick.choice([
            lambda: self.ask("POST", chat, b"{", allowed={400}),
            lambda: self.ask("POST", chat, {"messages": []}, allowed={400}),
            lambda: self.ask("POST", chat, self.chat() | {"temperature": 9}, allowed={400}),
            lambda: self.ask("POST", chat, self.chat() | {"n": 1, "best_of": 99}, allowed={400}),
            lambda: self.ask("POST", chat, self.chat() | {"pad": {"plausibility": 7}}, allowed={400}),
            lambda: self.ask("POST", chat, self.chat() | {"pad": {"candidates": "all"}}, allowed={400}),
            lambda: self.ask("POST", "/v1/embeddings", {"input": []}, allowed={400}),
            lambda: self.ask("POST", "/v1/responses", {"input": "a", "tools": [NAMESPACE | {"name": "a b"}]}, allowed={400}),
            lambda: self.ask("POST", chat, self.chat() | {"model": "gpt-9"}, allowed={404}),
            lambda: self.ask("POST", chat, self.chat(), key=None, allowed={401}),
            lambda: self.ask("POST", chat, self.chat(), key="wrong", allowed={401}),
            lambda: self.ask("POST", chat, self.chat(), content_type="text/plain", allowed={415}),
            lambda: self.ask("POST", chat, self.chat(), content_type=None, allowed={415}),
            lambda: self.ask("POST", chat, self.chat(), content_encoding="gzip", allowed={415}),
            lambda: self.ask("POST", chat, b" " * (5 << 20), allowed={413}),
            lambda: self.ask("POST", chat, {"messages": [{"role": "user", "content": "word " * 20_000}]}, allowed={400}),
            lambda: self.ask("PUT", chat, b"{}", allowed={405}),
            lambda: self.ask("GET", "/v1/nothing", allowed={404}),
        ])()

    # Clients.

    async def leaves(self):
        """Hangs up while an answer is being made or sent."""
        body = json.dumps(self.chat() | {"max_tokens": 400, "stream": self.random.random() < 0.7}).encode()
        reader, writer = await connect(self.server)
        writer.write(head("POST", "/v1/chat/completions", "plain", body) + body)
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(reader.read(self.random.choice([1, 400, 4000])), self.random.uniform(0.05, 2))
        if self.random.random() < 0.5:
            writer.transport.abort()
        writer.close()

    async def reads_slowly(self):
        body = json.dumps(self.chat() | {"max_tokens": 64, "stream": True, "pad": {"trace": True}}).encode()
        reader, writer = await connect(self.server)
        writer.write(head("POST", "/v1/chat/completions", "plain", body) + body)
        until = time.monotonic() + 8
        while time.monotonic() < until and await reader.read(256):
            await asyncio.sleep(0.05)
        writer.close()

    async def never_reads(self):
        body = json.dumps(self.chat() | {"max_tokens": 400, "stream": True, "n": 8, "pad": {"trace": True, "top_k": 100}}).encode()
        _, writer = await connect(self.server)
        writer.transport.pause_reading()
        writer.write(head("POST", "/v1/chat/completions", "plain", body) + body)
        await asyncio.sleep(8)
        writer.transport.abort()

    async def writes_slowly(self):
        body = json.dumps({"prompt": "slow " * 40}).encode()
        request = head("POST", "/tokenize", "plain", body) + body
        reader, writer = await connect(self.server)
        step = self.random.choice([7, 40])
        with contextlib.suppress(ConnectionError):
            for at in range(0, len(request), step):
                writer.write(request[at:at + step])
                await writer.drain()
                await asyncio.sleep(0.05)
        status, headers, text = await read_answer(reader)
        writer.close()
        if status not in {None, 200, 408}:
            raise Broken(f"a slow request: {status}: {text[:200]}")
        self.statuses[f"slow {status}"] += 1

    async def stops_halfway(self):
        """Half a head or half a body, and then silence or the end."""
        body = json.dumps({"prompt": "half"}).encode()
        request = head("POST", "/tokenize", "plain", body) + body
        _, writer = await connect(self.server)
        writer.write(request[:self.random.randrange(len(request))])
        await asyncio.sleep(self.random.choice([0, 0.1, 7]))
        writer.close()

    async def is_no_http(self):
        request = self.random.choice(NO_REQUESTS)
        reader, writer = await connect(self.server)
        with contextlib.suppress(ConnectionError):
            writer.write(request)
            status, headers, text = await asyncio.wait_for(read_answer(reader), 60)
            if status not in {400, 401, 414, 431}:
                raise Broken(f"{status} {text[:200]} for {request[:80]}")
            check_shape(status, headers, text)
            self.statuses[f"no request {status}"] += 1
        writer.close()

    # Those who watch.

    async def probe(self):
        """The same answer whatever else happens."""
        body = {"messages": [{"role": "user", "content": "Tell me about the moon."}], "max_tokens": 24, "seed": 7, "temperature": 1,
                "preference": {"concise": 1}}
        status, text = await self.ask("POST", "/v1/chat/completions", body, "probe")
        if status == 200:
            self.probes.add(json.loads(text)["choices"][0]["message"]["content"])
        await asyncio.sleep(1)

    async def watch_health(self):
        began = time.monotonic()
        await self.ask("GET", "/health", key=None, allowed={200})
        self.slowest_health = max(self.slowest_health, time.monotonic() - began)
        self.memory.append(self.server.memory())
        await asyncio.sleep(0.25)

    async def repeat(self, until, *kinds):
        while time.monotonic() < until and self.server.process.returncode is None:
            try:
                await self.random.choice(kinds)()
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                self.statuses[f"connection {type(error).__name__}"] += 1
            except Exception as error:  # Anything else is a finding, and the others go on.
                self.broken.append(f"{type(error).__name__}: {error}")

    async def run(self, minutes, clients):
        until = time.monotonic() + 60 * minutes
        kinds = [self.good] * 8 + [self.bad] * 2 + [self.bad_schema, self.leaves, self.leaves, self.reads_slowly, self.never_reads,
                                                    self.writes_slowly, self.stops_halfway, self.is_no_http]
        watchers = [self.repeat(until, self.probe), self.repeat(until, self.watch_health)]
        await asyncio.gather(*watchers, *(self.repeat(until, *kinds) for _ in range(clients)))

    async def gauges(self):
        """Figures that count what is there now; all of them are 0 once nothing is."""
        names = ["vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"]
        for _ in range(60):
            _, page = await self.ask("GET", "/metrics")
            values = {name: float(re.search(rf"^{name}\{{[^}}]*\}} (\S+)", page.decode(), re.M)[1]) for name in names}
            if not any(values.values()):
                break
            await asyncio.sleep(0.5)
        return values


def flat(memory, tolerance):
    """Whether the last quarter's typical memory is near the second quarter's: the first fills caches that are bounded."""
    quarter = len(memory) // 4
    typical = lambda part: sorted(part)[len(part) // 2]
    early, late = typical(memory[quarter:2 * quarter]), typical(memory[-quarter:])
    return late <= early * (1 + tolerance) + 32, early, late


async def main():
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    options.add_argument("--pad", default=str(ROOT / "target/debug/pad"))
    options.add_argument("--minutes", type=float, default=3)
    options.add_argument("--clients", type=int, default=24)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--patience", type=float, default=300, help="seconds that an answer may take")
    options.add_argument("--health-seconds", type=float, default=3)
    options.add_argument("--memory-tolerance", type=float, default=0.1)
    options = options.parse_args()
    with tempfile.NamedTemporaryFile("w+", suffix=".log") as log:
        server = await Server.start(options.pad, log)
        chaos = Chaos(server, options.seed, options.patience)
        await chaos.run(options.minutes, options.clients)
        broken, gauges, status = chaos.broken, {}, server.process.returncode
        if status is None:
            gauges, status = await chaos.gauges(), await server.stop()
        log.seek(0)
        panics = [line for line in log if "panick" in line]
    is_flat, early, late = flat(chaos.memory, options.memory_tolerance)
    checks = [
        (not broken, f"{sum(chaos.statuses.values())} answers, {len(broken)} of them wrong"),
        (len(chaos.probes) == 1, f"{len(chaos.probes)} different answers to the probe"),
        (chaos.slowest_health < options.health_seconds, f"/health took {chaos.slowest_health:.2f} s at most"),
        (is_flat, f"memory: {early:.0f} MiB, in the end {late:.0f} MiB"),
        (gauges and not any(gauges.values()), f"gauges: {gauges}"),
        (not panics, f"{len(panics)} panics in the log"),
        (status == 0, f"the process ended with status {status}"),
    ]
    for name, count in sorted(chaos.statuses.items()):
        print(f"{count:7} {name}")
    for why, count in collections.Counter(broken).most_common(20):
        print(f"WRONG {count} times: {why}")
    for good, what in checks:
        print("ok   " if good else "FAIL ", what)
    sys.exit(0 if all(good for good, _ in checks) else 1)


if __name__ == "__main__":
    asyncio.run(main())
