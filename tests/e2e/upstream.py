"""A scripted backend: an OpenAI-chat server whose answers are Python functions.

A script is called as script(call) in the thread of its connection. It sees the request that came
in and writes whatever bytes it likes, when it likes: this is how tests wait for the client's word
before the second event, cut a stream or say nothing at all.
"""
import json
import select
import socket
import threading
import time

import harness
from listener import Listener


class Call:
    """One request to the backend and the connection to answer it on."""

    def __init__(self, sock, method, path, headers, body):
        self.sock = sock
        self.method, self.path, self.headers, self.body = method, path, headers, body
        self.keep = True

    @property
    def json(self):
        return json.loads(self.body)

    def raw(self, data):
        self.sock.sendall(data.encode() if isinstance(data, str) else data)

    def whole(self, status, obj, headers=(), content_type="application/json"):
        body = obj if isinstance(obj, bytes) else json.dumps(obj).encode()
        lines = ["HTTP/1.1 %d Scripted" % status, "Content-Type: " + content_type,
                 "Content-Length: %d" % len(body)]
        lines += ["%s: %s" % h for h in headers]
        self.raw("\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def begin(self, content_type="text/event-stream"):
        """Head of a stream that ends with the connection."""
        self.keep = False
        self.raw("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nConnection: close\r\n\r\n" % content_type)

    def event(self, obj):
        self.raw("data: %s\n\n" % (obj if isinstance(obj, str) else json.dumps(obj)))

    def delta(self, delta, finish=None):
        self.event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                    "model": "scripted", "choices": [
                        {"index": 0, "delta": delta, "finish_reason": finish}]})

    def text(self, text):
        self.delta({"content": text})

    def end(self, finish="stop"):
        self.delta({}, finish)
        self.event({"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1,
                    "model": "scripted", "choices": [],
                    "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}})
        self.event("[DONE]")

    def gone(self, timeout):
        """Seconds until the gateway closed the connection, or None within the timeout."""
        start = time.monotonic()
        while time.monotonic() - start < timeout:
            if select.select([self.sock], [], [], 0.05)[0]:
                try:
                    if not self.sock.recv(65536, socket.MSG_PEEK):
                        return time.monotonic() - start
                except OSError:
                    return time.monotonic() - start
        return None


def hello(call):
    """The script of a test that doesn't care: streamed or whole, as was asked."""
    if call.json.get("stream"):
        call.begin()
        call.delta({"role": "assistant", "content": ""})
        call.text("Hello")
        call.text(" there")
        call.end()
        return
    call.whole(200, {"id": "chatcmpl-1", "object": "chat.completion", "created": 1,
                     "model": "scripted", "choices": [
                         {"index": 0, "finish_reason": "stop",
                          "message": {"role": "assistant", "content": "Hello there"}}],
                     "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}})


class Upstream:
    """Listens on a free port of this host, a thread a connection. calls: what came in, in order."""

    def __init__(self, host="127.0.0.1"):
        self.script = hello
        self.calls = []
        self.listed = []                # those for the list of models, which scripts do not see
        self.connections = 0            # accepted so far
        self.open = 0                   # of those that neither side has closed
        self.running = 0                # scripts that have not returned
        self.lock = threading.Lock()
        self.listener = Listener(self._accepted, host)
        self.port = self.listener.port

    def reset(self, script=hello):
        with self.lock:
            self.script = script
            self.calls = []

    def wait_call(self, timeout=10, n=1):
        """The n-th request since reset, once it has come in."""
        end = time.monotonic() + harness.SLOWNESS * timeout
        while time.monotonic() < end:
            with self.lock:
                if len(self.calls) >= n:
                    return self.calls[n - 1]
            time.sleep(0.01)
        raise AssertionError("the backend was not called within %s s" % timeout)

    def close(self):
        self.listener.close()

    def _accepted(self, sock):
        with self.lock:
            self.connections += 1
            self.open += 1
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._serve(sock)
        finally:
            with self.lock:
                self.open -= 1

    def _serve(self, sock):
        with sock, sock.makefile("rb", 65536) as file:
            try:
                while self._one(sock, file):
                    pass
            except (OSError, ValueError):
                pass

    def _one(self, sock, file):
        line = file.readline().decode("latin-1").split()
        if len(line) != 3:
            return False
        headers = {}
        while True:
            header = file.readline().decode("latin-1").rstrip("\r\n")
            if not header:
                break
            name, _, value = header.partition(":")
            headers[name.strip().lower()] = value.strip()
        body = file.read(int(headers.get("content-length", 0)))
        call = Call(sock, line[0], line[1], headers, body)
        if call.path.endswith("/models"):
            self.listed.append(call)
            call.whole(200, {"object": "list", "data": [
                {"id": "scripted", "object": "model", "context_length": 100000},
                {"id": "vendor/other", "object": "model"}]})
            return True
        with self.lock:
            self.calls.append(call)
            self.running += 1
            script = self.script
        try:
            script(call)
        finally:
            with self.lock:
                self.running -= 1
        return call.keep
