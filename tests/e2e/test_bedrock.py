"""Bedrock: a scripted upstream that computes the signature itself, answers in frames of AWS's event
stream, and damages them.
"""
import base64
import hashlib
import hmac
import json
import os
import struct
import tempfile
import threading
import time
import zlib

from client import message, text_of
from test_errors import error_of
from test_processes import Nginx, Setup
from upstream import Upstream

KEY_ID, SECRET, SESSION = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "FwoGZXIvYXdzE//="
REGION = "eu-central-1"
CLAUDE = "eu.anthropic.claude-opus-4-6-v1:0"
ARN = "arn:aws:bedrock:eu-central-1:123456789012:application-inference-profile/a1b2"
FRAMES = "application/vnd.amazon.eventstream"
STATIC = """region = "%s"; credential = { kind = "aws"; client_id = "%s"; client_secret = "%s";
	session = "%s"; };""" % (REGION, KEY_ID, SECRET, SESSION)


class Bedrock(Setup):
    """A gateway whose backend has no plain key, but AWS's."""

    def __init__(self, model=CLAUDE, backend=STATIC, dialect="bedrock", env=None, more=""):
        super().__init__(Nginx, dialect=dialect, model=model, env=env,
                         backend="retries = 0; " + more + backend)
        self.gateway.write(base_url="http://127.0.0.1:%d" % self.upstream.port)
        with open(self.gateway.config) as f:
            text = f.read()
        with open(self.gateway.config, "w") as f:
            f.write(text.replace('api_key = "upstream-secret"; ', ""))

    def ask(self, body=None, **more):
        with self.client(timeout=30) as client:
            return client.ask("POST", "/v1/messages", body or message(**more))


# ---- the upstream's side ----

def hmac256(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def encode_path(path):
    """The path as it was sent, encoded once more."""
    plain = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/"
    return "".join(chr(c) if c in plain else "%%%02X" % c for c in path.encode())


def check_signature(call, secret=SECRET, key_id=KEY_ID, region=REGION, service="bedrock"):
    scheme, _, rest = call.headers["authorization"].partition(" ")
    assert scheme == "AWS4-HMAC-SHA256", scheme
    parts = dict(p.strip().split("=", 1) for p in rest.split(","))
    date = call.headers["x-amz-date"]
    scope = "%s/%s/%s/aws4_request" % (date[:8], region, service)
    assert parts["Credential"] == "%s/%s" % (key_id, scope), parts
    names = parts["SignedHeaders"].split(";")
    must = {"host", "x-amz-date"} | {n for n in call.headers if n.startswith("x-amz-")}
    assert must <= set(names) and names == sorted(names), names
    path, _, query = call.path.partition("?")
    canonical = "\n".join([call.method, encode_path(path), query] +
                          ["%s:%s" % (n, call.headers[n]) for n in names] +
                          ["", ";".join(names), hashlib.sha256(call.body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ("AWS4" + secret).encode()
    for part in (date[:8], region, service, "aws4_request"):
        key = hmac256(key, part)
    assert parts["Signature"] == hmac256(key, text).hex(), canonical


def header(name, value):
    return (bytes([len(name)]) + name.encode() + b"\x07" + struct.pack(">H", len(value)) +
            value.encode())


def frame(kind, payload, message_type="event"):
    """One message; payload is what becomes its JSON, or bytes that are none."""
    head = (header(":message-type", message_type) + header(":content-type", "application/json") +
            header(":event-type" if message_type == "event" else ":exception-type", kind))
    body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    data = struct.pack(">II", len(head) + len(body) + 16, len(head))
    data += struct.pack(">I", zlib.crc32(data)) + head + body
    return data + struct.pack(">I", zlib.crc32(data))


def chunk(event):
    """An event of the Messages API as InvokeModel sends it."""
    return frame("chunk", {"bytes": base64.b64encode(json.dumps(event).encode()).decode(),
                           "p": "abcdef"})


CHUNKS = [
    {"type": "message_start", "message": {
        "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude-opus-4-6",
        "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1}}},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
     "usage": {"output_tokens": 5}},
    {"type": "message_stop", "amazon-bedrock-invocationMetrics": {"inputTokenCount": 9}},
]
CONVERSE = [
    ("messageStart", {"role": "assistant"}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hel"}}),
    ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "lo"}}),
    ("contentBlockStop", {"contentBlockIndex": 0}),
    ("messageStop", {"stopReason": "end_turn"}),
    ("metadata", {"usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}}),
]


def sending(frames, pause=None):
    """A script that checks the signature and sends these bytes; the fourth when pause is set, or
    after so many seconds, as the end."""
    def script(call):
        try:
            check_signature(call)
        except (AssertionError, KeyError) as why:
            call.whole(403, {"message": "SignatureDoesNotMatch: %r" % (why,)})
            return
        call.begin(FRAMES)
        for number, data in enumerate(frames):
            if pause and number == 3:
                time.sleep(pause) if isinstance(pause, float) else pause.wait(10)
            call.raw(data)
        if isinstance(pause, float):
            time.sleep(pause)
    return script


def whole(call):
    check_signature(call)
    call.whole(200, {"id": "msg_bdrk_1", "type": "message", "role": "assistant",
                     "model": "claude-opus-4-6", "content": [{"type": "text", "text": "ok"}],
                     "stop_reason": "end_turn", "stop_sequence": None,
                     "usage": {"input_tokens": 9, "output_tokens": 5}})


def read(setup, **more):
    """The events of a stream, as (name, data)."""
    with setup.client(timeout=30) as client:
        response, stream = client.stream(message(stream=True, **more))
        assert response.status == 200, response.read()
        return [(name, data) for name, data, _ in stream if name != ":"]


# ---- Claude over InvokeModel ----

def test_bedrock_invoke_stream():
    with Bedrock() as setup:
        setup.upstream.reset(sending([chunk(e) for e in CHUNKS]))
        got = read(setup)
        assert text_of([(n, d, 0) for n, d in got]) == "Hello"
        assert got[0][1]["message"]["model"] == "claude-test", got[0]
        assert "bedrock" not in json.dumps(got[-1]), got[-1]
        call = setup.upstream.wait_call()
        assert call.path == "/model/%s/invoke-with-response-stream" % CLAUDE, call.path
        assert "model" not in call.json and "stream" not in call.json
        assert call.json["anthropic_version"] == "bedrock-2023-05-31"
        assert call.headers["x-amz-security-token"] == SESSION


def test_bedrock_invoke_is_live():
    with Bedrock() as setup:
        go = threading.Event()
        setup.upstream.reset(sending([chunk(e) for e in CHUNKS], pause=go))
        with setup.client(timeout=30) as client:
            _, stream = client.stream(message(stream=True))
            for name, data, _ in stream:
                if name == "content_block_delta":
                    assert data["delta"]["text"] == "Hel"
                    break
            go.set()
            assert [n for n, _, _ in stream if n != ":"][-1] == "message_stop"


def test_bedrock_invoke_whole_and_large():
    """A body that is sent piece by piece is signed as a whole; an ARN is one segment."""
    with Bedrock(model=ARN, dialect="bedrock-anthropic") as setup:
        setup.upstream.reset(whole)
        for text in ("hi", "x" * 300000):
            answer = setup.ask(message(text))
            assert answer.status == 200, answer.body
            assert answer.json["content"][0]["text"] == "ok"
        assert setup.upstream.calls[0].path == \
            "/model/%s/invoke" % ARN.replace("/", "%2F"), setup.upstream.calls[0].path


def test_bedrock_betas():
    """One beta that Bedrock does not know fails the whole request."""
    with Bedrock(more='pass_betas = [ "claude-code-*" ]; ') as setup:
        setup.upstream.reset(whole)
        with setup.client(timeout=30) as client:
            answer = client.ask("POST", "/v1/messages?beta=true", message(), [
                ("anthropic-beta", "claude-code-20250219,prompt-caching-scope-2026-01-05")])
        assert answer.status == 200, answer.body
        call = setup.upstream.wait_call()
        assert call.json["anthropic_beta"] == ["claude-code-20250219"]
        assert "anthropic-beta" not in call.headers


def test_bedrock_count():
    with Bedrock(model=CLAUDE[3:]) as setup:    # without a region it is the same model
        setup.upstream.reset(lambda call: call.whole(200, b"321"))
        with setup.client(timeout=30) as client:
            answer = client.ask("POST", "/v1/messages/count_tokens", {
                "model": "claude-test", "messages": [{"role": "user", "content": "hi"}]})
        assert 0 < answer.json["input_tokens"] < 321, answer.body       # estimated
        call = setup.upstream.wait_call()
        assert call.path == "/model/anthropic.claude-opus-4-6-v1:0/count-tokens", call.path
    with Bedrock() as setup:
        def script(call):
            check_signature(call)
            call.whole(200, {"inputTokens": 321})
        setup.upstream.reset(script)
        with setup.client(timeout=30) as client:
            answer = client.ask("POST", "/v1/messages/count_tokens", {
                "model": "claude-test", "messages": [{"role": "user", "content": "hi"}]})
        assert answer.json == {"input_tokens": 321}, answer.body
        call = setup.upstream.wait_call()
        assert call.path == "/model/anthropic.claude-opus-4-6-v1:0/count-tokens", call.path
        body = json.loads(base64.b64decode(call.json["input"]["invokeModel"]["body"]))
        assert body["max_tokens"] > 0 and body["anthropic_version"], body


def test_bedrock_count_converse():
    with Bedrock(model="us.amazon.nova-pro-v1:0") as setup:
        def script(call):
            check_signature(call)
            call.whole(200, {"inputTokens": 7})
        setup.upstream.reset(script)
        with setup.client(timeout=30) as client:
            answer = client.ask("POST", "/v1/messages/count_tokens", {
                "model": "claude-test", "messages": [{"role": "user", "content": "hi"}]})
        assert answer.json == {"input_tokens": 7}, answer.body
        call = setup.upstream.wait_call()
        assert call.path == "/model/amazon.nova-pro-v1:0/count-tokens", call.path
        assert call.json == {"input": {"converse": {"messages": [
            {"role": "user", "content": [{"text": "hi"}]}]}}}, call.json


# ---- the list of models ----

MODELS = {"modelSummaries": [
    {"modelId": "amazon.nova-pro-v1:0", "modelName": "Nova Pro", "outputModalities": ["TEXT"],
     "inferenceTypesSupported": ["ON_DEMAND"]},
    {"modelId": "anthropic.claude-opus-4-6-v1", "modelName": "Claude", "outputModalities": ["TEXT"],
     "inferenceTypesSupported": ["INFERENCE_PROFILE"]},
    {"modelId": "amazon.titan-embed", "outputModalities": ["EMBEDDING"],
     "inferenceTypesSupported": ["ON_DEMAND"]},
    {"modelId": "meta.llama-bare"}]}
PROFILES = {"inferenceProfileSummaries": [
    {"inferenceProfileId": CLAUDE, "inferenceProfileName": "EU Claude", "status": "ACTIVE",
     "type": "SYSTEM_DEFINED"},
    {"inferenceProfileId": "a1b2", "inferenceProfileArn": ARN, "inferenceProfileName": "team",
     "status": "ACTIVE", "type": "APPLICATION"},
    {"inferenceProfileId": "eu.gone.v1:0", "status": "INACTIVE", "type": "SYSTEM_DEFINED"}]}


def listing(call, broken=()):
    check_signature(call)
    assert call.method == "GET", call.method
    for path, answer in (("/foundation-models?byOutputModality=TEXT", MODELS),
                         ("/inference-profiles?maxResults=1000", PROFILES)):
        if call.path == path and path not in broken:
            return call.whole(200, answer)
    return call.whole(403, {"message": "not authorized"})


def test_bedrock_health():
    """The way there is looked at by the first of its lists, signed like any call."""
    with Bedrock() as setup:
        def script(call):
            check_signature(call)
            call.whole(403, {"message": "not for you"})

        setup.upstream.reset(script)
        with setup.client() as client:
            answer = client.ask("GET", "/health/detailed")
        backend = answer.json["backend"]
        assert (backend["reachable"], backend.get("status")) == (True, 403), backend
        assert [call.path for call in setup.upstream.calls] == [
            "/foundation-models?byOutputModality=TEXT"]


def test_bedrock_models():
    """Models that can be called by their id, and profiles, whichever way they are called; one list
    that is refused takes nothing from the other."""
    for dialect in ("bedrock", "bedrock-anthropic"):
        with Bedrock(dialect=dialect, more='headers = ({ name = "x-team"; value = "a"; });') as setup:
            setup.upstream.reset(listing)
            with setup.client(timeout=30) as client:
                models = client.ask("GET", "/v1/models?limit=1000").json["data"]
            ids = [m["id"] for m in models]
            for one in ("amazon.nova-pro-v1:0", CLAUDE, ARN):
                assert any(one in i for i in ids), (one, ids)
            assert not any("titan" in i or "eu.gone" in i for i in ids), ids
            assert "anthropic.claude-opus-4-6-v1" not in ids, ids
            bare = [m for m in models if m["id"].endswith("/meta.llama-bare")]
            assert bare and bare[0]["display_name"] == "meta.llama-bare", ids
            assert {c.headers["x-team"] for c in setup.upstream.calls} == {"a"}
    with Bedrock() as setup:
        setup.upstream.reset(lambda call: listing(
            call, ["/foundation-models?byOutputModality=TEXT"]))
        with setup.client(timeout=30) as client:
            ids = [m["id"] for m in client.ask("GET", "/v1/models?limit=1000").json["data"]]
        assert any(ARN in i for i in ids), ids


# ---- Converse ----

def test_bedrock_converse_stream():
    with Bedrock(model="amazon.nova-pro-v1:0") as setup:
        setup.upstream.reset(sending([frame(*f) for f in CONVERSE]))
        got = read(setup)
        assert text_of([(n, d, 0) for n, d in got]) == "Hello"
        delta = [d for n, d in got if n == "message_delta"][0]
        assert delta["usage"]["input_tokens"] == 9 and delta["usage"]["output_tokens"] == 5, delta
        assert setup.upstream.wait_call().path == "/model/amazon.nova-pro-v1:0/converse-stream"


def test_bedrock_guardrail_tier_and_cache():
    """Headers of InvokeModel, which are signed, and members of Converse; who was stopped by the
    guardrail has been refused."""
    more = 'guardrail = { id = "gr1"; version = "2"; trace = "enabled"; }; service_tier = "flex"; '
    stopped = [dict(e) for e in CHUNKS]
    stopped[0]["message"] = dict(stopped[0]["message"])
    stopped[0]["amazon-bedrock-guardrailAction"] = "INTERVENED"
    with Bedrock(more=more) as setup:
        setup.upstream.reset(sending([chunk(e) for e in stopped]))
        got = read(setup)
        delta = [d for n, d in got if n == "message_delta"][0]["delta"]
        assert delta["stop_reason"] == "refusal" and "bedrock" not in json.dumps(got), got
        sent = setup.upstream.wait_call().headers
        assert sent["x-amzn-bedrock-guardrailidentifier"] == "gr1", sent
        assert sent["x-amzn-bedrock-guardrailversion"] == "2", sent
        assert sent["x-amzn-bedrock-trace"].lower() == "enabled", sent
        assert sent["x-amzn-bedrock-service-tier"] == "flex", sent
    stopped = [("messageStop", {"stopReason": "guardrail_intervened"}) if f[0] == "messageStop" else f
               for f in CONVERSE]
    marked = {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    with Bedrock(more=more, dialect="bedrock-converse") as setup:
        setup.upstream.reset(sending([frame(*f) for f in stopped]))
        got = read(setup, messages=[{"role": "user", "content": [marked]}])
        delta = [d for n, d in got if n == "message_delta"][0]["delta"]
        assert delta["stop_reason"] == "refusal", got
        sent = setup.upstream.wait_call().json
        guard = sent["guardrailConfig"]
        assert guard["guardrailIdentifier"] == "gr1" and guard["guardrailVersion"] == "2", guard
        assert guard["trace"] == "enabled" and sent["serviceTier"] == {"type": "flex"}, sent
        assert sent["messages"][0]["content"] == [
            {"text": "hi"}, {"cachePoint": {"type": "default", "ttl": "1h"}}], sent


def test_bedrock_tool_round():
    """A call with its result, as a client sends it back."""
    frames = [frame(*f) for f in (
        ("messageStart", {"role": "assistant"}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {
            "reasoningContent": {"text": "I must look."}}}),
        ("contentBlockDelta", {"contentBlockIndex": 0, "delta": {
            "reasoningContent": {"signature": "SIG=="}}}),
        ("contentBlockStop", {"contentBlockIndex": 0}),
        ("contentBlockStart", {"contentBlockIndex": 1, "start": {
            "toolUse": {"toolUseId": "tooluse_1", "name": "look"}}}),
        ("contentBlockDelta", {"contentBlockIndex": 1, "delta": {
            "toolUse": {"input": "{\"n\": 1.50}"}}}),
        ("contentBlockStop", {"contentBlockIndex": 1}),
        ("messageStop", {"stopReason": "tool_use"}),
        ("metadata", {"usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}}))]
    tools = [{"name": "look", "input_schema": {"type": "object"}}]
    with Bedrock(dialect="bedrock-converse") as setup:
        setup.upstream.reset(sending(frames))
        blocks, inputs = {}, {}
        for name, data in read(setup, tools=tools):
            if name == "content_block_start":
                blocks[data["index"]] = data["content_block"]
            if name != "content_block_delta":
                continue
            block, delta = blocks[data["index"]], data["delta"]
            for key in ("thinking", "signature"):
                block[key] = block.get(key, "") + delta[key] if key in delta else block.get(key)
            inputs[data["index"]] = inputs.get(data["index"], "") + delta.get("partial_json", "")
        thinking, use = blocks[0], blocks[1]
        assert use["name"] == "look" and json.loads(inputs[1]) == {"n": 1.5}, (use, inputs)
        setup.upstream.reset(sending([frame(*f) for f in CONVERSE]))
        body = message(stream=True, tools=tools)
        body["messages"] += [
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": thinking["thinking"],
                 "signature": thinking["signature"]},
                {"type": "tool_use", "id": use["id"], "name": "look", "input": {"n": 1.5}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": use["id"], "content": "seen"}]}]
        with setup.client(timeout=30) as client:
            _, stream = client.stream(body)
            assert text_of(stream) == "Hello"
        sent = setup.upstream.wait_call().json["messages"]
        assert sent[1]["content"] == [
            {"reasoningContent": {"reasoningText": {"text": "I must look.", "signature": "SIG=="}}},
            {"toolUse": {"toolUseId": "tooluse_1", "name": "look", "input": {"n": 1.5}}}], sent
        assert sent[2]["content"][0]["toolResult"]["toolUseId"] == "tooluse_1", sent


# ---- what goes wrong ----

def test_bedrock_frames_damaged():
    """A wrong checksum, a cut, an event that is not JSON and an exception: an error event each,
    never a finished answer."""
    good = [frame(*f) for f in CONVERSE]
    bad = bytearray(good[3])
    bad[-6] ^= 1
    slow = frame("throttlingException", {"message": "Too many requests"}, "exception")
    cases = ((good[:3] + [bytes(bad)] + good[4:], "checksum"),
             (good[:3], "before its answer was complete"),
             (good[:3] + [good[3][:20]], "before its answer was complete"),
             (good[:3] + [frame("contentBlockDelta", b'{"contentBlockIndex":')], "not JSON"),
             (good[:3] + [slow], "Too many requests"))
    with Bedrock(model="amazon.nova-pro-v1:0") as setup:
        for frames, words in cases:
            setup.upstream.reset(sending(frames, pause=0.3))
            got = read(setup)
            assert got[-1][0] == "error" and words in json.dumps(got[-1][1]), (words, got[-1])
            assert "message_stop" not in [n for n, _ in got], got


def test_bedrock_exception_first():
    with Bedrock(model="amazon.nova-pro-v1:0") as setup:
        setup.upstream.reset(sending([frame("throttlingException", {"message": "slow down"},
                                            "exception")]))
        text = error_of(setup.ask(stream=True), 429, "rate_limit_error")
        assert text == "slow down", text


def test_bedrock_errors():
    with Bedrock() as setup:
        setup.upstream.reset(lambda call: call.whole(
            400, {"message": "Input is too long for requested model."}))
        text = error_of(setup.ask(), 400, "invalid_request_error")
        assert text.startswith("prompt is too long"), text
        setup.upstream.reset(lambda call: call.whole(403, {"message": "not authorized"}))
        text = error_of(setup.ask(), 502, "api_error")
        assert "not authorized" in text and SECRET not in text, text
        setup.upstream.reset(lambda call: call.whole(
            400, {"message": "quota"}, [("x-amzn-ErrorType", "ServiceQuotaExceededException:")]))
        assert error_of(setup.ask(), 429, "rate_limit_error") == "quota"
        # AWS quotes the request that it has checked the signature of.
        setup.upstream.reset(lambda call: call.whole(400, {"message": "odd: %s, %s" % (
            call.headers["authorization"], call.headers["x-amz-security-token"])}))
        text = error_of(setup.ask(), 400, "invalid_request_error")
        assert "odd: AWS4-HMAC-SHA256" in text and "x-amz-date" in text, text
        assert SESSION not in text and KEY_ID not in text, text


# ---- credentials ----

def test_bedrock_api_key():
    """A Bedrock API key is a Bearer token and takes the place of the signature."""
    with Bedrock(backend='region = "%s"; api_key = "env:BEDROCK_KEY"; ' % REGION,
                 env={"BEDROCK_KEY": "ABSK-1"}) as setup:
        setup.upstream.reset(lambda call: call.whole(429, {"message": "x"}))
        setup.ask()
        assert setup.upstream.wait_call().headers["authorization"] == "Bearer ABSK-1"


def role_answer(action, number):
    return {action + "Response": {action + "Result": {"Credentials": {
        "AccessKeyId": "ASIA%d" % number, "SecretAccessKey": "role-secret",
        "SessionToken": "role-session", "Expiration": time.time() + 3600}}}}


def test_bedrock_role():
    """A role is assumed once, with a signed call, and its session signs what follows."""
    sts = Upstream()

    def issue(call):
        check_signature(call, service="sts")
        assert b"Action=AssumeRole&" in call.body and b"role%2Ftest" in call.body, call.body
        call.whole(200, role_answer("AssumeRole", 1))
    sts.script = issue
    backend = STATIC.replace("kind =", 'role = "arn:aws:iam::1:role/test"; '
                             'token_url = "http://127.0.0.1:%d/"; kind =' % sts.port)
    try:
        with Bedrock(backend=backend) as setup:
            setup.upstream.reset(lambda call: call.whole(429, {"message": "x"}))
            setup.ask()
            setup.ask()
            for call in setup.upstream.calls:
                check_signature(call, secret="role-secret", key_id="ASIA1")
                assert call.headers["x-amz-security-token"] == "role-session"
            assert len(sts.calls) == 1 and len(setup.upstream.calls) == 2
    finally:
        sts.close()


def test_bedrock_instance():
    """The metadata service, version 2 alone: a token first, then the role's keys."""
    imds = Upstream()

    def answer(call):
        if call.path == "/latest/api/token":
            assert call.method == "PUT"
            assert call.headers["x-aws-ec2-metadata-token-ttl-seconds"]
            call.whole(200, b"TOKEN", content_type="text/plain")
            return
        assert call.headers["x-aws-ec2-metadata-token"] == "TOKEN"
        if call.path.endswith("/security-credentials/"):
            call.whole(200, b"my-role\n", content_type="text/plain")
        else:
            assert call.path.endswith("/security-credentials/my-role"), call.path
            call.whole(200, {"Code": "Success", "AccessKeyId": "ASIA9", "Token": "t9",
                             "SecretAccessKey": "s9", "Expiration": "2036-01-01T00:00:00Z"})
    imds.script = answer
    env = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": "http://127.0.0.1:%d" % imds.port, "HOME": "/nowhere"}
    try:
        with Bedrock(backend='region = "%s"; credential = { kind = "aws"; };' % REGION,
                     env=env) as setup:
            setup.upstream.reset(lambda call: call.whole(429, {"message": "x"}))
            setup.ask()
            check_signature(setup.upstream.wait_call(), secret="s9", key_id="ASIA9")
    finally:
        imds.close()


CHAIN = 'region = "%s"; credential = { kind = "aws"; %%s };' % REGION


def used_by(env, more=""):
    """The call that a gateway makes whose credential has to be found in this environment."""
    with Bedrock(backend=CHAIN % more, env=env) as setup:
        setup.upstream.reset(lambda call: call.whole(429, {"message": "x"}))
        setup.ask()
        return setup.upstream.wait_call()


def temporary(text):
    """A file that the gateway can read."""
    file = tempfile.NamedTemporaryFile("w", prefix="messages-e2e-", dir="/tmp")
    file.write(text)
    file.flush()
    os.chmod(file.name, 0o644)
    return file


def test_bedrock_profile():
    with temporary("[default]\naws_access_key_id = A\naws_secret_access_key = a\n"
                   "# [work]\n[work]\n aws_access_key_id=B\naws_secret_access_key = b/=\n"
                   "aws_session_token = s=\n") as file:
        env = {"AWS_SHARED_CREDENTIALS_FILE": file.name}
        check_signature(used_by(env), secret="a", key_id="A")
        call = used_by(env, 'profile = "work";')
        check_signature(call, secret="b/=", key_id="B")
        assert call.headers["x-amz-security-token"] == "s="
        with Bedrock(backend=CHAIN % 'profile = "none";', env=env) as setup:
            text = error_of(setup.ask(), 502, "api_error")
            assert "[none]" in text and not setup.upstream.calls, text


def test_bedrock_container():
    agent = Upstream()

    def answer(call):
        assert call.headers["authorization"] == "pod token", call.headers
        call.whole(200, {"AccessKeyId": "ASIA5", "SecretAccessKey": "s5", "Token": "t5",
                         "Expiration": "2036-01-01T00:00:00Z"})
    agent.script = answer
    try:
        with temporary("pod token\n") as file:
            call = used_by({
                "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:%d/v1/x" % agent.port,
                "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": file.name, "HOME": "/nowhere"})
            check_signature(call, secret="s5", key_id="ASIA5")
    finally:
        agent.close()


def test_bedrock_web_identity():
    sts = Upstream()

    def issue(call):
        assert "authorization" not in call.headers, call.headers
        assert b"WebIdentityToken=jwt.%2B.x" in call.body, call.body
        call.whole(200, role_answer("AssumeRoleWithWebIdentity", 3))
    sts.script = issue
    try:
        with temporary("jwt.+.x\n") as file:
            call = used_by({"AWS_WEB_IDENTITY_TOKEN_FILE": file.name,
                            "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"},
                           'token_url = "http://127.0.0.1:%d/";' % sts.port)
            check_signature(call, secret="role-secret", key_id="ASIA3")
    finally:
        sts.close()


def test_bedrock_nowhere():
    with Bedrock(backend=CHAIN % "", env={"HOME": "/nowhere",
                                          "AWS_EC2_METADATA_DISABLED": "true"}) as setup:
        text = error_of(setup.ask(), 502, "api_error")
        assert "AWS_ACCESS_KEY_ID" in text and not setup.upstream.calls, text
