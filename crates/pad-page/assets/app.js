// The page: asks the server what it is, and shows everything.

import { effect } from "@preact/signals";
import { render } from "preact";
import { html } from "./html.js";
import { linked } from "./link.js";
import { same, read, PLAIN } from "./preference.js";
import { presets } from "./presets.js";
import * as profile from "./profile.js";
import { make, returning, sides, view } from "./settings.js";
import { load, offer, steers } from "./steering.js";
import { draft } from "./view/composer.js";
import { Page } from "./view/page.js";

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${Page} />`, root);

/** Take over what the address holds, if it holds something. */
function follow() {
  const from = linked();
  if (!from) return null;
  [draft.value, sides.value] = [from.prompt, from.sides];
  make(from.making);
  return from;
}

addEventListener("hashchange", () => offer.peek() && follow());

// Once the dimensions are known: what the address holds, else what was chosen before, else something that shows a difference.
const ready = effect(() => {
  if (!offer.value) return;
  const from = follow();
  if (!from) sides.value = [0, 1].map((side) => read(sides.peek()[side]));
  const nothing = !from && !returning && same(sides.peek()[1], PLAIN);
  if (nothing && presets.peek().length > 0) sides.value = [PLAIN, presets.peek()[0].preference];
  profile.load();
  if (!steers.peek() && view.peek() !== "one") view.value = "one";
  queueMicrotask(() => ready());
});

load();
