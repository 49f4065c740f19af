//! Names of blocklists (`tables/blocklists.csv`), and zones in a text that the catalogue does not know.
//!
//! The list named first in a text is meant; among the lists of its operator, the one that stands first in the table
//! (`Spamhaus XBL` before `Spamhaus`).

use std::collections::BTreeMap;

use super::literals::{Builder, Found, LiteralId};
use super::table::{RulesError, for_each_row};

pub(super) const TABLE: &str = include_str!("../tables/blocklists.csv");
const COLUMNS: [&str; 8] = ["name", "operator", "words", "filter", "page", "source", "scope", "kind"];

/// A list of the catalogue.
#[derive(Debug)]
pub(super) struct Blocklist {
    pub(super) name: String,
    operator: String,
    /// Slug of the filter product whose list it is.
    pub(super) filter: Option<String>,
}

/// What the table says of a list for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ListFacts {
    /// `public`, or `receiver` where it is a receiver's own.
    pub(crate) scope: Option<String>,
    /// `ip`, `domain` or `url`; `None` where it holds several kinds or that is not known.
    pub(crate) kind: Option<String>,
    /// Where to look a listing up.
    pub(crate) page: Option<String>,
}

/// What the table says of each list, by its name.
///
/// # Errors
/// A row without name, or with a scope or kind that is none.
pub(crate) fn facts() -> Result<BTreeMap<String, ListFacts>, RulesError> {
    let mut all = BTreeMap::new();
    for_each_row("blocklists.csv", TABLE, &COLUMNS, |row| {
        let one_of = |column: &str, known: &[&str]| match row.get(column) {
            "" => Ok(None),
            word if known.contains(&word) => Ok(Some(word.to_owned())),
            word => Err(row.error(format!("{column} {word:?}: one of {}", known.join(", ")))),
        };
        let facts = ListFacts {
            scope: one_of("scope", &["public", "receiver"])?,
            kind: one_of("kind", &["ip", "domain", "url", "any"])?.filter(|kind| kind != "any"),
            page: Some(row.get("page")).filter(|page| !page.is_empty()).map(str::to_owned),
        };
        all.insert(row.need("name")?.to_owned(), facts);
        Ok(())
    })?;
    Ok(all)
}

/// The catalogue.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    pub(super) lists: Vec<Blocklist>,
    /// List of a phrase, by the phrase's number.
    of_literal: Vec<Option<u16>>,
    /// Phrases behind which a zone is named.
    before_zone: Vec<LiteralId>,
}

impl Catalogue {
    pub(super) fn builtin(literals: &mut Builder) -> Result<Catalogue, RulesError> {
        let mut catalogue = Catalogue::default();
        for words in BEFORE_ZONE {
            let failed = |message| RulesError { file: "blocklists.csv".into(), line: 0, message };
            catalogue.before_zone.push(literals.add(words).map_err(failed)?);
        }
        for_each_row("blocklists.csv", TABLE, &COLUMNS, |row| {
            let at = u16::try_from(catalogue.lists.len()).map_err(|e| row.error(e.to_string()))?;
            for phrase in row.need("words")?.split('|') {
                let id = literals.add(phrase.trim()).map_err(|e| row.error(e))? as usize;
                if catalogue.of_literal.len() <= id {
                    catalogue.of_literal.resize(id + 1, None);
                }
                if let Some(slot) = catalogue.of_literal.get_mut(id) {
                    *slot = Some(at);
                }
            }
            row.need("source")?;
            catalogue.lists.push(Blocklist {
                name: row.need("name")?.to_owned(),
                operator: row.need("operator")?.to_owned(),
                filter: Some(row.get("filter")).filter(|s| !s.is_empty()).map(str::to_owned),
            });
            Ok(())
        })?;
        Ok(catalogue)
    }

    /// A zone that the text names as its list and that is not of the catalogue.
    pub(super) fn zone(&self, text: &[u8], found: &Found) -> Option<Box<str>> {
        let mut ends: Vec<u32> = self.before_zone.iter().filter_map(|&id| found.first(id)).map(|hit| hit.end).collect();
        ends.sort_unstable();
        ends.into_iter().find_map(|end| zone_behind(text, end as usize))
    }

    /// The list that a text names.
    pub(super) fn named(&self, found: &Found) -> Option<u16> {
        let lists = || {
            let of = |id: LiteralId| self.of_literal.get(id as usize).copied().flatten();
            found.seen.iter().filter_map(move |&id| Some((found.first(id)?.start, of(id)?)))
        };
        let (_, first) = lists().min()?;
        let operator = &self.lists.get(usize::from(first))?.operator;
        let same = |at: u16| self.lists.get(usize::from(at)).is_some_and(|list| list.operator == *operator);
        lists().map(|(_, at)| at).filter(|&at| same(at)).min()
    }
}

/// Words in front of a zone.
const BEFORE_ZONE: [&str; 18] = [
    "blocked using",
    "blocked by",
    "listed in",
    "listed at",
    "listed on",
    "listed by",
    "found in",
    "found on",
    "blacklisted by",
    "blacklisted at",
    "blacklisted on",
    "blacklisted in",
    "blocklisted by",
    "black list at",
    "blacklist at",
    "lookup site '",
    "rbl:",
    "dnsbl:",
];

/// A zone that a text names as its list: `blocked using dnsbl.example.org`. In lower case, without a dot at its end.
fn zone_behind(text: &[u8], at: usize) -> Option<Box<str>> {
    let rest = text.get(at..)?.trim_ascii_start();
    let rest = rest.strip_prefix(b"dnsbl ").or_else(|| rest.strip_prefix(b"rbl ")).unwrap_or(rest);
    let len = rest.iter().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'))).unwrap_or(rest.len());
    let zone = std::str::from_utf8(rest.get(..len)?).ok()?.trim_matches('.').to_ascii_lowercase();
    let top = zone.rsplit('.').next()?;
    let is_name =
        zone.len() <= 253 && zone.contains('.') && top.len() > 1 && top.bytes().all(|b| b.is_ascii_lowercase());
    is_name.then(|| zone.into_boxed_str())
}
