//! Patterns of Joda Time, in which Druid's specs give other formats.

use jiff::Timestamp;
use jiff::civil::{self, DateTime};
use jiff::tz::Offset;

use crate::nearest;

/// A pattern: `yyyy-MM-dd'T'HH:mm:ss.SSSZ`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    Field(Field),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// Of at most four digits; of two, if there are two letters: 1969 to 2068.
    Year {
        short: bool,
    },
    /// Of at most two digits, or three: so numbers may stand side by side.
    Number(Number),
    MonthName,
    DayName,
    HalfOfDay,
    /// Digits behind the point of a second.
    Fraction,
    Offset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Month,
    Day,
    DayOfYear,
    Hour,
    HourOfHalf,
    Minute,
    Second,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = [
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
];
const NAMES: [&str; 7] = ["auto", "iso", "posix", "millis", "micro", "nano", "ruby"];

impl Pattern {
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut literal = String::new();
        let mut rest = text.chars().peekable();
        while let Some(letter) = rest.next() {
            if letter == '\'' {
                if rest.next_if_eq(&'\'').is_some() {
                    literal.push('\'');
                    continue;
                }
                loop {
                    match rest.next() {
                        None => {
                            return Err(format!(
                                "in the time format `{text}` a quote is not closed"
                            ));
                        }
                        Some('\'') if rest.next_if_eq(&'\'').is_some() => literal.push('\''),
                        Some('\'') => break,
                        Some(other) => literal.push(other),
                    }
                }
                continue;
            }
            if !letter.is_ascii_alphabetic() {
                literal.push(letter);
                continue;
            }
            let mut many = 1;
            while rest.next_if_eq(&letter).is_some() {
                many += 1;
            }
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            let field = Field::of(letter, many).ok_or_else(|| unknown(text, letter))?;
            parts.push(Part::Field(field));
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        let is_year = |part: &Part| matches!(part, Part::Field(Field::Year { .. }));
        if !parts.iter().any(is_year) {
            return Err(format!(
                "the time format `{text}` has no year: give {}, or a pattern such as `yyyy-MM-dd HH:mm:ss`",
                NAMES.join(", ")
            ));
        }
        Ok(Self {
            text: text.to_owned(),
            parts,
        })
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    pub(super) fn parse(&self, text: &str) -> Result<i64, String> {
        let mut time = Time::default();
        let mut rest = text;
        for part in &self.parts {
            let at = text.len() - rest.len();
            let (what, behind) = match part {
                Part::Literal(literal) => (literal.as_str(), rest.strip_prefix(literal.as_str())),
                Part::Field(field) => (field.what(), field.take(rest, &mut time)),
            };
            rest = behind.ok_or_else(|| match part {
                Part::Literal(_) => format!("`{what}` is missing at byte {at}"),
                Part::Field(_) => format!("{what} is missing at byte {at}"),
            })?;
        }
        if !rest.is_empty() {
            return Err(format!("`{rest}` is left over"));
        }
        time.moment()
            .map(super::floor)
            .map_err(|error| error.to_string())
    }
}

fn unknown(text: &str, letter: char) -> String {
    match nearest::nearest(text, &NAMES) {
        Some(name) => format!("there is no time format `{text}`; did you mean `{name}`?"),
        None => format!(
            "in the time format `{text}` there is no letter `{letter}`; there are y M d D E H h a m \
             s S Z, and text in single quotes (names of time zones are not read)"
        ),
    }
}

impl Field {
    fn of(letter: char, many: usize) -> Option<Self> {
        let number = |number| Some(Self::Number(number));
        match (letter, many) {
            ('y' | 'Y' | 'u', _) => Some(Self::Year { short: many == 2 }),
            ('M', 3..) => Some(Self::MonthName),
            ('M', _) => number(Number::Month),
            ('d', _) => number(Number::Day),
            ('D', _) => number(Number::DayOfYear),
            ('E', _) => Some(Self::DayName),
            ('H', _) => number(Number::Hour),
            ('h', _) => number(Number::HourOfHalf),
            ('a', _) => Some(Self::HalfOfDay),
            ('m', _) => number(Number::Minute),
            ('s', _) => number(Number::Second),
            ('S', _) => Some(Self::Fraction),
            ('Z', 1 | 2) => Some(Self::Offset),
            _ => None,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Self::Year { .. } => "a year",
            Self::Number(_) | Self::Fraction => "a number",
            Self::MonthName => "a month's name",
            Self::DayName => "a day's name",
            Self::HalfOfDay => "am or pm",
            Self::Offset => "an offset such as +0200",
        }
    }

    /// Reads it off the beginning of the text; gives the rest.
    fn take<'t>(self, text: &'t str, time: &mut Time) -> Option<&'t str> {
        match self {
            Self::Year { short } => {
                let (year, rest) = digits_of(text, if short { 2 } else { 4 })?;
                let year = i16::try_from(year).ok()?;
                time.year = match year {
                    0..69 if short => 2_000 + year,
                    69..100 if short => 1_900 + year,
                    year => year,
                };
                Some(rest)
            }
            Self::Number(number) => {
                let most = if number == Number::DayOfYear { 3 } else { 2 };
                let (value, rest) = digits_of(text, most)?;
                time.set(number, i16::try_from(value).ok()?);
                Some(rest)
            }
            Self::Fraction => {
                let digits = text.bytes().take_while(u8::is_ascii_digit).count();
                if digits == 0 {
                    return None;
                }
                let nanos = text.bytes().take(digits).chain(*b"00000000").take(9);
                time.nanos = nanos.fold(0, |nanos, digit| nanos * 10 + i32::from(digit - b'0'));
                text.get(digits..)
            }
            Self::MonthName => {
                let (place, rest) = name_of(text, &MONTHS)?;
                time.month = i8::try_from(place + 1).ok()?;
                Some(rest)
            }
            Self::DayName => name_of(text, &DAYS).map(|(_, rest)| rest),
            Self::HalfOfDay => {
                let half = text.get(..2)?.to_lowercase();
                time.afternoon = Some(half == "pm");
                (half == "pm" || half == "am").then(|| &text[2..])
            }
            Self::Offset => offset(text, time),
        }
    }
}

/// A number of one digit to as many.
fn digits_of(text: &str, most: usize) -> Option<(u16, &str)> {
    let digits = text
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_digit)
        .count();
    Some((text.get(..digits)?.parse().ok()?, text.get(digits..)?))
}

/// A name or its first three letters.
fn name_of<'t>(text: &'t str, names: &[&str]) -> Option<(usize, &'t str)> {
    let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let found = text.get(..letters)?.to_lowercase();
    let place = names
        .iter()
        .position(|name| found == *name || found == name[..3])?;
    Some((place, text.get(letters..)?))
}

/// `Z`, `+0200` or `+02:00`.
fn offset<'t>(text: &'t str, time: &mut Time) -> Option<&'t str> {
    if let Some(rest) = text.strip_prefix('Z') {
        time.offset = Offset::UTC;
        return Some(rest);
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let two = |text: &'t str| {
        let (number, rest) = digits_of(text, 2)?;
        (text.len() - rest.len() == 2).then_some((i32::from(number), rest))
    };
    let (hours, rest) = two(&text[1..])?;
    let (minutes, rest) = two(rest.strip_prefix(':').unwrap_or(rest))?;
    time.offset = Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()?;
    Some(rest)
}

/// What was read.
struct Time {
    year: i16,
    month: i8,
    day: i8,
    day_of_year: Option<i16>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    offset: Offset,
}

impl Default for Time {
    fn default() -> Self {
        Self {
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            hour: 0,
            afternoon: None,
            minute: 0,
            second: 0,
            nanos: 0,
            offset: Offset::UTC,
        }
    }
}

impl Time {
    fn set(&mut self, number: Number, value: i16) {
        // At most three digits: what is above 127 is out of range for each of them.
        let small = i8::try_from(value).unwrap_or(i8::MAX);
        match number {
            Number::Month => self.month = small,
            Number::Day => self.day = small,
            Number::DayOfYear => self.day_of_year = Some(value),
            Number::Hour | Number::HourOfHalf => self.hour = small,
            Number::Minute => self.minute = small,
            Number::Second => self.second = small,
        }
    }

    fn moment(&self) -> Result<Timestamp, jiff::Error> {
        let hour = match self.afternoon {
            None => self.hour,
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
        };
        let date = match self.day_of_year {
            Some(day) => civil::Date::new(self.year, 1, 1)?
                .with()
                .day_of_year(day)
                .build()?,
            None => civil::Date::new(self.year, self.month, self.day)?,
        };
        let time = civil::Time::new(hour, self.minute, self.second, self.nanos)?;
        self.offset.to_timestamp(DateTime::from_parts(date, time))
    }
}
