// What the page costs a reader: first paint, weight, a second visit, and frames a second while a long answer streams into two panes.
//
//   cp docs/performance/page.mjs tests/page/browser.mjs target/tmp/page/
//   node target/tmp/page/page.mjs http://127.0.0.1:8080/ 4000        the server's own answers, which share the processor with the browser
//   node target/tmp/page/page.mjs http://127.0.0.1:8080/ 4000 50     one answer of the server's, repeated at 50 tokens a second in each pane
//
// target/tmp/page has playwright-core once the page's tests have run. The figures are the browser's own: paint entries, transferred bytes,
// and the times of animation frames.

import { createServer, request } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { ask, limit, open, preset, start } from "./browser.mjs";

const server = process.argv[2];
const [tokens, rate] = [Number(process.argv[3] ?? 4000), Number(process.argv[4] ?? 0)];
const COMPLETIONS = "v1/chat/completions";

/** The events of one steered answer of the server's, with its candidates. */
async function recorded() {
  const { data } = await (await fetch(new URL("v1/preferences", server))).json();
  const body = { messages: [{ role: "user", content: "Write a story." }], stream: true, max_tokens: 200, ignore_eos: true, seed: 1, pad: { trace: true }, preference: { [data[0].name]: 1 } };
  const answer = await fetch(new URL(COMPLETIONS, server), { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  const events = (await answer.text()).split("\n\n").filter((event) => event.startsWith("data: {"));
  return events.filter((event) => JSON.parse(event.slice(6)).choices[0]?.pad);
}

/** A server before the server, which answers questions by itself: the same events again and again. */
async function front() {
  const events = await recorded();
  const end = events.at(-1).replace(/"finish_reason":null/, '"finish_reason":"length"');
  const repeat = async (response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    const begun = performance.now();
    for (let sent = 0; sent < tokens && !response.destroyed; sent++) {
      await pause(Math.max(0, begun + (1000 * sent) / rate - performance.now()));
      response.write(`${sent === tokens - 1 ? end : events[sent % events.length]}\n\n`);
    }
    response.end("data: [DONE]\n\n");
  };
  const listening = createServer((asked, response) => {
    if (asked.url.endsWith(COMPLETIONS)) return void repeat(response);
    const { host, origin, ...headers } = asked.headers;
    const passed = request(new URL(asked.url, server), { method: asked.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    asked.pipe(passed);
  });
  await new Promise((ready) => listening.listen(0, "127.0.0.1", ready));
  return { url: `http://127.0.0.1:${listening.address().port}/`, close: () => listening.close() };
}

const browser = await start();

/** What a visit cost: milliseconds to the first paint and until it can be used, kB, and files that were fetched. */
async function visited(page) {
  await preset(page, "Brief").waitFor();
  return page.evaluate(() => {
    const files = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")].filter(({ name }) => !name.includes("/v1/"));
    const paint = performance.getEntriesByName("first-contentful-paint")[0].startTime;
    return {
      paint: Math.round(paint), ready: Math.round(performance.now()), kB: Math.round(files.reduce((sum, { transferSize }) => sum + transferSize, 0) / 1000),
      fetched: files.filter(({ transferSize }) => transferSize > 0).length,
    };
  });
}

for (let round = 0; round < 5; round++) {
  const { page, context } = await open(browser, server);
  const first = await visited(page);
  await page.goto(server);
  console.log("first visit", JSON.stringify(first), "second", JSON.stringify(await visited(page)));
  await context.close();
}

const shown = rate > 0 ? await front() : { url: server, close: () => {} };
const { page, context } = await open(browser, shown.url);
await preset(page, "Brief").waitFor();
await limit(page, tokens);
// An answer that ends before its limit measures less.
await page.route(`**/${COMPLETIONS}`, (route) => route.continue({ postData: JSON.stringify({ ...route.request().postDataJSON(), ignore_eos: true }) }));
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
await page.waitForFunction(() => !document.querySelector('[aria-busy="true"]'), null, { timeout: 1_800_000, polling: 500 });
const { times, words } = await page.evaluate(() => ({ times: window.frames_, words: document.querySelectorAll(".t").length }));
const during = times.slice(begun);
const gaps = during.slice(1).map((time, at) => time - during[at]);
const rates = (from, to) => {
  const some = gaps.slice(Math.floor(from * gaps.length), Math.floor(to * gaps.length));
  return (1000 * some.length) / some.reduce((sum, gap) => sum + gap, 0);
};
const sorted = gaps.toSorted((one, other) => one - other);
const at = (share) => sorted[Math.floor(share * sorted.length)].toFixed(1);
console.log(`${words} tokens in two panes, ${((during.at(-1) - during[0]) / 1000).toFixed(0)} s: ${rates(0, 1).toFixed(1)} frames/s, ${rates(0.8, 1).toFixed(1)} in the last fifth; a frame takes ${at(0.5)} ms at the median, ${at(0.95)} at the 95th percentile, ${at(0.99)} at the 99th`);
await context.close();
await browser.close();
shown.close();
