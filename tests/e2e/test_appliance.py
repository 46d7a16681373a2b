"""Small machines: 64 MB of memory for the web server and the program, and uhttpd's way of CGI."""
import contextlib
import json
import os
import resource
import shutil
import subprocess
import tempfile
import threading
import time

import harness
from cgroup import Group, NoGroup
from client import Client, message, text_of
from harness import KEY, processes_below
from lan import Container, LighttpdLan
from test_processes import Setup, held, open_stream
from uhttpd import Uhttpd

MEGABYTES = int(os.environ.get("SMALL_MB", 64))     # another for the figures of docs/appliance.md
MEMORY = MEGABYTES << 20
BODY = 8 << 20
TRIES = 100         # of a client that follows retry-after, until it is served


class Lan64(LighttpdLan):
    """In a control group, or each process with a limit of its own."""
    enter = None

    def run(self, *args, **kw):
        return super().run(*args, preexec_fn=self.enter, **kw)


def large(i):
    """A request of 8 MB: an image, as screenshots are."""
    body = message(stream=True)
    body["messages"][0]["content"] = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "%s"}},
        {"type": "text", "text": "request %d" % i}]
    text = json.dumps(body)
    return text.replace("%s", "A" * (BODY - len(text) + 2)).encode()


def check_refusal(answer):
    body = json.loads(answer.read())
    assert body["type"] == "error" and body["error"]["message"], body
    if answer.status != 413:
        assert answer.status in (503, 529), (answer.status, body)
        assert body["error"]["type"] == "overloaded_error", body
        assert int(answer.headers["retry-after"]) > 0, answer.headers


class Sender(threading.Thread):
    """Sends until it is served, as clients of the API do. kinds: statuses, in order."""

    def __init__(self, setup, i, barrier):
        super().__init__(daemon=True)
        self.setup, self.i, self.barrier = setup, i, barrier
        self.statuses, self.problem = [], None
        self.start()

    def run(self):
        body = large(self.i)
        self.barrier.wait(60)
        try:
            while len(self.statuses) < TRIES and self.once(body) != 200:
                threading.Event().wait(0.2)
        except Exception as e:  # told by the test
            self.problem = repr(e)

    def once(self, body):
        with self.setup.client(timeout=120) as client:
            response, stream = client.stream(body)
            self.statuses.append(response.status)
            if response.status == 200:
                assert text_of(stream) == "Hello there"
            else:
                check_refusal(response)
            return response.status


def eight_at_once(setup):
    """Eight requests of 8 MB; the statuses that each got. The program that began is there at the
    end."""
    with setup.client() as client:
        assert client.ask("GET", "/health").status == 200
    before = processes_below(setup.gateway.dir)
    barrier = threading.Barrier(8)
    senders = [Sender(setup, i, barrier) for i in range(8)]
    for sender in senders:
        sender.join(300)
    problems = [s.problem for s in senders if s.problem]
    assert not problems, problems
    assert all(s.statuses and s.statuses[-1] == 200 for s in senders), [s.statuses for s in senders]
    assert processes_below(setup.gateway.dir) == before, "the program was started anew"
    texts = sorted(c.json["messages"][-1]["content"][-1]["text"] for c in setup.upstream.calls)
    assert texts == ["request %d" % i for i in range(8)], texts
    return [s.statuses for s in senders]


def under_sanitizer():
    """Its shadow does not fit into any such limit."""
    with open(harness.program(), "rb") as f:
        program = f.read()
    return b"__asan_init" in program or b"__tsan_init" in program


def private_kb(setup):
    """What the program and lighttpd have for themselves, in KB."""
    found = {}
    for name, pid in [("messages.fcgi", pid) for pid in processes_below(setup.gateway.dir)] + \
            [("lighttpd", setup.server.processes[0].pid)]:
        with open("/proc/%d/smaps_rollup" % pid) as f:
            found[name] = sum(int(line.split()[1]) for line in f if line.startswith("Private_"))
    return found


def figures(setup):
    """Idle, and with a stream: for docs/appliance.md, which names this test."""
    with setup.client() as client:
        assert client.ask("GET", "/health").status == 200
    idle = private_kb(setup)
    go = held(setup.upstream)
    client, stream = open_stream(setup)
    with client:
        one = private_kb(setup)
        go.set()
        list(stream)
    setup.upstream.reset()
    return "private KB idle %s, with a stream %s" % (idle, one)


def small_lighttpd(enter, folder):
    """Its temporary files are in memory, as on a router: they count too."""
    return type("Small", (Lan64,), {
        "enter": staticmethod(enter), "replacing": {"server.upload-dirs": '( "%s" )' % folder}})


@contextlib.contextmanager
def small():
    """lan.conf as it is and the program in one group; None where there can be none. What fails there
    is tested with limits of the process."""
    folder = tempfile.mkdtemp(dir="/dev/shm" if os.path.isdir("/dev/shm") else None)
    os.chmod(folder, 0o777)
    try:
        with Group(MEMORY) as group, Setup(small_lighttpd(group.enter, folder)) as setup:
            yield group, setup
    finally:
        shutil.rmtree(folder)


def in_a_group(test):
    """Runs the test in one, unless there is none to be had: under a sanitizer, or in a container
    that may make none. Then a line says so, and limits of the process are what is tested."""
    def run():
        try:
            if under_sanitizer():
                raise NoGroup("a sanitizer takes more memory than there is")
            with small() as (group, setup):
                test(group, setup)
                assert group.killed() == 0, group.killed()
        except NoGroup as why:
            print("%s: not in a control group: %s" % (test.__name__, why))
    return run


@in_a_group
def test_eight_large_requests_in_64_mb(group, setup):
    """What does not fit is refused, nobody is killed, and who follows retry-after is served."""
    before = figures(setup)
    statuses = eight_at_once(setup)
    checked = subprocess.run([setup.gateway.program, "--check", "--config", setup.gateway.config],
                             capture_output=True, text=True, preexec_fn=group.enter,
                             env=harness.clean_env())
    assert "a quarter of the %d MB of its control group" % MEGABYTES in checked.stdout, \
        checked.stdout
    print("%d MB: %s; eight of 8 MB: most of the group %d KB, refused %d times" %
          (MEGABYTES, before, (group.peak() or 0) >> 10, sum(map(len, statuses)) - 8))


@in_a_group
def test_tiny_blocks_in_64_mb(_, setup):
    """8 MB of blocks of a letter each: what is known of a block is larger than the block. Some fit."""
    block = {"type": "text", "text": "x"}
    for blocks, expected in ((BODY // len(json.dumps(block)), 413), (10000, 200)):
        body = message()
        body["messages"][0]["content"] = [block] * blocks
        with setup.client(timeout=120) as client:
            answer = client.ask("POST", "/v1/messages", body)
        assert answer.status == expected, (blocks, answer.status, answer.body[:300])
        if expected == 413:
            assert "limits.memory" in answer.json["error"]["message"], answer.json


def test_eight_large_requests_with_limits_of_the_process():
    """The same where there are no groups, as on shared hosts: RLIMIT_DATA."""
    def enter():
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))

    if not under_sanitizer():
        with Setup(small_lighttpd(enter, "/tmp")) as setup:
            eight_at_once(setup)


def test_lan_sends_plain_http_on_and_wants_keys():
    """Whoever comes without TLS is sent to it; nobody is let in without a key, not even from here."""
    with Setup(LighttpdLan, access='mode = "open";') as setup:
        with Client(setup.server.plain_port) as client:
            for method, path in (("GET", "/health?a=b"), ("POST", "/v1/messages")):
                answer = client.ask(method, path, method == "POST" and message() or None)
                assert answer.status == 308, (method, answer.status, answer.body)
                assert answer.headers["location"] == setup.server.base + path, answer.headers
        with Client(setup.server.port) as client:
            assert client.ask("GET", "/health").status == 200
            answer = client.ask("POST", "/v1/messages", message())
            assert answer.status == 401, (answer.status, answer.body)
        assert not setup.upstream.calls


def test_container_passes_its_environment_on_and_wants_keys():
    """A backend's key comes from the container's environment; mode "open" of a file is not enough."""
    server = type("Here", (Container,), {"variables": {"BACKEND_KEY": "from-the-environment"}})
    with Setup(server, key='api_key = "env:BACKEND_KEY";') as setup:
        with setup.client() as client:
            _, stream = client.stream(message(stream=True))
            assert text_of(stream) == "Hello there"
        sent = setup.upstream.calls[0].headers
        assert sent["authorization"] == "Bearer from-the-environment", sent
        setup.gateway.write(key='api_key = "env:BACKEND_KEY";', access='mode = "open";')
        time.sleep(1.2)
        with Client(setup.server.port) as client:
            assert client.ask("POST", "/v1/messages", message()).status == 401


# ---- uhttpd ----

BEARER = {"Authorization": "Bearer " + KEY}
CLAUDE = dict(BEARER, **{
    "anthropic-version": "2023-06-01", "anthropic-beta": "context-1m-2025-08-07", "x-app": "cli",
    "User-Agent": "claude-cli/2.1.300 (external, cli)",
    "X-Claude-Code-Session-Id": "d38f2faa-8d1e-42f1-915e-5e825326608a"})


def uhttpd_ask(setup, method, path, body=None, headers=()):
    with Client(setup.server.port, setup.server.prefix) as client:
        return client.ask(method, path, body, headers)


def test_uhttpd_streams():
    """The second event is sent only after the client has seen the first."""
    with Setup(Uhttpd) as setup, Client(setup.server.port, setup.server.prefix) as client:
        go = held(setup.upstream)
        response, stream = client.stream(message(stream=True), "/v1/messages?beta=true", CLAUDE)
        assert response.status == 200, response.read()
        text = ""
        for name, data, _ in stream:
            assert name != "error", data
            text += data["delta"]["text"] if name == "content_block_delta" else ""
            if text == "a":
                go.set()
        assert text == "ab" and name == "message_stop", (text, name)


def test_uhttpd_keys():
    """It has no x-api-key for programs; the refusal says what to do."""
    with Setup(Uhttpd) as setup:
        answer = uhttpd_ask(setup, "POST", "/v1/messages", message(), {"x-api-key": KEY})
        assert answer.status == 401 and "uhttpd" in answer.json["error"]["message"], answer.body
        assert "Authorization: Bearer" in answer.json["error"]["message"], answer.body
        answer = uhttpd_ask(setup, "POST", "/v1/messages", message(), BEARER)
        assert answer.status == 200, (answer.status, answer.body)


def test_uhttpd_without_the_headers_of_the_api():
    """anthropic-version and anthropic-beta do not arrive either: the version is the API's own, betas
    are lost, and the rest is as ever."""
    def script(call):
        call.whole(200, {"id": "msg_1", "type": "message", "role": "assistant", "model": "scripted",
                         "content": [{"type": "text", "text": "Hello"}], "stop_reason": "end_turn",
                         "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}})

    with Setup(Uhttpd, dialect="anthropic") as setup:
        setup.upstream.reset(script)
        answer = uhttpd_ask(setup, "POST", "/v1/messages", message(), CLAUDE)
        assert answer.status == 200 and answer.json["content"][0]["text"] == "Hello", answer.body
        sent = setup.upstream.calls[0].headers
        assert sent["anthropic-version"] == "2023-06-01", sent
        assert "anthropic-beta" not in sent, sent


def test_uhttpd_statuses_and_methods():
    with Setup(Uhttpd) as setup:
        setup.upstream.reset(lambda call: call.whole(
            429, {"error": {"message": "slow down"}}, {"retry-after": "17"}.items()))
        answer = uhttpd_ask(setup, "POST", "/v1/messages", message(stream=True), BEARER)
        assert answer.status == 429 and answer.headers["retry-after"] == "17", answer.headers
        for method, path in (("GET", "/health"), ("HEAD", "/"), ("GET", "/v1/models"),
                             ("POST", "/v1/messages/count_tokens")):
            answer = uhttpd_ask(setup, method, path, message() if method == "POST" else None, BEARER)
            assert answer.status == 200, (method, path, answer.status, answer.body)
        answer = uhttpd_ask(setup, "POST", "/v1/messages", b"{", BEARER)
        assert answer.status == 400, (answer.status, answer.body)


def test_uhttpd_client_leaves():
    """The program is killed, and the call to the backend ends with it."""
    result = []

    def script(call):
        call.begin()
        call.text("a")
        result.append(call.gone(15))

    with Setup(Uhttpd) as setup:
        setup.upstream.reset(script)
        client = Client(setup.server.port, setup.server.prefix)
        _, stream = client.stream(message(stream=True), headers=BEARER)
        for name, _, _ in stream:
            if name == "content_block_delta":
                break
        client.cut()
        harness.wait_for(lambda: result, 20, "the call ends")
        assert result[0] is not None, result
