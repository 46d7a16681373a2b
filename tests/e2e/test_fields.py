"""What travels beside the conversation: the name of the client's key in each provider's own field,
and the members of a provider's own that come from the configuration, per model, and from clients.
"""
from client import message
from test_compat import TOOL, Preset, answer_of
from test_errors import error_of

NAME = "e2e"  # of the access key in harness.KEYS
OWN = {"user_id": "the-clients-own"}


def sent(preset, settings="", base="/v1", **more):
    """The backend's call for a request that has a user id of the client's. What is answered does
    not matter here."""
    with Preset(preset, settings, base=base, model="m") as setup:
        setup.ask(message(metadata=OWN, **more))
        return setup.upstream.calls[-1]


def test_key_name():
    for preset, settings in (("OPENAI", 'dialect = "openai-chat";'), ("OPENAI", ""),
                             ("OPENAI", 'dialect = "openai-responses";'), ("OPENROUTER", ""),
                             ("AZURE_OPENAI", ""), ("LITELLM_OPENROUTER", ""), ("GROQ", ""),
                             ("XAI", ""), ("CEREBRAS", ""), ("FIREWORKS", "")):
        body = sent(preset, settings).json
        assert body["user"] == NAME and "metadata" not in body, (preset, body)
    body = sent("AZURE_DATABRICKS").json
    assert body["usage_context"] == {"end_user": NAME} and "user" not in body, body
    body = sent("OPENAI", 'user_member = "safety_identifier";').json
    assert body["safety_identifier"] == NAME and "user" not in body, body
    body = sent("VERTEX", 'project = "p";').json
    assert body["labels"] == {"user": NAME}, body
    body = sent("BEDROCK", 'dialect = "bedrock-converse";').json
    assert body["requestMetadata"] == {"user": NAME}, body
    call = sent("BEDROCK", 'dialect = "bedrock-anthropic";')
    assert call.headers["x-amzn-bedrock-request-metadata"] == '{"user":"%s"}' % NAME, call.headers
    assert "metadata" not in call.json, call.json


def test_key_name_not_told():
    """Where there is no field for it, where it is switched off, and to the API's own kind."""
    for preset, settings in (("MISTRAL", ""), ("TOGETHER", ""), ("PERPLEXITY", ""),
                             ("ALIBABA", ""), ("GEMINI", ""), ("COHERE", ""),
                             ("OPENAI", "user = false;"), ("OPENROUTER", 'user_member = "";')):
        text = sent(preset, settings).body.decode()
        assert NAME not in text and OWN["user_id"] not in text, (preset, text)
    for preset in ("ANTHROPIC", "DEEPSEEK", "LITELLM_MESSAGES"):
        body = sent(preset, base="").json
        assert body["metadata"] == OWN and "user" not in body, (preset, body)


MEMBERS = {"provider": {"order": ["a"], "allow_fallbacks": False}, "models": ["x/y"],
           "transforms": ["middle-out"], "plugins": [{"id": "web"}], "min_p": 0.1, "top_a": 0.2,
           "repetition_penalty": 1.1, "seed": 7, "frequency_penalty": 0.3,
           "presence_penalty": 0.4, "logit_bias": {"50256": -100}, "user": "u"}
AS_CONFIG = """provider = { order = [ "a" ]; allow_fallbacks = false; }; models = [ "x/y" ];
transforms = [ "middle-out" ]; plugins = ( { id = "web"; } ); min_p = 0.1; top_a = 0.2;
repetition_penalty = 1.1; seed = 7; frequency_penalty = 0.3; presence_penalty = 0.4;
logit_bias = "json:{\\"50256\\": -100}"; user = "u"; """


def same_members(body):
    wrong = {k: body.get(k) for k, v in MEMBERS.items() if body.get(k) != v}
    assert not wrong, wrong


def test_openrouter_members_from_config():
    with Preset("OPENROUTER", "body = { %s };" % AS_CONFIG, base="/api/v1") as setup:
        answer_of(setup.ask(message(seed=8)))
        same_members(setup.upstream.calls[-1].json)


def test_openrouter_members_per_model():
    setup = Preset("OPENROUTER", base="/api/v1")
    with open(setup.gateway.config, "a") as f:
        f.write("""routes = ( { when = { model = "special/*"; };
	to = { backend = "OPENROUTER"; options = { body = { %s }; }; }; } );""" % AS_CONFIG)
    with setup:
        answer_of(setup.ask(message(model="special/one")))
        call = setup.upstream.calls[-1].json
        assert call["model"] == "special/one", call
        same_members(call)
        answer_of(setup.ask(message()))
        call = setup.upstream.calls[-1].json
        assert call["user"] == NAME and not set(call) & (set(MEMBERS) - {"user"}), call


def test_openrouter_members_from_client():
    with Preset("OPENROUTER", base="/api/v1") as setup:
        answer_of(setup.ask(message(**MEMBERS)))
        same_members(setup.upstream.calls[-1].json)


def test_groq_failed_call_retried_once():
    def refuse(call):
        call.whole(400, {"error": {"message": "Failed to call a function.",
                                   "type": "invalid_request_error", "code": "tool_use_failed",
                                   "failed_generation": "<weather"}})
    with Preset("GROQ", base="/openai/v1", retries=5) as setup:
        setup.upstream.reset(refuse)
        text = error_of(setup.ask(tools=[TOOL]), 500, "api_error")
        assert "<weather" in text and len(setup.upstream.calls) == 2, setup.upstream.calls


def test_groq_failed_call_then_good():
    def once(call):
        if len(setup.upstream.calls) > 1:
            call.whole(200, {"choices": [{"index": 0, "finish_reason": "stop", "message": {
                "role": "assistant", "content": "fine"}}]})
        else:
            call.whole(400, {"error": {"message": "x", "code": "tool_use_failed"}})
    with Preset("GROQ", base="/openai/v1", retries=5) as setup:
        setup.upstream.reset(once)
        assert answer_of(setup.ask(tools=[TOOL]))["content"][0]["text"] == "fine"
        assert len(setup.upstream.calls) == 2
