//! The rows of a run as tables, and back. Ids are written as the words of the tables they point into, so that a run
//! outlives a change of those tables.
//!
//! A value beyond the number kept apart is written `*`; a value that itself starts with `*` has one more before it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use crate::cause::{CauseId, Evidence, RuleId};
use crate::isp::{FilterId, IspId};
use crate::names::Names;
use crate::record::{Hop, Trust};
use crate::rows::{Bounded, GroupIsp, Place, RefusalKey, RefusalRow, Seen, TemplateRow, TrafficRow, template_id};
use crate::smtp::{EnhancedStatus, ReplyCode};
use crate::table::{Column, ColumnData, ReportError, Table, Value, int64};

/// Names of the three tables of a run, as in their file names.
pub const REFUSALS: &str = "refusals";
/// See [`REFUSALS`].
pub const TRAFFIC: &str = "traffic";
/// See [`REFUSALS`].
pub const TEMPLATES: &str = "templates";

/// The way back from words to ids: the reverse of [`Names`].
pub trait Ids {
    /// Row of the ISP table with this slug.
    fn isp(&self, slug: &str) -> Option<IspId>;
    /// Row of the filter table with this slug.
    fn filter(&self, slug: &str) -> Option<FilterId>;
    /// Row of the table of causes with this id.
    fn cause(&self, cause: &str) -> Option<CauseId>;
    /// Row of the rule table with this id.
    fn rule(&self, rule: &str) -> Option<RuleId>;
}

type Text = Arc<str>;

/// Refusals as a table, in the rows' order.
///
/// # Errors
/// None that data could cause.
pub fn refusal_table(rows: &[RefusalRow], names: &dyn Names) -> Result<Table, ReportError> {
    let mut columns = vec![
        Column::new("log_date", DOC_DATE, ColumnData::Date(rows.iter().map(|r| r.key.log_date).collect())),
        Column::new(
            "reply_code",
            "Reply code. Null where there is none.",
            ColumnData::Int32(rows.iter().map(|r| r.key.reply_code.map(|c| c.get().into())).collect()),
        ),
    ];
    // The reply code stands between the filter and the enhanced code, in the order of the key.
    let mut words = word_columns(rows, names);
    let after = words.split_off(5);
    columns.splice(1..1, words);
    columns.extend(after);
    columns.extend(detail_columns(rows));
    columns.extend(count_columns(rows));
    Table::new(REFUSALS, columns)
}

fn text_column(
    name: &'static str,
    doc: &'static str,
    rows: &[RefusalRow],
    mut cell: impl FnMut(&RefusalKey) -> Option<Text>,
) -> Column {
    Column::new(name, doc, ColumnData::Str(rows.iter().map(|r| cell(&r.key)).collect()))
}

/// What the key says in words of closed sets.
fn word_columns(rows: &[RefusalRow], names: &dyn Names) -> Vec<Column> {
    let mut words = Words::default();
    let mut column = |name, doc, word: &dyn Fn(&RefusalKey, &mut Words) -> Option<Text>| {
        text_column(name, doc, rows, |key| word(key, &mut words))
    };
    vec![
        column("isp", DOC_ISP, &|k, _| Some(isp_word(&k.isp, names))),
        column("isp_kind", DOC_KIND, &|k, w| Some(w.get(isp_kind(&k.isp)))),
        column("hop", DOC_HOP, &|k, w| Some(w.get(k.hop.as_str()))),
        column("trust", DOC_TRUST, &|k, w| Some(w.get(k.trust.as_str()))),
        column("filter_vendor", "Slug of the filter vendor. Null where none was seen.", &|k, w| {
            k.filter.map(|f| w.get(names.filter(f)))
        }),
        column("enhanced_status_code", "Enhanced status code. Null where there is none.", &|k, w| {
            k.status.map(|s| w.get(&s.to_string()))
        }),
        column("cause", "Id of the cause.", &|k, w| Some(w.get(names.cause(k.cause).cause))),
        column("rule", "Id of the rule that chose it. Null where none did.", &|k, w| {
            k.rule.map(|r| w.get(names.rule(r)))
        }),
        column("evidence", "What the cause rests on: text, token, registered_code, none.", &|k, w| {
            Some(w.get(k.evidence.as_str()))
        }),
    ]
}

/// What the key says in words of open sets.
fn detail_columns(rows: &[RefusalRow]) -> [Column; 4] {
    [
        text_column("blocklist", "Blocklist named; * for others. Null where none is.", rows, |k| {
            bounded_word(&k.blocklist, Arc::clone)
        }),
        text_column("sender_domain", "Envelope sender's domain; * for others. Null where unknown.", rows, |k| {
            bounded_word(&k.sender_domain, Arc::clone)
        }),
        text_column("sending_ip", "Sending address as stated; * for others. Null where not stated.", rows, |k| {
            bounded_word(&k.sending_ip, |ip| ip.to_string().into())
        }),
        text_column("template_id", "Id in templates; * for others. Null where there is no text.", rows, |k| {
            bounded_word(&k.template, |id| template_id(*id).into())
        }),
    ]
}

fn count_columns(rows: &[RefusalRow]) -> [Column; 5] {
    let count = |f: fn(&RefusalRow) -> u64| ColumnData::Int64(rows.iter().map(|r| int64(f(r))).collect());
    let time = |f: fn(Seen) -> i64| ColumnData::Timestamp(rows.iter().map(|r| r.seen.map(f)).collect());
    [
        Column::new("attempts", "Attempts per recipient that got this answer.", count(|r| r.attempts)),
        Column::new("failed_recipients", "Of these, final failures.", count(|r| r.failed)),
        Column::new(
            "code_conflicts",
            "Of these, replies whose codes contradict each other.",
            count(|r| r.code_conflicts),
        ),
        Column::new("first_seen", "Time of the first. Null where no time is usable.", time(|s| s.first)),
        Column::new("last_seen", "Time of the last. Null where no time is usable.", time(|s| s.last)),
    ]
}

/// Traffic as a table, in the rows' order.
///
/// # Errors
/// None that data could cause.
pub fn traffic_table(rows: &[TrafficRow], names: &dyn Names) -> Result<Table, ReportError> {
    let mut words = Words::default();
    let count = |f: fn(&TrafficRow) -> u64| ColumnData::Int64(rows.iter().map(|r| int64(f(r))).collect());
    let kinds = rows.iter().map(|r| Some(words.get(isp_kind(&r.isp)))).collect();
    let columns = vec![
        Column::new("log_date", DOC_DATE, ColumnData::Date(rows.iter().map(|r| r.log_date).collect())),
        Column::new("isp", DOC_ISP, ColumnData::Str(rows.iter().map(|r| Some(isp_word(&r.isp, names))).collect())),
        Column::new("isp_kind", DOC_KIND, ColumnData::Str(kinds)),
        Column::new("delivered", "Attempts per recipient that were delivered.", count(|r| r.delivered)),
        Column::new("deferred", "Attempts that were put off.", count(|r| r.deferred)),
        Column::new("refused", "Attempts that were given up.", count(|r| r.refused)),
        Column::new(
            "refused_policy",
            "Of the deferred and refused, those refused for policy.",
            count(|r| r.refused_policy),
        ),
        Column::new("refused_571", "Of the deferred and refused, those with 5.7.1.", count(|r| r.refused_571)),
    ];
    Table::new(TRAFFIC, columns)
}

/// Templates as a table, in the rows' order.
///
/// # Errors
/// None that data could cause.
pub fn template_table(rows: &[TemplateRow]) -> Result<Table, ReportError> {
    let columns = vec![
        Column::new(
            "template_id",
            "Hash of the text: 16 hexadecimal digits.",
            ColumnData::Str(rows.iter().map(|r| Some(template_id(r.id).into())).collect()),
        ),
        Column::new(
            "template",
            "The masked text. Null where it is empty.",
            ColumnData::Str(rows.iter().map(|r| Some(Arc::clone(&r.text))).collect()),
        ),
        Column::new(
            "attempts",
            "Attempts that got it.",
            ColumnData::Int64(rows.iter().map(|r| int64(r.attempts)).collect()),
        ),
        Column::new(
            "example_input",
            "Input that holds the first line with such a text. Null if no line is known.",
            ColumnData::Str(rows.iter().map(|r| Some(Arc::clone(&r.example.as_ref()?.input))).collect()),
        ),
        Column::new(
            "example_offset",
            "Offset of that line in the input, from 0. Null as above.",
            ColumnData::Int64Null(rows.iter().map(|r| Some(int64(r.example.as_ref()?.offset))).collect()),
        ),
        Column::new(
            "example_length",
            "Length of that line in bytes. Null as above.",
            ColumnData::Int64Null(rows.iter().map(|r| Some(i64::from(r.example.as_ref()?.len))).collect()),
        ),
    ];
    Table::new(TEMPLATES, columns)
}

/// Reads a table of a run by its file's extension: `.parquet`, else CSV with the columns of `schema` (a table such as
/// [`refusal_table`] makes of no rows).
///
/// # Errors
/// [`ReportError`] with the path; also where this build has no Parquet.
pub fn read_table(path: &Path, schema: &Table) -> Result<Table, ReportError> {
    if path.extension().is_some_and(|e| e == "parquet") {
        return read_parquet(path);
    }
    let file = std::fs::File::open(path).map_err(|e| ReportError::io(path, e))?;
    crate::table::csv::read(file, path, schema)
}

#[cfg(feature = "parquet")]
fn read_parquet(path: &Path) -> Result<Table, ReportError> {
    crate::table::parquet::read(path)
}

#[cfg(not(feature = "parquet"))]
fn read_parquet(path: &Path) -> Result<Table, ReportError> {
    Err(ReportError::content(path, "this build reads no Parquet"))
}

const DOC_DATE: &str = "UTC day. Null where unknown.";
const DOC_HOP: &str = "Which way: remote, unconnected, internal, local, inbound.";
const DOC_TRUST: &str = "log; of mails: named, unnamed, foreign. Reports count log and named.";
const DOC_ISP: &str = "Receiving ISP: slug, else registrable domain.";
const DOC_KIND: &str = "What isp is: known (a slug), domain, address_literal, unknown, other.";

/// One allocation for each word that stands in many rows.
#[derive(Default)]
struct Words(BTreeMap<String, Text>);

impl Words {
    fn get(&mut self, word: &str) -> Text {
        if let Some(known) = self.0.get(word) {
            return Arc::clone(known);
        }
        let text: Text = Arc::from(word);
        self.0.insert(word.to_string(), Arc::clone(&text));
        text
    }
}

fn isp_word(isp: &GroupIsp, names: &dyn Names) -> Text {
    match isp {
        GroupIsp::Domain(domain) => Arc::clone(domain),
        other => Arc::from(&*names.isp(other).0),
    }
}

fn isp_kind(isp: &GroupIsp) -> &'static str {
    match isp {
        GroupIsp::Known(_) => "known",
        GroupIsp::Domain(_) => "domain",
        GroupIsp::AddressLiteral => "address_literal",
        GroupIsp::Unknown => "unknown",
        GroupIsp::Other => "other",
    }
}

fn bounded_word<T>(value: &Bounded<T>, word: impl Fn(&T) -> Text) -> Option<Text> {
    match value {
        Bounded::None => None,
        Bounded::Other => Some(Arc::from("*")),
        Bounded::Value(value) => {
            let word = word(value);
            Some(if word.starts_with('*') { Arc::from(format!("*{word}")) } else { word })
        }
    }
}

/// Refusals read back.
///
/// An ISP that the table no longer knows becomes a domain of that name, a rule that is gone becomes none; so two
/// rows may now have equal keys (merging joins them).
///
/// # Errors
/// [`ReportError::Table`] with the row (from 1) of the first value that is none of its column.
pub fn refusal_rows(table: &Table, ids: &dyn Ids) -> Result<Vec<RefusalRow>, ReportError> {
    let cells = RefusalCells::new(table)?;
    (0..table.rows()).map(|row| cells.row(row, ids).map_err(|column| bad_cell(table, row, column))).collect()
}

fn bad_cell(table: &Table, row: usize, column: &str) -> ReportError {
    let cell = table.column(column).and_then(|c| c.data.value(row));
    let shown = crate::text::sanitize(&format!("{cell:?}")).into_owned();
    ReportError::table(table.name(), format!("row {}: column {column} cannot be {shown}", row + 1))
}

/// What a cell's reader says of a wrong value: the name of its column.
type Cell<T> = Result<T, &'static str>;

struct RefusalCells<'a> {
    dates: &'a [Option<i32>],
    codes: &'a [Option<i32>],
    texts: BTreeMap<&'static str, &'a [Option<Text>]>,
    counts: BTreeMap<&'static str, &'a [i64]>,
    first: &'a [Option<i64>],
    last: &'a [Option<i64>],
}

const TEXTS: [&str; 13] = [
    "isp",
    "isp_kind",
    "hop",
    "trust",
    "filter_vendor",
    "enhanced_status_code",
    "cause",
    "rule",
    "evidence",
    "blocklist",
    "sender_domain",
    "sending_ip",
    "template_id",
];

impl<'a> RefusalCells<'a> {
    fn new(table: &'a Table) -> Result<Self, ReportError> {
        Ok(RefusalCells {
            dates: table.dates("log_date")?,
            codes: table.ints("reply_code")?,
            texts: TEXTS.into_iter().map(|name| Ok((name, table.strs(name)?))).collect::<Result<_, ReportError>>()?,
            counts: ["attempts", "failed_recipients", "code_conflicts"]
                .into_iter()
                .map(|name| Ok((name, table.counts(name)?)))
                .collect::<Result<_, ReportError>>()?,
            first: table.timestamps("first_seen")?,
            last: table.timestamps("last_seen")?,
        })
    }

    fn row(&self, row: usize, ids: &dyn Ids) -> Cell<RefusalRow> {
        let text = |name| self.texts.get(name).and_then(|v| v.get(row)).and_then(Option::as_ref);
        let count = |name: &'static str| read_count(self.counts.get(name).and_then(|v| v.get(row)), name);
        let key = RefusalKey {
            log_date: self.dates.get(row).copied().flatten(),
            isp: read_isp(text("isp"), text("isp_kind"), ids)?,
            hop: text("hop").and_then(|word| read_hop(word)).ok_or("hop")?,
            trust: text("trust").and_then(|word| read_trust(word)).ok_or("trust")?,
            filter: optional(text("filter_vendor"), |t| ids.filter(t), "filter_vendor")?,
            reply_code: optional(
                self.codes.get(row).and_then(Option::as_ref),
                |c| ReplyCode::new(u16::try_from(*c).ok()?),
                "reply_code",
            )?,
            status: optional(
                text("enhanced_status_code"),
                |t| EnhancedStatus::exact(t.as_bytes()),
                "enhanced_status_code",
            )?,
            cause: text("cause").and_then(|t| ids.cause(t)).ok_or("cause")?,
            rule: text("rule").and_then(|t| ids.rule(t)),
            evidence: text("evidence").and_then(|t| read_evidence(t)).ok_or("evidence")?,
            blocklist: read_bounded(text("blocklist"), |t| Some(Arc::from(t)), "blocklist")?,
            sender_domain: read_bounded(text("sender_domain"), |t| Some(Arc::from(t)), "sender_domain")?,
            sending_ip: read_bounded(text("sending_ip"), |t| t.parse::<IpAddr>().ok(), "sending_ip")?,
            template: read_bounded(text("template_id"), read_id, "template_id")?,
        };
        let seen = match (self.first.get(row).copied().flatten(), self.last.get(row).copied().flatten()) {
            (None, None) => None,
            (Some(first), Some(last)) if first <= last => Some(Seen { first, last }),
            _ => return Err("last_seen"),
        };
        let (attempts, failed) = (count("attempts")?, count("failed_recipients")?);
        Ok(RefusalRow { key, attempts, failed, code_conflicts: count("code_conflicts")?, seen })
    }
}

/// Traffic read back; see [`refusal_rows`].
///
/// # Errors
/// [`ReportError::Table`] with the row (from 1) of the first value that is none of its column.
pub fn traffic_rows(table: &Table, ids: &dyn Ids) -> Result<Vec<TrafficRow>, ReportError> {
    let (dates, isps, kinds) = (table.dates("log_date")?, table.strs("isp")?, table.strs("isp_kind")?);
    let (delivered, deferred, refused) =
        (table.counts("delivered")?, table.counts("deferred")?, table.counts("refused")?);
    let (policy, with_571) = (table.counts("refused_policy")?, table.counts("refused_571")?);
    let read = |row: usize| -> Cell<TrafficRow> {
        let cell = |column: &'_ [Option<Text>]| column.get(row).cloned().flatten();
        Ok(TrafficRow {
            log_date: dates.get(row).copied().flatten(),
            isp: read_isp(cell(isps).as_ref(), cell(kinds).as_ref(), ids)?,
            delivered: read_count(delivered.get(row), "delivered")?,
            deferred: read_count(deferred.get(row), "deferred")?,
            refused: read_count(refused.get(row), "refused")?,
            refused_policy: read_count(policy.get(row), "refused_policy")?,
            refused_571: read_count(with_571.get(row), "refused_571")?,
        })
    };
    (0..table.rows()).map(|row| read(row).map_err(|column| bad_cell(table, row, column))).collect()
}

/// Templates read back.
///
/// # Errors
/// [`ReportError::Table`] with the row (from 1) of the first value that is none of its column.
pub fn template_rows(table: &Table) -> Result<Vec<TemplateRow>, ReportError> {
    let (ids, texts, attempts) = (table.strs("template_id")?, table.strs("template")?, table.counts("attempts")?);
    let example = ExampleCells {
        inputs: table.strs("example_input")?,
        offset: table.data("example_offset")?,
        length: table.data("example_length")?,
    };
    let read = |row: usize| -> Cell<TemplateRow> {
        let id = ids.get(row).and_then(Option::as_deref).and_then(read_id).ok_or("template_id")?;
        let text = texts.get(row).cloned().flatten().unwrap_or_else(|| Arc::from(""));
        Ok(TemplateRow { id, text, attempts: read_count(attempts.get(row), "attempts")?, example: example.row(row)? })
    };
    (0..table.rows()).map(|row| read(row).map_err(|column| bad_cell(table, row, column))).collect()
}

struct ExampleCells<'t> {
    inputs: &'t [Option<Text>],
    offset: &'t ColumnData,
    length: &'t ColumnData,
}

impl ExampleCells<'_> {
    fn row(&self, row: usize) -> Cell<Option<Place>> {
        let Some(Some(input)) = self.inputs.get(row) else { return Ok(None) };
        let number = |data: &ColumnData| match data.value(row) {
            Some(Value::Int(n)) => u64::try_from(n).ok(),
            _ => None,
        };
        let offset = number(self.offset).ok_or("example_offset")?;
        let len = number(self.length).and_then(|n| u32::try_from(n).ok()).ok_or("example_length")?;
        Ok(Some(Place { input: Arc::clone(input), offset, len }))
    }
}

fn read_count(count: Option<&i64>, column: &'static str) -> Cell<u64> {
    count.and_then(|n| u64::try_from(*n).ok()).ok_or(column)
}

fn optional<T: ?Sized, U>(cell: Option<&T>, read: impl Fn(&T) -> Option<U>, column: &'static str) -> Cell<Option<U>> {
    cell.map(|value| read(value).ok_or(column)).transpose()
}

fn read_isp(isp: Option<&Text>, kind: Option<&Text>, ids: &dyn Ids) -> Cell<GroupIsp> {
    let isp = isp.ok_or("isp")?;
    match kind.map(|k| &**k) {
        Some("known") => Ok(ids.isp(isp).map_or_else(|| GroupIsp::Domain(Arc::clone(isp)), GroupIsp::Known)),
        Some("domain") => Ok(GroupIsp::Domain(Arc::clone(isp))),
        Some("address_literal") => Ok(GroupIsp::AddressLiteral),
        Some("unknown") => Ok(GroupIsp::Unknown),
        Some("other") => Ok(GroupIsp::Other),
        _ => Err("isp_kind"),
    }
}

fn read_hop(word: &str) -> Option<Hop> {
    [Hop::Remote, Hop::Unconnected, Hop::Internal, Hop::Local, Hop::Inbound].into_iter().find(|h| h.as_str() == word)
}

fn read_trust(word: &str) -> Option<Trust> {
    Trust::ALL.into_iter().find(|t| t.as_str() == word)
}

fn read_evidence(word: &str) -> Option<Evidence> {
    let all = [Evidence::Text, Evidence::Token, Evidence::RegisteredCode, Evidence::None];
    all.into_iter().find(|e| e.as_str() == word)
}

fn read_bounded<T>(cell: Option<&Text>, read: impl Fn(&str) -> Option<T>, column: &'static str) -> Cell<Bounded<T>> {
    let Some(word) = cell else { return Ok(Bounded::None) };
    match word.strip_prefix('*') {
        Some("") => Ok(Bounded::Other),
        Some(escaped) => read(escaped).map(Bounded::Value).ok_or(column),
        None => read(word).map(Bounded::Value).ok_or(column),
    }
}

fn read_id(word: &str) -> Option<u64> {
    (word.len() == 16 && word.bytes().all(|b| b.is_ascii_hexdigit())).then(|| u64::from_str_radix(word, 16).ok())?
}
