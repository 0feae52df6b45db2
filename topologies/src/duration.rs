//! Spans of time as a person writes them.

use std::time::Duration;

/// Units whose length depends on the calendar, as they are written.
const WITHOUT_LENGTH: [(&[&str], &str); 4] = [
    (
        &["M", "mo", "mos", "mon", "mons", "month", "months"],
        "a month",
    ),
    (&["Q", "q", "quarter", "quarters"], "a quarter"),
    (&["y", "Y", "yr", "yrs", "year", "years"], "a year"),
    (&["decade", "decades", "century", "centuries"], "that"),
];

/// How a duration is written.
const SHAPE: &str = "a duration is numbers with units, such as 500ms, 10s, 1m30s, 24h, 7d or 4w";

/// A text that is no duration, for the one who typed it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// It has a unit whose length depends on the calendar.
    #[error("{unit} has no fixed length: give days or weeks; {SHAPE}")]
    NoFixedLength {
        /// The unit, such as `a month`.
        unit: &'static str,
    },
    /// It is not written as a duration.
    #[error("{reason}; {SHAPE}")]
    NotADuration {
        /// What is wrong with it.
        reason: String,
    },
    /// It is 0, where more is needed.
    #[error("it is 0: give at least 1ms")]
    Zero,
}

/// Reads `10s`, `500ms`, `2m`, `1h`, `1d`, `1w`, and combinations such as `1m30s`. A month and a
/// year have no fixed length, and are refused.
///
/// ```
/// use squall_topologies::duration::{DurationError, parse};
///
/// assert_eq!(parse("1m30s").unwrap().as_secs(), 90);
/// assert!(parse("10").unwrap_err().to_string().contains("500ms"));
/// assert_eq!(parse("1month"), Err(DurationError::NoFixedLength { unit: "a month" }));
/// ```
///
/// # Errors
/// [`DurationError`] says what is wrong with the text, and how a duration is written.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let mut units = text.split(|char: char| !char.is_alphabetic());
    let without_length = units.find_map(|unit| {
        let mut known = WITHOUT_LENGTH.iter();
        let like = |name: &&str| {
            // `m` is a minute, and no other unit is told from another one by its case.
            *name == unit || (unit.len() > 1 && name.eq_ignore_ascii_case(unit))
        };
        known.find(|(names, _)| names.iter().any(like))
    });
    if let Some(&(_, unit)) = without_length {
        return Err(DurationError::NoFixedLength { unit });
    }
    humantime::parse_duration(text).map_err(|error| DurationError::NotADuration {
        reason: error.to_string(),
    })
}

/// As [`parse`], and refuses 0.
///
/// # Errors
/// As [`parse`], and for 0.
pub fn parse_above_zero(text: &str) -> Result<Duration, DurationError> {
    match parse(text)? {
        Duration::ZERO => Err(DurationError::Zero),
        span => Ok(span),
    }
}

/// Writes a duration as [`parse`] reads it, in units of a fixed length: `40d2h`.
///
/// ```
/// use squall_topologies::duration::{parse, written};
///
/// let span = parse("40d2h").unwrap();
/// assert_eq!(written(span), "40d2h");
/// assert_eq!(written(std::time::Duration::ZERO), "0s");
/// ```
#[must_use]
pub fn written(span: Duration) -> String {
    const DAY_SECONDS: u64 = 86_400;
    let (days, rest) = (span.as_secs() / DAY_SECONDS, span.as_secs() % DAY_SECONDS);
    let rest = Duration::new(rest, span.subsec_nanos());
    if days > 0 && rest.is_zero() {
        return format!("{days}d");
    }
    // Below a day its units have fixed lengths; above, it writes months and years.
    let rest = humantime::format_duration(rest)
        .to_string()
        .replace(' ', "");
    if days > 0 {
        format!("{days}d{rest}")
    } else {
        rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        for millis in [
            0,
            1,
            999,
            60_000,
            86_399_999,
            86_400_000,
            3_456_000_001,
            1 << 40,
        ] {
            let span = Duration::from_millis(millis);
            assert_eq!(parse(&written(span)), Ok(span), "{}", written(span));
        }
    }

    #[test]
    fn units_of_a_fixed_length_are_read() {
        const DAY: u64 = 86_400_000;
        let table = [
            ("500ms", 500),
            ("1s", 1_000),
            ("1 min", 60_000),
            ("1m30s", 90_000),
            ("1h 2m", 3_720_000),
            ("2 days", 2 * DAY),
            ("7d", 7 * DAY),
            ("1w", 7 * DAY),
            ("1week 1day", 8 * DAY),
        ];
        for (text, millis) in table {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn a_month_a_quarter_and_a_year_are_refused_however_they_are_written() {
        for text in [
            "1month", "1 month", "2months", "1M", "1 M", "1mo", "1mon", "1Month", "1MONTHS", "1y",
            "1Y", "1 year", "2years", "1yr", "2yrs", "1q", "1Q", "1quarter", "1d1M", "1y2d",
        ] {
            for parsed in [parse(text), parse_above_zero(text)] {
                let error = parsed.unwrap_err().to_string();
                assert!(error.contains("has no fixed length"), "{text}: {error}");
                assert!(error.contains("such as 500ms, 10s"), "{error}");
            }
        }
        for text in ["", "10", "1x", "month", "-1s"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
