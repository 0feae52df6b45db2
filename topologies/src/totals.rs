//! Totals by key and their ranking, which `top-users` and `top-keys` share.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use squall::bolts::{TopMode, TopTotals, Totals};
use squall::connectors::files::{FieldSelector, Record};
use squall::topology::{Component, NoInput};
use squall::{Text, Topology, Tuple, key::Key, text::Shown, time::WindowShape};

use crate::duration;
use crate::outputs::Destinations;

/// What is ranked, and how.
#[derive(Clone, Debug)]
pub(crate) struct Ranked {
    /// The number of places in the ranking.
    pub(crate) top: usize,
    /// How often it is shown.
    pub(crate) every: Duration,
    /// What it is made of.
    pub(crate) mode: TopMode,
    /// The tasks that keep totals.
    pub(crate) counters: usize,
    /// Where it goes.
    pub(crate) outputs: Destinations,
}

impl Ranked {
    /// Sums the `amount` of tuples by their `key`, and ranks the totals.
    pub(crate) fn wire<S, T, K>(
        self,
        topology: &Topology,
        tuples: &Component<'_, S, T, NoInput>,
        key: K,
        amount: fn(&T) -> i64,
    ) where
        T: Tuple,
        K: Key<T, Value = Text>,
    {
        let Self {
            top, every, mode, ..
        } = self;
        let totals = topology
            .keyed("totals", move || Totals::of(amount).top(top).mode(mode))
            .parallelism(self.counters)
            .fields_grouping(tuples, key);
        let ranking = topology
            .bolt("top", move || TopTotals::top(top).every(every).logged())
            .global_grouping(&totals);
        self.outputs.write_rankings(topology, &ranking);
    }
}

/// The time between two rankings.
///
/// # Errors
/// What is wrong, for the one who typed it.
pub(crate) fn every(text: &str) -> Result<Duration, String> {
    let span = duration::parse_above_zero(text).map_err(|error| error.to_string())?;
    match WindowShape::running(span) {
        Ok(_) => Ok(span),
        Err(_) => Err("give whole milliseconds, at most 2^53".to_owned()),
    }
}

/// The records without a key, over all tasks of a run. A ranking leaves out what is in them, so
/// their number is logged when the last task has ended.
#[derive(Debug, Default)]
pub(crate) struct WithoutKey {
    /// Only ever counted up, and read when nobody counts any more.
    records: AtomicU64,
    first: OnceLock<String>,
    /// A name that no record has is told by itself.
    others_have: AtomicBool,
}

impl WithoutKey {
    #[inline]
    pub(crate) fn has(&self) {
        if !self.others_have.load(Ordering::Relaxed) {
            self.others_have.store(true, Ordering::Relaxed);
        }
    }

    #[cold]
    pub(crate) fn count(&self, record: &Record, key: &FieldSelector) {
        self.records.fetch_add(1, Ordering::Relaxed);
        self.first.get_or_init(|| {
            let place = format!("{}:{}", Shown(record.source()), record.line());
            format!("no {key}, the first of them at {place}")
        });
    }
}

impl Drop for WithoutKey {
    fn drop(&mut self) {
        let some_have = *self.others_have.get_mut();
        if let Some(first) = self.first.get().filter(|_| some_have) {
            let (records, have) = match *self.records.get_mut() {
                1 => (1, "record has"),
                records => (records, "records have"),
            };
            tracing::warn!("{records} {have} {first}: left out of the totals");
        }
    }
}
