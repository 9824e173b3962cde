//! How much was added since old documents were looked for.

use std::sync::atomic::{AtomicU64, Ordering};

/// The part of the limits by which documents may exceed them, so that not every new one looks for old ones.
const SHARE: u64 = 64;

/// Documents and bytes that were added.
#[derive(Debug, Default)]
pub(crate) struct Growth {
    documents: AtomicU64,
    bytes: AtomicU64,
}

impl Growth {
    /// Count one more document; whether it is time to look for old ones, which starts the count again.
    pub(crate) fn add(&self, bytes: u64, most_documents: u64, most_bytes: u64) -> bool {
        let documents = self.documents.fetch_add(1, Ordering::Relaxed) + 1;
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed).saturating_add(bytes);
        let due = documents > most_documents / SHARE || total > most_bytes / SHARE;
        if due {
            self.documents.store(0, Ordering::Relaxed);
            self.bytes.store(0, Ordering::Relaxed);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_documents_are_counted_exactly_and_many_in_bulk() {
        let growth = Growth::default();
        assert!(growth.add(1, 8, 1 << 20) && growth.add(1, 8, 1 << 20));
        let due: Vec<bool> = (0..4).map(|_| growth.add(1, 128, 1 << 20)).collect();
        assert_eq!(due, [false, false, true, false]);
        assert!(growth.add(1 << 15, 128, 1 << 20), "by their size");
    }
}
