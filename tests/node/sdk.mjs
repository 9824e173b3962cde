// What a program sees that uses the OpenAI SDK for JavaScript: node sdk.mjs BASE_URL. Prints `ok` at its end.

import assert from "node:assert/strict";
import OpenAI from "openai";

const client = new OpenAI({ baseURL: process.argv[2], apiKey: "unused", maxRetries: 0, timeout: 120_000 });
const model = "smollm2-135m-instruct";
const messages = [{ role: "user", content: "What is the capital of France?" }];
const request = { model, messages, max_tokens: 16, temperature: 0 };
const schema = {
  type: "object",
  properties: {
    city: { type: "string", maxLength: 12 },
    people: { type: "integer", minimum: 0, maximum: 99 },
  },
  required: ["city", "people"],
  additionalProperties: false,
};
const tools = [{ type: "function", function: { name: "get_weather", strict: true, parameters: schema } }];
const named = { type: "function", function: { name: "get_weather" } };

function checkCity(text) {
  const city = JSON.parse(text);
  assert.deepEqual(Object.keys(city).sort(), ["city", "people"]);
  assert.ok(typeof city.city === "string" && city.city.length <= 12, text);
  assert.ok(Number.isInteger(city.people) && city.people >= 0 && city.people <= 99, text);
}

async function whole() {
  const completion = await client.chat.completions.create(request);
  assert.equal(completion.object, "chat.completion");
  const [choice] = completion.choices;
  assert.equal(choice.finish_reason, "stop");
  assert.equal(choice.message.role, "assistant");
  assert.match(choice.message.content, /Paris/);
  const { prompt_tokens, completion_tokens, total_tokens } = completion.usage;
  assert.equal(total_tokens, prompt_tokens + completion_tokens);
  return choice.message.content;
}

async function streamed(fields) {
  const said = { text: "", roles: [], finishes: [], usages: [], calls: [] };
  const ids = new Set();
  const stream = await client.chat.completions.create({
    ...request, ...fields, stream: true, stream_options: { include_usage: true },
  });
  for await (const chunk of stream) {
    ids.add(chunk.id);
    if (chunk.choices.length === 0) said.usages.push(chunk.usage);
    for (const { delta, finish_reason } of chunk.choices) {
      said.text += delta.content ?? "";
      if (delta.role) said.roles.push(delta.role);
      if (finish_reason) said.finishes.push(finish_reason);
      for (const call of delta.tool_calls ?? []) {
        said.calls[call.index] ??= { id: call.id, name: call.function.name, arguments: "", parts: 0 };
        said.calls[call.index].arguments += call.function.arguments;
        said.calls[call.index].parts += 1;
      }
    }
  }
  assert.equal(ids.size, 1);
  assert.deepEqual(said.roles, ["assistant"]);
  assert.equal(said.finishes.length, 1);
  assert.equal(said.usages.length, 1);
  return said;
}

async function withTools() {
  const fields = { tools, tool_choice: named, max_tokens: 120 };
  const [choice] = (await client.chat.completions.create({ ...request, ...fields })).choices;
  assert.equal(choice.finish_reason, "tool_calls");
  assert.equal(choice.message.content, null);
  const [call] = choice.message.tool_calls;
  assert.equal(call.function.name, "get_weather");
  checkCity(call.function.arguments);
  const said = await streamed(fields);
  assert.deepEqual(said.finishes, ["tool_calls"]);
  assert.equal(said.calls.length, 1);
  assert.ok(said.calls[0].id && said.calls[0].parts > 2, "arguments come in parts");
  assert.equal(said.calls[0].name, "get_weather");
  assert.equal(said.calls[0].arguments, call.function.arguments);
  const runner = client.chat.completions.stream({ ...request, ...fields });
  const final = await runner.finalChatCompletion();
  assert.equal(final.choices[0].message.tool_calls[0].function.arguments, call.function.arguments);
  const answer = { role: "tool", tool_call_id: call.id, content: "It is sunny." };
  const next = { ...request, messages: [...messages, choice.message, answer], tools, tool_choice: "none" };
  assert.ok((await client.chat.completions.create(next)).choices[0].message.content);
}

async function ofASchema() {
  const format = { type: "json_schema", json_schema: { name: "city", strict: true, schema } };
  const fields = { response_format: format, max_tokens: 80 };
  const completion = await client.chat.completions.parse({ ...request, ...fields });
  const { content, parsed } = completion.choices[0].message;
  checkCity(content);
  assert.deepEqual(parsed, JSON.parse(content));
  assert.equal((await streamed(fields)).text, content);
}

async function steered() {
  const fields = { preference: { humorous: 1.5 }, pad: { trace: true } };
  const completion = await client.chat.completions.create({ ...request, ...fields });
  assert.equal(completion.usage.pad.reward_lanes, 1);
  const { trace } = completion.choices[0].pad;
  assert.equal(trace.length, completion.usage.completion_tokens);
  assert.ok("humorous" in trace[0].rewards);
  const said = await streamed({ preference: [0, 0, 0, 0, 0, 0, 0, 0, 1.5, 0, 0, 0, 0] });
  assert.equal(said.text, completion.choices[0].message.content);
  assert.equal(said.usages[0].pad.reward_lanes, 1);
}

async function refused() {
  for (const [kind, param, fields] of [
    [OpenAI.BadRequestError, "preference", { preference: { humour: 1 } }],
    [OpenAI.BadRequestError, "temperature", { temperature: 9 }],
    [OpenAI.BadRequestError, "messages", { messages: [] }],
    [OpenAI.BadRequestError, "tool_choice", { tools, tool_choice: { type: "function", function: { name: "f" } } }],
    [OpenAI.NotFoundError, "model", { model: "gpt-9" }],
  ]) {
    for (const stream of [false, true]) {
      const rightly = (error) => {
        assert.ok(error instanceof kind, String(error));
        assert.equal(error.param, param);
        assert.equal(error.type, "invalid_request_error");
        return true;
      };
      await assert.rejects(client.chat.completions.create({ ...request, ...fields, stream }), rightly);
    }
  }
}

async function others(text) {
  const prompt = { model, prompt: "The capital of France is", max_tokens: 4, temperature: 0 };
  const completion = await client.completions.create(prompt);
  assert.match(completion.choices[0].text, /Paris/);
  let joined = "";
  for await (const part of await client.completions.create({ ...prompt, stream: true })) joined += part.choices[0].text;
  assert.equal(joined, completion.choices[0].text);
  const input = { model, input: messages[0].content, max_output_tokens: 16, temperature: 0 };
  assert.equal((await client.responses.create(input)).output_text, text);
  let deltas = "";
  const kinds = [];
  for await (const event of await client.responses.create({ ...input, stream: true })) {
    kinds.push(event.type);
    if (event.type === "response.output_text.delta") deltas += event.delta;
  }
  assert.equal(deltas, text);
  assert.deepEqual([kinds[0], kinds.at(-1)], ["response.created", "response.completed"]);
  const ids = [];
  for await (const one of client.models.list()) ids.push(one.id);
  assert.deepEqual(ids, [model]);
  assert.equal((await client.models.retrieve(model)).owned_by, "pad");
}

const text = await whole();
assert.equal((await streamed({})).text, text);
await withTools();
await ofASchema();
await steered();
await refused();
await others(text);
console.log("ok");
