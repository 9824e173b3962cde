// What the reader prefers, learned from choices: a profile that the server keeps under a name of this browser.

import { computed, signal } from "@preact/signals";
import { announce } from "./announcer.js";
import { notice } from "./library.js";
import { read, wire } from "./preference.js";
import { randomName } from "./random-name.js";
import { prefer } from "./settings.js";
import * as server from "./server.js";
import { offer } from "./steering.js";

const NAME = "pad.profile";

/** What the names of profiles begin with that belong to a browser and to nobody else. */
const OWN = "page-";

/** The profile's name: made up, since the page knows nobody's. */
function named() {
  const made = `${OWN}${randomName(12)}`;
  try {
    const known = localStorage.getItem(NAME) ?? made;
    localStorage.setItem(NAME, known);
    return known;
  } catch {
    return made;
  }
}

export const name = named();

/** Whether this server can learn a profile. */
export const learns = computed(() => offer.value?.learns === true);

/** The profile, or null if there is none yet. */
export const profile = signal(null);

/** The server's other profiles, but for those of other browsers. */
export const stored = signal([]);

/** What was learned, or null. */
export const learned = computed(() => profile.value?.learned ?? null);

/** What is known of the reader, in a sentence. */
export const known = computed(() => (learned.value?.words ? `You like it ${learned.value.words}.` : "Nothing is certain yet."));

/** How many choices that rests on. */
export const counted = computed(() => {
  const choices = learned.value?.choices ?? 0;
  return choices === 0 ? "No choice yet" : choices === 1 ? "One choice" : `${choices} choices`;
});

/** How far a reader's choices were foreseen: their mean probability, and of how many. */
export const foreseen = signal({ sum: 0, count: 0 });

/** Do something with the server's help; what goes wrong is told. */
async function attempt(work) {
  try {
    return await work();
  } catch (trouble) {
    notice.value = trouble.message;
    return null;
  }
}

/** Read the profile, where the server has one. */
const refresh = () => attempt(async () => (profile.value = await server.profile(name)));

/** Read what the server has of profiles. */
export async function load() {
  if (!learns.value) return;
  await refresh();
  const all = (await attempt(server.profiles)) ?? [];
  stored.value = all.filter((one) => !one.name.startsWith(OWN));
}

/** Tell the server what was chosen, and see what it makes of it. Returns `{id, expected}`, or null where that failed. */
export async function choose(body) {
  const feedback = await attempt(() => server.feedback(name, body));
  if (!feedback) return null;
  if (feedback.expected !== null) foreseen.value = { sum: foreseen.value.sum + feedback.expected, count: foreseen.value.count + 1 };
  await refresh();
  announce(`Your choice was kept. ${known.value}`);
  return feedback;
}

/** Take a choice back. */
export async function undo(id) {
  const undone = await attempt(() => server.undo(name, id));
  await refresh();
  return undone !== null;
}

/** Set what a pane prefers in the profile: what is chosen later adds to it. */
export async function keep(preference) {
  const kept = await attempt(() => server.keep(name, wire(preference)));
  if (kept) [profile.value, notice.value] = [kept, "The profile begins with what this pane prefers."];
}

/** Forget everything. */
export async function forget() {
  if (await attempt(() => server.forget(name))) [profile.value, foreseen.value] = [null, { sum: 0, count: 0 }];
}

/** Two answers whose comparison teaches most, to a question of the server's; null where that failed. */
export const question = (length) => attempt(() => server.elicit(name, { max_tokens: length }));

/** What a profile makes of requests: its words, or the weights that were set and, where none was, those that were learned. */
export const following = ({ preference, learned: found }) =>
  read(typeof preference === "string" ? { words: preference } : { weights: { ...found?.weights, ...preference } });

/** Let a pane follow the profile. */
export const follow = (side) => prefer(side, following(profile.value));
