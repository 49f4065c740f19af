//! Runs added up: sums, smallest and largest on equal keys. Any order of rows and of merges gives the same rows.

use std::sync::Arc;

use crate::rows::{RefusalRow, TemplateRow, TrafficRow, join_seen};

/// The largest count that a table (64 bits, signed) can hold.
pub const MAX_COUNT: u64 = i64::MAX as u64;

/// Merged rows in the order of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merged<T> {
    /// One row a key.
    pub rows: Vec<T>,
    /// The total of all attempts is beyond [`MAX_COUNT`], so some count stands at that limit. Where this is
    /// `false`, no sum over any of the rows can overflow.
    pub saturated: bool,
}

/// The sum, at most [`MAX_COUNT`]. Saturating keeps addition independent of order.
pub fn add(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(MAX_COUNT)
}

/// Adds up refusals.
pub fn merge_refusals(rows: impl IntoIterator<Item = RefusalRow>) -> Merged<RefusalRow> {
    merge(
        rows,
        |r| r.attempts,
        |a, b| a.key.cmp(&b.key),
        |kept, row| {
            kept.attempts = add(kept.attempts, row.attempts);
            kept.failed = add(kept.failed, row.failed);
            kept.code_conflicts = add(kept.code_conflicts, row.code_conflicts);
            kept.seen = join_seen(kept.seen, row.seen);
        },
    )
}

/// Adds up traffic.
pub fn merge_traffic(rows: impl IntoIterator<Item = TrafficRow>) -> Merged<TrafficRow> {
    let attempts = |r: &TrafficRow| add(add(r.delivered, r.deferred), r.refused);
    let order = |a: &TrafficRow, b: &TrafficRow| (a.log_date, &a.isp).cmp(&(b.log_date, &b.isp));
    merge(rows, attempts, order, |kept, row| {
        kept.delivered = add(kept.delivered, row.delivered);
        kept.deferred = add(kept.deferred, row.deferred);
        kept.refused = add(kept.refused, row.refused);
        kept.refused_policy = add(kept.refused_policy, row.refused_policy);
        kept.refused_571 = add(kept.refused_571, row.refused_571);
    })
}

/// Adds up templates. Should two texts ever share an id, the smaller one stays.
pub fn merge_templates(rows: impl IntoIterator<Item = TemplateRow>) -> Merged<TemplateRow> {
    merge(
        rows,
        |r| r.attempts,
        |a, b| a.id.cmp(&b.id),
        |kept, row| {
            kept.attempts = add(kept.attempts, row.attempts);
            if row.text < kept.text {
                kept.text = Arc::clone(&row.text);
            }
        },
    )
}

fn merge<T>(
    rows: impl IntoIterator<Item = T>,
    attempts: impl Fn(&T) -> u64,
    order: impl Fn(&T, &T) -> std::cmp::Ordering,
    join: impl Fn(&mut T, &T),
) -> Merged<T> {
    let mut rows: Vec<T> = rows.into_iter().collect();
    rows.sort_unstable_by(&order);
    let total: u128 = rows.iter().map(|r| u128::from(attempts(r))).sum();
    rows.dedup_by(|row, kept| {
        let same = order(row, kept).is_eq();
        if same {
            join(kept, row);
        }
        same
    });
    Merged { rows, saturated: total > u128::from(MAX_COUNT) }
}
