//! What the pattern of a time must have, and must not have.

/// A part of a time, as the pattern of a time format names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimePart {
    /// A year of the calendar.
    Year,
    /// A month, by number or by name.
    Month,
    /// A day of the month.
    Day,
    /// A day of the year.
    DayOfYear,
    /// The year that weeks of ISO 8601 are counted in.
    WeekYear,
    /// A week of such a year.
    Week,
    /// A week of a year of the calendar.
    WeekOfYear,
    /// A day of the week, by number or by name.
    Weekday,
    /// An hour of 24.
    Hour,
    /// An hour of 12.
    HourOfHalf,
    /// Before or after noon.
    Half,
    /// A minute.
    Minute,
    /// A second.
    Second,
    /// What is behind the point of a second.
    Fraction,
    /// An offset, or a time zone.
    Zone,
    /// Seconds since 1970, which are all of a time.
    Instant,
}

use TimePart::{
    Day, DayOfYear, Fraction, Half, Hour, HourOfHalf, Instant, Minute, Month, Second, Week,
    WeekOfYear, WeekYear, Weekday, Year, Zone,
};

impl TimePart {
    fn name(self) -> &'static str {
        match self {
            Year => "a year",
            Month => "a month",
            Day => "a day of the month",
            DayOfYear => "a day of the year",
            WeekYear => "a year of weeks",
            Week | WeekOfYear => "a week",
            Weekday => "a day of the week",
            Hour => "an hour of 24",
            HourOfHalf => "an hour of 12",
            Half => "am or pm",
            Minute => "minutes",
            Second => "seconds",
            Fraction => "a fraction of seconds",
            Zone => "an offset",
            Instant => "seconds since 1970",
        }
    }
}

/// Two parts that say the same in two ways, of which one could not be obeyed.
const CONTRADICT: [(TimePart, TimePart); 14] = [
    (Year, WeekYear),
    (DayOfYear, Month),
    (DayOfYear, Day),
    (DayOfYear, Week),
    (DayOfYear, WeekOfYear),
    (DayOfYear, WeekYear),
    (WeekYear, Month),
    (WeekYear, Day),
    (Week, Month),
    (Week, Day),
    (WeekOfYear, Month),
    (WeekOfYear, Day),
    (WeekOfYear, Week),
    (Hour, HourOfHalf),
];

/// A part that means nothing without one of these.
const NEEDS: [(TimePart, &[TimePart], &str); 10] = [
    (Day, &[Month], "a month"),
    (WeekYear, &[Week], "a week"),
    (Week, &[WeekYear], "the year of weeks"),
    (WeekOfYear, &[Weekday], "a day of the week"),
    (Weekday, &[Day, DayOfYear, Week, WeekOfYear], "a day"),
    (HourOfHalf, &[Half], "am or pm"),
    (Half, &[HourOfHalf], "an hour of 12"),
    (Minute, &[Hour, HourOfHalf], "an hour"),
    (Second, &[Minute], "minutes"),
    (Fraction, &[Second, Instant], "seconds"),
];

/// Parts of which no pattern of times can be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .wrong.join("; "))]
#[non_exhaustive]
pub struct TimePartsError {
    /// All that is wrong with them: `it has no year`.
    pub wrong: Vec<String>,
}

/// Whether times can be written in a pattern of these parts, in any order: each is there once, none
/// contradicts another one, and none means nothing for want of another one.
///
/// # Errors
/// [`TimePartsError`], for the author of the pattern.
///
/// ```
/// use squall::connectors::files::{TimePart::*, check_time_parts};
///
/// assert_eq!(check_time_parts(&[Year, Month, Day, Hour, Minute]), Ok(()));
/// let error = check_time_parts(&[Year, Month, DayOfYear]).unwrap_err();
/// assert_eq!(error.to_string(), "it has a day of the year together with a month");
/// ```
pub fn check_time_parts(parts: &[TimePart]) -> Result<(), TimePartsError> {
    let has = |part: &TimePart| parts.contains(part);
    let mut wrong = Vec::new();
    for (place, part) in parts.iter().enumerate() {
        if parts[..place].contains(part) {
            wrong.push(format!("it has {} twice", part.name()));
        }
    }
    if has(&Instant) {
        let mut others = parts
            .iter()
            .filter(|part| ![Instant, Fraction].contains(part));
        if let Some(other) = others.next() {
            let (instant, other) = (Instant.name(), other.name());
            wrong.push(format!("it has {instant} together with {other}"));
        }
    } else {
        let contradicting = CONTRADICT
            .iter()
            .filter(|(one, other)| has(one) && has(other));
        wrong.extend(contradicting.map(|(one, other)| {
            let (one, other) = (one.name(), other.name());
            format!("it has {one} together with {other}")
        }));
        if !has(&Year) && !has(&WeekYear) {
            wrong.push("it has no year".to_owned());
        }
        let wanting = NEEDS
            .iter()
            .filter(|(part, needed, _)| has(part) && !needed.iter().any(has));
        wrong.extend(
            wanting.map(|(part, _, what)| format!("it has {} without {what}", part.name())),
        );
        let dated =
            has(&Day) || has(&DayOfYear) || (has(&Weekday) && (has(&Week) || has(&WeekOfYear)));
        if (has(&Hour) || has(&HourOfHalf)) && !dated {
            wrong.push("it has an hour without a day".to_owned());
        }
    }
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(TimePartsError { wrong })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_that_make_a_moment_are_accepted() {
        let table: [&[TimePart]; 10] = [
            &[Year],
            &[Year, Month],
            &[Year, Zone],
            &[Year, Month, Day],
            &[Weekday, Day, Month, Year, HourOfHalf, Minute, Half],
            &[Year, DayOfYear, Hour, Weekday],
            &[WeekYear, Week],
            &[
                WeekYear, Week, Weekday, Hour, Minute, Second, Fraction, Zone,
            ],
            &[Year, WeekOfYear, Weekday],
            &[Instant, Fraction],
        ];
        for parts in table {
            assert_eq!(check_time_parts(parts), Ok(()), "{parts:?}");
        }
    }

    #[test]
    fn parts_that_contradict_or_need_each_other_are_told() {
        let table: [(&[TimePart], &str); 19] = [
            (&[], "it has no year"),
            (&[Month, Day], "it has no year"),
            (&[Year, Day], "it has a day of the month without a month"),
            (
                &[Year, Minute, Day],
                "without a month; it has minutes without an hour",
            ),
            (
                &[Year, Month, DayOfYear],
                "a day of the year together with a month",
            ),
            (
                &[WeekYear, Month, Day],
                "a year of weeks together with a month",
            ),
            (&[Year, Week, Weekday], "a week without the year of weeks"),
            (
                &[Year, WeekYear, Week],
                "a year together with a year of weeks",
            ),
            (&[WeekYear], "a year of weeks without a week"),
            (
                &[Year, Month, Day, HourOfHalf],
                "an hour of 12 without am or pm",
            ),
            (
                &[Year, Month, Day, Hour, Half],
                "am or pm without an hour of 12",
            ),
            (
                &[Year, Month, Day, Hour, HourOfHalf, Half],
                "an hour of 24 together with",
            ),
            (&[Year, Month, Hour], "an hour without a day"),
            (&[WeekYear, Week, Hour], "an hour without a day"),
            (&[Year, Month, Day, Second], "seconds without minutes"),
            (
                &[Year, Month, Day, Fraction],
                "a fraction of seconds without seconds",
            ),
            (&[Year, Month, Weekday], "a day of the week without a day"),
            (&[Year, Month, Day, Month], "it has a month twice"),
            (&[Instant, Year], "seconds since 1970 together with a year"),
        ];
        for (parts, told) in table {
            let error = check_time_parts(parts).unwrap_err().to_string();
            assert!(error.contains(told), "{parts:?}: {error}");
        }
    }
}
