"""OpenAI's Responses API and Azure OpenAI, as Claude Code uses them: a tool call with thoughts, and
their way back on the next turn.
"""
import json

from test_credentials import Issuer

TOOLS = [{"name": "look", "input_schema": {"type": "object", "properties": {}}}]
THOUGHT = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA",
           "summary": [{"type": "summary_text", "text": "Hm."}]}
CALL = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "look",
        "arguments": "{\"at\":1}", "status": "completed"}
TEXT = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
        "content": [{"type": "output_text", "text": "Hello", "annotations": []}]}
USAGE = {"input_tokens": 9, "output_tokens": 5, "total_tokens": 14}


def deltas(item):
    """The events that tell what stands in an item, bit by bit."""
    if item["type"] == "function_call":
        yield "function_call_arguments", item["arguments"], {}
    elif item["type"] == "message":
        for i, part in enumerate(item["content"]):
            yield "output_text", part["text"], {"content_index": i}
    else:
        for i, part in enumerate(item["summary"]):
            yield "reasoning_summary_text", part["text"], {"summary_index": i}


def respond(call, *items):
    """A stream of items."""
    call.begin()
    response = {"id": "resp_1", "object": "response", "created_at": 1, "model": "scripted",
                "output": [], "status": "in_progress"}
    call.event({"type": "response.created", "response": response})
    for i, item in enumerate(items):
        empty = dict(item, **{name: type(item[name])() for name in
                              ("arguments", "content", "summary") if name in item})
        where = {"output_index": i, "item_id": item["id"]}
        call.event({"type": "response.output_item.added", "output_index": i, "item": empty})
        for name, text, more in deltas(item):
            for piece in (text[:4], text[4:]):
                call.event(dict(where, type="response.%s.delta" % name, delta=piece, **more))
        call.event({"type": "response.output_item.done", "output_index": i, "item": item})
    call.event({"type": "response.completed", "response": dict(
        response, status="completed", output=list(items), usage=USAGE)})


class Lab(Issuer):
    """The backend of an Issuer, with a preset of its own."""

    def preset(self, name, more="", key=True, path=""):
        self.start('preset = "%s"; %s %s' % (name, 'api_key = "the-key";' if key else "", more),
                   dialect="openai", base_url="http://127.0.0.1:%d%s" % (self.upstream.port, path))
        return self

    def whole(self, **more):
        status, body = self.ask(**more)
        assert status == 200, (status, body)
        return json.loads(body)


def round_trip(lab, path, key):
    """Two turns; the second one's input."""
    calls = []

    def script(call):
        calls.append(call)
        respond(call, *((THOUGHT, CALL) if len(calls) == 1 else (TEXT,)))

    lab.upstream.script = script
    first = lab.whole(tools=TOOLS, thinking={"type": "adaptive"})
    kinds = [b["type"] for b in first["content"]]
    assert kinds == ["thinking", "tool_use"] and first["stop_reason"] == "tool_use", first
    assert first["content"][0]["thinking"] == "Hm.", first
    assert first["content"][1]["input"] == {"at": 1}, first
    second = lab.whole(tools=TOOLS, thinking={"type": "adaptive"}, messages=[
        {"role": "user", "content": "hi"}, {"role": "assistant", "content": first["content"]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "call_1",
                                      "content": "a wall"}]}])
    assert second["content"] == [{"type": "text", "text": "Hello"}], second
    for call in calls:
        assert call.path == path, call.path
        assert [call.headers.get(name) for name in key] == list(key.values()), call.headers
    body = calls[1].json
    assert body["store"] is False and body["include"] == ["reasoning.encrypted_content"], body
    assert body["input"][1:] == [
        THOUGHT,
        {"type": "function_call", "call_id": "call_1", "name": "look",
         "arguments": "{\"at\": 1}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "a wall"}], body


def test_openai_responses_round_trip():
    with Lab().preset("OPENAI", path="/v1", more='model_big = "gpt-6-sol";') as lab:
        lab.gateway.write(model="gpt-6-sol")
        lab.plain_key()
        round_trip(lab, "/v1/responses", {"authorization": "Bearer the-key"})


def test_openai_chat_models():
    """Models without thoughts stay with Chat Completions."""
    paths = []
    with Lab().preset("OPENAI", path="/v1") as lab:
        lab.gateway.write(model="gpt-4.1")
        lab.plain_key()
        script = lab.upstream.script
        lab.upstream.script = lambda call: (paths.append(call.path), script(call))
        lab.must()
        assert paths == ["/v1/chat/completions"], paths


def test_azure_openai_round_trip():
    with Lab().preset("AZURE_OPENAI") as lab:
        lab.gateway.write(model="gpt-6-sol")
        lab.plain_key()
        round_trip(lab, "/openai/v1/responses", {"api-key": "the-key", "authorization": None})


def test_azure_openai_dated():
    paths = []
    with Lab().preset("AZURE_OPENAI", 'base_path = ""; path_message = '
                      '"/openai/deployments/{model}/chat/completions?api-version=2024-10-21";'
                      ) as lab:
        lab.gateway.write(model="my deployment", dialect="openai-chat")
        lab.plain_key()
        script = lab.upstream.script
        lab.good = None
        lab.upstream.script = lambda call: (paths.append(call.path),
                                            call.headers.setdefault("authorization", "x y"),
                                            script(call))
        lab.must()
        assert paths == ["/openai/deployments/my%20deployment/chat/completions"
                         "?api-version=2024-10-21"], paths


def test_azure_entra():
    """A token for the tenant goes as Bearer, where a key would go in a header of its own."""
    with Lab() as lab:
        lab.preset("AZURE_OPENAI", key=False, more="""credential = { kind = "entra";
            tenant = "t"; client_id = "c"; client_secret = "s";
            token_url = "http://127.0.0.1:%d/t/oauth2/v2.0/token"; };""" % lab.upstream.port)
        lab.must()
        assert lab.used == ["token-1"], lab.used
        form = sorted(lab.asked[0].body.decode().split("&"))
        assert form == ["client_id=c", "client_secret=s", "grant_type=client_credentials",
                        "scope=https%3A%2F%2Fcognitiveservices.azure.com%2F.default"], form


def test_azure_content_filter():
    """One bare error object, with a 400 or as the only event under a 200: not worth a retry."""
    error = {"error": {"code": "content_filter", "param": "prompt", "status": 400, "type": None,
                       "message": "The response was filtered due to the prompt.",
                       "innererror": {"code": "ResponsibleAIPolicyViolation"}}}

    def under_200(call):
        call.begin()
        call.event(error)

    with Lab().preset("AZURE_OPENAI") as lab:
        lab.plain_key()
        for script in (lambda call: call.whole(400, error), under_200):
            lab.upstream.script = script
            status, body = lab.ask()
            assert status == 400 and "filtered due to the prompt" in body, (status, body)
            assert json.loads(body)["error"]["type"] == "invalid_request_error", body
