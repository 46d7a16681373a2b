"""The Python SDK against the demo backend: each function is a case; one line of output each."""
import os
import sys
import traceback

import anthropic

MODEL = "claude-opus-4-8"
DEMO = "This is the demo backend of messages-fcgi, not a model."
BASH = {"name": "Bash", "description": "Runs a command",
        "input_schema": {"type": "object", "properties": {"command": {"type": "string"}}}}
client = anthropic.Anthropic(base_url=os.environ["BASE_URL"], api_key="none", max_retries=0)


def ask(content, **more):
    return dict({"model": MODEL, "max_tokens": 500,
                 "messages": [{"role": "user", "content": content}]}, **more)


def case_stream():
    with client.messages.stream(**ask("Hello")) as stream:
        pieces = list(stream.text_stream)
        message = stream.get_final_message()
    assert len(pieces) > 3 and "".join(pieces) == message.content[0].text
    assert message.content[0].text.startswith(DEMO) and message.stop_reason == "end_turn"


def case_tool_round_trip():
    with client.messages.stream(**ask("run: echo hi", tools=[BASH])) as stream:
        first = stream.get_final_message()
    call = first.content[-1]
    assert first.stop_reason == "tool_use" and call.input["command"] == "echo hi"
    second = client.messages.create(model=MODEL, max_tokens=500, tools=[BASH], messages=[
        {"role": "user", "content": "run: echo hi"},
        {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in first.content]},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id,
                                      "content": "hi from it"}]}])
    assert "hi from it" in second.content[0].text


def case_errors():
    try:
        client.messages.create(**ask("fail: 429"))
    except anthropic.RateLimitError as e:
        assert e.request_id and e.body["error"]["type"] == "rate_limit_error"
    else:
        raise AssertionError("no error")


def case_count_tokens():
    few = client.messages.count_tokens(model=MODEL, messages=ask("Hello")["messages"])
    assert few.input_tokens > 0


def case_models():
    assert "demo" in [m.id for m in client.models.list()]


failed = 0
for name, function in list(globals().items()):
    if not name.startswith("case_"):
        continue
    try:
        function()
        print("ok   sdk-python/" + name[5:])
    except Exception:
        failed = 1
        print("FAIL sdk-python/" + name[5:])
        traceback.print_exc(file=sys.stdout)
sys.exit(failed)
