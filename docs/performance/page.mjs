// What the page costs a reader: first paint, weight, and frames a second while a long answer streams into two panes.
//
//   cp docs/performance/page.mjs tests/page/browser.mjs target/tmp/page/ && node target/tmp/page/page.mjs http://127.0.0.1:8080/ 4000
//
// target/tmp/page has playwright-core once the page's tests have run. The figures are the browser's own: paint entries, transferred bytes,
// and the times of animation frames.

import { ask, limit, open, preset, start } from "./browser.mjs";

const [url, tokens] = [process.argv[2], Number(process.argv[3] ?? 4000)];
const browser = await start();

const paints = [];
let weight = 0;
for (let round = 0; round < 5; round++) {
  const { page, context } = await open(browser, url);
  await preset(page, "Brief").waitFor();
  const seen = await page.evaluate(() => ({
    paint: performance.getEntriesByName("first-contentful-paint")[0].startTime,
    bytes: [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")]
      .filter(({ name }) => !name.includes("/v1/")).reduce((sum, { transferSize }) => sum + transferSize, 0),
  }));
  paints.push(Math.round(seen.paint));
  weight = seen.bytes;
  await context.close();
}
console.log(`first contentful paint: ${paints.join(", ")} ms; page weight ${Math.round(weight / 1000)} kB`);

const { page, context } = await open(browser, url);
await preset(page, "Brief").waitFor();
await limit(page, tokens);
await page.evaluate(() => {
  window.frames_ = [];
  const next = (now) => {
    window.frames_.push(now);
    requestAnimationFrame(next);
  };
  requestAnimationFrame(next);
});
await ask(page, "Write a very long story about a lighthouse, with many chapters.");
await page.waitForFunction(() => document.querySelector('[aria-busy="true"]'));
const begun = await page.evaluate(() => window.frames_.length);
await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'), null, { timeout: 600_000 });
const { times, shown } = await page.evaluate(() => ({ times: window.frames_, shown: document.querySelectorAll(".t").length }));
const gaps = times.slice(begun).map((time, at, all) => (at ? time - all[at - 1] : 0)).slice(1).sort((one, other) => one - other);
const at = (share) => gaps[Math.floor(share * gaps.length)].toFixed(1);
const seconds = (times.at(-1) - times[begun]) / 1000;
console.log(`${shown} tokens in two panes, ${seconds.toFixed(0)} s: ${(gaps.length / seconds).toFixed(1)} frames/s; a frame takes ${at(0.5)} ms at the median, ${at(0.95)} at the 95th percentile, ${at(0.99)} at the 99th`);
await context.close();
await browser.close();
