//! What is held of each pane and each window.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::time::Duration;

use super::Aggregated;
use crate::aggregate::{AggregateError, Aggregator};
use crate::bolts::aggregate::refused;
use crate::bolts::panes::{Kept, ends_later, open_windows};
use crate::error::Result;
use crate::key::KeyValue;
use crate::state::{Changes, Shape, State, States, StoredUnit, Table, Tables, Value};
use crate::stream::Out;
use crate::time::{Timestamp, Window, WindowShape};
use crate::tuple::{DeadLetter, Tuple};

/// Takes what one partial knows out of another one.
type Unmerge<A> = fn(
    &A,
    &mut <A as Aggregator>::Partial,
    &<A as Aggregator>::Partial,
) -> Result<(), AggregateError>;

/// The partials of the panes, and what they are together.
pub(super) struct Held<K, A: Aggregator> {
    aggregator: A,
    unmerge: Option<Unmerge<A>>,
    /// How many panes a window has. None: they are never taken out again.
    window: Option<usize>,
    /// How long a pane is.
    span: Option<Duration>,
    /// The panes that are not closed, and those that are and still in the window.
    panes: Tables<i64, K, A::Partial>,
    /// Of several tasks the last one holds: all had the same watermark at the cut.
    last_closed: Value<Option<i64>>,
    /// What the closed panes are together: known by the panes, and not stored.
    sums: BTreeMap<K, Sum<A::Partial>>,
    /// Of a window over everything what is closed of it.
    totals: Table<K, A::Partial>,
    /// The keys whose total has changed with the last pane.
    changed: Vec<K>,
    /// Why a total has not changed.
    refused: Vec<(K, AggregateError)>,
}

/// The value of a key in the window.
struct Sum<P> {
    /// None where it has to be merged from the panes.
    partial: Option<P>,
    /// In how many panes the key is.
    panes: usize,
}

impl<K: fmt::Debug, A: Aggregator> fmt::Debug for Held<K, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Held");
        debug.field("panes", &self.panes);
        debug.field("last_closed", &self.last_closed);
        debug.field("totals", &self.totals);
        debug.finish_non_exhaustive()
    }
}

impl<K: KeyValue, A: Aggregator> Held<K, A> {
    pub(super) fn new(aggregator: A, shape: WindowShape, span: Option<Duration>) -> Self {
        Self {
            aggregator,
            unmerge: None,
            window: shape.panes(),
            span,
            panes: Tables::new(),
            last_closed: Value::new(None).shared(|one, other| *one.max(other)),
            sums: BTreeMap::new(),
            totals: Table::new(),
            changed: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// Of windows of another shape. Nothing is held yet.
    pub(super) fn shape(&mut self, shape: WindowShape, span: Option<Duration>) {
        self.window = shape.panes();
        self.span = span;
    }

    pub(super) fn retract_by(&mut self, unmerge: Unmerge<A>) {
        self.unmerge = Some(unmerge);
    }

    pub(super) fn state(&mut self, states: &mut States<'_>) {
        states.keep("panes.closed", &mut self.last_closed);
        let mut panes = OfShape {
            panes: &mut self.panes,
            span: self.span,
            window: self.window,
        };
        states.keep("panes", &mut panes);
        states.keep("totals", &mut self.totals);
    }

    /// Changes the partial of a key in a pane that is not closed.
    #[inline]
    pub(super) fn change(
        &mut self,
        key: &K,
        pane: i64,
        change: impl FnOnce(&A, &mut A::Partial) -> Result<(), AggregateError>,
    ) -> Result<(), AggregateError> {
        let table = self.panes.section(pane);
        if let Some(partial) = table.get_mut(key) {
            return change(&self.aggregator, partial);
        }
        let mut partial = self.aggregator.empty();
        change(&self.aggregator, &mut partial)?;
        table.insert(key.clone(), partial);
        Ok(())
    }

    pub(super) fn aggregator(&self) -> &A {
        &self.aggregator
    }

    /// How many windows hold something and do not end with a closed pane.
    pub(super) fn open_windows(&self) -> usize {
        let Some(window) = self.window else {
            return self.panes.len();
        };
        let open = self.open().map(|(pane, _)| *pane);
        let held = self.closed().into_iter().chain(open);
        open_windows(held, window, *self.last_closed)
    }

    /// The panes that are not closed, in order.
    fn open(&self) -> impl Iterator<Item = (&i64, &Table<K, A::Partial>)> {
        let after = self.last_closed.map_or(Bound::Unbounded, Bound::Excluded);
        self.panes.range((after, Bound::Unbounded))
    }

    /// The last pane that is closed and still in a window.
    fn closed(&self) -> Option<i64> {
        let last = (*self.last_closed)?;
        self.panes.range(..=last).next_back().map(|(pane, _)| *pane)
    }

    /// After loading: the window is made of its panes again.
    pub(super) fn close_again(&mut self) {
        let (Some(last), Some(window)) = (*self.last_closed, self.window) else {
            return;
        };
        let panes = self.panes.iter().map(|(pane, _)| *pane);
        let closed: Vec<i64> = panes.take_while(|pane| *pane <= last).collect();
        for pane in closed {
            self.enter(pane);
        }
        self.leave_before(last, window);
    }

    /// A pane comes into the window.
    fn enter(&mut self, pane: i64) {
        let Some(table) = self.panes.get(&pane) else {
            return;
        };
        for (key, part) in table.iter() {
            let Some(sum) = self.sums.get_mut(key) else {
                let sum = Sum {
                    partial: Some(part.clone()),
                    panes: 1,
                };
                self.sums.insert(key.clone(), sum);
                continue;
            };
            sum.panes += 1;
            if let Some(partial) = &mut sum.partial
                && self.aggregator.merge(partial, part).is_err()
            {
                // Panes that leave may make room for it.
                sum.partial = None;
            }
        }
    }

    /// The panes that are not in the window which ends with this one leave it.
    fn leave_before(&mut self, pane: i64, window: usize) {
        let window = i64::try_from(window).unwrap_or(i64::MAX);
        while let Some((&oldest, _)) = self.panes.first() {
            if pane.saturating_sub(oldest) < window {
                break;
            }
            let Some((_, left)) = self.panes.pop_first() else {
                break;
            };
            for (key, part) in left.iter() {
                self.leave(key, part);
            }
        }
    }

    fn leave(&mut self, key: &K, part: &A::Partial) {
        let Some(sum) = self.sums.get_mut(key) else {
            return;
        };
        sum.panes -= 1;
        if sum.panes == 0 {
            self.sums.remove(key);
            return;
        }
        let taken_out = match (self.unmerge, &mut sum.partial) {
            (Some(unmerge), Some(partial)) => unmerge(&self.aggregator, partial, part).is_ok(),
            _ => false,
        };
        if !taken_out {
            sum.partial = None;
        }
    }

    /// A pane of a window over everything comes into the totals.
    fn total(&mut self, pane: i64) {
        let Some(table) = self.panes.remove(&pane) else {
            return;
        };
        for (key, part) in table.iter() {
            let merged = if let Some(total) = self.totals.get_mut(key) {
                self.aggregator.merge(total, part)
            } else {
                self.totals.insert(key.clone(), part.clone());
                Ok(())
            };
            match merged {
                Ok(()) => self.changed.push(key.clone()),
                Err(error) => self.refused.push((key.clone(), error)),
            }
        }
        self.changed.sort_unstable();
        self.refused
            .sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    }

    /// Emits the values of the window whose last pane was closed.
    pub(super) fn emit<T: Tuple>(
        &mut self,
        window: Window,
        name: &str,
        out: &mut Out<(Aggregated<K, A::Output>, T)>,
    ) {
        let aggregator = &self.aggregator;
        let mut value = |key: &K, partial: &A::Partial| {
            let (key, value) = (key.clone(), aggregator.finish(partial));
            out.emit_at(Aggregated { key, value, window }, window.last_moment());
        };
        let mut refused = std::mem::take(&mut self.refused);
        if window.is_running_total() {
            for key in self.changed.drain(..) {
                if let Some(total) = self.totals.get(&key) {
                    value(&key, total);
                }
            }
        }
        for (key, sum) in &mut self.sums {
            if sum.partial.is_none() {
                match merged(aggregator, &self.panes, key, *self.last_closed) {
                    Ok(partial) => sum.partial = Some(partial),
                    Err(error) => refused.push((key.clone(), error)),
                }
            }
            if let Some(partial) = &sum.partial {
                value(key, partial);
            }
        }
        for (key, error) in refused {
            out.dead_letter(DeadLetter {
                source: name.to_owned(),
                line: None,
                reason: format!("{} in the window {window}", self::refused(&key, error)),
                tuple: None,
            });
        }
    }
}

/// What the closed panes have of a key.
fn merged<K: KeyValue, A: Aggregator>(
    aggregator: &A,
    panes: &Tables<i64, K, A::Partial>,
    key: &K,
    last_closed: Option<i64>,
) -> Result<A::Partial, AggregateError> {
    let mut partial = aggregator.empty();
    let closed = panes
        .iter()
        .take_while(|(pane, _)| Some(**pane) <= last_closed);
    for part in closed.filter_map(|(_, table)| table.get(key)) {
        aggregator.merge(&mut partial, part)?;
    }
    Ok(partial)
}

impl<K: KeyValue, A: Aggregator> Kept for Held<K, A> {
    fn last_closed(&self) -> Option<i64> {
        *self.last_closed
    }

    fn first_open(&self) -> Option<i64> {
        let mut open = self.open();
        open.next().map(|(pane, _)| *pane)
    }

    fn next_change(&self) -> Option<i64> {
        match (*self.last_closed, self.panes.first()) {
            (Some(closed), Some((pane, _))) if *pane <= closed => Some(closed + 1),
            _ => self.first_open(),
        }
    }

    fn has_open_windows(&self) -> bool {
        let open = self.open().next().is_some();
        open || ends_later(self.closed(), self.window, *self.last_closed)
    }

    fn close(&mut self, pane: i64) {
        self.changed.clear();
        match self.window {
            Some(window) => {
                self.enter(pane);
                self.leave_before(pane, window);
            }
            None => self.total(pane),
        }
        *self.last_closed = Some(pane);
    }

    fn close_empty(&mut self, pane: i64) {
        let changes = self.next_change().is_some_and(|next| next <= pane);
        if !changes && self.last_closed.is_none_or(|closed| closed < pane) {
            *self.last_closed = Some(pane);
        }
    }
}

/// The panes as state, with the shape of their windows: what is stored of others is refused.
struct OfShape<'p, K, P> {
    panes: &'p mut Tables<i64, K, P>,
    span: Option<Duration>,
    window: Option<usize>,
}

impl<K: KeyValue, P> State for OfShape<'_, K, P>
where
    Tables<i64, K, P>: State,
{
    fn shape(&self) -> Shape {
        let shape = self.panes.shape();
        let pane = match self.span {
            Some(span) => format!("panes of {span:?}"),
            None => "panes".to_owned(),
        };
        let window = match self.window {
            Some(panes) => format!("{panes} to a window"),
            None => "all to a window".to_owned(),
        };
        let kind = format!("table in {pane}, {window},");
        Shape { kind, ..shape }
    }

    fn track(&mut self) {
        self.panes.track();
    }

    fn save(&mut self, changes: &mut Changes) -> Result {
        self.panes.save(changes)
    }

    fn load(&mut self, unit: &StoredUnit<'_>) -> Result {
        self.panes.load(unit)
    }

    fn loaded(&mut self) -> Result {
        self.panes.loaded()
    }

    fn expire(&mut self, now: Timestamp) {
        self.panes.expire(now);
    }
}
