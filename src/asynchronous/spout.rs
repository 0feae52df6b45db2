//! Spouts that are fed by a future.

use std::future::Future;
use std::pin::Pin;
use std::task::{Poll, Waker};
use std::time::Duration;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::task::JoinHandle;

use crate::context::Context;
use crate::error::Result;
use crate::meaning::Meaning;
use crate::spout::{Next, Spout, SpoutOut};
use crate::state::States;
use crate::stream::{DEFAULT_STREAM, StreamPlan, Streams};
use crate::time::TimeDomain;

/// So many items wait between a client and its spout, unless [`FromFeed::room`] says otherwise.
pub const ROOM: usize = 1_024;

/// So many items are taken before the task looks at what else there is to do.
const ITEMS_AT_ONCE: usize = 64;

/// What an [`AsyncSpout`] reads with: `Ok` at the end of the input.
pub type Reading = Pin<Box<dyn Future<Output = Result> + Send>>;

/// The spout has ended: nothing is taken any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the spout behind this feed has ended")]
pub struct SpoutIsGone;

/// The way from a client to its spout: bounded, so that a client reads no faster than the topology
/// takes.
#[derive(Debug)]
pub struct Feed<T>(Sender<T>);

impl<T> Clone for Feed<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Feed<T> {
    /// Hands an item over; waits while there is no room.
    ///
    /// # Errors
    /// [`SpoutIsGone`]: the future may as well end.
    pub async fn send(&self, item: T) -> Result<(), SpoutIsGone> {
        self.0.send(item).await.map_err(|_| SpoutIsGone)
    }
}

/// A spout whose input comes from an asynchronous client; [`FromFeed`] makes a
/// [`Spout`] of it. The [module](super) has an example.
///
/// It is on both sides of a [`Feed`]: what it reads it gives to a future, which runs on the runtime
/// of the run, and what that has read comes back to [`AsyncSpout::emit`] in order. So an item
/// carries what is to be kept of where it comes from, and `emit` notes it in the spout's state.
pub trait AsyncSpout: Send + 'static {
    /// What it emits, as [`Spout::Output`].
    type Output: Streams;

    /// What the client hands over: a record with its position, or many at once.
    type Item: Send + 'static;

    /// The future that reads. Called once, with the state loaded; nothing may wait here.
    ///
    /// # Errors
    /// End the topology before it starts. An error of the future, or a panic in it, ends it later,
    /// when all that was sent before has been emitted.
    fn read(&mut self, context: &Context, feed: Feed<Self::Item>) -> Result<Reading>;

    /// Emits an item, and notes how far the input was read with it.
    ///
    /// # Errors
    /// End the topology.
    fn emit(&mut self, item: Self::Item, out: &mut SpoutOut<Self::Output>) -> Result;

    /// As [`Spout::state`].
    fn state(&mut self, states: &mut States<'_>) {
        let _ = states;
    }

    /// As [`Spout::meaning`].
    fn meaning(&self) -> Meaning {
        Meaning::none()
    }

    /// As [`Spout::domain`].
    fn domain(&self) -> TimeDomain {
        TimeDomain::Processing
    }

    /// As [`Spout::lateness`].
    fn lateness(&self) -> Duration {
        Duration::ZERO
    }

    /// As [`Spout::streams`].
    fn streams(&self) -> Vec<StreamPlan> {
        Self::Output::named(&[DEFAULT_STREAM])
    }
}

/// The spout over an [`AsyncSpout`].
pub struct FromFeed<S: AsyncSpout> {
    spout: S,
    room: usize,
    fed: Option<Fed<S::Item>>,
}

struct Fed<T> {
    items: Receiver<T>,
    reading: JoinHandle<Result>,
    waker: Waker,
}

impl<T> Drop for Fed<T> {
    fn drop(&mut self) {
        self.reading.abort();
    }
}

impl<S: AsyncSpout> FromFeed<S> {
    /// A spout that is fed by this one's future.
    #[must_use]
    pub fn new(spout: S) -> Self {
        Self {
            spout,
            room: ROOM,
            fed: None,
        }
    }

    /// How many items may wait to be emitted; one at least.
    #[must_use]
    pub fn room(mut self, items: usize) -> Self {
        self.room = items.max(1);
        self
    }
}

impl<S: AsyncSpout> Spout for FromFeed<S> {
    type Output = S::Output;

    fn open(&mut self, context: &Context, _: &mut SpoutOut<S::Output>) -> Result {
        let (sender, items) = channel(self.room);
        let reading = self.spout.read(context, Feed(sender))?;
        self.fed = Some(Fed {
            items,
            reading: context.runtime()?.spawn(reading),
            waker: context.waker.clone(),
        });
        Ok(())
    }

    fn next(&mut self, out: &mut SpoutOut<S::Output>) -> Result<Next> {
        let fed = self.fed.as_mut().ok_or("the spout was not opened")?;
        let mut context = std::task::Context::from_waker(&fed.waker);
        for taken in 0..ITEMS_AT_ONCE {
            match fed.items.poll_recv(&mut context) {
                Poll::Ready(Some(item)) => self.spout.emit(item, out)?,
                Poll::Ready(None) => {
                    return match Pin::new(&mut fed.reading).poll(&mut context) {
                        Poll::Ready(Ok(ended)) => ended.map(|()| Next::End),
                        Poll::Ready(Err(error)) => Err(error.into()),
                        Poll::Pending => Ok(Next::Idle),
                    };
                }
                Poll::Pending if taken == 0 => return Ok(Next::Idle),
                Poll::Pending => break,
            }
        }
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        self.spout.state(states);
    }

    fn meaning(&self) -> Meaning {
        self.spout.meaning()
    }

    fn domain(&self) -> TimeDomain {
        self.spout.domain()
    }

    fn lateness(&self) -> Duration {
        self.spout.lateness()
    }

    fn streams(&self) -> Vec<StreamPlan> {
        self.spout.streams()
    }
}
