// What an answer cost and how far it was steered.

import { html } from "../html.js";
import { told } from "../guidance.js";
import { isPlain } from "../preference.js";

const percent = (part, whole) => `${Math.round((100 * part) / Math.max(1, whole))} %`;

/** `short`: what fits into a narrow column. */
export function Figures({ answer, short }) {
  answer.version.value;
  const { trace, usage, timing, finish } = answer;
  if (trace.length === 0) return answer.state.value === "waiting" ? html`<p class="figures">Reading the prompt …</p>` : null;
  const speed = timing.rest > 0 && timing.tokens > 1 ? Math.round((timing.tokens - 1) / timing.rest) : null;
  const steered = !isPlain(answer.preference);
  const guards = told(answer.settings.guidance);
  return html`
    <dl class="figures">
      <div><dt>Tokens</dt><dd>${trace.length}</dd></div>
      ${steered && html`<div title="Tokens that the rewards put before the base model's first"><dt>Overruled</dt><dd>${percent(trace.overruled, trace.length)}</dd></div>`}
      ${steered && usage && html`<div title="Mean divergence from the base model's distribution, per token"><dt>KL</dt><dd>${usage.pad.mean_kl.toFixed(2)} nats</dd></div>`}
      ${!short && speed && html`<div title=${`${timing.first.toFixed(2)} s to the first token`}><dt>Speed</dt><dd>${speed} tokens/s</dd></div>`}
      ${!short && html`<div><dt>Time</dt><dd>${(timing.first + timing.rest).toFixed(1)} s</dd></div>`}
      ${!short && steered && guards && html`<div class="guarded"><dt>Guards</dt><dd>${guards}</dd></div>`}
      ${finish === "length" && html`<div title="It reached the most tokens that were allowed"><dt>End</dt><dd>at the limit</dd></div>`}
      ${!short && html`<div class="model"><dt>Model</dt><dd>${answer.model}</dd></div>`}
    </dl>`;
}
