// All conversations of this browser: which one is open, how they are kept, and how they leave and come as a file.

import { effect, signal } from "@preact/signals";
import { isRunning } from "./answer.js";
import { Conversation } from "./conversation.js";

const NAME = "pad.conversations";
const FORMAT = "pad-conversations";

const read = (text) => JSON.parse(text ?? "[]").map(Conversation.read);

function kept() {
  let text = null;
  try {
    text = localStorage.getItem(NAME);
    return read(text);
  } catch {
    // Another version's, or a browser that keeps nothing. What is there is not written over.
    if (text) localStorage.setItem(`${NAME}.unreadable`, text);
    return [];
  }
}

/** The latest first. */
export const conversations = signal(kept());

/** The one that is open. */
export const current = signal(new Conversation());

/** A sentence for the reader about what happened here, or null. */
export const notice = signal(null);

/** Open a conversation; an empty one where none is given. */
export function open(conversation = new Conversation()) {
  current.value = conversation;
}

/** List the open conversation, once there is something in it. */
export function list() {
  if (!conversations.value.includes(current.value)) conversations.value = [current.value, ...conversations.value];
}

export function remove(conversation) {
  conversation.answers.forEach((answer) => answer.stop());
  conversations.value = conversations.value.filter((other) => other !== conversation);
  if (current.value === conversation) open();
}

/** Whether the list is being brought up to date with another tab's. */
let following = false;

function keep() {
  if (following) return;
  try {
    localStorage.setItem(NAME, JSON.stringify(conversations.peek()));
  } catch {
    notice.value = "The browser's storage is full: the newest answers are not kept. Export the conversations and delete some.";
  }
}

// Kept when an answer ends, and when the list changes; not with each token.
effect(() => {
  for (const conversation of conversations.value) {
    for (const answer of conversation.answers) if (isRunning(answer)) return;
    for (const turn of conversation.turns.value) turn.lanes.forEach((lane) => lane.at.value);
  }
  keep();
});

// Another tab wrote its list: its conversations are taken over, and those that are here already stay as they are here.
addEventListener("storage", ({ key, newValue }) => {
  if (key !== NAME || !newValue) return;
  const known = new Map(conversations.value.map((conversation) => [conversation.id, conversation]));
  following = true;
  conversations.value = read(newValue).map((conversation) => known.get(conversation.id) ?? conversation);
  following = false;
});

/** All of them as the text of a file. */
export const exported = () => JSON.stringify({ format: FORMAT, version: 1, conversations: conversations.peek() });

/** Add the conversations of such a text. One that is here already stays as it is. */
export function imported(text) {
  try {
    const file = JSON.parse(text);
    if (file.format !== FORMAT || file.version !== 1) throw new Error("another format");
    const known = new Set(conversations.value.map(({ id }) => id));
    const added = file.conversations.map(Conversation.read).filter(({ id }) => !known.has(id));
    conversations.value = [...added, ...conversations.value];
    notice.value = added.length === 1 ? "One conversation was added." : `${added.length} conversations were added.`;
  } catch {
    notice.value = "This file holds no conversations of this page.";
  }
}
