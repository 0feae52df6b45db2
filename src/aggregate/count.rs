//! How many.

use std::fmt;
use std::marker::PhantomData;

use super::{AggregateError, Aggregator, Retract, aggregates};
use crate::meaning::Meaning;

/// How many inputs there were, whatever they are.
///
/// ```
/// use squall::aggregate::{Aggregator, CountAll};
///
/// let count = CountAll::<str>::new();
/// let mut partial = count.empty();
/// count.add(&mut partial, "storm")?;
/// count.merge(&mut partial, &2)?;
/// assert_eq!(count.finish(&partial), 3);
/// # Ok::<(), squall::aggregate::AggregateError>(())
/// ```
pub struct CountAll<T: ?Sized>(PhantomData<fn(&T)>);

impl<T: ?Sized> CountAll<T> {
    /// Counts from nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<T: ?Sized> Default for CountAll<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ?Sized> Clone for CountAll<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for CountAll<T> {}

impl<T: ?Sized> fmt::Debug for CountAll<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CountAll")
    }
}

impl<T: ?Sized + 'static> Aggregator for CountAll<T> {
    type Input = T;
    type Partial = u64;
    type Output = u64;

    fn meaning(&self) -> Meaning {
        aggregates("count")
    }

    fn empty(&self) -> u64 {
        0
    }

    #[inline]
    fn add(&self, partial: &mut u64, _: &T) -> Result<(), AggregateError> {
        self.merge(partial, &1)
    }

    #[inline]
    fn merge(&self, partial: &mut u64, other: &u64) -> Result<(), AggregateError> {
        let sum = partial.checked_add(*other);
        *partial = sum.ok_or_else(|| AggregateError::out_of_range("the count", *partial, other))?;
        Ok(())
    }

    fn finish(&self, partial: &u64) -> u64 {
        *partial
    }
}

impl<T: ?Sized + 'static> Retract for CountAll<T> {
    fn unmerge(&self, partial: &mut u64, other: &u64) -> Result<(), AggregateError> {
        let rest = partial.checked_sub(*other);
        *partial = rest.ok_or_else(|| AggregateError::nothing("the count", *partial, other))?;
        Ok(())
    }
}
