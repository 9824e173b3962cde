//! Fields of requests that the server does not know: logged once per name, never with their values.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Names beyond this many are not remembered, and not logged.
const MOST_NAMES: usize = 256;
/// Characters of a name that are logged.
const LONGEST_NAME: usize = 64;

/// The names that were seen.
#[derive(Debug, Default)]
pub(crate) struct UnknownFields(Mutex<HashSet<String>>);

impl UnknownFields {
    /// Log those of `names` that are new, at debug level.
    pub(crate) fn note(&self, names: impl IntoIterator<Item = String>) {
        for name in names {
            if let Some(name) = self.remember(&name) {
                // Debug formatting escapes control characters.
                tracing::debug!(field = ?name, "ignored an unknown field");
            }
        }
    }

    /// The name as it is to be logged, if it is to be logged.
    fn remember(&self, name: &str) -> Option<String> {
        let name: String = name.chars().take(LONGEST_NAME).collect();
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (seen.len() < MOST_NAMES && seen.insert(name.clone())).then_some(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_once_and_not_without_end() {
        let fields = UnknownFields::default();
        assert_eq!(fields.remember("user").as_deref(), Some("user"));
        assert_eq!(fields.remember("user"), None);
        assert_eq!(fields.remember(&"x".repeat(1000)).map(|name| name.len()), Some(LONGEST_NAME));
        let logged = (0..1000).filter(|i| fields.remember(&format!("field{i}")).is_some()).count();
        assert_eq!(logged, MOST_NAMES - 2);
    }
}
