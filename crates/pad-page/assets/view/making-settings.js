// How answers are made, whatever is preferred.

import { html } from "../html.js";
import { length, seed, system, temperature } from "../settings.js";
import { model, steers } from "../steering.js";
import { GuardSettings, GuidanceField } from "./guard-settings.js";
import { NumberField } from "./number-field.js";

export function MakingSettings() {
  return html`
    <details class="making">
      <summary>How answers are made</summary>
      <div class="numbers">
        ${steers.value && html`
          <${GuidanceField} name="beta" label="Strength" about="How much the preference counts against the model; 0: nothing" />`}
        <${NumberField} name="temperature" label="Temperature" about="0: always the best word; higher: more chance" value=${temperature.value} min=${0} max=${2}
          onchange=${(value) => (temperature.value = value)} />
        <${NumberField} name="length" label="Most tokens" about="A token is a word or a part of one" value=${length.value} min=${1} max=${model.value?.max_model_len ?? 4096} whole
          onchange=${(value) => (length.value = value)} />
        <${NumberField} name="seed" label="Seed" about="The same seed draws the same words" value=${seed.value} min=${0} max=${2 ** 31} whole onchange=${(value) => (seed.value = value)} />
      </div>
      <p class="hint">Both panes draw with the same seed, so that what differs comes from the preference.</p>
      <label class="words">System message
        <textarea rows="2" maxlength="20000" placeholder="none" value=${system.value} onInput=${({ target }) => (system.value = target.value)} />
      </label>
      ${steers.value && html`<${GuardSettings} />`}
    </details>`;
}
