// Rewards along an answer: for each dimension, the sum so far. A rising line is an answer that does what is wanted.

import { useRef } from "preact/hooks";
import { html } from "../html.js";
import { isRunning } from "../answer.js";
import { inspected } from "../inspected.js";

const [WIDTH, HEIGHT] = [300, 44];

/** Points that a line has at most: more than its pixels show nothing. */
const MOST = 150;

function sums(trace, column) {
  let sum = 0;
  return trace.tokens.map((token) => (sum += token.rewards[column]));
}

export function RewardPlot({ answer }) {
  answer.version.value;
  const drawn = useRef({ of: [], plot: null });
  const { trace } = answer;
  if (trace.dimensions.length === 0 || trace.length < 2) return null;
  const every = Math.ceil(trace.length / MOST);
  const at = inspected.value?.answer === answer ? inspected.value.index : null;
  // A long answer grows by less than a point with most tokens: its lines stay as they are.
  const of = [trace, at, every, isRunning(answer) ? Math.floor(trace.length / every) : trace.length];
  if (of.some((one, index) => one !== drawn.current.of[index])) drawn.current = { of, plot: plot(trace, every, at) };
  return drawn.current.plot;
}

function plot(trace, every, at) {
  const lines = trace.dimensions.map((_, column) => sums(trace, column));
  const least = Math.min(0, ...lines.map((line) => Math.min(...line)));
  const most = Math.max(0, ...lines.map((line) => Math.max(...line)));
  const x = (index) => (index / (trace.length - 1)) * WIDTH;
  const y = (value) => HEIGHT - 3 - ((value - least) / (most - least || 1)) * (HEIGHT - 6);
  const path = (line) => line.map((value, index) => [index, value]).filter(([index]) => index % every === 0 || index === line.length - 1)
    .map(([index, value], at) => `${at ? "L" : "M"}${x(index).toFixed(1)} ${y(value).toFixed(1)}`).join("");
  const total = (line) => `${line.at(-1) < 0 ? "−" : "+"}${Math.abs(line.at(-1)).toFixed(1)}`;
  const said = trace.dimensions.map((name, column) => `${name} ${total(lines[column])}`).join(", ");
  return html`
    <figure class="plot">
      <svg viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label=${`Sum of rewards along the answer: ${said} nats`}>
        <path class="zero" d=${`M0 ${y(0)}H${WIDTH}`} />
        ${lines.map((line, column) => html`<path class=${`line line-${column % 4}`} d=${path(line)} />`)}
        ${at !== null && html`<path class="here" d=${`M${x(at)} 0V${HEIGHT}`} />`}
      </svg>
      <figcaption>${trace.dimensions.map((name, column) => html`<span class=${`line-${column % 4}`}>${name} ${total(lines[column])}</span>`)}</figcaption>
    </figure>`;
}
