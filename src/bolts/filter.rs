//! Lets some tuples pass.

use std::marker::PhantomData;

use crate::bolt::Bolt;
use crate::error::Result;
use crate::stream::Out;
use crate::tuple::Tuple;

/// Passes on the tuples for which a closure says `true`.
///
/// ```
/// use squall::{Word, bolts::Filter, testing::BoltTest};
///
/// let word = |word: &str| Word { word: word.into() };
/// let out = BoltTest::new(Filter::new(|word: &Word| word.word.len() > 1))
///     .send(word("a"))
///     .send(word("storm"))
///     .run()?;
/// assert_eq!(out.emitted(), [word("storm")]);
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct Filter<T, F> {
    keep: F,
    tuple: PhantomData<fn(&T)>,
}

impl<T: Tuple, F: FnMut(&T) -> bool + Send + 'static> Filter<T, F> {
    /// A filter that keeps what `keep` accepts.
    pub fn new(keep: F) -> Self {
        Self {
            keep,
            tuple: PhantomData,
        }
    }
}

impl<T: Tuple, F: FnMut(&T) -> bool + Send + 'static> Bolt for Filter<T, F> {
    type Input = T;
    type Output = T;

    fn is_light(&self) -> bool {
        true
    }

    fn acts_on_epochs(&self) -> bool {
        false
    }

    fn execute(&mut self, tuple: &T, out: &mut Out<T>) -> Result {
        if (self.keep)(tuple) {
            out.emit(tuple.clone());
        }
        Ok(())
    }
}
