"""docs/openapi.json against the running program: every path, method, status and shape, both ways.
What the document has and the program can't be brought to answer stands in UNSEEN, with the reason.
"""
import json
import os
import socket
import sys
import threading

import grammar
import harness
from client import Answer, Client, message
from harness import KEY, ORIGIN
from test_processes import Setup
from upstream import hello

OPENAPI = os.path.join(harness.SOURCE, "tests", "openapi")
sys.path.insert(0, OPENAPI)

import check        # noqa: E402
import document     # noqa: E402
import schemas      # noqa: E402

FEW, SLOW = "sk-few-0123456789", "sk-slow-0123456789"
RIGHTS = '"messages", "count_tokens", "models", "health", "debug", "doctor", "capture"'
KEYS = """mode = "keys"; throttle_failures = %%d; origins = [ "%s" ]; keys = (
	{ name = "all"; sha256 = "%s"; endpoints = [ %s ]; },
	{ name = "few"; sha256 = "%s"; endpoints = [ "capture" ]; },
	{ name = "slow"; sha256 = "%s"; requests_per_minute = 1; tokens_per_minute = 100000; } );""" % (
    ORIGIN, harness.sha256(KEY), RIGHTS, harness.sha256(FEW), harness.sha256(SLOW))
DATABRICKS_BACKEND = """AZURE_DATABRICKS = { base_url = "http://127.0.0.1:%d/v1";
	api_key = "upstream-secret"; retries = 0; dialect = "%s"; }; """
COUNT, DATABRICKS = "/v1/messages/count_tokens", "/v1/databricks/"
STOPPING = "a program that stops takes no connections: test_draining in tests/unit/test-api.c"
# (method, path, status) of the document that no test here can provoke, and why.
UNSEEN = {
    ("GET", "/health", "503"): STOPPING,
    ("GET", "/v1/databricks/health", "503"): STOPPING,
    ("GET", "/health/detailed", "503"): STOPPING,
    ("GET", "/v1/databricks/health/detailed", "503"): STOPPING,
    ("GET", "/v1/universal/health", "503"): STOPPING,
    ("POST", COUNT, "default"): "only what api.anthropic.com itself refuses to count",
}


class World(Setup):
    """A gateway, and every answer of it held against the document."""

    def __init__(self, seen, throttle=0, logs=True, **settings):
        super().__init__(harness.Lighttpd, access=KEYS % throttle, **settings)
        self.seen = seen
        with open(document.PATH, encoding="utf-8") as f:
            self.doc = check.Document(json.load(f))
        self.capture = self.gateway.path("captures")
        os.mkdir(self.capture)
        os.chmod(self.capture, 0o777)
        more = 'capture = { dir = "%s"; };' % self.capture
        log = self.gateway.log
        if logs:
            folder = self.gateway.path("logs")
            os.mkdir(folder)
            os.chmod(folder, 0o777)
            log += '"; dir = "' + folder
        self.gateway.settings.setdefault("more", "")
        self.gateway.settings["more"] += more
        self.gateway.settings["log"] = log
        self.gateway.write()

    def edit(self, old, new):
        """Changes the configuration; before the server starts."""
        with open(self.gateway.config) as f:
            text = f.read()
        assert old in text, old
        with open(self.gateway.config, "w") as f:
            f.write(text.replace(old, new))
        return self

    def beside(self, dialect="openai-chat", port=None):
        """Another backend beside the first, for the paths that want that one."""
        more = DATABRICKS_BACKEND % (port or self.upstream.port, dialect)
        return self.edit("backends = { ", "backends = { " + more)

    def ask(self, method, url, body=None, key=KEY, headers=()):
        with Client(self.server.port, self.server.prefix, key) as client:
            return client.ask(method, url, body, dict(headers))

    def implicit(self, name):
        return self.doc.document["x-implicit"][name]

    def judge(self, responses, answer, what):
        found, key = self.doc.check(responses, answer)
        assert not found, "%s: %s\n%s %s" % (what, found, answer.status, answer.body[:2000])
        check_own_error(answer, what)
        if answer.headers.get("Content-Type", "").startswith("text/event-stream"):
            grammar.check_stream(answer.body.decode())
        return key

    def expect(self, method, path, status, url=None, passed=False, **request):
        """Asks an operation, and is answered with this status as the document has it. passed: as a
        Messages backend has answered, which no status is too odd for."""
        answer = self.ask(method, url or path, **request)
        what = "%s %s" % (method, url or path)
        assert answer.status == status, (what, status, answer.status, answer.body[:2000])
        responses = dict(self.doc.paths[path][method.lower()]["responses"])
        if not passed:
            responses.pop("default", None)
        self.seen.add((method, path, self.judge(responses, answer, what)))
        return answer


def check_own_error(answer, what):
    """The gateway's own errors name their place and the request, in the head and in the body."""
    if answer.status < 400 or answer.headers.get("Content-Type") != "application/json":
        return
    said = answer.json
    if said.get("type") == "error" and "error_id" in said:
        assert said["error_id"] == answer.headers["x-error-id"], what
        assert said["request_id"] == answer.headers["request-id"], what


def body_of(path, **more):
    """A request that the operation takes."""
    if not path.endswith("_tokens"):
        return message(**more)
    body = message(**more)
    del body["max_tokens"]
    return body


# What stands for the parameters of a path.
VALUES = {"{id}": "scripted", "{provider}": "test", "{model}": "claude-x", "{hash}": "0" * 12}


def request_of(method, path):
    url = path
    for name, value in VALUES.items():
        url = url.replace(name, value)
    return {"url": url, "body": body_of(path) if method == "POST" and path.startswith("/v1/")
            else None}


def talks(world):
    return [p for m, p, o in world.doc.operations() if "502" in o["responses"]]


# ---- every operation, in one way ----

def good_answers(world):
    """200 of each, recorded errors first: the debug paths show one."""
    lost = world.expect("POST", "/v1/messages", 400, body={})
    for method, path, _ in world.doc.operations():
        request = request_of(method, path)
        if path == "/debug/errors/{id}":
            request["url"] = "/debug/errors/" + lost.headers["request-id"]
        elif "{hash}" in path:
            request["url"] = "/debug/errors/hash/" + lost.headers["x-error-id"]
        world.expect(method, path, 200, **request)
    for path in talks(world):
        world.expect("POST", path, 200, body=message(stream=True))
    world.expect("GET", "/doctor", 200, headers={"Accept": "text/html"})
    world.expect("GET", "/v1/models", 200, "/b/test/v1/models?limit=1&after_id=scripted")
    world.expect("POST", "/v1/messages", 200, "/b/test/v1/messages?beta=true", body=message(),
                 headers={"x-correlation-id": "corr-1", "x-debug-capture": "1"})


def refused_callers(world):
    """401 and 403 of each that wants a key."""
    for method, path, operation in world.doc.operations():
        request = request_of(method, path)
        if world.doc.takes_key(operation):
            world.expect(method, path, 403, key=FEW, **request)
        if world.doc.takes_key(operation):
            world.expect(method, path, 401, key=None, **request)
            world.expect(method, path, 401, key="sk-unknown", **request)


def other_methods(world):
    """Each is a 405 that names those that the path takes."""
    responses = world.implicit("other")["responses"]
    for method, path, _ in world.doc.operations():
        url = request_of(method, path)["url"]
        for other in {"GET", "POST", "PUT", "PATCH", "DELETE"} - {method}:
            answer = world.ask(other, url)
            assert answer.status == 405, (other, url, answer.status)
            world.judge(responses, answer, "%s %s" % (other, url))
            takes = [method, "HEAD"] if method == "GET" else [method]
            assert answer.headers["Allow"].split(", ") == takes + ["OPTIONS"], answer.headers


def heads(world):
    """HEAD is GET without its body."""
    for method, path, _ in world.doc.operations():
        if method != "GET":
            continue
        url = request_of(method, path)["url"]
        head, get = world.ask("HEAD", url), world.ask("GET", url)
        assert (head.status, head.body) == (get.status, b""), (url, head.status, get.status)
        other = {n.lower() for n in set(head.headers) ^ set(get.headers)} - check.TRANSPORT
        assert not other, (url, other)
        head, get = world.ask("HEAD", url, key=None), world.ask("GET", url, key=None)
        assert head.status == (200 if path == "/doctor" else get.status), (url, head.status)


def preflights(world):
    for method, path, _ in world.doc.operations():
        for origin, status in ((ORIGIN, 204), ("https://other.example", 403)):
            answer = world.ask("OPTIONS", request_of(method, path)["url"], key=None, headers={
                "Origin": origin, "Access-Control-Request-Headers": "x-api-key"})
            assert answer.status == status, (path, answer.status)
            world.judge(world.implicit("options")["responses"], answer, "OPTIONS " + path)


def listed_origin(world):
    """Of the origin's own requests the answers have a few headers more."""
    more = world.implicit("listed")["headers"]
    for url, status in (("/status", 200), ("/v1/models/nobody", 404)):
        path = url.replace("nobody", "{id}")
        response = world.doc.resolve(world.doc.paths[path]["get"]["responses"][str(status)])
        allowed = dict(response, headers=dict(response["headers"], **more))
        answer = world.ask("GET", url, headers={"Origin": ORIGIN})
        assert answer.status == status, answer.status
        world.judge({str(status): allowed}, answer, url)


def unknown_paths(world):
    for method, url in (("GET", "/nothing"), ("GET", "/v1/messages/batches"), ("GET", "/v1/files"),
                        ("POST", "/v1/messages/batches"), ("POST", "/v1/complete")):
        unknown = world.ask(method, url, message() if method == "POST" else None)
        assert unknown.status == 404, (url, unknown.status)
        world.judge(world.implicit("unknown")["responses"], unknown, url)
        assert world.ask(method, url, key=None).status == 401, url


def busy_everywhere(world):
    """529 of each, while the only worker has a stream."""
    go, begun = threading.Event(), threading.Event()

    def script(call):
        call.begin()
        call.text("a")
        begun.set()
        go.wait(60)
        call.end()

    world.upstream.reset(script)
    with Client(world.server.port, world.server.prefix, KEY, timeout=60) as client:
        response = client.send("POST", "/v1/messages", message(stream=True))
        assert begun.wait(20)
        for method, path, _ in world.doc.operations():
            world.expect(method, path, 529, **request_of(method, path))
        preflight = world.ask("OPTIONS", "/v1/messages", headers={"Origin": ORIGIN})
        assert preflight.status == 529
        world.judge(world.implicit("options")["responses"], preflight, "OPTIONS")
        go.set()
        response.read()


# ---- statuses with a reason of their own ----

def limits(world):
    """Those that docs/api.md names: at each one a request is served, beyond it refused."""
    def nested(levels):
        return b'{"x":' + b"[" * (levels - 1) + b"]" * (levels - 1)

    def with_nested(levels):
        return nested(levels) + b"," + json.dumps(message()).encode()[1:]

    def with_members(n):
        body = message()
        return dict(body, **{"x%d" % i: None for i in range(n - len(body))})

    for fits, beyond in ((with_nested(128), with_nested(129)),
                         (with_members(1024), with_members(1025)),
                         (message(model="m" * 1024), message(model="m" * 1025)),
                         (message(max_tokens=0), message(max_tokens=-1)),
                         (message(model="\u00e9" * 512), message(model="\u00e9" * 513))):
        answer = world.ask("POST", "/v1/messages", fits)
        assert answer.status in (200, 404), answer.body     # many such models there are not
        world.expect("POST", "/v1/messages", 400, body=beyond)
    world.expect("POST", "/v1/messages", 200, "/v1/v1/messages", body=message())


def bad_requests(world):
    for path in talks(world) + [COUNT]:
        for body in (b"", b"{", b"[]", {}, {"model": "m", "max_tokens": 1, "messages": []}):
            world.expect("POST", path, 400, body=body)
    for path in ("/v1/models", "/v1/universal/providers/{provider}/models"):
        url = path.replace("{provider}", "test")
        for query in ("limit=0", "limit=1001", "limit=x", "after_id=nobody", "before_id=nobody"):
            world.expect("GET", path, 400, "%s?%s" % (url, query))
    for method, path, operation in world.doc.operations():
        if not path.startswith("/debug/") or "400" not in operation["responses"]:
            continue
        url = request_of(method, path)["url"]
        for query in ("since=x", "limit=0", "days_to_keep=-1", "nothing=1"):
            world.expect(method, path, 400, "%s?%s" % (url, query))
    world.expect("GET", "/debug/errors/hash/{hash}", 400, "/debug/errors/hash/zz")


def missing_things(world):
    for path, url in (("/v1/models/{id}", "/v1/models/nobody"),
                      ("/v1/universal/providers/{provider}", "/v1/universal/providers/nobody"),
                      ("/v1/universal/providers/{provider}/models",
                       "/v1/universal/providers/nobody/models"),
                      ("/debug/errors/{id}", "/debug/errors/nobody"),
                      ("/debug/errors/hash/{hash}", "/debug/errors/hash/" + "0" * 12)):
        world.expect("GET", path, 404, url)
    for path in ("/v1/messages", "/v1/messages/stream", COUNT):
        world.expect("POST", path, 404, "/b/nobody" + path, body=body_of(path))


def backend_errors(world):
    """What a backend answers, and what becomes of it."""
    told = {400: 400, 401: 502, 402: 402, 404: 404, 409: 409, 413: 413, 429: 429, 500: 500,
            502: 502, 503: 529, 504: 504}
    for status, becomes in told.items():
        world.upstream.reset(lambda call, s=status: call.whole(
            s, {"error": {"message": "scripted"}}, [("retry-after", "7")]))
        for path in talks(world):
            world.expect("POST", path, becomes, body=message())


def streamed_kinds(world):
    """Thinking and a tool, whole and streamed; an error in the middle."""
    def script(call):
        call.begin()
        call.delta({"reasoning_content": "hm"})
        call.text("I look.")
        call.delta({"tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": {
            "name": "weather", "arguments": '{"city":"Bern"}'}}]})
        call.end("tool_calls")

    def cut(call):
        call.begin()
        call.text("x" * 20000)  # so much goes out at once

    tool = {"name": "weather", "input_schema": {"type": "object"}}
    for body in (message(tools=[tool]), message(tools=[tool], stream=True)):
        world.upstream.reset(script)
        assert b"weather" in world.expect("POST", "/v1/messages", 200, body=body).body
    world.upstream.reset(cut)
    broken = world.expect("POST", "/v1/messages", 200, body=message(stream=True))
    assert b"event: error" in broken.body
    world.upstream.reset(hello)


def late_errors(world):
    """An error under a 200, once stream.commit_after has passed."""
    responses = world.doc.paths["/v1/messages"]["post"]["responses"]
    for stream in (False, True):
        go = threading.Event()

        def script(call, go=go):
            assert go.wait(60)
            call.whole(500, {"error": {"message": "scripted"}})

        world.upstream.reset(script)
        with Client(world.server.port, world.server.prefix, KEY, timeout=60) as client:
            response = client.send("POST", "/v1/messages", message(stream=stream))
            go.set()
            late = Answer(response.status, response.headers, response.read())
        assert late.status == 200 and b'"type":"error"' in late.body, (late.status, late.body)
        world.judge(responses, late, "POST /v1/messages")


def limited_key(world):
    """429 of messages by the key's own limits, of all others by keys that are refused too often."""
    for path in ("/v1/messages", COUNT):
        for status in (200, 429):
            answer = world.expect("POST", path, status, key=SLOW, body=body_of(path))
            assert answer.headers["anthropic-ratelimit-requests-limit"] == "1", answer.headers
    for method, path, operation in world.doc.operations():
        if world.doc.takes_key(operation):
            request = request_of(method, path)
            world.ask(method, request["url"], request["body"], key="sk-again")
            world.expect(method, path, 429, key="sk-again", **request)


def large_bodies(world):
    for path in talks(world) + [COUNT]:
        world.expect("POST", path, 413, body=body_of(path, text="x" * 5000))


def without_records(world):
    """404 of the debug paths, and of Databricks where there is no such backend."""
    for method, path, operation in world.doc.operations():
        debug = path.startswith("/debug/") and "404" in operation["responses"]
        if debug or path.startswith(DATABRICKS) and method == "POST":
            world.expect(method, path, 404, **request_of(method, path))


def dead_backend(world):
    """503 of what asks whether it can be reached."""
    unready = world.expect("GET", "/health/claude-code/readiness", 503)
    assert unready.json["ready"] is False, unready.json
    assert world.expect("GET", "/health/detailed", 200).json["status"] == "backend unreachable"
    for path in talks(world):
        world.expect("POST", path, 502, body=message())
    counted = world.expect("POST", COUNT, 200, body=body_of(COUNT))
    assert counted.headers["x-messages-count"] == "estimate"


def unroutable(world):
    """404 of a name that no rule matches."""
    world.expect("GET", "/health/claude-code/compatibility/{model}", 404,
                 "/health/claude-code/compatibility/gpt-nothing")
    for path in talks(world) + [COUNT]:
        if not path.startswith(DATABRICKS):
            world.expect("POST", path, 404, body=body_of(path, model="gpt-nothing"))


def messages_backend(world):
    """Its errors pass as they came; so do its answers."""
    told = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"},
            "request_id": "req_of_the_backend"}
    world.upstream.reset(lambda call: call.whole(503, told))
    for path in talks(world):
        assert world.expect("POST", path, 503, passed=True, body=message()).json == told
    world.upstream.reset(lambda call: call.whole(200, dict(
        id="msg_9", type="message", role="assistant", model="m", stop_reason="compaction",
        stop_sequence=None, content=[{"type": "text", "text": "x"}, {"type": "newer", "of": 1}],
        usage={"input_tokens": 1, "output_tokens": 1}, container=None), [
            ("anthropic-ratelimit-tokens-limit", "9")]))
    passed = world.expect("POST", "/v1/messages", 200, body=message())
    assert passed.json["container"] is None and passed.json["stop_reason"] == "compaction"


def test_document_is_true():
    seen = set()
    with World(seen, commit_after=1, more="breaker = { failures = 1000; };").beside() as world:
        for part in (good_answers, refused_callers, other_methods, heads, preflights,
                     listed_origin, unknown_paths, limits, bad_requests, missing_things, unroutable,
                     streamed_kinds, late_errors, backend_errors):
            part(world)
    with World(seen, throttle=1, logs=False, more="limits = { max_body = 4096; };") as world:
        for part in (without_records, large_bodies, limited_key):
            part(world)
    with World(seen, more="limits = { workers = 1; };") as world:
        busy_everywhere(world)
    with socket.socket() as bound:      # and not listening: connections are refused
        bound.bind(("127.0.0.1", 0))
        dead = bound.getsockname()[1]
        with World(seen, base_url="http://127.0.0.1:%d/v1" % dead).beside(port=dead) as world:
            dead_backend(world)
    with World(seen, dialect="anthropic").beside("anthropic") as world:
        messages_backend(world)
    known = {(method, path, status) for method, path, operation in world.doc.operations()
             for status in operation["responses"]}
    print("openapi.json: %d paths, %d answers seen, %d not" % (
        len(world.doc.paths), len(seen), len(UNSEEN)))
    assert seen | set(UNSEEN) == known, (known - seen - set(UNSEEN), seen - known)
    assert not seen & set(UNSEEN), "no longer unseen: %s" % (seen & set(UNSEEN))


def test_document_has_the_programs_paths():
    """GET / is made from the program's own table."""
    with Setup(harness.Lighttpd) as setup, setup.client() as client:
        listed = set(client.ask("GET", "/").json["endpoints"])
    doc = check.Document(document.document())
    # The table's * stands for a provider and for what is below it.
    below = "GET /v1/universal/providers/{provider}/models"
    known = {"%s %s" % (method, path) for method, path, _ in doc.operations()}
    assert below in known
    known = {name[:name.index("{")] + "*" if "{" in name else name for name in known - {below}}
    assert known == listed, (known - listed, listed - known)


def test_document_is_up_to_date():
    """It is made, and its words for people name each path, status and error."""
    with open(document.PATH, encoding="utf-8") as f:
        assert f.read() == document.text(), "run tests/openapi/document.py update"
    with open(os.path.join(harness.SOURCE, "docs", "api.md"), encoding="utf-8") as f:
        text = f.read()
    doc = check.Document(document.document())
    missing = [path for path in doc.paths if "`%s`" % path not in text]
    missing += [str(status) for status, _, _, _ in document.ERRORS if "| %d |" % status not in text]
    missing += [t for t in schemas.ERROR_TYPES if "`%s`" % t not in text]
    missing += [name for name in schemas.EVENTS if "`%s`" % name not in text]
    assert not missing, "docs/api.md lacks %s" % missing
