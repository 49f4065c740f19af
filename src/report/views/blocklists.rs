use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use super::*;

/// The order of the fields is the order of the rows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    list: Text,
    listed: Option<Text>,
    isp: Text,
}

/// Table `blocklists`: which list named which of our addresses, and who asked it.
///
/// # Errors
/// None that data could cause.
pub fn blocklists(rows: &[RefusalRow], names: &dyn Names) -> Result<Table, ReportError> {
    let mut cell_texts = Texts::new(names);
    let mut groups: BTreeMap<Key, Counts> = BTreeMap::new();
    for row in outward(rows) {
        let Some(list) = bounded(&row.key.blocklist) else { continue };
        let kind = names.blocklist(&list).and_then(|b| b.listed_kind);
        let key = Key { listed: listed(kind, &row.key.sending_ip), isp: cell_texts.slug(&row.key.isp), list };
        groups.entry(key).or_default().take(row);
    }
    let about: Vec<_> = groups.keys().map(|k| names.blocklist(&k.list).unwrap_or_default()).collect();
    let seen: Vec<_> = groups.values().map(|s| s.seen).collect();
    let doc_listed = "The listed address of ours, as the receiver stated it; other beyond the number kept apart. \
        Null where the text names none, or where the list is one of domains.";
    let mut columns = vec![
        Column::new(
            "list",
            "Name of the blocklist; other beyond the number kept apart. Never null.",
            texts(groups.keys().map(|k| Some(Arc::clone(&k.list)))),
        ),
        Column::new(
            "scope",
            "public, or receiver for the receiver's own list. Null where not known.",
            texts(about.iter().map(|b| b.scope.map(Arc::from))),
        ),
        Column::new(
            "listed_kind",
            "What the list holds: ip, domain or url. Null where not known.",
            texts(about.iter().map(|b| b.listed_kind.map(Arc::from))),
        ),
        Column::new("listed", doc_listed, texts(groups.keys().map(|k| k.listed.clone()))),
        Column::new("isp", DOC_ISP, texts(groups.keys().map(|k| Some(Arc::clone(&k.isp))))),
        Column::new("attempts", DOC_ATTEMPTS, counts(groups.values().map(|s| s.attempts))),
    ];
    columns.extend(seen_columns(&seen));
    columns.push(Column::new(
        "lookup_url",
        "Where to look the listing up. Null where not known.",
        texts(about.iter().map(|b| b.lookup_url.map(Arc::from))),
    ));
    Table::new("blocklists", columns)
}

fn listed(kind: Option<&str>, sending_ip: &Bounded<IpAddr>) -> Option<Text> {
    match sending_ip {
        _ if matches!(kind, Some("domain" | "url")) => None,
        Bounded::None => None,
        Bounded::Value(ip) => Some(Arc::from(ip.to_string())),
        Bounded::Other => Some(Arc::from("other")),
    }
}
