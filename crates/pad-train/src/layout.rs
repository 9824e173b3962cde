//! Several pairs in one matrix of rows.
//!
//! A pair is one group of rows: its prompt once, then the better answer, then the other. Both answers see the prompt and
//! themselves, never each other. Nothing is padded. The last token of an answer is predicted and never read, so it has no row.

use std::sync::Arc;

use pad_kernels::Rope;

/// The tokens of one pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The conversation through the chat template, the assistant's turn opened. Not empty.
    pub prompt: Vec<u32>,
    /// The better answer and the other, each with the end-of-turn token if it is whole. Not empty.
    pub answers: [Vec<u32>; 2],
    /// Index of its dimension.
    pub dimension: usize,
}

impl Example {
    /// Rows that it takes.
    pub fn rows(&self) -> usize {
        self.prompt.len() + self.answers[0].len() + self.answers[1].len() - 2
    }

    /// Tokens of the answers, which is what counts.
    pub fn targets(&self) -> usize {
        self.answers[0].len() + self.answers[1].len()
    }
}

/// Where one pair's rows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its first row.
    pub start: usize,
    /// Rows of the prompt.
    pub prompt: usize,
    /// Rows of the two answers.
    pub answers: [usize; 2],
}

impl Group {
    /// All its rows.
    pub fn rows(&self) -> usize {
        self.prompt + self.answers[0] + self.answers[1]
    }

    /// Its parts: first row within the group, rows, and how many of the group's first rows they see besides their own.
    pub fn spans(&self) -> [(usize, usize, usize); 3] {
        let [chosen, rejected] = self.answers;
        [(0, self.prompt, 0), (self.prompt, chosen, self.prompt), (self.prompt + chosen, rejected, self.prompt)]
    }
}

/// What one rotary embedding does to each row.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// Cosines of each row's position, one for each pair of values that is rotated.
    pub cos: Arc<[f32]>,
    /// Sines likewise.
    pub sin: Arc<[f32]>,
}

/// Rows of several pairs: what is in them and what is read from them.
#[derive(Clone, Debug)]
pub struct Packed {
    /// Token of each row.
    pub tokens: Vec<u32>,
    /// Where each pair lies.
    pub groups: Arc<[Group]>,
    /// Of each rotary embedding of the model.
    pub rotations: Vec<Rotation>,
    /// The rows that predict: for each pair those of the better answer, then those of the other.
    pub read: Vec<u32>,
    /// The token that each of them should predict.
    pub targets: Vec<u32>,
    /// For each pair how many of them belong to each answer.
    pub lengths: Vec<[usize; 2]>,
}

impl Packed {
    /// Lay out `examples` one after the other.
    pub fn new<'a>(examples: impl IntoIterator<Item = &'a Example>, ropes: &[Rope]) -> Self {
        let (mut tokens, mut groups, mut read, mut targets, mut lengths) = (vec![], vec![], vec![], vec![], vec![]);
        let mut positions = vec![];
        for example in examples {
            let start = tokens.len();
            let prompt = example.prompt.len();
            tokens.extend(&example.prompt);
            positions.extend(0..prompt);
            let mut rows = [0; 2];
            for (answer, rows) in example.answers.iter().zip(&mut rows) {
                let first = tokens.len();
                *rows = answer.len() - 1;
                tokens.extend(&answer[..*rows]);
                positions.extend(prompt..prompt + *rows);
                read.push((start + prompt - 1) as u32);
                read.extend(first as u32..(first + *rows) as u32);
                targets.extend(answer);
            }
            groups.push(Group { start, prompt, answers: rows });
            lengths.push([example.answers[0].len(), example.answers[1].len()]);
        }
        let rotation = |rope: &Rope| {
            let (mut cos, mut sin) = (vec![], vec![]);
            positions.iter().for_each(|at| rope.push(*at, &mut cos, &mut sin));
            Rotation { cos: cos.into(), sin: sin.into() }
        };
        let rotations = ropes.iter().map(rotation).collect();
        Self { tokens, groups: groups.into(), rotations, read, targets, lengths }
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }
}

/// Cut a sequence of items into consecutive parts of at most `budget` in sum (but at least one item), by `size`.
pub fn parts<T>(items: &[T], budget: usize, size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut parts, mut start, mut sum) = (Vec::new(), 0, 0);
    for (at, item) in items.iter().enumerate() {
        let size = size(item);
        if at > start && sum + size > budget {
            parts.push(&items[start..at]);
            (start, sum) = (at, 0);
        }
        sum += size;
    }
    if start < items.len() {
        parts.push(&items[start..]);
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;
    use pad_kernels::RopeScaling;

    #[test]
    fn only_answers_are_read_and_positions_follow_the_prompt() {
        let ropes = [Rope::new(4, 10000.0, &RopeScaling::None)];
        let example = |p: &[u32], c: &[u32], r: &[u32]| Example {
            prompt: p.to_vec(),
            answers: [c.to_vec(), r.to_vec()],
            dimension: 0,
        };
        let packed = Packed::new(&[example(&[1, 2], &[3, 4, 5], &[6]), example(&[7], &[8], &[9, 10])], &ropes);
        assert_eq!(packed.tokens, [1, 2, 3, 4, 7, 9]);
        assert_eq!(packed.read, [1, 2, 3, 1, 4, 4, 5]);
        assert_eq!(packed.targets, [3, 4, 5, 6, 8, 9, 10]);
        assert_eq!(packed.groups[1], Group { start: 4, prompt: 1, answers: [0, 1] });
        let positions = [0.0_f32, 1.0, 2.0, 3.0, 0.0, 1.0];
        let want: Vec<f32> = positions.iter().map(|p| p.cos()).collect();
        assert_eq!(packed.rotations[0].cos.chunks(2).map(|c| c[0]).collect::<Vec<_>>(), want);
    }

    #[test]
    fn parts_keep_to_the_budget() {
        let cut = |sizes: &[usize]| parts(sizes, 10, |s| *s).iter().map(|p| p.len()).collect::<Vec<_>>();
        assert_eq!(cut(&[4, 6, 1, 20, 3, 3]), [2, 1, 1, 2]);
        assert!(cut(&[]).is_empty());
    }
}
