//! The text of a field becomes a time: milliseconds since 1970-01-01T00:00:00Z.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::{Offset, TimeZone};

use super::time_numbers::{OUTSIDE, TimeUnit, in_range};
use super::time_parts::{TimePart, check_time_parts};
use crate::text::Shown;

/// How a time is written.
///
/// As text: `rfc3339`, `unix` (also `unix-s`), `unix-ms`, `unix-us`, `unix-ns`, or else a pattern with `%`
/// directives. Spaces around a time and quotation marks around it do not matter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum TimeFormat {
    /// `2015-09-12T00:46:58.771Z`, with `Z` or an offset; a space may stand for the `T`.
    Rfc3339,
    /// Seconds since 1970 in decimal, with or without a fraction or an exponent, also negative.
    Unix,
    /// Milliseconds since 1970, whole ones however they are written (`1.5778368E12`), also
    /// negative.
    UnixMs,
    /// Microseconds since 1970, as [`UnixMs`](Self::UnixMs).
    UnixUs,
    /// Nanoseconds since 1970, as [`UnixMs`](Self::UnixMs).
    UnixNs,
    /// A pattern as for `strftime`, by the directives of [`jiff::fmt::strtime`]. Without an
    /// offset (`%z`) or `%s` in it times are read as UTC, without a time of day as midnight.
    /// [`FromStr`] checks the pattern; one made in another way may fail at each value.
    Strftime(String),
}

/// A pattern that can give no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeFormatError {
    /// Not a name, and no pattern either.
    #[error(
        "there is no time format `{}`; give rfc3339, unix, unix-ms, unix-us, unix-ns, or a pattern \
         with `%` directives such as `%Y-%m-%d %H:%M:%S`",
        Shown(.0)
    )]
    Unknown(String),
    /// The pattern has a directive that does not exist or cannot be read back, or leaves out
    /// what is needed to know the day.
    #[error("the time format `{}` cannot be used: {reason}", Shown(pattern))]
    Pattern {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// A value that is no time of the format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a time of the format {}: {reason}",
    Shown(value),
    Shown(format)
)]
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
        let plain = || plain_time(text);
        let number = |unit: TimeUnit| unit.parse(&plain()).map_err(|error| error.to_string());
        let result = match self {
            TimeFormat::Rfc3339 => rfc3339(&plain()),
            TimeFormat::Unix => number(TimeUnit::Seconds),
            TimeFormat::UnixMs => number(TimeUnit::Millis),
            TimeFormat::UnixUs => number(TimeUnit::Micros),
            TimeFormat::UnixNs => number(TimeUnit::Nanos),
            // A pattern may have spaces and quotation marks of its own.
            TimeFormat::Strftime(pattern) => {
                strftime(pattern, text).or_else(|error| match bare(text) {
                    bare if bare == text => Err(error),
                    bare => strftime(pattern, bare),
                })
            }
        };
        result.map_err(|reason| TimeError {
            value: text.to_owned(),
            format: self.clone(),
            reason,
        })
    }
}

/// The text of a time without the spaces and the quotation marks around it, and of its fraction no
/// more than nine digits, which is what clocks of computers have.
///
/// ```
/// use squall::connectors::files::plain_time;
///
/// let written = " \"2020-01-01T00:00:00.1234567891Z\" ";
/// assert_eq!(plain_time(written), "2020-01-01T00:00:00.123456789Z");
/// ```
pub fn plain_time(text: &str) -> Cow<'_, str> {
    let text = bare(text);
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    if let Some(point) = text.find(['.', ','])
        && let fraction = &text[point + 1..]
        && digits(fraction) > 9
        // And not the fraction of a number.
        && text[..point].contains(':')
    {
        let behind = &fraction[digits(fraction)..];
        return format!("{}{}{behind}", &text[..=point], &fraction[..9]).into();
    }
    Cow::Borrowed(text)
}

/// A text without the spaces and the quotation marks around it.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let inner = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'));
    inner.map_or(text, str::trim)
}

fn rfc3339(text: &str) -> Result<i64, String> {
    let why = match text.parse::<Timestamp>() {
        Ok(time) => return Ok(floor_ms(time)),
        Err(error) => error,
    };
    match Pieces::parse(text) {
        // The last hours of the year 9999, and the first ones of -9999, are no time for jiff.
        Ok(pieces) => match (pieces.time(), pieces.to_numeric_offset()) {
            (Some(time), Some(offset)) => {
                let since = pieces.date().to_datetime(time).duration_since(EPOCH);
                let ms = since.as_nanos().div_euclid(1_000_000);
                let ms = ms - i128::from(offset.seconds()) * 1_000;
                let ms = i64::try_from(ms).unwrap_or(i64::MAX);
                let outside = || format!("{OUTSIDE}; if it is given with a year of more digits");
                in_range(ms).ok_or_else(outside)
            }
            _ => Err(
                "it has no offset such as `Z` or `+02:00`; if it is UTC, give a pattern such as \
                 `%Y-%m-%d %H:%M:%S`"
                    .to_owned(),
            ),
        },
        Err(_) => Err(why.to_string()),
    }
}

/// 1970-01-01T00:00:00.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);

fn strftime(pattern: &str, text: &str) -> Result<i64, String> {
    let parsed = BrokenDownTime::parse(pattern, text).map_err(|error| error.to_string())?;
    to_ms(&parsed).map_err(|error| error.to_string())
}

fn to_ms(parsed: &BrokenDownTime) -> Result<i64, jiff::Error> {
    let time = if let Some(seconds) = parsed.timestamp() {
        // The fraction counts toward the future, before 1970 too, and jiff leaves it out.
        let fraction = parsed.subsec_nanosecond().unwrap_or(0);
        seconds.checked_add(jiff::SignedDuration::from_nanos(fraction.into()))?
    } else if parsed.offset().is_some() {
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

impl FromStr for TimeFormat {
    type Err = TimeFormatError;

    fn from_str(text: &str) -> Result<Self, TimeFormatError> {
        match text {
            "rfc3339" => Ok(TimeFormat::Rfc3339),
            "unix" | "unix-s" => Ok(TimeFormat::Unix),
            "unix-ms" => Ok(TimeFormat::UnixMs),
            "unix-us" => Ok(TimeFormat::UnixUs),
            "unix-ns" => Ok(TimeFormat::UnixNs),
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

/// The letters of the directives of a pattern.
fn directives(pattern: &str) -> impl Iterator<Item = char> {
    let mut rest = pattern.chars();
    std::iter::from_fn(move || {
        rest.find(|char| *char == '%')?;
        // Flags, a width, the point of a fraction, the colons of an offset.
        let modifies = |char: &char| "-_0^#.:".contains(*char) || char.is_ascii_digit();
        rest.find(|char| !modifies(char))
    })
}

/// The parts of a time that the directives of a pattern stand for; a directive that does not exist
/// stands for none.
fn parts_of(pattern: &str) -> Vec<TimePart> {
    use TimePart::{
        Day, DayOfYear, Fraction, Half, Hour, HourOfHalf, Instant, Minute, Month, Second, Week,
        WeekOfYear, WeekYear, Weekday, Year, Zone,
    };

    let mut parts = Vec::new();
    for letter in directives(pattern) {
        let of_directive: &[TimePart] = match letter {
            'Y' | 'y' => &[Year],
            'G' | 'g' => &[WeekYear],
            'm' | 'b' | 'B' | 'h' => &[Month],
            'd' | 'e' => &[Day],
            'j' => &[DayOfYear],
            'V' => &[Week],
            'U' | 'W' => &[WeekOfYear],
            'a' | 'A' | 'u' | 'w' => &[Weekday],
            'H' | 'k' => &[Hour],
            'I' | 'l' => &[HourOfHalf],
            'p' | 'P' => &[Half],
            'M' => &[Minute],
            'S' => &[Second],
            'f' | 'N' => &[Fraction],
            'z' | 'Z' | 'Q' => &[Zone],
            's' => &[Instant],
            'F' => &[Year, Month, Day],
            'D' => &[Month, Day, Year],
            'T' => &[Hour, Minute, Second],
            'R' => &[Hour, Minute],
            'r' => &[HourOfHalf, Minute, Second, Half],
            _ => &[],
        };
        parts.extend_from_slice(of_directive);
    }
    parts
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
    // Of a century and a year of two digits the second one would be taken alone.
    if directives(pattern).any(|letter| letter == 'C') {
        return Err("centuries are not read; give `%Y` for a year of four digits".to_owned());
    }
    check_time_parts(&parts_of(pattern)).map_err(|error| error.to_string())?;
    to_ms(&read).map_err(|error| error.to_string())?;
    Ok(())
}

impl fmt::Display for TimeFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeFormat::Rfc3339 => "rfc3339",
            TimeFormat::Unix => "unix",
            TimeFormat::UnixMs => "unix-ms",
            TimeFormat::UnixUs => "unix-us",
            TimeFormat::UnixNs => "unix-ns",
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
            ("%s.%f", "1442018818.771", 1_442_018_818_771),
            ("%s%.f", "1442018818.7719", 1_442_018_818_771),
            ("%s%.f", "1442018818", 1_442_018_818_000),
            ("%s.%3N", "1442018818.771", 1_442_018_818_771),
            ("%s.%f", "-2.5", -1_500),
            ("%s", "-2", -2_000),
            (
                "rfc3339",
                "2015-09-12t02:46:58.7719+02:00",
                1_442_018_818_771,
            ),
            ("rfc3339", "1969-12-31T23:59:59.9999Z", -1),
            ("rfc3339", "1969-12-31T23:59:59.9980001Z", -2),
            ("rfc3339", "1969-12-31T23:59:58Z", -2_000),
            (
                "rfc3339",
                "2020-01-01T00:00:00.1234567891Z",
                1_577_836_800_123,
            ),
            (
                "rfc3339",
                "2020-01-01T00:00:00.99999999999999999999-00:00",
                1_577_836_800_999,
            ),
            ("rfc3339", "1969-12-31T23:59:59.9999999999999Z", -1),
            ("rfc3339", " 2020-01-01t00:00:00z\t", 1_577_836_800_000),
            ("rfc3339", " \" 2020-01-01T00:00:00Z\"", 1_577_836_800_000),
            ("rfc3339", "2016-12-31T23:59:60Z", 1_483_228_799_000),
            ("rfc3339", "9999-12-31T23:59:59Z", 253_402_300_799_000),
            (
                "rfc3339",
                "9999-12-31T23:59:59.9999+00:00",
                253_402_300_799_999,
            ),
            ("rfc3339", "9999-12-31T00:00:00+23:00", 253_402_131_600_000),
            ("unix", "1442018818", 1_442_018_818_000),
            ("unix", "1.5778368E9", 1_577_836_800_000),
            ("unix", "15778368e+2", 1_577_836_800_000),
            ("unix", "1442018818771e-3", 1_442_018_818_771),
            ("unix", "-15e-4", -2),
            ("unix", "0e99", 0),
            ("unix", "1e-99", 0),
            ("unix", "-1e-99", -1),
            ("unix", " \"1442018818.5\" ", 1_442_018_818_500),
            ("unix-ms", "1577836800000.0", 1_577_836_800_000),
            ("unix-ms", "1.5778368E12", 1_577_836_800_000),
            ("unix-ms", "\"-1.0\"", -1),
            ("unix-ms", "0001577836800000", 1_577_836_800_000),
            ("unix-us", "1442018818771999", 1_442_018_818_771),
            ("unix-us", "1.442018818771E15", 1_442_018_818_771),
            ("unix-us", "-1", -1),
            ("unix-ns", "1442018818771999999", 1_442_018_818_771),
            ("unix-ns", "-1000001.0", -2),
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
            ("%a, %d %b %Y", "Sat, 12 Sep 2015", 1_442_016_000_000),
            ("%Y-%m-%d", " \"2017-08-27\" ", 1_503_792_000_000),
            ("\"%Y-%m-%d\"", "\"2017-08-27\"", 1_503_792_000_000),
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
            ("unix", "1e", "expected seconds"),
            ("unix", "1e1.5", "expected seconds"),
            ("unix", "1e99", "outside the years"),
            ("unix", "-1e999999", "outside the years"),
            ("unix", "Infinity", "expected seconds"),
            ("unix", "0x10", "expected seconds"),
            ("unix-ms", "1.5", "expected whole milliseconds"),
            ("unix-ms", "15e-1", "expected whole milliseconds"),
            ("unix-us", "1.5", "expected whole microseconds"),
            (
                "unix-us",
                "1442018818771999999",
                "if it is nanoseconds, use unix-ns",
            ),
            ("unix-ns", "1.5", "expected whole nanoseconds"),
            ("rfc3339", "10000-01-01T00:00:00Z", "is not a time"),
            ("rfc3339", "2020-01-01T00:00:00.Z", "is not a time"),
            ("rfc3339", "9999-12-31T23:59:59-01:00", "outside the years"),
            ("%a, %d %b %Y", "Mon, 12 Sep 2015", "is not a time"),
            ("%Y-%j %a", "2015-255 Mon", "is not a time"),
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
                "there is no time format `iso`; give rfc3339, unix, unix-ms, unix-us, unix-ns, or",
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
            (
                "%Y-%M-%d",
                "a day of the month without a month; it has minutes without an hour",
            ),
            ("%Y-%m-%d %j", "a day of the year together with a month"),
            ("%G-%m-%d", "a year of weeks together with a month"),
            ("%Y-W%V-%u", "a week without the year of weeks"),
            ("%Y-%m-%d %I:%M", "an hour of 12 without am or pm"),
            ("%Y-%m-%d %H:%M %p", "am or pm without an hour of 12"),
            (
                "%Y-%m-%d %H %I %p",
                "an hour of 24 together with an hour of 12",
            ),
            ("%F %m", "a month twice"),
            ("%Y %y-%m-%d", "a year twice"),
            ("%Y-%m %H", "an hour without a day"),
            ("%Y-%m-%d %M", "minutes without an hour"),
            ("%Y-%m-%d %H:%S", "seconds without minutes"),
            ("%F %T %z %z", "an offset twice"),
            ("%s %Y", "seconds since 1970 together with a year"),
            ("%F %a %A", "a day of the week twice"),
            ("%C%y%m%d", "centuries are not read; give `%Y`"),
            ("%C-%m-%d", "centuries are not read; give `%Y`"),
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
            "unix-us",
            "unix-ns",
            "%Y-%m-%d",
            "%d/%b/%Y:%H:%M:%S %z",
        ] {
            assert_eq!(text.parse::<TimeFormat>().unwrap().to_string(), text);
        }
    }
}
