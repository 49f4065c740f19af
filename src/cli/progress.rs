//! The progress line: on standard error, on a terminal only, and only for work that takes longer than a second.

use std::io::IsTerminal;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use indicatif::{HumanBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::pipeline::Progress;

/// Work shorter than this shows nothing.
const PATIENCE: Duration = Duration::from_secs(1);

const BYTES: &str = "{percent:>3}%  {bytes}/{total_bytes}  {msg}  {wide_bar}";
const STREAM: &str = "{bytes}  {msg}  {elapsed}";

/// Shows how far a scan is.
pub struct ProgressLine {
    started: Instant,
    total: AtomicU64,
    read: AtomicU64,
    bar: Mutex<Option<ProgressBar>>,
    wanted: bool,
}

impl ProgressLine {
    /// A line that appears if the work takes long; never if `quiet`, and never off a terminal.
    pub fn new(quiet: bool) -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            started: Instant::now(),
            total: AtomicU64::new(0),
            read: AtomicU64::new(0),
            bar: Mutex::new(None),
            wanted: !quiet && !dumb && std::io::stderr().is_terminal(),
        }
    }

    /// Takes the line away.
    pub fn clear(&self) {
        if let Ok(mut bar) = self.bar.lock()
            && let Some(bar) = bar.take()
        {
            bar.finish_and_clear();
        }
    }

    fn show(&self, read: u64) {
        // A worker that finds the line busy leaves the update to the next one.
        let Ok(mut bar) = self.bar.try_lock() else { return };
        let bar = bar.get_or_insert_with(|| self.new_bar());
        bar.set_message(self.pace(read));
        bar.set_position(read);
    }

    /// Rate since the start, and the time left at that rate: the bar itself was made late and does not know.
    fn pace(&self, read: u64) -> String {
        let rate =
            read.saturating_mul(1000) / u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX).max(1);
        let left = self.total.load(Ordering::Relaxed).saturating_sub(read) / rate.max(1);
        match self.total.load(Ordering::Relaxed) {
            0 => format!("{}/s", HumanBytes(rate)),
            _ => format!("{}/s  ETA {left}s", HumanBytes(rate)),
        }
    }

    fn new_bar(&self) -> ProgressBar {
        let total = self.total.load(Ordering::Relaxed);
        let bar = match total {
            0 => ProgressBar::no_length(),
            total => ProgressBar::new(total),
        };
        let style = ProgressStyle::with_template(if total > 0 { BYTES } else { STREAM });
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(5));
        bar.with_elapsed(self.started.elapsed())
    }
}

impl Progress for ProgressLine {
    fn total(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    fn read(&self, bytes: u64) {
        let read = self.read.fetch_add(bytes, Ordering::Relaxed) + bytes;
        if self.wanted && self.started.elapsed() > PATIENCE {
            self.show(read);
        }
    }
}
