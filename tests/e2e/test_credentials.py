"""Credentials that have to be got: a scripted token endpoint beside the scripted backend. Requests
run as CGI programs, a process each, so that what one process leaves for the next is seen too.
"""
import base64
import json
import os
import stat
import subprocess
import sys
import threading
import time

import harness
from client import message
from harness import KEY
from upstream import Upstream, hello

M2M = """credential = { kind = "databricks-m2m"; client_id = "the client"; client_secret = "s:%%&";
	host = "http://127.0.0.1:%d"; };"""


class Issuer:
    """Gives out token-1, token-2 …; the backend takes those in `good` (None: all)."""

    def __init__(self, lifetime=3600, seconds=0.0, good=None, refusal=(401, {"message": "no"}),
                 prefix="token-"):
        self.upstream = Upstream()
        self.lifetime, self.seconds, self.good, self.refusal = lifetime, seconds, good, refusal
        self.issued, self.used, self.asked = 0, [], []
        self.lock = threading.Lock()
        self.upstream.script = self.script
        self.gateway, self.prefix = None, prefix

    def script(self, call):
        if "token" in call.path:
            with self.lock:
                self.asked.append(call)
                self.issued += 1
                name = "%s%d" % (self.prefix, self.issued)
            time.sleep(self.seconds)
            call.whole(200, {"access_token": name, "token_type": "Bearer",
                             "expires_in": self.lifetime})
            return
        token = call.headers["authorization"].split()[1]
        with self.lock:
            self.used.append(token)
        if self.good is not None and token not in self.good:
            status, body = self.refusal
            call.whole(status, json.loads(json.dumps(body).replace("TOKEN", token)))
        else:
            hello(call)

    def start(self, backend=None, **more):
        self.gateway = harness.Gateway(self.upstream, backend="retries = 0; " +
                                       (backend or M2M % self.upstream.port), **more)
        self.plain_key()
        return self

    def plain_key(self):
        """Takes out the harness's own api_key, which would be a plain key."""
        with open(self.gateway.config) as f:
            text = f.read()
        with open(self.gateway.config, "w") as f:
            f.write(text.replace('api_key = "upstream-secret"; ', ""))

    def ask(self, **more):
        """One request in a process of its own; the status and the body."""
        body = json.dumps(message(**more)).encode()
        env = harness.clean_env(
            GATEWAY_INTERFACE="CGI/1.1", REQUEST_METHOD="POST", SCRIPT_NAME="", HTTP_HOST="x",
            PATH_INFO="/v1/messages", QUERY_STRING="", SERVER_PROTOCOL="HTTP/1.1",
            CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(body)), HTTP_X_API_KEY=KEY,
            MESSAGES_CONF=self.gateway.config, REMOTE_ADDR="127.0.0.1", **self.gateway.env)
        done = subprocess.run([self.gateway.program], input=body, env=env, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        status = [h for h in head.split(b"\r\n") if h.lower().startswith(b"status:")]
        return int(status[0].split()[1]) if status else 200, answer.decode()

    def log(self):
        with open(self.gateway.log) as f:
            return f.read()

    def must(self, **more):
        status, body = self.ask(**more)
        assert status == 200, (status, body)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.upstream.close()
        if self.gateway:
            self.gateway.close()


def test_token_is_kept_and_renewed():
    """What expires within five seconds counts as expired."""
    with Issuer(lifetime=9).start() as issuer:
        issuer.must()
        issuer.must(stream=True)
        assert issuer.used == ["token-1"] * 2 and issuer.issued == 1, issuer.used
        call = issuer.asked[0]
        assert call.path == "/oidc/v1/token", call.path
        assert call.headers["authorization"] == "Basic " + \
            base64.b64encode(b"the%20client:s%3A%25%26").decode(), call.headers
        assert sorted(call.body.decode().split("&")) == \
            ["grant_type=client_credentials", "scope=all-apis"], call.body
        time.sleep(4.1)
        issuer.must()
        assert issuer.used[-1] == "token-2" and issuer.issued == 2, issuer.used


def test_token_file_is_private():
    with Issuer().start() as issuer:
        issuer.must()
        files = [f for f in os.listdir(issuer.gateway.state) if "credential" in f]
        assert len(files) == 2, files
        for name in files:
            path = os.path.join(issuer.gateway.state, name)
            assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, name
            # A file that others could have written is not believed.
            os.chmod(path, 0o644)
        issuer.must()
        assert issuer.used == ["token-1", "token-2"], issuer.used


def test_one_process_renews():
    with Issuer(seconds=0.5).start() as issuer:
        threads = [threading.Thread(target=issuer.must) for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert issuer.used == ["token-1"] * 4 and issuer.issued == 1, (issuer.used, issuer.issued)


def test_refused_token_is_renewed_once():
    cases = ((401, {"message": "Credential was not sent or was of an unsupported type"}),
             (403, {"error_code": "403", "message": "Invalid access token."}),
             (400, {"error_code": "400", "message": "Token is expired"}))
    for refusal in cases:
        with Issuer(good={"token-2"}, refusal=refusal).start() as issuer:
            issuer.must()
            issuer.must(stream=True)
            assert issuer.used == ["token-1", "token-2", "token-2"], issuer.used
            assert issuer.issued == 2, issuer.issued


def test_other_refusals_are_not_retried():
    with Issuer(good=set(), refusal=(403, {"message": "not for you"})).start() as issuer:
        status, body = issuer.ask()
        assert status == 502 and "not for you" in body, (status, body)
        assert issuer.used == ["token-1"], issuer.used


def test_refused_again():
    """The client never sees a 401 for a credential of the gateway's, nor a token."""
    with Issuer(good=set()).start() as issuer:
        status, body = issuer.ask()
        assert status == 502 and "(backends.test.credential)" in body, (status, body)
        assert "token-" not in body, body
        assert issuer.used == ["token-1", "token-2"], issuer.used


def test_token_endpoint_refuses():
    with Issuer().start() as issuer:
        issuer.upstream.script = lambda call: call.whole(
            401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        status, body = issuer.ask()
        assert status == 502 and "invalid_client: Client authentication failed" in body, body
        assert "s:%&" not in body, body


def test_stampede():
    """Twenty processes that find an expired token make one call; whoever held the lock and was
    killed stops nobody."""
    with Issuer(lifetime=5).start() as issuer:
        issuer.must()
        lock = [f for f in os.listdir(issuer.gateway.state) if f.endswith(".lock")][0]
        hold = "import fcntl, sys, time; f = open(sys.argv[1], 'r+'); fcntl.flock(f, 2); " \
               "print(flush=True); time.sleep(60)"
        holder = subprocess.Popen([sys.executable, "-c", hold,
                                   os.path.join(issuer.gateway.state, lock)],
                                  stdout=subprocess.PIPE)
        holder.stdout.readline()
        issuer.lifetime = 3600
        threads = [threading.Thread(target=issuer.must) for _ in range(20)]
        for t in threads:
            t.start()
        time.sleep(0.3)
        assert issuer.issued == 1, issuer.issued
        holder.kill()
        holder.wait()
        holder.stdout.close()
        for t in threads:
            t.join()
        assert issuer.issued == 2 and issuer.used == ["token-1"] + ["token-2"] * 20, issuer.used


def test_failed_renewal_is_shared():
    """An endpoint that refuses is asked once, not by each process in turn."""
    with Issuer(seconds=0.3).start() as issuer:
        asked = []

        def refuse(call):
            asked.append(call)
            time.sleep(0.3)
            call.whole(503, {"error": "temporarily_unavailable"})

        issuer.upstream.script = refuse
        answers = []
        threads = [threading.Thread(target=lambda: answers.append(issuer.ask())) for _ in range(5)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        assert [a for a in answers if a[0] != 502 or "temporarily_unavailable" not in a[1]] == []
        assert len(asked) == 1, len(asked)


def test_without_state_dir():
    with Issuer().start() as issuer:
        with open(issuer.gateway.config) as f:
            text = f.read()
        with open(issuer.gateway.config, "w") as f:
            f.write(text.replace(issuer.gateway.state, "/nonexistent/folder"))
        issuer.must()
        issuer.must()
        assert issuer.issued == 2 and issuer.used == ["token-1", "token-2"], issuer.used


def test_azure_identities():
    """A federated token in place of the secret, which is asked for else; a machine's identity."""
    issuer = Issuer()
    where = "http://127.0.0.1:%d/token" % issuer.upstream.port
    path = "/tmp/messages-e2e-%d.jwt" % os.getpid()
    with open(path, "w") as f:
        f.write("a.b.c")
    entra = 'credential = { kind = "entra"; tenant = "t"; client_id = "c"; token_url = "%s"; %s };'
    try:
        with issuer.start(entra % (where, 'source = "%s";' % path)):
            issuer.must()
            assert b"client_assertion=a.b.c" in issuer.asked[0].body, issuer.asked[0].body
            with open(issuer.gateway.config) as f:
                text = f.read()
            with open(issuer.gateway.config, "w") as f:
                f.write(text.replace('source = "%s";' % path, ""))
            done = subprocess.run([issuer.gateway.program, "--config", issuer.gateway.config,
                                   "--check"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  check=False)
            assert b"lacks credential.client_secret" in done.stdout, done.stdout
    finally:
        os.unlink(path)
    issuer = Issuer()
    where = "http://127.0.0.1:%d/token" % issuer.upstream.port
    with issuer.start('credential = { kind = "managed-identity"; token_url = "%s"; };' % where):
        issuer.must()
        assert issuer.used == ["token-1"], issuer.used
        assert "resource=" in issuer.asked[0].path, issuer.asked[0].path


def test_no_secret_is_shown():
    """Neither by what prints the configuration, nor in a file that others may read."""
    with Issuer().start() as issuer:
        issuer.must()
        for option in ("--print-config", "--check"):
            done = subprocess.run([issuer.gateway.program, "--config", issuer.gateway.config,
                                   option], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            assert b"s:%&" not in done.stdout and b"token-1" not in done.stdout, done.stdout
            assert b"databricks-m2m" in done.stdout, done.stdout
        for name in os.listdir(issuer.gateway.state):
            path = os.path.join(issuer.gateway.state, name)
            with open(path, "rb") as f:
                text = f.read()
            assert b"s:%&" not in text, name
            if b"token-1" in text:
                assert stat.S_IMODE(os.stat(path).st_mode) == 0o600, name


def test_quoted_tokens_are_overwritten():
    """Whatever of the call a backend quotes: in its refusal, in a whole answer, in an odd form."""
    prefix = "issued/for/the/test/"
    refusals = ((403, {"message": "not for TOKEN"}), (200, {"error": {"message": "odd TOKEN"}}),
                (500, {"message": "TOKENTOKEN"}))
    for refusal in refusals:
        with Issuer(good=set(), refusal=refusal, prefix=prefix).start() as issuer:
            folder = issuer.gateway.path("logs")
            with open(issuer.gateway.config, "r+") as f:
                text = f.read().replace("log = {", 'log = { dir = "%s";' % folder)
                f.seek(0)
                f.write(text)
            for stream in (False, True):
                status, body = issuer.ask(stream=stream)
                assert "****" in body and prefix not in body, (status, body)
            assert issuer.used and prefix in issuer.used[0], issuer.used
            done = subprocess.run([issuer.gateway.program, "--config", issuer.gateway.config,
                                   "doctor"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env=harness.clean_env(), check=False)
            assert prefix.encode() not in done.stdout, done.stdout
            assert prefix not in issuer.log(), issuer.log()
            for place, _, names in os.walk(folder):
                for name in names:
                    with open(os.path.join(place, name)) as f:
                        assert prefix not in f.read(), name


def test_command():
    """Run again when its time is over; without a shell, descriptors or the client's variables."""
    def runs():
        with open(script + ".runs") as f:
            return len(f.readlines())

    with Issuer(good={"a$HOME"}) as issuer:
        script = "/tmp/messages-e2e-%d.sh" % os.getpid()
        with open(script, "w") as f:
            f.write('ls /proc/$$/fd >%s.fds\nenv >%s.env\necho run >>%s.runs\n'
                    'printf %%s "$1"\n' % (script, script, script))
        try:
            command = 'exec:sh %s \\"a$HOME\\"' % script
            issuer.start('api_key = "%s"; credential = { lifetime = 9; };' % command)
            issuer.must()
            issuer.must()
            with open(script + ".env") as f:
                names = {line.split("=")[0] for line in f}
            assert "PATH" in names and not [n for n in names if n.startswith("HTTP_")], names
            with open(script + ".fds") as f:
                # 10 and above: the shell's own, of the file that it reads
                assert [n for n in f.read().split() if int(n) < 10] == ["0", "1", "2"]
            assert runs() == 1
            time.sleep(4.1)
            issuer.must()
            assert runs() == 2
        finally:
            for end in ("", ".fds", ".env", ".runs"):
                if os.path.exists(script + end):
                    os.unlink(script + end)


def test_command_fails():
    """The client is told that it failed; what the command said is for the log, without secrets."""
    with Issuer().start('api_key = "exec:false";') as issuer:
        status, body = issuer.ask()
        assert status == 502 and "its command ended with status 1" in body, body
        assert '"fault_note":"false"' in issuer.log(), issuer.log()
    script = "sh -c 'echo Please run: cli login >&2; echo eyJhbGciOiJSUzI1NiIs1234 >&2; exit 1'"
    with Issuer().start('api_key = "exec:%s";' % script) as issuer:
        status, body = issuer.ask()
        assert status == 502 and "cli login" not in body and "eyJ" not in body, body
        assert "Please run: cli login" in issuer.log(), issuer.log()
        assert "eyJ" not in issuer.log(), issuer.log()
