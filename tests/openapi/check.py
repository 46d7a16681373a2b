"""Is an answer as docs/openapi.json says? JSON Schema as far as that document uses it, with the
standard library alone; a keyword that is not known here is an error of the document.

Stricter than JSON Schema in one thing: an object may hold no member that its schema does not name,
unless the schema says so with additionalProperties. Clients are promised less, but the document is
to be whole.
"""
import json
import re

NUMBER = (int, float)
TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None),
         "number": NUMBER}
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
# Of the web server, or of HTTP itself.
TRANSPORT = {"server", "date", "content-type", "content-length", "connection", "transfer-encoding",
             "keep-alive", "accept-ranges"}


def is_type(value, name):
    if name == "integer":
        return isinstance(value, NUMBER) and not isinstance(value, bool) and value == int(value)
    if name == "number" and isinstance(value, bool):
        return False
    return isinstance(value, TYPES[name])


def same(a, b):
    return a == b and isinstance(a, bool) == isinstance(b, bool)


class Checker:
    """problems(schema, value) lists what is wrong, each with its place."""

    def __init__(self, document):
        self.document = document

    def resolve(self, tree):
        while "$ref" in tree:
            tree_at = self.document
            for part in tree["$ref"][2:].split("/"):
                tree_at = tree_at[part]
            tree = tree_at
        return tree

    def problems(self, schema, value, at="body"):
        """Of the value and all that is in it, members without a name included."""
        found, named = self.look(schema, value, at)
        if isinstance(value, dict) and named is not None and not found:
            found = ["%s.%s is not in the document" % (at, name) for name in value
                     if name not in named]
        return found

    def look(self, schema, value, at):
        """The problems, and the members that the schema names: None where any may be there."""
        found, named = [], set()
        for keyword, rule in schema.items():
            if keyword in ("description", "default", "contentMediaType", "additionalProperties"):
                continue
            more, names = getattr(self, "key_" + keyword.strip("$"))(rule, value, at)
            found += more
            named = None if names is None or named is None else named | names
        if schema.get("additionalProperties"):
            named = None
        return found, named

    # ---- keywords: each gives problems and names ----

    def key_ref(self, rule, value, at):
        return self.look(self.resolve({"$ref": rule}), value, at)

    def key_allOf(self, rule, value, at):
        found, named = [], set()
        for schema in rule:
            more, names = self.look(schema, value, at)
            found += more
            named = None if names is None or named is None else named | names
        return found, named

    def key_anyOf(self, rule, value, at):
        first = None
        for schema in rule:
            more, names = self.look(schema, value, at)
            if not more:
                return [], names
            if first is None or len(more) < len(first):
                first = more
        return ["%s is none of %d (%s)" % (at, len(rule), "; ".join(first))], set()

    def key_not(self, rule, value, at):
        return self.says(self.look(rule, value, at)[0], at, "must not be %s" % json.dumps(rule))

    def key_properties(self, rule, value, at):
        found = []
        for name, schema in rule.items():
            if isinstance(value, dict) and name in value:
                found += self.problems(schema, value[name], "%s.%s" % (at, name))
        return found, set(rule)

    def key_items(self, rule, value, at):
        found = []
        for i, item in enumerate(value if isinstance(value, list) else ()):
            found += self.problems(rule, item, "%s[%d]" % (at, i))
        return found, set()

    def key_contentSchema(self, rule, value, at):
        try:
            return self.problems(rule, json.loads(value), at), set()
        except ValueError as e:
            return ["%s is no JSON: %s" % (at, e)], set()

    @staticmethod
    def says(good, at, why):
        return ([] if good else ["%s %s" % (at, why)]), set()

    def key_type(self, rule, value, at):
        names = rule if isinstance(rule, list) else [rule]
        return self.says(any(is_type(value, n) for n in names), at, "is no %s: %r" % (rule, value))

    def key_const(self, rule, value, at):
        return self.says(same(value, rule), at, "is %r, not %r" % (value, rule))

    def key_enum(self, rule, value, at):
        return self.says(any(same(value, v) for v in rule), at, "is %r, none of %s" % (value, rule))

    def key_required(self, rule, value, at):
        missing = [n for n in rule if n not in value] if isinstance(value, dict) else []
        return self.says(not missing, at, "lacks %s" % missing)

    def key_pattern(self, rule, value, at):
        return self.says(not isinstance(value, str) or re.search(rule, value), at,
                         "does not match %s: %r" % (rule, value))

    def key_format(self, rule, value, at):
        assert rule == "date-time", rule
        return self.says(not isinstance(value, str) or TIME.match(value), at, "is no time")

    def key_minimum(self, rule, value, at):
        return self.says(not is_type(value, "number") or value >= rule, at, "is below %s" % rule)

    def key_maximum(self, rule, value, at):
        return self.says(not is_type(value, "number") or value <= rule, at, "is above %s" % rule)

    def key_minLength(self, rule, value, at):
        return self.says(not isinstance(value, str) or len(value) >= rule, at, "is too short")

    def key_maxLength(self, rule, value, at):
        return self.says(not isinstance(value, str) or len(value) <= rule, at, "is too long")

    def key_minItems(self, rule, value, at):
        return self.says(not isinstance(value, list) or len(value) >= rule, at, "has too few")

    def key_maxItems(self, rule, value, at):
        return self.says(not isinstance(value, list) or len(value) <= rule, at, "has too many")

    def key_maxProperties(self, rule, value, at):
        return self.says(not isinstance(value, dict) or len(value) <= rule, at, "has too many")


def events(text):
    """The events of a stream as the document describes one; comments are left out."""
    for record in text.split("\n\n"):
        lines = [line for line in record.split("\n") if line and not line.startswith(":")]
        out = {}
        for line in lines:
            name, _, value = line.partition(": ")
            out[name] = out[name] + "\n" + value if name in out else value
        if out:
            yield out


def header_value(schema, text):
    """A header is text; where the schema wants a number it has to be one."""
    return int(text) if schema.get("type") == "integer" and re.match(r"-?\d+$", text) else text


class Document(Checker):
    """The document, asked about answers."""

    @property
    def paths(self):
        return self.document["paths"]

    def operations(self):
        """(method, path, operation) of each."""
        for path, item in self.paths.items():
            for method in ("get", "post"):
                if method in item:
                    yield method.upper(), path, item[method]

    def takes_key(self, operation):
        return operation.get("security", self.document["security"]) != []

    def check_headers(self, response, headers):
        described = {n.lower(): self.resolve(h) for n, h in response.get("headers", {}).items()}
        found = ["the header %s is missing" % n for n, h in described.items()
                 if h.get("required") and n not in headers]
        for name, text in headers.items():
            if name in TRANSPORT:
                continue
            if name not in described:
                found.append("the header %s is not in the document" % name)
                continue
            schema = self.resolve(described[name]["schema"])
            found += self.problems(schema, header_value(schema, text), "header " + name)
        return found

    def check_body(self, response, kind, body):
        content = response.get("content", {})
        if not content:
            return ["a body of %d bytes that the document has not" % len(body)] if body else []
        if kind not in content:
            return ["the content type %r is none of %s" % (kind, list(content))]
        schema = content[kind]["schema"]
        if kind == "text/event-stream":
            return [p for event in events(body.decode()) for p in self.problems(schema, event)]
        value = json.loads(body) if kind == "application/json" else body.decode()
        return self.problems(schema, value)

    def check(self, responses, answer):
        """What is wrong with an answer of an operation with these responses; and the key of the one
        that describes it, None where it has none."""
        status = str(answer.status)
        key = next((k for k in (status, status[0] + "XX", "default") if k in responses), None)
        if key is None:
            return ["the status %s is not in the document" % status], None
        response = self.resolve(responses[key])
        headers = {n.lower(): v for n, v in answer.headers.items()}
        kind = headers.get("content-type", "").partition(";")[0]
        found = self.check_body(response, kind, answer.body)
        return found + self.check_headers(response, headers), key
