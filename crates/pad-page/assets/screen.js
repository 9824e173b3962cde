// How wide the screen is, what that means for the panes, and which of the two drawers is out on a narrow one.

import { computed, signal } from "@preact/signals";

const query = matchMedia("(max-width: 1020px)");

const small = matchMedia("(max-width: 620px)");

/** Whether panes are one above the other. */
export const stacked = signal(small.matches);

small.addEventListener("change", ({ matches }) => (stacked.value = matches));

/** What the two panes are called. */
export const paneNames = computed(() => (stacked.value ? ["Upper", "Lower"] : ["Left", "Right"]));

/** Whether panels are drawers. */
export const narrow = signal(query.matches);

query.addEventListener("change", ({ matches }) => {
  narrow.value = matches;
  drawer.value = null;
});

/** "library", "preference" or null. */
export const drawer = signal(null);
