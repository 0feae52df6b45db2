//! Writes tuples to the log.

use std::fmt::Display;
use std::marker::PhantomData;

use crate::context::Context;
use crate::error::Result;
use crate::sink::Sink;
use crate::text::Shown;
use crate::tuple::Tuple;

/// Logs each tuple at level info, with the component's id.
///
/// ```
/// use squall::{Ranking, connectors::LogSink, testing::SinkTest, time::Window};
///
/// let ranking = Ranking { window: Window::ALL, origin: "rankings".into(), entries: vec![("storm", 3)] };
/// // Logs "test: [storm 3]".
/// SinkTest::new(LogSink::new()).send(ranking).run()?;
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Debug)]
pub struct LogSink<T> {
    component: String,
    tuple: PhantomData<fn(&T)>,
}

impl<T> LogSink<T> {
    /// A sink into the log.
    #[must_use]
    pub fn new() -> Self {
        Self {
            component: String::new(),
            tuple: PhantomData,
        }
    }
}

impl<T> Default for LogSink<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Tuple + Display> Sink for LogSink<T> {
    type Input = T;

    fn prepare(&mut self, context: &Context) -> Result {
        self.component.clone_from(&context.component);
        Ok(())
    }

    fn write(&mut self, tuples: &[T]) -> Result {
        for tuple in tuples {
            tracing::info!("{}: {}", self.component, Shown(tuple));
        }
        Ok(())
    }
}
