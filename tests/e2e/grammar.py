"""What the API's own answers keep to: an error's shape, a stream's order of events.

tests/unit/sse_grammar.c asks the same of what the program writes; this here stands behind the web
server, where bytes may also be lost.
"""
import json

ERRORS = {"invalid_request_error", "authentication_error", "billing_error", "permission_error",
          "not_found_error", "conflict_error", "request_too_large", "rate_limit_error",
          "api_error", "timeout_error", "overloaded_error"}


def check_error(obj):
    """The error inside, of which type and message are sure."""
    assert obj["type"] == "error", obj
    assert obj["error"]["type"] in ERRORS and obj["error"]["message"], obj
    assert obj["request_id"].startswith("req_"), obj
    return obj["error"]


def records(text):
    """(event, data) of each record of a stream; comments are left out."""
    assert text.endswith("\n\n"), "the stream ends inside a record: %r" % text[-200:]
    for record in text[:-2].split("\n\n"):
        lines = [line for line in record.split("\n") if not line.startswith(":")]
        if not lines:
            continue
        assert len(lines) == 2 and lines[0].startswith("event: ") and \
            lines[1].startswith("data: "), record
        data = json.loads(lines[1][6:])
        assert data["type"] == lines[0][7:], record
        yield data["type"], data


def check_stream(text):
    """A legal stream to its end. Returns its text and its error (None when it is complete)."""
    said, open_block, blocks, started, stopped, error = [], None, 0, False, False, None
    for name, data in records(text):
        assert error is None and not stopped, "%s after the end" % name
        if name == "ping":
            continue
        if name == "error":
            error = check_error(data)
            continue
        assert (name == "message_start") != started, "%s out of place" % name
        if name == "message_start":
            started = True
        elif name == "content_block_start":
            assert open_block is None and data["index"] == blocks, data
            open_block = data["index"]
            blocks += 1
        elif name == "content_block_delta":
            assert data["index"] == open_block, data
            said.append(data["delta"].get("text", ""))
        elif name == "content_block_stop":
            assert data["index"] == open_block, data
            open_block = None
        elif name == "message_delta":
            assert open_block is None and data["delta"]["stop_reason"], data
        elif name == "message_stop":
            stopped = True
        else:
            raise AssertionError("unknown event %s" % name)
    assert stopped or error, "the stream has no end: %r" % text[-300:]
    return "".join(said), error


def check_answer(status, headers, body):
    """An answer in any form: (text, error). An error under a 200 has its own status as None."""
    kind = headers.get("Content-Type", "")
    assert headers.get("request-id", "").startswith("req_"), (status, headers.items(), body[:300])
    if kind.startswith("text/event-stream"):
        assert status == 200, status
        return check_stream(body.decode())
    assert kind.startswith("application/json"), (status, kind, body[:300])
    obj = json.loads(body)
    if obj["type"] == "error":
        return "", check_error(obj)
    assert status == 200 and obj["type"] == "message" and obj["stop_reason"], obj
    return "".join(block.get("text", "") for block in obj["content"]), None
