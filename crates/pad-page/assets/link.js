// A link that holds a prompt, what both panes prefer and how answers are made. It is in the fragment, which browsers do not send.

import { within } from "./guidance.js";
import * as making from "./making.js";
import { read } from "./preference.js";
import { choices, sides } from "./settings.js";

const encoded = (text) => btoa(String.fromCodePoint(...new TextEncoder().encode(text))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
const decoded = (text) => new TextDecoder().decode(Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (c) => c.codePointAt(0)));

/** The address of this page with a prompt, and with how answers are made now. */
export function link(prompt) {
  const address = new URL(location.href);
  address.hash = `ask=${encoded(JSON.stringify({ prompt, sides: sides.value, making: choices() }))}`;
  return address.href;
}

/** What the address holds: `{prompt, sides, making}`, or null. The model's dimensions have to be known by now. */
export function linked() {
  const [, text] = location.hash.match(/^#ask=([\w-]+)$/) ?? [];
  if (!text) return null;
  try {
    const { prompt, sides, making: made } = JSON.parse(decoded(text));
    const how = made ? making.read(made, choices()) : choices();
    return { prompt: String(prompt), sides: [0, 1].map((side) => read(sides?.[side])), making: { ...how, guidance: within(how.guidance) } };
  } catch {
    return null;
  }
}
