"""Phases of the client's surface that are about what a turn holds: instructions, thoughts, tools,
files. Each runs the real client against a scripted model and looks at both sides.
"""
import json
import os
import struct
import sys
import zlib

import harness
from model import Chat, Gemini, Messages, Responses
from session import Session

HERE = os.path.dirname(os.path.abspath(__file__))
MULTIPLY = {"command": "echo round-$((6 * 7))", "description": "Multiplies"}


def png(side=4):
    """A red square."""
    def chunk(kind, data):
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    rows = (b"\0" + b"\xff\0\0" * side) * side
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + \
        chunk(b"IEND", b"")


PDF = b"""%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>endobj
trailer<</Root 1 0 R>>
%%EOF
"""


def claude_md(program):
    """The user's, the project's with what it includes, a folder's once a file there is read."""
    files = {".claude/CLAUDE.md": "The user likes APRICOTS.",
             "project/CLAUDE.md": "The project grows BANANAS.\n@more.md\n",
             "project/more.md": "The file beside it has CHERRIES.",
             "project/sub/CLAUDE.md": "This folder keeps DATES.", "project/sub/a.txt": "letter"}

    def script(seen):
        if not seen.results():
            return [("call", "Read", {"file_path": s.path("sub/a.txt")})]
        return [("text", "done")]

    with Session(program, script, files=files) as s:
        assert s.ask("Look around.").text == "done"
    first, second = s.seen
    for word in ("APRICOTS", "BANANAS", "CHERRIES", "Look around."):
        assert word in first.text("user"), word
    assert "DATES" not in first.text() and "DATES" in second.text("user")
    assert "letter" in "".join(second.results().values())
    assert len(first.system) > 2000 and first.system == second.system
    assert "x-anthropic-billing-header" not in first.system + first.text()


# What the client's words for effort come to. The model's own default, then --effort.
EFFORTS = {Chat: {None: "medium", "low": "low", "max": "high"},
           Messages: {None: "medium", "low": "low", "max": "max"},
           Gemini: {None: "high", "low": "low", "max": "high"},
           Responses: {None: "medium", "low": "low", "max": "xhigh"}}


def thinking(program, dialect):
    """Words and options that ask for thought reach the model, and its thoughts the client."""
    settings = dict(backend='reasoning = "effort";') if dialect is Chat else {}
    with Session(program, lambda seen: [("thought", "Let me see."), ("text", "Seen.")], dialect,
                 **settings) as s:
        for effort, expected in EFFORTS[dialect].items():
            lines = s.ask("ultrathink: what is it?", "--output-format", "stream-json", "--verbose",
                          *(("--effort", effort) if effort else ())).lines
            assert s.seen[-1].effort == expected, (effort, s.seen[-1].effort)
            assert "requesting deeper reasoning" in s.seen[-1].text(), s.seen[-1].text()[-2000:]
            blocks = [block for line in lines if line["type"] == "assistant"
                      for block in line["message"]["content"]]
            assert [b.get("thinking", b.get("text")) for b in blocks] == ["Let me see.", "Seen."]
            assert lines[-1]["result"] == "Seen.", lines[-1]


def budget(program):
    """MAX_THINKING_TOKENS counts for models before adaptive thinking; 0 switches it off."""
    for tokens, expected in (("5000", {"reasoning_effort": "low"}), ("0", {})):
        with Session(program, lambda seen: [("text", "ok")], backend='reasoning = "effort";',
                     env={"MAX_THINKING_TOKENS": tokens}) as s:
            s.ask("hi", "--model", "claude-haiku-4-5")
        sent = s.seen[0].call.json
        assert {k: v for k, v in sent.items() if k == "reasoning_effort"} == expected, sent.keys()


def parallel_tools(program, dialect):
    """Three calls in one turn are all run, and each result comes back under its own call."""
    def script(seen):
        if not seen.results():
            return [("text", "All three."), *(
                ("call", "Bash", dict(MULTIPLY, command="echo out-$((%d * 7))" % n))
                for n in (1, 2, 3))]
        return [("text", "done")]

    with Session(program, script, dialect) as s:
        assert s.ask("Multiply.", "--allowedTools", "Bash").text == "done"
    seen = s.seen[-1]
    results = {seen.calls()[name][1]["command"]: text for name, text in seen.results().items()}
    assert results == {"echo out-$((%d * 7))" % n: "out-%d" % (n * 7) for n in (1, 2, 3)}, results
    assert "All three." in seen.text() and len(s.seen) == 2


def files_read(program, dialect):
    """An image and a PDF that the client's own tool reads arrive as such, bytes and all; where the
    backend takes no files, the model is told so."""
    def script(seen):
        if not seen.results():
            return [("call", "Read", {"file_path": s.path("red.png")}),
                    ("call", "Read", {"file_path": s.path("one.pdf")})]
        return [("text", "done")]

    takes_files = dict(backend="files = true;") if dialect is Chat else {}
    with Session(program, script, dialect, files={"project/red.png": png(), "project/one.pdf": PDF},
                 **takes_files) as s:
        assert s.ask("What is on them?").text == "done"
        images, documents = s.seen[-1].parts("image"), s.seen[-1].parts("document")
        assert images == [("image", "image/png", png())], images
        assert documents == [("document", "application/pdf", PDF)], documents
        assert len(s.seen[-1].results()) == 2
        if dialect is Chat:
            s.change(backend="")
            assert s.ask("And now?", "--continue").text == "done"
            assert s.seen[-1].parts("image") == images and not s.seen[-1].parts("document")
            assert "left out" in s.seen[-1].text(), s.seen[-1].text()[-2000:]


def web_search(program, dialect):
    """The client's search is a request of its own with the API's search tool alone. What has none
    refuses it, so that no guess passes for what was found."""
    def script(seen):
        if "web search" in seen.system:
            assert dialect is Messages, "a search that nobody makes was passed on"
            assert [t["type"] for t in seen.call.json["tools"]] == ["web_search_20250305"]
            return [("search", "weather", "https://weather.example/", "Tomorrow"),
                    ("text", "Sunny.")]
        if not seen.results():
            return [("call", "ToolSearch", {"query": "select:WebSearch", "max_results": 5})]
        if len(seen.results()) == 1:
            assert "WebSearch" in seen.tools, list(seen.tools)
            return [("call", "WebSearch", {"query": "weather of tomorrow"})]
        return [("text", "done")]

    with Session(program, script, dialect) as s:
        assert s.ask("What will it be?", "--allowedTools", "WebSearch", "ToolSearch").text == "done"
    found = list(s.seen[-1].results().values())[-1]
    if dialect is Messages:
        assert "https://weather.example/" in found and "Sunny." in found, found
    else:
        assert "can't run" in found and "web_search" in found, found


def mcp_long_name(program, dialect):
    """A tool of an MCP server whose name is too long for the backend: it is called all the same."""
    server, tool = "a_server_with_a_rather_long_name_of_its_own", \
        "multiply_two_numbers_with_each_other_and_return_the_product"
    name = "mcp__%s__%s" % (server, tool)

    def short(seen):
        return [t for t in seen.tools if t.startswith("mcp__")]

    def script(seen):
        if not seen.results() or not short(seen):       # the client may still connect to it
            return [("call", "ToolSearch", {"query": "select:" + name, "max_results": 5})]
        if short(seen)[0] not in [called for called, _ in seen.calls().values()]:
            return [("call", short(seen)[0], {"a": 6, "b": 7})]
        return [("text", "done")]

    with Session(program, script, dialect) as s:
        log = os.path.join(s.home, "called")
        s.write("mcp.json", json.dumps({"mcpServers": {server: {
            "command": sys.executable, "args": [os.path.join(HERE, "mcp_server.py"), tool, log]}}}))
        assert s.ask("Multiply.", "--mcp-config", os.path.join(s.home, "mcp.json"),
                     "--allowedTools", name, "ToolSearch").text == "done"
        with open(log) as f:
            assert f.read() == '%s {"a": 6, "b": 7}\n' % tool
    last = s.seen[-1]
    assert len(short(last)) == 1 and (dialect is Messages) == (short(last)[0] == name), short(last)
    assert len(short(last)[0]) <= 64 or dialect is Messages
    assert {"a", "b"} == set(last.tools[short(last)[0]]["properties"]), last.tools
    assert list(last.calls().values())[-1] == (short(last)[0], {"a": 6, "b": 7})
    assert list(last.results().values())[-1] == "product 42", last.results()


def large_edits(program):
    """120 KB written and half of it replaced: arguments with every kind of character survive."""
    line = "line %04d \"quoted\" \\back\\slash\ttab é 漢字 🎉 </script> $`{}`\n"
    text = "".join(line % n for n in range(1200))
    half = text[:len(text) // 2]

    def script(seen):
        done = len(seen.results())
        if done == 0:
            return [("call", "Write", {"file_path": s.path("big.txt"), "content": text})]
        if done == 1:
            return [("call", "Edit", {"file_path": s.path("big.txt"), "old_string": half,
                                      "new_string": half.upper()})]
        return [("text", "done")]

    with Session(program, script, server=harness.ApacheFcgid) as s:
        assert s.ask("Write it.", "--permission-mode", "acceptEdits").text == "done"
        assert s.read("big.txt") == half.upper() + text[len(half):]
    calls = list(s.seen[-1].calls().values())
    assert calls[0][1]["content"] == text and calls[1][1]["old_string"] == half
