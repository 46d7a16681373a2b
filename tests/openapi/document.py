#!/usr/bin/env python3
"""docs/openapi.json is made here: `tests/openapi/document.py update` writes it, without a word it
is printed. tests/e2e/test_openapi.py says when it is out of date, and whether it is true.

One row an operation; what all operations of a kind share (access, errors, headers) is said once.
"""
import json
import os
import sys

sys.dont_write_bytecode = True

from schemas import (COUNT, ERROR_TYPES, HASH, SCHEMAS, STRING, TIME, const, ref,  # noqa: E402
                     schema)

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "openapi.json")
WIDTH = 140
MESSAGES, MODELS, HEALTH, DIAGNOSIS, EARLIER = (
    "Messages", "Models", "Health", "Diagnosis", "Paths of an earlier system")

# ---- headers ----


def header(text, schema_, required=False):
    out = {"description": text, "schema": schema_}
    return dict(out, required=True) if required else out


HEADERS = {
    "request-id": header("The request's id, in the log and in recorded errors too",
                         {"type": "string", "pattern": "^req_01[A-Za-z0-9]+$"}, True),
    "correlation-id": header("The client's x-correlation-id, or else its x-request-id", STRING),
    "no-store": header("Nothing here is to be kept", const("no-store"), True),
    "cache-control": header("The latter for streams",
                            {"enum": ["no-store", "no-cache, no-transform"]}, True),
    "processing-time": header("Milliseconds", COUNT, True),
    "processing-time-whole": header("Milliseconds; not on streams", COUNT),
    "accel-buffering": header("On streams, so that nginx passes them at once", const("no")),
    "error-id": header("The place in the program that reports the error, as error_id", HASH),
    "retry-after": header("Whole seconds after which another try makes sense", COUNT),
    "should-retry": header("For Anthropic's SDKs, where it counts more than the status",
                           {"enum": ["true", "false"]}),
    "allow": header("The methods that the path takes", STRING, True),
    "backend": header("The backend that was asked last", STRING),
    "model": header("Its own name for the model", STRING),
    "dropped": header("What of the request it could not be sent, comma-separated", STRING),
    "capture": header("The capture's name, or why there is none", STRING),
    "count": header("Who counted", {"enum": ["backend", "estimate"]}, True),
    "limit": header("Of the key's limits (a minute), or passed from a Messages backend", COUNT),
    "reset": header("When all of it is there again", TIME),
    "page": header("On the page", STRING),
    "origin": header("The request's Origin", STRING, True),
    "vary": header("The answer depends on the origin", const("Origin"), True),
    "exposed": header("The headers that a page may read", STRING, True),
    "methods": header("Those of all paths", const("GET, HEAD, POST, OPTIONS"), True),
    "headers": header("What Access-Control-Request-Headers asked for", STRING, True),
    "max-age": header("Seconds", COUNT, True),
}
EVERY = {"request-id": "request-id", "X-Request-ID": "request-id",
         "x-correlation-id": "correlation-id"}
WHOLE = dict(EVERY, **{"Cache-Control": "no-store", "X-Processing-Time": "processing-time"})
MEMBER = {"x-messages-backend": "backend", "x-messages-model": "model"}
LIMITS = {"anthropic-ratelimit-%s-%s" % (kind, part): "reset" if part == "reset" else "limit"
          for kind in ("requests", "tokens") for part in ("limit", "remaining", "reset")}
ASKED = dict(MEMBER, **{"x-messages-dropped": "dropped", "x-messages-capture": "capture"}, **LIMITS)
ERROR = dict(WHOLE, **{"x-error-id": "error-id", "retry-after": "retry-after",
                       "x-should-retry": "should-retry"}, **ASKED)
STREAM = dict(EVERY, **{"Cache-Control": "cache-control", "X-Accel-Buffering": "accel-buffering"},
              **ASKED)
CORS = {"Access-Control-Allow-Origin": "origin", "Vary": "vary",
        "Access-Control-Expose-Headers": "exposed"}
PREFLIGHT = dict(WHOLE, **CORS, **{"Access-Control-Allow-Methods": "methods",
                                   "Access-Control-Allow-Headers": "headers",
                                   "Access-Control-Max-Age": "max-age"})

# ---- answers ----


def referred(headers):
    return {name: ref("headers", of) for name, of in headers.items()}


def answer(text, content, headers=None):
    return {"description": text, "headers": referred(headers or WHOLE),
            "content": {kind: {"schema": s} for kind, s in content.items()}}


def whole(name, text, **headers):
    return answer(text, {"application/json": schema(name)}, dict(WHOLE, **headers))


def plain(text, *words):
    return answer(text, {"text/plain": {"enum": list(words)}})


# Status, its type, the answer's name, what it means.
ERRORS = (
    (400, 0, "InvalidRequest", "The request can't be served as it is: the message names the member "
     "or parameter. A prompt that is too long, too, in the API's words: \"prompt is too long\", "
     "\"input length and `max_tokens` exceed context limit\""),
    (401, 1, "Authentication", "No key, or one that is unknown, disabled or expired"),
    (402, 2, "Billing", "A paid-for limit of the backend's account is used up"),
    (403, 3, "Permission", "The key may not use this endpoint, backend or model; where there are "
     "no keys, the request does not come from this machine; or the origin is not listed"),
    (404, 4, "NotFound", "No such model, backend, record or path"),
    (405, 0, "MethodNotAllowed", "The path takes another method"),
    (409, 5, "Conflict", "The backend said so"),
    (413, 6, "TooLarge", "The body is larger than limits.max_body (32 MB unless it is configured), "
     "or than the backend takes"),
    (429, 7, "RateLimit", "A limit of the key or of the backend is used up for now; or too many "
     "refused keys came from this address"),
    (500, 8, "ServerError", "The backend failed"),
    (502, 8, "BadGateway", "The backend can't be reached, broke off, sent what it should not, or "
     "refused the gateway's own key"),
    (504, 9, "Timeout", "The backend did not answer in time"),
    (529, 10, "Overloaded", "The backend or the gateway has no capacity now: limits.requests, "
     "limits.memory, limits.workers, or a restart"),
)


def error(status, type_, text):
    of = {"allOf": [schema("Error"), {"properties": {"error": {
        "properties": {"type": const(type_)}, "additionalProperties": True}}}]}
    return answer(text, {"application/json": of},
                  dict(ERROR, Allow="allow") if status == 405 else ERROR)


EVENTS = {"text/event-stream": schema("StreamEvent")}
RESPONSES = {name: error(status, ERROR_TYPES[kind], text) for status, kind, name, text in ERRORS}
RESPONSES.update({
    "BackendsOwn": answer("A backend that speaks the Messages API answered with an error of its "
                          "own: its status and body pass as they came",
                          {"application/json": schema("Error")}, ERROR),
    "Message": answer(
        "One object, or events where `stream` is true. An error comes under this status, as an "
        "object or an event, once the head had to go out before the backend had answered "
        "(stream.commit_after). All headers anthropic-… of a Messages backend pass",
        {"application/json": {"anyOf": [schema("Message"), schema("Error")]}, **EVENTS},
        dict(STREAM, **{"X-Processing-Time": "processing-time-whole"})),
    "MessageStream": answer("Events, whatever `stream` says", EVENTS, STREAM),
    "Count": whole("Count", "Counted by the backend, or estimated", **{"x-messages-count": "count"},
                   **MEMBER, **LIMITS),
    "Models": whole("ModelList", "A page of the list"),
    "Alive": plain("It answers", "ok\n", "hello\n"),
    "Draining": plain("The program is stopping", "draining\n"),
    "Status": whole("Status", "What is set up, and how it does"),
    "Errors": whole("ErrorList", "Entries, newest first"),
    "Stats": whole("ErrorStats", "Entries, counted"),
    "Preflight": {"description": "A page of this origin may use the gateway",
                  "headers": referred(PREFLIGHT)},
    "Head": {"description": "The status and headers of GET, without its body"},
})

# ---- parameters ----


def param(name, where, text, schema_):
    out = {"name": name, "in": where, "description": text, "schema": schema_}
    return dict(out, required=True) if where == "path" else out


NAME = {"type": "string", "pattern": "^[A-Za-z0-9_./-]{1,128}$"}
SEGMENT = {"type": "string", "minLength": 1}
DAY = "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
SINCE = "^([0-9]{1,5}[smhd]|%s(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z?)?)$" % DAY


def number(least, most, default):
    return {"type": "integer", "minimum": least, "maximum": most, "default": default}


PARAMETERS = {
    "version": param("anthropic-version", "header", "Goes to backends that speak the Messages API, "
                     "2023-06-01 without it; any value is taken", STRING),
    "beta": param("anthropic-beta", "header", "Comma-separated. Goes to Anthropic, and as far as "
                  "their presets know the values to others; any value is taken", STRING),
    "query": param("beta", "query", "SDKs send beta=true; nothing is made of it", STRING),
    "correlation": param("x-correlation-id", "header", "The client's own id, for the log and for "
                         "recorded errors. Taken where it is of 1 to 128 visible ASCII characters "
                         "without quotes and backslashes, else ignored", STRING),
    "capture": param("x-debug-capture", "header", "1: the request is captured whole, for keys that "
                     "have the right (docs/debugging.md)", STRING),
    "session": param("x-claude-code-session-id", "header", "Requests of one session go to the same "
                     "member of a chain", STRING),
    "agent": param("x-claude-code-agent-id", "header", "Rules can ask for it", STRING),
    "class": param("x-claude-code-request-class", "header", "Rules can ask for it", STRING),
    "page": param("limit", "query", "Models of a page", number(1, 1000, 20)),
    "after": param("after_id", "query", "The page behind this model", SEGMENT),
    "before": param("before_id", "query", "The page before this model", SEGMENT),
    "model-id": param("id", "path", "A slash in it may come as it is or as %2F", SEGMENT),
    "model": param("model", "path", "The name that a client would send", SEGMENT),
    "provider": param("provider", "path", "A backend's name, in any case", SEGMENT),
    "limit": param("limit", "query", "Entries at most", number(1, 500, 50)),
    "since": param("since", "query", "A while ago (90s, 30m, 12h, 7d), a day (2026-11-22) or a "
                   "time in UTC (2026-11-22T10:00:00Z)", {"type": "string", "pattern": SINCE}),
    "type": param("error_type", "query", "The API's error type", NAME),
    "function": param("function_name", "query", "The site's", NAME),
    "file": param("file", "query", "The site's, or the end of its path", NAME),
    "hash": param("hash", "query", "The site's", HASH),
    "site": param("hash", "path", "As error_id and x-error-id have it", HASH),
    "request": param("id", "path", "The gateway's id of a request, or the client's", SEGMENT),
    "days": param("days_to_keep", "query", "log.retention_days where it is absent",
                  {"type": "integer", "minimum": 0, "maximum": 3650}),
    "word": param("word", "query", "doctor.word, where there are no keys", STRING),
    "web": param("web", "query", "Given: the gateway also calls itself through the web server",
                 STRING),
    "url": param("url", "query", "The base URL for that, of the same host", STRING),
}
ORIGIN = [param("Origin", "header", "The page's", STRING),
          param("Access-Control-Request-Headers", "header", "What it wants to send", STRING)]

# ---- operations ----

BASE = {"url": "{base}", "variables": {"base": {
    "default": "http://127.0.0.1:4000", "description": "Where the web server has the gateway: "
    "scheme, host, and the prefix if there is one"}}}
DIRECT = {"url": "{base}/b/{backend}", "variables": dict(BASE["variables"], backend={
    "default": "NAME", "description": "A backend, or a target of the configuration: asked whatever "
    "the rules say"})}
STATUS_OF = {name: str(status) for status, _, name, _ in ERRORS}
ACCESS = ("Authentication", "Permission", "RateLimit")
TALK = ("InvalidRequest", "Billing", "NotFound", "Conflict", "TooLarge", "ServerError",
        "BadGateway", "Timeout")
CLIENT = ("query", "version", "beta", "correlation", "capture", "session", "agent", "class")


def operation(id_, tag, summary, good, errors=(), params=(), need=True, body=None, more=None):
    """good: a response's name, or the response. need: a key is asked for."""
    out = {"operationId": id_, "tags": [tag], "summary": summary}
    if not need:
        out["security"] = []
    if params:
        out["parameters"] = [ref("parameters", name) for name in params]
    if body:
        out["requestBody"] = {"required": True,
                              "content": {"application/json": {"schema": schema(body)}}}
    names = list(errors) + list(ACCESS if need else ()) + ["Overloaded"]
    answers = {STATUS_OF[name]: ref("responses", name) for name in names}
    answers["200"] = ref("responses", good) if isinstance(good, str) else good
    answers.update(more or {})
    out["responses"] = dict(sorted(answers.items()))
    return out


def talk(id_, summary, good="Message", body="MessageRequest", tag=EARLIER):
    return {"post": operation(id_, tag, summary, good, TALK, CLIENT, body=body, more={
        "default": ref("responses", "BackendsOwn")})}


def look(id_, tag, summary, good, errors=(), params=(), need=True, down=None):
    """down: the answer of a program that is stopping."""
    return {"get": operation(id_, tag, summary, good, errors, params, need,
                             more={"503": down} if down else None)}


def ask(id_, summary, good, *params):
    return look(id_, DIAGNOSIS, summary, good, ("InvalidRequest", "NotFound"), params)


def directly(item):
    return dict({"servers": [BASE, DIRECT]}, **item)


def doctor():
    page = whole("Doctor", "What is wrong and what to change: JSON, or a page where Accept wants "
                 "text/html", **{"Content-Security-Policy": "page", "Referrer-Policy": "page",
                                 "X-Content-Type-Options": "page"})
    page["content"]["text/html"] = {"schema": STRING}
    item = look("doctor", DIAGNOSIS, "The whole examination; with keys for one that has the right "
                "doctor, else for who has the word", page, (), ("word", "web", "url"))
    item["get"]["security"] = [{"key": []}, {"bearer": []}, {}]
    return item


DRAINING = ref("responses", "Draining")
PAGE = ("page", "after", "before")
COUNTING = operation("countTokens", MESSAGES, "Count the input tokens of a request; where the "
                     "backend can't, or fails to, they are estimated", "Count",
                     ("InvalidRequest", "NotFound", "TooLarge"), CLIENT[:4],
                     body="CountRequest", more={"default": ref("responses", "BackendsOwn")})
CLEANING = operation("cleanErrors", DIAGNOSIS, "Delete and compress old error files now",
                     whole("Tidied", "What was done"), ("InvalidRequest", "NotFound"), ("days",))
MEMBERS = ("universalHealth", EARLIER, "Backends, routes and targets",
           whole("Members", "They are served"))
READY = ("readiness", HEALTH, "Can Claude Code be served now?", whole("Readiness", "Yes"))
PATHS = {
    "/v1/messages": directly(talk("createMessage", "A conversation, and its next message",
                                  tag=MESSAGES)),
    "/v1/messages/stream": directly(talk("streamMessage", "The same, always as a stream",
                                         "MessageStream", tag=MESSAGES)),
    "/v1/messages/count_tokens": directly({"post": COUNTING}),
    "/v1/models": directly(look(
        "listModels", MODELS, "The models that this key may use: the names of the configuration, "
        "then what the backends list, the default backend's as they are, others as NAME/model",
        "Models", ("InvalidRequest",), PAGE)),
    "/v1/models/{id}": directly(look("getModel", MODELS, "One of them", whole("Model", "The model"),
                                     ("NotFound",), ("model-id",))),
    "/v1/universal/stream": talk("universalStream", "A stream from the backend that the body names",
                                 "MessageStream", "UniversalRequest"),
    "/v1/universal/providers": look("listProviders", EARLIER, "The backends that this key may use",
                                    whole("ProviderList", "The list")),
    "/v1/universal/providers/{provider}": look(
        "getProvider", EARLIER, "One of them", whole("Provider", "The backend"), ("NotFound",),
        ("provider",)),
    "/v1/universal/providers/{provider}/models": look(
        "listProviderModels", EARLIER, "The models that it lists, under its own names", "Models",
        ("InvalidRequest", "NotFound"), ("provider",) + PAGE),
    "/v1/universal/health": look(*MEMBERS, down=whole("Members", "The program is stopping")),
    "/v1/databricks/messages": talk("databricksMessage", "From the backend AZURE_DATABRICKS, "
                                    "whatever the rules say"),
    "/v1/databricks/messages/stream": talk("databricksStream", "The same as a stream",
                                           "MessageStream"),
    "/v1/databricks/messages/claude-sonnet-4": talk(
        "databricksSonnet4", "Its databricks-claude-sonnet-4", body="NamedRequest"),
    "/v1/databricks/messages/claude-3-7-sonnet": talk(
        "databricksSonnet37", "Its databricks-claude-3-7-sonnet", body="NamedRequest"),
    "/v1/databricks/health": look("databricksAlive", EARLIER, "The same as /health", "Alive",
                                  need=False, down=DRAINING),
    "/v1/databricks/health/detailed": look(
        "databricksHealth", EARLIER, "/health/detailed of the backends that begin with this preset",
        "Status", down=ref("responses", "Status")),
    "/": look("root", HEALTH, "Name, version and endpoints", whole("Root", "The list"), need=False),
    "/api/hello": look("hello", HEALTH, "For clients that warm their connection up", "Alive",
                       need=False),
    "/health": look("alive", HEALTH, "For load balancers", "Alive", need=False, down=DRAINING),
    "/status": look("status", HEALTH, "What this process knows", "Status"),
    "/health/detailed": look("health", HEALTH, "The same, with the backend asked when that is due",
                             "Status", down=ref("responses", "Status")),
    "/health/claude-code/readiness": look(*READY, down=whole("Readiness", "No: findings say why")),
    "/health/claude-code/capabilities": look(
        "capabilities", HEALTH, "What the default backend can do",
        whole("Capabilities", "Endpoints, features, limits")),
    "/health/claude-code/performance": look(
        "performance", HEALTH, "What is running, and how the backends do",
        whole("Performance", "Figures of this process")),
    "/health/claude-code/compatibility/{model}": look(
        "compatibility", HEALTH, "What becomes of a model's name",
        whole("Compatibility", "Where it leads"), ("NotFound",), ("model",)),
    "/doctor": doctor(),
    "/debug/errors/recent": ask("recentErrors", "What clients were told, in short", "Errors",
                                "limit", "since"),
    "/debug/errors/enhanced/recent": ask("allErrors", "All entries of all instances, whole",
                                         "Errors", "limit", "since"),
    "/debug/errors/stats": ask("errorStats", "What clients were told, counted", "Stats", "since"),
    "/debug/errors/enhanced/stats": ask("allErrorStats", "The same of all entries", "Stats",
                                        "since"),
    "/debug/errors/search": ask("searchErrors", "Entries that match all that is given", "Errors",
                                "limit", "since", "type", "function", "file", "hash"),
    "/debug/errors/registry": look("errorSites", DIAGNOSIS, "The places that report errors",
                                   whole("Registry", "All of them")),
    "/debug/errors/hash/{hash}": ask("errorsOfSite", "Entries of one site", "Errors", "site",
                                     "limit", "since"),
    "/debug/errors/cleanup": {"post": CLEANING},
    "/debug/errors/{id}": ask("errorsOfRequest", "Entries of one request", "Errors", "request",
                              "limit", "since"),
    "/debug/server/instance": look("instance", DIAGNOSIS, "Who answers",
                                   whole("Instance", "Host, user, configuration")),
}

# ---- the whole ----

KEY = ("A key of access.keys. With access.mode local (this machine alone) and open none is needed; "
       "with passthrough it is the backend's own")
IMPLICIT = {
    "description": "Every path answers OPTIONS, and HEAD where it answers GET (/doctor's is a 200 "
    "for everybody, since nothing is looked at). other: any other method. unknown: what is no "
    "path, for who has a key. listed: the headers that every answer has besides where "
    "access.origins lists the request's Origin",
    "head": {"responses": {"200": ref("responses", "Head"), "4XX": ref("responses", "Head"),
                           "5XX": ref("responses", "Head")}},
    "options": {"security": [], "parameters": ORIGIN, "responses": {
        "204": ref("responses", "Preflight"), "403": ref("responses", "Permission"),
        "529": ref("responses", "Overloaded")}},
    "other": {"responses": {"405": ref("responses", "MethodNotAllowed")}},
    "unknown": {"responses": {"404": ref("responses", "NotFound")}},
    "listed": {"headers": referred(CORS)},
}


def document():
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "messages.fcgi", "version": "2023-06-01",
            "summary": "The Anthropic Messages API in front of other backends",
            "description": "Made by tests/openapi/document.py; docs/api.md is for reading. The "
            "version is the API's own (anthropic-version).",
            "license": {"name": "MIT", "identifier": "MIT"}},
        "servers": [BASE], "security": [{"key": []}, {"bearer": []}],
        "tags": [{"name": tag} for tag in (MESSAGES, MODELS, HEALTH, DIAGNOSIS, EARLIER)],
        "x-implicit": IMPLICIT, "paths": PATHS,
        "components": {
            "securitySchemes": {
                "key": {"type": "apiKey", "in": "header", "name": "x-api-key", "description": KEY},
                "bearer": {"type": "http", "scheme": "bearer", "description": "The same"}},
            "parameters": PARAMETERS, "headers": HEADERS, "responses": RESPONSES,
            "schemas": SCHEMAS}}


def lay(tree, depth=0, taken=0):
    """JSON with what fits on a line on one."""
    flat = json.dumps(tree, ensure_ascii=False)
    if not isinstance(tree, (dict, list)) or 2 * depth + taken + len(flat) < WIDTH:
        return flat
    inner, end = "  " * (depth + 1), "\n" + "  " * depth
    if isinstance(tree, list):
        rows, ends = [inner + lay(item, depth + 1) for item in tree], "[]"
    else:
        names = [json.dumps(name) + ": " for name in tree]
        rows = [inner + name + lay(item, depth + 1, len(name))
                for name, item in zip(names, tree.values())]
        ends = "{}"
    return ends[0] + "\n" + ",\n".join(rows) + end + ends[1]


def text():
    return lay(document()) + "\n"


if __name__ == "__main__":
    if sys.argv[1:] == ["update"]:
        with open(PATH, "w", encoding="utf-8") as out:
            out.write(text())
    else:
        print(text(), end="")
