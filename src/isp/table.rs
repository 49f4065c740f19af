//! The tables of providers and of filter vendors, read and checked.

use serde::Deserialize;

use super::name::{self, NameBuf, Named};
use super::signature::Signature;
use crate::cause::table::line_of;

/// A table as text, with the name it is called by in errors.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a> {
    /// Path or name, as it should stand in an error.
    pub name: &'a str,
    /// CSV with a header row.
    pub csv: &'a str,
}

/// Why a table cannot be used, with the place.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{table}:{line}: {problem}")]
pub struct TableError {
    /// [`Table::name`].
    pub table: String,
    /// Line of the row, from 1; the header is line 1.
    pub line: u64,
    /// In words, with the other place where two rows contradict each other.
    pub problem: String,
}

/// What a provider lives from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IspKind {
    /// Mailboxes for everybody, or a mail platform.
    MailboxProvider,
    /// Internet access, with mailboxes.
    Isp,
    /// Web and mail hosting for others' domains.
    Hosting,
    /// A hosted filter in front of others' servers; it owns the receiving host.
    Gateway,
}

impl IspKind {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            IspKind::MailboxProvider => "mailbox_provider",
            IspKind::Isp => "isp",
            IspKind::Hosting => "hosting",
            IspKind::Gateway => "gateway",
        }
    }

    /// Whether a page below its domain is likely its own and not a customer's.
    pub(crate) fn has_own_pages(self) -> bool {
        matches!(self, IspKind::MailboxProvider | IspKind::Isp)
    }
}

/// A row of `tables/isps.csv`. Empty cells are `None` or empty lists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct IspRow {
    /// Stable id, lower case.
    pub slug: String,
    /// Readable name.
    pub name: String,
    /// What it lives from.
    pub kind: IspKind,
    /// ISO 3166 alpha-2 of the operator's home.
    pub country: Option<String>,
    /// Suffixes of its hosts, lower-case A-labels.
    #[serde(deserialize_with = "list", default)]
    pub mx_suffixes: Vec<String>,
    /// Domains whose mailboxes it runs, subdomains included.
    #[serde(deserialize_with = "list", default)]
    pub recipient_domains: Vec<String>,
    /// What names it in a reply.
    #[serde(deserialize_with = "list", default)]
    pub text_signatures: Vec<String>,
    /// Its page for postmasters.
    pub postmaster_url: Option<String>,
    /// Its page or form to ask for delisting.
    pub delisting_url: Option<String>,
    /// Its mail address for the same.
    pub contact: Option<String>,
    /// One clue that must select this very row: `host:`, `recipient:` or `text:` and the clue.
    pub sample: String,
    /// Where the facts come from.
    pub source: String,
}

/// A row of `tables/filters.csv`. Empty cells are `None` or empty lists.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FilterRow {
    /// Stable id, lower case; the same as in `isps.csv` where the vendor also runs a gateway.
    pub slug: String,
    /// Readable name.
    pub name: String,
    /// ISO 3166 alpha-2 of the vendor's home; `None` for software projects.
    pub country: Option<String>,
    /// Suffixes of its hosts, lower-case A-labels.
    #[serde(deserialize_with = "list", default)]
    pub host_suffixes: Vec<String>,
    /// What names it in a reply.
    #[serde(deserialize_with = "list", default)]
    pub text_signatures: Vec<String>,
    /// Its page for postmasters.
    pub postmaster_url: Option<String>,
    /// Its page or form to ask for delisting.
    pub delisting_url: Option<String>,
    /// One clue that must select this very row: `host:` or `text:` and the clue.
    pub sample: String,
    /// Where the facts come from.
    pub source: String,
}

/// What both tables have in common, for the checks.
pub(crate) trait Row: for<'de> Deserialize<'de> {
    fn slug(&self) -> &str;
    fn sample(&self) -> &str;
    fn source(&self) -> &str;
    fn names(&self) -> impl Iterator<Item = &String>;
    fn signatures(&self) -> &[String];
}

impl Row for IspRow {
    fn slug(&self) -> &str {
        &self.slug
    }
    fn sample(&self) -> &str {
        &self.sample
    }
    fn source(&self) -> &str {
        &self.source
    }
    fn names(&self) -> impl Iterator<Item = &String> {
        self.mx_suffixes.iter().chain(&self.recipient_domains)
    }
    fn signatures(&self) -> &[String] {
        &self.text_signatures
    }
}

impl Row for FilterRow {
    fn slug(&self) -> &str {
        &self.slug
    }
    fn sample(&self) -> &str {
        &self.sample
    }
    fn source(&self) -> &str {
        &self.source
    }
    fn names(&self) -> impl Iterator<Item = &String> {
        self.host_suffixes.iter()
    }
    fn signatures(&self) -> &[String] {
        &self.text_signatures
    }
}

/// A row with its place and its signatures ready for use.
pub(crate) struct Placed<R> {
    pub(crate) row: R,
    pub(crate) signatures: Vec<Signature>,
    pub(crate) place: Place,
}

/// Table and line of a row.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) table: String,
    pub(crate) line: u64,
}

impl Place {
    pub(crate) fn error(&self, problem: String) -> TableError {
        TableError { table: self.table.clone(), line: self.line, problem }
    }
}

/// Reads one table; each row is complete and well-formed by itself.
pub(crate) fn read<R: Row>(table: Table<'_>) -> Result<Vec<Placed<R>>, TableError> {
    let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(table.csv.as_bytes());
    let mut rows = Vec::new();
    let mut place = Place { table: table.name.to_owned(), line: 1 };
    let headers = reader.headers().map_err(|error| place.error(error.to_string()))?.clone();
    for record in reader.records() {
        let record = record.map_err(|error| {
            place.line = error.position().map_or(place.line, csv::Position::line);
            place.error(error.to_string())
        })?;
        place.line = record.position().map_or(place.line, |position| line_of(table.csv, position));
        let row: R = record.deserialize(Some(&headers)).map_err(|error| place.error(error.to_string()))?;
        let signatures = check(&row).map_err(|problem| place.error(problem))?;
        rows.push(Placed { row, signatures, place: place.clone() });
    }
    Ok(rows)
}

fn check<R: Row>(row: &R) -> Result<Vec<Signature>, String> {
    let slug = row.slug();
    if slug.is_empty() || !slug.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
        return Err(format!("`{slug}` is no slug: only a-z, 0-9 and `-`"));
    }
    if row.source().is_empty() || row.sample().is_empty() {
        return Err(format!("`{slug}` needs a sample and a source"));
    }
    let mut buf = NameBuf::new();
    for suffix in row.names() {
        if name::read(suffix.as_bytes(), &mut buf) != Named::Name(suffix.as_bytes()) {
            return Err(format!("`{suffix}` is not a domain name in lower-case A-labels without trailing dot"));
        }
    }
    let signatures = row.signatures().iter();
    signatures.map(|text| Signature::new(text).map_err(|why| format!("signature `{text}`: {why}"))).collect()
}

fn list<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let cell = String::deserialize(deserializer)?;
    Ok(cell.split(';').map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect())
}
