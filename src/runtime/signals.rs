//! What the operating system asks of the process: to stop.

use std::io;
use std::thread;

/// Calls `tell` at every Ctrl-C and, on Unix, every SIGTERM from now on, neither of which ends
/// the process by itself any more. On a thread of its own, which ends with the process. A run
/// does so unless [`RunOptions::signals`](crate::RunOptions::signals) says otherwise; this is
/// for programs that do something else and are to end well.
///
/// # Errors
/// Where there can be no such thread.
///
/// ```
/// squall::at_stop_signals(|| println!("stopping"))?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn at_stop_signals(tell: impl Fn() + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || runtime.block_on(listen(&tell)))?;
    Ok(())
}

async fn listen(tell: &impl Fn()) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let signals = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        );
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::warn!("signals cannot be handled: Ctrl-C will not stop gracefully");
            return;
        };
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            tell();
        }
    }
    #[cfg(not(unix))]
    while tokio::signal::ctrl_c().await.is_ok() {
        tell();
    }
}
