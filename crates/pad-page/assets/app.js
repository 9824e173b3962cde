// The page: asks the server what it is, and shows everything.

import { effect } from "@preact/signals";
import { render } from "preact";
import { html } from "./html.js";
import { linked } from "./link.js";
import { isPlain, same, read, PLAIN } from "./preference.js";
import { presets } from "./presets.js";
import * as profile from "./profile.js";
import { make, returning, sides, tint, view } from "./settings.js";
import { dimensions, load, offer, steers } from "./steering.js";
import { draft } from "./view/composer.js";
import { Page } from "./view/page.js";
import { first } from "./view/welcome.js";

const root = document.getElementById("app");
root.replaceChildren();
render(html`<${Page} />`, root);

/** Take over what the address holds, if it holds something. */
function follow() {
  const from = linked();
  if (!from) return null;
  [draft.value, sides.value] = [from.prompt, from.sides];
  if (from.prompt.trim()) first.value = from.prompt.trim();
  make(from.making);
  return from;
}

addEventListener("hashchange", () => offer.peek() && follow());

// Once the dimensions are known: what the address holds, else what was chosen before, else something that shows a difference.
const ready = effect(() => {
  if (!offer.value) return;
  const [from, before] = [follow(), sides.peek()[1]];
  if (!from) sides.value = [0, 1].map((side) => read(sides.peek()[side]));
  // What a returning reader wanted may be nothing that this model knows.
  const open = !from && same(sides.peek()[1], PLAIN) && !(returning && isPlain(before));
  if (open && presets.peek().length > 0) sides.value = [PLAIN, presets.peek()[0].preference];
  if (!dimensions.peek().some(({ name }) => name === tint.peek())) tint.value = "reward";
  profile.load();
  if (!steers.peek() && view.peek() !== "one") view.value = "one";
  queueMicrotask(() => ready());
});

load();
