//! Times that are written as numbers since 1970.

use jiff::Timestamp;

/// The unit of a time that is written as a number since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TimeUnit {
    /// With or without a fraction.
    Seconds,
    /// Thousandths of a second.
    Millis,
    /// Millionths of a second.
    Micros,
    /// Billionths of a second.
    Nanos,
}

/// A text that is no time of a [`TimeUnit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeNumberError {
    /// It is no number, or a fraction of what has whole numbers alone.
    #[error("expected {}", .0.shape())]
    NotANumber(
        /// The unit that was asked for.
        TimeUnit,
    ),
    /// It lies outside the years -9999 to 9999, as a number of a finer unit does.
    #[error("{OUTSIDE}; if it is {}", .0.finer())]
    OutOfRange(
        /// The unit that was asked for.
        TimeUnit,
    ),
}

pub(super) const OUTSIDE: &str = "it lies outside the years -9999 to 9999";

impl TimeUnit {
    /// The time that `text` stands for, in milliseconds since 1970. What is finer than a
    /// millisecond is cut off toward the past.
    ///
    /// The number is decimal, of any length, with or without an exponent. Seconds may have a
    /// fraction; other units are whole however they are written (`1.5778368E12`).
    ///
    /// # Errors
    /// [`TimeNumberError`], whose text names the finer unit as a
    /// [`TimeFormat`](super::TimeFormat) does: `unix-ms`.
    ///
    /// ```
    /// use squall::connectors::files::{TimeNumberError, TimeUnit};
    ///
    /// assert_eq!(TimeUnit::Seconds.parse("1442018818.7719"), Ok(1_442_018_818_771));
    /// assert_eq!(TimeUnit::Micros.parse("-1"), Ok(-1));
    /// let error = TimeNumberError::OutOfRange(TimeUnit::Seconds);
    /// assert_eq!(TimeUnit::Seconds.parse("1442018818771"), Err(error));
    /// ```
    pub fn parse(self, text: &str) -> Result<i64, TimeNumberError> {
        let wrong = TimeNumberError::NotANumber(self);
        let number = Number::of(text).ok_or(wrong)?;
        if self != Self::Seconds && !number.is_whole() {
            return Err(wrong);
        }
        let ms = number.shifted(self.places());
        in_range(ms).ok_or(TimeNumberError::OutOfRange(self))
    }

    /// A whole number of the unit in milliseconds. What is finer is cut off toward the past, and
    /// what is too large is the largest value.
    ///
    /// ```
    /// use squall::connectors::files::TimeUnit;
    ///
    /// assert_eq!(TimeUnit::Seconds.millis(2), 2_000);
    /// assert_eq!(TimeUnit::Nanos.millis(-1), -1);
    /// ```
    #[must_use]
    pub const fn millis(self, number: i64) -> i64 {
        let power = 10_i64.pow(self.places().unsigned_abs());
        if self.places() < 0 {
            number.div_euclid(power)
        } else {
            number.saturating_mul(power)
        }
    }

    /// By how many places the point moves on the way to milliseconds.
    const fn places(self) -> i32 {
        match self {
            Self::Seconds => 3,
            Self::Millis => 0,
            Self::Micros => -3,
            Self::Nanos => -6,
        }
    }

    fn shape(self) -> &'static str {
        match self {
            Self::Seconds => "seconds as a decimal number, such as 1442018818.771",
            Self::Millis => "whole milliseconds, such as 1442018818771",
            Self::Micros => "whole microseconds, such as 1442018818771000",
            Self::Nanos => "whole nanoseconds, such as 1442018818771000000",
        }
    }

    fn finer(self) -> &'static str {
        match self {
            Self::Seconds => "milliseconds, use unix-ms",
            Self::Millis => "microseconds, use unix-us",
            Self::Micros => "nanoseconds, use unix-ns",
            Self::Nanos => "finer still, divide it first",
        }
    }
}

/// A decimal number, of any length.
struct Number {
    negative: bool,
    /// Without the point.
    digits: String,
    /// How many digits stand before the point.
    point: i64,
}

impl Number {
    fn of(text: &str) -> Option<Self> {
        let (negative, text) = match text.strip_prefix('-') {
            Some(text) => (true, text),
            None => (false, text),
        };
        let (number, exponent) = match text.split_once(['e', 'E']) {
            // An exponent of more digits is out of all bounds.
            Some((number, exponent)) => (number, i64::from(exponent.parse::<i32>().ok()?)),
            None => (text, 0),
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (number, ""),
        };
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let point = i64::try_from(whole.len()).ok()? + exponent;
        Some(Self {
            negative,
            digits,
            point,
        })
    }

    /// Whether there is nothing but zeros behind so many digits.
    fn ends_at(&self, point: i64) -> bool {
        let point = usize::try_from(point).unwrap_or(0);
        self.digits.bytes().skip(point).all(|digit| digit == b'0')
    }

    fn is_whole(&self) -> bool {
        self.ends_at(self.point)
    }

    /// The number times ten to the power of `places`, cut off toward the past; what is too large
    /// is the largest value.
    fn shifted(&self, places: i32) -> i64 {
        let point = self.point + i64::from(places);
        let mut number = 0_i64;
        // Zeros at the beginning are as good as none, so that it ends where it is too large.
        let digits = self.digits.bytes().chain(std::iter::repeat(b'0'));
        let first = self.digits.bytes().position(|digit| digit != b'0');
        let Some(first) = first else { return 0 };
        for digit in digits.take(usize::try_from(point).unwrap_or(0)).skip(first) {
            number = number
                .saturating_mul(10)
                .saturating_add(i64::from(digit - b'0'));
            if number == i64::MAX {
                break;
            }
        }
        match (self.negative, self.ends_at(point)) {
            (false, _) => number,
            (true, true) => -number,
            (true, false) => (-number).saturating_sub(1),
        }
    }
}

/// A time within the years of four digits. What lies outside is in practice a number of another
/// unit.
pub(super) fn in_range(ms: i64) -> Option<i64> {
    // 9999-12-31T23:59:59.999Z
    const LAST_MS: i64 = 253_402_300_799_999;
    (Timestamp::MIN.as_millisecond()..=LAST_MS)
        .contains(&ms)
        .then_some(ms)
}
