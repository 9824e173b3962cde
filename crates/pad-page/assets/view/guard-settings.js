// Candidates and guards: what can be chosen at each word, and what holds the rewards back.

import { html } from "../html.js";
import { candidates, guided, ranges } from "../guidance.js";
import { guidance } from "../settings.js";
import { NumberField } from "./number-field.js";

/** Sets one field of the guidance. */
const steer = (name) => (value) => (guidance.value = guided(guidance.value, name, value));

/** A number of the guidance. `unlimited`: the greatest one is no limit, and is shown as an empty field. */
export function GuidanceField({ name, unlimited, ...field }) {
  const { default: usual, minimum, maximum } = ranges.value[name];
  const value = guidance.value[name] ?? usual;
  return html`
    <${NumberField} name=${name} ...${field} value=${unlimited && value >= maximum ? null : value} min=${minimum} max=${maximum}
      empty=${unlimited ? maximum : undefined} onchange=${steer(name)} />`;
}

const FIELDS = [
  { name: "plausibility", label: "Least plausibility", about: "Words are left out whose probability is below this share of the model's best one; 0: none. Try 0.01" },
  { name: "loop_guard", label: "No repeats of", whole: true, about: "Rewards add nothing to a word that would repeat a run of so many tokens; 0: off. Try 4" },
  { name: "max_kl", label: "Most KL per token", unlimited: true, about: "Nats by which the answer may differ from the model's own, on average; empty: no limit. Try 0.5" },
  { name: "guide_tokens", label: "Guide the first", whole: true, about: "So many tokens are steered fully, and as many more with falling strength; 0: all. Try 40" },
  { name: "top_k", label: "Candidates", whole: true, about: "How many of the best words are weighed at each step" },
];

export function GuardSettings() {
  const { beta, ...own } = guidance.value;
  return html`
    <fieldset class="guards">
      <legend>Guards</legend>
      <p class="hint">They keep a strongly steered answer near the model's own.</p>
      <div class="numbers">
        ${FIELDS.map((field) => html`<${GuidanceField} key=${field.name} ...${field} />`)}
        <label title="Whose best words are weighed. With all, words come up that only the steered reader would say">Proposed by
          <select name="candidates" aria-label="Proposed by" value=${guidance.value.candidates ?? candidates.value} onChange=${({ target }) => steer("candidates")(target.value)}>
            <option value="base">the model</option><option value="union">model and rewards</option>
          </select></label>
      </div>
      ${Object.keys(own).length > 0 && html`<button class="quiet" onClick=${() => (guidance.value = beta === undefined ? {} : { beta })}>As the server has it</button>`}
    </fieldset>`;
}
