//! What to do about a refusal: `tables/advice.csv`, general advice for every cause and what providers and blocklists
//! themselves ask for.
//!
//! A row speaks for the causes, providers and lists that it names (several with `|` between); an empty cell is any. It
//! says what to do first and where that is known from; its page is the provider's or list operator's own, and its
//! procedure is where removal is asked for.

use crate::cause::CauseId;
use crate::cause::table::{Row, RulesError, for_each_row};

/// The table that comes with the program.
pub const TABLE: &str = include_str!("tables/advice.csv");
/// The table's columns.
pub const COLUMNS: [&str; 8] = ["cause", "isp", "blocklist", "advice", "page", "procedure", "source", "checked"];

/// What a row is about, best first: what it knows of the very case.
///
/// A list that the reply names goes before the provider's general advice: only its operator can lift the listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// This list at this provider.
    IspAndBlocklist,
    /// This list.
    Blocklist,
    /// This cause at this provider.
    Isp,
    /// This cause, whoever refuses.
    Cause,
}

/// One piece of advice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdviceRow {
    causes: Vec<CauseId>,
    isps: Vec<String>,
    blocklists: Vec<String>,
    /// What to do first.
    pub advice: String,
    /// Where the provider, the list's operator or an RFC says so.
    pub page: Option<String>,
    /// Where removal is asked for.
    pub procedure: Option<String>,
    /// What it is known from.
    pub source: String,
    /// When the source was looked at, as an ISO date; `None` for a standard, which does not change, and where the
    /// source says that nobody looked.
    pub checked: Option<String>,
}

/// All advice, in the order of the table.
#[derive(Clone, Debug, Default)]
pub struct Advice {
    rows: Vec<AdviceRow>,
}

/// A case to be advised on.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// Why it was refused.
    pub cause: CauseId,
    /// Slug of the provider that refused, if the table of providers knows it.
    pub isp: Option<&'a str>,
    /// Name of the blocklist that was named.
    pub blocklist: Option<&'a str>,
}

impl Advice {
    /// The built-in table.
    ///
    /// # Errors
    /// If a row is broken; a test loads it.
    pub fn builtin() -> Result<Self, RulesError> {
        Self::read("advice.csv", TABLE)
    }

    /// Reads a table; `file` names it in errors.
    ///
    /// # Errors
    /// Names file, line and problem: broken CSV, an unknown column or cause, a row for nothing, one without advice or
    /// source, a date that is none.
    pub fn read(file: &str, text: &str) -> Result<Self, RulesError> {
        let mut advice = Advice::default();
        for_each_row(file, text, &COLUMNS, |row| {
            advice.rows.push(advice_row(row)?);
            Ok(())
        })?;
        Ok(advice)
    }

    /// All rows.
    pub fn rows(&self) -> &[AdviceRow] {
        &self.rows
    }

    /// What speaks to a case, the most specific first, each about what. Takes time linear in the table.
    pub fn on(&self, case: Case<'_>) -> Vec<(About, &AdviceRow)> {
        let mut found: Vec<_> = self.rows.iter().filter_map(|row| Some((row.about(case)?, row))).collect();
        found.sort_by_key(|(about, _)| *about);
        found
    }

    /// The first of [`Advice::on`].
    pub fn first(&self, case: Case<'_>) -> Option<(About, &AdviceRow)> {
        let found = self.rows.iter().filter_map(|row| Some((row.about(case)?, row)));
        found.min_by_key(|(about, _)| *about)
    }
}

impl AdviceRow {
    /// The causes it speaks for; none is any.
    pub fn causes(&self) -> &[CauseId] {
        &self.causes
    }

    /// Slugs of the providers it speaks for; none is any.
    pub fn isps(&self) -> &[String] {
        &self.isps
    }

    /// Names of the blocklists it speaks for; none is any or no list.
    pub fn blocklists(&self) -> &[String] {
        &self.blocklists
    }

    fn about(&self, case: Case<'_>) -> Option<About> {
        let holds = |wanted: &[String], is: Option<&str>| wanted.is_empty() || is.is_some_and(|is| is_in(wanted, is));
        let speaks = (self.causes.is_empty() || self.causes.contains(&case.cause))
            && holds(&self.isps, case.isp)
            && holds(&self.blocklists, case.blocklist);
        speaks.then_some(match (self.isps.is_empty(), self.blocklists.is_empty()) {
            (false, false) => About::IspAndBlocklist,
            (true, false) => About::Blocklist,
            (false, true) => About::Isp,
            (true, true) => About::Cause,
        })
    }
}

fn is_in(names: &[String], name: &str) -> bool {
    names.iter().any(|known| known == name)
}

fn advice_row(row: &Row<'_>) -> Result<AdviceRow, RulesError> {
    let all = |column| row.get(column).split('|').map(str::trim).filter(|name| !name.is_empty());
    let optional = |column| Some(row.get(column)).filter(|text| !text.is_empty()).map(str::to_owned);
    let cause = |name| CauseId::by_name(name).ok_or_else(|| row.error(format!("no cause {name:?}")));
    let row_read = AdviceRow {
        causes: all("cause").map(cause).collect::<Result<_, _>>()?,
        isps: all("isp").map(str::to_owned).collect(),
        blocklists: all("blocklist").map(str::to_owned).collect(),
        advice: row.need("advice")?.to_owned(),
        page: optional("page"),
        procedure: optional("procedure"),
        source: row.need("source")?.to_owned(),
        checked: optional("checked"),
    };
    if row_read.causes.is_empty() && row_read.blocklists.is_empty() {
        return Err(row.error("needs a cause or a blocklist"));
    }
    match row_read.checked.as_deref().map(crate::table::time::parse_date) {
        Some(None) => Err(row.error("checked: not a date such as 2026-01-31")),
        _ => Ok(row_read),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "cause,isp,blocklist,advice,page,procedure,source,checked\n";

    fn read(rows: &str) -> Result<Advice, String> {
        Advice::read("x.csv", &format!("{HEADER}{rows}")).map_err(|e| e.to_string())
    }

    #[test]
    fn the_most_specific_row_comes_first() {
        let advice = read(
            "spam_content,,,general,,,s,\nspam_content|low_reputation,aol,,own,,,s,2026-01-31\n,,L,list,,,s,\n,aol,L,both,,,s,\n",
        );
        let advice = advice.unwrap_or_else(|e| unreachable!("{e}"));
        let cause = CauseId::by_name("spam_content").unwrap_or(CauseId(255));
        let said = |isp, blocklist| {
            let rows = advice.on(Case { cause, isp, blocklist });
            rows.iter().map(|(_, row)| row.advice.as_str()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(said(None, None), "general");
        assert_eq!(said(Some("aol"), None), "own general");
        assert_eq!(said(Some("other"), Some("L")), "list general");
        assert_eq!(said(Some("aol"), Some("L")), "both list own general");
        assert_eq!(advice.first(Case { cause, isp: Some("aol"), blocklist: None }).map(|(a, _)| a), Some(About::Isp));
    }

    #[test]
    fn every_cause_has_advice_that_holds_whoever_refuses() {
        let advice = Advice::builtin().unwrap_or_else(|e| unreachable!("{e}"));
        for at in 0..crate::cause::causes().len() {
            let case = Case { cause: CauseId(at as u8), isp: None, blocklist: None };
            assert!(advice.first(case).is_some(), "{}", case.cause.name());
        }
    }

    #[test]
    fn broken_rows_are_refused_with_their_line() {
        for (rows, error) in [
            ("nothing,,,a,,,s,\n", "x.csv:2: no cause \"nothing\""),
            (",aol,,a,,,s,\n", "x.csv:2: needs a cause or a blocklist"),
            ("spam_content,,,a,,,,\n", "x.csv:2: column \"source\" is empty"),
            ("spam_content,,,,,,s,\n", "x.csv:2: column \"advice\" is empty"),
            ("spam_content,,,a,,,s,yesterday\n", "x.csv:2: checked"),
        ] {
            assert!(read(rows).is_err_and(|e| e.starts_with(error)), "{rows}");
        }
    }
}
