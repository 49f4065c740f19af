//! The one reader of prose: it goes through the lines once, and lists, fields, sessions and reasons fall out.

use super::address::{self, Opened};
use super::entries::{Entries, Rank};
use super::fields::{self, Role};
use super::lines::{Line, Lines};
use super::openings::{Tail, inline_expansion, is_heading, is_rule, named_address, program, reporter, without_bullet};
use super::phrases::Kind;
use super::reason::{MAX_REASON, Reason, find_reply};
use super::session::Session;
use super::value;
use crate::smtp::EnhancedStatus;

/// What was found in a report.
#[derive(Debug, Default)]
pub(super) struct Findings<'t> {
    pub entries: Entries<'t>,
    pub session: Session<'t>,
    /// A reason behind a label, of no recipient in particular: the first reply, else the first words.
    pub labelled: Option<&'t [u8]>,
    /// Some phrase says that mail failed.
    pub failure: bool,
    /// A line says so in the words of a report: not delivered to whom follows.
    pub sure: bool,
    /// It will be tried again.
    pub delay: bool,
    /// It will not.
    pub given_up: bool,
    pub reporting_mta: Option<&'t [u8]>,
    pub queue_id: Option<&'t [u8]>,
    pub remote_mta: Option<&'t [u8]>,
    /// Status behind a label outside of the fields of a recipient.
    pub status: Option<EnhancedStatus>,
    /// Line behind the last one that names a recipient or belongs to its reason.
    pub list_end: usize,
    /// Line of the first recipient.
    pub list_start: Option<usize>,
}

/// Whose reason the lines are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Recipient(usize),
    All,
}

/// A reason whose lines are being gathered.
#[derive(Clone, Copy, Debug)]
struct Open {
    owner: Owner,
    start: usize,
    end: usize,
    indent: usize,
    /// A line of it says that it will be tried again.
    delay: bool,
    /// A colon or a label announced it, so a blank line in front of it does not end it.
    announced: bool,
}

impl Open {
    fn is_empty(&self) -> bool {
        self.start >= self.end
    }
}

/// Fields of RFC 3464 in a row.
#[derive(Debug, Default)]
struct Group<'t> {
    place: Option<usize>,
    original: Option<&'t [u8]>,
    action: Option<&'t [u8]>,
    status: Option<EnhancedStatus>,
    remote_mta: Option<&'t [u8]>,
}

/// Goes through the lines.
pub(super) struct Reader<'l, 't> {
    lines: &'l Lines<'t>,
    pub found: Findings<'t>,
    /// A phrase said that recipients follow, and none since that somebody is to be asked.
    introduced: bool,
    /// The labelled reason of all recipients is a reply.
    labelled_reply: bool,
    open: Option<Open>,
    group: Group<'t>,
}

impl<'l, 't> Reader<'l, 't> {
    pub fn new(lines: &'l Lines<'t>) -> Self {
        Reader {
            lines,
            found: Findings::default(),
            introduced: false,
            labelled_reply: false,
            open: None,
            group: Group::default(),
        }
    }

    /// Reads all lines.
    pub fn read(mut self) -> Findings<'t> {
        for (number, line) in self.lines.iter().enumerate() {
            self.line(number, line);
        }
        self.close();
        self.end_group();
        self.found
    }

    fn line(&mut self, number: usize, line: Line) {
        let content = self.lines.content(line);
        if content.is_empty() {
            self.blank();
            return;
        }
        let at = line.start + line.indent;
        if is_rule(content) {
            self.close();
            return;
        }
        if is_heading(content) {
            self.heading(content, line);
            return;
        }
        if self.found.session.line(content, at) {
            self.found.failure = true;
            self.extend(line, number);
            return;
        }
        if self.continues(line, content) {
            if !self.expansion(content, number) {
                self.extend(line, number);
            }
            return;
        }
        if self.field(content, line, number) || self.recipient(content, line, number) {
            return;
        }
        self.prose(line, content, number);
    }

    fn blank(&mut self) {
        if self.open.is_some_and(|open| !(open.announced && open.is_empty())) {
            self.close();
        }
        self.end_group();
    }

    /// `----- The following addresses had permanent fatal errors -----`.
    fn heading(&mut self, content: &[u8], line: Line) {
        self.close();
        self.end_group();
        self.note(line);
        self.introduced = line.has(Kind::Intro);
        let words = content.to_ascii_lowercase();
        self.found.session.announced = memchr::memmem::find(&words, b"transcript").is_some();
        if !self.introduced && line.has(Kind::Cause) {
            self.open(Owner::All, line.end, 0, true);
        }
    }

    /// Whether the line goes on with an open reason although it looks like something new: it stands deeper than the line
    /// that opened it, or names the same recipient.
    fn continues(&self, line: Line, content: &[u8]) -> bool {
        let Some(open) = self.open else { return false };
        let Owner::Recipient(place) = open.owner else { return false };
        if line.indent > open.indent {
            let lone = address::opening(content).is_some_and(|opened| opened.rest.is_empty());
            return !(open.is_empty() && lone && !open.announced);
        }
        let same = |opened: Opened<'_>| self.found.entries.find(opened.address) == Some(place);
        !open.is_empty() && address::opening(content).is_some_and(same)
    }

    /// `(expanded from: <a@example.com>)`, `generated by a@example.com`: the address before forwarding.
    /// Returns whether the line says this and no more.
    fn expansion(&mut self, content: &'t [u8], number: usize) -> bool {
        const WORDS: [&[u8]; 4] = [b"(expanded from", b"(generated from", b"generated by", b"(ultimately generated"];
        let Some(Open { owner: Owner::Recipient(place), .. }) = self.open else { return false };
        if !WORDS.iter().any(|word| content.starts_with(word)) {
            return false;
        }
        let Some((_, original)) = address::among(content).next() else { return false };
        if let Some(entry) = self.found.entries.get_mut(place) {
            let is_program = entry.told.recipient.is_some_and(|r| program(r).is_some() || !r.contains(&b'@'));
            if is_program {
                entry.told.recipient = Some(original);
            } else {
                entry.told.original_recipient = Some(original);
            }
        }
        if let Some(open) = &mut self.open
            && open.is_empty()
        {
            self.found.list_end = number + 1;
            return true;
        }
        false
    }

    fn extend(&mut self, line: Line, number: usize) {
        let Some(open) = &mut self.open else { return };
        if open.is_empty() {
            open.start = line.start + line.indent;
        }
        open.end = line.end;
        open.delay |= line.has(Kind::Delay);
        self.found.list_end = number + 1;
        self.found.failure |= line.has(Kind::Failure) || line.has(Kind::GivenUp);
        self.found.given_up |= line.has(Kind::GivenUp);
    }

    fn open(&mut self, owner: Owner, start: usize, indent: usize, announced: bool) {
        self.open = Some(Open { owner, start, end: start, indent, announced, delay: false });
    }

    /// Reads the open reason.
    fn close(&mut self) {
        let Some(open) = self.open.take().filter(|open| !open.is_empty()) else { return };
        let words = self.lines.span(open.start, open.end);
        match open.owner {
            Owner::All => {
                let is_reply = find_reply(words.get(..MAX_REASON).unwrap_or(words)).is_some();
                if self.found.labelled.is_none() || (is_reply && !self.labelled_reply) {
                    self.found.labelled = Some(words);
                    self.labelled_reply = is_reply;
                }
            }
            Owner::Recipient(place) => {
                let reason = Reason::read(words);
                // What a server says of later attempts is not what the reporting program will do.
                self.found.delay |= open.delay && !reason.is_reply;
                self.found.failure |= open.delay;
                if let Some(entry) = self.found.entries.get_mut(place) {
                    entry.learn(&reason);
                }
            }
        }
    }

    /// `Label: value`.
    fn field(&mut self, content: &'t [u8], line: Line, number: usize) -> bool {
        let Some((role, text)) = fields::labelled(content) else { return false };
        let start = line.end - text.len().min(line.end - line.start);
        match role {
            Role::FinalRecipient => self.final_recipient(text, number),
            Role::Original => self.group.original = value::of(role, text),
            Role::Action => self.group.action = Some(text),
            Role::Status => match EnhancedStatus::at_start(text) {
                Some((status, _)) if self.group.place.is_some() || self.group.action.is_some() => {
                    self.group.status = Some(status);
                }
                status => self.found.status = self.found.status.or(status.map(|(status, _)| status)),
            },
            Role::RemoteMta => {
                self.group.remote_mta = value::of(role, text);
                self.found.remote_mta = self.found.remote_mta.or(self.group.remote_mta);
            }
            Role::ReportingMta => self.found.reporting_mta = self.found.reporting_mta.or(value::of(role, text)),
            Role::QueueId => self.found.queue_id = self.found.queue_id.or(value::of(role, text)),
            Role::Diagnostic => self.diagnostic(text, line),
            Role::Reason => return self.reason(text, start, line, number),
            Role::Recipient => return self.labelled_recipients(text, line, number),
            Role::To => self.hints(text),
            Role::Other => {}
        }
        true
    }

    fn final_recipient(&mut self, text: &'t [u8], number: usize) {
        if self.group.place.is_some() {
            self.end_group();
        }
        let Some(recipient) = value::of(Role::FinalRecipient, text) else { return };
        self.group.place = self.found.entries.claim(recipient, Rank::Field);
        self.found.failure = true;
        self.found.list_start.get_or_insert(number);
        self.found.list_end = number + 1;
    }

    fn diagnostic(&mut self, text: &'t [u8], line: Line) {
        self.close();
        let behind = value::after_type(text);
        let owner = self.group.place.map_or(Owner::All, Owner::Recipient);
        self.open(owner, line.end - behind.len().min(line.end - line.start), line.indent, false);
        if let Some(open) = &mut self.open {
            open.end = line.end;
        }
    }

    fn end_group(&mut self) {
        let group = std::mem::take(&mut self.group);
        let Some(entry) = group.place.and_then(|place| self.found.entries.get_mut(place)) else { return };
        let is = |word: &[u8]| group.action.is_some_and(|action| action.eq_ignore_ascii_case(word));
        entry.told.status = group.status.or(entry.told.status);
        entry.told.remote_mta = entry.told.remote_mta.or(group.remote_mta);
        entry.told.original_recipient = entry.told.original_recipient.or(group.original);
        entry.delivered = is(b"delivered") || is(b"relayed") || is(b"expanded");
        if is(b"delayed") {
            entry.told.outcome = crate::record::Outcome::Deferred;
        }
    }

    /// `Reason: words`: of the recipient that was named last if it has none, else of all.
    fn reason(&mut self, text: &'t [u8], start: usize, line: Line, number: usize) -> bool {
        self.close();
        self.note(line);
        let last = self.found.entries.list.len().checked_sub(1);
        let bare = last.filter(|&place| {
            self.found.entries.list.get(place).is_some_and(|entry| entry.told.diagnostic.is_none())
                && self.found.list_end == number
        });
        self.open(bare.map_or(Owner::All, Owner::Recipient), start, line.indent, true);
        if !text.is_empty() {
            self.extend(line, number);
            if let Some(open) = &mut self.open {
                open.start = start;
            }
        }
        true
    }

    /// `Recipient: a@example.com`, or a list below.
    fn labelled_recipients(&mut self, text: &'t [u8], line: Line, number: usize) -> bool {
        self.close();
        self.introduced = true;
        self.note(line);
        let mut last = None;
        for (_, found) in address::among(text) {
            last = self.found.entries.claim(found, Rank::Listed).or(last);
        }
        if last.is_none()
            && let Some(opened) = address::opening(text)
        {
            last = self.found.entries.claim(opened.address, Rank::Listed);
        }
        if let Some(place) = last {
            self.named(number);
            self.open(Owner::Recipient(place), line.end, line.indent, false);
        }
        true
    }

    fn hints(&mut self, text: &'t [u8]) {
        for (_, found) in address::among(text).take(16) {
            self.found.entries.claim(found, Rank::Weak);
        }
    }

    fn named(&mut self, number: usize) {
        self.found.list_start.get_or_insert(number);
        self.found.list_end = number + 1;
    }

    /// A line that opens with a recipient.
    fn recipient(&mut self, content: &'t [u8], line: Line, number: usize) -> bool {
        let body = without_bullet(content);
        if let Some(program) = program(body).filter(|_| self.introduced) {
            self.close();
            let place = self.found.entries.claim(program, Rank::Listed);
            self.named(number);
            if let Some(place) = place {
                self.open(Owner::Recipient(place), line.end, line.indent, false);
            }
            return true;
        }
        let asks = line.has(Kind::Contact) || self.lines.get(number + 1).is_some_and(|below| below.has(Kind::Contact));
        let named = || (self.introduced && !asks).then(|| named_address(body)).flatten();
        let Some(mut opened) = address::opening(body).or_else(named).or_else(|| self.local(body, line, number)) else {
            return false;
        };
        // `joe@example.net <joe@example.net>`: the second is the mailbox.
        if let Some(second) = address::opening(opened.rest.trim_ascii_start()).filter(|second| second.angled) {
            opened = second;
        }
        let (original, rest) = inline_expansion(opened.rest);
        opened.rest = rest;
        let rest = opened.rest.trim_ascii_start();
        let reason = match Tail::of(opened.rest) {
            Tail::Nothing if self.introduced => rest,
            Tail::Nothing => return self.lone(opened, line),
            Tail::Colon => rest.get(1..).unwrap_or_default(),
            Tail::Reason if self.introduced || opened.rest.starts_with(b"...") => rest,
            Tail::More if self.introduced => {
                self.hint_list(rest, number);
                &[]
            }
            _ => return false,
        };
        self.close();
        let Some(place) = self.found.entries.claim(opened.address, Rank::Listed) else { return true };
        self.named(number);
        if let Some(entry) = self.found.entries.get_mut(place) {
            entry.told.original_recipient = entry.told.original_recipient.or(original);
        }
        self.found.failure |= line.has(Kind::Failure) || line.has(Kind::GivenUp);
        let announced = matches!(Tail::of(opened.rest), Tail::Colon);
        let reason = reason.trim_ascii();
        self.open(Owner::Recipient(place), line.end - reason.len(), line.indent, announced);
        if let Some(open) = &mut self.open {
            open.end = line.end;
            open.delay = line.has(Kind::Delay);
        }
        true
    }

    /// A local part alone in a line of a list, with its reason deeper below.
    fn local(&self, body: &'t [u8], line: Line, number: usize) -> Option<Opened<'t>> {
        let is_word = !body.iter().any(|b| b.is_ascii_whitespace() || matches!(b, b':' | b'.' | b'@' | b'<' | b'('));
        let below = self.lines.get(number + 1).filter(|below| !below.is_blank() && below.indent > line.indent);
        let is_local = self.introduced && line.indent > 0 && is_word && below.is_some();
        is_local.then_some(Opened { address: body, rest: &[], angled: false })
    }

    /// Further recipients in the line of the first.
    fn hint_list(&mut self, text: &'t [u8], number: usize) {
        for (_, found) in address::among(text) {
            self.found.entries.claim(found, Rank::Listed);
        }
        self.named(number);
    }

    /// An address alone in its line that nothing announced.
    fn lone(&mut self, opened: Opened<'t>, line: Line) -> bool {
        self.close();
        if let Some(place) = self.found.entries.claim(opened.address, Rank::Weak) {
            self.open(Owner::Recipient(place), line.end, line.indent, false);
        }
        true
    }

    fn prose(&mut self, line: Line, content: &'t [u8], number: usize) {
        if let Some(Open { owner, .. }) = self.open {
            if !self.expansion(content, number) {
                self.extend(line, number);
            }
            if owner == Owner::All {
                self.note(line);
            }
            return;
        }
        self.note(line);
        if line.has(Kind::Intro) {
            self.introduced = true;
        } else if line.has(Kind::Contact) {
            self.introduced = false;
        }
        self.found.reporting_mta = self.found.reporting_mta.or_else(|| reporter(content));
    }

    fn note(&mut self, line: Line) {
        self.found.failure |= line.has(Kind::Failure) || line.has(Kind::Delay) || line.has(Kind::GivenUp);
        self.found.sure |= line.has(Kind::Failure) && line.has(Kind::Intro);
        self.found.delay |= line.has(Kind::Delay);
        self.found.given_up |= line.has(Kind::GivenUp);
    }
}
