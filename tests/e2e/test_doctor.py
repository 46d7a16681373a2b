"""messages.fcgi doctor against servers that are set up wrong in one way each: it must name that one
thing, with the directive of that server; and GET /doctor.
"""
import contextlib
import glob
import json
import os
import re
import ssl
import subprocess
import tempfile
from urllib.parse import quote

import client
import harness
from harness import Gateway, Skip, program, sha256
from test_access import Cgi
from upstream import Upstream


def findings(gateway, *args, status=None, env=None, config=None):
    """What the command finds, by id."""
    done = subprocess.run([gateway.program, "doctor", "--json", "--silence", "1", "--config",
                           config or gateway.config, *args], capture_output=True, text=True,
                          env=harness.clean_env(**dict(gateway.env, **(env or {}))), timeout=240)
    assert done.returncode in (0, 1), (done.returncode, done.stderr)
    found = json.loads(done.stdout)
    errors = [f for f in found if f["level"] == "error"]
    assert done.returncode == (1 if errors else 0), (done.returncode, errors)
    if status is not None:
        assert done.returncode == status, found
    levels = [("error", "warning", "note", "ok").index(f["level"]) for f in found]
    assert levels == sorted(levels), "worst first"
    return found


def url(server):
    return "http://127.0.0.1:%d%s" % (server.port, server.prefix)


def of_web(found, *levels):
    return {f["id"]: f for f in found if f["area"] == "web server" and
            f["level"] in (levels or ("error", "warning"))}


@contextlib.contextmanager
def setup(server_class, **settings):
    upstream = Upstream()
    gateway = Gateway(upstream, **settings)
    try:
        with server_class(gateway) as server:
            yield server
    finally:
        gateway.close()
        upstream.close()


def only(server_class, problem, *directives, also=(), args=()):
    """The one problem, and each directive in what is to be done."""
    with setup(server_class) as server:
        found = findings(server.gateway, *args, url(server))
        wrong = of_web(found)
        assert set(wrong) == {problem} | set(also), [f for f in found if f["level"] != "ok"]
        for directive in directives:
            assert directive in wrong[problem]["do"], wrong[problem]
        return wrong[problem]


def edited(base, name, **changes):
    """A server of that class whose sample has texts replaced."""
    class Edited(base):
        def sample(self, file, literals=()):
            text = super().sample(file, literals)
            for old, new in changes["edits"]:
                assert old in text, (file, old)
                text = text.replace(old, new)
            return text
    Edited.name = name
    return Edited


class FcgidEdited(harness.ApacheFcgid):
    edits = ()

    def settings(self):
        text = self.sample("apache/mod_fcgid.conf", dict(self.edits))
        return super().settings()[:-1] + ["Include \"%s\"" % self.write(self.name + "-sample", text)]


class ProxyEdited(harness.ApacheProxy):
    edits = ()

    def settings(self):
        text = self.sample("apache/mod_proxy_fcgi.conf", dict(self.edits))
        return super().settings()[:-1] + ["Include \"%s\"" % self.write(self.name + "-sample", text)]


def test_doctor_lighttpd_held_back():
    held = edited(harness.Lighttpd, "lighttpd-held", edits=[
        ("server.stream-response-body = 1", "server.stream-response-body = 0")])
    only(held, "web.not_streamed", "server.stream-response-body = 1")


def test_doctor_lighttpd_small_bodies():
    small = edited(harness.Lighttpd, "lighttpd-small", edits=[
        ("server.max-request-size = 65536", "server.max-request-size = 1024")])
    found = only(small, "web.body", "server.max-request-size")
    assert "1 MB gets 413" in found["finding"] and "130 KB pass" in found["finding"], found


class FcgidHeld(FcgidEdited):
    name = "apache-fcgid-held"
    edits = {"FcgidOutputBufferSize 0": ""}


class FcgidSmall(FcgidEdited):
    name = "apache-fcgid-small"
    edits = {"FcgidMaxRequestLen 67108864": ""}


class FcgidLimited(FcgidEdited):
    name = "apache-fcgid-limited"
    edits = {"CGIPassAuth On": """CGIPassAuth On
        RewriteEngine On
        RewriteCond expr "%{HTTP:Content-Length} -gt 100000"
        RewriteRule . - [R=413,L]"""}


class FcgidNoAuth(FcgidEdited):
    name = "apache-fcgid-noauth"
    edits = {"CGIPassAuth On": ""}


class ProxyHeld(ProxyEdited):
    name = "apache-proxy-held"
    edits = {"flushpackets=on ": ""}


def test_doctor_fcgid_held_back():
    only(FcgidHeld, "web.not_streamed", "FcgidOutputBufferSize 0")


def test_doctor_fcgid_small_bodies():
    found = only(FcgidSmall, "web.body", "FcgidMaxRequestLen 67108864")
    assert "130 KB gets 500" in found["finding"], found


def test_doctor_fcgid_limited_by_apache():
    """mod_fcgid's own limit is a 500: who says 413 is not it."""
    found = only(FcgidLimited, "web.body", "LimitRequestBody")
    assert "130 KB gets 413" in found["finding"] and "FcgidMaxRequestLen" not in found["do"], found


def test_doctor_fcgid_authorization():
    only(FcgidNoAuth, "web.authorization", "CGIPassAuth On")


def test_doctor_proxy_held_back():
    only(ProxyHeld, "web.not_streamed", "flushpackets=on")


def test_doctor_cgi_authorization():
    class NoAuth(harness.ApacheCgi):
        name = "apache-cgi-noauth"
        drop = "CGIPassAuth On"
    only(NoAuth, "web.authorization", "CGIPassAuth On")


def nginx(name, *edits):
    return edited(harness.Nginx, name, edits=list(edits))


def test_doctor_nginx_small_bodies():
    """Without the buffering settings it streams all the same: the answer's own header sees to it."""
    plain = nginx("nginx-plain", ("client_max_body_size 64m;", ""),
                  ("fastcgi_buffering off;", ""), ("fastcgi_request_buffering off;", ""))
    found = only(plain, "web.body", "client_max_body_size 64m;")
    assert "1 MB gets 413" in found["finding"], found


def test_doctor_nginx_held_back():
    held = nginx("nginx-held", ("fastcgi_buffering off;",
                                "fastcgi_ignore_headers X-Accel-Buffering; gzip_min_length 0;"),
                 ("gzip off;", "gzip on; gzip_types text/event-stream; gzip_proxied any;"))
    only(held, "web.compressed", "fastcgi_buffering off;", "gzip off;")


def test_doctor_nginx_held_back_whole():
    """Without kept connections it is not compression alone that waits."""
    held = nginx("nginx-held-whole", ("fastcgi_buffering off;",
                                      "fastcgi_ignore_headers X-Accel-Buffering;"),
                 ("fastcgi_keep_conn on;", ""), ("keepalive 8;", ""))
    only(held, "web.not_streamed", "fastcgi_buffering off;", "fastcgi_ignore_headers")


def test_doctor_nginx_silence():
    impatient = nginx("nginx-impatient", ("fastcgi_read_timeout 600s;",
                                          "fastcgi_read_timeout 4s;"))
    only(impatient, "web.silence_cut", "fastcgi_read_timeout 600s;", args=("--silence", "10"))


def test_doctor_nginx_replaced_errors():
    replaced = nginx("nginx-errors", ("fastcgi_send_timeout 600s;",
                                      "fastcgi_intercept_errors on; error_page 529 /sorry.html;"))
    only(replaced, "web.errors_replaced", "fastcgi_intercept_errors off;")


def test_doctor_nginx_what_is_lost():
    """On the way there: a method, a header."""
    lossy = nginx("nginx-lossy", ("gzip off;", """gzip off;
        fastcgi_param HTTP_ANTHROPIC_BETA "";
        if ($request_method = HEAD) { return 405; }"""))
    found = only(lossy, "web.headers", "pass all request headers", also=["web.head_refused"])
    assert "anthropic-beta does not arrive" in found["finding"], found


def test_doctor_nginx_refuses():
    """A POST, a stream alone, the tests' own header: each is told apart from the others."""
    for edit, problem, words in (
            ("if ($request_method = POST) { return 405; }", "web.post", "gets 405 with a page"),
            ("if ($http_x_messages_doctor = stream) { return 403; }", "web.stream_refused",
             "gets 403 with a page"),
            ('fastcgi_param HTTP_X_MESSAGES_DOCTOR "";', "web.no_test",
             "answered a test with 400")):
        with setup(nginx("nginx-refuses", ("gzip off;", "gzip off; " + edit))) as server:
            found = of_web(findings(server.gateway, url(server), env={"MESSAGES_KEY": harness.KEY}))
            assert set(found) == {problem}, (edit, found)
            assert words in found[problem]["finding"], found
            assert not server.gateway.upstream.calls, "a backend was paid for it"


def test_doctor_gateways_own_limit():
    """Of bodies: the doctor's own configuration says it, or the answer does."""
    with setup(harness.Nginx, more="limits = { max_body = 140000; };") as server:
        def limit(config):
            # The base URL as it stands in many a setting.
            found = findings(server.gateway, url(server) + "/v1/", config=config)
            assert not of_web(found), found
            return [(f["level"], f["finding"]) for f in found if f["id"] == "limit.body"]

        assert limit(None) == [("note", "limits.max_body is 140000 bytes: larger bodies were not "
                                        "tried.")]
        other = server.gateway.path("other.conf")
        with open(server.gateway.config) as f:
            text = f.read().replace("max_body = 140000;", "")
        with open(other, "w") as f:
            f.write(text)
        os.chmod(other, 0o600)
        assert limit(other) == [("warning", "The gateway itself refuses 1 MB.")]


def test_doctor_wrong_path():
    with setup(harness.Nginx) as server:
        found = of_web(findings(server.gateway, "http://127.0.0.1:%d/elsewhere" % server.port))
        assert set(found) == {"web.prefix"}, found
        assert "location /ai/" in found["web.prefix"]["do"], found


def test_doctor_program_as_a_file():
    class AsFile(harness.ApacheCgi):
        name = "apache-as-file"

        drop = "\tSetHandler cgi-script"

    with setup(AsFile) as server:
        found = of_web(findings(server.gateway, url(server)))
        assert set(found) == {"web.source"}, found
        assert "SetHandler cgi-script" in found["web.source"]["do"], found


def test_doctor_config_handed_out():
    served = nginx("nginx-served", ("location /ai/ {",
                                    "location = /ai/messages.conf { alias CONFIG; }\n"
                                    "\tlocation /ai/ {"))

    class Served(served):
        def write(self, name, text):
            return super().write(name, text.replace("CONFIG", self.gateway.config))
    only(Served, "web.config_served", "Require all denied")


class ModSecurity(ProxyEdited):
    """The Core Rule Set as Debian ships it, switched on."""
    name = "apache-mod_security"
    modules = ("proxy", "proxy_fcgi", "unique_id", "security2")
    body_limit = "SecRequestBodyNoFilesLimit 67108864\nSecRequestBodyLimit 67108864"
    rules = True

    def settings(self):
        crs = "/usr/share/modsecurity-crs"
        setup = glob.glob("/etc/modsecurity/crs/crs-setup.conf")
        if not setup or not os.path.isdir(crs + "/rules"):
            raise Skip("modsecurity-crs is not installed")
        lines = ["SecRuleEngine On", "SecRequestBodyAccess On", "SecResponseBodyAccess Off",
                 "SecRule REQUEST_HEADERS:Content-Type \"^application/json\" "
                 "\"id:200001,phase:1,t:none,t:lowercase,pass,nolog,"
                 "ctl:requestBodyProcessor=JSON\"",
                 "SecTmpDir \"%s\"" % self.gateway.dir, "SecDataDir \"%s\"" % self.gateway.dir,
                 self.body_limit]
        if self.rules:
            lines += ["Include \"%s\"" % setup[0], "Include \"%s/rules/*.conf\"" % crs]
        return super().settings() + lines


class ModSecuritySmall(ModSecurity):
    """Only its limits, which are small."""
    name = "apache-mod_security-limits"
    body_limit = "SecRequestBodyNoFilesLimit 131072\nSecRequestBodyLimit 13107200"
    rules = False


def test_doctor_mod_security():
    found = only(ModSecurity, "web.firewall", "SecRuleEngine Off", "<Location \"/ai/\">",
                 also=["web.body"])
    assert "403 with a page" in found["finding"], found


def test_doctor_mod_security_limits():
    found = only(ModSecuritySmall, "web.body", "SecRequestBodyNoFilesLimit 67108864")
    assert "130 KB gets 413" in found["finding"], found


# ---- what is not a web server ----

@contextlib.contextmanager
def gateway_with(**settings):
    upstream = Upstream()
    gateway = Gateway(upstream, **settings)
    try:
        yield gateway
    finally:
        gateway.close()
        upstream.close()


def of_backend(found):
    return {f["id"]: f for f in found if f["area"] == "backend test"}


def closed_port():
    return harness.free_port()


def test_doctor_backend_refused():
    with gateway_with(base_url="http://127.0.0.1:%d/v1" % closed_port()) as gateway:
        found = of_backend(findings(gateway, status=1))
        assert set(found) == {"backend.connect"}, found
        assert "refused the connection" in found["backend.connect"]["finding"], found


def test_doctor_backend_name():
    with gateway_with(base_url="http://no-such-host.invalid/v1") as gateway:
        found = of_backend(findings(gateway, status=1))
        assert set(found) == {"backend.dns"}, found


class Listing(Upstream):
    """Answers every request, the one for the list of models too, with this."""

    def __init__(self, status, body, headers=""):
        self.answer = "HTTP/1.1 %d Scripted\r\n%sContent-Length: %d\r\n\r\n%s" % (
            status, headers, len(body), body)
        super().__init__()

    def _one(self, sock, file):
        while file.readline().strip():
            pass
        sock.sendall(self.answer.encode())
        return False


def test_doctor_backend_unauthorized():
    """The key's source is named; the key is not."""
    upstream = Listing(401, '{"error":{"message":"Incorrect API key provided: upstream-secret"}}')
    gateway = Gateway(upstream)
    try:
        found = findings(gateway, status=1)
        key = of_backend(found)["backend.key"]
        assert "answered 401" in key["finding"], key
        assert "refuses the key. The key is from" in key["finding"], key
        assert "messages.conf" in key["finding"], key
        assert "upstream-secret" not in json.dumps(found)
    finally:
        gateway.close()
        upstream.close()


def test_doctor_backend_statuses():
    """What each says of the settings."""
    for status, problem, level, words in (
            (307, "backend.redirect", "error", "it sends callers elsewhere"),
            (402, "backend.quota", "error", "the account has no credit"),
            (403, "backend.key", "error", "this key or this address. The key is from"),
            (404, "backend.path", "warning", "there is no model list at this address"),
            (407, "backend.proxy", "error", "a proxy wants a name and password"),
            (418, "backend.refused", "warning", "it refuses to list its models"),
            (429, "backend.rate", "warning", "it is at its limit now"),
            (503, "backend.down", "warning", "it has trouble of its own"),
            (200, "backend.odd", "warning", "that is no model list")):
        upstream = Listing(status, '{"error":{"message":"its own words"}}',
                           "Location: http://127.0.0.1:1/\r\n" if status == 307 else "")
        gateway = Gateway(upstream)
        try:
            found = of_backend(findings(gateway, status=1 if level == "error" else 0))
            assert set(found) == {problem} and found[problem]["level"] == level, (status, found)
            told = found[problem]["finding"]
            assert " answered %d: " % status in told and words in told, told
            assert "%s" not in found[problem]["do"], found
        finally:
            gateway.close()
            upstream.close()


def test_doctor_backend_without_a_list():
    """Of one that has none, or whose key is the caller's, only the way there can be tried."""
    for settings in (dict(backend='path_models = "";'), dict(access='mode = "passthrough";')):
        with gateway_with(**settings) as gateway:
            gateway.upstream.reset(lambda call: call.whole(401, {}))
            found = of_backend(findings(gateway, status=0))
            assert set(found) == {"backend.reached"}, found
            assert "has no model list" in found["backend.reached"]["finding"], found
            call, = gateway.upstream.calls
            assert (call.method, call.path) == ("GET", "/v1"), call.path
            assert "upstream-secret" not in str(call.headers), call.headers


def test_doctor_many_backends():
    """So many at once; the others are counted."""
    others = "".join('b%d = { dialect = "openai-chat"; base_url = "http://127.0.0.1:1"; };' % i
                     for i in range(40))
    with gateway_with(backend="}; " + others[:-3]) as gateway:
        found = findings(gateway)
        assert len([f for f in found if f["id"] == "backend.connect"]) == 31, found
        more, = [f for f in found if f["id"] == "backend.more"]
        assert more["finding"] == "9 more backends were not looked at.", more


def certificate(folder):
    """A certificate of our own for 127.0.0.1."""
    key, cert = os.path.join(folder, "tls.key"), os.path.join(folder, "tls.pem")
    tool = harness.find_tool("openssl")
    subprocess.run([tool, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out",
                    cert, "-days", "5", "-subj", "/CN=127.0.0.1", "-addext",
                    "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    return key, cert


class TlsUpstream(Upstream):
    def __init__(self, key, cert):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(cert, key)
        super().__init__()

    def _serve(self, sock, *args):
        try:
            super()._serve(self.context.wrap_socket(sock, server_side=True), *args)
        except OSError:
            pass


def test_doctor_backend_certificate():
    with tempfile.TemporaryDirectory() as folder:
        key, cert = certificate(folder)
        upstream = TlsUpstream(key, cert)
        gateway = Gateway(upstream, base_url="https://127.0.0.1:%d/v1" % upstream.port)
        try:
            found = of_backend(findings(gateway, status=1))
            assert set(found) == {"backend.certificate"}, found
            assert "ca_file" in found["backend.certificate"]["do"], found
            gateway.write(backend='ca_file = "%s";' % cert)
            found = of_backend(findings(gateway, status=0))
            assert set(found) == {"backend.answers", "backend.expires"}, found
            assert cert in found["backend.answers"]["finding"], found
            gateway.write(backend='ca_file = "%s";' % key)
            found = of_backend(findings(gateway, status=1))
            assert set(found) == {"backend.anchors"}, found
        finally:
            gateway.close()
            upstream.close()


def test_doctor_folders():
    with gateway_with(more='') as gateway:
        gateway.write(state="/proc/nowhere", log="/proc/nowhere/log")
        found = {f["id"]: f for f in findings(gateway, status=1)}
        assert "state.dir" in found["folder.unwritable"]["finding"], found
        assert "log.dest" in found["log.unwritable"]["finding"], found


def test_doctor_config_error():
    with gateway_with() as gateway:
        gateway.write(more="no_such_setting = 1;")
        found = {f["id"]: f for f in findings(gateway, status=1)}
        assert "no_such_setting" in found["config.error"]["finding"], found


def test_doctor_text():
    with gateway_with() as gateway:
        done = subprocess.run([gateway.program, "doctor", "--config", gateway.config],
                              capture_output=True, text=True, env=harness.clean_env())
        assert done.returncode == 0, done
        assert "It listed 2 models" in done.stdout, done.stdout
        assert re.search(r"\n0 errors, \d+ warnings?\n$", done.stdout), done.stdout
        for args in (["a", "b"], ["ftp://x"], ["--silence", "601"], ["--silence", "x"]):
            done = subprocess.run([gateway.program, "doctor", "--config", gateway.config, *args],
                                  capture_output=True, text=True, env=harness.clean_env())
            assert done.returncode == 2 and not done.stdout and done.stderr, (args, done)


# ---- GET /doctor ----

RIGHTS = """mode = "keys"; keys = (
	{ name = "plain"; sha256 = "%s"; },
	{ name = "doctor"; sha256 = "%s"; endpoints = [ "doctor" ]; } );""" % (
    sha256("sk-plain"), sha256("sk-doctor"))


def ask(server, method, path, body=None, headers=()):
    with client.Client(server.port, server.prefix) as c:
        return c.ask(method, path, body, headers)


def get(server, path, key=None, accept="application/json", method="GET"):
    headers = {"Accept": accept}
    if key:
        headers["x-api-key"] = key
    return ask(server, method, path, headers=headers)


def test_doctor_right():
    with setup(harness.Lighttpd, access=RIGHTS) as server:
        assert get(server, "/doctor").status == 401
        refused = get(server, "/doctor", "sk-plain")
        assert refused.status == 403 and refused.json["error"]["type"] == "permission_error"
        good = get(server, "/doctor?web=1", "sk-doctor")
        assert good.status == 200, good.body
        ids = {f["id"]: f for f in good.json["findings"]}
        assert ids["backend.answers"]["level"] == "ok", ids
        assert {"web.streams", "web.headers_pass", "web.contents", "web.sizes"} <= set(ids), ids
        assert "configuration" in good.json and good.json["recent_errors"] is None
        # A base URL of one's own, but no other host's.
        there = "127.0.0.1:%d" % server.port
        for base, looks in (("http://%s%s" % (there, server.prefix), True),
                            ("HTTP://%s/elsewhere" % there, True), ("http://" + there, True),
                            ("http://127.0.0.1:1/ai", False), ("ftp://%s/ai" % there, False),
                            ("http://x@%s/ai" % there, False), (there + "/ai", False)):
            found = get(server, "/doctor?web=1&url=" + quote(base, ""), "sk-doctor").json
            area = {f["id"]: f for f in found["findings"] if f["area"] == "web server"}
            assert bool(area) == looks, (base, area)
            assert ("web.answers" in area) == (looks and base.endswith(server.prefix)), area
        for secret in ("upstream-secret", sha256("sk-doctor")):
            assert secret not in good.body.decode()


def test_doctor_page():
    with setup(harness.Lighttpd, access=RIGHTS, model="<b>&amp;'scripted'") as server:
        page = get(server, "/doctor", "sk-doctor", "text/html,*/*")
        text = page.body.decode()
        assert page.status == 200 and page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<script" not in text and "<b>&amp;'scripted'" not in text
        assert "&lt;b&gt;&amp;amp;&#39;scripted&#39;" in text, text


def test_doctor_before_any_backend():
    with gateway_with(access=RIGHTS) as gateway:
        with open(gateway.config) as f:
            text = f.read()
        gateway.replace(text[:text.index("proxy_backend")] + text[text.index("access ="):])
        with harness.Lighttpd(gateway) as server:
            found = {f["id"]: f for f in get(server, "/doctor", "sk-doctor").json["findings"]}
        assert found["backend.none"]["level"] == "error", found
        assert "OPENROUTER_API_KEY" in found["backend.none"]["do"], found


def test_doctor_by_its_own_name():
    """With web=1: the scheme, host and path that it was called by."""
    host = "127.0.0.1:%d" % closed_port()
    with Cgi(access=RIGHTS) as cgi:
        for https, scheme in (("on", "https"), ("1", "https"), ("off", "http"), ("", "http"),
                              (None, "http")):
            status, _, body = cgi.ask("GET", "/doctor", REQUEST_URI="/x.fcgi/doctor?web=1",
                                      QUERY_STRING="web=1", HTTPS=https, HTTP_HOST=host,
                                      HTTP_X_API_KEY="sk-doctor")
            assert status == 200, body
            found = of_web(json.loads(body)["findings"])
            told = "%s://%s/x.fcgi can't be reached: " % (scheme, host)
            assert found["web.unreachable"]["finding"].startswith(told), found


WORD = "open-sesame-0123456789"


def test_doctor_word():
    with setup(harness.Nginx, access='mode = "open";',
               more='doctor = { word = "%s"; };' % WORD) as server:
        assert get(server, "/doctor").status == 403
        assert get(server, "/doctor?word=something-else-entirely").status == 403
        assert get(server, "/doctor?word=" + WORD, method="HEAD").status == 200
        good = get(server, "/doctor?word=" + WORD)
        assert good.status == 200 and good.json["findings"], good.body
        assert WORD not in good.body.decode()
        again = get(server, "/doctor?word=" + WORD)
        assert again.status == 403 and "has been used" in again.json["error"]["message"], again.body
        # Another word opens it again.
        server.gateway.write(more='doctor = { word = "%s-again"; };' % WORD)
        harness.wait_for(lambda: get(server, "/doctor?word=%s-again" % WORD).status == 200, 10,
                         "the new word opens")


def test_doctor_word_cgi():
    """A process for each request: state.dir keeps the word from being good twice."""
    with setup(harness.ApacheCgi, access='mode = "open";',
               more='doctor = { word = "%s"; };' % WORD) as server:
        assert get(server, "/doctor?word=" + WORD).status == 200
        assert get(server, "/doctor?word=" + WORD).status == 403


def test_doctor_word_with_keys():
    """Where there are keys the word opens nothing."""
    with setup(harness.Nginx, access=RIGHTS,
               more='doctor = { word = "%s"; };' % WORD) as server:
        assert get(server, "/doctor?word=" + WORD).status == 401


def test_doctor_word_too_short():
    with gateway_with(more='doctor = { word = "short"; };') as gateway:
        found = {f["id"]: f for f in findings(gateway, status=1)}
        assert "doctor.word" in found["config.error"]["finding"], found


# ---- who may ask the gateway's side of the tests ----

def test_doctor_ticket():
    with setup(harness.Nginx, access=RIGHTS) as server:
        def test(headers):
            return ask(server, "POST", "/v1/messages", b"{}",
                                  headers={"Content-Type": "application/json", **headers})
        mode = {"x-messages-doctor": "echo"}
        assert test(mode).status == 401
        assert test({**mode, "x-messages-doctor-ticket": "99999999999.00"}).status == 401
        assert test({**mode, "x-api-key": "sk-doctor"}).status == 403
        good = test({**mode, "x-api-key": "sk-plain"})
        assert good.status == 200 and good.json["bytes"] == 2, good.body
        bad = test({"x-messages-doctor": "silence 601", "x-api-key": "sk-plain"})
        assert bad.status == 400, bad.body
        # Another configuration's ticket is none: the tests are left out, and that is said.
        other = server.gateway.path("other.conf")
        with open(server.gateway.config) as f:
            text = f.read().replace(sha256("sk-plain"), sha256("sk-other"))
        with open(other, "w") as f:
            f.write(text)
        os.chmod(other, 0o600)
        found = of_web(findings(server.gateway, url(server), config=other))
        assert set(found) == {"web.refused"}, found
        found = of_web(findings(server.gateway, url(server), config=other,
                                env={"MESSAGES_KEY": "sk-plain"}))
        assert not found, found


# ---- the earlier system's ----

def test_doctor_readiness():
    with setup(harness.Lighttpd) as server:
        def health(path):
            return get(server, "/health/claude-code/" + path, harness.KEY)
        ready = health("readiness")
        assert ready.status == 200 and ready.json["ready"] is True, ready.body
        assert all(c["ok"] for c in ready.json["checks"]), ready.json
        can = health("capabilities").json
        assert can["backend"] == "test" and can["features"]["streaming"] is True
        assert "POST /v1/messages" in can["endpoints"]
        doing = health("performance").json
        assert doing["backends"][0]["name"] == "test" and doing["requests_running"] == 0
        model = health("compatibility/claude-sonnet-4").json
        assert model["backend_model"] == "scripted" and model["backend"] == "test", model
        assert get(server, "/health/claude-code/readiness").status == 401
        server.gateway.write(base_url="http://127.0.0.1:%d/v1" % closed_port())
        harness.wait_for(lambda: health("readiness").status in (200, 503), 10, "an answer")


def test_doctor_untrusted_server():
    """Clients refuse a certificate of our own, and so does the doctor."""
    with tempfile.TemporaryDirectory() as folder:
        upstream, mute = TlsUpstream(*certificate(folder)), Upstream()
        gateway = Gateway(upstream)
        try:
            found = of_web(findings(gateway, "https://127.0.0.1:%d" % upstream.port, status=1))
            assert set(found) == {"web.unreachable"}, found
            assert "not trusted" in found["web.unreachable"]["finding"], found
            assert "backends." not in found["web.unreachable"]["finding"], found
            assert "NODE_EXTRA_CA_CERTS" in found["web.unreachable"]["do"], found
            found = of_web(findings(gateway, "http://127.0.0.1:%d" % closed_port(), status=1))
            assert "refused the connection" in found["web.unreachable"]["finding"], found
            mute.reset(lambda call: setattr(call, "keep", False))
            found = of_web(findings(gateway, "http://127.0.0.1:%d" % mute.port, status=1))
            assert ": the web server closed the connection" in found["web.unreachable"]["finding"], found
            found = of_web(findings(gateway, "http://no-such-host.invalid/ai", status=1))
            assert found["web.unreachable"]["do"].startswith("Correct the host"), found
            mute.reset(lambda call: call.whole(503, b"<h1>Sorry</h1>", content_type="text/html"))
            found = of_web(findings(gateway, "http://127.0.0.1:%d" % mute.port, status=1),
                           "error", "note")
            assert set(found) == {"web.prefix", "web.log"}, found
            assert "did not start" in found["web.log"]["finding"], found
        finally:
            gateway.close()
            upstream.close()
            mute.close()
