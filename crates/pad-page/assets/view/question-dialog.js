// Asks the reader: two answers between which a choice teaches most, one pair after the other.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { choose, counted, known, learned, question } from "../profile.js";
import { length } from "../settings.js";
import { Icon } from "./icon.js";

/** Whether the dialog is open. */
export const asking = signal(false);

/** The pair that is shown, or null while it is made. */
const shown = signal(null);

/** Questions that were asked for; answers to an earlier one are not shown any more. */
let asked = 0;

async function next() {
  const mine = ++asked;
  shown.value = null;
  const made = await question(Math.min(length.peek(), 128));
  if (mine !== asked) return;
  if (made) shown.value = made;
  else asking.value = false;
}

async function take(index) {
  const { id } = shown.value;
  shown.value = null;
  if (!(await choose({ id, index, thumb: "up" }))) asking.value = false;
  else if (asking.peek()) next();
}

export function QuestionDialog() {
  const dialog = useRef();
  useEffect(() => {
    if (asking.value && !dialog.current.open) {
      dialog.current.showModal();
      next();
    }
    if (!asking.value) {
      asked += 1;
      dialog.current.close();
    }
  }, [asking.value]);
  return html`
    <dialog ref=${dialog} class="question" aria-labelledby="question-title" onCancel=${() => (asking.value = false)}>
      <div class="title"><h2 id="question-title">Which do you prefer?</h2>
        <button class="quiet" aria-label="Close" onClick=${() => (asking.value = false)}><${Icon} name="close" /></button></div>
      ${shown.value
        ? html`
          <p class="posed">${shown.value.prompt}</p>
          <div class="pair">
            ${shown.value.answers.map(({ content }, index) => html`
              <section aria-label=${`Answer ${index + 1}`}><div class="text" tabindex="0" role="group" aria-label="Text">${content}</div>
                <button class="main" onClick=${() => take(index)}>This one</button></section>`)}
          </div>
          <button class="quiet" onClick=${next}>Neither: ask something else</button>`
        : html`<p class="hint" role="status">Two answers are being written …</p>`}
      ${learned.value && html`<p class="hint">${counted.value} so far. ${known.value}</p>`}
    </dialog>`;
}
