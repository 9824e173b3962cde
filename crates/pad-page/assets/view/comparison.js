// What the preference changed, in a line: above two answers to one prompt.

import { html } from "../html.js";
import { signed } from "../preference.js";
import { paneNames } from "../screen.js";

/** Rewards that are told at most. */
const MOST = 3;

/** Sums of rewards by dimension. */
const sums = ({ dimensions, tokens }) => new Map(dimensions.map((name, at) => [name, tokens.reduce((sum, { rewards }) => sum + rewards[at], 0)]));

const rounded = (number) => signed(Math.round(number * 10) / 10);

const Pair = ({ name, about, from, to, better }) => html`
  <div title=${about}><dt>${name}</dt><dd><span class="unseen">${paneNames.value[0]} </span>${from} <span aria-hidden="true">→</span><span class="unseen">, ${paneNames.value[1]} </span> <b class=${better > 0 ? "up" : better < 0 ? "down" : ""}>${to}</b></dd></div>`;

/** `answers` are complete. */
export function Comparison({ answers }) {
  const [left, right] = answers.map((answer) => (answer.version.value, answer.words));
  const [one, other] = answers.map(({ trace }) => sums(trace));
  const wanted = (name) => Math.sign(answers.map(({ preference }) => preference.weights?.[name]).findLast(Boolean) ?? 1);
  const both = [...other.keys()].filter((name) => one.has(name)).slice(0, MOST);
  return html`
    <dl class="comparison">
      <${Pair} name="Words" from=${left} to=${right} />
      ${both.map((name) => html`
        <${Pair} key=${name} name=${name} about=${`Sum of the rewards on ${name}, in nats`} from=${rounded(one.get(name))} to=${rounded(other.get(name))} better=${wanted(name) * (other.get(name) - one.get(name))} />`)}
    </dl>`;
}
