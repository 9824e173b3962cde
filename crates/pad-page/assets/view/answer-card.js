// An answer: whose preference it follows, its text, its figures, and what can be done with it.

import { html } from "../html.js";
import { isRunning } from "../answer.js";
import { answerTurn, goOn, goOnFrom, retry } from "../asking.js";
import { copy } from "../clipboard.js";
import { isPlain, label, quoted, same } from "../preference.js";
import { sides, text } from "../settings.js";
import { AnswerText } from "./answer-text.js";
import { shownRequest } from "./code-dialog.js";
import { Figures } from "./figures.js";
import { FormattedText } from "./formatted-text.js";
import { Icon } from "./icon.js";
import { RewardPlot } from "./reward-plot.js";
import { TroubleNote } from "./trouble-note.js";

const Versions = ({ lane }) => html`
  <span class="versions">
    <button class="quiet" aria-label="Earlier version" disabled=${lane.at.value === 0} onClick=${() => (lane.at.value -= 1)}><${Icon} name="left" /></button>
    <span aria-label=${`Version ${lane.at.value + 1} of ${lane.versions.value.length}`}>${lane.at.value + 1}/${lane.versions.value.length}</span>
    <button class="quiet" aria-label="Later version" disabled=${lane.at.value === lane.versions.value.length - 1} onClick=${() => (lane.at.value += 1)}><${Icon} name="right" /></button>
  </span>`;

/** The pane prefers something else by now: what would it answer? */
function Anew({ conversation, at, side, lane }) {
  const now = sides.value[side];
  if (at < conversation.turns.value.length - 1 || lane.versions.value.some(({ preference }) => same(preference, now))) return null;
  return html`
    <button class="anew" onClick=${() => answerTurn(conversation, at, side)}><${Icon} name="again" />
      <span>Answer ${isPlain(now) ? "without a preference" : `with ${quoted(now)}`}</span></button>`;
}

export function AnswerCard({ conversation, turn, at, side, shared }) {
  const lane = turn.lanes[side];
  const answer = lane.shown;
  const busy = isRunning(answer);
  const from = (index, rank) => goOnFrom(conversation, at, side, answer, index, rank);
  const cut = !busy && answer.text && (answer.finish === "length" || answer.state.value === "stopped");
  const name = label(answer.preference);
  return html`
    <section class=${`answer side-${side}`} aria-label=${name} aria-busy=${busy}>
      <header>
        <strong class=${isPlain(answer.preference) ? "plain" : ""}>${name}</strong>
        ${lane.versions.value.length > 1 && html`<${Versions} lane=${lane} />`}
      </header>
      ${!busy && html`<${Anew} conversation=${conversation} at=${at} side=${side} lane=${lane} />`}
      ${text.value === "formatted"
        ? html`<${FormattedText} answer=${answer} />`
        : html`<${AnswerText} answer=${answer} shared=${shared} ongoon=${from} />`}
      <${TroubleNote} answer=${answer} onretry=${() => retry(conversation, at, side, answer)} />
      <${RewardPlot} answer=${answer} />
      <${Figures} answer=${answer} />
      <footer>
        <button class="quiet" disabled=${busy} title="Another answer, with the preference of this pane" onClick=${() => answerTurn(conversation, at, side)}><${Icon} name="again" />Again</button>
        ${cut && html`<button class="quiet" title="More of this answer" onClick=${() => goOn(conversation, at, side, answer)}><${Icon} name="more" />Continue</button>`}
        ${!busy && answer.text && html`<button class="quiet" onClick=${() => copy(answer.text, "The answer is")}><${Icon} name="copy" />Copy</button>`}
        <button class="quiet" title="The request, as curl, Python or JavaScript" onClick=${() => (shownRequest.value = { messages: conversation.messages(at, side), answer })}><${Icon} name="code" />Code</button>
      </footer>
    </section>`;
}
