// What the reader chose: how answers are made and how they are shown. Kept in the browser.

import { effect, signal } from "@preact/signals";
import { read } from "./guidance.js";
import { PLAIN } from "./preference.js";

const NAME = "pad.settings";

const DEFAULTS = {
  /** "one", "compare" or "sweep". */
  view: "compare",
  /** What each pane prefers: left, right. */
  sides: [PLAIN, PLAIN],
  /** Which pane the preference panel changes. */
  edited: 1,
  temperature: 0.7,
  seed: 1,
  length: 200,
  /** The system message; empty: none. */
  system: "",
  /** "rewards": tokens and their tint; "formatted": Markdown. */
  text: "rewards",
  /** What tokens are tinted by: "reward", or a dimension. */
  tint: "reward",
  differences: true,
  /** "auto", "light" or "dark". */
  theme: "auto",
};

function kept() {
  try {
    return JSON.parse(localStorage.getItem(NAME)) ?? {};
  } catch {
    return {};
  }
}

const before = kept();

/** Whether the page was used before in this browser. */
export const returning = Object.keys(before).length > 0;

const setting = (name) => signal(typeof before[name] === typeof DEFAULTS[name] ? before[name] : DEFAULTS[name]);

export const view = setting("view");
export const sides = setting("sides");
export const edited = setting("edited");
export const temperature = setting("temperature");
export const seed = setting("seed");
export const length = setting("length");
export const system = setting("system");
/** Strength, candidates and guards, as far as they are not the server's own. */
export const guidance = signal(read(before.guidance ?? { beta: before.beta }));
export const text = setting("text");
export const tint = setting("tint");
export const differences = setting("differences");
export const theme = setting("theme");

const all = { view, sides, edited, temperature, seed, length, system, guidance, text, tint, differences, theme };

effect(() => {
  const now = Object.fromEntries(Object.entries(all).map(([name, one]) => [name, one.value]));
  document.documentElement.dataset.theme = now.theme;
  try {
    localStorage.setItem(NAME, JSON.stringify(now));
  } catch {
    // A browser that keeps nothing.
  }
});

/** Change what one pane prefers. */
export function prefer(side, preference) {
  sides.value = sides.value.map((old, at) => (at === side ? preference : old));
}

/** How answers are made now. */
export const choices = (from = seed.value) =>
  ({ temperature: temperature.value, seed: from, length: length.value, system: system.value, guidance: guidance.value });

/** Make answers as `making` says. */
export function make(making) {
  [temperature.value, seed.value, length.value] = [making.temperature, making.seed, making.length];
  [system.value, guidance.value] = [making.system, making.guidance];
}
