// Copying, as far as the browser lets a page do it: on plain HTTP from another machine it does not.

import { notice } from "./library.js";

/** Copy a text, and tell the reader what is in the clipboard now. */
export async function copy(text, said) {
  try {
    await navigator.clipboard.writeText(text);
    notice.value = `${said} in the clipboard.`;
  } catch {
    notice.value = "The browser does not let this page copy. Select the text and copy it yourself.";
  }
}
