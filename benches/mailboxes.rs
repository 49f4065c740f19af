//! Bounces and mailboxes, beside what else could be done with the same bytes.
//!
//! ```text
//! cargo bench --bench mailboxes
//! ```
//!
//! Four readings, each after its answer was asserted, medians of [`REPEATS`]:
//! - one mbox of bounces on one thread, beside mail-parser that only parses the same messages, and beside Sisimai (Debian's
//!   libsisimai-perl) on a part of them;
//! - an archive in which one mail of a hundred is a bounce, on all cores, beside `rg -c '^From '`;
//! - a Maildir, beside a loop that opens, reads and closes the same files.
//!
//! The bounces are those of `../shared/corpus/bounces` where that exists, else the recorded ones of `sample-logs`. A peer
//! that is not installed is left out and named. `BENCH_MB` and `BENCH_FILES` set the sizes of the archive (1024) and of the
//! Maildir (200,000).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a bench stops where it fails"
)]

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use bouncesift::input::discover::discover;
use bouncesift::input::mbox::{MboxCutter, MessageBlock};
use bouncesift::knowledge::Knowledge;
use bouncesift::pipeline::{self, Events, Options, Progress, TimeOptions};
use bouncesift::tally::LineCounts;
use jiff::tz::TimeZone;

const REPEATS: usize = 5;
/// Times the bounces are repeated in their mbox.
const COPIES: usize = 40;
const SEPARATOR: &[u8] = b"From MAILER-DAEMON Thu Apr 29 23:34:45 2021\n";

fn main() {
    let bounces = bounces();
    let lab = tempfile::tempdir().unwrap();
    let knowledge = Knowledge::builtin().unwrap();
    println!("{:<44}{:>10}{:>12}{:>10}{:>9}", "", "median", "mails/s", "MB/s", "ratio");
    bounces_alone(lab.path(), &bounces, &knowledge);
    archive(lab.path(), &bounces, &knowledge);
    maildir(lab.path(), &bounces, &knowledge);
}

struct Bytes {
    mails: usize,
    bytes: u64,
}

/// A line of the table; `ratio` is to the first time of its group.
fn row(name: &str, time: Duration, of: &Bytes, first: Option<Duration>) {
    let seconds = time.as_secs_f64();
    let ratio = first.map_or(String::new(), |first| format!("{:.2}", seconds / first.as_secs_f64()));
    let (rate, pace) = (of.mails as f64 / seconds, of.bytes as f64 / seconds / 1e6);
    println!("{name:<44}{:>8.3} s{rate:>12.0}{pace:>10.0}{ratio:>9}", seconds);
}

fn median<T>(mut run: impl FnMut() -> T) -> Duration {
    let mut times: Vec<Duration> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            std::hint::black_box(run());
            start.elapsed()
        })
        .collect();
    times.sort();
    times[REPEATS / 2]
}

struct Quiet;

impl Progress for Quiet {
    fn total(&self, _: u64) {}
    fn read(&self, _: u64) {}
}

fn scan(path: &Path, threads: usize, knowledge: &Knowledge) -> LineCounts {
    let options = Options {
        threads,
        block_size: 256 << 10,
        max_line: 1 << 20,
        formats: Vec::new(),
        zone: TimeZone::UTC,
        time: TimeOptions::default(),
        events: Events::None,
        addresses: false,
        diagnostics: false,
        own_domains: Vec::new(),
    };
    let found = discover(&[path.to_path_buf()]);
    let scanned = pipeline::scan(found, &options, knowledge, None, &Quiet, &AtomicBool::new(false));
    scanned.unwrap().unwrap().counts
}

fn bounces_alone(lab: &Path, bounces: &[Vec<u8>], knowledge: &Knowledge) {
    let one = lab.join("one.mbox");
    write_mbox(&one, bounces.iter().map(|b| (b, 0)));
    let all = lab.join("bounces.mbox");
    write_mbox(&all, (0..COPIES).flat_map(|copy| bounces.iter().map(move |b| (b, copy))));
    let size = Bytes { mails: bounces.len() * COPIES, bytes: fs::metadata(&all).unwrap().len() };
    let (single, counts) = (scan(&one, 1, knowledge), scan(&all, 1, knowledge));
    assert_eq!((counts.mails, counts.records), (size.mails as u64, single.records * COPIES as u64));
    assert!(counts.mails_with_records * 10 >= counts.mails * 9, "{counts:?}");
    let ours = median(|| scan(&all, 1, knowledge));
    row("bounces: bouncesift, 1 thread, complete", ours, &size, None);
    let parser = median(|| assert_eq!(parse_only(&all), size.mails));
    row("bounces: mail-parser, parse alone", parser, &size, Some(ours));
    sisimai(&one, bounces.len(), fs::metadata(&one).unwrap().len(), &size, ours);
}

/// Cuts and parses with mail-parser; the number of messages that it takes.
fn parse_only(path: &Path) -> usize {
    let mut cutter = MboxCutter::new(Box::new(File::open(path).unwrap()));
    let (mut block, mut mails) = (MessageBlock::default(), 0);
    while cutter.next(&mut block).unwrap() {
        mails += block.messages().filter(|m| mail_parser::MessageParser::default().parse(m.bytes).is_some()).count();
    }
    mails
}

/// Sisimai on one copy of the bounces; the ratio is by mail.
fn sisimai(one: &Path, mails: usize, bytes: u64, all: &Bytes, ours: Duration) {
    let script = "use Sisimai; my $read = Sisimai->can(q{rise}) || Sisimai->can(q{make}); my $r = $read->(q{Sisimai}, $ARGV[0]); print scalar @{ $r || [] }";
    let run = || Command::new("perl").args(["-e", script]).arg(one).output();
    let found = run().ok().filter(|out| out.status.success());
    let Some(found) = found.and_then(|out| String::from_utf8(out.stdout).ok()?.parse::<usize>().ok()) else {
        return println!("bounces: Sisimai is not installed (Debian: libsisimai-perl)");
    };
    assert!(found * 10 >= mails * 7, "Sisimai read {found} of {mails}");
    let start_up = median(|| Command::new("perl").args(["-e", "use Sisimai"]).output().unwrap());
    let time = median(|| run().unwrap()).saturating_sub(start_up);
    let ours = ours.mul_f64(mails as f64 / all.mails as f64);
    row("bounces: Sisimai, start-up not counted", time, &Bytes { mails, bytes }, Some(ours));
}

fn archive(lab: &Path, bounces: &[Vec<u8>], knowledge: &Knowledge) {
    let path = lab.join("archive.mbox");
    let wanted = number("BENCH_MB", 1024) << 20;
    let ordinary: Vec<Vec<u8>> = (0..2000).map(ordinary).collect();
    let (mut mails, mut bytes, mut expected) = (0, 0, 0);
    let mut out = BufWriter::new(File::create(&path).unwrap());
    while bytes < wanted {
        let is_bounce = mails % 100 == 0;
        expected += usize::from(is_bounce);
        let mail =
            if is_bounce { &bounces[mails / 100 % bounces.len()] } else { &ordinary[mails * 7919 % ordinary.len()] };
        bytes += write_mail(&mut out, mail, mails);
        mails += 1;
    }
    out.into_inner().unwrap().flush().unwrap();
    let size = Bytes { mails, bytes: bytes as u64 };
    let counts = scan(&path, 0, knowledge);
    assert_eq!(counts.mails, mails as u64);
    assert!(counts.mails_with_records <= expected as u64 && counts.mails_with_records * 10 >= expected as u64 * 9);
    let ours = median(|| scan(&path, 0, knowledge));
    row("archive, 1 % bounces: bouncesift, all cores", ours, &size, None);
    let rg = || Command::new("rg").args(["-c", "^From "]).arg(&path).output();
    match rg() {
        Ok(out) => {
            assert_eq!(String::from_utf8(out.stdout).unwrap().trim().parse::<usize>().unwrap(), mails);
            row("archive: rg -c '^From '", median(|| rg().unwrap()), &size, Some(ours));
        }
        Err(_) => println!("archive: rg is not installed (Debian: ripgrep)"),
    }
    fs::remove_file(path).unwrap();
}

fn maildir(lab: &Path, bounces: &[Vec<u8>], knowledge: &Knowledge) {
    let (root, files) = (lab.join("Maildir"), number("BENCH_FILES", 200_000));
    ["cur", "new", "tmp"].iter().for_each(|name| fs::create_dir_all(root.join(name)).unwrap());
    let ordinary: Vec<Vec<u8>> = (0..2000).map(ordinary).collect();
    let mut bytes = 0;
    for n in 0..files {
        let mail = if n % 100 == 0 { &bounces[n / 100 % bounces.len()] } else { &ordinary[n % ordinary.len()] };
        bytes += mail.len() as u64;
        fs::write(root.join(format!("cur/{:010}.M1P1.mx:2,S", n * 7919 % files)), mail).unwrap();
    }
    let size = Bytes { mails: files, bytes };
    let counts = scan(&root, 0, knowledge);
    assert_eq!((counts.mails, counts.mail_bytes), (files as u64, bytes));
    let ours = median(|| scan(&root, 0, knowledge));
    row("Maildir: bouncesift, all cores", ours, &size, None);
    let threads = std::thread::available_parallelism().unwrap().get();
    let plain = median(|| assert_eq!(open_read_close(&root.join("cur"), threads), bytes));
    row("Maildir: open, read, close on all cores", plain, &size, Some(ours));
}

/// Lists a directory and reads every file of it; the bytes read.
fn open_read_close(directory: &Path, threads: usize) -> u64 {
    let names: Vec<PathBuf> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    std::thread::scope(|scope| {
        let part = |names: &[PathBuf]| {
            let mut buffer = Vec::with_capacity(256 << 10);
            let mut bytes = 0;
            for name in names {
                buffer.clear();
                bytes += File::open(name).unwrap().read_to_end(&mut buffer).unwrap() as u64;
            }
            bytes
        };
        let running: Vec<_> =
            names.chunks(names.len().div_ceil(threads)).map(|names| scope.spawn(move || part(names))).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).sum()
    })
}

fn number(variable: &str, default: usize) -> usize {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Real bounces, without mbox separators.
fn bounces() -> Vec<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let corpus = root.join("../shared/corpus/bounces/maildir");
    let from = if corpus.is_dir() { corpus } else { root.join("sample-logs/bounces/postfix") };
    let mut files = Vec::new();
    collect(&from, &mut files);
    files.sort();
    let mails: Vec<Vec<u8>> = files.iter().map(|file| mend(&fs::read(file).unwrap())).collect();
    println!("{} bounces of {} kB", mails.len(), mails.iter().map(Vec::len).sum::<usize>() / 1000);
    mails
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { collect(&path, files) } else { files.push(path) }
    }
}

/// LF line ends, quoted `From ` lines, no separator in front.
fn mend(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len());
    for (nth, line) in mail.split(|b| *b == b'\n').enumerate() {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.starts_with(b"From ") {
            if nth == 0 {
                continue;
            }
            out.push(b'>');
        }
        out.extend_from_slice(line);
        out.push(b'\n');
    }
    out
}

fn write_mbox<'b>(path: &Path, mails: impl Iterator<Item = (&'b Vec<u8>, usize)>) {
    let mut out = BufWriter::new(File::create(path).unwrap());
    for (mail, copy) in mails {
        write_mail(&mut out, mail, copy);
    }
    out.into_inner().unwrap().flush().unwrap();
}

/// Writes a mail; a field of its own tells the copies apart. Returns the bytes written.
fn write_mail(out: &mut impl Write, mail: &[u8], copy: usize) -> usize {
    let mark = format!("X-Copy: {copy}\n");
    let mail = mail.trim_ascii_end();
    for part in [SEPARATOR, mark.as_bytes(), mail, b"\n\n"] {
        out.write_all(part).unwrap();
    }
    SEPARATOR.len() + mark.len() + mail.len() + 2
}

/// An ordinary mail of 2 to 14 kB; always the same for a number.
fn ordinary(nth: usize) -> Vec<u8> {
    let mut mail = format!(
        "Return-Path: <u{nth}@example.com>\nReceived: from mx.example.com (mx.example.com [192.0.2.1])\n\tby mail.example.net \
         (Postfix) with ESMTPS id 4Wq{nth}z\n\tfor <me@example.net>; Thu, 29 Apr 2021 23:34:45 +0900 (JST)\nDKIM-Signature: \
         v=1; a=rsa-sha256; d=example.com; s=k1; h=from:to;\n\tbh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN; b=abcdefabcdef\nFrom: \
         User {nth} <u{nth}@example.com>\nTo: me@example.net\nSubject: the quarterly numbers {nth}\nMessage-ID: \
         <{nth}@example.com>\nDate: Thu, 29 Apr 2021 23:34:45 +0900\nMIME-Version: 1.0\nContent-Type: text/plain\n\n"
    );
    let mut state = (nth as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    for _ in 0..20 + nth % 160 {
        for _ in 0..11 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let len = 2 + (state >> 60) as usize % 8;
            mail.extend((0..len).map(|at| char::from(b'a' + ((state >> (at * 5)) % 26) as u8)));
            mail.push(' ');
        }
        mail.push('\n');
    }
    mail.into_bytes()
}
