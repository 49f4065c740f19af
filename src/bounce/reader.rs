//! The order in which a mail is read.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};
use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use super::dsn::{self, MessageFields, RecipientFields};
use super::kind::{Signs, has_body_mark, is_bare_cr};
use super::text::{self, Clues, Told};
use super::{BounceFacts, Finding, Kind, Times, merge};
use crate::mail::address::{addresses, only_address};
use crate::mail::decode::{self, Cost};
use crate::mail::fields::{decoded, fields, find, split, starts_field};
use crate::mail::parts::{Media, Part, Parts, ReportType, Transfer};
use crate::mail::{lines, starts_with_ignore_case};
use crate::provenance::Provenance;
use crate::record::{DeliveryRecord, Outcome};

/// Mails in each other that are opened to find a bounce that was forwarded as an attachment.
const MAX_FORWARDS: usize = 3;
/// Bytes a person may write beside a bounce that is forwarded; more, and the mail is about something else.
const MAX_COVER: usize = 1024;
/// Encoded bytes of a returned message that are decoded for its header.
const MAX_ORIGINAL: usize = 64 * 1024;
/// Texts of one mail that are read as prose.
const MAX_TEXTS: usize = 4;

/// What a record is handed over with.
pub type Emit<'e> = dyn FnMut(&DeliveryRecord<'_>, &BounceFacts<'_>) + 'e;

/// Reads single mails. Holds what can be used again for the next one; one for each worker.
#[derive(Debug, Default)]
pub struct Reader {
    parts: Parts,
    lines_mended: Vec<u8>,
}

impl Reader {
    /// A reader that has read nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads one mail and calls `emit` for every recipient that failed or must wait.
    ///
    /// `mail` is one message, with or without its mbox separator line; quoting of `From ` lines may still be in it.
    /// Records borrow from the mail, or from its decoded text while `emit` runs. Time is linear in the mail. A report that is
    /// plain `message/delivery-status` with the servers' replies in it is not copied, and of its other parts only the
    /// returned message's header is looked at.
    ///
    /// ```
    /// # use bouncesift::bounce::{Kind, Reader};
    /// # use bouncesift::provenance::{FileId, Provenance};
    /// let mail = b"From: MAILER-DAEMON@mx.example.org\nContent-Type: message/delivery-status\n\n\
    /// Reporting-MTA: dns; mx.example.org\n\nFinal-Recipient: rfc822; a@example.com\nAction: failed\nStatus: 5.7.1\n\
    /// Diagnostic-Code: smtp; 550 5.7.1 Refused\n";
    /// let place = Provenance { file: FileId(0), len: mail.len() as u32, offset: 0 };
    /// let finding = Reader::new().read(mail, place, &mut |record, _| {
    ///     assert_eq!(record.final_recipient, Some(&b"a@example.com"[..]));
    ///     assert_eq!(record.diagnostic, Some(&b"550 5.7.1 Refused"[..]));
    /// });
    /// assert_eq!((finding.kind, finding.records), (Kind::Bounce, 1));
    /// ```
    pub fn read(&mut self, mail: &[u8], provenance: Provenance, emit: &mut Emit<'_>) -> Finding {
        if !is_bare_cr(mail) {
            return self.read_lines(mail, provenance, emit);
        }
        let mut mended = std::mem::take(&mut self.lines_mended);
        mended.clear();
        mended.extend(mail.iter().map(|b| if *b == b'\r' { b'\n' } else { *b }));
        let mut finding = self.read_lines(&mended, provenance, emit);
        finding.copies += 1;
        self.lines_mended = mended;
        finding
    }

    fn read_lines(&mut self, mail: &[u8], provenance: Provenance, emit: &mut Emit<'_>) -> Finding {
        let mut finding = Finding::default();
        let mut bytes = mail;
        for level in 0..=MAX_FORWARDS {
            self.parts.walk(bytes);
            finding.note(&self.parts);
            let header = bytes.get(self.parts.header.clone()).unwrap_or(&[]);
            let signs = Signs::read(header);
            let mut one = Mail {
                bytes,
                header,
                parts: &self.parts,
                signs,
                provenance,
                finding: &mut finding,
                cost: Cost::default(),
            };
            let inner = one.read(level < MAX_FORWARDS, emit);
            let cost = one.cost;
            finding.copies += cost.copies;
            finding.decode_lossy |= cost.lossy;
            match inner.and_then(|range| bytes.get(range)) {
                Some(inner) => bytes = inner,
                None => {
                    finding.is_forwarded = level > 0 && finding.records > 0;
                    break;
                }
            }
        }
        finding
    }
}

impl Finding {
    fn note(&mut self, parts: &Parts) {
        self.mime_depth_exceeded |= parts.depth_exceeded;
        self.mime_parts_exceeded |= parts.parts_exceeded;
        self.header_capped |= parts.header_capped;
        self.ambiguous_mime |= parts.ambiguous;
    }
}

/// One mail while it is read.
struct Mail<'a, 'm> {
    bytes: &'m [u8],
    header: &'m [u8],
    parts: &'a Parts,
    signs: Signs,
    provenance: Provenance,
    finding: &'a mut Finding,
    cost: Cost,
}

/// What the header of the returned message says.
#[derive(Clone, Copy, Default)]
struct Returned<'m> {
    header: Option<&'m [u8]>,
    sender: Option<&'m [u8]>,
    to: Option<&'m [u8]>,
}

/// What the fields of all notifications in a mail come to.
#[derive(Default)]
struct Survey {
    groups: u32,
    bounced: u32,
    deferred: u32,
    needs_text: bool,
}

impl<'m> Mail<'_, 'm> {
    /// Reads the mail; returns the place of a mail inside of it that is to be read instead.
    fn read(&mut self, may_open: bool, emit: &mut Emit<'_>) -> Option<std::ops::Range<usize>> {
        if self.is_feedback() {
            self.finding.kind = Kind::Feedback;
            return None;
        }
        let statuses = self.contents(Media::DeliveryStatus);
        if self.notifications(&statuses, emit) {
            return None;
        }
        if self.parts.report == Some(ReportType::Disposition) || self.parts.of(Media::Disposition).next().is_some() {
            self.finding.kind = Kind::Disposition;
            return None;
        }
        if self.signs.may_be_prose() || !statuses.is_empty() || self.is_json() {
            let inner = self.attached_report().filter(|_| may_open);
            if self.prose(&statuses, inner.is_some(), emit) {
                return None;
            }
            if inner.is_some() {
                return inner;
            }
            let is_report = self.signs.is_by_reporter() || !statuses.is_empty();
            self.finding.kind = if is_report { Kind::Unread } else { Kind::Ordinary };
        }
        if self.signs.is_notice() {
            self.finding.kind = Kind::AutoReply;
            return None;
        }
        self.forwarded().filter(|_| may_open)
    }

    fn is_feedback(&self) -> bool {
        self.signs.is_complaint
            || self.parts.report == Some(ReportType::Feedback)
            || self.parts.of(Media::Feedback).next().is_some()
    }

    /// Whether the mail is a notification in JSON. Nothing in its header says so, so its body must be one from its start.
    fn is_json(&self) -> bool {
        let first = self.parts.leaves().first().filter(|part| part.media.is_text());
        let body = first.map_or(&[][..], |part| part.body_of(self.bytes)).trim_ascii_start();
        body.starts_with(b"{") && has_body_mark(body.get(..MAX_COVER).unwrap_or(body))
    }

    fn contents(&mut self, media: Media) -> Vec<Cow<'m, [u8]>> {
        let (bytes, cost) = (self.bytes, &mut self.cost);
        self.parts.of(media).map(|part| decode::content(bytes, part, cost)).collect()
    }

    /// Reads the fields of notifications. `false` where they name no recipient.
    fn notifications(&mut self, texts: &[Cow<'_, [u8]>], emit: &mut Emit<'_>) -> bool {
        if texts.is_empty() {
            return false;
        }
        let survey = survey(texts);
        if survey.groups == 0 {
            return false;
        }
        self.finding.kind = match survey {
            Survey { bounced: 1.., .. } => Kind::Bounce,
            Survey { deferred: 1.., .. } => Kind::DelayNotice,
            _ => Kind::SuccessNotice,
        };
        if survey.bounced + survey.deferred == 0 {
            return true;
        }
        let readable = Texts::new(self.bytes, self.parts, &[], self.signs.is_by_reporter());
        let original = self.original();
        let tail = original.is_none().then(|| readable.plain().find_map(returned_in)).flatten();
        let returned = returned(original.as_deref().or(tail));
        let clue_values = if survey.needs_text { self.clues() } else { ClueValues::default() };
        let clues = Clues { is_report: self.signs.says_undelivered, ..clue_values.borrow(returned.to) };
        let told = if survey.needs_text { told_by(&readable, &clues) } else { Vec::new() };
        let told = merge::ByRecipient::new(&told);
        let mut message = MessageFields::default();
        let (times, is_only) = (self.times(), survey.groups == 1);
        let failed = clues.failed_recipients.and_then(only_address).filter(|_| is_only);
        for text in texts {
            let read = dsn::read(text, &mut message, &mut |message, group, _| {
                let Some(outcome) = merge::outcome(group) else { return };
                let told = told.of(group, is_only);
                let mut record = merge::record(message, group, told, failed, outcome, self.provenance);
                record.sender = record.sender.or(returned.sender);
                let times = Times { last_attempt: group.last_attempt, arrival: message.arrival_date, ..times };
                emit(&record, &BounceFacts { header: self.header, returned: returned.header, times });
            });
            self.finding.groups_exceeded |= read.exceeded;
        }
        self.cost.add(readable.cost.get());
        self.finding.records += survey.bounced + survey.deferred;
        self.note_nested();
        true
    }

    /// Reads the texts as prose, or as fields printed in them. `false` where they say nothing. A report that names nobody
    /// is one all the same, but not where the message inside of it is a report itself (`has_inner`): that one knows more.
    fn prose(&mut self, statuses: &[Cow<'m, [u8]>], has_inner: bool, emit: &mut Emit<'_>) -> bool {
        let texts = Texts::new(self.bytes, self.parts, statuses, self.signs.is_by_reporter());
        let original = self.original();
        let bare: Vec<_> = texts.plain().filter_map(bare_fields).collect();
        if self.notifications(&bare, emit) {
            return true;
        }
        let tail = original.is_none().then(|| texts.plain().find_map(returned_in)).flatten();
        let returned = returned(original.as_deref().or(tail));
        let clue_values = self.clues();
        // Where the attached message is a report, its `To` is who sent the mail that failed.
        let to = returned.to.filter(|_| !has_inner);
        let clues = Clues { is_report: self.signs.says_undelivered, ..clue_values.borrow(to) };
        let told = told_by(&texts, &clues);
        self.cost.add(texts.cost.get());
        let names_one = told.iter().any(|told| told.recipient.is_some());
        let is_quoted = returned.header.is_some() || !statuses.is_empty();
        let says_why = told.iter().any(|told| told.is_reply || told.status.is_some());
        if told.is_empty()
            || (!names_one && (has_inner || !is_quoted || !self.signs.is_by_reporter()))
            || !(self.signs.is_by_program() || is_quoted || says_why)
        {
            return false;
        }
        let facts = BounceFacts { header: self.header, returned: returned.header, times: self.times() };
        for told in &told {
            let mut record = merge::told_record(told, self.provenance);
            record.sender = record.sender.or(returned.sender);
            let to = returned.to.and_then(only_address);
            record.final_recipient = match (record.final_recipient, to) {
                (Some(name), Some(to)) if is_local_part(name, to) => Some(to),
                (known, to) => known.or(to),
            };
            emit(&record, &facts);
        }
        self.finding.records += told.len() as u32;
        let is_bounce = told.iter().any(|told| told.outcome == Outcome::Bounced);
        self.finding.kind = if is_bounce { Kind::Bounce } else { Kind::DelayNotice };
        self.note_nested();
        true
    }

    /// The returned message, or its header, where it is a part of its own.
    fn original(&mut self) -> Option<Cow<'m, [u8]>> {
        let is_original = |part: &&Part| matches!(part.media, Media::Message | Media::Headers);
        let part = self.parts.leaves().iter().find(is_original)?;
        let mut part = part.clone();
        if part.transfer != Transfer::Identity {
            part.body.end = part.body.end.min(part.body.start + MAX_ORIGINAL);
        }
        Some(decode::content(self.bytes, &part, &mut self.cost))
    }

    fn clues(&self) -> ClueValues<'m> {
        let value = |name: &str| find(self.header, name).map(decoded);
        ClueValues { subject: value("Subject"), from: value("From"), failed: find(self.header, "X-Failed-Recipients") }
    }

    fn times(&self) -> Times<'m> {
        let received = find(self.header, "Received").and_then(|value| {
            let at = memchr::memrchr(b';', value)?;
            Some(value.get(at + 1..)?.trim_ascii()).filter(|date| !date.is_empty())
        });
        Times { received, date: find(self.header, "Date").map(<[u8]>::trim_ascii), ..Times::default() }
    }

    fn note_nested(&mut self) {
        static MARK: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"/delivery-status"));
        let mut messages = self.parts.of(Media::Message);
        self.finding.nested_report |= messages.any(|part| MARK.find(part.body_of(self.bytes)).is_some());
    }

    /// The only attached message, where it is a report itself.
    fn attached_report(&self) -> Option<std::ops::Range<usize>> {
        let mut messages = self.parts.of(Media::Message);
        let part = messages.next().filter(|_| messages.next().is_none())?;
        let inner = part.body_of(self.bytes);
        let header = inner.get(split(inner).header)?;
        Signs::read(header).is_by_reporter().then(|| part.body.clone())
    }

    /// The bounce that this mail forwards as its attachment, and nothing but that.
    fn forwarded(&mut self) -> Option<std::ops::Range<usize>> {
        let range = self.attached_report()?;
        let (bytes, cost) = (self.bytes, &mut self.cost);
        let mut is_short = |part: &Part| {
            let text = decode::text(bytes, part, cost);
            text.iter().filter(|b| !b.is_ascii_whitespace()).count() <= MAX_COVER
        };
        let mut others = self.parts.leaves().iter().filter(|part| part.media != Media::Message);
        others.all(|part| part.media.is_text() && is_short(part)).then_some(range)
    }
}

/// Whether a name without a domain is the local part of an address.
fn is_local_part(name: &[u8], address: &[u8]) -> bool {
    address.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"@"))
}

fn survey(texts: &[Cow<'_, [u8]>]) -> Survey {
    let mut survey = Survey::default();
    let mut message = MessageFields::default();
    for text in texts {
        let mut note = |_: &MessageFields<'_>, group: &RecipientFields<'_>, _| {
            survey.groups += 1;
            let outcome = merge::outcome(group);
            survey.bounced += u32::from(outcome == Some(Outcome::Bounced));
            survey.deferred += u32::from(outcome == Some(Outcome::Deferred));
            survey.needs_text |= outcome.is_some() && merge::needs_text(group);
        };
        dsn::read(text, &mut message, &mut note);
    }
    survey
}

/// The readable texts of a mail: plain text first, then HTML, then what only claims to be the fields of a notification.
/// Each is decoded when it is asked for.
struct Texts<'a, 'm> {
    message: &'m [u8],
    leaves: Vec<(&'a Part, OnceCell<Cow<'m, [u8]>>)>,
    others: &'a [Cow<'m, [u8]>],
    cost: Cell<Cost>,
}

impl<'a, 'm> Texts<'a, 'm> {
    /// Other texts than plain and HTML ones, such as calendars, are believed of a program that returns mail alone.
    fn new(message: &'m [u8], parts: &'a Parts, others: &'a [Cow<'m, [u8]>], is_by_reporter: bool) -> Self {
        let is_plain = |part: &&Part| part.media == Media::Plain || (is_by_reporter && part.media == Media::Text);
        let plain = parts.leaves().iter().filter(is_plain);
        let leaves = plain.chain(parts.of(Media::Html)).take(MAX_TEXTS).map(|part| (part, OnceCell::new())).collect();
        Texts { message, leaves, others, cost: Cell::default() }
    }

    fn decoded(&self) -> impl Iterator<Item = (Media, &[u8])> {
        self.leaves.iter().map(|(part, text)| {
            let decode = || {
                let mut cost = self.cost.get();
                let text = decode::text(self.message, part, &mut cost);
                self.cost.set(cost);
                text
            };
            (part.media, &**text.get_or_init(decode))
        })
    }

    fn all(&self) -> impl Iterator<Item = &[u8]> {
        self.decoded().map(|(_, text)| text).chain(self.others.iter().map(|text| &**text))
    }

    /// Those that are no HTML; of a mail that has nothing else, the HTML.
    fn plain(&self) -> impl Iterator<Item = &[u8]> {
        let only_html = self.leaves.iter().all(|(part, _)| part.media == Media::Html);
        let count = self.leaves.iter().take_while(|(part, _)| only_html || part.media != Media::Html).count();
        self.decoded().take(count).map(|(_, text)| text).chain(self.others.iter().map(|text| &**text))
    }
}

/// The first text that names a recipient decides; where none does, the first that says that something failed.
fn told_by<'t>(texts: &'t Texts<'_, '_>, clues: &Clues<'t>) -> Vec<Told<'t>> {
    let mut best = Vec::new();
    for text in texts.all() {
        let mut told = Vec::new();
        text::read(text, clues, &mut told);
        if told.iter().any(|told| told.recipient.is_some()) {
            return told;
        }
        if best.is_empty() {
            best = told;
        }
    }
    best
}

/// The fields of a notification that stand in a text, without the returned message behind them. Those within a returned
/// message are not ours to read: it may be a notification itself.
fn bare_fields<'t>(text: &'t [u8]) -> Option<Cow<'t, [u8]>> {
    let start = dsn::find_fields(text)?;
    let before = text::returned_at(text).filter(|at| *at > 0).and_then(|at| text.get(at..start));
    if before.is_some_and(holds_message_fields) {
        return None;
    }
    let from = text.get(start..)?;
    let end = text::returned_at(from).filter(|at| *at > 0).unwrap_or(from.len());
    let fields = from.get(..end)?;
    memmem::find(fields, b"inal-").is_some().then_some(Cow::Borrowed(fields))
}

/// Whether a text holds fields that a message has and a part of a report has not.
fn holds_message_fields(text: &[u8]) -> bool {
    const NAMES: [&[u8]; 4] = [b"From:", b"Subject:", b"Received:", b"Message-ID:"];
    lines(text).any(|(_, line)| NAMES.iter().any(|name| starts_with_ignore_case(line, name)))
}

/// The returned message in a text that holds the report as well.
fn returned_in(text: &[u8]) -> Option<&[u8]> {
    let from = text.get(text::returned_at(text)?..)?;
    let (start, _) = lines(from).take(8).find(|(_, line)| starts_field(line))?;
    from.get(start..)
}

/// What the header of the returned message says, in one pass.
fn returned(message: Option<&[u8]>) -> Returned<'_> {
    // Some programs put an empty line in front of the message that they return.
    let Some(message) = message.map(<[u8]>::trim_ascii_start) else { return Returned::default() };
    let Some(header) = message.get(split(message).header).filter(|header| !header.is_empty()) else {
        return Returned::default();
    };
    let (mut path, mut from, mut to, mut received) = (None, None, None, None);
    for field in fields(header) {
        let slot = match field.name.len() {
            11 if field.is("Return-Path") => &mut path,
            4 if field.is("From") => &mut from,
            2 if field.is("To") => &mut to,
            8 if field.is("Received") => &mut received,
            _ => continue,
        };
        *slot = slot.or(Some(field.value));
    }
    let to = to.or_else(|| received.and_then(received_for));
    let sender = path.and_then(first_address).or_else(|| from.and_then(first_address));
    Returned { header: Some(header), sender, to }
}

/// The recipient that a `Received` field names, if it names one.
fn received_for(value: &[u8]) -> Option<&[u8]> {
    let at = memmem::find_iter(value, b"for ")
        .find(|at| at.checked_sub(1).and_then(|before| value.get(before)).is_some_and(u8::is_ascii_whitespace))?;
    let rest = value.get(at + 4..)?;
    rest.get(..memchr::memchr(b';', rest)?)
}

fn first_address(value: &[u8]) -> Option<&[u8]> {
    addresses(value).find(|address| !address.is_empty())
}

/// Values of the mail's header that help to read its text.
#[derive(Default)]
struct ClueValues<'m> {
    subject: Option<Cow<'m, [u8]>>,
    from: Option<Cow<'m, [u8]>>,
    failed: Option<&'m [u8]>,
}

impl ClueValues<'_> {
    fn borrow<'t>(&'t self, original_to: Option<&'t [u8]>) -> Clues<'t> {
        Clues {
            subject: self.subject.as_deref(),
            from: self.from.as_deref(),
            failed_recipients: self.failed,
            original_to,
            is_report: false,
        }
    }
}
