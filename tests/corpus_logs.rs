//! Log formats against real log lines with expected values worked out by hand.
//!
//! The corpus is not part of the crate: where it is missing, the tests say so and pass. `BOUNCESIFT_SHARED` names
//! its parent folder (default `../shared`, relative to the crate).

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the figures are meant to be read")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bouncesift::formats::{FORMATS, LineEvent, Parsed, Skip, syslog};
use bouncesift::provenance::{FileId, Provenance};
use bouncesift::record::{DeliveryRecord, domain_of};
use bouncesift::smtp::parse_reply;

/// Files in another frame than one log line a line: two columns, and the journal's JSON.
const OTHER_FRAMES: [&str; 2] = ["postfix/whyscream-messages.tsv", "postfix/journal-json.jsonl"];
const FOLDERS: [&str; 3] = ["postfix", "exim", "sendmail"];

/// The fields that are compared, as text.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Facts {
    outcome: String,
    reply_code: String,
    status: String,
    recipient_domain: String,
    remote_host: String,
    remote_ip: String,
    queue_id: String,
}

#[test]
fn outcomes_are_read_as_by_hand() {
    let Some(corpus) = corpus() else { return };
    let mut reader = csv::Reader::from_path(corpus.join("expected.csv")).unwrap();
    let column: BTreeMap<String, usize> =
        reader.headers().unwrap().iter().enumerate().map(|(at, name)| (name.to_owned(), at)).collect();
    let (mut rows, mut hits) = (0, 0);
    let (mut diagnostics, mut mine) = (0, 0);
    for row in reader.records() {
        let row = row.unwrap();
        let field = |name: &str| row[column[name]].to_owned();
        let file = field("file");
        if !is_compared(&file) {
            continue;
        }
        let line_no: usize = field("line_no").parse().unwrap();
        let text = line(&corpus, &file, line_no);
        let wanted = Facts {
            outcome: field("outcome"),
            reply_code: field("reply_code"),
            status: Some(field("reply_status")).filter(|s| !s.is_empty()).unwrap_or_else(|| field("status")),
            recipient_domain: field("recipient_domain"),
            remote_host: field("remote_host").to_ascii_lowercase(),
            remote_ip: field("remote_ip"),
            queue_id: field("queue_id"),
        };
        rows += 1;
        let mut found = Vec::new();
        read(&text, &mut |record| found.push((facts(record), lossy(record.diagnostic))));
        match found.iter().position(|(facts, _)| *facts == wanted) {
            Some(at) => {
                hits += 1;
                mine += 1;
                let same = found[at].1 == field("diagnostic");
                diagnostics += usize::from(same);
                if !same {
                    println!("text {file}:{line_no}\n  wanted {}\n  found  {}", field("diagnostic"), found[at].1);
                }
            }
            None => println!("miss {file}:{line_no}\n  wanted {wanted:?}\n  found  {found:?}"),
        }
    }
    println!("{hits} of {rows} rows, diagnostic the same in {diagnostics} of {mine}");
    assert!(hits * 100 >= rows * 99, "{hits} of {rows} rows");
}

#[test]
fn other_lines_give_no_outcome() {
    let Some(corpus) = corpus() else { return };
    let mut reader = csv::Reader::from_path(corpus.join("expected-none.csv")).unwrap();
    for row in reader.records() {
        let row = row.unwrap();
        if is_compared(&row[0]) {
            let text = line(&corpus, &row[0], row[1].parse().unwrap());
            read(&text, &mut |record| panic!("{}:{} gave {record:?}", &row[0], &row[1]));
        }
    }
}

#[test]
fn every_line_is_accounted_for() {
    let Some(corpus) = corpus() else { return };
    let show = std::env::var("BOUNCESIFT_SHOW").unwrap_or_default();
    for folder in FOLDERS {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut files: Vec<PathBuf> =
            std::fs::read_dir(corpus.join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        for path in files {
            let name = format!("{folder}/{}", path.file_name().unwrap().to_string_lossy());
            if OTHER_FRAMES.contains(&name.as_str()) {
                continue;
            }
            let mut here: BTreeMap<&str, usize> = BTreeMap::new();
            for (at, text) in lines(&path).iter().enumerate() {
                let what = read(text, &mut |_| {});
                *counts.entry(what.clone()).or_default() += 1;
                if what.contains("unrecognised") || what.contains("malformed") {
                    *here.entry(if what.contains("malformed") { "malformed" } else { "unrecognised" }).or_default() +=
                        1;
                }
                if !show.is_empty() && what.contains(&show) {
                    println!("{what} {name}:{} {}", at + 1, String::from_utf8_lossy(text));
                }
            }
            if !here.is_empty() {
                println!("{name}: {here:?}");
            }
        }
        println!("{folder}: {counts:#?}");
    }
}

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var("BOUNCESIFT_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join(shared).join("corpus/logs");
    if corpus.is_dir() {
        return Some(corpus);
    }
    println!("skipped: no corpus");
    None
}

fn is_compared(file: &str) -> bool {
    FOLDERS.iter().any(|folder| file.starts_with(&format!("{folder}/"))) && !OTHER_FRAMES.contains(&file)
}

fn lines(path: &Path) -> Vec<Vec<u8>> {
    let bytes = std::fs::read(path).unwrap();
    let strip = |line: &[u8]| line.strip_suffix(b"\r").unwrap_or(line).to_vec();
    bytes.strip_suffix(b"\n").unwrap_or(&bytes).split(|b| *b == b'\n').map(strip).collect()
}

fn line(corpus: &Path, file: &str, line_no: usize) -> Vec<u8> {
    lines(&corpus.join(file)).swap_remove(line_no - 1)
}

/// Hands a line to the formats as the pipeline does; says what it was.
fn read(line: &[u8], emit: &mut dyn FnMut(&DeliveryRecord<'_>)) -> String {
    let provenance = Provenance { file: FileId(0), len: line.len() as u32, offset: 0 };
    let frame = syslog::frame(line, provenance);
    let mut on_event = |event: LineEvent<'_>| {
        if let LineEvent::Record(record) = event {
            emit(&record);
        }
    };
    for format in FORMATS {
        match format.parse(&frame, &mut on_event) {
            Parsed::NotMine => {}
            Parsed::Outcome => return format!("{} outcome", format.name()),
            Parsed::Skipped(skip) => return format!("{} {}", format.name(), skip.as_str()),
        }
    }
    let skip = match (line.is_empty(), frame.stamp) {
        (true, _) => Skip::Empty,
        (_, Some(_)) => Skip::OtherProgram,
        (_, None) => Skip::Unrecognised,
    };
    skip.as_str().to_owned()
}

fn facts(record: &DeliveryRecord<'_>) -> Facts {
    let reply = record.diagnostic.filter(|_| record.is_reply).map(|text| parse_reply(text, record.truncated));
    let status = reply.and_then(|r| r.status).or(record.stated_status);
    let lower = |text: Option<&[u8]>| lossy(text).to_ascii_lowercase();
    Facts {
        outcome: record.outcome.as_str().to_owned(),
        reply_code: reply.and_then(|r| r.code).map(|c| c.to_string()).unwrap_or_default(),
        status: status.map(|s| s.to_string()).unwrap_or_default(),
        recipient_domain: lower(record.final_recipient.and_then(domain_of)),
        remote_host: lower(record.remote_mta),
        remote_ip: lossy(record.remote_ip),
        queue_id: lossy(record.queue_id),
    }
}

fn lossy(text: Option<&[u8]>) -> String {
    String::from_utf8_lossy(text.unwrap_or_default()).into_owned()
}
