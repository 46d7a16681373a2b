"""Captures: who may have one, what is in it and what never is, and whether it plays to the same."""
import os
import stat
import subprocess
import threading
import time

import harness
from client import Client, message, text_of
from harness import KEY, clean_env
from test_processes import Setup, held

RIGHT_KEY, ALWAYS_KEY = "sk-capture-0123456789", "sk-always-0123456789"
ACCESS = """mode = "keys"; keys = ( { name = "e2e"; sha256 = "%s"; },
	{ name = "dev"; sha256 = "%s"; endpoints = [ "messages", "capture" ]; },
	{ name = "all"; sha256 = "%s"; capture = true; } );""" % (
    harness.sha256(KEY), harness.sha256(RIGHT_KEY), harness.sha256(ALWAYS_KEY))
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                     "data": "iVBORw0KGgo" * 4000}}


def until(condition):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise AssertionError("it never came to be")


class Captured(Setup):
    def __init__(self, server_class=harness.Lighttpd, options="", place="captures", **settings):
        super().__init__(server_class, access=ACCESS, **settings)
        self.dir = self.gateway.path(place)
        self.gateway.settings["more"] = 'capture = { dir = "%s"; %s };' % (self.dir, options)
        self.gateway.write()

    def ask(self, key=RIGHT_KEY, headers=(("x-debug-capture", "1"),), **more):
        with Client(self.server.port, self.server.prefix, key) as client:
            return client.ask("POST", "/v1/messages?beta=true", message(**more), dict(headers))

    def folders(self):
        found = os.listdir(self.dir) if os.path.isdir(self.dir) else []
        return sorted(name for name in found if name[0] != ".")

    def taken(self, answer):
        """Its folder, which is written once the client has all of its answer."""
        folder = answer.headers["x-messages-capture"]
        until(lambda: os.path.isdir(os.path.join(self.dir, folder)))
        return folder

    def read(self, folder, name):
        with open(os.path.join(self.dir, folder, name), "rb") as f:
            return f.read()

    def replay(self, folder):
        done = subprocess.run([self.gateway.program, "--config", self.gateway.config, "replay",
                               os.path.join(self.dir, folder)], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, env=clean_env())
        return done.returncode, done.stdout


def whole(call):
    call.whole(200, {"id": "c1", "model": "real", "choices": [
        {"index": 0, "finish_reason": "stop",
         "message": {"role": "assistant", "content": "Hello upstream-secret"}}]})


def plays(setup, folder):
    code, out = setup.replay(folder)
    assert code == 0 and "as captured" in out, (code, out)


def test_whole_and_stream():
    with Captured() as setup:
        answer = setup.ask(stream=True)
        assert answer.status == 200, answer.body
        folder = setup.taken(answer)
        assert setup.folders() == [folder] and answer.headers["request-id"] in folder, folder
        assert sorted(os.listdir(os.path.join(setup.dir, folder))) == [
            "1-answer", "1-sent", "1-times", "about", "answer", "answer-times", "request"]
        assert setup.read(folder, "answer").endswith(answer.body), answer.body
        assert b'"model":"claude-test"' in setup.read(folder, "request").replace(b": ", b":")
        plays(setup, folder)
        setup.upstream.reset(whole)
        answer = setup.ask()
        assert answer.status == 200, answer.body
        plays(setup, setup.taken(answer))


def test_errors_and_retries_play():
    with Captured(backend="retries = 1;") as setup:
        calls = []

        def script(call):
            calls.append(call)
            if len(calls) == 1:
                call.whole(500, {"error": {"message": "not now"}})
            else:
                call.whole(400, {"error": {"message": "temperature is odd"}})

        setup.upstream.reset(script)
        answer = setup.ask()
        assert answer.status == 400 and len(calls) == 2, (answer.body, len(calls))
        folder = setup.taken(answer)
        assert b"not now" in setup.read(folder, "1-answer")
        assert b"odd" in setup.read(folder, "2-answer")
        plays(setup, folder)
        answer = setup.ask(max_tokens="none")
        assert answer.status == 400, answer.body
        plays(setup, setup.taken(answer))


def test_what_no_backend_answered_plays():
    """An answer that is none, and one that tells when to come again."""
    with Captured() as setup:
        def nothing(call):
            call.keep = False

        setup.upstream.reset(nothing)
        answer = setup.ask()
        assert answer.status == 502, answer.body
        folder = setup.taken(answer)
        assert b" failed " in setup.read(folder, "1-times"), setup.read(folder, "1-times")
        plays(setup, folder)
        lines = ["retry-after: 7", "x-should-retry: false", "request-id: req_theirs",
                 "x-amzn-errortype: slow", "x-litellm-response-cost: 0.25"]
        setup.upstream.reset(lambda call: call.whole(
            429, {"error": {"message": "slowly"}},
            [tuple(line.split(": ")) for line in lines]))
        answer = setup.ask()
        assert answer.status == 429 and answer.headers["retry-after"] == "7", answer.headers
        assert answer.headers["x-should-retry"] == "false", answer.headers
        folder = setup.taken(answer)
        head = setup.read(folder, "1-answer").split(b"\n\n")[0].lower()
        for line in lines:
            assert line.encode() in head.split(b"\n"), (line, head)
        plays(setup, folder)


def test_a_client_that_left_plays():
    """As far as it had got: a whole answer is no other one, a wrong beginning is."""
    with Captured() as setup:
        go = held(setup.upstream)
        with Client(setup.server.port, setup.server.prefix, RIGHT_KEY) as client:
            response, stream = client.stream(message(stream=True),
                                             headers={"x-debug-capture": "1"})
            while next(stream)[0] != "content_block_delta":
                pass
            client.cut()
            folder = setup.taken(response)
        go.set()
        assert b"client: gone\n" in setup.read(folder, "about"), setup.read(folder, "about")
        plays(setup, folder)
        text = setup.read(folder, "answer")
        with open(os.path.join(setup.dir, folder, "answer"), "wb") as f:
            f.write(text.replace(b'"text":"a"', b'"text":"z"'))
        code, out = setup.replay(folder)
        assert code == 1 and "differs" in out, (code, out)


def test_a_cut_stream_plays():
    with Captured() as setup:
        def script(call):
            call.begin()
            call.text("Hel")

        setup.upstream.reset(script)
        answer = setup.ask(stream=True)
        assert b"event: error" in answer.body or answer.status == 502, answer.body
        folder = setup.taken(answer)
        plays(setup, folder)


def test_an_answer_that_began_before_its_backends_plays():
    with Captured(commit_after=2) as setup:
        go = threading.Event()

        def script(call):
            go.wait(30)
            call.begin()
            call.text("a")
            call.end()

        setup.upstream.reset(script)
        with Client(setup.server.port, setup.server.prefix, RIGHT_KEY) as client:
            response, stream = client.stream(message(stream=True),
                                             headers={"x-debug-capture": "1"})
            go.set()
            assert text_of(stream) == "a"
        folder = setup.taken(response)
        assert b" flush\n" in setup.read(folder, "1-times"), setup.read(folder, "1-times")
        plays(setup, folder)


def test_limits_have_no_part_in_a_replay():
    with Captured() as setup:
        folder = setup.taken(setup.ask(stream=True))
        setup.gateway.write(access=ACCESS.replace(
            'name = "dev";', 'name = "dev"; requests_per_minute = 1; streams = 1;'))
        for _ in range(3):
            plays(setup, folder)


def test_nothing_secret():
    with Captured() as setup:
        setup.upstream.reset(whole)
        answer = setup.ask(text="the key is %s" % RIGHT_KEY, headers=(
            ("x-debug-capture", "1"), ("cookie", "session=cookie-secret"),
            ("x-other-token", "other-secret")))
        folder = setup.taken(answer)
        path = os.path.join(setup.dir, folder)
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
        for name in os.listdir(path):
            assert stat.S_IMODE(os.stat(os.path.join(path, name)).st_mode) == 0o600, name
            text = setup.read(folder, name)
            for secret in (RIGHT_KEY, "cookie-secret", "other-secret", "upstream-secret"):
                assert secret.encode() not in text, (name, secret)
        plays(setup, folder)
        for key, bearer in ((None, "Bearer "), ("sk-not-the-one-that-counts", "bearer  ")):
            answer = setup.ask(key=key, text="the key is %s" % RIGHT_KEY, headers=(
                ("x-debug-capture", "1"), ("authorization", bearer + RIGHT_KEY)))
            assert answer.status == 200, answer.body
            folder = setup.taken(answer)
            for name in os.listdir(os.path.join(setup.dir, folder)):
                assert RIGHT_KEY.encode() not in setup.read(folder, name), (name, bearer)
            plays(setup, folder)


def test_who_may():
    with Captured() as setup:
        answer = setup.ask(key=KEY)
        assert answer.headers["x-messages-capture"].startswith("refused"), answer.headers
        answer = setup.ask(headers=())
        assert "x-messages-capture" not in answer.headers and setup.folders() == []
        answer = setup.ask(headers=(("x-debug-capture", "0"),))
        assert setup.folders() == []
        answer = setup.ask(key=ALWAYS_KEY, headers=())
        folder = setup.taken(answer)
        assert setup.folders() == [folder], setup.folders()


def test_no_place():
    """No name is given for what can't be written; the doctor says so too."""
    with Setup(harness.Lighttpd, access=ACCESS) as setup:
        with Client(setup.server.port, setup.server.prefix, RIGHT_KEY) as client:
            answer = client.ask("POST", "/v1/messages", message(), {"x-debug-capture": "1"})
        assert answer.status == 200, answer.body
        told = answer.headers["x-messages-capture"]
        assert told == "off: capture.dir is not set", answer.headers
    with Captured(place="messages.conf/below-a-file") as setup:
        answer = setup.ask()
        assert answer.status == 200, answer.body
        assert answer.headers["x-messages-capture"].startswith("off"), answer.headers
        with open(setup.gateway.log) as f:
            assert "nothing is captured" in f.read()
        done = subprocess.run([setup.gateway.program, "--config", setup.gateway.config, "doctor"],
                              capture_output=True, text=True, env=clean_env())
        assert "capture.dir" in done.stdout and done.returncode == 1, done.stdout


def test_bounds():
    with Captured(options="max_requests = 2; base64 = \"64\"; max_request = \"16K\";") as setup:
        first = setup.taken(setup.ask())
        for _ in range(2):
            last = setup.taken(setup.ask())
        until(lambda: len(setup.folders()) == 2)
        assert first not in setup.folders() and last in setup.folders(), setup.folders()
        answer = setup.ask(messages=[{"role": "user", "content": [IMAGE]}])
        folder = setup.taken(answer)
        assert len(setup.read(folder, "request")) < 4096
        plays(setup, folder)
        answer = setup.ask(text="long " * 8000)
        code, out = setup.replay(setup.taken(answer))
        assert code == 2 and "not whole" in out, (code, out)


def test_many_calls():
    """Of one request so many are kept; it can't be played then."""
    members = ", ".join('"test/m%d"' % i for i in range(18))
    rules = """}; routes = ( { when = { model = "many"; }; to = ( %s ); } );
        breaker = { failures = 1000;""" % members
    with Captured(options=rules) as setup:
        setup.upstream.reset(lambda call: call.whole(500, {"error": {"message": "not now"}}))
        answer = setup.ask(model="many")
        assert answer.status == 500 and len(setup.upstream.calls) == 18, answer.body
        folder = setup.taken(answer)
        about = setup.read(folder, "about")
        assert b"calls: 16\n" in about and b"cut: yes\n" in about, about
        assert len([n for n in os.listdir(os.path.join(setup.dir, folder)) if "-sent" in n]) == 16
        code, out = setup.replay(folder)
        assert code == 2 and "not whole" in out and "too many calls" in out, (code, out)


def test_memory_is_the_requests():
    """A capture has what requests leave of limits.memory, and gives it back."""
    big = "long " * 150000
    limits = "}; limits = { memory = 2097152; max_body = 2097152;"
    with Captured(options=limits) as setup:
        plays(setup, setup.taken(setup.ask()))
        for _ in range(3):
            answer = setup.ask(text=big)
            assert answer.status == 200, answer.body
            folder = setup.taken(answer)
            assert b"cut: yes" in setup.read(folder, "about"), folder
            assert len(setup.read(folder, "request")) < len(big)
        plays(setup, setup.taken(setup.ask()))


def test_what_has_changed_is_told():
    with Captured() as setup:
        folder = setup.taken(setup.ask(stream=True))
        path = os.path.join(setup.dir, folder, "answer")
        text = setup.read(folder, "answer")
        with open(path, "wb") as f:
            f.write(text.replace(b"Hello", b"Hallo"))
        code, out = setup.replay(folder)
        assert code == 1 and "differs" in out and "Hallo" in out, (code, out)
        with open(path, "wb") as f:
            f.write(text)
        plays(setup, folder)
        setup.gateway.write(model="other")
        code, out = setup.replay(folder)
        assert code == 1 and "call 1: differs" in out, (code, out)
        code, out = setup.replay("nowhere")
        assert code == 2, (code, out)
        with open(os.path.join(setup.dir, folder, "about"), "r+b") as f:
            about = f.read()
            f.seek(0)
            f.write(about.replace(b"version: 1", b"version: 9"))
        code, out = setup.replay(folder)
        assert code == 2 and "another version" in out, (code, out)
        setup.gateway.replace("proxy_backend = ;")
        code, out = setup.replay(folder)
        assert code == 2 and "messages.conf:1" in out, (code, out)


def test_other_calls_are_told():
    """Where the settings have changed since, there may be more calls, or fewer."""
    with Captured(backend="retries = 1;") as setup:
        setup.upstream.reset(lambda call: call.whole(500, {"error": {"message": "not now"}}))
        answer = setup.ask()
        assert answer.status == 500, answer.body
        folder = setup.taken(answer)
        setup.gateway.write(backend="retries = 0;")
        code, out = setup.replay(folder)
        assert code == 1 and "calls: 2 then, 1 now" in out, (code, out)
        setup.gateway.write(backend="retries = 2;")
        code, out = setup.replay(folder)
        assert code == 1 and "call 3: was not made when it was captured" in out, (code, out)


def test_behind_plain_cgi():
    with Captured(harness.ApacheModCgi) as setup:
        os.mkdir(setup.dir)
        os.chmod(setup.dir, 0o777)
        with Client(setup.server.port, setup.server.prefix, RIGHT_KEY) as client:
            response, stream = client.stream(message(stream=True), headers={"x-debug-capture": "1"})
            assert text_of(stream), response.status
        until(lambda: len(setup.folders()) == 1)
