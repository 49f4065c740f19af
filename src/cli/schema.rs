//! `schema`: what the columns of all tables mean, those that the program writes and those that it reads.

use serde::Serialize;

use super::show::{print_aligned, print_json};
use super::{explain_csv, print};
use crate::cause::{CauseRow, RULE_COLUMNS, causes};
use crate::crosswalk;
use crate::error::Error;
use crate::knowledge::Knowledge;
use crate::report::views::{self, ViewInput};
use crate::run::events_table;
use crate::run::tables::{refusal_table, template_table, traffic_table};
use crate::table::json::Rows;
use crate::table::{ColumnData, SCHEMA_VERSION, Table};

/// Arguments of `schema`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  bouncesift schema                     all tables, one line each
  bouncesift schema causes_by_isp       the columns of a report
  bouncesift schema rules               the columns of a table of own rules
  bouncesift schema causes              the causes and what they mean
  bouncesift schema --json              everything, for programs")]
pub struct Args {
    /// Name of a table, or causes
    #[arg(value_name = "TABLE")]
    table: Option<String>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// A table and what it is for.
#[derive(Serialize)]
struct Described {
    name: String,
    kind: &'static str,
    meaning: &'static str,
    columns: Vec<ColumnText>,
}

#[derive(Serialize)]
struct ColumnText {
    name: String,
    #[serde(rename = "type")]
    type_name: &'static str,
    nullable: bool,
    meaning: String,
}

#[derive(Serialize)]
struct Document<'a> {
    schema_version: &'static str,
    tables: Vec<Described>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    causes: Vec<CauseText>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crosswalk: Option<Rows<'a>>,
}

#[derive(Serialize)]
struct CauseText {
    cause: &'static str,
    category: &'static str,
    meaning: &'static str,
    responsible: &'static str,
    retry_helps: &'static str,
    is_policy: bool,
}

/// The name that stands for the causes themselves.
const CAUSES: &str = "causes";

/// A report, a table of a run, an answer of `explain --csv`, an own table.
const KINDS: [&str; 4] = ["report", "run", "explain", "own"];

/// What the tables are for: one row of each holds what, for which they are named.
const MEANINGS: [(&str, &str); 13] = [
    ("causes_by_isp", "Refusals by policy by day, ISP, filter vendor, codes, cause and blocklist."),
    ("codes_by_isp", "All refusals by day, ISP, reply code and enhanced status code."),
    ("traffic_by_isp", "All attempts by day and ISP: the denominators."),
    ("blocklists", "Listings by blocklist, listed address and ISP."),
    ("unclassified", "Masked texts that no rule explains, most attempts first, with a row to start a rule from."),
    ("events", "One row for each refused or deferred recipient and attempt (--events)."),
    ("crosswalk", "The causes in the words of other systems."),
    ("refusals", "Groups of refused and deferred attempts, to be added up by their keys."),
    ("traffic", "Counts of all attempts by day and ISP, likewise."),
    ("templates", "Masked texts of replies."),
    ("explain", "What each text of a CSV file means (explain --csv)."),
    ("rules", "Own rules (--rules), tried before the built-in ones."),
    ("isps", "Own ISPs (--isps), asked before the built-in ones; a known slug is added to."),
];

/// Columns of a table of own rules: whether they may be empty, and what they say.
const RULE_TEXTS: [(bool, &str); 15] = [
    (false, "Unique name. That of a built-in rule takes its place."),
    (true, "Slugs of the providers whose own wording it is, parted by ;. Empty: anybody's."),
    (true, "Reply codes or classes it needs, parted by ;: 550 or 4. Empty: any or none."),
    (true, "Enhanced status codes it needs, parted by ;, x for any part: x.7.1. Empty: any or none."),
    (
        true,
        "What the text must hold: phrases parted by |, of which one is enough; & parts groups, of which each must be \
        found. A phrase is found where a word starts; > behind it asks for the word's end. Case and accents do not \
        matter. Empty only where status names whole codes.",
    ),
    (true, "The groups must stand in this order, at most so many bytes apart."),
    (true, "Phrases, parted by |, of which none may be found."),
    (true, "A last check of the text in lower case."),
    (false, "Cause: see bouncesift schema causes."),
    (true, "text (also if empty), token for a provider's own code, none for words that give no reason."),
    (true, "Blocklist that the words stand for where they name none."),
    (true, "Slug of the filter product that speaks so."),
    (false, "A text that this row must win; rules check tries it."),
    (true, "Texts, parted by |, that it must not win."),
    (false, "Where the wording is from."),
];

/// Columns of a table of own ISPs.
const ISP_TEXTS: [(&str, bool, &str); 12] = [
    ("slug", false, "Stable id: a-z, 0-9 and -. One of the built-in table's is added to."),
    ("name", false, "Readable name."),
    ("kind", false, "mailbox_provider, isp, hosting or gateway."),
    ("country", true, "ISO 3166 code of the operator's home."),
    ("mx_suffixes", true, "Domains of its hosts, lower-case A-labels, parted by ;."),
    ("recipient_domains", true, "Domains whose mailboxes it runs, likewise."),
    ("text_signatures", true, "Words that name it in a reply, parted by ;."),
    ("postmaster_url", true, "Its page for postmasters."),
    ("delisting_url", true, "Its page to ask for delisting."),
    ("contact", true, "Its mail address for the same."),
    ("sample", false, "A clue that must select this row: host:, recipient: or text: and the clue."),
    ("source", false, "Where the facts are from."),
];

/// Says what a table holds, or lists the tables.
///
/// # Errors
/// [`Error::Usage`] for a name that no table has.
pub fn run(args: &Args) -> Result<u8, Error> {
    let mut tables = described(&Knowledge::builtin()?)?;
    let crossings = crosswalk::table()?;
    let wants_causes = args.table.as_deref().is_none_or(|name| name == CAUSES);
    let wants_crosswalk = args.table.as_deref().is_none_or(|name| name == crossings.name());
    if let Some(name) = args.table.as_deref() {
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).chain([CAUSES]).collect();
        if !names.contains(&name) {
            return Err(Error::Usage(format!("no table {name:?}; there are {}", names.join(", "))));
        }
        tables.retain(|table| table.name == name);
    }
    let causes: Vec<CauseText> = if wants_causes { causes().iter().map(cause_text).collect() } else { Vec::new() };
    match (args.json, args.table.is_some()) {
        (true, _) => print_json(&Document {
            schema_version: SCHEMA_VERSION,
            tables,
            causes,
            crosswalk: wants_crosswalk.then_some(Rows(&crossings)),
        })?,
        (false, false) => list(&tables)?,
        (false, true) if wants_causes => show_causes(&causes)?,
        (false, true) => tables.iter().try_for_each(show)?,
    }
    Ok(0)
}

/// All tables, with their columns.
fn described(knowledge: &Knowledge) -> Result<Vec<Described>, Error> {
    let input = ViewInput { refusals: &[], traffic: &[], templates: &[], bounces_only: false };
    let mut reports = views::all(input, knowledge)?;
    reports.push(events_table(&[], &[], knowledge)?);
    reports.push(crosswalk::table()?);
    let runs = [refusal_table(&[], knowledge)?, traffic_table(&[], knowledge)?, template_table(&[])?];
    let explained = explain_csv::columns()?;
    let [report, run, explain, own] = KINDS;
    let written = reports.iter().map(|table| (table, report)).chain(runs.iter().map(|table| (table, run)));
    let written = written.chain([(&explained, explain)]);
    let mut all: Vec<Described> = written.map(|(table, kind)| described_table(table, kind)).collect();
    let rules = RULE_COLUMNS.into_iter().zip(RULE_TEXTS).map(|(name, (nullable, text))| (name, nullable, text));
    for (name, columns) in [("rules", rules.collect::<Vec<_>>()), ("isps", ISP_TEXTS.to_vec())] {
        let column = |(name, nullable, meaning): (&str, bool, &str)| ColumnText {
            name: name.to_owned(),
            type_name: "string",
            nullable,
            meaning: meaning.to_owned(),
        };
        let columns = columns.into_iter().map(column).collect();
        all.push(Described { name: name.to_owned(), kind: own, meaning: meaning(name), columns });
    }
    Ok(all)
}

fn described_table(table: &Table, kind: &'static str) -> Described {
    let columns = table.columns().iter().map(|column| ColumnText {
        name: column.name.to_string(),
        type_name: column.data.type_name(),
        nullable: kind == "explain" || is_nullable(&column.data, &column.doc),
        meaning: column.doc.to_string(),
    });
    Described { name: table.name().to_owned(), kind, meaning: meaning(table.name()), columns: columns.collect() }
}

fn meaning(name: &str) -> &'static str {
    MEANINGS.iter().find(|(table, _)| *table == name).map_or("", |(_, meaning)| meaning)
}

/// The documentation of a column that can be null says when.
fn is_nullable(data: &ColumnData, doc: &str) -> bool {
    !matches!(data, ColumnData::Int64(_) | ColumnData::Bool(_)) && doc.contains("Null ")
}

fn cause_text(row: &'static CauseRow) -> CauseText {
    CauseText {
        cause: &row.cause,
        category: &row.category,
        meaning: &row.meaning,
        responsible: row.responsible.as_str(),
        retry_helps: row.retry_helps.as_str(),
        is_policy: row.is_policy(),
    }
}

fn list(tables: &[Described]) -> Result<(), Error> {
    let mut rows = vec![["table", "kind", "what"].map(str::to_owned).to_vec()];
    rows.extend(tables.iter().map(|table| [&table.name, table.kind, table.meaning].map(str::to_owned).to_vec()));
    rows.push(
        [CAUSES, "", "The causes, their meaning, whose problem they are and whether a retry helps."]
            .map(str::to_owned)
            .to_vec(),
    );
    print_aligned(&rows)
}

fn show(table: &Described) -> Result<(), Error> {
    print(format!("{}: {}\n\n", table.name, table.meaning).as_bytes())?;
    let mut rows = vec![["column", "type", "null", "meaning"].map(str::to_owned).to_vec()];
    rows.extend(table.columns.iter().map(|column| {
        let null = if column.nullable { "yes" } else { "no" };
        [&column.name, column.type_name, null, &column.meaning].map(str::to_owned).to_vec()
    }));
    print_aligned(&rows)
}

fn show_causes(causes: &[CauseText]) -> Result<(), Error> {
    let mut rows = vec![["cause", "category", "problem of", "retry helps", "meaning"].map(str::to_owned).to_vec()];
    rows.extend(causes.iter().map(|row| {
        [row.cause, row.category, row.responsible, row.retry_helps, row.meaning].map(str::to_owned).to_vec()
    }));
    print_aligned(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_tables_are_explained() {
        let tables = Knowledge::builtin().and_then(|knowledge| described(&knowledge)).unwrap_or_default();
        let names: Vec<&str> = tables.iter().map(|table| table.name.as_str()).collect();
        assert_eq!(names, MEANINGS.map(|(name, _)| name));
        for column in tables.iter().flat_map(|table| &table.columns) {
            assert!(column.meaning.len() > 8 && column.meaning.ends_with('.'), "{}", column.name);
        }
    }

    #[test]
    fn columns_of_own_tables_are_those_that_are_read() {
        let header = crate::isp::Directory::builtin_isps().csv.lines().next().unwrap_or_default();
        assert_eq!(header, ISP_TEXTS.map(|(name, ..)| name).join(","));
    }
}
