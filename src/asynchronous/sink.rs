//! Sinks that write with futures.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::clients::on_this_thread;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::meaning::Meaning;
use crate::sink::Sink;
use crate::state::States;
use crate::tuple::Tuple;

/// So long one call of an [`AsyncSink`] may take, unless [`Awaits::deadline`] says otherwise.
pub const DEADLINE: Duration = Duration::from_mins(1);

/// A sink whose target is reached by an asynchronous client; [`Awaits`] makes a [`Sink`] of it. The
/// [module](super) has an example.
///
/// The methods are those of [`Sink`], and mean the same. A call whose deadline has passed is
/// dropped where it stands, and ends the run with [`NotInTime`].
pub trait AsyncSink: Send + 'static {
    /// As [`Sink::Input`].
    type Input: Tuple;

    /// As [`Sink::prepare`]: connects.
    ///
    /// # Errors
    /// End the topology before it starts.
    fn prepare(&mut self, context: &Context) -> impl Future<Output = Result> + Send {
        let _ = context;
        std::future::ready(Ok(()))
    }

    /// As [`Sink::write`].
    ///
    /// # Errors
    /// End the topology.
    fn write(&mut self, tuples: &[Self::Input]) -> impl Future<Output = Result> + Send;

    /// As [`Sink::outbox`].
    ///
    /// # Errors
    /// End the topology.
    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }

    /// As [`Sink::waiting_bytes`].
    fn waiting_bytes(&self) -> usize {
        0
    }

    /// As [`Sink::deliver`].
    ///
    /// # Errors
    /// End the topology.
    fn deliver(
        &mut self,
        outbox: &[u8],
        epoch: Option<u64>,
    ) -> impl Future<Output = Result> + Send {
        let _ = (outbox, epoch);
        std::future::ready(Ok(()))
    }

    /// As [`Sink::flush`].
    ///
    /// # Errors
    /// End the topology.
    fn flush(&mut self, epoch: &Epoch) -> impl Future<Output = Result> + Send {
        let _ = epoch;
        std::future::ready(Ok(()))
    }

    /// As [`Sink::meaning`].
    fn meaning(&self) -> Meaning {
        Meaning::none()
    }

    /// As [`Sink::state`].
    fn state(&mut self, states: &mut States<'_>) {
        let _ = states;
    }
}

/// A call of an [`AsyncSink`] took longer than its deadline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{component}` did not {call} within {deadline:?}: check that its target is reachable")]
pub struct NotInTime {
    /// The sink's task, as people name it.
    component: String,
    call: &'static str,
    deadline: Duration,
}

/// The sink over an [`AsyncSink`]. Each call runs on the runtime of the run, to which the sink goes
/// and from which it comes back; the thread of the sink waits meanwhile.
#[derive(Debug)]
pub struct Awaits<S> {
    /// None where a call has not come back.
    sink: Option<Box<S>>,
    deadline: Duration,
    runtime: Option<(Handle, String)>,
}

impl<S: AsyncSink> Awaits<S> {
    /// A sink that awaits what this one does.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self {
            sink: Some(Box::new(sink)),
            deadline: DEADLINE,
            runtime: None,
        }
    }

    /// How long one call may take.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Awaits a call, which gives the sink back.
    fn awaits<F>(&mut self, name: &'static str, call: impl FnOnce(Box<S>) -> F) -> Result
    where
        F: Future<Output = (Box<S>, Result)> + Send + 'static,
    {
        let (runtime, component) = self.runtime.as_ref().ok_or("the sink was not prepared")?;
        let call = call(self.sink.take().ok_or(IS_GONE)?);
        let deadline = self.deadline;
        let called = runtime.spawn(async move { tokio::time::timeout(deadline, call).await });
        match on_this_thread(called)? {
            Ok((sink, result)) => {
                self.sink = Some(sink);
                result
            }
            Err(_) => Err(NotInTime {
                component: component.clone(),
                call: name,
                deadline,
            }
            .into()),
        }
    }
}

/// What a sink is told that is called again after it has ended the run.
const IS_GONE: &str = "the sink was dropped with a call that did not end";

impl<S: AsyncSink> Sink for Awaits<S> {
    type Input = S::Input;

    fn prepare(&mut self, context: &Context) -> Result {
        self.runtime = Some((context.runtime()?, context.name()));
        let context = context.clone();
        self.awaits("get ready", |mut sink| async move {
            let prepared = sink.prepare(&context).await;
            (sink, prepared)
        })
    }

    fn write(&mut self, tuples: &[S::Input]) -> Result {
        let tuples = tuples.to_vec();
        self.awaits("write", |mut sink| async move {
            let written = sink.write(&tuples).await;
            (sink, written)
        })
    }

    fn outbox(&mut self) -> Result<Option<Vec<u8>>> {
        self.sink.as_mut().ok_or(IS_GONE)?.outbox()
    }

    fn waiting_bytes(&self) -> usize {
        self.sink.as_ref().map_or(0, |sink| sink.waiting_bytes())
    }

    fn deliver(&mut self, outbox: &[u8], epoch: Option<u64>) -> Result {
        let outbox = outbox.to_vec();
        self.awaits("deliver", |mut sink| async move {
            let delivered = sink.deliver(&outbox, epoch).await;
            (sink, delivered)
        })
    }

    fn flush(&mut self, epoch: &Epoch) -> Result {
        let epoch = *epoch;
        self.awaits("flush", |mut sink| async move {
            let flushed = sink.flush(&epoch).await;
            (sink, flushed)
        })
    }

    fn meaning(&self) -> Meaning {
        self.sink
            .as_ref()
            .map_or_else(Meaning::none, |sink| sink.meaning())
    }

    fn state(&mut self, states: &mut States<'_>) {
        if let Some(sink) = &mut self.sink {
            sink.state(states);
        }
    }
}
