// Which words two texts have in common: the longest common sequence of words.

/** Words beyond which only what both begin and end with is looked at: the table grows with the product. */
const MOST = 1200;

const split = (text) => Array.from(text.matchAll(/\S+/g), (match) => ({ word: match[0], start: match.index, end: match.index + match[0].length }));

/** For each of two texts, the ranges `[start, end]` of the words that the other has, too, in the same order. */
export function common(one, other) {
  const [a, b] = [split(one), split(other)];
  const pairs = [];
  let head = 0;
  while (head < a.length && head < b.length && a[head].word === b[head].word) pairs.push([head, head++]);
  let [i, j] = [a.length, b.length];
  while (i > head && j > head && a[i - 1].word === b[j - 1].word) pairs.push([--i, --j]);
  if (i - head <= MOST && j - head <= MOST) pairs.push(...middle(a, b, head, i, j));
  const ranges = (words, side) => pairs.map((pair) => words[pair[side]]).map(({ start, end }) => [start, end]).sort((x, y) => x[0] - y[0]);
  return [ranges(a, 0), ranges(b, 1)];
}

/** Pairs of equal words between `head` and the ends. */
function middle(a, b, head, endA, endB) {
  const [rows, columns] = [endA - head, endB - head];
  const length = Array.from({ length: rows + 1 }, () => new Uint16Array(columns + 1));
  for (let i = rows - 1; i >= 0; i--) {
    for (let j = columns - 1; j >= 0; j--) {
      const equal = a[head + i].word === b[head + j].word;
      length[i][j] = equal ? length[i + 1][j + 1] + 1 : Math.max(length[i + 1][j], length[i][j + 1]);
    }
  }
  const pairs = [];
  for (let i = 0, j = 0; i < rows && j < columns; ) {
    if (a[head + i].word === b[head + j].word) pairs.push([head + i++, head + j++]);
    else if (length[i + 1][j] >= length[i][j + 1]) i++;
    else j++;
  }
  return pairs;
}

/** For texts of tokens, in order: whether each lies in one of the ranges. Tokens of white space alone do not count. */
export function within(texts, ranges) {
  let [at, range] = [0, 0];
  return texts.map((text) => {
    const start = at + text.length - text.trimStart().length;
    at += text.length;
    while (range < ranges.length && ranges[range][1] <= start) range++;
    return text.trim() !== "" && range < ranges.length && ranges[range][0] <= start;
  });
}
