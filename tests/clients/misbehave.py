"""Backends that misbehave, as the SDKs see them through the gateway: both ask every case, streamed
and whole, and must come to the same end. The last message names the case.
"""
import json
import os
import subprocess

import harness
from test_processes import Setup

HERE = os.path.dirname(os.path.abspath(__file__))
USAGE = {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18,
         "prompt_tokens_details": {"cached_tokens": 4}}


def call(index=None, id=None, name=None, arguments=None):
    function = {k: v for k, v in (("name", name), ("arguments", arguments)) if v is not None}
    more = {k: v for k, v in (("index", index), ("id", id)) if v is not None}
    return dict(more, type="function", function=function)


def chunk(delta, finish=None, **more):
    return dict({"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "scripted",
                 "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}, **more)


def calls(*list_of):
    return chunk({"tool_calls": list(list_of)})


def text(s):
    return chunk({"content": s})


USED = {"id": "c", "choices": [], "usage": USAGE}
DONE = "[DONE]"
STOP, CALLED = chunk({}, "stop"), chunk({}, "tool_calls")
TEXT, F1, F2 = ["text", "Hello"], ["tool_use", "f", {"a": 1}], ["tool_use", "g", {"b": 2}]
A1, B2 = "{\"a\":1}", "{\"b\":2}"


def stream(*events, line="data: %s\n\n"):
    """Sends events in pieces that cut them anywhere."""
    def script(c):
        c.begin()
        data = "".join(e if isinstance(e, str) and e.startswith((":", "\n", "event")) else
                       line % (e if isinstance(e, str) else json.dumps(e)) for e in events).encode()
        for at in range(0, len(data), 37):
            c.raw(data[at:at + 37])
    return script


def whole(status, body, content_type="application/json"):
    return lambda c: c.whole(status, body, content_type=content_type)


MESSAGE = {"id": "c", "object": "chat.completion", "model": "scripted", "usage": USAGE, "choices": [
    {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}]}
ERROR = {"error": {"message": "the engine broke", "code": 500}}

# name: what the backend does; what the client has in the end: blocks and the reason, or words of the error
CASES = {
    "usage_behind_the_end": (stream(text("Hello"), STOP, USED, DONE), [TEXT], "end_turn"),
    "usage_first": (stream(USED, text("Hello"), STOP, DONE), [TEXT], "end_turn"),
    "no_finish": (stream(text("Hello"), USED, DONE), [TEXT], "end_turn"),
    "finish_early": (stream(text("Hel"), STOP, text("lo"), USED, DONE), [TEXT], "end_turn"),
    "finish_twice": (stream(calls(call(0, "c1", "f", A1)), CALLED, STOP, USED, DONE), [F1], "tool_use"),
    "stop_with_calls": (stream(calls(call(0, "c1", "f", A1)), STOP, USED, DONE), [F1], "tool_use"),
    "no_done": (stream(text("Hello"), STOP, USED), [TEXT], "end_turn"),
    "call_split": (stream(calls(call(0, "c1", "f", "")), calls(call(0, arguments="{\"a\"")),
                          calls(call(0, arguments=":1}")), CALLED, USED, DONE), [F1], "tool_use"),
    "calls_interleaved": (stream(calls(call(0, "c1", "f", "{\"a"), call(1, "c2", "g", "{\"b\"")),
                                 calls(call(1, arguments=":2}")), calls(call(0, arguments="\":1}")),
                                 CALLED, USED, DONE), [F1, F2], "tool_use"),
    "calls_without_index": (stream(calls(call(None, "c1", "f", A1), call(None, "c2", "g", B2)),
                                   STOP, USED, DONE), [F1, F2], "tool_use"),
    "index_repeated": (stream(calls(call(0, "c1", "f", A1)), calls(call(0, "c2", "g", B2)), STOP, USED,
                              DONE), [F1, F2], "tool_use"),
    "empty_object_first": (stream(calls(call(0, "c1", "f", "{}")), calls(call(0, arguments=A1)), STOP,
                                  USED, DONE), [F1], "tool_use"),
    "no_arguments": (stream(calls(call(0, "c1", "f", "")), STOP, USED, DONE),
                     [["tool_use", "f", {}]], "tool_use"),
    "blank_arguments": (stream(calls(call(0, "c1", "f", " \n")), STOP, USED, DONE),
                        [["tool_use", "f", {}]], "tool_use"),
    "arguments_no_object": (stream(calls(call(0, "c1", "f", "ls -l")), STOP, USED, DONE),
                            [["tool_use", "f", {"INVALID_JSON": "ls -l"}]], "tool_use"),
    "text_and_call": (stream(chunk({"content": "Hello", "tool_calls": [call(0, "c1", "f", A1)]}), STOP,
                             USED, DONE), [TEXT, F1], "tool_use"),
    "reasoning": (stream(chunk({"reasoning_content": "hm"}), text("Hello"), STOP, USED, DONE),
                  [["thinking", "hm"], TEXT], "end_turn"),
    "think_tags": (stream(text("<think>hm</think>\n"), text("Hello"), STOP, USED, DONE),
                   [["thinking", "hm"], TEXT], "end_turn"),
    "comments_and_crlf": (stream(": OPENROUTER PROCESSING\r\n\r\n", text("Hello"), ": x\r\n\r\n", STOP, USED,
                                 DONE, line="data:%s\r\n\r\n"), [TEXT], "end_turn"),
    "whole_for_a_stream": (whole(200, MESSAGE), [TEXT], "end_turn"),
    "whole_called_a_stream": (whole(200, MESSAGE, "text/event-stream"), [TEXT], "end_turn"),
    "refusal": (stream(chunk({"refusal": "Hello"}), STOP, USED, DONE), [TEXT], "refusal"),
    "length": (stream(text("Hello"), chunk({}, "length"), USED, DONE), [TEXT], "max_tokens"),
    "stop_sequence": (stream(text("HelloST"), text("OP more"), STOP, USED, DONE), [TEXT], "stop_sequence"),
    "error_chunk": (stream(ERROR), "the engine broke", None),
    "error_chunk_later": (stream(text("Hel"), ERROR), "the engine broke", None),
    "error_with_200": (whole(200, ERROR), "the engine broke", None),
    "html_with_200": (whole(200, b"<html><title>Gone fishing</title></html>", "text/html"), "Gone fishing",
                      None),
    "cut_in_text": (stream(text("Hel")), "before its answer was complete", None),
    "cut_in_a_call": (stream(calls(call(0, "c1", "f", "{\"a"))), "before its answer was complete", None),
    "nothing_at_all": (stream(), "empty answer", None),
    "no_json": (stream("{\"choices\":"), "not JSON", None),
}


def same(got, content, stop):
    if stop is None:
        return "error" in got and content in got["error"]
    usage = got.get("usage")
    return got.get("content") == content and got.get("stop") == stop and (
        stop == "stop_sequence" or usage == [7, 4, 7])


def check(counts, label, *command, **env):
    """One line a case and client."""
    def script(c):
        CASES[c.json["messages"][-1]["content"]][0](c)

    with Setup(harness.Lighttpd) as setup:
        setup.upstream.reset(script)
        base = "http://127.0.0.1:%d%s" % (setup.server.port, setup.server.prefix)
        done = subprocess.run([*command, *CASES], text=True, timeout=300,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=harness.clean_env(BASE_URL=base, KEY=harness.KEY, **env))
    results = {}
    for line in done.stdout.splitlines():
        if line.startswith("{"):
            result = json.loads(line)
            results[result["name"]] = result
    for name, (_, content, stop) in CASES.items():
        got = results.get(name, {"stream": {}, "whole": {}})
        bad = [way for way in ("stream", "whole") if not same(got[way], content, stop)]
        counts["failed" if bad else "passed"] += 1
        print("%-4s %s/%s" % ("FAIL" if bad else "ok", label, name), flush=True)
        for way in bad:
            print("     %s: %s" % (way, json.dumps(got[way]) if name in results else done.stdout[-2000:]))


ONE, TWO = (json.dumps({"command": c, "description": "x"})
            for c in ("echo one-$((2 * 3))", "echo two-$((4 * 5))"))
SIGNED = {"type": "reasoning.encrypted", "data": "QQ==", "id": "c1", "format": "google-gemini-v1",
          "index": 0}

# Two calls of Claude Code's shell, in the ways of backends
SHELLS = {
    "interleaved": [calls(call(0, "c1", "Bash", ONE[:9]), call(1, "c2", "Bash", TWO[:12])),
                    calls(call(1, arguments=TWO[12:])), calls(call(0, arguments=ONE[9:])), CALLED],
    "without_index": [calls(call(None, "c1", "Bash", ONE), call(None, "c2", "Bash", TWO)), STOP],
    "index_repeated": [calls(call(0, "c1", "Bash", ONE)), calls(call(0, "c2", "Bash", TWO)), STOP],
    "empty_object_first": [calls(call(0, "c1", "Bash", "{}")), calls(call(0, arguments=ONE)),
                           calls(call(1, "c2", "Bash", TWO)), CALLED, STOP],
    "odd_ids": [calls(call(0, "functions.Bash:0", "Bash", ONE),
                      call(1, "functions.Bash:1", "Bash", TWO)), CALLED],
    "state_between_calls": [calls(call(0, "c1", "Bash", ONE)), chunk({"reasoning_details": [SIGNED]}),
                            calls(call(1, "c2", "Bash", TWO)), CALLED],
}


def check_claude(counts, claude):
    """claude(base, token, prompt) is its output and status. It runs both calls, once, and sends back
    what came with them."""
    asked = []

    def script(c):
        messages = c.json["messages"]
        results = [m["content"] for m in messages if m["role"] == "tool"]
        asked.append([m["reasoning_details"] for m in messages if "reasoning_details" in m])
        shell = SHELLS[json.dumps(messages).split("case:")[1].split(":")[0]]
        events = [text(" and ".join(results)), STOP] if results else shell
        stream(*events, USED, DONE)(c)

    with Setup(harness.Lighttpd, backend="retries = 0; replay = \"details\";") as setup:
        setup.upstream.reset(script)
        for name in SHELLS:
            del asked[:]
            output, status = claude("http://127.0.0.1:%d%s" % (setup.server.port, setup.server.prefix),
                                    harness.KEY, "case:%s:" % name)
            state = [[SIGNED]] if name == "state_between_calls" else []
            good = status == 0 and "one-6 and two-20" in output and asked == [[], state]
            counts["passed" if good else "failed"] += 1
            print("%-4s claude-code/calls_%s" % ("ok" if good else "FAIL", name), flush=True)
            if not good:
                print("     %s\n     %s" % (output, asked))
