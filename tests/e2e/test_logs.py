"""The log: a JSON line for each request, and nothing of keys or contents in it at any level."""
import json
import os
import time

import harness
from client import Client, message
from harness import KEY
from test_processes import Nginx, Setup
from upstream import hello

SECRETS = ("upstream-secret", KEY, "prompt-words-of-the-user", "answer-words-of-the-model",
           "system-words", "tool-words", "query-words", "other-key-words")


def requests(setup):
    """The lines of requests, those of the program's own left out."""
    with open(setup.gateway.log) as f:
        lines = [json.loads(line) for line in f]
    return [line for line in lines if "path" in line]


def last(setup, n=1):
    """The n-th request's line, once it is there."""
    return harness.wait_for(lambda: len(requests(setup)) >= n and requests(setup)[n - 1], 5,
                            "the line is written")


def answer(call):
    def chunk(choices, **more):
        call.event(dict({"id": "gen-7", "object": "chat.completion.chunk", "created": 1,
                         "model": "vendor/reported", "choices": choices}, **more))

    call.begin()
    chunk([{"index": 0, "delta": {"content": "answer-words-of-the-model"}, "finish_reason": None}])
    chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    chunk([], usage={"prompt_tokens": 100, "completion_tokens": 7, "total_tokens": 107,
                     "prompt_tokens_details": {"cached_tokens": 60}, "cost": 0.00125})
    call.event("[DONE]")


def test_members_of_a_line():
    with Setup(Nginx) as setup:
        setup.upstream.reset(answer)
        with setup.client() as client:
            response, stream = client.stream(
                message(stream=True), "/v1/messages?beta=true",
                {"x-claude-code-session-id": "session-1", "x-correlation-id": "corr-1"})
            list(stream)
        line = last(setup)
        size = len(json.dumps(message(stream=True)))
    expected = dict(id=response.headers["request-id"], correlation_id="corr-1", method="POST",
                    path="/v1/messages", key="e2e", session="session-1", backend="test",
                    model_asked="claude-test", model_routed="scripted",
                    model_reported="vendor/reported", stream=True, attempts=1, upstream_status=200,
                    stop_reason="end_turn", input_tokens=40, output_tokens=7, cache_read_tokens=60,
                    cost="0.00125", status=200, bytes_in=size)
    for name, value in expected.items():
        assert line.get(name) == value, (name, line.get(name), value)
    assert 0 <= line["first_byte_ms"] <= line["ms"] < 5000 and line["bytes_out"] > 300, line
    assert line["time"].endswith("Z") and "client_gone" not in line and "fault" not in line, line


def test_lines_of_faults():
    """What the client was told, and what the backend said; one that has left is no success."""
    with Setup(Nginx) as setup:
        setup.upstream.reset(lambda call: call.whole(401, {"error": {"message": "x"}}))
        with setup.client() as client:
            client.ask("POST", "/v1/messages", message())
        line = last(setup)
        assert (line["status"], line["upstream_status"], line["fault"]) == (502, 401, "api_error")
        assert line["fault_site"] and "stop_reason" not in line, line

        def cut(call):
            call.begin()
            call.text("half")
            time.sleep(0.2)

        setup.upstream.reset(cut)
        with setup.client() as client:
            list(client.stream(message(stream=True))[1])
        line = last(setup, 2)
        told = line["status"], line["fault"], line["fault_status"]
        assert told == (200, "api_error", 502), line
        assert "stop_reason" not in line, line

        setup.upstream.reset(lambda call: (call.begin(), call.text("half"), call.gone(5)))
        client = setup.client()
        next(client.stream(message(stream=True))[1])
        client.cut()
        line = last(setup, 3)
        assert line["client_gone"] is True and "stop_reason" not in line, line

        with Client(setup.server.port, setup.server.prefix) as client:
            client.ask("POST", "/v1/messages", message())
        line = last(setup, 4)
        assert line["status"] == 401 and line["fault"] == "authentication_error", line
        assert "key" not in line and "backend" not in line, line


def everything(setup):
    """Requests of all kinds, with words in them that no log may hold."""
    body = message("prompt-words-of-the-user", system="system-words", tools=[
        {"name": "f", "description": "tool-words", "input_schema": {"type": "object"}}])
    scripts = (answer, hello, lambda call: call.whole(401, {"error": {
        "message": "bad key upstream-secret: prompt-words-of-the-user"}}),
        lambda call: call.whole(400, {"error": {"message": "prompt-words-of-the-user"}}),
        lambda call: call.whole(500, {"error": {"message": "prompt-words-of-the-user"}}),
        lambda call: (call.begin(), call.event("{broken answer-words-of-the-model")),
        lambda call: call.whole(200, b"<html>answer-words-of-the-model</html>"),
        lambda call: setattr(call, "keep", False))
    for script in scripts:
        for stream in (True, False):
            setup.upstream.reset(script)
            with setup.client() as client:
                client.ask("POST", "/v1/messages?key=query-words", dict(body, stream=stream))
    with Client(setup.server.port, setup.server.prefix) as client:
        for name, start in (("x-api-key", ""), ("Authorization", "Bearer ")):
            client.ask("POST", "/v1/messages", body, {name: start + "other-key-words"})
    with setup.client() as client:
        client.ask("POST", "/v1/messages", '{"model":"m","max_tokens":"prompt-words-of-the-user"')
        client.ask("POST", "/v1/messages/count_tokens", body)
        client.ask("GET", "/health/detailed")
        client.ask("GET", "/v1/models")


def test_nothing_of_keys_or_contents():
    with Setup(Nginx, log_level="debug", backend="retries = 1;") as setup:
        everything(setup)
        setup.gateway.write(model="other")
        time.sleep(1.1)
        everything(setup)
        last(setup, 40)
        for name in os.listdir(setup.gateway.dir):
            if not name.endswith(".log"):
                continue
            with open(setup.gateway.path(name), errors="replace") as f:
                text = f.read()
            for secret in SECRETS:
                # The web server's own log holds the query, which is its business.
                if not (name.startswith("nginx") and secret == "query-words"):
                    assert secret not in text, (name, secret)


def test_every_line_is_json():
    """Odd bytes in paths and names too."""
    with Setup(Nginx) as setup, setup.client() as client:
        client.ask("GET", "/v1/models/%22%0a%ff%5c")
        client.ask("POST", "/v1/messages", message(model="a\"\n\u0001\u00e9"),
                   {"x-correlation-id": "q\"\\x"})
        last(setup, 2)


def test_destinations():
    with Setup(Nginx) as setup:
        moved = setup.gateway.path("moved.log")
        open(moved, "w").close()
        os.chmod(moved, 0o666)

        def lines(dest):
            setup.gateway.write(log=dest)
            time.sleep(1.1)
            with setup.client() as client:
                assert client.ask("POST", "/v1/messages", message()).status == 200
            time.sleep(0.2)
            counts = []
            for path in (setup.gateway.log, moved, setup.gateway.path("stderr.log")):
                with open(path) as f:
                    counts.append(f.read().count('"path":"/v1/messages"'))
            return counts

        assert lines(setup.gateway.log) == [1, 0, 0]
        assert lines(moved) == [1, 1, 0]
        assert lines("stderr") == [1, 1, 1]
        assert lines("none") == [1, 1, 1]
        assert lines("syslog") == [1, 1, 1]
