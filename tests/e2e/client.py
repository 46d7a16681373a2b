"""The client's side: requests over plain sockets, answers read as they arrive."""
import http.client
import json
import socket
import ssl
import time


TLS = {}        # ports where TLS is spoken, with the context to trust


def connect(port, timeout):
    """A plain socket, or one that speaks TLS where the port does."""
    sock = socket.create_connection(("127.0.0.1", port), timeout)
    return TLS[port].wrap_socket(sock, server_hostname="127.0.0.1") if port in TLS else sock


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)


class Client:
    """One connection to a web server. prefix is what stands before /v1."""

    def __init__(self, port, prefix="", key=None, timeout=30):
        self.conn = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
        if port in TLS:
            self.conn = http.client.HTTPSConnection("127.0.0.1", port, timeout=timeout,
                                                    context=TLS[port])
        self.prefix, self.key = prefix, key

    def close(self):
        self.conn.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, method, path, body=None, headers=()):
        """Sends; returns the http.client response with its body unread."""
        all_headers = {"Content-Type": "application/json"} if body is not None else {}
        if self.key:
            all_headers["x-api-key"] = self.key
        all_headers.update(headers)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        try:
            self.conn.request(method, self.prefix + path, body, all_headers)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            # An early answer to a large body: read it.
            if self.conn.sock is None:
                raise
            response = http.client.HTTPResponse(self.conn.sock, method=method)
            response.begin()
            return response
        return self.conn.getresponse()

    def ask(self, method, path, body=None, headers=()):
        response = self.send(method, path, body, headers)
        return Answer(response.status, response.headers, response.read())

    def stream(self, body, path="/v1/messages", headers=()):
        response = self.send("POST", path, body, headers)
        return response, events(response)

    def cut(self):
        """Goes away as a killed client does."""
        sock = self.conn.sock
        if sock is not None:
            sock.shutdown(socket.SHUT_RDWR)
        self.conn.close()


def events(response):
    """(name, data, seconds) of each event as it comes; comments as (":", text, seconds)."""
    name, data, start = "", [], time.monotonic()
    while True:
        line = response.readline()
        if not line:
            return
        line = line.decode().rstrip("\r\n")
        if not line:
            if data:
                yield name, json.loads("\n".join(data)), time.monotonic() - start
            name, data = "", []
        elif line.startswith(":"):
            yield ":", line[1:].strip(), time.monotonic() - start
        elif line.startswith("event:"):
            name = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].strip())


def message(text="hi", **more):
    """A request body."""
    body = {"model": "claude-test", "max_tokens": 1000,
            "messages": [{"role": "user", "content": text}]}
    body.update(more)
    return body


def text_of(stream):
    """All text of a stream that ends well; raises on an error event or a missing end."""
    text, names = [], []
    for name, data, _ in stream:
        if name == "error":
            raise AssertionError("error event: %s" % data)
        if name == "content_block_delta":
            text.append(data["delta"].get("text", ""))
        names.append(name)
    if not names or names[-1] != "message_stop":
        raise AssertionError("the stream has no end: %s" % names[-5:])
    return "".join(text)
