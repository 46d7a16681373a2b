"""Phases of the client's surface where something ends early, is refused or grows long, and what the
client learns of models and windows.
"""
import json
import os
import signal

import harness
import rounds
from model import Messages
from session import Live, Session, user
from surface_content import MULTIPLY
from surface_session import STREAM
from terminal import Terminal

MAKE = {"command": "touch made-$((6 * 7))", "description": "Makes a file"}
GONE = 60       # seconds, many more than any web server takes to notice


def held(gone):
    """A model that says a line and then nothing until its connection ends."""
    def script(seen):
        if "then this" in seen.text():
            return [("text", "REPLY-%d" % (6 * 7))]
        seen.call.begin()
        seen.call.text("partial words\n\n")
        gone.append(seen.call.gone(GONE))
        return None
    return script


def ended(gone):
    harness.wait_for(lambda: gone, GONE, "the call to the backend ends")
    assert gone[0] is not None, "the call to the backend went on"


def interrupted_by_signal(program):
    """SIGINT in mid-stream: the client ends, and so does the call to the backend."""
    gone = []
    with Session(program, held(gone)) as s:
        process = s.start("-p", "talk", *STREAM, "--include-partial-messages")
        for line in process.stdout:
            if "partial words" in line:
                break
        process.send_signal(signal.SIGINT)
        process.stdout.read()
        process.wait(GONE)
        ended(gone)


def interrupted_by_host(program):
    """The same by the SDK's word; the session goes on with what had been said."""
    gone = []
    with Session(program, held(gone), server=harness.ApacheFcgid) as s, Live(s) as live:
        live.send(user("talk"))
        live.until(lambda line: "partial words" in json.dumps(line))
        live.control("interrupt")
        live.result()
        ended(gone)
        live.send(user("and then this"))
        assert live.result()["result"] == "REPLY-42"
    assert "interrupted by user" in s.seen[-1].text("user")


def on_terminal(s, *args):
    """The client as a person starts it who has done so before."""
    s.write(".claude.json", json.dumps({
        "hasCompletedOnboarding": True, "theme": "dark",
        "projects": {s.project: {"hasTrustDialogAccepted": True}}}))
    return Terminal(s.project, s.environment(), s.program, *args)


def interrupted_by_key(program):
    """The same by Esc on a terminal, where everything else is as a person sees it."""
    gone = []
    with Session(program, held(gone)) as s:
        with on_terminal(s) as terminal:
            terminal.until("❯")
            terminal.type("count slowly")
            terminal.until("partial words")
            terminal.press("\x1b")
            terminal.until(lambda: gone)
            ended(gone)
            terminal.until("Interrupted")
            terminal.type("then this")
            terminal.until("REPLY-42")
    asked = [seen for seen in s.seen if "count slowly" in seen.text()]
    assert "interrupted by user" in asked[-1].text("user").lower(), asked[-1].turns[-1]


def allowed_by_key(program):
    """A command that asks first, in the mode that needs nothing of the API's own."""
    def script(seen):
        if seen.results() or "go now" not in seen.text():
            return [("text", "REPLY-%d" % (6 * 7))]
        return [("call", "Bash", MAKE)]

    with Session(program, script) as s:
        with on_terminal(s, "--permission-mode", "manual") as terminal:
            terminal.until("❯")
            terminal.type("go now")
            terminal.until("Do you want to proceed?")
            terminal.until("Esc to cancel")
            assert not os.path.exists(s.path("made-42"))
            terminal.until("REPLY-42", again="1")
        assert os.path.exists(s.path("made-42"))


# What the backend says in the middle of a task: its status, its body and its retry-after; then how
# often it is asked again and the status that the client reports.
REFUSALS = {
    "429": (429, {"error": {"message": "slow down", "type": "rate_limit_error"}}, "1", 1, 429),
    "529": (529, {"error": {"message": "all busy"}}, "1", 1, 529),
    "503": (503, {"error": {"message": "no worker"}}, None, 1, 529),
    "429_quota": (429, {"error": {"message": "You exceeded your current quota.", "type":
                  "insufficient_quota", "code": "insufficient_quota"}}, None, 0, 402),
    "429_long": (429, {"error": {"message": "come back later"}}, "120", 0, 429),
}


def refused(program, name):
    """A refusal between two turns: what passes is waited for, what doesn't is told at once."""
    status, body, after, again, shown = REFUSALS[name]
    refusals = []

    def script(seen):
        if not seen.results():
            return [("call", "Bash", MULTIPLY)]
        if not refusals:
            refusals.append(seen)
            return seen.call.whole(status, body, [("retry-after", after)] if after else [])
        return [("text", "done")]

    with Session(program, script) as s:
        result = s.ask("go", "--allowedTools", "Bash", *STREAM)
    lines = result.objects
    assert len(s.seen) == 2 + again, len(s.seen)
    retries = [line["error_status"] for line in lines if line.get("subtype") == "api_retry"]
    assert retries == [shown] * again, retries
    if again:
        assert lines[-1]["result"] == "done" and s.seen[-1].results() == refusals[0].results()
    else:
        assert result.status == 1 and lines[-1]["api_error_status"] == shown, lines[-1]
        assert body["error"]["message"] in lines[-1]["result"], lines[-1]["result"]


# What a server says of an answer of 128,000 tokens, and for how much it is asked then: where the
# window is too small for it (vLLM), by the client, which keeps 1,000 free; where the model is
# (OpenAI), by the gateway.
ANSWERS = (
    ("'max_tokens' or 'max_completion_tokens' is too large: 128000. This model's maximum context "
     "length is 65536 tokens and your request has 11000 input tokens (128000 > 65536 - 11000).",
     53536),
    ("max_tokens is too large: 128000. This model supports at most 16384 completion tokens, "
     "whereas you provided 128000.", 16384))


def answer_too_long(program):
    """The client takes the model for one of Claude's and wants an answer that it can't give."""
    for says, limit in ANSWERS:
        def script(seen):
            if seen.call.json["max_tokens"] > limit:
                return seen.call.whole(400, {"error": {"message": says, "code": 400}})
            return [("text", "short")]

        with Session(program, script) as s:
            assert s.ask("go").text == "short"
        assert [seen.call.json["max_tokens"] for seen in s.seen] == [128000, limit]


def gives_up(program):
    """All retries in vain: the client names what the backend said."""
    with Session(program, lambda seen: seen.call.whole(
            529, {"error": {"message": "all busy"}}, [("retry-after", "1")]),
            env={"CLAUDE_CODE_MAX_RETRIES": "1"}) as s:
        result = s.ask("go")
    assert result.status == 1 and "529 all busy" in result.output, result.output
    assert len(s.seen) == 2, len(s.seen)


def broken_stream(program):
    """An error after words, and a connection that ends before any: the turn is had in the end."""
    def script(seen):
        if len(s.seen) in (1, 3):
            seen.call.begin()
            if len(s.seen) == 1:
                seen.call.text("half an ans")
                seen.call.event({"error": {"message": "engine overloaded", "code": 503}})
            return None
        return [("text", "whole answer %d" % len(s.seen))]

    with Session(program, script) as s:
        assert s.ask("one").text == "whole answer 2"
        assert s.ask("two").text == "whole answer 4"


def long_conversation(program):
    """3 MB of it, through the server that refuses 128 KB unless it is told."""
    piece = "".join("%07d %s\n" % (n, "word " * 18) for n in range(8000))
    with Session(program, lambda seen: [("text", "answer %d" % len(s.seen))],
                 server=harness.ApacheFcgid,
                 env={"DISABLE_AUTO_COMPACT": "1"}) as s, Live(s) as live:
        for n in range(1, 5):
            live.send(user("part %d\n%s" % (n, piece)))
            assert live.result()["result"] == "answer %d" % n
    last = s.seen[-1]
    assert len(last.call.body) > 3_000_000, len(last.call.body)
    assert last.text("user").count(piece) == 4 and last.text("assistant") == \
        "answer 1\nanswer 2\nanswer 3"


def auto_mode(program, dialect):
    """The API's own safety check: its question and its verdict pass. What has none gets no such
    question, and the client runs nothing."""
    def script(seen):
        if dialect is not Messages:
            assert "classifier_context" not in seen.call.body.decode()
            return [("text", "done")] if seen.results() else [("call", "Bash", MAKE)]
        assert seen.call.json["safeguards"][0]["type"] == "dangerous_tool_use"
        assert "dangerous-tool-use-" in seen.call.headers["anthropic-beta"]
        if seen.results():
            return [("text", "done")]
        return verdict(seen.call)

    with Session(program, script, dialect) as s:
        result = s.ask("go", "--permission-mode", "auto", "--output-format", "json")
        assert os.path.exists(s.path("made-42")) == (dialect is Messages)
    told = list(s.seen[-1].results().values())[0]
    if dialect is Messages:
        assert result.status == 0, told
    else:
        assert result.status == 1 and "Auto mode is unavailable" in told, (result.status, told)


def verdict(call):
    """A call of a tool that the safety check let pass."""
    block = ({"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}},
             {"type": "input_json_delta", "partial_json": json.dumps(MAKE)})
    call.begin()
    for event in rounds.claude_events("tool_use", block):
        if event["type"] == "message_delta":
            event["delta"]["safeguard_results"] = [{"type": "dangerous_tool_use", "status": {
                "type": "available", "tool_uses": {"toolu_1": {
                    "type": "evaluated", "outcome": "not_flagged"}}}}]
        call.raw("event: %s\ndata: %s\n\n" % (event["type"], json.dumps(event)))


MAX, COMPACT = "CLAUDE_CODE_MAX_CONTEXT_TOKENS", "CLAUDE_CODE_AUTO_COMPACT_WINDOW"
# A model's name, the environment, and what the client takes for the window then, as
# docs/claude-code.md says it.
WINDOWS = (
    ("gpt-6-sol", {}, "1m"),
    ("gpt-6-sol", {MAX: "400000"}, "400k"),
    ("gpt-6-sol", {MAX: "400000", COMPACT: "400000"}, "400k"),
    ("qwen3-coder:30b", {MAX: "65536"}, "65.5k"),
    ("gpt-6-sol[1m]", {MAX: "400000"}, "1m"),
    ("claude-opus-5-5", {MAX: "400000"}, "1m"),
    ("claude-opus-5-5", {COMPACT: "400000"}, "400k"),
    ("databricks-claude-sonnet-4-5", {MAX: "128000", COMPACT: "128000"}, "128k"),
)


def windows(program):
    """What the client makes of a model's name and of the variables that `env` prints."""
    with Session(program, lambda seen: [("text", "ok")]) as s:
        for model, env, window in WINDOWS:
            s.env = env
            told = [line for line in s.ask("/context", "--model", model).text.splitlines()
                    if line.startswith("**Tokens:**")]
            assert len(told) == 1 and "/ %s (" % window in told[0], (model, env, told)
    assert not s.seen


def discovery(program):
    """The gateway's list of models, under the names that the client does not hide."""
    def script(seen):
        """The client does not wait for the list: it would end with the answer."""
        harness.wait_for(lambda: os.path.exists(kept) and os.path.getsize(kept), 20, "the list is kept")
        return [("text", "ok")]

    with Session(program, script, env={
            "CLAUDE_CODE_ENABLE_GATEWAY_MODEL_DISCOVERY": "1",
            "CLAUDE_CODE_GATEWAY_MODEL_DISCOVERY_TIMEOUT_MS": "60000"}) as s:
        kept = os.path.join(s.home, ".claude", "cache", "gateway-models.json")
        assert s.ask("hi", "--model", "anthropic/vendor/other").text == "ok"
        with open(kept) as f:
            ids = [model["id"] for model in json.load(f)["models"]]
    assert ids == ["anthropic/scripted", "anthropic/vendor/other"], ids
    assert s.seen[0].call.json["model"] == "vendor/other"
