"""A scripted model behind four wire formats. What a request says is read into one form (Seen), and
the answer is given in one form (a list of blocks), so that a test of what Claude Code does is
written once and run through any of them.

A block is ("text", words), ("thought", words) or ("call", name, input); of Chat ("used", tokens)
too, which says how long the prompt was, and of Messages ("search", query, url, title). A part of a
turn is one of the first three, a call with its id behind it, ("image" or "document", media type,
bytes) or ("result", id, parts).
"""
import base64
import json

import rounds
from test_gemini import says
from test_openai import respond


def data_url(url):
    """What a data: URL holds."""
    head, _, data = url.partition(",")
    assert head.startswith("data:") and head.endswith(";base64"), url[:60]
    return head[5:-7], base64.b64decode(data)


def usage(prompt):
    return {"prompt_tokens": prompt, "completion_tokens": 7, "total_tokens": prompt + 7}


class Seen:
    """A request to the backend. turns: (role, parts) in order; tools: name to schema; system: what
    stands before the first turn; call: the raw thing."""

    def __init__(self, call, system, turns, tools, effort):
        self.call, self.system, self.turns, self.tools = call, system, turns, tools
        self.effort = effort

    def parts(self, kind, role=None):
        """All parts of a kind, those inside results too."""
        found = []
        for who, parts in self.turns:
            if role in (None, who):
                for part in parts:
                    inner = part[2] if part[0] == "result" else ()
                    found += [p for p in (part, *inner) if p[0] == kind]
        return found

    def text(self, role=None):
        return "\n".join(part[1] for part in self.parts("text", role))

    def results(self):
        """Call id to the text of its result."""
        return {part[1]: "\n".join(p[1] for p in part[2] if p[0] == "text")
                for part in self.parts("result")}

    def calls(self):
        """Call id to its name and input."""
        return {part[3]: part[1:3] for part in self.parts("call")}


class Chat:
    """OpenAI's Chat Completions."""
    name = "openai-chat"
    settings = dict(dialect="openai-chat")
    base = "/v1"
    path = "/v1/chat/completions"

    @classmethod
    def read(cls, call):
        body, system, turns = call.json, [], []
        for message in body["messages"]:
            role, parts = message["role"], [cls.part(p) for p in cls.content(message)]
            if role in ("system", "developer") and not turns:
                system += [p[1] for p in parts]
                continue
            if role == "tool":
                parts = [("result", message["tool_call_id"], parts)]
            parts += [("call", c["function"]["name"], json.loads(c["function"]["arguments"]),
                       c["id"]) for c in message.get("tool_calls", ())]
            turns.append((role, parts))
        tools = {t["function"]["name"]: t["function"].get("parameters")
                 for t in body.get("tools", ())}
        return Seen(call, "\n".join(system), turns, tools, body.get("reasoning_effort"))

    @staticmethod
    def content(message):
        content = message.get("content") or []
        return [{"type": "text", "text": content}] if isinstance(content, str) else content

    @staticmethod
    def part(p):
        if p["type"] == "image_url":
            return ("image", *data_url(p["image_url"]["url"]))
        if p["type"] == "file":
            return ("document", *data_url(p["file"]["file_data"]))
        assert p["type"] == "text", p
        return "text", p["text"]

    @classmethod
    def answer(cls, call, blocks):
        if not call.json.get("stream"):
            return cls.whole(call, blocks)
        call.begin()
        finish, index, used = "stop", 0, 11
        for kind, *more in blocks:
            if kind == "call":
                finish, arguments = "tool_calls", json.dumps(more[1])
                call.delta({"tool_calls": [{"index": index, "id": cls.call_id(index, call),
                            "type": "function", "function": {"name": more[0], "arguments": ""}}]})
                for at in range(0, len(arguments), 4000):
                    call.delta({"tool_calls": [{"index": index, "function": {
                        "arguments": arguments[at:at + 4000]}}]})
                index += 1
            elif kind == "used":
                used = more[0]
            else:
                call.delta({"content" if kind == "text" else "reasoning_content": more[0]})
        call.delta({}, finish)
        call.event({"id": "c", "choices": [], "usage": usage(used)})
        return call.event("[DONE]")

    @classmethod
    def whole(cls, call, blocks):
        message = {"role": "assistant", "content": "".join(
            b[1] for b in blocks if b[0] == "text")}
        calls = [b for b in blocks if b[0] == "call"]
        if calls:
            message["tool_calls"] = [{"id": cls.call_id(i, call), "type": "function", "function": {
                "name": b[1], "arguments": json.dumps(b[2])}} for i, b in enumerate(calls)]
        call.whole(200, {"id": "c", "object": "chat.completion", "model": "scripted",
                         "usage": usage(11), "choices": [
                             {"index": 0, "finish_reason": "tool_calls" if calls else "stop",
                              "message": message}]})

    @staticmethod
    def call_id(index, call):
        """An id of a call, new in its conversation."""
        return "call_%d_%d" % (len(call.json["messages"]), index)


class Messages:
    """The Messages API itself."""
    name = "anthropic"
    settings = dict(dialect="anthropic", model="claude-opus-5-5")
    base = ""
    path = "/v1/messages?beta=true"

    @classmethod
    def read(cls, call):
        body = call.json
        system = body.get("system") or []
        system = [system] if isinstance(system, str) else [b["text"] for b in system]
        turns = [(m["role"], cls.parts(m["content"])) for m in body["messages"]]
        tools = {t["name"]: t.get("input_schema") for t in body.get("tools", ())}
        effort = (body.get("output_config") or {}).get("effort")
        return Seen(call, "\n".join(system), turns, tools, effort)

    @classmethod
    def parts(cls, content):
        content = [{"type": "text", "text": content}] if isinstance(content, str) else content
        return [cls.part(block) for block in content]

    @classmethod
    def part(cls, block):
        kind = block["type"]
        if kind in ("image", "document"):
            source = block["source"]
            return kind, source["media_type"], base64.b64decode(source["data"])
        if kind == "tool_use":
            return "call", block["name"], block["input"], block["id"]
        if kind == "tool_result":
            return "result", block["tool_use_id"], cls.parts(block.get("content") or [])
        if kind == "thinking":
            return "thought", block["thinking"]
        return kind, block.get("text") or block

    @classmethod
    def answer(cls, call, blocks):
        stop, out = "end_turn", []
        for index, (kind, *more) in enumerate(blocks):
            if kind == "call":
                stop = "tool_use"
                start = {"type": "tool_use", "name": more[0], "input": {},
                         "id": "toolu_%d_%d" % (len(call.json["messages"]), index)}
                out.append((start, {"type": "input_json_delta",
                                    "partial_json": json.dumps(more[1])}))
            elif kind == "thought":
                out.append(({"type": "thinking", "thinking": "", "signature": ""},
                            {"type": "thinking_delta", "thinking": more[0]},
                            {"type": "signature_delta", "signature": "EqoBCkgI=="}))
            elif kind == "search":
                out += cls.search(*more)
            else:
                out.append(({"type": "text", "text": ""}, {"type": "text_delta", "text": more[0]}))
        call.begin()
        for event in rounds.claude_events(stop, *out):
            if event["type"] == "message_start":    # the client joins answers of one id
                event["message"]["id"] = "msg_%d" % len(call.json["messages"])
            call.raw("event: %s\ndata: %s\n\n" % (event["type"], json.dumps(event)))

    @staticmethod
    def search(query, url, title):
        """A search that the API makes itself, and what it found."""
        yield ({"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
               {"type": "input_json_delta", "partial_json": json.dumps({"query": query})})
        yield ({"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [
            {"type": "web_search_result", "url": url, "title": title, "encrypted_content": "Eo==",
             "page_age": None}]},)


class Gemini:
    """Google's generateContent."""
    name = "gemini"
    settings = dict(dialect="gemini", model="gemini-3-pro")
    base = "/v1beta"
    path = "/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"

    @classmethod
    def read(cls, call):
        body = call.json
        system = [p["text"] for p in body.get("systemInstruction", {}).get("parts", ())]
        turns = [(c["role"], [cls.part(p) for p in c["parts"]]) for c in body["contents"]]
        tools = {f["name"]: f.get("parametersJsonSchema") or f.get("parameters")
                 for t in body.get("tools", ()) for f in t.get("functionDeclarations", ())}
        effort = body.get("generationConfig", {}).get("thinkingConfig", {}).get("thinkingLevel")
        return Seen(call, "\n".join(system), turns, tools, effort)

    @classmethod
    def part(cls, p):
        if "functionCall" in p:
            f = p["functionCall"]
            return "call", f["name"], f.get("args", {}), f.get("id")
        if "functionResponse" in p:
            f = p["functionResponse"]
            response = f["response"]
            inner = [("text", response[k]) for k in ("content", "error") if k in response]
            return "result", f.get("id"), inner + [cls.part(q) for q in f.get("parts", ())]
        if "inlineData" in p:
            media = p["inlineData"]["mimeType"]
            return ("image" if media.startswith("image/") else "document", media,
                    base64.b64decode(p["inlineData"]["data"]))
        return "thought" if p.get("thought") else "text", p["text"]

    @classmethod
    def answer(cls, call, blocks):
        parts, index = [], 0
        for kind, *more in blocks:
            if kind == "call":
                name = "fc_%d_%d" % (len(call.json["contents"]), index)
                parts.append({"functionCall": {"name": more[0], "args": more[1], "id": name},
                              "thoughtSignature": "c2lnbmF0dXJl"})
                index += 1
            elif kind == "thought":
                parts.append({"text": more[0], "thought": True})
            else:
                parts.append({"text": more[0]})
        says(call, *parts)


class Responses:
    """OpenAI's Responses."""
    name = "openai-responses"
    settings = dict(dialect="openai-responses", model="gpt-6-sol")
    base = "/v1"
    path = "/v1/responses"

    @classmethod
    def read(cls, call):
        body, turns = call.json, []
        for item in body["input"]:
            kind = item["type"] if "type" in item else "message"
            if kind == "message":
                turns.append((item["role"], cls.parts(item["content"])))
            elif kind == "function_call":
                turns.append(("assistant", [("call", item["name"], json.loads(item["arguments"]),
                                             item["call_id"])]))
            elif kind == "function_call_output":
                turns.append(("tool", [("result", item["call_id"], cls.parts(item["output"]))]))
            elif kind == "reasoning":
                turns.append(("assistant", [("thought", "".join(
                    s["text"] for s in item["summary"]))]))
        tools = {t["name"]: t.get("parameters") for t in body.get("tools", ())}
        return Seen(call, body.get("instructions", ""), turns, tools,
                    body.get("reasoning", {}).get("effort"))

    @classmethod
    def parts(cls, content):
        if isinstance(content, str):
            return [("text", content)]
        found = []
        for p in content:
            if p["type"] == "input_image":
                found.append(("image", *data_url(p["image_url"])))
            elif p["type"] == "input_file":
                found.append(("document", *data_url(p["file_data"])))
            else:
                found.append(("text", p["text"]))
        return found

    @classmethod
    def answer(cls, call, blocks):
        items = []
        for index, (kind, *more) in enumerate(blocks):
            where = "%d_%d" % (len(call.json["input"]), index)
            if kind == "call":
                items.append({"type": "function_call", "id": "fc_" + where,
                              "call_id": "call_" + where, "name": more[0],
                              "arguments": json.dumps(more[1]), "status": "completed"})
            elif kind == "thought":
                items.append({"type": "reasoning", "id": "rs_" + where,
                              "encrypted_content": "gAAAAB==",
                              "summary": [{"type": "summary_text", "text": more[0]}]})
            else:
                items.append({"type": "message", "id": "msg_" + where, "role": "assistant",
                              "status": "completed", "content": [
                                  {"type": "output_text", "text": more[0], "annotations": []}]})
        respond(call, *items)
