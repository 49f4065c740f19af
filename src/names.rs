//! What the ids in rows stand for, apart from the tables that say so.

use std::borrow::Cow;

use crate::cause::{CauseId, RuleId};
use crate::isp::FilterId;
use crate::rows::GroupIsp;
use crate::smtp::EnhancedStatus;

/// What the ids in rows stand for.
pub trait Names {
    /// Slug and display name; for groups that are no row of the table: the domain, `unknown`, `address_literal`,
    /// `other`, each as both. Never empty.
    fn isp<'a>(&'a self, isp: &'a GroupIsp) -> (Cow<'a, str>, Cow<'a, str>);
    /// Slug of a filter vendor.
    fn filter(&self, filter: FilterId) -> &str;
    /// A cause.
    fn cause(&self, cause: CauseId) -> CauseText<'_>;
    /// Id of a rule.
    fn rule(&self, rule: RuleId) -> &str;
    /// What to do first about a cause, where this ISP refuses and this blocklist is named.
    fn advice(&self, cause: CauseId, isp: &GroupIsp, blocklist: Option<&str>) -> AdviceText<'_>;
    /// What the registry says of a code.
    fn registered_meaning(&self, status: EnhancedStatus) -> Option<&str>;
    /// What is known of a blocklist; nothing by default.
    fn blocklist(&self, _list: &str) -> Option<BlocklistText<'_>> {
        None
    }
}

/// A row of the table of causes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CauseText<'a> {
    /// Id, for example `reverse_dns`.
    pub cause: &'a str,
    /// Id of its category.
    pub category: &'a str,
    /// Whether it is a matter of policy: neither `not_policy` nor `unclassified`.
    pub is_policy: bool,
}

/// What to do about a refusal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AdviceText<'a> {
    /// What to do first.
    pub advice: Option<&'a str>,
    /// Where to read more: a page of the provider or of the list's operator, else one about the cause.
    pub reference: Option<&'a str>,
}

/// What is known of a blocklist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlocklistText<'a> {
    /// `public` or `receiver`.
    pub scope: Option<&'a str>,
    /// `ip`, `domain` or `url`.
    pub listed_kind: Option<&'a str>,
    /// Where to look a listing up.
    pub lookup_url: Option<&'a str>,
}
