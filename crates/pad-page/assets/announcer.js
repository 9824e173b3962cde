// What a screen reader is told: beginnings, ends and troubles of answers, not their words as they come.

import { signal } from "@preact/signals";

export const announced = signal("");

export function announce(sentence) {
  announced.value = sentence.trim();
}
