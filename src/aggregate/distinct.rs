//! How many different values.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use super::{AggregateError, Aggregator, Sketch, aggregates};
use crate::meaning::Meaning;
use crate::text::Text;

/// About how many different values there were, however often each came: see [`Sketch`], which
/// is its partial. Repeated and overlapping partials change nothing.
///
/// ```
/// use squall::aggregate::{Aggregator, Distinct};
///
/// let users = Distinct::<str>::new();
/// let (mut one, mut other) = (users.empty(), users.empty());
/// for user in ["ann", "bob", "ann"] {
///     users.add(&mut one, user)?;
/// }
/// users.add(&mut other, "ann")?;
/// users.merge(&mut one, &other)?;
/// assert_eq!(users.finish(&one).round(), 2.0);
/// # Ok::<(), squall::aggregate::AggregateError>(())
/// ```
pub struct Distinct<V: ?Sized>(PhantomData<fn(&V)>);

/// A value of which the different ones can be counted.
pub trait DistinctValue {
    /// What a [`Sketch`] knows it by: [`Sketch::hash`] of its text. Integers are their decimal
    /// digits, so that the number 7 and the text `7` are one value.
    fn sketch_hash(&self) -> u64;
}

impl<V: ?Sized> Distinct<V> {
    /// Of all inputs.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<V: ?Sized> Default for Distinct<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: ?Sized> Clone for Distinct<V> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized> Copy for Distinct<V> {}

impl<V: ?Sized> fmt::Debug for Distinct<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Distinct")
    }
}

impl<V: DistinctValue + ?Sized + 'static> Aggregator for Distinct<V> {
    type Input = V;
    type Partial = Sketch;
    type Output = f64;

    fn meaning(&self) -> Meaning {
        aggregates("distinct")
    }

    fn empty(&self) -> Sketch {
        Sketch::new()
    }

    #[inline]
    fn add(&self, partial: &mut Sketch, input: &V) -> Result<(), AggregateError> {
        partial.insert_hash(input.sketch_hash());
        Ok(())
    }

    fn merge(&self, partial: &mut Sketch, other: &Sketch) -> Result<(), AggregateError> {
        partial.merge(other);
        Ok(())
    }

    fn finish(&self, partial: &Sketch) -> f64 {
        partial.estimate()
    }
}

macro_rules! texts {
    ($($type:ty),*) => {$(
        impl DistinctValue for $type {
            #[inline]
            fn sketch_hash(&self) -> u64 {
                let text: &str = self;
                Sketch::hash(text.as_bytes())
            }
        }
    )*};
}
texts!(str, String, Text, Arc<str>, Box<str>);

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl DistinctValue for $type {
            #[inline]
            fn sketch_hash(&self) -> u64 {
                Sketch::hash(digits(i128::from(*self), &mut [0; DIGITS]))
            }
        }
    )*};
}
integers!(u8, u16, u32, u64, i8, i16, i32, i64);

/// As many as `u64` and `i64` have, with a sign.
const DIGITS: usize = 20;

/// The decimal digits of a number, at the end of `buffer`.
fn digits(number: i128, buffer: &mut [u8; DIGITS]) -> &[u8] {
    let mut start = DIGITS;
    let mut rest = number.unsigned_abs();
    loop {
        start -= 1;
        // A digit fits a byte.
        #[allow(clippy::cast_possible_truncation)]
        let digit = (rest % 10) as u8;
        buffer[start] = b'0' + digit;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if number < 0 {
        start -= 1;
        buffer[start] = b'-';
    }
    &buffer[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_its_text() {
        for number in [0, 7, -7, 10, i64::MAX, i64::MIN] {
            assert_eq!(number.sketch_hash(), number.to_string().sketch_hash());
        }
        assert_eq!(u64::MAX.sketch_hash(), "18446744073709551615".sketch_hash());
        assert_eq!(Text::from("ann").sketch_hash(), "ann".sketch_hash());
    }
}
