//! What is known of windows that are not ranked yet.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::key::KeyValue;
use crate::state::{States, Table, Tables, Value};
use crate::time::{Timestamp, Window};

/// A table for each window whose end the watermark has not passed.
#[derive(Debug)]
pub(super) struct Pending<K, V> {
    /// By end, then by start: windows of several lengths can come together.
    windows: Tables<(Timestamp, Timestamp), K, V>,
    /// The end of the last window that was taken out, in this run or an earlier one. The
    /// watermark of this run may be before it.
    ranked: Value<Option<Timestamp>>,
    /// The window over everything was taken out, and no running total came since. Of
    /// several tasks all must have taken theirs.
    final_taken: Value<bool>,
    /// It was taken out in this run.
    ended: bool,
}

/// Something came for a window that was ranked already, and rankings are never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the window {window} was ranked already, as were all windows that end at {until} or before"
)]
pub(super) struct WindowPassed {
    window: Window,
    until: Timestamp,
}

impl<K, V> Pending<K, V>
where
    K: KeyValue,
    V: Serialize + DeserializeOwned + Send,
{
    pub(super) fn new() -> Self {
        Self {
            windows: Tables::new(),
            ranked: Value::new(None).shared(|one, other| *one.max(other)),
            final_taken: Value::new(false).shared(|one, other| *one && *other),
            ended: false,
        }
    }

    pub(super) fn state(&mut self, states: &mut States<'_>) {
        states.keep("windows", &mut self.windows);
        states.keep("ranked", &mut self.ranked);
        states.keep("final", &mut self.final_taken);
    }

    /// The table of a window, to be changed.
    ///
    /// # Errors
    /// Where the window was ranked, or the watermark has passed its end.
    pub(super) fn of(
        &mut self,
        window: Window,
        watermark: Timestamp,
    ) -> Result<&mut Table<K, V>, WindowPassed> {
        let over_all = window.end == Timestamp::MAX;
        let until = self.ranked.map_or(watermark, |end| end.max(watermark));
        let passed = if over_all {
            self.ended
        } else {
            window.end <= until
        };
        if passed {
            return Err(WindowPassed { window, until });
        }
        if window.is_running_total() && *self.final_taken {
            *self.final_taken = false;
        }
        Ok(self.windows.section((window.end, window.start)))
    }

    /// The end of the first window, where that is before `until`.
    pub(super) fn next_close(&self, until: Timestamp) -> Option<Timestamp> {
        let (&(end, _), _) = self.windows.first()?;
        (end < until).then_some(end)
    }

    /// Takes out the first window that ends at `watermark` or before; the one over
    /// everything is no such window.
    pub(super) fn next_closed(&mut self, watermark: Timestamp) -> Option<(Window, Table<K, V>)> {
        let (&(end, start), _) = self.windows.first()?;
        if end > watermark || end == Timestamp::MAX {
            return None;
        }
        let (_, table) = self.windows.pop_first()?;
        *self.ranked = self.ranked.max(Some(end));
        Some((Window { start, end }, table))
    }

    /// Takes out the window over everything, once: at the end of the input, or when the run
    /// stops. Without an entry there is one only where it is `wanted` all the same, and was
    /// not taken in an earlier run that had as much.
    pub(super) fn take_final(&mut self, wanted: bool) -> Option<Table<K, V>> {
        let all = Window::ALL;
        let last = self.windows.remove(&(all.end, all.start));
        let due = last.is_some() || (wanted && !*self.final_taken);
        if !*self.final_taken {
            *self.final_taken = true;
        }
        (due && !std::mem::replace(&mut self.ended, true)).then(|| last.unwrap_or_default())
    }

    /// The keys of every window; those of several come several times.
    pub(super) fn keys(&self) -> impl Iterator<Item = &K> {
        let tables = self.windows.iter();
        tables.flat_map(|(_, table)| table.iter().map(|(key, _)| key))
    }

    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Counts = Pending<u8, u32>;

    fn window(end: i64) -> Window {
        Window {
            start: Timestamp::from_millis(end - 10),
            end: Timestamp::from_millis(end),
        }
    }

    fn held(table: &Table<u8, u32>) -> Option<u32> {
        table.get(&0).copied()
    }

    #[test]
    fn windows_close_in_order_and_do_not_come_back() {
        let mut pending = Counts::new();
        let at = Timestamp::from_millis;
        pending.of(window(20), at(0)).unwrap().insert(0, 2);
        pending.of(window(10), at(0)).unwrap().insert(0, 1);
        assert!(pending.next_closed(at(9)).is_none());
        let (first, table) = pending.next_closed(at(20)).unwrap();
        assert_eq!((first, held(&table)), (window(10), Some(1)));
        let (second, table) = pending.next_closed(at(20)).unwrap();
        assert_eq!((second, held(&table)), (window(20), Some(2)));
        for watermark in [at(20), Timestamp::MIN] {
            let error = pending.of(window(20), watermark).unwrap_err();
            assert!(error.to_string().contains("was ranked already"), "{error}");
        }
    }

    #[test]
    fn the_window_over_everything_is_taken_once() {
        let mut pending = Counts::new();
        pending
            .of(Window::ALL, Timestamp::MAX)
            .unwrap()
            .insert(0, 5);
        assert!(pending.next_closed(Timestamp::MAX).is_none());
        assert_eq!(held(&pending.take_final(false).unwrap()), Some(5));
        assert!(pending.take_final(true).is_none());
        assert!(pending.of(Window::ALL, Timestamp::MAX).is_err());
        assert!(Counts::new().take_final(false).is_none());
        assert!(Counts::new().take_final(true).unwrap().is_empty());
    }
}
