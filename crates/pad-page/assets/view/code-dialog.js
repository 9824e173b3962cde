// The request of an answer as code, to copy.

import { signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { copy } from "../clipboard.js";
import { LANGUAGES, snippet } from "../snippet.js";
import { Choice } from "./choice.js";
import { Icon } from "./icon.js";

/** `{messages, answer}` while the dialog is open, else null. */
export const shownRequest = signal(null);

const language = signal("curl");

export function CodeDialog() {
  const dialog = useRef();
  const shown = shownRequest.value;
  useEffect(() => {
    if (shown && !dialog.current.open) dialog.current.showModal();
    if (!shown) dialog.current.close();
  }, [shown]);
  const code = shown ? snippet(language.value, shown.messages, shown.answer) : "";
  return html`
    <dialog ref=${dialog} class="code" aria-labelledby="code-title" onCancel=${() => (shownRequest.value = null)}>
      <div class="title"><h2 id="code-title">This answer as a request</h2>
        <button class="quiet" aria-label="Close" onClick=${() => (shownRequest.value = null)}><${Icon} name="close" /></button></div>
      <${Choice} label="Language" value=${language} options=${LANGUAGES} />
      <pre tabindex="0">${code}</pre>
      <button class="main" onClick=${() => copy(code, "The code is")}><${Icon} name="copy" />Copy</button>
    </dialog>`;
}
