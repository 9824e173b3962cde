// Why each token of an answer was chosen, in little memory: an answer may have thousands of tokens with a hundred candidates each.

const words = new Map();

/** One copy of equal texts. */
function shared(text) {
  const known = words.get(text);
  if (known !== undefined) return known;
  words.set(text, text);
  return text;
}

/** The candidates of one decision, as columns in the base model's order: log-probability, weighted reward, score, then one for each dimension. */
class Candidates {
  constructor(raw, dimensions) {
    this.texts = raw.map((one) => shared(one.text));
    const columns = [(one) => one.base_logprob, (one) => one.reward, (one) => one.score];
    columns.push(...dimensions.map((name) => (one) => one.rewards[name] ?? 0));
    this.columns = columns.map((column) => Float32Array.from(raw, column));
    /** For each, the guard that holds its score, or null. */
    this.held = raw.map((one) => one.held ?? null);
    /** Names of the dimensions that have columns. */
    this.dimensions = dimensions;
  }

  get length() {
    return this.texts.length;
  }

  /** One candidate, by its rank. */
  at(rank) {
    const [logprob, reward, score, ...rewards] = this.columns.map((column) => column[rank]);
    return { rank, text: this.texts[rank], held: this.held[rank], logprob, reward, score, rewards };
  }
}

/** The tokens of an answer, in order. */
export class Trace {
  constructor(dimensions = []) {
    /** Names of the rewarded dimensions. */
    this.dimensions = dimensions;
    /** `{text, rank, logprob, reward, score, strength, rewards: [one for each dimension], candidates, overruled, mine}`. */
    this.tokens = [];
  }

  get length() {
    return this.tokens.length;
  }

  /** Add a token as `choices[].pad.trace` has it. */
  push(raw) {
    if (this.tokens.length === 0 && this.dimensions.length === 0) this.dimensions = Object.keys(raw.rewards);
    const candidates = new Candidates(raw.candidates, this.dimensions);
    this.tokens.push({
      text: raw.text, rank: raw.base_rank, logprob: raw.base_logprob, reward: raw.reward, score: raw.score, strength: raw.strength,
      rewards: this.dimensions.map((name) => raw.rewards[name] ?? 0), candidates,
      // The rewards, and not chance, put another token before the base model's first.
      overruled: raw.base_rank > 0 && this.dimensions.length > 0 && raw.score > raw.candidates[0].score,
      mine: false,
    });
  }

  /** The tokens before `index`, and in its place another of its candidates, chosen by the reader. */
  with(index, rank) {
    const { candidates } = this.tokens[index];
    const other = new Trace(this.dimensions);
    const chosen = candidates.at(rank);
    // A plain answer's candidates have no rewards.
    const rewards = this.dimensions.map((_, at) => chosen.rewards[at] ?? 0);
    other.tokens = [...this.tokens.slice(0, index), { ...chosen, rewards, candidates, overruled: false, mine: true }];
    return other;
  }

  /**
   * The same tokens with rewards that were measured afterwards: `scored` is the server's list of `{text, rewards}`, which may cut the same
   * text into other tokens, and `weights` makes one number of each token's rewards.
   */
  rewarded(scored, weights) {
    const other = new Trace(Object.keys(weights));
    let [next, before, start] = [0, 0, 0];
    other.tokens = this.tokens.map((token, index) => {
      const end = index === this.length - 1 ? Infinity : start + token.text.length;
      const rewards = other.dimensions.map(() => 0);
      // A token's rewards are those of the scored tokens that begin in it.
      for (; next < scored.length && before < end; before += scored[next++].text.length) {
        other.dimensions.forEach((name, at) => (rewards[at] += scored[next].rewards[name] ?? 0));
      }
      start = end;
      const reward = rewards.reduce((sum, one, at) => sum + one * Object.values(weights)[at], 0);
      return { ...token, rewards, reward };
    });
    return other;
  }

  /** The text of all tokens. */
  get text() {
    return this.tokens.map((token) => token.text).join("");
  }

  /** How many tokens were put before the base model's first by their rewards. */
  get overruled() {
    return this.tokens.filter((token) => token.overruled).length;
  }

  /** For the browser's storage: without candidates, which are most of it. */
  toJSON() {
    const short = (number) => Math.round(number * 1000) / 1000;
    const row = (token) => [
      token.text, token.rank, short(token.logprob), short(token.reward), short(token.score),
      (token.overruled ? 1 : 0) + (token.mine ? 2 : 0), ...token.rewards.map(short),
    ];
    return { dimensions: this.dimensions, tokens: this.tokens.map(row) };
  }

  /** What `toJSON` made. Throws where it is something else. */
  static read(json) {
    const trace = new Trace(json.dimensions.map(String));
    trace.tokens = json.tokens.map(([text, rank, logprob, reward, score, flags, ...rewards]) => ({
      text: String(text), rank: Number(rank), logprob: Number(logprob), reward: Number(reward), score: Number(score),
      rewards: trace.dimensions.map((_, at) => Number(rewards[at] ?? 0)), candidates: null,
      overruled: (flags & 1) > 0, mine: (flags & 2) > 0,
    }));
    return trace;
  }
}
