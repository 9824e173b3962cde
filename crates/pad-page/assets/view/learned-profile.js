// What was learned of the reader: in words, and each dimension's weight with its uncertainty.

import { html } from "../html.js";
import { counted, follow, foreseen, forget, keep, known, learned, learns, profile } from "../profile.js";
import { isPlain } from "../preference.js";
import { paneNames } from "../screen.js";
import { edited, sides, view } from "../settings.js";
import { dimensions } from "../steering.js";
import { asking } from "./question-dialog.js";
import { Icon } from "./icon.js";

/** The weight at the ends of a bar: of two answers one standard deviation apart, the better one is chosen with odds of e to this power. */
const END = 3;

const part = (number) => Math.min(1, Math.max(0, (number + END) / (2 * END)));

/** A weight as a mark, and two standard deviations around it as a bar. */
function Bar({ name, mean, deviation }) {
  const places = { "--at": part(mean), "--from": part(mean - 2 * deviation), "--to": part(mean + 2 * deviation) };
  const certain = Math.abs(mean) > 1.3 * deviation;
  return html`
    <div class=${`learned-bar ${certain ? "known" : ""}`}>
      <dt>${name}</dt>
      <dd><span class="range" style=${places} role="img" aria-label=${`${mean.toFixed(1)}, give or take ${(2 * deviation).toFixed(1)}`} /></dd>
    </div>`;
}

export function LearnedProfile() {
  if (!learns.value) return null;
  const weights = learned.value?.dimensions;
  const side = view.value === "one" ? 1 : edited.value;
  const { sum, count } = foreseen.value;
  return html`
    <section class="learned" aria-label="Learned from your choices">
      <div class="title"><h3>Learned from your choices</h3>
        <button class="quiet" title="Choose between two answers of the server's" onClick=${() => (asking.value = true)}><${Icon} name="sliders" />Ask me</button></div>
      ${!profile.value && html`<p class="hint">Choose between two answers, and the server learns what you prefer.</p>`}
      ${profile.value && html`
        <p><b>${known.value}</b>
          <small> ${counted.value}${count > 0 && `, foreseen with ${Math.round((100 * sum) / count)} % on average`}.</small></p>
        ${weights && html`<dl>${dimensions.value.filter(({ name }) => weights[name]).map(({ name }) => html`<${Bar} key=${name} name=${name} ...${weights[name]} />`)}</dl>`}`}
      <div class="pair">
        ${profile.value && html`<button onClick=${() => follow(side)}>Use it${view.value === "compare" && ` for the ${paneNames.value[side].toLowerCase()} pane`}</button>`}
        ${!isPlain(sides.value[side]) && html`<button class="quiet" title="Begin the profile with what this pane prefers" onClick=${() => keep(sides.value[side])}>Keep these weights</button>`}
        ${profile.value && html`<button class="quiet" title="Delete the profile, its choices and its texts on the server" onClick=${forget}>Forget</button>`}
      </div>
    </section>`;
}
