//! Ctrl-C and termination: the first asks for an orderly end, a second ends the process at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::signal::unix::{SignalKind, signal};

use crate::failure::Failure;

/// A flag that the first Ctrl-C or SIGTERM sets.
///
/// # Errors
/// As [`on_first`].
pub fn flag() -> Result<Arc<AtomicBool>, Failure> {
    let flag = Arc::new(AtomicBool::new(false));
    let shared = flag.clone();
    on_first(move || shared.store(true, Ordering::SeqCst))?;
    Ok(flag)
}

/// Does `what` at the first Ctrl-C or SIGTERM.
///
/// # Errors
/// When the system gives no thread or signal handler.
pub fn on_first(what: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let (ready, listening) = std::sync::mpsc::channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
            let (mut interrupt, mut terminate) = match signals {
                (Ok(interrupt), Ok(terminate)) => (interrupt, terminate),
                // Whoever waits for `listening` says why.
                (Err(error), _) | (_, Err(error)) => return drop(ready.send(Err(error))),
            };
            drop(ready.send(Ok(())));
            let mut next = async || tokio::select! { _ = interrupt.recv() => {}, _ = terminate.recv() => {} };
            next().await;
            what();
            next().await;
            std::process::exit(130);
        });
    })?;
    match listening.recv() {
        Ok(ready) => ready.map_err(|error| Failure::new(format!("cannot listen for Ctrl-C: {error}"))),
        Err(_) => Err(Failure::new("cannot listen for Ctrl-C: the listening thread ended")),
    }
}
