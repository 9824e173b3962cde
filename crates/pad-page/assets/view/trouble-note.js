// What went wrong with an answer, and a button to try again.

import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { html } from "../html.js";
import { asking } from "../key.js";

export function TroubleNote({ answer, onretry }) {
  const trouble = answer.trouble.value;
  const left = useSignal(0);
  useEffect(() => {
    left.value = trouble?.retry ?? 0;
    const timer = setInterval(() => (left.value = Math.max(0, left.value - 1)), 1000);
    return () => clearInterval(timer);
  }, [trouble]);
  if (!trouble) return null;
  return html`
    <div class="trouble" role="alert">
      <p>${trouble.message}</p>
      ${trouble.kind === "key" && html`<button onClick=${() => (asking.value = true)}>Enter a key</button>`}
      ${onretry && (trouble.retry !== null || trouble.kind === "key") && html`
        <button onClick=${onretry}>${left.value > 0 ? `Try again (${left.value} s)` : "Try again"}</button>`}
    </div>`;
}
