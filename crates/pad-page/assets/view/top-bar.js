// How answers are shown, and what their colours mean.

import { html } from "../html.js";
import { drawer, narrow } from "../screen.js";
import { differences, text, tint, view } from "../settings.js";
import { dimensions, model, steers } from "../steering.js";
import { STEPS } from "../tint.js";
import { Choice } from "./choice.js";
import { Icon } from "./icon.js";

const VIEWS = [["compare", "Compare"], ["one", "One"], ["sweep", "Sweep"]];
const TEXTS = [["rewards", "Rewards"], ["formatted", "Formatted"]];

const Legend = () => html`
  <div class="legend" role="img" aria-label="Orange words have a negative reward, blue ones a positive one. Underlined words overruled the base model.">
    <span>less wanted</span>
    ${[...STEPS.keys()].reverse().map((step) => html`<i class=${`n${step + 1}`} />`)}<i />
    ${[...STEPS.keys()].map((step) => html`<i class=${`p${step + 1}`} />`)}
    <span>more wanted</span><b>overruled</b>
  </div>`;

const Tint = () => html`
  <label class="tinted">Tint by
    <select value=${tint.value} onChange=${({ target }) => (tint.value = target.value)}>
      <option value="reward">weighted reward</option>
      ${dimensions.value.map(({ name }) => html`<option value=${name}>${name}</option>`)}
    </select>
  </label>`;

const Differences = () => html`
  <label class="check">
    <input type="checkbox" checked=${differences.value} onChange=${({ target }) => (differences.value = target.checked)} />Dim shared words
  </label>`;

const Texts = () => view.value !== "sweep" && html`<${Choice} label="Text" value=${text} options=${TEXTS} />`;

/** What the colours mean, and what they show: above the answers. */
export function Reading() {
  const coloured = text.value === "rewards" && steers.value;
  if (!coloured && !narrow.value) return null;
  return html`
    <div class="reading">
      ${coloured && html`<${Legend} /><${Tint} />`}
      ${coloured && view.value === "compare" && html`<${Differences} />`}
      ${narrow.value && html`<${Texts} />`}
    </div>`;
}

export const TopBar = () => html`
  <header class="top">
    <button class="quiet narrow" aria-label="Conversations" aria-expanded=${drawer.value === "library"} onClick=${() => (drawer.value = "library")}>
      <${Icon} name="menu" /></button>
    <${Choice} label="View" value=${view} options=${steers.value ? VIEWS : VIEWS.slice(0, 2)} />
    <h1 title=${model.value?.id}>${model.value?.id ?? "PAD Server"}</h1>
    ${!narrow.value && html`<${Texts} />`}
    <button class="quiet narrow" aria-label="Preference" aria-expanded=${drawer.value === "preference"} onClick=${() => (drawer.value = "preference")}>
      <${Icon} name="sliders" /></button>
  </header>`;
