"""Access: keys and their changes, the rules of "local", callers' own keys, what is written down.

Rules that hang on what a web server says (addresses, its name) are driven as plain CGI, where the
test is the server.
"""
import json
import subprocess
import time

import harness
from client import Client, message
from harness import KEY, Gateway, Lighttpd, sha256
from test_processes import Nginx, Setup
from upstream import Upstream

ORIGIN = harness.ORIGIN
OWN = "sk-own-9876543210"


def status_of(setup, key=None, headers=(), path="/v1/messages"):
    with Client(setup.server.port, setup.server.prefix, key) as client:
        return client.ask("POST", path, message(), headers).status


class Cgi:
    """The program as plain CGI, run by the test itself."""

    def __init__(self, **settings):
        self.upstream = Upstream()
        self.gateway = Gateway(self.upstream, **settings)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.upstream.close()
        self.gateway.close()

    def ask(self, method="POST", path="/v1/messages", body=None, **params):
        """Status, headers and body; a parameter that is None is not given at all."""
        data = json.dumps(body or message()).encode() if method == "POST" else b""
        env = {"GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": method, "SCRIPT_NAME": "/x.fcgi",
               "PATH_INFO": path, "REQUEST_URI": "/x.fcgi" + path, "SERVER_PROTOCOL": "HTTP/1.1",
               "REMOTE_ADDR": "127.0.0.1", "SERVER_ADDR": "127.0.0.1", "HTTP_HOST": "localhost",
               "SERVER_SOFTWARE": "test/1", "CONTENT_TYPE": "application/json",
               "CONTENT_LENGTH": str(len(data)), "MESSAGES_CONF": self.gateway.config}
        env.update(params)
        env = harness.clean_env(**{k: v for k, v in env.items() if v is not None})
        run = subprocess.run([self.gateway.program], input=data, env=env, capture_output=True,
                             timeout=30)
        head, _, rest = run.stdout.partition(b"\r\n\r\n")
        lines = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        headers = {name.lower(): value for name, value in lines}
        return int(headers["status"].split()[0]), headers, rest


# ---- keys ----

def keys(*list_of):
    return 'mode = "keys"; keys = ( %s );' % ", ".join("{ %s }" % k for k in list_of)


def test_states_of_a_key():
    listed = keys('name = "plain"; sha256 = "%s";' % sha256("k-plain"),
                  'name = "two"; sha256 = [ "%s", "%s" ];' % (sha256("k-old"), sha256("k-new")),
                  'name = "late"; sha256 = "%s"; expires = "2020-01-01T00:00:00Z";'
                  % sha256("k-late"),
                  'name = "soon"; sha256 = "%s"; expires = "2999-01-01T00:00:00Z";'
                  % sha256("k-soon"),
                  'name = "off"; sha256 = "%s"; disabled = true;' % sha256("k-off"))
    cases = (("k-plain", 200, ""), ("k-old", 200, ""), ("k-new", 200, ""), ("k-soon", 200, ""),
             ("k-late", 401, '"late" expired'), ("k-off", 401, '"off" is disabled'),
             ("k-other", 401, "does not know the key"), (sha256("k-plain"), 401, ""),
             ("k-plain ", 200, ""), ("K-PLAIN", 401, ""))
    with Setup(Nginx, access=listed) as setup:
        for key, status, word in cases:
            for headers in ({"x-api-key": key}, {"Authorization": "Bearer " + key},
                            {"Authorization": "bearer " + key}):
                with Client(setup.server.port, setup.server.prefix) as client:
                    answer = client.ask("POST", "/v1/messages", message(), headers)
                assert answer.status == status, (key, headers, answer.body)
                if status == 401:
                    assert answer.json["error"]["type"] == "authentication_error"
                    assert word in answer.json["error"]["message"], answer.json
                    assert key not in answer.json["error"]["message"]
        # Either header will do.
        for first, second in (("no", "k-plain"), ("k-plain", "no")):
            both = {"x-api-key": first, "Authorization": "Bearer " + second}
            assert status_of(setup, headers=both) == 200, both


def test_what_answers_without_a_key():
    with Setup(Nginx) as setup, Client(setup.server.port, setup.server.prefix) as client:
        for method, path in (("GET", "/"), ("HEAD", "/"), ("HEAD", "/api/hello"),
                             ("GET", "/health")):
            assert client.ask(method, path).status == 200, (method, path)
        for method, path in (("GET", "/status"), ("GET", "/health/detailed"),
                             ("GET", "/v1/models"), ("GET", "/v1/models/x"), ("GET", "/v1/none")):
            assert client.ask(method, path).status == 401, (method, path)
        for path in ("/v1/messages", "/v1/messages/stream", "/v1/messages/count_tokens"):
            assert client.ask("POST", path, message()).status == 401, path


class Two(harness.Nginx):
    """Two processes; the second one is for another web server."""
    name = "nginx-two-processes"
    second = None

    def spawn_gateway(self):
        first, one = self.gateway.spawn("one.sock")
        self.second, two = self.gateway.spawn("two.sock")
        self.processes += [one, two]
        return first


class Other(harness.Nginx):
    """That web server."""
    name = "nginx-other"

    def __init__(self, gateway, path):
        super().__init__(gateway)
        self.path = path

    def spawn_gateway(self):
        return self.path


def test_changes_reach_every_process_within_a_second():
    """Of the configuration and of a keys file, in processes that know nothing of each other."""
    with Setup(Two) as setup:
        path = setup.gateway.path("keys")
        open(path, "w").close()
        setup.gateway.write(access='mode = "keys"; keys_file = "%s";' % path)
        with Other(setup.gateway, setup.server.second) as other:
            ports = (setup.server.port, other.port)

            def all_say(key, status):
                time.sleep(1.05)
                for port in ports:
                    with Client(port, setup.server.prefix, key) as client:
                        answer = client.ask("POST", "/v1/messages", message())
                    assert answer.status == status, (key, answer.status, answer.body)

            all_say("k-file", 401)
            with open(path, "w") as f:
                f.write("# comment\nfile %s owner=me\n" % sha256("k-file"))
            all_say("k-file", 200)
            with open(path, "w") as f:
                f.write("file %s disabled\n" % sha256("k-file"))
            all_say("k-file", 401)
            setup.gateway.write(access=keys('name = "c"; sha256 = "%s";' % sha256("k-conf")))
            all_say("k-conf", 200)
            all_say("k-file", 401)


def test_new_key():
    """What --new-key prints is a key and the line that lets it in."""
    with Setup(Nginx) as setup:
        out = subprocess.run([setup.gateway.program, "--new-key", "laptop"], capture_output=True,
                             text=True, env=harness.clean_env(), check=True).stdout
        words = out.replace('"', " ").replace(";", " ").split()
        digest = next(w for w in words if len(w) == 64 and set(w) <= set("0123456789abcdef"))
        key = next(w for w in words if sha256(w) == digest)
        setup.gateway.write(access=keys('name = "laptop"; sha256 = "%s";' % digest))
        time.sleep(1.05)
        assert status_of(setup, key) == 200


def test_redirected_authorization():
    """Apache's mod_rewrite puts the header under this name."""
    with Cgi() as cgi:
        for name in ("HTTP_AUTHORIZATION", "REDIRECT_HTTP_AUTHORIZATION"):
            status, _, body = cgi.ask(**{name: "Bearer " + KEY})
            assert status == 200, (name, body)
        assert cgi.ask(REDIRECT_HTTP_AUTHORIZATION="Bearer wrong")[0] == 401


def test_the_hint_for_apache():
    with Cgi() as cgi:
        status, _, body = cgi.ask(SERVER_SOFTWARE="Apache/2.4.66 (Debian)")
        assert status == 401 and b"CGIPassAuth On" in body, body
        status, _, body = cgi.ask()
        assert status == 401 and b"CGIPassAuth" not in body, body
        # Not when a credential has arrived.
        status, _, body = cgi.ask(SERVER_SOFTWARE="Apache", HTTP_X_API_KEY="wrong")
        assert status == 401 and b"CGIPassAuth" not in body, body


# ---- local ----

def test_rules_of_local():
    ok = ({}, {"HTTP_HOST": "localhost:4000"}, {"HTTP_HOST": "127.0.0.1:4000"},
          {"HTTP_HOST": "[::1]:4000", "REMOTE_ADDR": "::1", "SERVER_ADDR": "::1"},
          {"HTTP_HOST": "box.lan:4000"}, {"HTTP_ORIGIN": ORIGIN}, {"REMOTE_ADDR": "127.8.9.1"},
          {"REMOTE_ADDR": "::ffff:127.0.0.1"}, {"CONTENT_TYPE": "application/json; charset=utf-8"},
          {"HTTP_X_API_KEY": "anything"})
    bad = ({"REMOTE_ADDR": "192.168.1.9"}, {"REMOTE_ADDR": None},
           {"REMOTE_ADDR": "::ffff:10.0.0.1"}, {"SERVER_ADDR": "192.168.1.1"},
           {"SERVER_ADDR": None}, {"HTTP_HOST": "evil.example"}, {"HTTP_HOST": None},
           {"HTTP_HOST": "localhost.evil.example"},
           {"HTTP_HOST": "127.0.0.1.evil.example:80"}, {"HTTP_FORWARDED": "for=10.0.0.1"},
           {"HTTP_X_FORWARDED_FOR": "10.0.0.1"}, {"HTTP_X_FORWARDED_PROTO": "https"},
           {"HTTP_X_FORWARDED_HOST": "a"}, {"HTTP_X_REAL_IP": "10.0.0.1"}, {"HTTP_VIA": "1.1 x"},
           {"HTTP_ORIGIN": "https://evil.example"}, {"HTTP_ORIGIN": "null"}, {"HTTP_ORIGIN": ""},
           {"CONTENT_TYPE": "text/plain"}, {"CONTENT_TYPE": None},
           {"CONTENT_TYPE": "application/x-www-form-urlencoded"},
           {"REMOTE_ADDR": "127.evil"}, {"REMOTE_ADDR": "128.0.0.1"})
    with Cgi(access='hosts = [ "box.lan" ]; origins = [ "%s" ];' % ORIGIN) as cgi:
        for params in ok:
            status, _, body = cgi.ask(**params)
            assert status == 200, (params, body)
        calls = len(cgi.upstream.calls)
        for params in bad:
            status, headers, body = cgi.ask(**params)
            assert status == 403, (params, status, body)
            error = json.loads(body)["error"]
            assert error["type"] == "permission_error" and "--new-key" in error["message"], error
            assert "access-control-allow-origin" not in headers, params
        assert len(cgi.upstream.calls) == calls
        # The list of models costs nothing, but is nobody else's business either.
        assert cgi.ask("GET", "/v1/models", CONTENT_TYPE=None)[0] == 200
        assert cgi.ask("GET", "/v1/models", HTTP_ORIGIN="https://evil.example")[0] == 403


def test_preflight_in_local_mode():
    ask = {"HTTP_ACCESS_CONTROL_REQUEST_METHOD": "POST",
           "HTTP_ACCESS_CONTROL_REQUEST_HEADERS": "content-type"}
    with Cgi(access='origins = [ "%s" ];' % ORIGIN) as cgi:
        _, headers, _ = cgi.ask("OPTIONS", HTTP_ORIGIN=ORIGIN, **ask)
        assert headers["access-control-allow-origin"] == ORIGIN, headers
        status, headers, _ = cgi.ask("OPTIONS", HTTP_ORIGIN="https://evil.example", **ask)
        assert status == 403
        assert not [h for h in headers if h.startswith("access-control-")], headers


def test_no_default_on_shared_servers():
    for software in ("Apache/2.4.66", "LiteSpeed"):
        with Cgi(access="") as cgi:
            status, _, body = cgi.ask(SERVER_SOFTWARE=software)
            assert status in (401, 403) and b"--new-key" in body, (software, body)
            assert not cgi.upstream.calls
        # Written down it holds.
        with Cgi(access='mode = "local";') as cgi:
            assert cgi.ask(SERVER_SOFTWARE=software)[0] == 200


def test_open_is_warned_of():
    with Cgi(access='mode = "open";') as cgi:
        assert cgi.ask(REMOTE_ADDR="10.0.0.1", HTTP_HOST="ai.example")[0] == 200
        check = subprocess.run([cgi.gateway.program, "--config", cgi.gateway.config, "--check"],
                               capture_output=True, text=True, env=harness.clean_env())
        text = check.stdout + check.stderr
        assert "warning" in text and 'access.mode is "open"' in text, text


def test_a_broken_configuration():
    """A program that can't start has an answer all the same, which tells nobody its settings."""
    with Cgi() as cgi:
        cgi.gateway.replace('proxy_backend = "secret-word" "again";')
        status, headers, body = cgi.ask()
        assert status == 500 and headers["content-type"] == "application/json", headers
        error = json.loads(body)["error"]
        assert error["type"] == "api_error" and "--check" in error["message"], error
        assert b"secret-word" not in body and not cgi.upstream.calls


# ---- passthrough ----

def sent_key(setup, headers):
    """What the backend got as credential: (Authorization, x-api-key)."""
    setup.upstream.reset()
    assert status_of(setup, headers=headers) == 200, headers
    got = setup.upstream.calls[0].headers
    return got.get("authorization"), got.get("x-api-key")


def test_passthrough():
    with Setup(Nginx, access='mode = "passthrough";') as setup:
        assert sent_key(setup, {"x-api-key": OWN}) == ("Bearer " + OWN, None)
        assert sent_key(setup, {"Authorization": "Bearer " + OWN}) == ("Bearer " + OWN, None)
        for headers, status in (({}, 401), ({"x-api-key": "sk-ant-api03-x"}, 403),
                                ({"Authorization": "Bearer sk-ant-oat01-x"}, 403)):
            setup.upstream.reset()
            with Client(setup.server.port, setup.server.prefix) as client:
                for path in ("/v1/messages", "/v1/messages/count_tokens"):
                    assert client.ask("POST", path, message(), headers).status == status, headers
            assert not setup.upstream.calls


def test_passthrough_lists_models():
    """Each caller the list that the own key gets: nothing of it is kept for the next one."""
    named = Upstream()
    second = 'retries = 0; }; named = { dialect = "openai-chat"; ' \
        'base_url = "http://127.0.0.1:%d/v1";' % named.port
    with Setup(Nginx, access='mode = "passthrough"; passthrough_backend = "named";',
               backend=second) as setup:
        for i in range(2):
            with Client(setup.server.port, setup.server.prefix, OWN + str(i)) as client:
                for path in ("/v1/models", "/v1/universal/providers/named/models"):
                    answer = client.ask("GET", path)
                    assert answer.status == 200, answer.body
                    ids = [m["id"] for m in answer.json["data"]]
                    assert any(name.endswith("vendor/other") for name in ids), (path, ids)
        keys = [call.headers.get("authorization") for call in named.listed]
        assert keys == ["Bearer %s%d" % (OWN, i) for i in (0, 0, 1, 1)], keys
        assert not setup.upstream.listed, "another backend saw the key"
    named.close()


def test_passthrough_to_one_backend():
    """Neither the backend in use otherwise nor a redirect gets the key."""
    named = Upstream()
    second = 'retries = 2; }; named = { dialect = "openai-chat"; retries = 2; ' \
        'base_url = "http://127.0.0.1:%d/v1";' % named.port
    with Setup(Nginx, access='mode = "passthrough"; passthrough_backend = "named";',
               backend=second) as setup:
        assert status_of(setup, OWN) == 200
        assert named.calls[0].headers["authorization"] == "Bearer " + OWN
        elsewhere = "http://127.0.0.1:%d/v1/chat/completions" % setup.upstream.port
        named.reset(lambda call: call.whole(307, {}, [("Location", elsewhere)]))
        with Client(setup.server.port, setup.server.prefix, OWN) as client:
            answer = client.ask("POST", "/v1/messages", message())
            assert answer.status == 502 and "307" in answer.json["error"]["message"], answer.body
            assert answer.headers["x-should-retry"] == "false" and len(named.calls) == 1
        named.reset(lambda call: call.whole(500, {}))
        assert status_of(setup, OWN) == 500 and len(named.calls) == 3
        assert not setup.upstream.calls, "another backend saw the key"
    named.close()


def test_passthrough_never_mixes_keys():
    """One caller's key is not what the next one's call goes out with, kept connection or not."""
    with Setup(Lighttpd, access='mode = "passthrough";') as setup:
        for i in range(6):
            key = "sk-caller-%d" % i
            assert sent_key(setup, {"x-api-key": key}) == ("Bearer " + key, None)
