//! The log and everything else that goes to standard error, a progress bar included.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use squall::text::Shown;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt;
use tracing_subscriber::fmt::format::debug_fn;

/// The bar that must be taken away while a line is written. The log is written by every
/// thread, so the bar is shared with them all.
static BAR: OnceLock<ProgressBar> = OnceLock::new();

/// Set by whatever thread cannot write its line; nothing is ordered by it.
static LOST: AtomicBool = AtomicBool::new(false);

/// What is logged unless `RUST_LOG` says otherwise: of the libraries beneath only what has
/// gone wrong, also because their spans would stand in every line.
const LEVELS: &str = "warn,squall=info";

/// Starts the log.
pub(crate) fn start() {
    let levels = std::env::var(EnvFilter::DEFAULT_ENV).unwrap_or_default();
    let levels = if levels.is_empty() { LEVELS } else { &levels };
    let filter = EnvFilter::builder().parse(levels).unwrap_or_else(|error| {
        line(&format!(
            "RUST_LOG={levels:?} is not understood ({error}): {LEVELS} is used"
        ));
        EnvFilter::new(LEVELS)
    });
    // Names and values from input are in messages: nothing of them acts on the terminal, or looks
    // like a line of its own.
    let fields = debug_fn(|into, field, value| match field.name() {
        "message" => write!(into, "{}", Shown(format_args!("{value:?}"))),
        name if name.starts_with("log.") => Ok(()),
        name => write!(into, "{name}={}", Shown(format_args!("{value:?}"))),
    });
    tracing_subscriber::fmt()
        .fmt_fields(fields.delimited(" "))
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        // A closed standard error is no reason to say so there, which panics.
        .log_internal_errors(false)
        .with_writer(|| AroundBar)
        .init();
}

/// From now on lines are written above this bar.
pub(crate) fn keep_clear_of(bar: ProgressBar) {
    // A second bar is never shown.
    let _ = BAR.set(bar);
}

/// Writes one line, or several, to standard error.
pub(crate) fn line(text: &str) {
    // Nobody is left to be told that standard error is closed.
    let _ = AroundBar.write_all(format!("{text}\n").as_bytes());
}

/// Whether a line could not be written, though somebody may want it: the disk is full.
pub(crate) fn were_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}

/// Standard error; a whole line at a time.
struct AroundBar;

impl Write for AroundBar {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        let write = || io::stderr().write_all(buffer).map(|()| buffer.len());
        let written = match BAR.get() {
            Some(bar) => bar.suspend(write),
            None => write(),
        };
        if let Err(error) = &written
            && error.kind() != io::ErrorKind::BrokenPipe
        {
            LOST.store(true, Ordering::Relaxed);
        }
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
