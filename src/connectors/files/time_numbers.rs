//! Times that are written as numbers since 1970.

use jiff::Timestamp;

/// The unit of a number since 1970.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Millis,
    Micros,
    Nanos,
}

impl Unit {
    /// The milliseconds since 1970 that a number of this unit stands for, cut off toward the past.
    pub(super) fn parse(self, text: &str) -> Result<i64, String> {
        let shape = match self {
            Self::Seconds => "expected seconds as a decimal number, such as 1442018818.771",
            Self::Millis => "expected whole milliseconds, such as 1442018818771",
            Self::Micros => "expected whole microseconds, such as 1442018818771000",
            Self::Nanos => "expected whole nanoseconds, such as 1442018818771000000",
        };
        let (places, finer) = match self {
            Self::Seconds => (3, "milliseconds, use unix-ms"),
            Self::Millis => (0, "microseconds, use unix-us"),
            Self::Micros => (-3, "nanoseconds, use unix-ns"),
            Self::Nanos => (-6, "finer still, divide it first"),
        };
        let number = Number::of(text).ok_or(shape)?;
        if self != Self::Seconds && !number.is_whole() {
            return Err(shape.to_owned());
        }
        in_range(number.shifted(places), finer)
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
    fn shifted(&self, places: i64) -> i64 {
        let point = self.point + places;
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

/// The years of four digits. What lies outside is in practice a number of another unit.
pub(super) fn in_range(ms: i64, finer: &str) -> Result<i64, String> {
    // 9999-12-31T23:59:59.999Z
    const LAST_MS: i64 = 253_402_300_799_999;
    if (Timestamp::MIN.as_millisecond()..=LAST_MS).contains(&ms) {
        Ok(ms)
    } else {
        Err(format!(
            "it lies outside the years -9999 to 9999; if it is {finer}"
        ))
    }
}
