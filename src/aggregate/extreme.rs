//! The least and the greatest.

use super::{AggregateError, Aggregator, aggregates, finite};
use crate::meaning::Meaning;

macro_rules! extremes {
    ($($(#[$doc:meta])* $name:ident $stored:literal $type:ty, $better:expr, $checked:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name;

        impl Aggregator for $name {
            type Input = $type;
            type Partial = Option<$type>;
            type Output = Option<$type>;

            fn meaning(&self) -> Meaning {
                aggregates($stored)
            }

            fn empty(&self) -> Option<$type> {
                None
            }

            #[inline]
            fn add(&self, partial: &mut Option<$type>, input: &$type) -> Result<(), AggregateError> {
                let input = $checked(*input)?;
                *partial = Some(partial.map_or(input, |value| $better(value, input)));
                Ok(())
            }

            #[inline]
            fn merge(
                &self,
                partial: &mut Option<$type>,
                other: &Option<$type>,
            ) -> Result<(), AggregateError> {
                other.map_or(Ok(()), |other| self.add(partial, &other))
            }

            fn finish(&self, partial: &Option<$type>) -> Option<$type> {
                *partial
            }
        }
    )*};
}

extremes! {
    /// The least of whole numbers; of none there is none.
    ///
    /// ```
    /// use squall::aggregate::{Aggregator, LongMin};
    ///
    /// let mut least = LongMin.empty();
    /// assert_eq!(LongMin.finish(&least), None);
    /// LongMin.add(&mut least, &3)?;
    /// LongMin.merge(&mut least, &Some(-7))?;
    /// assert_eq!(LongMin.finish(&least), Some(-7));
    /// # Ok::<(), squall::aggregate::AggregateError>(())
    /// ```
    LongMin "longMin" i64, i64::min, Ok;
    /// The greatest of whole numbers; of none there is none.
    LongMax "longMax" i64, i64::max, Ok;
    /// The least of finite numbers; of none there is none.
    DoubleMin "doubleMin" f64, f64::min, |input| finite("the least", input);
    /// The greatest of finite numbers; of none there is none.
    DoubleMax "doubleMax" f64, f64::max, |input| finite("the greatest", input);
}
