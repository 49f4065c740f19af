//! What is known about mail: all tables, loaded once and shared by all workers.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

use crate::cause::{CauseId, Engine, RuleId, RuleSet, table_texts};
use crate::error::Error;
use crate::isp::{Directory, FilterId};
use crate::names::{CauseText, Names};
use crate::rows::GroupIsp;
use crate::smtp::EnhancedStatus;

/// The tables.
pub struct Knowledge {
    /// Causes and rules.
    pub engine: Engine,
    /// ISPs and filter vendors.
    pub directory: Directory,
}

impl Knowledge {
    /// The built-in tables.
    ///
    /// # Errors
    /// If a table is broken; a test loads them all.
    pub fn builtin() -> Result<Self, Error> {
        let broken = |error: &dyn std::fmt::Display| Error::Invariant(format!("built-in tables: {error}"));
        let directory = Directory::builtin();
        let rules = RuleSet::builtin().map_err(|error| broken(&error))?;
        let engine = Engine::new(rules, &|slug| directory.isp_by_slug(slug), &|slug| directory.filter_by_slug(slug));
        Ok(Self { engine: engine.map_err(|error| broken(&error))?, directory })
    }
}

impl Knowledge {
    /// Which rules these are: how many, and a hash of the tables they come from.
    pub fn ruleset(&self) -> Ruleset {
        let mut hash = Sha256::new();
        for (name, text) in table_texts() {
            hash.update(name);
            hash.update([0]);
            hash.update(text);
            hash.update([0]);
        }
        Ruleset { rules: self.engine.rules().len(), sha256: hex(&hash.finalize()) }
    }
}

/// Which rules verdicts rest on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Ruleset {
    /// Number of rules.
    pub rules: usize,
    /// SHA-256 of the tables, in hexadecimal.
    pub sha256: String,
}

/// Bytes in lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Names for Knowledge {
    fn isp<'a>(&'a self, isp: &'a GroupIsp) -> (Cow<'a, str>, Cow<'a, str>) {
        let same = |name: &'a str| (Cow::Borrowed(name), Cow::Borrowed(name));
        match isp {
            GroupIsp::Known(id) => {
                let row = self.directory.isp(*id);
                (Cow::Borrowed(&row.slug), Cow::Borrowed(&row.name))
            }
            GroupIsp::Domain(domain) => same(domain),
            GroupIsp::AddressLiteral => same("address_literal"),
            GroupIsp::Unknown => same("unknown"),
            GroupIsp::Other => same("other"),
        }
    }

    fn filter(&self, filter: FilterId) -> &str {
        &self.directory.filter(filter).slug
    }

    fn cause(&self, cause: CauseId) -> CauseText<'_> {
        let row = cause.row();
        let stated = |text: &'static str| (!text.is_empty()).then_some(text);
        CauseText {
            cause: &row.cause,
            category: &row.category,
            advice: stated(&row.advice),
            reference: stated(&row.reference),
            is_policy: row.is_policy(),
        }
    }

    fn rule(&self, rule: RuleId) -> &str {
        self.engine.rule(rule).map_or("unknown", |rule| &rule.id)
    }

    fn isp_reference(&self, isp: &GroupIsp) -> Option<&str> {
        let GroupIsp::Known(id) = isp else { return None };
        let row = self.directory.isp(*id);
        row.postmaster_url.as_deref().or(row.delisting_url.as_deref())
    }

    fn registered_meaning(&self, status: EnhancedStatus) -> Option<&str> {
        self.engine.registered_meaning(status)
    }
}
