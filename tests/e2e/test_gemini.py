"""Gemini and Vertex behind a scripted upstream: a tool round trip with its signature and ids, token
counts, models, and Google's ways to a token. Requests run as CGI programs, a process each.
"""
import base64
import json
import os
import shutil
import subprocess
import tempfile

import harness
from client import message
from harness import KEY
from upstream import Upstream

GEMINI = 'preset = "GEMINI"; retries = 0;'
VERTEX = 'preset = "%s"; retries = 0; project = "p"; region = "eu-x1"; '
TOOLS = [{"name": "look", "description": "Looks", "input_schema": {
    "$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
    "properties": {"where": {"type": ["string", "null"]}}, "additionalProperties": False}}]


def chunk(parts, finish=None):
    candidate = {"content": {"role": "model", "parts": parts}, "index": 0}
    if finish:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": "gemini-x", "responseId": "r",
            "usageMetadata": {"promptTokenCount": 12, "candidatesTokenCount": 3}}


def says(call, *parts):
    call.begin()
    for part in parts[:-1]:
        call.event(chunk([part]))
    call.event(chunk([parts[-1]], "STOP"))


class Google:
    """A backend that keeps what it was asked; answers come from a list of functions."""

    def __init__(self, *answers, dialect="gemini", backend=GEMINI, env=None, model="gemini-3-pro",
                 base="/v1beta"):
        self.upstream, self.calls, self.answers = Upstream(), [], list(answers)
        self.upstream.script = self.script
        self.gateway = harness.Gateway(
            self.upstream, env=env, dialect=dialect, backend=backend, model=model,
            base_url="http://127.0.0.1:%d%s" % (self.upstream.port, base))

    def script(self, call):
        self.calls.append(call)
        (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(call)

    def without_key(self):
        """api_key of the harness would be a plain key."""
        with open(self.gateway.config) as f:
            text = f.read()
        with open(self.gateway.config, "w") as f:
            f.write(text.replace('api_key = "upstream-secret"; ', "")
                    .replace("UPSTREAM", "127.0.0.1:%d" % self.upstream.port))
        return self

    def ask(self, body=None, path="/v1/messages", method="POST", **more):
        body = b"" if method == "GET" else json.dumps(body or message(**more)).encode()
        env = harness.clean_env(
            GATEWAY_INTERFACE="CGI/1.1", REQUEST_METHOD=method, SCRIPT_NAME="", HTTP_HOST="x",
            PATH_INFO=path, QUERY_STRING="", SERVER_PROTOCOL="HTTP/1.1",
            CONTENT_TYPE="application/json", CONTENT_LENGTH=str(len(body)), HTTP_X_API_KEY=KEY,
            MESSAGES_CONF=self.gateway.config, REMOTE_ADDR="127.0.0.1", **self.gateway.env)
        done = subprocess.run([self.gateway.program], input=body, env=env, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
        head, _, answer = done.stdout.partition(b"\r\n\r\n")
        status = [h for h in head.split(b"\r\n") if h.lower().startswith(b"status:")]
        status = int(status[0].split()[1]) if status else 200
        assert status == 200, (status, answer)
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.upstream.close()
        self.gateway.close()


def test_gemini_tool_round():
    """What Gemini gave with its call comes back to it as it was."""
    call = {"functionCall": {"id": "fc-1", "name": "look", "args": {"where": "here"}},
            "thoughtSignature": "c2lnbmF0dXJl"}
    with Google(lambda c: says(c, {"text": "Hm.", "thought": True}, call),
                lambda c: says(c, {"text": "Seen."})) as google:
        turns = [{"role": "user", "content": "look"}]
        first = google.ask(message(messages=turns, tools=TOOLS, max_tokens=9000))
        assert first["stop_reason"] == "tool_use", first
        use = first["content"][-1]
        assert use["input"] == {"where": "here"} and use["name"] == "look", use
        turns += [{"role": "assistant", "content": first["content"]},
                  {"role": "user", "content": [
                      {"type": "tool_result", "tool_use_id": use["id"], "content": "a wall"}]}]
        second = google.ask(message(messages=turns, tools=TOOLS, max_tokens=9000))
        assert second["content"] == [{"type": "text", "text": "Seen."}], second
        sent = google.calls[1]
        assert sent.path == "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse", sent.path
        assert sent.headers["x-goog-api-key"] == "upstream-secret", sent.headers
        assert sent.json["contents"][1:] == [
            {"role": "model", "parts": [{"text": "Hm.", "thought": True}, call]},
            {"role": "user", "parts": [{"functionResponse": {
                "id": "fc-1", "name": "look", "response": {"content": "a wall"}}}]}], sent.body
        assert sent.json["tools"][0]["functionDeclarations"][0]["parameters"] == {
            "type": "object",
            "properties": {"where": {"type": "string", "nullable": True}}}, sent.body


def test_gemini_signature_refused():
    """A 400 about a signature is worth one try without any."""
    refused = {"error": {"code": 400, "message": "Thought signature is not valid",
                         "status": "INVALID_ARGUMENT"}}
    with Google(lambda c: c.whole(400, refused), lambda c: says(c, {"text": "ok"})) as google:
        state = base64.urlsafe_b64encode(b"cc2ln").decode().rstrip("=")
        turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": [
            {"type": "thinking", "thinking": "", "signature": "mf1.test." + state},
            {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_1", "content": "b"}]}]
        google.ask(message(messages=turns, tools=TOOLS))
        signatures = [c.json["contents"][1]["parts"][0]["thoughtSignature"]
                      for c in google.calls]
        assert signatures == ["c2ln", "skip_thought_signature_validator"], signatures


def test_gemini_count_and_models():
    with Google(lambda c: c.whole(200, {"totalTokens": 42})) as google:
        count = google.ask({"model": "claude-x", "messages": [{"role": "user", "content": "a"}]},
                           path="/v1/messages/count_tokens")
        assert count == {"input_tokens": 42}, count
        sent = google.calls[0]
        assert sent.path == "/v1beta/models/gemini-3-pro:countTokens", sent.path
        assert sent.json == {"generateContentRequest": {
            "model": "models/gemini-3-pro",
            "contents": [{"role": "user", "parts": [{"text": "a"}]}]}}, sent.body
    listed = {"models": [
        {"name": "models/gemini-x", "displayName": "Gemini X", "inputTokenLimit": 1048576,
         "outputTokenLimit": 65536, "supportedGenerationMethods": ["generateContent"]},
        {"name": "models/embed-x", "supportedGenerationMethods": ["embedContent"]},
        {"name": "tuned-y"}]}
    with Google(lambda c: c.whole(200, listed)) as google:
        models = google.ask(path="/v1/models", method="GET")["data"]
        ids = [m["id"] for m in models]
        assert not [i for i in ids if "embed" in i], ids
        told = [[m.get(k) for k in ("display_name", "max_input_tokens", "max_tokens")]
                for name in ("gemini-x", "tuned-y") for m in models if m["id"].endswith("/" + name)]
        assert told[0] == ["Gemini X", 1048576, 65536] and ["tuned-y", None, None] in told, models


# ---- Vertex ----

def unpadded(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Account:
    """A service account whose key openssl makes."""

    def __init__(self, token_uri):
        if not shutil.which("openssl"):
            raise harness.Skip("openssl is not installed")
        self.dir = tempfile.mkdtemp(prefix="messages-e2e-", dir="/tmp")
        self.key, self.file = self.path("key.pem"), self.path("account.json")
        subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-out", self.key], check=True,
                       stderr=subprocess.DEVNULL)
        with open(self.key) as f:
            key = f.read()
        with open(self.file, "w") as f:
            json.dump({"type": "service_account", "client_email": "me@p.test",
                       "private_key_id": "k1", "private_key": key, "token_uri": token_uri}, f)
        os.chmod(self.file, 0o600)

    def path(self, name):
        return os.path.join(self.dir, name)

    def verify(self, jwt):
        """The claims of a JWT that this account's key has signed."""
        head, claims, signature = jwt.split(".")
        with open(self.path("signed"), "w") as f:
            f.write(head + "." + claims)
        with open(self.path("signature"), "wb") as f:
            f.write(unpadded(signature))
        subprocess.run(["openssl", "dgst", "-sha256", "-prverify", self.key, "-signature",
                        self.path("signature"), self.path("signed")], check=True,
                       stdout=subprocess.DEVNULL)
        assert json.loads(unpadded(head)) == {"alg": "RS256", "typ": "JWT", "kid": "k1"}, head
        return json.loads(unpadded(claims))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


def vertex_script(tokens):
    """Gives out a token, and answers what comes with the last of them."""
    def script(call):
        if call.path.endswith("/token"):
            name = tokens.pop(0)
            call.whole(200, {"access_token": name, "expires_in": 3600, "token_type": "Bearer"})
        elif call.headers["authorization"] != "Bearer good":
            call.whole(401, {"error": {"code": 401, "message": "Request had invalid credentials",
                                       "status": "UNAUTHENTICATED"}})
        else:
            says(call, {"text": "ok"})
    return script


def test_vertex_service_account():
    """A token is had for a signed JWT, kept for the next process, renewed when it is refused."""
    with Google(vertex_script(["bad", "good"]), backend=VERTEX % "VERTEX" +
                'credential = { source = "FILE"; };', base="/v1/projects/{project}/locations/"
                "{region}/publishers/google").without_key() as google:
        uri = "http://127.0.0.1:%d/token" % google.upstream.port
        with Account(uri) as account:
            with open(google.gateway.config) as f:
                text = f.read()
            with open(google.gateway.config, "w") as f:
                f.write(text.replace("FILE", account.file))
            google.ask()
            google.ask()
            asked = [c for c in google.calls if c.path == "/token"]
            assert len(asked) == 2, [c.path for c in google.calls]
            form = dict(p.split("=") for p in asked[0].body.decode().split("&"))
            assert form["grant_type"] == "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer"
            claims = account.verify(form["assertion"])
            assert claims["iss"] == "me@p.test" and claims["aud"] == uri, claims
            assert claims["scope"] == "https://www.googleapis.com/auth/cloud-platform", claims
            assert claims["exp"] - claims["iat"] == 3600, claims
            assert google.calls[-1].path == "/v1/projects/p/locations/eu-x1/publishers/google/" \
                "models/gemini-3-pro:streamGenerateContent?alt=sse", google.calls[-1].path


def test_vertex_metadata_server():
    with Google(vertex_script(["good"]), backend=VERTEX % "VERTEX", env={"HOME": "/nonexistent"}) \
            .without_key() as google:
        google.gateway.env["GCE_METADATA_HOST"] = "127.0.0.1:%d" % google.upstream.port
        google.ask()
        asked = google.calls[0]
        assert asked.headers["metadata-flavor"] == "Google", asked.headers
        assert asked.path == "/computeMetadata/v1/instance/service-accounts/default/token"


def test_vertex_claude():
    answer = {"id": "msg_vrtx_1", "type": "message", "role": "assistant", "model": "claude",
              "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn",
              "stop_sequence": None, "usage": {"input_tokens": 3, "output_tokens": 2}}
    with Google(lambda c: c.whole(200, answer), dialect="vertex-anthropic",
                backend=VERTEX % "VERTEX_ANTHROPIC", model="claude-sonnet-4-5@20250929",
                base="/v1/p") as google:
        assert google.ask()["content"] == answer["content"]
        sent = google.calls[0]
        assert sent.path == "/v1/p/models/claude-sonnet-4-5@20250929:rawPredict", sent.path
        assert sent.headers["authorization"] == "Bearer upstream-secret", sent.headers
        assert sent.json["anthropic_version"] == "vertex-2023-10-16", sent.body
        assert "model" not in sent.json, sent.body
        google.answers = [lambda c: c.whole(200, {"input_tokens": 7})]
        count = google.ask({"model": "claude-x", "messages": [{"role": "user", "content": "a"}]},
                           path="/v1/messages/count_tokens")
        assert count == {"input_tokens": 7}, count
        sent = google.calls[1]
        assert sent.path == "/v1/p/models/count-tokens:rawPredict", sent.path
        assert sent.json["model"] == "claude-sonnet-4-5@20250929", sent.body


def test_vertex_models():
    """Model Garden has more than models that answer; Claude's older ones go by their date."""
    google = {"publisherModels": [
        {"name": "publishers/google/models/gemini-x-pro", "versionId": "default"},
        {"name": "publishers/google/models/gemini-embedding-001", "versionId": "default"},
        {"name": "publishers/google/models/bert-base", "versionId": "001"}]}
    claude = {"publisherModels": [
        {"name": "publishers/anthropic/models/claude-old", "versionId": "20250929"},
        {"name": "publishers/anthropic/models/claude-new", "versionId": "default"}]}
    for dialect, preset, maker, answer, there in (
            ("gemini", "VERTEX", "google", google, ["gemini-x-pro"]),
            ("vertex-anthropic", "VERTEX_ANTHROPIC", "anthropic", claude,
             ["claude-old@20250929", "claude-new"])):
        with Google(lambda c, a=answer: c.whole(200, a), dialect=dialect,
                    backend=VERTEX % preset, base="/v1/p") as setup:
            ids = [m["id"] for m in setup.ask(path="/v1/models", method="GET")["data"]]
            for one in there:
                assert [i for i in ids if i.endswith(one)], (one, ids)
            assert not [i for i in ids if "embedding" in i or "bert" in i], ids
            assert setup.calls[0].path == "/v1beta1/publishers/%s/models?pageSize=1000" % maker, \
                setup.calls[0].path
