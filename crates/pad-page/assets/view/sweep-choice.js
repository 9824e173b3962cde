// Which dimension is swept.

import { html } from "../html.js";
import { dimensions } from "../steering.js";
import * as sweep from "../sweep.js";

export const SweepChoice = () => html`
  <p class="hint">One prompt at five weights of one dimension, from the least to the greatest.</p>
  <div class="chips" role="group" aria-label="Dimension">
    ${dimensions.value.map(({ name, description }) => html`
      <button class="chip" title=${description} aria-pressed=${sweep.dimension().name === name} onClick=${() => (sweep.chosen.value = name)}>${name}</button>`)}
  </div>`;
