//! What the terminal summary, `summary.txt` and `summary.json` say: one digest, made once, of merged rows.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::merge::add;
use super::rate::wilson;
use super::unexplained::UnexplainedText;
use super::{CodePatterns, Names, UNCLASSIFIED, is_policy, refused_by_us};
use crate::cause::Evidence;
use crate::record::Trust;
use crate::rows::{Bounded, GroupIsp, RefusalRow, Seen, TemplateRow, TrafficRow, join_seen, template_id};
use crate::smtp::EnhancedStatus;
use crate::table::SCHEMA_VERSION;
use crate::table::json::Count;
use crate::table::time;

/// What a summary is made of. Rows are merged; nothing here depends on the clock.
pub struct SummaryInput<'a> {
    /// Name of the command: `scan`, `collect`, `report`.
    pub command: &'a str,
    /// Version of this program.
    pub tool_version: &'a str,
    /// Version and hash of the rules.
    pub ruleset: &'a str,
    /// Inputs read, the damaged ones included.
    pub inputs: u64,
    /// Of these, damaged or unreadable ones: the result is partial where there is one.
    pub damaged: u64,
    /// Bytes of the inputs, as they are on disk.
    pub bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Mails read.
    pub mails: u64,
    /// Refusals that more than one line or mail tells: counted once.
    pub told_before: u64,
    /// First and last time seen in any record; without it, that of the refusals.
    pub window: Option<Seen>,
    /// Refused and deferred attempts.
    pub refusals: &'a [RefusalRow],
    /// All attempts.
    pub traffic: &'a [TrafficRow],
    /// Reply texts.
    pub templates: &'a [TemplateRow],
    /// The inputs were bounce mails only: nobody knows how many attempts there were.
    pub bounces_only: bool,
    /// Lines passed over, by reason.
    pub skipped: &'a [(String, u64)],
    /// Warnings, one each, in order; may hold foreign text such as file names.
    pub warnings: &'a [String],
    /// Which codes the headline table shows.
    pub codes: &'a CodePatterns,
    /// How many of its rows.
    pub top: usize,
    /// Command line to go on with, and what for.
    pub next: Option<&'a str>,
}

/// The digest. Its fields, in this order, are `summary.json`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Version of the files' contract.
    pub schema_version: &'static str,
    /// Version of this program.
    pub tool_version: String,
    /// Version and hash of the rules.
    pub ruleset: String,
    /// Name of the command.
    pub command: String,
    /// Whether an input is damaged or unreadable.
    pub partial: bool,
    /// What was read.
    pub inputs: Inputs,
    /// First and last time seen.
    pub window: Window,
    /// Delivery attempts per recipient; null where the inputs hold bounces only.
    pub attempts: Option<Count>,
    /// Of these, delivered; null likewise.
    pub delivered: Option<Count>,
    /// Of these, put off.
    pub deferred: Count,
    /// Of these, given up.
    pub bounced: Count,
    /// Deferred or given up with 5.7.1.
    pub with_571: Count,
    /// Of these, with a known cause.
    pub classified_571: Count,
    /// Deferred or given up for policy.
    pub policy: Count,
    /// What their verdicts rest on.
    pub coverage: Coverage,
    /// Attempts of clients that our own server refused; in no other count.
    pub refused_by_us: Count,
    /// Refusals told by bounce mails that name no message; in no other count.
    pub bounces_unnamed: Count,
    /// Refusals told by bounce mails of messages that other domains sent; in no other count.
    pub bounces_foreign: Count,
    /// Refusals that more than one line or mail tells; counted once.
    pub told_before: Count,
    /// What the headline table counts.
    pub headline: Headline,
    /// All codes, most frequent first.
    pub codes: Vec<CodeCount>,
    /// Texts that no rule explains.
    pub unexplained: Unexplained,
    /// Lines passed over, by reason.
    pub skipped: BTreeMap<String, Count>,
    /// Warnings.
    pub warnings: Vec<String>,
    /// Command line to go on with.
    #[serde(skip)]
    pub next: Option<String>,
}

/// What was read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inputs {
    /// Inputs.
    pub count: Count,
    /// Of these, damaged or unreadable ones.
    pub damaged: Count,
    /// Bytes on disk.
    pub bytes: Count,
    /// Lines of logs.
    pub lines: Count,
    /// Mails.
    pub mails: Count,
}

/// First and last time seen, UTC; null where no time is known.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Window {
    /// First.
    pub first: Option<String>,
    /// Last.
    pub last: Option<String>,
    /// The same for people.
    #[serde(skip)]
    pub seen: Option<Seen>,
}

/// The headline table: refusals with certain codes, by receiving ISP and cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Headline {
    /// The codes it counts, as patterns.
    pub patterns: String,
    /// Attempts with these codes.
    pub attempts: Count,
    /// Of these, final failures.
    pub failed: Count,
    /// Of these attempts, those with a known cause.
    pub classified: Count,
    /// The most frequent pairs of ISP and cause; not the unclassified ones.
    pub top: Vec<TopRow>,
    /// The pairs beyond these.
    pub more: Rest,
    /// The refusals that no rule explains; `rows` counts their texts.
    pub unclassified: Rest,
}

/// A pair of ISP and cause.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct TopRow {
    /// Slug or domain.
    pub isp: String,
    /// Display name.
    pub isp_name: String,
    /// Cause.
    pub cause: String,
    /// Attempts refused or deferred.
    pub attempts: Count,
    /// Of these, final failures.
    pub failed: Count,
    /// Of all attempts that the headline counts.
    pub share: Option<f64>,
    /// All attempts to this ISP; null where the inputs hold bounces only.
    pub isp_attempts: Option<Count>,
    /// Of all attempts to this ISP, with a 95 % Wilson interval; null likewise.
    pub rate: Option<f64>,
    /// Its lower bound.
    pub rate_low: Option<f64>,
    /// Its upper bound.
    pub rate_high: Option<f64>,
}

/// Refusals by policy, by what the verdict on them rests on. Their sum is `policy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Coverage {
    /// Words of the reply.
    pub text: Count,
    /// A provider's own code.
    pub token: Count,
    /// A registered enhanced status code that itself names a cause.
    pub registered_code: Count,
    /// Nothing: no cause was named.
    pub abstained: Count,
}

/// Texts that no rule explains: those unclassified, and those that say "refused" and no reason.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unexplained {
    /// The most frequent ones.
    pub top: Vec<UnexplainedRow>,
    /// The others.
    pub more: Rest,
}

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct UnexplainedRow {
    /// Id of the masked text; null where there is none, `other` beyond the number kept apart.
    pub template_id: Option<String>,
    /// The masked text.
    pub template: Option<String>,
    /// `unclassified` or `access_denied`.
    pub cause: String,
    /// Attempts.
    pub attempts: Count,
    /// Number of receiving ISPs.
    pub isps: u64,
}

/// Rows that are not shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rest {
    /// How many.
    pub rows: u64,
    /// Their attempts.
    pub attempts: Count,
    /// Of these, final failures.
    pub failed: Count,
}

/// Attempts with one code.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CodeCount {
    /// Enhanced status code; null for replies without one.
    pub code: Option<String>,
    /// Attempts.
    pub attempts: Count,
}

/// Attempts and, of these, final failures.
type Pair = (u64, u64);

impl Summary {
    /// Digests the rows.
    pub fn new(input: &SummaryInput<'_>, names: &dyn Names) -> Self {
        let outward: Vec<&RefusalRow> = super::outward(input.refusals).collect();
        let attempts = |keep: &dyn Fn(&RefusalRow) -> bool| {
            Count(outward.iter().filter(|r| keep(r)).fold(0, |sum, r| add(sum, r.attempts)))
        };
        let traffic = |part: fn(&TrafficRow) -> u64| input.traffic.iter().fold(0, |sum, r| add(sum, part(r)));
        let (refused, failed) = outward.iter().fold((0, 0), |mut sum, row| {
            count(&mut sum, row);
            sum
        });
        let known = |n: u64| (!input.bounces_only).then_some(Count(n));
        let is_571 = |r: &RefusalRow| CodePatterns::default().matches(r.key.status);
        let seen = input.window.or_else(|| outward.iter().fold(None, |seen, r| join_seen(seen, r.seen)));
        Summary {
            schema_version: SCHEMA_VERSION,
            tool_version: input.tool_version.to_string(),
            ruleset: input.ruleset.to_string(),
            command: input.command.to_string(),
            partial: input.damaged > 0,
            inputs: Inputs {
                count: Count(input.inputs),
                damaged: Count(input.damaged),
                bytes: Count(input.bytes),
                lines: Count(input.lines),
                mails: Count(input.mails),
            },
            window: Window {
                first: seen.map(|s| time::timestamp(s.first)),
                last: seen.map(|s| time::timestamp(s.last)),
                seen,
            },
            attempts: known(traffic(all_attempts)),
            delivered: known(traffic(|r| r.delivered)),
            deferred: Count(refused.saturating_sub(failed)),
            bounced: Count(failed),
            with_571: attempts(&is_571),
            classified_571: attempts(&|r| is_571(r) && is_classified(r, names)),
            policy: attempts(&|r| is_policy(r, names)),
            coverage: coverage(&outward, names),
            refused_by_us: Count(refused_by_us(input.refusals)),
            bounces_unnamed: Count(super::not_believed(input.refusals, Trust::Unnamed)),
            bounces_foreign: Count(super::not_believed(input.refusals, Trust::Foreign)),
            told_before: Count(input.told_before),
            headline: headline(input, &outward, names),
            codes: codes(&outward),
            unexplained: unexplained(input, names),
            skipped: skipped(input.skipped),
            warnings: input.warnings.to_vec(),
            next: input.next.map(str::to_string),
        }
    }

    /// Attempts refused or deferred.
    pub fn refusals(&self) -> u64 {
        add(self.deferred.0, self.bounced.0)
    }
}

fn all_attempts(row: &TrafficRow) -> u64 {
    add(add(row.delivered, row.deferred), row.refused)
}

fn is_classified(row: &RefusalRow, names: &dyn Names) -> bool {
    names.cause(row.key.cause).cause != UNCLASSIFIED
}

fn headline(input: &SummaryInput<'_>, outward: &[&RefusalRow], names: &dyn Names) -> Headline {
    let chosen = || outward.iter().filter(|r| input.codes.matches(r.key.status));
    let mut total: Pair = (0, 0);
    let mut unclassified: Pair = (0, 0);
    let mut texts: BTreeSet<&Bounded<u64>> = BTreeSet::new();
    let mut pairs: BTreeMap<(&GroupIsp, &str), Pair> = BTreeMap::new();
    for row in chosen() {
        count(&mut total, row);
        if is_classified(row, names) {
            count(pairs.entry((&row.key.isp, names.cause(row.key.cause).cause)).or_default(), row);
        } else {
            count(&mut unclassified, row);
            texts.insert(&row.key.template);
        }
    }
    let mut to_isp: BTreeMap<&GroupIsp, u64> = BTreeMap::new();
    for row in input.traffic.iter().filter(|_| !input.bounces_only) {
        let sum = to_isp.entry(&row.isp).or_insert(0);
        *sum = add(*sum, all_attempts(row));
    }
    let row = |((isp, cause), pair)| top_row(isp, cause, pair, total.0, to_isp.get(isp).copied(), names);
    let mut rows: Vec<TopRow> = pairs.into_iter().map(row).collect();
    rows.sort_by(|a, b| (b.attempts, &a.isp, &a.cause).cmp(&(a.attempts, &b.isp, &b.cause)));
    let beyond = rows.split_off(rows.len().min(input.top));
    let more = beyond.iter().fold((0, 0), |sum, r| (add(sum.0, r.attempts.0), add(sum.1, r.failed.0)));
    Headline {
        patterns: input.codes.to_string(),
        attempts: Count(total.0),
        failed: Count(total.1),
        classified: Count(total.0.saturating_sub(unclassified.0)),
        top: rows,
        more: rest(beyond.len(), more),
        unclassified: rest(texts.len(), unclassified),
    }
}

fn coverage(outward: &[&RefusalRow], names: &dyn Names) -> Coverage {
    let mut coverage = Coverage::default();
    for row in outward.iter().filter(|row| is_policy(row, names)) {
        let sum = match row.key.evidence {
            Evidence::Text => &mut coverage.text,
            Evidence::Token => &mut coverage.token,
            Evidence::RegisteredCode => &mut coverage.registered_code,
            Evidence::None => &mut coverage.abstained,
        };
        sum.0 = add(sum.0, row.attempts);
    }
    coverage
}

/// Texts that are shown; the table `unclassified` has them all.
const TOP_TEXTS: usize = 5;

fn unexplained(input: &SummaryInput<'_>, names: &dyn Names) -> Unexplained {
    let known: BTreeMap<u64, &TemplateRow> = input.templates.iter().map(|row| (row.id, row)).collect();
    let mut texts = super::unexplained(input.refusals, names);
    let beyond = texts.split_off(texts.len().min(TOP_TEXTS));
    let row = |text: UnexplainedText<'_>| UnexplainedRow {
        template_id: match text.template {
            Bounded::None => None,
            Bounded::Value(id) => Some(template_id(*id)),
            Bounded::Other => Some("other".to_string()),
        },
        template: match text.template {
            Bounded::Value(id) => known.get(id).map(|row| row.text.to_string()),
            _ => None,
        },
        cause: text.cause.to_string(),
        attempts: Count(text.attempts),
        isps: text.isps as u64,
    };
    let sum = |part: fn(&UnexplainedText<'_>) -> u64| beyond.iter().fold(0, |sum, text| add(sum, part(text)));
    let more = rest(beyond.len(), (sum(|text| text.attempts), sum(|text| text.failed)));
    Unexplained { top: texts.into_iter().map(row).collect(), more }
}

fn count(pair: &mut Pair, row: &RefusalRow) {
    *pair = (add(pair.0, row.attempts), add(pair.1, row.failed));
}

fn rest(rows: usize, (attempts, failed): Pair) -> Rest {
    Rest { rows: rows as u64, attempts: Count(attempts), failed: Count(failed) }
}

fn top_row(
    isp: &GroupIsp,
    cause: &str,
    pair: Pair,
    total: u64,
    isp_attempts: Option<u64>,
    names: &dyn Names,
) -> TopRow {
    let (slug, name) = names.isp(isp);
    let rate = isp_attempts.and_then(|all| wilson(pair.0, all));
    TopRow {
        isp: slug.into_owned(),
        isp_name: name.into_owned(),
        cause: cause.to_string(),
        attempts: Count(pair.0),
        failed: Count(pair.1),
        share: wilson(pair.0, total).map(|r| r.rate),
        isp_attempts: isp_attempts.map(Count),
        rate: rate.map(|r| r.rate),
        rate_low: rate.map(|r| r.low),
        rate_high: rate.map(|r| r.high),
    }
}

fn codes(outward: &[&RefusalRow]) -> Vec<CodeCount> {
    let mut sums: BTreeMap<Option<EnhancedStatus>, u64> = BTreeMap::new();
    for row in outward {
        let sum = sums.entry(row.key.status).or_insert(0);
        *sum = add(*sum, row.attempts);
    }
    let mut codes: Vec<_> = sums.into_iter().collect();
    codes.sort_by_key(|(code, attempts)| (std::cmp::Reverse(*attempts), *code));
    let entry = |(code, attempts): (Option<EnhancedStatus>, u64)| CodeCount {
        code: code.map(|c| c.to_string()),
        attempts: Count(attempts),
    };
    codes.into_iter().map(entry).collect()
}

fn skipped(reasons: &[(String, u64)]) -> BTreeMap<String, Count> {
    let mut sums: BTreeMap<String, Count> = BTreeMap::new();
    for (reason, lines) in reasons {
        let sum = sums.entry(reason.clone()).or_default();
        sum.0 = add(sum.0, *lines);
    }
    sums
}
