//! The text of a time becomes milliseconds since 1970.

mod joda;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, ISOWeekDate};
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use squall::{Decimal, DecimalError};

use joda::Pattern;

/// How the time of an event is written, by Druid's names, which are read in any case.
///
/// What is finer than a millisecond is cut off toward the past, and times are from -9999-01-02 to
/// 9999-12-30.
///
/// ```
/// use squall_cube::TimestampFormat;
///
/// let auto: TimestampFormat = "auto".parse()?;
/// assert_eq!(auto.parse("1442018818771")?, 1_442_018_818_771);
/// assert_eq!(auto.parse("2015-09-12 00:46:58.771")?, 1_442_018_818_771);
/// let pattern: TimestampFormat = "dd/MMM/yyyy:HH:mm:ss Z".parse()?;
/// assert_eq!(pattern.parse("27/Aug/2017:02:05:34 +0200")?, 1_503_792_334_000);
/// assert!("yyyy-nn".parse::<TimestampFormat>().unwrap_err().contains("`n`"));
/// # Ok::<(), String>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimestampFormat(Format);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Format {
    /// Milliseconds, or else ISO 8601 with a space in place of the `T`, and behind a last space the
    /// name of a time zone.
    Auto,
    /// ISO 8601; in UTC where there is no offset.
    Iso,
    /// A number since 1970, of which this many are a second; whole ones where `exact`.
    Number { name: &'static str, unit: Unit },
    /// A pattern of Joda Time.
    Pattern(Pattern),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// With or without a fraction.
    Seconds,
    /// As many make a millisecond.
    Finer(i64),
}

const NUMBERS: [(&str, Unit); 5] = [
    ("posix", Unit::Seconds),
    ("millis", Unit::Finer(1)),
    ("micro", Unit::Finer(1_000)),
    ("nano", Unit::Finer(1_000_000)),
    ("ruby", Unit::Seconds),
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
    /// What is wrong with the text, as a sentence that names it.
    pub fn parse(&self, text: &str) -> Result<i64, String> {
        let moment = match &self.0 {
            Format::Auto => auto(text),
            Format::Iso => iso(text),
            Format::Number { unit, .. } => number(*unit, text),
            Format::Pattern(pattern) => pattern.parse(text),
        };
        moment.map_err(|reason| format!("`{text}` is no time of the format {self}: {reason}"))
    }
}

/// A time of ISO 8601, or a part of it that begins with the year; UTC where it has no offset.
pub(crate) fn iso(text: &str) -> Result<i64, String> {
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
        return number(Unit::Finer(1), text);
    }
    if let Some((time, zone)) = text.rsplit_once(' ')
        && zone.starts_with(|first: char| first.is_ascii_alphabetic())
        && let Ok(zone) = crate::granularity::time_zone(zone)
    {
        return in_zone(time, &zone);
    }
    iso(text)
}

fn is_number(text: &str) -> bool {
    // Most times are seen not to be one by a look at their letters.
    let letter = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    text.bytes().all(letter) && !matches!(text.parse::<Decimal>(), Err(DecimalError::NotANumber(_)))
}

fn number(unit: Unit, text: &str) -> Result<i64, String> {
    let millis = match unit {
        Unit::Seconds => {
            use squall::connectors::files::TimeFormat;
            let parsed = TimeFormat::Unix.parse(text);
            // What it calls `unix-ms` is `millis` here.
            return parsed.map_err(|error| error.reason.replace("unix-ms", "millis"));
        }
        Unit::Finer(many) => {
            let number = text
                .parse()
                .and_then(Decimal::whole)
                .map_err(|_| "give a whole number of 64 bits".to_owned())?;
            number.div_euclid(many)
        }
    };
    Timestamp::from_millisecond(millis)
        .map_err(|_| format!("{OUTSIDE}; it may be in another unit"))?;
    Ok(millis)
}

fn floor(moment: Timestamp) -> i64 {
    // Nanoseconds of 20,000 years in milliseconds take 50 bits.
    i64::try_from(moment.as_nanosecond().div_euclid(1_000_000)).unwrap_or_default()
}

impl FromStr for TimestampFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let lower = text.to_lowercase();
        let number = NUMBERS.iter().find(|(name, _)| *name == lower);
        Ok(Self(match (lower.as_str(), number) {
            ("auto", _) => Format::Auto,
            ("iso", _) => Format::Iso,
            (_, Some(&(name, unit))) => Format::Number { name, unit },
            _ => Format::Pattern(Pattern::new(text)?),
        }))
    }
}

impl TryFrom<String> for TimestampFormat {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
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
            ("'it''s' yyyy", "it's 2015", 1_420_070_400_000),
        ];
        for (format, text, moment) in table {
            let format: TimestampFormat = format.parse().unwrap();
            assert_eq!(format.parse(text), Ok(moment), "{format}: {text}");
            assert_eq!(format.to_string().parse(), Ok(format));
        }
    }

    #[test]
    fn what_is_no_time_is_named_with_its_format() {
        let table = [
            ("auto", "", "`` is no time of the format auto"),
            (
                "auto",
                "yesterday",
                "give one such as 2015-09-12T00:46:58.771Z",
            ),
            ("auto", "99999999999999999999", "whole number of 64 bits"),
            ("iso", "1442018818771", "no time of the format iso"),
            ("iso", "2015-02-29", "no time of the format iso"),
            ("iso", "2015-02-29T00:00:00Z", "no time of the format iso"),
            ("iso", "2015-09-12Z", "no time of the format iso"),
            ("iso", "2015-09-12T00Zx", "no time of the format iso"),
            ("millis", "1.5", "whole number"),
            ("millis", "1442018818771000", "it may be in another unit"),
            ("auto", "1.5", "give a whole number"),
            (
                "auto",
                "9999-12-31",
                ": there are times from -9999-01-02 to 9999-12-30",
            ),
            ("iso", "9999-12-31T00:00:00Z", ": there are times from"),
            ("iso", "2015-366", "no time of the format iso"),
            ("iso", "2015-W54-1", "no time of the format iso"),
            (
                "posix",
                "1442018818771",
                "if it is milliseconds, use millis",
            ),
            ("posix", "1e9", "expected seconds"),
            ("yyyy-MM-dd", "2015-09", "`-` is missing at byte 7"),
            ("yyyy-MM-dd", "2015-09-12 ", "` ` is left over"),
            ("yyyy-MM-dd", "2015-13-12", "no time of the format"),
            (
                "yyyy MMM",
                "2015 Sap",
                "a month's name is missing at byte 5",
            ),
            ("yyyy HH", "2015 x", "a number is missing at byte 5"),
            ("yyyy Z", "2015 +2", "an offset such as +0200 is missing"),
        ];
        for (format, text, part) in table {
            let format: TimestampFormat = format.parse().unwrap();
            let error = format.parse(text).unwrap_err();
            assert!(error.contains(part), "{format}: {text}: {error}");
            assert!(!error.contains("jiff"), "{error}");
        }
    }

    #[test]
    fn a_pattern_that_can_give_no_time_is_refused() {
        let table = [
            ("yyyy-MM-dd n", "there is no letter `n`"),
            ("yyyy-MM-dd zzz", "`z`"),
            ("HH:mm", "has no year"),
            ("", "has no year"),
            ("yyyy 'T", "a quote is not closed"),
            ("isoo", "did you mean"),
        ];
        for (pattern, part) in table {
            let error = pattern.parse::<TimestampFormat>().unwrap_err();
            assert!(error.contains(part), "{pattern}: {error}");
        }
    }
}
