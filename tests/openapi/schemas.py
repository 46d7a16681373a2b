"""The shapes in docs/openapi.json: what a request may hold, as far as src/ingress looks at it, and
what each answer holds. tests/openapi/document.py puts them in."""

STRING, INTEGER, BOOLEAN, NULL = ({"type": t} for t in ("string", "integer", "boolean", "null"))
COUNT = {"type": "integer", "minimum": 0}
TIME = {"type": "string", "format": "date-time"}
HASH = {"type": "string", "pattern": "^[0-9a-f]{12}$"}
ANY = {}
OPEN = {"type": "object", "additionalProperties": True}
BLANKLESS = {"type": "string", "pattern": "\\S"}
NEWER = "A newer one of an Anthropic backend"


def ref(kind, name):
    return {"$ref": "#/components/%s/%s" % (kind, name)}


def schema(name):
    return ref("schemas", name)


def const(value):
    return {"const": value}


def nullable(type_, **more):
    return dict({"type": [type_, "null"]}, **more)


def listing(items):
    return {"type": "array", "items": items}


def shape(required=None, about="", /, **members):
    """An object; every member is required unless a list says which."""
    out = {"type": "object"}
    if about:
        out["description"] = about
    if required is None:
        required = list(members)
    if required:
        out["required"] = list(required)
    if members:
        out["properties"] = members
    return out


def opened(tree):
    return dict(tree, additionalProperties=True)


def another(known, about, /, **members):
    """An object whose type is none of those."""
    return shape(["type"], about, type={"type": "string", "not": {"enum": known}}, **members)


def flags(*names):
    return shape(**{name: BOOLEAN for name in names})


# ---- requests ----

MODEL = {"type": "string", "minLength": 1, "maxLength": 1024,
         "pattern": "^[^\\x00-\\x1f\\x7f]*[^\\x00-\\x20\\x7f][^\\x00-\\x1f\\x7f]*$",
         "description": "A name that the configuration or a backend knows, of 1024 bytes at most"}
MAX_TOKENS = {"type": "integer", "minimum": 0, "maximum": 9000000000000000}
BODY = shape(
    [], "Members of all requests. null is the same as absence. Members that are not named here are "
    "never refused: backends that speak the Messages API get them, others don't",
    model=MODEL, messages={"type": "array", "minItems": 1, "items": schema("Turn")},
    system={"anyOf": [{"type": ["string", "null"]}, listing(schema("Block"))]},
    tools=nullable("array", items=schema("Tool")), tool_choice=schema("ToolChoice"),
    stop_sequences=nullable("array", items=STRING, description="Blank ones are ignored; what the "
                            "backend can't do the gateway does"),
    metadata=nullable("object", properties={"user_id": nullable("string")}),
    thinking=nullable("object", required=["type"], properties={
        "type": dict(STRING, description="enabled, disabled, adaptive; others count as adaptive"),
        "budget_tokens": nullable("integer", minimum=0)}),
    output_config=nullable("object", properties={"effort": nullable("string"),
                                                 "format": nullable("object")}),
    output_format=nullable("object", description="The older name of output_config.format, which "
                           "wins"),
    stream=nullable("boolean"), temperature=nullable("number"), top_p=nullable("number"),
    top_k=nullable("number"), service_tier=nullable("string"),
    thread={"description": "To continue one is refused with the error_code "
            "thread_unsupported_request where the backend keeps none: send the whole conversation "
            "then"})
BODY["maxProperties"] = 1024


def request(*required, **more):
    text = {"description": more.pop("text")} if "text" in more else {}
    return dict(text, allOf=[schema("Body"), dict(shape(required), properties=more)
                             if more else shape(required)])


CONTENT = {"anyOf": [STRING, listing(schema("Block"))]}
MAYBE_CONTENT = {"anyOf": [NULL, schema("Content")]}
BLOCKS = [
    shape(["type", "text"], type=const("text"), text=STRING, citations=ANY, cache_control=ANY),
    shape(["type", "source"], type={"enum": ["image", "document"]}, source=schema("Source"),
          title=ANY, context=ANY, citations=ANY, cache_control=ANY),
    shape(["type", "id", "name"], type=const("tool_use"), id=STRING, name=STRING,
          input=nullable("object"), cache_control=ANY),
    shape(["type", "tool_use_id"], type=const("tool_result"), tool_use_id=STRING,
          content=MAYBE_CONTENT, is_error=ANY, cache_control=ANY),
    shape(["type"], type=const("search_result"), source=ANY, title=ANY, content=MAYBE_CONTENT,
          citations=ANY, cache_control=ANY),
    another(["text", "image", "document", "tool_use", "tool_result", "search_result"],
            "Among them thinking and redacted_thinking, which go back as they came",
            thinking=ANY, signature=ANY, data=ANY)]
SOURCES = [
    shape(["type", "media_type", "data"], type=const("base64"), media_type=STRING, data=STRING),
    shape(["type", "data"], type=const("text"), media_type=ANY, data=STRING),
    shape(type=const("url"), url=STRING),
    shape(type=const("file"), file_id=STRING),
    shape(type=const("content"), content=schema("Content")),
    another(["base64", "text", "url", "file", "content"], "Left to the backend")]
REQUESTS = {
    "Body": BODY,
    "MessageRequest": request("model", "max_tokens", "messages", max_tokens=MAX_TOKENS),
    "NamedRequest": request("max_tokens", "messages", text="The path names the model",
                            max_tokens=MAX_TOKENS),
    "UniversalRequest": {"allOf": [schema("MessageRequest"), {"properties": {
        "provider": nullable("string", description="The backend; without it the rules decide")}}]},
    "CountRequest": request("model", "messages", text="max_tokens and stream mean nothing here"),
    "Turn": {"anyOf": [
        shape(["role", "content"], role={"enum": ["user", "assistant", "system"]},
              content=schema("Content"), output_config=ANY),
        shape(["role", "output_config"], "A system entry may be there for this alone",
              role=const("system"), content=NULL, output_config={"not": NULL})]},
    "Content": CONTENT,
    "Block": {"description": "Types that are not known pass to backends that speak the Messages "
              "API and are left out elsewhere", "anyOf": BLOCKS},
    "Source": {"anyOf": SOURCES},
    "Tool": {"anyOf": [
        shape(["name", "input_schema"], type={"enum": ["custom", None]}, name=BLANKLESS,
              description=ANY, input_schema={"type": "object"}, strict=ANY, cache_control=ANY),
        shape(["type"], "One that Anthropic's servers run: Messages backends get it, others don't",
              type={"type": "string", "not": const("custom")}, name=nullable("string"))]},
    "ToolChoice": {"anyOf": [
        NULL,
        shape(["type"], type={"enum": ["auto", "any", "none"]}, name=nullable("string"),
              disable_parallel_tool_use=nullable("boolean")),
        shape(["type", "name"], type=const("tool"), name=BLANKLESS,
              disable_parallel_tool_use=nullable("boolean"))]},
}

# ---- answers ----

STOP_REASONS = ["end_turn", "max_tokens", "stop_sequence", "tool_use", "pause_turn", "refusal",
                "model_context_window_exceeded", "compaction"]
ERROR_TYPES = ["invalid_request_error", "authentication_error", "billing_error",
               "permission_error", "not_found_error", "conflict_error", "request_too_large",
               "rate_limit_error", "api_error", "timeout_error", "overloaded_error"]


def or_newer(known):
    return {"anyOf": [{"enum": known}, dict(STRING, description=NEWER)]}


def event(name, data):
    return shape(event=const(name), data=dict(STRING, contentMediaType="application/json",
                                              contentSchema=data))


def delta(type_, **members):
    return shape(type=const(type_), **members)


MESSAGE = dict(id=dict(STRING, description="The backend's where it begins with msg_, else made"),
               type=const("message"), role=const("assistant"),
               model=dict(STRING, description="The name that the client asked for"))
DELTAS = [delta("text_delta", text=STRING), delta("thinking_delta", thinking=STRING),
          delta("signature_delta", signature=STRING),
          delta("input_json_delta", partial_json=STRING), delta("citations_delta", citation=OPEN)]
EVENTS = {
    "message_start": shape(type=const("message_start"), message=opened(shape(
        content={"type": "array", "maxItems": 0}, stop_reason=NULL, stop_sequence=NULL,
        usage=schema("Usage"), **MESSAGE))),
    "content_block_start": shape(type=const("content_block_start"), index=COUNT,
                                 content_block=schema("OutputBlock")),
    "content_block_delta": shape(type=const("content_block_delta"), index=COUNT,
                                 delta=schema("Delta")),
    "content_block_stop": shape(type=const("content_block_stop"), index=COUNT),
    "message_delta": opened(shape(
        type=const("message_delta"),
        delta=opened(shape(stop_reason=schema("StopReason"), stop_sequence=nullable("string"))),
        usage=opened(shape(output_tokens=COUNT)))),
    "message_stop": shape(type=const("message_stop")),
    "ping": shape(type=const("ping")),
    "error": schema("Error"),
}
ANSWERS = {
    "Error": shape(
        ["type", "error"], "The shape of every error. One that a Messages backend made passes as "
        "it came: without error_id, with that backend's request_id",
        type=const("error"), error=shape(
            ["type", "message"], type=or_newer(ERROR_TYPES), message=STRING,
            details=nullable("object", additionalProperties=True,
                             description="Facts for programs, such as error_code")),
        error_id=HASH, request_id=nullable("string")),
    "Message": opened(shape(
        None, "A Messages backend's may hold more", content=listing(schema("OutputBlock")),
        stop_reason=schema("StopReason"), stop_sequence=nullable("string"), usage=schema("Usage"),
        **MESSAGE)),
    "StopReason": or_newer(STOP_REASONS),
    "Usage": opened(shape(
        ["input_tokens", "output_tokens"], "Tokens. input_tokens is without what a cache gave or "
        "took, output_tokens with thinking. What the backend does not say is estimated",
        input_tokens=COUNT, output_tokens=COUNT,
        cache_creation_input_tokens=nullable("integer", minimum=0),
        cache_read_input_tokens=nullable("integer", minimum=0),
        output_tokens_details=nullable("object", properties={"thinking_tokens": COUNT}))),
    "OutputBlock": {"anyOf": [
        shape(["type", "text"], type=const("text"), text=STRING,
              citations=nullable("array", items=OPEN)),
        shape(None, "The signature must come back with the block", type=const("thinking"),
              thinking=STRING, signature=STRING),
        shape(type=const("redacted_thinking"), data=STRING),
        opened(shape(type=const("tool_use"), id=STRING, name=STRING, input=OPEN)),
        opened(another(["text", "thinking", "redacted_thinking", "tool_use"],
                       "As the backend sent it"))]},
    "Delta": {"anyOf": DELTAS + [opened(another(
        [d["properties"]["type"]["const"] for d in DELTAS], NEWER))]},
    "StreamEvent": {
        "description": "One event: its `event:` line, and `data:`, which is JSON. message_start, "
        "then blocks one after the other (start, deltas, stop; index 0, 1, …), message_delta, "
        "message_stop; ping anywhere behind the first. error ends the stream. Comments (lines that "
        "begin with a colon) come while nothing else does",
        "anyOf": [event(name, data) for name, data in EVENTS.items()] + [
            shape(["event", "data"], NEWER, data=STRING,
                  event={"type": "string", "not": {"enum": list(EVENTS)}})]},
    "Count": shape(input_tokens=COUNT),
    "Model": shape(
        ["type", "id", "display_name", "created_at"], type=const("model"), id=STRING,
        display_name=STRING, created_at=dict(TIME, description="1970-01-01T00:00:00Z: not known"),
        max_input_tokens=dict(COUNT, description="The window; absent where neither the backend nor "
                              "the configuration says it"),
        max_tokens=dict(COUNT, description="The longest answer; absent likewise")),
    "ModelList": shape(data=listing(schema("Model")), has_more=BOOLEAN,
                       first_id=nullable("string"), last_id=nullable("string")),
}

# ---- health ----

CHAIN = listing(shape(["backend"], backend=STRING, model=STRING, weight=INTEGER))
ROUTES = listing(shape(["members"], name=STRING, members=CHAIN))
TARGETS = listing(shape(name=STRING, members=CHAIN))
LIMIT = nullable("integer", minimum=0)
HEALTH = {
    "Provider": shape(["id", "name", "dialect", "default"], id=STRING, name=STRING, dialect=STRING,
                      default=BOOLEAN, big_model=STRING, small_model=STRING),
    "ProviderList": shape(["providers"], providers=listing(schema("Provider")), default=STRING),
    "Breaker": shape(
        ["state"], "open: it rests until a time; probing: one request is finding out",
        state={"enum": ["closed", "open", "probing"]}, until=TIME, failures=COUNT,
        last_error=shape(["at", "kind", "count"], at=TIME, kind=STRING, status=INTEGER,
                         count=COUNT, message=dict(STRING, description="For keys with the right "
                                                   "debug, and in mode local"))),
    "BackendState": {"allOf": [schema("Breaker"), shape(
        ["name", "dialect", "in_use", "keys"], name=STRING, dialect=STRING, in_use=BOOLEAN,
        models=listing(schema("ModelState")), keys=listing({"allOf": [schema("Breaker"), shape(
            [], models=listing(schema("ModelState")), **{"from": STRING})]}))]},
    "ModelState": {"allOf": [schema("Breaker"), shape(model=STRING)]},
    "Members": shape(
        status={"enum": ["healthy", "draining"]}, backends=listing(schema("BackendState")),
        routes=ROUTES, targets=TARGETS),
    "Root": shape(name=STRING, version=STRING, endpoints=listing(
        dict(STRING, description="Method and path; `*` is the rest of a path"))),
    "Status": shape(
        ["backend", "status", "version", "front", "pid", "requests", "access", "config",
         "config_generation", "models", "backends", "features"],
        backend={"anyOf": [NULL, shape(
            ["name", "dialect", "base_url", "reachable"], name=STRING, dialect=STRING,
            base_url=STRING, reachable=nullable("boolean"), checked_at=TIME, status=INTEGER,
            latency_ms=COUNT)]},
        status={"enum": ["ok", "backend unreachable", "draining"]}, version=STRING,
        front={"enum": ["fcgi", "cgi"]}, pid=COUNT,
        requests=dict(COUNT, description="Running now, in this process"),
        access={"enum": ["local", "keys", "passthrough", "open"]}, config=nullable("string"),
        config_generation=COUNT,
        models=shape(big=nullable("string"), small=nullable("string"), default=nullable("string"),
                     map=listing(shape(match=STRING, to=STRING))),
        backends=listing(schema("BackendState")), routes=ROUTES, targets=TARGETS,
        features=flags("streaming", "tools", "images", "exact_count_tokens", "model_list",
                       "message_threads"), upstream_library=STRING),
    "Finding": shape(["level", "area", "id", "finding"], area=STRING, id=STRING, finding=STRING,
                     level={"enum": ["error", "warning", "note", "ok"]}, why=STRING, do=STRING),
    "Readiness": shape(checks=listing(shape(name=STRING, ok=BOOLEAN)), ready=BOOLEAN,
                       status={"enum": ["ready", "not_ready"]}, version=STRING,
                       findings=listing(schema("Finding"))),
    "Features": flags("streaming", "tools", "images", "documents", "thinking", "prompt_caching",
                      "parallel_tool_calls", "exact_count_tokens", "model_list", "native"),
    "Capabilities": shape(
        ["version", "api", "endpoints", "backend", "limits"], version=STRING,
        api=const("messages"), endpoints=listing(STRING), backend=nullable("string"),
        dialect=STRING, features=schema("Features"),
        limits=shape(max_body=LIMIT, requests=LIMIT, workers=LIMIT)),
    "Performance": shape(
        requests_running=COUNT, limits=shape(requests=LIMIT, workers=LIMIT, memory=LIMIT),
        stream=shape(commit_after_seconds=LIMIT, ping_interval_seconds=LIMIT),
        backends=listing(shape(name=STRING, reachable=nullable("boolean"), latency_ms=LIMIT,
                               resting=BOOLEAN))),
    "Compatibility": shape(
        model=STRING, backend=STRING, backend_model=STRING, rule=STRING, context_tokens=LIMIT,
        compatible=BOOLEAN, features=schema("Features")),
}

# ---- diagnosis ----

GROUPS = ["by_type", "by_hash", "by_function", "by_file", "by_backend", "by_outcome", "by_status",
          "by_instance", "by_hour"]
COMPLETE = dict(BOOLEAN, description="false: a bound of time, bytes or memory was met")
DIAGNOSIS = {
    "Entry": shape(
        ["time", "level", "type", "message", "outcome"], "docs/errors.md has the members; entries "
        "in short hold file, function and the backend's name in place of the objects",
        time=STRING, level={"enum": ["error", "warn"]}, instance=STRING, pid=COUNT,
        correlation_id=STRING, client_correlation_id=STRING, hash=HASH, site=OPEN, type=STRING,
        status=INTEGER, retry_after=INTEGER, message=STRING, request=OPEN, upstream=OPEN,
        outcome={"enum": ["answered", "retried", "passed_on", "logged"]}, timing=OPEN,
        backend={"type": ["object", "string", "null"], "additionalProperties": True},
        file=nullable("string"), function=nullable("string"), **{"class": STRING}),
    "ErrorList": shape(["errors", "count", "complete"], errors=listing(schema("Entry")),
                       count=COUNT, complete=COMPLETE, problem=STRING),
    "Groups": listing(shape(name=STRING, count=COUNT, first=STRING, last=STRING)),
    "ErrorStats": shape(["total", "complete"] + GROUPS, total=COUNT, first=STRING, last=STRING,
                        complete=COMPLETE, problem=STRING,
                        **{name: schema("Groups") for name in GROUPS}),
    "Registry": shape(count=COUNT, sites=listing(shape(
        hash=HASH, file=STRING, function=STRING, code=STRING, text=STRING,
        lines=listing(COUNT)))),
    "Tidied": shape(["days_to_keep", "deleted", "complete"], days_to_keep=COUNT, deleted=COUNT,
                    compressed=COUNT, bytes_freed=COUNT, files=COUNT, bytes=COUNT,
                    complete=BOOLEAN, problem=STRING),
    "Instance": shape(
        ["id", "host", "user", "config", "config_generation", "loads", "pid", "version",
         "recording"], id=STRING, host=STRING, user=STRING, config=STRING,
        config_generation={"type": "string", "pattern": "^[0-9a-f]{16}$"}, loads=COUNT, pid=COUNT,
        version=STRING, dir=STRING, folder=STRING, recording=BOOLEAN),
    "Doctor": shape(
        ["status", "version", "checked_at", "findings", "recent_errors"],
        status={"enum": ["error", "warning", "ok"]}, version=STRING, checked_at=TIME,
        findings=listing(schema("Finding")),
        configuration=dict(STRING, description="What --check prints"),
        recent_errors={"anyOf": [NULL, schema("ErrorList")]}),
}

SCHEMAS = {**REQUESTS, **ANSWERS, **HEALTH, **DIAGNOSIS}
