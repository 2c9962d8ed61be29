// The openai package for JavaScript: each chunk, or the completion, as an object.
const { readFileSync } = require("node:fs");
const OpenAI = require("openai");

function describe(error) {
  const { status = null, message, code = null, type = null, param = null } = error;
  const retryAfter = error.headers?.get("retry-after") ?? null;
  return { class: error.constructor.name, message, status, retry_after: retryAfter, code, type, param };
}

async function run({ url, key, payload, extra }) {
  const events = [];
  const client = new OpenAI({ baseURL: url, apiKey: key, maxRetries: 0 });
  try {
    const response = await client.chat.completions.create({ ...payload, ...extra });
    for await (const event of payload.stream ? response : [response]) {
      events.push(event);
    }
  } catch (error) {
    return { events, error: describe(error) };
  }
  return { events, error: null };
}

async function main() {
  for (const job of JSON.parse(readFileSync(0, "utf-8"))) {
    console.log(JSON.stringify(await run(job)));
  }
}

main();
