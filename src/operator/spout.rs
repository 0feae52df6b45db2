//! The operator around a [`Spout`].

use super::{Properties, Staged};
use crate::batch::AnyBatch;
use crate::context::Context;
use crate::error::Result;
use crate::meaning::Meaning;
use crate::spout::{Next, Progress, Spout, SpoutOut};
use crate::state::States;
use crate::stream::sealed::StagingAt;
use crate::stream::{LateSeen, LetterContent, StreamAt, Streams};
use crate::time::{TimeDomain, Timestamp};

/// A spout with its types erased.
pub(crate) trait AnySpout: Staged + Send {
    fn properties(&self) -> Properties;

    fn open(&mut self, context: &Context) -> Result;

    /// Asks the spout until it has emitted `budget` tuples or has nothing at hand.
    fn poll(&mut self, budget: usize) -> Result<Next>;

    /// What user code says that its tuples mean.
    fn meaning(&self) -> Meaning;

    fn domain(&self) -> TimeDomain;

    /// The watermark after what is staged; by processing time `cut`, the latest cut.
    fn progress(&mut self, cut: Timestamp) -> Progress;

    /// How many records were read since it was asked last, as far as the spout says.
    fn take_records(&mut self) -> u64;

    /// From now on [`AnySpout::poll`] returns after each dead letter, and after this many
    /// records in all, so that what is lost is judged in between.
    fn stop_at_losses(&mut self, records: u64);

    /// The other spouts have come so far.
    fn follow(&mut self, floor: Timestamp);

    /// Declares what user code keeps, and the times of the splits.
    fn state(&mut self, states: &mut States<'_>);
}

pub(crate) struct SpoutOperator<S: Spout> {
    spout: S,
    out: SpoutOut<S::Output>,
    /// The records that were told of.
    records: u64,
    /// Set where it stops at losses, and after how many records.
    stops: Option<u64>,
}

impl<S: Spout> SpoutOperator<S> {
    pub(crate) fn new(spout: S) -> Self {
        let out = SpoutOut::new(spout.domain(), spout.lateness());
        Self {
            spout,
            out,
            records: 0,
            stops: None,
        }
    }

    /// The tuples of the main stream, for the test kit.
    pub(crate) fn emitted(&mut self) -> &mut Vec<<S::Output as StreamAt<0>>::Item>
    where
        S::Output: StreamAt<0>,
    {
        &mut <S::Output as StagingAt<0>>::batch(&mut self.out.staged).tuples
    }
}

impl<S: Spout> Staged for SpoutOperator<S> {
    fn streams(&self) -> usize {
        S::Output::COUNT
    }

    fn staged(&mut self, stream: usize) -> Option<&mut dyn AnyBatch> {
        self.out.staged(stream)
    }

    fn take_late(&mut self) -> (u64, Option<Box<LateSeen>>) {
        let late_tuples = std::mem::take(&mut self.out.late_tuples);
        (late_tuples, self.out.late_seen.take())
    }

    fn take_contents(&mut self) -> Vec<LetterContent> {
        std::mem::take(&mut self.out.contents)
    }
}

/// The name under which the times of a spout's splits are kept.
const SPLITS: &str = "splits";

/// A spout may read this many records that give no tuple before the runtime looks in.
const POLLS_PER_SLICE: usize = 4_096;

impl<S: Spout> AnySpout for SpoutOperator<S> {
    fn properties(&self) -> Properties {
        Properties {
            streams: self.spout.streams(),
            light: false,
            waits: self.spout.waits(),
            combines: false,
            key_field: None,
        }
    }

    fn open(&mut self, context: &Context) -> Result {
        self.spout.open(context, &mut self.out)?;
        if self.out.emitted > 0 {
            return Err("a spout emitted in `open`, before its tuples have a time".into());
        }
        Ok(())
    }

    fn poll(&mut self, budget: usize) -> Result<Next> {
        let before = self.out.emitted;
        let letters = self.out.dead_letters.tuples.len();
        let mut next = Next::More;
        for _ in 0..POLLS_PER_SLICE {
            next = self.spout.next(&mut self.out)?;
            if next != Next::More || self.out.emitted - before >= budget {
                break;
            }
            if let Some(records) = self.stops
                && (self.out.dead_letters.tuples.len() > letters
                    || self.records + self.out.records == records)
            {
                break;
            }
        }
        // Records that cannot be read have no time, and become dead letters.
        if self.out.emitted - before > self.out.dead_letters.tuples.len() - letters {
            self.out.check_time();
        }
        match self.out.fault.take() {
            Some(fault) => Err(fault.into()),
            None => Ok(next),
        }
    }

    fn meaning(&self) -> Meaning {
        self.spout.meaning()
    }

    fn domain(&self) -> TimeDomain {
        self.spout.domain()
    }

    fn take_records(&mut self) -> u64 {
        let records = std::mem::take(&mut self.out.records);
        self.records += records;
        records
    }

    fn stop_at_losses(&mut self, records: u64) {
        self.stops = Some(records);
    }

    fn follow(&mut self, floor: Timestamp) {
        self.out.splits.follow(floor);
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep(SPLITS, &mut self.out.splits);
        self.spout.state(states);
    }

    fn progress(&mut self, cut: Timestamp) -> Progress {
        let progress = match self.spout.domain() {
            TimeDomain::Event => self.out.splits.progress(),
            TimeDomain::Processing => {
                self.out.time = cut;
                Progress {
                    watermark: cut,
                    idle: false,
                }
            }
        };
        self.out.watermark = progress.watermark;
        progress
    }
}
