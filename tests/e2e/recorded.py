"""What a recorded answer of a provider says, read from its file by rules of its own: text, thinking,
tool calls and usage. tests/e2e/test_recorded.py compares it with what the gateway makes of the same
bytes, so nothing here knows how the gateway does it.
"""
import json


class Said:
    def __init__(self):
        self.text = self.thinking = ""
        self.calls = {}         # by the provider's own number: [name, arguments as text]
        self.input = self.cached = self.output = 0

    def add_call(self, at, name="", arguments=""):
        call = self.calls.setdefault(at, ["", ""])
        call[0] = call[0] or name or ""
        call[1] += arguments

    def tools(self):
        return [(name, json.loads(text or "{}")) for name, text in self.calls.values()]


def chat(answers):
    said = Said()
    for answer in answers:
        for choice in answer.get("choices", [])[:1]:
            part = choice.get("delta") or choice.get("message") or {}
            content = part.get("content") or ""
            for piece in [{"text": content}] if isinstance(content, str) else content:
                said.text += piece.get("text", "")
                said.thinking += "".join(t["text"] for t in piece.get("thinking", []))
            said.thinking += part.get("reasoning_content") or part.get("reasoning") or ""
            for i, call in enumerate(part.get("tool_calls") or []):
                said.add_call(call.get("index", i), call["function"].get("name"),
                              call["function"].get("arguments", ""))
        usage = answer.get("usage") or answer.get("x_groq", {}).get("usage")
        if usage:
            details = usage.get("prompt_tokens_details") or {}
            said.cached = details.get("cached_tokens") or usage.get("prompt_cache_hit_tokens") or 0
            said.input = usage["prompt_tokens"] - said.cached
            # xAI counts its thinking beside the answer; the total has both.
            said.output = max(usage["completion_tokens"],
                              usage.get("total_tokens", 0) - usage["prompt_tokens"])
    return said


def cohere(answers):
    said = Said()
    for answer in answers:
        body = answer.get("delta") or answer
        part = body.get("message") or {}
        said.text += part.get("tool_plan") or ""
        content = part.get("content") or []
        for piece in [content] if isinstance(content, dict) else content:
            said.text += piece.get("text", "")
            said.thinking += piece.get("thinking", "")
        calls = part.get("tool_calls") or []
        for i, call in enumerate([calls] if isinstance(calls, dict) else calls):
            said.add_call(answer.get("index", i), call["function"].get("name"),
                          call["function"].get("arguments", ""))
        usage = body.get("usage")
        if usage:
            said.cached = usage.get("cached_tokens", 0)
            said.input = usage["tokens"]["input_tokens"] - said.cached
            said.output = usage["tokens"]["output_tokens"]
    return said


def gemini(answers):
    said, partial = Said(), None
    for answer in answers:
        for part in answer.get("candidates", [{}])[0].get("content", {}).get("parts", []):
            call = part.get("functionCall")
            if call is None:
                if part.get("thought"):
                    said.thinking += part.get("text", "")
                else:
                    said.text += part.get("text", "")
            elif "partialArgs" in call:
                for arg in call["partialArgs"]:
                    name = arg["jsonPath"][2:]
                    if "stringValue" in arg:
                        partial[name] = partial.get(name, "") + arg["stringValue"]
                    else:
                        partial[name] = arg.get("numberValue", arg.get("boolValue"))
            elif call.get("name"):
                partial = dict(call.get("args", {}))
                said.calls[len(said.calls)] = [call["name"], partial]
        usage = answer.get("usageMetadata", {})
        if "promptTokenCount" in usage:
            said.cached = usage.get("cachedContentTokenCount", 0)
            said.input = usage["promptTokenCount"] - said.cached
            said.output = usage.get("candidatesTokenCount", 0) + usage.get("thoughtsTokenCount", 0)
    for call in said.calls.values():
        call[1] = json.dumps(call[1])
    return said


def converse(answers):
    said = Said()
    for answer in answers:
        for i, block in enumerate(answer.get("output", {}).get("message", {}).get("content", [])):
            said.text += block.get("text", "")
            reasoning = block.get("reasoningContent", {}).get("reasoningText", {})
            said.thinking += reasoning.get("text", "")
            if "toolUse" in block:
                said.add_call(i, block["toolUse"]["name"], json.dumps(block["toolUse"]["input"]))
        start = answer.get("contentBlockStart")
        if start and "toolUse" in start["start"]:
            said.add_call(start["contentBlockIndex"], start["start"]["toolUse"]["name"])
        delta = answer.get("contentBlockDelta")
        if delta:
            said.text += delta["delta"].get("text", "")
            said.thinking += delta["delta"].get("reasoningContent", {}).get("text", "")
            if "toolUse" in delta["delta"]:
                said.add_call(delta["contentBlockIndex"], "", delta["delta"]["toolUse"]["input"])
        usage = answer.get("usage") or answer.get("metadata", {}).get("usage")
        if usage:
            said.cached = usage.get("cacheReadInputTokens", 0)
            said.input, said.output = usage["inputTokens"], usage["outputTokens"]
    return said


def messages(answers):
    """The Messages API: also for what comes out of the gateway."""
    said = Said()
    for answer in answers:
        kind = answer.get("type")
        if kind == "message":
            for i, block in enumerate(answer["content"]):
                said.text += block.get("text", "")
                said.thinking += block.get("thinking", "")
                if block["type"] == "tool_use":
                    said.add_call(i, block["name"], json.dumps(block["input"]))
        elif kind == "content_block_start" and answer["content_block"]["type"] == "tool_use":
            said.add_call(answer["index"], answer["content_block"]["name"])
        elif kind == "content_block_delta":
            delta = answer["delta"]
            said.text += delta.get("text", "")
            said.thinking += delta.get("thinking", "")
            if answer["index"] in said.calls:
                said.add_call(answer["index"], "", delta.get("partial_json", ""))
        usage = answer.get("usage") or answer.get("message", {}).get("usage") or {}
        said.input = usage.get("input_tokens", said.input)
        said.cached = usage.get("cache_read_input_tokens", said.cached)
        said.output = usage.get("output_tokens", said.output)
    return said
