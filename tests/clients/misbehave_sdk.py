"""Asks each case that is named on the command line with the Python SDK, prints what came of it."""
import json
import os
import sys

import anthropic

client = anthropic.Anthropic(base_url=os.environ["BASE_URL"], api_key=os.environ["KEY"],
                             max_retries=0)
TOOLS = [{"name": n, "input_schema": {"type": "object"}} for n in ("f", "g")]


def short(block):
    if block.type == "tool_use":
        return ["tool_use", block.name, block.input]
    return [block.type, block.text if block.type == "text" else block.thinking]


def outcome(ask):
    try:
        message = ask()
    except anthropic.APIError as e:
        return {"error": str(e)}
    usage = message.usage
    return {"content": [short(b) for b in message.content], "stop": message.stop_reason,
            "usage": [usage.input_tokens, usage.cache_read_input_tokens, usage.output_tokens]}


def streamed(request):
    with client.messages.stream(**request) as stream:
        return stream.get_final_message()


for name in sys.argv[1:]:
    request = dict(model="claude-x", max_tokens=100, tools=TOOLS, stop_sequences=["STOP"],
                   messages=[{"role": "user", "content": name}])
    print(json.dumps({"name": name, "stream": outcome(lambda: streamed(request)),
                      "whole": outcome(lambda: client.messages.create(**request))}), flush=True)
