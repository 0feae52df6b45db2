//! The panes of windows: which one a time falls into, and when each of them is closed.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::Serialize;

use crate::error::Result;
use crate::meaning::Meaning;
use crate::time::{Timestamp, WindowError, WindowShape};

/// What is kept of numbered panes, the latest of which make a window.
pub(super) trait Kept {
    /// The pane that was closed last: nothing may come into it or those before it.
    fn last_closed(&self) -> Option<i64>;

    /// The least pane that holds something and is not closed.
    fn first_open(&self) -> Option<i64>;

    /// The pane after the closed one that is next to change a window; none while nothing is in
    /// any.
    fn next_change(&self) -> Option<i64>;

    /// Whether any window holds something and does not end with a closed pane; it is asked for
    /// each pane that is closed at the end of the input, so it must not look at all of them.
    fn has_open_windows(&self) -> bool;

    /// Closes a pane. Those before it must be closed or empty.
    fn close(&mut self, pane: i64);

    /// Closes all panes up to this one, where that changes no window.
    fn close_empty(&mut self, pane: i64);
}

/// How many windows of so many panes hold something and do not end with a closed pane. `held` is
/// sorted: the panes that hold something and are not closed, and the last one of those that are.
pub(super) fn open_windows(
    held: impl Iterator<Item = i64>,
    panes: usize,
    last_closed: Option<i64>,
) -> usize {
    let panes = i64::try_from(panes).unwrap_or(i64::MAX);
    let mut next = last_closed.map_or(i64::MIN, |closed| closed + 1);
    let mut windows = 0;
    for pane in held {
        let last = pane.saturating_add(panes - 1);
        windows += (last - pane.max(next) + 1).max(0);
        next = next.max(last.saturating_add(1));
    }
    usize::try_from(windows).unwrap_or(usize::MAX)
}

/// Whether a closed pane that holds something is in a window that does not end with a closed one;
/// `held` is the last one of those panes, and a window has so many.
pub(super) fn ends_later(
    held: Option<i64>,
    panes: Option<usize>,
    last_closed: Option<i64>,
) -> bool {
    let (Some(held), Some(panes), Some(closed)) = (held, panes, last_closed) else {
        return false;
    };
    let panes = i64::try_from(panes).unwrap_or(i64::MAX);
    held.saturating_add(panes - 1) > closed
}

/// What is stated of windows; one over everything has no length.
#[derive(Serialize)]
struct Windows {
    window_ms: Option<u64>,
    slide_ms: Option<u64>,
}

/// A whole number of slides is a window, a slide a pane: each tuple is taken in once, in the
/// pane of its time, and a window is what its panes hold together.
#[derive(Debug)]
pub(super) struct Panes {
    length: Option<Duration>,
    slide: Option<Duration>,
    shape: WindowShape,
    /// The pane of the latest tuple and the times that fall into it.
    pane: i64,
    times: RangeInclusive<Timestamp>,
}

const NO_TIMES: RangeInclusive<Timestamp> = Timestamp::MAX..=Timestamp::MIN;

impl Panes {
    /// Of windows of this length; without one of a window over everything.
    pub(super) fn over(length: Option<Duration>) -> Self {
        Self::with(length, None)
    }

    /// A shape that cannot be is an error only when it is asked for.
    fn with(length: Option<Duration>, slide: Option<Duration>) -> Self {
        let mut panes = Self {
            length,
            slide,
            shape: WindowShape::ALL,
            pane: 0,
            times: NO_TIMES,
        };
        panes.shape = panes.checked_shape().unwrap_or(WindowShape::ALL);
        panes
    }

    /// The length of a window.
    pub(super) fn lasting(self, length: Duration) -> Self {
        Self::with(Some(length), self.slide)
    }

    /// The distance between two window ends.
    pub(super) fn every(self, slide: Duration) -> Self {
        Self::with(self.length, Some(slide))
    }

    /// The shape, or why there is none.
    pub(super) fn checked_shape(&self) -> Result<WindowShape, WindowError> {
        match (self.length, self.slide) {
            (Some(length), slide) => WindowShape::sliding(length, slide.unwrap_or(length)),
            (None, Some(slide)) => WindowShape::running(slide),
            (None, None) => Ok(WindowShape::ALL),
        }
    }

    /// The shape; of one that cannot be, that of a window over everything.
    pub(super) fn shape(&self) -> WindowShape {
        self.shape
    }

    /// What their results mean: sums over windows of this length, one at each slide.
    pub(super) fn meaning(&self) -> Meaning {
        let millis = |span: Duration| u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Meaning::of(&Windows {
            window_ms: self.length.map(millis),
            slide_ms: self.span().map(millis),
        })
    }

    /// How long a pane is, as far as that is known.
    pub(super) fn span(&self) -> Option<Duration> {
        self.slide.or(self.length)
    }

    /// What is kept was loaded.
    pub(super) fn prepare(&mut self, kept: &impl Kept) -> Result {
        self.checked_shape()?;
        // Without a slide every run that ends has put its tuples into a pane of its own.
        let next = |closed: i64| closed.saturating_add(1);
        self.pane = kept.last_closed().map_or(0, next);
        Ok(())
    }

    /// The pane of the latest tuple.
    #[inline]
    pub(super) fn pane(&self) -> i64 {
        self.pane
    }

    /// Whether a time falls into the pane of the latest tuple.
    #[inline]
    pub(super) fn holds(&self, time: Timestamp) -> bool {
        self.times.contains(&time)
    }

    /// Finds the pane of a time, and keeps it for the times that follow. Says whether something
    /// can come into it: an earlier run may have closed it.
    #[cold]
    pub(super) fn find(&mut self, time: Timestamp, kept: &impl Kept) -> Result<bool> {
        let Some(slide) = self.shape.slide_ms() else {
            self.times = Timestamp::MIN..=Timestamp::MAX;
            return Ok(true);
        };
        if time == Timestamp::MIN || time == Timestamp::MAX {
            return Err(
                "it is in no window: it was emitted before the first watermark, or after the end \
                 of the input"
                    .into(),
            );
        }
        let pane = time.millis().div_euclid(slide);
        if kept.last_closed().is_some_and(|closed| pane <= closed) {
            return Ok(false);
        }
        self.pane = pane;
        let start = Timestamp::from_millis(pane.saturating_mul(slide));
        self.times = start..=start.forward(slide - 1);
        Ok(true)
    }

    /// Closes the panes that end at `watermark` or before; `emit` gets the end of each one's
    /// window.
    pub(super) fn close_until<S: Kept>(
        &mut self,
        watermark: Timestamp,
        kept: &mut S,
        mut emit: impl FnMut(&mut S, Timestamp),
    ) {
        let Some(slide) = self.shape.slide_ms() else {
            return;
        };
        let limit = match watermark {
            Timestamp::MAX => i64::MAX,
            watermark => watermark.millis().div_euclid(slide),
        };
        while let Some(pane) = kept.next_change().filter(|pane| *pane < limit) {
            // A later run may have more of the pane after the last one that holds something.
            if limit == i64::MAX && !kept.has_open_windows() {
                break;
            }
            kept.close(pane);
            let end = pane.saturating_add(1).saturating_mul(slide);
            emit(kept, Timestamp::from_millis(end));
        }
        if limit != i64::MAX {
            // So that all tasks agree on what is closed, whatever they had.
            kept.close_empty(limit.saturating_sub(1));
        }
        if self.pane < limit {
            self.times = NO_TIMES;
        }
    }

    /// The end of the window that is the next one to close, where that is before `until`.
    pub(super) fn next_close(&self, until: Timestamp, kept: &impl Kept) -> Option<Timestamp> {
        let slide = self.shape.slide_ms()?;
        let end = kept.next_change()?.saturating_add(1).saturating_mul(slide);
        let end = Timestamp::from_millis(end);
        // At the end of the input only what holds something is closed.
        let closes = end < until && (until != Timestamp::MAX || kept.has_open_windows());
        closes.then_some(end)
    }

    /// Closes all panes of a window over everything, which ends.
    pub(super) fn close_all<S: Kept>(
        &mut self,
        kept: &mut S,
        mut emit: impl FnMut(&mut S, Timestamp),
    ) {
        if self.length.is_some() {
            return;
        }
        while let Some(pane) = kept.first_open() {
            kept.close(pane);
            emit(kept, Timestamp::MAX);
        }
        if self.shape.slide_ms().is_none() {
            kept.close_empty(self.pane);
        }
    }
}
