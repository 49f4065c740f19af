//! A run: what one pass over some inputs found, in mergeable rows.

use std::net::IpAddr;
use std::sync::Arc;

use crate::cause::{CauseId, Evidence, RuleId};
use crate::isp::{FilterId, IspId};
use crate::record::Hop;
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

/// What a group of refused or deferred attempts has in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusalKey {
    /// UTC day, in days since 1970-01-01; `None` where the time is unknown or suspect.
    pub log_date: Option<i32>,
    /// Receiving ISP.
    pub isp: GroupIsp,
    /// Which way the attempts went. Views count only outward ones; `Inbound` is "refused by us".
    pub hop: Hop,
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
    /// Envelope sender's domain, lower case; `Value("")` never stands: the null sender is `null_sender: true`.
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
}
