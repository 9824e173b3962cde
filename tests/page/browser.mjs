// A browser as a reader has one, watched: what it asks for, what it reports.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { delimiter, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { chromium } from "playwright-core";

/** How long anything may take. Far more than is needed. */
const PATIENCE = 60_000;

/** The browser among the programs of this machine. */
function browser() {
  const folders = (process.env.PATH ?? "").split(delimiter);
  const found = folders.map((folder) => join(folder, "chromium")).find((path) => existsSync(path));
  assert.ok(found, "chromium is installed (Debian's package of that name)");
  return found;
}

/** Start Chromium. Its sandbox is left out: tests may run as root in a container, where it does not start. */
export const start = () => chromium.launch({ executablePath: browser(), args: ["--no-sandbox", "--disable-gpu"] });

/** Open the page in a browser profile of its own. `errors` are those that it reported. */
export async function open(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, acceptDownloads: true, ...options });
  context.setDefaultTimeout(PATIENCE);
  const errors = [];
  const elsewhere = [];
  context.on("request", (request) => {
    const own = request.url().startsWith(url) || /^(blob|data):/.test(request.url());
    if (!own) elsewhere.push(request.url());
  });
  const page = await context.newPage();
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && errors.push(message.text()));
  page.on("pageerror", (error) => errors.push(String(error.stack ?? error)));
  page.on("dialog", (dialog) => {
    errors.push(`a dialog: ${dialog.message()}`);
    dialog.dismiss();
  });
  await page.goto(url);
  const quiet = () => {
    assert.deepEqual(errors, [], "the browser reports nothing");
    assert.deepEqual(elsewhere, [], "the page asks nobody but its server");
  };
  return { page, context, errors, quiet };
}

/** A preset of the preference panel. */
export const preset = (page, name) => page.getByRole("group", { name: "Presets" }).getByRole("button", { name, exact: true });

/** Write into a field, and leave it. */
export async function write(page, name, value) {
  const field = page.getByLabel(name, { exact: true });
  await field.fill(value);
  await field.blur();
}

/** The link of the last turn, as the clipboard has it. */
export async function copied(page, context) {
  await context.grantPermissions(["clipboard-read", "clipboard-write"]);
  await page.locator(".turn").last().getByRole("button", { name: "Link" }).click();
  await page.getByText("A link with the prompt").waitFor();
  return page.evaluate(() => navigator.clipboard.readText());
}

/** The path of a file with all conversations. */
export async function exported(page) {
  const saved = page.waitForEvent("download");
  await page.getByRole("button", { name: "Export" }).click();
  return (await saved).path();
}

/** Open a link in a browser profile of its own. A change of the fragment alone would not load the page anew. */
export async function visit(browser, url, address) {
  const seen = await open(browser, url);
  await seen.page.goto("about:blank");
  await seen.page.goto(address);
  return seen;
}

/** Keep answers short: the tests are about the page. */
export async function limit(page, tokens) {
  await page.getByText("How answers are made").click();
  await write(page, "Most tokens", String(tokens));
  await page.getByText("How answers are made").click();
}

/** Write a prompt and send it. */
export async function ask(page, prompt) {
  await page.getByLabel("Prompt", { exact: true }).fill(prompt);
  await page.getByLabel("Prompt", { exact: true }).press("Enter");
}

/** Wait until no answer is coming any more. A click's effect is drawn in the frame after it. */
export const settled = async (page) => {
  await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
  await page.waitForFunction(() => document.querySelectorAll(".answer").length > 0 && !document.querySelector('[aria-busy="true"]'));
};

/** Wait until what is read from the page is as expected: it follows a click a little later. */
export async function shows(read, expected, why) {
  const end = Date.now() + PATIENCE;
  let found = await read();
  while (!isDeepStrictEqual(found, expected) && Date.now() < end) {
    await new Promise((next) => setTimeout(next, 20));
    found = await read();
  }
  assert.deepEqual(found, expected, why);
}

/** Wait until the text that is read matches. */
export async function reads(read, pattern, why) {
  await shows(async () => pattern.test(await read()) || (await read()), true, why);
}

/** The answer in a pane of the last turn, 0 or 1. */
export const pane = (page, side) => page.locator(".turn").last().locator(`.answer.side-${side}`);

/** The text of an answer. */
export const words = (answer) => answer.locator(".text").innerText();

/** Serve a made-up answer to every question from now on: these tokens, each explained by itself. */
export async function answerWith(page, texts) {
  const chunk = (delta, more) => ({ id: "c", object: "chat.completion.chunk", created: 1, model: "m", choices: [{ index: 0, delta, finish_reason: null, ...more }] });
  const trace = (text) => [{ token: 1, text, base_rank: 0, base_logprob: -0.1, rewards: {}, reward: 0, score: -0.1, candidates: [{ token: 1, text, base_logprob: -0.1, rewards: {}, reward: 0, score: -0.1 }] }];
  const events = texts.map((text) => chunk({ content: text }, { pad: { trace: trace(text) } }));
  events.push(chunk({}, { finish_reason: "stop" }));
  const body = [...events.map((event) => JSON.stringify(event)), "[DONE]"].map((data) => `data: ${data}\n\n`).join("");
  await page.route("**/v1/chat/completions", (route) => route.fulfill({ status: 200, contentType: "text/event-stream", body }));
}
