//! The text of a time becomes milliseconds since 1970.

mod joda;
mod zone;

pub(crate) use zone::time_zone;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, ISOWeekDate};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use squall::connectors::files::{TimeNumberError, TimeUnit, plain_time};
use squall::{Decimal, decimal::DecimalError, text::Shown};

use joda::Pattern;

/// How the time of an event is written, by Druid's names, which are read in any case.
///
/// What is finer than a millisecond is cut off toward the past, and times are from -9999-01-02 to
/// 9999-12-30. Spaces around a time and quotation marks around it do not matter. The abbreviations
/// EST, EDT, CST, CDT, MST, MDT, PST and PDT mean one offset each, whatever the date.
///
/// ```
/// use squall_cube::TimestampFormat;
///
/// let auto: TimestampFormat = "auto".parse()?;
/// assert_eq!(auto.parse("1442018818771")?, 1_442_018_818_771);
/// assert_eq!(auto.parse("2015-09-12 00:46:58.771")?, 1_442_018_818_771);
/// let pattern: TimestampFormat = "dd/MMM/yyyy:HH:mm:ss Z".parse()?;
/// assert_eq!(pattern.parse("27/Aug/2017:02:05:34 +0200")?, 1_503_792_334_000);
/// let error = "yyyy-nn".parse::<TimestampFormat>().unwrap_err();
/// assert!(error.to_string().contains("`n`"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimestampFormat(Format);

/// A text that is no time of its format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{}` is not a time of the format {}: {reason}",
    Shown(text),
    Shown(format)
)]
#[non_exhaustive]
pub struct TimestampError {
    /// The text.
    pub text: String,
    /// The format that was asked for.
    pub format: TimestampFormat,
    /// What is wrong with it.
    pub reason: String,
}

/// A text that is no format of times.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
#[non_exhaustive]
pub struct TimestampFormatError {
    /// What is wrong with it, as a sentence that names it.
    pub reason: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    /// Milliseconds, or else ISO 8601 with a space in place of the `T`, and behind a last space the
    /// name of a time zone, an abbreviation such as `PST`, or an offset.
    Auto,
    /// ISO 8601; in UTC where there is no offset.
    Iso,
    /// A number since 1970.
    Number { name: &'static str, unit: TimeUnit },
    /// A pattern of Joda Time.
    Pattern(Pattern),
}

const NUMBERS: [(&str, TimeUnit); 5] = [
    ("posix", TimeUnit::Seconds),
    ("millis", TimeUnit::Millis),
    ("micro", TimeUnit::Micros),
    ("nano", TimeUnit::Nanos),
    ("ruby", TimeUnit::Seconds),
];

/// Two days less than these years have, so that every time is one in every time zone.
const OUTSIDE: &str = "there are times from -9999-01-02 to 9999-12-30";

impl TimestampFormat {
    /// `auto`.
    pub(crate) fn auto() -> Self {
        Self(Format::Auto)
    }

    /// The time in milliseconds since 1970.
    ///
    /// # Errors
    /// [`TimestampError`] with the reason.
    pub fn parse(&self, text: &str) -> Result<i64, TimestampError> {
        let moment = match &self.0 {
            Format::Auto => auto(&plain_time(text)),
            Format::Iso => iso(text),
            Format::Number { unit, .. } => number(*unit, &plain_time(text)),
            // A pattern may have spaces and quotation marks of its own.
            Format::Pattern(pattern) => pattern.parse(text).or_else(|error| {
                let plain = plain_time(text);
                if plain == text {
                    return Err(error);
                }
                pattern.parse(&plain)
            }),
        };
        moment.map_err(|reason| TimestampError {
            text: text.to_owned(),
            format: self.clone(),
            reason,
        })
    }
}

/// A time of ISO 8601, or a part of it that begins with the year; UTC where it has no offset.
pub(crate) fn iso(text: &str) -> Result<i64, String> {
    let text = &*plain_time(text);
    let text = &*by_month(text);
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(floor(moment));
    }
    match Pieces::parse(text) {
        // It has all that a moment needs, and is none.
        Ok(pieces) if pieces.time().is_some() && pieces.offset().is_some() => Err(OUTSIDE.into()),
        _ => in_zone(text, &TimeZone::UTC),
    }
}

/// A date by week (`2015-W12-3`, `2015-W12`) or by day of the year (`2015-079`) as one by month;
/// other texts as they are.
fn by_month(text: &str) -> Cow<'_, str> {
    let end = text.find(['T', 't', ' ']).unwrap_or(text.len());
    let (date, rest) = text.split_at(end);
    let date: Option<Date> = match date.split_once('-') {
        Some((_, week)) if week.starts_with('W') => {
            let day = if week.contains('-') { "" } else { "-1" };
            let date = format!("{date}{day}").parse::<ISOWeekDate>().ok();
            date.map(ISOWeekDate::date)
        }
        Some((year, day)) if year.len() == 4 && day.len() == 3 => {
            let first = format!("{year}-01-01").parse::<Date>().ok();
            let of_year = day.parse().ok();
            let date = first.zip(of_year);
            date.and_then(|(first, day)| first.with().day_of_year(day).build().ok())
        }
        _ => None,
    };
    date.map_or(Cow::Borrowed(text), |date| format!("{date}{rest}").into())
}

/// A time of ISO 8601 without an offset.
fn in_zone(text: &str, zone: &TimeZone) -> Result<i64, String> {
    let text = &*by_month(text);
    if text.ends_with(['Z', 'z']) {
        return Err("`Z` belongs behind a time of day, and beside no time zone".to_owned());
    }
    // A year, a year with a month, a day with an hour.
    let longer = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        13 => format!("{text}:00"),
        _ => text.to_owned(),
    };
    let time: DateTime = longer.parse().map_err(|error: jiff::Error| {
        format!("give one such as 2015-09-12T00:46:58.771Z or 2015-09-12 ({error})")
    })?;
    let moment = zone.to_timestamp(time).map_err(|_| OUTSIDE.to_owned())?;
    Ok(floor(moment))
}

fn auto(text: &str) -> Result<i64, String> {
    if is_number(text) {
        return number(TimeUnit::Millis, text);
    }
    if let Some((time, zone)) = text.rsplit_once(' ')
        && zone.starts_with(|first: char| first.is_ascii_alphabetic() || "+-".contains(first))
        && let Some(zone) = zone::by_name(zone)
    {
        return in_zone(time.trim_end(), &zone);
    }
    iso(text)
}

fn is_number(text: &str) -> bool {
    // Most times are seen not to be one by a look at their letters.
    let letter = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(letter) && !matches!(text.parse::<Decimal>(), Err(DecimalError::NotANumber(_)))
}

/// Seconds are read as other inputs have them. Finer units are whole numbers of 64 bits, which may
/// have a sign and a point as numbers of JSON and CSV have them.
fn number(unit: TimeUnit, text: &str) -> Result<i64, String> {
    if unit == TimeUnit::Seconds {
        return unit.parse(text).map_err(|error| match error {
            TimeNumberError::OutOfRange(_) => {
                "it lies outside the years -9999 to 9999; if it is milliseconds, use millis".into()
            }
            error => error.to_string(),
        });
    }
    let number = text
        .parse()
        .and_then(Decimal::whole)
        .map_err(|_| "give a whole number of 64 bits".to_owned())?;
    let millis = unit.millis(number);
    Timestamp::from_millisecond(millis)
        .map_err(|_| format!("{OUTSIDE}; it may be in another unit"))?;
    Ok(millis)
}

fn floor(moment: Timestamp) -> i64 {
    // Nanoseconds of 20,000 years in milliseconds take 50 bits.
    i64::try_from(moment.as_nanosecond().div_euclid(1_000_000)).unwrap_or_default()
}

impl FromStr for TimestampFormat {
    type Err = TimestampFormatError;

    fn from_str(text: &str) -> Result<Self, TimestampFormatError> {
        let lower = text.to_lowercase();
        let number = NUMBERS.iter().find(|(name, _)| *name == lower);
        Ok(Self(match (lower.as_str(), number) {
            ("auto", _) => Format::Auto,
            ("iso", _) => Format::Iso,
            (_, Some(&(name, unit))) => Format::Number { name, unit },
            _ => {
                let pattern = Pattern::new(text);
                Format::Pattern(pattern.map_err(|reason| TimestampFormatError { reason })?)
            }
        }))
    }
}

impl TryFrom<String> for TimestampFormat {
    type Error = TimestampFormatError;

    fn try_from(text: String) -> Result<Self, TimestampFormatError> {
        text.parse()
    }
}

impl From<TimestampFormat> for String {
    fn from(format: TimestampFormat) -> Self {
        format.to_string()
    }
}

impl fmt::Display for TimestampFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Format::Auto => "auto",
            Format::Iso => "iso",
            Format::Number { name, .. } => name,
            Format::Pattern(pattern) => pattern.text(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: i64 = 1_442_018_818_771;

    #[test]
    fn times_are_read_by_every_format() {
        let table = [
            ("auto", "1442018818771", MOMENT),
            ("AUTO", "2015-09-12T00:46:58.771Z", MOMENT),
            ("auto", "2015-09-12 00:46:58.771", MOMENT),
            ("auto", "2015-09-12 02:46:58.771+02:00", MOMENT),
            ("auto", "2015-09-12 02:46:58.771 Europe/Prague", MOMENT),
            (
                "auto",
                "2019-11-24 00:03:13.442536+00:00",
                1_574_553_793_442,
            ),
            ("auto", "-86400000", -86_400_000),
            ("auto", "1.4420188E12", 1_442_018_800_000),
            ("auto", "2015-W37-6", 1_442_016_000_000),
            ("auto", "2015-255 02:46:58.771 Europe/Prague", MOMENT),
            ("iso", "2015-W37-6T00:46:58.771Z", MOMENT),
            ("iso", "2015-W01", 1_419_811_200_000),
            ("iso", "2015-255T03", 1_442_026_800_000),
            ("iso", "2016-366", 1_483_142_400_000),
            ("iso", "2015-09-12T02:46:58.7719+02:00", MOMENT),
            ("iso", "2015-09-12T00:46:58.771", MOMENT),
            ("iso", "2015-09-12", 1_442_016_000_000),
            ("iso", "2015-09-12T03", 1_442_026_800_000),
            ("iso", "2015-09", 1_441_065_600_000),
            ("iso", "2015", 1_420_070_400_000),
            ("iso", "1969-12-31T23:59:59.9999Z", -1),
            ("posix", "1442018818", MOMENT - 771),
            ("ruby", "1442018818.7719", MOMENT),
            ("millis", "-1", -1),
            ("micro", "1442018818771999", MOMENT),
            ("micro", "-1", -1),
            ("Nano", "1442018818771999999", MOMENT),
            ("iso", "2015-09-12T00:46:58.77199999999999Z", MOMENT),
            ("iso", " \"2015-09-12T00:46:58.771\" ", MOMENT),
            ("posix", "1.442018818771E9", MOMENT),
            ("millis", "\"1.442018818771E12\"", MOMENT),
        ];
        all_are_read(&table);
    }

    /// Format, text and moment.
    fn all_are_read(table: &[(&str, &str, i64)]) {
        for (format, text, moment) in table {
            let format: TimestampFormat = format.parse().unwrap();
            assert_eq!(format.parse(text), Ok(*moment), "{format}: {text}");
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn times_are_read_by_patterns() {
        let table = [
            ("yyyy-MM-dd HH:mm:ss.SSS", "2015-09-12 00:46:58.771", MOMENT),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSZ",
                "2015-09-12T02:46:58.771+0200",
                MOMENT,
            ),
            (
                "yyyy-MM-dd'T'HH:mm:ss.SSSZZ",
                "2015-09-12T00:46:58.771Z",
                MOMENT,
            ),
            ("yyyyMMddHHmmss", "20150912004658", MOMENT - 771),
            ("M/d/yy h:mm a", "9/12/15 12:46 am", MOMENT - 58_771),
            (
                "EEE, dd MMMM yyyy",
                "Sat, 12 September 2015",
                1_442_016_000_000,
            ),
            ("yyyy D", "2016 366", 1_483_142_400_000),
            ("xxxx-'W'ww-e", "2015-W37-6", 1_442_016_000_000),
            ("xxxx-'W'ww", "2015-W01", 1_419_811_200_000),
            ("xxxx'W'ww EEE", "2015W37 Sat", 1_442_016_000_000),
            ("EEEE yyyy D", "Saturday 2015 255", 1_442_016_000_000),
            (
                "yyyy-MM-dd K:mm a",
                "2015-09-12 0:46 PM",
                MOMENT - 58_771 + 43_200_000,
            ),
            ("yyyy-MM-dd h:mm a", "2015-09-12 12:46 AM", MOMENT - 58_771),
            ("yyyy-MM-dd kk:mm", "2015-09-12 24:46", MOMENT - 58_771),
            (
                "yyyy-MM-dd'T'HH:mm:ss z",
                "2015-09-11T17:46:58 PDT",
                MOMENT - 771,
            ),
            (
                "yyyy-MM-dd HH:mm:ss z",
                "2015-09-12 02:46:58 Europe/Prague",
                MOMENT - 771,
            ),
            (
                "yyyy-MM-dd HH:mm:ss zZ",
                "2015-09-12 02:46:58 GMT+0200",
                MOMENT - 771,
            ),
            (
                "yyyy-MM-dd HH:mm:ss ZZZ",
                "2015-09-12 02:46:58 Europe/Prague",
                MOMENT - 771,
            ),
            (
                "EEE MMM dd HH:mm:ss zZ z yyyy",
                "Wed Nov 9 04:00:00 GMT-0800 PST 1994",
                784_382_400_000,
            ),
            (
                "EEE MMM dd HH:mm:ss z yyyy",
                " \" Wed Nov 9 04:00:00 PST 1994 \"  ",
                784_382_400_000,
            ),
            ("'it''s' yyyy", "it's 2015", 1_420_070_400_000),
        ];
        all_are_read(&table);
    }

    #[test]
    fn every_value_that_druid_documents_for_auto_is_read() {
        let (utc, pacific) = (1_234_567_890_000, 1_234_596_690_000);
        let midnight = 1_234_483_200_000;
        let table = [
            ("1234567890000", utc),
            ("2009-02-13T23:31:30Z", utc),
            ("2009-02-13T23:31:30-08:00", pacific),
            ("2009-02-13 23:31:30Z", utc),
            ("2009-02-13 23:31:30-08:00", pacific),
            ("2009-02-13", midnight),
            ("\"2009-02-13\"", midnight),
            ("2009-02-13 23:31:30", utc),
            ("2009-02-13 23:31:30 UTC", utc),
            ("2009-02-13 23:31:30 PST", pacific),
            ("\"2009-02-13 23:31:30 PST\"", pacific),
            ("  \" 2009-02-13 23:31:30  PST \" ", pacific),
            ("2009-02-13T23:31:30 PST", pacific),
            ("2009-02-13 23:31:30 -08:00", pacific),
            ("2009-02-13 23:31:30 -0800", pacific),
            ("2009-02-13 23:31:30 Z", utc),
            ("2009-02-13 23:31:30 GMT", utc),
            ("2009-02-13 23:31:30 EST", utc + 5 * 3_600_000),
            ("2009-02-13 23:31:30 edt", utc + 4 * 3_600_000),
            ("2009-02-13 23:31:30 CST", utc + 6 * 3_600_000),
            ("2009-02-13 23:31:30 CDT", utc + 5 * 3_600_000),
            ("2009-02-13 23:31:30 MST", utc + 7 * 3_600_000),
            ("2009-02-13 23:31:30 MDT", utc + 6 * 3_600_000),
            ("2009-02-13 23:31:30 PDT", utc + 7 * 3_600_000),
            ("2009-02-13 23:31:30 +0530", utc - 19_800_000),
            ("2009-02-13 PST", midnight + 8 * 3_600_000),
            // An abbreviation is an offset, also when the clocks show another time.
            ("2009-07-13 12:00:00 PST", 1_247_515_200_000),
        ];
        for (text, moment) in table {
            assert_eq!(TimestampFormat::auto().parse(text), Ok(moment), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_named_with_its_format() {
        let table = [
            ("auto", "", "`` is not a time of the format auto"),
            (
                "auto",
                "yesterday",
                "give one such as 2015-09-12T00:46:58.771Z",
            ),
            ("auto", "99999999999999999999", "whole number of 64 bits"),
            ("iso", "1442018818771", "not a time of the format iso"),
            ("iso", "2015-02-29", "not a time of the format iso"),
            (
                "iso",
                "2015-02-29T00:00:00Z",
                "not a time of the format iso",
            ),
            ("iso", "2015-09-12Z", "not a time of the format iso"),
            ("iso", "2015-09-12T00Zx", "not a time of the format iso"),
            ("millis", "1.5", "whole number"),
            ("millis", "1442018818771000", "it may be in another unit"),
            ("auto", "1.5", "give a whole number"),
            (
                "auto",
                "9999-12-31",
                ": there are times from -9999-01-02 to 9999-12-30",
            ),
            ("iso", "9999-12-31T00:00:00Z", ": there are times from"),
            ("iso", "2015-366", "not a time of the format iso"),
            ("iso", "2015-W54-1", "not a time of the format iso"),
            (
                "posix",
                "1442018818771",
                "if it is milliseconds, use millis",
            ),
            ("posix", "1e", "expected seconds"),
            ("yyyy-MM-dd", "2015-09", "`-` is missing at byte 7"),
            ("yyyy-MM-dd", "2015-09-12 x", "` x` is left over"),
            ("yyyy-MM-dd", "2015-13-12", "not a time of the format"),
            (
                "yyyy MMM",
                "2015 Sap",
                "a month's name is missing at byte 5",
            ),
            ("yyyy DDD", "2015 x", "a number is missing at byte 5"),
            (
                "EEE, dd MMMM yyyy",
                "Mon, 12 September 2015",
                "2015-09-12 is a Saturday, and no Monday",
            ),
            ("yyyy-MM-dd e", "2015-09-12 1", "is a Saturday"),
            ("yyyy-MM-dd e", "2015-09-12 8", "a number is missing"),
            (
                "yyyy-MM-dd h a",
                "2015-09-12 13 pm",
                "a number is missing at byte 11",
            ),
            (
                "yyyy-MM-dd h a",
                "2015-09-12 0 pm",
                "a number is missing at byte 11",
            ),
            (
                "yyyy-MM-dd K a",
                "2015-09-12 12 pm",
                "a number is missing at byte 11",
            ),
            (
                "yyyy-MM-dd kk",
                "2015-09-12 00",
                "a number is missing at byte 11",
            ),
            ("yyyy-MM-dd HH", "2015-09-12 24", "not a time of the format"),
            ("xxxx-'W'ww", "2015-W54", "not a time of the format"),
            (
                "yyyy-MM-dd z",
                "2015-09-12 Nowhere",
                "the name of a time zone, such as PST",
            ),
            (
                "yyyy-MM-dd HH:mm z Z",
                "2015-09-12 02:46 PST +0200",
                "contradict each other",
            ),
            (
                "auto",
                "2009-02-13 23:31:30 Hello",
                "not a time of the format auto",
            ),
            (
                "auto",
                "2009-02-13 23:31:30Z PST",
                "not a time of the format auto",
            ),
            ("yyyy Z", "2015 +2", "an offset such as +0200 is missing"),
        ];
        for (format, text, part) in table {
            let format: TimestampFormat = format.parse().unwrap();
            let error = format.parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{format}: {text}: {error}");
            assert!(!error.contains("jiff"), "{error}");
        }
    }

    #[test]
    fn a_pattern_that_can_give_no_time_is_refused() {
        let table = [
            ("yyyy-MM-dd n", "there is no letter `n`"),
            ("yyyy-MM-dd G", "`G`"),
            ("HH:mm", "has no year"),
            ("", "has no year"),
            ("yyyy-MM-DD", "a day of the year together with a month"),
            (
                "yyyy-mm-dd",
                "a day of the month without a month; it has minutes without an hour",
            ),
            ("xxxx-MM-dd", "a year of weeks together with a month"),
            ("yyyy-'W'ww-e", "a week without the year of weeks"),
            ("yyyy-MM-dd hh:mm", "an hour of 12 without am or pm"),
            ("yyyy-MM-dd HH:mm a", "am or pm without an hour of 12"),
            ("yyyy-MM-dd HH:ss", "seconds without minutes"),
            ("yyyy-MM-dd mm", "minutes without an hour"),
            ("yyyy-MM HH", "an hour without a day"),
            ("yyyy-MM-dd dd", "a day of the month twice"),
            ("yyyy-MM-dd HH kk", "an hour of 24 twice"),
            ("MMM M yyyy", "a month twice"),
            ("yyyy-MM-dd SSS", "a fraction of seconds without seconds"),
            ("EEE yyyy", "a day of the week without a day"),
            ("yyyy 'T", "a quote is not closed"),
            ("isoo", "did you mean"),
        ];
        for (pattern, part) in table {
            let error = pattern.parse::<TimestampFormat>().unwrap_err().to_string();
            assert!(error.contains(part), "{pattern}: {error}");
        }
    }
}
