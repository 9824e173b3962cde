// A link that holds a prompt and what both panes prefer. It is in the fragment, which browsers do not send.

import { read } from "./preference.js";
import { sides } from "./settings.js";

const encoded = (text) => btoa(String.fromCodePoint(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decoded = (text) => new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.codePointAt(0)));

/** The address of this page with a prompt. */
export function link(prompt) {
  const address = new URL(location.href);
  address.hash = `ask=${encoded(JSON.stringify({ prompt, sides: sides.value }))}`;
  return address.href;
}

/** What the address holds: `{prompt, sides}`, or null. The model's dimensions have to be known by now. */
export function linked() {
  const [, text] = location.hash.match(/^#ask=([\w-]+)$/) ?? [];
  if (!text) return null;
  try {
    const { prompt, sides } = JSON.parse(decoded(text));
    return { prompt: String(prompt), sides: [0, 1].map((side) => read(sides?.[side])) };
  } catch {
    return null;
  }
}
