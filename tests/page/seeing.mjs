// What a reader sees and does: node seeing.mjs URL FOLDER URL. Pictures go to the folder. The second server has a reward model that reads
// words. Prints `ok` at its end.

import assert from "node:assert/strict";
import { answerWith, ask, copied, exported, limit, open, pane, preset, reads, settled, shows, start, visit, words } from "./browser.mjs";
import { accessible, fits, picture } from "./looks.mjs";

const [url, folder, readsWords] = process.argv.slice(2);
const browser = await start();

async function compare({ page }) {
  await preset(page, "Brief").waitFor();
  await accessible(page, "before the first question");
  await picture(page, folder, "first");
  await limit(page, 32);
  await shows(() => preset(page, "Brief").getAttribute("aria-pressed"), "true");
  await preset(page, "Warm").click();
  await shows(() => page.getByLabel("cheerful").inputValue(), "1");
  await shows(() => page.getByLabel("concise").inputValue(), "0");
  await page.getByLabel("cheerful").fill("1.5");
  await page.getByRole("button", { name: "What is a volcano?" }).click();
  await page.waitForFunction(() => document.querySelectorAll(".answer .t").length > 2);
  await settled(page);
  await shows(() => pane(page, 0).getByRole("strong").innerText(), "Plain");
  await shows(() => pane(page, 1).getByRole("strong").innerText(), "cheerful +1.5");
  const [plain, steered] = [await words(pane(page, 0)), await words(pane(page, 1))];
  assert.ok(plain.trim() && steered.trim() && plain !== steered, "the preference makes a difference");
  assert.ok((await pane(page, 1).locator(".over").count()) > 0, "overruled words are marked");
  assert.ok((await pane(page, 1).locator(".w[class*=' p'], .w[class*=' n']").count()) > 0, "rewarded words are tinted");
  // The plain answer is scored afterwards, by what the other pane prefers; a line says what changed.
  await pane(page, 0).getByText(/^cheerful [+−]/).waitFor();
  await reads(() => page.locator(".comparison").innerText(), /Words\s+left\s+\d+[\s\S]*right\s+\d+[\s\S]*cheerful\s+left\s+[+−][\d.]+[\s\S]*right\s+[+−][\d.]+/i);
  await reads(() => pane(page, 1).locator(".figures").innerText(), /KL\s+\d+\.\d\d nats[\s\S]*tokens\/s/);
  await accessible(page, "with answers");
  await picture(page, folder, "desktop");
  return steered;
}

async function explain({ page }, steered) {
  const overruled = pane(page, 1).locator(".over").first();
  await overruled.hover();
  const panel = page.getByRole("region", { name: "Why this word" });
  await panel.getByText("Overruled:").waitFor();
  await overruled.click();
  // The base model's own choice, in place of the one that the rewards made.
  const others = panel.getByTitle("Go on from this word");
  const rows = panel.getByRole("row");
  assert.ok((await rows.count()) > 5 && (await others.count()) > 4);
  await reads(() => rows.nth(0).innerText(), /rank\s+log p\s+cheerful\s+score/);
  const index = await overruled.evaluate((word) => [...word.closest(".tokens").querySelectorAll(".t")].indexOf(word.closest(".t")));
  const before = (await pane(page, 1).locator(".t").allTextContents()).slice(0, index).join("");
  const first = panel.getByRole("row").filter({ has: page.getByRole("cell", { name: "1", exact: true }) });
  const choice = await first.getByRole("button").innerText();
  await first.getByRole("button").click();
  await settled(page);
  const gone = await pane(page, 1).locator(".t").allTextContents();
  assert.equal(gone.slice(0, index).join(""), before, "what was before stays");
  assert.equal(gone[index], choice.replace("␣", " ").replaceAll("⏎", "\n"));
  assert.ok(gone.length > index + 2, "it goes on");
  await shows(() => pane(page, 1).locator(".mine").count(), 1);
  await pane(page, 1).getByText("2/2").waitFor();
  await pane(page, 1).getByRole("button", { name: "Earlier version" }).click();
  await shows(() => words(pane(page, 1)), steered, "the answer as it was is kept");
  // The same with keys alone.
  await pane(page, 1).locator(".text").focus();
  await page.keyboard.press("End");
  await page.keyboard.press("ArrowLeft");
  await panel.locator(".context").waitFor();
  await shows(() => pane(page, 1).locator(".t.at").count(), 1);
  await page.keyboard.press("Escape");
  await shows(() => pane(page, 1).locator(".t.at").count(), 0);
}

async function again({ page }) {
  await pane(page, 1).getByRole("button", { name: "Again" }).click();
  await settled(page);
  await pane(page, 1).getByText("3/3").waitFor();
  const short = await words(pane(page, 1));
  await pane(page, 1).getByRole("button", { name: "Continue" }).click();
  await settled(page);
  const long = await words(pane(page, 1));
  assert.ok(long.startsWith(short.trimEnd()) && long.length > short.length, "the answer goes on where it ended");
  await ask(page, "And why?");
  await settled(page);
  await shows(() => page.locator(".turn").count(), 2);
  await page.locator(".turn").first().getByRole("button", { name: "Branch" }).click();
  await shows(() => page.locator(".turn").count(), 1);
  await shows(() => page.locator(".conversations li").count(), 2);
  await page.locator(".turn").getByRole("button", { name: "Edit" }).click();
  await page.getByLabel("Edited prompt").fill("What is a glacier?");
  await page.getByRole("button", { name: "Ask", exact: true }).first().click();
  await settled(page);
  await shows(() => page.locator(".asked p").innerText(), "What is a glacier?");
  await shows(() => page.locator(".conversations li").count(), 3);
}

async function stop({ page }) {
  await limit(page, 4000);
  await ask(page, "Tell me a very long story.");
  await page.waitForFunction(() => [...document.querySelectorAll(".turn:last-of-type .answer")].every((answer) => answer.querySelectorAll(".t").length > 1));
  await page.getByRole("button", { name: "Stop" }).click();
  await settled(page);
  await limit(page, 24);
}

async function sweep({ page }) {
  await page.getByLabel("Sweep").check();
  await page.getByRole("button", { name: "concise", exact: true }).click();
  await ask(page, "What is a volcano?");
  await settled(page);
  await shows(() => page.locator(".sweep .weight").allInnerTexts(), ["−2", "−1", "0", "+1", "+2"]);
  await accessible(page, "a sweep");
  await picture(page, folder, "sweep");
  await page.getByRole("button", { name: "cheerful", exact: true }).click();
  await page.getByRole("button", { name: "The same question, by cheerful" }).click();
  await settled(page);
  await shows(() => page.locator(".swept").innerText(), "Cheerful");
  await page.getByLabel("Compare").check();
}

async function carry({ page }) {
  const file = await exported(page);
  const before = await page.locator(".conversations li").allInnerTexts();
  const shown = await words(pane(page, 1));
  await page.reload();
  await shows(() => page.locator(".conversations li").allInnerTexts(), before, "they are kept");
  for (let left = before.length; left > 0; left--) await page.getByRole("button", { name: /^Delete/ }).first().click();
  await shows(() => page.locator(".conversations li").count(), 0);
  await page.getByLabel("Import").setInputFiles(file);
  await page.getByText(`${before.length} conversations were added.`).waitFor();
  await shows(() => page.locator(".conversations li").allInnerTexts(), before);
  await page.locator(".conversations .open").first().click();
  await shows(() => words(pane(page, 1)), shown);
  await page.getByLabel("Import").setInputFiles({ name: "x.json", mimeType: "application/json", buffer: Buffer.from("{}") });
  await page.getByText("holds no conversations").waitFor();
}

async function share({ page, context }) {
  const address = await copied(page, context);
  const code = page.getByRole("dialog").locator("pre");
  const opened = async () => {
    if (!(await code.count())) await pane(page, 1).getByRole("button", { name: "Code" }).click();
    return code.count();
  };
  await shows(opened, 1, "the code is shown");
  await reads(() => code.innerText(), /^curl http.*\/v1\/chat\/completions[\s\S]*"preference": \{\s*"cheerful": 1.5/);
  assert.doesNotMatch(await code.innerText(), /authorization/, "this server has no keys");
  await page.getByLabel("Python").check();
  await reads(() => code.innerText(), /extra_body=\{"preference": \{"cheerful": 1.5\}\}/);
  await page.getByLabel("JavaScript").check();
  await reads(() => code.innerText(), /await client\.chat\.completions\.create\(\{/);
  await page.keyboard.press("Escape");
  const other = await visit(browser, url, address);
  await other.page.getByText("cheerful +1.5", { exact: true }).waitFor();
  assert.notEqual(await other.page.getByLabel("Prompt", { exact: true }).inputValue(), "");
  other.quiet();
  await other.context.close();
}

/** The same question with another preference: what differs comes from it alone. */
async function anew({ page }) {
  await shows(() => page.getByRole("button", { name: /^Answer with/ }).count(), 0, "nothing else is preferred");
  await preset(page, "Brief").click();
  const asked = page.waitForRequest("**/v1/chat/completions");
  await pane(page, 1).getByRole("button", { name: "Answer with “Brief”" }).click();
  const { preference, seed } = (await asked).postDataJSON();
  assert.deepEqual([preference, seed], [{ concise: 1 }, 1]);
  await settled(page);
  await shows(() => pane(page, 1).getByRole("strong").innerText(), "Brief");
  await preset(page, "Warm").click();
  await page.getByRole("slider", { name: "cheerful" }).fill("1.5");
  await shows(() => page.getByRole("button", { name: /^Answer with/ }).count(), 0, "that was answered before");
}

/** A model can be made to write anything. */
async function hostile() {
  const seen = await open(browser, url);
  const { page } = seen;
  await preset(page, "Brief").waitFor();
  await answerWith(page, [
    "<img src=x onerror=\"window.harm = 1\">", "<script>window.harm = 2</script>", "<svg onload=window.harm=3>", "\n\n[a](javascript:window.harm=4) ",
    "[b](https://example.org/) [c](data:text/html,x)\n\n", "![d](https://example.org/d.png) <iframe src=https://example.org></iframe>", " <a href=\" javascript:harm()\" onclick=harm()>e</a>",
    "<form action=https://example.org><input name=q></form><style>body{display:none}</style>",
  ]);
  await page.getByRole("radio", { name: "Formatted" }).check();
  await ask(page, "<img src=x onerror=window.harm=5>");
  await settled(page);
  const answer = pane(page, 1);
  await answer.getByRole("link", { name: "b" }).waitFor();
  const found = await answer.evaluate((card) => ({
    tags: [...card.querySelectorAll(".text *")].map((one) => one.tagName).filter((tag) => !["P", "A", "BR"].includes(tag)),
    links: [...card.querySelectorAll(".text a")].map((one) => [one.getAttribute("href"), one.rel]),
    handlers: [...card.querySelectorAll(".text *")].flatMap((one) => [...one.attributes]).filter(({ name }) => name.startsWith("on")).length,
  }));
  assert.deepEqual(found.tags, []);
  assert.equal(found.handlers, 0);
  await reads(() => words(answer), /<img src=x onerror=[\s\S]*<script>/, "HTML is shown as text");
  assert.deepEqual(found.links.filter(([href]) => href), [["https://example.org/", "noopener noreferrer nofollow"]]);
  await page.getByRole("radio", { name: "Rewards" }).check();
  await reads(() => words(pane(page, 1)), /^<img src=x onerror/, "as text it is what it is");
  await shows(() => page.evaluate(() => window.harm), undefined);
  seen.quiet();
  await seen.context.close();
}

/** Every kind of reward model reads words. */
async function principle(server, sliders) {
  const seen = await open(browser, server);
  const { page } = seen;
  await preset(page, "Like a pirate").click();
  await shows(() => page.getByLabel("Or in your own words").inputValue(), "Answer like a pirate.");
  await limit(page, 16);
  await ask(page, "Why is the sky blue?");
  await settled(page);
  await shows(() => pane(page, 1).getByRole("strong").innerText(), "Like a pirate");
  // However many sliders there are, what explains a word is in sight.
  await shows(() => page.locator(".slider").count(), sliders, "as many as there is room for");
  await pane(page, 1).locator(".t").nth(1).click();
  const box = await page.getByRole("region", { name: "Why this word" }).boundingBox();
  assert.ok(box.y > 0 && box.y + box.height <= 900, JSON.stringify(box));
  for (const side of [0, 1]) await pane(page, side).getByText(/^principle [+−]/).waitFor();
  seen.quiet();
  await seen.context.close();
}

async function phone() {
  const seen = await open(browser, url, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 });
  const { page } = seen;
  await page.getByRole("group", { name: "Begin with" }).getByRole("button", { name: "Brief", exact: true }).waitFor();
  await fits(page);
  assert.equal(await page.locator(".scroller").evaluate((box) => box.scrollTop), 0, "it begins at the beginning");
  await page.getByRole("button", { name: "Preference" }).click();
  await limit(page, 24);
  await page.getByRole("button", { name: "Close" }).first().click();
  await ask(page, "Why is the sky blue?");
  await settled(page);
  await fits(page);
  await shows(() => page.getByRole("button", { name: "Latest" }).count(), 0, "the reader is at the end, and stays there while it grows");
  await page.locator(".scroller").evaluate((box) => box.scrollTo(0, 0));
  await page.getByRole("button", { name: "Latest" }).click();
  await shows(() => page.getByRole("button", { name: "Latest" }).count(), 0);
  await accessible(page, "on a phone");
  await picture(page, folder, "phone");
  await pane(page, 1).locator(".t").nth(1).tap();
  await page.getByRole("region", { name: "Why this word" }).waitFor();
  await fits(page);
  await picture(page, folder, "phone-word");
  seen.quiet();
  await seen.context.close();
}

async function dark() {
  const seen = await open(browser, url, { colorScheme: "dark", reducedMotion: "reduce" });
  const { page } = seen;
  await preset(page, "Brief").waitFor();
  await limit(page, 32);
  await ask(page, "What is a volcano?");
  await settled(page);
  await pane(page, 0).getByText(/^concise [+−]/).waitFor();
  await pane(page, 1).locator(".t").nth(1).click();
  await accessible(page, "in the dark");
  await picture(page, folder, "dark");
  seen.quiet();
  await seen.context.close();
}

const seen = await open(browser, url);
const steered = await compare(seen);
await explain(seen, steered);
await again(seen);
await anew(seen);
await stop(seen);
await sweep(seen);
await carry(seen);
await share(seen);
seen.quiet();
await seen.context.close();
await hostile();
await principle(url, 4);
await principle(readsWords, 6);
await phone();
await dark();
await browser.close();
console.log("ok");
