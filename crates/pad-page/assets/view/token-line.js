// The tokens of an answer as elements. They are added as they come, outside of Preact: an answer has thousands, and only its end changes.

import { within } from "../difference.js";
import { tintOf } from "../tint.js";

export class TokenLine {
  constructor(box) {
    this.box = box;
    this.clear(null, "");
  }

  /** Show the trace: tinted by the weighted reward or by one dimension, and with the words in `shared` (ranges, or null) set back. */
  update(trace, tint, shared, ended) {
    if (trace !== this.trace || tint !== this.tint) this.clear(trace, tint);
    const column = trace.dimensions.indexOf(tint);
    while (this.elements.length < trace.length) this.add(trace.tokens[this.elements.length], column);
    if (shared !== this.shared) this.setBack(shared);
    this.elements.at(-1)?.classList.toggle("end", ended && trace.tokens.at(-1).text === "");
  }

  clear(trace, tint) {
    [this.trace, this.tint, this.shared, this.at] = [trace, tint, null, null];
    this.elements = [];
    this.places = new Map();
    this.paragraph = null;
    this.box.replaceChildren();
  }

  /** Each paragraph is a block of its own, so that the browser lays out only the last one anew. */
  add(token, column) {
    if (!this.paragraph) {
      this.paragraph = document.createElement("div");
      this.box.append(this.paragraph);
    }
    const element = this.token(token, column);
    this.places.set(element, this.elements.length);
    this.elements.push(element);
    this.paragraph.append(element);
    if (token.text.endsWith("\n")) this.paragraph = null;
  }

  token(token, column) {
    const element = document.createElement("span");
    const reward = column < 0 ? token.reward : token.rewards[column];
    const tint = this.tint !== "reward" && column < 0 ? "" : tintOf(reward);
    element.className = "t";
    // The blanks around a word stay without colour, so that none hangs on at the end of a line.
    const word = document.createElement("b");
    word.className = ["w", tint, token.overruled && "over", token.mine && "mine"].filter(Boolean).join(" ");
    word.textContent = token.text.trim();
    const [before, after] = [token.text.length - token.text.trimStart().length, token.text.trimEnd().length];
    // Nor is there one for blanks alone: behind the end of a line it would begin another.
    if (before < after || token.text === "") element.append(token.text.slice(0, before), word, token.text.slice(after));
    else element.append(token.text);
    return element;
  }

  setBack(ranges) {
    this.shared = ranges;
    const marks = ranges && within(this.trace.tokens.map((token) => token.text), ranges);
    this.elements.forEach((element, index) => element.classList.toggle("common", Boolean(marks?.[index])));
  }

  /** Mark the token that is being explained; null: none. */
  point(index) {
    this.at?.classList.remove("at");
    this.at = index === null ? null : (this.elements[index] ?? null);
    this.at?.classList.add("at");
  }

  /** The number of the token that an event came from, or null. */
  indexOf(target) {
    return this.places.get(target.closest?.(".t")) ?? null;
  }
}
