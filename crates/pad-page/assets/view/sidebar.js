// The list of conversations, and what belongs to none of them.

import { html } from "../html.js";
import { asking, key } from "../key.js";
import { conversations, current, exported, imported, notice, open, remove } from "../library.js";
import { drawer, narrow } from "../screen.js";
import { theme, view } from "../settings.js";
import { Choice } from "./choice.js";
import { Icon } from "./icon.js";

function show(conversation) {
  if (view.value === "sweep") view.value = "compare";
  open(conversation);
  drawer.value = null;
}

function save() {
  const url = URL.createObjectURL(new Blob([exported()], { type: "application/json" }));
  const link = Object.assign(document.createElement("a"), { href: url, download: "pad-conversations.json" });
  link.click();
  URL.revokeObjectURL(url);
}

async function take({ target }) {
  const [file] = target.files;
  if (file) imported(await file.text().catch(() => ""));
  target.value = "";
}

function drop(event, conversation) {
  event.stopPropagation();
  remove(conversation);
  notice.value = "The conversation was deleted.";
}

const ICON = new URL("../icon.svg", import.meta.url).href;

const THEMES = [["auto", "Auto"], ["light", "Light"], ["dark", "Dark"]];

export function Sidebar() {
  return html`
    <nav class="sidebar" aria-label="Conversations" inert=${narrow.value && drawer.value !== "library"}>
      <div class="brand"><img src=${ICON} alt="" width="28" height="28" /><span>PAD Server</span></div>
      <button class="wide" onClick=${() => show(undefined)}><${Icon} name="add" />New conversation</button>
      <ul class="conversations">
        ${conversations.value.map((conversation) => html`
          <li key=${conversation.id}>
            <button class="open" aria-current=${conversation === current.value ? "true" : undefined} onClick=${() => show(conversation)}>
              ${conversation.title}</button>
            <button class="quiet" aria-label=${`Delete “${conversation.title}”`} onClick=${(event) => drop(event, conversation)}>
              <${Icon} name="close" /></button>
          </li>`)}
      </ul>
      <div class="foot">
        <div class="pair">
          <button class="quiet" disabled=${conversations.value.length === 0} onClick=${save}>Export</button>
          <label class="quiet button">Import<input class="unseen" type="file" accept=".json,application/json" onChange=${take} /></label>
          <button class="quiet" onClick=${() => (asking.value = true)}>${key.value ? "API key ✓" : "API key"}</button>
        </div>
        <${Choice} label="Colours" value=${theme} options=${THEMES} />
        <p><a href="docs">The API</a> · kept in this browser only</p>
      </div>
    </nav>`;
}
