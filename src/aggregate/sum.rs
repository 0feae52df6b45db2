//! Sums of whole numbers, of money, and of floating-point numbers.

use super::{AggregateError, Aggregator, Retract, aggregates, finite};
use crate::meaning::Meaning;

/// Whole numbers are added up the same way, whatever they count.
macro_rules! whole_sums {
    ($($(#[$doc:meta])* $name:ident $stored:literal $what:literal)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Aggregator for $name {
            type Input = i64;
            type Partial = i64;
            type Output = i64;

            fn meaning(&self) -> Meaning {
                aggregates($stored)
            }

            fn empty(&self) -> i64 {
                0
            }

            #[inline]
            fn add(&self, partial: &mut i64, input: &i64) -> Result<(), AggregateError> {
                let sum = partial.checked_add(*input);
                *partial =
                    sum.ok_or_else(|| AggregateError::out_of_range($what, *partial, input))?;
                Ok(())
            }

            #[inline]
            fn merge(&self, partial: &mut i64, other: &i64) -> Result<(), AggregateError> {
                self.add(partial, other)
            }

            fn finish(&self, partial: &i64) -> i64 {
                *partial
            }
        }

        impl Retract for $name {
            fn unmerge(&self, partial: &mut i64, other: &i64) -> Result<(), AggregateError> {
                let rest = partial.checked_sub(*other);
                *partial =
                    rest.ok_or_else(|| AggregateError::out_of_range($what, *partial, other))?;
                Ok(())
            }
        }
    )*};
}

whole_sums! {
    /// The sum of whole numbers. It never wraps: where it would leave the range of `i64`, there
    /// is an error with both numbers.
    ///
    /// ```
    /// use squall::aggregate::{Aggregator, LongSum};
    ///
    /// let mut sum = LongSum.empty();
    /// LongSum.add(&mut sum, &i64::MAX)?;
    /// let error = LongSum.add(&mut sum, &1).unwrap_err();
    /// let what = "the sum of 9223372036854775807 and 1 is out of range";
    /// assert_eq!((error.to_string().as_str(), sum), (what, i64::MAX));
    /// # Ok::<(), squall::aggregate::AggregateError>(())
    /// ```
    LongSum "longSum" "the sum"
    /// The sum of money in whole cents: as [`LongSum`], and its errors speak of cents.
    ///
    /// ```
    /// use squall::aggregate::{Aggregator, Cents};
    ///
    /// let mut spent = Cents.empty();
    /// for cents in [17, 43, -5] {
    ///     Cents.add(&mut spent, &cents)?;
    /// }
    /// assert_eq!(Cents.finish(&spent), 55);
    /// # Ok::<(), squall::aggregate::AggregateError>(())
    /// ```
    Cents "cents" "the sum in cents"
}

/// The sum of floating-point numbers, to twice their digits while it is added up, so that it
/// does not depend on their order.
///
/// A partial is two numbers, whose sum is meant: the second is what the first one is too short
/// for (Dekker, "A floating-point technique for extending the available precision", Numerische
/// Mathematik 1971). Inputs that are multiples of some power of two, with sums below 2^104
/// times that power, are added up exactly, in any order and grouping: prices, measurements,
/// whole numbers. Only sums over a wider range than that are rounded, each time by less than
/// one part in 2^100 of the greater number, and then partials may differ in their last digits.
///
/// ```
/// use squall::aggregate::{Aggregator, DoubleSum};
///
/// let mut sum = DoubleSum.empty();
/// for price in [0.1, 0.2, -0.3, 1e16, 0.5, -1e16] {
///     DoubleSum.add(&mut sum, &price)?;
/// }
/// // One by one `f64` makes 0.0 of it: the half is lost beside 1e16.
/// assert!((DoubleSum.finish(&sum) - 0.5).abs() < 1e-15);
/// # Ok::<(), squall::aggregate::AggregateError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DoubleSum;

impl Aggregator for DoubleSum {
    type Input = f64;
    type Partial = [f64; 2];
    type Output = f64;

    fn meaning(&self) -> Meaning {
        aggregates("doubleSum")
    }

    fn empty(&self) -> [f64; 2] {
        [0.0, 0.0]
    }

    #[inline]
    fn add(&self, partial: &mut [f64; 2], input: &f64) -> Result<(), AggregateError> {
        let input = finite("the sum", *input)?;
        self.merge(partial, &[input, 0.0])
    }

    #[inline]
    fn merge(&self, partial: &mut [f64; 2], other: &[f64; 2]) -> Result<(), AggregateError> {
        let sum = double_double(*partial, *other);
        if !sum[0].is_finite() {
            return Err(AggregateError::out_of_range(
                "the sum", partial[0], other[0],
            ));
        }
        *partial = sum;
        Ok(())
    }

    fn finish(&self, partial: &[f64; 2]) -> f64 {
        partial[0] + partial[1]
    }
}

impl Retract for DoubleSum {
    fn unmerge(&self, partial: &mut [f64; 2], other: &[f64; 2]) -> Result<(), AggregateError> {
        self.merge(partial, &other.map(|part| -part))
    }
}

/// The sum of two sums; without a negative zero, so that equal sums have equal bytes.
#[inline]
fn double_double(one: [f64; 2], other: [f64; 2]) -> [f64; 2] {
    let [high, error] = two_sum(one[0], other[0]);
    if other[1] == 0.0 {
        // A number as it came, mostly: the other two steps would change nothing.
        return two_sum(high, error + one[1]).map(|part| part + 0.0);
    }
    let [low, rest] = two_sum(one[1], other[1]);
    let [high, low] = two_sum(high, error + low);
    two_sum(high, low + rest).map(|part| part + 0.0)
}

/// The sum as it is rounded, and what is lost by that: exactly (Knuth, "The Art of Computer
/// Programming", volume 2, 4.2.2).
#[inline]
fn two_sum(a: f64, b: f64) -> [f64; 2] {
    let sum = a + b;
    let b_in_sum = sum - a;
    let error = (a - (sum - b_in_sum)) + (b - b_in_sum);
    [sum, error]
}
