// A conversation: turns, each with a prompt and, for each of the two panes, the versions of its answer.

import { signal } from "@preact/signals";
import { Answer } from "./answer.js";
import { randomName } from "./random-name.js";

const name = () => randomName(8);

/** The versions of one pane's answer to one prompt, and which of them is shown. */
export class Lane {
  constructor(versions = [], at = 0) {
    this.versions = signal(versions);
    this.at = signal(at);
  }

  /** The version that is shown, or undefined. */
  get shown() {
    return this.versions.value[this.at.value];
  }

  /** Show a further version. */
  add(answer) {
    this.versions.value = [...this.versions.value, answer];
    this.at.value = this.versions.value.length - 1;
  }
}

export class Turn {
  constructor(prompt, lanes = [new Lane(), new Lane()]) {
    this.id = name();
    this.prompt = prompt;
    this.lanes = lanes;
  }

  toJSON() {
    return { prompt: this.prompt, lanes: this.lanes.map((lane) => ({ at: lane.at.peek(), versions: lane.versions.peek() })) };
  }

  static read(json) {
    const lane = ({ at, versions }) => new Lane(versions.map(Answer.read), Math.min(Math.max(0, Number(at) || 0), Math.max(0, versions.length - 1)));
    const [left, right] = json.lanes;
    return new Turn(String(json.prompt), [lane(left), lane(right)]);
  }
}

export class Conversation {
  constructor(turns = [], id = name(), created = Date.now()) {
    this.id = id;
    this.created = created;
    this.turns = signal(turns);
  }

  /** What it is listed under: its first prompt. */
  get title() {
    return this.turns.value[0]?.prompt.trim().slice(0, 80) || "New conversation";
  }

  /** What the model reads before it answers turn `at` in one pane. Where that pane has no answer, the other's stands in. */
  messages(at, side) {
    return this.turns.value.slice(0, at + 1).flatMap((turn, index) => {
      const prompt = { role: "user", content: turn.prompt };
      if (index === at) return [prompt];
      const answer = turn.lanes[side].shown ?? turn.lanes[1 - side].shown;
      return answer?.text ? [prompt, { role: "assistant", content: answer.text }] : [prompt];
    });
  }

  /** A conversation that shares what came before turn `end` and goes its own way from there. */
  branch(end) {
    return new Conversation(this.turns.value.slice(0, end).map((turn) => Turn.read(JSON.parse(JSON.stringify(turn)))));
  }

  /** All answers. */
  get answers() {
    return this.turns.value.flatMap((turn) => turn.lanes.flatMap((lane) => lane.versions.value));
  }

  toJSON() {
    return { id: this.id, created: this.created, turns: this.turns.peek() };
  }

  /** What `toJSON` made. Throws where it is something else. */
  static read(json) {
    return new Conversation(json.turns.map(Turn.read), String(json.id), Number(json.created) || Date.now());
  }
}
