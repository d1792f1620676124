//! Ids by a part of them: the end of a rollout's, the beginning of a digest.

use protocol::SHORTEST_ID;

use crate::StoreError;

/// Refuses a part of an id that is too short.
pub(crate) fn check_length(what: &'static str, name: &str) -> Result<(), StoreError> {
    if name.chars().count() < SHORTEST_ID {
        return Err(StoreError::ShortId { what, name: name.to_owned() });
    }
    Ok(())
}
