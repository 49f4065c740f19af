//! "Zero-copy" as a number: heap allocations for each million delivery lines, once all buffers are warm.
//!
//! The counting allocator counts the whole process, so this file holds one test only.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic is how a test fails; the figure is printed")]

use std::io::Write;
use std::sync::atomic::AtomicBool;

use bouncesift::input::discover::discover;
use bouncesift::knowledge::Knowledge;
use bouncesift::pipeline::{self, Events, Options, Progress, TimeOptions};
use jiff::tz::TimeZone;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

struct Silent;

impl Progress for Silent {
    fn total(&self, _: u64) {}
    fn read(&self, _: u64) {}
}

/// A log of `messages` delivered messages to a few hosts, three lines each.
fn log(messages: usize) -> tempfile::NamedTempFile {
    const HOSTS: [&str; 4] =
        ["gmail-smtp-in.l.google.com", "mx00.gmx.net", "mx1.example.net", "example-com.mail.protection.outlook.com"];
    let mut file = tempfile::NamedTempFile::new().unwrap();
    let mut out = std::io::BufWriter::new(&mut file);
    for n in 0..messages {
        let (stamp, host) =
            (format!("Nov 23 {:02}:{:02}:{:02} mx postfix", n / 3600 % 24, n / 60 % 60, n % 60), HOSTS[n % 4]);
        writeln!(out, "{stamp}/qmgr[77]: {n:010X}: from=<news@example.com>, size=4211, nrcpt=1 (queue active)")
            .unwrap();
        writeln!(
            out,
            "{stamp}/smtp[{}]: {n:010X}: to=<u{n}@example.net>, relay={host}[192.0.2.{}]:25, delay=0.5, \
             delays=0.1/0/0.2/0.2, dsn=2.0.0, status=sent (250 2.0.0 OK {n} queued)",
            100 + n % 50,
            n % 250
        )
        .unwrap();
        writeln!(out, "{stamp}/qmgr[77]: {n:010X}: removed").unwrap();
    }
    out.flush().unwrap();
    drop(out);
    file
}

/// Allocations that a scan of the file makes, and the attempts it counts.
fn allocations(file: &tempfile::NamedTempFile, knowledge: &Knowledge) -> (u64, u64) {
    let options = Options {
        threads: 1,
        block_size: 256 * 1024,
        max_line: 1 << 20,
        formats: Vec::new(),
        zone: TimeZone::UTC,
        time: TimeOptions { year: Some(2026), now: None },
        events: Events::None,
        addresses: false,
        diagnostics: false,
        own_domains: Vec::new(),
    };
    let found = discover(&[file.path().to_path_buf()]);
    let before = dhat::HeapStats::get().total_blocks;
    let scanned = pipeline::scan(found, &options, knowledge, None, &Silent, &AtomicBool::new(false)).unwrap().unwrap();
    (dhat::HeapStats::get().total_blocks - before, scanned.counts.attempts)
}

#[test]
fn delivery_lines_are_read_without_allocating() {
    const MESSAGES: usize = 20_000;
    let _profiler = dhat::Profiler::builder().testing().build();
    let knowledge = Knowledge::builtin().unwrap();
    let (short, long) = (log(MESSAGES), log(3 * MESSAGES));
    let (few, attempts) = allocations(&short, &knowledge);
    assert_eq!(attempts, MESSAGES as u64);
    let (more, attempts) = allocations(&long, &knowledge);
    assert_eq!(attempts, 3 * MESSAGES as u64);
    // The longer log costs a few allocations for each of its blocks and samples, none for its lines.
    let per_million = (more.saturating_sub(few)) * 1_000_000 / (2 * MESSAGES as u64);
    println!("{per_million} allocations for each million delivery lines (3 million lines in all)");
    assert!(per_million < 5_000, "{per_million} allocations for each million delivery lines");
}
