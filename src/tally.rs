//! Counters: integers under keys, merged in any order.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::bounce::{Finding, Kind};
use crate::clock::NoTime;
use crate::formats::Skip;
use crate::groups::{GroupKey, Groups, Level, Mergeable, Rank};
use crate::input::mbox::MboxCounts;
use crate::record::{DeliveryRecord, Hop, Outcome};
use crate::rows::{
    Bounded, Example, GroupIsp, Place, RefusalKey, RefusalRow, Seen, TemplateRow, TrafficRow, join_seen,
};

/// Groups of refusals, and of traffic, that are kept apart at most. Beyond, the details of some become `other`.
pub const GROUP_LIMIT: usize = 65_536;

/// Groups that a worker collects before it hands them over.
pub const WORKER_GROUPS: usize = 4096;

/// What is noticed in mails, by the names in the manifest.
pub const MAIL_NOTICES: [&str; 12] = [
    "texts_copied",
    "decode_lossy",
    "mime_depth_exceeded",
    "mime_parts_exceeded",
    "header_capped",
    "groups_exceeded",
    "ambiguous_mime",
    "nested_report",
    "forwarded",
    "delay_notice",
    "from_line_suspect",
    "content_length_wrong",
];

/// Counts of one group of refused or deferred attempts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RefusalCounts {
    /// Attempts.
    pub attempts: u64,
    /// Of these, final failures.
    pub failed: u64,
    /// Of these, replies whose codes contradict each other.
    pub code_conflicts: u64,
    /// Time span of those with a usable time.
    pub seen: Option<Seen>,
    /// The first of them by place.
    pub example: Option<Example>,
    /// Text of the key's template.
    pub template: Option<Arc<str>>,
}

impl Mergeable for RefusalCounts {
    fn merge(&mut self, other: Self) {
        self.attempts += other.attempts;
        self.failed += other.failed;
        self.code_conflicts += other.code_conflicts;
        self.seen = join_seen(self.seen, other.seen);
        self.example = [self.example.take(), other.example].into_iter().flatten().reduce(Example::first);
        self.template = smaller(self.template.take(), other.template);
    }

    fn fold(&mut self) {
        self.template = None;
    }
}

impl GroupKey for RefusalKey {
    fn rank(&self) -> u64 {
        let text = |rank: Rank, value: &Bounded<Arc<str>>| match value {
            Bounded::None => rank.number(0),
            Bounded::Value(text) => rank.bytes(text.as_bytes()),
            Bounded::Other => rank.number(1),
        };
        let mut rank = rank_isp(Rank::default(), &self.isp).number(option(self.log_date.map(|d| d as u32)));
        rank =
            rank.number(self.hop as u64).number(self.trust as u64).number(option(self.filter.map(|f| u32::from(f.0))));
        rank = rank.number(option(self.reply_code.map(|c| u32::from(c.get()))));
        rank = rank.number(
            self.status.map_or(0, |s| u64::from(s.class) << 32 | u64::from(s.subject) << 16 | u64::from(s.detail)),
        );
        rank = rank.number(u64::from(self.cause.0)).number(option(self.rule.map(|r| u32::from(r.0))));
        rank = text(rank.number(self.evidence as u64), &self.blocklist);
        rank = text(rank, &self.sender_domain);
        rank = match self.sending_ip {
            Bounded::Value(IpAddr::V4(ip)) => rank.bytes(&ip.octets()),
            Bounded::Value(IpAddr::V6(ip)) => rank.bytes(&ip.octets()),
            Bounded::None => rank.number(0),
            Bounded::Other => rank.number(1),
        };
        match self.template {
            Bounded::Value(id) => rank.number(id),
            Bounded::None => rank.number(0),
            Bounded::Other => rank.number(1),
        }
        .get()
    }

    fn fold(&self, level: Level) -> Self {
        let mut key = self.clone();
        fold_isp(&mut key.isp);
        other(&mut key.sender_domain);
        other(&mut key.sending_ip);
        other(&mut key.template);
        other(&mut key.blocklist);
        if level == Level::Everything {
            key.log_date = None;
            key.reply_code = None;
            key.status = None;
        }
        key
    }
}

fn option(value: Option<u32>) -> u64 {
    value.map_or(0, |v| u64::from(v) + 1)
}

fn other<T>(value: &mut Bounded<T>) {
    if matches!(value, Bounded::Value(_)) {
        *value = Bounded::Other;
    }
}

fn fold_isp(isp: &mut GroupIsp) {
    if matches!(isp, GroupIsp::Domain(_)) {
        *isp = GroupIsp::Other;
    }
}

fn rank_isp(rank: Rank, isp: &GroupIsp) -> Rank {
    match isp {
        GroupIsp::Known(id) => rank.number(u64::from(id.0) + 16),
        GroupIsp::Domain(domain) => rank.number(1).bytes(domain.as_bytes()),
        GroupIsp::AddressLiteral => rank.number(2),
        GroupIsp::Unknown => rank.number(3),
        GroupIsp::Other => rank.number(4),
    }
}

/// What attempts of one denominator have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TrafficKey {
    /// UTC day, in days since 1970-01-01; `None` where the time is unknown or suspect.
    pub log_date: Option<i32>,
    /// Receiving ISP.
    pub isp: GroupIsp,
}

impl GroupKey for TrafficKey {
    fn rank(&self) -> u64 {
        rank_isp(Rank::default(), &self.isp).number(option(self.log_date.map(|d| d as u32))).get()
    }

    fn fold(&self, level: Level) -> Self {
        let mut key = self.clone();
        fold_isp(&mut key.isp);
        if level == Level::Everything {
            key.log_date = None;
        }
        key
    }
}

/// Outward attempts by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficCounts {
    /// Delivered.
    pub delivered: u64,
    /// Deferred.
    pub deferred: u64,
    /// Given up.
    pub refused: u64,
    /// Deferred or given up by policy.
    pub refused_policy: u64,
    /// Deferred or given up with 5.7.1.
    pub refused_571: u64,
}

impl Mergeable for TrafficCounts {
    fn merge(&mut self, other: Self) {
        self.delivered += other.delivered;
        self.deferred += other.deferred;
        self.refused += other.refused;
        self.refused_policy += other.refused_policy;
        self.refused_571 += other.refused_571;
    }
}

/// Lines, mails and records of one input, or of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineCounts {
    /// Lines of logs read, whatever they hold.
    pub lines: u64,
    /// Of these, lines with at least one record.
    pub with_records: u64,
    /// Mails read, whatever they hold.
    pub mails: u64,
    /// Of these, mails with at least one record.
    pub mails_with_records: u64,
    /// Bytes of these mails.
    pub mail_bytes: u64,
    /// Mails longer than is read: their first part was.
    pub mails_cut: u64,
    /// Files of a directory of mails that were gone when they were to be read.
    pub vanished: u64,
    /// What was noticed in mails, in the order of [`MAIL_NOTICES`].
    pub mail_notices: [u64; MAIL_NOTICES.len()],
    /// Lines and mails without a record, by reason (see [`Skip::ALL`]).
    pub skipped: [u64; Skip::ALL.len()],
    /// Records.
    pub records: u64,
    /// Attempts: records that were tried, repeats counted.
    pub attempts: u64,
    /// Records that only repeat an earlier cause without a new attempt.
    pub not_attempted: u64,
    /// Attempts by hop, in the order remote, unconnected, internal, local, inbound.
    pub by_hop: [u64; 5],
    /// Attempts delivered, deferred, bounced, rejected, all hops.
    pub by_outcome: [u64; 4],
    /// Lines with records that hold a NUL byte.
    pub with_nul: u64,
    /// Further occurrences that "message repeated N times" stands for.
    pub repeats: u64,
    /// "message repeated N times" with an N too large to be believed.
    pub repeats_refused: u64,
    /// Records whose time is missing or fits no year.
    pub time_unknown: u64,
    /// Records whose time lies in the future of its file or before 1980.
    pub time_suspect: u64,
    /// Records that tell what another line or mail told: counted there.
    pub told_before: u64,
    /// Replies in whose code's place something else stood.
    pub code_invalid: u64,
    /// Records whose line the logger seems to have cut.
    pub truncated: u64,
    /// Lines that the logger itself says it dropped, at least.
    pub lost_by_logger: u64,
    /// First and last usable time of a record.
    pub seen: Option<Seen>,
}

impl LineCounts {
    /// Counts a record.
    pub fn record(&mut self, record: &DeliveryRecord<'_>) {
        self.truncated += u64::from(record.truncated);
        self.repeats += if record.repeats > 1 { u64::from(record.repeats) } else { 0 };
        let weight = if record.attempted { u64::from(record.repeats) } else { 0 };
        self.attempt(record.hop, record.outcome, weight);
    }

    /// Counts a record that stands for `weight` attempts.
    pub fn attempt(&mut self, hop: Hop, outcome: Outcome, weight: u64) {
        self.records += 1;
        if weight == 0 {
            self.not_attempted += 1;
            return;
        }
        self.attempts += weight;
        let hop = match hop {
            Hop::Remote => 0,
            Hop::Unconnected => 1,
            Hop::Internal => 2,
            Hop::Local => 3,
            Hop::Inbound => 4,
        };
        let outcome = match outcome {
            Outcome::Delivered => 0,
            Outcome::Deferred => 1,
            Outcome::Bounced => 2,
            Outcome::Rejected => 3,
        };
        add(&mut self.by_hop, hop, weight);
        add(&mut self.by_outcome, outcome, weight);
    }

    /// Counts a record's time.
    pub fn time(&mut self, time: Result<i64, NoTime>) {
        match time {
            Ok(moment) => self.seen = join_seen(self.seen, Some(Seen { first: moment, last: moment })),
            Err(NoTime::Unknown) => self.time_unknown += 1,
            Err(NoTime::Suspect) => self.time_suspect += 1,
        }
    }

    /// Counts what was noticed in a mail.
    pub fn notice(&mut self, finding: &Finding) {
        let flags = [
            finding.copies.into(),
            finding.decode_lossy.into(),
            finding.mime_depth_exceeded.into(),
            finding.mime_parts_exceeded.into(),
            finding.header_capped.into(),
            finding.groups_exceeded.into(),
            finding.ambiguous_mime.into(),
            finding.nested_report.into(),
            finding.is_forwarded.into(),
            (finding.kind == Kind::DelayNotice).into(),
        ];
        self.mail_notices.iter_mut().zip(flags).for_each(|(sum, more): (_, u64)| *sum += more);
    }

    /// Counts what was noticed where an mbox was cut.
    pub fn mbox(&mut self, counts: &MboxCounts) {
        self.mails_cut += counts.cut;
        let more = [counts.from_line_suspect, counts.content_length_wrong];
        let own = self.mail_notices.len() - more.len();
        self.mail_notices.iter_mut().skip(own).zip(more).for_each(|(sum, more)| *sum += more);
    }

    /// Counts a line or mail without a record.
    pub fn skip(&mut self, reason: Skip) {
        add(&mut self.skipped, reason as usize, 1);
    }

    /// Lines and mails without a record.
    pub fn skipped_lines(&self) -> u64 {
        self.skipped.iter().sum()
    }

    /// Whether every line and mail is accounted for: read = with records + skipped by a named reason.
    pub fn adds_up(&self) -> bool {
        self.lines + self.mails == self.with_records + self.mails_with_records + self.skipped_lines()
            && self.attempts == self.by_hop.iter().sum::<u64>()
            && self.attempts == self.by_outcome.iter().sum::<u64>()
    }
}

fn add(counters: &mut [u64], at: usize, n: u64) {
    if let Some(counter) = counters.get_mut(at) {
        *counter += n;
    }
}

impl Mergeable for LineCounts {
    fn merge(&mut self, other: Self) {
        self.lines += other.lines;
        self.with_records += other.with_records;
        self.mails += other.mails;
        self.mails_with_records += other.mails_with_records;
        self.mail_bytes += other.mail_bytes;
        self.mails_cut += other.mails_cut;
        self.vanished += other.vanished;
        self.told_before += other.told_before;
        self.records += other.records;
        self.attempts += other.attempts;
        self.not_attempted += other.not_attempted;
        self.with_nul += other.with_nul;
        self.repeats += other.repeats;
        self.repeats_refused += other.repeats_refused;
        self.time_unknown += other.time_unknown;
        self.time_suspect += other.time_suspect;
        self.code_invalid += other.code_invalid;
        self.truncated += other.truncated;
        self.lost_by_logger = self.lost_by_logger.saturating_add(other.lost_by_logger);
        self.seen = join_seen(self.seen, other.seen);
        let sums = [
            (&mut self.skipped[..], &other.skipped[..]),
            (&mut self.mail_notices[..], &other.mail_notices[..]),
            (&mut self.by_hop[..], &other.by_hop[..]),
            (&mut self.by_outcome[..], &other.by_outcome[..]),
        ];
        for (sum, more) in sums {
            sum.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
        }
    }
}

/// All groups of a run, or of a part of it.
#[derive(Debug)]
pub struct Tally {
    /// Refused and deferred attempts.
    pub refusals: Groups<RefusalKey, RefusalCounts>,
    /// All outward attempts.
    pub traffic: Groups<TrafficKey, TrafficCounts>,
}

impl Tally {
    /// An empty tally for a run.
    pub fn new() -> Self {
        Self { refusals: Groups::with_limit(GROUP_LIMIT), traffic: Groups::with_limit(GROUP_LIMIT) }
    }

    /// Adds a worker's groups and leaves them empty.
    pub fn absorb(&mut self, part: &mut Tally) {
        self.refusals.absorb(&mut part.refusals);
        self.traffic.absorb(&mut part.traffic);
    }

    /// Whether it is time for a worker to hand its groups over.
    pub fn is_full(&self) -> bool {
        self.refusals.len() >= WORKER_GROUPS || self.traffic.len() >= WORKER_GROUPS
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self::new()
    }
}

/// The rows of a run, sorted by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunRows {
    /// Refused and deferred attempts of all hops.
    pub refusals: Vec<RefusalRow>,
    /// Outward attempts.
    pub traffic: Vec<TrafficRow>,
    /// Masked reply texts of the refusals.
    pub templates: Vec<TemplateRow>,
}

impl Tally {
    /// The rows of all groups. `inputs` are the paths of the inputs.
    pub fn into_rows(self, inputs: &[Arc<str>]) -> RunRows {
        let place = |Example { provenance: at, member }: Example| {
            let input = inputs.get(at.file.0 as usize)?;
            Some(Place { input: crate::text::joined(input, member.as_deref()), offset: at.offset, len: at.len })
        };
        let mut templates: BTreeMap<u64, TemplateRow> = BTreeMap::new();
        let mut refusals = Vec::new();
        for (key, counts) in self.refusals.into_sorted() {
            if let (Bounded::Value(id), Some(text)) = (&key.template, &counts.template) {
                let new = || TemplateRow { id: *id, text: Arc::clone(text), attempts: 0, example: None };
                let row = templates.entry(*id).or_insert_with(new);
                // Two texts may be made to share an id: then the smaller one stands for both, in any order.
                row.text = Arc::clone((&row.text).min(text));
                row.attempts += counts.attempts;
                row.example = [row.example.take(), counts.example.and_then(place)].into_iter().flatten().min();
            }
            let RefusalCounts { attempts, failed, code_conflicts, seen, .. } = counts;
            refusals.push(RefusalRow { key, attempts, failed, code_conflicts, seen });
        }
        let traffic = self.traffic.into_sorted().into_iter().map(|(key, counts)| {
            let TrafficCounts { delivered, deferred, refused, refused_policy, refused_571 } = counts;
            let TrafficKey { log_date, isp } = key;
            TrafficRow { log_date, isp, delivered, deferred, refused, refused_policy, refused_571 }
        });
        RunRows { refusals, traffic: traffic.collect(), templates: templates.into_values().collect() }
    }
}

fn smaller(a: Option<Arc<str>>, b: Option<Arc<str>>) -> Option<Arc<str>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
