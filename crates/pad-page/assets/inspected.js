// The token that is being explained.

import { signal } from "@preact/signals";

/** `{answer, index, pinned, goOn}` or null. `goOn(rank)` goes on from another candidate, where that is possible. */
export const inspected = signal(null);

/** Explain a token while it is pointed at; a pinned one stays. */
export function look(answer, index, goOn) {
  if (inspected.value?.pinned) return;
  if (inspected.value?.answer === answer && inspected.value.index === index) return;
  inspected.value = { answer, index, goOn, pinned: false };
}

/** Explain a token until another one is chosen. */
export function pin(answer, index, goOn) {
  inspected.value = { answer, index, goOn, pinned: true };
}

export function dismiss() {
  inspected.value = null;
}
