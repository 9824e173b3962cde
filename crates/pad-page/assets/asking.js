// What the reader does: ask, ask again, go on, stop.

import { computed } from "@preact/signals";
import { Answer, isRunning } from "./answer.js";
import { announce } from "./announcer.js";
import { Turn } from "./conversation.js";
import { current, list, open } from "./library.js";
import { isPlain, quoted, same } from "./preference.js";
import * as settings from "./settings.js";
import * as sweep from "./sweep.js";

/** Whether any answer that is shown is still coming. */
export const running = computed(() => [...current.value.answers, ...sweep.answers.value].some(isRunning));

/** Whether there is an answer to be seen in the view that is open. */
export const asked = computed(() => (settings.view.value === "sweep" ? sweep.answers.value : current.value.turns.value).length > 0);

/** Which panes are shown. */
export const panes = computed(() => (settings.view.value === "one" ? [1] : [0, 1]));

async function run(conversation, at, side, answer) {
  await answer.run(conversation.messages(at, side));
  await compare(conversation, at);
  const ending = { done: "is complete", stopped: "was stopped", failed: "failed" }[answer.state.value];
  announce(`The answer ${quoted(answer.preference)} ${ending}. ${answer.trouble.value?.message ?? ""}`);
}

/** Where a plain answer stands beside one that is not, what the latter's preference makes of it. */
async function compare(conversation, at) {
  const answers = conversation.turns.value[at].lanes.map((lane) => lane.shown);
  const side = answers.findIndex((answer) => answer && isPlain(answer.preference));
  const [plain, other] = [answers[side], answers[1 - side]];
  const ready = side >= 0 && other && !isPlain(other.preference) && plain.state.value === "done" && other.state.value === "done";
  if (ready && plain.text) await plain.score(conversation.messages(at, side), other.preference);
}

/** Ask in each pane that is shown. The requests go out together, and the server decodes them in one batch. */
export function ask(prompt) {
  const conversation = current.value;
  const turn = new Turn(prompt);
  conversation.turns.value = [...conversation.turns.value, turn];
  list();
  announce("Asked.");
  const at = conversation.turns.value.length - 1;
  for (const side of panes.value) answerTurn(conversation, at, side);
}

/** A new version of the answer to turn `at` in one pane, with what the pane prefers now. */
export function answerTurn(conversation, at, side) {
  const lane = conversation.turns.value[at].lanes[side];
  const preference = settings.sides.value[side];
  // The first of a preference is comparable with the other pane's; each further one draws anew.
  const drawn = lane.versions.value.filter((version) => same(version.preference, preference)).length;
  const answer = new Answer(preference, settings.choices(settings.seed.value + drawn));
  lane.add(answer);
  return run(conversation, at, side, answer);
}

/** Ask again after a failure, in place of the answer that failed. */
export const retry = (conversation, at, side, answer) => run(conversation, at, side, answer);

/** More of an answer that ended for its length, or was stopped. */
export const goOn = (conversation, at, side, answer) => run(conversation, at, side, answer);

/** What if another candidate had been chosen? A new version from there on. */
export function goOnFrom(conversation, at, side, answer, index, rank) {
  const other = answer.branch(index, rank, { ...answer.settings });
  conversation.turns.value[at].lanes[side].add(other);
  return run(conversation, at, side, other);
}

/** Ask something else in the place of a turn's prompt; the conversation as it was stays in the list. */
export function edit(conversation, at, prompt) {
  open(conversation.branch(at));
  ask(prompt);
}

/** A conversation of its own that goes on after turn `at`. */
export const branch = (conversation, at) => {
  open(conversation.branch(at + 1));
  list();
};

export function stop() {
  for (const answer of [...current.value.answers, ...sweep.answers.value]) answer.stop();
}
