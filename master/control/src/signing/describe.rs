//! The manifest of an archive.

use std::path::Path;

use protocol::{AppName, SignedManifest};
use time::OffsetDateTime;

use crate::pack::inspect;
use crate::signing::SigningError;
use crate::signing::measure::measure;

/// What a release key is to say of an archive: all that can be read off it, and what is decided.
pub fn describe(
    archive: &Path,
    app: &AppName,
    counter: u64,
    not_after: OffsetDateTime,
) -> Result<SignedManifest, SigningError> {
    let seen = inspect(archive).map_err(|error| SigningError::Pack(Box::new(error)))?;
    let measured = measure(archive)?;
    Ok(SignedManifest {
        format: SignedManifest::FORMAT,
        app: app.clone(),
        name: measured.name,
        version: measured.version,
        counter,
        digest: seen.digest,
        archive_bytes: seen.bytes,
        unpacked_bytes: measured.unpacked_bytes,
        entries: measured.entries,
        // Nobody counts fractions of a second, and a person is to read it.
        not_after: not_after.truncate_to_second(),
    })
}

/// A counter that grows by itself, and that a person can read: the time in UTC, as
/// `YYYYMMDDhhmmss`.
pub fn counter_at(now: OffsetDateTime) -> u64 {
    let now = now.to_offset(time::UtcOffset::UTC);
    let parts = [
        (u64::from(now.year().unsigned_abs()), 1),
        (u64::from(u8::from(now.month())), 100),
        (u64::from(now.day()), 100),
        (u64::from(now.hour()), 100),
        (u64::from(now.minute()), 100),
        (u64::from(now.second()), 100),
    ];
    parts.iter().fold(0, |counter, (part, room)| counter * room + part)
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn a_counter_can_be_read_and_grows() {
        assert_eq!(counter_at(datetime!(2026-11-24 20:05:09 UTC)), 20_261_124_200_509);
        let times = [
            datetime!(2026-01-31 23:59:59 UTC),
            datetime!(2026-02-01 0:00:00 UTC),
            datetime!(2026-12-31 23:59:59 UTC),
            datetime!(2027-01-01 2:00:00 +1),
        ];
        assert!(times.windows(2).all(|pair| counter_at(pair[0]) < counter_at(pair[1])));
    }
}
