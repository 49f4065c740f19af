//! Replies that nothing was learnt from, for mining: unclassified ones, and those that say "refused" and no reason.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::merge::add;
use super::{Names, UNCLASSIFIED, outward};
use crate::cause::Evidence;
use crate::rows::{Bounded, GroupIsp, RefusalRow};

/// The cause of a refusal that states none.
const ACCESS_DENIED: &str = "access_denied";

/// Whether a refusal is unexplained: its cause is `unclassified`, or `access_denied` with no evidence.
pub fn is_unexplained(row: &RefusalRow, names: &dyn Names) -> bool {
    let cause = names.cause(row.key.cause).cause;
    cause == UNCLASSIFIED || (cause == ACCESS_DENIED && row.key.evidence == Evidence::None)
}

/// One text that is not explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnexplainedText<'a> {
    /// Its template.
    pub template: &'a Bounded<u64>,
    /// Cause that its attempts were given most often.
    pub cause: &'a str,
    /// Attempts.
    pub attempts: u64,
    /// Of these, final failures.
    pub failed: u64,
    /// Receiving ISPs that said it.
    pub isps: usize,
}

/// The texts that are not explained: most attempts first, then most ISPs, then by id.
pub fn unexplained<'a>(refusals: &'a [RefusalRow], names: &'a dyn Names) -> Vec<UnexplainedText<'a>> {
    #[derive(Default)]
    struct Group<'a> {
        attempts: u64,
        failed: u64,
        isps: BTreeSet<&'a GroupIsp>,
        causes: BTreeMap<&'a str, u64>,
    }
    let mut groups: BTreeMap<&Bounded<u64>, Group<'_>> = BTreeMap::new();
    for row in outward(refusals).filter(|row| is_unexplained(row, names)) {
        let group = groups.entry(&row.key.template).or_default();
        group.attempts = add(group.attempts, row.attempts);
        group.failed = add(group.failed, row.failed);
        group.isps.insert(&row.key.isp);
        let of_cause = group.causes.entry(names.cause(row.key.cause).cause).or_insert(0);
        *of_cause = add(*of_cause, row.attempts);
    }
    let most = |causes: BTreeMap<&'a str, u64>| causes.into_iter().max_by_key(|(name, n)| (*n, Reverse(*name)));
    let text = |(template, group): (&'a Bounded<u64>, Group<'a>)| UnexplainedText {
        template,
        cause: most(group.causes).map_or(UNCLASSIFIED, |(name, _)| name),
        attempts: group.attempts,
        failed: group.failed,
        isps: group.isps.len(),
    };
    let mut texts: Vec<_> = groups.into_iter().map(text).collect();
    texts.sort_by_key(|text| (Reverse(text.attempts), Reverse(text.isps), text.template));
    texts
}
