// How an answer is steered, whatever is preferred: strength, candidates and guards, as `pad` in a request has them.

import { computed } from "@preact/signals";
import { offer } from "./steering.js";

/** The fields that are numbers. */
const NUMBERS = ["beta", "top_k", "plausibility", "loop_guard", "max_kl", "guide_tokens"];

/** What the server allows and does by itself: `{default, minimum, maximum}` for each field, in the order of requests. */
export const ranges = computed(() => {
  const { beta, top_k, guards } = offer.value ?? {};
  return { ...(beta && { beta, top_k }), ...guards };
});

/** Whose best tokens are candidates where nothing is said. */
export const candidates = computed(() => offer.value?.candidates ?? "base");

/** `guidance` with one field set; a value that is the server's own is left to the server. */
export function guided(guidance, name, value) {
  const { [name]: _, ...rest } = guidance;
  const own = name === "candidates" ? candidates.value : ranges.value[name]?.default;
  return value === own ? rest : { ...rest, [name]: value };
}

/** Guidance from elsewhere (storage, a file, a link): its fields that can be ones. */
export function read(value) {
  const guidance = {};
  for (const name of NUMBERS) if (Number.isFinite(value?.[name]) && value[name] >= 0) guidance[name] = value[name];
  if (["base", "union"].includes(value?.candidates)) guidance.candidates = value.candidates;
  return guidance;
}

/** The same, brought within what this server allows. */
export function within(guidance) {
  return Object.fromEntries(Object.entries(guidance).map(([name, value]) => {
    const range = ranges.value[name];
    return [name, range ? Math.min(range.maximum, Math.max(range.minimum, value)) : value];
  }));
}

const NAMES = { plausibility: "plausibility", loop_guard: "no repeats of", max_kl: "KL at most", guide_tokens: "guided tokens", top_k: "candidates" };

/** What holds an answer's steering, in a few words; empty where nothing does. */
export function told(guidance) {
  const numbers = Object.keys(NAMES).filter((name) => guidance[name] !== undefined).map((name) => `${NAMES[name]} ${guidance[name]}`);
  return [...(guidance.candidates ? [`candidates of ${guidance.candidates === "union" ? "all" : "the model"}`] : []), ...numbers].join(", ");
}
