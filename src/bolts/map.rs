//! Turns each tuple into another.

use std::marker::PhantomData;

use crate::bolt::Bolt;
use crate::error::Result;
use crate::stream::Out;
use crate::tuple::Tuple;

/// Emits the result of a closure for each tuple; an error sends the tuple to the dead letters.
///
/// ```
/// use squall::{Word, bolts::Map, testing::BoltTest};
///
/// let word = |word: &str| Word { word: word.into() };
/// let upper = |tuple: &Word| Ok(Word { word: tuple.word.to_uppercase().into() });
/// let out = BoltTest::new(Map::new(upper)).send(word("storm")).run()?;
/// assert_eq!(out.emitted(), [word("STORM")]);
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct Map<A, B, F> {
    make: F,
    tuples: PhantomData<fn(&A) -> B>,
}

impl<A: Tuple, B: Tuple, F: FnMut(&A) -> Result<B> + Send + 'static> Map<A, B, F> {
    /// A map by `make`.
    pub fn new(make: F) -> Self {
        Self {
            make,
            tuples: PhantomData,
        }
    }
}

impl<A: Tuple, B: Tuple, F: FnMut(&A) -> Result<B> + Send + 'static> Bolt for Map<A, B, F> {
    type Input = A;
    type Output = B;

    fn is_light(&self) -> bool {
        true
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn execute(&mut self, tuple: &A, out: &mut Out<B>) -> Result {
        out.emit((self.make)(tuple)?);
        Ok(())
    }
}
