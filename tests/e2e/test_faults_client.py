"""Faults of clients, over plain sockets: they leave at each stage, send less or more than they
said, send slowly, or wait for a 100 Continue.

After each the program serves on, a stream beside is not disturbed, and no call to the backend is
left running.
"""
import json
import socket
import time

import harness
from client import message
from grammar import check_answer, check_stream
from harness import KEY, Lighttpd
from test_faults_upstream import OK, ask, beside, check, script, settings
from test_processes import Nginx, Setup
from test_time import logged_gone

BODY = json.dumps(message(stream=True, model="silent stream", max_tokens=9)).encode()
SERVERS = (Lighttpd, Nginx)


def request(setup, body=BODY, length=None, headers=()):
    lines = ["POST %s/v1/messages HTTP/1.1" % setup.server.prefix, "Host: localhost",
             "x-api-key: " + KEY, "Content-Type: application/json", "Connection: close"]
    lines += ["Content-Length: %d" % (len(body) if length is None else length)] \
        if length != "" else []
    return "\r\n".join(lines + list(headers)).encode() + b"\r\n\r\n", body


def connect(setup):
    return socket.create_connection(("127.0.0.1", setup.server.port), 20)


def read_all(sock):
    """(status, headers as a dict, body) of an answer that ends with the connection."""
    data = b""
    while True:
        try:
            more = sock.recv(65536)
        except ConnectionResetError:
            break
        if not more:
            break
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines[1:])
    if "chunked" in headers.get("Transfer-Encoding", ""):
        body = unchunk(body)
    return int(lines[0].split()[1]) if lines[0] else None, headers, body


def unchunk(data):
    out = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        n = int(size, 16)
        if n == 0:
            return out
        out, data = out + data[:n], data[n + 2:]


def asked(setup, model):
    return sum(1 for call in list(setup.upstream.calls) if call.json["model"].startswith(model))


# ---- leaving ----

def leave_before_body(setup, sock):
    sock.sendall(request(setup)[0])
    time.sleep(0.2)


def leave_in_body(setup, sock):
    head, body = request(setup)
    sock.sendall(head + body[:20])
    time.sleep(0.2)


def leave_in_head(setup, sock):
    sock.sendall(request(setup)[0][:40])


def silent(call):
    """Says nothing until the gateway ends the call."""
    if call.json["model"].startswith("silent"):
        call.keep = False
        assert call.gone(20) is not None, "the call was left running"
    elif call.json["model"].startswith("talks"):
        call.keep = False
        call.begin()
        while call.gone(0.1) is None:
            call.text("on and on ")
    else:
        script(call)


def leave_while_waiting(setup, sock):
    own = "silent-%d" % sock.getsockname()[1]
    sock.sendall(b"".join(request(setup, BODY.replace(b"silent", own.encode()))))
    harness.wait_for(lambda: asked(setup, own), 15, "the backend is called")


def leave_in_stream(setup, sock):
    body = BODY.replace(b"silent", b"talks ")
    sock.sendall(b"".join(request(setup, body)))
    data = b""
    while data.count(b"on and on") < 3:
        more = sock.recv(65536)
        assert more, data
        data += more


STAGES = {"in the head": (leave_in_head, 0), "before the body": (leave_before_body, 0),
          "in the body": (leave_in_body, 0), "while waiting": (leave_while_waiting, 1),
          "in the stream": (leave_in_stream, 1)}


def test_clients_that_leave():
    """By closing and by a reset, at each stage, through lighttpd and nginx."""
    for server_class in SERVERS:
        with Setup(server_class, **settings(commit_after=1, probe_interval=1,
                                            backend="retries = 0;")) as setup:
            setup.upstream.reset(silent)
            ask(setup, "before", True)
            before = len(setup.upstream.calls)

            def leave(stage, linger):
                with connect(setup) as sock:
                    STAGES[stage][0](setup, sock)
                    if linger:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

            beside(setup, [("%s, %s" % (stage, how), lambda stage=stage, linger=linger:
                            leave(stage, linger)) for stage in STAGES
                           for how, linger in (("close", None), ("reset", b"\1\0\0\0\0\0\0\0"))])
            # Each stage twice, the stream beside and the one after it.
            calls = before + 2 * sum(n for _, n in STAGES.values()) + 2
            assert len(setup.upstream.calls) == calls, (len(setup.upstream.calls), calls)
            harness.wait_for(lambda: logged_gone(setup) >= 4, 5, "the log names those who left")


def test_a_client_that_leaves_a_count():
    """The call to the backend is ended, which fails nothing that comes after it."""
    with Setup(Nginx, dialect="anthropic") as setup:
        left = []

        def script(call):
            assert call.path.endswith("/count_tokens"), call.path
            left.append(call.gone(20))
            call.keep = False

        setup.upstream.reset(script)
        head, body = request(setup)
        with connect(setup) as sock:
            sock.sendall(head.replace(b"/v1/messages", b"/v1/messages/count_tokens") + body)
            setup.upstream.wait_call()
        harness.wait_for(lambda: left, 20, "the call has ended")
        assert left[0] is not None, "the call was left running"
        harness.wait_for(lambda: logged_gone(setup) == 1, 5, "the log names who left")
        setup.upstream.reset(lambda call: call.whole(200, {"input_tokens": 42}))
        with setup.client() as client:
            answer = client.ask("POST", "/v1/messages/count_tokens", message())
            assert answer.json == {"input_tokens": 42}, answer.body
            assert answer.headers["x-messages-count"] == "backend", answer.headers


# ---- bodies ----

HELLO = BODY.replace(b"silent", b"hello ")


def well(answer, text="Hello there"):
    said, error = check_answer(*answer)
    assert answer[0] == 200 and error is None and said == text, answer


def refused(answer, *statuses):
    """By the gateway, in its own form, or by the web server, in whatever form that has."""
    assert answer[0] in statuses, answer
    if answer[1].get("request-id"):
        assert check_answer(*answer)[1], answer


def sends_slowly(setup, sock):
    head, body = request(setup, HELLO)
    sock.sendall(head)
    for i in range(0, len(body), 4):
        sock.sendall(body[i:i + 4])
        time.sleep(0.02)
    well(read_all(sock))


def sends_less(setup, sock):
    """And says so by closing its side."""
    head, body = request(setup, HELLO, len(HELLO) + 50)
    sock.sendall(head + body)
    sock.shutdown(socket.SHUT_WR)
    status = read_all(sock)[0]
    assert status in (None, 400, 408), status


def sends_less_and_waits(setup, sock):
    """client_read_timeout ends it."""
    head, body = request(setup, HELLO, len(HELLO) + 50)
    sock.sendall(head + body)
    start = time.monotonic()
    refused(read_all(sock), 400, 408)
    assert time.monotonic() - start < 8


def sends_more(setup, sock):
    head, body = request(setup, HELLO)
    sock.sendall(head + body + b"{\"and\": \"more\"}" * 20)
    well(read_all(sock))


def expects(setup, sock):
    """100 Continue, then the answer."""
    head, body = request(setup, HELLO, headers=("Expect: 100-continue",))
    sock.sendall(head)
    sock.settimeout(5)
    interim = b""
    while not interim.endswith(b"\r\n\r\n"):
        more = sock.recv(1)
        assert more, interim
        interim += more
    assert interim.startswith(b"HTTP/1.1 100 "), interim
    sock.sendall(body)
    well(read_all(sock))


def expects_nothing(setup, sock):
    """Sends the body without waiting for the 100, as it may."""
    head, body = request(setup, HELLO, headers=("Expect: 100-continue",))
    sock.sendall(head + body)
    data = b""
    while b"message_stop" not in data:
        more = sock.recv(65536)
        assert more, data
        data += more


def sends_chunks(setup, sock):
    """In one piece: lighttpd, told to stream bodies, answers 411 to chunks that it has to wait for."""
    head, body = request(setup, HELLO, "", ("Transfer-Encoding: chunked",))
    pieces = [body[i:i + 30] for i in range(0, len(body), 30)]
    sock.sendall(head + b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n")
    well(read_all(sock))


def sends_no_number(setup, sock):
    head, body = request(setup, HELLO, "", ("Content-Length: many",))
    sock.sendall(head + body)
    refused(read_all(sock), 400, 411)


def sends_two_lengths(setup, sock):
    head, body = request(setup, HELLO, None, ("Content-Length: 3",))
    sock.sendall(head + body)
    refused(read_all(sock), 400)


def sends_length_and_chunks(setup, sock):
    """A smuggler's request: refused, or read as the chunks say."""
    head, body = request(setup, HELLO, 5, ("Transfer-Encoding: chunked",))
    sock.sendall(head + b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    answer = read_all(sock)
    if answer[0] == 200:
        well(answer)
    else:
        refused(answer, 400)


def sends_nothing(setup, sock):
    sock.sendall(request(setup, b"")[0])
    refused(read_all(sock), 400, 411)


def reads_slowly(setup, sock):
    """A few bytes at a time: the stream comes whole."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
    body = HELLO.replace(b"hello ", b"healthy")
    sock.sendall(b"".join(request(setup, body)))
    data = b""
    while True:
        more = sock.recv(40)
        if not more:
            break
        data += more
        time.sleep(0.01)
    assert b"message_stop" in data, data[-300:]


BODIES = (sends_slowly, sends_less, sends_less_and_waits, sends_more, expects, expects_nothing,
          sends_chunks, sends_no_number, sends_two_lengths, sends_length_and_chunks, sends_nothing,
          reads_slowly)


def test_clients_that_send_oddly():
    for server_class in SERVERS:
        values = settings(backend="retries = 0;", more="client_read_timeout = 2;")
        with Setup(server_class, **values) as setup:
            setup.upstream.reset(silent)
            ask(setup, "before", True)

            def one(function):
                with connect(setup) as sock:
                    function(setup, sock)

            beside(setup, [("%s: %s" % (server_class.name, f.__name__), lambda f=f: one(f))
                           for f in BODIES])
