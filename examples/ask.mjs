// A steered stream with OpenAI's SDK for JavaScript.

import OpenAI from "openai";

const url = process.env.PAD_URL ?? "http://localhost:8080";
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: process.env.PAD_API_KEY ?? "unused" });
const [model] = (await client.models.list()).data;

const stream = await client.chat.completions.create({
  model: model.id,
  messages: [{ role: "user", content: "Why is the sky blue?" }],
  max_tokens: 40,
  stream: true,
  stream_options: { include_usage: true },
  // Fields that OpenAI does not have are sent as they are.
  preference: { concise: 1 },
});
for await (const chunk of stream) {
  process.stdout.write(chunk.choices[0]?.delta.content ?? "");
  if (chunk.usage) console.log("\n", chunk.usage);
}
