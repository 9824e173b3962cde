// Preferences with names, for readers who do not think in weights.

import { computed } from "@preact/signals";
import { dimensions, steers } from "./steering.js";

/** Each with the weights that make it, best first, and the words that stand for it where the reward model has other dimensions. */
const KNOWN = [
  { name: "Brief", about: "Comes to the point", weights: [{ concise: 1 }], words: "Answer in one short sentence." },
  { name: "Warm", about: "Friendly and glad to help", weights: [{ cheerful: 1 }], words: "Be warm, friendly and encouraging." },
  { name: "For a ten-year-old", about: "Easy words, short sentences", weights: [{ simple: 1 }], words: "Explain it to a ten-year-old, in easy words." },
  { name: "Careful", about: "Declines what does harm", weights: [{ harmless: 1 }], words: "Avoid harm, and say where caution is needed." },
  { name: "Brief and warm", about: "Two at once", weights: [{ concise: 1, cheerful: 1 }], words: null },
  { name: "Funny", about: "Makes one smile", weights: [{ humorous: 1 }, { humor: 1.5 }], words: "Be funny." },
  { name: "For an expert", about: "Technical and precise", weights: [{ expert: 1 }, { simple: -1.2 }], words: "Speak to an expert, in precise technical terms." },
  { name: "Like a pirate", about: "A principle in words", weights: [], words: "Answer like a pirate." },
];

/** The weights, if the server has all their dimensions and allows them. */
function within(weights, ranges) {
  const fits = ([name, weight]) => ranges.has(name) && weight >= ranges.get(name).minimum && weight <= ranges.get(name).maximum;
  return Object.entries(weights).every(fits);
}

/** Those that this server can follow: `{name, about, preference}`. */
export const presets = computed(() => {
  const ranges = new Map(dimensions.value.map(({ name, weight }) => [name, weight]));
  return KNOWN.flatMap(({ name, about, weights, words }) => {
    const found = weights.find((one) => within(one, ranges));
    if (found) return [{ name, about, preference: { weights: found } }];
    return words && steers.value ? [{ name, about, preference: { words } }] : [];
  });
});
