// Where the prompt is written.

import { signal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { ask, asked, running, stop } from "../asking.js";
import { choices, view } from "../settings.js";
import { narrow } from "../screen.js";
import { model } from "../steering.js";
import * as sweep from "../sweep.js";
import { Icon } from "./icon.js";
import { PresetChips } from "./preset-chips.js";

/** What is written so far. */
export const draft = signal("");

/** Send a prompt to where it belongs in the view that is open. */
export function send(prompt) {
  const question = prompt.trim();
  if (!question || running.value || !model.value) return;
  if (view.value === "sweep") sweep.ask(question, choices());
  else ask(question);
  draft.value = "";
}

function typed(event) {
  // Enter that completes a word of an input method sends nothing.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send(draft.value);
}

export function Composer() {
  const box = useRef();
  useLayoutEffect(() => {
    box.current.style.height = "auto";
    box.current.style.height = `${Math.min(box.current.scrollHeight, 180)}px`;
  }, [draft.value]);
  return html`
    <form class="composer" onSubmit=${(event) => { event.preventDefault(); send(draft.value); }}>
      ${narrow.value && asked.value && view.value !== "sweep" && html`<${PresetChips} side=${1} label="Preset" kind="chips row" />`}
      <div class="field">
        <textarea id="prompt" ref=${box} rows="1" aria-label="Prompt" placeholder=${narrow.value || view.value === "one" ? "Ask something" : "Ask something. Every pane answers the same prompt."}
          value=${draft.value} onInput=${({ target }) => (draft.value = target.value)} onKeyDown=${typed} />
        ${running.value
          ? html`<button type="button" class="main" onClick=${stop}><${Icon} name="stop" />Stop</button>`
          : html`<button class="main" disabled=${!draft.value.trim() || !model.value}>Ask<${Icon} name="send" /></button>`}
      </div>
    </form>`;
}
