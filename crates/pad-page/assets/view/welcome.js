// What is seen before the first question: what to do, in the order in which it is done.

import { html } from "../html.js";
import { asking } from "../key.js";
import { isPlain, label } from "../preference.js";
import { presets } from "../presets.js";
import { narrow, stacked } from "../screen.js";
import { sides, view } from "../settings.js";
import { load, model, steers, trouble } from "../steering.js";
import { dimension } from "../sweep.js";
import { send } from "./composer.js";
import { Icon } from "./icon.js";
import { PresetChips } from "./preset-chips.js";

const QUESTIONS = [
  "What is a volcano?",
  "Why is the sky blue?",
  "How do I get a stain out of a cotton shirt?",
  "How do I begin with running?",
];

const named = (side) => (isPlain(sides.value[side]) ? "as the model is" : `“${label(sides.value[side])}”`);

function told() {
  if (!steers.value) return "Ask the model something.";
  if (view.value === "sweep") return `One prompt at five weights of “${dimension().name}”: see how an answer turns as the weight grows.`;
  if (view.value === "one") return `One answer, ${named(1)}: a reward model weighs every word while it is chosen.`;
  const places = stacked.value ? ["First", "then"] : ["On the left", "on the right"];
  return `The same question answered twice by the same model. ${places[0]} ${named(0)}, ${places[1]} ${named(1)}: a reward model weighs every word while it is chosen.`;
}

const Questions = () => html`
  <ul>${QUESTIONS.map((question) => html`<li><button onClick=${() => send(question)}>${question}<${Icon} name="send" /></button></li>`)}</ul>`;

/** Nothing is asked of the reader before the second step: the first one is chosen already. */
const Steps = () => html`
  <ol class="steps">
    ${view.value !== "sweep" && presets.value.length > 0 && html`<li><h3>Choose what the answer should be like</h3><${PresetChips} side=${1} label="Begin with" /></li>`}
    <li><h3>Ask something</h3><${Questions} /></li>
    <li><h3>${narrow.value ? "Tap" : "Point at"} any word to see why it is there</h3>
      <p class="hint">Blue words are what you want more of, orange ones less. <span class="over">Underlined</span> words are there because of your preference: the model alone would have gone on otherwise.</p></li>
  </ol>`;

export const Welcome = () => html`
  <div class="welcome">
    <h2>One model.<br /><em>Your</em> preference.</h2>
    ${trouble.value
      ? html`<div class="trouble" role="alert"><p>${trouble.value.message}</p>${trouble.value.kind === "key"
          ? html`<button onClick=${() => (asking.value = true)}>Enter a key</button>`
          : html`<button onClick=${load}>Try again</button>`}</div>`
      : html`<p>${model.value ? told() : "Connecting …"}</p>`}
    ${model.value && (steers.value ? html`<${Steps} />` : html`<${Questions} />`)}
  </div>`;
