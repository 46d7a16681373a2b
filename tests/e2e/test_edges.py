"""Each limit at its edge: what is over it gets one of the API's answers, with retry-after where
coming back helps, and at once; nothing waits for a place. The limits of keys are in test_limits,
those of time in test_time.
"""
import json
import os
import select
import socket
import time

from client import events, message
from harness import KEY, Lighttpd, wait_for
from test_access import Cgi
from test_errors import ask, error_of
from test_limits import backends
from test_processes import Nginx, Setup, held, open_stream
from upstream import Upstream, hello


def answer_of(sock):
    """Status, headers and body of what comes until the server has said it all."""
    data = b""
    while b"\r\n0\r\n\r\n" not in data:
        more = sock.recv(65536)
        if not more:
            break
        data += more
        head, found, body = data.partition(b"\r\n\r\n")
        lower = head.lower()
        if found and b"content-length: " in lower and \
                len(body) >= int(lower.split(b"content-length: ")[1].split(b"\r\n")[0]):
            break
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines[1:])
    return int(lines[0].split()[1]), headers, body


def burst(setup, n, model="claude-test"):
    """n requests for streams, all sent before the first answer is read."""
    body = json.dumps(message(model=model, stream=True)).encode()
    head = "POST %s/v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: %s\r\n" \
        "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
            setup.server.prefix, KEY, len(body))
    socks = [socket.create_connection(("127.0.0.1", setup.server.port), 30) for _ in range(n)]
    for s in socks:
        s.sendall(head.encode() + body)
    return socks


def overloaded(status, headers, body):
    assert status == 529, (status, body)
    assert b'"overloaded_error"' in body, body
    assert int(headers["retry-after"]) > 0, headers


def test_a_burst_over_the_workers():
    """Hundreds at once where eight may be: one thread refuses all the others."""
    for limits, name in (("workers = 8;", b"limits.workers"),
                         ("workers = 400; requests = 8;", b"limits.requests")):
        with Setup(Lighttpd, more="limits = { %s };" % limits) as setup:
            go = held(setup.upstream)
            streams = [open_stream(setup) for _ in range(8)]
            socks = burst(setup, 300)
            for s in socks:
                status, headers, body = answer_of(s)
                overloaded(status, headers, body)
                assert name in body, body
                s.close()
            assert len(setup.upstream.calls) == 8
            go.set()
            for client, stream in streams:
                assert [n for n, _, _ in stream if n not in (":", "ping")][-1] == "message_stop"
                client.close()
            setup.upstream.reset()
            wait_for(lambda: ask(setup).status == 200, 10, "there is room again")


class FewFiles(Nginx):
    """A program that may have 80 descriptors: twelve workers' worth, by its own count."""
    name = "nginx-few-files"

    def spawn_gateway(self):
        program = self.gateway.program
        self.gateway.program = self.write("few", 'ulimit -n 80 && exec "%s" "$@"\n' % program)
        with open(self.gateway.program, "r+") as f:
            text = f.read()
            f.seek(0)
            f.write("#!/bin/sh\n" + text)
        os.chmod(self.gateway.program, 0o755)
        try:
            return super().spawn_gateway()
        finally:
            self.gateway.program = program


def all_answered(socks):
    """Every one has at least the beginning of its answer."""
    return len(select.select(socks, [], [], 0)[0]) == len(socks)


def test_few_descriptors():
    """What they are enough for is served, the rest gets 529; again and again, with two backends whose
    idle connections are kept."""
    with Setup(FewFiles) as setup:
        second = Upstream()
        setup.gateway.write(backend=backends(second))
        time.sleep(1.05)
        for model, upstream in (("test/m", setup.upstream), ("second/m", second)) * 2:
            go = held(upstream)
            socks = burst(setup, 60, model)
            wait_for(lambda: all_answered(socks), 10, "everyone is answered")
            go.set()
            got = [answer_of(s) for s in socks]
            for s in socks:
                s.close()
            good = [body for status, _, body in got if status == 200]
            for answer in got:
                if answer[0] != 200:
                    overloaded(*answer)
            for body in good:
                assert b"message_stop" in body and b"event: error" not in body, body
            # One less while the descriptors of the question before are still being closed.
            assert 11 <= len(good) <= 12, len(good)
            assert len(good) == len(upstream.calls), (len(good), len(upstream.calls))
            upstream.reset()
            wait_for(lambda: ask(setup).status == 200, 10, "there is room again")
        second.close()


# ---- sizes ----

def padded(size):
    """A request of exactly so many bytes."""
    body = json.dumps(message(""))
    return json.dumps(message("x" * (size - len(body))))


def test_body_at_its_limit():
    with Setup(Nginx, more="limits = { max_body = 100000; };") as setup:
        assert ask(setup, padded(100000)).status == 200
        text = error_of(ask(setup, padded(100001)), 413, "request_too_large")
        assert "100001" in text and "limits.max_body" in text, text


def test_chunked_body_at_its_limit():
    """Its length is known to nobody before its end."""
    with Setup(Nginx, more="limits = { max_body = 100000; };") as setup:
        for size, status in ((100000, 200), (100001, 413), (900000, 413)):
            body = padded(size)
            parts = (body[i:i + 8192].encode() for i in range(0, size, 8192))
            with setup.client() as client:
                client.conn.request("POST", setup.server.prefix + "/v1/messages", parts,
                                    {"x-api-key": KEY, "Content-Type": "application/json",
                                     "Transfer-Encoding": "chunked"},
                                    encode_chunked=True)
                response = client.conn.getresponse()
                answer = json.loads(response.read())
            assert response.status == status, (size, answer)
            assert status == 200 or answer["error"]["type"] == "request_too_large", answer


def test_long_headers():
    """As long as an environment allows; a web server refuses them long before that."""
    long = "x" * 100_000
    with Cgi() as cgi:
        for name in ("HTTP_ANTHROPIC_BETA", "HTTP_X_CORRELATION_ID", "HTTP_USER_AGENT",
                     "HTTP_X_STAINLESS_LANG", "HTTP_ANTHROPIC_VERSION", "QUERY_STRING"):
            status, _, body = cgi.ask(HTTP_X_API_KEY=KEY, **{name: long})
            assert status == 200, (name, status, body)
        for key in (long, "sk-" + long):
            status, _, body = cgi.ask(HTTP_X_API_KEY=key)
            assert status == 401 and json.loads(body)["error"]["type"] == "authentication_error"
        status, _, body = cgi.ask(path="/v1/" + long, HTTP_X_API_KEY=KEY)
        assert status == 404 and len(body) < 2000, body[:300]


def test_a_web_servers_own_limit_of_headers():
    """It answers itself, at once."""
    for server_class in (Nginx, Lighttpd):
        with Setup(server_class) as setup:
            answer = ask(setup, headers={"anthropic-beta": "x" * 70_000})
            assert answer.status in (400, 413, 431), (server_class.name, answer.status)
            assert ask(setup).status == 200


# ---- what backends send ----

def test_an_event_at_its_limit():
    """Of limits.max_event and a little less it passes; above, there is an error."""
    def script(call):
        call.begin()
        call.text("a")
        call.text("x" * call.json["max_tokens"])
        call.end()

    with Setup(Nginx, more="limits = { max_event = 65536; };") as setup:
        setup.upstream.reset(script)
        for size in (65000, 66000, 900000):
            with setup.client() as client:
                response = client.send("POST", "/v1/messages",
                                       message(stream=True, max_tokens=size))
                if response.status == 200:
                    name, data = [(n, d) for n, d, _ in events(response)
                                  if n not in (":", "ping")][-1]
                else:       # it came with the first one, before anything was sent on
                    name, data = "error", json.loads(response.read())
            assert name == ("message_stop" if size == 65000 else "error"), (size, data)
            if name == "error":
                assert "limits.max_event" in data["error"]["message"], data


def test_longest_answer():
    """A model that writes less than max_tokens says how much, and is asked for that at once, streamed
    and whole; what it refuses for good is told after the second call."""
    says = "max_tokens is too large: %d. This model supports at most %d completion tokens."

    def script(call):
        asked = call.json["max_tokens"]
        if asked > limits[0]:
            return call.whole(400, {"error": {"message": says % (asked, limits.pop(0))}})
        return hello(call)

    with Setup(Lighttpd) as setup, setup.client() as client:
        for stream in (True, False):
            limits = [16384, 16384]
            setup.upstream.reset(script)
            answer = client.ask("POST", "/v1/messages", message(max_tokens=128000, stream=stream))
            assert answer.status == 200 and b"Hello" in answer.body, answer.body
            assert [call.json["max_tokens"] for call in setup.upstream.calls] == [128000, 16384]
        limits = [16384, 8192]
        setup.upstream.reset(script)
        answer = client.ask("POST", "/v1/messages", message(max_tokens=128000))
        assert "at most 8192" in error_of(answer, 400, "invalid_request_error")
        assert len(setup.upstream.calls) == 2
        limits = [100000, 0]
        setup.upstream.reset(script)
        answer = client.ask("POST", "/v1/messages", message(max_tokens=200))
        assert answer.status == 200 and len(setup.upstream.calls) == 1, answer.body


def test_longest_answer_of_a_messages_backend():
    """What LiteLLM, Vertex and others say in the API's own words, too; but not where the shorter answer
    would have no room for the thinking that was asked for: they refuse that for good."""
    says = "max_tokens: %d > 64000, which is the maximum allowed number of output tokens for claude"
    refused = {"type": "error", "error": {"type": "invalid_request_error"}}

    def script(call):
        asked = call.json["max_tokens"]
        if asked > 64000:
            refused["error"]["message"] = says % asked
            return call.whole(400, refused)
        return call.whole(200, {"id": "msg_1", "type": "message", "role": "assistant",
                                "model": "scripted", "stop_reason": "end_turn",
                                "content": [{"type": "text", "text": "Hello"}],
                                "usage": {"input_tokens": 1, "output_tokens": 1}})

    with Setup(Lighttpd, dialect="anthropic") as setup, setup.client() as client:
        setup.upstream.reset(script)
        answer = client.ask("POST", "/v1/messages", message(max_tokens=128000))
        assert answer.status == 200 and b"Hello" in answer.body, answer.body
        assert [call.json["max_tokens"] for call in setup.upstream.calls] == [128000, 64000]
        setup.upstream.reset(script)
        thinking = {"type": "enabled", "budget_tokens": 100000}
        answer = client.ask("POST", "/v1/messages", message(max_tokens=128000, thinking=thinking))
        assert answer.json == refused and answer.status == 400, answer.body
        assert len(setup.upstream.calls) == 1
