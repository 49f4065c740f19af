//! `rules diff`: what own rules would change in stored runs.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::Serialize;

use super::runs::{Rejudge, Stored, read};
use crate::cause::{CauseId, RuleId, Verdict};
use crate::cli::knowledge_args::KnowledgeArgs;
use crate::cli::print;
use crate::cli::show::{cut, grouped, print_aligned, print_json};
use crate::error::Error;
use crate::knowledge::Knowledge;
use crate::names::Names;
use crate::report::merge::add;
use crate::report::outward;
use crate::rows::{Bounded, template_id};
use crate::table::SCHEMA_VERSION;
use crate::table::json::Count;

/// Arguments of `rules diff`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Example:
  bouncesift rules diff own.csv --on out

Runs store texts masked: addresses, hosts, numbers and ids are gone. Both verdicts are on the masked text, so what differs
is the rules' doing; the last line says how often the mask itself changes a verdict.")]
pub struct DiffArgs {
    /// Tables of own rules
    #[arg(required = true, value_name = "RULES.csv")]
    rules: Vec<PathBuf>,
    /// Runs: output directories of scan, or run=* directories in them
    #[arg(long, required = true, num_args = 1.., value_name = "RUN")]
    on: Vec<PathBuf>,
    /// A table of own ISPs. May be repeated
    #[arg(long, value_name = "FILE.csv")]
    isps: Vec<PathBuf>,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema_version: &'static str,
    /// Attempts whose text was judged.
    judged: Count,
    /// Of these, attempts whose cause would change.
    cause_changes: Count,
    /// Of these, attempts of which only the rule would change.
    rule_changes: Count,
    /// Attempts without a stored text.
    not_judged: Count,
    /// Of those judged, attempts whose masked text has the cause that the run stored, by the built-in rules.
    as_stored: Count,
    changes: Vec<Change>,
}

#[derive(Serialize)]
struct Change {
    template_id: String,
    template: String,
    attempts: Count,
    isps: Vec<String>,
    before: Side,
    after: Side,
}

#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Side {
    cause: &'static str,
    rule: Option<String>,
}

impl Side {
    fn new(cause: CauseId, rule: Option<RuleId>, knowledge: &Knowledge) -> Side {
        Side { cause: cause.name(), rule: rule.map(|rule| Names::rule(knowledge, rule).to_owned()) }
    }

    fn of(verdict: &Verdict, knowledge: &Knowledge) -> Side {
        Side::new(verdict.cause, verdict.rule, knowledge)
    }

    fn shown(&self) -> String {
        self.rule.as_ref().map_or_else(|| self.cause.to_owned(), |rule| format!("{} ({rule})", self.cause))
    }
}

/// Compares; the exit status is 0 whatever changes.
pub fn run(args: &DiffArgs) -> Result<u8, Error> {
    let before = KnowledgeArgs { rules: Vec::new(), isps: args.isps.clone() }.load()?;
    let after = KnowledgeArgs { rules: args.rules.clone(), isps: args.isps.clone() }.load()?;
    let report = compare(&before, &after, &read(&args.on, &before)?);
    match args.json {
        true => print_json(&report)?,
        false => show(&report)?,
    }
    Ok(0)
}

fn compare(before: &Knowledge, after: &Knowledge, stored: &Stored) -> Report {
    let (mut judge_before, mut judge_after) = (Rejudge::new(before), Rejudge::new(after));
    let [mut judged, mut cause_changes, mut rule_changes, mut not_judged, mut as_stored] = [0_u64; 5];
    let mut changes: BTreeMap<(u64, Side, Side), (u64, BTreeSet<String>)> = BTreeMap::new();
    for row in outward(&stored.refusals) {
        let verdicts = judge_before.verdict(row, stored).zip(judge_after.verdict(row, stored));
        let (Some((old, new)), Bounded::Value(id)) = (verdicts, &row.key.template) else {
            not_judged = add(not_judged, row.attempts);
            continue;
        };
        judged = add(judged, row.attempts);
        if old.cause == row.key.cause {
            as_stored = add(as_stored, row.attempts);
        }
        let (old, new) = (Side::of(old, before), Side::of(new, after));
        if old == new {
            continue;
        }
        let sum = if old.cause == new.cause { &mut rule_changes } else { &mut cause_changes };
        *sum = add(*sum, row.attempts);
        let (attempts, isps) = changes.entry((*id, old, new)).or_default();
        *attempts = add(*attempts, row.attempts);
        isps.insert(before.isp(&row.key.isp).0.into_owned());
    }
    let change = |((id, before, after), (attempts, isps)): (_, (u64, BTreeSet<String>))| Change {
        template_id: template_id(id),
        template: stored.templates.get(&id).map_or_else(String::new, |text| text.to_string()),
        attempts: Count(attempts),
        isps: isps.into_iter().collect(),
        before,
        after,
    };
    let mut changes: Vec<Change> = changes.into_iter().map(change).collect();
    changes.sort_by_key(|change| (Reverse(change.attempts), change.template_id.clone()));
    Report {
        schema_version: SCHEMA_VERSION,
        judged: Count(judged),
        cause_changes: Count(cause_changes),
        rule_changes: Count(rule_changes),
        not_judged: Count(not_judged),
        as_stored: Count(as_stored),
        changes,
    }
}

fn show(report: &Report) -> Result<(), Error> {
    if !report.changes.is_empty() {
        let mut rows = vec![["attempts", "ISPs", "before", "after", "text"].map(str::to_owned).to_vec()];
        rows.extend(report.changes.iter().map(|change| {
            let isps = grouped(change.isps.len() as u64);
            let (before, after) = (change.before.shown(), change.after.shown());
            vec![grouped(change.attempts.0), isps, before, after, cut(&change.template, 100)]
        }));
        print_aligned(&rows)?;
        print(b"\n")?;
    }
    let n = |count: Count| grouped(count.0);
    let mut text = format!(
        "{} of {} attempts would get another cause, {} more only another rule\n",
        n(report.cause_changes),
        n(report.judged),
        n(report.rule_changes)
    );
    if report.not_judged.0 > 0 {
        text.push_str(&format!(
            "{} attempts have no stored text of a server and were not judged\n",
            n(report.not_judged)
        ));
    }
    if report.judged.0 > 0 {
        let permille = u128::from(report.as_stored.0) * 1000 / u128::from(report.judged.0);
        let share = format!("{}.{}%", permille / 10, permille % 10);
        text.push_str(&format!(
            "{share} of the judged have, masked and by the built-in rules, the cause that the run stored\n"
        ));
    }
    print(text.as_bytes())
}
