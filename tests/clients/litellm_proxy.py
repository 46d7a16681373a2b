"""Both ways to a real LiteLLM proxy: LITELLM_OPENROUTER through its OpenAI side, LITELLM_MESSAGES
through its Messages side. The proxy's own backend is scripted and speaks what OpenAI's do: chat
completions, as OpenRouter says them, and the Responses API.

One row of WAYS a way through; every test of TESTS runs on each.
"""
import json
import os
import subprocess
import tempfile

import harness
from client import message, text_of
from misbehave import CALLED, MESSAGE, STOP, USAGE, call as tool_call, calls, chunk, stream, text
from rounds import ARGUMENTS, COMMAND, FINAL, FUNCTION, ITEM, REASONING, RESULT, THOUGHT, holds
from rounds import MESSAGE as ITEM_OF_TEXT
from test_compat import Preset
from test_errors import error_of
from test_litellm import logged
from test_openai import respond
from upstream import Upstream

MASTER = "sk-proxy-master"
PIXEL = "iVBORw0KGgo="

# Models as the proxy lists them, and how it calls its backend for each. Prices, so that it speaks
# of costs.
CONFIG = """
model_list:
- model_name: openrouter/anthropic/claude-sonnet-4.5
  litellm_params:
    model: openrouter/anthropic/claude-sonnet-4.5
    api_base: %(url)s
    api_key: sk-scripted
    input_cost_per_token: 0.001
    output_cost_per_token: 0.002
- model_name: qwen-chat
  litellm_params: { model: hosted_vllm/scripted, api_base: %(url)s, api_key: sk-scripted }
- model_name: claude-responses
  litellm_params: { model: openai/gpt-5, api_base: %(url)s, api_key: sk-scripted }
general_settings: { master_key: %(master)s }
litellm_settings: { num_retries: 0, request_timeout: 60 }
router_settings: { num_retries: 0, disable_cooldowns: true }
"""

SIGNED = {"type": "reasoning.text", "text": THOUGHT, "signature": "EqoBCkgI==",
          "format": "anthropic-claude-v1", "index": 0}
CALL_BACK = {"role": "assistant", "tool_calls": [FUNCTION]}
RESULT_BACK = {"role": "tool", "tool_call_id": "call_1", "content": RESULT}
CHAT_IMAGE = {"messages": [{"content": [
    {"type": "image_url", "image_url": {"url": "data:image/png;base64," + PIXEL}}]}]}

# path: where the proxy asks its backend. back: what a tool's result brings to the backend. image:
# how one arrives there. counts: the backend's own count. priced: the proxy says what an answer cost.
WAYS = {
    "openrouter": dict(
        preset="LITELLM_OPENROUTER", base="/v1", model="anthropic/claude-sonnet-4.5",
        listed="openrouter/anthropic/claude-sonnet-4.5", path="/v1/chat/completions",
        back={"messages": [dict(CALL_BACK, reasoning_details=[SIGNED]), RESULT_BACK]},
        image=CHAT_IMAGE, counts=None, priced=True),
    "messages": dict(
        preset="LITELLM_MESSAGES", base="", model="qwen-chat", listed="qwen-chat",
        path="/v1/chat/completions",
        back={"messages": [dict(CALL_BACK, reasoning_content=THOUGHT), RESULT_BACK]},
        image=CHAT_IMAGE, counts=None, priced=False),
    "messages_to_responses": dict(
        preset="LITELLM_MESSAGES", base="", model="claude-responses", listed="claude-responses",
        path="/v1/responses",
        back={"input": [
            {"type": "reasoning", "encrypted_content": REASONING["encrypted_content"]},
            {"type": "function_call", "call_id": "call_1", "name": "Bash"},
            {"type": "function_call_output", "call_id": "call_1", "output": RESULT}]},
        image={"input": [{"content": [
            {"type": "input_image", "image_url": "data:image/png;base64," + PIXEL}]}]},
        counts=77, priced=True),
}

# What the backend says, and what the client has to hear: status, type, words.
WINDOW = "This model's maximum context length is 8192 tokens. However, your messages resulted in " \
    "9000 tokens."
FAILURES = {
    "overflow": (400, WINDOW, 400, "invalid_request_error",
                 "prompt is too long: 9000 tokens > 8192"),
    "key": (401, "Incorrect API key", 502, "api_error", "Incorrect API key"),
    "rate": (429, "Slow down", 429, "rate_limit_error", "Slow down"),
    "broken": (500, "The engine broke", 500, "api_error", "The engine broke"),
}


# ---- the proxy's backend ----

def answer_chat(call, with_call):
    used = dict(chunk({}), choices=[], usage=USAGE)
    if call.json.get("stream"):
        events = [chunk({"reasoning": THOUGHT, "reasoning_details": [SIGNED]}),
                  calls(tool_call(0, "call_1", "Bash", ARGUMENTS[:9])),
                  calls(tool_call(0, arguments=ARGUMENTS[9:])), CALLED]
        stream(*(events if with_call else [text(FINAL), STOP]), used, "[DONE]")(call)
        return
    said = {"role": "assistant", "content": FINAL}
    if with_call:
        said = {"role": "assistant", "content": None, "reasoning": THOUGHT,
                "reasoning_content": THOUGHT, "reasoning_details": [SIGNED],
                "tool_calls": [FUNCTION]}
    call.whole(200, dict(MESSAGE, created=1, choices=[
        {"index": 0, "finish_reason": "tool_calls" if with_call else "stop", "message": said}]))


def answer_responses(call, with_call):
    items = (REASONING, ITEM) if with_call else (ITEM_OF_TEXT,)
    if call.json.get("stream"):
        respond(call, *items)
        return
    call.whole(200, {
        "id": "resp_1", "object": "response", "created_at": 1, "model": "scripted", "tools": [],
        "status": "completed", "output": list(items), "parallel_tool_calls": True,
        "tool_choice": "auto",
        "usage": {"input_tokens": 11, "output_tokens": 7, "total_tokens": 18}})


def script(call):
    """Calls the shell where there is one and it has not answered; fails where it is told to."""
    body = call.body.decode()
    for name, (status, words, *_) in FAILURES.items():
        if "fail:" + name in body:
            call.whole(status, {"error": {"message": words, "type": "x", "code": None}})
            return
    if call.path.endswith("/input_tokens"):
        call.whole(200, {"object": "response.input_tokens", "input_tokens": 77})
        return
    with_call = bool(call.json.get("tools")) and RESULT not in body
    (answer_responses if "/responses" in call.path else answer_chat)(call, with_call)


class Proxy:
    """The proxy of a virtual environment with its scripted backend, until the end of the block."""

    def __init__(self, program):
        self.upstream, self.port = Upstream(), harness.free_port()
        self.home = tempfile.TemporaryDirectory(prefix="messages-litellm-", dir="/tmp")
        config, self.log = self.home.name + "/config.yaml", self.home.name + "/proxy.log"
        with open(config, "w") as f:
            f.write(CONFIG % dict(url="http://127.0.0.1:%d/v1" % self.upstream.port, master=MASTER))
        # Its lists are those that it was shipped with: nothing is fetched.
        env = harness.clean_env(HOME=self.home.name, LITELLM_LOCAL_MODEL_COST_MAP="True",
                                LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS="True",
                                NO_PROXY="127.0.0.1,localhost")
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [program, "--config", config, "--host", "127.0.0.1", "--port", str(self.port),
                 "--telemetry", "False"], cwd=self.home.name, env=env, stdin=subprocess.DEVNULL,
                stdout=log, stderr=log)

    def listens(self):
        if self.process.poll() is not None:
            with open(self.log, errors="replace") as f:
                raise AssertionError("LiteLLM's proxy ended: " + f.read()[-3000:])
        return harness.listens(self.port)

    def __enter__(self):
        try:
            harness.wait_for(self.listens, 300, "LiteLLM's proxy listens")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        harness.stop(self.process, timeout=60)
        self.upstream.close()
        self.home.cleanup()


def compact(arguments):
    """Without the spaces that the proxy may put in."""
    return json.dumps(json.loads(arguments), separators=(",", ":"))


def plain(content):
    """One part of text, which a cache mark may have made of a string, as the string."""
    if isinstance(content, list) and len(content) == 1 and content[0].get("type") == "text":
        return content[0]["text"]
    return content


class Way(Preset):
    """A gateway in front of the proxy."""

    def __init__(self, proxy, row, key=MASTER, model=None):
        self.row, self.proxy = row, proxy
        proxy.upstream.reset(script)
        super().__init__(row["preset"], 'base_url = "http://127.0.0.1:%d%s";'
                         % (proxy.port, row["base"]), base=None, key='api_key = "%s";' % key,
                         model=model or row["model"])

    def sent(self):
        """The newest request to the proxy's backend."""
        call = self.proxy.upstream.calls[-1]
        assert call.path == self.row["path"], call.path
        body = call.json
        for turn in body.get("messages", []):
            turn["content"] = plain(turn.get("content"))
            for one in turn.get("tool_calls", []):
                one["function"]["arguments"] = compact(one["function"]["arguments"])
        return body

    def stream(self, **more):
        """A streamed answer as the message that it makes."""
        made = {}
        with self.client(timeout=60) as client:
            response, events = client.stream(message(model="big", stream=True, **more))
            assert response.status == 200, response.read()
            for name, data, _ in events:
                grow(made, name, data)
        assert made["ended"], made
        return made

    def whole(self, **more):
        answer = self.ask(model="big", **more)
        assert answer.status == 200, (answer.status, answer.body)
        return answer.json


def grow(made, name, data):
    """Adds one event to a message, as SDKs do."""
    if name == "message_start":
        made.update(data["message"], ended=False)
    elif name == "content_block_start":
        made["content"].append(data["content_block"])
    elif name == "content_block_delta":
        delta, block = data["delta"], made["content"][data["index"]]
        for key in ("text", "thinking", "signature", "partial_json"):
            if key in delta:
                block[key] = (block.get(key) or "") + delta[key]
    elif name == "content_block_stop":
        block = made["content"][data["index"]]
        if "partial_json" in block:
            block["input"] = json.loads(block.pop("partial_json") or "{}")
    elif name == "message_delta":
        made.update(data["delta"], usage=dict(made["usage"], **data["usage"]))
    elif name == "message_stop":
        made["ended"] = True
    assert name != "error", data


# ---- what is asked of each way ----

TOOLS = [{"name": "Bash", "input_schema": {"type": "object", "properties": {
    "command": {"type": "string"}}}}]
THINKING = {"thinking": {"type": "enabled", "budget_tokens": 2000}, "max_tokens": 9000}


def try_text(way):
    for answer in (way.whole(), way.stream()):
        assert answer["content"] == [{"type": "text", "text": FINAL}], answer
        assert answer["stop_reason"] == "end_turn" and answer["model"] == "big", answer
        assert answer["usage"]["output_tokens"] in (5, 7), answer


def try_start_count(way):
    """The proxy's message_start counts nothing; the client gets an estimate."""
    with way.client(timeout=60) as client:
        _, events = client.stream(message("x" * 4000, model="big", stream=True))
        start = [data for name, data, _ in events if name == "message_start"][0]
        assert start["message"]["usage"]["input_tokens"] > 100, start


def try_tools(way):
    for ask in (way.whole, way.stream):
        turns = [{"role": "user", "content": "Let the shell multiply."}]
        first = ask(messages=turns, tools=TOOLS, **THINKING)
        kinds = [block["type"] for block in first["content"]]
        assert kinds[-1] == "tool_use" and first["stop_reason"] == "tool_use", first
        assert first["content"][0]["thinking"] == THOUGHT, first
        use = first["content"][-1]
        assert holds(use, {"id": "call_1", "name": "Bash", "input": COMMAND}), first
        turns += [{"role": "assistant", "content": first["content"]},
                  {"role": "user", "content": [
                      {"type": "tool_result", "tool_use_id": "call_1", "content": RESULT}]}]
        second = ask(messages=turns, tools=TOOLS, **THINKING)
        assert second["content"][-1]["text"] == FINAL, second
        assert holds(way.sent(), way.row["back"]), way.sent()


def try_image(way):
    way.whole(messages=[{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}},
        {"type": "text", "text": "What is it?"}]}])
    assert holds(way.sent(), way.row["image"]), way.sent()


def try_count(way):
    answer = way.ask({"model": "big", "messages": [{"role": "user", "content": "hi"}]},
                     path="/v1/messages/count_tokens")
    count = answer.json["input_tokens"]
    assert answer.status == 200 and count == (way.row["counts"] or count) and count > 0, answer.body


def try_models_and_health(way):
    with way.client() as client:
        listed = [model["display_name"] for model in client.ask("GET", "/v1/models").json["data"]]
        health = client.ask("GET", "/health/detailed").json["backend"]
    assert {row["listed"] for row in WAYS.values()} <= set(listed), listed
    assert health["reachable"] and health["status"] == 200, health


def try_failures(way):
    for name, (_, _, status, kind, words) in FAILURES.items():
        for streamed in (False, True):
            answer = way.ask(message("fail:" + name, model="big", stream=streamed))
            told = answer.json["error"]
            assert (answer.status, told["type"]) == (status, kind), answer.body
            assert words in told["message"], told


def try_headers(way):
    """The proxy's own headers are for its operator: none goes to the client, its id is logged."""
    answer = way.ask(message(model="big"))
    theirs = [name for name in answer.headers.keys() if "litellm" in name.lower() or
              "provider" in name.lower() or name.lower().startswith("x-ratelimit")]
    assert answer.status == 200 and not theirs, theirs
    line = logged(way, answer)
    assert line["upstream_id"].count("-") == 4, line
    assert ("cost" in line) == way.row["priced"], line


TESTS = (try_text, try_start_count, try_tools, try_image, try_count, try_models_and_health,
         try_failures, try_headers)


def wrong_key(proxy, row):
    """The proxy's word on our key is our matter: never a 401 that the client takes for its own."""
    with Way(proxy, row, key="sk-wrong") as way:
        for streamed in (False, True):
            answer = way.ask(message(model="big", stream=streamed))
            told = error_of(answer, 502, "api_error")
            assert "own key" in told and answer.headers["x-should-retry"] == "false", told
        assert not proxy.upstream.calls, proxy.upstream.calls


def unknown_model(proxy, row):
    with Way(proxy, row, model="nope") as way:
        for streamed in (False, True):
            answer = way.ask(message(model="big", stream=streamed))
            assert "nope" in error_of(answer, 404, "not_found_error"), answer.body


def claude_round(proxy, row, claude):
    """Claude Code's own tool round trip."""
    with Way(proxy, row) as way:
        base = "http://127.0.0.1:%d%s" % (way.server.port, way.server.prefix)
        output, status = claude(base, harness.KEY, "Let the shell multiply.", "--model", "big")
        assert status == 0 and output.strip() == FINAL, (status, output)
        sent = {name: way.sent()[name] for name in way.row["back"]}
        assert holds(sent, way.row["back"]), json.dumps(sent)[-4000:]


def on_way(function, proxy, row):
    with Way(proxy, row) as way:
        function(way)


def check(one, folder, claude):
    """one(name, function, *args) runs and counts a test."""
    program = os.path.join(folder, "litellm", "bin", "litellm")
    if not os.path.exists(program):
        raise harness.Skip("LiteLLM's proxy is not installed")
    with Proxy(program) as proxy:
        for name, row in WAYS.items():
            for function in TESTS:
                one("litellm/%s_%s" % (name, function.__name__[4:]), on_way, function, proxy, row)
            one("litellm/%s_wrong_key" % name, wrong_key, proxy, row)
            one("litellm/%s_unknown_model" % name, unknown_model, proxy, row)
            one("litellm/%s_claude_code" % name, claude_round, proxy, row, claude)
