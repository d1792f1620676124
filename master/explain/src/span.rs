//! Lengths of time on a screen.

/// `850 ms`, `12.3 s`, `1 m 15 s`, `2 h 05 m`, `3 d 04 h`: two steps at most, of so many milliseconds.
pub fn span(milliseconds: u64) -> String {
    let (tenths, seconds) = (milliseconds / 100, milliseconds / 1000);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        0 => format!("{milliseconds} ms"),
        1..60 => format!("{seconds}.{} s", tenths % 10),
        60..3600 => format!("{minutes} m {:02} s", seconds % 60),
        3600..86_400 => format!("{hours} h {:02} m", minutes % 60),
        _ => format!("{} d {:02} h", hours / 24, hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_has_two_steps_at_most() {
        for (milliseconds, text) in [
            (0, "0 ms"),
            (850, "850 ms"),
            (12_345, "12.3 s"),
            (75_000, "1 m 15 s"),
            (7_500_000, "2 h 05 m"),
            (273_600_000, "3 d 04 h"),
        ] {
            assert_eq!(span(milliseconds), text);
        }
    }
}
