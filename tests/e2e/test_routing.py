"""Routing: rules, chains of backends, circuit breakers and keys that take turns, with several
processes of the gateway that know of each other only through the host table."""
import collections
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import harness
from client import message, text_of
from harness import ApacheFcgid, KEY, Lighttpd
from test_errors import error_of
from test_processes import Setup
from upstream import Upstream, hello

FAILURE = {"error": {"message": "scripted failure", "type": "x", "code": None}}


class Pair(Setup):
    """Two backends: `test`, as in every test, and LAB."""

    def __init__(self, server_class, routes="", lab="", backend="", **settings):
        self.lab = Upstream()
        settings["backend"] = """retries = 0; %s }; LAB = { dialect = "openai-chat"; retries = 0;
            base_url = "http://127.0.0.1:%d/v1"; api_key = "lab-key"; %s""" % (
                backend, self.lab.port, lab)
        settings["more"] = routes
        super().__init__(server_class, **settings)

    def __exit__(self, *args):
        super().__exit__(*args)
        self.lab.close()

    def ask(self, path="/v1/messages", headers=(), **more):
        with self.client(timeout=30) as client:
            return client.ask("POST", path, message(**more), headers)

    def get(self, path):
        with self.client(timeout=30) as client:
            return client.ask("GET", path).json

    def health(self, name):
        return [b for b in self.get("/health/detailed")["backends"] if b["name"] == name][0]


def fails(status, headers=()):
    return lambda call: call.whole(status, FAILURE, headers)


SAFE = """routes = ( { name = "safe"; when = { model = "safe"; }; to = ( "test/one", "LAB/two" ); } );
breaker = { failures = %d; cooldown = %d; };"""


# ---- failover ----

def recover(s):
    """A call that goes well, to a backend alone, ends its rest and its key's."""
    s.upstream.reset()
    assert s.ask(model="test/one").status == 200


def check_failover(server):
    with Pair(server, SAFE % (100, 1)) as s:
        for script in (fails(500), fails(503), fails(529), fails(429), fails(408), fails(401),
                       fails(402), lambda call: call.sock.shutdown(socket.SHUT_RDWR),
                       lambda call: call.whole(200, FAILURE)):
            for stream in (False, True):
                recover(s)
                s.upstream.reset(script)
                s.lab.reset()
                answer = s.ask(model="safe", stream=stream)
                assert len(s.upstream.calls) == 1
                assert answer.status == 200, (answer.status, answer.body)
                assert answer.headers["x-messages-backend"] == "LAB", answer.headers
                assert answer.headers["x-messages-model"] == "two"
                assert b"there" in answer.body and b'"safe"' in answer.body, answer.body
                assert s.lab.wait_call().json["model"] == "two"
        # What is wrong with the request is wrong everywhere.
        for status in (400, 404, 413, 422):
            recover(s)
            s.upstream.reset(fails(status))
            s.lab.reset()
            answer = s.ask(model="safe")
            assert answer.status >= 400 and not s.lab.calls, (status, answer.body)


def test_failover_lighttpd():
    check_failover(Lighttpd)


def test_failover_mod_fcgid():
    check_failover(ApacheFcgid)


def test_failover_of_listed_statuses():
    routes = SAFE % (100, 1) + 'routing = { failover_statuses = ( "404" ); };'
    with Pair(Lighttpd, routes) as s:
        s.upstream.reset(fails(404))
        assert s.ask(model="safe").headers["x-messages-backend"] == "LAB"


def test_members_share_one_deadline():
    """The first one's, however long the next would wait."""
    with Pair(Lighttpd, SAFE % (100, 1), backend="first_byte_timeout = 1; timeout = 3;",
              lab="first_byte_timeout = 90; timeout = 90;") as s:
        go = threading.Event()
        for upstream in (s.upstream, s.lab):
            upstream.reset(lambda call: go.wait(100))
        start = time.monotonic()
        try:
            answer = s.ask(model="safe")
        finally:
            go.set()
        assert 2.5 < time.monotonic() - start < 25, time.monotonic() - start
        error_of(answer, 504, "timeout_error")
        assert len(s.upstream.calls) == len(s.lab.calls) == 1


def test_no_failover_after_content():
    def cut(call):
        call.begin()
        call.text("Half")
        time.sleep(0.5)

    with Pair(Lighttpd, SAFE % (100, 1)) as s:
        s.upstream.reset(cut)
        with s.client() as client:
            response, stream = client.stream(message(model="safe", stream=True))
            names = [name for name, _, _ in stream]
            assert response.headers["x-messages-backend"] == "test"
        assert names[-1] == "error" and not s.lab.calls, names


def test_failover_costs_little():
    """An error of the first member, and what the second one adds: the medians of many."""
    def one(client, model):
        start = time.monotonic()
        assert client.ask("POST", "/v1/messages", message(model=model)).status == 200
        return time.monotonic() - start

    with Pair(Lighttpd, SAFE % (1000, 1)) as s, s.client() as client:
        s.upstream.reset(fails(500))
        pairs = [(one(client, "LAB/two"), one(client, "safe")) for _ in range(60)]
        alone, both = (sorted(column)[30] for column in zip(*pairs))
        print("     a failing member adds %.2f ms to %.2f" % ((both - alone) * 1e3, alone * 1e3))
        # The failed call itself takes about as long as the other one.
        assert both - alone < alone + 0.01, (alone, both)


# ---- breakers ----

def at_once(s, n, **more):
    """n requests at the same time: mod_fcgid starts a process for each."""
    answers = []

    def one():
        answers.append(s.ask(**more))

    threads = [threading.Thread(target=one) for _ in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_breaker_of_all_processes():
    with Pair(ApacheFcgid, SAFE % (3, 6)) as s:
        slow = threading.Event()

        def slowly(call):
            slow.wait(1)
            hello(call)

        s.lab.reset(slowly)
        at_once(s, 4, model="LAB/two")
        slow.set()
        assert len(harness.processes_below(s.gateway.dir)) >= 2
        s.upstream.reset(fails(500))
        for _ in range(12):
            assert s.ask(model="safe").headers["x-messages-backend"] == "LAB"
        assert len(s.upstream.calls) == 3, len(s.upstream.calls)
        health = s.health("test")
        assert health["state"] == "open", health
        assert health["last_error"]["status"] == 500 and health["last_error"]["count"] == 3, health
        # Half open: one of many asks again, and what it hears counts for all.
        time.sleep(6.2)
        s.upstream.reset(lambda call: (time.sleep(0.5), fails(500)(call)))
        at_once(s, 6, model="safe")
        assert len(s.upstream.calls) == 1, len(s.upstream.calls)
        assert s.health("test")["state"] == "open"
        time.sleep(12.2)
        s.upstream.reset()
        assert s.ask(model="safe").headers["x-messages-backend"] == "test"
        assert s.health("test")["state"] == "closed"
        assert s.ask(model="safe").headers["x-messages-backend"] == "test"


def test_a_process_just_started_knows():
    with Pair(Lighttpd, SAFE % (2, 60), lab='api_keys = ( "key-b" );') as s:
        s.upstream.reset(fails(500, (("x-note", "n"),)))
        for _ in range(3):
            assert s.ask(model="safe").headers["x-messages-backend"] == "LAB"
        assert len(s.upstream.calls) == 2
        before = harness.processes_below(s.gateway.dir)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        harness.wait_for(lambda: not any(map(harness.alive, before)), 10, "the processes end")

        def served():
            """lighttpd answers 5xx until it has started another."""
            answer = s.ask(model="safe")
            return answer.status == 200 and answer
        answer = harness.wait_for(served, 20, "another process serves")
        assert answer.headers["x-messages-backend"] == "LAB"
        assert not set(before) & set(harness.processes_below(s.gateway.dir))
        assert len(s.upstream.calls) == 2, "the new process did not know"
        error = s.health("test")["last_error"]
        assert error["count"] == 2 and error["kind"] == "failed", error


def test_all_benched():
    with Pair(Lighttpd, SAFE % (1, 30)) as s:
        s.upstream.reset(fails(500))
        s.lab.reset(fails(503))
        answer = s.ask(model="safe")
        assert answer.status == 529, answer.body
        calls = len(s.upstream.calls) + len(s.lab.calls)
        answer = s.ask(model="safe")
        assert answer.status == 529 and int(answer.headers["retry-after"]) <= 31, answer.headers
        assert len(s.upstream.calls) + len(s.lab.calls) == calls
        # The only way is always tried.
        s.lab.reset()
        assert s.ask(model="LAB/two").status == 200
        assert s.ask(model="safe").headers["x-messages-backend"] == "LAB"


# ---- keys ----

def keys_used(upstream):
    return collections.Counter(call.headers["authorization"][7:] for call in upstream.calls)


def test_keys_take_turns():
    with Pair(ApacheFcgid, SAFE % (3, 60), lab='api_keys = ( "key-b", "key-c" );') as s:
        for _ in range(9):
            assert s.ask(model="LAB/x").status == 200
        assert keys_used(s.lab) == {"lab-key": 3, "key-b": 3, "key-c": 3}, keys_used(s.lab)
        # A session stays with one: its prompt is in that account's cache.
        s.lab.reset()
        for _ in range(6):
            s.ask(model="LAB/x", headers={"x-claude-code-session-id": "s1"})
        assert len(keys_used(s.lab)) == 1, keys_used(s.lab)


def test_keys_rest():
    def script(call):
        key = call.headers["authorization"][7:]
        if key == "key-b":
            call.whole(401, FAILURE)
        elif key == "key-c":
            call.whole(429, FAILURE, (("retry-after", "20"),))
        else:
            hello(call)

    with Pair(ApacheFcgid, SAFE % (3, 60), lab='api_keys = ( "key-b", "key-c" );') as s:
        s.lab.reset(script)
        for _ in range(12):
            assert s.ask(model="LAB/x").status == 200
        used = keys_used(s.lab)
        assert used["key-b"] == 1 and used["key-c"] == 1 and used["lab-key"] == 12, used
        health = s.health("LAB")
        assert health["state"] == "closed", health
        # A key that is refused rests; one that is limited rests for that model alone.
        states = [key["state"] for key in health["keys"]]
        assert states == ["closed", "open", "closed"], health
        refused, limited = health["keys"][1]["last_error"], health["keys"][2]["models"]
        # The backend's words may quote somebody's prompt: they are for keys with `debug`.
        assert refused["kind"] == "key refused" and "message" not in refused, health
        assert [m["model"] for m in limited] == ["x"] and limited[0]["state"] == "open", health
        assert limited[0]["last_error"]["kind"] == "rate limit", health
        text = json.dumps(health)
        assert "key-b" not in text and "lab-key" not in text, text
        s.lab.reset()
        for _ in range(6):
            assert s.ask(model="LAB/y").status == 200
        assert keys_used(s.lab) == {"lab-key": 3, "key-c": 3}, keys_used(s.lab)
        s.lab.reset()
        harness.wait_for(lambda: s.ask(model="LAB/x").status == 200 and keys_used(s.lab)["key-c"],
                         60, "the limited key's turn")
        assert not keys_used(s.lab)["key-b"], keys_used(s.lab)


def test_keys_of_counts():
    """They take turns there, too, and one that rests is left alone."""
    def script(call):
        if call.path.endswith("count_tokens"):
            call.whole(200, {"input_tokens": 3})
        elif call.headers["x-api-key"] == "key-b":
            refused.append(call)
            call.whole(401, {"type": "error", "error": {"type": "authentication_error"}})
        else:
            call.whole(200, {"type": "message", "id": "msg_1", "role": "assistant", "content": [],
                             "model": "m", "stop_reason": "end_turn", "stop_sequence": None,
                             "usage": {"input_tokens": 1, "output_tokens": 1}})

    def ask(path):
        with s.client() as client:
            return client.ask("POST", path, message())

    def counts():
        s.upstream.reset(script)
        for _ in range(6):
            answer = ask("/v1/messages/count_tokens")
            assert answer.json == {"input_tokens": 3}, answer.body
        return collections.Counter(call.headers["x-api-key"] for call in s.upstream.calls)

    refused = []
    with Setup(Lighttpd, dialect="anthropic", backend='retries = 0; api_keys = ( "key-b" );') as s:
        assert counts() == {"upstream-secret": 3, "key-b": 3}, s.upstream.calls
        for _ in range(2):
            assert ask("/v1/messages").status == 200
        assert refused
        assert counts() == {"upstream-secret": 6}


def test_keys_take_turns_at_the_earlier_path():
    with Pair(Lighttpd, SAFE % (3, 60), lab='api_keys = ( "key-b" ); pass_members = [ "provider" ];'
              ) as s:
        for _ in range(4):
            answer = s.ask(path="/v1/universal/stream", model="m", provider="lab")
            assert answer.status == 200, answer.body
        assert keys_used(s.lab) == {"lab-key": 2, "key-b": 2}, keys_used(s.lab)
        assert not any("provider" in call.json for call in s.lab.calls)


def test_demanded_search():
    """Claude Code's web search is a request with a tool that only the API itself runs, demanded or
    with no other: a member that has it not is passed over without being asked or counted as failed,
    and where none has it the client is told. LAB's model searches by itself and is told of no
    tools."""
    search = dict(tools=[{"type": "web_search_20250305", "name": "web_search"}])
    with Pair(Lighttpd, SAFE % (1, 60), lab='drop_members = ( "tools", "tool_choice" );') as s:
        for choice in ({"type": "tool", "name": "web_search"}, {"type": "auto"}):
            search["tool_choice"] = choice
            answer = s.ask(model="safe", **search)
            assert (answer.status, answer.headers["x-messages-backend"]) == (200, "LAB"), answer.body
            assert not s.upstream.calls and s.health("test")["state"] == "closed"
            answer = s.ask(model="test/one", **search)
            assert "web_search" in error_of(answer, 400, "invalid_request_error")
            answer = s.ask("/v1/messages/count_tokens", model="test/one", **search)
            assert answer.status == 200, answer.body
        search["tools"].append({"name": "look", "input_schema": {"type": "object"}})
        answer = s.ask(model="test/one", **search)
        assert answer.status == 200, answer.body
        assert answer.headers["x-messages-dropped"] == "web_search_20250305", answer.headers


# ---- the way to one of several ----

RULES = """
routing = { direct = true; };
targets = { pair = ( { backend = "test"; model = "t"; weight = 1; },
                     { backend = "LAB"; model = "l"; weight = 1; } ); };
routes = (
    { name = "team"; when = { path = "team"; }; to = "LAB/team"; },
    { name = "key"; when = { key = "e2*"; model = "keyed"; }; to = "LAB/keyed"; },
    { name = "search"; when = { web_search = true; }; to = "LAB/search"; },
    { name = "agent"; when = { agent = true; }; to = "LAB/agent"; },
    { name = "pictures"; when = { images = true; }; to = "LAB/pictures"; },
    { name = "papers"; when = { documents = true; }; to = "LAB/papers"; },
    { name = "hard"; when = { effort = ( "high", "max" ); }; to = "LAB/hard"; },
    { name = "thinks"; when = { thinking = true; model = "th*"; }; to = "LAB/thinks"; },
    { name = "long"; when = { tokens_over = 2000; }; to = "LAB/long"; },
    { name = "background"; when = { background = true; }; to = "LAB/quick";
      options = { max_tokens_max = 7; headers = ( { name = "X-Kind"; value = "quick"; } );
                  body = { service_tier = "flex"; }; drop_members = ( "top_p" ); }; },
    { name = "old sonnet"; when = { family = ( "sonnet-3.5", "sonnet-3.7" ); }; to = "LAB/old"; },
    { name = "odd"; when = { model = "we[ir]d.(*)"; }; to = "LAB/odd"; }
);
"""
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AA=="}}
TEXT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "x"}}


def content(*blocks):
    return [{"role": "user", "content": list(blocks)}]


def result(*blocks):
    return [{"role": "user", "content": "a"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "toolu_1", "name": "t", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": list(blocks)}]}]


def test_every_condition():
    """What each condition of a rule leads to, told by the answer's headers, and the same for the
    count of tokens."""
    agent = {"x-claude-code-agent-id": "a1"}
    search = [{"type": "web_search_20250305", "name": "web_search"},
              {"name": "look", "input_schema": {"type": "object"}}]
    cases = [
        (dict(model="claude-sonnet-4-5"), {}, "scripted"),
        (dict(model="claude-sonnet-4-5[1m]"), {}, "scripted"),
        (dict(model="keyed"), {}, "keyed"),
        (dict(tools=search), {}, "search"),
        (dict(tools=[{"name": "web_search", "input_schema": {"type": "object"}}]), {}, "scripted"),
        (dict(), agent, "agent"),
        (dict(), {"x-claude-code-request-class": "subagent"}, "agent"),
        (dict(messages=content(PNG)), {}, "pictures"),
        (dict(messages=result(PNG)), {}, "pictures"),
        (dict(messages=content(TEXT)), {}, "papers"),
        (dict(messages=result(TEXT)), {}, "papers"),
        (dict(output_config={"effort": "high"}), {}, "hard"),
        (dict(output_config={"effort": "low"}), {}, "scripted"),
        (dict(model="think", max_tokens=2000, thinking={"type": "enabled", "budget_tokens": 1024}),
         {}, "thinks"),
        (dict(messages=content({"type": "text", "text": "words and words " * 1000})), {}, "long"),
        (dict(model="claude-haiku-4-5"), {}, "quick"),
        (dict(model="small"), {}, "quick"),
        (dict(), {"x-claude-code-request-class": "auxiliary"}, "quick"),
        (dict(model="claude-3-5-sonnet-20241022"), {}, "old"),
        (dict(model="anthropic/claude-3.7-sonnet"), {}, "old"),
        (dict(model="we[ir]d.(x)"), {}, "odd"),
        # The first that holds wins.
        (dict(messages=content(PNG, TEXT)), agent, "agent"),
    ]
    with Pair(Lighttpd, RULES) as s:
        for more, headers, model in cases:
            body = dict(dict(model="claude-sonnet-4-5"), **more)
            for path in ("/v1/messages", "/v1/messages/count_tokens"):
                answer = s.ask(path, headers, **body)
                assert answer.status == 200, (more, answer.status, answer.body)
                assert answer.headers["x-messages-model"] == model, (path, more, answer.headers)
        for model in ("weid.(x)", "weXrd.(x)"):
            assert s.ask(model=model).status == 404, model
        assert s.ask("/b/team/v1/messages").headers["x-messages-model"] == "team"
        # Options of the rule, and of no other request.
        s.lab.reset()
        assert s.ask(model="claude-haiku-4-5", max_tokens=100, top_p=0.5).status == 200
        call = s.lab.wait_call()
        sent = call.json
        assert call.headers["x-kind"] == "quick" and sent["service_tier"] == "flex", sent
        assert 7 in (sent.get("max_tokens"), sent.get("max_completion_tokens")), sent
        assert "top_p" not in sent, sent
        s.lab.reset()
        assert s.ask(model="LAB/other", max_tokens=100, top_p=0.5).status == 200
        call = s.lab.wait_call()
        assert "x-kind" not in call.headers and call.json["top_p"] == 0.5, call.json


def test_thinking_and_caches_per_target():
    """How thinking is asked for, and whether cache marks go along, is a target's own matter."""
    marked = content({"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}})
    rules = """routing = { direct = true; }; routes = ( { when = { model = "deep"; }; to = "LAB/deep";
        options = { reasoning = "effort"; cache_control = true; }; } );"""
    with Pair(Lighttpd, rules) as s:
        for model, deep in (("deep", True), ("LAB/plain", False)):
            s.lab.reset()
            answer = s.ask(model=model, messages=marked, output_config={"effort": "high"})
            assert answer.status == 200, answer.body
            sent = s.lab.wait_call().json
            assert sent.get("reasoning_effort") == ("high" if deep else None), (model, sent)
            assert ("cache_control" in str(sent["messages"])) == deep, (model, sent)


def test_what_is_anthropics_own():
    """Its host, seen through a proxy: a continued thread passes by a member that keeps none, and
    what the API says against a count is no reason to guess."""
    api = Upstream()

    def script(call):
        if call.json.get("thread"):
            call.whole(200, {"type": "message", "id": "msg_1", "role": "assistant",
                             "content": [{"type": "text", "text": "I remember."}],
                             "model": "claude-x", "stop_reason": "end_turn", "stop_sequence": None,
                             "usage": {"input_tokens": 1, "output_tokens": 1}})
        else:
            call.whole(refusal, {"type": "error", "error": {"type": "x", "message": "its word"}})

    rules = 'routes = ( { when = { model = "kept"; }; to = ( "LAB/two", "API/claude-x" ); } );'
    own = '''}; API = { dialect = "anthropic"; base_url = "http://api.anthropic.com"; retries = 0;
        api_key = "api-key"; proxy = "http://127.0.0.1:%d"; ''' % api.port
    with Pair(Lighttpd, rules, lab=own) as s:
        api.reset(script)
        answer = s.ask(model="kept", thread={"type": "continue", "previous_message_id": "msg_0"})
        assert answer.json["content"][0]["text"] == "I remember.", answer.body
        assert [call.path for call in api.calls] == ["http://api.anthropic.com/v1/messages"]
        assert not s.lab.calls and answer.headers["x-messages-backend"] == "API"
        for refusal, verdict in ((400, True), (413, True), (401, False), (529, False)):
            answer = s.ask("/v1/messages/count_tokens", model="API/claude-x")
            if verdict:
                assert answer.status == refusal and b"its word" in answer.body, answer.body
            else:
                assert answer.headers["x-messages-count"] == "estimate", answer.headers
                assert answer.json["input_tokens"] > 0, answer.body
        assert len(api.calls) == 5
        for odd in ({}, {"input_tokens": "3"}, {"input_tokens": 3, "more": "x" * 70000}):
            api.reset(lambda call, odd=odd: call.whole(200, odd))
            answer = s.ask("/v1/messages/count_tokens", model="API/claude-x")
            assert answer.headers["x-messages-count"] == "estimate", (odd, answer.body)
    api.close()


def test_weights_and_sessions():
    """Both members are begun with; a session stays where it began, whether the header tells it or
    the user id that earlier clients send; when its member fails it goes to the other, and back."""
    with Pair(Lighttpd, RULES + "breaker = { failures = 1; cooldown = 4; };") as s:
        def backend(session=None, **more):
            headers = {"x-claude-code-session-id": session} if session else {}
            answer = s.ask(headers=headers, model="pair", **more)
            assert answer.status == 200, answer.body
            return answer.headers["x-messages-backend"]

        seen = collections.Counter(backend() for _ in range(40))
        assert min(seen["test"], seen["LAB"]) > 5, seen
        seen = collections.Counter(backend("session-%d" % i) for i in range(40))
        assert min(seen["test"], seen["LAB"]) > 5, seen
        for i in range(4):
            assert len({backend("session-%d" % i) for _ in range(4)}) == 1
            user = {"user_id": "user_1_account_2_session_%d" % i}
            assert len({backend(metadata=user) for _ in range(4)}) == 1
        session = next("s%d" % i for i in range(100) if backend("s%d" % i) == "test")
        s.upstream.reset(fails(500))
        assert backend(session) == "LAB" and backend(session) == "LAB"
        assert len(s.upstream.calls) == 1, s.upstream.calls
        s.upstream.reset()
        harness.wait_for(lambda: backend(session) == "test", 20, "the session is back")

def test_names_and_paths():
    with Pair(Lighttpd, SAFE % (3, 60), lab='model_big = "lab-big";') as s:
        def backend(**more):
            answer = s.ask(**more)
            return answer.headers.get("x-messages-backend"), answer.headers.get("x-messages-model")

        assert backend() == ("test", "scripted")
        assert backend(model="LAB/vendor/m") == ("LAB", "vendor/m")
        assert backend(model="LAB,m") == ("LAB", "m")
        assert backend(path="/b/LAB/v1/messages") == ("LAB", "lab-big")
        assert backend(path="/b/LAB/v1/messages?beta=true", model="m") == ("LAB", "m")
        answer = s.ask(path="/b/NOBODY/v1/messages")
        assert answer.status == 404 and answer.json["error"]["type"] == "not_found_error"
        answer = s.ask(model="nobody-knows")
        assert answer.status == 404 and "model: nobody-knows" in answer.json["error"]["message"]
        answer = s.ask(path="/v1/messages/count_tokens", model="nobody-knows")
        assert answer.status == 404
        answer = s.ask(path="/v1/messages/count_tokens", model="LAB/m")
        assert answer.json["input_tokens"] > 0
        assert answer.headers["x-messages-backend"] == "LAB", answer.headers
        assert answer.headers["x-messages-model"] == "m", answer.headers
        # Whatever it ends with: who was asked is said.
        s.lab.reset(fails(400))
        for stream in (False, True):
            answer = s.ask(model="LAB/m", stream=stream)
            assert answer.status == 400, answer.body
            assert answer.headers["x-messages-backend"] == "LAB", answer.headers
            assert answer.headers["x-messages-model"] == "m", answer.headers


def test_model_lists_join():
    with Pair(Lighttpd, SAFE % (3, 60)) as s:
        ids = [m["id"] for m in s.get("/v1/models?limit=1000")["data"]]
        for name in ("safe", "anthropic/safe", "scripted", "anthropic/scripted", "LAB/scripted",
                     "anthropic/LAB/vendor/other", "test/vendor/other"):
            assert name in ids, (name, ids)
        assert len(ids) == len(set(ids)), ids
        for name in ids:
            assert s.ask(model=name).status == 200, name


def test_model_lists_of_each():
    """A backend that says nothing takes nothing from the others; below /b/NAME there is its own list,
    and every name of it goes there."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        mute = """}; MUTE = { dialect = "openai-chat"; base_url = "http://127.0.0.1:%d/v1";
            api_key = "k";""" % silent.getsockname()[1]
        with Pair(Lighttpd, SAFE % (3, 60), lab=mute) as s:
            ids = [m["id"] for m in s.get("/v1/models?limit=1000")["data"]]
            assert "LAB/vendor/other" in ids and "test/vendor/other" in ids, ids
            assert not any("MUTE" in one for one in ids), ids
            page = s.get("/v1/models?limit=2")
            assert page["has_more"] and [m["id"] for m in page["data"]] == ids[:2], page
            page = s.get("/v1/models?limit=2&after_id=" + page["last_id"])
            assert [m["id"] for m in page["data"]] == ids[2:4], page
            page = s.get("/v1/models?limit=2&before_id=" + page["first_id"])
            assert [m["id"] for m in page["data"]] == ids[:2] and not page["has_more"], page
            assert s.get("/v1/models/LAB/vendor/other")["id"] == "LAB/vendor/other"
            assert s.get("/v1/models/nobody")["error"]["type"] == "not_found_error"
            ids = [m["id"] for m in s.get("/b/LAB/v1/models?limit=1000")["data"]]
            assert ids == ["scripted", "anthropic/scripted", "vendor/other",
                           "anthropic/vendor/other"], ids
            for name in ids:
                answer = s.ask(path="/b/LAB/v1/messages", model=name)
                assert answer.headers["x-messages-backend"] == "LAB", answer.headers
                assert answer.headers["x-messages-model"] == name.replace("anthropic/", ""), name


def test_model_lists_of_messages_backends():
    """The Models API's own list, all of it in one page, and that of a server that has OpenAI's."""
    asked = []

    def lists(call):
        asked.append(call)
        call.whole(200, {"object": "list", "data": [
            {"id": "local/m", "created": 1700000000, "max_model_len": 32768},
            {"id": "old/m", "created": 2 ** 63 - 1}]} if call.path.startswith("/clone") else {
                "data": [
                    {"type": "model", "id": "claude-x", "display_name": "Claude X",
                     "created_at": "2026-02-28T01:02:03Z", "max_input_tokens": 200000,
                     "max_tokens": 64000, "capabilities": {"batch": {"supported": True}}},
                    {"type": "model", "id": "claude-y", "display_name": "",
                     "created_at": "2026-13-01T00:00:00Z", "max_input_tokens": None,
                     "max_tokens": -1},
                    {"type": "model", "display_name": "nameless"}],
                "has_more": False, "first_id": "claude-x", "last_id": "claude-y"})

    with contextlib.closing(Upstream()) as claude:
        claude.script = lists
        more = """}; CLAUDE = { dialect = "anthropic"; base_url = "http://127.0.0.1:%d";
            api_key = "k"; }; CLONE = { dialect = "anthropic"; base_url = "http://127.0.0.1:%d";
            path_models = "/clone?full=1"; api_key = "k"; """ % (claude.port, claude.port)
        with Pair(Lighttpd, SAFE % (3, 60), lab=more) as s:
            ids = [m["id"] for m in s.get("/v1/models?limit=1000")["data"]]
            for name in ("CLAUDE/claude-x", "CLAUDE/claude-y", "CLONE/local/m", "LAB/scripted"):
                assert name in ids, (name, ids)
            assert sorted(c.path for c in asked) == ["/clone?full=1", "/v1/models?limit=1000"]
            for call in asked:
                assert call.method == "GET" and call.headers["x-api-key"] == "k", call.headers
                assert call.headers["anthropic-version"] == "2023-06-01", call.headers
            assert s.get("/b/CLAUDE/v1/models")["data"] == [
                {"type": "model", "id": "claude-x", "display_name": "Claude X",
                 "created_at": "2026-02-28T01:02:03Z", "max_input_tokens": 200000,
                 "max_tokens": 64000},
                {"type": "model", "id": "claude-y", "display_name": "claude-y",
                 "created_at": "1970-01-01T00:00:00Z"}]
            assert s.get("/v1/models/CLONE/local/m") == {
                "type": "model", "id": "CLONE/local/m", "display_name": "local/m",
                "created_at": "2023-11-14T22:13:20Z", "max_input_tokens": 32768}
            assert s.get("/v1/models/CLONE/old/m")["created_at"] == "1970-01-01T00:00:00Z"


def test_universal():
    with Pair(Lighttpd, SAFE % (3, 60)) as s:
        with s.client() as client:
            response, stream = client.stream(message(model="m", provider="lab"),
                                             "/v1/universal/stream")
            assert response.headers["x-messages-backend"] == "LAB"
            assert text_of(stream) == "Hello there"
        assert "provider" not in s.lab.wait_call().json
        answer = s.ask(path="/v1/universal/stream", model="m", provider=5)
        assert "provider: Input should be a valid string" in error_of(
            answer, 400, "invalid_request_error")
        answer = s.ask(path="/v1/universal/stream", model="m", provider="nobody")
        assert answer.status == 404 and "nobody" in answer.json["error"]["message"]
        providers = s.get("/v1/universal/providers")
        assert [p["id"] for p in providers["providers"]] == ["test", "LAB"]
        assert providers["default"] == "test"
        assert s.get("/v1/universal/providers/lab")["dialect"] == "openai-chat"
        assert "vendor/other" in [m["id"] for m in
                                  s.get("/v1/universal/providers/lab/models")["data"]]
        assert s.get("/v1/universal/health")["status"] == "healthy"


def test_log_and_route_command():
    with Pair(Lighttpd, SAFE % (3, 60)) as s:
        s.upstream.reset(fails(500))
        s.ask(model="safe")
        harness.wait_for(lambda: '"members":2' in open(s.gateway.log).read(), 5, "the log line")
        line = [json.loads(x) for x in open(s.gateway.log) if '"members"' in x][-1]
        assert line["backend"] == "LAB" and line["model_routed"] == "two", line
        assert line["rule"] == 'routes[0] "safe"', line
        done = subprocess.run([s.gateway.program, "--config", s.gateway.config, "--route"],
                              input=json.dumps(message(model="safe")), text=True,
                              capture_output=True, env=harness.clean_env(), timeout=10)
        assert done.returncode == 0, done
        for words in ('rule: routes[0] "safe"', "backend test, model one", "backend LAB, model two"):
            assert words in done.stdout, done.stdout
        assert KEY not in done.stdout and "lab-key" not in done.stdout
        done = subprocess.run([s.gateway.program, "--config", s.gateway.config, "--route"],
                              input=json.dumps(message(model="nobody")), text=True,
                              capture_output=True, env=harness.clean_env(), timeout=10)
        assert done.returncode == 1 and "404 not_found_error" in done.stdout, done


def test_route_command_tells_who_rests():
    """Of a member, of its keys and of a model at a key: what a request would meet now."""
    rules = SAFE % (1, 1) + "limits = { max_body = 65536; };"
    with Pair(Lighttpd, rules) as s:
        def route(text=json.dumps(message(model="safe"))):
            done = subprocess.run([s.gateway.program, "--config", s.gateway.config, "--route"],
                                  input=text, text=True, capture_output=True,
                                  env=harness.clean_env(), timeout=10)
            return done.returncode, done.stdout

        def members():
            """What it says below each of the two."""
            lines = route()[1].splitlines()
            return [lines[i + 1].strip() for i, line in enumerate(lines) if ": backend " in line]

        assert members() == ["ready; key 1 ready"] * 2, route()
        s.upstream.reset(fails(500))
        s.lab.reset(fails(429, (("retry-after", "60"),)))
        s.ask(model="safe")
        test, lab = members()
        assert re.match(r"(rests until 20\S+T\S+Z|to be probed); key 1 ready$", test), test
        assert re.match(r"ready; key 1 ready, its limit for this model: rests until 20\S+Z$",
                        lab), lab
        harness.wait_for(lambda: members()[0].startswith("to be probed;"), 10, "the rest is over")
        go = threading.Event()
        s.upstream.reset(lambda call: (go.wait(30), hello(call)))
        asking = threading.Thread(target=s.ask, kwargs=dict(model="safe"))
        asking.start()
        s.upstream.wait_call()
        assert members()[0].startswith("being probed;"), route()
        go.set()
        asking.join()
        assert members()[0] == "ready; key 1 ready", route()
        for text, what in (("{", "refused: 400 invalid_request_error: "),
                           (json.dumps(message("long" * 20000)), "larger than limits.max_body")):
            code, out = route(text)
            assert code == 1 and what in out, (code, out)
        s.gateway.replace("routes = 7;")
        code, out = route()
        assert code == 1 and "messages.conf:1" in out, (code, out)


def test_route_command_of_a_key():
    """What that key would get: by its group, and nothing when it is out of use."""
    rules = ('routes = ( { name = "mine"; when = { group = "build"; }; to = "test/one"; },'
             ' { to = "test/two"; } );')
    access = '''keys = ( { name = "ci"; group = "build"; sha256 = "%s"; },
        { name = "old"; disabled = true; sha256 = "%s"; } );''' % ("1" * 64, "2" * 64)
    with Pair(Lighttpd, rules, access=access) as s:
        def route(name):
            return subprocess.run([s.gateway.program, "--config", s.gateway.config, "--route",
                                   "--header", "x-key: " + name], input=json.dumps(message()),
                                  text=True, capture_output=True, env=harness.clean_env(),
                                  timeout=10)

        assert 'rule: routes[0] "mine"' in route("ci").stdout, route("ci")
        assert route("old").returncode == 1 and "is disabled" in route("old").stdout, route("old")
        assert 'none has the name "nobody"' in route("nobody").stdout, route("nobody")
