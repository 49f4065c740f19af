//! Enhanced status codes whose registration names a cause: `tables/enhanced_status.csv` (IANA registry).

use super::CauseId;
use super::rules::StatusPattern;
use super::table::{RulesError, for_each_row};
use crate::smtp::EnhancedStatus;

pub(super) const TABLE: &str = include_str!("../tables/enhanced_status.csv");

/// The rows that name a cause, in the order of the table: the first that fits decides.
#[derive(Debug)]
pub(super) struct Registered {
    rows: Vec<(StatusPattern, CauseId)>,
    meanings: Vec<(StatusPattern, String)>,
}

impl Registered {
    pub(super) fn builtin() -> Result<Registered, RulesError> {
        let (mut rows, mut meanings) = (Vec::new(), Vec::new());
        for_each_row("enhanced_status.csv", TABLE, &["code", "meaning", "cause", "reference"], |row| {
            let meaning = row.need("meaning")?.to_string();
            row.need("reference")?;
            let code = row.need("code")?;
            let pattern = StatusPattern::parse(code).ok_or_else(|| row.error(format!("no code: {code:?}")))?;
            meanings.push((pattern, meaning));
            if !row.get("cause").is_empty() {
                let cause = CauseId::by_name(row.get("cause")).ok_or_else(|| row.error("no such cause"))?;
                rows.push((pattern, cause));
            }
            Ok(())
        })?;
        Ok(Registered { rows, meanings })
    }

    /// What the registry says of a code; `None` if it is not registered.
    pub(super) fn meaning(&self, status: EnhancedStatus) -> Option<&str> {
        self.meanings.iter().find(|(pattern, _)| pattern.fits(status)).map(|(_, meaning)| meaning.as_str())
    }

    /// The cause that a code itself names.
    pub(super) fn cause(&self, status: EnhancedStatus) -> Option<CauseId> {
        self.rows.iter().find(|(pattern, _)| pattern.fits(status)).map(|(_, cause)| *cause)
    }
}
