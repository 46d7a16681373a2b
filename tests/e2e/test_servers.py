"""What must be right through every web server. Each test gets a started server and its upstream."""
import base64
import json
import socket
import subprocess
import threading
import time

import harness
from client import Client, connect as raw_connection, message, text_of
from harness import KEY, ORIGIN
from upstream import hello


def connect(server, **kw):
    return Client(server.port, server.prefix, KEY, **kw)


def test_stream_is_live(server, upstream):
    """The second event is sent only after the client has seen the first."""
    seen = threading.Event()

    def script(call):
        call.begin()
        call.text("first")
        if seen.wait(10):
            call.text(" second")
        call.end()

    upstream.reset(script)
    with connect(server) as client:
        response, stream = client.stream(message(stream=True))
        assert response.status == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        text, names = "", []
        for name, data, _ in stream:
            names.append(name)
            if name == "content_block_delta":
                text += data["delta"]["text"]
            if text == "first":
                seen.set()
        assert text == "first second", text
        assert names[0] == "message_start" and names[-1] == "message_stop", names


def test_query_and_stream_path(server, upstream):
    upstream.reset()
    with connect(server) as client:
        _, stream = client.stream(message(stream=True), "/v1/messages?beta=true")
        assert text_of(stream) == "Hello there"
    with connect(server) as client:
        _, stream = client.stream(message(), "/v1/messages/stream")
        assert text_of(stream) == "Hello there"


def test_whole_answer(server, upstream):
    upstream.reset()
    with connect(server) as client:
        answer = client.ask("POST", "/v1/messages", message())
    assert answer.status == 200, answer.body
    assert answer.json["content"] == [{"type": "text", "text": "Hello there"}], answer.json
    assert answer.json["model"] == "claude-test"
    assert answer.json["usage"]["output_tokens"] == 7
    assert answer.headers["request-id"] and answer.headers["x-processing-time"]
    sent = upstream.calls[0]
    assert sent.json["model"] == "scripted"
    assert sent.headers["authorization"] == "Bearer upstream-secret"


def test_credentials_arrive(server, upstream):
    upstream.reset()
    for headers, status in (({"Authorization": "Bearer " + KEY}, 200), ({"x-api-key": KEY}, 200),
                            ({"Authorization": "Bearer wrong"}, 401), ({}, 401)):
        with Client(server.port, server.prefix) as client:
            answer = client.ask("POST", "/v1/messages", message(), headers)
        assert answer.status == status, (headers, answer.status, answer.body)
        if status == 401:
            assert answer.json["error"]["type"] == "authentication_error"


def test_headers_of_claude_code(server, upstream):
    """All that it sends, unknown ones among them."""
    upstream.reset()
    headers = {"Authorization": "Bearer " + KEY, "anthropic-version": "2023-06-01",
               "anthropic-beta": "claude-code-20250219,context-1m-2025-08-07",
               "anthropic-dangerous-direct-browser-access": "true", "anthropic-new-thing": "x",
               "Accept": "application/json", "Accept-Encoding": "gzip, deflate, br, zstd",
               "User-Agent": "claude-cli/2.1.300 (external, cli)", "x-app": "cli",
               "X-Stainless-Lang": "js", "x-correlation-id": "abc-123",
               "X-Claude-Code-Session-Id": "d38f2faa-8d1e-42f1-915e-5e825326608a"}
    with Client(server.port, server.prefix) as client:
        response, stream = client.stream(message(stream=True), "/v1/messages?beta=true", headers)
        assert text_of(stream) == "Hello there"
    assert response.headers["content-encoding"] is None, response.headers
    assert response.headers["x-correlation-id"] == "abc-123", response.headers


def test_big_body(server, upstream):
    """Just under the limit of 32 MB."""
    image = base64.b64encode(bytes(range(256)) * 4).decode() * 23000
    upstream.reset()
    body = message()
    body["messages"][0]["content"] = [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": image}},
        {"type": "text", "text": "what is it?"}]
    with connect(server, timeout=60) as client:
        answer = client.ask("POST", "/v1/messages", body)
    assert answer.status == 200, answer.body[:500]
    parts = upstream.calls[0].json["messages"][-1]["content"]
    assert parts[0]["image_url"]["url"] == "data:image/png;base64," + image


def test_too_big_body(server, upstream):
    upstream.reset()
    with connect(server, timeout=60) as client:
        answer = client.ask("POST", "/v1/messages", message("x" * 40_000_000))
    assert answer.status == 413, (answer.status, answer.body[:300])
    error = answer.json["error"]
    assert error["type"] == "request_too_large" and "limits.max_body" in error["message"], error
    assert not upstream.calls


def test_other_endpoints(server, upstream):
    upstream.reset()
    with Client(server.port, server.prefix) as client:
        for method, path in (("GET", "/"), ("HEAD", "/"), ("HEAD", "/api/hello"),
                             ("GET", "/health")):
            answer = client.ask(method, path)
            assert answer.status == 200, (method, path, answer.status, answer.body)
            assert method != "HEAD" or answer.body == b""
    with connect(server) as client:
        for path in ("/status", "/health/detailed", "/v1/models"):
            answer = client.ask("GET", path)
            assert answer.status == 200, (path, answer.status, answer.body)
            assert "upstream-secret" not in answer.body.decode()
        models = [m["id"] for m in client.ask("GET", "/v1/models").json["data"]]
        assert "vendor/other" in models, models
        answer = client.ask("POST", "/v1/messages/count_tokens", message("some words"))
        assert answer.status == 200 and answer.json["input_tokens"] > 0, answer.body
        answer = client.ask("GET", "/v1/nothing")
        assert answer.status == 404 and answer.json["error"]["type"] == "not_found_error"
        answer = client.ask("GET", "/v1/messages")
        assert answer.status == 405 and "POST" in answer.headers["allow"], answer.headers


def test_model_names_with_slashes(server, upstream):
    upstream.reset()
    with connect(server) as client:
        paths = ["/v1/models/vendor/other"]
        if server.encoded_slashes:
            paths.append("/v1/models/vendor%2Fother")
        for path in paths:
            answer = client.ask("GET", path)
            assert answer.status == 200, (path, answer.status, answer.body)
            assert answer.json["id"] == "vendor/other"


def test_cors_preflight(server, upstream):
    ask = {"Access-Control-Request-Method": "POST",
           "Access-Control-Request-Headers": "content-type,x-api-key"}
    with Client(server.port, server.prefix) as client:
        answer = client.ask("OPTIONS", "/v1/messages", headers=dict(ask, Origin=ORIGIN))
        assert answer.status in (200, 204), (answer.status, answer.body)
        assert answer.headers["access-control-allow-origin"] == ORIGIN, answer.headers
        answer = client.ask("OPTIONS", "/v1/messages",
                            headers=dict(ask, Origin="https://evil.example"))
        assert answer.headers["access-control-allow-origin"] is None, answer.headers


def test_errors_of_the_backend(server, upstream):
    cases = ((429, {"retry-after": "17"}, 429, "rate_limit_error"),
             (401, {}, 502, "api_error"), (404, {}, 404, "not_found_error"),
             (400, {}, 400, "invalid_request_error"))
    for status, headers, expected, kind in cases:
        upstream.reset(lambda call, s=status, h=headers: call.whole(
            s, {"error": {"message": "scripted failure", "type": "x", "code": None}}, h.items()))
        with connect(server) as client:
            answer = client.ask("POST", "/v1/messages", message(stream=True))
        assert answer.status == expected, (status, answer.status, answer.body)
        assert answer.json["error"]["type"] == kind, answer.json
        if status == 429:
            assert answer.headers["retry-after"] == "17"
        if status == 401:
            assert answer.headers["x-should-retry"] == "false"
        else:
            assert "scripted failure" in answer.json["error"]["message"], answer.json


def test_bad_requests(server, upstream):
    upstream.reset()
    for body, word in (("{", ""), ('{"model":"m"}', "max_tokens"), ("[]", ""),
                       ('{"model":"m","max_tokens":1,"messages":[{"role":"king","content":"x"}]}',
                        "role"), (b'{"model":"\xff"}', "")):
        with connect(server) as client:
            answer = client.ask("POST", "/v1/messages", body)
        assert answer.status == 400, (body, answer.status, answer.body)
        assert answer.json["error"]["type"] == "invalid_request_error"
        assert word in answer.json["error"]["message"], answer.json
    assert not upstream.calls


def test_cut_in_the_middle(server, upstream):
    """An upstream that stops is an error event, never a finished answer."""
    seen = threading.Event()

    def script(call):
        call.begin()
        call.text("half")
        seen.wait(10)

    upstream.reset(script)
    with connect(server) as client:
        _, stream = client.stream(message(stream=True))
        names = []
        for name, _, _ in stream:
            if name == "content_block_delta":
                seen.set()
            if name != ":":
                names.append(name)
    assert names[-1] == "error" and "message_stop" not in names, names


def test_pings(server, upstream):
    """A backend that says nothing for a while after its first words."""
    def script(call):
        call.begin()
        call.text("a")
        time.sleep(2.5)
        call.text("b")
        call.end()

    upstream.reset(script)
    with connect(server) as client:
        _, stream = client.stream(message(stream=True))
        names = [name for name, _, _ in stream]
    assert "ping" in names and names[-1] == "message_stop", names


def test_client_gone(server, upstream):
    """The call to the backend stops soon after a client has left a silent stream."""
    result, done = [], threading.Event()

    def script(call):
        call.begin()
        call.text("a")
        result.append(call.gone(server.gone_after + 5))
        done.set()

    upstream.reset(script)
    client = connect(server)
    _, stream = client.stream(message(stream=True))
    for name, _, _ in stream:
        if name == "content_block_delta":
            break
    client.cut()
    assert done.wait(server.gone_after + 10), "the call went on"
    assert result[0] is not None and result[0] <= server.gone_after, result


def test_big_answer(server, upstream):
    """4 MB in 2,000 events."""
    piece = "0123456789abcdef" * 128

    def script(call):
        call.begin()
        for i in range(2000):
            call.text("%04d" % i + piece)
        call.end()

    upstream.reset(script)
    with connect(server, timeout=60) as client:
        _, stream = client.stream(message(stream=True))
        text = text_of(stream)
    assert text == "".join("%04d" % i + piece for i in range(2000)), len(text)


def test_keep_alive(server, upstream):
    upstream.reset()
    with connect(server) as client:
        for _ in range(5):
            assert client.ask("POST", "/v1/messages", message()).status == 200
        _, stream = client.stream(message(stream=True))
        assert text_of(stream) == "Hello there"


def test_refusals_keep_the_connection(server, upstream):
    """A refusal comes before the body has: what follows on the connection is served."""
    upstream.reset()
    for size in (10, 76_000):
        with Client(server.port, server.prefix) as client:
            for _ in range(4):
                answer = client.ask("POST", "/v1/messages", message("x" * size))
                assert answer.status == 401, (size, answer.status, answer.body)
            client.key = KEY
            answer = client.ask("POST", "/v1/messages", message("x" * size))
            assert answer.status == 200, (size, answer.status, answer.body)


def test_concurrent(server, upstream):
    """Eight streams that all have to be open at once."""
    barrier = threading.Barrier(8)
    results = []

    def script(call):
        call.begin()
        call.text("a")
        barrier.wait(20)
        call.text(call.json["messages"][-1]["content"])
        call.end()

    def one(i):
        with connect(server) as client:
            _, stream = client.stream(message("number %d" % i, stream=True))
            results.append(text_of(stream))

    upstream.reset(script)
    threads = [threading.Thread(target=one, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == ["anumber %d" % i for i in range(8)], results


def test_chunked_request(server, upstream):
    """A body without a length is served, or refused in a way that says what is wrong."""
    upstream.reset(hello)
    body = b'{"model":"claude-test","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}'
    with raw_connection(server.port, 20) as s:
        s.sendall(("POST %s/v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: %s\r\n"
                   "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n"
                   "Connection: close\r\n\r\n%x\r\n" % (server.prefix, KEY, len(body))).encode()
                  + body + b"\r\n0\r\n\r\n")
        answer = b""
        while True:
            got = s.recv(65536)
            if not got:
                break
            answer += got
    status = int(answer.split(b" ", 2)[1])
    assert status in (200, 411), answer[:300]


def test_doctor(server, upstream):
    """Each sample is in order, and the doctor says so."""
    done = subprocess.run([server.gateway.program, "doctor", "--json", "--silence", "2", "--config",
                           server.gateway.config, server.base], capture_output=True, text=True,
                          env=harness.clean_env(**server.trust), timeout=240)
    found = [f for f in json.loads(done.stdout) if f["area"] == "web server"]
    wrong = [f for f in found if f["level"] in ("error", "warning")]
    assert not wrong and done.returncode == 0, (done.returncode, wrong, done.stderr)
    ids = {f["id"] for f in found}
    assert {"web.answers", "web.headers_pass", "web.streams", "web.contents", "web.sizes",
            "web.errors", "web.head", "web.silence"} <= ids, ids
    assert ("web.slashes" not in ids) == server.encoded_slashes, ids
