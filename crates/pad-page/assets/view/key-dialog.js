// Asks for the API key, if the server requires one.

import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { asking, enter, key } from "../key.js";
import { load as loadProfile } from "../profile.js";
import { load } from "../steering.js";

export function KeyDialog() {
  const dialog = useRef();
  useEffect(() => {
    if (asking.value && !dialog.current.open) dialog.current.showModal();
    if (!asking.value) dialog.current.close();
  }, [asking.value]);
  const use = (event) => {
    event.preventDefault();
    const given = new FormData(event.target);
    enter(given.get("key"), given.has("remember"));
    asking.value = false;
    load().then(loadProfile);
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="key-title" onCancel=${() => (asking.value = false)}>
      <form onSubmit=${use}>
        <h2 id="key-title">API key</h2>
        <p>The page sends it to this server only.</p>
        <input name="key" type="password" autocomplete="off" aria-label="API key" defaultValue=${key.value} />
        <label class="check"><input name="remember" type="checkbox" />Remember it in this browser</label>
        <div class="pair"><button class="main">Use it</button><button type="button" onClick=${() => (asking.value = false)}>Cancel</button></div>
      </form>
    </dialog>`;
}
