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
from test_openapi import World

HERE = os.path.dirname(os.path.abspath(__file__))
EXAMPLES = "10"     # of each operation, beyond those that cover its schema
CHECKS = ("not_a_server_error", "status_code_conformance", "content_type_conformance",
          "response_headers_conformance", "response_schema_conformance",
          "negative_data_rejection", "positive_data_acceptance", "missing_required_header",
          "unsupported_method", "allow_header_conformance", "ignored_auth")


def narrowed(document):
    """As it is for these backends: no other's own errors pass, the servers are one."""
    for item in document["paths"].values():
        item.pop("servers", None)
        for operation in item.values():
            operation["responses"].pop("default", None)
    return document


def run(program):
    """Raises where something is found, with what it was and how to repeat it."""
    with World(set()).beside().edit('match = "claude-*"', 'match = "*"') as world:
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
             "--continue-on-failure", "--output-sanitize", "false", "--no-color",
             # It asks the backends each time: test_openapi.py does that once.
             "--exclude-path", "/doctor"],
            cwd=world.gateway.dir, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600,
            env=harness.clean_env(PYTHONPATH=HERE, PYTHONDONTWRITEBYTECODE="1",
                                  HOME=world.gateway.dir, NO_PROXY="127.0.0.1"))
        assert done.returncode == 0, done.stdout
        cases = [line for line in done.stdout.splitlines() if "generated" in line]
        print("schemathesis: %s, %.0f s" % ("".join(cases).strip(), time.monotonic() - begin))
