//! Before the scan: what each file is, and in which years its stamps lie.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::clock::{Years, civil_seconds, date_in_name};
use crate::formats::{FORMATS, Parsed, syslog};
use crate::input::discover::{self, Input, InputKind, reason};
use crate::input::members::Which;
use crate::input::sniff::{self, Sniffed};
use crate::provenance::{FileId, Provenance};
use crate::stamp::Stamp;

/// Stamps sampled per file at most.
const SAMPLES: u64 = 4096;
/// Distance of samples at least, bytes. A server that writes less in half a year is not asked for.
const STRIDE: u64 = 2048;
/// Bytes read for one sample: a line that starts in the first half of them is found.
const PEEK: usize = 4096;

/// A file dated before this (1990-01-01) was given its date by a tool that has none to give: it says nothing of what is
/// plausible.
const EPOCH_DATES_END: i64 = 631_152_000;
/// 10000-01-01, seconds since 1970.
const Y10000: i64 = 253_402_300_800;

/// What the user said about time.
#[derive(Clone, Debug, Default)]
pub struct TimeOptions {
    /// Year of the last line of each file, and of the first line of a stream.
    pub year: Option<i16>,
    /// The present, seconds since 1970-01-01 UTC, in place of a file's own date.
    pub now: Option<i64>,
}

/// What the scan needs to know of an input.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// Years of its stamps.
    pub years: Years,
    /// Last plausible moment, UTC seconds.
    pub latest: i64,
    /// First moment of the input, civil seconds: the order in which inputs are joined.
    pub first: i64,
    /// Whether its stamps have no year.
    pub year_inferred: bool,
}

/// How mails lie in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailInput {
    /// In an mbox.
    Mbox,
    /// One, alone.
    Message,
    /// Each in its file of a directory.
    Directory(Which),
}

/// What preparation found.
#[derive(Clone, Debug)]
pub enum Readiness {
    /// A log.
    Log(Prepared),
    /// Mails, and their last plausible moment in UTC seconds; `None` where each file has its own.
    Mail(MailInput, Option<i64>),
    /// No bytes.
    Empty,
    /// Not read: what it is and what to do.
    Refused(String),
    /// Could not be read.
    Failed(String),
}

/// Looks at a regular file.
pub fn prepare(input: &Input, time: &TimeOptions) -> Readiness {
    let (size, modified) = match input.kind {
        InputKind::File { size, modified } => (size, modified),
        InputKind::Mails { which } => return Readiness::Mail(MailInput::Directory(which), time.now),
        InputKind::Stream | InputKind::Stdin => return Readiness::Empty,
    };
    let read = || -> io::Result<Readiness> {
        let file = discover::open(&input.path)?;
        let mut head = vec![0; sniff::HEAD.min(size as usize)];
        let len = read_up_to(&file, &mut head, 0)?;
        head.truncate(len);
        match refusal(&head, len as u64 == size, &input.path) {
            Some(Readiness::Mail(mail, _)) => return Ok(Readiness::Mail(mail, time.now.or(Some(modified)))),
            Some(not_read) => return Ok(not_read),
            None => {}
        }
        let name = input.path.file_name().map(|n| n.as_encoded_bytes()).unwrap_or(&[]);
        let latest = time.now.or_else(|| date_in_name(name)).unwrap_or(modified);
        // Stamps with and without a year may be mixed, as after an upgrade, so the first one says nothing of the rest.
        let samples = sample(&file, size)?;
        let anchor = anchor(&samples, time, latest);
        let years = Years::backwards(&samples, anchor);
        let dated = first_stamp(&head).and_then(|stamp| civil_seconds(&stamp, i64::from(stamp.year?)));
        let first = dated.or(years.span().map(|(first, _)| first)).unwrap_or(i64::MAX);
        let plausible = time.now.unwrap_or(latest.max(modified));
        let latest = if plausible < EPOCH_DATES_END { Y10000 } else { plausible.max(anchor) };
        Ok(Readiness::Log(Prepared { years, latest, first, year_inferred: !samples.is_empty() }))
    };
    read().unwrap_or_else(|error| Readiness::Failed(reason(&error)))
}

/// Why a file with this head is not read as a log, if so.
pub fn refusal(head: &[u8], whole: bool, path: &Path) -> Option<Readiness> {
    let refused = |text: String| Some(Readiness::Refused(text));
    match sniff::sniff(head) {
        Sniffed::Empty => Some(Readiness::Empty),
        Sniffed::Compressed(name, tool) => {
            let word = shell_word(path);
            refused(format!("{name} compressed; read it with: {tool} {word} | bouncesift scan -"))
        }
        Sniffed::Utf16 => refused("UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8".into()),
        Sniffed::Mbox => Some(Readiness::Mail(MailInput::Mbox, None)),
        Sniffed::Message => Some(Readiness::Mail(MailInput::Message, None)),
        Sniffed::Binary => refused("no text".into()),
        Sniffed::Text if is_log(head, whole) => None,
        Sniffed::Text => refused("no line in a known log format".into()),
    }
}

/// A path as one word of a shell's command line. Characters that could steer a terminal are escaped as everywhere.
fn shell_word(path: &Path) -> String {
    let shown = crate::text::shown_path(path);
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"/._-+,:@%".contains(&b);
    if shown.bytes().all(plain) { shown } else { format!("'{}'", shown.replace('\'', r"'\''")) }
}

/// Whether any line is one of a log. A head without any line end is one very long line, one of empty lines only has
/// nothing wrong: that is counted, not refused.
fn is_log(head: &[u8], whole: bool) -> bool {
    let head = without_mark(head);
    if (!whole && memchr::memchr(b'\n', head).is_none()) || lines(head).next().is_none() {
        return true;
    }
    lines(head).any(|line| {
        let frame = syslog::frame(line, NOWHERE);
        frame.stamp.is_some() || FORMATS.iter().any(|format| format.parse(&frame, &mut |_| {}) != Parsed::NotMine)
    })
}

const NOWHERE: Provenance = Provenance { file: FileId(0), len: 0, offset: 0 };

/// The start of an input without its byte order mark.
fn without_mark(head: &[u8]) -> &[u8] {
    head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line)).filter(|line| !line.is_empty())
}

/// The first stamp of an input, of a frame or of an Exim log.
fn first_stamp(head: &[u8]) -> Option<Stamp> {
    lines(without_mark(head)).find_map(stamp_of)
}

/// The first stamp of an input that states no year.
pub fn first_without_year(head: &[u8]) -> Option<Stamp> {
    lines(without_mark(head)).filter_map(stamp_of).find(|stamp| stamp.year.is_none())
}

fn stamp_of(line: &[u8]) -> Option<Stamp> {
    syslog::frame(line, NOWHERE).stamp.or_else(|| Stamp::iso8601(line).map(|(stamp, _)| stamp))
}

/// Tells all stamps without a year of a part of a stream that starts at offset `at`.
pub fn stamps(text: &[u8], at: u64, mut tell: impl FnMut(u64, &Stamp)) {
    let mut start = 0;
    for line in text.split_inclusive(|b| *b == b'\n') {
        let offset = at + start as u64;
        start += line.len();
        let line = if offset == 0 { without_mark(line) } else { line };
        // Other lines have no stamp, or one with a year.
        if matches!(line.first(), Some(b'A'..=b'Z' | b'<'))
            && let Some(stamp) = stamp_of(line.trim_ascii_end()).filter(|stamp| stamp.year.is_none())
        {
            tell(offset, &stamp);
        }
    }
}

/// Latest moment that the last line may have, civil seconds. A year that was given goes before the file's date: what it
/// makes of the last line is no future.
pub fn anchor(samples: &[(u64, Stamp)], time: &TimeOptions, latest: i64) -> i64 {
    let last = samples.last().map(|(_, stamp)| *stamp);
    match (time.year, last) {
        (Some(year), Some(stamp)) => civil_seconds(&stamp, i64::from(year)).unwrap_or(latest),
        _ => latest,
    }
}

/// Stamps without a year at even distances over a file, with the offsets of their lines, and that of the last line.
fn sample(file: &File, size: u64) -> io::Result<Vec<(u64, Stamp)>> {
    let stride = STRIDE.max(size / SAMPLES);
    let mut samples: Vec<(u64, Stamp)> = Vec::new();
    let mut buffer = vec![0; PEEK];
    let mut at = 0;
    while at < size {
        let len = read_up_to(file, &mut buffer, at)?;
        samples.extend(sample_in(buffer.get(..len).unwrap_or(&[]), at, at == 0));
        at += stride;
    }
    let tail_at = size.saturating_sub(PEEK as u64);
    let len = read_up_to(file, &mut buffer, tail_at)?;
    let mut tail_from = 0;
    while let Some((offset, stamp)) =
        sample_in(buffer.get(tail_from..len).unwrap_or(&[]), tail_at + tail_from as u64, tail_at == 0 && tail_from == 0)
    {
        samples.push((offset, stamp));
        tail_from = (offset - tail_at) as usize + 1;
    }
    samples.sort_by_key(|(offset, _)| *offset);
    samples.dedup_by_key(|(offset, _)| *offset);
    Ok(samples)
}

/// The first stamp without a year in `text`, which stands at `at` in its file.
fn sample_in(text: &[u8], at: u64, line_starts: bool) -> Option<(u64, Stamp)> {
    let mut start = if line_starts { 0 } else { memchr::memchr(b'\n', text)? + 1 };
    while let Some(rest) = text.get(start..).filter(|rest| !rest.is_empty()) {
        let end = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        let line = rest.get(..end).map(|line| if at + start as u64 == 0 { without_mark(line) } else { line });
        let found = line.and_then(stamp_of).filter(|stamp| stamp.year.is_none());
        if let Some(stamp) = found {
            return Some((at + start as u64, stamp));
        }
        start += end + 1;
    }
    None
}

fn read_up_to(file: &File, buffer: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(buffer.get_mut(done..).unwrap_or(&mut []), at + done as u64) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}
