//! `rules list` and `rules show`.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::cause::{CauseId, Question, RULE_COLUMNS, Rule, RuleId, Scratch, causes};
use crate::cli::knowledge_args::KnowledgeArgs;
use crate::cli::show::{print_aligned, print_json};
use crate::error::Error;
use crate::knowledge::Knowledge;
use crate::smtp::{locate_reply, parse_reply};
use crate::table::SCHEMA_VERSION;

/// Arguments of `rules list`.
#[derive(clap::Args, Debug)]
pub struct ListArgs {
    /// Only rules that name this cause
    #[arg(long, value_name = "CAUSE")]
    cause: Option<String>,
    /// Only this provider's own rules
    #[arg(long, value_name = "SLUG")]
    provider: Option<String>,
    /// As JSON, with all columns
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

/// Arguments of `rules show`.
#[derive(clap::Args, Debug)]
pub struct ShowArgs {
    /// Id of the rule
    #[arg(value_name = "ID")]
    id: String,
    /// As JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    knowledge: KnowledgeArgs,
}

#[derive(Serialize)]
struct List<'a> {
    schema_version: &'static str,
    rules: Vec<Map<String, Value>>,
    ruleset: &'a crate::knowledge::Ruleset,
}

/// Lists rules.
pub fn list(args: &ListArgs) -> Result<u8, Error> {
    let knowledge = args.knowledge.load()?;
    let cause = args.cause.as_deref().map(known_cause).transpose()?;
    if let Some(slug) = args.provider.as_deref().filter(|slug| knowledge.directory.isp_by_slug(slug).is_none()) {
        let near = near(slug, knowledge.directory.isps().map(|(_, row)| row.slug.as_str()));
        return Err(Error::Usage(format!("--provider: no provider {slug:?}{near}")));
    }
    let wanted = |rule: &&Rule| {
        cause.is_none_or(|cause| rule.cause == cause)
            && args.provider.as_ref().is_none_or(|slug| rule.providers.contains(slug))
    };
    let rules: Vec<&Rule> = knowledge.engine.rules().iter().filter(wanted).collect();
    if args.json {
        let rules = rules.into_iter().map(columns).collect();
        print_json(&List { schema_version: SCHEMA_VERSION, rules, ruleset: knowledge.ruleset() })?;
        return Ok(0);
    }
    let mut rows = vec![["rule", "cause", "evidence", "place", "provider"].map(str::to_owned).to_vec()];
    rows.extend(rules.iter().map(|rule| {
        let evidence = rule.evidence.as_str();
        [&rule.id, rule.cause.name(), evidence, &rule.place, &rule.providers.join(" ")].map(str::to_owned).to_vec()
    }));
    print_aligned(&rows)?;
    Ok(0)
}

/// The cause of that name.
pub fn known_cause(name: &str) -> Result<CauseId, Error> {
    let names = || causes().iter().map(|row| row.cause.as_str()).collect::<Vec<_>>().join(", ");
    CauseId::by_name(name).ok_or_else(|| Error::Usage(format!("no cause {name:?}; there are {}", names())))
}

/// The columns of a rule and its place, empty ones as null.
fn columns(rule: &Rule) -> Map<String, Value> {
    let cell = |text: &str| if text.is_empty() { Value::Null } else { Value::from(text) };
    let columns = RULE_COLUMNS.iter().map(|name| ((*name).to_owned(), cell(rule.cell(name))));
    let place = [("place".to_owned(), Value::from(rule.place.as_str())), ("own".to_owned(), Value::from(rule.is_own))];
    columns.chain(place).collect()
}

/// Shows one rule.
pub fn show(args: &ShowArgs) -> Result<u8, Error> {
    let knowledge = args.knowledge.load()?;
    let found = knowledge.engine.rules().iter().enumerate().find(|(_, rule)| rule.id == args.id);
    let Some((at, rule)) = found else {
        return Err(Error::Usage(format!(
            "no rule {:?}{}; see: bouncesift rules list",
            args.id,
            near(&args.id, knowledge.engine.rules().iter().map(|rule| rule.id.as_str()))
        )));
    };
    let samples = samples(&knowledge, rule, RuleId(at as u16));
    if args.json {
        let mut object = columns(rule);
        object.insert("schema_version".into(), SCHEMA_VERSION.into());
        object.insert("meaning".into(), rule.cause.row().meaning.as_str().into());
        let sample = |sample: &Sample| {
            let fields = [
                ("text", Value::from(sample.text.as_str())),
                ("must_win", sample.must_win.into()),
                ("won_by", sample.won_by.clone().map_or(Value::Null, Value::from)),
                ("ok", sample.is_kept.into()),
            ];
            Value::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
        };
        object.insert("samples".into(), samples.iter().map(sample).collect());
        print_json(&object)?;
        return Ok(0);
    }
    let mut rows: Vec<Vec<String>> = Vec::new();
    let mut row = |name: &str, value: &str| rows.push(vec![name.to_owned(), value.to_owned()]);
    for name in RULE_COLUMNS.iter().filter(|name| !rule.cell(name).is_empty() && !matches!(**name, "sample" | "anti")) {
        row(name, rule.cell(name));
    }
    row("place", &rule.place);
    row("meaning", &rule.cause.row().meaning);
    row("tried", tried(rule));
    for sample in &samples {
        let (name, mark) = match (sample.must_win, sample.is_kept) {
            (true, true) => ("sample", "won"),
            (false, true) => ("anti", "not won"),
            (true, false) => ("sample", "LOST"),
            (false, false) => ("anti", "WON"),
        };
        let by = match &sample.won_by {
            Some(other) if *other != rule.id => format!(" (rule {other})"),
            _ => String::new(),
        };
        row(name, &format!("{mark}{by}: {}", sample.text));
    }
    print_aligned(&rows)?;
    Ok(0)
}

/// When it is asked, in words.
fn tried(rule: &Rule) -> &'static str {
    use crate::cause::Evidence;
    match (rule.is_own, rule.evidence, rule.providers.is_empty()) {
        (true, _, true) => "first: a row of an own table",
        (true, _, false) => "first, where this provider speaks: a row of an own table",
        (_, Evidence::None, _) => "last, behind registered codes: it names no reason",
        (_, Evidence::Token, true) => {
            "behind the speaking provider's own rules: a code that is believed whoever speaks"
        }
        (_, Evidence::Token, false) => "as the provider's own rule; where another speaks, behind that one's",
        (_, _, true) => "behind providers' own rules, whoever speaks",
        (_, _, false) => "only where this provider speaks",
    }
}

/// A hint where a name is part of others.
fn near<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> String {
    let lower = name.to_ascii_lowercase();
    let near: Vec<&str> = names.filter(|other| !lower.is_empty() && other.contains(&lower)).take(5).collect();
    if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) }
}

/// A sample of a rule and who wins it.
struct Sample {
    text: String,
    must_win: bool,
    won_by: Option<String>,
    is_kept: bool,
}

fn samples(knowledge: &Knowledge, rule: &Rule, id: RuleId) -> Vec<Sample> {
    let isp = rule.providers.first().and_then(|slug| knowledge.directory.isp_by_slug(slug));
    let mut scratch = Scratch::default();
    let mut judge = |text: &String, must_win: bool| {
        let reply = parse_reply(locate_reply(text.as_bytes()), false);
        let question = Question { diagnostic: text.as_bytes(), reply: &reply, isp };
        let winner = knowledge.engine.decide(&question, &mut scratch).rule;
        let won_by = winner.and_then(|id| knowledge.engine.rule(id)).map(|rule| rule.id.clone());
        Sample { text: text.clone(), must_win, won_by, is_kept: (winner == Some(id)) == must_win }
    };
    let mut all = vec![judge(&rule.sample, true)];
    all.extend(rule.anti.iter().map(|text| judge(text, false)));
    all
}
