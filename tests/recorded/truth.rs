//! The counts of a scan against the counts of what was sent.

use std::collections::{BTreeMap, BTreeSet};

use bouncesift::knowledge::Knowledge;

use crate::logs;
use crate::{Row, rows, samples};

/// Counts by a column's value, or by the values of two.
type Counts = BTreeMap<String, u64>;

#[test]
fn counts_are_as_recorded() {
    let knowledge = Knowledge::builtin().unwrap();
    let by_log = rows(&samples().join("truth-by-log.csv"));
    let mut total = Counts::new();
    let mut wrong = Vec::new();
    for sample in logs::all() {
        let mut found = Counts::new();
        for (_, outcome) in sample.pairs(&knowledge).unwrap() {
            let row = &outcome.row;
            if matches!(row["hop"].as_str(), "remote" | "unconnected") && row["attempted"] == "yes" {
                add(&mut found, row, 1);
            }
        }
        let truth = counted(by_log.iter().filter(|row| row["log"] == sample.name));
        wrong.extend(differences(&sample.name, &found, &truth));
        found.into_iter().for_each(|(key, count)| *total.entry(key).or_default() += count);
    }
    wrong.extend(differences("all logs", &total, &counted(&rows(&samples().join("truth.csv")))));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differences(name: &str, found: &Counts, truth: &Counts) -> Vec<String> {
    let keys: BTreeSet<&String> = found.keys().chain(truth.keys()).collect();
    let of = |counts: &Counts, key: &String| counts.get(key).copied().unwrap_or_default();
    let differ = keys.into_iter().filter(|key| of(found, key) != of(truth, key));
    differ.map(|key| format!("{name}: {key}: {} instead of {}", of(found, key), of(truth, key))).collect()
}

fn counted<'r>(rows: impl IntoIterator<Item = &'r Row>) -> Counts {
    let mut counts = Counts::new();
    for row in rows {
        add(&mut counts, row, row["count"].parse().unwrap());
    }
    counts
}

fn add(counts: &mut Counts, row: &Row, count: u64) {
    let codes = format!("codes {} {}", row["reply_code"], row["status"]);
    for key in [format!("outcome {}", row["outcome"]), codes, format!("isp {}", row["isp"])] {
        *counts.entry(key).or_default() += count;
    }
}
