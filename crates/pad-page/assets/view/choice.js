// One of a few, as a row of buttons.

import { html } from "../html.js";

/** `options` are `[value, text]` pairs, and `value` is a signal. */
export const Choice = ({ label, value, options, onchange }) => html`
  <div class="choice" role="radiogroup" aria-label=${label}>
    ${options.map(([option, text]) => html`
      <label class=${value.value === option ? "on" : ""}>
        <input type="radio" name=${label} checked=${value.value === option}
          onChange=${() => (onchange ?? ((chosen) => (value.value = chosen)))(option)} />${text}
      </label>`)}
  </div>`;
