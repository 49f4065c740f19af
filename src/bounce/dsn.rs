//! The fields of a delivery status notification (RFC 3464, RFC 6533), read in place.
//!
//! ```text
//! Reporting-MTA: dns; mail.example.org
//! Arrival-Date: Thu, 29 Apr 2021 23:34:45 +0900
//!
//! Final-Recipient: rfc822; user@example.com
//! Action: failed
//! Status: 5.7.1
//! Remote-MTA: dns; mx.example.com
//! Diagnostic-Code: smtp; 550 5.7.1 Message refused
//! ```
//!
//! Borne with, as real programs write them:
//! - groups without an empty line between them, empty lines inside of a group, message fields behind recipients;
//! - recipients without their type, in `<>`, or that are programs; utf-8 addresses in their 7-bit form;
//! - several `Diagnostic-Code` fields in a group (the first that holds a reply code wins), replies of several lines that
//!   are not folded, diagnostics without a type;
//! - `Status` with a comment behind it, no `Status`, no `Action`.
//!
//! Not read: `X-` fields of unknown meaning, the address type of a recipient, `MTA-name-type`.

use std::borrow::Cow;

use super::host::{self, Host};
use crate::mail::fields::starts_field;
use crate::mail::{line_at, starts_with_ignore_case};
use crate::smtp::{EnhancedStatus, ReplyCode, inner_reply, locate_reply};

/// Recipient groups of one notification that are read; the rest is left out and told.
pub const MAX_GROUPS: u32 = 10_000;

/// What was done for a recipient (RFC 3464, section 2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Given up.
    Failed,
    /// Not yet delivered; it will be tried again.
    Delayed,
    /// Delivered.
    Delivered,
    /// Passed on to a system that sends no notifications.
    Relayed,
    /// Delivered to a list.
    Expanded,
}

impl Action {
    fn read(value: &[u8]) -> Option<Self> {
        const WORDS: [(&str, Action); 8] = [
            ("fail", Action::Failed),
            ("error", Action::Failed),
            ("undeliver", Action::Failed),
            ("delay", Action::Delayed),
            ("deliverable", Action::Delivered),
            ("delivered", Action::Delivered),
            ("relayed", Action::Relayed),
            ("expanded", Action::Expanded),
        ];
        let value = value.trim_ascii();
        WORDS.iter().find(|(word, _)| starts_with_ignore_case(value, word.as_bytes())).map(|(_, action)| *action)
    }
}

/// The fields that speak of the whole message. Values are raw but for the type in front of names; `None` is not stated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageFields<'m> {
    /// `Reporting-MTA`: host name, or address literal without brackets.
    pub reporting_mta: Option<&'m [u8]>,
    /// `Arrival-Date`.
    pub arrival_date: Option<&'m [u8]>,
    /// `X-Postfix-Queue-ID` and those of programs that follow Postfix.
    pub queue_id: Option<&'m [u8]>,
    /// `X-Postfix-Sender`, without `<>`.
    pub sender: Option<&'m [u8]>,
}

/// The text of a `Diagnostic-Code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Diagnostic<'m> {
    /// `smtp`, `X-Postfix`, `x-unix`; empty where none is written.
    pub kind: &'m [u8],
    /// The server's reply where one is found in it, else all of it; folds are still in it.
    pub text: &'m [u8],
    /// All of it behind its type.
    pub whole: &'m [u8],
    /// `text` starts with a reply code or an enhanced status code.
    pub has_code: bool,
}

impl<'m> Diagnostic<'m> {
    fn read(value: &'m [u8]) -> Option<Self> {
        let (kind, whole) = typed(value);
        let whole = whole.trim_ascii();
        if whole.is_empty() {
            return None;
        }
        let located = locate_reply(whole);
        let text = inner_reply(located).unwrap_or(located);
        let has_code = ReplyCode::at_start(text).is_some_and(|code| code.class() >= 4)
            || EnhancedStatus::at_start(text).is_some()
            || text.len() < whole.len();
        Some(Diagnostic { kind, text, whole, has_code })
    }

    /// Whether an SMTP or LMTP server is said to have written it.
    pub fn is_smtp(&self) -> bool {
        [&b"smtp"[..], b"lmtp", b"esmtp"].iter().any(|kind| self.kind.eq_ignore_ascii_case(kind))
    }

    /// Whether a program on the reporting host wrote it.
    pub fn is_local(&self) -> bool {
        self.kind.eq_ignore_ascii_case(b"x-unix")
    }
}

/// The fields that speak of one recipient; `None` is not stated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientFields<'m> {
    /// `Final-Recipient`, without its type and `<>`.
    pub final_recipient: Option<Cow<'m, [u8]>>,
    /// `Original-Recipient`, likewise.
    pub original_recipient: Option<Cow<'m, [u8]>>,
    /// `X-Actual-Recipient`, likewise.
    pub actual_recipient: Option<Cow<'m, [u8]>>,
    /// `Action`; `None` also where it is no word of the standard.
    pub action: Option<Action>,
    /// `Status`; `None` also where it is no code.
    pub status: Option<EnhancedStatus>,
    /// `Remote-MTA`.
    pub remote_mta: Option<Host<'m>>,
    /// `Diagnostic-Code`.
    pub diagnostic: Option<Diagnostic<'m>>,
    /// `Last-Attempt-Date`, raw.
    pub last_attempt: Option<&'m [u8]>,
    /// `Will-Retry-Until` is there.
    pub will_retry: bool,
    seen: u8,
}

const FINAL: u8 = 1;
const ORIGINAL: u8 = 2;
const ACTION: u8 = 4;
const STATUS: u8 = 8;
const DIAGNOSTIC: u8 = 16;
const REMOTE: u8 = 32;
const LAST_ATTEMPT: u8 = 64;
const ACTUAL: u8 = 128;

impl RecipientFields<'_> {
    fn has_recipient(&self) -> bool {
        self.seen & (FINAL | ORIGINAL | ACTUAL) != 0
    }
}

/// Which of the groups this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Index, from 0.
    pub index: u32,
    /// No further group follows.
    pub is_last: bool,
}

/// What reading brought.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Read {
    /// Groups with a recipient.
    pub groups: u32,
    /// There are more than [`MAX_GROUPS`].
    pub exceeded: bool,
}

/// Reads the fields of a notification and calls `each` for every group that names a recipient, in order.
///
/// `message` is filled as its fields come by; fields that it holds already stay. Time is linear; nothing is allocated but
/// for addresses that have to be decoded.
pub fn read<'m>(
    text: &'m [u8],
    message: &mut MessageFields<'m>,
    each: &mut dyn FnMut(&MessageFields<'m>, &RecipientFields<'m>, Place),
) -> Read {
    let mut groups = Groups { done: None, open: RecipientFields::default(), read: Read::default() };
    for entry in (Entries { text, at: 0 }) {
        if message.take(&entry) {
            continue;
        }
        let Some(bit) = bit_of(entry.name) else { continue };
        if groups.is_border(bit, entry.starts_block) {
            groups.close(message, each);
        }
        if groups.read.exceeded {
            break;
        }
        groups.open.take(bit, entry.value);
    }
    groups.close(message, each);
    groups.emit(message, each, true);
    groups.read
}

/// Whether a text has a field that only a notification has, at the start of a line, and where the first one stands.
pub fn find_fields(text: &[u8]) -> Option<usize> {
    const FIRST: [&[u8]; 3] = [b"Final-Recipient:", b"Reporting-MTA:", b"Original-Recipient:"];
    crate::mail::lines(text)
        .find(|(_, line)| FIRST.iter().any(|name| starts_with_ignore_case(line, name)))
        .map(|(at, _)| at)
}

/// One field, with what follows it up to the next field or empty line.
struct Entry<'m> {
    name: &'m [u8],
    value: &'m [u8],
    starts_block: bool,
}

struct Entries<'m> {
    text: &'m [u8],
    at: usize,
}

impl<'m> Iterator for Entries<'m> {
    type Item = Entry<'m>;

    fn next(&mut self) -> Option<Entry<'m>> {
        let mut starts_block = false;
        loop {
            let start = self.at;
            let (line, next) = line_at(self.text, start)?;
            self.at = next;
            starts_block |= line.trim_ascii().is_empty();
            let Some(colon) = memchr::memchr(b':', line).filter(|_| starts_field(line)) else { continue };
            while let Some((line, next)) = line_at(self.text, self.at)
                && goes_on(line)
            {
                self.at = next;
            }
            let value = self.text.get(start + colon + 1..self.at)?;
            return Some(Entry { name: line.get(..colon)?.trim_ascii_end(), value, starts_block });
        }
    }
}

/// Whether a line continues the field in front of it: a fold, or the next line of a reply that was not folded.
fn goes_on(line: &[u8]) -> bool {
    match line.first() {
        None => false,
        Some(b' ' | b'\t') => !line.trim_ascii().is_empty(),
        Some(b'-') if line.starts_with(b"--") => false,
        Some(first) => first.is_ascii_digit() || !starts_field(line),
    }
}

impl<'m> MessageFields<'m> {
    /// Takes a field that is one of the message's; says whether it is.
    fn take(&mut self, entry: &Entry<'m>) -> bool {
        let is = |name: &str| entry.name.eq_ignore_ascii_case(name.as_bytes());
        let value = entry.value;
        if is("Reporting-MTA") {
            let host = Host::read(typed(value).1);
            self.reporting_mta = self.reporting_mta.or(host.name.or(host.ip));
        } else if is("Arrival-Date") {
            self.arrival_date = self.arrival_date.or(not_empty(value));
        } else if ends_with_ignore_case(entry.name, b"-Queue-ID") {
            self.queue_id = self.queue_id.or(not_empty(first_line(value)));
        } else if starts_with_ignore_case(entry.name, b"X-") && ends_with_ignore_case(entry.name, b"-Sender") {
            self.sender = self.sender.or(Some(without_angles(first_line(typed(value).1))));
        } else {
            return false;
        }
        true
    }
}

fn bit_of(name: &[u8]) -> Option<u8> {
    const NAMES: [(&str, u8); 9] = [
        ("Final-Recipient", FINAL),
        ("Original-Recipient", ORIGINAL),
        ("X-Actual-Recipient", ACTUAL),
        ("Action", ACTION),
        ("Status", STATUS),
        ("Diagnostic-Code", DIAGNOSTIC),
        ("Remote-MTA", REMOTE),
        ("Last-Attempt-Date", LAST_ATTEMPT),
        ("Will-Retry-Until", 0),
    ];
    NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes())).map(|(_, bit)| *bit)
}

impl<'m> RecipientFields<'m> {
    fn take(&mut self, bit: u8, value: &'m [u8]) {
        self.seen |= bit;
        match bit {
            FINAL => self.final_recipient = self.final_recipient.take().or_else(|| recipient(value)),
            ORIGINAL => self.original_recipient = self.original_recipient.take().or_else(|| recipient(value)),
            ACTUAL => self.actual_recipient = self.actual_recipient.take().or_else(|| recipient(value)),
            ACTION => self.action = self.action.or_else(|| Action::read(value)),
            STATUS => self.status = self.status.or_else(|| status(value)),
            REMOTE => self.remote_mta = self.remote_mta.or_else(|| host::remote(typed(value).1)),
            LAST_ATTEMPT => self.last_attempt = self.last_attempt.or_else(|| not_empty(value)),
            DIAGNOSTIC => {
                let found = Diagnostic::read(value);
                if self.diagnostic.is_none_or(|known| !known.has_code && found.is_some_and(|new| new.has_code)) {
                    self.diagnostic = found;
                }
            }
            _ => self.will_retry = true,
        }
    }

    /// Adds the fields of a block that turned out to belong to this group.
    fn merge(&mut self, rest: Self) {
        self.seen |= rest.seen;
        self.action = self.action.or(rest.action);
        self.status = self.status.or(rest.status);
        self.remote_mta = self.remote_mta.or(rest.remote_mta);
        self.last_attempt = self.last_attempt.or(rest.last_attempt);
        self.will_retry |= rest.will_retry;
        if self.diagnostic.is_none_or(|known| !known.has_code) {
            self.diagnostic = rest.diagnostic.or(self.diagnostic);
        }
    }
}

/// Cuts the fields into groups. A group is held back until the next block is known to be another one.
struct Groups<'m> {
    done: Option<RecipientFields<'m>>,
    open: RecipientFields<'m>,
    read: Read,
}

impl<'m> Groups<'m> {
    /// Whether a field starts a new block: behind an empty line, or where the open one has that field already.
    fn is_border(&self, bit: u8, behind_empty_line: bool) -> bool {
        let once = FINAL | ORIGINAL | ACTION | STATUS;
        let again = self.open.seen & bit & once != 0;
        let complete = self.open.seen & FINAL != 0 && self.open.seen & (ACTION | STATUS) != 0;
        again || (behind_empty_line && (complete || self.open.seen & bit != 0 || self.completes_last(bit)))
    }

    /// Whether the open block, in front of a recipient, has just the fields that the group before it lacks.
    fn completes_last(&self, bit: u8) -> bool {
        let recipients = FINAL | ORIGINAL | ACTUAL;
        let lacks = self.done.as_ref().is_some_and(|done| done.seen & self.open.seen == 0);
        bit & recipients != 0 && !self.open.has_recipient() && lacks
    }

    fn close(
        &mut self,
        message: &MessageFields<'m>,
        each: &mut dyn FnMut(&MessageFields<'m>, &RecipientFields<'m>, Place),
    ) {
        let block = std::mem::take(&mut self.open);
        if block.has_recipient() {
            self.emit(message, each, false);
            self.done = Some(block);
        } else if let Some(done) = &mut self.done {
            done.merge(block);
        }
    }

    fn emit(
        &mut self,
        message: &MessageFields<'m>,
        each: &mut dyn FnMut(&MessageFields<'m>, &RecipientFields<'m>, Place),
        is_last: bool,
    ) {
        let Some(done) = self.done.take() else { return };
        if self.read.groups == MAX_GROUPS {
            self.read.exceeded = true;
            return;
        }
        each(message, &done, Place { index: self.read.groups, is_last });
        self.read.groups += 1;
    }
}

/// A value without the type in front of its first `;`, and that type.
fn typed(value: &[u8]) -> (&[u8], &[u8]) {
    let value = value.trim_ascii();
    let len = value.iter().take(32).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    let rest = value.get(len..).unwrap_or(&[]).trim_ascii_start();
    match rest.strip_prefix(b";") {
        Some(rest) if len > 0 => (value.get(..len).unwrap_or(&[]), rest.trim_ascii_start()),
        _ => (&[], value),
    }
}

fn recipient(value: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (kind, address) = typed(value);
    let address = without_angles(first_line(address));
    if address.is_empty() {
        return None;
    }
    if kind.eq_ignore_ascii_case(b"utf-8") && memchr::memmem::find(address, b"\\x{").is_some() {
        return Some(Cow::Owned(from_xtext(address)));
    }
    Some(Cow::Borrowed(address))
}

/// `\x{20AC}` (RFC 6533, section 3) as its character. What is no character stays as it is.
fn from_xtext(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest, b"\\x{") {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let hex = from.iter().take(10).position(|b| *b == b'}').and_then(|end| from.get(3..end));
        let number = hex.and_then(|hex| u32::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok());
        let used = match number.and_then(char::from_u32) {
            Some(c) => {
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                hex.map_or(3, |hex| hex.len() + 4)
            }
            None => {
                out.extend_from_slice(b"\\x{");
                3
            }
        };
        rest = from.get(used..).unwrap_or(&[]);
    }
    out.extend_from_slice(rest);
    out
}

fn status(value: &[u8]) -> Option<EnhancedStatus> {
    let text = typed(value).1;
    let text = text.strip_prefix(b"#").unwrap_or(text);
    EnhancedStatus::at_start(text).map(|(status, _)| status)
}

fn first_line(value: &[u8]) -> &[u8] {
    let value = value.trim_ascii();
    let end = memchr::memchr2(b'\n', b'\r', value).unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_ascii_end()
}

/// What stands in `<>`, where anything does; else the text itself.
fn without_angles(text: &[u8]) -> &[u8] {
    let inner = memchr::memchr(b'<', text).and_then(|open| {
        let rest = text.get(open + 1..)?;
        rest.get(..memchr::memchr(b'>', rest)?)
    });
    let text = inner.unwrap_or(text).trim_ascii();
    let text = text.strip_prefix(b"<").unwrap_or(text);
    text.strip_suffix(b">").unwrap_or(text)
}

fn not_empty(value: &[u8]) -> Option<&[u8]> {
    let value = value.trim_ascii();
    (!value.is_empty()).then_some(value)
}

fn ends_with_ignore_case(text: &[u8], end: &[u8]) -> bool {
    let at = text.len().checked_sub(end.len());
    at.and_then(|at| text.get(at..)).is_some_and(|tail| tail.eq_ignore_ascii_case(end))
}

#[cfg(test)]
#[path = "dsn_tests.rs"]
mod tests;
