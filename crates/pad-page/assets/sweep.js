// The sweep: one prompt at several weights of one dimension.

import { signal } from "@preact/signals";
import { Answer } from "./answer.js";
import { announce } from "./announcer.js";
import { dimensions } from "./steering.js";

/** How many weights are tried, from the least to the greatest. */
const STEPS = 5;

/** The dimension's name; null: the first. */
export const chosen = signal(null);
export const prompt = signal("");
export const answers = signal([]);

/** The dimension that is swept. */
export const dimension = () => dimensions.value.find(({ name }) => name === chosen.value) ?? dimensions.value[0];

/** The weights, evenly over the dimension's range. */
export function weights({ weight: { minimum, maximum } }) {
  return Array.from({ length: STEPS }, (_, at) => Math.round((minimum + ((maximum - minimum) * at) / (STEPS - 1)) * 100) / 100);
}

/** Ask at every weight at once. */
export async function ask(text, settings) {
  const { name, weight } = dimension();
  prompt.value = text;
  answers.value = weights({ weight }).map((value) => new Answer({ weights: value === 0 ? {} : { [name]: value } }, settings));
  await Promise.all(answers.value.map(run));
  announce(`The sweep over ${name} is complete.`);
}

/** Ask for one of the answers, or again where it failed. */
export const run = (answer) => answer.run([{ role: "user", content: prompt.value }]);

/** The dimension of the answers that are shown, or undefined. */
export const swept = () => answers.value.flatMap(({ preference }) => Object.keys(preference.weights))[0];
