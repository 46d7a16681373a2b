"""The README's first command: ./start with the demo, with a URL, and what it leaves behind."""
import json
import os
import re
import signal
import subprocess
import tempfile
import threading
import shutil

import harness
from client import Client, message, text_of
from harness import SOURCE, clean_env, find_tool, program, stop, wait_for
from upstream import Upstream, hello

DEMO = "This is the demo backend of messages-fcgi, not a model."


class Quickstart:
    """./start in a process group of its own, as a terminal would have it."""

    def __init__(self, *args, **env):
        find_tool("lighttpd")
        find_tool("curl")
        program("messages-demo")
        self.dir = tempfile.mkdtemp(prefix="messages-start-", dir="/tmp")
        self.output = ""
        env = harness.clean_env(TMPDIR=self.dir, MESSAGES_BUILD=os.path.dirname(program()),
                                HOME=self.dir, **env)
        self.process = subprocess.Popen(
            [os.path.join(SOURCE, "start"), *args], env=env, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.output += line

    def __enter__(self):
        return self

    def ready(self):
        """The port, once everything has been printed."""
        wait_for(lambda: "Ctrl-C ends it" in self.output or self.process.poll() is not None, 30,
                 "./start is ready")
        found = re.search(r"answers on http://127\.0\.0\.1:(\d+)", self.output)
        assert found, self.output
        return int(found.group(1))

    def group(self):
        """Processes of the session, which are all that it started."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open("/proc/%s/stat" % pid) as f:
                    fields = f.read().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == self.process.pid and fields[0] != "Z":
                found.append(int(pid))
        return found

    def interrupt(self, sig):
        if sig == signal.SIGINT:
            os.killpg(self.process.pid, sig)
        else:
            self.process.send_signal(sig)
        self.process.wait(harness.SLOWNESS * 20)
        wait_for(lambda: not self.group(), 10, "all its processes end: %s" % self.group())
        assert os.listdir(self.dir) == [], os.listdir(self.dir)

    def __exit__(self, *_):
        if self.process.poll() is None:
            stop(self.process, timeout=30)
        shutil.rmtree(self.dir, ignore_errors=True)


def test_demo_and_interrupt():
    with Quickstart() as q:
        port = q.ready()
        assert "claude" in q.output and "ANTHROPIC_BASE_URL" in q.output, q.output
        assert "CLAUDE_CODE_MAX_CONTEXT_TOKENS" in q.output, q.output
        assert len(q.group()) >= 4, q.group()   # the script, lighttpd, the gateway, the demo
        with Client(port) as client:
            _, stream = client.stream(message("run: echo hi", stream=True, tools=[
                {"name": "Bash", "description": "", "input_schema": {"type": "object"}}]))
            parts, stop_reason, text = [], None, ""
            for name, data, _ in stream:
                if name == "content_block_delta":
                    parts.append(data["delta"].get("partial_json", ""))
                    text += data["delta"].get("text", "")
                if name == "message_delta":
                    stop_reason = data["delta"]["stop_reason"]
        assert stop_reason == "tool_use" and text.startswith(DEMO), (stop_reason, text)
        assert json.loads("".join(parts))["command"] == "echo hi"
        q.interrupt(signal.SIGINT)


def test_interrupt_while_streaming():
    with Quickstart() as q:
        with Client(q.ready()) as client:
            _, stream = client.stream(message("word " * 300, stream=True))
            next(stream)
            q.interrupt(signal.SIGTERM)


def test_taken_port():
    with Quickstart() as first:
        port = first.ready()
        with Quickstart() as second:
            other = second.ready()
            # A lower one was somebody else's when the first looked.
            assert other < port or "port %d is taken" % port in second.output, second.output
            assert other != port
            with Client(other) as client:
                _, stream = client.stream(message(stream=True))
                assert text_of(stream).startswith(DEMO)
            second.interrupt(signal.SIGINT)
        first.interrupt(signal.SIGINT)


def test_url():
    """It finds the dialect and the model of a server, and sends it neither a paid call nor a key."""
    upstream = Upstream()
    try:
        def refuse_empty(call):
            if call.body == b"{}":
                call.whole(400, {"error": {"message": "no messages"}})
            else:
                hello(call)

        upstream.reset(refuse_empty)
        with Quickstart("http://127.0.0.1:%d/v1" % upstream.port) as q:
            port = q.ready()
            assert all(call.body == b"{}" for call in upstream.calls)
            assert "100000" in q.output, q.output
            with Client(port) as client:
                _, stream = client.stream(message(stream=True))
                assert text_of(stream) == "Hello there"
            last = upstream.calls[-1]
            assert last.path == "/v1/chat/completions" and last.json["model"] == "scripted"
            assert "authorization" not in last.headers
            q.interrupt(signal.SIGINT)
    finally:
        upstream.close()


def test_url_without_a_server():
    with Quickstart("http://127.0.0.1:%d" % harness.free_port()) as q:
        assert q.process.wait(30) != 0
        q.reader.join(5)
        assert "lists no models" in q.output, q.output
        assert os.listdir(q.dir) == []


def run_program(*args, **env):
    return subprocess.run([harness.program()] + list(args), capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, timeout=60, cwd="/", env=clean_env(**env))


def test_the_command_line():
    for args, status, words in (
            (("--version",), 0, "messages.fcgi "), (("--help",), 0, "  --check  "),
            (("-h",), 0, "  --check  "), (("--options", "text"), 0, "limits.max_body"),
            (("--config=/nonexistent/m.conf", "--check"), 1, "/nonexistent/m.conf"),
            (("--config", "/nonexistent/m.conf", "--check"), 1, "/nonexistent/m.conf"),
            (("import-env", "/nonexistent/.env"), 1, "/nonexistent/.env"),
            ((), 2, "  --check  "),     # nobody gave it a socket
            (("--chek",), 2, "does not know --chek;"),
            (("--check", "--route"), 2, "one command at a time, not --route;"),
            (("--check", "more"), 2, "does not know more;"),
            (("--new-key",), 2, "a value is missing after --new-key;"),
            (("--check", "--config"), 2, "a value is missing after --config;")):
        done = run_program(*args)
        told = done.stderr if status == 2 else done.stdout + done.stderr
        assert done.returncode == status and words in told, (args, done)


def test_import_env():
    """A .env becomes a configuration that answers for its backend, and none of its secrets is in it."""
    secrets = {"AWS_SECRET_ACCESS_KEY": "not-copied-1", "AWS_SESSION_TOKEN": "not-copied-2"}
    variables = dict(secrets, AWS_ACCESS_KEY_ID="AKIAEXAMPLE", AWS_REGION="eu-west-1",
                     REQUEST_TIMEOUT="77", PORT="8080")
    with tempfile.TemporaryDirectory() as home:
        old, config = os.path.join(home, ".env"), os.path.join(home, "messages.conf")
        with open(old, "w") as f:
            f.writelines("%s=%s\n" % v for v in variables.items())
        made = run_program("import-env", old)
        assert made.returncode == 0 and "not-copied" not in made.stdout, made
        assert "PORT (line 6): the web server's" in made.stdout, made.stdout
        with open(config, "w") as f:
            f.write(made.stdout)
        checked = run_program("--config", config, "--check", HOME=home, **secrets)
        assert checked.returncode == 0, checked.stdout
        assert "https://bedrock-runtime.eu-west-1.amazonaws.com" in checked.stdout, checked.stdout
        assert "not-copied" not in checked.stdout + checked.stderr


def env_line(home, options, more="", url="http://127.0.0.1:4000", **env):
    """What `env` says for a backend with these options."""
    config = os.path.join(home, "messages.conf")
    with open(config, "w") as f:
        f.write('proxy_backend = "lab"; models = { big = "m"; };\n'
                'backends = { lab = { dialect = "openai-chat"; auth = "none";\n'
                '    base_url = "http://127.0.0.1:9/v1"; %s }; };\n%s' % (options, more))
    args = ["--url", url] if url else []
    done = run_program("--config", config, "env", *args, HOME=home, **env)
    assert done.returncode == 0, done.stderr
    return done


def test_env_windows():
    """The variables for windows of each size, and a warning where Claude Code has no room to work."""
    cases = (("", "", False),
             ("context_tokens = 40000;", "MAX_CONTEXT_TOKENS=40000 MAX_OUTPUT_TOKENS=10000", True),
             ("context_tokens = 65536;", "MAX_CONTEXT_TOKENS=65536 MAX_OUTPUT_TOKENS=16384", False),
             ("context_tokens = 200000; max_tokens_max = 8192;", "MAX_CONTEXT_TOKENS=200000 "
              "AUTO_COMPACT_WINDOW=200000 MAX_OUTPUT_TOKENS=8192", False),
             ("context_tokens = 1050000;", "MAX_CONTEXT_TOKENS=1050000 MAX_OUTPUT_TOKENS=32000",
              False))
    with tempfile.TemporaryDirectory() as home:
        for options, variables, warns in cases:
            done = env_line(home, options)
            told = [word[len("CLAUDE_CODE_"):] for word in done.stdout.split()
                    if word.startswith("CLAUDE_CODE_")]
            assert told == variables.split(), (options, done.stdout)
            assert ("has a window of" in done.stderr) == warns, (options, done.stderr)


def test_env_by_access():
    """What goes where the client's key does; a proxy is passed by on this machine alone."""
    keys = 'access = { keys = ( { name = "k"; sha256 = "%s"; } ); };' % ("1" * 64)
    with tempfile.TemporaryDirectory() as home:
        for access, token in (("", "local"), (keys, "KEY-FROM-new-key"),
                              ('access = { mode = "passthrough"; };', "YOUR-KEY-AT-THE-BACKEND")):
            line = env_line(home, "context_tokens = 65536;", access, None).stdout
            assert "ANTHROPIC_BASE_URL='http://127.0.0.1:4000' " in line, line
            assert "ANTHROPIC_AUTH_TOKEN='%s' " % token in line and "NO_PROXY=" in line, line
        line = env_line(home, "", url="https://ai.example.org/it's").stdout
        assert line.startswith("ANTHROPIC_BASE_URL='https://ai.example.org/it'\\''s' "), line
        assert "NO_PROXY=" not in line and line.endswith(" claude\n"), line
        done = run_program("--config", os.path.join(home, "none.conf"), "env", HOME=home)
        assert done.returncode == 1 and "none.conf" in done.stderr and not done.stdout, done


def test_env_warns():
    """A client settings file that overrides the line, and a window too small for a first turn."""
    with tempfile.TemporaryDirectory() as home:
        os.mkdir(os.path.join(home, ".claude"))
        with open(os.path.join(home, ".claude", "settings.json"), "w") as f:
            f.write('{"env": {"ANTHROPIC_BASE_URL": "http://other"}}')
        done = env_line(home, "context_tokens = 8192;")
        with open(os.path.join(home, "settings.json"), "w") as f:
            f.write('{"env": {"OTHER": "1", "CLAUDE_CODE_USE_BEDROCK": "1"}}')
        elsewhere = env_line(home, "context_tokens = 65536;", CLAUDE_CONFIG_DIR=home).stderr
        assert [line.split(" sets ")[1].split(",")[0] for line in elsewhere.splitlines()
                if " sets " in line] == ["CLAUDE_CODE_USE_BEDROCK"], elsewhere
    assert "ANTHROPIC_BASE_URL='http://127.0.0.1:4000'" in done.stdout, done.stdout
    assert "CLAUDE_CODE_MAX_CONTEXT_TOKENS=8192" in done.stdout, done.stdout
    assert "settings.json sets ANTHROPIC_BASE_URL" in done.stderr, done.stderr
    assert "window of 8192 tokens" in done.stderr, done.stderr
