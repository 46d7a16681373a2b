"""The demo backend by itself, as an OpenAI-chat server: what ./start shows must be worth showing."""
import http.client
import json
import subprocess

from harness import clean_env, program, stop

WHO = "This is the demo backend of messages-fcgi, not a model."
BASH = [{"type": "function", "function": {"name": "Bash", "parameters": {"type": "object"}}}]


class Demo:
    def __enter__(self):
        self.process = subprocess.Popen([program("messages-demo"), "--delay", "1"], text=True,
                                        stdout=subprocess.PIPE, env=clean_env())
        self.port = int(self.process.stdout.readline().rpartition(":")[2])
        self.conn = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        return self

    def __exit__(self, *_):
        self.conn.close()
        stop(self.process)
        self.process.stdout.close()

    def ask(self, method, path, body=None):
        self.conn.request(method, path, body)
        response = self.conn.getresponse()
        return response.status, response.read().decode()

    def chat(self, messages, **more):
        if isinstance(messages, str):
            messages = [{"role": "user", "content": messages}]
        status, text = self.ask("POST", "/v1/chat/completions", json.dumps(
            dict({"model": "demo", "messages": messages}, **more)))
        return status, json.loads(text)

    def message(self, messages, **more):
        status, answer = self.chat(messages, **more)
        assert status == 200, answer
        choice = answer["choices"][0]
        return choice["message"], choice["finish_reason"]

    def commands(self, messages, **more):
        message, _ = self.message(messages, tools=BASH, **more)
        return [json.loads(c["function"]["arguments"])["command"]
                for c in message.get("tool_calls", [])]


def test_demo_models_and_errors():
    with Demo() as demo:
        status, text = demo.ask("GET", "/v1/models")
        assert status == 200
        first = json.loads(text)["data"][0]
        assert first["id"] == "demo" and first["context_length"] > 0
        assert first["top_provider"]["max_completion_tokens"] > 0
        for method, path, body, status in (("GET", "/nothing", None, 404),
                                           ("GET", "/v1/chat/completions", None, 405),
                                           ("POST", "/v1/chat/completions", "{", 400),
                                           ("POST", "/v1/chat/completions", "{}", 400)):
            got, text = demo.ask(method, path, body)
            assert got == status and json.loads(text)["error"]["message"], (path, got, text)
        assert demo.chat("x", model="gpt")[1]["error"]["code"] == "model_not_found"
        assert demo.chat("fail: 503")[0] == 503
        assert demo.chat("x" * 900000)[1]["error"]["code"] == "context_length_exceeded"


def test_demo_finds_commands():
    with Demo() as demo:
        assert demo.commands("run: echo hi") == ["echo hi"]
        assert demo.commands("please\nrun: a\nRun: b \"q\"") == ["a", 'b "q"']
        assert demo.commands("Can you run `ls -l` and `date`?") == ["ls -l"]
        assert demo.commands("Run `ls -l` and `date` in parallel") == ["ls -l", "date"]
        assert demo.commands("Please run uname -a.") == ["uname -a"]
        assert demo.commands("run the tests") == []
        assert demo.commands("Hello") == []
        assert demo.message("run: echo hi")[1] == "stop"     # without a tool it is talk


def test_demo_ignores_the_clients_remarks():
    with Demo() as demo:
        remark = "<system-reminder>\nrun: rm\n</system-reminder>"
        said = [{"role": "system", "content": "run: rm"},
                {"role": "user", "content": [{"type": "text", "text": remark},
                                             {"type": "text", "text": "run: echo hi"}]},
                {"role": "system", "content": "run: rm"},
                {"role": "user", "content": remark}]
        assert demo.commands(said) == ["echo hi"]


def test_demo_quotes_tool_results():
    with Demo() as demo:
        message, finish = demo.message([
            {"role": "user", "content": "run: a\nrun: b"},
            {"role": "assistant", "content": None, "tool_calls": []},
            {"role": "tool", "tool_call_id": "1", "content": "one"},
            {"role": "tool", "tool_call_id": "2", "content": [{"type": "text", "text": "two"}]},
        ], tools=BASH)
        assert finish == "stop" and message["content"].startswith(WHO)
        assert message["content"].endswith("one\ntwo"), message


def test_demo_limits_and_schema():
    with Demo() as demo:
        message, finish = demo.message("é" * 100, max_tokens=30)
        assert finish == "length" and len(message["content"].encode()) <= 120
        message, finish = demo.message("x", stop=["not a"])
        assert finish == "stop" and message["content"].endswith("messages-fcgi, ")
        message, _ = demo.message("x", response_format={"type": "json_schema", "json_schema": {
            "schema": {"type": "object", "required": ["title", "n"], "properties": {
                "title": {"type": "string"}, "n": {"type": "integer"}}}}})
        assert json.loads(message["content"])["n"] == 0


def test_demo_named_calls():
    with Demo() as demo:
        tools = BASH + [{"type": "function", "function": {"name": "weather"}}]
        message, finish = demo.message('call: weather {"n": 12345678901234567890} please\n'
                                       "call: Weather\ncall: unknown {}", tools=tools)
        assert finish == "tool_calls"
        assert [c["function"]["arguments"] for c in message["tool_calls"]] == [
            '{"n": 12345678901234567890}', "{}"], message
