// How wide the screen is, and which of the two drawers is out on a narrow one.

import { signal } from "@preact/signals";

const query = matchMedia("(max-width: 1020px)");

/** Whether panels are drawers. */
export const narrow = signal(query.matches);

query.addEventListener("change", ({ matches }) => {
  narrow.value = matches;
  drawer.value = null;
});

/** "library", "preference" or null. */
export const drawer = signal(null);
