//! Decimal numbers as they are written, exactly.

use std::fmt;
use std::num::{IntErrorKind, ParseIntError};
use std::str::FromStr;

/// A decimal number, exactly as it is written: `12.50`, `-0.001`, `1e3`.
///
/// For money: `0.1` is not a binary fraction, so a price that is read as a floating-point number is
/// already a little off. Here a price times a quantity is exact, and rounded once, to cents.
///
/// It has up to 38 digits, as many as 128 bits hold. A number with more is an error; it is never
/// rounded silently.
///
/// ```
/// use squall::Decimal;
///
/// let price: Decimal = "2.675".parse()?;
/// assert_eq!(price.cents()?, 268);
/// let quantity: Decimal = "-6".parse()?;
/// assert_eq!(price.checked_mul(quantity)?.cents()?, -1_605);
/// assert_eq!("17850.0".parse::<Decimal>()?.whole()?, 17_850);
/// # Ok::<(), squall::decimal::DecimalError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Decimal {
    /// The number without its point.
    digits: i128,
    /// How many of the digits are behind the point; less than none where zeros follow before it.
    scale: i32,
}

/// Why a text is not a decimal number, or a number has no such value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecimalError {
    /// It is not written as one.
    #[error("{0:?} is not a decimal number: write digits with at most one point, as in -12.50")]
    NotANumber(
        /// What was found.
        String,
    ),
    /// It has more digits than can be kept.
    #[error("{0} has too many digits: at most 38 are kept, and 19 in a result")]
    TooLong(
        /// The number, or the calculation that leads to it.
        String,
    ),
    /// A whole number was asked for.
    #[error("{0} is not a whole number")]
    NotWhole(
        /// The number.
        String,
    ),
}

/// How far the point may be from the last digit. An amount that is not zero and fits into 64 bits
/// needs far less.
const MAX_SCALE: u32 = 1_000;

/// So many digits there is room for in any case.
const MAX_DIGITS: usize = 38;

/// The digits behind the point of an amount in cents.
const CENTS: i32 = 2;

impl Decimal {
    /// None where the point is too far away.
    fn new(digits: i128, scale: i32) -> Option<Self> {
        (scale.unsigned_abs() <= MAX_SCALE).then_some(Self { digits, scale })
    }

    /// The product, exactly.
    ///
    /// # Errors
    /// [`DecimalError::TooLong`] with both factors.
    pub fn checked_mul(self, other: Self) -> Result<Self, DecimalError> {
        let digits = self.digits.checked_mul(other.digits);
        let product = digits.and_then(|digits| Self::new(digits, self.scale + other.scale));
        product.ok_or_else(|| DecimalError::TooLong(format!("{self} x {other}")))
    }

    /// The amount in cents, rounded once: a half away from zero, so that a return has the amount of
    /// its sale.
    ///
    /// # Errors
    /// [`DecimalError::TooLong`] where it does not fit into 64 bits.
    pub fn cents(self) -> Result<i64, DecimalError> {
        self.rounded(CENTS)
    }

    /// The number where it has nothing behind the point.
    ///
    /// # Errors
    /// [`DecimalError::NotWhole`] where it has, [`DecimalError::TooLong`] where it does not fit
    /// into 64 bits.
    pub fn whole(self) -> Result<i64, DecimalError> {
        let fraction = match u32::try_from(self.scale) {
            Ok(scale @ 1..) => 10_i128.checked_pow(scale).map(|unit| self.digits % unit),
            _ => Some(0),
        };
        match fraction {
            Some(0) => self.rounded(0),
            None if self.digits == 0 => Ok(0),
            _ => Err(DecimalError::NotWhole(self.to_string())),
        }
    }

    /// Whether it is below zero.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.digits < 0
    }

    /// The number times ten to the power of `places`, rounded.
    fn rounded(self, places: i32) -> Result<i64, DecimalError> {
        let too_long = || DecimalError::TooLong(self.to_string());
        let shift = self.scale - places;
        let power = 10_i128.checked_pow(shift.unsigned_abs());
        let rounded = match (shift, power) {
            (..=0, Some(power)) => self.digits.checked_mul(power).ok_or_else(too_long)?,
            (..=0, None) if self.digits != 0 => return Err(too_long()),
            (1.., Some(power)) => {
                let (quotient, rest) = (self.digits / power, self.digits % power);
                // Twice the rest might not fit.
                let half_or_more =
                    rest.unsigned_abs() >= power.unsigned_abs() - rest.unsigned_abs();
                quotient + i128::from(half_or_more) * self.digits.signum()
            }
            // It is zero, or so long a fraction that no digit is near a half.
            (_, None) => 0,
        };
        i64::try_from(rounded).map_err(|_| too_long())
    }
}

/// Digits with at most one point among or around them, a sign before, an exponent of ten
/// behind: what CSV files and JSON numbers have.
impl FromStr for Decimal {
    type Err = DecimalError;

    fn from_str(text: &str) -> Result<Self, DecimalError> {
        let wrong = || DecimalError::NotANumber(text.to_owned());
        let (number, exponent) = match text.split_once(['e', 'E']) {
            None => (text, 0),
            Some((number, exponent)) => (number, exponent_of(exponent).ok_or_else(wrong)?),
        };
        let (negative, number) = match number.as_bytes() {
            [b'-', ..] => (true, &number[1..]),
            [b'+', ..] => (false, &number[1..]),
            _ => (false, number),
        };
        let (before, after) = number.split_once('.').unwrap_or((number, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if before.len() + after.len() == 0 || !is_number(before) || !is_number(after) {
            return Err(wrong());
        }
        let after = after.trim_end_matches('0');
        // What there is no room for may be zeros.
        let kept = match after {
            "" if before.len() > MAX_DIGITS => before.trim_end_matches('0'),
            _ => before,
        };
        let zeros = before.len() - kept.len();
        let digits = kept.bytes().chain(after.bytes());
        let mut digits = digits.map(|digit| i128::from(digit - b'0'));
        let digits = digits.try_fold(0_i128, |number, digit| {
            number.checked_mul(10)?.checked_add(digit)
        });
        let digits = digits.map(|digits| if negative { -digits } else { digits });
        let scale = || {
            let behind = i32::try_from(after.len()).ok()?;
            let before = i32::try_from(zeros).ok()?;
            (behind - before).checked_sub(exponent)
        };
        let number = digits.and_then(|digits| match digits {
            0 => Self::new(0, 0),
            digits => Self::new(digits, scale()?),
        });
        number.ok_or_else(|| DecimalError::TooLong(text.to_owned()))
    }
}

/// Of powers that are out of all bounds it does not matter how far.
fn exponent_of(text: &str) -> Option<i32> {
    text.parse().map_or_else(
        |error: ParseIntError| match error.kind() {
            IntErrorKind::PosOverflow => Some(i32::MAX),
            IntErrorKind::NegOverflow => Some(i32::MIN),
            _ => None,
        },
        Some,
    )
}

impl fmt::Display for Decimal {
    /// `-12.5`; where the point is far away, with an exponent: `125e30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits.unsigned_abs().to_string();
        let text = match usize::try_from(self.scale) {
            Ok(0) => digits,
            Ok(scale) if scale <= digits.len() + CENTS.unsigned_abs() as usize => {
                let digits = format!("{digits:0>width$}", width = scale + 1);
                let (before, after) = digits.split_at(digits.len() - scale);
                format!("{before}.{after}")
            }
            _ => format!("{digits}e{}", -self.scale),
        };
        f.pad_integral(self.digits >= 0, "", &text)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decimal(text: &str) -> Decimal {
        text.parse().unwrap()
    }

    #[test]
    fn a_half_cent_is_rounded_away_from_zero() {
        let table = [
            ("0.005", 1),
            ("-0.005", -1),
            ("0.00499999999999999999999999999999999999", 0),
            ("1.015", 102),
            ("-1.015", -102),
            ("2.675", 268),
            ("0.001", 0),
            ("-11062.06", -1_106_206),
            ("7", 700),
            ("+.5", 50),
            ("5.", 500),
            ("1e3", 100_000),
            ("125E-3", 13),
            ("1e-100", 0),
            ("0e100", 0),
            ("0.000", 0),
            ("92233720368547758.07", i64::MAX),
            ("-92233720368547758.08", i64::MIN),
        ];
        for (text, cents) in table {
            assert_eq!(decimal(text).cents(), Ok(cents), "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_said_to_be_none() {
        for text in [
            "", "-", ".", "1.2.3", "1,5", "0x1", "1e", "e5", " 1", "1 ", "NaN", "inf", "--1",
            "1e+-2", "१",
        ] {
            let error = text.parse::<Decimal>().unwrap_err();
            assert_eq!(error, DecimalError::NotANumber(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn too_many_digits_are_an_error_that_names_them() {
        let long = "9".repeat(40);
        let far = "1e99999999999";
        for text in [&long, "1e1001", "1e2147483647", "1e-2147483648", far] {
            let error = text.parse::<Decimal>().unwrap_err();
            assert_eq!(error, DecimalError::TooLong(text.to_string()));
        }
        for text in ["92233720368547758.075", "1e30", "1e500"] {
            let error = decimal(text).cents().unwrap_err();
            assert!(matches!(error, DecimalError::TooLong(_)), "{error}");
        }
        let factor = decimal(&"9".repeat(30));
        let error = factor.checked_mul(factor).unwrap_err().to_string();
        assert!(error.contains(&format!("{factor} x {factor}")), "{error}");
    }

    #[test]
    fn whole_numbers_may_be_written_with_a_point() {
        for (text, whole) in [
            ("17850.0", 17_850),
            ("-3", -3),
            ("1.5e1", 15),
            ("0e-200", 0),
        ] {
            assert_eq!(decimal(text).whole(), Ok(whole), "{text}");
        }
        for text in ["12.5", "1e-1", "1e-200"] {
            let error = decimal(text).whole().unwrap_err();
            assert!(
                matches!(error, DecimalError::NotWhole(_)),
                "{text}: {error}"
            );
        }
        assert!(decimal("1e19").whole().is_err());
    }

    #[test]
    fn zeros_take_no_room() {
        let zeros = "0".repeat(50);
        for (text, whole) in [
            (format!("12{zeros}e-50"), 12),
            (format!("{zeros}12.{zeros}"), 12),
            (format!("0.{zeros}12e52"), 12),
            (format!("-{zeros}"), 0),
            ("0e5000".to_owned(), 0),
            ("0.0e-99999999999".to_owned(), 0),
        ] {
            assert_eq!(decimal(&text).whole(), Ok(whole), "{text}");
        }
    }

    #[test]
    fn numbers_are_shown_as_they_are_written() {
        for text in ["0", "-12.5", "0.001", "-0.05", "17850", "125e30", "1e-9"] {
            assert_eq!(decimal(text).to_string(), text);
        }
    }

    /// The text of a number that has `scale` digits behind its point.
    fn written(digits: i128, scale: u32) -> String {
        let unit = 10_i128.pow(scale);
        let sign = if digits < 0 { "-" } else { "" };
        let (before, after) = (digits.abs() / unit, digits.abs() % unit);
        if scale == 0 {
            format!("{sign}{before}")
        } else {
            format!("{sign}{before}.{after:0width$}", width = scale as usize)
        }
    }

    /// `numerator / denominator`, a half away from zero, by adding a half and cutting off.
    fn divided(numerator: i128, denominator: i128) -> i128 {
        (2 * numerator.abs() + denominator) / (2 * denominator) * numerator.signum()
    }

    proptest! {
        #[test]
        fn products_in_cents_are_those_of_whole_numbers(
            price in -1_000_000_000_i128..1_000_000_000,
            price_scale in 0_u32..10,
            quantity in -1_000_000_i128..1_000_000,
            quantity_scale in 0_u32..6,
        ) {
            let (one, other) = (written(price, price_scale), written(quantity, quantity_scale));
            let product = decimal(&one).checked_mul(decimal(&other)).unwrap();
            let expected = divided(price * quantity * 100, 10_i128.pow(price_scale + quantity_scale));
            prop_assert_eq!(i128::from(product.cents().unwrap()), expected, "{} x {}", one, other);
            prop_assert_eq!(product.is_negative(), price * quantity < 0);
        }

        #[test]
        fn any_spelling_is_the_same_number(
            digits in -1_000_000_000_000_i128..1_000_000_000_000,
            scale in 0_u32..8,
            zeros in 0_usize..5,
            exponent in -5_i32..6,
        ) {
            let text = written(digits, scale);
            let point = if text.contains('.') { "" } else { "." };
            let longer = format!("{text}{point}{}", "0".repeat(zeros));
            let moved = format!("{digits}e{}", exponent - i32::try_from(scale).unwrap());
            let moved = decimal(&moved).checked_mul(decimal(&format!("1e{}", -exponent))).unwrap();
            let cents = decimal(&text).cents();
            prop_assert_eq!(decimal(&longer).cents(), cents.clone());
            prop_assert_eq!(moved.cents(), cents.clone());
            prop_assert_eq!(decimal(&decimal(&text).to_string()).cents(), cents);
        }

        #[test]
        fn no_text_makes_it_panic(text in "[-+.0-9eE]{0,50}") {
            if let Ok(number) = text.parse::<Decimal>() {
                let _ = (number.cents(), number.whole(), number.to_string());
                let _ = number.checked_mul(number).map(Decimal::cents);
            }
        }
    }
}
