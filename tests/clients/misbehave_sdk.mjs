// Asks each case that is named on the command line with @anthropic-ai/sdk, prints what came of it.
import { createRequire } from "node:module";

const require = createRequire(process.env.MESSAGES_CLIENTS + "/package.json");
const { default: Anthropic } = await import(require.resolve("@anthropic-ai/sdk"));
const client = new Anthropic({ baseURL: process.env.BASE_URL, apiKey: process.env.KEY, maxRetries: 0 });
const tools = ["f", "g"].map((name) => ({ name, input_schema: { type: "object" } }));

const short = (b) => b.type === "tool_use" ? ["tool_use", b.name, b.input] : [b.type, b.text ?? b.thinking];

async function outcome(ask) {
	try {
		const message = await ask();
		const { input_tokens, cache_read_input_tokens, output_tokens } = message.usage;
		return { content: message.content.map(short), stop: message.stop_reason,
			usage: [input_tokens, cache_read_input_tokens, output_tokens] };
	} catch (e) {
		if (!(e instanceof Anthropic.APIError)) throw e;
		return { error: e.message };
	}
}

for (const name of process.argv.slice(2)) {
	const request = { model: "claude-x", max_tokens: 100, tools, stop_sequences: ["STOP"],
		messages: [{ role: "user", content: name }] };
	console.log(JSON.stringify({ name,
		stream: await outcome(() => client.messages.stream(request).finalMessage()),
		whole: await outcome(() => client.messages.create(request)) }));
}
