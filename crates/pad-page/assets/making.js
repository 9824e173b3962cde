// How one answer is made: `{temperature, seed, length, system, guidance}`.

import * as guidance from "./guidance.js";

const number = (value, otherwise) => (Number.isFinite(value) ? value : otherwise);

/** What a file or a link says of it; what it leaves open is as in `otherwise`. */
export function read(json, otherwise) {
  return {
    temperature: number(json?.temperature, otherwise.temperature),
    seed: number(json?.seed, otherwise.seed),
    length: number(json?.length, otherwise.length),
    system: typeof json?.system === "string" ? json.system : "",
    // Files of the first versions have the strength alone.
    guidance: guidance.read(json?.guidance ?? { beta: json?.beta }),
  };
}

/** The fields of a request. */
export function wire({ temperature, seed, length, guidance }) {
  return { temperature, seed, max_tokens: length, ...(Object.keys(guidance).length > 0 && { pad: { ...guidance } }) };
}

/** Messages with the system message before them, if there is one. */
export const told = ({ system }, messages) => (system.trim() ? [{ role: "system", content: system.trim() }, ...messages] : messages);
