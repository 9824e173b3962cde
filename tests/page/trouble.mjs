// What a reader is told when something is wrong: node trouble.mjs URL KEY. The server has this key and one place. Prints `stop` to have
// it stopped, reads a line when it is, and prints `ok` at its end.

import assert from "node:assert/strict";
import { once } from "node:events";
import { ask, limit, open, pane, preset, reads, settled, shows, start, words } from "./browser.mjs";
import { accessible } from "./looks.mjs";

const [url, key] = process.argv.slice(2);
const browser = await start();
const { page, errors } = await open(browser, url);

// Without the key, and with a wrong one.
await page.getByRole("dialog").waitFor();
await accessible(page, "the question for a key");
await page.getByRole("textbox", { name: "API key" }).fill("wrong");
await page.getByRole("button", { name: "Use it" }).click();
await page.getByRole("dialog").getByText("does not accept this key").waitFor();
await accessible(page, "a key that is refused");
await page.keyboard.press("Escape");
await page.getByText("requires a valid API key").waitFor();
await page.getByRole("button", { name: "Enter a key" }).click();
await page.getByRole("textbox", { name: "API key" }).fill(key);
await page.getByRole("button", { name: "Use it" }).click();
await preset(page, "Brief").waitFor();
await shows(() => page.evaluate(() => localStorage.getItem("pad.key")), null, "not kept beyond the tab");

// One place for two panes: one of them is told so, and tries again. The answers are long enough to meet.
await limit(page, 48);
await ask(page, "What is a volcano?");
await settled(page);
const full = page.locator(".answer").filter({ hasText: "The server is full" });
await shows(() => full.count(), 1);
await full.getByRole("button", { name: /^Try again/ }).click();
await settled(page);
await shows(() => full.count(), 0);
for (const side of [0, 1]) await reads(() => words(pane(page, side)), /\S/);
await pane(page, 1).getByRole("button", { name: "Code" }).click();
await reads(() => page.getByRole("dialog").locator("pre").innerText(), /Bearer \$PAD_API_KEY/, "where the key goes, and not the key");
await page.keyboard.press("Escape");

// The server ends in the middle of an answer, and is gone after that.
await page.getByLabel("One", { exact: true }).check();
await limit(page, 4000);
await ask(page, "Tell me a very long story.");
await shows(() => page.locator(".turn").count(), 2);
const last = page.locator(".turn").last();
// The place of the answer before may be taken a moment longer.
const begun = async () => {
  if (await last.getByText("The server is full").count()) await last.getByRole("button", { name: /^Try again/ }).click();
  return (await last.locator(".t").count()) > 2;
};
await shows(begun, true, "the story begins");
console.log("stop");
await once(process.stdin, "data");
process.stdin.pause();
await last.getByText(/shutting down|connection was lost/).waitFor();
assert.ok((await last.locator(".t").count()) > 2, "what came is kept");
await last.getByRole("button", { name: /^Try again/ }).click();
await last.getByText("The server cannot be reached").waitFor();
await page.getByRole("radio", { name: "Compare" }).check();
await ask(page, "Is anybody there?");
await shows(() => page.locator(".turn").last().getByText("The server cannot be reached").count(), 2);
await shows(() => page.getByText("Both answers are the same").count(), 0, "there are none");
await accessible(page, "a server that is gone");

// The browser itself reports requests that failed, and nothing else is reported.
assert.deepEqual(errors.filter((error) => !error.startsWith("Failed to load resource")), []);
await browser.close();
console.log("ok");
