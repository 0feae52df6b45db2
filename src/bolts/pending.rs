//! What is known of windows that are not ranked yet.

use std::collections::BTreeMap;

use crate::time::{Timestamp, Window};

/// A value for each window whose end the watermark has not passed.
#[derive(Debug)]
pub(super) struct Pending<V> {
    /// By end, then by start: windows of several lengths can come together.
    windows: BTreeMap<(Timestamp, Timestamp), V>,
    /// The window over everything was taken out.
    final_taken: bool,
}

/// Something came for a window that was ranked already, and rankings are never changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the window {window} was ranked already: the watermark is {watermark}")]
pub(super) struct WindowPassed {
    window: Window,
    watermark: Timestamp,
}

impl<V: Default> Pending<V> {
    pub(super) fn new() -> Self {
        Self {
            windows: BTreeMap::new(),
            final_taken: false,
        }
    }

    /// The value of a window, to be changed.
    ///
    /// # Errors
    /// Where the watermark has passed the window's end.
    pub(super) fn of(
        &mut self,
        window: Window,
        watermark: Timestamp,
    ) -> Result<&mut V, WindowPassed> {
        let over_all = window.end == Timestamp::MAX;
        let passed = if over_all {
            self.final_taken
        } else {
            window.end <= watermark
        };
        if passed {
            return Err(WindowPassed { window, watermark });
        }
        Ok(self.windows.entry((window.end, window.start)).or_default())
    }

    /// Takes out the first window that ends at `watermark` or before; the one over
    /// everything is no such window.
    pub(super) fn next_closed(&mut self, watermark: Timestamp) -> Option<(Window, V)> {
        let first = self.windows.first_entry()?;
        let (end, start) = *first.key();
        let closed = end <= watermark && end != Timestamp::MAX;
        closed.then(|| (Window { start, end }, first.remove()))
    }

    /// Takes out the window over everything, once: at the end of the input, or when the run
    /// stops. Without a value there is one only where it is `wanted` all the same.
    pub(super) fn take_final(&mut self, wanted: bool) -> Option<V> {
        let all = Window::ALL;
        let last = self.windows.remove(&(all.end, all.start));
        if (last.is_none() && !wanted) || std::mem::replace(&mut self.final_taken, true) {
            return None;
        }
        Some(last.unwrap_or_default())
    }

    pub(super) fn len(&self) -> usize {
        self.windows.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(end: i64) -> Window {
        Window {
            start: Timestamp::from_millis(end - 10),
            end: Timestamp::from_millis(end),
        }
    }

    #[test]
    fn windows_close_in_order_and_do_not_come_back() {
        let mut pending = Pending::<u32>::new();
        let at = Timestamp::from_millis;
        *pending.of(window(20), at(0)).unwrap() += 2;
        *pending.of(window(10), at(0)).unwrap() += 1;
        assert_eq!(pending.next_closed(at(9)), None);
        assert_eq!(pending.next_closed(at(20)), Some((window(10), 1)));
        assert_eq!(pending.next_closed(at(20)), Some((window(20), 2)));
        let error = pending.of(window(20), at(20)).unwrap_err();
        assert!(error.to_string().contains("was ranked already"), "{error}");
    }

    #[test]
    fn the_window_over_everything_is_taken_once() {
        let mut pending = Pending::<u32>::new();
        *pending.of(Window::ALL, Timestamp::MAX).unwrap() += 5;
        assert_eq!(pending.next_closed(Timestamp::MAX), None);
        assert_eq!(pending.take_final(false), Some(5));
        assert_eq!(pending.take_final(true), None);
        assert!(pending.of(Window::ALL, Timestamp::MAX).is_err());
        assert_eq!(Pending::<u32>::new().take_final(false), None);
        assert_eq!(Pending::<u32>::new().take_final(true), Some(0));
    }
}
