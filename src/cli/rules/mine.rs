//! `rules mine`: the texts that no rule explains.

use std::path::PathBuf;

use serde::Serialize;

use super::runs::{Rejudge, read};
use crate::cause::{RULE_COLUMNS, example_of, phrases_of, suggested_row};
use crate::cli::knowledge_args::KnowledgeArgs;
use crate::cli::print;
use crate::cli::show::{cut, grouped, print_aligned, print_json};
use crate::error::Error;
use crate::report::unexplained;
use crate::rows::{Bounded, template_id};
use crate::table::SCHEMA_VERSION;
use crate::table::json::Count;

/// Arguments of `rules mine`.
#[derive(clap::Args, Debug)]
#[command(after_help = "\
Examples:
  bouncesift rules mine out                             what no rule explains, most frequent first
  bouncesift rules mine out --csv > own.csv             a table of rules whose causes are yours to fill in
  bouncesift rules mine out --rules own.csv             what is left after my own rules

Listed are texts whose cause is unclassified, and those that say that they refuse and not why (access_denied).")]
pub struct MineArgs {
    /// Runs: output directories of scan, or run=* directories in them
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// At most so many texts
    #[arg(long, value_name = "N", default_value_t = 20)]
    top: usize,
    /// As a table of rules, to be completed
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

#[derive(Serialize)]
struct Report {
    schema_version: &'static str,
    /// Texts beyond those listed.
    more: usize,
    texts: Vec<Text>,
}

#[derive(Serialize)]
struct Text {
    template_id: Option<String>,
    template: Option<String>,
    cause: String,
    attempts: Count,
    isps: usize,
    suggested_rule: Option<String>,
}

/// Lists them.
pub fn run(args: &MineArgs) -> Result<u8, Error> {
    let knowledge = args.knowledge.load()?;
    let mut stored = read(&args.runs, &knowledge)?;
    let mut judge = Rejudge::new(&knowledge);
    let refusals = std::mem::take(&mut stored.refusals);
    let is_own = |rule| knowledge.engine.rule(rule).is_some_and(|rule| rule.is_own);
    let is_left = |row: &crate::rows::RefusalRow| {
        args.knowledge.rules.is_empty()
            || !judge.verdict(row, &stored).is_some_and(|verdict| verdict.rule.is_some_and(is_own))
    };
    let refusals: Vec<_> = refusals.into_iter().filter(is_left).collect();
    let found = unexplained(&refusals, &knowledge);
    let text = |found: &crate::report::unexplained::UnexplainedText<'_>| {
        let (id, template) = match found.template {
            Bounded::None => (None, None),
            Bounded::Value(id) => (Some(template_id(*id)), stored.templates.get(id).map(|text| text.to_string())),
            Bounded::Other => (Some("other".to_owned()), None),
        };
        let suggested_rule = id.as_deref().zip(template.as_deref()).and_then(|(id, text)| suggested_row(id, text));
        let (attempts, isps) = (Count(found.attempts), found.isps);
        Text { template_id: id, template, cause: found.cause.to_owned(), attempts, isps, suggested_rule }
    };
    let texts: Vec<Text> = found.iter().take(args.top).map(text).collect();
    let more = found.len() - texts.len();
    if args.csv {
        print(table(&texts).as_bytes())?;
    } else if args.json {
        print_json(&Report { schema_version: SCHEMA_VERSION, more, texts })?;
    } else {
        show(&texts, more)?;
    }
    Ok(0)
}

/// A table of own rules. A text that a row above already wins gets no row of its own.
fn table(texts: &[Text]) -> String {
    let mut out = RULE_COLUMNS.join(",") + "\n";
    let mut rules: Vec<Vec<String>> = Vec::new();
    for text in texts {
        let Some((template, row)) = text.template.as_deref().zip(text.suggested_rule.as_deref()) else { continue };
        let example = example_of(template).to_lowercase();
        if rules.iter().any(|phrases| phrases.iter().all(|phrase| example.contains(phrase))) {
            continue;
        }
        rules.push(phrases_of(template).into_iter().map(str::to_lowercase).collect());
        out.push_str(row);
        out.push('\n');
    }
    out
}

fn show(texts: &[Text], more: usize) -> Result<(), Error> {
    if texts.is_empty() {
        return print(b"every refusal is explained by a rule or a code\n");
    }
    let mut rows = vec![["attempts", "ISPs", "cause", "text"].map(str::to_owned).to_vec()];
    rows.extend(texts.iter().map(|text| {
        let shown = text.template.as_deref().or(text.template_id.as_deref()).unwrap_or("(no text)");
        vec![grouped(text.attempts.0), grouped(text.isps as u64), text.cause.clone(), cut(shown, 120)]
    }));
    print_aligned(&rows)?;
    let hint = "--csv gives a table of rules to start from\n";
    match more {
        0 => print(format!("\n{hint}").as_bytes()),
        _ => print(
            format!("({} more; --top {} shows all)\n\n{hint}", grouped(more as u64), texts.len() + more).as_bytes(),
        ),
    }
}
