use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::cause::Evidence;
use crate::report::is_policy;
use crate::report::rate::wilson;
use crate::smtp::ReplyCode;
use crate::table::int64;

/// The order of the fields is the order of the rows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    date: Option<i32>,
    isp: Text,
    filter: Option<Text>,
    reply: Option<ReplyCode>,
    code: Option<Text>,
    cause: Text,
    blocklist: Option<Text>,
}

struct Group<'a> {
    isp: &'a GroupIsp,
    isp_name: Text,
    status: Option<EnhancedStatus>,
    category: Text,
    cause: CauseId,
    evidence: Evidence,
    counts: Counts,
    templates: BTreeMap<u64, u64>,
}

/// Table `causes_by_isp`: every policy refusal by day, ISP, filter vendor, codes, cause and blocklist.
///
/// # Errors
/// None that data could cause.
pub fn causes_by_isp(input: ViewInput<'_>, names: &dyn Names) -> Result<Table, ReportError> {
    let groups = group(input.refusals, names);
    let examples: BTreeMap<u64, &Text> = input.templates.iter().map(|t| (t.id, &t.text)).collect();
    let denominators = denominators(input, names);
    let rows: Vec<Row> = groups.iter().map(|(k, g)| row(k, g, &denominators, &examples, names)).collect();
    table(&groups, &rows)
}

fn group<'a>(rows: &'a [RefusalRow], names: &'a dyn Names) -> BTreeMap<Key, Group<'a>> {
    let mut texts = Texts::new(names);
    let mut filters: BTreeMap<crate::isp::FilterId, Text> = BTreeMap::new();
    let mut groups = BTreeMap::new();
    for refusal in outward(rows).filter(|r| is_policy(r, names)) {
        let key = &refusal.key;
        let (isp, isp_name) = texts.isp(&key.isp);
        let (category, cause) = texts.cause(key.cause);
        let filter = key.filter.map(|f| filters.entry(f).or_insert_with(|| Arc::from(names.filter(f))).clone());
        let code = texts.code(key.status);
        let blocklist = bounded(&key.blocklist);
        let group_key = Key { date: key.log_date, isp, filter, reply: key.reply_code, code, cause, blocklist };
        let group = groups.entry(group_key).or_insert_with(|| Group {
            isp: &key.isp,
            isp_name,
            status: key.status,
            category,
            cause: key.cause,
            evidence: key.evidence,
            counts: Counts::default(),
            templates: BTreeMap::new(),
        });
        group.counts.take(refusal);
        group.evidence = group.evidence.max(key.evidence);
        if let Bounded::Value(id) = key.template {
            let attempts = group.templates.entry(id).or_insert(0);
            *attempts = add(*attempts, refusal.attempts);
        }
    }
    groups
}

/// All attempts by day and ISP.
fn denominators(input: ViewInput<'_>, names: &dyn Names) -> BTreeMap<(Option<i32>, Text), u64> {
    let mut sums = BTreeMap::new();
    if input.bounces_only {
        return sums;
    }
    let mut texts = Texts::new(names);
    for row in input.traffic {
        let sum = sums.entry((row.log_date, texts.slug(&row.isp))).or_insert(0);
        *sum = add(*sum, add(add(row.delivered, row.deferred), row.refused));
    }
    sums
}

/// What a group's row needs from elsewhere.
struct Row {
    isp_attempts: Option<u64>,
    rate: Option<Rate>,
    advice: Option<Text>,
    reference: Option<Text>,
    example: Option<Text>,
}

fn row(
    key: &Key,
    group: &Group<'_>,
    denominators: &BTreeMap<(Option<i32>, Text), u64>,
    examples: &BTreeMap<u64, &Text>,
    names: &dyn Names,
) -> Row {
    let isp_attempts = denominators.get(&(key.date, Arc::clone(&key.isp))).copied();
    let advice = names.advice(group.cause, group.isp, key.blocklist.as_deref());
    // Of the texts that are kept, the most frequent one; of equal ones, the smallest id: the same in any order.
    let known = group.templates.iter().filter_map(|(id, n)| examples.get(id).map(|text| (*n, *id, *text)));
    let example = known.max_by_key(|(n, id, _)| (*n, std::cmp::Reverse(*id))).map(|(_, _, text)| Arc::clone(text));
    Row {
        isp_attempts,
        rate: isp_attempts.and_then(|all| wilson(group.counts.attempts, all)),
        advice: advice.advice.map(Arc::from),
        reference: advice.reference.map(Arc::from),
        example,
    }
}

fn table(groups: &BTreeMap<Key, Group<'_>>, rows: &[Row]) -> Result<Table, ReportError> {
    let mut columns = key_columns(groups);
    columns.extend(count_columns(groups, rows));
    columns.extend(text_columns(groups, rows));
    Table::new("causes_by_isp", columns)
}

fn key_columns(groups: &BTreeMap<Key, Group<'_>>) -> Vec<Column> {
    let keys = || groups.keys();
    let codes: Vec<_> = groups.values().map(|g| g.status).collect();
    let doc_filter = "Slug of the filter vendor whose host or product refused for the ISP. Null where none was seen.";
    let mut columns = vec![
        Column::new("log_date", DOC_DATE, dates(keys().map(|k| k.date))),
        Column::new("isp", DOC_ISP, texts(keys().map(|k| Some(Arc::clone(&k.isp))))),
        Column::new(
            "isp_name",
            "Display name of the receiving ISP. Never null.",
            texts(groups.values().map(|g| Some(Arc::clone(&g.isp_name)))),
        ),
        Column::new("filter_vendor", doc_filter, texts(keys().map(|k| k.filter.clone()))),
        Column::new("reply_code", DOC_REPLY, ints(keys().map(|k| k.reply.map(|r| i32::from(r.get()))))),
        Column::new("enhanced_status_code", DOC_STATUS, texts(keys().map(|k| k.code.clone()))),
    ];
    columns.extend(status_columns(&codes));
    columns.extend([
        Column::new(
            "category",
            "Category of the cause. Never null.",
            texts(groups.values().map(|g| Some(Arc::clone(&g.category)))),
        ),
        Column::new(
            "cause",
            "Why the attempts were refused, by the text; unclassified where no rule spoke. Never null.",
            texts(keys().map(|k| Some(Arc::clone(&k.cause)))),
        ),
        Column::new(
            "blocklist",
            "The blocklist that the text names; other beyond the number kept apart. Null where it names none.",
            texts(keys().map(|k| k.blocklist.clone())),
        ),
    ]);
    columns
}

fn count_columns(groups: &BTreeMap<Key, Group<'_>>, rows: &[Row]) -> Vec<Column> {
    let seen: Vec<_> = groups.values().map(|g| g.counts.seen).collect();
    let rates: Vec<_> = rows.iter().map(|r| r.rate).collect();
    let mut columns = vec![
        Column::new("attempts", DOC_ATTEMPTS, counts(groups.values().map(|g| g.counts.attempts))),
        Column::new("failed_recipients", DOC_FAILED, counts(groups.values().map(|g| g.counts.failed))),
        Column::new(
            "isp_attempts",
            "All attempts to this ISP on this day, delivered ones included. Null where the inputs hold bounces only.",
            ColumnData::Int64Null(rows.iter().map(|r| r.isp_attempts.map(int64)).collect()),
        ),
    ];
    columns.extend(rate_columns("attempts / isp_attempts. Null as isp_attempts.", &rates));
    columns.extend(seen_columns(&seen));
    columns
}

fn text_columns(groups: &BTreeMap<Key, Group<'_>>, rows: &[Row]) -> Vec<Column> {
    vec![
        Column::new(
            "evidence",
            "Weakest evidence in the group: text, token, registered_code or none. Never null.",
            texts(groups.values().map(|g| Some(Arc::from(g.evidence.as_str())))),
        ),
        Column::new(
            "advice",
            "What to do first. Null where nothing is known.",
            texts(rows.iter().map(|r| r.advice.clone())),
        ),
        Column::new(
            "reference",
            "A page of the provider or of the list's operator, else one about the cause. Null where none is known.",
            texts(rows.iter().map(|r| r.reference.clone())),
        ),
        Column::new(
            "example",
            "Masked text of the group's most frequent reply. Null where there is no text.",
            texts(rows.iter().map(|r| r.example.clone())),
        ),
    ]
}
