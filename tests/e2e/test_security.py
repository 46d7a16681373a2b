"""Nobody where they don't belong: what requests, answers and files can't make the gateway do, and
what the process has given up. docs/security.md names these tests.
"""
import json
import os
import socket
import subprocess
import time

import harness
from client import Client, message
from harness import KEY, wait_for
from listener import Listener
from test_access import Cgi
from test_gemini import GEMINI
from test_processes import Nginx, Setup
from upstream import hello

CONFINED = 'security = { seccomp = "on"; landlock = "on"; no_new_privs = "on"; };'
SECRET = "sk-secret-0123456789abcdef"


class RawCgi(Cgi):
    """Bodies and lengths as they are given."""

    def raw(self, data, length, **params):
        env = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST", "SCRIPT_NAME": "/x.fcgi",
               "PATH_INFO": "/v1/messages", "SERVER_PROTOCOL": "HTTP/1.1",
               "REMOTE_ADDR": "127.0.0.1", "CONTENT_TYPE": "application/json",
               "HTTP_X_API_KEY": KEY, "CONTENT_LENGTH": length, "MESSAGES_CONF": self.gateway.config}
        env.update(params)
        env = harness.clean_env(**{k: v for k, v in env.items() if v is not None})
        run = subprocess.run([self.gateway.program], input=data, env=env, capture_output=True,
                             timeout=60)
        head, _, rest = run.stdout.partition(b"\r\n\r\n")
        return int(head.split(b"\r\n")[0].split()[1]), head.decode("latin-1"), rest


def body(**more):
    return json.dumps(message(**more)).encode()


# ---- the process ----

def proc(pid, name):
    with open("/proc/%d/%s" % (pid, name), "rb") as f:
        return f.read()


def status_of(pid, name):
    for line in proc(pid, "status").decode().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise harness.Skip("this kernel does not say %s" % name)


def test_secrets_are_out_of_the_environment():
    """Neither /proc/PID/environ nor the command line nor a core file has a key; it works still, and
    after a reload too."""
    with Environment() as setup:
        pid = setup.server.gateway_process.pid
        for turn in range(2):
            with setup.client() as client:
                assert client.ask("POST", "/v1/messages", message()).status == 200
            assert setup.upstream.calls[-1].headers["authorization"] == "Bearer " + SECRET
            for name in ("environ", "cmdline"):
                assert SECRET.encode() not in proc(pid, name), name
            setup.gateway.write(model="other-%d" % turn)
            time.sleep(1.1)
        limits = proc(pid, "limits").decode()
        line = [x for x in limits.splitlines() if x.startswith("Max core file size")][0]
        assert line.split()[4:6] == ["0", "0"], line


class Environment(Setup):
    """A key from the environment of the process."""

    def __init__(self):
        super().__init__(Nginx, key='api_key = "env:LAB_SECRET";')
        self.gateway.env = {"LAB_SECRET": SECRET, "OPENROUTER_API_KEY": SECRET + "-2"}


def test_process_gives_up():
    """By default, where the kernel has it."""
    with Setup(Nginx) as setup:
        pid = setup.server.gateway_process.pid
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        described = check(setup.gateway)
        for name, row, value in (("NoNewPrivs", "no new privileges", 1),
                                 ("Seccomp", "system call filter", 2)):
            if rows(described)[row] == "on":
                assert status_of(pid, name) == value, name
        assert rows(described)["core dumps"] == "off", described


def check(gateway):
    done = subprocess.run([gateway.program, "--config", gateway.config, "--check"],
                          capture_output=True, text=True, env=harness.clean_env(**gateway.env))
    return done.stdout


def rows(text):
    """What --check says of each protection, its reason left out."""
    part = text.split("protection, once started:\n")[1].split("\n\n")[0]
    lines = [line.strip() for line in part.splitlines()]
    return {name.strip(): value.split(":")[0].strip() for name, value in
            (line.split("  ", 1) for line in lines)}


def confined():
    """Settings that give up everything, or, where the kernel lacks a part or a sanitizer makes system
    calls of its own, none: then the tests show that the program does as well without."""
    done = subprocess.run([harness.program(), "--check"], capture_output=True, text=True,
                          env=harness.clean_env())
    said = rows(done.stdout)
    parts = ("no new privileges", "system call filter", "Landlock")
    return CONFINED if all(said[part] == "on" for part in parts) else ""


def rounds(setup):
    """Requests, a stream and a reload with a new model: all that a confined process has to do."""
    for turn in range(2):
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        with setup.client() as client:
            names = [e[0] for e in client.stream(message(stream=True))[1]]
            assert names[-1] == "message_stop", names
        setup.gateway.write(model="reloaded")
        time.sleep(1.1)
    assert setup.upstream.calls[-1].json["model"] == "reloaded"
    with setup.client() as client:
        assert client.ask("GET", "/health/detailed").status == 200


def test_confined_lighttpd():
    """Everything on, behind lighttpd, which starts the program itself."""
    with Setup(harness.Lighttpd, more=confined()) as setup:
        rounds(setup)
        with open(setup.gateway.log) as f:
            assert "restart it" not in f.read()


def test_confined_with_a_command():
    """The same where a command gets the credential: it runs, and is confined as well."""
    with Setup(harness.Lighttpd, more=confined(), key='api_key = "exec:echo from-a-command";') as s:
        rounds(s)
        assert s.upstream.calls[-1].headers["authorization"] == "Bearer from-a-command"


def test_confined_cgi():
    with Cgi(more=confined()) as cgi:
        assert cgi.ask(HTTP_X_API_KEY=KEY)[0] == 200


def test_a_command_switches_it_off():
    """With "auto" what would confine a command that is not known here is left out, and --check says
    why."""
    with Setup(Nginx, key='api_key = "exec:echo key";') as setup:
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        assert status_of(setup.server.gateway_process.pid, "Seccomp") == 0
        said = check(setup.gateway)
        assert rows(said)["Landlock"] == rows(said)["system call filter"] == "off", said
        assert "a command that gets a credential would inherit it" in said, said


def test_a_command_added_later():
    """It can't run in a process that has given that up, and the answer says to restart it."""
    if not confined():
        return
    with Setup(harness.Lighttpd, more=confined()) as setup:
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        setup.gateway.write(key='api_key = "exec:echo key";')
        time.sleep(1.1)
        with setup.client() as client:
            answer = client.ask("POST", "/v1/messages", message())
        assert answer.status == 502 and b"restart it" in answer.body, answer.body


def test_commands_get_no_keys():
    """What the gateway has read as a secret is not in a command's environment."""
    with Commands() as setup:
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        assert setup.upstream.calls[-1].headers["authorization"] == "Bearer xxplainx"


class Commands(Setup):
    def __init__(self):
        super().__init__(Nginx, key="api_key = \"exec:sh -c 'echo x${OTHER_SECRET}x${PLAIN}x'\";",
                         backend="retries = 0; headers = ( { name = \"x-key\"; value = "
                         "\"env:OTHER_SECRET\"; } );")
        self.gateway.env = {"OTHER_SECRET": SECRET, "PLAIN": "plain"}


# ---- the socket ----

def test_only_named_web_servers_connect():
    """Over TCP, where FCGI_WEB_SERVER_ADDRS names them; who was refused is logged."""
    for named, status in ((None, 200), ("192.0.2.1, 127.0.0.1", 200), ("192.0.2.1", 502)):
        env = {"FCGI_WEB_SERVER_ADDRS": named} if named else {}
        with Setup(harness.NginxTcp, env=env) as setup:
            with setup.client() as client:
                assert client.ask("POST", "/v1/messages", message()).status == status, named
            assert len(setup.upstream.calls) == (status == 200), named
            with open(setup.gateway.log) as f:
                refused = "a connection from 127.0.0.1 was refused" in f.read()
            assert refused == (status != 200), named


# ---- files ----

def test_a_file_for_everyone_is_refused():
    """At the start, and of a running process that goes on with what it had."""
    with Setup(Nginx) as setup:
        with setup.client() as client:      # once it has started
            assert client.ask("POST", "/v1/messages", message()).status == 200
        os.chmod(setup.gateway.config, 0o644)
        remedy = "run chmod 600 " + setup.gateway.config
        said = check(setup.gateway)
        assert remedy in said and "upstream-secret" not in said, said
        time.sleep(1.1)
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        wait_for(lambda: remedy in open(setup.gateway.log).read(), 5, "the log says so")
        done = subprocess.run([setup.gateway.program, "--config", setup.gateway.config],
                              stdin=socket.create_server(("127.0.0.1", 0)), capture_output=True,
                              text=True, env=harness.clean_env(), timeout=30)
        assert done.returncode == 1 and remedy in done.stderr, done
    with Cgi() as cgi:
        os.chmod(cgi.gateway.config, 0o604)
        status, _, text = cgi.ask(HTTP_X_API_KEY=KEY)
        assert status == 500 and b"error log" in text, text


def test_log_links():
    """A link to another file that somebody else has put where the log should be is not followed."""
    with Cgi() as cgi:
        target = cgi.gateway.path("target")
        link = cgi.gateway.path("linked.log")
        open(target, "w").close()
        os.symlink(target, link)
        cgi.gateway.write(log=link)
        assert cgi.ask(HTTP_X_API_KEY=KEY)[0] == 200
        assert os.path.getsize(target) > 0, "one's own link is followed"
        if os.geteuid() != 0:
            return
        os.truncate(target, 0)
        os.lchown(link, harness.user().pw_uid, -1)
        assert cgi.ask(HTTP_X_API_KEY=KEY)[0] == 200
        assert os.path.getsize(target) == 0, "another's is not"


# ---- what is passed on ----

EVIL = "a\r\nX-Injected: yes\r\n\r\nb"


def test_line_ends_go_nowhere():
    """CR and LF in anything that a client says, where a web server would let them through."""
    with RawCgi() as cgi:
        for name in ("HTTP_X_CORRELATION_ID", "HTTP_X_REQUEST_ID", "HTTP_ANTHROPIC_BETA",
                     "HTTP_USER_AGENT", "HTTP_ANTHROPIC_VERSION", "HTTP_ORIGIN",
                     "HTTP_X_CLAUDE_CODE_SESSION_ID", "QUERY_STRING", "HTTP_X_STAINLESS_LANG",
                     "HTTP_ACCEPT", "HTTP_X_APP"):
            status, head, _ = cgi.raw(body(), str(len(body())), **{name: EVIL})
            assert status in (200, 400), (name, status)
            assert "\nX-Injected" not in head, (name, head)
        for call in cgi.upstream.calls:
            assert "x-injected" not in call.headers, call.headers
        model = json.dumps(message(model=EVIL)).encode()
        _, head, _ = cgi.raw(model, str(len(model)))
        assert "\nX-Injected" not in head, head


def test_line_ends_to_an_anthropic_backend():
    """The same where the client's own headers go on."""
    with RawCgi(dialect="anthropic") as cgi:
        cgi.upstream.reset(lambda call: call.whole(200, {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}))
        for name in ("HTTP_ANTHROPIC_BETA", "HTTP_ANTHROPIC_VERSION", "HTTP_USER_AGENT",
                     "HTTP_X_CLAUDE_CODE_SESSION_ID"):
            cgi.raw(body(), str(len(body())), **{name: EVIL})
        for call in cgi.upstream.calls:
            assert "x-injected" not in call.headers, call.headers


def test_a_backends_headers_are_chosen():
    """Of what a backend says only known headers reach the client: no cookies, no CORS, no server."""
    extra = (("Set-Cookie", "a=b"), ("Access-Control-Allow-Origin", "*"), ("Server", "x"),
             ("Location", "http://elsewhere"), ("Content-Security-Policy", "x"),
             ("x-api-key", SECRET))
    with Setup(Nginx) as setup:
        setup.upstream.reset(lambda call: call.whole(400, {"error": {"message": "no"}}, extra))
        with setup.client() as client:
            answer = client.ask("POST", "/v1/messages", message())
    for name, value in extra:
        assert value not in answer.headers.get_all(name, []), name


def test_model_names_stay_in_their_segment():
    """A model's name in a URL can't lead to another path or query."""
    with RawCgi(dialect="gemini", backend=GEMINI, model="x") as cgi:
        data = json.dumps(message(model="../../v1/admin?key=1#x/..\r\nHost: other")).encode()
        cgi.raw(data, str(len(data)))
        for call in cgi.upstream.calls:
            path = call.path.split("?")[0]
            assert "/admin" not in path and "#" not in path and ".." not in path.split("/"), path
            assert "key=1" not in call.path.partition("?")[2], call.path
            assert "other" != call.headers["host"]


# ---- whom it calls ----

class Bait:
    """Counts who connects."""

    def __init__(self):
        self.seen = []
        self.listener = Listener(self.serve)
        self.port = self.listener.port

    def serve(self, sock):
        with sock:
            sock.settimeout(2)
            try:
                self.seen.append(sock.recv(65536))
            except OSError:
                self.seen.append(b"")

    def close(self):
        self.listener.close()


def test_urls_in_requests_are_not_fetched():
    """An image's or a document's address is the backend's to fetch, never the gateway's."""
    bait = Bait()
    with Setup(Nginx) as setup:
        for url in ("http://127.0.0.1:%d/secret" % bait.port, "file:///etc/passwd",
                    "gopher://127.0.0.1:%d/x" % bait.port):
            for kind in ("image", "document"):
                block = {"type": kind, "source": {"type": "url", "url": url}}
                with setup.client() as client:
                    answer = client.ask("POST", "/v1/messages", message(
                        messages=[{"role": "user", "content": [block]}]))
                assert b"root:" not in answer.body
                assert answer.status in (200, 400, 501), answer.body
        for call in setup.upstream.calls:
            assert b"root:x" not in call.body
    bait.close()
    assert not bait.seen


def test_redirects_are_not_followed():
    """Not with a key, not without: whoever has a backend's address can't send us elsewhere."""
    bait = Bait()
    with Setup(Nginx) as setup:
        for status in (301, 302, 303, 307, 308):
            setup.upstream.reset(lambda call, status=status: call.whole(
                status, {}, (("Location", "http://127.0.0.1:%d/v1" % bait.port),)))
            with setup.client() as client:
                answer = client.ask("POST", "/v1/messages", message())
            assert answer.status >= 400, (status, answer.status)
            assert answer.json["type"] == "error" and "location" not in answer.headers
            assert len(setup.upstream.calls) == 1
    bait.close()
    assert not bait.seen


def test_other_protocols_are_refused():
    """A backend is reached by http and https alone."""
    for url in ("file:///etc/passwd", "gopher://127.0.0.1:9/", "ftp://127.0.0.1/", "dict://x:1/",
                "scp://x/"):
        with Cgi() as cgi:
            cgi.gateway.write(base_url=url)
            said = check(cgi.gateway)
            assert "must be a URL that begins with http:// or https://" in said, said


# ---- bodies ----

def test_repeated_members():
    """Of equal members the last counts here, and the backend is told one value alone: nobody can
    show the gateway one model and the backend another."""
    with RawCgi() as cgi:
        data = (b'{"model":"first","model":"second","mod\\u0065l":"third","max_tokens":5,'
                b'"messages":[{"role":"user","content":"hi"}]}')
        assert cgi.raw(data, str(len(data)))[0] == 200
        sent = cgi.upstream.calls[-1].body
        assert sent.count(b'"model"') == 1, sent
    with RawCgi(dialect="anthropic") as cgi:
        cgi.upstream.reset(lambda call: call.whole(200, {
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
            "stop_reason": "end_turn", "usage": {"input_tokens": 1, "output_tokens": 1}}))
        data = (b'{"model":"claude-a","model":"claude-b","mod\\u0065l":"claude-c","max_tokens":5,'
                b'"max_tokens":6,"messages":[{"role":"user","content":"hi"}]}')
        assert cgi.raw(data, str(len(data)))[0] == 200
        pairs = json.loads(cgi.upstream.calls[-1].body, object_pairs_hook=list)
        names = [name for name, _ in pairs]
        models = [value for name, value in pairs if name == "model"]
        assert len(models) == 1, pairs
        assert names.count("max_tokens") == 1 or dict(pairs)["max_tokens"] == 6, pairs
        # Where nothing is spliced out, and to readers that take both for one: refused.
        calls = len(cgi.upstream.calls)
        for data in (b'{"model":"m","Model":"n","max_tokens":5,'
                     b'"messages":[{"role":"user","content":"hi"}]}',
                     b'{"model":"m","max_tokens":5,'
                     b'"messages":[{"role":"user","content":"hi","content":"ho"}]}'):
            status, _, text = cgi.raw(data, str(len(data)))
            assert status == 400 and b"member" in text, (status, text)
        assert len(cgi.upstream.calls) == calls


def test_extreme_bodies():
    """Deep, large and odd ones are refused with a sentence, and the process lives."""
    deep = b'{"model":"m","max_tokens":5,"messages":' + b"[" * 100000
    numbers = [b"1e999", b"-1", b"99999999999999999999999999", b"1.5", b"0", b"-0", b"1E+400"]
    bodies = [deep, b"", b"\x00", b"[]", b"null", b"{" * 5000, b'"' + b"a" * 100000]
    bodies += [b'{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":' + n + b"}"
               for n in numbers]
    with Setup(Nginx) as setup:
        pid = setup.server.gateway_process.pid
        for data in bodies:
            with setup.client() as client:
                answer = client.ask("POST", "/v1/messages", data)
            assert answer.status in (200, 400, 413), (data[:60], answer.status)
            if answer.status != 200:
                assert answer.json["error"]["type"] in ("invalid_request_error",
                                                        "request_too_large"), answer.body
        assert setup.server.gateway_process.pid == pid
        assert setup.server.gateway_process.poll() is None


def test_lengths_that_lie():
    """CONTENT_LENGTH is what a web server says; whatever it is, no byte of one request is taken for
    another, and what is incomplete calls nobody."""
    data = body()
    cases = [("-1", 400), ("abc", 400), ("", 400), ("0", 400), ("0x10", 400), (" 5", 400),
             ("+5", 400), ("99999999999999999999999", 400), (str(len(data) - 5), 400),
             (str(len(data) + 5), 400), ("%d, %d" % (len(data), len(data)), 400),
             ("1e3", 400), (str(2 ** 62), 413)]
    with RawCgi() as cgi:
        for length, expected in cases:
            status, head, text = cgi.raw(data, length)
            assert status == expected or status in (400, 408, 413), (length, status, text)
            assert b'"type":"error"' in text.replace(b" ", b""), (length, text)
        assert not cgi.upstream.calls, cgi.upstream.calls
        # What follows the body on the pipe is not read as a part of it.
        assert cgi.raw(data + b'{"model":"smuggled"}', str(len(data)))[0] == 200
        assert b"smuggled" not in cgi.upstream.calls[-1].body


# ---- secrets ----

def test_answers_hold_no_secrets():
    """Whatever goes wrong, and whoever asks what there is."""
    words = ("upstream-secret", harness.sha256(KEY), harness.sha256(KEY)[:16], KEY)
    texts = []
    with Setup(Nginx) as setup:
        scripts = (hello, lambda call: call.whole(401, {"error": {
            "message": "Incorrect API key provided: upstream-secret"}}),
            lambda call: call.whole(500, b"upstream-secret"),
            lambda call: setattr(call, "keep", False))
        for script in scripts:
            setup.upstream.reset(script)
            with setup.client() as client:
                texts.append(client.ask("POST", "/v1/messages", message()))
        for path in ("/health", "/health/detailed", "/status", "/v1/models", "/nothing", "/"):
            for key in (KEY, None):
                with Client(setup.server.port, setup.server.prefix, key) as client:
                    texts.append(client.ask("GET", path))
        with Client(setup.server.port, setup.server.prefix, "wrong-key-words") as client:
            texts.append(client.ask("POST", "/v1/messages", message()))
    for answer in texts:
        shown = str(answer.headers).encode() + answer.body
        for word in words + ("wrong-key-words",):
            assert word.encode() not in shown, (word, shown)


def test_unchecked_certificates_are_warned_of():
    """By --check, and in the log of each start."""
    with Setup(Nginx, backend="retries = 0; tls_verify = false;") as setup:
        with setup.client() as client:
            assert client.ask("POST", "/v1/messages", message()).status == 200
        assert "tls_verify is false" in check(setup.gateway)
        with open(setup.gateway.log) as f:
            assert "tls_verify is off" in f.read()
