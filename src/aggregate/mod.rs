//! Aggregations that can be done in parts: counts, sums, extremes, means, distinct values.

use std::fmt::Debug;

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How many inputs become one value, in any number of parts and in any order.
///
/// A *partial* is what is known of some of the inputs: [`Aggregator::merge`] joins those of
/// different tasks, panes or files, [`Aggregator::finish`] makes a value of one. However inputs
/// are spread over partials, and in whatever order these are merged, the merged partials
/// are equal, and so are the bytes that they are stored as.
pub trait Aggregator: Clone + Send + Sync + 'static {
    /// What is aggregated.
    type Input: ?Sized;
    /// What is known of some of the inputs.
    type Partial: Clone + Debug + PartialEq + Serialize + DeserializeOwned + Send + 'static;
    /// What comes out.
    type Output: Clone + Debug + PartialEq + Send + 'static;

    /// The partial of no input.
    fn empty(&self) -> Self::Partial;

    /// Takes an input in.
    ///
    /// # Errors
    /// Where the value leaves its range; the partial is as it was then.
    fn add(&self, partial: &mut Self::Partial, input: &Self::Input) -> Result<(), AggregateError>;

    /// Takes in what another partial knows.
    ///
    /// # Errors
    /// Where the value leaves its range; the partial is as it was then.
    fn merge(
        &self,
        partial: &mut Self::Partial,
        other: &Self::Partial,
    ) -> Result<(), AggregateError>;

    /// The value.
    fn finish(&self, partial: &Self::Partial) -> Self::Output;
}

/// An aggregation whose inputs can be taken out again.
pub trait Retract: Aggregator {
    /// Takes an input out that was taken in before.
    ///
    /// # Errors
    /// Where the value leaves its range, or the input was never taken in; the partial is as it
    /// was then.
    fn retract(
        &self,
        partial: &mut Self::Partial,
        input: &Self::Input,
    ) -> Result<(), AggregateError>;
}

/// Why an input cannot be aggregated.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
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
    /// The input is no number.
    #[error("{what} of what is not a number")]
    NotANumber {
        /// The aggregation, such as `the least`.
        what: &'static str,
    },
    /// More was taken out than was taken in.
    #[error("{what} of nothing has nothing to take {input} out of")]
    Nothing {
        /// The aggregation, such as `the sum`.
        what: &'static str,
        /// What was to be taken out.
        input: String,
    },
}
