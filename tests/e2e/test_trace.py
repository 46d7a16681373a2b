"""Recorded errors: files of one instance however many processes there are, nothing of keys or
conversations in them, /debug for those who may, and the same on the command line."""
import concurrent.futures
import fcntl
import glob
import json
import os
import stat
import subprocess
import time

import harness
from client import Client, message
from harness import KEY, clean_env
from test_processes import Setup

DEBUG_KEY = "sk-debug-0123456789"
PROMPT = "prompt-words-of-the-user that nobody may read"
ACCESS = """mode = "keys"; keys = ( { name = "e2e"; sha256 = "%s"; },
	{ name = "ops"; sha256 = "%s"; endpoints = [ "messages", "debug" ]; } );""" % (
    harness.sha256(KEY), harness.sha256(DEBUG_KEY))


class Traced(Setup):
    """With a folder for errors that every server's user may write to."""

    def __init__(self, server_class, level="info", more="", **settings):
        settings.setdefault("access", ACCESS)
        super().__init__(server_class, **settings)
        self.dir = self.gateway.path("logs")
        os.mkdir(self.dir)
        os.chmod(self.dir, 0o777)
        self.gateway.settings.update(log=self.gateway.log + "\"; dir = \"" + self.dir,
                                     log_level=level, more=more)
        self.gateway.write()

    def files(self):
        found = glob.glob(self.dir + "/**/*.jsonl*", recursive=True)
        return sorted(os.path.relpath(path, self.dir) for path in found)

    def entries(self, pattern):
        lines = []
        for path in glob.glob(os.path.join(self.dir, pattern)):
            with open(path) as f:
                lines += [json.loads(line) for line in f]
        return lines

    def all_text(self):
        text = ""
        for path in glob.glob(self.dir + "/**/*.jsonl", recursive=True):
            with open(path) as f:
                text += f.read()
        return text

    def debug(self, path, method="GET", key=DEBUG_KEY, **headers):
        with Client(self.server.port, self.server.prefix, key) as client:
            return client.ask(method, path, None, {k.replace("_", "-"): v
                                                   for k, v in headers.items()})

    def command(self, *args):
        return subprocess.run([self.gateway.program, "--config", self.gateway.config, *args],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              env=clean_env())


SYSTEM = [{"type": "text", "text": "be brief"}, {"type": "text", "text": "be kind"}]
TOOL = {"name": "look", "input_schema": {"type": "object"}}


def refuse(call):
    """A backend that quotes what it was sent, and the key that came with it."""
    call.whole(400, {"error": {"type": "invalid_request_error", "message":
                               "odd: %s (key upstream-secret, sk-proj-0123456789)" % PROMPT}})


def fail(setup, **more):
    with setup.client() as client:
        return client.ask("POST", "/v1/messages",
                          message(messages=[{"role": "user", "content": PROMPT}], system=SYSTEM,
                                  tools=[TOOL], **more),
                          {"x-correlation-id": "corr-7"})


def check_entry(entry, answer):
    assert entry["correlation_id"] == answer.headers["request-id"], entry
    assert entry["client_correlation_id"] == "corr-7", entry
    assert entry["hash"] == answer.headers["x-error-id"] == answer.json["error_id"], entry
    assert entry["type"] == "invalid_request_error" and entry["status"] == 400, entry
    assert entry["time"].endswith("Z") and len(entry["time"]) == 27, entry
    assert entry["site"]["file"].startswith("src/") and entry["site"]["line"] > 0, entry
    request = entry["request"]
    assert request["content"]["text"]["n"] == 1 and request["turns"] == 1, entry
    # As they stand in the request.
    assert request["system"] == {"n": 2, "bytes": sum(len(json.dumps(s)) for s in SYSTEM)}, entry
    assert request["tools"] == {"n": 1, "bytes": len(json.dumps(TOOL))}, entry
    assert entry["backend"]["name"] == "test" and entry["upstream"]["status"] == 400, entry
    assert "odd: [" in entry["upstream"]["head"], entry
    assert entry["timing"]["ms"] >= 0 and entry["outcome"] == "answered", entry


def entries_of(server_class):
    with Traced(server_class) as setup:
        setup.upstream.reset(refuse)
        assert setup.files() == []
        answer = fail(setup)
        assert answer.status == 400, answer.body
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _: fail(setup).status, range(24)))
        assert statuses == [400] * 24, statuses
        general = setup.entries("errors/errors_*.jsonl")
        own = setup.entries("debug/server_*/errors_*.jsonl")
        assert len(general) == 25 and len(own) >= 25, (len(general), len(own))
        # Processes come and go; the instance is one.
        folders = glob.glob(setup.dir + "/debug/server_*")
        assert len(folders) == 1, folders
        assert {e["instance"] for e in general} == {os.path.basename(folders[0])[7:]}
        check_entry(general[0], answer)
        text = setup.all_text()
        for secret in ("prompt-words", "upstream-secret", "sk-proj", KEY):
            assert secret not in text, secret
        for path in setup.files():
            mode = stat.S_IMODE(os.stat(os.path.join(setup.dir, path)).st_mode)
            assert mode & 0o007 == 0, (path, oct(mode))


def test_recorded_behind_lighttpd():
    entries_of(harness.Lighttpd)


def test_recorded_behind_mod_fcgid():
    entries_of(harness.ApacheFcgid)


def test_recorded_by_plain_cgi():
    entries_of(harness.ApacheModCgi)


def test_contents_at_debug_level():
    with Traced(harness.Lighttpd, level="debug") as setup:
        setup.upstream.reset(refuse)
        fail(setup)
        debug = setup.entries("debug/server_*/debug_*.jsonl")
        assert PROMPT in debug[-1]["body"], debug
        text = setup.all_text()
        for secret in ("upstream-secret", "sk-proj", KEY):
            assert secret not in text, secret
        assert PROMPT not in json.dumps(setup.entries("errors/*.jsonl")), text


def test_a_stream_that_quotes():
    """The body is gone by then: what can't be compared isn't there."""
    def script(call):
        call.begin()
        call.text("answer-words")
        call.event({"error": {"message": "broke at: " + PROMPT, "code": 500}})

    with Traced(harness.Lighttpd) as setup:
        setup.upstream.reset(script)
        with setup.client() as client:
            body = message(stream=True, messages=[{"role": "user", "content": PROMPT}])
            list(client.stream(body)[1])
        entry, = setup.entries("errors/*.jsonl")
        assert entry["request"]["stream"] is True and entry["hash"], entry
        assert "prompt-words" not in setup.all_text() and "answer-words" not in setup.all_text()


def test_an_error_that_passes_as_received():
    refusal = {"type": "error", "error": {"type": "invalid_request_error", "message": "no " + PROMPT},
               "request_id": "req_upstream"}
    with Traced(harness.Lighttpd, dialect="anthropic") as setup:
        setup.upstream.reset(lambda call: call.whole(400, refusal))
        answer = fail(setup)
        assert answer.json == refusal, answer.body
        entry, = setup.entries("errors/*.jsonl")
        assert entry["hash"] == answer.headers["x-error-id"], entry
        assert "no [" in entry["upstream"]["head"], entry
        assert "prompt-words" not in setup.all_text()


def tool_round(*results):
    """A conversation whose newest turn has these results: (tool, failed)."""
    calls = [{"type": "tool_use", "id": "toolu_%d" % i, "name": name, "input": {}}
             for i, (name, _) in enumerate(results)]
    answers = [{"type": "tool_result", "tool_use_id": "toolu_%d" % i, "content": PROMPT,
                "is_error": failed} for i, (_, failed) in enumerate(results)]
    return [{"role": "user", "content": "Go"}, {"role": "assistant", "content": calls},
            {"role": "user", "content": answers}]


def test_failed_mcp_tools():
    """Those that the newest turn tells of: each once, no other tool, nothing of what they said."""
    first = tool_round(("mcp__github__get_issue", True), ("mcp__github__list", False),
                       ("Bash", True))
    later = first + tool_round(("mcp__files__read", True))[1:]
    for server_class in (harness.Lighttpd, harness.ApacheFcgid):
        with Traced(server_class) as setup, setup.client() as client:
            assert client.ask("POST", "/v1/messages/count_tokens",
                              {"model": "m", "messages": first}).status == 200
            assert client.ask("POST", "/v1/messages", message()).status == 200
            assert setup.files() == []
            answers = [client.ask("POST", "/v1/messages", message(messages=turns))
                       for turns in (first, later)]
            assert [a.status for a in answers] == [200, 200], answers
            entries = setup.entries("mcp/mcp_*.jsonl")
            assert [e["correlation_id"] for e in entries] == \
                [a.headers["request-id"] for a in answers], entries
            assert [e["tool"] for e in entries] == \
                ["mcp__github__get_issue", "mcp__files__read"], entries
            for e in entries:
                assert e["type"] == "mcp_tool_error" and e["result_bytes"] > len(PROMPT), e
                assert e["message"] == "a tool of an MCP server has failed", e
                assert e["request"]["key"] == "e2e" and len(e["hash"]) == 12, e
            assert all(name.startswith("mcp/") for name in setup.files()), setup.files()
            assert "prompt-words" not in setup.all_text()


def test_plain_cgi_tidies_after_its_answer():
    with Traced(harness.ApacheModCgi) as setup:
        setup.upstream.reset(refuse)
        assert fail(setup).status == 400
        old = os.path.join(setup.dir, "errors/errors_2020-01-01.jsonl")
        subprocess.run(["cp", "-p", *glob.glob(setup.dir + "/errors/*"), old], check=True)
        lock = setup.dir + "/.lock"
        harness.wait_for(lambda: os.path.exists(lock) and os.path.getsize(lock), 5, "it is tidied")
        os.utime(lock, (1, 1))
        assert fail(setup).status == 400
        harness.wait_for(lambda: not os.path.exists(old), 5, "the old file goes")


def test_retries_are_recorded():
    """What the client was never told is the instance's alone."""
    with Traced(harness.Lighttpd, backend="retries = 1;") as setup:
        tries = []

        def once(call):
            tries.append(1)
            if len(tries) == 1:
                call.whole(503, {"error": {"message": "busy"}})
                return
            call.begin()
            call.text("ok")
            call.end()

        setup.upstream.reset(once)
        assert fail(setup).status == 200
        assert not os.path.exists(setup.dir + "/errors")
        entry, = setup.entries("debug/server_*/errors_*.jsonl")
        assert (entry["outcome"], entry["upstream"]["status"]) == ("retried", 503), entry


def test_debug_endpoints():
    with Traced(harness.Lighttpd) as setup:
        setup.upstream.reset(refuse)
        answer = fail(setup)
        wrong = setup.debug("/v1/nothing-there")
        recent = setup.debug("/debug/errors/recent?limit=1").json
        assert recent["count"] == 1 and recent["errors"][0]["status"] == 404, recent
        shown = setup.debug("/debug/errors/" + answer.headers["request-id"]).json
        check_entry(shown["errors"][0], answer)
        assert setup.debug("/debug/errors/corr-7").json["count"] == 1
        by_hash = setup.debug("/debug/errors/hash/" + answer.json["error_id"]).json
        assert by_hash["errors"] == shown["errors"], by_hash
        search = "/debug/errors/search?since=1h&error_type=%s&function_name=%s&file=%s&hash=%s" % (
            "not_found_error", "no_such_path", "handle.c", wrong.json["error_id"])
        found = setup.debug(search).json
        assert found["count"] == 1 and found["complete"], found
        stats = setup.debug("/debug/errors/stats").json
        assert stats["total"] == 2 and {g["name"]: g["count"] for g in stats["by_type"]} == {
            "not_found_error": 1, "invalid_request_error": 1}, stats
        assert setup.debug("/debug/errors/enhanced/recent").json["count"] == 2
        assert setup.debug("/debug/errors/enhanced/stats?since=1d").json["total"] == 2
        sites = setup.debug("/debug/errors/registry").json
        hashes = [s["hash"] for s in sites["sites"]]
        assert len(set(hashes)) == len(hashes) == sites["count"] > 100
        assert answer.json["error_id"] in hashes
        instance = setup.debug("/debug/server/instance").json
        assert instance["id"] == shown["errors"][0]["instance"] and instance["recording"], instance
        done = setup.debug("/debug/errors/cleanup?days_to_keep=3", "POST").json
        assert done["days_to_keep"] == 3 and done["deleted"] == 0, done


def test_debug_wants_clear_questions():
    with Traced(harness.Lighttpd) as setup:
        for path, said in (
                ("/debug/errors/recent?limit=0", "limit: must be a number from 1 to 500"),
                ("/debug/errors/recent?color=red", "no such parameter"),
                ("/debug/errors/search?since=yesterday", "since: must be a time"),
                ("/debug/errors/search?hash=xyz", "12 hexadecimal digits"),
                ("/debug/errors/hash/xyz", "12 hexadecimal digits"),
                ("/debug/errors/search?file=a%20b", "file: must be")):
            answer = setup.debug(path)
            assert answer.status == 400 and said in answer.json["error"]["message"], answer.body
        answer = setup.debug("/debug/errors/cleanup?days_to_keep=-1", "POST")
        assert answer.status == 400, answer.body
        assert setup.debug("/debug/errors/cleanup").status in (404, 405)
        assert setup.debug("/debug/errors/req_unknown").status == 404


def test_debug_is_not_everybodys():
    with Traced(harness.Lighttpd) as setup:
        assert setup.debug("/debug/errors/recent", key=KEY).status == 403
        assert setup.debug("/debug/errors/recent", key=None).status == 401
        assert setup.debug("/debug/errors/cleanup", "POST", key=KEY).status == 403
    with Traced(harness.Lighttpd, access='mode = "local";') as setup:
        assert setup.debug("/debug/errors/recent", key=None).status == 403


def test_debug_where_one_develops():
    with Traced(harness.Lighttpd, more='environment = "development";') as setup:
        assert setup.debug("/debug/errors/recent", key=None).status == 200
        assert setup.debug("/debug/errors/cleanup", "POST", key=None).status == 200
        for name, value in (("X-Forwarded-For", "127.0.0.1"), ("X-Forwarded-For", "192.0.2.1"),
                            ("Forwarded", "for=127.0.0.1"), ("Via", "1.1 proxy"),
                            ("Host", "evil.example"), ("Origin", "https://evil.example")):
            answer = setup.debug("/debug/errors/recent", key=None, **{name: value})
            assert answer.status == 401, (name, answer.status)


def test_strangers_do_not_fill_the_files():
    """Errors of who may be here stay, however many are refused beside them."""
    with Traced(harness.Lighttpd) as setup:
        setup.upstream.reset(refuse)
        start = time.monotonic()
        for i in range(130):
            answer = setup.debug("/v1/models", key=None)
            assert answer.status == 401 and answer.headers["x-error-id"], answer.body
        told = len(setup.entries("errors/*.jsonl"))
        assert 60 <= told <= 61 + time.monotonic() - start, told
        for i in range(70):
            assert fail(setup).status == 400
        assert len(setup.entries("errors/*.jsonl")) >= told + 70


def test_nothing_is_recorded_without_a_folder():
    with Setup(harness.Lighttpd, access=ACCESS) as setup:
        with Client(setup.server.port, setup.server.prefix, DEBUG_KEY) as client:
            assert client.ask("GET", "/debug/errors/recent").status == 404
            assert client.ask("GET", "/debug/errors/registry").status == 200
            assert client.ask("GET", "/debug/server/instance").json["recording"] is False
        for settings, told in ((None, "log.dir is not set"), ("log = 3;", "messages.conf:1")):
            if settings:
                setup.gateway.replace(settings)
            done = subprocess.run([setup.gateway.program, "--config", setup.gateway.config,
                                   "errors", "recent"], capture_output=True, text=True,
                                  env=clean_env())
            assert done.returncode == 1 and told in done.stderr and not done.stdout, done


def test_a_folder_that_goes_away():
    """No request minds, the log says it once, and it goes on when the folder is back."""
    with Traced(harness.Lighttpd) as setup:
        setup.upstream.reset(refuse)
        os.rmdir(setup.dir)
        open(setup.dir, "w").close()
        for _ in range(3):
            assert fail(setup).status == 400
        os.unlink(setup.dir)
        os.mkdir(setup.dir)
        os.chmod(setup.dir, 0o777)
        assert fail(setup).status == 400
        assert len(setup.entries("errors/*.jsonl")) == 1
        with open(setup.gateway.log) as f:
            text = f.read()
        assert text.count("errors can't be recorded") == 1, text
        assert "are recorded again" in text, text


def test_errors_on_the_command_line():
    with Traced(harness.Lighttpd) as setup:
        setup.upstream.reset(refuse)
        answer = fail(setup)
        recent = json.loads(setup.command("errors", "recent").stdout)
        assert recent["count"] == 1, recent
        shown = json.loads(setup.command("errors", "show", answer.headers["request-id"]).stdout)
        # A client's own id may look like a parameter.
        assert setup.command("errors", "show", "limit=5").returncode == 1
        check_entry(shown["errors"][0], answer)
        found = setup.command("errors", "search", "hash=" + answer.json["error_id"], "since=1h")
        assert json.loads(found.stdout)["count"] == 1, found
        assert json.loads(setup.command("errors", "stats").stdout)["total"] == 1
        with open(setup.dir + "/.lock", "a") as f:
            fcntl.flock(f, fcntl.LOCK_EX)
            waits = json.loads(setup.command("errors", "cleanup", "0").stdout)
        assert waits == {"days_to_keep": 0, "deleted": 0, "complete": False,
                         "problem": "another process is tidying"}, waits
        assert json.loads(setup.command("errors", "cleanup", "0").stdout)["files"] == 2
        for args, status in ((("show", "req_none"), 1), (("show",), 2), (("search", "x=1"), 2),
                             (("nonsense",), 2), (("cleanup", "-1"), 2), ((), 2),
                             (("cleanup", "days_to_keep=x"), 2), (("recent", "5"), 2),
                             (("recent", "limit=501"), 2), (("search", "since=soon"), 2),
                             (("search", "file=a b"), 2), (("search", "hash=123"), 2)):
            done = setup.command("errors", *args)
            assert done.returncode == status, (args, done)
        done = setup.command("errors", "recent", "5")
        assert "an argument is NAME=VALUE, not 5" in done.stderr, done
        sites = setup.command("--error-sites").stdout.splitlines()
        assert any(line.startswith(answer.json["error_id"] + "  ") for line in sites)
