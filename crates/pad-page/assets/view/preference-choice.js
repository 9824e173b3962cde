// Under two answers to one prompt: which of them does the reader prefer?

import { useSignal } from "@preact/signals";
import { html } from "../html.js";
import { isRunning } from "../answer.js";
import { told } from "../making.js";
import { label } from "../preference.js";
import { choose, learns, profile, undo } from "../profile.js";
import { paneNames } from "../screen.js";
import { view } from "../settings.js";
import { Icon } from "./icon.js";

/** Whether there is something to choose between. */
function comparable(answers) {
  const ready = answers.every((answer) => answer && !isRunning(answer) && answer.text.trim() && answer.state.value !== "failed");
  return learns.value && view.value === "compare" && ready && answers[0].text !== answers[1].text;
}

export function PreferenceChoice({ conversation, at, answers }) {
  /** What was chosen between which answers: `{side, between, id, expected}`. */
  const made = useSignal(null);
  const busy = useSignal(false);
  if (!comparable(answers)) return null;
  const between = answers.map(({ id }) => id).join(" ");
  // What was forgotten with its profile was not chosen any more.
  const chosen = made.value?.between === between && profile.value ? made.value : null;
  const take = async (side) => {
    busy.value = true;
    const complete = answers.every(({ finish }) => finish === "stop");
    const body = { messages: told(answers[side].settings, conversation.messages(at, side)), chosen: answers[side].text, rejected: answers[1 - side].text, complete };
    const feedback = await choose(body);
    if (feedback) made.value = { side, between, ...feedback };
    busy.value = false;
  };
  const back = async () => {
    busy.value = true;
    if (await undo(chosen.id)) made.value = null;
    busy.value = false;
  };
  if (chosen) {
    const expected = chosen.expected === null ? "" : ` It was expected with ${Math.round(100 * chosen.expected)} %.`;
    return html`
      <p class="preferring" role="group" aria-label="Your choice">You prefer the ${paneNames.value[chosen.side].toLowerCase()} one.${expected}
        <button class="quiet" disabled=${busy.value} onClick=${back}><${Icon} name="again" />Undo</button></p>`;
  }
  return html`
    <div class="preferring" role="group" aria-label="Which do you prefer?"><span>Which do you prefer?</span>
      ${paneNames.value.map((name, side) => html`
        <button class=${`side-${side}`} disabled=${busy.value} onClick=${() => take(side)}><span>${name}</span> <small>${label(answers[side].preference)}</small></button>`)}</div>`;
}
