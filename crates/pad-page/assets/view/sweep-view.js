// The answers of a sweep, as columns.

import { html } from "../html.js";
import { isRunning } from "../answer.js";
import { signed } from "../preference.js";
import { answers, prompt, run, swept } from "../sweep.js";
import { dimensions } from "../steering.js";
import { AnswerText } from "./answer-text.js";
import { Figures } from "./figures.js";
import { TroubleNote } from "./trouble-note.js";
import { Welcome } from "./welcome.js";

function Column({ answer, most }) {
  const [[name, weight] = [null, 0]] = Object.entries(answer.preference.weights);
  answer.version.value;
  const count = answer.words;
  return html`
    <section class="answer" aria-label=${`Weight ${weight}`} aria-busy=${isRunning(answer)}>
      <header><strong class=${name ? "weight" : "weight plain"}>${name ? signed(weight) : "0"}</strong><span class="count">${count} words</span></header>
      <div class="bar" style=${{ "--share": most ? count / most : 0 }} />
      <${AnswerText} answer=${answer} />
      <${TroubleNote} answer=${answer} onretry=${() => run(answer)} />
      <${Figures} answer=${answer} short />
    </section>`;
}

export function SweepView() {
  if (dimensions.value.length === 0 || answers.value.length === 0) return html`<div class="scroller"><${Welcome} /></div>`;
  const most = Math.max(...answers.value.map((answer) => (answer.version.value, answer.words)));
  return html`
    <div class="scroller">
      <div class="turn">
        <div class="asked"><p>${prompt.value}</p></div>
        <h2 class="swept">${swept()}</h2>
        <div class="sweep">${answers.value.map((answer) => html`<${Column} key=${answer.id} answer=${answer} most=${most} />`)}</div>
      </div>
    </div>`;
}
