//! The tables that people load: each one groups merged rows. Only outward attempts count.

mod blocklists;
mod causes;
mod codes;
mod traffic;
mod unclassified;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use blocklists::blocklists;
pub use causes::causes_by_isp;
pub use codes::codes_by_isp;
pub use traffic::traffic_by_isp;
pub use unclassified::unclassified;

use super::merge::add;
use super::outward;
use super::rate::Rate;
use crate::cause::CauseId;
use crate::names::{CauseText, Names};
use crate::rows::{Bounded, GroupIsp, RefusalRow, Seen, TemplateRow, TrafficRow, join_seen, template_id};
use crate::smtp::EnhancedStatus;
use crate::table::ReportError;
use crate::table::{Column, ColumnData, Table};

/// Text of a cell.
type Text = Arc<str>;

/// What the views look at: merged rows, as [`super::merge_refusals`] and its sisters give them.
#[derive(Clone, Copy)]
pub struct ViewInput<'a> {
    /// Refused and deferred attempts.
    pub refusals: &'a [RefusalRow],
    /// All attempts.
    pub traffic: &'a [TrafficRow],
    /// Reply texts.
    pub templates: &'a [TemplateRow],
    /// The inputs were bounce mails only, so nobody knows how many attempts there were: `isp_attempts` is null.
    pub bounces_only: bool,
}

/// All views, in the order of their documentation.
///
/// # Errors
/// None that data could cause.
pub fn all(input: ViewInput<'_>, names: &dyn Names) -> Result<Vec<Table>, ReportError> {
    Ok(vec![
        causes_by_isp(input, names)?,
        codes_by_isp(input.refusals, names)?,
        traffic_by_isp(input, names)?,
        blocklists(input.refusals, names)?,
        unclassified(input, names)?,
    ])
}

/// Counts of a group.
#[derive(Clone, Copy, Default)]
struct Counts {
    attempts: u64,
    failed: u64,
    conflicts: u64,
    seen: Option<Seen>,
}

impl Counts {
    fn take(&mut self, row: &RefusalRow) {
        self.attempts = add(self.attempts, row.attempts);
        self.failed = add(self.failed, row.failed);
        self.conflicts = add(self.conflicts, row.code_conflicts);
        self.seen = join_seen(self.seen, row.seen);
    }
}

/// Names turned into cell texts once each, since a view asks for the same few a million times.
struct Texts<'a> {
    names: &'a dyn Names,
    isps: BTreeMap<&'a GroupIsp, (Text, Text)>,
    codes: BTreeMap<EnhancedStatus, Text>,
    causes: BTreeMap<CauseId, (Text, Text)>,
}

impl<'a> Texts<'a> {
    fn new(names: &'a dyn Names) -> Self {
        Texts { names, isps: BTreeMap::new(), codes: BTreeMap::new(), causes: BTreeMap::new() }
    }

    /// Slug and display name.
    fn isp(&mut self, isp: &'a GroupIsp) -> (Text, Text) {
        let names = self.names;
        let found = self.isps.entry(isp).or_insert_with(|| {
            let (slug, name) = names.isp(isp);
            (Arc::from(&*slug), Arc::from(&*name))
        });
        found.clone()
    }

    fn slug(&mut self, isp: &'a GroupIsp) -> Text {
        self.isp(isp).0
    }

    fn code(&mut self, status: Option<EnhancedStatus>) -> Option<Text> {
        let status = status?;
        Some(Arc::clone(self.codes.entry(status).or_insert_with(|| Arc::from(status.to_string()))))
    }

    /// Category and cause.
    fn cause(&mut self, cause: CauseId) -> (Text, Text) {
        let names = self.names;
        let found = self.causes.entry(cause).or_insert_with(|| {
            let CauseText { category, cause, .. } = names.cause(cause);
            (Arc::from(category), Arc::from(cause))
        });
        found.clone()
    }
}

/// `other` for what was not kept apart.
fn bounded(value: &Bounded<Text>) -> Option<Text> {
    match value {
        Bounded::None => None,
        Bounded::Value(text) => (!text.is_empty()).then(|| Arc::clone(text)),
        Bounded::Other => Some(Arc::from("other")),
    }
}

fn dates(values: impl Iterator<Item = Option<i32>>) -> ColumnData {
    ColumnData::Date(values.collect())
}

fn ints<T: Into<i32>>(values: impl Iterator<Item = Option<T>>) -> ColumnData {
    ColumnData::Int32(values.map(|v| v.map(Into::into)).collect())
}

fn counts(values: impl Iterator<Item = u64>) -> ColumnData {
    ColumnData::Int64(values.map(crate::table::int64).collect())
}

fn texts(values: impl Iterator<Item = Option<Text>>) -> ColumnData {
    ColumnData::Str(values.collect())
}

/// The three parts of a code, as numbers.
fn status_columns(codes: &[Option<EnhancedStatus>]) -> [Column; 3] {
    [
        Column::new(
            "status_class",
            "First part of the enhanced status code: 4 transient, 5 permanent. Null where the server gave none.",
            ints(codes.iter().map(|c| c.map(|c| c.class))),
        ),
        Column::new(
            "status_subject",
            "Second part of the enhanced status code; 7 is security or policy. Null where the server gave none.",
            ints(codes.iter().map(|c| c.map(|c| c.subject))),
        ),
        Column::new(
            "status_detail",
            "Third part of the enhanced status code. Null where the server gave none.",
            ints(codes.iter().map(|c| c.map(|c| c.detail))),
        ),
    ]
}

fn seen_columns(seen: &[Option<Seen>]) -> [Column; 2] {
    [
        Column::new(
            "first_seen",
            "Time of the group's first attempt. Null where no attempt has a usable time.",
            ColumnData::Timestamp(seen.iter().map(|s| s.map(|s| s.first)).collect()),
        ),
        Column::new(
            "last_seen",
            "Time of the group's last attempt. Null where no attempt has a usable time.",
            ColumnData::Timestamp(seen.iter().map(|s| s.map(|s| s.last)).collect()),
        ),
    ]
}

/// Share with bounds; the documentation of the share itself differs by table.
fn rate_columns(doc: &'static str, rates: &[Option<Rate>]) -> [Column; 3] {
    let column = |part: fn(&Rate) -> f64| ColumnData::Float64(rates.iter().map(|r| r.as_ref().map(part)).collect());
    [
        Column::new("rate", doc, column(|r| r.rate)),
        Column::new("rate_low", "Lower bound of rate: 95 % Wilson interval. Null as rate.", column(|r| r.low)),
        Column::new("rate_high", "Upper bound of rate: 95 % Wilson interval. Null as rate.", column(|r| r.high)),
    ]
}

const DOC_DATE: &str =
    "UTC day by the log's own stamp (mail: time of delivery). Null where the time is unknown or suspect.";
const DOC_ISP: &str = "Receiving ISP: slug of the ISP table, else the registrable domain; unknown, address_literal \
    or other where there is none. Never null.";
const DOC_REPLY: &str = "Reply code (RFC 5321). Null where the text holds none.";
const DOC_STATUS: &str = "Enhanced status code (RFC 3463) as the server gave it. Null where it gave none.";
const DOC_ATTEMPTS: &str = "Delivery attempts, counted per recipient, that got this answer. Never null.";
const DOC_FAILED: &str = "Of these attempts, the final failures; the others were deferred. Never null.";
