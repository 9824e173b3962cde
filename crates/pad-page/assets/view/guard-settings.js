// Candidates and guards: what can be chosen at each word, and what holds the rewards back.

import { html } from "../html.js";
import { candidates, guided, ranges } from "../guidance.js";
import { guidance } from "../settings.js";
import { NumberField } from "./number-field.js";

/** Sets one field of the guidance. */
export const steer = (name) => (value) => (guidance.value = guided(guidance.value, name, value));

const FIELDS = [
  { name: "plausibility", label: "Least plausibility", about: "Words are left out whose probability is below this share of the model's best one; 0: none. Try 0.01" },
  { name: "loop_guard", label: "No repeats of", step: "1", about: "Rewards add nothing to a word that would repeat a run of so many tokens; 0: off. Try 4" },
  { name: "max_kl", label: "Most KL per token", about: "Nats by which the answer may differ from the model's own, on average; empty: no limit. Try 0.5" },
  { name: "guide_tokens", label: "Guide the first", step: "1", about: "So many tokens are steered fully, and as many more with falling strength; 0: all. Try 40" },
];

export function GuardSettings() {
  const set = guidance.value;
  const own = Object.keys(set).filter((name) => name !== "beta");
  const field = ({ name, label, about, step = "0.01" }) => {
    const { default: usual, minimum, maximum } = ranges.value[name];
    const value = set[name] ?? usual;
    const unlimited = name === "max_kl";
    return html`
      <${NumberField} key=${name} name=${name} label=${label} about=${about} value=${unlimited && value >= maximum ? null : value}
        min=${minimum} max=${maximum} step=${step} empty=${unlimited ? maximum : undefined} onchange=${steer(name)} />`;
  };
  return html`
    <fieldset class="guards">
      <legend>Guards</legend>
      <p class="hint">They keep a strongly steered answer near the model's own.</p>
      <div class="numbers">
        ${FIELDS.filter(({ name }) => ranges.value[name]).map(field)}
        <${NumberField} name="top_k" label="Candidates" about="How many of the best words are weighed at each step" value=${set.top_k ?? ranges.value.top_k.default}
          min=${ranges.value.top_k.minimum} max=${ranges.value.top_k.maximum} step="1" onchange=${steer("top_k")} />
        <label title="Whose best words are weighed. With all, words come up that only the steered reader would say">Proposed by
          <select name="candidates" aria-label="Proposed by" value=${set.candidates ?? candidates.value} onChange=${({ target }) => steer("candidates")(target.value)}>
            <option value="base">the model</option><option value="union">model and rewards</option>
          </select></label>
      </div>
      ${own.length > 0 && html`<button class="quiet" onClick=${() => (guidance.value = set.beta === undefined ? {} : { beta: set.beta })}>As the server has it</button>`}
    </fieldset>`;
}
