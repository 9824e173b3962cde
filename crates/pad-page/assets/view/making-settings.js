// How answers are made, whatever is preferred.

import { html } from "../html.js";
import { beta, length, seed, temperature } from "../settings.js";
import { model, offer, steers } from "../steering.js";

function Number_({ name, label, value, min, max, step, onchange }) {
  const read = ({ target }) => {
    const given = Number(target.value);
    if (target.value !== "" && given >= min && given <= max) onchange(given);
  };
  return html`<label>${label}<input type="number" name=${name} value=${value} min=${min} max=${max} step=${step} onChange=${read} /></label>`;
}

export function MakingSettings() {
  const strength = offer.value?.beta;
  return html`
    <details class="making">
      <summary>How answers are made</summary>
      <div class="numbers">
        ${steers.value && html`
          <${Number_} name="beta" label="Strength" value=${beta.value ?? strength.default} min=${strength.minimum} max=${strength.maximum} step="0.1"
            onchange=${(value) => (beta.value = value === strength.default ? null : value)} />`}
        <${Number_} name="temperature" label="Temperature" value=${temperature.value} min=${0} max=${2} step="0.1" onchange=${(value) => (temperature.value = value)} />
        <${Number_} name="length" label="Most tokens" value=${length.value} min=${1} max=${model.value?.max_model_len ?? 4096} step="1" onchange=${(value) => (length.value = Math.round(value))} />
        <${Number_} name="seed" label="Seed" value=${seed.value} min=${0} max=${2 ** 31} step="1" onchange=${(value) => (seed.value = Math.round(value))} />
      </div>
      <p class="hint">Both panes draw with the same seed, so that what differs comes from the preference.</p>
    </details>`;
}
