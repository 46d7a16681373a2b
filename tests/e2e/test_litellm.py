"""LiteLLM's headers, as its proxy sends them, from a scripted one: what the client needs of them it
gets under the API's names, the operator finds its ids and costs in the log, and nothing of the
proxy's insides goes out.
"""
import json

from client import message
from harness import wait_for
from test_compat import Preset, anthropic
from test_errors import error_of
from upstream import hello

CALL = "7e209cd4-c2d9-4456-81c7-39f3ada38dee"
OWN = (("x-litellm-call-id", CALL), ("x-litellm-model-id", "d7256f400de1"),
       ("x-litellm-model-api-base", "http://10.0.0.7:8000/v1"), ("x-litellm-version", "1.106.2"),
       ("x-litellm-model-group", "openrouter/vendor/x"), ("x-litellm-response-cost", "0.025"),
       ("x-litellm-response-cost-original", "0.05"), ("x-litellm-key-spend", "3.5"),
       ("x-ratelimit-remaining-requests", "7"), ("request-id", "up-1"),
       ("llm_provider-x-request-id", "up-1"), ("llm_provider-content-length", "272"),
       ("llm_provider-anthropic-organization-id", "org-1"))
LIMITS = (("llm_provider-anthropic-ratelimit-requests-remaining", "5"),
          ("llm_provider-anthropic-ratelimit-unified-status", "allowed"))
MODES = (("LITELLM_OPENROUTER", "/v1", hello), ("LITELLM_MESSAGES", "", anthropic))


class Headed:
    """A call whose whole answers carry the proxy's headers."""

    def __init__(self, call):
        self.call = call

    def whole(self, status, obj):
        self.call.whole(status, obj, OWN + LIMITS)

    def begin(self):
        self.call.keep = False
        self.call.raw("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                      "Connection: close\r\n%s\r\n" % "".join("%s: %s\r\n" % h for h in OWN + LIMITS))

    def __getattr__(self, name):
        return getattr(self.call, name)


def check_headers(answer):
    names = {name.lower(): value for name, value in answer.headers.items()}
    shown = [n for n in names if "litellm" in n or "provider" in n or n.startswith("x-ratelimit")]
    assert not shown, shown
    assert names["anthropic-ratelimit-requests-remaining"] == "5", names
    assert names["anthropic-ratelimit-unified-status"] == "allowed", names
    assert "anthropic-organization-id" not in names, names
    assert names["request-id"].startswith("req_"), names


def logged(setup, answer):
    """The log's line of a request, which may come a moment after its answer."""
    def find():
        with open(setup.gateway.log) as f:
            lines = [json.loads(line) for line in f.read().splitlines()]
        return [line for line in lines if line.get("id") == answer.headers["request-id"]]
    return wait_for(find, 10, "the request is logged")[0]


def test_litellm_headers():
    for preset, base, script in MODES:
        with Preset(preset, base=base, model="vendor/x") as setup:
            setup.upstream.reset(lambda call, s=script: s(Headed(call)))
            answer = setup.ask(message(model="big"))
            assert answer.status == 200, answer.body
            check_headers(answer)
            line = logged(setup, answer)
            assert line["upstream_id"] == CALL and line["cost"] == "0.025", line
            assert "10.0.0.7" not in json.dumps(line), line


def test_litellm_error_headers():
    """What its backend says of waiting comes behind a prefix; without it, nothing is made up."""
    error = {"error": {"message": "litellm.RateLimitError: slow", "type": "throttling_error",
                       "param": None, "code": "429"}}
    for preset, base, _ in MODES:
        with Preset(preset, base=base, model="vendor/x") as setup:
            for more, after in (((("llm_provider-retry-after", "17"),), "17"),
                                ((("retry-after", "9"), ("llm_provider-retry-after", "17")), "9"),
                                ((), None)):
                setup.upstream.reset(lambda call, m=more: call.whole(429, error, OWN + LIMITS + m))
                answer = setup.ask(message(model="big", stream=True))
                error_of(answer, 429, "rate_limit_error")
                assert answer.headers["retry-after"] == after, (more, answer.headers)
                check_headers(answer)
                assert logged(setup, answer)["upstream_id"] == CALL, logged(setup, answer)


def test_litellm_no_count():
    """Where its backend counts nothing it says 0: the estimate is better."""
    with Preset("LITELLM_MESSAGES", model="vendor/x") as setup:
        for said, expected in ((77, "backend"), (0, "estimate")):
            setup.upstream.reset(lambda call, n=said: call.whole(
                200, {"input_tokens": n, "litellm_count_source": "provider"}))
            answer = setup.ask({"model": "big", "messages": [{"role": "user", "content": "hi"}]},
                               path="/v1/messages/count_tokens")
            assert answer.headers["x-messages-count"] == expected, answer.headers
            assert answer.json["input_tokens"] == (said or answer.json["input_tokens"]) > 0
