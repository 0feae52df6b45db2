//! The text of a field becomes a time: milliseconds since 1970-01-01T00:00:00Z.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::tz::{Offset, TimeZone};

/// How a time is written.
///
/// As text: `rfc3339`, `unix`, `unix-ms`, or else a pattern with `%` directives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimeFormat {
    /// `2015-09-12T00:46:58.771Z`, with `Z` or an offset; a space may stand for the `T`.
    Rfc3339,
    /// Seconds since 1970 in decimal, with or without a fraction, also negative.
    Unix,
    /// Whole milliseconds since 1970, also negative.
    UnixMs,
    /// A pattern as for `strftime`, by the directives of [`jiff::fmt::strtime`]. Without an
    /// offset (`%z`) or `%s` in it times are read as UTC, without a time of day as midnight.
    /// [`FromStr`] checks the pattern; one made in another way may fail at each value.
    Strftime(String),
}

/// A pattern that can give no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimeFormatError {
    /// Not a name, and no pattern either.
    #[error(
        "there is no time format `{0}`; give rfc3339, unix, unix-ms, or a pattern with `%` \
         directives such as `%Y-%m-%d %H:%M:%S`"
    )]
    Unknown(String),
    /// The pattern has a directive that does not exist or cannot be read back, or leaves out
    /// what is needed to know the day.
    #[error("the time format `{pattern}` cannot be used: {reason}")]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A value that is no time of the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{value}` is not a time of the format {format}: {reason}")]
pub struct TimeError {
    /// The value.
    pub value: String,
    /// The format that was asked for.
    pub format: TimeFormat,
    /// What is wrong with it.
    pub reason: String,
}

impl TimeFormat {
    /// The time that `text` stands for, in milliseconds since 1970 (UTC). What is finer than a
    /// millisecond is cut off toward the past. Years from -9999 to 9999.
    ///
    /// # Errors
    /// [`TimeError`] with the reason, for example a missing offset.
    pub fn parse(&self, text: &str) -> Result<i64, TimeError> {
        let result = match self {
            TimeFormat::Rfc3339 => rfc3339(text),
            TimeFormat::Unix => unix(text),
            TimeFormat::UnixMs => unix_ms(text),
            TimeFormat::Strftime(pattern) => strftime(pattern, text),
        };
        result.map_err(|reason| TimeError {
            value: text.to_owned(),
            format: self.clone(),
            reason,
        })
    }
}

fn rfc3339(text: &str) -> Result<i64, String> {
    match text.parse::<Timestamp>() {
        Ok(time) => Ok(floor_ms(time)),
        Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() => Err(
            "it has no offset such as `Z` or `+02:00`; if it is UTC, give a pattern such as \
             `%Y-%m-%d %H:%M:%S`"
                .to_owned(),
        ),
        Err(error) => Err(error.to_string()),
    }
}

fn unix(text: &str) -> Result<i64, String> {
    const SHAPE: &str = "expected seconds as a decimal number, such as 1442018818.771";
    let (negative, digits) = sign(text);
    let (whole, fraction) = match digits.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let seconds = number(whole).ok_or(SHAPE)?;
    let mut ms = seconds.saturating_mul(1_000);
    if let Some(fraction) = fraction {
        if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(SHAPE.to_owned());
        }
        // The first three digits count, as milliseconds; "5" is 500.
        let digits = fraction.bytes().chain(*b"00").take(3);
        let fraction_ms = digits.fold(0, |ms, digit| ms * 10 + i64::from(digit - b'0'));
        ms = ms.saturating_add(fraction_ms);
        // What is cut off a negative number brings it toward zero, which is not the past.
        if negative && fraction.bytes().skip(3).any(|digit| digit != b'0') {
            ms = ms.saturating_add(1);
        }
    }
    in_range(if negative { -ms } else { ms }, "milliseconds, use unix-ms")
}

fn unix_ms(text: &str) -> Result<i64, String> {
    let (negative, digits) = sign(text);
    let ms = number(digits).ok_or("expected whole milliseconds, such as 1442018818771")?;
    let finer = "microseconds or nanoseconds, divide it first";
    in_range(if negative { -ms } else { ms }, finer)
}

fn strftime(pattern: &str, text: &str) -> Result<i64, String> {
    let parsed = BrokenDownTime::parse(pattern, text).map_err(|error| error.to_string())?;
    to_ms(&parsed).map_err(|error| error.to_string())
}

fn to_ms(parsed: &BrokenDownTime) -> Result<i64, jiff::Error> {
    let time = if parsed.timestamp().is_some() || parsed.offset().is_some() {
        parsed.to_timestamp()?
    } else {
        Offset::UTC.to_timestamp(parsed.to_datetime()?)?
    };
    Ok(floor_ms(time))
}

/// jiff cuts toward 1970, we toward the past: one direction on both sides, so that a finer time
/// never lands in a window that begins after it.
fn floor_ms(time: Timestamp) -> i64 {
    let ms = time.as_millisecond();
    // The part below a second, of the same sign as the time.
    if time.subsec_nanosecond() % 1_000_000 < 0 {
        ms - 1
    } else {
        ms
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, text),
    }
}

/// Digits and nothing else; what is too large for an `i64` is its largest value.
fn number(digits: &str) -> Option<i64> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(i64::MAX))
}

/// The times that jiff has too, so that all formats know the same ones. What lies outside is in
/// practice a number of another unit.
fn in_range(ms: i64, finer: &str) -> Result<i64, String> {
    let (min, max) = (
        Timestamp::MIN.as_millisecond(),
        Timestamp::MAX.as_millisecond(),
    );
    if (min..=max).contains(&ms) {
        Ok(ms)
    } else {
        Err(format!(
            "it lies outside the years -9999 to 9999; if it is {finer}"
        ))
    }
}

impl FromStr for TimeFormat {
    type Err = TimeFormatError;

    fn from_str(text: &str) -> Result<Self, TimeFormatError> {
        match text {
            "rfc3339" => Ok(TimeFormat::Rfc3339),
            "unix" => Ok(TimeFormat::Unix),
            "unix-ms" => Ok(TimeFormat::UnixMs),
            pattern if !pattern.contains('%') => Err(TimeFormatError::Unknown(text.to_owned())),
            pattern => match check(pattern) {
                Ok(()) => Ok(TimeFormat::Strftime(pattern.to_owned())),
                Err(reason) => Err(TimeFormatError::Pattern {
                    pattern: pattern.to_owned(),
                    reason,
                }),
            },
        }
    }
}

/// Writes a time in the pattern and reads it back: what fails here would fail at every value.
fn check(pattern: &str) -> Result<(), String> {
    // 2001-02-03T16:05:06.789Z
    let sample = Timestamp::UNIX_EPOCH
        .checked_add(jiff::SignedDuration::from_millis(981_216_306_789))
        .map_err(|error| error.to_string())?
        .to_zoned(TimeZone::UTC);
    let mut written = String::new();
    BrokenDownTime::from(&sample)
        .format(pattern, &mut written)
        .map_err(|error| error.to_string())?;
    let read = BrokenDownTime::parse(pattern, &written).map_err(|error| error.to_string())?;
    if read.iana_time_zone().is_some() {
        return Err("names of time zones are not read; give `%z` for an offset".to_owned());
    }
    to_ms(&read).map_err(|error| error.to_string())?;
    Ok(())
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeFormat::Rfc3339 => "rfc3339",
            TimeFormat::Unix => "unix",
            TimeFormat::UnixMs => "unix-ms",
            TimeFormat::Strftime(pattern) => pattern,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(format: &str, text: &str) -> Result<i64, String> {
        let format: TimeFormat = format.parse().unwrap();
        format.parse(text).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_read_exactly() {
        let table = [
            ("rfc3339", "2015-09-12T00:46:58.771Z", 1_442_018_818_771),
            ("rfc3339", "2015-09-12 00:46:58.771Z", 1_442_018_818_771),
            (
                "rfc3339",
                "2015-09-12t02:46:58.7719+02:00",
                1_442_018_818_771,
            ),
            ("rfc3339", "1969-12-31T23:59:59.9999Z", -1),
            ("rfc3339", "1969-12-31T23:59:59.9980001Z", -2),
            ("rfc3339", "1969-12-31T23:59:58Z", -2_000),
            ("unix", "1442018818", 1_442_018_818_000),
            ("unix", "1442018818.771", 1_442_018_818_771),
            ("unix", "1442018818.7719999", 1_442_018_818_771),
            ("unix", "1.5", 1_500),
            ("unix", "0.001", 1),
            ("unix", "-0.0001", -1),
            ("unix", "-1.5", -1_500),
            ("unix", "-1.5000", -1_500),
            ("unix", "-0", 0),
            ("unix-ms", "1442018818771", 1_442_018_818_771),
            ("unix-ms", "-1", -1),
            (
                "%Y-%m-%d %H:%M:%S",
                "2017-08-27 00:05:34",
                1_503_792_334_000,
            ),
            ("%Y-%m-%d", "2017-08-27", 1_503_792_000_000),
            ("%Y%m%d%H", "2017082702", 1_503_799_200_000),
            (
                "%d/%b/%Y:%H:%M:%S %z",
                "27/Aug/2017:02:05:34 +0200",
                1_503_792_334_000,
            ),
            ("%m/%d/%y %I:%M %p", "8/27/17 2:05 AM", 1_503_799_500_000),
            ("%s", "1442018818", 1_442_018_818_000),
            ("at %Y-%jT%T%.f", "at 1969-365T23:59:59.9999", -1),
        ];
        for (format, text, ms) in table {
            assert_eq!(parse(format, text), Ok(ms), "{format}: {text}");
        }
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_value_and_the_format() {
        let table = [
            ("rfc3339", "2017-08-27 00:05:34", "it has no offset"),
            (
                "rfc3339",
                "yesterday",
                "`yesterday` is not a time of the format rfc3339",
            ),
            ("rfc3339", "", "`` is not a time"),
            ("unix", "", "expected seconds"),
            ("unix", "1e9", "expected seconds"),
            ("unix", "+1", "expected seconds"),
            ("unix", "1.", "expected seconds"),
            ("unix", ".5", "expected seconds"),
            ("unix", "--1", "expected seconds"),
            ("unix", "1.-5", "expected seconds"),
            (
                "unix",
                "1442018818771",
                "if it is milliseconds, use unix-ms",
            ),
            (
                "unix",
                "99999999999999999999999999.5",
                "if it is milliseconds",
            ),
            (
                "unix",
                "-99999999999999999999999999.5999",
                "if it is milliseconds",
            ),
            ("unix-ms", "1442018818.5", "expected whole milliseconds"),
            ("unix-ms", "1442018818771000", "if it is microseconds"),
            (
                "%Y-%m-%d",
                "2017-02-30",
                "`2017-02-30` is not a time of the format %Y-%m-%d",
            ),
            ("%Y-%m-%d", "2017-08-27 00:05", "is not a time"),
        ];
        for (format, text, part) in table {
            let error = parse(format, text).unwrap_err();
            assert!(error.contains(part), "{format}: {text}: {error}");
        }
    }

    #[test]
    fn a_pattern_that_can_give_no_time_is_refused_at_once() {
        let table = [
            (
                "iso",
                "there is no time format `iso`; give rfc3339, unix, unix-ms, or a pattern",
            ),
            ("", "there is no time format ``"),
            (
                "%Y-%m-%d %K",
                "the time format `%Y-%m-%d %K` cannot be used",
            ),
            ("%Y-%m-%", "cannot be used"),
            ("%H:%M:%S", "cannot be used"),
            ("%Y-%m", "cannot be used"),
            ("%%", "cannot be used"),
            ("%Y-%m-%d %Z", "cannot be used"),
            ("%Y-%m-%d %H:%M %Q", "names of time zones are not read"),
            ("%c", "cannot be used"),
        ];
        for (pattern, part) in table {
            let error = pattern.parse::<TimeFormat>().unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
    }

    #[test]
    fn patterns_in_common_use_are_accepted() {
        for pattern in [
            "%a %b %e %T %Y",
            "%a, %d %b %Y %H:%M:%S %z",
            "%A %d %B %Y %l:%M %p",
            "%Y-%m-%dT%H:%M:%S%.f%:z",
            "%FT%T.%3fZ",
            "%-d.%-m.%Y %k:%M",
            "%G-W%V-%u",
            "%s.%f",
            "%D %R",
        ] {
            let parsed = pattern.parse::<TimeFormat>();
            assert_eq!(parsed, Ok(TimeFormat::Strftime(pattern.to_owned())));
        }
    }

    #[test]
    fn names_read_back_as_what_they_print() {
        for text in [
            "rfc3339",
            "unix",
            "unix-ms",
            "%Y-%m-%d",
            "%d/%b/%Y:%H:%M:%S %z",
        ] {
            assert_eq!(text.parse::<TimeFormat>().unwrap().to_string(), text);
        }
    }
}
