// Presets as a row of buttons: the first thing that somebody chooses who does not think in weights.

import { html } from "../html.js";
import { PLAIN, same } from "../preference.js";
import { presets } from "../presets.js";
import { prefer, sides } from "../settings.js";

const NONE = { name: "Plain", about: "The model as it is", preference: PLAIN };

/** Presets for a pane. `plain`: with one that asks for nothing. */
export const PresetChips = ({ side, label, plain, kind = "chips" }) => html`
  <div class=${kind} role="group" aria-label=${label}>
    ${[...(plain ? [NONE] : []), ...presets.value].map(({ name, about, preference }) => html`
      <button type="button" class="chip" title=${about} aria-pressed=${same(preference, sides.value[side])} onClick=${() => prefer(side, preference)}>${name}</button>`)}
  </div>`;
