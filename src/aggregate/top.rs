//! The greatest values, with their keys.

use std::marker::PhantomData;

use serde::Serialize;

use super::{AggregateError, Aggregator};
use crate::key::KeyValue;
use crate::meaning::Meaning;

/// The keys with the greatest values, best first: by value descending, then by key ascending.
///
/// Of a key the greatest value counts, so it is right for values that only grow, and for inputs
/// that are whole: it does not add anything up. A total that shrinks keeps its place by the
/// value it had; [`TopMonotonic`](crate::bolts::TopMonotonic) says more of that.
///
/// ```
/// use squall::aggregate::{Aggregator, TopOf};
///
/// let top = TopOf::places(2);
/// let mut partial = top.empty();
/// for entry in [("ann".to_owned(), 3), ("bob".to_owned(), 5), ("cy".to_owned(), 5)] {
///     top.add(&mut partial, &entry)?;
/// }
/// top.merge(&mut partial, &vec![("ann".to_owned(), 9)])?;
/// let best = top.finish(&partial);
/// assert_eq!(best, [("ann".to_owned(), 9), ("bob".to_owned(), 5)]);
/// # Ok::<(), squall::aggregate::AggregateError>(())
/// ```
#[derive(Clone, Debug)]
pub struct TopOf<K> {
    places: usize,
    key: PhantomData<fn(&K)>,
}

impl<K> TopOf<K> {
    /// So many of them.
    #[must_use]
    pub const fn places(places: usize) -> Self {
        Self {
            places,
            key: PhantomData,
        }
    }
}

impl<K: KeyValue> TopOf<K> {
    /// Puts an entry into its place, if it has one.
    fn place(&self, entries: &mut Vec<(K, i64)>, (key, value): &(K, i64)) {
        let place =
            entries.partition_point(|(k, v)| (-i128::from(*v), k) < (-i128::from(*value), key));
        if place >= self.places || entries[..place].iter().any(|(k, _)| k == key) {
            return;
        }
        let worse = entries[place..].iter().position(|(k, _)| k == key);
        match worse {
            Some(behind) => {
                entries[place..=place + behind].rotate_right(1);
                entries[place].1 = *value;
            }
            None => entries.insert(place, (key.clone(), *value)),
        }
        entries.truncate(self.places);
    }
}

/// What is stated of a top: those that had no place are not known.
#[derive(Serialize)]
struct Top {
    aggregate: &'static str,
    places: usize,
}

impl<K: KeyValue> Aggregator for TopOf<K> {
    type Input = (K, i64);
    type Partial = Vec<(K, i64)>;
    type Output = Vec<(K, i64)>;

    fn meaning(&self) -> Meaning {
        Meaning::of(&Top {
            aggregate: "top",
            places: self.places,
        })
    }

    fn empty(&self) -> Self::Partial {
        Vec::new()
    }

    fn add(&self, partial: &mut Self::Partial, input: &(K, i64)) -> Result<(), AggregateError> {
        self.place(partial, input);
        Ok(())
    }

    fn merge(
        &self,
        partial: &mut Self::Partial,
        other: &Self::Partial,
    ) -> Result<(), AggregateError> {
        for entry in other {
            self.place(partial, entry);
        }
        Ok(())
    }

    fn finish(&self, partial: &Self::Partial) -> Self::Output {
        partial.clone()
    }
}
