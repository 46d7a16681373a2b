"""An MCP server over stdio with one tool that has a long name: it multiplies, and writes down that
it was called, so that a test sees who did.

    python3 mcp_server.py TOOL LOG
"""
import json
import sys

TOOL, LOG = sys.argv[1], sys.argv[2]


def answer(request):
    method, params = request["method"], request.get("params", {})
    if method == "initialize":
        return {"protocolVersion": params["protocolVersion"], "capabilities": {"tools": {}},
                "serverInfo": {"name": "sums", "version": "1"}}
    if method == "tools/list":
        return {"tools": [{"name": TOOL, "description": "Multiplies two numbers.", "inputSchema": {
            "type": "object", "required": ["a", "b"],
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}}}]}
    if method == "tools/call":
        given = params["arguments"]
        with open(LOG, "a") as f:
            f.write("%s %s\n" % (params["name"], json.dumps(given, sort_keys=True)))
        return {"content": [{"type": "text", "text": "product %d" % (given["a"] * given["b"])}]}
    return {}


for line in sys.stdin:
    message = json.loads(line)
    if "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)}),
              flush=True)
