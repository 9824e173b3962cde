// How answers are made, whatever is preferred: node making.mjs URL FOLDER URL. Pictures go to the folder; the second server has a reward
// model that reads words, with many dimensions. Prints `ok` at its end.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { ask, copied, exported, limit, open, pane, preset, reads, settled, shows, start, visit, write } from "./browser.mjs";
import { accessible, fits, picture } from "./looks.mjs";

const [url, folder, readsWords] = process.argv.slice(2);
const browser = await start();

/** The page is painted before any of its modules is there. */
async function paint() {
  const { page, context } = await open(browser, "about:blank");
  await page.route("**/page/**", (route) => route.abort());
  await page.goto(url);
  const size = () => page.getByRole("heading", { name: "One model." }).evaluate((title) => parseFloat(getComputedStyle(title).fontSize));
  assert.ok((await size()) > 30, "the title has its style");
  await context.close();
}

/** A second visit fetches the page's frame, which is still the same, and nothing else. */
async function visitAgain() {
  const { page, context, quiet } = await open(browser, url);
  await preset(page, "Brief").waitFor();
  // What is fetched ahead of its use may come later; leaving before that would throw it away.
  await page.waitForLoadState("networkidle");
  await page.goto(url);
  await preset(page, "Brief").waitFor();
  const found = await page.evaluate(() => {
    const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
    return all.filter(({ name }) => !name.includes("/v1/")).map(({ name, transferSize }) => [name, transferSize]);
  });
  const fetched = found.filter(([, bytes]) => bytes > 0);
  assert.ok(found.length > 20 && fetched.length === 1 && fetched[0][1] < 2000, JSON.stringify(fetched));
  quiet();
  await context.close();
}

/** The bodies of all requests for answers from now on. */
function bodies(page) {
  const sent = [];
  page.on("request", (request) => request.url().endsWith("/v1/chat/completions") && sent.push(request.postDataJSON()));
  return sent;
}

const field = (page, name) => page.getByLabel(name, { exact: true });

const PAD = { guide_tokens: 3, loop_guard: 4, max_kl: 0.5, plausibility: 0.02, candidates: "union" };

async function guards(page) {
  await page.getByText("How answers are made").click();
  // What the server does not allow is not taken.
  await write(page, "Least plausibility", "2");
  await page.getByText("“Least plausibility” takes a number from 0 to 1.").waitFor();
  await shows(() => field(page, "Least plausibility").inputValue(), "0");
  await write(page, "No repeats of", "3.5");
  await page.getByText("“No repeats of” takes a whole number from 0 to 64.").waitFor();
  await write(page, "Least plausibility", "0.02");
  await write(page, "No repeats of", "4");
  await write(page, "Most KL per token", "0.5");
  await write(page, "Guide the first", "3");
  await field(page, "Proposed by").selectOption("union");
  await field(page, "System message").fill("You are a geologist.");
  await accessible(page, "the guards");
  await field(page, "Proposed by").scrollIntoViewIfNeeded();
  await picture(page, folder, "guards");
}

/** They are in the request, and wherever it goes: code, link, file. */
async function everywhere(page, context) {
  const sent = bodies(page);
  await ask(page, "What is a volcano?");
  await settled(page);
  await shows(async () => sent.length, 2);
  for (const { pad, messages } of sent) {
    const { trace, ...guards } = pad;
    assert.deepEqual([guards, trace], [PAD, true]);
    assert.deepEqual(messages[0], { role: "system", content: "You are a geologist." });
  }
  await reads(() => pane(page, 1).locator(".figures").innerText(), /candidates of all, plausibility 0.02, no repeats of 4, KL at most 0.5, guided tokens 3/);
  // Behind the guided tokens nothing is steered any more.
  await pane(page, 1).locator(".t").nth(12).click();
  await page.getByText(/^A guard lowered the strength of this word from 1 to 0/).waitFor();
  await page.keyboard.press("Escape");
  // The plain answer was not steered, though its rewards are shown.
  await page.locator("dl.comparison dt").nth(1).waitFor();
  await pane(page, 0).locator(".t").first().click();
  await page.getByRole("region", { name: "Candidates" }).waitFor();
  assert.equal(await page.getByText(/^A guard lowered/).count(), 0);
  await page.keyboard.press("Escape");
  await pane(page, 1).getByRole("button", { name: "Code" }).click();
  const code = page.getByRole("dialog").locator("pre");
  for (const [name, pattern] of [
    ["curl", /"pad": \{[\s\S]*"plausibility": 0.02[\s\S]*"candidates": "union"/],
    ["Python", /extra_body=\{.*"pad": \{.*"max_kl": 0.5/],
    ["JavaScript", /pad: \{|"pad": \{[\s\S]*"guide_tokens": 3/],
  ]) {
    await page.getByLabel(name, { exact: true }).check();
    await reads(() => code.innerText(), pattern, name);
    await reads(() => code.innerText(), /You are a geologist/, name);
  }
  await page.keyboard.press("Escape");
  const address = await copied(page, context);
  const file = await readFile(await exported(page));
  const { conversations: [{ turns: [{ lanes: [, { versions: [answer] }] }] }] } = JSON.parse(file);
  assert.deepEqual([answer.settings.guidance, answer.settings.system], [PAD, "You are a geologist."]);
  return { address, file };
}

/** Somebody else opens the link and the file. */
async function elsewhere({ address, file }) {
  const { page, context, quiet } = await visit(browser, url, address);
  await preset(page, "Brief").waitFor();
  await shows(() => page.getByLabel("Prompt", { exact: true }).inputValue(), "What is a volcano?");
  await page.getByText("How answers are made").click();
  const shown = { "Least plausibility": "0.02", "No repeats of": "4", "Most KL per token": "0.5", "Guide the first": "3", "Proposed by": "union", "System message": "You are a geologist." };
  for (const [name, value] of Object.entries(shown)) await shows(() => field(page, name).inputValue(), value, name);
  // Back to what the server does by itself; an empty limit is none.
  await write(page, "Most KL per token", "");
  await shows(() => page.evaluate(() => "max_kl" in JSON.parse(localStorage.getItem("pad.settings")).guidance), false);
  await page.getByRole("button", { name: "As the server has it" }).click();
  await shows(() => field(page, "Proposed by").inputValue(), "base");
  const sent = bodies(page);
  await page.getByLabel("System message").fill("");
  await ask(page, "Hi.");
  await settled(page);
  assert.deepEqual(sent[0].pad, { trace: true });
  assert.deepEqual(sent[0].messages.map(({ role }) => role), ["user"]);
  await page.locator('input[type="file"]').setInputFiles({ name: "conversations.json", mimeType: "application/json", buffer: file });
  await page.getByText("One conversation was added.").waitFor();
  await page.getByRole("button", { name: "What is a volcano?", exact: true }).click();
  await reads(() => pane(page, 1).locator(".figures").innerText(), /plausibility 0.02/);
  quiet();
  await context.close();
}

/** A reward model with many dimensions, on a small screen. */
async function many() {
  const { page, context, quiet } = await open(browser, readsWords, { viewport: { width: 360, height: 740 } });
  await page.getByRole("button", { name: "Preference" }).click();
  const more = page.getByRole("button", { name: /more dimensions$/ });
  await more.click();
  await more.waitFor({ state: "detached" });
  assert.ok((await page.locator(".slider").count()) > 7);
  await page.locator(".slider input").last().fill("-1");
  await page.getByText(/^Instead: /).waitFor();
  await fits(page);
  await accessible(page, "many dimensions");
  await picture(page, folder, "many");
  quiet();
  await context.close();
}

await paint();
await visitAgain();
const { page, context, quiet } = await open(browser, url);
await preset(page, "Brief").waitFor();
await limit(page, 24);
await guards(page);
const taken = await everywhere(page, context);
quiet();
await context.close();
await elsewhere(taken);
await many();
await browser.close();
console.log("ok");
