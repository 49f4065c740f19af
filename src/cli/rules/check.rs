//! `rules check`: whether tables keep what they promise.

use std::path::PathBuf;

use serde::Serialize;

use crate::cause::{Finding, FindingKind, Rule, check};
use crate::cli::knowledge_args::KnowledgeArgs;
use crate::cli::print;
use crate::cli::show::{cut, print_json};
use crate::error::Error;
use crate::isp::LostSample;
use crate::knowledge::Knowledge;
use crate::table::SCHEMA_VERSION;
use crate::text::sanitize;

/// Characters of a sample that a message gives.
const SHOWN: usize = 300;

/// Arguments of `rules check`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  bouncesift rules check own.csv                 own rows, on top of the built-in ones
  bouncesift rules check --strict own.csv        notes count as errors too
  bouncesift rules check                         the built-in tables

Exit status: 0 sound, 1 at least one error, 2 no such table, or a row that cannot be read.")]
pub struct CheckArgs {
    /// Own tables of rules; without one, the built-in tables are checked
    #[arg(value_name = "FILE.csv")]
    files: Vec<PathBuf>,
    /// A table of own ISPs, for the provider column; its samples are tried, too. May be repeated
    #[arg(long, value_name = "FILE.csv")]
    isps: Vec<PathBuf>,
    /// Let notes count as errors
    #[arg(long)]
    strict: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    schema_version: &'static str,
    rules: usize,
    errors: usize,
    notes: usize,
    findings: Vec<Entry>,
}

#[derive(Serialize)]
struct Entry {
    place: String,
    /// Id of the rule; of a row of ISPs, its slug.
    rule: String,
    level: &'static str,
    kind: &'static str,
    /// The other rule it has to do with.
    other: Option<String>,
    other_place: Option<String>,
    message: String,
}

/// Checks tables.
pub fn run(args: &CheckArgs) -> Result<u8, Error> {
    let tables = KnowledgeArgs { rules: args.files.clone(), isps: args.isps.clone() };
    let knowledge = tables.load()?;
    let isp_of = |slug: &str| knowledge.directory.isp_by_slug(slug);
    // Own tables without rows: the built-in ones were not asked about.
    let is_asked = args.files.is_empty() || knowledge.engine.rules().iter().any(|rule| rule.is_own);
    let found = if is_asked { check(&knowledge.engine, &isp_of) } else { Vec::new() };
    let mut findings: Vec<Entry> = tables.lost_samples(&knowledge)?.into_iter().map(isp_entry).collect();
    findings.extend(found.iter().filter_map(|finding| entry(finding, &knowledge, args.strict)));
    let errors = findings.iter().filter(|entry| entry.level == "error").count();
    let rules = knowledge.engine.rules().iter().filter(|rule| rule.is_own || args.files.is_empty()).count();
    let report = Report { schema_version: SCHEMA_VERSION, rules, errors, notes: findings.len() - errors, findings };
    match args.json {
        true => print_json(&report)?,
        false => print(text(&report).as_bytes())?,
    }
    Ok(u8::from(report.errors > 0))
}

/// Findings of one kind about one row that are printed.
const ALIKE: usize = 5;

fn text(report: &Report) -> String {
    let mut out = String::new();
    for (at, entry) in report.findings.iter().enumerate() {
        let same = |other: &&Entry| other.kind == entry.kind && other.place == entry.place;
        let before = report.findings.iter().take(at).rev().take_while(same).count();
        if before >= ALIKE {
            let is_last = !report.findings.get(at + 1).as_ref().is_some_and(same);
            if is_last {
                let more = before + 1 - ALIKE;
                let line = format!("{}: {}: {more} more like these; --json lists all", entry.place, entry.rule);
                out.push_str(&sanitize(&line));
                out.push('\n');
            }
            continue;
        }
        let line = format!("{}: {}: {}: {}", entry.place, entry.rule, entry.level, entry.message);
        out.push_str(&sanitize(&line));
        out.push('\n');
    }
    let plural = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    let (rules, errors, notes) =
        (plural(report.rules, "rule"), plural(report.errors, "error"), plural(report.notes, "note"));
    out.push_str(&format!("{rules} checked: {errors}, {notes}\n"));
    out
}

fn isp_entry(lost: LostSample) -> Entry {
    let by = lost.selected.as_deref().unwrap_or("nothing");
    Entry {
        place: lost.place,
        rule: lost.slug,
        level: "error",
        kind: "isp_sample_lost",
        other: None,
        other_place: None,
        message: format!(
            "its sample {:?} (host:, recipient: or text: and a clue) selects {by}, not this row",
            lost.sample
        ),
    }
}

fn entry(finding: &Finding, knowledge: &Knowledge, strict: bool) -> Option<Entry> {
    let rule = knowledge.engine.rule(finding.rule)?;
    let other = finding.other.and_then(|id| knowledge.engine.rule(id));
    let is_error = finding.kind.is_error() || strict;
    Some(Entry {
        place: rule.place.clone(),
        rule: rule.id.clone(),
        level: if is_error { "error" } else { "note" },
        kind: finding.kind.as_str(),
        other: other.map(|rule| rule.id.clone()),
        other_place: other.map(|rule| rule.place.clone()),
        message: message(finding.kind, rule, other),
    })
}

fn message(kind: FindingKind, rule: &Rule, other: Option<&Rule>) -> String {
    let by = other.map_or("no rule".to_owned(), |other| format!("{} ({})", other.id, other.place));
    match kind {
        FindingKind::UnknownProvider(at) => {
            let slug = rule.providers.get(at).map_or("", String::as_str);
            format!("no table has the provider {slug:?}, so the row never speaks as its own")
        }
        FindingKind::Shadowed => {
            format!(
                "can never win: where it holds, {by} holds too and is asked before it; narrow that one or remove this"
            )
        }
        FindingKind::SampleLost => {
            format!("its sample is won by {by}, not by this row: {:?}", cut(&rule.sample, SHOWN))
        }
        FindingKind::AntiWon(at) => {
            format!("wins a text that it must not win: {:?}", cut(rule.anti.get(at).map_or("", String::as_str), SHOWN))
        }
        FindingKind::Overlaps => {
            let cause = other.map_or("", |other| other.cause.name());
            format!("its sample also satisfies {by}, cause {cause}: only their order decides")
        }
        FindingKind::TakesSample => {
            let cause = other.map_or("", |other| other.cause.name());
            format!("wins the sample of the built-in {by}: {} in place of {cause}", rule.cause.name())
        }
    }
}
