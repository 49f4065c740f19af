use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::smtp::ReplyCode;

/// The order of the fields is the order of the rows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    date: Option<i32>,
    isp: Text,
    reply: Option<ReplyCode>,
    code: Option<Text>,
}

/// Table `codes_by_isp`: all codes of refused and deferred attempts by day and ISP.
///
/// # Errors
/// None that data could cause.
pub fn codes_by_isp(rows: &[RefusalRow], names: &dyn Names) -> Result<Table, ReportError> {
    let mut cell_texts = Texts::new(names);
    let mut groups: BTreeMap<Key, (Option<EnhancedStatus>, Counts)> = BTreeMap::new();
    for row in outward(rows) {
        let (isp, code) = (cell_texts.slug(&row.key.isp), cell_texts.code(row.key.status));
        let key = Key { date: row.key.log_date, isp, reply: row.key.reply_code, code };
        groups.entry(key).or_insert((row.key.status, Counts::default())).1.take(row);
    }
    let keys = || groups.keys();
    let codes: Vec<_> = groups.values().map(|(status, _)| *status).collect();
    let sums: Vec<Counts> = groups.values().map(|(_, sums)| *sums).collect();
    let seen: Vec<_> = sums.iter().map(|s| s.seen).collect();
    let meaning = |c: &Option<EnhancedStatus>| c.and_then(|c| names.registered_meaning(c)).map(Arc::from);
    let mut columns = vec![
        Column::new("log_date", DOC_DATE, dates(keys().map(|k| k.date))),
        Column::new("isp", DOC_ISP, texts(keys().map(|k| Some(Arc::clone(&k.isp))))),
        Column::new("reply_code", DOC_REPLY, ints(keys().map(|k| k.reply.map(|r| i32::from(r.get()))))),
        Column::new("enhanced_status_code", DOC_STATUS, texts(keys().map(|k| k.code.clone()))),
    ];
    columns.extend(status_columns(&codes));
    columns.extend([
        Column::new(
            "registered_meaning",
            "What the IANA registry says of the code. Null where there is no code or no entry.",
            texts(codes.iter().map(meaning)),
        ),
        Column::new("attempts", DOC_ATTEMPTS, counts(sums.iter().map(|s| s.attempts))),
        Column::new("failed_recipients", DOC_FAILED, counts(sums.iter().map(|s| s.failed))),
        Column::new(
            "code_conflicts",
            "Of these attempts, those whose codes contradict each other. Never null.",
            counts(sums.iter().map(|s| s.conflicts)),
        ),
    ]);
    columns.extend(seen_columns(&seen));
    Table::new("codes_by_isp", columns)
}
