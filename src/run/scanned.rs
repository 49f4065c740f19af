//! What a scan found, before it is written down.

use std::path::PathBuf;

use crate::input::discover::Input;
use crate::tally::{LineCounts, Tally};

/// What became of an input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InputStatus {
    /// Read to its end.
    Complete,
    /// Read in part: why, and the offset of the first byte that is missing.
    Partial(String, u64),
    /// Not read: why.
    Refused(String),
}

/// An input after the scan.
#[derive(Clone, Debug)]
pub struct InputReport {
    /// The input.
    pub input: Input,
    /// What became of it.
    pub status: InputStatus,
    /// Bytes read.
    pub bytes: u64,
    /// Whether its stamps have no year.
    pub year_inferred: bool,
    /// First and last moment the year inference rests on, civil seconds.
    pub years: Option<(i64, i64)>,
    /// Its lines and records.
    pub counts: LineCounts,
}

/// What a scan found.
#[derive(Debug)]
pub struct Scanned {
    /// Groups.
    pub tally: Tally,
    /// Inputs in the order of their paths; [`crate::provenance::FileId`] counts in it.
    pub inputs: Vec<InputReport>,
    /// Paths that could not even be listed, with the reason.
    pub problems: Vec<(PathBuf, String)>,
    /// Links, devices and second names of a file met in directories.
    pub passed_over: u64,
    /// All lines and records.
    pub counts: LineCounts,
}
