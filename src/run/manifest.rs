//! The manifest of a run: what was read, what was not and why, what was counted, what was written.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::formats::Skip;
use crate::input::discover::InputKind;
use crate::knowledge::Ruleset;
use crate::rows::Seen;
use crate::run::{InputReport, InputStatus, Scanned};
use crate::tally::{LineCounts, MAIL_NOTICES};
use crate::text::shown_path;

/// `manifest.json`. Holds nothing that depends on the number of threads or the time of the run, nor on the
/// machine, but for the zone where none was given.
#[derive(Clone, Debug, Serialize)]
pub struct Manifest {
    /// [`crate::table::SCHEMA_VERSION`].
    pub schema_version: &'static str,
    /// Version of the program.
    pub tool_version: &'static str,
    /// The rule tables.
    pub ruleset: Ruleset,
    /// Zone of stamps that state none.
    pub time_zone: String,
    /// Exit status of the program: 0, or 3 where an input was not read in full.
    pub exit_status: u8,
    /// Whether an input was not read in full.
    pub partial: bool,
    /// All inputs.
    pub inputs: Vec<ManifestInput>,
    /// Paths that could not be listed, and why.
    pub problems: Vec<ManifestProblem>,
    /// Links, devices and second names of a file met in directories.
    pub passed_over: u64,
    /// Sums over all inputs. `lines` + `mails` = `lines_with_records` + `mails_with_records` + all of
    /// `skipped`.
    pub counts: ManifestCounts,
    /// Files written, by name.
    pub outputs: BTreeMap<String, ManifestOutput>,
}

/// One input.
#[derive(Clone, Debug, Serialize)]
pub struct ManifestInput {
    /// Path as given.
    pub path: String,
    /// `file`, `mail_directory`, `pipe` or `stdin`.
    pub kind: &'static str,
    /// `complete`, `partial` or `refused`.
    pub status: &'static str,
    /// Why it is not complete.
    pub reason: Option<String>,
    /// First byte that is missing of a partial input.
    pub offset: Option<u64>,
    /// Bytes of the input when it was found; what was appended later was not read. For a pipe, bytes read.
    pub bytes: u64,
    /// Whether years were inferred, its stamps having none.
    pub year_inferred: bool,
    /// First and last time of a record.
    pub first_seen: Option<String>,
    /// As above.
    pub last_seen: Option<String>,
    /// Its lines.
    pub counts: ManifestCounts,
}

/// A path that could not be listed.
#[derive(Clone, Debug, Serialize)]
pub struct ManifestProblem {
    /// Path as given.
    pub path: String,
    /// Why.
    pub reason: String,
}

/// Counts of lines and records.
#[derive(Clone, Debug, Serialize)]
pub struct ManifestCounts {
    /// Lines read.
    pub lines: u64,
    /// Lines with at least one record.
    pub lines_with_records: u64,
    /// Mails read.
    pub mails: u64,
    /// Mails with at least one record.
    pub mails_with_records: u64,
    /// Lines and mails without, by reason; reasons that did not occur are left out.
    pub skipped: BTreeMap<&'static str, u64>,
    /// Records.
    pub records: u64,
    /// Attempts, repeats counted.
    pub attempts: u64,
    /// Attempts by hop.
    pub by_hop: BTreeMap<&'static str, u64>,
    /// Attempts by outcome.
    pub by_outcome: BTreeMap<&'static str, u64>,
    /// Everything else that was noticed; what did not occur is left out.
    pub noticed: BTreeMap<&'static str, u64>,
}

/// A file written.
#[derive(Clone, Debug, Serialize)]
pub struct ManifestOutput {
    /// Rows, where it is a table.
    pub rows: Option<u64>,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

impl From<&LineCounts> for ManifestCounts {
    fn from(counts: &LineCounts) -> Self {
        let named = |names: &[&'static str], values: &[u64]| -> BTreeMap<&'static str, u64> {
            names.iter().copied().zip(values.iter().copied()).filter(|(_, n)| *n > 0).collect()
        };
        let skips = Skip::ALL.map(Skip::as_str);
        let noticed = [
            ("not_attempted", counts.not_attempted),
            ("lines_with_nul", counts.with_nul),
            ("repeat_expanded", counts.repeats),
            ("repeat_refused", counts.repeats_refused),
            ("told_before", counts.told_before),
            ("mails_cut", counts.mails_cut),
            ("mails_vanished", counts.vanished),
            ("time_unknown", counts.time_unknown),
            ("time_suspect", counts.time_suspect),
            ("code_invalid", counts.code_invalid),
            ("line_truncated_suspect", counts.truncated),
            ("lost_by_logger", counts.lost_by_logger),
        ];
        let mails = MAIL_NOTICES.into_iter().zip(counts.mail_notices);
        ManifestCounts {
            lines: counts.lines,
            lines_with_records: counts.with_records,
            mails: counts.mails,
            mails_with_records: counts.mails_with_records,
            skipped: named(&skips, &counts.skipped),
            records: counts.records,
            attempts: counts.attempts,
            by_hop: named(&["remote", "unconnected", "internal", "local", "inbound"], &counts.by_hop),
            by_outcome: named(&["delivered", "deferred", "bounced", "rejected"], &counts.by_outcome),
            noticed: noticed.into_iter().chain(mails).filter(|(_, n)| *n > 0).collect(),
        }
    }
}

/// The inputs of a scan.
pub fn inputs(scanned: &Scanned) -> Vec<ManifestInput> {
    scanned.inputs.iter().map(input).collect()
}

fn input(report: &InputReport) -> ManifestInput {
    let (status, reason, offset) = match &report.status {
        InputStatus::Complete => ("complete", None, None),
        InputStatus::Partial(why, offset) => ("partial", Some(why.clone()), Some(*offset)),
        InputStatus::Refused(why) => ("refused", Some(why.clone()), None),
    };
    let time = |pick: fn(Seen) -> i64| report.counts.seen.map(|seen| crate::table::time::timestamp(pick(seen)));
    ManifestInput {
        path: shown_path(&report.input.path),
        kind: match report.input.kind {
            InputKind::File { .. } => "file",
            InputKind::Mails { .. } => "mail_directory",
            InputKind::Stream => "pipe",
            InputKind::Stdin => "stdin",
        },
        status,
        reason,
        offset,
        bytes: report.bytes,
        year_inferred: report.year_inferred,
        first_seen: time(|seen| seen.first),
        last_seen: time(|seen| seen.last),
        counts: ManifestCounts::from(&report.counts),
    }
}

/// The paths that could not be listed.
pub fn problems(scanned: &Scanned) -> Vec<ManifestProblem> {
    let problem = |(path, reason): &(std::path::PathBuf, String)| ManifestProblem {
        path: shown_path(path),
        reason: reason.clone(),
    };
    scanned.problems.iter().map(problem).collect()
}
