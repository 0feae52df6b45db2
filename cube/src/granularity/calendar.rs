//! Buckets that depend on the calendar, or on the clocks of a time zone.

use std::fmt;
use std::ops::Range;

use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Span, Timestamp, Zoned};

use super::{DAY, HOUR, MINUTE, SECOND, from, zone_name};

/// The mean length of a month: 400 years of the calendar are 146,097 days.
const MEAN_MONTH: i64 = 146_097 * DAY / 4_800;

/// How long a bucket is: months, then days of the calendar, then milliseconds on a stop watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub months: i64,
    pub days: i64,
    pub millis: i64,
}

impl Step {
    /// None where it is zero, negative, or not in whole milliseconds.
    pub(super) fn of(span: &Span) -> Option<Self> {
        let finer = span.get_microseconds() * 1_000 + span.get_nanoseconds();
        if span.is_negative() || span.is_zero() || finer % 1_000_000 != 0 {
            return None;
        }
        // jiff bounds each unit to what 20,000 years have of it, so the sums fit.
        let time = i64::from(span.get_hours()) * HOUR
            + span.get_minutes() * MINUTE
            + span.get_seconds() * SECOND;
        Some(Self {
            months: i64::from(span.get_years()) * 12 + i64::from(span.get_months()),
            days: i64::from(span.get_weeks()) * 7 + i64::from(span.get_days()),
            millis: time + span.get_milliseconds() + finer / 1_000_000,
        })
    }
}

impl fmt::Display for Step {
    /// As a period of ISO 8601.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P")?;
        let (seconds, millis) = (self.millis % MINUTE / SECOND, self.millis % SECOND);
        for (many, unit) in [
            (self.months / 12, 'Y'),
            (self.months % 12, 'M'),
            (self.days, 'D'),
        ] {
            if many > 0 {
                write!(f, "{many}{unit}")?;
            }
        }
        if self.millis > 0 {
            f.write_str("T")?;
        }
        for (many, unit) in [
            (self.millis / HOUR, 'H'),
            (self.millis % HOUR / MINUTE, 'M'),
        ] {
            if many > 0 {
                write!(f, "{many}{unit}")?;
            }
        }
        match (seconds, millis) {
            (0, 0) => Ok(()),
            (seconds, 0) => write!(f, "{seconds}S"),
            (seconds, millis) => write!(f, "{seconds}.{millis:03}S"),
        }
    }
}

/// Buckets counted by the calendar from an origin.
#[derive(Debug)]
pub(super) struct Calendar {
    pub step: Step,
    pub origin: Zoned,
}

impl Calendar {
    /// From 1970 in UTC.
    pub(super) fn of_months(months: i64) -> Self {
        let step = Step {
            months,
            days: 0,
            millis: 0,
        };
        Self {
            step,
            origin: zoned(0, TimeZone::UTC),
        }
    }

    /// The months of a bucket, where it is nothing else and begins with 1970 in UTC.
    pub(super) fn months_in_utc(&self) -> Option<i64> {
        let alone = self.step.days == 0 && self.step.millis == 0;
        let usual = self.origin.timestamp() == Timestamp::UNIX_EPOCH
            && *self.origin.time_zone() == TimeZone::UTC;
        (alone && usual).then_some(self.step.months)
    }

    pub(super) fn name(&self) -> String {
        let zone = self.origin.time_zone();
        let place = if *zone == TimeZone::UTC {
            String::new()
        } else {
            format!(" in {}", zone_name(zone))
        };
        let origin = self.origin.timestamp().as_millisecond();
        let week = Step {
            months: 0,
            days: 7,
            millis: 0,
        };
        if self.step == week && origin == local_day(zone, 5) {
            return format!("P1W{place}");
        }
        let origin = from(origin, local_day(zone, 1));
        format!("{}{place}{origin}", self.step)
    }

    pub(super) fn bucket(&self, moment: i64) -> Range<i64> {
        let Step {
            months,
            days,
            millis,
        } = self.step;
        let mean = i128::from(months) * i128::from(MEAN_MONTH)
            + i128::from(days) * i128::from(DAY)
            + i128::from(millis);
        // Outside of the calendar everything is in its outermost bucket.
        let moment = timestamp(moment).as_millisecond();
        let since = i128::from(moment) - i128::from(self.origin.timestamp().as_millisecond());
        // A guess, which is out by the few days that a month differs from the mean one and by the
        // hours that the clocks were changed.
        let mut number = i64::try_from(since.div_euclid(mean)).unwrap_or(i64::MAX / 2);
        let most = i64::try_from(20_000 * 366 * i128::from(DAY) / mean).unwrap_or(i64::MAX / 2) + 1;
        number = number.clamp(-most, most);
        while number > -most && self.start(number) > moment {
            number -= 1;
        }
        while number < most && self.start(number + 1) <= moment {
            number += 1;
        }
        self.start(number)..self.start(number + 1)
    }

    /// When the bucket of this number begins; those of the origin are 0. It never goes back as the
    /// number goes on.
    fn start(&self, number: i64) -> i64 {
        self.moment(number)
            .unwrap_or(if number < 0 { i64::MIN } else { i64::MAX })
    }

    fn moment(&self, number: i64) -> Option<i64> {
        let span = Span::new()
            .try_months(self.step.months.checked_mul(number)?)
            .and_then(|span| span.try_days(self.step.days.saturating_mul(number)));
        let span = span.ok()?;
        let days = if span.is_zero() {
            self.origin.timestamp()
        } else {
            let on_the_clock = self.origin.datetime().checked_add(span).ok()?;
            begin(self.origin.time_zone(), on_the_clock)?
        };
        let millis = SignedDuration::from_millis(self.step.millis.saturating_mul(number));
        Some(days.checked_add(millis).ok()?.as_millisecond())
    }
}

/// Hours, minutes or seconds on the clock of a zone.
#[derive(Debug)]
pub(super) struct Local {
    pub millis: i64,
    pub zone: TimeZone,
}

impl Local {
    pub(super) fn bucket(&self, moment: i64) -> Range<i64> {
        let now = timestamp(moment);
        let phase = self.phase(now);
        let start = i128::from(moment)
            - (i128::from(moment) + i128::from(phase)).rem_euclid(i128::from(self.millis));
        let (mut start, mut end) = (
            super::clamp(start),
            super::clamp(start + i128::from(self.millis)),
        );
        // Where a change of the clocks moves the full hour, that ends a bucket.
        let behind = now.checked_add(SignedDuration::from_millis(1));
        for change in self.zone.preceding(behind.unwrap_or(now)) {
            let at = change.timestamp();
            if at.as_millisecond() <= start {
                break;
            }
            if self.phase_before(at) != phase {
                start = at.as_millisecond();
                break;
            }
        }
        for change in self.zone.following(now) {
            let at = change.timestamp();
            if at.as_millisecond() >= end {
                break;
            }
            if self.phase(at) != phase {
                end = at.as_millisecond();
                break;
            }
        }
        start..end
    }

    /// How far the clock is ahead of UTC, but for whole buckets.
    fn phase(&self, moment: Timestamp) -> i64 {
        (i64::from(self.zone.to_offset(moment).seconds()) * SECOND).rem_euclid(self.millis)
    }

    fn phase_before(&self, moment: Timestamp) -> i64 {
        let before = moment.checked_sub(SignedDuration::from_millis(1));
        self.phase(before.unwrap_or(moment))
    }
}

/// The moment of a time on the clock of a zone: the first one where the clock shows it twice; but
/// the second one where the clock goes back over midnight, so that the day before goes on until
/// then. Where the clock leaves it out, as much later.
fn begin(zone: &TimeZone, on_the_clock: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(on_the_clock);
    if let AmbiguousOffset::Fold { .. } = ambiguous.offset() {
        let second = ambiguous.later().ok()?;
        let before = second.checked_sub(SignedDuration::from_nanos(1)).ok()?;
        if zone.to_datetime(before).date() < on_the_clock.date() {
            return Some(second);
        }
    }
    ambiguous.compatible().ok()
}

/// The nearest moment that the calendar has.
fn timestamp(moment: i64) -> Timestamp {
    let (least, most) = (Timestamp::MIN, Timestamp::MAX);
    let nearest = if moment < 0 { least } else { most };
    Timestamp::from_millisecond(moment).unwrap_or(nearest)
}

/// A moment in a zone; the nearest one that the calendar has.
pub(super) fn zoned(moment: i64, zone: TimeZone) -> Zoned {
    timestamp(moment).to_zoned(zone)
}

/// When this day of January 1970 began in a zone.
pub(super) fn local_day(zone: &TimeZone, day: i8) -> i64 {
    let moment = begin(zone, jiff::civil::date(1970, 1, day).at(0, 0, 0, 0));
    moment.map_or(0, Timestamp::as_millisecond)
}
