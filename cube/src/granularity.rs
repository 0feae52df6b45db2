//! Buckets of time.

mod calendar;
#[cfg(test)]
mod tests;

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::str::FromStr;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::fmt::temporal::SpanParser;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::moment::time_zone;
use crate::nearest;
use calendar::{Calendar, Local, Step};

/// How finely time is divided, as in Druid: each moment is in one bucket.
///
/// It is written as
/// - one of Druid's names, in any case: `all` (one bucket), `none` (milliseconds), `second`,
///   `minute`, `five_minute`, `ten_minute`, `fifteen_minute`, `thirty_minute`, `hour`, `six_hour`,
///   `eight_hour`, `day`, `week` (from Monday), `month`, `quarter` or `year`, all of them in UTC;
/// - or a period of ISO 8601, of whole milliseconds and up: `P1D`, `PT90M`; with a time zone
///   of the IANA database or an offset: `P1D in America/Los_Angeles`; with a moment at which a
///   bucket begins: `P2W from 2015-03-16`.
///
/// Periods are Druid's: one year, month, week, day, hour, minute or second is that of the
/// calendar and the clock in the zone, and what is longer is counted from the origin, which
/// is the first moment of 1970 in the zone where none is given. So days, and what is made of
/// them, are as long as they are in the zone (23 to 25 hours), and several hours are as long
/// as they are on a stop watch.
///
/// ```
/// use squall_cube::Granularity;
///
/// let minute: Granularity = "minute".parse()?;
/// assert_eq!(minute.bucket(61_000), 60_000..120_000);
/// assert_eq!(minute.bucket(-1), -60_000..0);
/// let hour: Granularity = "hour".parse()?;
/// assert!(hour.holds(&minute) && !minute.holds(&hour));
///
/// // The clocks went forward that day.
/// let day: Granularity = "P1D in America/Los_Angeles".parse()?;
/// let bucket = day.bucket(1_425_812_400_000);
/// assert_eq!((bucket.end - bucket.start) / 3_600_000, 23);
/// assert!(day.holds(&hour));
/// # Ok::<(), squall_cube::UnknownGranularity>(())
/// ```
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Granularity {
    /// The one name of what it is: `day` also where `P1D` was asked for.
    name: Arc<str>,
    buckets: Buckets,
}

#[derive(Clone, Debug)]
enum Buckets {
    /// One.
    All,
    /// Of one length in milliseconds, one of which begins at the origin.
    Fixed { millis: i64, origin: i64 },
    /// Hours, minutes or seconds on the clock of a zone.
    Local(Arc<Local>),
    /// Made of days, months or years.
    Calendar(Arc<Calendar>),
}

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
/// The first Monday of 1970.
const MONDAY: i64 = 4 * DAY;

/// Druid's names, from the finest to the coarsest, with the period and what is not said by that:
/// where the first bucket begins.
const NAMED: &[(&str, Period)] = &[
    ("all", Period::All),
    ("none", Period::Fixed(1, 0)),
    ("second", Period::Fixed(SECOND, 0)),
    ("minute", Period::Fixed(MINUTE, 0)),
    ("five_minute", Period::Fixed(5 * MINUTE, 0)),
    ("ten_minute", Period::Fixed(10 * MINUTE, 0)),
    ("fifteen_minute", Period::Fixed(15 * MINUTE, 0)),
    ("thirty_minute", Period::Fixed(30 * MINUTE, 0)),
    ("hour", Period::Fixed(HOUR, 0)),
    ("six_hour", Period::Fixed(6 * HOUR, 0)),
    ("eight_hour", Period::Fixed(8 * HOUR, 0)),
    ("day", Period::Fixed(DAY, 0)),
    ("week", Period::Fixed(WEEK, MONDAY)),
    ("month", Period::Months(1)),
    ("quarter", Period::Months(3)),
    ("year", Period::Months(12)),
];

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Period {
    All,
    /// The length and where the first one begins, in milliseconds.
    Fixed(i64, i64),
    /// From 1970.
    Months(i64),
}

/// How many consecutive boundaries are compared to find out whether one granularity holds another.
const COMPARED: usize = 2_000;
/// As many of those that follow each change of the clocks.
const COMPARED_AT_CHANGES: usize = 4;
/// 2100-01-01T00:00:00Z: changes of the clocks are looked at until then.
const COMPARED_UNTIL: i64 = 4_102_444_800_000;

/// A granularity that does not exist; the message says what there is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct UnknownGranularity {
    message: String,
    /// What of it is wrong.
    pub(crate) part: Part,
}

/// What a granularity is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// The name or the length.
    Period,
    Zone,
    Origin,
}

fn wrong(part: Part, message: String) -> UnknownGranularity {
    UnknownGranularity { message, part }
}

impl Granularity {
    /// A period of ISO 8601 in a time zone (UTC), counted from an origin.
    ///
    /// # Errors
    /// No such period or time zone, or an origin that is not a moment.
    ///
    /// ```
    /// use squall_cube::Granularity;
    ///
    /// let day = Granularity::period("P1D", Some("Europe/Prague"), None)?;
    /// assert_eq!(day.to_string(), "P1D in Europe/Prague");
    /// assert_eq!(Granularity::period("PT15M", None, None)?.to_string(), "fifteen_minute");
    /// let error = Granularity::period("P1D", Some("Europe/Prag"), None).unwrap_err();
    /// assert!(error.to_string().contains("did you mean `Europe/Prague`?"));
    /// # Ok::<(), squall_cube::UnknownGranularity>(())
    /// ```
    pub fn period(
        period: &str,
        zone: Option<&str>,
        origin: Option<&str>,
    ) -> Result<Self, UnknownGranularity> {
        let span = SpanParser::new().parse_span(period).map_err(|error| {
            let example = "give one such as `P1D` or `PT15M`";
            wrong(
                Part::Period,
                format!("`{period}` is not a period; {example}: {error}"),
            )
        })?;
        let step = Step::of(&span).ok_or_else(|| {
            let message = format!(
                "`{period}` is not a length for buckets: give whole milliseconds, at least one"
            );
            wrong(Part::Period, message)
        })?;
        let zone = zone.map_or(Ok(TimeZone::UTC), |name| {
            time_zone(name).map_err(|message| wrong(Part::Zone, message))
        })?;
        let origin = origin.map(parse_origin).transpose()?;
        let units = [
            step.months > 0,
            span.get_weeks() > 0,
            span.get_days() > 0,
            step.millis > 0,
        ];
        let mixed = units.into_iter().filter(|unit| *unit).count() > 1;
        if step.months == 0 && step.days == 0 {
            let on_the_clock = [SECOND, MINUTE, HOUR].contains(&step.millis);
            if on_the_clock && origin.is_none() && zone != TimeZone::UTC {
                return Ok(Self::of(Buckets::Local(Arc::new(Local {
                    millis: step.millis,
                    zone,
                }))));
            }
        }
        let one_week = span.get_weeks() == 1 && step.days == 7 && !mixed;
        let origin = match origin {
            Some(origin) => origin,
            None if one_week => calendar::local_day(&zone, 5),
            None => calendar::local_day(&zone, 1),
        };
        if step.months == 0 && (zone == TimeZone::UTC || step.days == 0) {
            let millis = step.days.checked_mul(DAY);
            let millis = millis.and_then(|days| days.checked_add(step.millis));
            let millis = millis.ok_or_else(|| {
                wrong(
                    Part::Period,
                    format!("`{period}` is too long: at most 2^63 milliseconds"),
                )
            })?;
            let origin = origin.rem_euclid(millis);
            return Ok(Self::of(Buckets::Fixed { millis, origin }));
        }
        Ok(Self::of(Buckets::Calendar(Arc::new(Calendar {
            step,
            origin: calendar::zoned(origin, zone),
        }))))
    }

    /// One bucket.
    pub(crate) fn all() -> Self {
        Self::of(Buckets::All)
    }

    /// Buckets of this many milliseconds, one of which begins at the origin (1970).
    ///
    /// # Errors
    /// No bucket is shorter than a millisecond; the origin is not a moment.
    pub fn duration(millis: i64, origin: Option<&str>) -> Result<Self, UnknownGranularity> {
        if millis < 1 {
            let message =
                format!("{millis} is not a length for buckets: give at least 1 millisecond");
            return Err(wrong(Part::Period, message));
        }
        let origin = origin.map_or(Ok(0), parse_origin)?.rem_euclid(millis);
        Ok(Self::of(Buckets::Fixed { millis, origin }))
    }

    fn of(buckets: Buckets) -> Self {
        Self {
            name: buckets.name().into(),
            buckets,
        }
    }

    /// The bucket of a moment, in milliseconds since 1970: from its first one to the one
    /// after its last. Where the calendar ends, with the years -9999 and 9999, the outermost bucket
    /// goes on.
    #[must_use]
    pub fn bucket(&self, moment: i64) -> Range<i64> {
        match &self.buckets {
            Buckets::All => i64::MIN..i64::MAX,
            Buckets::Fixed { millis, origin } => {
                // In 128 bits nothing overflows, so that the last buckets are cut off and not
                // moved.
                let (moment, millis) = (i128::from(moment), i128::from(*millis));
                let start = moment - (moment - i128::from(*origin)).rem_euclid(millis);
                clamp(start)..clamp(start + millis)
            }
            Buckets::Local(local) => local.bucket(moment),
            Buckets::Calendar(calendar) => calendar.bucket(moment),
        }
    }

    /// Whether each bucket of this granularity is made of whole buckets of the other one.
    ///
    /// Exact where all buckets have one length. Otherwise boundaries are compared: two
    /// thousand from 1970, and those around each change of the clocks until 2100.
    #[must_use]
    pub fn holds(&self, finer: &Self) -> bool {
        match (&self.buckets, &finer.buckets) {
            (Buckets::All, _) | (_, Buckets::Fixed { millis: 1, .. }) => true,
            (_, Buckets::All) => false,
            (
                Buckets::Fixed { millis, origin },
                Buckets::Fixed {
                    millis: finer,
                    origin: finer_origin,
                },
            ) => millis % finer == 0 && (origin - finer_origin) % finer == 0,
            _ => self == finer || self.boundaries_are_of(finer),
        }
    }

    fn boundaries_are_of(&self, finer: &Self) -> bool {
        let follow = |from: i64, many: usize| {
            let first = self.bucket(from).start;
            let starts = std::iter::successors(Some(first), |start| Some(self.bucket(*start).end));
            let mut starts = starts.take(many).take_while(|start| *start < i64::MAX);
            starts.all(|start| finer.bucket(start).start == start)
        };
        let changes = [self.zone(), finer.zone()].into_iter().flatten();
        let mut changes = changes.flat_map(|zone| {
            let changes = zone.following(Timestamp::UNIX_EPOCH);
            let changes = changes.map(|change| change.timestamp().as_millisecond());
            changes.take_while(|change| *change < COMPARED_UNTIL)
        });
        follow(0, COMPARED) && changes.all(|change| follow(change - 1, COMPARED_AT_CHANGES))
    }

    fn zone(&self) -> Option<&TimeZone> {
        match &self.buckets {
            Buckets::All | Buckets::Fixed { .. } => None,
            Buckets::Local(local) => Some(&local.zone),
            Buckets::Calendar(calendar) => Some(calendar.origin.time_zone()),
        }
    }
}

impl Buckets {
    /// The one way to write it, from which it is read again.
    fn name(&self) -> String {
        let period = match self {
            Self::All => Some(Period::All),
            Self::Fixed { millis, origin } => Some(Period::Fixed(*millis, *origin)),
            Self::Local(_) => None,
            Self::Calendar(calendar) => calendar.months_in_utc().map(Period::Months),
        };
        let named = NAMED.iter().find(|(_, named)| Some(*named) == period);
        match (named, self) {
            (Some((name, _)), _) => (*name).to_owned(),
            (None, Self::All) => "all".to_owned(),
            (None, Self::Fixed { millis, origin }) => {
                let step = Step {
                    months: 0,
                    days: millis / DAY,
                    millis: millis % DAY,
                };
                let origin = from(*origin, 0);
                format!("{step}{origin}")
            }
            (None, Self::Local(local)) => {
                let step = Step {
                    months: 0,
                    days: 0,
                    millis: local.millis,
                };
                format!("{step} in {}", zone_name(&local.zone))
            }
            (None, Self::Calendar(calendar)) => calendar.name(),
        }
    }
}

/// ` from` the origin, where it is not what it would be anyway.
fn from(origin: i64, usual: i64) -> String {
    if origin == usual {
        String::new()
    } else {
        format!(" from {}", squall::Timestamp::from_millis(origin))
    }
}

fn clamp(moment: i128) -> i64 {
    i64::try_from(moment).unwrap_or(if moment < 0 { i64::MIN } else { i64::MAX })
}

/// The name by which [`time_zone`] finds it.
fn zone_name(zone: &TimeZone) -> String {
    match zone.iana_name() {
        Some(name) => name.to_owned(),
        None => zone.to_offset(Timestamp::UNIX_EPOCH).to_string(),
    }
}

fn parse_origin(text: &str) -> Result<i64, UnknownGranularity> {
    crate::moment::iso(text).map_err(|reason| {
        wrong(
            Part::Origin,
            format!("the origin `{text}` is not a moment such as `2015-03-16T00:00:00Z`: {reason}"),
        )
    })
}

impl FromStr for Granularity {
    type Err = UnknownGranularity;

    fn from_str(text: &str) -> Result<Self, UnknownGranularity> {
        let asked = text.to_lowercase();
        if let Some((name, period)) = NAMED.iter().find(|(name, _)| *name == asked) {
            let buckets = match *period {
                Period::All => Buckets::All,
                Period::Fixed(millis, origin) => Buckets::Fixed { millis, origin },
                Period::Months(months) => Buckets::Calendar(Arc::new(Calendar::of_months(months))),
            };
            let name = (*name).into();
            return Ok(Self { name, buckets });
        }
        if text.starts_with(['P', 'p']) {
            let (rest, origin) = split(text, " from ");
            let (period, zone) = split(rest, " in ");
            return Self::period(period, zone, origin);
        }
        let names: Vec<&str> = NAMED.iter().map(|(name, _)| *name).collect();
        let hint = nearest::hint(text, &names);
        let message =
            format!("there is no granularity `{text}`; {hint}, and periods such as `P1D`");
        Err(wrong(Part::Period, message))
    }
}

fn split<'t>(text: &'t str, word: &str) -> (&'t str, Option<&'t str>) {
    match text.split_once(word) {
        Some((before, behind)) => (before, Some(behind)),
        None => (text, None),
    }
}

impl TryFrom<String> for Granularity {
    type Error = UnknownGranularity;

    fn try_from(text: String) -> Result<Self, UnknownGranularity> {
        text.parse()
    }
}

impl From<Granularity> for String {
    fn from(granularity: Granularity) -> Self {
        granularity.to_string()
    }
}

impl fmt::Display for Granularity {
    /// Written so that it is read again as the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl PartialEq for Granularity {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Granularity {}

impl Hash for Granularity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}
