//! Bounce mails of the corpus, read by the program as a user runs it, against the values that others state for them.
//!
//! The figures are those of the corpus' own scorer (`scripts/score-bounces.py` runs that one). The corpus is not part of
//! the crate: where it is missing, the tests say so and pass. `BOUNCESIFT_SHARED` names its parent folder (default
//! `../shared`, relative to the crate).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the figures are meant to be read")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use assert_cmd::Command;

type Row = BTreeMap<String, String>;

/// Reasons that are no failure: an event for them is neither wanted nor wrong.
const NEUTRAL: [&str; 3] = ["feedback", "vacation", "delivered"];

/// A count of hits.
#[derive(Clone, Copy, Default)]
struct Figure {
    hit: usize,
    of: usize,
}

impl Figure {
    fn add(&mut self, hit: bool) {
        self.hit += usize::from(hit);
        self.of += 1;
    }

    fn rate(self) -> f64 {
        if self.of == 0 { 1.0 } else { self.hit as f64 / self.of as f64 }
    }
}

#[derive(Default)]
struct Figures {
    mails: Figure,
    recall: Figure,
    precision: Figure,
    reply: Figure,
    status: Figure,
    s571: Figure,
    false_alarms: usize,
}

impl Figures {
    /// Prints the figures and fails where one is below its floor, in per cent.
    #[track_caller]
    fn check(&self, part: &str, floors: [f64; 6]) {
        let names = ["mails with an event", "recipients recall", "precision", "reply code", "status", "5.7.1"];
        let figures = [self.mails, self.recall, self.precision, self.reply, self.status, self.s571];
        for ((name, figure), floor) in names.into_iter().zip(figures).zip(floors) {
            let rate = 100.0 * figure.rate();
            println!("{part}: {name} {rate:.2} % ({} of {})", figure.hit, figure.of);
            assert!(rate >= floor, "{part}: {name} {rate:.2} % is below {floor} %");
        }
        assert_eq!(self.false_alarms, 0, "{part}: events in mails that are no bounce");
    }
}

#[test]
fn single_mails() {
    let Some(figures) = figures("maildir", "expected.csv") else { return };
    figures.check("maildir", [99.5, 99.0, 99.0, 98.5, 99.0, 100.0]);
}

#[test]
fn mbox_files() {
    let Some(figures) = figures("mbox", "expected-mbox.csv") else { return };
    figures.check("mbox", [100.0, 97.0, 99.0, 96.0, 92.0, 100.0]);
}

/// CRLF line ends, and the messages of an mbox one by one.
#[test]
fn variants() {
    let Some(figures) = figures("variants", "expected-variants.csv") else { return };
    figures.check("variants", [99.0, 95.5, 96.5, 94.0, 96.5, 100.0]);
}

/// The same mail with other line ends gives the same events.
#[test]
fn line_ends_make_no_difference() {
    let Some(corpus) = corpus() else { return };
    let told =
        |row: &Row| ["final_recipient", "reply_code", "enhanced_status_code", "outcome"].map(|name| row[name].clone());
    let by_file = |root: &str| {
        let mut files: BTreeMap<String, Vec<[String; 4]>> = BTreeMap::new();
        for row in events(&corpus.join(root)) {
            let name = Path::new(&row["input"]).file_name().unwrap().to_str().unwrap().to_owned();
            files.entry(name).or_default().push(told(&row));
        }
        files
    };
    let plain = by_file("maildir");
    for (name, events) in by_file("variants/dos") {
        assert_eq!(plain.get(&name), Some(&events), "{name}");
    }
}

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var("BOUNCESIFT_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join(shared).join("corpus/bounces");
    if !corpus.is_dir() {
        println!("skipped: no corpus");
        return None;
    }
    Some(corpus)
}

fn events(part: &Path) -> Vec<Row> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bouncesift"));
    command.args(["scan", "--table", "events", "--out", "-", "--include-addresses", "--csv-raw"]).arg(part);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    csv::Reader::from_reader(&output.stdout[..]).deserialize().map(|row| row.unwrap()).collect()
}

fn figures(part: &str, expected: &str) -> Option<Figures> {
    let corpus = corpus()?;
    let mut by_file: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in events(&corpus.join(part)) {
        let file = Path::new(&row["input"]).strip_prefix(&corpus).unwrap().to_str().unwrap().to_owned();
        by_file.entry(file).or_default().push(row);
    }
    let mut wanted: BTreeMap<String, Vec<Row>> = BTreeMap::new();
    for row in csv::Reader::from_path(corpus.join(expected)).unwrap().deserialize() {
        let row: Row = row.unwrap();
        wanted.entry(row["file"].clone()).or_default().push(row);
    }
    let mut figures = Figures::default();
    for (file, rows) in &wanted {
        mail(rows, by_file.get(file).map_or(&[], Vec::as_slice), &mut figures);
    }
    Some(figures)
}

/// Compares one mail's events with its expected rows: the k-th row of a recipient takes its k-th event, rows whose
/// recipient is not known take what is left, in order.
fn mail(rows: &[Row], events: &[Row], figures: &mut Figures) {
    if rows.iter().any(|row| row["recipient_index"] == "0") {
        figures.false_alarms += events.len();
        return;
    }
    let is_failure = |row: &Row| !NEUTRAL.contains(&row["reason"].as_str());
    if !rows.iter().any(is_failure) {
        return;
    }
    figures.mails.add(!events.is_empty());
    let said: BTreeSet<String> =
        events.iter().map(|e| address(&e["final_recipient"])).filter(|a| !a.is_empty()).collect();
    let known: BTreeSet<String> = rows.iter().flat_map(addresses).collect();
    let mut seen = BTreeSet::new();
    for row in rows.iter().filter(|row| is_failure(row) && !row["recipient"].is_empty()) {
        if seen.insert(address(&row["recipient"])) {
            figures.recall.add(addresses(row).iter().any(|a| said.contains(a)));
        }
    }
    let is_open = rows.iter().any(|row| addresses(row).is_empty());
    said.iter().filter(|a| known.contains(*a) || !is_open).for_each(|a| figures.precision.add(known.contains(a)));
    let mut turn: BTreeMap<String, usize> = BTreeMap::new();
    let mut left = events.iter().filter(|e| !known.contains(&address(&e["final_recipient"])));
    for row in rows {
        let own = addresses(row);
        let mine: Vec<&Row> = events.iter().filter(|e| own.contains(&address(&e["final_recipient"]))).collect();
        let event = match own.iter().min() {
            Some(key) if !mine.is_empty() => {
                let at = turn.entry(key.clone()).or_insert(0);
                *at += 1;
                Some(mine[(*at - 1).min(mine.len() - 1)])
            }
            Some(_) if rows.len() > 1 => None,
            _ => left.next(),
        };
        if is_failure(row) {
            codes(row, event, figures);
        }
    }
}

fn codes(row: &Row, event: Option<&Row>, figures: &mut Figures) {
    let has = |name: &str, value: &str| event.is_some_and(|event| event[name] == value);
    if !row["reply_code"].is_empty() {
        figures.reply.add(has("reply_code", &row["reply_code"]));
    }
    if !row["status"].is_empty() && row["derived"] != "1" {
        let hit = has("enhanced_status_code", &row["status"]);
        figures.status.add(hit);
        if row["status"] == "5.7.1" {
            figures.s571.add(hit);
        }
    }
}

fn addresses(row: &Row) -> Vec<String> {
    let all = [address(&row["recipient"]), address(&row["alias"])];
    all.into_iter().filter(|a| !a.is_empty()).collect()
}

fn address(text: &str) -> String {
    text.trim().trim_matches(['<', '>']).trim().to_ascii_lowercase()
}
