"""Calls through a proxy: a scripted CONNECT proxy on loopback, and a TLS backend whose name only
that proxy knows. Loopback itself never goes through one.
"""
import os
import socket
import ssl
import subprocess
import tempfile
import threading
import time

import harness
from client import message, text_of
from listener import Listener
from test_processes import Nginx, Setup
from upstream import Upstream

HOST = "backend.example"


class Proxy:
    """Takes CONNECT for HOST to a port of this machine; remembers what it was asked for."""

    def __init__(self, port, status=200):
        self.asked, self.status, self.to = [], status, port
        self.listener = Listener(self.serve)
        self.port = self.listener.port

    def serve(self, sock):
        head = b""
        while b"\r\n\r\n" not in head:
            got = sock.recv(4096)
            if not got:
                return
            head += got
        self.asked.append(head.decode().split("\r\n"))
        if self.status != 200:
            sock.sendall(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % self.status)
            sock.close()
            return
        other = socket.create_connection(("127.0.0.1", self.to))
        sock.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        threading.Thread(target=self.copy, args=(other, sock), daemon=True).start()
        self.copy(sock, other)

    @staticmethod
    def copy(source, to):
        try:
            while True:
                got = source.recv(65536)
                if not got:
                    break
                to.sendall(got)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class TlsUpstream(Upstream):
    """The scripted backend behind TLS, under a certificate of its own."""

    def __init__(self, folder):
        self.cert = os.path.join(folder, "cert.pem")
        key = os.path.join(folder, "key.pem")
        subprocess.run([harness.find_tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1",
                        "-nodes", "-days", "2", "-subj", "/CN=" + HOST, "-addext",
                        "subjectAltName=DNS:" + HOST, "-keyout", key, "-out", self.cert],
                       check=True, capture_output=True)
        os.chmod(self.cert, 0o644)
        os.chmod(folder, 0o755)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.cert, key)
        super().__init__()

    def _serve(self, sock):
        try:
            sock = self.context.wrap_socket(sock, server_side=True)
        except (ssl.SSLError, OSError):
            return
        super()._serve(sock)


class Tunnel:
    """The backend, the proxy and a gateway that has to use it."""

    def __init__(self, env=None, status=200, backend="", **settings):
        self.folder = tempfile.TemporaryDirectory(prefix="messages-e2e-", dir="/tmp")
        self.tls = TlsUpstream(self.folder.name)
        self.proxy = Proxy(self.tls.port, status)
        url = "http://127.0.0.1:%d" % self.proxy.port
        env = {k: v.replace("PROXY", url) for k, v in (env or {}).items()}
        self.setup = Setup(Nginx, env=env, base_url="https://%s:8443/v1" % HOST,
                           backend='retries = 0; ca_file = "%s"; %s'
                           % (self.tls.cert, backend.replace("PROXY", url)), **settings)

    def __enter__(self):
        self.setup.__enter__()
        return self

    def __exit__(self, *_):
        self.setup.__exit__()
        self.proxy.close()
        self.tls.close()
        self.folder.cleanup()

    def ask(self):
        with self.setup.client() as client:
            return client.ask("POST", "/v1/messages", message())

    def ok(self):
        with self.setup.client() as client:
            _, stream = client.stream(message(stream=True))
            assert text_of(stream) == "Hello there"
        assert self.proxy.asked[0][0] == "CONNECT %s:8443 HTTP/1.1" % HOST, self.proxy.asked
        assert "upstream-secret" not in str(self.proxy.asked), "the proxy saw the key"
        assert self.tls.calls[0].headers["authorization"] == "Bearer upstream-secret"

    def not_used(self):
        answer = self.ask()
        assert answer.status == 502, answer.body
        assert "could not be resolved" in answer.json["error"]["message"], answer.body
        assert not self.proxy.asked, self.proxy.asked


def test_proxy_from_the_environment():
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        with Tunnel(env={name: "PROXY"}) as tunnel:
            tunnel.ok()


def test_proxy_of_a_backend():
    """Its own setting wins, over no_proxy too; an empty one means none."""
    with Tunnel(env={"https_proxy": "http://127.0.0.1:1", "no_proxy": "*"},
                backend='proxy = "PROXY";') as tunnel:
        tunnel.ok()
    with Tunnel(env={"https_proxy": "PROXY"}, backend='proxy = "";') as tunnel:
        tunnel.not_used()


def test_no_proxy():
    for value in ("*", HOST, ".example", "other.test, " + HOST, HOST + ":8443"):
        with Tunnel(env={"https_proxy": "PROXY", "no_proxy": value}) as tunnel:
            tunnel.not_used()
    with Tunnel(env={"https_proxy": "PROXY", "NO_PROXY": "end.example," + HOST + ":443"}) as tunnel:
        tunnel.ok()


def test_loopback_needs_no_proxy():
    proxy = Proxy(1)
    url = "http://127.0.0.1:%d" % proxy.port
    with Setup(Nginx, env={"http_proxy": url, "https_proxy": url, "all_proxy": url},
               backend='retries = 0; proxy = "%s";' % url) as setup, setup.client() as client:
        assert client.ask("POST", "/v1/messages", message()).status == 200
    assert not proxy.asked
    proxy.close()


def test_proxy_refuses():
    with Tunnel(env={"https_proxy": "PROXY"}, status=403) as tunnel:
        answer = tunnel.ask()
    text = answer.json["error"]["message"]
    assert answer.status == 502 and "proxy" in text and "403" in text, answer.body


def test_httpoxy():
    """A client's header "Proxy:" is HTTP_PROXY in a CGI program's environment: never a setting."""
    proxy = Proxy(1)
    with Setup(harness.ApacheCgi, base_url="http://%s/v1" % HOST) as setup:
        with setup.client() as client:
            answer = client.ask("POST", "/v1/messages", message(),
                                {"Proxy": "http://127.0.0.1:%d" % proxy.port})
    assert answer.status == 502 and "could not be resolved" in answer.json["error"]["message"]
    assert not proxy.asked
    proxy.close()


def test_untrusted_certificate():
    """Not tried again, and the sentence says whose certificate and which file."""
    with Tunnel(env={"https_proxy": "PROXY"}) as tunnel:
        tunnel.setup.gateway.write(backend="retries = 2;")
        time.sleep(1.1)
        answer = tunnel.ask()
    text = answer.json["error"]["message"]
    assert answer.status == 502 and "not trusted" in text and HOST in text, answer.body
    assert answer.headers["x-should-retry"] == "false" and len(tunnel.proxy.asked) == 1
