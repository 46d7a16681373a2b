"""What a key may use and spend, over all processes of a host; whose address counts; refused keys."""
import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time

import harness
from client import Client, message
from harness import ApacheFcgid, KEY, sha256, wait_for
from test_access import Cgi, Other, Two, keys
from test_processes import Nginx, Setup, held, open_stream
from upstream import Upstream

WINDOW = 60.0       # seconds that a minute's limit is of


def limited(*settings, **more):
    """A key of the tests with these settings."""
    listed = 'name = "limited"; sha256 = "%s"; %s' % (sha256(KEY), " ".join(settings))
    return keys(listed) + more.get("more", "")


def ask(setup, path="/v1/messages", body=None, key=KEY, port=None, headers=()):
    with Client(port or setup.server.port, setup.server.prefix, key) as client:
        return client.ask("POST", path, body or message(), headers)


def refused(answer, status, kind, *words):
    assert answer.status == status, (answer.status, answer.body)
    error = answer.json["error"]
    assert error["type"] == kind, error
    for word in words:
        assert word in error["message"], (word, error)
    return answer


# ---- what a key may use ----

SECOND = 'retries = 0; }; second = { dialect = "openai-chat"; retries = 0; api_key = "other"; ' \
    'base_url = "http://127.0.0.1:%d/v1";'


def backends(upstream):
    return SECOND % upstream.port


def test_models_of_a_key():
    with Setup(Nginx, access=limited('models = ( "claude-haiku*", "plain", "second/dear" );')) as s:
        second = Upstream()
        s.gateway.write(backend=backends(second))
        time.sleep(1.05)
        for name in ("claude-haiku-4-5", "CLAUDE-HAIKU-5", "claude-haiku-4-5[1m]", "test/plain",
                     "second/plain", "second/dear"):
            assert ask(s, body=message(model=name)).status == 200, name
        for name in ("claude-sonnet-4-5", "test/dear", "test,dear", "big", "anthropic/test/dear",
                     "second/claude-sonnet"):
            refused(ask(s, body=message(model=name)), 403, "permission_error", '"limited"',
                    "models", name)
            refused(ask(s, "/v1/messages/count_tokens", message(model=name)), 403,
                    "permission_error")
            refused(ask(s, "/v1/universal/stream", message(model=name)), 403, "permission_error")
        calls = [c.json["model"] for c in s.upstream.calls + second.calls]
        assert "dear" not in [c.json["model"] for c in s.upstream.calls], calls
        with s.client() as client:
            ids = [m["id"] for m in client.ask("GET", "/v1/models").json["data"]]
            assert not [i for i in ids if "scripted" in i or "other" in i or i == "big"], ids
            assert client.ask("GET", "/v1/models/big").status == 404
        second.close()


def test_models_by_their_name_at_the_backend():
    with Setup(Nginx, access=limited('models = "scripted";')) as s:
        assert ask(s, body=message(model="claude-opus-4")).status == 200
        refused(ask(s, body=message(model="test/vendor/other")), 403, "permission_error")
        with s.client() as client:
            ids = [m["id"] for m in client.ask("GET", "/v1/models").json["data"]]
        assert "scripted" in ids and "vendor/other" not in ids, ids


def test_backends_of_a_key():
    """By whatever way they are named, also as members of a chain."""
    with Setup(Nginx) as s:
        second = Upstream()
        more = """targets = { both = ( "second/m", "test/m" ); first = ( "second/m" ); };
            routes = ( { when = { model = "by-rule"; }; to = "second/m"; } );"""
        s.gateway.write(access=limited('backends = ( "test" );'), backend=backends(second),
                        more=more)
        time.sleep(1.05)
        assert ask(s).status == 200
        assert ask(s, body=message(model="both")).status == 200, "the other member is passed over"
        assert ask(s, "/b/test/v1/messages").status == 200
        for path, body in (("/v1/messages", message(model="second/m")),
                           ("/v1/messages", message(model="second,m")),
                           ("/v1/messages", message(model="anthropic/second/m")),
                           ("/v1/messages", message(model="first")),
                           ("/v1/messages", message(model="by-rule")),
                           ("/b/second/v1/messages", message()),
                           ("/b/first/v1/messages", message()),
                           ("/v1/universal/stream", message(provider="second")),
                           ("/v1/messages/count_tokens", message(model="second/m"))):
            refused(ask(s, path, body), 403, "permission_error", '"second"', "backends")
        assert not second.calls
        # What the allowed member can't do the other one does not do for it.
        s.upstream.reset(lambda call: call.whole(500, {}))
        assert ask(s, body=message(model="both")).status == 500
        assert not second.calls
        with s.client() as client:
            text = client.ask("GET", "/v1/models").body + \
                client.ask("GET", "/v1/universal/providers").body
            assert b"second" not in text and b'"first"' not in text, text
            assert client.ask("GET", "/v1/universal/providers/second").status == 404
            assert client.ask("GET", "/b/second/v1/models").json["data"] == []
        second.close()


def test_health_shows_a_key_what_is_its():
    """No other backends; what backends said, which may quote anybody, to who may look at errors."""
    other = 'name = "ops"; sha256 = "%s"; endpoints = ( "health", "debug", "doctor" );' % \
        sha256("sk-ops")
    with Setup(Nginx) as s:
        second = Upstream()
        s.gateway.write(access=keys('name = "limited"; sha256 = "%s"; backends = "test";' %
                                    sha256(KEY), other), backend=backends(second),
                        more='targets = { both = ( "second/m", "test/m" ); };')
        time.sleep(1.05)
        s.upstream.reset(lambda call: call.whole(500, {"error": {"message": "odd: private words"}}))
        assert ask(s).status == 500
        for path in ("/health/detailed", "/status", "/v1/universal/health"):
            with s.client() as client:
                mine = client.ask("GET", path)
            with Client(s.server.port, s.server.prefix, "sk-ops") as client:
                all_of_it = client.ask("GET", path)
            assert mine.status == all_of_it.status == 200, path
            assert b"private words" not in mine.body and b"second" not in mine.body, mine.body
            assert mine.json["backends"][0]["last_error"]["status"] == 500, mine.body
            assert b"private words" in all_of_it.body and b"second" in all_of_it.body
        with s.client() as mine, Client(s.server.port, s.server.prefix, "sk-ops") as ops:
            for path in ("/health/detailed", "/status"):
                assert "config" not in mine.ask("GET", path).json, path
                assert ops.ask("GET", path).json["config"] == s.gateway.config, path
            path = "/health/claude-code/"
            assert "findings" not in mine.ask("GET", path + "readiness").json
            assert "findings" in ops.ask("GET", path + "readiness").json
            assert b'"second"' not in mine.ask("GET", path + "performance").body
            assert b'"second"' in ops.ask("GET", path + "performance").body
            assert mine.ask("GET", path + "compatibility/second/m").status == 403
            assert ops.ask("GET", path + "compatibility/second/m").json["backend"] == "second"
        # A key that may not use the one that is asked by default.
        s.gateway.write(access=keys('name = "limited"; sha256 = "%s"; backends = "second";' %
                                    sha256(KEY)), backend=backends(second),
                        more='targets = { one = ( "test/m" ); };')
        with open(s.gateway.config) as file:
            text = file.read()
        with open(s.gateway.config, "w") as file:
            file.write(text.replace('to = "big"; }', 'to = "big"; }, { match = "a"; to = "test/m"; }, '
                                    '{ match = "b"; to = "second/m"; }'))
        with s.client() as client:
            wait_for(lambda: client.ask("GET", "/status").json["backend"]["name"] == "second", 10,
                     "the configuration")
            for path in ("/status", "/health/detailed", "/health/claude-code/capabilities",
                         "/health/claude-code/performance", "/health/claude-code/readiness"):
                text = client.ask("GET", path).body
                assert b'"test"' not in text and b"test/" not in text, (path, text)
            told = client.ask("GET", "/status").json
            assert [rule["match"] for rule in told["models"]["map"]] == ["claude-*", "b"], told
            assert told["targets"] == [], told
        second.close()


def test_databricks_paths_are_of_a_backend():
    config = 'retries = 0; }; AZURE_DATABRICKS = { api_key = "dapi-x"; retries = 0; ' \
        'base_url = "http://127.0.0.1:%d/serving-endpoints";'
    with Setup(Nginx) as s:
        second = Upstream()
        s.gateway.write(access=limited('backends = "test";'), backend=config % second.port)
        time.sleep(1.05)
        for path in ("/v1/databricks/messages", "/v1/databricks/messages/stream",
                     "/v1/databricks/messages/claude-sonnet-4"):
            refused(ask(s, path), 403, "permission_error", "AZURE_DATABRICKS")
        assert not second.calls
        second.close()


def test_endpoints_of_a_key():
    paths = {"messages": ("POST", "/v1/messages"), "models": ("GET", "/v1/models"),
             "count_tokens": ("POST", "/v1/messages/count_tokens"), "health": ("GET", "/status")}
    for allowed in ("messages", "models", "count_tokens"):
        with Cgi(access=limited('endpoints = ( "%s" );' % allowed)) as cgi:
            for name, (method, path) in paths.items():
                status, _, body = cgi.ask(method, path, HTTP_X_API_KEY=KEY)
                assert status == (200 if name == allowed else 403), (allowed, name, body)
                if status == 403:
                    assert name in json.loads(body)["error"]["message"], body
    with Cgi(access=limited()) as cgi:
        for method, path in paths.values():
            assert cgi.ask(method, path, HTTP_X_API_KEY=KEY)[0] == 200, path


def test_unknown_endpoints_are_refused_by_check():
    with Cgi(access=limited('endpoints = ( "mesages" );')) as cgi:
        text = check(cgi)
        assert 'did you mean "messages"' in text, text


def check(cgi):
    run = subprocess.run([cgi.gateway.program, "--config", cgi.gateway.config, "--check"],
                         capture_output=True, text=True, env=harness.clean_env())
    return run.stdout + run.stderr


# ---- what it may spend ----

def headers_are_right(answer, what, limit, remaining):
    h = answer.headers
    assert h["anthropic-ratelimit-%s-limit" % what] == str(limit), h.items()
    assert int(h["anthropic-ratelimit-%s-remaining" % what]) == remaining, h.items()
    reset = time.strptime(h["anthropic-ratelimit-%s-reset" % what], "%Y-%m-%dT%H:%M:%SZ")
    assert reset.tm_year >= 2024


def spend(ask_one, limit):
    """Asks until it is refused; what was let in is the limit and what came back meanwhile."""
    start = time.monotonic()
    answers = [ask_one() for _ in range(limit + 6)]
    more = int((time.monotonic() - start) * limit / WINDOW) + 1
    good = [a for a in answers if a.status == 200]
    assert limit <= len(good) <= limit + more, len(good)
    return good[0], [a for a in answers if a.status != 200][-1]


def test_requests_a_minute():
    with Setup(Nginx, access=limited("requests_per_minute = 5;")) as s:
        first, last = spend(lambda: ask(s), 5)
        headers_are_right(first, "requests", 5, 4)
        assert "anthropic-ratelimit-tokens-limit" not in first.headers
        refused(last, 429, "rate_limit_error", '"limited"', "requests_per_minute")
        headers_are_right(last, "requests", 5, 0)
        assert 1 <= int(last.headers["retry-after"]) <= 12, last.headers.items()
        # Token counts are counted by themselves, and lists of models not at all.
        first, last = spend(lambda: ask(s, "/v1/messages/count_tokens"), 5)
        headers_are_right(first, "requests", 5, 4)
        with s.client() as client:
            assert client.ask("GET", "/v1/models").status == 200


def test_tokens_a_minute():
    """The scripted backend says 11 and 7."""
    with Setup(Nginx, access=limited("tokens_per_minute = 180;")) as s:
        first, last = spend(lambda: ask(s), 10)
        h = first.headers
        assert h["anthropic-ratelimit-tokens-limit"] == "180"
        assert 0 < int(h["anthropic-ratelimit-tokens-remaining"]) < 180
        refused(last, 429, "rate_limit_error", "tokens_per_minute")
        assert int(last.headers["retry-after"]) >= 1


def test_tokens_of_caches():
    """What is written to one counts as input, what is read from it does not."""
    def script(call):
        call.whole(200, {"type": "message", "id": "msg_1", "role": "assistant", "model": "m",
                         "content": [], "stop_reason": "end_turn", "stop_sequence": None,
                         "usage": {"input_tokens": 100, "cache_creation_input_tokens": 50000,
                                   "cache_read_input_tokens": 40000, "output_tokens": 5}})

    with Setup(Nginx, access=limited("tokens_per_minute = 100000;"), dialect="anthropic") as s:
        s.upstream.reset(script)
        assert ask(s).status == 200
        left = int(ask(s).headers["anthropic-ratelimit-tokens-remaining"])
        assert 45000 < left < 60000, left


def test_tokens_of_a_failed_call_are_given_back():
    with Setup(Nginx, access=limited("tokens_per_minute = 30;")) as s:
        s.upstream.reset(lambda call: call.whole(400, {"error": {"message": "no"}}))
        for _ in range(6):
            assert ask(s).status == 400
        s.upstream.reset()
        assert ask(s).status == 200


def test_defaults_and_exceptions():
    listed = keys('name = "a"; sha256 = "%s";' % sha256("k-a"),
                  'name = "b"; sha256 = "%s"; requests_per_minute = 0;' % sha256("k-b"),
                  'name = "c"; sha256 = "%s"; requests_per_minute = 4;' % sha256("k-c"))
    with Setup(Nginx, access=listed + " default_requests_per_minute = 2;") as s:
        spend(lambda: ask(s, key="k-a"), 2)
        spend(lambda: ask(s, key="k-c"), 4)
        for _ in range(8):
            answer = ask(s, key="k-b")
            assert answer.status == 200 and "anthropic-ratelimit-requests-limit" not in \
                answer.headers


def test_two_processes_hold_one_limit():
    with Setup(Two, access=limited("requests_per_minute = 10;")) as s:
        with Other(s.gateway, s.server.second) as other:
            ports = [s.server.port, other.port] * 20
            spend(lambda: ask(s, port=ports.pop()), 10)


class ApacheCgi(harness.ApacheCgi):
    """Plain CGI: a process for each request."""


def parallel(s, n):
    """n requests at once; their answers once all are there."""
    answers = [None] * n

    def one(i):
        answers[i] = ask(s)

    threads = [threading.Thread(target=one, args=(i,)) for i in range(n)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return answers


def test_requests_of_many_processes():
    """Eight of mod_fcgid at once, and of plain CGI as many as there are requests."""
    for server in (ApacheFcgid, ApacheCgi):
        with Setup(server, access=limited("requests_per_minute = 12;")) as s:
            start = time.monotonic()
            good = 0
            for _ in range(3):
                good += len([a for a in parallel(s, 8) if a.status == 200])
            more = int((time.monotonic() - start) * 12 / WINDOW) + 1
            assert 12 <= good <= 12 + more, (server.name, good)


def test_without_a_folder_for_state():
    """The limit of plain CGI's processes holds all the same."""
    with Cgi(access=limited("requests_per_minute = 3;")) as cgi:
        path = cgi.gateway.config
        with open(path) as f:
            text = "".join(line for line in f if not line.startswith("state"))
        with open(path, "w") as f:
            f.write(text)
        start = time.monotonic()
        got = [cgi.ask(HTTP_X_API_KEY=KEY)[0] for _ in range(8)]
        more = int((time.monotonic() - start) * 3 / WINDOW) + 1
        assert 3 <= got.count(200) <= 3 + more, got


# ---- answers at once ----

def stream_limit_holds(server):
    with Setup(server, access=limited("streams = 2;")) as s:
        go = held(s.upstream)
        open_ones = [open_stream(s), open_stream(s)]
        answer = refused(ask(s), 429, "rate_limit_error", '"limited"', "streams")
        assert int(answer.headers["retry-after"]) >= 1
        go.set()
        for client, stream in open_ones:
            assert [n for n, _, _ in stream if n != "ping" and n != ":"][-1] == "message_stop"
            client.close()
        s.upstream.reset()
        wait_for(lambda: ask(s).status == 200, 10, "an ended stream makes room")


def test_streams_of_one_process():
    stream_limit_holds(Nginx)


def test_streams_of_mod_fcgid():
    stream_limit_holds(ApacheFcgid)


def test_streams_of_plain_cgi():
    stream_limit_holds(ApacheCgi)


def test_streams_of_lighttpd():
    stream_limit_holds(harness.Lighttpd)


def test_a_slow_log_holds_no_place():
    """Who has an answer may ask again, though its line can't be written yet."""
    s = Setup(Nginx, access=limited("streams = 1;"))
    pipe = s.gateway.path("pipe")
    os.mkfifo(pipe)
    os.chmod(pipe, 0o666)
    s.gateway.write(log=pipe)
    ends = [os.open(pipe, mode | os.O_NONBLOCK) for mode in (os.O_RDONLY, os.O_WRONLY)]
    with s:
        assert ask(s).status == 200
        wait_for(lambda: select.select(ends[:1], [], [], 0)[0], 10, "the line is in the pipe")
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(ends[1], b"x")
        for _ in range(3):
            wait_for(lambda: ask(s).status == 200, 10, "an answer without a line makes room")
        read = b""
        while read.count(b'"status":200') < 4:
            select.select(ends[:1], [], [], 10)
            read += os.read(ends[0], 65536)
    for end in ends:
        os.close(end)


def test_a_client_that_leaves_makes_room():
    with Setup(Nginx, access=limited("streams = 1;")) as s:
        go = held(s.upstream)
        client, _ = open_stream(s)
        assert ask(s).status == 429
        client.cut()
        s.upstream.reset()
        wait_for(lambda: ask(s).status == 200, 10, "the client's leaving makes room")
        go.set()


def test_killed_processes_make_room():
    with Setup(Two, access=limited("streams = 1;")) as s:
        with Other(s.gateway, s.server.second) as other:
            go = held(s.upstream)
            client, _ = open_stream(s)
            assert ask(s, port=other.port).status == 429
            first = s.server.processes[0]
            first.send_signal(signal.SIGKILL)
            first.wait()
            s.upstream.reset()
            assert ask(s, port=other.port).status == 200, "what it held is free at once"
            go.set()
            client.close()
            s.server.processes.remove(first)


# ---- keys that are taken away ----

def stream_until_taken(change, seconds=4, **settings):
    """The last event of a stream whose key is taken away, with the seconds that it took."""
    with Setup(Nginx, access=limited(**settings), ping_interval=30, probe_interval=30) as s:
        go = held(s.upstream)
        client, stream = open_stream(s)
        start = time.monotonic()
        s.gateway.write(access=change)
        threading.Timer(seconds, go.set).start()
        last = [(n, d) for n, d, _ in stream if n not in (":", "ping")][-1]
        client.close()
        return last, time.monotonic() - start


def test_streams_of_a_key_that_is_taken_away():
    end = " end_streams = true;"
    other = keys('name = "other"; sha256 = "%s";' % sha256("x"))
    for change in (other + end, limited("disabled = true;") + end,
                   keys('name = "limited"; sha256 = "%s";' % sha256("new one")) + end):
        (name, data), took = stream_until_taken(change, 20, more=end)
        assert name == "error" and data["error"]["type"] == "authentication_error", (name, data)
        assert took < 3.5, took
    (name, _), _ = stream_until_taken(other)
    assert name == "message_stop", "without end_streams it runs to its end"
    (name, _), _ = stream_until_taken(limited("streams = 7;") + end, more=end)
    assert name == "message_stop", "a key that is only changed stays"


def test_a_whole_answer_of_a_key_that_is_taken_away():
    """Nothing of it has gone out: it is refused as if the key had never been there."""
    end = " end_streams = true;"
    with Setup(Nginx, access=limited() + end) as s:
        done = threading.Event()
        s.upstream.reset(lambda call: done.wait(60))
        answers = []
        asking = threading.Thread(target=lambda: answers.append(ask(s)))
        asking.start()
        s.upstream.wait_call()
        s.gateway.write(access=keys('name = "x"; sha256 = "%s";' % sha256("x")) + end)
        asking.join(40)
        done.set()
        assert answers, "it was not ended"
        refused(answers[0], 401, "authentication_error", '"limited"')


# ---- whose address, and refused keys ----

THROTTLE = " throttle_failures = 4; throttle_window = 600;"


def fail(cgi, n, key="wrong", **params):
    return [cgi.ask(HTTP_X_API_KEY=key, **params)[0] for _ in range(n)]


def test_refused_keys_are_throttled():
    with Cgi(access=limited() + THROTTLE) as cgi:
        for i in range(4):
            assert fail(cgi, 1, "wrong-%d" % i, REMOTE_ADDR="192.0.2.1") == [401]
        status, headers, body = cgi.ask(HTTP_X_API_KEY="wrong-x", REMOTE_ADDR="192.0.2.1")
        assert status == 429 and json.loads(body)["error"]["type"] == "rate_limit_error", body
        assert 1 <= int(headers["retry-after"]) <= 150, headers
        # A valid key is let in at any time, and others are not concerned.
        assert cgi.ask(HTTP_X_API_KEY=KEY, REMOTE_ADDR="192.0.2.1")[0] == 200
        assert fail(cgi, 1, REMOTE_ADDR="192.0.2.2") == [401]
        # No key at all is no guess.
        assert cgi.ask(REMOTE_ADDR="192.0.2.1")[0] == 401
        # A valid key does not wash the others off.
        assert fail(cgi, 1, "wrong-y", REMOTE_ADDR="192.0.2.1") == [429]


def test_one_refused_key_from_everywhere():
    with Cgi(access=limited() + THROTTLE) as cgi:
        for i in range(4):
            assert fail(cgi, 1, "stolen", REMOTE_ADDR="192.0.2.%d" % i) == [401]
        assert fail(cgi, 1, "stolen", REMOTE_ADDR="192.0.2.9") == [429]
        assert fail(cgi, 1, "another", REMOTE_ADDR="192.0.2.9") == [401]


def test_addresses_of_ipv6_by_their_network():
    with Cgi(access=limited() + THROTTLE) as cgi:
        for i in range(4):
            assert fail(cgi, 1, "w%d" % i, REMOTE_ADDR="2001:db8:1:2::%x" % i) == [401]
        assert fail(cgi, 1, "w9", REMOTE_ADDR="2001:db8:1:2:ffff::9") == [429]
        assert fail(cgi, 1, "w9", REMOTE_ADDR="2001:db8:1:3::9") == [401]


def test_trusted_proxies():
    """Whose X-Forwarded-For counts: the rightmost address that no trusted proxy has."""
    access = limited() + THROTTLE + ' trusted_proxies = ( "10.0.0.0/8", "2001:db8::/32" );'
    with Cgi(access=access) as cgi:
        def of(remote, forwarded):
            cgi.ask(HTTP_X_API_KEY="no", REMOTE_ADDR=remote, HTTP_X_FORWARDED_FOR=forwarded)
            with open(cgi.gateway.log) as f:
                return json.loads(f.readlines()[-1]).get("client")

        for remote, forwarded, client in (
                ("192.0.2.1", "198.51.100.7", "192.0.2.1"),
                ("10.1.1.1", "198.51.100.7", "198.51.100.7"),
                ("10.1.1.1", "127.0.0.1, 198.51.100.7", "198.51.100.7"),
                ("10.1.1.1", "198.51.100.7, 10.2.2.2", "198.51.100.7"),
                ("10.1.1.1", "198.51.100.7:4711, 10.2.2.2 ,10.3.3.3", "198.51.100.7"),
                ("2001:db8::5", "[2001:db9::1]:99", "2001:db9::1"),
                ("10.1.1.1", "10.2.2.2, 10.3.3.3", "10.2.2.2"),
                ("10.1.1.1", "198.51.100.7, unknown, 10.2.2.2", "10.2.2.2"),
                ("10.1.1.1", None, "10.1.1.1"),
                ("::ffff:10.1.1.1", "198.51.100.7", "198.51.100.7")):
            assert of(remote, forwarded) == client, (remote, forwarded)
    with Cgi(access=limited() + ' trusted_proxies = ( "10.0.0.0/8", "lan" );') as cgi:
        assert '"lan" is no address' in check(cgi)


def test_local_behind_a_trusted_proxy():
    """A proxy on this machine that says who asks: without it every client would look local."""
    access = 'mode = "local"; trusted_proxies = "127.0.0.1";'
    with Cgi(access=access) as cgi:
        assert cgi.ask()[0] == 200
        assert cgi.ask(HTTP_X_FORWARDED_FOR="127.0.0.1")[0] == 200
        for forwarded in ("198.51.100.7", "127.0.0.1, 198.51.100.7", "unknown", "198.51.100.7, x"):
            assert cgi.ask(HTTP_X_FORWARDED_FOR=forwarded)[0] == 403, forwarded
        assert cgi.ask(HTTP_VIA="1.1 proxy")[0] == 403


def test_failures_of_all_processes():
    with Setup(Two, access=limited() + THROTTLE) as s:
        with Other(s.gateway, s.server.second) as other:
            ports = [s.server.port, other.port] * 4
            got = [ask(s, key="wrong-%d" % i, port=p).status for i, p in enumerate(ports)]
            assert got == [401] * 4 + [429] * 4, got
            for port in ports[:2]:
                assert ask(s, port=port).status == 200
