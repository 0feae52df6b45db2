//! Event time, watermarks and windows: plain values without a clock.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in milliseconds since 1970-01-01T00:00:00 UTC; negative before it.
///
/// The same type serves as a watermark: *no tuple with an earlier time follows*. There
/// [`Timestamp::MIN`] says that nothing is known yet and [`Timestamp::MAX`] that the input
/// has ended.
///
/// ```
/// use squall::Timestamp;
///
/// let noon = Timestamp::from_millis(1_503_792_000_500);
/// assert_eq!(noon.to_string(), "2017-08-27T00:00:00.5Z");
/// assert!(Timestamp::MIN < noon && noon < Timestamp::MAX);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// As a watermark: nothing is known yet.
    pub const MIN: Self = Self(i64::MIN);
    /// As a watermark: the input has ended.
    pub const MAX: Self = Self(i64::MAX);

    /// The moment `millis` milliseconds after 1970-01-01T00:00:00 UTC.
    #[inline]
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970-01-01T00:00:00 UTC.
    #[inline]
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// This moment moved back by `millis`; stays within the range of the type.
    #[inline]
    #[must_use]
    pub const fn back(self, millis: i64) -> Self {
        Self(self.0.saturating_sub(millis))
    }

    /// This moment moved forward by `millis`; stays within the range of the type.
    #[inline]
    #[must_use]
    pub const fn forward(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl fmt::Display for Timestamp {
    /// RFC 3339 in UTC with a fraction only where there is one; years of other than four digits
    /// with a sign and six digits, as in ISO 8601, and moments beyond those as a number of
    /// milliseconds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(moment) => write!(f, "{moment}"),
            Err(_) => far(self.0, f),
        }
    }
}

/// A moment outside of the range of jiff, which ends within the year 9999: the end of a window that
/// holds its last hour is the year 10000.
fn far(millis: i64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DAY_MS: i64 = 86_400_000;
    // Days since 0000-03-01, from where on leap days come last in their years.
    let days = millis.div_euclid(DAY_MS) + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    let year = year_of_era + 400 * era + i64::from(month <= 2);
    let of_day = millis.rem_euclid(DAY_MS);
    match year {
        0..=9_999 => write!(f, "{year:04}")?,
        -999_999..=999_999 => write!(f, "{year:+07}")?,
        _ => return write!(f, "{millis}ms"),
    }
    let (seconds, fraction) = (of_day / 1_000, format!("{:03}", of_day % 1_000));
    let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
    write!(f, "-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
    match fraction.trim_end_matches('0') {
        "" => f.write_str("Z"),
        fraction => write!(f, ".{fraction}Z"),
    }
}

/// A span of whole seconds, for windows and slides.
#[must_use]
pub const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A span of whole milliseconds, for windows and slides.
#[must_use]
pub const fn millis(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The kind of the times of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimeDomain {
    /// A tuple's time is the moment of the epoch in which its spout emitted it.
    Processing,
    /// A tuple's time is read from the tuple itself.
    Event,
}

/// The window that a result belongs to: tuples with `start <= time < end`.
///
/// A window over everything has [`Timestamp::MIN`] as its start; where it ends with the
/// input, its end is [`Timestamp::MAX`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Window {
    /// The first moment of the window.
    pub start: Timestamp,
    /// The first moment after the window.
    pub end: Timestamp,
}

impl Window {
    /// The one window over all tuples of a bounded input.
    pub const ALL: Self = Self {
        start: Timestamp::MIN,
        end: Timestamp::MAX,
    };

    /// Totals as they stand: what a ranking of running totals belongs to that is due to no
    /// window. A task sends one where its readers know its totals by other tasks, since the
    /// parallelism has changed between two runs.
    pub const STANDING: Self = Self {
        start: Timestamp::MIN,
        end: Timestamp::MIN,
    };

    /// Whether the window has no start, that is, whether it holds running totals.
    #[must_use]
    pub fn is_running_total(self) -> bool {
        self.start == Timestamp::MIN
    }

    /// The time that the window's results carry: its last moment.
    #[must_use]
    pub fn last_moment(self) -> Timestamp {
        if self.end == Timestamp::MAX {
            self.end
        } else {
            self.end.back(1)
        }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.is_running_total(), self.end) {
            (true, Timestamp::MAX) => f.write_str("all"),
            (true, Timestamp::MIN) => f.write_str("all so far"),
            (true, end) => write!(f, "all until {end}"),
            (false, end) => write!(f, "{} to {end}", self.start),
        }
    }
}

/// Length and slide of a bolt's windows, in whole milliseconds.
///
/// Windows end at every multiple of the slide, counted from 1970-01-01T00:00:00 UTC.
///
/// ```
/// use squall::{millis, secs, time::WindowShape};
///
/// let shape = WindowShape::sliding(secs(60), secs(2))?;
/// assert_eq!(shape.panes(), Some(30));
/// let error = WindowShape::sliding(secs(10), secs(3)).unwrap_err();
/// assert!(error.to_string().contains("10s") && error.to_string().contains("3s"));
/// # Ok::<(), squall::time::WindowError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowShape {
    length_ms: Option<i64>,
    slide_ms: Option<i64>,
}

/// A window that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WindowError {
    /// The window or its slide is zero.
    #[error("a window's {what} is 0: give at least one millisecond")]
    Zero {
        /// `length` or `slide`.
        what: &'static str,
    },
    /// The window or its slide is not a whole number of milliseconds, or above 2^53.
    #[error("a window's {what} is {span:?}: give whole milliseconds, at most 2^53")]
    NotWholeMillis {
        /// `length` or `slide`.
        what: &'static str,
        /// What was given.
        span: Duration,
    },
    /// The window is more slides long than [`WindowShape::MAX_PANES`].
    #[error(
        "a window of {length:?} that slides by {slide:?} is {panes} slides long, and each event \
         would be in that many windows: give a slide of at least {least:?}"
    )]
    TooManyPanes {
        /// The window's length.
        length: Duration,
        /// The slide.
        slide: Duration,
        /// How many slides the window is long.
        panes: i64,
        /// The least slide for that length.
        least: Duration,
    },
    /// The slide does not divide the length.
    #[error(
        "a window of {length:?} cannot slide by {slide:?}: the slide must divide the window, \
         or windows would end between two slides"
    )]
    SlideDoesNotDivide {
        /// The window's length.
        length: Duration,
        /// The slide.
        slide: Duration,
    },
}

fn whole_millis(what: &'static str, span: Duration) -> Result<i64, WindowError> {
    if span.is_zero() {
        return Err(WindowError::Zero { what });
    }
    let millis = i64::try_from(span.as_millis()).unwrap_or(i64::MAX);
    if !span.subsec_nanos().is_multiple_of(1_000_000) || millis > 1 << 53 {
        return Err(WindowError::NotWholeMillis { what, span });
    }
    Ok(millis)
}

impl WindowShape {
    /// How many slides a window may be long: an event is in that many windows.
    pub const MAX_PANES: i64 = 10_000_000;

    /// One window over all tuples; emitted once, when the input ends.
    pub const ALL: Self = Self {
        length_ms: None,
        slide_ms: None,
    };

    /// Windows of `length` that end at every multiple of `slide`; the same value for both
    /// makes tumbling windows.
    ///
    /// # Errors
    /// Where one of them is 0 or no whole number of milliseconds, or where the slide does
    /// not divide the length.
    pub fn sliding(length: Duration, slide: Duration) -> Result<Self, WindowError> {
        let length_ms = whole_millis("length", length)?;
        let slide_ms = whole_millis("slide", slide)?;
        if length_ms % slide_ms != 0 {
            return Err(WindowError::SlideDoesNotDivide { length, slide });
        }
        let panes = length_ms / slide_ms;
        if panes > Self::MAX_PANES {
            let least = length / u32::try_from(Self::MAX_PANES).unwrap_or(u32::MAX);
            return Err(WindowError::TooManyPanes {
                length,
                slide,
                panes,
                least,
            });
        }
        Ok(Self {
            length_ms: Some(length_ms),
            slide_ms: Some(slide_ms),
        })
    }

    /// One window over all tuples, emitted at every multiple of `slide` too.
    ///
    /// # Errors
    /// Where the slide is 0 or no whole number of milliseconds.
    pub fn running(slide: Duration) -> Result<Self, WindowError> {
        Ok(Self {
            length_ms: None,
            slide_ms: Some(whole_millis("slide", slide)?),
        })
    }

    /// The distance between two window ends in milliseconds; none for [`WindowShape::ALL`].
    #[must_use]
    pub fn slide_ms(self) -> Option<i64> {
        self.slide_ms
    }

    /// How many slides a window is long; none for a window over everything.
    #[must_use]
    pub fn panes(self) -> Option<usize> {
        let panes = self.length_ms? / self.slide_ms?;
        Some(usize::try_from(panes).unwrap_or(usize::MAX))
    }

    /// The window that ends at `end`.
    #[must_use]
    pub fn window_ending(self, end: Timestamp) -> Window {
        Window {
            start: self.length_ms.map_or(Timestamp::MIN, |ms| end.back(ms)),
            end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slide_of_three_seconds_does_not_silently_make_a_nine_second_window() {
        let error = WindowShape::sliding(secs(10), secs(3)).unwrap_err();
        assert_eq!(
            error,
            WindowError::SlideDoesNotDivide {
                length: secs(10),
                slide: secs(3)
            }
        );
    }

    #[test]
    fn moments_beyond_the_year_9999_are_shown_as_dates() {
        let table = [
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (253_402_300_800_000, "+010000-01-01T00:00:00Z"),
            (253_407_398_400_500, "+010000-02-29T00:00:00.5Z"),
            (-377_705_116_800_000, "-009999-01-01T00:00:00Z"),
            (-377_705_116_800_001, "-010000-12-31T23:59:59.999Z"),
            (i64::MAX, "9223372036854775807ms"),
            (i64::MIN, "-9223372036854775808ms"),
        ];
        for (millis, shown) in table {
            assert_eq!(Timestamp::from_millis(millis).to_string(), shown);
        }
    }

    #[test]
    fn zero_and_fractions_of_a_millisecond_are_refused() {
        assert!(WindowShape::sliding(secs(0), secs(1)).is_err());
        assert!(WindowShape::sliding(secs(1), secs(0)).is_err());
        assert!(WindowShape::running(Duration::from_micros(1_500)).is_err());
    }
}
