"""Errors: what those of a backend become, what bad requests and full limits are told."""
import json
import select
import socket
import time

import harness
from client import Client, message
from harness import KEY, Lighttpd
from test_processes import Nginx, Setup

FAILURE = {"error": {"message": "scripted failure", "type": "x", "code": None}}


def ask(setup, body=None, headers=(), **more):
    with setup.client(timeout=60) as client:
        return client.ask("POST", "/v1/messages", body or message(**more), headers)


def error_of(answer, status, kind):
    """The message of an error that has to have this status, this type and the API's shape."""
    assert answer.status == status, (answer.status, answer.body)
    obj = answer.json
    assert obj["type"] == "error" and obj["error"]["type"] == kind, obj
    assert obj["request_id"] == answer.headers["request-id"] == answer.headers["x-request-id"]
    return obj["error"]["message"]


# ---- of the backend ----

def test_statuses():
    cases = ((400, 400, "invalid_request_error"), (402, 402, "billing_error"),
             (404, 404, "not_found_error"), (408, 504, "timeout_error"),
             (409, 409, "conflict_error"), (413, 413, "request_too_large"),
             (422, 400, "invalid_request_error"), (429, 429, "rate_limit_error"),
             (500, 500, "api_error"), (502, 502, "api_error"), (503, 529, "overloaded_error"),
             (504, 504, "timeout_error"), (529, 529, "overloaded_error"))
    with Setup(Nginx) as setup:
        for stream in (False, True):
            for status, expected, kind in cases:
                setup.upstream.reset(lambda call, s=status: call.whole(s, FAILURE))
                text = error_of(ask(setup, stream=stream), expected, kind)
                assert text == "scripted failure", text


def test_retry_headers_pass():
    cases = (({"retry-after": "17"}, "17", None), ({"retry-after": "6.2"}, "7", None),
             ({"retry-after-ms": "9100"}, "10", None),
             ({"x-should-retry": "false"}, None, "false"),
             ({"x-should-retry": "true", "retry-after": "30"}, "30", "true"))
    with Setup(Nginx) as setup:
        for headers, after, should in cases:
            setup.upstream.reset(lambda call, h=headers: call.whole(429, FAILURE, h.items()))
            answer = ask(setup)
            assert answer.headers["retry-after"] == after, (headers, answer.headers)
            assert answer.headers["x-should-retry"] == should, (headers, answer.headers)


def test_rate_limits_are_shown():
    """The headers by which clients show what is left come with errors as with answers."""
    limits = (("anthropic-ratelimit-unified-status", "rejected"), ("x-other", "kept back"))
    with Setup(Nginx, backend="retries = 0;") as setup:
        setup.gateway.write(dialect="anthropic",
                            base_url="http://127.0.0.1:%d" % setup.upstream.port)
        time.sleep(1.1)
        setup.upstream.reset(lambda call: call.whole(429, FAILURE, limits))
        answer = ask(setup)
        assert answer.status == 429, answer.body
        assert answer.headers["anthropic-ratelimit-unified-status"] == "rejected", answer.headers
        assert "x-other" not in answer.headers, answer.headers
        assert answer.headers["x-messages-backend"], answer.headers


def test_the_providers_own_words():
    """OpenRouter hides them in metadata, others in other places."""
    hidden = {"error": {"code": 400, "message": "Provider returned error", "metadata": {
        "provider_name": "Lab", "raw": json.dumps({"error": {"message": "the hidden sentence"}})}}}
    cases = (hidden, {"error": "the hidden sentence"}, {"message": "the hidden sentence"},
             {"detail": "the hidden sentence"})
    with Setup(Nginx) as setup:
        for body in cases:
            setup.upstream.reset(lambda call, b=body: call.whole(400, b))
            text = error_of(ask(setup), 400, "invalid_request_error")
            assert "the hidden sentence" in text, (body, text)


def test_the_gateways_own_key_is_refused():
    """502, not to be tried again, with the backend and where its key comes from: a 401 would make
    the client throw its own credential away."""
    with Setup(Nginx, backend="retries = 3;") as setup:
        for dialect, url in (("openai-chat", "/v1"), ("anthropic", "")):
            setup.gateway.write(dialect=dialect,
                                base_url="http://127.0.0.1:%d%s" % (setup.upstream.port, url))
            time.sleep(1.1)
            for status in (401, 403):
                for stream in (False, True):
                    setup.upstream.reset(lambda call, s=status: call.whole(s, FAILURE))
                    answer = ask(setup, stream=stream)
                    text = error_of(answer, 502, "api_error")
                    assert "backend test" in text and str(status) in text, text
                    assert "messages.conf" not in text and "scripted failure" in text, text
                    assert "upstream-secret" not in text, text
                    assert answer.headers["x-should-retry"] == "false"
                    assert len(setup.upstream.calls) == 1


def test_the_callers_own_key_is_refused():
    with Setup(Nginx, access='mode = "passthrough";') as setup:
        for status, kind in ((401, "authentication_error"), (403, "permission_error")):
            setup.upstream.reset(lambda call, s=status: call.whole(s, FAILURE))
            assert error_of(ask(setup), status, kind) == "scripted failure"


def test_prompt_too_long():
    """The words that make Claude Code compact, whatever the backend's are."""
    cases = (("This model's maximum context length is 8192 tokens. However, you requested 9000 "
              "tokens (8900 in the messages, 100 in the completion).", "8900 tokens > 8192"),
             ("the request exceeds the available context size, try increasing it", "exceeds the"))
    with Setup(Nginx) as setup:
        for said, word in cases:
            setup.upstream.reset(lambda call, s=said: call.whole(400, {"error": {
                "message": s, "code": "context_length_exceeded"}}))
            text = error_of(ask(setup, stream=True), 400, "invalid_request_error")
            assert text.startswith("prompt is too long: ") and word in text, text


def test_errors_under_a_200():
    """As JSON, as a chunk of the stream, as a page of some proxy."""
    def page(call):
        call.whole(200, b"<html><body>Bad gateway</body></html>", content_type="text/html")

    def chunk(call):
        call.begin()
        call.event({"error": {"code": 429, "message": "scripted failure"}})

    cases = ((lambda call: call.whole(200, {"error": {"code": 429, "message": "scripted failure"}}),
              429, "rate_limit_error", "scripted failure"),
             (chunk, 429, "rate_limit_error", "scripted failure"), (page, 502, "api_error", ""))
    with Setup(Nginx) as setup:
        for script, status, kind, word in cases:
            setup.upstream.reset(script)
            assert word in error_of(ask(setup, stream=True), status, kind)


def test_continued_threads():
    """Continued elsewhere it would be answered without memory: the client is told to send all."""
    with Setup(Nginx) as setup:
        answer = ask(setup, thread={"type": "continue"})
        error_of(answer, 400, "invalid_request_error")
        assert answer.json["error"]["details"] == {"error_code": "thread_unsupported_request"}
        assert not setup.upstream.calls


# ---- bad requests ----

def test_bad_requests_are_named():
    ok = '"max_tokens":9,"messages":[{"role":"user","content":"hi"}]'
    deep = '{"model":"m",%s,"x":%s1%s}' % (ok, "[" * 200_000, "]" * 200_000)
    cases = (("not json", ""), ('{"model":"m",%s' % ok, ""), ('{"model":"m",%s} x' % ok, ""),
             (b'{"model":"m","x":"\xff",' + ok.encode() + b"}", "UTF-8"), (deep, "deep"),
             ('{"model":7,%s}' % ok, "model"), ('{%s}' % ok, "model"),
             ('{"model":"m","max_tokens":"9","messages":[]}', "max_tokens"),
             ('{"model":"m","messages":[{"role":"user","content":"hi"}]}', "max_tokens"),
             ('{"model":"m","max_tokens":9,"messages":{}}', "messages"),
             ('{"model":"m","max_tokens":9,"messages":[]}', "messages"),
             ('{"model":"m","max_tokens":9,"messages":[{"role":"king","content":"x"}]}',
              "messages.0.role"),
             ('{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[{"type":"text",'
              '"text":1}]}]}', "messages.0.content.0.text"),
             ('{"model":"m","stream":"yes",%s}' % ok, "stream"),
             ('{"model":"m","tools":{},%s}' % ok, "tools"),
             ('{"model":"m","stop_sequences":"x",%s}' % ok, "stop_sequences"))
    with Setup(Lighttpd) as setup:
        for body, word in cases:
            text = error_of(ask(setup, body), 400, "invalid_request_error")
            assert word in text, (body[:80], text)
        assert ask(setup, '{"model":"m","never_heard_of":{"a":[1]},%s}' % ok).status == 200
        assert len(setup.upstream.calls) == 1


def test_measured_size():
    with Setup(Lighttpd, more="limits = { max_body = 100000; };") as setup:
        text = error_of(ask(setup, message("x" * 100_000)), 413, "request_too_large")
        size = len(json.dumps(message("x" * 100_000)))
        assert str(size) in text and "100000" in text and "limits.max_body" in text, text
        assert ask(setup, message("x" * 90_000)).status == 200


def begun(setup, length):
    """A request of which only the head and a byte have been sent."""
    s = socket.create_connection(("127.0.0.1", setup.server.port), 10)
    s.sendall(("POST %s/v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: %s\r\n"
               "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n{"
               % (setup.server.prefix, KEY, length)).encode())
    return s


def admitted(setup, length):
    """A request of which more is awaited. One that has just been answered may still be on its way
    out, and what comes then is refused."""
    for _ in range(20):
        s = begun(setup, length)
        if not select.select([s], [], [], 0.3)[0]:
            return s
        s.close()
    raise AssertionError("all are refused")


def refused_early(s, limit):
    """529 although the body has not been sent."""
    s.settimeout(30)
    got = s.recv(65536).decode()
    while "limits" not in got:
        more = s.recv(65536).decode()
        assert more, got
        got += more
    s.close()
    assert " 529 " in got.split("\r\n")[0] and "overloaded_error" in got and limit in got, got
    assert "\r\nretry-after: " in got.lower(), got


def test_full_limits():
    """Refused before the body is read; when there is room again, served."""
    for limits, name in (("requests = 1;", "limits.requests"),
                         ("memory = 1048576; max_body = 1000000;", "limits.memory")):
        for server_class in (Nginx, Lighttpd):
            with Setup(server_class, more="limits = { %s };" % limits) as setup:
                assert ask(setup).status == 200     # it has started
                first = admitted(setup, 900_000)
                refused_early(begun(setup, 900_000), name)
                first.close()
                harness.wait_for(lambda: ask(setup).status == 200, 5, "there is room again")


def test_workers_are_all_taken():
    with Setup(Nginx, more="limits = { workers = 1; };") as setup:
        assert ask(setup).status == 200     # it has started
        first = admitted(setup, 1000)
        answer = ask(setup)
        error_of(answer, 529, "overloaded_error")
        assert int(answer.headers["retry-after"]) > 0
        first.close()


def test_an_incomplete_body():
    """A client that stops sending is answered, or at least let go, and nothing is called."""
    with Setup(Nginx, more="client_read_timeout = 1;") as setup:
        s = begun(setup, 1000)
        s.settimeout(10)
        start = time.monotonic()
        s.recv(65536)
        s.close()
        assert time.monotonic() - start < 5
        assert not setup.upstream.calls


def test_unknown_paths_and_methods():
    with Setup(Nginx) as setup:
        with setup.client() as client:
            error_of(client.ask("GET", "/v1/nothing"), 404, "not_found_error")
            answer = client.ask("PUT", "/v1/messages", message())
            error_of(answer, 405, "invalid_request_error")
            assert answer.headers["allow"] == "POST, OPTIONS"
        with Client(setup.server.port, setup.server.prefix) as client:
            error_of(client.ask("GET", "/v1/nothing"), 401, "authentication_error")


# ---- thinking signatures ----

def test_a_refused_signature():
    """It goes to the client as it came; one more try without the blocks is an option."""
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message":
               "messages.1.content.0: Invalid `signature` in `thinking` block"}}
    body = message(stream=False, messages=[
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "t", "signature": "c2ln"},
            {"type": "text", "text": "b"}]},
        {"role": "user", "content": "c"}])

    def script(call):
        if "signature" in call.body.decode():
            call.whole(400, refusal)
        else:
            call.whole(200, {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                             "content": [{"type": "text", "text": "ok"}], "stop_reason": "end_turn",
                             "stop_sequence": None,
                             "usage": {"input_tokens": 1, "output_tokens": 1}})

    for option, status, calls in (("", 400, 1), ("strip_thinking_retry = true;", 200, 2)):
        with Setup(Nginx, dialect="anthropic", backend="retries = 0; " + option) as setup:
            setup.upstream.reset(script)
            answer = ask(setup, body)
            assert answer.status == status and len(setup.upstream.calls) == calls, answer.body
            if status == 400:
                assert answer.json == refusal, answer.json
