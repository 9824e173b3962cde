// Why a word is there: the candidates of one decision, and a way to go on from another one.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { isRunning } from "../answer.js";
import { ranges } from "../guidance.js";
import { dismiss, inspected } from "../inspected.js";
import { isPlain } from "../preference.js";
import { tintOf } from "../tint.js";
import { Icon } from "./icon.js";

/** Candidates that are shown at first. */
const FEW = 8;

/** Log-probabilities that stand for minus infinity in JSON. */
const NEVER = -9000;

/** A token's text with its blanks made visible. */
export const spelled = (text) => (text === "" ? "(no text)" : text.replaceAll("\n", "⏎").replace(/^ /, "␣").replaceAll("\t", "⇥"));

/** Names of tokens that end an answer: nothing goes on from there. */
const END = /^<(\|.*\||\/s|eos|end_of_turn)>$/;

/** Whether an answer can go on from this text. A part of a character has none. */
const goesOn = (text) => text !== "" && !END.test(text);

/** What a guard does to a candidate, by the guard's name. */
const GUARDS = {
  implausible: "Too improbable under the base model: it cannot be chosen",
  repetition: "It would repeat what was said: its reward does not count",
};

const number = (value) => (value <= NEVER ? "never" : value.toFixed(2).replace("-", "−"));

/** What happened, in a sentence. */
function verdict(token) {
  if (token.mine) return html`<b>You chose it.</b> The words after it are the model's.`;
  const first = token.candidates?.at(0);
  if (token.rank === 0) return "It is the base model's own first choice.";
  const instead = first ? html` over the base model's first choice, <q>${spelled(first.text)}</q>` : " over the base model's first choice";
  if (token.overruled) return html`<b>Overruled:</b> the rewards put it${instead}.`;
  return html`It was drawn by chance${instead}.`;
}

/** Where a guard weakened the steering of this word. */
function Weakened({ answer, token }) {
  const strength = answer.settings.guidance.beta ?? ranges.value.beta?.default;
  const weaker = !isPlain(answer.preference) && token.strength < strength - 0.005;
  return weaker && html`<p class="hint">A guard lowered the strength of this word from ${strength} to ${token.strength.toFixed(2)}.</p>`;
}

function Row({ candidate, chosen, ongoon }) {
  const name = spelled(candidate.text);
  return html`
    <tr class=${[chosen && "chosen", candidate.held && "held"].filter(Boolean).join(" ")} title=${GUARDS[candidate.held]}>
      <th scope="row">${ongoon && !chosen && goesOn(candidate.text)
        ? html`<button class="token" title="Go on from this word" onClick=${() => ongoon(candidate.rank)}>${name}</button>`
        : html`<span class="token">${name}</span>`}</th>
      <td>${candidate.rank + 1}</td>
      <td class="logprob" style=${{ "--share": Math.exp(candidate.logprob) }}>${number(candidate.logprob)}</td>
      ${candidate.rewards.map((_, at) => html`<td><span class=${`w ${tintOf(candidate.rewards[at])}`}>${number(candidate.rewards[at])}</span></td>`)}
      <td>${number(candidate.score)}</td>
    </tr>`;
}

function Table({ token, ongoon }) {
  const all = useSignal(false);
  const { candidates } = token;
  if (!candidates) return html`<p class="hint">Its candidates were not kept: they are there until the page is closed.</p>`;
  const rows = Array.from({ length: candidates.length }, (_, rank) => candidates.at(rank)).sort((a, b) => b.score - a.score);
  const isChosen = (candidate) => candidate.rank === token.rank;
  const few = rows.filter((candidate, at) => at < FEW || isChosen(candidate));
  const shown = all.value ? rows : few;
  return html`
    <div class="table" tabindex="0" role="region" aria-label="Candidates">
      <table>
        <thead><tr><th scope="col">word</th><th scope="col" title="In the base model's order">rank</th><th scope="col" title="Under the base model, in nats">log p</th>
          ${candidates.dimensions.map((name) => html`<th scope="col" title=${`Reward on ${name}, in nats`}>${name}</th>`)}<th scope="col">score</th></tr></thead>
        <tbody>${shown.map((candidate) => html`<${Row} key=${candidate.rank} candidate=${candidate} chosen=${isChosen(candidate)} ongoon=${ongoon} />`)}</tbody>
      </table>
    </div>
    ${rows.length > few.length && html`<button class="quiet" onClick=${() => (all.value = !all.value)}>${all.value ? "Show fewer" : `Show all ${rows.length}`}</button>`}`;
}

export function CandidatePanel() {
  const section = useRef();
  const now = inspected.value;
  // One that is pinned was asked for: it may not stay below the edge of the screen.
  useEffect(() => {
    if (now?.pinned) section.current?.scrollIntoView({ block: "nearest" });
  }, [now]);
  const token = now?.answer.trace.tokens[now.index];
  if (!token) {
    return html`<section class="candidates empty"><h2>Why this word?</h2><p class="hint">Point at a word of an answer to see what it was chosen from. Click it to keep it here.</p></section>`;
  }
  const { trace } = now.answer;
  const before = trace.tokens.slice(Math.max(0, now.index - 8), now.index).map(({ text }) => text).join("");
  const free = now.goOn && token.candidates && !isRunning(now.answer);
  const goOn = (rank) => {
    dismiss();
    now.goOn(now.index, rank);
  };
  return html`
    <section class="candidates" ref=${section} aria-label="Why this word">
      <div class="title"><h2>Why this word?</h2>
        ${now.pinned && html`<button class="quiet" aria-label="Close" onClick=${dismiss}><${Icon} name="close" /></button>`}</div>
      <p class="context">${before ? `… ${before.trimStart()}` : ""}<mark class=${`w ${tintOf(token.reward)} ${token.overruled ? "over" : ""}`}>${token.text === "" && token.candidates ? spelled(token.candidates.texts[token.rank]) : spelled(token.text)}</mark></p>
      <p role="status">${verdict(token)}</p>
      <${Weakened} answer=${now.answer} token=${token} />
      <${Table} key=${`${now.answer.id}/${now.index}`} token=${token} ongoon=${free ? goOn : null} />
      ${free && html`<p class="hint">Choose another word to see how the answer would have gone on from it.</p>`}
    </section>`;
}
