//! The rule tables: `tables/rules/*.csv`, and what their columns say.
//!
//! | column | meaning |
//! | --- | --- |
//! | id | unique name, shown by `explain` |
//! | provider | provider slugs (`;` between) whose own wording this is; empty = anybody's |
//! | reply | reply codes it needs: `4`, `5`, `550`, `421;451`; empty = any or none |
//! | status | enhanced status codes it needs: `5.7.708`, `x.7.x`, `4.1.x;5.1.x` (`x` = any); empty = any or none |
//! | words | what the text must hold: groups with `&` between, of which each must be found; a group is phrases with `\|` between, of which one is enough. `$name` stands for the phrases of that row of `words.csv`. A phrase is found where a word starts (a run of letters or of digits, or an ideograph); `>` behind it asks for the end of a word: `spf>` |
//! | gap | if given, the groups must be found in this order with at most so many bytes between two of them |
//! | none | phrases of which none may be found |
//! | regex | a last check on the normalised text, only made where all else holds |
//! | cause | cause of `causes.csv` |
//! | evidence | `text`; `token` = an own code of the provider, believed whoever speaks; `none` = says "refused" and no reason |
//! | blocklist | list that the words stand for, where they name none |
//! | filter | slug of the filter product that speaks so |
//! | sample | a text that this row must win |
//! | anti | texts that it must not win (`\|` between), optional |
//! | source | where the wording is from |
//!
//! Priority: rows of the user's own tables ([`RuleSet::with_own`]), rows of the speaking provider, tokens of others, rows without provider, registered codes
//! (`enhanced_status.csv`), rows with evidence `none`. Within one of these, the order of the files
//! ([`RuleSet::builtin`]) and of the rows: the first that holds wins.

use std::collections::BTreeMap;

use super::table::{Row, RulesError, for_each_row};
use super::{CauseId, Evidence, RuleId};

pub(super) const WORDS: &str = include_str!("../tables/words.csv");
pub(super) const FILES: [(&str, &str); 12] = [
    ("rules/google.csv", include_str!("../tables/rules/google.csv")),
    ("rules/microsoft.csv", include_str!("../tables/rules/microsoft.csv")),
    ("rules/americas.csv", include_str!("../tables/rules/americas.csv")),
    ("rules/europe.csv", include_str!("../tables/rules/europe.csv")),
    ("rules/russia.csv", include_str!("../tables/rules/russia.csv")),
    ("rules/asia.csv", include_str!("../tables/rules/asia.csv")),
    ("rules/gateways.csv", include_str!("../tables/rules/gateways.csv")),
    ("rules/transport.csv", include_str!("../tables/rules/transport.csv")),
    ("rules/general.csv", include_str!("../tables/rules/general.csv")),
    ("rules/languages.csv", include_str!("../tables/rules/languages.csv")),
    ("rules/languages-other-scripts.csv", include_str!("../tables/rules/languages-other-scripts.csv")),
    ("rules/last.csv", include_str!("../tables/rules/last.csv")),
];
/// The columns of a table of rules, in order.
pub const COLUMNS: [&str; 15] = [
    "id",
    "provider",
    "reply",
    "status",
    "words",
    "gap",
    "none",
    "regex",
    "cause",
    "evidence",
    "blocklist",
    "filter",
    "sample",
    "anti",
    "source",
];

/// One row of the rule tables.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Unique name.
    pub id: String,
    /// Provider slugs; empty = anybody's wording.
    pub providers: Vec<String>,
    /// The cause it names.
    pub cause: CauseId,
    /// What it rests on.
    pub evidence: Evidence,
    /// List that the words stand for.
    pub blocklist: Option<String>,
    /// Slug of the filter product that speaks so.
    pub filter: Option<String>,
    /// A text that it wins.
    pub sample: String,
    /// Texts that it does not win.
    pub anti: Vec<String>,
    /// Where the wording is from.
    pub source: String,
    /// Table and line it stands in, such as `rules/google.csv:12`.
    pub place: String,
    /// Whether the user gave it.
    pub is_own: bool,
    /// The cells as written, in the order of [`COLUMNS`].
    cells: Vec<String>,
    pub(super) file: String,
    pub(super) line: u64,
    pub(super) replies: Vec<u16>,
    pub(super) statuses: Vec<StatusPattern>,
    pub(super) words: Vec<Vec<String>>,
    pub(super) gap: Option<u32>,
    pub(super) none: Vec<String>,
    pub(super) regex: Option<String>,
}

impl Rule {
    /// What its table says in a column of [`COLUMNS`]; empty for another one.
    pub fn cell(&self, column: &str) -> &str {
        let at = COLUMNS.iter().position(|name| *name == column);
        at.and_then(|at| self.cells.get(at)).map_or("", String::as_str)
    }

    pub(super) fn error(&self, message: impl Into<String>) -> RulesError {
        RulesError { file: self.file.clone(), line: self.line, message: message.into() }
    }
}

/// Rules in the order of their priority.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    rules: Vec<Rule>,
    by_id: BTreeMap<String, u16>,
}

impl RuleSet {
    /// The rules that come with the program.
    pub fn builtin() -> Result<RuleSet, RulesError> {
        let mut set = RuleSet::default();
        let words = word_lists("words.csv", WORDS)?;
        for (file, text) in FILES {
            set.read(file, text, &words)?;
        }
        Ok(set)
    }

    /// The user's own tables (name and text of each), which are tried first, in the order given, and then the rules
    /// that come with the program. A row of the user's may have the id of a built-in one: it takes its place.
    pub fn with_own(own: &[(&str, &str)]) -> Result<RuleSet, RulesError> {
        let mut set = RuleSet::default();
        for (file, text) in own {
            set.add(file, text)?;
        }
        set.rules.iter_mut().for_each(|rule| rule.is_own = true);
        let builtin = RuleSet::builtin()?.rules;
        for rule in builtin {
            if set.by_id(&rule.id).is_none() {
                set.push(rule)?;
            }
        }
        Ok(set)
    }

    /// Adds the rows of one more table behind those there; `file` names it in errors.
    pub fn add(&mut self, file: &str, text: &str) -> Result<(), RulesError> {
        self.read(file, text, &word_lists("words.csv", WORDS)?)
    }

    /// Checks that the user's own rows name providers and filter products that there are; a name that nobody has would
    /// keep a row silent for ever.
    ///
    /// # Errors
    /// The first row that names another.
    pub fn check_names(
        &self,
        is_isp: &dyn Fn(&str) -> bool,
        is_filter: &dyn Fn(&str) -> bool,
    ) -> Result<(), RulesError> {
        for rule in self.rules.iter().filter(|rule| rule.is_own) {
            if let Some(slug) = rule.providers.iter().find(|slug| !is_isp(slug)) {
                return Err(rule.error(format!("no provider {slug:?}; add it to a table for --isps")));
            }
            if let Some(slug) = rule.filter.as_deref().filter(|slug| !is_filter(slug)) {
                return Err(rule.error(format!("no filter {slug:?}; leave it empty")));
            }
        }
        Ok(())
    }

    /// All rules; [`RuleId`] counts them.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The number of a rule by its name.
    pub fn by_id(&self, id: &str) -> Option<RuleId> {
        self.by_id.get(id).copied().map(RuleId)
    }

    pub(super) fn into_rules(self) -> Vec<Rule> {
        self.rules
    }

    fn read(&mut self, file: &str, text: &str, words: &WordLists) -> Result<(), RulesError> {
        for_each_row(file, text, &COLUMNS, |row| {
            let rule = rule(file, row, words)?;
            if let Some(first) = self.by_id.get(&rule.id).and_then(|at| self.rules.get(usize::from(*at))) {
                return Err(row.error(format!("id {:?} is used twice, first in {}", rule.id, first.place)));
            }
            self.push(rule)
        })
    }

    fn push(&mut self, rule: Rule) -> Result<(), RulesError> {
        let at = u16::try_from(self.rules.len()).map_err(|_| rule.error("more than 65,536 rules"))?;
        self.by_id.insert(rule.id.clone(), at);
        self.rules.push(rule);
        Ok(())
    }
}

/// An enhanced status code with `x` for "any".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StatusPattern {
    class: Option<u16>,
    subject: Option<u16>,
    pub(super) detail: Option<u16>,
}

impl StatusPattern {
    pub(super) fn parse(text: &str) -> Option<StatusPattern> {
        let mut parts = text.trim().split('.').map(|part| match part {
            "x" => Some(None),
            number => number.parse().ok().map(Some),
        });
        let pattern = StatusPattern { class: parts.next()??, subject: parts.next()??, detail: parts.next()?? };
        parts.next().is_none().then_some(pattern)
    }

    /// Whether it fits all codes that `narrow` fits.
    pub(super) fn covers(self, narrow: StatusPattern) -> bool {
        let one = |wide: Option<u16>, narrow: Option<u16>| wide.is_none() || wide == narrow;
        one(self.class, narrow.class) && one(self.subject, narrow.subject) && one(self.detail, narrow.detail)
    }

    pub(super) fn fits(self, status: crate::smtp::EnhancedStatus) -> bool {
        self.class.is_none_or(|n| n == u16::from(status.class))
            && self.subject.is_none_or(|n| n == status.subject)
            && self.detail.is_none_or(|n| n == status.detail)
    }
}

type WordLists = BTreeMap<String, Vec<String>>;

fn word_lists(file: &str, text: &str) -> Result<WordLists, RulesError> {
    let mut lists = WordLists::new();
    for_each_row(file, text, &["name", "words"], |row| {
        let words = split(row.need("words")?, '|');
        match lists.insert(row.need("name")?.to_owned(), words) {
            None => Ok(()),
            Some(_) => Err(row.error("name is used twice")),
        }
    })?;
    Ok(lists)
}

fn split(text: &str, by: char) -> Vec<String> {
    text.split(by).map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
}

/// The phrases of one group, lists put in.
fn group(row: &Row<'_>, text: &str, words: &WordLists) -> Result<Vec<String>, RulesError> {
    let mut phrases = Vec::new();
    for part in split(text, '|') {
        match part.strip_prefix('$') {
            None => phrases.push(part),
            Some(name) => match words.get(name) {
                Some(list) => phrases.extend(list.iter().cloned()),
                None => return Err(row.error(format!("no word list {name:?}"))),
            },
        }
    }
    Ok(phrases)
}

fn rule(file: &str, row: &Row<'_>, words: &WordLists) -> Result<Rule, RulesError> {
    let optional = |column| Some(row.get(column)).filter(|v| !v.is_empty()).map(str::to_owned);
    let groups =
        split(&plain(row.get("words")), '&').iter().map(|text| group(row, text, words)).collect::<Result<_, _>>()?;
    let cause = row.need("cause")?;
    let rule = Rule {
        id: row.need("id")?.to_owned(),
        providers: split(row.get("provider"), ';'),
        cause: CauseId::by_name(cause)
            .ok_or_else(|| row.error(format!("no cause {cause:?}; see: bouncesift schema causes")))?,
        evidence: evidence(row)?,
        blocklist: optional("blocklist"),
        filter: optional("filter"),
        sample: plain(row.need("sample")?),
        anti: split(&plain(row.get("anti")), '|'),
        source: row.need("source")?.to_owned(),
        place: format!("{file}:{}", row.line),
        is_own: false,
        cells: COLUMNS.iter().map(|column| row.get(column).to_owned()).collect(),
        file: file.to_owned(),
        line: row.line,
        replies: replies(row)?,
        statuses: statuses(row)?,
        words: groups,
        gap: optional("gap").map(|gap| gap.parse()).transpose().map_err(|e| row.error(format!("gap: {e}")))?,
        none: group(row, &plain(row.get("none")), words)?,
        regex: optional("regex"),
    };
    let exact_status = !rule.statuses.is_empty() && rule.statuses.iter().all(|s| s.detail.is_some());
    match rule.words.is_empty() && !exact_status {
        true => Err(row.error("needs words, or status codes without x at their end")),
        false => Ok(rule),
    }
}

/// A cell without the escapes of the tables that the program writes (`\\u{e9}`): rows are pasted from there.
fn plain(cell: &str) -> String {
    crate::table::csv::unescape(cell)
}

fn evidence(row: &Row<'_>) -> Result<Evidence, RulesError> {
    match row.get("evidence") {
        "text" | "" => Ok(Evidence::Text),
        "token" => Ok(Evidence::Token),
        "none" => Ok(Evidence::None),
        other => Err(row.error(format!("evidence {other:?}: text, token or none"))),
    }
}

fn replies(row: &Row<'_>) -> Result<Vec<u16>, RulesError> {
    let one = |text: &String| match text.parse() {
        Ok(n @ (2..=5 | 200..=599)) => Ok(n),
        _ => Err(row.error(format!("reply {text:?}: a class or a reply code"))),
    };
    split(row.get("reply"), ';').iter().map(one).collect()
}

fn statuses(row: &Row<'_>) -> Result<Vec<StatusPattern>, RulesError> {
    let one = |text: &String| {
        StatusPattern::parse(text).ok_or_else(|| row.error(format!("status {text:?}: such as 5.7.1 or x.7.x")))
    };
    split(row.get("status"), ';').iter().map(one).collect()
}
