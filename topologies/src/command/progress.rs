//! A progress bar for bounded input that takes long enough to be worth one.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use squall::connectors::Files;
use squall::connectors::files::Progress;

use super::logs;

/// Shorter runs show no bar.
const WORTH_A_BAR: Duration = Duration::from_secs(1);

const LOOK: &str = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";

/// The bytes read of those there are.
pub(crate) struct Bar {
    total_bytes: u64,
    read: Progress,
    shown: Option<ProgressBar>,
}

impl Bar {
    /// A bar for files of known size on a terminal; none for anything else.
    pub(crate) fn of(files: Option<&Files>) -> Option<Self> {
        let files = files.filter(|_| io::stderr().is_terminal())?;
        Some(Self {
            total_bytes: files.bytes()?,
            read: files.progress(),
            shown: None,
        })
    }

    /// The run has lasted for so long.
    pub(crate) fn tick(&mut self, elapsed: Duration) {
        if elapsed < WORTH_A_BAR {
            return;
        }
        let total_bytes = self.total_bytes;
        let bar = self.shown.get_or_insert_with(|| {
            let target = ProgressDrawTarget::stderr();
            let bar = ProgressBar::with_draw_target(Some(total_bytes), target);
            if let Ok(style) = ProgressStyle::with_template(LOOK) {
                bar.set_style(style);
            }
            logs::keep_clear_of(bar.clone());
            bar.with_elapsed(elapsed)
        });
        bar.set_position(self.read.bytes());
    }

    /// The run is over.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}
