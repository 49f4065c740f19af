//! Where a message of an mbox ends. No reading and no writing here: bytes in, positions out.
//!
//! All positions count from the first byte of the message, its `From ` line included. A function that cannot decide yet
//! says so (`None`, [`Step::More`]) and goes on from where it was when it is called again with more bytes behind those
//! it had: whatever the reads, the answer is the same.

use std::sync::LazyLock;

use memchr::{memchr, memmem};

use super::from_line::from_line;

/// Longest `From ` line, bytes: a path of RFC 5321 (256), a date, and what UUCP adds.
pub const MAX_FROM_LINE: usize = 1024;
/// Header block up to which `Content-Length` is looked for, bytes.
pub const MAX_HEADER: usize = 1 << 20;
/// Longest run of `>` before a `From ` that is taken for quoting.
const MAX_QUOTES: usize = 16;
/// Line ends that may stand between a body of `Content-Length` bytes and the next separator.
const MAX_GAP: usize = 2;
/// Bytes before the place a [`Search`] is at that it may still look at.
pub const CONTEXT: usize = 32;
const NEEDLE: &[u8] = b"From ";
static FINDER: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(NEEDLE));

/// The end of a message, found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// End of the body, without the empty line that stands before a separator.
    pub body: usize,
    /// Where the next separator is, or the end of the input.
    pub next: usize,
    /// `Content-Length` says the same.
    pub vouched: bool,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// More bytes are needed.
    More,
    /// The message is complete.
    End(End),
}

/// A message that is being read.
#[derive(Debug, Default)]
pub struct Open {
    /// Length of its `From ` line, line end not included; 0 where it has none.
    pub from_line: usize,
    /// Where its header starts.
    pub header: usize,
    /// Where its body starts, once that is known.
    body: Option<usize>,
    /// Where the header line starts that is looked at, and where its end is sought.
    line: usize,
    seek: usize,
    length: Length,
    proof_failed: bool,
    /// Looks for the next separator.
    pub search: Search,
}

/// What the header says of the body's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Length {
    #[default]
    Unstated,
    Stated(u64),
    /// Twice, or no number.
    Absurd,
}

impl Open {
    /// The message at the start of `bytes`, the first of its input or behind a separator; `None` if more bytes are
    /// needed. The first line of an input may be a `From ` line without a date.
    pub fn new(bytes: &[u8], at_end: bool) -> Option<Self> {
        if !bytes.starts_with(NEEDLE) {
            let undecided = NEEDLE.starts_with(bytes) && !at_end;
            return (!undecided).then(Open::default);
        }
        let Some(line) = first_line(bytes, at_end)? else { return Some(Open::default()) };
        let header = memchr(b'\n', bytes).map_or(bytes.len(), |end| end + 1);
        let suspects = u64::from(from_line(line).is_none());
        let search = Search { at: header, floor: header, suspects, quoted: 0 };
        Some(Open { from_line: line.len(), header, line: header, seek: header, search, ..Open::default() })
    }

    /// Whether only the search for a separator can end the message now, however long it is.
    pub fn is_searched(&self) -> bool {
        self.body.is_some() && (self.proof_failed || !matches!(self.length, Length::Stated(_)))
    }

    /// Goes on with `bytes`, the message and what stands behind it. Bodies longer than `max_proof` are not proven by
    /// their `Content-Length`, since all of them would have to be kept.
    pub fn step(&mut self, bytes: &[u8], at_end: bool, max_proof: usize) -> Step {
        if self.body.is_none() && !self.read_header(bytes, at_end) {
            return Step::More;
        }
        if let (Length::Stated(length), Some(body), false) = (self.length, self.body, self.proof_failed) {
            let end = usize::try_from(length).ok().filter(|length| *length <= max_proof).map(|length| body + length);
            match end.map_or(Proof::Fails, |end| prove(bytes, end, self.header, at_end)) {
                Proof::More => return Step::More,
                Proof::Next(next) => {
                    return Step::End(End { body: end.unwrap_or(next), next, vouched: true });
                }
                Proof::Fails => self.proof_failed = true,
            }
        }
        let Some(next) = self.search.next(bytes, at_end) else { return Step::More };
        Step::End(self.end_at(next, bytes.get(..next).unwrap_or(bytes)))
    }

    /// The end of a message whose next separator was found at `next` by a search; `before` ends there and holds the last
    /// bytes of the message or all of them.
    pub fn end_at(&self, next: usize, before: &[u8]) -> End {
        let body = next.saturating_sub(empty_line_at_end(before)).max(self.header);
        // A body that was too long to be proven from its start is measured now.
        let vouched = match (self.length, self.body) {
            (Length::Stated(length), Some(start)) => {
                [body, next].iter().any(|end| end.checked_sub(start).is_some_and(|len| len as u64 == length))
            }
            _ => false,
        };
        End { body, next, vouched }
    }

    /// Whether the header states a `Content-Length` that the end of the message belies.
    pub fn length_wrong(&self, end: &End) -> bool {
        self.length != Length::Unstated && !end.vouched
    }

    /// Looks for the empty line behind the header, and for `Content-Length` on the way; `false` if more is needed.
    fn read_header(&mut self, bytes: &[u8], at_end: bool) -> bool {
        loop {
            if self.line - self.header > MAX_HEADER {
                self.length = Length::Unstated;
                self.body = Some(self.header);
                return true;
            }
            let rest = bytes.get(self.seek..).unwrap_or(&[]);
            let Some(len) = memchr(b'\n', rest) else {
                self.seek = bytes.len();
                if self.seek - self.header > MAX_HEADER {
                    self.line = self.seek;
                    continue;
                }
                if at_end {
                    self.look_at(bytes.get(self.line..).unwrap_or(&[]));
                    self.body = Some(bytes.len());
                }
                return at_end;
            };
            let next = self.seek + len + 1;
            let line = bytes.get(self.line..next - 1).unwrap_or(&[]);
            (self.line, self.seek) = (next, next);
            if line.is_empty() || line == b"\r" {
                self.body = Some(next);
                return true;
            }
            self.look_at(line);
        }
    }

    fn look_at(&mut self, line: &[u8]) {
        const NAME: &[u8] = b"content-length:";
        if !matches!(line.first(), Some(b'C' | b'c')) {
            return;
        }
        if let Some((name, value)) = line.split_at_checked(NAME.len())
            && name.eq_ignore_ascii_case(NAME)
        {
            let value = value.trim_ascii();
            let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
            let number = str::from_utf8(value).ok().filter(|_| digits).and_then(|digits| digits.parse().ok());
            self.length = match (self.length, number) {
                (Length::Unstated, Some(number)) => Length::Stated(number),
                _ => Length::Absurd,
            };
        }
    }
}

enum Proof {
    More,
    Fails,
    /// The body ends where it should; this is where the next separator or the end of the input is.
    Next(usize),
}

/// Whether a body may end at `end`: there, or behind line ends, is a separator or the end of the input.
fn prove(bytes: &[u8], end: usize, header: usize, at_end: bool) -> Proof {
    if end > bytes.len() {
        return if at_end { Proof::Fails } else { Proof::More };
    }
    let mut at = end;
    let mut starts_line = end == header || bytes.get(end.wrapping_sub(1)) == Some(&b'\n');
    for _ in 0..=MAX_GAP {
        let rest = bytes.get(at..).unwrap_or(&[]);
        if rest.is_empty() {
            return if at_end { Proof::Next(at) } else { Proof::More };
        }
        if starts_line && rest.starts_with(NEEDLE) {
            return match separates(rest, at_end) {
                Some(true) => Proof::Next(at),
                Some(false) => Proof::Fails,
                None => Proof::More,
            };
        }
        let line_end = match rest {
            [b'\n', ..] => 1,
            [b'\r', b'\n', ..] => 2,
            _ if !at_end && (rest == b"\r" || NEEDLE.starts_with(rest)) => return Proof::More,
            _ => return Proof::Fails,
        };
        at += line_end;
        starts_line = true;
    }
    // Anything further would be one line too many; the end of the input is not.
    match (bytes.get(at..).unwrap_or(&[]), at_end) {
        ([], true) => Proof::Next(at),
        ([], false) => Proof::More,
        _ => Proof::Fails,
    }
}

/// Whether the line at the start of `bytes`, which follows an empty line, is a separator; `None` if its end is not known.
fn separates(bytes: &[u8], at_end: bool) -> Option<bool> {
    let line = first_line(bytes, at_end)?;
    Some(line.is_some_and(|line| from_line(line).is_some()))
}

/// The line at the start of `bytes` without its line end: `None` if that is not known yet, `Some(None)` if the line is
/// longer than a `From ` line may be.
pub fn first_line(bytes: &[u8], at_end: bool) -> Option<Option<&[u8]>> {
    let window = bytes.get(..=MAX_FROM_LINE + 1).unwrap_or(bytes);
    let line = match memchr(b'\n', window) {
        Some(end) => bytes.get(..end)?,
        None if window.len() < bytes.len() || window.len() > MAX_FROM_LINE + 1 => return Some(None),
        None if at_end => bytes,
        None => return None,
    };
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    Some((line.len() <= MAX_FROM_LINE).then_some(line))
}

/// A search for the next separator: a `From ` line with a date behind an empty line.
#[derive(Clone, Copy, Debug, Default)]
pub struct Search {
    /// Bytes before this have been searched.
    pub at: usize,
    /// Where the header starts; no line begins before it.
    pub floor: usize,
    /// Lines that start with `From ` and are no separators.
    pub suspects: u64,
    /// Lines that start with `>From `.
    pub quoted: u64,
}

impl Search {
    /// Where the next separator is, or the end of the input; `None` if more bytes are needed.
    pub fn next(&mut self, bytes: &[u8], at_end: bool) -> Option<usize> {
        while let Some(found) = FINDER.find(bytes.get(self.at..).unwrap_or(&[])) {
            let start = self.at + found;
            if self.starts_line(bytes, start) {
                let separator = follows_empty_line(bytes, start);
                match separator.then(|| separates(bytes.get(start..).unwrap_or(&[]), at_end)) {
                    Some(Some(true)) => return Some(start),
                    Some(None) => {
                        self.at = start;
                        return None;
                    }
                    Some(Some(false)) | None => self.suspects += 1,
                }
            } else if self.is_quoted(bytes, start) {
                self.quoted += 1;
            }
            self.at = start + NEEDLE.len();
        }
        self.at = self.at.max((bytes.len() + 1).saturating_sub(NEEDLE.len()));
        at_end.then_some(bytes.len())
    }

    fn starts_line(&self, bytes: &[u8], at: usize) -> bool {
        at == self.floor || at.checked_sub(1).and_then(|before| bytes.get(before)) == Some(&b'\n')
    }

    fn is_quoted(&self, bytes: &[u8], start: usize) -> bool {
        let before = bytes.get(self.floor..start).unwrap_or(&[]);
        let quotes = before.iter().rev().take(MAX_QUOTES).take_while(|b| **b == b'>').count();
        quotes > 0 && self.starts_line(bytes, start - quotes)
    }
}

/// Whether the line before the one at `at` is there and empty.
fn follows_empty_line(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(at.saturating_sub(3)..at).unwrap_or(&[]);
    before.ends_with(b"\n\n") || before == b"\n\r\n"
}

/// Length of the empty line at the end of `bytes`; 0 without one.
fn empty_line_at_end(bytes: &[u8]) -> usize {
    match bytes {
        [.., b'\n', b'\n'] => 1,
        [.., b'\n', b'\r', b'\n'] => 2,
        _ => 0,
    }
}
