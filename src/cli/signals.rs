//! Ctrl-C and SIGTERM: stop within a second and leave nothing behind.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::error::Error;

/// Set once the run is to stop.
pub static STOP: AtomicBool = AtomicBool::new(false);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
/// What is to be removed if the program ends now. Held while results are moved into place, so that a signal cannot
/// fall in between.
static STAGED: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());

/// How long an orderly end may take before the process is ended from the signal thread.
const PATIENCE: Duration = Duration::from_millis(500);
/// How often a second signal is looked for meanwhile.
const PAUSE: Duration = Duration::from_millis(10);

/// Starts to listen. A first signal asks for an orderly end, and ends the process if that does not come soon (a read
/// from a silent pipe cannot be asked); a second one ends it at once.
pub fn listen() -> Result<(), Error> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Error::io("signals", "listening"))?;
    std::thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        // Who sees the stop asks for the signal.
        SIGNAL.store(signal, Ordering::Relaxed);
        STOP.store(true, Ordering::Release);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE && signals.pending().next().is_none() {
            std::thread::sleep(PAUSE);
        }
        remove_staged();
        std::process::exit(128 + signal);
    });
    Ok(())
}

/// The exit status after a signal: 128 and its number.
pub fn exit_status() -> u8 {
    u8::try_from(128 + SIGNAL.load(Ordering::Relaxed)).unwrap_or(130)
}

/// Names a directory that is to be removed if the program is ended by a signal.
pub fn stage(path: &Path) {
    STAGED.lock().unwrap_or_else(PoisonError::into_inner).push(path.into());
}

/// Moves results into place; signals wait for it. Nothing is staged any more afterwards.
pub fn commit<T>(change: impl FnOnce() -> T) -> T {
    let mut staged = STAGED.lock().unwrap_or_else(PoisonError::into_inner);
    let done = change();
    staged.clear();
    done
}

fn remove_staged() {
    let staged = STAGED.lock().unwrap_or_else(PoisonError::into_inner);
    for path in staged.iter().rev() {
        // Other threads may still be writing there.
        for _ in 0..20 {
            if std::fs::remove_dir_all(path).is_ok() || !path.exists() {
                break;
            }
        }
    }
}
