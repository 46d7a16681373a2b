"""A Claude Code tool round trip through each wire format: the backend thinks and asks for the
shell, the client runs it, and the second request must bring the result, the call's id and the
backend's own opaque state, all in that backend's form.

One row of ROUNDS a backend. A request is checked against a pattern (see holds), so that what the
client adds of its own does no harm.
"""
import json

import harness
import test_bedrock as bedrock
from misbehave import CALLED, SIGNED, STOP, USED, call as tool_call, calls, chunk, stream, text
from test_gemini import says
from test_openai import respond
from test_processes import Setup

COMMAND = {"command": "echo round-$((6 * 7))", "description": "Multiplies"}
ARGUMENTS = json.dumps(COMMAND, separators=(",", ":"))
RESULT, FINAL, THOUGHT = "round-42", "The shell has multiplied.", "I let the shell multiply."


def holds(value, pattern):
    """Objects have the pattern's members, lists its items in this order; anything else is equal."""
    if isinstance(pattern, dict):
        return isinstance(value, dict) and all(
            key in value and holds(value[key], sub) for key, sub in pattern.items())
    if isinstance(pattern, list):
        rest = iter(value if isinstance(value, list) else [])
        return all(any(holds(item, sub) for item in rest) for sub in pattern)
    return value == pattern


def frames(*events):
    return bedrock.sending([bedrock.frame(*event) for event in events])


def chunks(*events):
    return bedrock.sending([bedrock.chunk(event) for event in events])


def items(*output):
    return lambda call: respond(call, *output)


def parts(*content):
    return lambda call: says(call, *content)


# ---- the formats' own words for the same two turns ----

FUNCTION = {"id": "call_1", "type": "function",
            "function": {"name": "Bash", "arguments": ARGUMENTS}}

REASONING = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAAAB==",
             "summary": [{"type": "summary_text", "text": THOUGHT}]}
ITEM = {"type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "Bash",
        "arguments": ARGUMENTS, "status": "completed"}
MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
           "content": [{"type": "output_text", "text": FINAL, "annotations": []}]}

PART = {"functionCall": {"id": "fc-1", "name": "Bash", "args": COMMAND},
        "thoughtSignature": "c2lnbmF0dXJl"}


def claude_events(stop, *blocks):
    """The Messages API's stream; a block is its start and its deltas."""
    yield {"type": "message_start", "message": {
        "id": "msg_bdrk_1", "type": "message", "role": "assistant", "model": "claude",
        "content": [], "stop_reason": None, "stop_sequence": None,
        "usage": {"input_tokens": 9, "output_tokens": 1}}}
    for index, (start, *deltas) in enumerate(blocks):
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None},
           "usage": {"output_tokens": 5}}
    yield {"type": "message_stop"}


CLAUDE_CALL = chunks(*claude_events(
    "tool_use",
    ({"type": "thinking", "thinking": "", "signature": ""},
     {"type": "thinking_delta", "thinking": THOUGHT},
     {"type": "signature_delta", "signature": "EqoBCkgI=="}),
    ({"type": "tool_use", "id": "toolu_bdrk_1", "name": "Bash", "input": {}},
     {"type": "input_json_delta", "partial_json": ARGUMENTS[:9]},
     {"type": "input_json_delta", "partial_json": ARGUMENTS[9:]})))
CLAUDE_TEXT = chunks(*claude_events(
    "end_turn", ({"type": "text", "text": ""}, {"type": "text_delta", "text": FINAL})))


def converse(stop, *deltas):
    """Converse's stream; a block is its number and what stands in it."""
    return frames(("messageStart", {"role": "assistant"}), *deltas,
                  ("messageStop", {"stopReason": stop}),
                  ("metadata", {"usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14}}))


def delta(index, **more):
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": more}


def start(index, **more):
    return "contentBlockStart", {"contentBlockIndex": index, "start": more}


def end(index):
    return "contentBlockStop", {"contentBlockIndex": index}


CONVERSE_CALL = converse(
    "tool_use", delta(0, reasoningContent={"text": THOUGHT}),
    delta(0, reasoningContent={"signature": "SIG=="}), end(0),
    start(1, toolUse={"toolUseId": "tooluse_1", "name": "Bash"}),
    delta(1, toolUse={"input": ARGUMENTS[:9]}), delta(1, toolUse={"input": ARGUMENTS[9:]}), end(1))
CONVERSE_TEXT = converse("end_turn", delta(0, text=FINAL), end(0))


def cohere(finish, *events):
    """Cohere's stream; an event is its type, its index and what stands in its message."""
    return stream({"id": "c1", "type": "message-start", "delta": {"message": {}}},
                  *({"type": kind, "index": index, "delta": {"message": message}}
                    for kind, index, message in events),
                  {"type": "message-end", "delta": {"finish_reason": finish, "usage": {
                      "tokens": {"input_tokens": 5, "output_tokens": 6}}}})


COHERE_CALL = cohere(
    "TOOL_CALL",
    ("content-start", 0, {"content": {"type": "thinking", "thinking": ""}}),
    ("content-delta", 0, {"content": {"thinking": THOUGHT}}), ("content-end", 0, {}),
    ("tool-plan-delta", 0, {"tool_plan": "First the shell."}),
    ("tool-call-start", 0, {"tool_calls": dict(FUNCTION, function={"name": "Bash",
                                                                   "arguments": ""})}),
    ("tool-call-delta", 0, {"tool_calls": {"function": {"arguments": ARGUMENTS}}}),
    ("tool-call-end", 0, {}))
COHERE_TEXT = cohere(
    "COMPLETE", ("content-start", 0, {"content": {"type": "text", "text": ""}}),
    ("content-delta", 0, {"content": {"text": FINAL}}), ("content-end", 0, {}))


# ---- the table ----

# server: what stands in front. settings: of the gateway's backend, base what its URL ends with.
# path: where both requests must go. call, text: the two answers. back: what the second request
# must hold.
ROUNDS = {
    "openai-chat": dict(
        settings=dict(dialect="openai-chat", backend='replay = "details";'), base="/v1",
        path="/v1/chat/completions",
        call=stream(chunk({"reasoning": THOUGHT, "reasoning_details": [SIGNED]}),
                    calls(tool_call(0, "call_1", "Bash", ARGUMENTS[:9])),
                    calls(tool_call(0, arguments=ARGUMENTS[9:])), CALLED, USED, "[DONE]"),
        text=stream(text(FINAL), STOP, USED, "[DONE]"),
        back={"messages": [
            {"role": "assistant", "reasoning_details": [SIGNED], "tool_calls": [FUNCTION]},
            {"role": "tool", "tool_call_id": "call_1", "content": RESULT}]}),
    "openai-responses": dict(
        settings=dict(dialect="openai-responses", model="gpt-6-sol"), base="/v1",
        path="/v1/responses", call=items(REASONING, ITEM), text=items(MESSAGE),
        back={"store": False, "include": ["reasoning.encrypted_content"], "input": [
            REASONING,
            {"type": "function_call", "call_id": "call_1", "name": "Bash", "arguments": ARGUMENTS},
            {"type": "function_call_output", "call_id": "call_1", "output": RESULT}]}),
    "gemini": dict(
        server=harness.ApacheFcgid,
        settings=dict(dialect="gemini", model="gemini-3-pro"), base="/v1beta",
        path="/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse",
        call=parts({"text": THOUGHT, "thought": True}, PART), text=parts({"text": FINAL}),
        back={"contents": [
            {"role": "model", "parts": [{"text": THOUGHT, "thought": True}, PART]},
            {"role": "user", "parts": [{"functionResponse": {
                "id": "fc-1", "name": "Bash", "response": {"content": RESULT}}}]}]}),
    "bedrock-invoke": dict(
        settings=dict(dialect="bedrock", model=bedrock.CLAUDE, key="", backend=bedrock.STATIC),
        base="", path="/model/%s/invoke-with-response-stream" % bedrock.CLAUDE,
        call=CLAUDE_CALL, text=CLAUDE_TEXT,
        back={"anthropic_version": "bedrock-2023-05-31", "messages": [
            {"role": "assistant", "content": [
                {"type": "thinking", "thinking": THOUGHT, "signature": "EqoBCkgI=="},
                {"type": "tool_use", "id": "toolu_bdrk_1", "name": "Bash", "input": COMMAND}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "toolu_bdrk_1", "content": RESULT}]}]}),
    "bedrock-converse": dict(
        settings=dict(dialect="bedrock", model="us.amazon.nova-pro-v1:0", key="",
                      backend=bedrock.STATIC),
        base="", path="/model/us.amazon.nova-pro-v1:0/converse-stream",
        call=CONVERSE_CALL, text=CONVERSE_TEXT,
        back={"messages": [
            {"role": "assistant", "content": [
                {"reasoningContent": {"reasoningText": {"text": THOUGHT, "signature": "SIG=="}}},
                {"toolUse": {"toolUseId": "tooluse_1", "name": "Bash", "input": COMMAND}}]},
            {"role": "user", "content": [
                {"toolResult": {"toolUseId": "tooluse_1", "content": [{"text": RESULT}]}}]}]}),
    "cohere": dict(
        settings=dict(dialect="cohere", model="command-a-reasoning-08-2025"), base="",
        path="/v2/chat", call=COHERE_CALL, text=COHERE_TEXT,
        back={"messages": [
            {"role": "assistant", "tool_plan": "First the shell.", "tool_calls": [FUNCTION],
             "content": [{"type": "thinking", "thinking": THOUGHT}]},
            {"role": "tool", "tool_call_id": "call_1", "content": RESULT}]}),
}


def round_trip(claude, row):
    """Two requests, the second with what the first one's answer brought about."""
    settings = dict(row["settings"])
    settings["backend"] = "retries = 0; " + settings.get("backend", "")
    asked = []

    def script(call):
        asked.append(call)
        row["call" if len(asked) == 1 else "text"](call)

    setup = Setup(row.get("server", harness.Lighttpd), **settings)
    setup.gateway.write(base_url="http://127.0.0.1:%d%s" % (setup.upstream.port, row["base"]))
    setup.upstream.reset(script)
    with setup:
        output, status = claude("http://127.0.0.1:%d%s" % (setup.server.port, setup.server.prefix),
                                harness.KEY, "Let the shell multiply.")
    assert status == 0 and output.strip() == FINAL, (status, output)
    assert [call.path for call in asked] == [row["path"]] * 2, [call.path for call in asked]
    sent = {name: asked[1].json.get(name) for name in row["back"]}
    assert holds(sent, row["back"]), json.dumps(sent)[-6000:]
