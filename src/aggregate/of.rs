//! Aggregations of a field.

use std::borrow::Borrow;
use std::fmt;
use std::marker::PhantomData;

use serde::Serialize;

use super::{AggregateError, Aggregator, Retract};
use crate::meaning::Meaning;
use crate::tuple::{Field, FieldAt};

/// Reads a `V` of a tuple: a field that `#[derive(Tuple)]` has made a constant for, or
/// [`reads`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` reads no `{V}` of `{T}`",
    label = "expected a field of `{T}` that is a `{V}`",
    note = "give a constant of a field of that type, or a closure: `reads(|t: &{T}| &t.field)`"
)]
pub trait Reads<T, V: ?Sized>: Clone + Send + Sync + 'static {
    /// The value.
    fn read<'t>(&self, tuple: &'t T) -> &'t V;

    /// The field's name, where it has one.
    fn name(&self) -> Option<&'static str> {
        None
    }
}

impl<T, V: ?Sized, const I: usize> Reads<T, V> for Field<T, I>
where
    T: FieldAt<I>,
    T::Value: Borrow<V>,
{
    #[inline]
    fn read<'t>(&self, tuple: &'t T) -> &'t V {
        tuple.get().borrow()
    }

    fn name(&self) -> Option<&'static str> {
        Some(T::NAME)
    }
}

/// A closure that reads; see [`reads`].
#[derive(Clone)]
pub struct ReadBy<F>(F);

/// A reader where a field's constant is not enough.
///
/// ```
/// use squall::aggregate::{Aggregator, LongSum, reads};
///
/// struct Price { cents: i64 }
/// struct Order { price: Price }
///
/// let spent = LongSum.of(reads(|order: &Order| &order.price.cents));
/// let mut partial = spent.empty();
/// spent.add(&mut partial, &Order { price: Price { cents: 300 } })?;
/// assert_eq!(spent.finish(&partial), 300);
/// # Ok::<(), squall::aggregate::AggregateError>(())
/// ```
pub fn reads<T, V: ?Sized, F>(read: F) -> ReadBy<F>
where
    F: Fn(&T) -> &V + Clone + Send + Sync + 'static,
{
    ReadBy(read)
}

impl<T, V: ?Sized, F> Reads<T, V> for ReadBy<F>
where
    F: Fn(&T) -> &V + Clone + Send + Sync + 'static,
{
    #[inline]
    fn read<'t>(&self, tuple: &'t T) -> &'t V {
        (self.0)(tuple)
    }
}

/// An aggregation of what is read of tuples; see [`Aggregator::of`].
pub struct Of<A, T, R> {
    aggregator: A,
    field: R,
    tuple: PhantomData<fn(&T)>,
}

impl<A, T, R> Of<A, T, R> {
    pub(super) fn new(aggregator: A, field: R) -> Self {
        Self {
            aggregator,
            field,
            tuple: PhantomData,
        }
    }
}

impl<A: Clone, T, R: Clone> Clone for Of<A, T, R> {
    fn clone(&self) -> Self {
        Self::new(self.aggregator.clone(), self.field.clone())
    }
}

impl<A: fmt::Debug, T, R> fmt::Debug for Of<A, T, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.aggregator.fmt(f)
    }
}

/// What is stated of an aggregation of a field.
#[derive(Serialize)]
struct OfField {
    field: &'static str,
}

impl<A, T, R> Aggregator for Of<A, T, R>
where
    A: Aggregator,
    T: 'static,
    R: Reads<T, A::Input>,
{
    type Input = T;
    type Partial = A::Partial;
    type Output = A::Output;

    fn meaning(&self) -> Meaning {
        let field = self.field.name().map(|field| OfField { field });
        self.aggregator.meaning().and(Meaning::of(&field))
    }

    fn empty(&self) -> A::Partial {
        self.aggregator.empty()
    }

    #[inline]
    fn add(&self, partial: &mut A::Partial, input: &T) -> Result<(), AggregateError> {
        self.aggregator.add(partial, self.field.read(input))
    }

    #[inline]
    fn merge(&self, partial: &mut A::Partial, other: &A::Partial) -> Result<(), AggregateError> {
        self.aggregator.merge(partial, other)
    }

    fn finish(&self, partial: &A::Partial) -> A::Output {
        self.aggregator.finish(partial)
    }
}

impl<A, T, R> Retract for Of<A, T, R>
where
    A: Retract,
    T: 'static,
    R: Reads<T, A::Input>,
{
    fn unmerge(&self, partial: &mut A::Partial, other: &A::Partial) -> Result<(), AggregateError> {
        self.aggregator.unmerge(partial, other)
    }

    fn retract(&self, partial: &mut A::Partial, input: &T) -> Result<(), AggregateError> {
        self.aggregator.retract(partial, self.field.read(input))
    }
}
