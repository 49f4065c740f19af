//! Views and writers over hand-made rows.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test fails")]

#[path = "report/double.rs"]
mod double;
#[path = "report/merging.rs"]
mod merging;
#[cfg(feature = "parquet")]
#[path = "report/parquet.rs"]
mod parquet;
#[path = "report/runs.rs"]
mod runs;
#[path = "report/summary.rs"]
mod summary;
#[path = "report/views.rs"]
mod views;
#[path = "report/writers.rs"]
mod writers;
