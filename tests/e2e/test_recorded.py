"""Every recorded answer of a provider through the real program with that provider's preset as it is,
streamed and whole: text, thinking, tools and usage must be what the recording says.
"""
import json
import os

import harness
import recorded
from client import message
from test_bedrock import FRAMES, STATIC, frame
from test_compat import KEY, Preset

ROOT = os.environ.get("RECORDED") or os.path.join(
    os.path.dirname(os.path.abspath(__file__)), "..", "..", "..", "shared", "recorded")

# folder: preset, its settings, the end of its base URL, the model, how its answers are read
CHAT = 'dialect = "openai-chat";'
FOLDERS = {
    "alibaba": ("ALIBABA", "", "/v1", "qwen3.8-max", recorded.chat),
    "amazon-bedrock": ("BEDROCK", 'dialect = "bedrock-converse"; ' + STATIC, "",
                       "amazon.nova-pro-v1:0", recorded.converse),
    "anthropic": ("ANTHROPIC", "", "", "claude-x", recorded.messages),
    "cohere": ("COHERE", "", "", "command-a-03-2025", recorded.cohere),
    "deepseek": ("DEEPSEEK", CHAT, "", "deepseek-v4-pro", recorded.chat),
    "google": ("GEMINI", "", "/v1beta", "gemini-3.5-flash", recorded.gemini),
    "groq": ("GROQ", "", "/openai/v1", "qwen/qwen3-32b", recorded.chat),
    "mistral": ("MISTRAL", "", "/v1", "mistral-medium-3-5", recorded.chat),
    "moonshotai": ("MOONSHOT", CHAT, "/v1", "kimi-k3", recorded.chat),
    "openai": ("OPENAI", CHAT, "/v1", "gpt-4.1-nano", recorded.chat),
    "openai-compatible": ("XAI", "", "/v1", "grok-4.7", recorded.chat),
    "perplexity": ("PERPLEXITY", "", "", "sonar", recorded.chat),
    "xai": ("XAI", "", "/v1", "grok-3-mini", recorded.chat),
}


def files(folder):
    for name in sorted(os.listdir(os.path.join(ROOT, folder))):
        with open(os.path.join(ROOT, folder, name), "rb") as f:
            yield name, f.read()


def answers_of(name, data):
    """The JSON texts of a recording: an event a line, or one whole answer."""
    return data.decode().split("\n") if name.endswith(".chunks.txt") else [data.decode()]


def played(folder, name, data):
    """A script that sends the recording as its provider does."""
    def script(call):
        if not name.endswith(".chunks.txt"):
            call.whole(200, data)
        elif folder == "amazon-bedrock":
            call.begin(FRAMES)
            for line in filter(None, answers_of(name, data)):
                (kind, payload), = json.loads(line).items()
                call.raw(frame(kind, payload))
        else:
            call.begin()
            for line in filter(None, answers_of(name, data)):
                event = json.loads(line)
                if folder == "anthropic":
                    call.raw("event: %s\n" % event["type"])
                call.event(line)
    return script


def received(setup, stream):
    with setup.client(timeout=60) as client:
        if stream:
            _, reply = client.stream(message(stream=True))
            return [data for name, data, _ in reply if name not in (":", "ping")]
        reply = client.ask("POST", "/v1/messages", message())
        assert reply.status == 200, (reply.status, reply.body)
        return [json.loads(reply.body)]


def compare(what, got, want):
    counts = ("input", "cached", "output") if want.output else ()   # one recording has none
    for member in ("text", "thinking") + counts:
        assert getattr(got, member) == getattr(want, member), \
            "%s: %s: %r is not %r" % (what, member, getattr(got, member), getattr(want, member))
    assert got.tools() == want.tools(), "%s: %s is not %s" % (what, got.tools(), want.tools())


def replay_folder(folder):
    preset, settings, base, model, read = FOLDERS[folder]
    key = "" if folder == "amazon-bedrock" else 'api_key = "%s";' % KEY
    done = 0
    with Preset(preset, settings, base=base, key=key, model=model) as setup:
        for name, data in files(folder):
            done += 1
            if b'"error"' in data[:20]:     # an answer that is an error: tests/golden has it
                continue
            want = read([json.loads(line) for line in filter(None, answers_of(name, data))])
            for stream in (True, False):
                setup.upstream.reset(played(folder, name, data))
                got = recorded.messages(received(setup, stream))
                compare("%s/%s, %s" % (folder, name, "stream" if stream else "whole"), got, want)
    return done


def test_recorded_answers():
    if not os.path.isdir(ROOT):
        raise harness.Absent("no recorded answers in %s" % ROOT)
    there = {f for f in os.listdir(ROOT) if os.path.isdir(os.path.join(ROOT, f))}
    assert there == set(FOLDERS), there ^ set(FOLDERS)
    done = sum(replay_folder(folder) for folder in sorted(FOLDERS))
    unused = sum(len(os.listdir(os.path.join(ROOT, f))) for f in there) - done
    assert unused == 0, "%d recordings were not played" % unused
