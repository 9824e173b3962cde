//! How the rows of a step are divided among the prompts that are being read.

use pad_model::BLOCK;

/// A prompt that is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reader {
    /// Rows that are still to be read, all lanes together.
    pub pending: usize,
    /// The step in which it last had rows, or began.
    pub served: u64,
}

/// The rows that each prompt gets of a step's `budget`, in the order given.
///
/// All get the same, but none more than it needs, and none less than a block as long as there is one: then those go first that
/// have waited longest and, of these, the shortest. So a short prompt does not wait until long ones are read, and a long one waits
/// for a bounded number of steps.
pub fn shares(budget: usize, readers: &[Reader]) -> Vec<usize> {
    let mut rows = vec![0; readers.len()];
    let mut order: Vec<usize> = (0..readers.len()).collect();
    order.sort_by_key(|&at| (readers[at].served, readers[at].pending));
    let (mut left, mut order) = (budget, order.as_slice());
    while left > 0 && !order.is_empty() {
        // Those that can have a block each; of these the shortest leave what they do not need to the others.
        let (now, later) = order.split_at((left / BLOCK).clamp(1, order.len()));
        let mut now = now.to_vec();
        now.sort_by_key(|&at| readers[at].pending);
        for (done, &at) in now.iter().enumerate() {
            rows[at] = readers[at].pending.min(left / (now.len() - done));
            left -= rows[at];
        }
        order = later;
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(budget: usize, pending: &[usize]) -> Vec<usize> {
        let readers: Vec<Reader> = pending.iter().map(|&pending| Reader { pending, served: 0 }).collect();
        shares(budget, &readers)
    }

    #[test]
    fn all_get_the_same_but_none_more_than_it_needs() {
        assert_eq!(split(128, &[1800]), [128]);
        assert_eq!(split(128, &[1800, 1800]), [64, 64]);
        assert_eq!(split(128, &[1800, 20, 1800]), [54, 20, 54]);
        assert_eq!(split(128, &[10, 20, 30]), [10, 20, 30]);
        assert_eq!(split(128, &[]), [0; 0]);
    }

    #[test]
    fn nothing_is_left_over_while_somebody_reads() {
        for budget in [1, 7, 16, 100, 512] {
            for pending in [&[1800, 31, 5][..], &[3; 40], &[1000; 40], &[1, 900]] {
                let (rows, wanted) = (split(budget, pending), pending.iter().sum::<usize>());
                let given: usize = rows.iter().sum();
                assert!(rows.iter().zip(pending).all(|(rows, pending)| rows <= pending));
                assert_eq!(given, budget.min(wanted), "{rows:?}");
            }
        }
    }

    #[test]
    fn where_there_is_no_block_for_each_the_longest_unserved_go_first() {
        let reader = |pending, served| Reader { pending, served };
        let readers = [reader(1000, 5), reader(1000, 2), reader(40, 5), reader(1000, 1), reader(20, 5)];
        // Two blocks: the two that waited longest.
        assert_eq!(shares(32, &readers), [0, 16, 0, 16, 0]);
        // Three: of those that were served at the same time the shortest.
        assert_eq!(shares(48, &readers), [0, 16, 0, 16, 16]);
    }
}
