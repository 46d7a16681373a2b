"""What happens around requests: start, stop, reload, timeouts, clients that stop reading."""
import os
import shutil
import signal
import socket
import subprocess
import threading
import time

import harness
from client import Client, message, text_of
from harness import KEY, Gateway, Skip, find_tool, stop, wait_for
from upstream import Upstream


class Nginx(harness.Nginx):
    """nginx with a gateway process that the test holds."""
    gateway_process = None

    def spawn_gateway(self):
        path, self.gateway_process = self.gateway.spawn(self.name + ".sock")
        return path

    def __exit__(self, *args):
        super().__exit__(*args)
        if self.gateway_process:
            stop(self.gateway_process)


class Setup:
    """A backend, a gateway and a server for one test."""

    def __init__(self, server_class, **settings):
        self.upstream = Upstream()
        self.gateway = Gateway(self.upstream, **settings)
        self.server = server_class(self.gateway)

    def __enter__(self):
        try:
            self.server.__enter__()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, failure=None, *_):
        if failure and not issubclass(failure, Skip):
            self.gateway.show_logs()
        try:
            self.server.__exit__()
        finally:
            self.upstream.close()
            self.gateway.close()

    def client(self, **kw):
        return Client(self.server.port, self.server.prefix, KEY, **kw)


def held(upstream):
    """A script whose stream ends when the returned event is set."""
    go = threading.Event()

    def script(call):
        call.begin()
        call.text("a")
        if go.wait(30):
            call.text("b")
            call.end()

    upstream.reset(script)
    return go


def open_stream(setup):
    """A client with a stream that has begun."""
    client = setup.client()
    _, stream = client.stream(message(stream=True))
    for name, _, _ in stream:
        if name == "content_block_delta":
            return client, stream
    raise AssertionError("the stream did not begin")


def send_raw(setup, sock):
    """A request over a plain socket, whose answer is left to the caller."""
    body = b'{"model":"claude-test","max_tokens":9,"stream":true,' \
        b'"messages":[{"role":"user","content":"hi"}]}'
    sock.sendall(("POST %s/v1/messages HTTP/1.1\r\nHost: localhost\r\nx-api-key: %s\r\n"
                  "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                  % (setup.server.prefix, KEY, len(body))).encode() + body)


def test_stop_lets_streams_end():
    with Setup(Nginx, shutdown_grace=8) as setup:
        go = held(setup.upstream)
        client, stream = open_stream(setup)
        setup.server.gateway_process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        assert setup.server.gateway_process.poll() is None, "it did not wait for the stream"
        go.set()
        assert [n for n, _, _ in stream if n not in (":", "ping")][-1] == "message_stop"
        client.close()
        assert setup.server.gateway_process.wait(harness.SLOWNESS * 5) == 0


def test_stop_ends_long_streams_with_an_error():
    with Setup(Nginx, shutdown_grace=1) as setup:
        held(setup.upstream)
        client, stream = open_stream(setup)
        start = time.monotonic()
        setup.server.gateway_process.send_signal(signal.SIGTERM)
        last = [(n, d) for n, d, _ in stream if n not in (":", "ping")][-1]
        client.close()
        assert last[0] == "error" and last[1]["error"]["type"] == "overloaded_error", last
        assert setup.server.gateway_process.wait(harness.SLOWNESS * 5) == 0
        assert 0.8 < time.monotonic() - start < 5


def test_reload_while_streaming():
    with Setup(Nginx) as setup:
        go = held(setup.upstream)
        client, stream = open_stream(setup)
        setup.gateway.write(model="other")
        time.sleep(1.5)
        with setup.client() as second:
            _, other = second.stream(message(stream=True))
            next(other)
            assert setup.upstream.wait_call(n=2).json["model"] == "other"
            go.set()
            text_of(other)
        assert text_of(stream) == "b"
        client.close()


def test_broken_config_keeps_the_old_one():
    with Setup(Nginx) as setup:
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
            with open(setup.gateway.config, "w") as f:
                f.write("this is = no { config\n")
            time.sleep(1.5)
            assert client.ask("POST", "/v1/messages", message()).status == 200
        with open(setup.gateway.log) as f:
            assert "messages.conf" in f.read(), "nothing in the log"


# What answers without a backend, and what says that there is none.
UNSET = (("GET", "/health", 200), ("GET", "/", 200), ("GET", "/status", 200),
         ("GET", "/health/detailed", 200), ("GET", "/v1/models", 200),
         ("GET", "/v1/models/claude-test", 404), ("GET", "/v1/universal/providers", 200),
         ("GET", "/v1/universal/health", 200), ("GET", "/health/claude-code/readiness", 503),
         ("POST", "/v1/messages", 500), ("POST", "/v1/messages/count_tokens", 500))


def test_no_backend_yet():
    """Installed, but not set up: it says so, and needs no restart when it is. A backend that is
    taken away again stays."""
    setup = Setup(Nginx)
    with open(setup.gateway.config) as f:
        whole = f.read()
    unset = whole[:whole.index("proxy_backend")] + whole[whole.index("access ="):]
    setup.gateway.replace(unset)
    with setup, setup.client() as client:
        for method, path, status in UNSET:
            answer = client.ask(method, path, message() if method == "POST" else None)
            assert answer.status == status, (path, answer.status, answer.body)
            assert status != 500 or b"No backend is set up" in answer.body, answer.body
        setup.gateway.replace(whole)
        wait_for(lambda: client.ask("POST", "/v1/messages", message()).status == 200, 10,
                 "the backend is used")
        setup.gateway.replace(unset)
        with open(setup.gateway.log) as f:
            wait_for(lambda: client.ask("POST", "/v1/messages", message()).status == 200 and
                     "the old settings stay" in f.read(), 10, "the change is refused")


def test_client_that_stops_reading():
    """Cut after client_write_timeout, and the call to the backend with it."""
    result, done = [], threading.Event()

    def script(call):
        call.begin()
        call.sock.settimeout(20)
        start = time.monotonic()
        try:
            while time.monotonic() - start < 20:
                call.text("x" * 16000)
        except OSError:
            result.append(time.monotonic() - start)
        done.set()

    with Setup(Nginx, client_write_timeout=2) as setup:
        setup.upstream.reset(script)
        with socket.create_connection(("127.0.0.1", setup.server.port), 20) as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            send_raw(setup, s)
            assert done.wait(25), "the backend was called on and on"
        assert result and result[0] < 10, result


def test_late_failure_is_an_event():
    """The 200 goes out after commit_after; what fails later is told in the stream."""
    def script(call):
        time.sleep(2.5)
        call.whole(500, {"error": {"message": "scripted failure"}})

    with Setup(Nginx, commit_after=1) as setup:
        setup.upstream.reset(script)
        with setup.client() as client:
            response, stream = client.stream(message(stream=True))
            got = list(stream)
    assert response.status == 200
    assert got[0][0] == ":", got
    assert got[-1][0] == "error" and "scripted failure" in got[-1][1]["error"]["message"], got[-1]
    assert not any(name == "message_start" for name, _, _ in got), got


def test_client_gone_before_the_first_byte():
    """nginx tells at once, so that the call ends while the backend still thinks."""
    result, done = [], threading.Event()

    def script(call):
        result.append(call.gone(10))
        done.set()

    with Setup(Nginx) as setup:
        setup.upstream.reset(script)
        with socket.create_connection(("127.0.0.1", setup.server.port), 20) as s:
            send_raw(setup, s)
            setup.upstream.wait_call()
            time.sleep(0.3)
        assert done.wait(12) and result[0] is not None and result[0] < 2, result


def test_local_access():
    """Without keys: this machine alone, and no web page that is open in its browser."""
    cases = (({}, 200), ({"Origin": "https://evil.example"}, 403), ({"Host": "evil.example"}, 403),
             ({"X-Forwarded-For": "10.0.0.1"}, 403), ({"Content-Type": "text/plain"}, 403),
             ({"Host": "localhost:4000"}, 200), ({"Origin": harness.ORIGIN}, 200))
    with Setup(harness.Lighttpd, access='origins = [ "%s" ];' % harness.ORIGIN) as setup:
        for headers, status in cases:
            with Client(setup.server.port, setup.server.prefix) as client:
                answer = client.ask("POST", "/v1/messages", message(), headers)
            assert answer.status == status, (headers, answer.status, answer.body)


def test_no_local_access_behind_apache():
    """Neighbours on a shared host are loopback too."""
    with Setup(harness.ApacheFcgid, access="") as setup:
        with Client(setup.server.port, setup.server.prefix) as client:
            answer = client.ask("POST", "/v1/messages", message())
        assert answer.status in (401, 403), answer.status
        assert "--new-key" in answer.json["error"]["message"], answer.json


class WithoutPassAuth(harness.ApacheCgi):
    name = "apache-without-CGIPassAuth"
    drop = "CGIPassAuth On"


def test_apache_hides_the_credential():
    with Setup(WithoutPassAuth) as setup:
        with Client(setup.server.port, setup.server.prefix) as client:
            answer = client.ask("POST", "/v1/messages", message(),
                                {"Authorization": "Bearer " + KEY})
        assert answer.status == 401, answer.status
        assert "CGIPassAuth On" in answer.json["error"]["message"], answer.json


def test_key_changes_at_once():
    with Setup(Nginx) as setup, setup.client() as client:
        assert client.ask("POST", "/v1/messages", message()).status == 200
        setup.gateway.write(access=harness.KEYS % dict(sha=harness.sha256("another"),
                                                       origin=harness.ORIGIN))
        time.sleep(1.2)
        assert client.ask("POST", "/v1/messages", message()).status == 401
        client.key = "another"
        assert client.ask("POST", "/v1/messages", message()).status == 200


def test_a_backends_key_file_changes():
    """Who replaces it need not restart anything."""
    def put(key):
        with open(path + ".new", "w") as f:
            f.write(key + "\n")
        harness.private(path + ".new")
        os.rename(path + ".new", path)

    def arrived():
        assert client.ask("POST", "/v1/messages", message()).status == 200
        return setup.upstream.calls[-1].headers["authorization"]

    setup = Setup(Nginx, key='api_key = "file:backend.key";')
    path = setup.gateway.path("backend.key")
    put("first-key")
    with setup, setup.client() as client:
        assert arrived() == "Bearer first-key"
        put("second-key")
        wait_for(lambda: arrived() == "Bearer second-key", 5, "the new key is sent")


def test_too_many_requests():
    """More than limits.requests at once: 529 before the body is read, then room again."""
    with Setup(Nginx, more="limits = { requests = 1; };") as setup:
        go = held(setup.upstream)
        first, stream = open_stream(setup)
        with setup.client() as client:
            answer = client.ask("POST", "/v1/messages", message())
            assert answer.status == 529, (answer.status, answer.body)
            assert answer.json["error"]["type"] == "overloaded_error"
            assert int(answer.headers["retry-after"]) > 0
            go.set()
            list(stream)
            first.close()
            setup.upstream.reset()
            wait_for(lambda: client.ask("POST", "/v1/messages", message()).status == 200, 10,
                     "there is room again")


class ShortIoTimeout(harness.ApacheFcgid):
    io_timeout = 4


def test_mod_fcgid_silence():
    """A backend that is silent for longer than FcgidIOTimeout, before and after its first event."""
    def script(call):
        time.sleep(6)
        call.begin()
        call.text("a")
        time.sleep(6)
        call.text("b")
        call.end()

    with Setup(ShortIoTimeout, commit_after=1) as setup:
        setup.upstream.reset(script)
        with setup.client() as client:
            assert client.ask("GET", "/health").status == 200      # it has started
            _, stream = client.stream(message(stream=True))
            assert text_of(stream) == "ab"


def test_spawn_fcgi():
    """spawn-fcgi as its manual has it: it detaches and leaves a process id."""
    find_tool("spawn-fcgi")
    upstream = Upstream()
    gateway = Gateway(upstream)
    path, pid_file = gateway.path("spawned.sock"), gateway.path("spawned.pid")
    pid = None
    try:
        subprocess.run([find_tool("spawn-fcgi"), "-s", path, "-M", "0666", "-P", pid_file, "--",
                        gateway.program], check=True, stdout=subprocess.DEVNULL,
                       env=harness.clean_env(MESSAGES_CONF=gateway.config))
        pid = int(open(pid_file).read())

        class Spawned(harness.Nginx):
            def spawn_gateway(self):
                return path

        with Spawned(gateway) as server, Client(server.port, server.prefix, KEY) as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
    finally:
        if pid:
            os.kill(pid, signal.SIGTERM)
            wait_for(lambda: not harness.alive(pid), 10, "the process ends")
        upstream.close()
        gateway.close()


def test_socket_activation():
    """systemd gives the listening socket as descriptor 3, with LISTEN_FDS and LISTEN_PID."""
    tool = shutil.which("systemd-socket-activate")

    class Activated(harness.Nginx):
        name = "nginx-activated"

        def spawn_gateway(self):
            path = self.gateway.path("activated.sock")
            if not tool:
                raise Skip("systemd-socket-activate is not installed")
            process = subprocess.Popen(
                [tool, "-l", path, "-E", "MESSAGES_CONF=" + self.gateway.config,
                 self.gateway.program],
                env=harness.clean_env(), stdin=subprocess.DEVNULL,
                stderr=open(self.gateway.path("activate.log"), "ab"))
            self.processes.append(process)
            wait_for(lambda: os.path.exists(path), 5, "the socket is there")
            os.chmod(path, 0o666)
            return path

    with Setup(Activated) as setup, setup.client() as client:
        assert client.ask("POST", "/v1/messages", message()).status == 200
        _, stream = client.stream(message(stream=True))
        assert text_of(stream) == "Hello there"


def test_neighbours_keep_the_socket():
    """Two processes on one socket: one ends, the other serves on."""
    class Two(harness.Nginx):
        name = "nginx-two"
        second = None

        def spawn_gateway(self):
            path = self.gateway.path("two.sock")
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(path)
                listener.listen(128)
                os.chmod(path, 0o666)
                for _ in range(2):
                    self.second = subprocess.Popen(
                        [self.gateway.program, "--config", self.gateway.config], stdin=listener,
                        env=harness.clean_env(), stderr=subprocess.DEVNULL)
                    self.processes.append(self.second)
            return path

    with Setup(Two) as setup:
        time.sleep(0.5)
        stop(setup.server.second)
        setup.server.processes.remove(setup.server.second)
        for _ in range(10):
            with setup.client() as client:
                assert client.ask("POST", "/v1/messages", message()).status == 200


def test_nothing_is_left():
    """lighttpd ends the program that it has started."""
    setup = Setup(harness.Lighttpd)
    with setup:
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        found = harness.processes_below(setup.gateway.dir)
        assert found, "the program does not run from its folder"
    wait_for(lambda: not any(harness.alive(p) for p in found), 10, "the program ends")


