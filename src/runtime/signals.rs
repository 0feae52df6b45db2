//! What the operating system asks of the process: to stop.

use std::io;
use std::thread;

/// Calls `tell` at every Ctrl-C and, on Unix, every SIGTERM that comes after this has returned,
/// neither of which ends the process by itself any more. On a thread of its own, which ends with
/// the process. A run does so unless [`RunOptions::signals`](crate::RunOptions::signals) says
/// otherwise; this is for programs that do something else and are to end well.
///
/// # Errors
/// Where there can be no such thread, or the operating system does not let signals be handled.
///
/// ```
/// squall::run::at_stop_signals(|| println!("stopping"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn at_stop_signals(tell: impl Fn() + Send + 'static) -> io::Result<()> {
    #[cfg(unix)]
    have_room()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    // Here and not on the thread, which may be slow to start: until this is done, a signal ends
    // the process.
    let mut signals = {
        let _within = runtime.enter();
        Signals::handled()?
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                while signals.next().await {
                    tell();
                }
            });
        })?;
    Ok(())
}

/// Whether the process may open as many files as a runtime with signals takes: that panics where
/// it may not.
#[cfg(unix)]
fn have_room() -> io::Result<()> {
    const PAIRS: usize = 3;
    let pairs = (0..PAIRS).map(|_| std::os::unix::net::UnixStream::pair());
    pairs.collect::<io::Result<Vec<_>>>().map(drop)
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn handled() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one; whether there can be more.
    async fn next(&mut self) -> bool {
        tokio::select! {
            came = self.interrupt.recv() => came.is_some(),
            came = self.terminate.recv() => came.is_some(),
        }
    }
}

#[cfg(windows)]
struct Signals(tokio::signal::windows::CtrlC);

#[cfg(windows)]
impl Signals {
    fn handled() -> io::Result<Self> {
        tokio::signal::windows::ctrl_c().map(Self)
    }

    /// Waits for the next one; whether there can be more.
    async fn next(&mut self) -> bool {
        self.0.recv().await.is_some()
    }
}
