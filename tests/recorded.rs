//! Recorded logs and bounces under `sample-logs/` against what is known to have happened.
//!
//! Each `NAME.log` with a `NAME.expected.csv` beside it is read; a new pair needs no code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test fails")]
#![allow(clippy::print_stdout, reason = "the figures are meant to be read")]

#[path = "recorded/bounces.rs"]
mod bounces;
#[path = "recorded/logs.rs"]
mod logs;
#[path = "recorded/scan.rs"]
mod scan;
#[path = "recorded/truth.rs"]
mod truth;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A row of a table: the values by their columns.
type Row = BTreeMap<String, String>;

/// The folder of all samples.
fn samples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs")
}

/// All rows of a CSV file.
fn rows(path: &Path) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    reader.deserialize().map(|row| row.unwrap_or_else(|error| panic!("{}: {error}", path.display()))).collect()
}

/// Text of a value that may be missing.
fn shown<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}
