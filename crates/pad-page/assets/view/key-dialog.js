// Asks for the API key, if the server requires one.

import { useEffect, useRef } from "preact/hooks";
import { html } from "../html.js";
import { asking, enter, key, refused } from "../key.js";
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
    [asking.value, refused.value] = [false, false];
    load().then(loadProfile);
  };
  return html`
    <dialog ref=${dialog} aria-labelledby="key-title" onCancel=${() => (asking.value = false)}>
      <form onSubmit=${use}>
        <h2 id="key-title">API key</h2>
        ${refused.value
          ? html`<p class="trouble" role="alert">The server does not accept this key.</p>`
          : html`<p>This server answers only those who have a key: the one that it was started with, or one that you were given.</p>`}
        <p class="hint">The page sends it to this server only.</p>
        <input name="key" type="password" autocomplete="off" aria-label="API key" defaultValue=${key.value} />
        <label class="check"><input name="remember" type="checkbox" />Remember it in this browser</label>
        <div class="pair"><button class="main">Use it</button><button type="button" onClick=${() => (asking.value = false)}>Cancel</button></div>
      </form>
    </dialog>`;
}
