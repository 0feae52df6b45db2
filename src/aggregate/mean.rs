//! The arithmetic mean.

use super::{AggregateError, Aggregator, DoubleSum, Retract, aggregates};
use crate::meaning::Meaning;

/// The mean of numbers; of none there is none. Its sum is that of [`DoubleSum`].
///
/// ```
/// use squall::aggregate::{Aggregator, Mean};
///
/// let mut partial = Mean.empty();
/// assert_eq!(Mean.finish(&partial), None);
/// for number in [1.0, 2.0, 6.0] {
///     Mean.add(&mut partial, &number)?;
/// }
/// assert_eq!(Mean.finish(&partial), Some(3.0));
/// # Ok::<(), squall::aggregate::AggregateError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Mean;

impl Aggregator for Mean {
    type Input = f64;
    /// The sum, and of how many.
    type Partial = ([f64; 2], u64);
    type Output = Option<f64>;

    fn meaning(&self) -> Meaning {
        aggregates("mean")
    }

    fn empty(&self) -> Self::Partial {
        (DoubleSum.empty(), 0)
    }

    #[inline]
    fn add(&self, partial: &mut Self::Partial, input: &f64) -> Result<(), AggregateError> {
        // As many inputs as a count can hold are never seen.
        DoubleSum.add(&mut partial.0, input)?;
        partial.1 = partial.1.saturating_add(1);
        Ok(())
    }

    #[inline]
    fn merge(
        &self,
        (sum, count): &mut Self::Partial,
        other: &Self::Partial,
    ) -> Result<(), AggregateError> {
        DoubleSum.merge(sum, &other.0)?;
        *count = count.saturating_add(other.1);
        Ok(())
    }

    fn finish(&self, (sum, count): &Self::Partial) -> Option<f64> {
        // Exact up to 2^53, and then rounded as everything here is.
        #[allow(clippy::cast_precision_loss)]
        let count = *count as f64;
        (count > 0.0).then(|| DoubleSum.finish(sum) / count)
    }
}

impl Retract for Mean {
    fn unmerge(
        &self,
        (sum, count): &mut Self::Partial,
        other: &Self::Partial,
    ) -> Result<(), AggregateError> {
        let rest = count.checked_sub(other.1);
        let rest = rest.ok_or_else(|| AggregateError::nothing("the mean", *count, other.1))?;
        DoubleSum.unmerge(sum, &other.0)?;
        *count = rest;
        if rest == 0 {
            *sum = DoubleSum.empty();
        }
        Ok(())
    }
}
