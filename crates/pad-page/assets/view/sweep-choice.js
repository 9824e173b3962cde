// Which dimension is swept.

import { html } from "../html.js";
import { running } from "../asking.js";
import { choices } from "../settings.js";
import { dimensions } from "../steering.js";
import * as sweep from "../sweep.js";
import { Icon } from "./icon.js";

export const SweepChoice = () => html`
  <p class="hint">One prompt at five weights of one dimension, from the least to the greatest.</p>
  <div class="chips" role="group" aria-label="Dimension">
    ${dimensions.value.map(({ name, description }) => html`
      <button class="chip" title=${description} aria-pressed=${sweep.dimension().name === name} onClick=${() => (sweep.chosen.value = name)}>${name}</button>`)}
  </div>
  ${sweep.swept() && sweep.swept() !== sweep.dimension().name && html`
    <button disabled=${running.value} onClick=${() => sweep.ask(sweep.prompt.value, choices())}><${Icon} name="again" />The same question, by ${sweep.dimension().name}</button>`}`;
