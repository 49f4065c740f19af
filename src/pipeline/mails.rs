//! What a worker does with a mail: read it, judge what it tells, and leave that to be counted in order.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::mail_sources::{Mails, Work};
use super::worker::{Remains, Worker, bounded_text, refusal_counts, refusal_key, traffic_counts, traffic_key};
use crate::bounce::returned::{Returned, is_within};
use crate::bounce::{BounceFacts, Finding, Times, is_candidate};
use crate::clock::{NoTime, Years};
use crate::formats::Skip;
use crate::groups::Rank;
use crate::input::discover::reason;
use crate::input::mbox::{MboxMessage, MessageBlock, from_line};
use crate::input::members;
use crate::judge::codes;
use crate::mail::fields::{fields, split};
use crate::provenance::Provenance;
use crate::record::{DeliveryRecord, Hop, Outcome, Trust, domain_of};
use crate::rows::{EventRow, Example, MailRow, RefusalKey};
use crate::stamp::Stamp;
use crate::tally::{RefusalCounts, TrafficCounts, TrafficKey};
use crate::told;

/// Characters of a host or program name that are kept.
const LONGEST_NAME: usize = 255;

/// Where an input could not be read on, and why.
pub type Trouble = (u64, String);

/// A mail and where it stands.
#[derive(Clone, Copy, Debug)]
struct Mail<'m> {
    /// The message, without an mbox separator.
    bytes: &'m [u8],
    /// Its place.
    provenance: Provenance,
    /// Name of its file, where the input is a directory of mails.
    member: Option<&'m str>,
    /// The mbox separator before it.
    separator: Option<&'m [u8]>,
    /// Last plausible moment, UTC seconds.
    latest: i64,
}

/// What a bounce tells of one recipient, before it is known whether it was told already.
#[derive(Debug)]
pub struct PendingBounce {
    /// Key of the mail and the recipient's place in it.
    pub content: told::Key,
    /// Ids of the message refused.
    pub messages: Vec<told::Message>,
    /// Who it was refused to: the recipient, and the one before forwarding.
    pub recipients: Vec<Box<[u8]>>,
    /// Which way the attempt went.
    pub hop: Hop,
    /// What became of it.
    pub outcome: Outcome,
    /// Attempts it stands for.
    pub weight: u64,
    /// Its group.
    pub refusal: (RefusalKey, RefusalCounts),
    /// Its denominator, where it belongs to a believed attempt at an ISP.
    pub traffic: Option<(TrafficKey, TrafficCounts)>,
    /// The event, if wanted.
    pub event: Option<EventRow>,
}

/// What is the same for all recipients of a mail.
struct About {
    content: u64,
    row: MailRow,
    message_id: Option<Vec<u8>>,
    queue_ids: Vec<Vec<u8>>,
    /// Domains that the returned message was sent by.
    senders: Vec<Vec<u8>>,
    named: bool,
    member: Option<Arc<str>>,
}

impl Worker<'_> {
    /// Reads some mails; says what kept it from reading all of them.
    pub fn mails(&mut self, work: &Work<'_>, block: &MessageBlock, buffer: &mut Vec<u8>) -> (Remains, Option<Trouble>) {
        let trouble = match &work.mails {
            Mails::Block => {
                block.messages().for_each(|message| self.message(&message, work));
                None
            }
            Mails::End(counts, trouble) => {
                self.remains.counts.mbox(counts);
                trouble.clone()
            }
            Mails::Message(path) => self.file(path, None, work, buffer),
            Mails::Members(directory, names, range) => {
                let mut trouble = None;
                for name in range.clone().filter_map(|at| names.get(at)) {
                    let failed = self.file(&directory.join(OsStr::from_bytes(name)), Some(name), work, buffer);
                    trouble = trouble.or(failed);
                }
                trouble
            }
        };
        (std::mem::take(&mut self.remains), trouble)
    }

    fn message(&mut self, message: &MboxMessage<'_>, work: &Work<'_>) {
        self.remains.counts.mail_bytes += message.len;
        let len = u32::try_from(message.len).unwrap_or(u32::MAX);
        self.mail(&Mail {
            bytes: message.bytes,
            provenance: Provenance { file: work.id, len, offset: message.offset },
            member: None,
            separator: Some(message.from_line),
            latest: work.latest.unwrap_or_default(),
        });
    }

    /// Reads the mail in a file.
    fn file(&mut self, path: &Path, name: Option<&[u8]>, work: &Work<'_>, buffer: &mut Vec<u8>) -> Option<Trouble> {
        let read = match members::read(path, buffer) {
            Ok(read) => read,
            // Renamed or removed since it was listed, as mail programs do.
            Err(error) if name.is_some() && error.kind() == io::ErrorKind::NotFound => {
                self.remains.counts.vanished += 1;
                return None;
            }
            Err(error) => {
                self.remains.counts.mails += 1;
                self.remains.counts.skip(Skip::UnreadableMail);
                let file = name.map_or_else(String::new, |name| format!("{}: ", crate::text::shown(name)));
                return Some((0, format!("{file}{}", reason(&error))));
            }
        };
        self.remains.counts.mail_bytes += read.size;
        self.remains.counts.mails_cut += u64::from(read.size > buffer.len() as u64);
        let member = name.map(crate::text::shown);
        self.mail(&Mail {
            bytes: buffer,
            provenance: Provenance { file: work.id, len: u32::try_from(read.size).unwrap_or(u32::MAX), offset: 0 },
            member: member.as_deref(),
            separator: None,
            latest: work.latest.unwrap_or(read.modified),
        });
        None
    }

    /// Reads a mail.
    fn mail(&mut self, mail: &Mail<'_>) {
        self.remains.counts.mails += 1;
        if !is_candidate(mail.bytes) {
            return self.remains.counts.skip(Skip::OrdinaryMail);
        }
        let mut reader = std::mem::take(&mut self.reader);
        let mut about: Option<About> = None;
        let mut nth = 0;
        let finding = reader.read(mail.bytes, mail.provenance, &mut |record, facts| {
            let about = about.get_or_insert_with(|| self.about(mail, facts));
            self.told(record, facts, mail, about, nth);
            nth += 1;
        });
        self.reader = reader;
        self.account_mail(&finding);
    }

    fn account_mail(&mut self, finding: &Finding) {
        let counts = &mut self.remains.counts;
        counts.notice(finding);
        if finding.records > 0 {
            counts.mails_with_records += 1;
            return;
        }
        counts.skip(finding.kind.skip());
    }

    fn told(&mut self, record: &DeliveryRecord<'_>, facts: &BounceFacts<'_>, mail: &Mail<'_>, about: &About, nth: u32) {
        let to = self.receiver(record);
        let (time, basis) = self.mail_time(facts, mail);
        let (codes, reply) = codes(record);
        let opinion = self.judge.opinion(record, &reply, &to.isp);
        self.remains.counts.code_invalid += u64::from(codes.invalid);
        let trust = self.trust(record, about);
        let sender = record.sender.and_then(domain_of).and_then(|domain| self.judge.domain(domain));
        let key = RefusalKey { trust, ..refusal_key(record, &to, time, &codes, &opinion, sender.clone()) };
        let example = Example { provenance: mail.provenance, member: about.member.clone() };
        let counts = RefusalCounts { example: Some(example), ..refusal_counts(record, time, &codes, &opinion) };
        let counted = trust.is_believed() && record.attempted && record.hop.is_outward();
        let event = self.options.events.refused().then(|| EventRow {
            event_id: told::by_content(about.content) ^ u64::from(nth),
            member: about.member.clone(),
            trust,
            event_time_basis: basis,
            mail_from_domain: sender,
            mail: Some(Box::new(about.row.clone())),
            ..self.event(record, nth, &to, time, Some(&opinion), &codes)
        });
        self.remains.bounces.push(PendingBounce {
            content: told::by_content(about.content ^ u64::from(nth)),
            messages: messages(record, about),
            recipients: record.final_recipient.into_iter().chain(record.original_recipient).map(Box::from).collect(),
            hop: record.hop,
            outcome: record.outcome,
            weight: u64::from(record.attempted),
            traffic: counted.then(|| (traffic_key(&to, time), traffic_counts(record, &codes, &opinion))),
            refusal: (key, counts),
            event,
        });
    }

    /// When the refusal was, and how that is known.
    fn mail_time(&mut self, facts: &BounceFacts<'_>, mail: &Mail<'_>) -> (Result<i64, NoTime>, &'static str) {
        let Some((stamp, basis)) = stamp_of(&facts.times, mail.separator) else {
            self.remains.counts.time(Err(NoTime::Unknown));
            return (Err(NoTime::Unknown), "none");
        };
        let time = self.clock.moment(&stamp, mail.provenance.offset, &Years::default(), mail.latest);
        self.remains.counts.time(time);
        let basis = match time {
            Ok(_) => basis,
            Err(NoTime::Suspect) => "suspect",
            Err(NoTime::Unknown) => "none",
        };
        (time, basis)
    }

    fn trust(&self, record: &DeliveryRecord<'_>, about: &About) -> Trust {
        let own = &self.options.own_domains;
        let sender = record.sender.and_then(domain_of);
        if own.is_empty() {
            let named = about.named || record.queue_id.is_some() || sender.is_some();
            return if named { Trust::Named } else { Trust::Unnamed };
        }
        let mut senders = about.senders.iter().map(Vec::as_slice).chain(sender).peekable();
        match senders.peek().is_some() {
            false => Trust::Unnamed,
            true if senders.any(|sender| own.iter().any(|own| is_within(sender, own))) => Trust::Named,
            true => Trust::Foreign,
        }
    }

    fn about(&mut self, mail: &Mail<'_>, facts: &BounceFacts<'_>) -> About {
        let mut returned = Returned::default();
        fields(facts.returned.unwrap_or(&[])).for_each(|field| returned.field(field.name, field.value));
        let owned = |text: &[u8]| text.to_vec();
        let return_path = returned.return_path.and_then(domain_of);
        About {
            content: identity(mail.bytes),
            row: self.mail_row(&returned),
            message_id: returned.message_id.map(owned),
            queue_ids: returned.queue_ids.iter().copied().map(owned).collect(),
            senders: returned.from_domain.into_iter().chain(return_path).map(owned).collect(),
            named: returned.message_id.is_some() || returned.from_domain.is_some() || !returned.queue_ids.is_empty(),
            member: mail.member.map(|name| self.judge.name(name)),
        }
    }

    fn mail_row(&mut self, returned: &Returned<'_>) -> MailRow {
        let words = |part: fn(&crate::bounce::returned::Signature<'_>) -> Vec<u8>| {
            let all: Vec<_> = returned.signatures.iter().map(part).collect();
            bounded_text(&all.join(&b' '), LONGEST_NAME * 4)
        };
        MailRow {
            message_id: returned
                .message_id
                .filter(|_| self.options.addresses)
                .and_then(|id| bounded_text(id, LONGEST_NAME * 4)),
            from_domain: returned.from_domain.and_then(|domain| self.judge.domain(domain)),
            return_path_domain: returned.return_path.and_then(domain_of).and_then(|domain| self.judge.domain(domain)),
            dkim_domains: words(|s| s.domain.to_ascii_lowercase()),
            dkim_selectors: words(|s| s.selector.to_vec()),
            dkim_aligned: returned.is_signature_aligned(),
            return_path_aligned: returned.is_return_path_aligned(),
            received_by: returned.received_by.and_then(|host| bounded_text(host, LONGEST_NAME)),
            mailer: returned.mailer.and_then(|name| bounded_text(name, LONGEST_NAME)),
            list_unsubscribe: (returned.fields > 0).then_some(returned.list_unsubscribe),
        }
    }
}

/// What stays the same of a mail wherever it lies: its own id and date, and its body. Mail programs and servers add header
/// fields.
fn identity(mail: &[u8]) -> u64 {
    let cut = split(mail);
    let header = mail.get(cut.header).unwrap_or(&[]);
    let own = fields(header).filter(|field| field.is("Message-ID") || field.is("Date"));
    let rank = own.fold(Rank::default(), |rank, field| rank.bytes(field.value.trim_ascii()));
    rank.content(mail.get(cut.body).unwrap_or(&[]).trim_ascii_end()).get()
}

/// The ids that a mail has for the message it tells of.
fn messages(record: &DeliveryRecord<'_>, about: &About) -> Vec<told::Message> {
    let ids = record.queue_id.into_iter().chain(about.queue_ids.iter().chain(&about.message_id).map(Vec::as_slice));
    ids.map(told::message).collect()
}

/// The best date: of the attempt itself, else of the bounce's delivery, else the one its author wrote.
fn stamp_of(times: &Times<'_>, separator: Option<&[u8]>) -> Option<(Stamp, &'static str)> {
    let date = |text: Option<&[u8]>| text.and_then(Stamp::rfc5322);
    let mbox = |line: &[u8]| from_line(line).map(|line| line.delivered);
    date(times.last_attempt)
        .map(|stamp| (stamp, "stated"))
        .or_else(|| date(times.received).map(|stamp| (stamp, "delivery")))
        .or_else(|| separator.and_then(mbox).map(|stamp| (stamp, "delivery")))
        .or_else(|| date(times.date).map(|stamp| (stamp, "header")))
        .or_else(|| date(times.arrival).map(|stamp| (stamp, "stated")))
}
