//! What a person must know about the inputs: one line each, many equal ones as one.

use std::collections::BTreeMap;
use std::path::Path;

use crate::input::discover::InputKind;
use crate::run::{InputStatus, Scanned};
use crate::text::shown_path;

/// Problems and remarks of a scan.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings {
    /// What makes the run partial.
    pub problems: Vec<String>,
    /// What does not.
    pub remarks: Vec<String>,
    /// Inputs that were read, in whole or in part.
    pub readable: usize,
    /// Inputs asked for that could not be read at all.
    pub unread: usize,
    /// Inputs that could not be read in full, those not read at all included.
    pub damaged: usize,
}

/// Files with the same problem that are still named one by one.
const NAMED: usize = 3;

/// Looks through the inputs of a scan.
pub fn findings(scanned: &Scanned) -> Findings {
    let mut found = Findings::default();
    let mut equal: BTreeMap<String, Vec<&Path>> = BTreeMap::new();
    let mut passed_over: BTreeMap<&str, (usize, &Path)> = BTreeMap::new();
    for (path, why) in &scanned.problems {
        equal.entry(why.clone()).or_default().push(path);
    }
    for report in &scanned.inputs {
        let path = report.input.path.as_path();
        match &report.status {
            InputStatus::Complete => found.readable += 1,
            InputStatus::Partial(why, 0) if report.counts.lines + report.counts.mails == 0 => {
                equal.entry(why.clone()).or_default().push(path)
            }
            InputStatus::Partial(why, offset) => {
                found.readable += 1;
                found.damaged += 1;
                found.problems.push(format!("{}: {why} at byte {offset}; what could be read is counted", name(path)));
            }
            InputStatus::Refused(why) if report.input.named => {
                found.unread += 1;
                found.problems.push(format!("{}: {why}", name(path)));
            }
            InputStatus::Refused(why) => {
                let kind = why.split([';', ':']).next().unwrap_or(why);
                passed_over.entry(kind).or_insert((0, path)).0 += 1;
            }
        }
    }
    found.unread += equal.values().map(Vec::len).sum::<usize>();
    found.damaged += found.unread;
    for (why, paths) in equal {
        match paths.as_slice() {
            [first, rest @ ..] if rest.len() >= NAMED => {
                found.problems.push(format!("{} files: {why} (first: {})", paths.len(), name(first)));
            }
            paths => found.problems.extend(paths.iter().map(|path| format!("{}: {why}", name(path)))),
        }
    }
    for (kind, (count, first)) in passed_over {
        let files = if count == 1 { "file" } else { "files" };
        found.remarks.push(format!("{count} {files} not read: {kind} (first: {})", name(first)));
    }
    found.remarks.extend(remarks(scanned));
    found
}

fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".into() } else { shown_path(path) }
}

fn remarks(scanned: &Scanned) -> Vec<String> {
    let counts = &scanned.counts;
    let mut remarks = Vec::new();
    let mut say = |n: u64, text: &str| {
        if n > 0 {
            remarks.push(text.replace('#', &n.to_string()));
        }
    };
    say(
        counts.lost_by_logger,
        "the logger dropped at least # lines of these logs (rate limit): counts are too low by what they held",
    );
    say(
        counts.time_suspect,
        "# records have a time in the future of their file or before 1980: counted without a date",
    );
    say(
        counts.skipped[crate::formats::Skip::Overlong as usize],
        "# lines are longer than --max-line and were not read",
    );
    say(
        counts.skipped[crate::formats::Skip::FragmentSuspect as usize],
        "# lines follow a line that filled the logger's limit and may be forged: not counted",
    );
    say(counts.repeats_refused, "# lines claim an impossible number of repeats and were counted once at most");
    if let Some(line) = long_span(scanned) {
        remarks.push(line);
    }
    remarks
}

/// Years were inferred, and the result spans more than 13 months: worth a look.
fn long_span(scanned: &Scanned) -> Option<String> {
    let suspicious = |span: (i64, i64)| span.1 - span.0 > 396 * 86_400;
    let report = scanned.inputs.iter().find(|report| report.year_inferred && report.years.is_some_and(suspicious))?;
    let what = if matches!(report.input.kind, InputKind::File { .. }) { "its date" } else { "the present" };
    Some(format!(
        "{}: stamps have no year; the years inferred from {what} span more than 13 months. Use --year if that is wrong",
        name(&report.input.path)
    ))
}
