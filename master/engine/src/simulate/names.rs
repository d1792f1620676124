//! Numbers of hosts and times of a simulation, as the engine has them: names and dates.

use protocol::HostName;
use time::{Duration, OffsetDateTime};

use crate::simulate::network::Time;

/// The date of the simulation's beginning.
const BEGINNING: OffsetDateTime = time::macros::datetime!(2026-01-01 00:00:00 UTC);

/// A host's name, by its number.
pub(super) fn name(host: u32) -> HostName {
    format!("h-{host}").parse().unwrap_or_else(|_| unreachable!("h-{host} is a host's name"))
}

/// The number of a simulated host, from its name.
pub(super) fn number(host: &HostName) -> u32 {
    host.as_str().strip_prefix("h-").and_then(|digits| digits.parse().ok()).unwrap_or(u32::MAX)
}

/// A time of the simulation as a date.
pub(super) fn date(now: Time) -> OffsetDateTime {
    BEGINNING + Duration::milliseconds(i64::try_from(now).unwrap_or(i64::MAX))
}

/// A date as a time of the simulation.
pub(super) fn time(date: OffsetDateTime) -> Time {
    Time::try_from((date - BEGINNING).whole_milliseconds()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_dates_lead_back() {
        assert_eq!(number(&name(123_456)), 123_456);
        assert_eq!(time(date(86_400_007)), 86_400_007);
    }
}
