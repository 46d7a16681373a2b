"""Time: the late 200, what keeps a silent answer alive, timeouts, retries, clients that leave.

Seconds are scaled down by the configuration. Each test states what the backend does as a script.
"""
import json
import signal
import socket
import threading
import time

import harness
from client import message, text_of
from harness import Lighttpd
from test_processes import Nginx, Setup
from upstream import hello

# lighttpd tells of a client that has left at the next write, nginx at once.


def kinds(stream):
    """Names of a stream's events in order, runs of equal ones once."""
    names = []
    for name, _, _ in stream:
        if not names or names[-1] != name:
            names.append(name)
    return names


def failing(count, status=500, headers=()):
    """A backend that refuses so many calls and serves the next; it, and the times of calls."""
    times = []

    def script(call):
        times.append(time.monotonic())
        if len(times) <= count:
            call.whole(status, {"error": {"message": "scripted failure"}}, headers)
        else:
            hello(call)

    return script, times


def ask(setup, **more):
    with setup.client() as client:
        return client.ask("POST", "/v1/messages", message(**more))


def last_error(stream):
    """All events of a stream that has to end in an error, and that error."""
    events = [(name, data) for name, data, _ in stream if name not in (":", "ping")]
    names = [name for name, _ in events]
    assert names[-1] == "error" and "message_stop" not in names, names
    data = events[-1][1]
    assert data["type"] == "error" and data["request_id"], data
    return names, data["error"]


# ---- the late 200 ----

def test_status_of_the_backend_is_waited_for():
    """An error that comes late, but before commit_after, keeps its own status."""
    def script(call):
        time.sleep(1.2)
        call.whole(404, {"error": {"message": "no such model here"}})

    with Setup(Lighttpd, commit_after=20) as setup:
        setup.upstream.reset(script)
        answer = ask(setup, stream=True)
    assert answer.status == 404 and answer.json["error"]["type"] == "not_found_error", answer.body
    assert "no such model here" in answer.json["error"]["message"]


def test_late_200():
    """Comments from commit_after on, message_start with the backend's first event, then pings."""
    go = threading.Event()

    def script(call):
        go.wait(60)
        call.begin()
        call.text("a")
        time.sleep(3.5)
        call.text("b")
        call.end()

    with Setup(Lighttpd, commit_after=1) as setup, setup.client() as client:
        setup.upstream.reset(script)
        start = time.monotonic()
        response, stream = client.stream(message(stream=True))
        committed = time.monotonic() - start
        assert response.status == 200 and 0.9 < committed < 2, committed
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-transform" in response.headers["cache-control"], response.headers
        names = []
        for name, _, _ in stream:
            names.append(name)
            if len(names) == 2:
                go.set()        # before, the backend says nothing
    first = names.index("message_start")
    assert set(names[:first]) == {":"} and first >= 2, names
    assert "ping" in names[first:] and names[-1] == "message_stop", names


def test_late_whole_answer():
    """White space keeps a whole answer alive; it is JSON all the same."""
    def script(call):
        time.sleep(4.5)
        hello(call)

    with Setup(Lighttpd, commit_after=1) as setup:
        setup.upstream.reset(script)
        answer = ask(setup)
        assert answer.status == 200 and answer.body[:2] == b"  ", answer.body[:20]
        assert answer.json["content"] == [{"type": "text", "text": "Hello there"}], answer.json
        setup.upstream.reset(lambda call: (time.sleep(4), call.whole(400, {"error": {
            "message": "scripted failure"}})))
        answer = ask(setup)
    assert answer.status == 200 and answer.json["type"] == "error", answer.body
    assert answer.json["error"]["message"] == "scripted failure", answer.json


def test_open_but_silent():
    """A backend's 200 without an event: the client gets comments long before commit_after, and when
    it leaves the call ends."""
    gone = []

    def script(call):
        call.begin()
        gone.append(call.gone(40))

    with Setup(Lighttpd) as setup:
        setup.upstream.reset(script)
        client = setup.client()
        response, stream = client.stream(message(stream=True))
        assert response.status == 200
        assert next(stream)[0] == ":"
        client.cut()
        harness.wait_for(lambda: gone, 10, "the call ends")
    assert gone[0] is not None and gone[0] < 5, gone


def test_error_in_an_open_stream():
    """An error that follows the backend's own 200 at once still has its own status."""
    def script(call):
        call.begin()
        call.raw(": PROCESSING\n\n")
        time.sleep(0.2)
        call.event({"error": {"code": 429, "message": "scripted limit"}})

    with Setup(Lighttpd, probe_interval=20) as setup:
        setup.upstream.reset(script)
        answer = ask(setup, stream=True)
    assert answer.status == 429 and answer.json["error"]["type"] == "rate_limit_error", answer.body


def test_failure_before_content():
    """After the 200 and before any content all that can be tried again is overloaded_error, which
    alone makes Claude Code ask for a stream again; what can't keeps its type."""
    def cut(call):
        call.keep = False

    def empty(call):
        call.begin()
        call.delta({"role": "assistant", "content": ""})

    cases = ((lambda call: call.whole(500, {"error": {"message": "x"}}), "overloaded_error"),
             (lambda call: call.whole(429, {"error": {"message": "x"}}), "overloaded_error"),
             (lambda call: call.whole(400, {"error": {"message": "x"}}), "invalid_request_error"),
             (cut, "overloaded_error"), (empty, "overloaded_error"))
    with Setup(Lighttpd, commit_after=0) as setup:
        for script, kind in cases:
            setup.upstream.reset(lambda call, s=script: (time.sleep(0.3), s(call)))
            with setup.client() as client:
                response, stream = client.stream(message(stream=True))
                assert response.status == 200
                names, error = last_error(stream)
            assert error["type"] == kind and "content_block_start" not in names, (names, error)


def test_failure_after_content():
    """An error event with its own type; no second call, no end of a message that has none."""
    def script(call):
        call.begin()
        call.text("half")
        time.sleep(0.2)
        call.event({"error": {"code": 500, "message": "scripted failure"}})

    with Setup(Lighttpd, backend="retries = 3;") as setup, setup.client() as client:
        setup.upstream.reset(script)
        _, stream = client.stream(message(stream=True))
        names, error = last_error(stream)
        assert error == {"type": "api_error", "message": "scripted failure"}, error
        assert "content_block_delta" in names and "message_delta" not in names, names
        assert len(setup.upstream.calls) == 1, len(setup.upstream.calls)


# ---- clients that leave ----

def left_in(setup, result, seconds):
    """Seconds from the client's end to the end of the call to the backend."""
    client = setup.client()
    response, stream = client.stream(message(stream=True))
    assert response.status == 200, response.read()
    next(stream)
    start = time.monotonic()
    client.cut()
    harness.wait_for(lambda: result, seconds + 5, "the call ends")
    return time.monotonic() - start


def test_client_gone_before_the_head():
    """Through every server: the backend has not answered at all yet."""
    for server_class in harness.SERVERS:
        if server_class in (harness.LighttpdRoot, harness.LighttpdSpawned):
            continue
        result = []
        try:
            with Setup(server_class, commit_after=1) as setup:
                setup.upstream.reset(lambda call: result.append(call.gone(20)))
                took = left_in(setup, result, server_class.gone_after)
        except harness.Skip:
            continue
        assert result[0] is not None and took <= server_class.gone_after + 1, \
            (server_class.name, took)


def test_client_gone_at_once():
    """nginx says it at once: before the 200 too, in a call and in the pause between two. Nothing is
    written meanwhile that could tell, and no second call follows."""
    with Setup(Nginx, backend="retries = 2;", commit_after=60) as setup:
        for status in (0, 503):
            result = []

            def script(call):
                if status:
                    call.whole(status, {"error": {"message": "x"}}, [("retry-after", "4")])
                else:
                    result.append(call.gone(30))

            setup.upstream.reset(script)
            with socket.create_connection(("127.0.0.1", setup.server.port), 10) as s:
                s.sendall(post(setup))
                setup.upstream.wait_call()
                if status:
                    harness.wait_for(lambda: tried_again(setup), 30, "the pause begins")
            harness.wait_for(lambda: logged_gone(setup) > (1 if status else 0), 40, "it is noticed")
            if not status:
                harness.wait_for(lambda: result, 40, "the backend sees it")
                assert result[0] is not None
            assert len(setup.upstream.calls) == 1


def post(setup, body=b'{"model":"claude-x","max_tokens":9,"messages":'
         b'[{"role":"user","content":"hi"}]}'):
    return ("POST %s/v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: %s\r\n"
            "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (setup.server.prefix, harness.KEY, len(body))).encode() + body


def log_lines(setup):
    with open(setup.gateway.log) as f:
        return [json.loads(line) for line in f]


def logged_gone(setup):
    return sum(1 for line in log_lines(setup) if line.get("client_gone"))


def tried_again(setup):
    with open(setup.gateway.log) as f:
        return "trying again" in f.read()


def full_listener():
    """A listening port that takes no more connections: the kernel lets them wait."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    fill = []
    for _ in range(4):
        s = socket.socket()
        s.setblocking(False)
        s.connect_ex(listener.getsockname())
        fill.append(s)
    return listener, fill


def test_client_gone_while_connecting():
    listener, fill = full_listener()
    url = "http://127.0.0.1:%d/v1" % listener.getsockname()[1]
    with Setup(Nginx, base_url=url) as setup:
        with setup.client() as client:
            assert client.ask("GET", "/health").status == 200      # it has started
        with socket.create_connection(("127.0.0.1", setup.server.port), 10) as s:
            s.sendall(post(setup))
            time.sleep(0.5)
            start = time.monotonic()
        harness.wait_for(lambda: logged_gone(setup), 3, "it is noticed")
        assert time.monotonic() - start < 1
    with Setup(Lighttpd, base_url=url, commit_after=0) as setup:
        with setup.client() as client:
            _, stream = client.stream(message(stream=True))
            next(stream)
            client.cut()
        start = time.monotonic()
        harness.wait_for(lambda: logged_gone(setup), 5, "it is noticed")
        assert time.monotonic() - start < 3
    for s in fill + [listener]:
        s.close()


def test_client_gone_in_backoff():
    """With comments between two tries, every server tells."""
    with Setup(Lighttpd, commit_after=0, backend="retries = 5;") as setup:
        script, times = failing(9, 503, [("retry-after", "5")])
        setup.upstream.reset(script)
        client = setup.client()
        _, stream = client.stream(message(stream=True))
        next(stream)
        client.cut()
        harness.wait_for(lambda: logged_gone(setup), 4, "it is noticed")
        time.sleep(2)
        assert len(times) == 1, times


# ---- timeouts ----

def timed_out(setup, script=None):
    """The error's sentence and how long it took."""
    if script:
        setup.upstream.reset(script)
    start = time.monotonic()
    answer = ask(setup, stream=True)
    assert answer.status == 504 and answer.json["error"]["type"] == "timeout_error", answer.body
    return answer.json["error"]["message"], time.monotonic() - start


def test_connect_timeout():
    listener, fill = full_listener()
    with Setup(Nginx, base_url="http://127.0.0.1:%d/v1" % listener.getsockname()[1],
               backend="retries = 0; connect_timeout = 1;") as setup:
        text, took = timed_out(setup)
    assert "connect_timeout" in text and "within 1 s" in text and took < 2.5, (text, took)
    for s in fill + [listener]:
        s.close()


def test_first_byte_timeout():
    with Setup(Nginx, backend="retries = 0; first_byte_timeout = 1;") as setup:
        text, took = timed_out(setup, lambda call: time.sleep(5))
    assert "first_byte_timeout" in text and took < 2.5, (text, took)


def test_idle_timeout():
    def script(call):
        call.begin()
        call.raw(": nothing but this\n\n")
        time.sleep(5)

    def half(call):
        call.begin()
        call.text("half")
        time.sleep(5)

    with Setup(Nginx, probe_interval=5, backend="retries = 0; idle_timeout = 1;") as setup:
        text, took = timed_out(setup, script)
        assert "idle_timeout" in text and took < 2.5, (text, took)
        setup.upstream.reset(half)
        with setup.client() as client:
            names, error = last_error(client.stream(message(stream=True))[1])
        assert error["type"] == "timeout_error" and "idle_timeout" in error["message"], error


def test_total_timeout():
    def script(call):
        call.begin()
        for _ in range(50):
            call.text("x")
            time.sleep(0.1)

    with Setup(Nginx, backend="retries = 0; timeout = 1;") as setup, setup.client() as client:
        setup.upstream.reset(script)
        start = time.monotonic()
        names, error = last_error(client.stream(message(stream=True))[1])
        took = time.monotonic() - start
    assert error["type"] == "timeout_error" and "(backends.test.timeout)" in error["message"], error
    assert 0.8 < took < 2.5, took


def test_refused_connection():
    port = harness.free_port()
    with Setup(Nginx, base_url="http://127.0.0.1:%d/v1" % port) as setup:
        answer = ask(setup)
    assert answer.status == 502 and "refused the connection" in answer.json["error"]["message"]


# ---- retries ----

def test_retries_before_content():
    with Setup(Nginx, backend="retries = 2;") as setup:
        for status in (500, 502, 503, 529, 408, 429):
            script, times = failing(1, status)
            setup.upstream.reset(script)
            assert ask(setup).status == 200, status
            assert len(times) == 2 and 0.3 < times[1] - times[0] < 1.5, times
        script, times = failing(9)
        setup.upstream.reset(script)
        answer = ask(setup)
        assert answer.status == 500 and len(times) == 3, (answer.status, times)
        assert times[2] - times[1] > times[1] - times[0], "the pause does not grow"


def test_no_retry_of_what_stays_wrong():
    with Setup(Nginx, backend="retries = 2;") as setup:
        for status, headers in ((400, ()), (401, ()), (402, ()), (404, ()), (413, ()),
                                (500, [("x-should-retry", "false")])):
            script, times = failing(9, status, headers)
            setup.upstream.reset(script)
            answer = ask(setup)
            assert len(times) == 1, (status, len(times))
            if headers:
                assert answer.headers["x-should-retry"] == "false"


def test_broken_connections_are_retried():
    count = []

    def script(call):
        count.append(1)
        if len(count) < 3:
            call.keep = False
        else:
            hello(call)

    with Setup(Nginx, backend="retries = 2;") as setup:
        setup.upstream.reset(script)
        assert ask(setup).status == 200 and len(count) == 3


def empty_streams(dialect):
    """A backend that begins a stream without content twice, then answers."""
    count = []

    def start(call):
        call.begin()
        if dialect == "anthropic":
            call.raw("event: message_start\ndata: %s\n\n" % json.dumps(
                {"type": "message_start", "message": {
                    "id": "msg_1", "type": "message", "role": "assistant", "model": "scripted",
                    "content": [], "stop_reason": None, "stop_sequence": None,
                    "usage": {"input_tokens": 3, "output_tokens": 1}}}))
        else:
            call.delta({"role": "assistant", "content": ""})

    def rest(call):
        if dialect == "openai-chat":
            call.text("Hello")
            call.end()
            return
        for data in ({"type": "content_block_start", "index": 0,
                      "content_block": {"type": "text", "text": ""}},
                     {"type": "content_block_delta", "index": 0,
                      "delta": {"type": "text_delta", "text": "Hello"}},
                     {"type": "content_block_stop", "index": 0},
                     {"type": "message_delta", "delta": {"stop_reason": "end_turn"},
                      "usage": {"output_tokens": 2}}, {"type": "message_stop"}):
            call.raw("event: %s\ndata: %s\n\n" % (data["type"], json.dumps(data)))

    def script(call):
        count.append(1)
        start(call)
        if len(count) == 3:
            rest(call)

    return script, count


def test_an_empty_stream_is_retried():
    for dialect in ("openai-chat", "anthropic"):
        with Setup(Nginx, dialect=dialect, backend="retries = 2;") as setup:
            script, count = empty_streams(dialect)
            setup.upstream.reset(script)
            with setup.client() as client:
                names = [n for n, _, _ in client.stream(message(stream=True))[1]
                         if n not in (":", "ping")]
        assert len(count) == 3, (dialect, count)
        assert names == ["message_start", "content_block_start", "content_block_delta",
                         "content_block_stop", "message_delta", "message_stop"], (dialect, names)


def test_retry_after():
    """Up to five seconds it is waited for, beyond it is the client's to wait."""
    with Setup(Nginx, backend="retries = 2;") as setup:
        script, times = failing(1, 429, [("retry-after", "2")])
        setup.upstream.reset(script)
        assert ask(setup).status == 200
        assert 1.9 < times[1] - times[0] < 3, times
        for value, passed in (("6", "6"), ("6.5", "7"), ("120", "120")):
            script, times = failing(9, 429, [("retry-after", value)])
            setup.upstream.reset(script)
            start = time.monotonic()
            answer = ask(setup)
            assert answer.status == 429 and answer.headers["retry-after"] == passed, answer.headers
            assert len(times) == 1 and time.monotonic() - start < 1


def test_the_last_word_is_the_backends():
    """A retry for which no time is left is not begun: the backend's own error stays."""
    def script(call):
        time.sleep(0.8)
        call.whole(503, {"error": {"message": "scripted failure"}})

    with Setup(Nginx, backend="retries = 3; timeout = 1;") as setup:
        setup.upstream.reset(script)
        answer = ask(setup)
        assert len(setup.upstream.calls) == 1
    assert "scripted failure" in answer.json["error"]["message"], answer.body


def test_no_expect():
    """libcurl would ask for 100-continue with bodies over 1 MB, and wait a second for it."""
    with Setup(Nginx) as setup:
        start = time.monotonic()
        with setup.client() as client:
            _, stream = client.stream(message("x" * 3_000_000, stream=True))
            assert text_of(stream) == "Hello there"
        took = time.monotonic() - start
        sent = setup.upstream.calls[0]
    assert "expect" not in sent.headers and took < 0.9, (sent.headers, took)
    assert len(sent.body) > 3_000_000


def test_stop_sequences_after_a_pause():
    """The request's body is freed at the first content; what is still needed of it must stay."""
    seen = threading.Event()

    def script(call):
        call.begin()
        call.text("one ")
        seen.wait(5)
        time.sleep(0.3)
        call.text("two END-OF-ANSWER three")
        call.end()

    with Setup(Nginx, backend="retries = 0; stop = false;") as setup, setup.client() as client:
        setup.upstream.reset(script)
        _, stream = client.stream(message("x" * 2_000_000, stream=True,
                                          stop_sequences=["END-OF-ANSWER"]))
        text, stop = "", None
        for name, data, _ in stream:
            if name == "content_block_delta":
                text += data["delta"]["text"]
                seen.set()
            if name == "message_delta":
                stop = data["delta"]
    assert text == "one two ", text
    assert stop == {"stop_reason": "stop_sequence", "stop_sequence": "END-OF-ANSWER"}, stop


def test_a_slow_client_is_no_silent_backend():
    """Time spent in writes to a client that reads late counts for no timeout of the backend's."""
    piece = "x" * 16000

    def script(call):
        call.begin()
        for _ in range(500):
            call.text(piece)
        call.end()

    with Setup(Nginx, backend="retries = 0; idle_timeout = 1; timeout = 3;") as setup:
        setup.upstream.reset(script)
        body = json.dumps(message(stream=True)).encode()
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            s.settimeout(20)
            s.connect(("127.0.0.1", setup.server.port))
            s.sendall(post(setup, body).replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            time.sleep(4)
            got = bytearray()
            while True:
                more = s.recv(1 << 20)
                if not more:
                    break
                got += more
    assert b"event: message_stop" in got[-300:] and len(got) > 8_000_000, bytes(got[-300:])


def test_a_kept_connection_that_died():
    """The backend has closed it meanwhile, or closes it on the next request: nobody notices."""
    served = []

    def script(call):
        served.append(call.sock.getpeername())
        if len(served) == 3:
            call.keep = False
            return
        call.whole(200, {"id": "c", "object": "chat.completion", "created": 1, "model": "scripted",
                         "choices": [{"index": 0, "finish_reason": "stop", "message": {
                             "role": "assistant", "content": "Hello"}}]})
        call.keep = len(served) == 2

    with Setup(Nginx) as setup:
        setup.upstream.reset(script)
        for _ in range(2):
            assert ask(setup).status == 200
            time.sleep(0.1)
        # The third comes on the connection of the second, is cut there, and made again.
        assert ask(setup).status == 200
    assert served[1] == served[2] != served[3] and len(served) == 4, served


# ---- the program stops ----

def test_stop_before_the_200():
    """A request whose backend has not answered at the end of the grace is told to come again."""
    answers = []

    with Setup(Nginx, shutdown_grace=1) as setup:
        setup.upstream.reset(lambda call: call.gone(10))
        for stream in (True, False):
            threading.Thread(target=lambda s=stream: answers.append(ask(setup, stream=s))).start()
        setup.upstream.wait_call(n=2)
        setup.server.gateway_process.send_signal(signal.SIGTERM)
        harness.wait_for(lambda: len(answers) == 2, 6, "both are answered")
        for answer in answers:
            assert answer.status == 529, (answer.status, answer.body)
            assert answer.json["error"]["type"] == "overloaded_error", answer.json
            assert int(answer.headers["retry-after"]) > 0
        assert setup.server.gateway_process.wait(harness.SLOWNESS * 5) == 0


# ---- a Messages backend that is not careful ----

def test_frames_for_the_client():
    """Events without their name get it, a block ends once, a second start is left out."""
    events = [{"type": "message_start", "message": {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
        "stop_reason": None, "stop_sequence": None, "usage": {"input_tokens": 3}}},
        {"type": "content_block_start", "index": 0, "content_block": {
            "type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {
            "type": "input_json_delta", "partial_json": "{\"command\":\"ls\"}"}},
        {"type": "content_block_stop", "index": 0}, {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "tool_use", "stop_sequence": None},
         "usage": {"output_tokens": 5}}, {"type": "message_stop"}, {"type": "message_stop"}]

    def script(call):
        call.begin()
        for event in events[:1] + events:
            call.event(event)

    with Setup(Nginx, dialect="anthropic") as setup, setup.client() as client:
        setup.upstream.reset(script)
        names = [n for n, _, _ in client.stream(message(stream=True))[1] if n not in (":", "ping")]
    assert names == ["message_start", "content_block_start", "content_block_delta",
                     "content_block_stop", "message_delta", "message_stop"], names
