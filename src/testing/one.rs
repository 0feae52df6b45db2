//! One bolt, one spout or one sink by itself.

use crate::batch::Batch;
use crate::bolt::KeyedBolt;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::{GivenTo, Key};
use crate::operator::{
    AnyBolt, AnySpout, Executes, PlainOperator, SpoutOperator, WithKey, next_step,
};
use crate::sink::Sink;
use crate::spout::{Next, Spout};
use crate::stream::sealed::StagingAt;
use crate::stream::{Out, Port, StreamAt, Streams};
use crate::time::{TimeDomain, Timestamp, WindowShape};
use crate::tuple::{DeadLetter, Tuple};

enum Step<T> {
    Tuple(T, Timestamp),
    Watermark(Timestamp),
    Epoch(bool),
}

/// Feeds one bolt with tuples, watermarks and epochs, and gives what it emitted.
///
/// ```
/// use squall::{Word, bolts::Filter, testing::BoltTest};
///
/// let out = BoltTest::new(Filter::new(|word: &Word| word.word != "storm"))
///     .send(Word { word: "storm".into() })
///     .run()?;
/// assert!(out.emitted().is_empty());
/// # Ok::<(), squall::BoxError>(())
/// ```
pub struct BoltTest<B: Executes> {
    bolt: B,
    context: Context,
    steps: Vec<Step<B::Input>>,
    epochs: u64,
}

impl<B: Executes> BoltTest<B> {
    /// A test of `bolt`, which is prepared as the only task of the component `test`.
    #[must_use]
    pub fn new(bolt: B) -> Self {
        Self {
            bolt,
            context: Context::of_test(),
            steps: Vec::new(),
            epochs: 0,
        }
    }

    /// What the windows upstream are and what times mean, as a topology would tell it.
    #[must_use]
    pub fn windows(mut self, domain: TimeDomain, shape: WindowShape) -> Self {
        self.context.domain = domain;
        self.context.window = Some(shape);
        self
    }

    /// Sends a tuple at the time of the watermark.
    #[must_use]
    pub fn send(self, tuple: B::Input) -> Self {
        let watermark = self.steps.iter().rev().find_map(|step| match step {
            Step::Watermark(watermark) => Some(*watermark),
            Step::Tuple(..) | Step::Epoch(_) => None,
        });
        self.send_at(tuple, watermark.unwrap_or(Timestamp::MIN))
    }

    /// Sends a tuple with a time; below the watermark it is late.
    #[must_use]
    pub fn send_at(mut self, tuple: B::Input, time: Timestamp) -> Self {
        self.steps.push(Step::Tuple(tuple, time));
        self
    }

    /// Raises the watermark; [`Timestamp::MAX`] ends the input.
    #[must_use]
    pub fn watermark(mut self, watermark: Timestamp) -> Self {
        self.steps.push(Step::Watermark(watermark));
        self
    }

    /// Passes an epoch.
    #[must_use]
    pub fn epoch(mut self) -> Self {
        self.steps.push(Step::Epoch(false));
        self
    }

    /// Passes the last epoch, as a stop does.
    #[must_use]
    pub fn last_epoch(mut self) -> Self {
        self.steps.push(Step::Epoch(true));
        self
    }

    /// Runs the steps in order.
    ///
    /// # Errors
    /// What ends a topology: errors of `prepare`, `on_watermark` and `on_epoch`.
    pub fn run(mut self) -> Result<BoltOutput<B::Output>> {
        let mut operator = PlainOperator::new(self.bolt);
        operator.prepare(&self.context)?;
        let mut reached = Timestamp::MIN;
        for step in self.steps {
            match step {
                Step::Tuple(tuple, time) => {
                    let mut batch = Batch::default();
                    batch.push(tuple, time, false);
                    while !operator.execute(&mut batch)? {}
                }
                Step::Watermark(watermark) => {
                    // One window after the other, as in a topology.
                    while let Some(next) = next_step(&operator, reached, watermark) {
                        operator.on_watermark(next)?;
                        reached = next;
                    }
                    operator.on_watermark(watermark)?;
                    reached = reached.max(watermark);
                }
                Step::Epoch(last) => {
                    self.epochs += 1;
                    operator.on_epoch(&Epoch {
                        number: self.epochs,
                        time: Timestamp::from_millis(0),
                        last,
                        closes: last,
                        commit: false,
                    })?;
                }
            }
        }
        Ok(BoltOutput {
            out: operator.into_out(),
        })
    }
}

impl<B, T: Tuple, K: Key<T>> BoltTest<WithKey<B, T, K>>
where
    B: KeyedBolt<T>,
    K::Value: GivenTo<B, B::Key>,
{
    /// A test of a keyed bolt with the key that its fields grouping would give it.
    #[must_use]
    pub fn keyed(bolt: B, key: K) -> Self {
        Self::new(WithKey::new(bolt, key))
    }
}

/// What a bolt has emitted in a [`BoltTest`].
pub struct BoltOutput<S: Streams> {
    out: Out<S>,
}

impl<S: Streams> std::fmt::Debug for BoltOutput<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BoltOutput")
            .field("dead_letters", &self.out.dead_letters.tuples)
            .field("late", &self.out.late_tuples)
            .finish_non_exhaustive()
    }
}

impl<S: Streams> BoltOutput<S> {
    /// The tuples of the main stream, in order.
    #[must_use]
    pub fn emitted(&self) -> &[<S as StreamAt<0>>::Item]
    where
        S: StreamAt<0>,
    {
        &<S as StagingAt<0>>::batch_ref(&self.out.staged).tuples
    }

    /// The tuples of a named stream, in order.
    #[must_use]
    pub fn emitted_to<C, const I: usize>(&self, _port: Port<C, I>) -> &[<S as StreamAt<I>>::Item]
    where
        S: StreamAt<I>,
    {
        &<S as StagingAt<I>>::batch_ref(&self.out.staged).tuples
    }

    /// The tuples that the bolt refused.
    #[must_use]
    pub fn dead_letters(&self) -> &[DeadLetter] {
        &self.out.dead_letters.tuples
    }

    /// How many tuples were late.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.out.late_tuples
    }
}

/// Asks one spout until its input ends or it has nothing at hand.
pub struct SpoutTest<S> {
    spout: S,
    most: usize,
}

impl<S: Spout> SpoutTest<S>
where
    S::Output: StreamAt<0>,
{
    /// A test of `spout`, as the only task of the component `test`.
    #[must_use]
    pub fn new(spout: S) -> Self {
        Self {
            spout,
            most: 1_000_000,
        }
    }

    /// Stops after about this many tuples; a million unless said.
    #[must_use]
    pub fn at_most(mut self, tuples: usize) -> Self {
        self.most = tuples;
        self
    }

    /// The tuples of the main stream.
    ///
    /// # Errors
    /// What the spout returns.
    pub fn run(self) -> Result<Vec<<S::Output as StreamAt<0>>::Item>> {
        let mut operator = SpoutOperator::new(self.spout);
        operator.open(&Context::of_test())?;
        while operator.emitted().len() < self.most {
            match operator.poll(self.most)? {
                Next::More | Next::After(_) => {}
                Next::Idle | Next::End | Next::Pause => break,
            }
        }
        Ok(std::mem::take(operator.emitted()))
    }
}

/// Feeds one sink.
pub struct SinkTest<S: Sink> {
    sink: S,
    tuples: Vec<S::Input>,
}

impl<S: Sink> SinkTest<S> {
    /// A test of `sink`, as the only task of the component `test`.
    #[must_use]
    pub fn new(sink: S) -> Self {
        Self {
            sink,
            tuples: Vec::new(),
        }
    }

    /// Sends a tuple.
    #[must_use]
    pub fn send(mut self, tuple: S::Input) -> Self {
        self.tuples.push(tuple);
        self
    }

    /// Writes the tuples as one batch, flushes at a last epoch, and gives the sink back.
    ///
    /// # Errors
    /// What the sink returns.
    pub fn run(mut self) -> Result<S> {
        self.sink.prepare(&Context::of_test())?;
        self.sink.write(&self.tuples)?;
        if let Some(outbox) = self.sink.outbox()? {
            self.sink.deliver(&outbox, None)?;
        }
        self.sink.flush(&Epoch {
            number: 1,
            time: Timestamp::from_millis(0),
            last: true,
            closes: true,
            commit: false,
        })?;
        Ok(self.sink)
    }
}
