// What is seen before the first question.

import { html } from "../html.js";
import { label } from "../preference.js";
import { sides, view } from "../settings.js";
import { load, model, steers, trouble } from "../steering.js";
import { dimension } from "../sweep.js";
import { send } from "./composer.js";
import { Icon } from "./icon.js";

const QUESTIONS = [
  "What is a volcano?",
  "Why is the sky blue?",
  "How do I get a stain out of a cotton shirt?",
  "How do I begin with running?",
];

function told() {
  if (!steers.value) return "Ask the model something.";
  if (view.value === "sweep") return `One prompt at five weights of “${dimension().name}”: see how an answer turns as the weight grows.`;
  if (view.value === "one") return `One answer that follows the preference “${label(sides.value[1])}”, word by word.`;
  return `The same question twice: on the left ${label(sides.value[0]).toLowerCase() === "plain" ? "as the model would answer by itself" : `“${label(sides.value[0])}”`}, on the right “${label(sides.value[1])}”. A reward model weighs every word while it is chosen.`;
}

export const Welcome = () => html`
  <div class="welcome">
    <h2>One model.<br /><em>Your</em> preference.</h2>
    ${trouble.value
      ? html`<div class="trouble" role="alert"><p>${trouble.value.message}</p><button onClick=${load}>Try again</button></div>`
      : html`<p>${model.value ? told() : "Connecting …"}</p>`}
    ${model.value && html`
      <ul>${QUESTIONS.map((question) => html`<li><button onClick=${() => send(question)}>${question}<${Icon} name="send" /></button></li>`)}</ul>`}
  </div>`;
