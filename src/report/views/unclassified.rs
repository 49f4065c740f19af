use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::cause::suggested_row;
use crate::report::unexplained::is_unexplained;
use crate::smtp::ReplyCode;

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    template: Option<Text>,
    reply: Option<ReplyCode>,
    code: Option<Text>,
    cause: Text,
}

#[derive(Default)]
struct Group {
    text: Option<Text>,
    counts: Counts,
    isps: BTreeMap<Text, u64>,
}

/// Table `unclassified`: the texts that no rule explains, each with a row to start a rule from. Most attempts first, then
/// those that most ISPs said.
///
/// # Errors
/// None that data could cause.
pub fn unclassified(input: ViewInput<'_>, names: &dyn Names) -> Result<Table, ReportError> {
    let mut groups: Vec<(Key, Group)> = group(input, names).into_iter().collect();
    // Equal ones stay in the order of their keys.
    groups.sort_by_key(|(_, group)| (Reverse(group.counts.attempts), Reverse(group.isps.len())));
    let seen: Vec<_> = groups.iter().map(|(_, g)| g.counts.seen).collect();
    let keys = || groups.iter().map(|(key, _)| key);
    let values = || groups.iter().map(|(_, group)| group);
    let doc_template = "The masked reply text, at most 512 characters. Null where there is none, or for other.";
    let doc_id = "Id of the masked text: 16 hexadecimal digits; other beyond the number kept apart. Null where the \
        reply had no text.";
    let mut columns = vec![
        Column::new("template_id", doc_id, texts(keys().map(|k| k.template.clone()))),
        Column::new("template", doc_template, texts(values().map(|g| g.text.clone()))),
        Column::new("reply_code", DOC_REPLY, ints(keys().map(|k| k.reply.map(|r| i32::from(r.get()))))),
        Column::new("enhanced_status_code", DOC_STATUS, texts(keys().map(|k| k.code.clone()))),
        Column::new("attempts", DOC_ATTEMPTS, counts(values().map(|g| g.counts.attempts))),
        Column::new(
            "isps",
            "Number of receiving ISPs that said it. Never null.",
            counts(values().map(|g| g.isps.len() as u64)),
        ),
        Column::new(
            "top_isp",
            "The ISP that said it most often (slug, as isp elsewhere). Never null.",
            texts(values().map(top_isp)),
        ),
    ];
    columns.extend(seen_columns(&seen));
    columns.push(Column::new(
        "suggested_rule",
        "A row for --rules whose cause is yours to fill in. Null where the text has no words to go by.",
        texts(
            groups
                .iter()
                .map(|(key, group)| suggested_row(key.template.as_deref()?, group.text.as_deref()?).map(Arc::from)),
        ),
    ));
    columns.push(Column::new(
        "cause",
        "unclassified where nothing was understood; access_denied where it only says that it refuses. Never null.",
        texts(keys().map(|k| Some(Arc::clone(&k.cause)))),
    ));
    Table::new("unclassified", columns)
}

fn group(input: ViewInput<'_>, names: &dyn Names) -> BTreeMap<Key, Group> {
    let known: BTreeMap<u64, &Text> = input.templates.iter().map(|t| (t.id, &t.text)).collect();
    let mut cell_texts = Texts::new(names);
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for row in outward(input.refusals).filter(|row| is_unexplained(row, names)) {
        let (template, text) = match row.key.template {
            Bounded::None => (None, None),
            Bounded::Value(id) => (Some(Arc::from(template_id(id))), known.get(&id).copied()),
            Bounded::Other => (Some(Arc::from("other")), None),
        };
        let (_, cause) = cell_texts.cause(row.key.cause);
        let key = Key { template, reply: row.key.reply_code, code: cell_texts.code(row.key.status), cause };
        let group = groups.entry(key).or_default();
        group.text = text.cloned();
        group.counts.take(row);
        let attempts = group.isps.entry(cell_texts.slug(&row.key.isp)).or_insert(0);
        *attempts = add(*attempts, row.attempts);
    }
    groups
}

/// The most frequent one; of equals, the first by name.
fn top_isp(group: &Group) -> Option<Text> {
    let most = group.isps.iter().max_by_key(|(name, n)| (**n, Reverse(*name)));
    most.map(|(name, _)| Arc::clone(name))
}
