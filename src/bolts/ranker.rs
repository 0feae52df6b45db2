//! What the bolts that rank counts have in common.

use std::fmt::Debug;

use super::author::Author;
use super::pending::Pending;
use crate::context::{Context, Epoch};
use crate::error::Result;
use crate::key::KeyValue;
use crate::ranking::{Count, Ranking, check_places};
use crate::state::{States, Table};
use crate::stream::Out;
use crate::time::{Timestamp, Window};

/// Which counts a ranker keeps of those that it is sent.
pub(super) trait Keeps<K>: Debug + Send + 'static {
    /// Takes the count of a key into the table of its window.
    fn take(
        &mut self,
        places: usize,
        window: Window,
        counts: &mut Table<K, u64>,
        key: &K,
        count: u64,
    );

    /// Takes a running total of a window that has closed into the table of all.
    fn take_total(&mut self, places: usize, totals: &mut Table<K, u64>, key: &K, count: u64);

    /// The window is about to be ranked, and takes no more counts.
    fn close(&mut self, window: Window);
}

/// Ranks the counts of each window once, when the watermark passes its end.
#[derive(Debug)]
pub(super) struct Ranker<K, S> {
    places: usize,
    author: Author,
    pending: Pending<K, u64>,
    /// Running totals as of the last window that was ranked.
    totals: Table<K, u64>,
    keeps: S,
    /// The totals are to be sent as they stand.
    resend: bool,
}

impl<K: KeyValue, S: Keeps<K>> Ranker<K, S> {
    pub(super) fn new(places: usize, keeps: S) -> Self {
        Self {
            places,
            author: Author::new(),
            pending: Pending::new(),
            totals: Table::new(),
            keeps,
            resend: false,
        }
    }

    pub(super) fn places(&self) -> usize {
        self.places
    }

    /// The totals are sent as they stand after a change of parallelism, or where the readers
    /// `know_less` of them for another reason.
    pub(super) fn prepare(&mut self, context: &Context, know_less: bool) -> Result {
        check_places(self.places)?;
        let changed = self.author.prepare(context);
        self.resend = (changed || know_less) && !self.totals.is_empty();
        Ok(())
    }

    pub(super) fn execute(&mut self, tuple: &Count<K>, out: &mut Out<Ranking<K>>) -> Result {
        let Count { key, count, window } = tuple;
        let counts = self.pending.of(*window, out.watermark())?;
        self.keeps.take(self.places, *window, counts, key, *count);
        Ok(())
    }

    pub(super) fn on_watermark(&mut self, watermark: Timestamp, out: &mut Out<Ranking<K>>) {
        self.emit_standing(out);
        while let Some((window, counts)) = self.pending.next_closed(watermark) {
            self.emit(window, &counts, out);
        }
        if watermark == Timestamp::MAX {
            self.emit_final(out);
        }
    }

    pub(super) fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        self.pending.next_close(until)
    }

    pub(super) fn on_epoch(&mut self, epoch: &Epoch, out: &mut Out<Ranking<K>>) {
        self.emit_standing(out);
        if epoch.closes {
            self.emit_final(out);
        }
    }

    pub(super) fn state(&mut self, states: &mut States<'_>) {
        self.author.state(states);
        self.pending.state(states);
        states.keep("totals", &mut self.totals);
    }

    pub(super) fn open_windows(&self) -> usize {
        self.pending.len()
    }

    fn emit(&mut self, window: Window, counts: &Table<K, u64>, out: &mut Out<Ranking<K>>) {
        self.keeps.close(window);
        let ranked = if window.is_running_total() {
            for (key, count) in counts.iter() {
                let totals = &mut self.totals;
                self.keeps.take_total(self.places, totals, key, *count);
            }
            &self.totals
        } else {
            counts
        };
        let ranking = self.author.top(window, self.places, ranked);
        out.emit_at(ranking, window.last_moment());
    }

    /// The totals as they stand, once after [`prepare`](Self::prepare) has asked for them.
    fn emit_standing(&mut self, out: &mut Out<Ranking<K>>) {
        if std::mem::take(&mut self.resend) {
            let standing = self.author.top(Window::STANDING, self.places, &self.totals);
            out.emit(standing);
        }
    }

    /// The totals over everything: at the end of the input, or when the run stops.
    fn emit_final(&mut self, out: &mut Out<Ranking<K>>) {
        if let Some(counts) = self.pending.take_final(!self.totals.is_empty()) {
            self.emit(Window::ALL, &counts, out);
        }
    }
}
