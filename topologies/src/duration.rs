//! Spans of time as a person writes them.

use std::time::Duration;

/// Reads `10s`, `500ms`, `2m`, `1h`, `1d`, and combinations such as `1m30s`.
///
/// ```
/// use squall_topologies::duration::parse;
///
/// assert_eq!(parse("1m30s").unwrap().as_secs(), 90);
/// assert!(parse("10").unwrap_err().contains("500ms"));
/// ```
///
/// # Errors
/// What is wrong with the text, and how a duration is written.
pub fn parse(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| {
        format!("{error}; a duration is numbers with units, such as 500ms, 10s, 1m30s, 24h or 7d")
    })
}

/// As [`parse`], and refuses 0.
///
/// # Errors
/// As [`parse`], and for 0.
pub fn parse_above_zero(text: &str) -> Result<Duration, String> {
    match parse(text)? {
        Duration::ZERO => Err("it is 0: give at least 1ms".to_owned()),
        span => Ok(span),
    }
}
