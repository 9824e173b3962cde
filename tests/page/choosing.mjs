// Profiles: node choosing.mjs URL FOLDER. Pictures go to the folder. Prints `ok` at its end.

import assert from "node:assert/strict";
import { ask, limit, open, preset, reads, settled, shows, start } from "./browser.mjs";
import { accessible, picture } from "./looks.mjs";

const [url, folder] = process.argv.slice(2);
const browser = await start();

/** A pane prefers what somebody's profile does. */
async function stored() {
  const seen = await open(browser, url);
  const { page } = seen;
  const profile = `${url}v1/preferences/profiles/a%20reader`;
  await page.request.put(profile, { data: { preference: { concise: 1.5 } } });
  await page.reload();
  await page.getByLabel("As a stored profile").selectOption("a reader");
  await shows(() => page.getByRole("slider", { name: "concise" }).inputValue(), "1.5");
  await preset(page, "Warm").click();
  await shows(() => page.getByLabel("As a stored profile").inputValue(), "");
  await page.request.delete(profile);
  seen.quiet();
  await seen.context.close();
}

/** The reader chooses between the panes, and answers the server's questions; both teach one profile. */
async function prefer() {
  const seen = await open(browser, url);
  const { page } = seen;
  await preset(page, "Brief").waitFor();
  const learned = page.getByRole("region", { name: "Learned from your choices" });
  await learned.getByText("Choose between two answers").waitFor();
  await limit(page, 24);
  await ask(page, "What is a volcano?");
  await settled(page);
  const choice = page.getByRole("group", { name: "Which do you prefer?" });
  await choice.getByRole("button", { name: "Right" }).click();
  await page.getByText("You prefer the right one.").waitFor();
  await learned.getByText("One choice").waitFor();
  const bars = () => learned.getByRole("img").evaluateAll((all) => all.map((one) => one.getAttribute("aria-label")));
  const one = await bars();
  assert.ok(one.length > 2 && one.every((label) => /^-?\d+\.\d, give or take \d+\.\d$/.test(label)), one.join("; "));
  await accessible(page, "with a choice");
  await page.getByRole("button", { name: "Undo" }).click();
  await choice.waitFor();
  await learned.getByText("No choice yet").waitFor();
  await choice.getByRole("button", { name: "Left" }).click();
  await learned.getByText("One choice").waitFor();
  await shows(async () => (await bars()).some((label, at) => label !== one[at]), true, "the other choice says something else");
  await learned.getByRole("button", { name: "Ask me" }).click();
  const dialog = page.getByRole("dialog", { name: "Which do you prefer?" });
  await dialog.getByRole("button", { name: "This one" }).first().waitFor();
  await accessible(page, "a question");
  await picture(page, folder, "question");
  await dialog.getByRole("button", { name: "This one" }).first().click();
  await dialog.getByText("2 choices so far").waitFor();
  await dialog.getByRole("button", { name: "Close" }).click();
  await learned.getByText("2 choices").waitFor();
  await picture(page, folder, "learned");
  await page.reload();
  await learned.getByText("2 choices").waitFor();
  await learned.getByRole("button", { name: "Keep these weights" }).click();
  await page.getByText("The profile begins with").waitFor();
  await learned.getByRole("button", { name: "Use it" }).click();
  await reads(() => page.locator(".side.on b").innerText(), /[+−]/, "the pane has the learned weights");
  await learned.getByRole("button", { name: "Forget" }).click();
  await learned.getByText("Choose between two answers").waitFor();
  seen.quiet();
  await seen.context.close();
}

await stored();
await prefer();
await browser.close();
console.log("ok");
