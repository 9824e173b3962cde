// The server's API, as far as the page uses it. Paths are relative, so that the page works behind a prefix as well.

import { events } from "./events.js";
import { asking, key, refused } from "./key.js";
import { Trouble } from "./trouble.js";

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (key.value) headers.authorization = `Bearer ${key.value}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    throw error.name === "AbortError" ? error : Trouble.unreachable();
  }
  if (response.ok) return response;
  const trouble = await Trouble.of(response);
  if (trouble.kind === "key") [asking.value, refused.value] = [true, key.value !== ""];
  throw trouble;
}

const post = (path, body, signal) =>
  ask(path, { method: "POST", signal, headers: { "content-type": "application/json" }, body: JSON.stringify(body) });

/** The served model: `{id, max_model_len, ...}`. */
export const model = async () => (await (await ask("v1/models")).json()).data[0];

/** What may be preferred: kind, dimensions with ranges, defaults. */
export const preferences = async () => (await ask("v1/preferences")).json();

/** The chunks of a streamed chat completion. */
export async function* chat(body, signal) {
  yield* events(await post("v1/chat/completions", { ...body, stream: true, stream_options: { include_usage: true } }, signal));
}

const PROFILES = "v1/preferences/profiles";
const path = (name) => `${PROFILES}/${encodeURIComponent(name)}`;

/** A stored profile, or null. It is looked for in the list, since a browser reports every 404 as an error. */
export async function profile(name) {
  const before = name.slice(0, -1);
  const { data } = await (await ask(`${PROFILES}?limit=100&after=${encodeURIComponent(before)}`)).json();
  return data.find((one) => one.name === name) ?? null;
}

/** The stored profiles, as many as one answer holds. */
export const profiles = async () => (await (await ask(`${PROFILES}?limit=100`)).json()).data;

/** Set what a profile prefers. */
export const keep = async (name, preference) => {
  const headers = { "content-type": "application/json" };
  return (await ask(path(name), { method: "PUT", headers, body: JSON.stringify({ preference }) })).json();
};

/** Tell what was preferred: `{id, expected, choices}`. */
export const feedback = async (name, body) => (await post(`${path(name)}/feedback`, body)).json();

/** Take back what was told. */
export const undo = async (name, id) => (await ask(`${path(name)}/feedback/${id}`, { method: "DELETE" })).json();

/** Two answers to choose from. */
export const elicit = async (name, body) => (await post(`${path(name)}/elicit`, body)).json();

/** Delete a profile with all that is stored about it. */
export const forget = (name) => ask(path(name), { method: "DELETE" });

/** How a given answer is rewarded, token by token. */
export const rewards = async (body) => (await post("v1/rewards", body)).json();
