//! Aggregates keys, epoch by epoch.

use std::collections::HashMap;
use std::fmt;

use crate::aggregate::{AggregateError, Aggregator};
use crate::bolt::{AggregatingBolt, KeyedBolt};
use crate::context::Epoch;
use crate::error::Result;
use crate::key::KeyValue;
use crate::meaning::Meaning;
use crate::state::{States, Table};
use crate::stream::Out;
use crate::tuple::Tuple;

/// The new value of a key; the latest one holds.
#[derive(squall_macros::Tuple, Clone, Debug, PartialEq, Eq)]
pub struct Updated<K, V> {
    /// What was aggregated by.
    pub key: K,
    /// The value of everything that had this key.
    pub value: V,
}

/// Aggregates the tuples of each key over everything. Once an epoch it emits the new value of each
/// key that had a tuple, in key order.
///
/// The [partials](Aggregator::Partial) are kept in a table named `partials`, where views read them
/// as of whole epochs. A tuple that cannot be added goes to the dead letters and changes nothing;
/// if a sum would leave its range, the reason names the key and both numbers.
///
/// ```
/// use squall::aggregate::{Aggregator, CountAll, LongSum};
/// use squall::bolts::{Aggregate, Updated};
/// use squall::{Text, Tuple, testing::BoltTest};
///
/// #[derive(Tuple, Clone, Debug)]
/// struct Row { user: Text, item: Text, amount: i64 }
///
/// let totals = Aggregate::of((CountAll::new(), LongSum.of(Row::AMOUNT)));
/// let mut test = BoltTest::keyed(totals, (Row::USER, Row::ITEM));
/// for (user, item, amount) in [("a", "b", 3), ("a", "c", 2), ("d", "b", 9), ("a", "b", 4)] {
///     test = test.send(Row { user: user.into(), item: item.into(), amount });
/// }
/// let out = test.epoch().run()?;
/// let key = |user: &str, item: &str| (Text::from(user), Text::from(item));
/// assert_eq!(out.emitted(), [
///     Updated { key: key("a", "b"), value: (2, 7) },
///     Updated { key: key("a", "c"), value: (1, 2) },
///     Updated { key: key("d", "b"), value: (1, 9) },
/// ]);
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct Aggregate<K, A: Aggregator> {
    aggregator: A,
    /// As of the last epoch.
    partials: Table<K, A::Partial>,
    /// Those of the keys that had a tuple since.
    touched: HashMap<K, A::Partial, ahash::RandomState>,
}

impl<K: KeyValue, A: Aggregator> Aggregate<K, A> {
    /// By this aggregator of tuples; [`Aggregator::of`] makes one of a field.
    #[must_use]
    pub fn of(aggregator: A) -> Self {
        Self {
            aggregator,
            partials: Table::new(),
            touched: HashMap::default(),
        }
    }
}

impl<K: KeyValue, A: Aggregator> Aggregate<K, A> {
    /// Changes the partial of a key.
    #[inline]
    fn change(
        &mut self,
        key: &K,
        change: impl FnOnce(&A, &mut A::Partial) -> Result<(), AggregateError>,
    ) -> Result {
        if let Some(partial) = self.touched.get_mut(key) {
            let changed = change(&self.aggregator, partial);
            return Ok(changed.map_err(|error| refused(key, error))?);
        }
        let known = self.partials.get(key).cloned();
        let mut partial = known.unwrap_or_else(|| self.aggregator.empty());
        change(&self.aggregator, &mut partial).map_err(|error| refused(key, error))?;
        self.touched.insert(key.clone(), partial);
        Ok(())
    }
}

impl<K: fmt::Debug, A: Aggregator> fmt::Debug for Aggregate<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Aggregate");
        debug.field("partials", &self.partials);
        debug.field("touched", &self.touched);
        debug.finish_non_exhaustive()
    }
}

/// That a key's value could not take something in.
pub(super) fn refused(key: &impl fmt::Debug, error: impl fmt::Display) -> String {
    format!("for the key {key:?} {error}")
}

impl<K, A, T> KeyedBolt<T> for Aggregate<K, A>
where
    K: KeyValue,
    A: Aggregator<Input = T>,
    T: Tuple,
{
    type Key = K;
    type Output = Updated<K, A::Output>;

    #[inline]
    fn waits(&self) -> bool {
        false
    }

    fn meaning(&self) -> Meaning {
        self.aggregator.meaning()
    }

    fn execute(&mut self, key: &K, tuple: &T, _: &mut Out<Self::Output>) -> Result {
        self.change(key, |aggregator, partial| aggregator.add(partial, tuple))
    }

    fn on_epoch(&mut self, _: &Epoch, out: &mut Out<Self::Output>) -> Result {
        let mut touched: Vec<(K, A::Partial)> = self.touched.drain().collect();
        touched.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        for (key, partial) in touched {
            let value = self.aggregator.finish(&partial);
            out.emit(Updated {
                key: key.clone(),
                value,
            });
            self.partials.insert(key, partial);
        }
        Ok(())
    }

    fn key_field(&self) -> Option<&str> {
        Some("key")
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("partials", &mut self.partials);
    }
}

impl<K, A, T> AggregatingBolt<T> for Aggregate<K, A>
where
    K: KeyValue,
    A: Aggregator<Input = T>,
    T: Tuple,
{
    type Aggregator = A;

    fn aggregator(&self) -> A {
        self.aggregator.clone()
    }

    fn execute_partial(
        &mut self,
        key: &K,
        partial: &A::Partial,
        _: &mut Out<Self::Output>,
    ) -> Result {
        self.change(key, |aggregator, into| aggregator.merge(into, partial))
    }
}
