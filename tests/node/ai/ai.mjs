// Vercel's AI SDK with its provider for OpenAI, which drops fields that OpenAI does not know: node ai.mjs BASE_URL. Prints `ok` at its end.

import assert from "node:assert/strict";
import { createOpenAI } from "@ai-sdk/openai";
import { generateObject, generateText, streamText, tool } from "ai";
import { z } from "zod";

const [baseURL, apiKey] = [process.argv[2], "unused"];
const plain = createOpenAI({ baseURL, apiKey });
const name = "smollm2-135m-instruct";
const asked = { prompt: "Name a colour.", maxOutputTokens: 12, temperature: 0, maxRetries: 0, include: { responseBody: true } };
const source = (answer) => answer.response.body.usage.pad.preference_source;

async function texts() {
  for (const model of [plain.chat(name), plain.responses(name), plain.completion(name)]) {
    assert.ok((await generateText({ ...asked, model })).text);
    let streamed = "";
    for await (const part of streamText({ ...asked, model }).textStream) streamed += part;
    assert.ok(streamed);
  }
}

async function preferences() {
  const steered = createOpenAI({ baseURL, apiKey, headers: { "x-pad-preference": "concise=1" } });
  for (const model of [steered.chat(name), steered.responses(name)]) {
    assert.equal(source(await generateText({ ...asked, model })), "header");
  }
  const providerOptions = { openai: { metadata: { pad_preference: "concise=1" } } };
  for (const model of [plain.chat(name), plain.responses(name)]) {
    assert.equal(source(await generateText({ ...asked, model, providerOptions })), "metadata");
  }
}

async function forms() {
  const schema = z.object({ colour: z.enum(["red", "green", "blue"]) });
  for (const model of [plain.chat(name), plain.responses(name)]) {
    const { object } = await generateObject({ ...asked, model, schema, maxOutputTokens: 60 });
    assert.ok(schema.parse(object));
    const mix = tool({ description: "Mix two colours.", inputSchema: schema });
    const called = await generateText({ ...asked, model, tools: { mix }, toolChoice: "required", maxOutputTokens: 120 });
    assert.equal(called.toolCalls[0].toolName, "mix");
  }
}

for (const use of [texts, preferences, forms]) await use();
console.log("ok");
