// One prompt and its answers, side by side.

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { html } from "../html.js";
import { isRunning } from "../answer.js";
import { answerTurn, branch, edit, panes, running } from "../asking.js";
import { copy } from "../clipboard.js";
import { common } from "../difference.js";
import { link } from "../link.js";
import { differences, text, view } from "../settings.js";
import { AnswerCard } from "./answer-card.js";
import { Comparison } from "./comparison.js";
import { Icon } from "./icon.js";
import { PreferenceChoice } from "./preference-choice.js";

/** Words that both answers have, for each of them; nulls where that is not shown, and while they are still coming. */
function useSharedWords(answers) {
  const shown = view.value === "compare" && differences.value && text.value === "rewards";
  const ready = shown && answers.every((answer) => answer && !isRunning(answer));
  const [left, right] = ready ? answers.map((answer) => (answer.version.value, answer.text)) : ["", ""];
  return useMemo(() => (left.trim() === right.trim() ? [null, null] : common(left, right)), [left, right]);
}

function Edit({ turn, onsave, oncancel }) {
  const draft = useSignal(turn.prompt);
  const save = (event) => {
    event.preventDefault();
    if (draft.value.trim()) onsave(draft.value.trim());
  };
  return html`
    <form class="edit" onSubmit=${save}>
      <textarea aria-label="Edited prompt" rows="3" value=${draft.value} onInput=${({ target }) => (draft.value = target.value)} />
      <button class="main">Ask</button><button type="button" onClick=${oncancel}>Cancel</button>
    </form>`;
}

export function TurnView({ conversation, turn, at }) {
  const editing = useSignal(false);
  const answers = turn.lanes.map((lane) => lane.shown);
  const shared = useSharedWords(answers);
  const complete = view.value === "compare" && answers.every((answer) => answer && answer.state.value === "done" && answer.text.trim());
  const same = view.value === "compare" && answers.every((answer) => answer && !isRunning(answer) && answer.text) && answers[0].text === answers[1].text;
  return html`
    <article class="turn">
      <div class="asked">
        ${editing.value
          ? html`<${Edit} turn=${turn} onsave=${(prompt) => edit(conversation, at, prompt)} oncancel=${() => (editing.value = false)} />`
          : html`<p>${turn.prompt}</p>`}
        <div class="actions">
          <button class="quiet" title="Ask something else instead" disabled=${running.value} onClick=${() => (editing.value = true)}><${Icon} name="edit" />Edit</button>
          <button class="quiet" title="Go on from here in a new conversation" disabled=${running.value} onClick=${() => branch(conversation, at)}><${Icon} name="branch" />Branch</button>
          <button class="quiet" title="Copy a link with this prompt and preference" onClick=${() => copy(link(turn.prompt), "A link with the prompt and the preference is")}><${Icon} name="link" />Link</button>
        </div>
      </div>
      ${same && html`<p class="comparison">Both answers are the same. Move a slider further, or raise the strength.</p>`}
      ${complete && !same && html`<${Comparison} answers=${answers} />`}
      <div class="answers" data-panes=${panes.value.length}>
        ${panes.value.map((side) => answers[side]
          ? html`<${AnswerCard} key=${`${side}${answers[side].id}`} conversation=${conversation} turn=${turn} at=${at} side=${side} shared=${shared[side]} />`
          : html`<button class="missing" onClick=${() => answerTurn(conversation, at, side)}>Answer in this pane, too</button>`)}
      </div>
      <${PreferenceChoice} conversation=${conversation} at=${at} answers=${answers} />
    </article>`;
}
