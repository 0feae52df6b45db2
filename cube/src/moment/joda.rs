//! Patterns of Joda Time, in which Druid's specs give other formats.

use jiff::Timestamp;
use jiff::civil::{self, Date, DateTime, ISOWeekDate, Weekday};
use jiff::tz::{Offset, TimeZone};
use squall::connectors::files::{TimePart, check_time_parts};
use squall::text::{self, Shown};

use super::zone::{by_abbreviation, by_name};

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
        /// Of the weeks of ISO 8601.
        of_weeks: bool,
    },
    /// Of at most two digits, or three: so numbers may stand side by side.
    Number(Number),
    MonthName,
    DayName,
    HalfOfDay,
    /// Digits behind the point of a second.
    Fraction,
    Offset,
    /// The abbreviation or the name of a time zone.
    ZoneName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Number {
    Month,
    Day,
    DayOfYear,
    Week,
    DayOfWeek,
    /// 0 to 23.
    Hour,
    /// 1 to 24.
    ClockHour,
    /// 0 to 11.
    HourOfHalf,
    /// 1 to 12.
    ClockHourOfHalf,
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
                            let text = Shown(text);
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
        let of_time = |part: &Part| match part {
            Part::Literal(_) => None,
            Part::Field(field) => Some(field.part()),
        };
        let mut of_times: Vec<TimePart> = parts.iter().filter_map(of_time).collect();
        // Druid's patterns have a zone by its name and by its offset; values tell whether they agree.
        let zones = of_times.extract_if(.., |part| *part == TimePart::Zone);
        let zone = zones.last();
        of_times.extend(zone);
        check_time_parts(&of_times).map_err(|why| {
            format!(
                "the time format `{}` cannot be used: {why}; give {}, or a pattern such as \
                 `yyyy-MM-dd HH:mm:ss`",
                Shown(text),
                NAMES.join(", ")
            )
        })?;
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
            return Err(format!("`{}` is left over", Shown(rest)));
        }
        time.moment().map(super::floor)
    }
}

fn unknown(text: &str, letter: char) -> String {
    match text::nearest(text, &NAMES) {
        Some(name) => format!("there is no time format `{text}`; did you mean `{name}`?"),
        None => format!(
            "in the time format `{}` there is no letter `{letter}`; there are y M d D x w e E H k K \
             h a m s S Z z, and text in single quotes",
            Shown(text)
        ),
    }
}

impl Field {
    fn of(letter: char, many: usize) -> Option<Self> {
        let number = |number| Some(Self::Number(number));
        match (letter, many) {
            ('y' | 'Y' | 'u' | 'x', _) => Some(Self::Year {
                short: many == 2,
                of_weeks: letter == 'x',
            }),
            ('M', 3..) => Some(Self::MonthName),
            ('M', _) => number(Number::Month),
            ('d', _) => number(Number::Day),
            ('D', _) => number(Number::DayOfYear),
            ('E', _) => Some(Self::DayName),
            ('H', _) => number(Number::Hour),
            ('w', _) => number(Number::Week),
            ('e', _) => number(Number::DayOfWeek),
            ('k', _) => number(Number::ClockHour),
            ('K', _) => number(Number::HourOfHalf),
            ('h', _) => number(Number::ClockHourOfHalf),
            ('a', _) => Some(Self::HalfOfDay),
            ('m', _) => number(Number::Minute),
            ('s', _) => number(Number::Second),
            ('S', _) => Some(Self::Fraction),
            ('Z', 1 | 2) => Some(Self::Offset),
            ('z', _) | ('Z', 3..) => Some(Self::ZoneName),
            _ => None,
        }
    }

    /// What it says about a time.
    fn part(self) -> TimePart {
        match self {
            Self::Year {
                of_weeks: false, ..
            } => TimePart::Year,
            Self::Year { of_weeks: true, .. } => TimePart::WeekYear,
            Self::Number(Number::Month) | Self::MonthName => TimePart::Month,
            Self::Number(Number::Day) => TimePart::Day,
            Self::Number(Number::DayOfYear) => TimePart::DayOfYear,
            Self::Number(Number::Week) => TimePart::Week,
            Self::Number(Number::DayOfWeek) | Self::DayName => TimePart::Weekday,
            Self::Number(Number::Hour | Number::ClockHour) => TimePart::Hour,
            Self::Number(Number::HourOfHalf | Number::ClockHourOfHalf) => TimePart::HourOfHalf,
            Self::Number(Number::Minute) => TimePart::Minute,
            Self::Number(Number::Second) => TimePart::Second,
            Self::HalfOfDay => TimePart::Half,
            Self::Fraction => TimePart::Fraction,
            Self::Offset | Self::ZoneName => TimePart::Zone,
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
            Self::ZoneName => "the name of a time zone, such as PST or Europe/Prague,",
        }
    }

    /// Reads it off the beginning of the text; gives the rest.
    fn take<'t>(self, text: &'t str, time: &mut Time) -> Option<&'t str> {
        match self {
            Self::Year { short, .. } => {
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
                time.set(number, i16::try_from(value).ok()?)?;
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
            Self::DayName => {
                let (place, rest) = name_of(text, &DAYS)?;
                time.weekday = i8::try_from(place + 1).ok();
                Some(rest)
            }
            Self::HalfOfDay => {
                let half = text.get(..2)?.to_lowercase();
                time.afternoon = Some(half == "pm");
                (half == "pm" || half == "am").then(|| &text[2..])
            }
            Self::Offset => offset(text, time),
            Self::ZoneName => zone_name(text, time),
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

/// The abbreviation or the name of a time zone.
fn zone_name<'t>(text: &'t str, time: &mut Time) -> Option<&'t str> {
    let length = |is: fn(&u8) -> bool| text.bytes().take_while(is).count();
    let letters = length(u8::is_ascii_alphabetic);
    let name = length(|byte| byte.is_ascii_alphanumeric() || b"/_+-".contains(byte));
    // `GMT-0800` is an abbreviation and an offset.
    let (zone, end) = match by_abbreviation(&text[..letters]) {
        Some(zone) => (zone, letters),
        None => (by_name(&text[..name])?, name),
    };
    time.zones.push(zone);
    text.get(end..)
}

/// `Z`, `+0200` or `+02:00`.
fn offset<'t>(text: &'t str, time: &mut Time) -> Option<&'t str> {
    if let Some(rest) = text.strip_prefix('Z') {
        time.zones.push(TimeZone::UTC);
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
    if minutes > 59 {
        return None;
    }
    let offset = Offset::from_seconds(sign * (hours * 3_600 + minutes * 60)).ok()?;
    time.zones.push(TimeZone::fixed(offset));
    Some(rest)
}

/// What was read.
struct Time {
    year: i16,
    month: i8,
    day: i8,
    day_of_year: Option<i16>,
    /// The week, where the year is one of weeks.
    week: Option<i8>,
    /// From Monday, 1 to 7.
    weekday: Option<i8>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    zones: Vec<TimeZone>,
}

impl Default for Time {
    fn default() -> Self {
        Self {
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            week: None,
            weekday: None,
            hour: 0,
            afternoon: None,
            minute: 0,
            second: 0,
            nanos: 0,
            zones: Vec::new(),
        }
    }
}

impl Time {
    /// None where the number cannot be one of its kind.
    fn set(&mut self, number: Number, value: i16) -> Option<()> {
        // At most three digits: what is above 127 is out of range for each of them.
        let small = i8::try_from(value).unwrap_or(i8::MAX);
        let within = |least, most| (least..=most).contains(&small).then_some(small);
        match number {
            Number::Month => self.month = small,
            Number::Day => self.day = small,
            Number::DayOfYear => self.day_of_year = Some(value),
            Number::Week => self.week = Some(small),
            Number::DayOfWeek => self.weekday = Some(within(1, 7)?),
            Number::Hour => self.hour = small,
            Number::ClockHour => self.hour = within(1, 24)? % 24,
            Number::HourOfHalf => self.hour = within(0, 11)?,
            Number::ClockHourOfHalf => self.hour = within(1, 12)? % 12,
            Number::Minute => self.minute = small,
            Number::Second => self.second = small,
        }
        Some(())
    }

    fn moment(&self) -> Result<Timestamp, String> {
        let hour = match self.afternoon {
            Some(true) => self.hour + 12,
            _ => self.hour,
        };
        let told = |error: jiff::Error| error.to_string();
        let date = self.date().map_err(told)?;
        if let Some(weekday) = self.weekday
            && weekday != date.weekday().to_monday_one_offset()
        {
            let name = |weekday: i8| {
                let name = DAYS[usize::try_from(weekday - 1).unwrap_or(0) % DAYS.len()];
                format!("{}{}", name[..1].to_uppercase(), &name[1..])
            };
            let (is, said) = (name(date.weekday().to_monday_one_offset()), name(weekday));
            return Err(format!("{date} is a {is}, and no {said}"));
        }
        let time = civil::Time::new(hour, self.minute, self.second, self.nanos).map_err(told)?;
        let civil = DateTime::from_parts(date, time);
        let moment = |zone: &TimeZone| zone.to_timestamp(civil).map_err(told);
        // What is called GMT or UTC beside an offset is that by which the offset is counted.
        let named = self.zones.iter().filter(|zone| **zone != TimeZone::UTC);
        let moments = named.map(moment).collect::<Result<Vec<_>, _>>()?;
        match moments.as_slice() {
            [] => moment(&TimeZone::UTC),
            [first, rest @ ..] if rest.iter().all(|other| other == first) => Ok(*first),
            _ => Err("its time zone and its offset contradict each other".to_owned()),
        }
    }

    fn date(&self) -> Result<Date, jiff::Error> {
        match (self.week, self.day_of_year) {
            (Some(week), _) => {
                let weekday = Weekday::from_monday_one_offset(self.weekday.unwrap_or(1))?;
                Ok(ISOWeekDate::new(self.year, week, weekday)?.date())
            }
            (None, Some(day)) => Date::new(self.year, 1, 1)?.with().day_of_year(day).build(),
            (None, None) => Date::new(self.year, self.month, self.day),
        }
    }
}
