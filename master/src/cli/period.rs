//! Times on the command line.

use protocol::{Period, QuantityError};

/// A deadline that is over before it begins would give up every host.
pub(super) fn more_than_nothing(text: &str) -> Result<Period, String> {
    let period: Period = text.parse().map_err(|error: QuantityError| error.to_string())?;
    if period.0.is_zero() { Err("it must be more than zero".to_owned()) } else { Ok(period) }
}
