// What a pane prefers: a preset, weights, or words; and how answers are made.

import { html } from "../html.js";
import { isPlain, label, PLAIN } from "../preference.js";
import { drawer, narrow, paneNames } from "../screen.js";
import { edited, prefer, sides, view } from "../settings.js";
import { offer, steers } from "../steering.js";
import { Icon } from "./icon.js";
import { LearnedProfile } from "./learned-profile.js";
import { MakingSettings } from "./making-settings.js";
import { PresetChips } from "./preset-chips.js";
import { StoredProfiles } from "./stored-profiles.js";
import { SweepChoice } from "./sweep-choice.js";
import { WeightSliders } from "./weight-sliders.js";

const Sides = () => html`
  <div class="sides" role="radiogroup" aria-label="Pane">
    ${paneNames.value.map((name, side) => html`
      <label class=${`side side-${side} ${edited.value === side ? "on" : ""}`}>
        <input type="radio" name="side" checked=${edited.value === side} onChange=${() => (edited.value = side)} />
        <span>${name}</span><b>${label(sides.value[side])}</b>
      </label>`)}
  </div>`;

function Words({ side }) {
  const words = sides.value[side].words ?? "";
  const write = ({ target }) => prefer(side, target.value ? { words: target.value } : PLAIN);
  return html`
    <label class="words">Or in your own words
      <textarea rows="2" maxlength="2000" placeholder="answer like a pirate" value=${words} onInput=${write} />
    </label>`;
}

function Steering() {
  const side = view.value === "one" ? 1 : edited.value;
  return html`
    ${view.value === "compare" && html`<${Sides} />`}
    <${PresetChips} side=${side} label="Presets" plain />
    <${WeightSliders} side=${side} />
    <${Words} side=${side} />
    <${StoredProfiles} side=${side} />
    ${!isPlain(sides.value[side]) && side === 0 && html`<p class="hint">The ${paneNames.value[0].toLowerCase()} pane usually stays plain, for comparison.</p>`}`;
}

export const PreferencePanel = () => html`
  <section class="preference">
    <div class="title"><h2>Preference</h2>
      ${narrow.value && html`<button class="quiet" aria-label="Close" onClick=${() => (drawer.value = null)}><${Icon} name="close" /></button>`}
    </div>
    ${steers.value && (view.value === "sweep" ? html`<${SweepChoice} />` : html`<${Steering} />`)}
    ${offer.value && !steers.value && html`<p class="hint">This server has no reward model, so its answers cannot be steered. Start it with <code>--reward auto</code> to see the difference.</p>`}
    ${view.value !== "sweep" && html`<${LearnedProfile} />`}
    <${MakingSettings} />
  </section>`;
