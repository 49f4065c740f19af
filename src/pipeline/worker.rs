//! One worker: blocks in, counts out. Everything it needs again and again it keeps.

use std::sync::Arc;

use super::mails::PendingBounce;
use crate::bounce::Reader;
use crate::clock::{Clock, NoTime, Years};
use crate::formats::syslog::{self, Framer};
use crate::formats::{FORMATS, Frame, LineEvent, LogFormat, Parsed, Skip, losses};
use crate::groups::{Mergeable, Rank};
use crate::input::blocks::{Block, LOOKBACK};
use crate::isp::{Attribution, Isp, IspBasis};
use crate::judge::{Codes, Judge, Opinion, codes, group_isp};
use crate::knowledge::Knowledge;
use crate::pipeline::Options;
use crate::provenance::{FileId, Provenance};
use crate::record::{DeliveryRecord, Hop, Outcome, Trust, domain_of};
use crate::rows::{Bounded, EventRow, Example, GroupIsp, RefusalKey, Seen};
use crate::senders::{BlockSenders, Ends, KeyMaker, MessageKey, Sender};
use crate::smtp::EnhancedStatus;
use crate::tally::{LineCounts, RefusalCounts, Tally, TrafficCounts, TrafficKey};
use crate::told;

/// A line of about the default message limit of rsyslog (8 KiB): the logger may have cut it and logged its rest as a
/// line of its own, which then is text of a stranger in a genuine frame.
const FILLED: std::ops::RangeInclusive<usize> = 8000..=8400;

/// What a worker must know of the input that a block is from.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The input.
    pub file: FileId,
    /// Years of its stamps.
    pub years: &'a Years,
    /// Last plausible moment, UTC seconds.
    pub latest: i64,
}

/// What a block leaves to be put in order.
#[derive(Debug, Default)]
pub struct Remains {
    /// Messages opened and closed.
    pub ends: Ends,
    /// Refusals whose sender stands in an earlier block, if anywhere.
    pub pending: Vec<Pending>,
    /// Events in the order of the block.
    pub events: Vec<PendingEvent>,
    /// Refusals told, as keys, where mails may tell them again.
    pub told: Vec<told::Key>,
    /// `Message-ID`s and queue ids of messages, where mails may name either.
    pub names: Vec<(told::Message, told::Message)>,
    /// What bounce mails tell.
    pub bounces: Vec<PendingBounce>,
    /// Lines, mails and records.
    pub counts: LineCounts,
}

/// A refusal without its sender.
#[derive(Debug)]
pub struct Pending {
    /// Whose sender is sought.
    pub message: MessageKey,
    /// Messages that the block had opened before.
    pub nth: u32,
    /// The group but for its sender.
    pub key: RefusalKey,
    /// Its counts.
    pub counts: RefusalCounts,
}

/// An event, and whose sender is still sought for it.
#[derive(Debug)]
pub struct PendingEvent {
    /// The event.
    pub row: EventRow,
    /// As in [`Pending`].
    pub sought: Option<(MessageKey, u32)>,
}

/// A worker.
pub struct Worker<'k> {
    pub(super) options: &'k Options,
    pub(super) reader: Reader,
    pub(super) judge: Judge<'k>,
    pub(super) clock: Clock,
    keys: KeyMaker,
    senders: BlockSenders,
    last_format: usize,
    framer: Framer,
    /// Whether mails will be read too, which may tell what a line told.
    joins: bool,
    pub(super) remains: Remains,
    /// Groups not handed over yet.
    pub tally: Tally,
}

impl<'k> Worker<'k> {
    /// A worker of a run; all workers of a run get clones of one `keys`.
    pub fn new(knowledge: &'k Knowledge, options: &'k Options, keys: KeyMaker, joins: bool) -> Self {
        Self {
            options,
            reader: Reader::default(),
            judge: Judge::new(knowledge),
            clock: Clock::new(options.zone.clone()),
            keys,
            senders: BlockSenders::default(),
            last_format: 0,
            framer: Framer::default(),
            joins,
            remains: Remains::default(),
            tally: Tally::new(),
        }
    }

    /// Reads all lines of a block.
    pub fn block(&mut self, block: Block<'_>, context: Context<'_>) -> Remains {
        self.senders.clear();
        self.clock.begin();
        let mut lines = Lines { block, at: block.lines_at };
        if block.base == 0 && block.lines_at == 0 && block.bytes.starts_with(b"\xef\xbb\xbf") {
            lines.at = 3;
        }
        let mut filled = lines.previous(lines.at).is_some_and(|line| FILLED.contains(&line.len()));
        while let Some((at, line)) = lines.next() {
            self.line(&lines, at, line, filled, context);
            filled = FILLED.contains(&line.len());
        }
        if block.overlong_at.is_some() {
            self.remains.counts.lines += 1;
            self.remains.counts.skip(Skip::Overlong);
        }
        let judge = &mut self.judge;
        let bytes = block.bytes;
        self.remains.ends = self.senders.ends(|place| judge.domain(bytes.get(place.clone())?));
        std::mem::take(&mut self.remains)
    }

    fn line<'b>(&mut self, lines: &Lines<'b>, at: usize, line: &'b [u8], filled: bool, context: Context<'_>) {
        let counts = &mut self.remains.counts;
        counts.lines += 1;
        if line.is_empty() {
            return counts.skip(Skip::Empty);
        }
        if line.len() > self.options.max_line {
            return counts.skip(Skip::Overlong);
        }
        let provenance =
            Provenance { file: context.file, len: line.len() as u32, offset: lines.block.base + at as u64 };
        let frame = self.framer.frame(line, provenance);
        counts.repeats_refused += u64::from(frame.repeat_refused);
        if filled && frame.stamp.is_some() && lines.follows_filled(at, at, &frame) {
            return counts.skip(Skip::FragmentSuspect);
        }
        if let Some(times) = frame.repeat_of_previous {
            return self.repeat(lines, at, &frame, times, context);
        }
        let parsed = self.parse(&frame, lines.block.bytes, context, Only::Everything);
        self.account(parsed, &frame);
    }

    /// "last message repeated N times": the outcome of the host's previous line, N times more.
    fn repeat<'b>(&mut self, lines: &Lines<'b>, at: usize, frame: &Frame<'b>, times: u32, context: Context<'_>) {
        let Some((start, line)) = lines.previous_of_host(at, frame) else {
            return self.remains.counts.skip(Skip::RepeatUnresolved);
        };
        let mut earlier = syslog::frame(line, frame.provenance);
        let refers_to_nothing = earlier.repeat_of_previous.is_some() || line.len() > self.options.max_line;
        if refers_to_nothing || lines.follows_filled(start, at, &earlier) {
            return self.remains.counts.skip(Skip::RepeatUnresolved);
        }
        earlier.repeats = times;
        earlier.stamp = frame.stamp;
        let parsed = self.parse(&earlier, lines.block.bytes, context, Only::Records);
        self.account(parsed, frame);
    }

    fn account(&mut self, parsed: Parsed, frame: &Frame<'_>) {
        let counts = &mut self.remains.counts;
        match parsed {
            Parsed::Outcome => {
                counts.with_records += 1;
                counts.with_nul += u64::from(memchr::memchr(0, frame.line).is_some());
            }
            Parsed::Skipped(reason) => counts.skip(reason),
            Parsed::NotMine if frame.stamp.is_some() => {
                let lost = losses::lost_messages(frame).unwrap_or(0);
                counts.lost_by_logger = counts.lost_by_logger.saturating_add(lost);
                counts.skip(Skip::OtherProgram);
            }
            Parsed::NotMine => counts.skip(Skip::Unrecognised),
        }
    }

    /// Offers a line to the formats, the one that knew the line before first.
    fn parse<'b>(&mut self, frame: &Frame<'b>, bytes: &'b [u8], context: Context<'_>, only: Only) -> Parsed {
        let known = self.last_format;
        for at in std::iter::once(known).chain((0..FORMATS.len()).filter(|at| *at != known)) {
            let Some(format) = FORMATS.get(at) else { continue };
            if !self.options.formats.is_empty() && !self.options.formats.contains(&format.name()) {
                continue;
            }
            let parsed = self.parse_as(*format, frame, bytes, context, only);
            if parsed != Parsed::NotMine {
                self.last_format = at;
                return parsed;
            }
        }
        Parsed::NotMine
    }

    fn parse_as<'b>(
        &mut self,
        format: &dyn LogFormat,
        frame: &Frame<'b>,
        bytes: &'b [u8],
        context: Context<'_>,
        only: Only,
    ) -> Parsed {
        let mut nth = 0;
        format.parse(frame, &mut |event| match event {
            LineEvent::Record(record) => {
                self.record(&record, nth, bytes, context);
                nth += 1;
            }
            LineEvent::Opens { queue_id, sender } if only == Only::Everything => {
                let key = self.keys.key(frame.host, queue_id);
                self.senders.open(key, place_in(bytes, domain_of(sender).unwrap_or(&[])));
            }
            LineEvent::Closes { queue_id } if only == Only::Everything => {
                let key = self.keys.key(frame.host, queue_id);
                self.senders.close(key);
            }
            LineEvent::Names { queue_id, message_id } if self.joins => {
                self.remains.names.push((told::message(message_id), told::message(queue_id)));
            }
            LineEvent::Names { .. } | LineEvent::Opens { .. } | LineEvent::Closes { .. } => {}
        })
    }

    fn record<'b>(&mut self, record: &DeliveryRecord<'b>, nth: u32, bytes: &'b [u8], context: Context<'_>) {
        self.remains.counts.record(record);
        let time = self.time(record, context);
        let attribution = self.receiver(record);
        if record.outcome == Outcome::Delivered {
            self.count_traffic(
                record,
                &attribution,
                time,
                TrafficCounts { delivered: record.repeats.into(), ..TrafficCounts::default() },
            );
            if self.options.events.delivered() {
                let mut row = self.event(record, nth, &attribution, time, None, &codes(record).0);
                let (sender, sought) = self.sender(record, bytes);
                row.mail_from_domain = sender;
                self.remains.events.push(PendingEvent { row, sought });
            }
            return;
        }
        self.refusal(record, nth, bytes, &attribution, time);
    }

    /// Whose server took or refused the message.
    pub(super) fn receiver(&mut self, record: &DeliveryRecord<'_>) -> Attribution {
        match record.hop.is_outward() {
            true => self.judge.attribute(record),
            false => Attribution { isp: Isp::Unknown, basis: IspBasis::None, filter: None },
        }
    }

    fn time(&mut self, record: &DeliveryRecord<'_>, context: Context<'_>) -> Result<i64, NoTime> {
        let time = record.stamp.as_ref().map_or(Err(NoTime::Unknown), |stamp| {
            self.clock.moment(stamp, record.provenance.offset, context.years, context.latest)
        });
        self.remains.counts.time(time);
        time
    }

    fn count_traffic(
        &mut self,
        record: &DeliveryRecord<'_>,
        to: &Attribution,
        time: Result<i64, NoTime>,
        counts: TrafficCounts,
    ) {
        if record.attempted && record.hop.is_outward() {
            self.tally.traffic.at(&traffic_key(to, time)).merge(counts);
        }
    }

    fn refusal<'b>(
        &mut self,
        record: &DeliveryRecord<'b>,
        nth: u32,
        bytes: &'b [u8],
        to: &Attribution,
        time: Result<i64, NoTime>,
    ) {
        let (codes, reply) = codes(record);
        let opinion = self.judge.opinion(record, &reply, &to.isp);
        self.remains.counts.code_invalid += u64::from(codes.invalid);
        self.count_traffic(record, to, time, traffic_counts(record, &codes, &opinion));
        let (sender, sought) = self.sender(record, bytes);
        let key = refusal_key(record, to, time, &codes, &opinion, sender.clone());
        if self.joins
            && record.outcome == Outcome::Bounced
            && let (Some(queue_id), Some(recipient)) = (record.queue_id, record.final_recipient)
        {
            self.remains.told.push(told::refusal(told::message(queue_id), recipient));
        }
        if self.options.events.refused() {
            let mut row = self.event(record, nth, to, time, Some(&opinion), &codes);
            row.mail_from_domain = sender;
            self.remains.events.push(PendingEvent { row, sought });
        }
        if !record.attempted {
            return;
        }
        let counts = refusal_counts(record, time, &codes, &opinion);
        match sought {
            None => self.tally.refusals.at(&key).merge(counts),
            Some((message, nth)) => self.remains.pending.push(Pending { message, nth, key, counts }),
        }
    }

    /// The sender's domain if it is known already, else whose it is that earlier blocks may know.
    fn sender<'b>(
        &mut self,
        record: &DeliveryRecord<'b>,
        bytes: &'b [u8],
    ) -> (Option<Arc<str>>, Option<(MessageKey, u32)>) {
        if let Some(sender) = record.sender {
            return (domain_of(sender).and_then(|domain| self.judge.domain(domain)), None);
        }
        let Some(queue_id) = record.queue_id.filter(|_| record.hop != Hop::Inbound) else { return (None, None) };
        let message = self.keys.key(record.reporting_mta, queue_id);
        match self.senders.find(message) {
            Some(Sender::Open(place)) => (bytes.get(place.clone()).and_then(|domain| self.judge.domain(domain)), None),
            Some(Sender::Closed) => (None, None),
            None => (None, Some((message, self.senders.opened()))),
        }
    }

    pub(super) fn event(
        &mut self,
        record: &DeliveryRecord<'_>,
        nth: u32,
        to: &Attribution,
        time: Result<i64, NoTime>,
        opinion: Option<&Opinion>,
        codes: &Codes,
    ) -> EventRow {
        let mut lossy = false;
        let mut text = |bytes: Option<&[u8]>| {
            bytes.filter(|bytes| !bytes.is_empty()).map(|bytes| {
                lossy |= std::str::from_utf8(bytes).is_err();
                String::from_utf8_lossy(bytes).into_owned()
            })
        };
        let recipient = text(record.final_recipient).filter(|_| self.options.addresses);
        let diagnostic = text(record.diagnostic).filter(|_| self.options.diagnostics);
        let queue_id = text(record.queue_id);
        let reporting_mta = text(record.reporting_mta);
        let (remote_mta, remote_ip) = (text(record.remote_mta), text(record.remote_ip));
        let place = record.provenance;
        let id = Rank::default().number(u64::from(nth)).number(place.offset).number(u64::from(place.len));
        let id = id.bytes(record.queue_id.unwrap_or(&[])).bytes(record.final_recipient.unwrap_or(&[]));
        let verdict = opinion.map(|opinion| &opinion.verdict);
        EventRow {
            provenance: place,
            event_id: id.get(),
            mta: record.mta,
            event_time: time.ok(),
            event_time_basis: match (time, record.stamp.is_some_and(|stamp| stamp.year.is_some())) {
                (Ok(_), true) => "stated",
                (Ok(_), false) => "year_inferred",
                (Err(NoTime::Suspect), _) => "suspect",
                (Err(NoTime::Unknown), _) => "none",
            },
            trust: Trust::Log,
            told_before: false,
            member: None,
            mail: None,
            queue_id,
            reporting_mta,
            remote_mta: remote_mta.map(|name| name.to_ascii_lowercase()),
            remote_ip,
            mail_from_domain: None,
            recipient_domain: record.recipient_domain().and_then(|domain| self.judge.domain(domain)),
            final_recipient: recipient,
            isp: group_isp(&to.isp),
            isp_basis: to.basis,
            filter: to.filter.or(verdict.and_then(|verdict| verdict.filter)),
            outcome: record.outcome,
            hop: record.hop,
            smtp_stage: record.stage,
            reply_code: codes.reply_code,
            status: codes.status,
            status_field: record.stated_status,
            code_conflict: codes.conflict,
            cause: verdict.map(|verdict| verdict.cause),
            rule: verdict.and_then(|verdict| verdict.rule),
            evidence: verdict.map(|verdict| verdict.evidence),
            blocklist: opinion.and_then(|opinion| opinion.blocklist.clone()),
            sending_ip: verdict.and_then(|verdict| verdict.sending_ip),
            template: opinion.map(|opinion| (opinion.template_id, Arc::clone(&opinion.template))),
            diagnostic,
            text_lossy: lossy,
            weight: if record.attempted { u64::from(record.repeats) } else { 0 },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Everything,
    Records,
}

fn day(time: Result<i64, NoTime>) -> Option<i32> {
    time.ok().map(|micros| micros.div_euclid(86_400_000_000) as i32)
}

pub(super) fn traffic_key(to: &Attribution, time: Result<i64, NoTime>) -> TrafficKey {
    TrafficKey { log_date: day(time), isp: group_isp(&to.isp) }
}

/// What a refusal adds to the denominators.
pub(super) fn traffic_counts(record: &DeliveryRecord<'_>, codes: &Codes, opinion: &Opinion) -> TrafficCounts {
    let weight = u64::from(record.repeats);
    let is_571 = codes.status == Some(EnhancedStatus { class: 5, subject: 7, detail: 1 });
    let by_policy = codes.status.is_some_and(|s| s.subject == 7) || opinion.verdict.cause.row().is_policy();
    let deferred = record.outcome == Outcome::Deferred;
    TrafficCounts {
        delivered: 0,
        deferred: if deferred { weight } else { 0 },
        refused: if deferred { 0 } else { weight },
        refused_policy: weight * u64::from(by_policy),
        refused_571: weight * u64::from(is_571),
    }
}

/// A text of the input for a table: valid UTF-8, at most `longest` bytes; `None` if it is empty.
pub(super) fn bounded_text(text: &[u8], longest: usize) -> Option<String> {
    let text = text.get(..longest).unwrap_or(text).trim_ascii();
    (!text.is_empty()).then(|| String::from_utf8_lossy(text).into_owned())
}

pub(super) fn refusal_key(
    record: &DeliveryRecord<'_>,
    to: &Attribution,
    time: Result<i64, NoTime>,
    codes: &Codes,
    opinion: &Opinion,
    sender: Option<Arc<str>>,
) -> RefusalKey {
    let verdict = &opinion.verdict;
    RefusalKey {
        log_date: day(time),
        isp: if record.hop.is_outward() { group_isp(&to.isp) } else { GroupIsp::Unknown },
        hop: record.hop,
        trust: Trust::Log,
        filter: to.filter.or(verdict.filter),
        reply_code: codes.reply_code,
        status: codes.status,
        cause: verdict.cause,
        rule: verdict.rule,
        evidence: verdict.evidence,
        blocklist: bounded(opinion.blocklist.clone()),
        sender_domain: bounded(sender),
        sending_ip: bounded(verdict.sending_ip),
        template: if opinion.template.is_empty() { Bounded::None } else { Bounded::Value(opinion.template_id) },
    }
}

fn bounded<T>(value: Option<T>) -> Bounded<T> {
    value.map_or(Bounded::None, Bounded::Value)
}

pub(super) fn refusal_counts(
    record: &DeliveryRecord<'_>,
    time: Result<i64, NoTime>,
    codes: &Codes,
    opinion: &Opinion,
) -> RefusalCounts {
    let weight = u64::from(record.repeats);
    RefusalCounts {
        attempts: weight,
        failed: if record.outcome == Outcome::Deferred { 0 } else { weight },
        code_conflicts: if codes.conflict { weight } else { 0 },
        seen: time.ok().map(|moment| Seen { first: moment, last: moment }),
        example: Some(Example { provenance: record.provenance, member: None }),
        template: (!opinion.template.is_empty()).then(|| Arc::clone(&opinion.template)),
    }
}

/// The place of a slice within the bytes it was cut from; empty at 0 if it was not.
fn place_in(bytes: &[u8], part: &[u8]) -> std::ops::Range<usize> {
    let start = (part.as_ptr() as usize).wrapping_sub(bytes.as_ptr() as usize);
    match bytes.get(start..start.saturating_add(part.len())) {
        Some(found) if found.len() == part.len() => start..start + part.len(),
        _ => 0..0,
    }
}

/// The lines of a block, and those before it.
struct Lines<'b> {
    block: Block<'b>,
    at: usize,
}

impl<'b> Lines<'b> {
    /// The next line without its line end, and where it starts in the block's bytes.
    fn next(&mut self) -> Option<(usize, &'b [u8])> {
        let start = self.at;
        let rest = self.block.bytes.get(start..).filter(|rest| !rest.is_empty())?;
        let len = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
        self.at = start + len + 1;
        rest.get(..len).map(|line| (start, without_cr(line)))
    }

    /// The line before the one that starts at `at`; `None` at the top and where it does not start within
    /// [`LOOKBACK`] bytes before.
    fn previous(&self, at: usize) -> Option<&'b [u8]> {
        self.line_before(at, at).map(|(_, line)| line)
    }

    /// The nearest line before `at` that the same host wrote, and where it starts. Only a few lines are looked at, or
    /// a log of nothing but repeats would cost a multiple of any other.
    fn previous_of_host(&self, at: usize, frame: &Frame<'b>) -> Option<(usize, &'b [u8])> {
        let mut end = at;
        for _ in 0..8 {
            let (start, line) = self.line_before(end, at)?;
            if of_same_host(line, frame) {
                return Some((start, line));
            }
            end = start;
        }
        None
    }

    /// Whether the line that starts at `start` follows on one of the same host that filled the logger's limit, as far
    /// as that starts within [`LOOKBACK`] bytes before `at`.
    fn follows_filled(&self, start: usize, at: usize, frame: &Frame<'b>) -> bool {
        let before = self.line_before(start, at);
        before.is_some_and(|(_, line)| FILLED.contains(&line.len()) && of_same_host(line, frame))
    }

    fn line_before(&self, end: usize, at: usize) -> Option<(usize, &'b [u8])> {
        let before = self.block.bytes.get(..end.checked_sub(1)?)?;
        let start = match memchr::memrchr(b'\n', before) {
            Some(newline) => newline + 1,
            None if self.block.base == 0 => 0,
            None => return None,
        };
        let near = at - start < LOOKBACK;
        near.then(|| before.get(start..).map(|line| (start, without_cr(line)))).flatten()
    }
}

fn of_same_host(line: &[u8], frame: &Frame<'_>) -> bool {
    let other = syslog::frame(line, frame.provenance);
    other.stamp.is_some() && other.host == frame.host
}

fn without_cr(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}
