"""Claude Code in a folder of its own, behind a gateway of its own, in front of a scripted model."""
import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

import harness
from model import Chat
from test_processes import Setup

LIMIT = harness.SLOWNESS * 120     # seconds that nothing here should take; what hangs ends then


class Done:
    """A run that has ended. text and lines (a JSON value each) are of one that went well."""

    def __init__(self, done):
        self.status, self.output, self.errors = done.returncode, done.stdout, done.stderr

    @property
    def text(self):
        assert self.status == 0, (self.status, self.output[-2000:], self.errors[-2000:])
        return self.output.strip()

    @property
    def objects(self):
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def lines(self):
        assert self.text
        return self.objects


class Session:
    """script(seen) is the model: it returns the blocks of its answer, or None when it has answered
    by itself. seen: what came to it, in order. A script that fails ends the test."""

    def __init__(self, program, script, dialect=Chat, server=harness.Lighttpd, files=None, env=None,
                 **settings):
        self.program, self.script, self.dialect, self.env = program, script, dialect, env or {}
        self.seen, self.failure = [], None
        self.home = tempfile.mkdtemp(prefix="messages-claude-", dir="/tmp")
        self.project = os.path.join(self.home, "project")
        for name, data in dict(files or {}, **{"project/.keep": ""}).items():
            self.write(name, data)
        settings = dict(dialect.settings, **settings)
        self.setup = Setup(server)
        self.settings = dict(settings, base_url="http://127.0.0.1:%d%s" % (
            self.setup.upstream.port, dialect.base))
        self.configure()
        self.setup.upstream.reset(self.answer)

    def change(self, **settings):
        """Changes the configuration of the gateway, which looks at it once a second."""
        self.configure(**settings)
        time.sleep(1.1)

    def configure(self, **settings):
        self.settings.update(settings)
        self.setup.gateway.write(**dict(
            self.settings, backend="retries = 0; " + self.settings.get("backend", "")))

    def write(self, name, data):
        path = os.path.join(self.home, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data if isinstance(data, bytes) else data.encode())

    def path(self, name):
        return os.path.join(self.project, name)

    def read(self, name):
        with open(self.path(name), encoding="utf-8", newline="") as f:
            return f.read()

    def answer(self, call):
        try:
            seen = self.dialect.read(call)
            self.seen.append(seen)
            blocks = self.script(seen)
            if blocks is not None:
                self.dialect.answer(call, blocks)
        except OSError:
            raise
        except BaseException as why:
            self.failure = self.failure or why
            call.whole(400, {"error": {"message": "the script failed: %r" % why}})

    def __enter__(self):
        self.setup.__enter__()
        return self

    def __exit__(self, kind, *_):
        try:
            self.setup.__exit__(kind)
        finally:
            shutil.rmtree(self.home, ignore_errors=True)
        if self.failure:
            raise self.failure

    def environment(self):
        server = self.setup.server
        base = "http://127.0.0.1:%d%s" % (server.port, server.prefix)
        return harness.clean_env(
            HOME=self.home, ANTHROPIC_BASE_URL=base, ANTHROPIC_AUTH_TOKEN=harness.KEY,
            CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC="1", IS_SANDBOX="1",
            CLAUDE_CODE_TMPDIR=self.home, NO_PROXY="127.0.0.1,localhost", **self.env)

    def start(self, *args, **kw):
        """stderr goes to a file: a pipe that nobody reads would fill."""
        kw.setdefault("stdin", subprocess.DEVNULL)
        errors = open(os.path.join(self.home, "errors"), "ab")
        return subprocess.Popen([self.program, *args], cwd=self.project, env=self.environment(),
                                stdout=subprocess.PIPE, stderr=errors, text=True, **kw)

    def ask(self, prompt, *args, text=None):
        """One run of the client to its end; text is its standard input."""
        more = dict(input=text) if text is not None else dict(stdin=subprocess.DEVNULL)
        return Done(subprocess.run([self.program, "-p", *([prompt] if prompt else []), *args],
                                   cwd=self.project, env=self.environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=LIMIT,
                                   check=False, **more))


def user(content):
    """A turn of the user's, as the client reads it from its standard input."""
    return {"type": "user", "message": {"role": "user", "content": content}}


class Live:
    """A client that runs on: JSON lines in and out, questions of permission among them."""

    def __init__(self, session, *args):
        self.process = session.start("-p", "--input-format", "stream-json", "--output-format",
                                     "stream-json", "--verbose", "--include-partial-messages",
                                     "--permission-prompt-tool", "stdio", *args,
                                     stdin=subprocess.PIPE)
        self.watch = threading.Timer(LIMIT, self.process.kill)
        self.sent = 0

    def __enter__(self):
        self.watch.start()
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.stdout.read()
        self.process.wait()
        self.watch.cancel()

    def send(self, line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()

    def until(self, wanted):
        last = None
        for text in self.process.stdout:
            last = json.loads(text)
            if wanted(last):
                return last
        raise AssertionError("the client ended: %s" % last)

    def result(self):
        return self.until(lambda line: line["type"] == "result")

    def asked(self, tool):
        """The client's question whether a tool may run."""
        asked = self.until(lambda line: line["type"] == "control_request")
        assert asked["request"]["subtype"] == "can_use_tool", asked
        assert asked["request"]["tool_name"] == tool, asked
        return asked

    def control(self, subtype, **more):
        """A request of the one who runs the client, and its answer."""
        self.sent += 1
        name = "req-%d" % self.sent
        self.send({"type": "control_request", "request_id": name,
                   "request": dict(more, subtype=subtype)})
        answer = self.until(lambda line: line["type"] == "control_response" and
                            line["response"]["request_id"] == name)
        assert answer["response"]["subtype"] == "success", answer

    def answer(self, asked, **response):
        self.send({"type": "control_response", "response": {
            "subtype": "success", "request_id": asked["request_id"], "response": response}})

    def allow(self, asked):
        self.answer(asked, behavior="allow", updatedInput=asked["request"]["input"])

    def deny(self, asked, why):
        self.answer(asked, behavior="deny", message=why)
