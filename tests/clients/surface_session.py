"""Phases of the client's surface that are about a session: modes, commands, agents, its memory and
its windows, and how it goes on when something breaks.
"""
import base64
import json
import os
import shlex
import subprocess

import harness
from model import Chat, Gemini, Messages
from session import Live, Session, user
from surface_content import MULTIPLY, png

STREAM = ("--output-format", "stream-json", "--verbose")
SUMMARIZE = "Your task is to create a detailed summary"
# What backends answer to too much, in their own words.
OVERFLOWS = {
    Chat: (400, {"error": {
        "type": "invalid_request_error", "code": "context_length_exceeded",
        "message": "This model's maximum context length is 128000 tokens. However, your messages "
                   "resulted in 130001 tokens. Please reduce the length of the messages."}}),
    Messages: (400, {"type": "error", "error": {
        "type": "invalid_request_error",
        "message": "prompt is too long: 200001 tokens > 200000 maximum"}}),
    Gemini: (400, {"error": {
        "code": 400, "status": "INVALID_ARGUMENT",
        "message": "The input token count (1048577) exceeds the maximum number of tokens allowed "
                   "(1048576)."}}),
}


def done(seen):
    return [("text", "done")]


def plan_mode(program):
    """Nothing is written while the plan is made; once it is accepted, it is carried out."""
    def script(seen):
        name = s.path("made.txt")
        return ([("call", "Write", {"file_path": name, "content": "too early"})],
                [("call", "ExitPlanMode", {"plan": "1. Write the file."})],
                [("call", "Write", {"file_path": name, "content": "as planned"})],
                done(seen))[len(seen.results())]

    with Session(program, script) as s, Live(s, "--permission-mode", "plan") as live:
        live.send(user("Make the file."))
        live.deny(live.asked("Write"), "first the plan")
        asked = live.asked("ExitPlanMode")
        assert not os.path.exists(s.path("made.txt"))
        live.allow(asked)
        live.allow(live.asked("Write"))
        live.result()
        assert s.read("made.txt") == "as planned"
    assert "Plan mode is active" in s.seen[0].text(), s.seen[0].text()[-3000:]
    assert "first the plan" in list(s.seen[1].results().values())[0], s.seen[1].results()


def commands(program):
    """The project's own commands and skills come out expanded; the client's own need no model."""
    files = {"project/.claude/commands/greet.md":
             "---\ndescription: Greets\n---\nGreet $ARGUMENTS with !`echo sum-$((6 * 7))`\n",
             "project/.claude/skills/zest/SKILL.md":
             "---\nname: zest\ndescription: Adds zest\n---\nAdd zest to $ARGUMENTS.\n"}
    with Session(program, done, files=files) as s:
        assert s.ask("/greet Bob", "--allowedTools", "Bash(echo:*)").text == "done"
        assert "Greet Bob with sum-42" in s.seen[-1].text("user"), s.seen[-1].text("user")[:3000]
        assert s.ask("/zest soup").text == "done"
        assert "Add zest to soup." in s.seen[-1].text("user"), s.seen[-1].text("user")[:3000]
        assert "zest" in s.seen[-1].text() and "Adds zest" in s.seen[-1].text()
        for command, words in (("/context", "Context Usage"), ("/cost", "cost")):
            assert words in s.ask(command).text
    assert len(s.seen) == 2, len(s.seen)


def agents(program):
    """Two agents at once, one of them with instructions, tools and a model of its own."""
    agent = {"digger": {"description": "Digs", "prompt": "You are a DIGGER.", "tools": ["Read"],
                        "model": "haiku"}}

    def script(seen):
        if "You are a DIGGER." in seen.system:
            assert list(seen.tools) == ["Read"] and seen.call.json["model"] == "little", seen.tools
            return [("text", "deep gold")]
        if "Dig wide." in seen.text() and not seen.parts("call"):
            return [("text", "wide silver")]
        if not seen.results():
            return [("call", "Agent", {"run_in_background": False, "description": "Digs",
                                       "prompt": prompt, "subagent_type": kind})
                    for kind, prompt in (("digger", "Dig deep."), ("general-purpose", "Dig wide."))]
        return done(seen)

    with Session(program, script, env={"ANTHROPIC_DEFAULT_HAIKU_MODEL": "little"}) as s:
        assert s.ask("Dig.", "--agents", json.dumps(agent)).text == "done"
    assert len(s.seen) == 4, len(s.seen)
    last = s.seen[-1]
    found = {last.calls()[name][1]["prompt"]: text for name, text in last.results().items()}
    assert "deep gold" in found["Dig deep."] and "wide silver" in found["Dig wide."], found


def summary_asked(seen):
    return SUMMARIZE in seen.text()


def compaction_on_overflow(program, dialect):
    """The backend's own words for too much are put so that the client compacts and goes on."""
    def script(seen):
        if summary_asked(seen):
            return [("text", "<summary>The user likes PLUMS.</summary>")]
        if "Second" in seen.text() and "PLUMS" not in seen.text():
            return seen.call.whole(*OVERFLOWS[dialect])
        return [("text", "answer %d" % len(s.seen))]

    with Session(program, script, dialect) as s:
        s.ask("First of all, APPLES.")
        lines = s.ask("Second", "--continue", *STREAM).lines
        assert "compact_boundary" in [line.get("subtype") for line in lines], lines
        assert lines[-1]["result"] == "answer %d" % len(s.seen), lines[-1]
        assert "PLUMS" in s.seen[-1].text() and "answer 1" not in s.seen[-1].text("assistant")
        s.ask("Third", "--continue")
    assert "PLUMS" in s.seen[-1].text() and "Third" in s.seen[-1].text()
    assert [summary_asked(seen) for seen in s.seen].count(True) == 1


def compact_command(program):
    """By hand, with a wish, in a session that then remembers the summary alone."""
    def script(seen):
        return [("text", "<summary>It was PLUMS.</summary>" if summary_asked(seen) else "MANGO")]

    with Session(program, script) as s:
        s.ask("About APPLES")
        s.ask("/compact Keep the plums.", "--continue")
        assert summary_asked(s.seen[-1]) and "Keep the plums." in s.seen[-1].text()
        assert "APPLES" in s.seen[-1].text()
        s.ask("And now?", "--continue")
    last = s.seen[-1]
    assert "PLUMS" in last.text() and not last.parts("text", "assistant"), last.turns[1:]


def printed(s):
    """What `messages.fcgi env` says of models and windows."""
    gateway = s.setup.gateway
    line = subprocess.run([gateway.program, "--config", gateway.config, "env"], text=True, timeout=60,
                          env=harness.clean_env(HOME=s.home), stdout=subprocess.PIPE, check=True)
    return dict(word.split("=", 1) for word in shlex.split(line.stdout) if word.startswith(
        ("ANTHROPIC_MODEL=", "ANTHROPIC_DEFAULT_", "CLAUDE_CODE_")))


def window(program):
    """The line that `messages.fcgi env` prints makes the client compact in time."""
    def script(seen):
        if summary_asked(seen):
            return [("text", "<summary>It was about PLUMS.</summary>")]
        return [("text", "long " * 9000), ("used", 90000 if len(s.seen) < 4 else 9000)]

    with Session(program, script) as s:
        s.env = printed(s)
        assert len(s.env) == 5, s.env
        for prompt in ("One", "Two", "Three"):
            lines = s.ask(prompt, *(("--continue",) if s.seen else ()), *STREAM).lines
            assert lines[-1]["modelUsage"]["scripted"]["contextWindow"] == 100000, lines[-1]
    assert any(map(summary_asked, s.seen)), [len(seen.turns) for seen in s.seen]
    assert s.seen[0].call.json["max_tokens"] == 25000


def resume(program):
    """--continue, --resume and --fork-session bring the whole history, tools' results too."""
    def script(seen):
        if "First" in seen.text() and not seen.results():
            return [("text", "I run it."), ("call", "Bash", MULTIPLY)]
        return [("text", "answer %d" % len(s.seen))]

    with Session(program, script) as s:
        first = s.ask("First", "--allowedTools", "Bash", "--output-format", "json").lines[0]
        s.ask("Second", "--continue")
        s.ask("Third", "--resume", first["session_id"])
        fork = s.ask("Fourth", "--resume", first["session_id"], "--fork-session",
                     "--output-format", "json").lines[0]
        assert fork["session_id"] != first["session_id"]
        s.ask("Fifth", "--resume", first["session_id"])
    words = [seen.text() for seen in s.seen]
    for late, early in ((2, ("First", "answer 2")), (3, ("Second", "answer 3")),
                        (4, ("Third", "answer 4")), (5, ("Third", "answer 4"))):
        assert all(word in words[late] for word in early), (late, words[late][-500:])
        assert list(s.seen[late].results().values()) == ["round-42"]
        assert s.seen[late].turns[:3] == s.seen[1].turns[:3], s.seen[late].turns[:3]
    assert "Fourth" not in words[5] and "Fourth" in words[4]


def json_output(program):
    """One object, a line an event, and an answer that fits a schema."""
    def script(seen):
        if "StructuredOutput" in seen.tools and not seen.results():
            return [("call", "StructuredOutput", {"n": 42})]
        return [("thought", "Hm."), ("text", "Hello "), ("text", "there")]

    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    with Session(program, script) as s:
        one = s.ask("hi", "--output-format", "json").lines[0]
        lines = s.ask("hi", *STREAM, "--include-partial-messages").lines
        fitted = s.ask("hi", "--output-format", "json", "--json-schema",
                       json.dumps(schema)).lines[0]
    assert one["result"] == "Hello there" and not one["is_error"], one
    assert one["usage"]["input_tokens"] == 11 and one["usage"]["output_tokens"] == 7, one["usage"]
    deltas = [line["event"]["delta"] for line in lines if line["type"] == "stream_event" and
              line["event"]["type"] == "content_block_delta"]
    assert [d["text"] for d in deltas if "text" in d] == ["Hello ", "there"], deltas
    assert [d["thinking"] for d in deltas if "thinking" in d] == ["Hm."], deltas
    assert fitted["structured_output"] == {"n": 42}, fitted


def json_input(program):
    """Two turns on one standard input, the second with an image, then a question of permission that
    is answered no, and another model."""
    def script(seen):
        if "Write it." in seen.text() and not seen.results():
            return [("call", "Write", {"file_path": s.path("no.txt"), "content": "no"})]
        return [("text", "answer %d" % len(s.seen))]

    with Session(program, script) as s, Live(s) as live:
        live.send(user("one"))
        assert live.result()["result"] == "answer 1"
        live.send(user([{"type": "text", "text": "two"}, image_block()]))
        assert live.result()["result"] == "answer 2"
        assert s.seen[-1].parts("image") == [("image", "image/png", png())]
        live.send(user("Write it."))
        live.deny(live.asked("Write"), "not here")
        live.result()
        assert "not here" in list(s.seen[-1].results().values())[0], s.seen[-1].results()
        assert not os.path.exists(s.path("no.txt"))
        live.control("set_model", model="little")
        live.send(user("four"))
        live.result()
    asked = [seen.call.json["model"] for seen in s.seen]
    assert asked[:4] == ["scripted"] * 4 and set(asked[4:]) == {"little"}, asked
    assert s.seen[4].call.json["max_tokens"] == 1     # the client tries a name that it doesn't know


def image_block():
    return {"type": "image", "source": {"type": "base64", "media_type": "image/png",
                                        "data": base64.b64encode(png()).decode()}}
