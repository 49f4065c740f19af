//! The causes and their meaning: `tables/causes.csv`. What to do about them stands in [`crate::advice`].

use std::sync::LazyLock;

use super::CauseId;
use super::table::{Row, RulesError, for_each_row};

pub(super) const TABLE: &str = include_str!("../tables/causes.csv");
const COLUMNS: [&str; 5] = ["cause", "category", "meaning", "responsible", "retry_helps"];

/// Who can put it right.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Party {
    /// Who sends the mail, or runs the sending server.
    Sender,
    /// The organisation or person that the mail is for.
    RecipientOrg,
    /// Who runs the receiving server.
    Receiver,
    /// Something between: DNS, the network, a relay.
    Path,
}

impl Party {
    const ALL: [Party; 4] = [Party::Sender, Party::RecipientOrg, Party::Receiver, Party::Path];

    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Party::Sender => "sender",
            Party::RecipientOrg => "recipient_org",
            Party::Receiver => "receiver",
            Party::Path => "path",
        }
    }
}

/// Whether sending the same message again can succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Retry {
    /// Later it will.
    Yes,
    /// Not before something is changed.
    No,
    /// Now and then.
    Maybe,
}

impl Retry {
    const ALL: [Retry; 3] = [Retry::Yes, Retry::No, Retry::Maybe];

    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Retry::Yes => "yes",
            Retry::No => "no",
            Retry::Maybe => "maybe",
        }
    }
}

/// One cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CauseRow {
    /// Its name, such as `ip_blocklisted`.
    pub cause: String,
    /// The group it belongs to, such as `blocklist`.
    pub category: String,
    /// One sentence.
    pub meaning: String,
    /// Who can put it right first.
    pub responsible: Party,
    /// Whether a retry of the same message helps.
    pub retry_helps: Retry,
}

impl CauseRow {
    /// Whether it is a refusal by policy, known or unknown why; false only for ordinary bounces.
    pub fn is_policy(&self) -> bool {
        self.category != "not_policy" && self.category != "unclassified"
    }
}

static CAUSES: LazyLock<Vec<CauseRow>> = LazyLock::new(|| read("causes.csv", TABLE).unwrap_or_default());

/// All causes, in the order of the table; [`CauseId`] counts them.
pub fn causes() -> &'static [CauseRow] {
    &CAUSES
}

impl CauseId {
    /// The cause of a name of the table.
    pub fn by_name(name: &str) -> Option<CauseId> {
        let at = causes().iter().position(|row| row.cause == name)?;
        u8::try_from(at).ok().map(CauseId)
    }

    /// Its row; `None` only for a number that is not of the table.
    pub fn get(self) -> Option<&'static CauseRow> {
        causes().get(usize::from(self.0))
    }

    /// Its row; that of `unclassified` for a number that is not of the table.
    pub fn row(self) -> &'static CauseRow {
        static UNKNOWN: LazyLock<CauseRow> = LazyLock::new(|| CauseRow {
            cause: "unclassified".into(),
            category: "unclassified".into(),
            meaning: String::new(),
            responsible: Party::Receiver,
            retry_helps: Retry::Maybe,
        });
        self.get().unwrap_or(&UNKNOWN)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        &self.row().cause
    }
}

fn read(file: &str, text: &str) -> Result<Vec<CauseRow>, RulesError> {
    let mut rows = Vec::new();
    for_each_row(file, text, &COLUMNS, |row| {
        rows.push(cause_row(row)?);
        Ok(())
    })?;
    Ok(rows)
}

fn cause_row(row: &Row<'_>) -> Result<CauseRow, RulesError> {
    let party = row.need("responsible")?;
    let retry = row.need("retry_helps")?;
    let party = Party::ALL.into_iter().find(|p| p.as_str() == party);
    let retry = Retry::ALL.into_iter().find(|r| r.as_str() == retry);
    Ok(CauseRow {
        cause: row.need("cause")?.to_owned(),
        category: row.need("category")?.to_owned(),
        meaning: row.need("meaning")?.to_owned(),
        responsible: party.ok_or_else(|| row.error("responsible: sender, recipient_org, receiver or path"))?,
        retry_helps: retry.ok_or_else(|| row.error("retry_helps: yes, no or maybe"))?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sound() {
        let rows = read("causes.csv", TABLE).unwrap_or_else(|e| unreachable!("{e}"));
        assert_eq!(rows.len(), 21);
        for name in ["unclassified", "access_denied", "not_policy"] {
            assert_eq!(CauseId::by_name(name).map(CauseId::name), Some(name));
        }
        assert!(CauseId::by_name("spf_fail").is_some_and(|c| c.row().is_policy()));
        assert!(!CauseId::by_name("not_policy").is_some_and(|c| c.row().is_policy()));
        assert_eq!(CauseId(250).name(), "unclassified");
    }
}
