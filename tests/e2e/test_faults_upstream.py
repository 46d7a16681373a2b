"""Faults of the backend: each is a row of a table, asked for as a stream and as a whole answer.

All of them run at once through one web server and one process, beside a stream of a healthy backend
that must not notice. What is asked of each: the client gets an error of the API's form, or a legal
stream that ends in an `error` event; the connection to the backend is closed; nothing runs on.
"""
import gzip
import http.client
import json
import os
import socket
import struct
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

import harness
from client import Client, message
from grammar import check_answer
from harness import KEY, Lighttpd
from listener import Listener
from test_processes import Setup
from test_time import full_listener
from upstream import Upstream, hello

LIMIT = 2           # seconds that each wait for the backend may last here
HEALTHY = "0123456789" * 2

# ---- what a well-behaved backend would send ----


def chunk(delta, finish=None):
    return "data: %s\n\n" % json.dumps({"id": "c", "object": "chat.completion.chunk", "created": 1,
                                        "model": "m", "choices": [{
                                            "index": 0, "delta": delta, "finish_reason": finish}]})


FIRST = chunk({"role": "assistant", "content": "half"})
STREAM = FIRST + chunk({"content": " whole"}) + chunk({}, "stop") + "data: [DONE]\n\n"
WHOLE = json.dumps({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [
    {"index": 0, "finish_reason": "stop",
     "message": {"role": "assistant", "content": "half whole"}}]})


def streams(call):
    """Whatever the gateway asks for: a fault of a whole answer is one of JSON in one piece."""
    return not call.json["model"].endswith(" whole")


def good(call):
    return STREAM if streams(call) else WHOLE


def some(call):
    """Enough to have begun: an event, or the first half of the JSON."""
    return FIRST if streams(call) else WHOLE[:len(WHOLE) // 2]


def later(call):
    """What has come before is in the client's hands by now."""
    time.sleep(0.8)
    return ""


def head(call, *more, status="200 OK"):
    kind = "text/event-stream" if streams(call) else "application/json"
    return "\r\n".join(("HTTP/1.1 " + status, "Content-Type: " + kind) + more) + "\r\n\r\n"


def hang(call):
    """Until the gateway closes the connection: that it does is what the test waits for."""
    call.keep = False
    assert call.gone(30) is not None, "the call was left running"


def reset(call):
    call.keep = False
    call.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


# ---- the scripts ----

def stalls(*parts):
    def script(call):
        for part in parts:
            call.raw(part(call) if callable(part) else part)
        hang(call)
    return script


def breaks(*parts, how=None):
    """Sends these and closes, or resets."""
    def script(call):
        call.keep = False
        for part in parts:
            call.raw(part(call) if callable(part) else part)
        if how:
            time.sleep(0.6)     # what was sent would be lost with the reset
            how(call)
    return script


def answers(body, *headers):
    """Sends the body with the right length."""
    def script(call):
        data = body(call) if callable(body) else body
        data = data.encode() if isinstance(data, str) else data
        call.raw(head(call, "Content-Length: %d" % len(data), *headers))
        call.raw(data)
    return script


def floods(start, end=""):
    """100 MB without a line's end, or as much of it as is taken."""
    def script(call):
        call.raw(start(call))
        piece = b"x" * 1_000_000
        for _ in range(100):
            call.raw(piece)
        call.raw(end)
        hang(call)
    return script


def drips(call):
    """A byte at a time, for longer than the whole answer may last."""
    call.raw(head(call))
    for i in range(200):
        call.raw((": still thinking\n\n" if streams(call) else " ")[i % 18 if streams(call) else 0])
        time.sleep(0.1)


def drips_all(call):
    call.keep = False
    call.raw(head(call))
    for c in good(call):
        call.raw(c)


def brotli(data):
    """A valid Brotli stream that compresses nothing (RFC 7932, 9.2): one uncompressed block."""
    bits, n = 0, 0
    for value, width in ((0, 1), (0, 1), (0, 2), (len(data) - 1, 16), (1, 1)):
        bits |= value << n
        n += width
    return bits.to_bytes((n + 7) // 8, "little") + data + b"\x03"


def in_brotli(call):
    return brotli(good(call).encode())


def in_gzip(call):
    return gzip.compress(good(call).encode())


def redirects(status):
    def script(call):
        call.raw("HTTP/1.1 %d Elsewhere\r\nLocation: http://127.0.0.1:%d/v1/chat/completions\r\n"
                 "Content-Length: 0\r\n\r\n" % (status, call.json["max_tokens"]))
    return script


OK = "ok"
# What the client must get: OK, or the status and type of the error. A stream that has begun has no
# status any more: the error's type alone.
CUT = (502, "api_error")
LATE = (504, "timeout_error")
BEGUN = (None, "api_error")
ODD = (500, "api_error")
BEGUN_LATE = (None, "timeout_error")

# name: script, the stream's end, the whole answer's end
FAULTS = {
    "reset at once": (reset, CUT, CUT),
    "close at once": (breaks(), CUT, CUT),
    "reset in the head": (breaks("HTTP/1.1 200 OK\r\nContent-Ty", how=reset), CUT, CUT),
    "close in the head": (breaks("HTTP/1.1 200 OK\r\nContent-Ty"), CUT, CUT),
    "reset after the head": (breaks(head, how=reset), CUT, CUT),
    "close after the head": (breaks(head), CUT, CUT),
    "reset between events": (breaks(head, some, later, how=reset), BEGUN, CUT),
    "close between events": (breaks(head, some, later), BEGUN, CUT),
    "reset in an event": (breaks(head, some, later, "data: {\"cho", how=reset), BEGUN, CUT),
    "close in an event": (breaks(head, some, later, "data: {\"cho"), BEGUN, CUT),
    "silent before the head": (stalls(), LATE, LATE),
    "silent in the head": (stalls("HTTP/1.1 200 OK\r\nContent-Ty"), LATE, LATE),
    "silent after the head": (stalls(head), LATE, LATE),
    "silent between events": (stalls(head, some), BEGUN_LATE, LATE),
    "silent in an event": (stalls(head, some, "data: {\"cho"), BEGUN_LATE, LATE),
    "a byte at a time": (drips_all, OK, OK),
    "a byte at a time, for ever": (drips, LATE, LATE),
    "not HTTP": (breaks("SSH-2.0-OpenSSH_9.2\r\n"), CUT, CUT),
    "random bytes": (breaks(os.urandom(4096)), CUT, CUT),
    "a body of random bytes": (answers(b"\x00\xff\xfe" + os.urandom(4096)), CUT, CUT),
    "an empty body": (answers(""), CUT, CUT),
    "a page of HTML": (answers("<html><body>It works!</body></html>"), CUT, CUT),
    "events that are no JSON": (answers("data: {\"choices\": [}\n\n"), CUT, CUT),
    "a stream of another kind": (answers("data: 17\n\ndata: null\n\ndata: \"x\"\n\n"), CUT, CUT),
    "bytes that are no UTF-8": (answers(b"data: {\"choices\":[{\"delta\":{\"content\":\"\xff\"}}]}"
                                        b"\n\n"), CUT, CUT),
    "an interim answer for ever": (stalls("HTTP/1.1 102 Processing\r\n\r\n" * 3), LATE, LATE),
    "a status of its own": (breaks("HTTP/1.1 799 Whatever\r\nContent-Length: 0\r\n\r\n"),
                            ODD, ODD),
    "100 MB of head": (floods(lambda call: "HTTP/1.1 200 OK\r\nX-Long: "), CUT, CUT),
    "100 MB without a newline": (floods(lambda call: head(call) + (
        "data: {\"x\":\"" if streams(call) else "{\"x\":\"")), CUT, CUT),
    "100 MB after an event": (floods(lambda call: head(call) + some(call) + "data: "), BEGUN, CUT),
    "a length too long": (lambda call: breaks(head(call, "Content-Length: 99999"), good)(call),
                          OK, CUT),
    "a length too long, cut": (lambda call: breaks(head(call, "Content-Length: 99999"), some,
                                                   later)(call),
                               BEGUN, CUT),
    "a length too short": (lambda call: breaks(head(call, "Content-Length: %d" % len(some(call))),
                                               good)(call), CUT, CUT),
    "a length below nothing": (lambda call: breaks(head(call, "Content-Length: -5"), good)(call),
                               CUT, CUT),
    "a chunk of no size": (lambda call: breaks(head(call, "Transfer-Encoding: chunked"),
                                               "zz\r\n", good)(call), CUT, CUT),
    "a chunk that ends early": (lambda call: breaks(head(call, "Transfer-Encoding: chunked"),
                                                    "ffff\r\n", some, later)(call), BEGUN, CUT),
    "gzip unasked": (answers(in_gzip, "Content-Encoding: gzip"), OK, OK),
    "gzip that is none": (answers(good, "Content-Encoding: gzip"), CUT, CUT),
    "gzip, cut": (lambda call: answers(in_gzip(call)[:30], "Content-Encoding: gzip")(call),
                  CUT, CUT),
    "Brotli unasked": (answers(in_brotli, "Content-Encoding: br"), OK, OK),
    "an unknown coding": (answers(good, "Content-Encoding: rot13"), CUT, CUT),
    "redirect 301": (redirects(301), CUT, CUT),
    "redirect 302": (redirects(302), CUT, CUT),
    "redirect 303": (redirects(303), CUT, CUT),
    "redirect 307": (redirects(307), CUT, CUT),
    "redirect 308": (redirects(308), CUT, CUT),
}


# ---- running them ----

def script(call):
    """The model's name says what the backend does."""
    name = call.json["model"].rsplit(" ", 1)[0]
    if name == "healthy":
        call.begin()
        for c in HEALTHY:
            call.text(c)
            time.sleep(0.2)
        call.end()
    elif name in FAULTS:
        FAULTS[name][0](call)
    else:
        hello(call)


def ask(setup, model, stream, tokens=1000):
    """What came of one request: (status, text, error, seconds)."""
    model += " stream" if stream else " whole"
    body = json.dumps(message(stream=stream, model=model, max_tokens=tokens))
    start = time.monotonic()
    with Client(setup.server.port, setup.server.prefix, KEY, timeout=60) as client:
        response = client.send("POST", "/v1/messages", body)
        try:
            text, error = check_answer(response.status, response.headers, response.read())
        except http.client.IncompleteRead as e:
            raise AssertionError("the answer is cut: %r" % e.partial[-300:])
    return response.status, text, error, time.monotonic() - start


def check(result, expected, text="half whole"):
    status, said, error, _ = result
    if expected == OK:
        assert status == 200 and error is None and said == text, result
        return
    assert error, result
    assert error["type"] == expected[1], result
    assert status == (expected[0] or 200), result
    assert expected[0] is None or not said, result


def settings(**more):
    """Short waits; a 200 that comes with the first event, so that errors keep their status."""
    values = dict(probe_interval=30, ping_interval=30,
                  backend="retries = 0; connect_timeout = %d; first_byte_timeout = %d; "
                  "idle_timeout = %d; timeout = %d;" % (LIMIT, LIMIT, LIMIT, 3 * LIMIT),
                  more="limits = { max_event = 1000000; };")
    values.update(more)
    return values


def report(problems):
    assert not problems, "\n".join("%s: %s" % problem for problem in problems)


def beside(setup, jobs, prefix=""):
    """Runs the jobs, each (name, function), all at once beside a healthy stream; then looks whether
    the process is the same and nothing runs on."""
    before = harness.processes_below(setup.gateway.dir)
    problems = []

    def guarded(job):
        try:
            job[1]()
        except (AssertionError, OSError, ValueError, KeyError) as e:
            problems.append((job[0], repr(e)[:600]))

    healthy = ("the stream beside",
               lambda: check(ask(setup, prefix + "healthy", True), OK, HEALTHY))
    with ThreadPoolExecutor(24) as pool:
        list(pool.map(guarded, [healthy] + list(jobs)))
    report(problems)
    harness.wait_for(lambda: setup.upstream.running == 0, 5, "every call has ended")
    check(ask(setup, prefix + "after", True), OK, "Hello there")
    assert harness.processes_below(setup.gateway.dir) == before, "the process was replaced"


def test_faults_of_the_backend():
    elsewhere = Upstream()

    def job(name, stream):
        expected = FAULTS[name][1 if stream else 2]
        check(ask(setup, name, stream, elsewhere.port), expected)

    with Setup(Lighttpd, **settings()) as setup:
        setup.upstream.reset(script)
        ask(setup, "before", False)
        beside(setup, [("%s, %s" % (name, "stream" if stream else "whole"),
                        lambda name=name, stream=stream: job(name, stream))
                       for name in FAULTS for stream in (True, False)])
    assert elsewhere.connections == 0, "a redirect was followed"
    elsewhere.close()


# ---- before there is a connection ----

def silent_listener():
    """Takes connections and says nothing, so that TLS never comes about."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    return listener, listener.getsockname()[1]


def answer_in_plain(sock):
    """Answers whatever comes in plain HTTP, where TLS is expected."""
    with sock:
        sock.recv(4096)
        sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")


def backends(urls):
    """The options of the first, and the others behind it."""
    common = "retries = 0; connect_timeout = %d;" % LIMIT
    return common + "".join(
        " }; %s = { dialect = \"openai-chat\"; base_url = \"%s\"; auth = \"none\"; %s"
        % (name, url, common) for name, url in urls.items())


def unconnected(urls, expected):
    """Every one of these backends as a stream and whole, at once, beside a healthy one."""
    def job(name, stream):
        status, said, error, took = ask(setup, name + "/m", stream)
        kind, words = expected[name]
        assert (status, error["type"]) == kind and words in error["message"], (status, error)
        assert took < LIMIT + 3, took

    with Setup(Lighttpd, **settings(backend=backends(urls))) as setup:
        setup.upstream.reset(script)
        check(ask(setup, "test/before", True), OK, "Hello there")
        beside(setup, [("%s, %s" % (name, stream), lambda name=name, stream=stream:
                        job(name, stream)) for name in urls for stream in (True, False)], "test/")


def test_faults_of_connecting():
    full, fill = full_listener()
    silent, port = silent_listener()
    plain = Listener(answer_in_plain)
    urls = {"refuses": "http://127.0.0.1:%d" % harness.free_port(),
            "full": "http://127.0.0.1:%d" % full.getsockname()[1],
            "tls_silent": "https://127.0.0.1:%d" % port,
            "tls_none": "https://127.0.0.1:%d" % plain.port,
            "no_name": "http://nobody.invalid:80"}
    unconnected(urls, {"refuses": (CUT, "refused the connection"),
                       "full": (LATE, "connect_timeout"), "tls_silent": (LATE, "connect_timeout"),
                       "tls_none": (CUT, "TLS"), "no_name": (CUT, "could not be resolved")})
    for s in fill + [full, silent, plain]:
        s.close()


def resolver_that_is_silent(gateway):
    """The program in a mount namespace whose resolv.conf names a server that says nothing; None
    where that is not permitted."""
    try:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.bind(("127.0.0.153", 53))
        subprocess.run(["unshare", "-m", "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    conf, real = gateway.path("resolv.conf"), gateway.path("real.fcgi")
    with open(conf, "w") as f:
        f.write("nameserver 127.0.0.153\n")
    os.rename(gateway.program, real)
    with open(gateway.program, "w") as f:
        f.write("#!/bin/sh\nexec unshare -m sh -c 'mount --bind %s /etc/resolv.conf && "
                "exec %s \"$@\"' sh \"$@\"\n" % (conf, real))
    os.chmod(gateway.program, 0o755)
    return sock


def test_a_silent_name_server():
    """The call ends with connect_timeout, and so does the program when it is told to, although the
    resolver is still waiting."""
    setup = Setup(Lighttpd, **settings(backend=backends({"far": "http://backend.example"})))
    resolver = resolver_that_is_silent(setup.gateway)
    if resolver is None:
        setup.__exit__()
        return
    with resolver, setup:
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda stream: ask(setup, "far/m", stream), (True, False)))
    for status, said, error, took in results:
        assert (status, error["type"]) == LATE, (status, error)
        assert "name was not resolved" in error["message"], error
        assert took < LIMIT + 3, took
