use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::report::UNCLASSIFIED;
use crate::smtp::ReplyCode;

/// The columns of the rule table, as far as a suggested row needs them.
#[derive(Clone, Copy, Debug)]
pub struct RuleColumns {
    /// All columns in order.
    pub header: &'static [&'static str],
    /// The one for the rule's id.
    pub id: &'static str,
    /// The one for the phrase.
    pub phrase: &'static str,
}

impl Default for RuleColumns {
    fn default() -> Self {
        RuleColumns { header: &["id", "cause", "phrases"], id: "id", phrase: "phrases" }
    }
}

/// A literal shorter than this would make a rule that matches anything.
const SHORTEST_PHRASE: usize = 8;

/// The order of the fields is the order of the rows.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    template: Option<Text>,
    reply: Option<ReplyCode>,
    code: Option<Text>,
}

#[derive(Default)]
struct Group {
    text: Option<Text>,
    counts: Counts,
    isps: BTreeMap<Text, u64>,
}

/// Table `unclassified`: the texts that no rule explains, each with a row to start a rule from.
///
/// # Errors
/// None that data could cause.
pub fn unclassified(input: ViewInput<'_>, names: &dyn Names, rules: &RuleColumns) -> Result<Table, ReportError> {
    let groups = group(input, names);
    let seen: Vec<_> = groups.values().map(|g| g.counts.seen).collect();
    let keys = || groups.keys();
    let doc_template = "The masked reply text, at most 512 characters. Null where there is none, or for other.";
    let doc_id = "Id of the masked text: 16 hexadecimal digits; other beyond the number kept apart. Null where the \
        reply had no text.";
    let mut columns = vec![
        Column::new("template_id", doc_id, texts(keys().map(|k| k.template.clone()))),
        Column::new("template", doc_template, texts(groups.values().map(|g| g.text.clone()))),
        Column::new("reply_code", DOC_REPLY, ints(keys().map(|k| k.reply.map(|r| i32::from(r.get()))))),
        Column::new("enhanced_status_code", DOC_STATUS, texts(keys().map(|k| k.code.clone()))),
        Column::new("attempts", DOC_ATTEMPTS, counts(groups.values().map(|g| g.counts.attempts))),
        Column::new(
            "isps",
            "Number of receiving ISPs that said it. Never null.",
            counts(groups.values().map(|g| g.isps.len() as u64)),
        ),
        Column::new(
            "top_isp",
            "The ISP that said it most often (slug, as isp elsewhere). Never null.",
            texts(groups.values().map(top_isp)),
        ),
    ];
    columns.extend(seen_columns(&seen));
    columns.push(Column::new(
        "suggested_rule",
        "A row for --rules whose cause is yours to fill in. Null where the text has no words to go by.",
        texts(keys().zip(groups.values()).map(|(k, g)| suggest(k.template.as_deref()?, g.text.as_deref()?, rules))),
    ));
    Table::new("unclassified", columns)
}

fn group(input: ViewInput<'_>, names: &dyn Names) -> BTreeMap<Key, Group> {
    let known: BTreeMap<u64, &Text> = input.templates.iter().map(|t| (t.id, &t.text)).collect();
    let mut cell_texts = Texts::new(names);
    let mut groups: BTreeMap<Key, Group> = BTreeMap::new();
    for row in outward(input.refusals).filter(|r| names.cause(r.key.cause).cause == UNCLASSIFIED) {
        let (template, text) = match row.key.template {
            Bounded::None => (None, None),
            Bounded::Value(id) => (Some(Arc::from(template_id(id))), known.get(&id).copied()),
            Bounded::Other => (Some(Arc::from("other")), None),
        };
        let key = Key { template, reply: row.key.reply_code, code: cell_texts.code(row.key.status) };
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
    let most = group.isps.iter().max_by_key(|(name, n)| (**n, std::cmp::Reverse(*name)));
    most.map(|(name, _)| Arc::clone(name))
}

/// One CSV row of the rule table, without its line end.
fn suggest(id: &str, template: &str, rules: &RuleColumns) -> Option<Text> {
    let phrase = longest_literal(template)?;
    let cell = |column: &&str| match *column {
        c if c == rules.id => format!("local-{id}"),
        c if c == rules.phrase => phrase.to_string(),
        _ => String::new(),
    };
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(rules.header.iter().map(cell)).ok()?;
    let row = String::from_utf8(writer.into_inner().ok()?).ok()?;
    Some(Arc::from(row.trim_end_matches(['\r', '\n'])))
}

/// The longest run of words between placeholders (`<ip>`), without the codes at its start.
fn longest_literal(template: &str) -> Option<&str> {
    let mut best = "";
    let mut rest = template;
    loop {
        let (literal, after) = match next_placeholder(rest) {
            Some((start, end)) => (rest.get(..start)?, rest.get(end..)?),
            None => (rest, ""),
        };
        let literal = trim_codes(literal);
        if literal.len() > best.len() {
            best = literal;
        }
        if after.is_empty() {
            break;
        }
        rest = after;
    }
    (best.len() >= SHORTEST_PHRASE && best.bytes().any(|b| b.is_ascii_alphabetic())).then_some(best)
}

/// Start and end of the next `<name>`: lower-case letters, digits, `-`, `_`.
fn next_placeholder(text: &str) -> Option<(usize, usize)> {
    text.match_indices('<').find_map(|(start, _)| {
        let inner = text.get(start + 1..)?;
        let len = inner.find('>')?;
        let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'_';
        (len > 0 && inner.bytes().take(len).all(is_name)).then_some((start, start + len + 2))
    })
}

/// Without digits and punctuation at the start, and without spaces and opening brackets at the end.
fn trim_codes(literal: &str) -> &str {
    let literal = literal.trim_start_matches(|c: char| c.is_ascii_digit() || c.is_ascii_punctuation() || c == ' ');
    literal.trim_end_matches([' ', '[', '(', '<', '"', '\'', '=', ':'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literal_between_placeholders() {
        let find = longest_literal;
        assert_eq!(find("550 5.7.1 <ip> is not allowed to send: see <url>"), Some("is not allowed to send: see"));
        assert_eq!(find("550 5.7.1 Message refused"), Some("Message refused"));
        assert_eq!(find("<ip><url>"), None);
        assert_eq!(find("550 5.7.1 no"), None);
        assert_eq!(find("a < b and c > d is odd <n>"), Some("a < b and c > d is odd"));
        assert_eq!(find(""), None);
    }

    #[test]
    fn suggested_row_is_csv() {
        let row = suggest("00ff", "550 Sorry, \"you\" are listed by <host>", &RuleColumns::default());
        assert_eq!(row.as_deref(), Some(r#"local-00ff,,"Sorry, ""you"" are listed by""#));
    }
}
