//! The names of profiles.

use crate::ApiError;

/// Bytes of a name at most.
const LONGEST: usize = 256;

/// Whether a profile can have this name.
pub(crate) fn is_valid(name: &str) -> bool {
    let plain = !name.is_empty() && name.len() <= LONGEST && !name.chars().any(char::is_control);
    // Clients and proxies take these two out of paths.
    plain && name != "." && name != ".."
}

/// Refuses what names no profile.
///
/// # Errors
/// 400 with what is allowed.
pub(super) fn check(name: &str) -> Result<(), ApiError> {
    if is_valid(name) {
        return Ok(());
    }
    let message = format!(
        "`name` is not the name of a profile; allowed: 1 to {LONGEST} bytes without control characters, but not `.` or `..`"
    );
    Err(ApiError::invalid("name", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_have_names_of_many_kinds() {
        for name in ["alice", "a@example.org", "tenant/7", "J\u{fc}rgen B.", "00000000-0000-0000-0000-000000000000"] {
            assert!(check(name).is_ok(), "{name}");
        }
        for name in ["", ".", "..", "a\nb", "a\u{0}", &"x".repeat(LONGEST + 1)] {
            assert!(check(name).is_err(), "{name:?}");
        }
        assert!(check(&"x".repeat(LONGEST)).is_ok());
    }
}
