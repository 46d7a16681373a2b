"""Compatible providers: what goes over the wire to each, and what comes back, with presets as they
are and a scripted upstream in the provider's place.
"""
import base64
import json

from client import message, text_of
from test_errors import error_of
from test_processes import Nginx, Setup

KEY = "upstream-secret"
TOOL = {"name": "weather", "description": "d",
        "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}


class Preset(Setup):
    """A gateway with one backend that begins with a preset; keys as the provider's users set them."""

    def __init__(self, preset, settings="", base="", key='api_key = "%s";' % KEY, model=None,
                 retries=0):
        super().__init__(Nginx)
        url = "http://127.0.0.1:%d" % self.upstream.port
        with open(self.gateway.config) as f:
            text = f.read()
        begin = text.index("proxy_backend"), text.index("access =")
        where = 'base_url = "%s%s";' % (url, base) if base is not None else ""
        models = 'models = { big = "%s"; small = "%s"; };' % (model, model) if model else ""
        text = text[:begin[0]] + """proxy_backend = "%s"; %s
backends = { %s = { %s %s retries = %d; %s }; };
""" % (preset, models, preset, where, key, retries, settings.replace("URL", url)) + text[begin[1]:]
        with open(self.gateway.config, "w") as f:
            f.write(text)

    def ask(self, body=None, path="/v1/messages", **more):
        with self.client(timeout=30) as client:
            return client.ask("POST", path, body or message(**more))


def unnamed():
    body = message()
    del body["model"]
    return body


def answer_of(reply):
    assert reply.status == 200, (reply.status, reply.body)
    return json.loads(reply.body)


def conversation(id_, signature=None):
    """A turn that called a tool, and its result with text behind it."""
    said = [{"type": "tool_use", "id": id_, "name": "weather", "input": {"city": "Bern"}}]
    if signature:
        said.insert(0, {"type": "thinking", "thinking": "hm", "signature": signature})
    return [{"role": "user", "content": "hi"}, {"role": "assistant", "content": said},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": id_,
                                          "content": "sunny"}, {"type": "text", "text": "go on"}]}]


def cohere(call):
    call.begin()
    for event in (
            {"id": "c1", "type": "message-start", "delta": {"message": {"role": "assistant"}}},
            {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I look."}}},
            {"type": "tool-call-start", "index": 0, "delta": {"message": {"tool_calls": {
                "id": "weather_1", "type": "function",
                "function": {"name": "weather", "arguments": ""}}}}},
            {"type": "tool-call-delta", "index": 0, "delta": {"message": {"tool_calls": {
                "function": {"arguments": '{"city":"Bern"}'}}}}},
            {"type": "tool-call-end", "index": 0},
            {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": {
                "tokens": {"input_tokens": 5, "output_tokens": 6}}}}):
        call.event(event)


def test_cohere():
    with Preset("COHERE", model="command-a-03-2025") as setup:
        setup.upstream.reset(cohere)
        said = answer_of(setup.ask(tools=[TOOL]))
        assert [b["type"] for b in said["content"]] == ["text", "tool_use"], said
        assert said["content"][1]["input"] == {"city": "Bern"} and said["stop_reason"] == "tool_use"
        setup.ask(tools=[TOOL], messages=[
            {"role": "user", "content": "hi"}, {"role": "assistant", "content": said["content"]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "weather_1",
                                          "content": "sunny"}]}])
        call = setup.upstream.calls[-1]
        assert call.path == "/v2/chat" and call.headers["authorization"] == "Bearer " + KEY
        assert call.json["messages"][1]["tool_plan"] == "I look."
        assert call.json["messages"][2]["tool_call_id"] == "weather_1", call.json


def test_mistral():
    with Preset("MISTRAL", base="/v1") as setup:
        answer_of(setup.ask(tools=[TOOL], messages=conversation("toolu_01ABC")))
        sent = setup.upstream.calls[-1].json["messages"]
        id_ = sent[1]["tool_calls"][0]["id"]
        assert len(id_) == 9 and id_.isalnum() and sent[2]["tool_call_id"] == id_, sent
        assert sent[2]["name"] == "weather" and len(sent) == 3, sent


def test_xai_stop():
    with Preset("XAI", base="/v1") as setup:
        answer_of(setup.ask(stop_sequences=["</block>"]))
        assert "stop" not in setup.upstream.calls[-1].json


def anthropic(call):
    call.whole(200, {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
                     "content": [{"type": "text", "text": "hello"}], "stop_reason": "end_turn",
                     "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 2}})


def test_headers_of_the_api():
    """What the API has in headers reaches a backend that speaks it, and no other."""
    sent = [("anthropic-beta", "a-1"), ("anthropic-version", "2024-01-01"),
            ("Anthropic-User-Profile-Id", "profile 1"), ("x-other", "1")]
    for dialect, passes in (("anthropic", True), ("openai-chat", False)):
        with Preset("LAB", 'dialect = "%s";' % dialect, base="/x", model="m") as setup:
            if passes:
                setup.upstream.reset(anthropic)
            with setup.client(timeout=30) as client:
                answer_of(client.ask("POST", "/v1/messages", message(), headers=sent))
            told = {k: v for k, v in setup.upstream.calls[-1].headers.items()
                    if k.startswith("anthropic-") or k == "x-other"}
            assert told == ({k.lower(): v for k, v in sent[:3]} if passes else {}), told


def test_messages_clones():
    for preset in ("DEEPSEEK", "MOONSHOT", "ZAI", "MINIMAX", "OLLAMA", "LLAMACPP", "VLLM"):
        with Preset(preset, base="/x", model="m") as setup:
            setup.upstream.reset(anthropic)
            reply = setup.ask(
                thinking={"type": "adaptive"}, max_tokens=4000, safeguards={"a": 1},
                tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}],
                messages=conversation("toolu_1", "foreign"))
            assert text_of_whole(answer_of(reply)) == "hello", preset
            call = setup.upstream.calls[-1]
            assert call.path == "/x/v1/messages", (preset, call.path)
            assert call.headers["authorization"] == "Bearer " + KEY
            assert call.json["thinking"]["type"] == "enabled", (preset, call.json)
            assert "safeguards" not in call.json and len(call.json["tools"]) == 1
            assert call.json["messages"][1]["content"][0] == {"type": "thinking",
                                                              "thinking": "hm"}


def text_of_whole(answer):
    return "".join(b.get("text", "") for b in answer["content"])


def calls_tool(call):
    """A chat answer with text and a call in two pieces, streamed or whole, as was asked."""
    made = {"id": "call_1", "type": "function",
            "function": {"name": "weather", "arguments": '{"city":"Bern"}'}}
    if not call.json.get("stream"):
        call.whole(200, {"id": "c1", "object": "chat.completion", "model": "m", "choices": [
            {"index": 0, "finish_reason": "tool_calls", "message": {
                "role": "assistant", "content": "I look.", "tool_calls": [made]}}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18}})
        return
    call.begin()
    call.text("I ")
    call.text("look.")
    for part in (dict(made, function={"name": "weather", "arguments": '{"city":'}),
                 {"function": {"arguments": '"Bern"}'}}):
        call.delta({"tool_calls": [dict(part, index=0)]})
    call.end("tool_calls")


def test_chat_presets():
    """Text, a call, its result on the next turn, usage and an error, streamed and whole.
    Perplexity has no tools: none is sent."""
    for preset in ("GROQ", "XAI", "TOGETHER", "FIREWORKS", "CEREBRAS", "PERPLEXITY", "ALIBABA"):
        with Preset(preset, base="/v1", model="m") as setup:
            setup.upstream.reset(calls_tool)
            said = answer_of(setup.ask(tools=[TOOL]))
            assert said["content"][0] == {"type": "text", "text": "I look."}, (preset, said)
            assert said["content"][1]["input"] == {"city": "Bern"}, (preset, said)
            assert said["stop_reason"] == "tool_use", (preset, said)
            assert said["usage"]["input_tokens"] == 11, (preset, said)
            assert said["usage"]["output_tokens"] == 7, (preset, said)
            with setup.client(timeout=30) as client:
                _, stream = client.stream(message(stream=True, tools=[TOOL]))
                events = [data for _, data, _ in stream if isinstance(data, dict)]
            assert "".join(e["delta"].get("text", "") + e["delta"].get("partial_json", "")
                           for e in events if e["type"] == "content_block_delta") == \
                'I look.{"city":"Bern"}', (preset, events)
            assert events[-2]["delta"]["stop_reason"] == "tool_use", (preset, events)
            assert events[-1]["type"] == "message_stop", (preset, events)
            call = setup.upstream.calls[-1]
            assert call.path == "/v1/chat/completions", (preset, call.path)
            assert call.headers["authorization"] == "Bearer " + KEY, preset
            names = [tool["function"]["name"] for tool in call.json.get("tools", [])]
            assert names == ([] if preset == "PERPLEXITY" else ["weather"]), (preset, names)
            setup.ask(tools=[TOOL], messages=conversation(said["content"][1]["id"]))
            sent = setup.upstream.calls[-1].json["messages"]
            assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"], (preset, sent)
            setup.upstream.reset(lambda call: call.whole(400, {"error": {"message": "too odd"}}))
            said = error_of(setup.ask(), 400, "invalid_request_error")
            assert "too odd" in said, (preset, said)


def compacts(call):
    """Streams, whatever was asked."""
    call.begin()
    for event in (
            {"type": "message_start", "message": {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [],
                "stop_reason": None, "stop_sequence": None,
                "usage": {"input_tokens": 9, "output_tokens": 0}}},
            {"type": "content_block_start", "index": 0,
             "content_block": {"type": "compaction", "content": None}},
            {"type": "content_block_delta", "index": 0, "delta": {
                "type": "compaction_delta", "content": "what was said",
                "encrypted_content": "RW5j"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "compaction", "stop_sequence": None},
             "usage": {"output_tokens": 7}},
            {"type": "message_stop"}):
        call.event(event)


def test_compaction():
    """Also where a whole answer was asked for, and a stream comes."""
    whole = {"type": "compaction", "content": "what was said", "encrypted_content": "RW5j"}
    with Preset("ANTHROPIC", model="m") as setup:
        setup.upstream.reset(compacts)
        said = answer_of(setup.ask())
        assert said["content"] == [whole] and said["stop_reason"] == "compaction", said
        with setup.client(timeout=30) as client:
            _, stream = client.stream(message(stream=True))
            events = [data for _, data, _ in stream if isinstance(data, dict)]
        assert [e["type"] for e in events if e["type"] != "ping"] == [
            "message_start", "content_block_start", "content_block_delta", "content_block_stop",
            "message_delta", "message_stop"], events
        assert any(e.get("delta", {}).get("content") == "what was said" for e in events), events


def test_other_dialect():
    with Preset("DEEPSEEK", 'dialect = "openai-chat";', base="/v1") as setup:
        answer_of(setup.ask(tools=[TOOL], thinking={"type": "enabled", "budget_tokens": 1024},
                            max_tokens=4000, messages=conversation("toolu_1", "mf1.deepseek.")))
        call = setup.upstream.calls[-1]
        assert call.path == "/v1/chat/completions", call.path
        assert call.json["messages"][1]["reasoning_content"] == "hm", call.json
    with Preset("OPENROUTER", 'dialect = "anthropic";', base="/api") as setup:
        setup.upstream.reset(anthropic)
        answer_of(setup.ask(message(provider={"sort": "price"})))
        call = setup.upstream.calls[-1]
        assert call.path == "/api/v1/messages" and call.headers["authorization"] == "Bearer " + KEY
        assert call.json["provider"] == {"sort": "price"}, call.json


def test_openrouter_members():
    with Preset("OPENROUTER", 'body = { transforms = [ "middle-out" ]; };', base="/api/v1") as setup:
        answer_of(setup.ask(message(provider={"only": ["x"]}, seed=7, transforms=[], odd=1)))
        sent = setup.upstream.calls[-1].json
        assert sent["provider"] == {"only": ["x"]} and sent["seed"] == 7, sent
        assert sent["transforms"] == ["middle-out"] and "odd" not in sent, sent


def databricks(call):
    call.whole(200, {"id": "d1", "choices": [{"index": 0, "finish_reason": "stop", "message": {
        "role": "assistant", "content": [
            {"type": "reasoning", "summary": [
                {"type": "summary_text", "text": "hm", "signature": "EqoB"}]},
            {"type": "text", "text": "hello"}]}}],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}})


def test_databricks():
    host = 'host = "URL/?o=1";'
    with Preset("AZURE_DATABRICKS", host, base=None) as setup:
        setup.upstream.reset(databricks)
        said = answer_of(setup.ask(max_tokens=8000, thinking={"type": "adaptive"}))
        call = setup.upstream.calls[-1]
        assert call.path == "/serving-endpoints/databricks-claude-sonnet-4-6/invocations", call.path
        assert call.headers["authorization"] == "Bearer " + KEY
        assert set(call.json) == {"messages", "max_tokens", "thinking", "usage_context",
                                  "stream"}, call.json
        assert said["content"][0]["thinking"] == "hm", said
        answer_of(setup.ask(messages=[{"role": "user", "content": "a"},
                                      {"role": "assistant", "content": said["content"]},
                                      {"role": "user", "content": "b"}]))
        part = setup.upstream.calls[-1].json["messages"][1]["content"][0]
        assert part["summary"][0]["signature"] == "EqoB", part
    with Preset("AZURE_DATABRICKS", host + 'auth = "basic";', base=None) as setup:
        setup.upstream.reset(databricks)
        answer_of(setup.ask())
        assert setup.upstream.calls[-1].headers["authorization"] == \
            "Basic " + base64.b64encode(("token:" + KEY).encode()).decode()
    with Preset("AZURE_DATABRICKS", host + 'dialect = "anthropic";', base=None) as setup:
        setup.upstream.reset(anthropic)
        answer_of(setup.ask())
        call = setup.upstream.calls[-1]
        assert call.path == "/serving-endpoints/anthropic/v1/messages", call.path
        assert call.json["model"] == "databricks-claude-sonnet-5-5", call.json


def test_databricks_earlier_paths():
    with Preset("AZURE_DATABRICKS", 'host = "URL";', base=None) as setup:
        setup.upstream.reset(databricks)
        for path, model in (("", "databricks-claude-sonnet-4-6"),
                            ("/claude-sonnet-4", "databricks-claude-sonnet-4"),
                            ("/claude-3-7-sonnet", "databricks-claude-3-7-sonnet")):
            answer_of(setup.ask(path="/v1/databricks/messages" + path))
            assert "/%s/" % model in setup.upstream.calls[-1].path, (path, model)
        for body, model in ((unnamed(), "databricks-claude-sonnet-4"), (message(), "claude-test")):
            said = answer_of(setup.ask(body, "/v1/databricks/messages/claude-sonnet-4"))
            assert said["model"] == model, said
            assert "/databricks-claude-sonnet-4/" in setup.upstream.calls[-1].path
        assert error_of(setup.ask(unnamed(), "/v1/databricks/messages"), 400,
                        "invalid_request_error") == "model: Field required"
        with setup.client(timeout=30) as client:
            _, stream = client.stream(message(), path="/v1/databricks/messages/stream")
            assert text_of(stream) == "hello"
        with setup.client() as client:
            assert client.ask("GET", "/v1/databricks/health").status == 200
            assert client.ask("GET", "/v1/databricks/health/detailed").status == 200
    with Preset("AZURE_DATABRICKS", 'host = "URL"; dialect = "anthropic";', base=None) as setup:
        setup.upstream.reset(anthropic)
        for body in unnamed(), message(model=None), message():
            answer_of(setup.ask(body, "/v1/databricks/messages/claude-3-7-sonnet"))
            assert setup.upstream.calls[-1].json == \
                message(model="databricks-claude-3-7-sonnet"), body


def test_databricks_health_of_its_own():
    """Beside others, where another is the first: only what is Databricks' is shown."""
    others = """}; SECOND = { preset = "AZURE_DATABRICKS"; host = "URL"; api_key = "k";
        }; AZURE_DATABRICKS = { host = "URL"; api_key = "k";"""
    with Preset("OPENROUTER", others) as setup:
        with setup.client() as client:
            every = json.loads(client.ask("GET", "/health/detailed").body)
            assert every["backend"]["name"] == "OPENROUTER", every
            reply = client.ask("GET", "/v1/databricks/health/detailed")
        shown = json.loads(reply.body)
        assert reply.status == 200, shown
        assert shown["backend"]["name"] == "AZURE_DATABRICKS", shown
        assert [b["name"] for b in shown["backends"]] == ["SECOND", "AZURE_DATABRICKS"], shown
        assert shown["models"]["big"] == "databricks-claude-sonnet-4-6", shown



def test_signatures_of_clones():
    """What DeepSeek signed comes back to it as it gave it, and never reaches Claude, also where
    Anthropic's API is behind an address of one's own."""
    signed = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
              "content": [{"type": "thinking", "thinking": "hm", "signature": "deepseek's"},
                          {"type": "tool_use", "id": "toolu_1", "name": "weather",
                           "input": {"city": "Bern"}}],
              "stop_reason": "tool_use", "stop_sequence": None,
              "usage": {"input_tokens": 5, "output_tokens": 5}}
    claude = """}; ANTHROPIC = { api_key = "k"; base_url = "URL"; retries = 0;"""
    with Preset("DEEPSEEK", claude, "/anthropic") as s:
        s.upstream.script = lambda call: call.whole(200, signed)
        content = answer_of(s.ask(tools=[TOOL], max_tokens=2000))["content"]
        turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": content},
                 {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1",
                                               "content": "sunny"}]}]
        for model, sent in (("DEEPSEEK/deepseek-v4-pro", signed["content"]),
                            ("ANTHROPIC/claude-sonnet-4-5", signed["content"][1:])):
            s.upstream.calls.clear()
            answer_of(s.ask(model=model, tools=[TOOL], messages=turns, max_tokens=2000))
            assert s.upstream.calls[0].json["messages"][1]["content"] == sent, model

        claudes = {"type": "thinking", "thinking": "hm", "signature": "EqoBCkYIBxgC"}
        turns[1]["content"] = [claudes, content[1]]
        for model, thinking in (("DEEPSEEK/deepseek-v4-pro", {"type": "thinking", "thinking": "hm"}),
                                ("ANTHROPIC/claude-sonnet-4-5", claudes)):
            s.upstream.calls.clear()
            answer_of(s.ask(model=model, tools=[TOOL], messages=turns, max_tokens=2000))
            assert s.upstream.calls[0].json["messages"][1]["content"][0] == thinking, model
