// A preference: weights by dimension, `{weights: {concise: 1}}`, or a principle in words, `{words: "answer like a pirate"}`.

import { dimensions, offer, steers } from "./steering.js";
import { presets } from "./presets.js";

export const PLAIN = Object.freeze({ weights: {} });

const told = (weights) => Object.entries(weights).filter(([, weight]) => weight !== 0);

/** Whether it asks for nothing. */
export const isPlain = (preference) => (preference.words === undefined ? told(preference.weights).length === 0 : !preference.words.trim());

/** Whether two of them ask for the same. */
export function same(one, other) {
  if (one.words !== undefined || other.words !== undefined) return one.words === other.words;
  const weights = told(one.weights);
  return weights.length === told(other.weights).length && weights.every(([name, weight]) => other.weights[name] === weight);
}

/** A signed number as people write it. */
export const signed = (weight) => `${weight < 0 ? "−" : "+"}${Math.abs(weight)}`;

/** A short name: that of a preset, or the weights themselves. */
export function label(preference) {
  if (isPlain(preference)) return "Plain";
  const preset = presets.value.find((preset) => same(preset.preference, preference));
  if (preset) return preset.name;
  if (preference.words !== undefined) return `“${preference.words.trim()}”`;
  return told(preference.weights).map(([name, weight]) => `${name} ${signed(weight)}`).join(", ");
}

/** The same as a part of a sentence. */
export function quoted(preference) {
  const name = label(preference);
  return name.startsWith("“") ? name : `“${name}”`;
}

/** As requests carry it. A plain one is sent as zeros, since a server, or a key, may have a preference of its own. */
export function wire(preference) {
  if (dimensions.value.length === 0) return undefined;
  if (!isPlain(preference)) return preference.words?.trim() ?? Object.fromEntries(told(preference.weights));
  return Object.fromEntries(dimensions.value.map(({ name }) => [name, 0]));
}

/** Whether the plain preference is what the server takes where a request gives none. */
export const plainIsDefault = () => Object.values(offer.value?.default ?? {}).every((weight) => weight === 0);

/** A preference as a file has it, whatever the server offers; plain where it is none. */
export function kept(value) {
  if (typeof value?.words === "string") return { words: value.words };
  const weights = Object.entries(value?.weights ?? {}).filter(([, weight]) => Number.isFinite(weight));
  return { weights: Object.fromEntries(weights) };
}

/** A preference from elsewhere (a file, a link), brought within what this server offers. */
export function read(value) {
  if (typeof value?.words === "string") return steers.value ? { words: value.words.slice(0, 2000) } : PLAIN;
  const weights = {};
  for (const { name, weight } of dimensions.value) {
    const given = Number(value?.weights?.[name]);
    if (given) weights[name] = Math.min(weight.maximum, Math.max(weight.minimum, given));
  }
  return { weights };
}
