// The whole page: conversations on the left, answers in the middle, the preference on the right.

import { html } from "../html.js";
import { asked } from "../asking.js";
import { announced } from "../announcer.js";
import { dismiss, inspected } from "../inspected.js";
import { notice } from "../library.js";
import { drawer, narrow } from "../screen.js";
import { view } from "../settings.js";
import { CandidatePanel } from "./candidate-panel.js";
import { CodeDialog } from "./code-dialog.js";
import { Composer } from "./composer.js";
import { ConversationView } from "./conversation-view.js";
import { Icon } from "./icon.js";
import { KeyDialog } from "./key-dialog.js";
import { PreferencePanel } from "./preference-panel.js";
import { QuestionDialog } from "./question-dialog.js";
import { Sidebar } from "./sidebar.js";
import { SweepView } from "./sweep-view.js";
import { Reading, TopBar } from "./top-bar.js";

function leave(event) {
  if (event.key !== "Escape") return;
  if (inspected.value) dismiss();
  else drawer.value = null;
}

export function Page() {
  return html`
    <div class="page" data-drawer=${drawer.value} onKeyDown=${leave}>
      <a class="skip" href="#prompt">Skip to the prompt</a>
      <${Sidebar} />
      <main>
        <${TopBar} />
        ${asked.value && html`<${Reading} />`}
        ${view.value === "sweep" ? html`<${SweepView} />` : html`<${ConversationView} />`}
        <${Composer} />
      </main>
      <aside class="panel" aria-label="Preference" inert=${narrow.value && drawer.value !== "preference"}>
        <${PreferencePanel} />
        ${!narrow.value && html`<${CandidatePanel} />`}
      </aside>
      ${narrow.value && drawer.value && html`<button class="veil" aria-label="Close" onClick=${() => (drawer.value = null)} />`}
      ${narrow.value && inspected.value?.pinned && html`<div class="sheet"><${CandidatePanel} /></div>`}
      ${notice.value && html`
        <div class="notice" role="status">${notice.value}
          <button class="quiet" aria-label="Dismiss" onClick=${() => (notice.value = null)}><${Icon} name="close" /></button>
        </div>`}
      <${KeyDialog} />
      <${CodeDialog} />
      <${QuestionDialog} />
      <div class="unseen" role="status">${announced.value}</div>
    </div>`;
}
