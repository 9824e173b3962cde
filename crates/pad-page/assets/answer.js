// One answer: asked for, streamed, and kept with what is known about each of its tokens.

import { signal } from "@preact/signals";
import * as making from "./making.js";
import { kept, read, wire } from "./preference.js";
import * as server from "./server.js";
import { model } from "./steering.js";
import { Trace } from "./trace.js";
import { Trouble } from "./trouble.js";

let count = 0;

/** Whether an answer is still coming. */
export const isRunning = (answer) => answer.state.value === "waiting" || answer.state.value === "streaming";

export class Answer {
  /** `preference` and `settings` (see `making.js`) are those that it is made with. */
  constructor(preference, settings) {
    this.id = `answer-${++count}`;
    this.preference = preference;
    this.settings = settings;
    this.trace = new Trace();
    this.text = "";
    this.model = model.value?.id ?? "";
    this.usage = null;
    /** "stop", "length", or null while it is not complete. */
    this.finish = null;
    /** Seconds from the request to the first token, and from that to the end. */
    this.timing = { first: 0, rest: 0, tokens: 0 };
    /** "waiting", "streaming", "done", "stopped" or "failed". */
    this.state = signal("done");
    this.trouble = signal(null);
    /** Counts what was added; at most once for each frame of the screen. */
    this.version = signal(0);
    this.control = null;
    this.frame = 0;
  }

  /** The body of the request that makes it, after these messages. */
  request(messages) {
    const before = making.told(this.settings, messages);
    const body = { model: this.model, messages: before, ...making.wire(this.settings), preference: wire(this.preference) };
    if (this.text) body.messages = [...before, { role: "assistant", content: this.text }];
    if (this.text) body.continue_final_message = true;
    return body;
  }

  /** Ask for it, or for more of it where there is some. Resolves when it has ended, however it did. */
  async run(messages) {
    // A conversation may be older than the server's model, which then has its own dimensions.
    [this.model, this.preference] = [model.value?.id ?? this.model, read(this.preference)];
    const body = this.request(messages);
    body.pad = { ...body.pad, trace: true };
    const [begun, before] = [performance.now(), this.trace.length];
    let first = null;
    this.control = new AbortController();
    [this.state.value, this.trouble.value, this.finish] = ["waiting", null, null];
    try {
      for await (const chunk of server.chat(body, this.control.signal)) {
        if (chunk.choices.length > 0 && this.take(chunk.choices[0])) first ??= performance.now();
        if (chunk.usage) this.usage = chunk.usage;
        const now = performance.now();
        if (first) this.timing = { first: (first - begun) / 1000, rest: (now - first) / 1000, tokens: this.trace.length - before };
      }
      this.state.value = "done";
    } catch (error) {
      const stopped = error.name === "AbortError";
      this.trouble.value = stopped ? null : error instanceof Trouble ? error : new Trouble(`The page met a fault of its own: ${error.message}`);
      this.state.value = stopped ? "stopped" : "failed";
    }
    this.show();
  }

  /** Add a part of the answer; whether it had any. */
  take({ delta, pad, finish_reason: finish }) {
    for (const token of pad?.trace ?? []) this.trace.push(token);
    this.text += delta.content ?? "";
    this.finish = finish ?? this.finish;
    if (!delta.content && !pad) return false;
    if (this.state.peek() === "waiting") this.state.value = "streaming";
    this.frame ||= requestAnimationFrame(() => this.show());
    return true;
  }

  /** How many words it has by now. */
  get words() {
    return this.text.split(/\s+/).filter(Boolean).length;
  }

  show() {
    cancelAnimationFrame(this.frame);
    this.frame = 0;
    this.version.value += 1;
  }

  stop() {
    this.control?.abort();
  }

  /** Have it scored by what another answer prefers, so that the two can be compared. It stays as it is where that fails. */
  async score(messages, preference) {
    const complete = this.finish === "stop";
    const asked = [...making.told(this.settings, messages), { role: "assistant", content: this.text }];
    const scored = await server.rewards({ model: this.model, messages: asked, preference: wire(preference), complete, per_token: true }).catch(() => null);
    if (!scored) return;
    // Words are a dimension of their own, whose name here is that of traces.
    const byWords = preference.words !== undefined;
    const tokens = byWords ? scored.per_token.map(({ text, rewards }) => ({ text, rewards: { principle: Object.values(rewards)[0] } })) : scored.per_token;
    this.trace = this.trace.rewarded(tokens, byWords ? { principle: 1 } : wire(preference));
    this.show();
  }

  /** Another answer that has the tokens before `index` and then the candidate of this rank; it has yet to be run. */
  branch(index, rank, settings) {
    const other = new Answer(this.preference, settings);
    other.trace = this.trace.with(index, rank);
    other.text = other.trace.text;
    return other;
  }

  toJSON() {
    const { preference, settings, trace, text, model, usage, finish, timing } = this;
    const state = isRunning(this) ? "stopped" : this.state.peek();
    return { preference, settings, trace, text, model, usage, finish, timing, state, trouble: this.trouble.peek()?.message };
  }

  /** What `toJSON` made. Throws where it is something else. */
  static read(json) {
    const answer = new Answer(kept(json.preference), making.read(json.settings, { temperature: 1, seed: 0, length: 1 }));
    answer.trace = Trace.read(json.trace);
    answer.text = String(json.text);
    answer.model = String(json.model);
    answer.usage = Number.isFinite(json.usage?.pad?.mean_kl) ? json.usage : null;
    answer.finish = ["stop", "length"].includes(json.finish) ? json.finish : null;
    answer.timing = { first: Number(json.timing.first), rest: Number(json.timing.rest), tokens: Number(json.timing.tokens) };
    answer.state.value = ["done", "stopped", "failed"].includes(json.state) ? json.state : "stopped";
    if (json.trouble) answer.trouble.value = new Trouble(String(json.trouble), { retry: 0 });
    return answer;
  }
}
