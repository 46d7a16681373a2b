"""The whole surface of Claude Code, phase by phase: the real client in a folder of its own, the
gateway behind a real web server, and a scripted model that looks at what arrives. Where what is
proved depends on the conversion, a phase runs through several wire formats.
"""
from concurrent.futures import ThreadPoolExecutor

import surface_content as content
import surface_faults as faults
import surface_session as session
from model import Chat, Gemini, Messages, Responses

AT_ONCE = 2     # clients, each of which takes a second of processor time to start

# Long ones first.
PHASES = [
    ("large_edits", content.large_edits, ()),
    ("long_conversation", faults.long_conversation, ()),
    ("interrupted_by_key", faults.interrupted_by_key, ()),
    ("allowed_by_key", faults.allowed_by_key, ()),
    ("windows", faults.windows, ()),
    ("window", session.window, ()),
    ("resume", session.resume, ()),
    *(("compaction/" + d.name, session.compaction_on_overflow, (d,)) for d in session.OVERFLOWS),
    ("compact_command", session.compact_command, ()),
    *(("refused/" + name, faults.refused, (name,)) for name in faults.REFUSALS),
    ("gives_up", faults.gives_up, ()),
    ("answer_too_long", faults.answer_too_long, ()),
    ("broken_stream", faults.broken_stream, ()),
    *(("thinking/" + d.name, content.thinking, (d,)) for d in content.EFFORTS),
    ("thinking_budget", content.budget, ()),
    *(("parallel_tools/" + d.name, content.parallel_tools, (d,))
      for d in (Chat, Messages, Gemini, Responses)),
    *(("files/" + d.name, content.files_read, (d,)) for d in (Chat, Messages, Gemini, Responses)),
    *(("web_search/" + d.name, content.web_search, (d,)) for d in (Chat, Messages, Gemini)),
    *(("mcp/" + d.name, content.mcp_long_name, (d,)) for d in (Chat, Messages, Gemini)),
    ("claude_md", content.claude_md, ()),
    ("plan_mode", session.plan_mode, ()),
    ("commands", session.commands, ()),
    ("agents", session.agents, ()),
    ("json_output", session.json_output, ()),
    ("json_input", session.json_input, ()),
    ("interrupted_by_signal", faults.interrupted_by_signal, ()),
    ("interrupted_by_host", faults.interrupted_by_host, ()),
    *(("auto_mode/" + d.name, faults.auto_mode, (d,)) for d in (Chat, Messages)),
    ("discovery", faults.discovery, ()),
]


def check(one, program, words=()):
    """one(name, function, *args) runs a test and counts it; words select phases."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for name, function, args in PHASES:
            if not words or any(word in name for word in words):
                pool.submit(one, "claude-code/surface/" + name, function, program, *args)
