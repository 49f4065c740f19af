//! The matcher: one pass over the text, then only the rules whose rarest words were found.

use std::ops::Range;

use regex::bytes::{Regex, RegexBuilder};

use super::blocklist::Catalogue;
use super::groups::{FoundGroups, GroupId, Groups};
use super::literals::{Builder, Found, Hit, LiteralId, Literals};
use super::normal::{LIMIT, Normal};
use super::registered::Registered;
use super::rules::{Rule, RuleSet};
use super::sending_ip::sending_ip;
use super::table::{RulesError, for_each_row};
use super::{CauseId, Evidence, Question, RuleId, Verdict};
use crate::isp::{FilterId, IspId};
use crate::smtp::{EnhancedStatus, Reply, locate_reply};

pub(super) const SIGNATURES: &str = include_str!("../tables/signatures.csv");
/// Memory that one rule's regex may take, in bytes.
const REGEX_LIMIT: usize = 256 * 1024;
/// Bytes of a match that are worth showing; where the words stand further apart only the first are shown.
const SPAN_LIMIT: u32 = 160;

/// All rules, ready to judge. Made once, shared by all workers.
#[derive(Debug)]
pub struct Engine {
    rules: Vec<Rule>,
    compiled: Vec<Compiled>,
    literals: Literals,
    groups: Groups,
    /// Rules to look at once a group is found, by the group's number.
    watchers: Vec<Vec<u16>>,
    /// Rules without words, by the detail of each status code they want, ascending.
    by_status: Vec<(u16, u16)>,
    /// Who is named by the rows of `signatures.csv`.
    signatures: Vec<(Option<IspId>, Option<FilterId>)>,
    /// The row of a literal.
    signature_of: Vec<Option<u16>>,
    catalogue: Catalogue,
    list_filters: Vec<Option<FilterId>>,
    registered: Registered,
    unclassified: CauseId,
}

/// Buffers of one worker, reused from text to text.
#[derive(Debug, Default)]
pub struct Scratch {
    normal: Normal,
    found: Found,
    groups: FoundGroups,
    speakers: Vec<IspId>,
}

#[derive(Debug)]
struct Compiled {
    tier: Tier,
    /// Groups of which each must be found.
    words: Vec<GroupId>,
    /// The group of which nothing may be found.
    none: Option<GroupId>,
    regex: Option<Regex>,
    isps: Vec<IspId>,
    /// Whether the row names no provider.
    is_anybodys: bool,
    filter: Option<FilterId>,
}

/// Which rules go first, whoever speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// Of a table that the user gave.
    Own,
    /// A provider's own, and it speaks.
    Speaker,
    /// A provider's own code.
    Token,
    /// Words of anybody.
    General,
    /// Words that name no reason.
    Last,
}

impl Engine {
    /// Makes the rules ready. `isp_of` and `filter_of` give the numbers of provider slugs; a slug they do not know
    /// leaves the rule without that provider, so that it never speaks as the speaker's own.
    pub fn new(
        rules: RuleSet,
        isp_of: &dyn Fn(&str) -> Option<IspId>,
        filter_of: &dyn Fn(&str) -> Option<FilterId>,
    ) -> Result<Engine, RulesError> {
        let rules = rules.into_rules();
        let mut literals = Builder::default();
        let catalogue = Catalogue::builtin(&mut literals)?;
        let (signatures, signature_of) = signatures(&mut literals, isp_of, filter_of)?;
        let mut groups = Groups::default();
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in &rules {
            compiled.push(Compiled::new(rule, &mut literals, &mut groups, isp_of, filter_of)?);
        }
        let failed = |message| RulesError { file: "rules".into(), line: 0, message };
        let mut engine = Engine {
            rules,
            compiled,
            literals: literals.build(),
            watchers: vec![Vec::new(); groups.len()],
            groups,
            by_status: Vec::new(),
            signatures,
            signature_of,
            list_filters: catalogue.lists.iter().map(|l| l.filter.as_deref().and_then(filter_of)).collect(),
            catalogue,
            registered: Registered::builtin()?,
            unclassified: CauseId::by_name("unclassified")
                .ok_or_else(|| failed("causes.csv: no unclassified".into()))?,
        };
        engine.watch();
        Ok(engine)
    }

    /// Judges one reply. Time is linear in the first 16 KiB of the text; only the verdict's own strings are allocated.
    pub fn decide(&self, question: &Question<'_>, scratch: &mut Scratch) -> Verdict {
        let named_filter = self.read(question, scratch);
        let Scratch { normal, found, groups, speakers } = scratch;
        let best = self.best(question.reply, normal, found, groups, speakers);
        let registered = question.reply.status.and_then(|status| self.registered.cause(status));
        let mut verdict = match (best, registered) {
            (Some((tier, id)), code) if tier < Tier::Last || code.is_none() => {
                self.by_rule(id, question, normal, found)
            }
            (_, Some(cause)) => abstention(cause, Evidence::RegisteredCode),
            _ => abstention(self.unclassified, Evidence::None),
        };
        let list_filter = self.name_blocklist(&mut verdict, normal, found);
        verdict.filter = verdict.filter.or(list_filter).or(named_filter);
        verdict.sending_ip = sending_ip(question.diagnostic);
        verdict
    }

    /// All rules that hold for one reply, the one that decides first: what [`Engine::decide`] chooses from. Not for
    /// the hot path: it allocates.
    pub fn candidates(&self, question: &Question<'_>, scratch: &mut Scratch) -> Vec<RuleId> {
        self.read(question, scratch);
        let Scratch { normal, found, groups, speakers } = scratch;
        let holding = self.watching(question.reply, groups).filter_map(|at| {
            let (rule, row) = self.compiled.get(usize::from(at)).zip(self.rules.get(usize::from(at)))?;
            let tier = rule.tier(speakers)?;
            let holds = row.fits_codes(question.reply) && rule.holds(groups);
            (holds && self.holds_closely(rule, row, normal, found)).then_some((tier, at))
        });
        let mut holding: Vec<_> = holding.collect();
        holding.sort_unstable();
        holding.dedup();
        holding.into_iter().map(|(_, at)| RuleId(at)).collect()
    }

    /// What the IANA registry says of a code; `None` if it is not registered.
    pub fn registered_meaning(&self, status: EnhancedStatus) -> Option<&str> {
        self.registered.meaning(status)
    }

    /// The rule of a verdict; `None` for a number that is not of this engine.
    pub fn rule(&self, id: RuleId) -> Option<&Rule> {
        self.rules.get(usize::from(id.0))
    }

    /// All rules, in the order of their numbers.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Files each rule under the group that is least often found: the one whose shortest phrase is longest.
    fn watch(&mut self) {
        for (at, rule) in self.compiled.iter().enumerate() {
            let written = self.rules.get(at).map(|rule| rule.words.as_slice()).unwrap_or(&[]);
            let shortest = |i: usize| written.get(i).and_then(|group| group.iter().map(String::len).min());
            let anchor = (0..rule.words.len()).max_by_key(|&i| (shortest(i), rule.words.len() - i));
            match anchor.and_then(|i| rule.words.get(i)).and_then(|&group| self.watchers.get_mut(group as usize)) {
                Some(watchers) => watchers.push(at as u16),
                None => {
                    let statuses = self.rules.get(at).map(|rule| rule.statuses.as_slice()).unwrap_or(&[]);
                    self.by_status.extend(statuses.iter().filter_map(|s| s.detail).map(|detail| (detail, at as u16)));
                }
            }
        }
        self.by_status.sort_unstable();
    }

    /// Rules without words that want this status code's detail.
    fn of_status(&self, reply: &Reply<'_>) -> &[(u16, u16)] {
        let Some(detail) = reply.status.map(|status| status.detail) else { return &[] };
        let from = self.by_status.partition_point(|(d, _)| *d < detail);
        let to = self.by_status.partition_point(|(d, _)| *d <= detail);
        self.by_status.get(from..to).unwrap_or(&[])
    }

    /// Finds all phrases and who speaks; gives the filter product that the text names.
    fn read(&self, question: &Question<'_>, scratch: &mut Scratch) -> Option<FilterId> {
        let Scratch { normal, found, groups, speakers } = scratch;
        let words = reply_words(question.diagnostic);
        normal.fill(question.diagnostic, words, question.reply.code, self.literals.openers());
        self.literals.find(normal, found);
        self.groups.find(found, groups);
        let named_filter = self.read_signatures(found, speakers);
        speakers.extend(question.isp);
        named_filter
    }

    /// Rules that may hold: those whose rarest words were found, and those that ask for this status code alone.
    fn watching(&self, reply: &Reply<'_>, groups: &FoundGroups) -> impl Iterator<Item = u16> {
        let by_words = groups.seen.iter().filter_map(|&id| self.watchers.get(id as usize)).flatten();
        by_words.copied().chain(self.of_status(reply).iter().map(|(_, rule)| *rule))
    }

    fn best(
        &self,
        reply: &Reply<'_>,
        normal: &Normal,
        found: &Found,
        groups: &FoundGroups,
        speakers: &[IspId],
    ) -> Option<(Tier, u16)> {
        let mut best: Option<(Tier, u16)> = None;
        for at in self.watching(reply, groups) {
            let Some((rule, row)) = self.compiled.get(usize::from(at)).zip(self.rules.get(usize::from(at))) else {
                continue;
            };
            let Some(tier) = rule.tier(speakers) else { continue };
            if best.is_none_or(|best| (tier, at) < best)
                && row.fits_codes(reply)
                && rule.holds(groups)
                && self.holds_closely(rule, row, normal, found)
            {
                best = Some((tier, at));
            }
        }
        best
    }

    fn by_rule(&self, id: u16, question: &Question<'_>, normal: &Normal, found: &Found) -> Verdict {
        let at = usize::from(id);
        let Some((rule, row)) = self.compiled.get(at).zip(self.rules.get(at)) else {
            return abstention(self.unclassified, Evidence::None);
        };
        let span =
            self.span(rule, found).map(|(start, end)| normal.span(question.diagnostic, start as usize, end as usize));
        let whole = u32::try_from(question.diagnostic.len()).unwrap_or(u32::MAX);
        Verdict {
            cause: row.cause,
            rule: Some(RuleId(id)),
            evidence: row.evidence,
            span: span.map(|(start, end)| (start.min(whole), end.min(whole))),
            blocklist: row.blocklist.as_deref().map(Box::from),
            sending_ip: None,
            filter: rule.filter,
        }
    }

    /// Puts the list that the text names into the verdict; gives the filter product whose list it is.
    fn name_blocklist(&self, verdict: &mut Verdict, normal: &Normal, found: &Found) -> Option<FilterId> {
        if verdict.cause.row().category != "blocklist" && verdict.blocklist.is_none() {
            return None;
        }
        if let Some(at) = self.catalogue.named(found).map(usize::from) {
            verdict.blocklist = self.catalogue.lists.get(at).map(|list| Box::from(list.name.as_str()));
            return self.list_filters.get(at).copied().flatten();
        }
        if verdict.blocklist.is_none() {
            verdict.blocklist = self.catalogue.zone(normal.text(), found);
        }
        None
    }

    /// Fills in the providers that the text itself names; gives the filter product that it names.
    fn read_signatures(&self, found: &Found, speakers: &mut Vec<IspId>) -> Option<FilterId> {
        speakers.clear();
        let named = |id: LiteralId| self.signature_of.get(id as usize).copied().flatten();
        let mut first: Option<u16> = None;
        for at in found.seen.iter().filter_map(|&id| named(id)) {
            if let Some((isp, filter)) = self.signatures.get(usize::from(at)) {
                speakers.extend(*isp);
                first = if filter.is_some() { first.into_iter().chain([at]).min() } else { first };
            }
        }
        first.and_then(|at| self.signatures.get(usize::from(at))).and_then(|(_, filter)| *filter)
    }
}

/// The part of a diagnostic that the server said, without the frame that programs put around it: what stands in front
/// of it, `(in reply to RCPT TO command)`, and what Postfix logs behind a refusal of its own
/// (`; from=<a> to=<b> proto=ESMTP helo=<c>`).
pub(super) fn reply_words(diagnostic: &[u8]) -> Range<usize> {
    let reply = locate_reply(diagnostic);
    let start = diagnostic.len() - reply.len();
    let mut seen = reply.get(..LIMIT).unwrap_or(reply);
    for (sign, frame) in [(b'(', &b"(in reply to "[..]), (b';', b"; from=<")] {
        let at = memchr::memrchr(sign, seen).filter(|&at| seen.get(at..).is_some_and(|s| s.starts_with(frame)));
        seen = at.and_then(|at| seen.get(..at)).unwrap_or(seen);
    }
    start..start + seen.len()
}

fn abstention(cause: CauseId, evidence: Evidence) -> Verdict {
    Verdict { cause, rule: None, evidence, span: None, blocklist: None, sending_ip: None, filter: None }
}

impl Rule {
    fn fits_codes(&self, reply: &Reply<'_>) -> bool {
        let code = reply.code.map(|code| code.get());
        let class = code.map(|code| code / 100).or(reply.status.map(|status| u16::from(status.class)));
        let reply_fits = |&want: &u16| if want < 10 { class == Some(want) } else { code == Some(want) };
        (self.replies.is_empty() || self.replies.iter().any(reply_fits))
            && (self.statuses.is_empty()
                || reply.status.is_some_and(|status| self.statuses.iter().any(|pattern| pattern.fits(status))))
    }
}

impl Compiled {
    fn new(
        rule: &Rule,
        literals: &mut Builder,
        groups: &mut Groups,
        isp_of: &dyn Fn(&str) -> Option<IspId>,
        filter_of: &dyn Fn(&str) -> Option<FilterId>,
    ) -> Result<Compiled, RulesError> {
        let mut group = |phrases: &[String]| -> Result<GroupId, RulesError> {
            let ids = phrases.iter().map(|phrase| literals.add(phrase).map_err(|e| rule.error(e)));
            Ok(groups.add(ids.collect::<Result<_, _>>()?))
        };
        let words = rule.words.iter().map(|phrases| group(phrases)).collect::<Result<_, _>>()?;
        let none = Some(&rule.none).filter(|none| !none.is_empty()).map(|none| group(none)).transpose()?;
        let regex = rule.regex.as_deref().map(|pattern| regex(pattern).map_err(|e| rule.error(e))).transpose()?;
        let tier = match (rule.evidence, rule.providers.is_empty()) {
            _ if rule.is_own => Tier::Own,
            (Evidence::None, _) => Tier::Last,
            (Evidence::Token, _) => Tier::Token,
            (_, true) => Tier::General,
            (_, false) => Tier::Speaker,
        };
        let isps = rule.providers.iter().filter_map(|slug| isp_of(slug)).collect();
        let is_anybodys = rule.providers.is_empty();
        Ok(Compiled { tier, words, none, regex, isps, is_anybodys, filter: rule.filter.as_deref().and_then(filter_of) })
    }

    /// Where it stands for these speakers; `None` where it has no say.
    fn tier(&self, speakers: &[IspId]) -> Option<Tier> {
        let own = self.isps.iter().any(|isp| speakers.contains(isp));
        match self.tier {
            Tier::Own => (own || self.is_anybodys).then_some(Tier::Own),
            Tier::Speaker | Tier::Token if own => Some(Tier::Speaker),
            Tier::Speaker => None,
            tier => Some(tier),
        }
    }

    fn holds(&self, groups: &FoundGroups) -> bool {
        self.words.iter().all(|&group| groups.has(group)) && !self.none.is_some_and(|group| groups.has(group))
    }
}

impl Engine {
    /// The costlier tests, made last.
    fn holds_closely(&self, rule: &Compiled, row: &Rule, normal: &Normal, found: &Found) -> bool {
        row.gap.is_none_or(|gap| self.ordered(rule, gap, found))
            && rule.regex.as_ref().is_none_or(|regex| regex.is_match(normal.text()))
    }

    /// Whether the groups of a rule are found in their order, at most `gap` bytes between one and the next.
    fn ordered(&self, rule: &Compiled, gap: u32, found: &Found) -> bool {
        let is_in = |step: usize, id| rule.words.get(step).is_some_and(|&group| self.groups.contains(group, id));
        let mut reached: Option<(usize, u32)> = None;
        for &(id, hit) in &found.hits {
            let next = reached.map_or(0, |(step, _)| step + 1);
            let follows = |end: u32| hit.start >= end && hit.start - end <= gap;
            if is_in(next, id) && reached.is_none_or(|(_, end)| follows(end)) {
                reached = Some((next, hit.end));
            } else if is_in(0, id) && (next <= 1 || reached.is_some_and(|(_, end)| hit.start > end + gap)) {
                reached = Some((0, hit.end));
            }
            if reached.is_some_and(|(step, _)| step + 1 == rule.words.len()) {
                return true;
            }
        }
        false
    }

    /// The words that were found, first to last.
    fn span(&self, rule: &Compiled, found: &Found) -> Option<(u32, u32)> {
        let first_of = |group: &GroupId| {
            let hits = self.groups.literals(*group).iter().filter_map(|&id| found.first(id));
            hits.min_by_key(|hit| (hit.start, u32::MAX - hit.end))
        };
        let hits = || rule.words.iter().filter_map(first_of);
        let first: Hit = hits().min_by_key(|hit| hit.start)?;
        let end = hits().map(|hit| hit.end).filter(|end| end.saturating_sub(first.start) <= SPAN_LIMIT).max();
        Some((first.start, end.unwrap_or(first.end)))
    }
}

fn regex(pattern: &str) -> Result<Regex, String> {
    RegexBuilder::new(pattern).unicode(false).size_limit(REGEX_LIMIT).build().map_err(|e| e.to_string())
}

type Signatures = (Vec<(Option<IspId>, Option<FilterId>)>, Vec<Option<u16>>);

fn signatures(
    literals: &mut Builder,
    isp_of: &dyn Fn(&str) -> Option<IspId>,
    filter_of: &dyn Fn(&str) -> Option<FilterId>,
) -> Result<Signatures, RulesError> {
    let (mut signatures, mut of_literal) = Signatures::default();
    for_each_row("signatures.csv", SIGNATURES, &["slug", "kind", "words", "source"], |row| {
        let slug = row.need("slug")?;
        let (isp, filter) = match row.need("kind")? {
            "isp" => (isp_of(slug), None),
            "filter" => (None, filter_of(slug)),
            "both" => (isp_of(slug), filter_of(slug)),
            other => return Err(row.error(format!("kind {other:?}: isp, filter or both"))),
        };
        row.need("source")?;
        for phrase in row.need("words")?.split('|') {
            let id = literals.add(phrase.trim()).map_err(|e| row.error(e))? as usize;
            if of_literal.len() <= id {
                of_literal.resize(id + 1, None);
            }
            let at = u16::try_from(signatures.len()).map_err(|e| row.error(e.to_string()))?;
            match of_literal.get_mut(id) {
                Some(slot @ None) => *slot = Some(at),
                _ => return Err(row.error(format!("phrase {phrase:?} is used twice"))),
            }
        }
        signatures.push((isp, filter));
        Ok(())
    })?;
    Ok((signatures, of_literal))
}
