// The API key that the reader entered, if the server requires one. It is kept until the tab is closed, or longer if the reader says so.

import { signal } from "@preact/signals";

const NAME = "pad.key";

function kept(storage) {
  try {
    return storage.getItem(NAME);
  } catch {
    return null;
  }
}

export const key = signal(kept(sessionStorage) ?? kept(localStorage) ?? "");

/** Whether the dialog that asks for the key is open. */
export const asking = signal(false);

/** Whether the server did not accept the key that was entered. */
export const refused = signal(false);

/** Use a key from now on; keep it beyond this tab where `remember` says so. */
export function enter(value, remember) {
  key.value = value.trim();
  for (const [storage, keep] of [[sessionStorage, true], [localStorage, remember]]) {
    try {
      if (keep && key.value) storage.setItem(NAME, key.value);
      else storage.removeItem(NAME);
    } catch {
      // A browser that keeps nothing: the key holds until the page is left.
    }
  }
}
