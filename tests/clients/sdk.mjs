// @anthropic-ai/sdk against the demo backend: each function is a case; one line of output each.
import { createRequire } from "node:module";
import { strict as assert } from "node:assert";

const require = createRequire(process.env.MESSAGES_CLIENTS + "/package.json");
const { default: Anthropic } = await import(require.resolve("@anthropic-ai/sdk"));
const client = new Anthropic({ baseURL: process.env.BASE_URL, apiKey: "none", maxRetries: 0 });
const model = "claude-opus-4-8";
const demo = "This is the demo backend of messages-fcgi, not a model.";
const bash = { name: "Bash", description: "Runs a command",
	input_schema: { type: "object", properties: { command: { type: "string" } } } };

const ask = (content, more = {}) =>
	({ model, max_tokens: 500, messages: [{ role: "user", content }], ...more });

const cases = {
	async stream_final_message() {
		let deltas = 0;
		const stream = client.messages.stream(ask("Hello")).on("text", () => deltas++);
		const message = await stream.finalMessage();
		assert.equal(message.content[0].type, "text");
		assert.ok(message.content[0].text.startsWith(demo));
		assert.equal(message.stop_reason, "end_turn");
		assert.equal(message.model, model);
		assert.ok(message.usage.input_tokens > 0 && message.usage.output_tokens > 0);
		assert.ok(deltas > 3);
	},
	async whole() {
		const message = await client.messages.create(ask("Hello"));
		assert.ok(message.content[0].text.includes("Hello"));
	},
	async tool_round_trip() {
		const first = await client.messages.stream(ask("run: echo hi", { tools: [bash] })).finalMessage();
		const call = first.content.find((b) => b.type === "tool_use");
		assert.equal(first.stop_reason, "tool_use");
		assert.equal(call.input.command, "echo hi");
		const second = await client.messages.stream({ model, max_tokens: 500, tools: [bash], messages: [
			{ role: "user", content: "run: echo hi" },
			{ role: "assistant", content: first.content },
			{ role: "user", content: [{ type: "tool_result", tool_use_id: call.id, content: "hi from it" }] },
		] }).finalMessage();
		assert.ok(second.content[0].text.includes("hi from it"));
	},
	async parallel_tools() {
		const message = await client.messages.stream(ask("run: echo a\nrun: echo b", { tools: [bash] }))
			.finalMessage();
		const calls = message.content.filter((b) => b.type === "tool_use");
		assert.deepEqual(calls.map((c) => c.input.command), ["echo a", "echo b"]);
		assert.notEqual(calls[0].id, calls[1].id);
	},
	async errors() {
		const seen = async (content, more) => {
			try {
				await client.messages.create(ask(content, more));
			} catch (e) {
				return e;
			}
			assert.fail("no error");
		};
		const rate = await seen("fail: 429");
		assert.ok(rate instanceof Anthropic.RateLimitError);
		assert.ok(rate.requestID);
		assert.equal(rate.error.error.type, "rate_limit_error");
		const credential = await seen("fail: 401");
		assert.equal(credential.status, 502);
		assert.equal(credential.headers.get("x-should-retry"), "false");
		const bad = await seen("x", { max_tokens: undefined });
		assert.ok(bad instanceof Anthropic.BadRequestError);
		assert.ok(bad.message.includes("max_tokens"));
	},
	async limits() {
		const cut = await client.messages.create(ask("Hello", { max_tokens: 5 }));
		assert.equal(cut.stop_reason, "max_tokens");
		const stopped = await client.messages.create(ask("Hello", { stop_sequences: ["not a model"] }));
		assert.ok(!stopped.content[0].text.includes("not a model"));
	},
	async abort() {
		const stream = client.messages.stream(ask("word ".repeat(300)));
		stream.once("text", () => stream.abort());
		await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
	},
	async count_tokens() {
		const few = await client.messages.countTokens({ model, messages: ask("Hello").messages });
		const many = await client.messages.countTokens({ model, messages: ask("Hello ".repeat(500)).messages });
		assert.ok(few.input_tokens > 0 && many.input_tokens > few.input_tokens + 200);
	},
	async models() {
		const ids = [];
		for await (const m of client.models.list())
			ids.push(m.id);
		assert.ok(ids.includes("demo"));
		assert.equal((await client.models.retrieve("demo")).id, "demo");
	},
};

let failed = 0;
for (const [name, run] of Object.entries(cases)) {
	try {
		await run();
		console.log("ok   sdk-node/" + name);
	} catch (e) {
		failed = 1;
		console.log("FAIL sdk-node/" + name);
		console.log(e.stack);
	}
}
process.exit(failed);
