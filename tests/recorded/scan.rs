//! Scans one log with the library as the program does, and puts what it found into the words of the tables.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bouncesift::error::Error;
use bouncesift::input::discover::discover;
use bouncesift::knowledge::Knowledge;
use bouncesift::pipeline::{self, EventSink, Events, Options, Progress, TimeOptions};
use bouncesift::record;
use bouncesift::rows::{EventRow, GroupIsp};
use bouncesift::tally::RunRows;
use jiff::tz::TimeZone;

use crate::{Row, shown};

/// Threads and bytes in a block. The small blocks cut each log between the lines of one message.
const WAYS: [(usize, usize); 3] = [(1, 1 << 20), (3, 4 << 10), (2, 64 << 10)];

/// 2026-12-01, a week after the recording: the logs without years are of 2026.
const NOW: i64 = 1_796_083_200;

/// What a scan gave.
#[derive(Debug, PartialEq)]
pub struct Found {
    /// Events in the order of the file.
    pub events: Vec<EventRow>,
    /// Counts.
    pub rows: RunRows,
}

/// Scans a log in all [`WAYS`] and asserts that they agree.
pub fn scan(log: &Path, knowledge: &Knowledge) -> Found {
    let [first, others @ ..] = WAYS.map(|(threads, block_size)| scan_so(log, knowledge, threads, block_size));
    for (other, (threads, block_size)) in others.iter().zip(&WAYS[1..]) {
        let same = first == *other;
        assert!(same, "{}: {threads} threads and blocks of {block_size} bytes find something else", log.display());
    }
    first
}

fn scan_so(log: &Path, knowledge: &Knowledge, threads: usize, block_size: usize) -> Found {
    let options = Options {
        threads,
        block_size,
        max_line: 1 << 20,
        formats: Vec::new(),
        zone: TimeZone::UTC,
        time: TimeOptions { year: None, now: Some(NOW) },
        events: Events::All,
        addresses: true,
        diagnostics: true,
        own_domains: Vec::new(),
    };
    let mut kept = Kept::default();
    let inputs = discover(&[log.to_path_buf()]);
    let stop = AtomicBool::new(false);
    let scanned = pipeline::scan(inputs, &options, knowledge, Some(&mut kept), &Silent, &stop).unwrap().unwrap();
    let name = Arc::from(log.file_name().unwrap().to_string_lossy());
    Found { events: kept.0, rows: scanned.tally.into_rows(&[name]) }
}

#[derive(Default)]
struct Kept(Vec<EventRow>);

impl EventSink for Kept {
    fn take(&mut self, event: EventRow) -> Result<(), Error> {
        self.0.push(event);
        Ok(())
    }
}

struct Silent;

impl Progress for Silent {
    fn total(&self, _bytes: u64) {}
    fn read(&self, _bytes: u64) {}
}

/// One outcome for one recipient.
pub struct Outcome {
    /// The columns of an expectation, without those that an event of its kind does not have.
    pub row: Row,
    /// The line of the log.
    pub line: String,
    /// Its reply text, and the rule that judged it.
    pub reply: String,
}

/// The events as outcomes in the order of the file. A line that stands for N occurrences gives its own N times over.
pub fn outcomes(log: &Path, events: &[EventRow], knowledge: &Knowledge) -> Vec<Outcome> {
    let bytes = std::fs::read(log).unwrap();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.split('\n').collect();
    let ends: Vec<u64> = memchr::memchr_iter(b'\n', &bytes).map(|at| at as u64).collect();
    let outcome = |event: &EventRow| {
        let before = ends.partition_point(|end| *end < event.provenance.offset);
        let rule = event.rule.map_or("no rule", |rule| &knowledge.engine.rule(rule).unwrap().id);
        let reply = format!("{:?} ({rule})", shown(event.diagnostic.as_deref()));
        Outcome { row: as_row(event, before + 1, knowledge), line: lines[before].to_owned(), reply }
    };
    let same_line = |a: &EventRow, b: &EventRow| a.provenance == b.provenance;
    let repeated = |line: &[EventRow]| (0..line[0].weight.max(1)).flat_map(|_| line.iter().map(outcome)).collect();
    events.chunk_by(same_line).flat_map(|line| -> Vec<Outcome> { repeated(line) }).collect()
}

fn as_row(event: &EventRow, line_no: usize, knowledge: &Knowledge) -> Row {
    let sender_known = event.mail_from_domain.is_some() || event.outcome != record::Outcome::Delivered;
    let mut row = BTreeMap::from([
        ("line_no", line_no.to_string()),
        ("outcome", event.outcome.as_str().to_owned()),
        ("reply_code", shown(event.reply_code)),
        ("status", shown(event.status)),
        ("recipient_domain", shown(event.recipient_domain.as_deref())),
        ("remote_host", shown(event.remote_mta.as_deref())),
        ("hop", event.hop.as_str().to_owned()),
        ("attempted", if event.weight == 0 { "no" } else { "yes" }.to_owned()),
    ]);
    if event.hop.is_outward() {
        row.insert("isp", isp(event, knowledge).to_owned());
    }
    if let Some(cause) = event.cause {
        row.insert("cause", cause.name().to_owned());
    }
    if sender_known {
        row.insert("sender_domain", shown(event.mail_from_domain.as_deref()));
    }
    row.into_iter().map(|(column, value)| (column.to_owned(), value)).collect()
}

/// The provider's slug; empty for a domain that no provider of the table runs.
fn isp<'k>(event: &EventRow, knowledge: &'k Knowledge) -> &'k str {
    match event.isp {
        GroupIsp::Known(id) => &knowledge.directory.isp(id).slug,
        _ => "",
    }
}
