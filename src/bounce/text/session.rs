//! Sessions printed in reports: `>>> RCPT TO:<a@example.com>` and `<<< 550 ...`, `In:` and `Out:`, and what Sendmail adds.

use super::address;
use super::entries::{Entries, Rank};
use super::reason::{self, Reason, host_name, is_refusal, stage_of_command};
use crate::record::SmtpStage;

/// Recipients accepted in a session that are remembered, because a refusal of the message concerns them all.
const MAX_ACCEPTED: usize = 1_000;

/// Refusals of a session that are kept.
const MAX_REFUSALS: usize = 10_000;

/// Who speaks in a line.
enum Side {
    Client,
    Server,
}

/// Marks of the two sides at the start of a line.
const MARKS: [(&[u8], Side); 6] = [
    (b">>>", Side::Client),
    (b"<<<", Side::Server),
    (b"In:", Side::Client),
    (b"Out:", Side::Server),
    (b"C:", Side::Client),
    (b"S:", Side::Server),
];

/// A refusal: bytes `start..end` of the text.
#[derive(Clone, Copy, Debug)]
struct Refusal<'t> {
    recipient: Option<&'t [u8]>,
    start: usize,
    end: usize,
    host: Option<&'t [u8]>,
    stage: Option<SmtpStage>,
    /// The reporting program wrote it, not the server.
    own: bool,
}

/// What the lines of a session said so far.
#[derive(Debug, Default)]
pub(super) struct Session<'t> {
    /// A heading said that a session follows.
    pub announced: bool,
    host: Option<&'t [u8]>,
    stage: Option<SmtpStage>,
    recipient: Option<&'t [u8]>,
    accepted: Vec<&'t [u8]>,
    refusals: Vec<Refusal<'t>>,
    /// Place of the server's last refusal in this connection, if it names no recipient.
    unclaimed: Option<usize>,
    /// The last line was one of a reply that goes on.
    goes_on: bool,
}

impl<'t> Session<'t> {
    /// Reads a line; `at` is the offset of `content` in the text. Returns whether it belongs to a session.
    pub fn line(&mut self, content: &'t [u8], at: usize) -> bool {
        if let Some(host) = talking_to(content) {
            self.host = Some(host);
            self.unclaimed = None;
            return true;
        }
        for (mark, side) in &MARKS {
            if let Some(rest) = content.strip_prefix(*mark) {
                let said = rest.trim_ascii_start();
                let at = at + content.len() - said.len();
                return match side {
                    Side::Client => self.client(said),
                    Side::Server => self.server(said, at),
                };
            }
        }
        let continued = std::mem::take(&mut self.goes_on);
        if self.announced && (is_refusal(content) || continued) {
            self.own_line(content, at);
            return true;
        }
        false
    }

    fn client(&mut self, said: &'t [u8]) -> bool {
        let Some(stage) = stage_of_command(said) else { return false };
        self.goes_on = false;
        self.stage = Some(stage);
        if stage == SmtpStage::Rcpt {
            self.recipient = memchr::memchr(b'<', said)
                .and_then(|at| address::opening(said.get(at..)?))
                .map(|opened| opened.address)
                .or_else(|| address::among(said).map(|(_, found)| found).next());
        }
        true
    }

    fn server(&mut self, said: &'t [u8], at: usize) -> bool {
        let end = at + said.len();
        let is_code = said.len() >= 3 && said.iter().take(3).all(u8::is_ascii_digit);
        if !is_code {
            self.goes_on = false;
            return false;
        }
        if self.goes_on {
            self.extend(end);
        } else if is_refusal(said) {
            let recipient = match self.stage {
                Some(SmtpStage::Rcpt) => self.recipient,
                _ => None,
            };
            self.unclaimed = recipient.is_none().then_some(self.refusals.len());
            self.refuse(Refusal { recipient, start: at, end, host: self.host, stage: self.stage, own: false });
        } else if said.first() == Some(&b'2') && self.stage == Some(SmtpStage::Rcpt) {
            self.accepted.extend(self.recipient.take().filter(|_| self.accepted.len() < MAX_ACCEPTED));
        } else if said.first() == Some(&b'3') {
            self.stage = Some(SmtpStage::EndOfData);
        }
        self.goes_on = said.get(3) == Some(&b'-') && is_refusal(said);
        true
    }

    fn own_line(&mut self, content: &'t [u8], at: usize) {
        let end = at + content.len();
        if !is_refusal(content) {
            return self.extend(end);
        }
        let recipient = content
            .iter()
            .position(|b| *b == b'<')
            .and_then(|open| address::opening(content.get(open..)?))
            .filter(|opened| opened.rest.starts_with(b"...") || opened.rest.starts_with(b":"))
            .map(|opened| opened.address)
            .or_else(|| address::among(content).find(|(_, a)| is_subject(content, a)).map(|(_, a)| a));
        let inner = inner_reply(content);
        if inner.is_none()
            && recipient.is_some()
            && let Some(refusal) = self.unclaimed.take().and_then(|place| self.refusals.get_mut(place))
        {
            refusal.recipient = recipient;
        }
        let start = at + inner.unwrap_or(0);
        self.refuse(Refusal { recipient, start, end, host: None, stage: None, own: true });
        self.goes_on = content.get(3) == Some(&b'-');
    }

    fn extend(&mut self, end: usize) {
        if let Some(last) = self.refusals.last_mut() {
            last.end = end;
        }
    }

    fn refuse(&mut self, refusal: Refusal<'t>) {
        if self.refusals.len() < MAX_REFUSALS {
            self.refusals.push(refusal);
        }
    }

    /// Gives the recipients what the session says of them; names them where nothing else does.
    pub fn settle(&self, text: &'t [u8], entries: &mut Entries<'t>) {
        for refusal in self.refusals.iter().filter(|r| !r.own).chain(self.refusals.iter().filter(|r| r.own)) {
            let reason = refusal.reason(text);
            let recipient = refusal.recipient.or_else(|| {
                let named = address::among(reason.text).map(|(_, a)| a).find(|a| entries.find(a).is_some());
                named.filter(|_| refusal.stage.is_some_and(|s| s != SmtpStage::Mail))
            });
            let place = recipient.and_then(|recipient| entries.claim(recipient, Rank::Session));
            if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
                entry.learn(&reason);
            }
        }
        if self.general().is_some() && entries.list.is_empty() {
            for recipient in &self.accepted {
                entries.claim(recipient, Rank::Session);
            }
        }
        self.settle_rest(text, entries);
    }

    /// Gives recipients without a reply the refusal that concerns all.
    pub fn settle_rest(&self, text: &'t [u8], entries: &mut Entries<'t>) {
        let Some(reason) = self.general().map(|refusal| refusal.reason(text)) else { return };
        for entry in entries.list.iter_mut().filter(|entry| entry.needs_reply()) {
            entry.learn(&reason);
        }
    }

    /// The refusal that concerns all recipients that have none: the first of the server that names no recipient, or else
    /// the first of all. `Need RCPT` follows from other refusals.
    fn general(&self) -> Option<&Refusal<'t>> {
        let of =
            |own: bool, all: bool| self.refusals.iter().find(move |r| r.own == own && (all || r.recipient.is_none()));
        of(false, false).or_else(|| of(false, true)).or_else(|| of(true, false)).or_else(|| of(true, true))
    }
}

impl<'t> Refusal<'t> {
    fn reason(&self, text: &'t [u8]) -> Reason<'t> {
        let end = self.end.min(self.start + reason::MAX_REASON);
        let text = text.get(self.start..end).unwrap_or_default();
        Reason { text, is_reply: true, status: None, host: self.host, ip: None, stage: self.stage }
    }
}

/// Where a second reply stands in a line of Sendmail 5: `554 <a@example.com>... 550 Host unknown`.
fn inner_reply(content: &[u8]) -> Option<usize> {
    let at = memchr::memmem::find(content, b"... ")? + 4;
    content.get(at..).is_some_and(is_refusal).then_some(at)
}

/// Whether the address is what the line is about: `550 a@example.com... User unknown`.
fn is_subject(content: &[u8], address: &[u8]) -> bool {
    let at = memchr::memmem::find(content, address).unwrap_or(0);
    content.get(at + address.len()..).is_some_and(|rest| rest.starts_with(b"...") || rest.starts_with(b":"))
}

/// The host of `... while talking to mx.example.com.:`.
fn talking_to(content: &[u8]) -> Option<&[u8]> {
    let at = memchr::memmem::find(content, b"hile talking to ")?;
    let rest = content.get(at + b"hile talking to ".len()..)?;
    let len = rest.iter().position(|b| matches!(b, b' ' | b':' | b'[')).unwrap_or(rest.len());
    host_name(rest.get(..len)?)
}
