//! What is known about mail: all tables, loaded once and shared by all workers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::advice::{About, Advice, Case};
use crate::cause::blocklist::{self, ListFacts};
use crate::cause::{CauseId, Engine, RuleId, RuleSet, table_texts};
use crate::error::Error;
use crate::isp::{Directory, FilterId};
use crate::names::{AdviceText, BlocklistText, CauseText, Names};
use crate::rows::GroupIsp;
use crate::smtp::EnhancedStatus;

/// The tables.
pub struct Knowledge {
    /// Causes and rules.
    pub engine: Engine,
    /// ISPs and filter vendors.
    pub directory: Directory,
    /// What to do.
    pub advice: Advice,
    /// Blocklists by name.
    lists: BTreeMap<String, ListFacts>,
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
        let engine = engine.map_err(|error| broken(&error))?;
        let advice = Advice::builtin().map_err(|error| broken(&error))?;
        let mut lists = blocklist::facts().map_err(|error| broken(&error))?;
        add_own_lists(&engine, &mut lists);
        Ok(Self { engine, directory, advice, lists })
    }

    /// Slug of an ISP of the table.
    pub fn slug(&self, isp: &GroupIsp) -> Option<&str> {
        if let GroupIsp::Known(id) = isp { Some(&self.directory.isp(*id).slug) } else { None }
    }

    /// Whether the lists known by name hold this one.
    pub fn knows_list(&self, name: &str) -> bool {
        self.lists.contains_key(name)
    }

    fn isp_page(&self, isp: &GroupIsp) -> Option<&str> {
        let GroupIsp::Known(id) = isp else { return None };
        let row = self.directory.isp(*id);
        row.postmaster_url.as_deref().or(row.delisting_url.as_deref())
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
        CauseText { cause: &row.cause, category: &row.category, is_policy: row.is_policy() }
    }

    fn rule(&self, rule: RuleId) -> &str {
        self.engine.rule(rule).map_or("unknown", |rule| &rule.id)
    }

    fn advice(&self, cause: CauseId, isp: &GroupIsp, blocklist: Option<&str>) -> AdviceText<'_> {
        let first = self.advice.first(Case { cause, isp: self.slug(isp), blocklist });
        let page = |is_own: bool| {
            first.filter(|(about, _)| (*about != About::Cause) == is_own).and_then(|(_, row)| row.page.as_deref())
        };
        let list_page = || blocklist.and_then(|list| self.lists.get(list)?.page.as_deref());
        AdviceText {
            advice: first.map(|(_, row)| row.advice.as_str()),
            reference: page(true).or_else(list_page).or_else(|| self.isp_page(isp)).or_else(|| page(false)),
        }
    }

    fn registered_meaning(&self, status: EnhancedStatus) -> Option<&str> {
        self.engine.registered_meaning(status)
    }

    fn blocklist(&self, list: &str) -> Option<BlocklistText<'_>> {
        let facts = self.lists.get(list)?;
        Some(BlocklistText {
            scope: facts.scope.as_deref(),
            listed_kind: facts.kind.as_deref(),
            lookup_url: facts.page.as_deref(),
        })
    }
}

/// Providers have lists of their own, which only their rules name.
fn add_own_lists(engine: &Engine, lists: &mut BTreeMap<String, ListFacts>) {
    for rule in engine.rules().iter().filter(|rule| !rule.providers.is_empty()) {
        let kind = match rule.cause.name() {
            "ip_blocklisted" => Some("ip".to_owned()),
            "domain_blocklisted" => Some("domain".to_owned()),
            _ => None,
        };
        if let Some(name) = rule.blocklist.as_ref().filter(|name| !lists.contains_key(*name)) {
            lists.insert(name.clone(), ListFacts { scope: Some("receiver".into()), kind, page: None });
        }
    }
}
