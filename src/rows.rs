//! The rows of a run: groups with their counts, templates, events. They can be merged by key.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cause::{CauseId, Evidence, RuleId};
use crate::isp::{FilterId, IspBasis, IspId};
use crate::provenance::Provenance;
use crate::record::{Hop, Outcome, SmtpStage, Trust};
use crate::smtp::{EnhancedStatus, ReplyCode};

/// The receiving ISP of a group of attempts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupIsp {
    /// One of the table.
    Known(IspId),
    /// A registrable domain.
    Domain(Arc<str>),
    /// Address literals.
    AddressLiteral,
    /// Nothing named one.
    Unknown,
    /// Domains beyond the number that are kept apart.
    Other,
}

/// A value of an open set of which only so many are kept apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bounded<T> {
    /// Not stated.
    None,
    /// The value.
    Value(T),
    /// One of those beyond the number kept.
    Other,
}

/// Time span of a group: microseconds since 1970-01-01 UTC of its first and last attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// First.
    pub first: i64,
    /// Last; never before `first`.
    pub last: i64,
}

/// The span of two spans; `None` is no time.
pub fn join_seen(a: Option<Seen>, b: Option<Seen>) -> Option<Seen> {
    match (a, b) {
        (Some(a), Some(b)) => Some(Seen { first: a.first.min(b.first), last: a.last.max(b.last) }),
        (a, b) => a.or(b),
    }
}

/// What a group of refused or deferred attempts has in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusalKey {
    /// UTC day, in days since 1970-01-01; `None` where the time is unknown or suspect.
    pub log_date: Option<i32>,
    /// Receiving ISP.
    pub isp: GroupIsp,
    /// Which way the attempts went. Views count only outward ones; `Inbound` is "refused by us".
    pub hop: Hop,
    /// How it is known to be about our mail. Views count only what is believed.
    pub trust: Trust,
    /// Filter vendor.
    pub filter: Option<FilterId>,
    /// Reply code.
    pub reply_code: Option<ReplyCode>,
    /// Enhanced status code.
    pub status: Option<EnhancedStatus>,
    /// Cause.
    pub cause: CauseId,
    /// Rule that chose it.
    pub rule: Option<RuleId>,
    /// Evidence of the verdict.
    pub evidence: Evidence,
    /// Blocklist named.
    pub blocklist: Bounded<Arc<str>>,
    /// Envelope sender's domain, lower case; `None` where the sender is unknown or null.
    pub sender_domain: Bounded<Arc<str>>,
    /// Sending address as the receiver saw it.
    pub sending_ip: Bounded<IpAddr>,
    /// Template of the reply text: its id (see [`TemplateRow`]).
    pub template: Bounded<u64>,
}

/// Counts of one group of refused or deferred attempts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusalRow {
    /// What they have in common.
    pub key: RefusalKey,
    /// Attempts per recipient that got this answer.
    pub attempts: u64,
    /// Of these, final failures; the rest was deferred.
    pub failed: u64,
    /// Of these, replies whose codes contradict each other.
    pub code_conflicts: u64,
    /// Time span; `None` where no attempt has a usable time.
    pub seen: Option<Seen>,
}

/// Attempts to one ISP on one day: the denominators. Outward attempts only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrafficRow {
    /// UTC day, in days since 1970-01-01; `None` where the time is unknown or suspect.
    pub log_date: Option<i32>,
    /// Receiving ISP.
    pub isp: GroupIsp,
    /// Delivered.
    pub delivered: u64,
    /// Deferred.
    pub deferred: u64,
    /// Given up.
    pub refused: u64,
    /// Deferred or given up with a policy refusal: a code x.7.*, or a cause that is a policy cause.
    pub refused_policy: u64,
    /// Deferred or given up with the enhanced status code 5.7.1.
    pub refused_571: u64,
}

/// One masked reply text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateRow {
    /// Hash of `text`.
    pub id: u64,
    /// The masked text, valid UTF-8, at most 512 characters.
    pub text: Arc<str>,
    /// Attempts that got it.
    pub attempts: u64,
    /// The first line with such a text: by input, then by offset.
    pub example: Option<Place>,
}

/// A place that means something outside its run.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Path of the input as given; of a directory of mails, that of the mail.
    pub input: Arc<str>,
    /// Offset of the line in it, from 0.
    pub offset: u64,
    /// Length of the line in bytes.
    pub len: u32,
}

/// The first place that has an example, before paths are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// Line or mail.
    pub provenance: Provenance,
    /// Name of the mail's file, where the input is a directory of mails.
    pub member: Option<Arc<str>>,
}

impl Example {
    /// The one that stands first: by input, then by file name, then by offset.
    pub fn first(self, other: Self) -> Self {
        let place = |e: &Self| (e.provenance.file, e.member.clone(), e.provenance.offset);
        if place(&self) <= place(&other) { self } else { other }
    }
}

/// What a bounce mail says beyond what a log line can say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MailRow {
    /// `Message-ID` of the returned message; only where addresses were asked for.
    pub message_id: Option<String>,
    /// Domain of the returned message's `From`, lower case.
    pub from_domain: Option<Arc<str>>,
    /// Domain of its `Return-Path`, lower case; `None` where not returned or null sender.
    pub return_path_domain: Option<Arc<str>>,
    /// Domains of its signatures, lower case, with a blank between; `None` where it has none.
    pub dkim_domains: Option<String>,
    /// Their selectors, likewise.
    pub dkim_selectors: Option<String>,
    /// Whether a signature is of the `From` domain's organisation; `None` where no `From` was returned.
    pub dkim_aligned: Option<bool>,
    /// Whether the `Return-Path` is; `None` where one of the two was not returned.
    pub return_path_aligned: Option<bool>,
    /// Host that took the returned message last on our side.
    pub received_by: Option<String>,
    /// Program that wrote the returned message.
    pub mailer: Option<String>,
    /// The returned message has `List-Unsubscribe`; `None` where no header was returned.
    pub list_unsubscribe: Option<bool>,
}

/// One refused or deferred recipient and attempt (or, if asked for, a delivered one).
#[derive(Clone, Debug, PartialEq)]
pub struct EventRow {
    /// The line or mail it was read from.
    pub provenance: Provenance,
    /// Name of the mail's file, where the input is a directory of mails.
    pub member: Option<Arc<str>>,
    /// A number that is the same whenever the same line of the same input, or the same mail, is read.
    pub event_id: u64,
    /// How it is known to be about our mail.
    pub trust: Trust,
    /// Another line or mail tells the same refusal and was counted: this row has weight 0.
    pub told_before: bool,
    /// What only a mail says; `None` for a log line.
    pub mail: Option<Box<MailRow>>,
    /// Format or shape that read it.
    pub mta: &'static str,
    /// Microseconds since 1970-01-01 UTC; `None` where the time is unknown or suspect.
    pub event_time: Option<i64>,
    /// How the time is known: `stated`, `year_inferred`, `delivery`, `header`, `suspect` or `none`.
    pub event_time_basis: &'static str,
    /// Queue id.
    pub queue_id: Option<String>,
    /// Host that wrote the line.
    pub reporting_mta: Option<String>,
    /// Host that spoke.
    pub remote_mta: Option<String>,
    /// Its address.
    pub remote_ip: Option<String>,
    /// Envelope sender's domain; `None` where unknown or null.
    pub mail_from_domain: Option<Arc<str>>,
    /// Recipient's domain.
    pub recipient_domain: Option<Arc<str>>,
    /// Recipient; only where addresses were asked for.
    pub final_recipient: Option<String>,
    /// Receiving ISP.
    pub isp: GroupIsp,
    /// How the ISP is known.
    pub isp_basis: IspBasis,
    /// Filter vendor.
    pub filter: Option<FilterId>,
    /// Outcome.
    pub outcome: Outcome,
    /// Hop.
    pub hop: Hop,
    /// Command that was answered.
    pub smtp_stage: Option<SmtpStage>,
    /// Reply code.
    pub reply_code: Option<ReplyCode>,
    /// Enhanced status code by the order of precedence.
    pub status: Option<EnhancedStatus>,
    /// The MTA's own status field.
    pub status_field: Option<EnhancedStatus>,
    /// Codes contradict each other.
    pub code_conflict: bool,
    /// Cause; `None` for a delivery.
    pub cause: Option<CauseId>,
    /// Rule that chose it.
    pub rule: Option<RuleId>,
    /// Evidence.
    pub evidence: Option<Evidence>,
    /// Blocklist named.
    pub blocklist: Option<Arc<str>>,
    /// Sending address as the receiver saw it.
    pub sending_ip: Option<IpAddr>,
    /// Template of the reply text.
    pub template: Option<(u64, Arc<str>)>,
    /// The text as written; only where it was asked for.
    pub diagnostic: Option<String>,
    /// A text of this row held bytes that are no UTF-8; they stand as U+FFFD.
    pub text_lossy: bool,
    /// Attempts the row stands for: 1, N for repeated lines, 0 where nothing was tried.
    pub weight: u64,
}

/// A template's id as text: 16 hexadecimal digits.
pub fn template_id(id: u64) -> String {
    format!("{id:016x}")
}
