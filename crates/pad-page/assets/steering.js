// What the server can be asked for: its model, its dimensions, and what holds where nothing is said.

import { computed, signal } from "@preact/signals";
import * as server from "./server.js";

/** The served model, or null until it is known. */
export const model = signal(null);

/** The answer of `GET /v1/preferences`, or null until it is known. */
export const offer = signal(null);

/** Why the two are not known. */
export const trouble = signal(null);

/** The dimensions: `{name, description, weight: {minimum, maximum}}`. */
export const dimensions = computed(() => offer.value?.data ?? []);

/** Whether answers can be steered at all: by weights, and by a principle in words, whatever kind the reward model is of. */
export const steers = computed(() => dimensions.value.length > 0);

/** Ask the server what it is. */
export async function load() {
  trouble.value = null;
  try {
    const [one, other] = await Promise.all([server.model(), server.preferences()]);
    [model.value, offer.value] = [one, other];
  } catch (error) {
    trouble.value = error;
  }
}
