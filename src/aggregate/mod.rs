//! Aggregations that can be done in parts: counts, sums, extremes, means, distinct values,
//! the greatest, quantiles.
//!
//! | aggregation | of | partial | value | takes out |
//! |---|---|---|---|---|
//! | [`CountAll`] | anything | `u64` | `u64` | yes |
//! | [`LongSum`], [`Cents`] | `i64` | `i64` | `i64` | yes |
//! | [`DoubleSum`] | `f64` | two `f64` | `f64` | yes |
//! | [`Mean`] | `f64` | two `f64`, `u64` | `Option<f64>` | yes |
//! | [`LongMin`], [`LongMax`] | `i64` | `Option<i64>` | the same | |
//! | [`DoubleMin`], [`DoubleMax`] | `f64` | `Option<f64>` | the same | |
//! | [`Distinct`] | text, integers | [`Sketch`] | an estimate | |
//! | [`TopOf`] | keys with `i64` | the entries | the entries, best first | |
//! | [`Quantiles`] | `f64` | [`Histogram`] | `Vec<f64>` | yes |
//! | `(A, B)`, up to four | what all take | a tuple | a tuple | where all do |
//!
//! [`Aggregator::of`] makes one that takes tuples and aggregates a field of theirs:
//!
//! ```
//! use squall::aggregate::{Aggregator, CountAll, Distinct, LongSum};
//! use squall::{Text, Tuple};
//!
//! #[derive(Tuple, Clone, Debug)]
//! struct Sale { user: Text, cents: i64 }
//!
//! let sales = (CountAll::new(), LongSum.of(Sale::CENTS), Distinct::<str>::new().of(Sale::USER));
//! let (mut monday, mut tuesday) = (sales.empty(), sales.empty());
//! sales.add(&mut monday, &Sale { user: "ann".into(), cents: 300 })?;
//! sales.add(&mut monday, &Sale { user: "bob".into(), cents: 200 })?;
//! sales.add(&mut tuesday, &Sale { user: "ann".into(), cents: 50 })?;
//! sales.merge(&mut monday, &tuesday)?;
//! let (count, cents, users) = sales.finish(&monday);
//! assert_eq!((count, cents, users.round()), (3, 550, 2.0));
//! # Ok::<(), squall::aggregate::AggregateError>(())
//! ```

mod count;
mod distinct;
mod extreme;
mod mean;
mod of;
mod quantiles;
mod sketch;
mod sum;
mod together;
mod top;

#[cfg(test)]
mod tests;

pub use count::CountAll;
pub use distinct::{Distinct, DistinctValue};
pub use extreme::{DoubleMax, DoubleMin, LongMax, LongMin};
pub use mean::Mean;
pub use of::{Of, ReadBy, Reads, reads};
pub use quantiles::{Histogram, NoQuantile, Quantiles};
pub use sketch::{NoSketch, Sketch};
pub use sum::{Cents, DoubleSum, LongSum};
pub use top::TopOf;

use std::fmt::{Debug, Display};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::meaning::Meaning;

/// The meaning of a ready aggregation, by a name that is stored.
fn aggregates(name: &str) -> Meaning {
    Meaning::of(&Aggregates { aggregate: name })
}

#[derive(Serialize)]
struct Aggregates<'n> {
    aggregate: &'n str,
}

/// Reduces many inputs to one value, in any number of parts and in any order.
///
/// A *partial* is the intermediate result for some of the inputs. [`Aggregator::merge`] joins the
/// partials of different tasks, panes or files; [`Aggregator::finish`] turns one into the value.
/// The merged partial, and the bytes that it is stored as, do not depend on how inputs are spread
/// over partials or in which order these are merged. (For sums of floating-point numbers this holds
/// within the bounds that [`DoubleSum`] names.)
pub trait Aggregator: Clone + Send + Sync + 'static {
    /// What is aggregated.
    type Input: ?Sized;
    /// The intermediate result for some of the inputs.
    type Partial: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + 'static;
    /// The value.
    type Output: Clone + Debug + PartialEq + Send + 'static;

    /// The partial of no input.
    fn empty(&self) -> Self::Partial;

    /// Adds an input.
    ///
    /// # Errors
    /// If the value would leave its range; the partial is unchanged then.
    fn add(&self, partial: &mut Self::Partial, input: &Self::Input) -> Result<(), AggregateError>;

    /// Adds another partial.
    ///
    /// # Errors
    /// If the value would leave its range; the partial is unchanged then.
    fn merge(
        &self,
        partial: &mut Self::Partial,
        other: &Self::Partial,
    ) -> Result<(), AggregateError>;

    /// The value.
    fn finish(&self, partial: &Self::Partial) -> Self::Output;

    /// What the value means, as far as its type does not say it: the least or the greatest, of
    /// which field. A data directory keeps it; see [`Bolt::meaning`](crate::Bolt::meaning).
    fn meaning(&self) -> Meaning {
        Meaning::none()
    }

    /// The same aggregation over a field of tuples; [`reads`] makes a field reader of a closure.
    #[must_use]
    fn of<T, R: Reads<T, Self::Input>>(self, field: R) -> Of<Self, T, R>
    where
        Self: Sized,
    {
        Of::new(self, field)
    }
}

/// An aggregation whose inputs can be removed again.
pub trait Retract: Aggregator {
    /// Removes another partial, all of whose inputs were added before.
    ///
    /// # Errors
    /// If the value would leave its range, or the other partial has more inputs; the partial is
    /// unchanged then.
    fn unmerge(
        &self,
        partial: &mut Self::Partial,
        other: &Self::Partial,
    ) -> Result<(), AggregateError>;

    /// Takes an input out that was taken in before.
    ///
    /// # Errors
    /// Where the value leaves its range, or the input was never taken in; the partial is as it
    /// was then.
    fn retract(
        &self,
        partial: &mut Self::Partial,
        input: &Self::Input,
    ) -> Result<(), AggregateError> {
        let mut one = self.empty();
        self.add(&mut one, input)?;
        self.unmerge(partial, &one)
    }
}

/// Why an input cannot be aggregated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum AggregateError {
    /// The value would leave its range.
    #[error("{what} of {value} and {input} is out of range")]
    OutOfRange {
        /// The aggregation, such as `the sum`.
        what: &'static str,
        /// What there was.
        value: String,
        /// What came.
        input: String,
    },
    /// The input is no number, or none that is finite.
    #[error("{what} takes finite numbers, and {input} is not finite")]
    NotFinite {
        /// The aggregation, such as `the sum`.
        what: &'static str,
        /// What came.
        input: f64,
    },
    /// More was taken out than was taken in.
    #[error("{what} of {value} has no {input} to take out")]
    Nothing {
        /// The aggregation, such as `the count`.
        what: &'static str,
        /// What there was.
        value: String,
        /// What was to be taken out.
        input: String,
    },
}

impl AggregateError {
    fn out_of_range(what: &'static str, value: impl Display, input: impl Display) -> Self {
        Self::OutOfRange {
            what,
            value: value.to_string(),
            input: input.to_string(),
        }
    }

    fn nothing(what: &'static str, value: impl Display, input: impl Display) -> Self {
        Self::Nothing {
            what,
            value: value.to_string(),
            input: input.to_string(),
        }
    }
}

/// The number, where it is finite; a zero without its sign, so that equal numbers have equal
/// bytes.
fn finite(what: &'static str, input: f64) -> Result<f64, AggregateError> {
    if input.is_finite() {
        Ok(input + 0.0)
    } else {
        Err(AggregateError::NotFinite { what, input })
    }
}
