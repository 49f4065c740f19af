//! A run: what one pass over some inputs found, in mergeable tables with a manifest.

mod events;
pub mod manifest;
mod scanned;
pub mod staging;
pub mod tables;

pub use events::{BATCH, events_table};
pub use scanned::{InputReport, InputStatus, Scanned};
