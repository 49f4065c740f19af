//! Runs as people read them: views over merged rows, and their writers.
//!
//! A view makes a [`Table`](crate::table::Table). What the rows' ids mean comes through [`Names`], so a view depends on
//! no rule table. Nothing here reads the clock.

pub mod codes;
pub mod merge;
pub mod rate;
pub mod summary;
pub mod terminal;
pub mod unexplained;
pub mod views;

pub use codes::CodePatterns;
pub use merge::{Merged, merge_refusals, merge_templates, merge_traffic};
pub use summary::{Summary, SummaryInput};
pub use unexplained::unexplained;

use crate::names::Names;
use crate::record::Trust;
use crate::rows::RefusalRow;

/// The cause where no rule spoke.
pub const UNCLASSIFIED: &str = "unclassified";

/// Whether a row is a policy refusal: a code x.7.*, or a cause that is a matter of policy whatever the code.
pub fn is_policy(row: &RefusalRow, names: &dyn Names) -> bool {
    row.key.status.is_some_and(|s| s.subject == 7) || names.cause(row.key.cause).is_policy
}

/// Refusals on the way to other servers that are believed: what reports count.
pub fn outward(rows: &[RefusalRow]) -> impl Iterator<Item = &RefusalRow> {
    rows.iter().filter(|row| row.key.hop.is_outward() && row.key.trust.is_believed())
}

/// Refusals told by mails that are not believed. They are in no other count.
pub fn not_believed(rows: &[RefusalRow], trust: Trust) -> u64 {
    let apart = rows.iter().filter(|row| row.key.trust == trust && !trust.is_believed());
    apart.fold(0, |sum, row| merge::add(sum, row.attempts))
}

/// Attempts of clients that our own server refused. They are in no other count.
pub fn refused_by_us(rows: &[RefusalRow]) -> u64 {
    let inbound = rows.iter().filter(|r| r.key.hop == crate::record::Hop::Inbound);
    inbound.fold(0, |sum, row| merge::add(sum, row.attempts))
}
