//! Each outcome of each recorded log.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bouncesift::formats::FORMATS;
use bouncesift::knowledge::Knowledge;

use crate::scan::{Outcome, outcomes, scan};
use crate::{Row, rows, samples};

/// What an MTA's line states: no difference is allowed.
const STATED: [&str; 8] =
    ["line_no", "outcome", "reply_code", "status", "recipient_domain", "remote_host", "hop", "attempted"];

/// What is concluded from it, and how many in a hundred must be right: in each log, and in all together. Of the causes,
/// some cannot be known from a log of Sendmail, which holds the first line of a reply only.
const CONCLUDED: [(&str, usize, usize); 3] = [("isp", 100, 100), ("sender_domain", 100, 100), ("cause", 80, 98)];

/// Outcomes that the recorder did not write down: by `sample-logs/README.md` a retry time that was not reached is one
/// (not attempted), but the expectation leaves out those without a router (`routing defer (-52)`).
const UNLISTED: [(&str, &str); 1] = [("exim/main.log", "1254")];

/// A log, its path below the samples, and its expectation.
pub struct Sample {
    pub log: PathBuf,
    pub name: String,
    pub expected: Vec<Row>,
}

/// All logs with an expectation beside them.
pub fn all() -> Vec<Sample> {
    let mut found = Vec::new();
    walk(&samples(), &mut found);
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(!found.is_empty(), "no recorded logs");
    found
}

fn walk(folder: &Path, found: &mut Vec<Sample>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let expected = path.with_extension("expected.csv");
        if path.is_dir() {
            walk(&path, found);
        } else if path.extension().is_some_and(|ext| ext == "log") && expected.is_file() {
            let name = path.strip_prefix(samples()).unwrap().to_string_lossy().into_owned();
            found.push(Sample { log: path, name, expected: rows(&expected) });
        }
    }
}

impl Sample {
    /// What was expected and what is found, outcome by outcome.
    ///
    /// # Errors
    /// Where lines have more or fewer outcomes than expected: then there is nothing to compare.
    pub fn pairs(&self, knowledge: &Knowledge) -> Result<Vec<(&Row, Outcome)>, String> {
        let mut found = outcomes(&self.log, &scan(&self.log, knowledge).events, knowledge);
        found.retain(|outcome| !self.is_unlisted(&outcome.row));
        let mut surplus = BTreeMap::<usize, i64>::new();
        let mut add = |row: &Row, n: i64| *surplus.entry(row["line_no"].parse().unwrap()).or_default() += n;
        found.iter().for_each(|outcome| add(&outcome.row, 1));
        self.expected.iter().for_each(|row| add(row, -1));
        surplus.retain(|_, times| *times != 0);
        match surplus.is_empty() {
            true => Ok(self.expected.iter().zip(found).collect()),
            false => Err(format!("{}: outcomes too many, by line: {surplus:?}", self.name)),
        }
    }

    fn is_unlisted(&self, row: &Row) -> bool {
        row["attempted"] == "no" && UNLISTED.contains(&(self.name.as_str(), row["line_no"].as_str()))
    }
}

#[test]
fn outcomes_are_as_recorded() {
    let knowledge = Knowledge::builtin().unwrap();
    let (mut wrong, mut total) = (Vec::new(), Score::default());
    for sample in all() {
        match sample.pairs(&knowledge) {
            Ok(pairs) => {
                let mut score = Score::default();
                pairs.iter().for_each(|(expected, found)| score.compare(&sample.name, expected, found));
                println!("{}: {} outcomes; {}", sample.name, pairs.len(), score.figures());
                wrong.extend(score.failures(&sample.name, |(column, floor, _)| (column, floor)));
                total.add(&score);
            }
            Err(surplus) => wrong.push(surplus),
        }
    }
    println!("all logs: {}", total.figures());
    wrong.extend(total.failures("all logs", |(column, _, floor)| (column, floor)));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The expected value of a column as far as the log can tell it; `None` where it is not compared.
///
/// The expectation knows more than the log: who the addresses of a refused client were, even where the refusal came
/// before they were told or its line does not name them; and whose server it was that stands with half of its name. It
/// knows less of the cause where nothing was tried.
fn told<'e>(column: &str, expected: &'e Row, line: &str) -> Option<&'e str> {
    let value = expected[column].as_str();
    let is_named = || value.is_empty() || line.contains(&format!("@{value}"));
    match column {
        "cause" if value.is_empty() && expected["attempted"] == "no" => None,
        "recipient_domain" | "sender_domain" if expected["hop"] == "inbound" && !is_named() => Some(""),
        _ => Some(value),
    }
}

/// Comparisons of one log: by column how many were made and how many agreed.
#[derive(Default)]
struct Score(BTreeMap<String, (usize, usize)>);

impl Score {
    fn compare(&mut self, name: &str, expected: &Row, found: &Outcome) {
        let columns = STATED.iter().chain(CONCLUDED.iter().map(|(column, ..)| column));
        for &column in columns {
            let (Some(value), Some(told)) = (found.row.get(column), told(column, expected, &found.line)) else {
                continue;
            };
            let (made, agreed) = self.0.entry(column.to_owned()).or_default();
            *made += 1;
            *agreed += usize::from(value == told);
            if value != told {
                let (line_no, reply) = (&expected["line_no"], &found.reply);
                println!("{name}:{line_no} {column}: expected {told:?}, got {value:?}: {reply}");
            }
        }
    }

    fn figures(&self) -> String {
        let stated: (usize, usize) =
            STATED.iter().filter_map(|column| self.0.get(*column)).fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
        let mut text = format!("stated {} of {}", stated.1, stated.0);
        for (column, ..) in CONCLUDED {
            let (made, agreed) = self.0.get(column).copied().unwrap_or_default();
            text += &format!(", {column} {agreed} of {made}");
        }
        text
    }

    fn add(&mut self, other: &Self) {
        for (column, (made, agreed)) in &other.0 {
            let sum = self.0.entry(column.clone()).or_default();
            *sum = (sum.0 + made, sum.1 + agreed);
        }
    }

    fn failures(&self, name: &str, floor: fn((&'static str, usize, usize)) -> (&'static str, usize)) -> Vec<String> {
        let floors = STATED.iter().map(|column| (*column, 100)).chain(CONCLUDED.map(floor));
        let short = floors.filter_map(|(column, floor)| {
            let (made, agreed) = self.0.get(column).copied()?;
            (agreed * 100 < made * floor).then(|| format!("{name}: {column} agrees in {agreed} of {made}"))
        });
        short.collect()
    }
}

#[test]
fn every_format_has_samples() {
    for format in FORMATS {
        let folder = format!("{}/", format.name());
        let has_some = all().iter().any(|sample| sample.name.starts_with(&folder));
        assert!(has_some, "{folder} under sample-logs holds no log with its expected.csv");
    }
}
