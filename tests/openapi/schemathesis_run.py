"""Schemathesis makes requests from docs/openapi.json, such as it allows and such as it does not,
and holds the answers of the running program against it. Run by tests/clients/run, where it is
installed as tests/openapi/requirements.txt says. The same requests each time, as long as those
versions are.
"""
import json
import os
import subprocess
import time

import harness
import upstream
from test_openapi import World

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = "10"     # of each operation, beyond those that cover its schema
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance",
          "negative_data_rejection", "positive_data_acceptance", "missing_required_header",
          "unsupported_method", "allow_header_conformance", "ignored_auth")


MESSAGE = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m",
           "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn",
           "stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 1}}
STREAM = (
    {"type": "message_start", "message": dict(MESSAGE, content=[], stop_reason=None)},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hi"}},
    {"type": "content_block_stop", "index": 0},
    {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None},
     "usage": {"output_tokens": 1}},
    {"type": "message_stop"})


def answer(call):
    """A backend that speaks the Messages API, so that it can take whatever the document allows; on
    the Databricks paths one that speaks chat completions."""
    if not call.path.endswith("/messages"):
        upstream.hello(call)
    elif call.json.get("stream"):
        call.begin()
        for event in STREAM:
            call.raw("event: %s\ndata: %s\n\n" % (event["type"], json.dumps(event)))
    else:
        call.whole(200, MESSAGE)


def narrowed(document):
    """As it is for these backends: no other's own errors pass, the servers are one."""
    for item in document["paths"].values():
        item.pop("servers", None)
        for operation in item.values():
            operation["responses"].pop("default", None)
    return document


def run(program):
    """Raises where something is found, with what it was and how to repeat it."""
    with World(set(), dialect="anthropic").beside().edit('match = "claude-*"',
                                                         'match = "*"') as world:
        world.upstream.reset(answer)
        path = world.gateway.path("openapi.json")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(narrowed(world.doc.document), f)
        begin = time.monotonic()
        done = subprocess.run(
            [program, "--config-file", os.path.join(HERE, "schemathesis.toml"), "run", path,
             "--url", "http://127.0.0.1:%d%s" % (world.server.port, world.server.prefix),
             "--header", "x-api-key: " + harness.KEY, "--checks", ",".join(CHECKS),
             "--phases", "coverage,fuzzing", "--max-examples", EXAMPLES,
             "--generation-deterministic", "--no-shrink",
             "--request-timeout", "60", "--continue-on-failure", "--output-sanitize", "false",
             "--no-color",
             # It asks the backends each time: test_openapi.py does that once.
             "--exclude-path", "/doctor"],
            cwd=world.gateway.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=harness.SLOWNESS * 600,
            env=harness.clean_env(PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1",
                                  HOME=world.gateway.dir, NO_PROXY="127.0.0.1"))
        assert done.returncode == 0, done.stdout
        cases = [line for line in done.stdout.splitlines() if "generated" in line]
        print("schemathesis: %s, %.0f s" % ("".join(cases).strip(), time.monotonic() - begin))
