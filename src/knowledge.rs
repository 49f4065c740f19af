//! What is known about mail: all tables, loaded once and shared by all workers.

use std::borrow::Cow;
use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use crate::advice::{About, Advice, Case};
use crate::cause::blocklist::{self, ListFacts};
use crate::cause::{CauseId, Engine, RuleId, RuleSet, table_texts};
use crate::error::Error;
use crate::isp::{Directory, FilterId, IspId, Table};
use crate::names::{AdviceText, BlocklistText, CauseText, Names};
use crate::rows::GroupIsp;
use crate::run::tables::Ids;
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
    ruleset: Ruleset,
    rule_ids: BTreeMap<String, RuleId>,
}

/// A table that the user gave: the name it is called by in errors, and its text.
pub type OwnTable<'a> = (&'a str, &'a str);

impl Knowledge {
    /// The built-in tables.
    ///
    /// # Errors
    /// If a table is broken; a test loads them all.
    pub fn builtin() -> Result<Self, Error> {
        Self::with_own(&[], &[]).map_err(|error| Error::Invariant(format!("built-in tables: {error}")))
    }

    /// The user's own tables, which are asked first, and the built-in ones behind them. A row of the user's takes the
    /// place of the built-in rule of the same id; an ISP of the same slug is added to. Byte order marks and CRLF do no
    /// harm; of the columns of [`RULE_COLUMNS`](crate::cause::RULE_COLUMNS) only those that say something are needed.
    ///
    /// # Errors
    /// [`Error::Usage`] with table, line and what is wrong with it.
    pub fn with_own(rules: &[OwnTable<'_>], isps: &[OwnTable<'_>]) -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Usage(error.to_string());
        let clean_rules: Vec<String> = rules.iter().map(|(_, text)| clean(text)).collect();
        let clean_isps: Vec<String> = isps.iter().map(|(_, text)| clean(text)).collect();
        let tables = isps.iter().zip(&clean_isps).map(|((name, _), csv)| Table { name, csv });
        let tables: Vec<Table<'_>> = tables.chain([Directory::builtin_isps()]).collect();
        let directory = Directory::from_tables(&tables, &[Directory::builtin_filters()]).map_err(|e| wrong(&e))?;
        let own: Vec<(&str, &str)> = rules.iter().zip(&clean_rules).map(|((name, _), text)| (*name, &**text)).collect();
        let set = RuleSet::with_own(&own).map_err(|e| wrong(&e))?;
        let is_isp = |slug: &str| directory.isp_by_slug(slug).is_some();
        let is_filter = |slug: &str| directory.filter_by_slug(slug).is_some();
        set.check_names(&is_isp, &is_filter).map_err(|e| wrong(&e))?;
        let engine = Engine::new(set, &|slug| directory.isp_by_slug(slug), &|slug| directory.filter_by_slug(slug));
        let engine = engine.map_err(|e| wrong(&e))?;
        let ruleset = Ruleset {
            rules: engine.rules().len(),
            sha256: hash(&clean_rules, &clean_isps),
            own_tables: rules.iter().chain(isps).map(|(name, _)| (*name).to_owned()).collect(),
        };
        let advice = Advice::builtin().map_err(|e| wrong(&e))?;
        let mut lists = blocklist::facts().map_err(|e| wrong(&e))?;
        add_own_lists(&engine, &mut lists);
        let ids = engine.rules().iter().enumerate().map(|(at, rule)| (rule.id.clone(), RuleId(at as u16)));
        let rule_ids = ids.collect();
        Ok(Self { engine, directory, advice, lists, ruleset, rule_ids })
    }

    /// Which rules these are.
    pub fn ruleset(&self) -> &Ruleset {
        &self.ruleset
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

/// Without byte order mark, and with plain line ends: lines are counted by them.
pub(crate) fn clean(text: &str) -> String {
    text.strip_prefix('\u{feff}').unwrap_or(text).replace("\r\n", "\n")
}

/// SHA-256 of all tables that verdicts and ISPs rest on. What the user's own are called does not matter.
fn hash(rules: &[String], isps: &[String]) -> String {
    let own = rules.iter().map(|text| ("own rules", &**text)).chain(isps.iter().map(|text| ("own isps", &**text)));
    let directory = [Directory::builtin_isps(), Directory::builtin_filters()].map(|table| (table.name, table.csv));
    let mut hash = Sha256::new();
    for (name, text) in table_texts().into_iter().chain(directory).chain(own) {
        hash.update(name);
        hash.update([0]);
        hash.update(text);
        hash.update([0]);
    }
    hex(&hash.finalize())
}

/// Which rules verdicts rest on.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Ruleset {
    /// Number of rules.
    pub rules: usize,
    /// SHA-256 of all tables, the user's own included, in hexadecimal.
    pub sha256: String,
    /// The user's own tables as they were given, rules first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub own_tables: Vec<String>,
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

impl Ids for Knowledge {
    fn isp(&self, slug: &str) -> Option<IspId> {
        self.directory.isp_by_slug(slug)
    }

    fn filter(&self, slug: &str) -> Option<FilterId> {
        self.directory.filter_by_slug(slug)
    }

    fn cause(&self, cause: &str) -> Option<CauseId> {
        CauseId::by_name(cause)
    }

    fn rule(&self, rule: &str) -> Option<RuleId> {
        self.rule_ids.get(rule).copied()
    }
}
