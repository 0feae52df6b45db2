//! Turns each tuple into any number of others.

use std::marker::PhantomData;

use crate::bolt::Bolt;
use crate::error::Result;
use crate::stream::Out;
use crate::tuple::Tuple;

/// Emits each tuple that a closure makes of a tuple.
///
/// ```
/// use squall::{Word, bolts::FlatMap, testing::BoltTest};
///
/// let word = |word: &str| Word { word: word.into() };
/// let letters = |tuple: &Word| {
///     let letters = tuple.word.chars().map(|letter| Word { word: letter.to_string().into() });
///     letters.collect::<Vec<_>>()
/// };
/// let out = BoltTest::new(FlatMap::new(letters)).send(word("ab")).run()?;
/// assert_eq!(out.emitted(), [word("a"), word("b")]);
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct FlatMap<A, I, F> {
    make: F,
    tuples: PhantomData<fn(&A) -> I>,
}

impl<A, I, F> FlatMap<A, I, F>
where
    A: Tuple,
    I: IntoIterator<Item: Tuple> + 'static,
    F: FnMut(&A) -> I + Send + 'static,
{
    /// A flat map by `make`.
    pub fn new(make: F) -> Self {
        Self {
            make,
            tuples: PhantomData,
        }
    }
}

impl<A, I, F> Bolt for FlatMap<A, I, F>
where
    A: Tuple,
    I: IntoIterator<Item: Tuple> + 'static,
    F: FnMut(&A) -> I + Send + 'static,
{
    type Input = A;
    type Output = I::Item;

    fn is_light(&self) -> bool {
        true
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn execute(&mut self, tuple: &A, out: &mut Out<I::Item>) -> Result {
        for made in (self.make)(tuple) {
            out.emit(made);
        }
        Ok(())
    }
}
