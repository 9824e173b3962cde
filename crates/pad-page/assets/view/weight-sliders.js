// One slider for each dimension of the reward model.

import { computed, useSignal } from "@preact/signals";
import { html } from "../html.js";
import { signed } from "../preference.js";
import { prefer, sides } from "../settings.js";
import { dimensions } from "../steering.js";

const STEP = 0.1;

/** Sliders that are shown at first, beside those that are set. */
const FEW = 6;

/** The dimensions that are shown at first: not those that a weight below 0 of an earlier one stands for. */
const first = computed(() => {
  const all = dimensions.value;
  const mirrored = ({ principle }, at) => principle && all.slice(0, at).some(({ opposite }) => opposite === principle);
  return new Set(all.filter((one, at) => !mirrored(one, at)).slice(0, FEW).map(({ name }) => name));
});

/** Where zero and the weight lie, in parts of the slider's length. */
function places({ minimum, maximum }, value) {
  const at = (number) => Math.min(1, Math.max(0, (number - minimum) / (maximum - minimum)));
  const [zero, here] = [at(0), at(value)];
  return { "--from": Math.min(zero, here), "--to": Math.max(zero, here), "--zero": zero };
}

function Slider({ dimension: { name, description, opposite, weight, strong = [] }, value, onweigh }) {
  const isStrong = value !== 0 && strong.some(({ minimum, maximum }) => value > 0 ? value > minimum && value <= maximum : value >= minimum && value < maximum);
  return html`
    <div class=${`slider ${value > 0 ? "more" : value < 0 ? "less" : ""}`}>
      <label for=${`weight-${name}`}>${name}</label>
      ${description && html`<small id=${`about-${name}`} title=${description}>${description}</small>`}
      <output for=${`weight-${name}`}>${value ? signed(value) : "0"}</output>
      <input id=${`weight-${name}`} type="range" min=${weight.minimum} max=${weight.maximum} step=${STEP} value=${value} style=${places(weight, value)}
        aria-describedby=${description ? `about-${name}` : undefined} onInput=${({ target }) => onweigh(Number(target.value))}
        title="Double-click: back to 0" onDblClick=${() => onweigh(0)} />
      ${value < 0 && opposite && html`<small class="wide">Instead: ${opposite}</small>`}
      ${isStrong && html`<small class="wide strong">Strong: the style shows more, and the answer may lose content.</small>`}
    </div>`;
}

export function WeightSliders({ side }) {
  const weights = sides.value[side].weights ?? {};
  const weigh = (name) => (value) => prefer(side, { weights: { ...weights, [name]: value } });
  const all = useSignal(false);
  const shown = dimensions.value.filter(({ name }) => all.value || first.value.has(name) || name in weights);
  // One range holds for all dimensions of a reward model.
  const range = dimensions.value[0]?.weight;
  const rest = dimensions.value.length - shown.length;
  return html`
    <div class="sliders">
      ${range && html`<p class="scale" aria-hidden="true"><span>${signed(range.minimum)} less</span><span>0: as the model is</span><span>more ${signed(range.maximum)}</span></p>`}
      ${shown.map((dimension) => html`
        <${Slider} key=${dimension.name} dimension=${dimension} value=${weights[dimension.name] ?? 0} onweigh=${weigh(dimension.name)} />`)}
      ${rest > 0 && html`<button class="quiet" onClick=${() => (all.value = true)}>${rest} more dimensions</button>`}
    </div>`;
}
