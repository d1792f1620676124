//! Times on a screen.

use time::OffsetDateTime;
use time::macros::format_description;

/// `2026-11-21 10:41:21Z`: in UTC, to the second, the same width for all.
pub fn when(time: OffsetDateTime) -> String {
    let form = format_description!("[year]-[month]-[day] [hour]:[minute]:[second]Z");
    time.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_else(|_| time.to_string())
}

/// `10:41:21Z`: the time of the day alone, for lines that are read as they come.
pub fn clock(time: OffsetDateTime) -> String {
    let form = format_description!("[hour]:[minute]:[second]Z");
    time.to_offset(time::UtcOffset::UTC).format(form).unwrap_or_else(|_| time.to_string())
}

/// [`when`], or nothing.
pub fn when_if(time: Option<OffsetDateTime>) -> String {
    time.map(when).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_in_utc() {
        let time = time::macros::datetime!(2026-11-21 01:02:03.456 +02:00);
        assert_eq!(when(time), "2026-11-20 23:02:03Z");
        assert_eq!(clock(time), "23:02:03Z");
        assert_eq!(when_if(None), "");
    }
}
