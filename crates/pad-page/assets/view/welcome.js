// What is seen before the first question: what to do, in the order in which it is done.

import { signal } from "@preact/signals";
import { html } from "../html.js";
import { asking } from "../key.js";
import { isPlain, quoted } from "../preference.js";
import { presets } from "../presets.js";
import { narrow, stacked } from "../screen.js";
import { sides, view } from "../settings.js";
import { load, model, steers, trouble } from "../steering.js";
import { dimension } from "../sweep.js";
import { send } from "./composer.js";
import { Icon } from "./icon.js";
import { PresetChips } from "./preset-chips.js";

/** The question that a single click asks. */
export const first = signal("What is a volcano?");

const OTHERS = [
  "Why is the sky blue?",
  "What is a black hole?",
  "How do I get out a coffee stain?",
  "How can I sleep better?",
];

const named = (side) => (isPlain(sides.value[side]) ? "as the model is" : quoted(sides.value[side]));

function told() {
  if (!steers.value) return "Ask the model something.";
  if (view.value === "sweep") return `One prompt at five weights of “${dimension().name}”: see how an answer turns as the weight grows.`;
  if (view.value === "one") return `One answer, ${named(1)}: a reward model weighs every word while it is chosen.`;
  const places = stacked.value ? ["First", "then"] : ["On the left", "on the right"];
  return `The same question answered twice by the same model. ${places[0]} ${named(0)}, ${places[1]} ${named(1)}: a reward model weighs every word while it is chosen.`;
}

/** What a click on the first question shows. */
const promised = () => (view.value === "compare" ? "See both answers to" : view.value === "sweep" ? "See five answers to" : "Ask");

/** Nothing has to be chosen first: one click shows what this is. */
const Begin = () => html`
  <button class="main begin" onClick=${() => send(first.value)}><span>${steers.value ? promised() : "Ask"} “${first.value}”</span><${Icon} name="send" /></button>`;

const Others = () => html`
  <section><h3>Ask something else</h3>
    <ul>${OTHERS.map((question) => html`<li><button onClick=${() => send(question)}>${question}<${Icon} name="send" /></button></li>`)}</ul></section>`;

const Wishes = () => html`
  <section><h3>Choose another preference</h3><${PresetChips} side=${1} label="Begin with" /></section>`;

const Explained = () => html`
  <section><h3>${narrow.value ? "Tap" : "Point at"} any word of an answer to see why it is there</h3>
    <p class="hint">Blue words are what you want more of, orange ones less. <span class="over">Underlined</span> words are there because of your preference: the model alone would have gone on otherwise.</p></section>`;

export const Welcome = () => html`
  <div class="welcome">
    <h2>One model.<br /><em>Your</em> preference.</h2>
    ${trouble.value
      ? html`<div class="trouble" role="alert"><p>${trouble.value.message}</p>${trouble.value.kind === "key"
          ? html`<button onClick=${() => (asking.value = true)}>Enter a key</button>`
          : html`<button onClick=${load}>Try again</button>`}</div>`
      : html`<p>${model.value ? told() : "Connecting …"}</p>`}
    ${model.value && html`<${Begin} />`}
    ${model.value && steers.value && view.value !== "sweep" && presets.value.length > 0 && html`<${Wishes} />`}
    ${model.value && html`<${Others} />`}
    ${model.value && steers.value && html`<${Explained} />`}
  </div>`;
