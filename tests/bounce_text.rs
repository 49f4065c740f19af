//! The reader of prose against real bounce mails: recipients and codes from the readable part alone.
//!
//! The corpus is not part of the crate: where it is missing, the test says so and passes. `BOUNCESIFT_SHARED` names its
//! parent folder (default `../shared`, relative to the crate). `BOUNCE_TEXT_EVENTS` names a file to write the events to,
//! `BOUNCE_TEXT_PICK=plain` keeps to mails without a `message/delivery-status` part.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
#![allow(clippy::print_stdout, reason = "the figures are meant to be read")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use bouncesift::bounce::text::{Clues, Told, read, returned_at};
use bouncesift::smtp::parse_reply;
use mail_parser::{MessageParser, MimeHeaders};

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var("BOUNCESIFT_SHARED").unwrap_or_else(|_| "../shared".to_owned());
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join(shared).join("corpus/bounces");
    if !corpus.is_dir() {
        println!("skipped: no corpus at {}", corpus.display());
        return None;
    }
    Some(corpus)
}

/// One event as the scoring knows it.
#[derive(Debug, Clone, Default)]
struct Event {
    recipient: String,
    reply_code: String,
    status: String,
    shape: String,
    outcome: String,
    remote: String,
    stage: String,
    diagnostic: String,
}

fn event(told: &Told<'_>) -> Event {
    let lossy = |text: Option<&[u8]>| String::from_utf8_lossy(text.unwrap_or_default()).into_owned();
    let mut event = Event {
        recipient: lossy(told.recipient),
        shape: told.shape.to_owned(),
        outcome: told.outcome.as_str().to_owned(),
        remote: format!("{}[{}]", lossy(told.remote_mta), lossy(told.remote_ip)),
        stage: told.stage.map(|s| s.as_str().to_owned()).unwrap_or_default(),
        diagnostic: lossy(told.diagnostic).split_whitespace().collect::<Vec<_>>().join(" "),
        ..Event::default()
    };
    if let Some(text) = told.diagnostic.filter(|_| told.is_reply) {
        let reply = parse_reply(text, false);
        event.reply_code = reply.code.map(|c| c.to_string()).unwrap_or_default();
        event.status = reply.status.map(|s| s.to_string()).unwrap_or_default();
    }
    if event.status.is_empty() {
        event.status = told.status.map(|s| s.to_string()).unwrap_or_default();
    }
    event
}

/// The events of a mail, and whether it has a machine-readable report too.
fn events(raw: &[u8]) -> (Vec<Event>, bool) {
    let Some(message) = MessageParser::default().parse(raw) else { return (Vec::new(), false) };
    let has_report = message.parts.iter().any(|part| {
        part.content_type().is_some_and(|t| {
            t.ctype() == "message" && t.subtype().is_some_and(|s| s.eq_ignore_ascii_case("delivery-status"))
        })
    });
    let text = message.body_text(0).map(|t| t.into_owned()).filter(|t| !t.trim().is_empty());
    let text = text.unwrap_or_else(|| {
        let raw = String::from_utf8_lossy(raw).replace("\r\n", "\n");
        raw.split_once("\n\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
    });
    let returned_to = returned_to(&message, &text);
    let header = |name: &str| message.header_raw(name).map(|v| v.trim().to_owned());
    let (from, failed) = (header("From"), header("X-Failed-Recipients"));
    let clues = Clues {
        subject: message.subject().map(str::as_bytes),
        from: from.as_deref().map(str::as_bytes),
        failed_recipients: failed.as_deref().map(str::as_bytes),
        original_to: returned_to.as_deref().map(str::as_bytes),
    };
    let mut out = Vec::new();
    read(text.as_bytes(), &clues, &mut out);
    (out.iter().map(event).collect(), has_report)
}

/// `To` of the returned message: of the attached one, else of that behind the text.
fn returned_to(message: &mail_parser::Message<'_>, text: &str) -> Option<String> {
    let attached = message.attachments().filter_map(|part| part.message()).next();
    if let Some(to) = attached.and_then(|message| message.header_raw("To")) {
        return Some(to.trim().to_owned());
    }
    let at = returned_at(text.as_bytes())?;
    let to = text.get(at..)?.lines().find_map(|line| line.strip_prefix("To:"))?;
    Some(to.trim().to_owned())
}

#[derive(Default)]
struct Score {
    mails: usize,
    mails_found: usize,
    recipients: (usize, usize),
    said: (usize, usize),
    replies: (usize, usize),
    statuses: (usize, usize),
    false_alarms: usize,
}

#[test]
fn prose_is_read_as_expected() {
    let Some(corpus) = corpus() else { return };
    let pick = std::env::var("BOUNCE_TEXT_PICK").unwrap_or_default();
    let mut expected: BTreeMap<String, Vec<BTreeMap<String, String>>> = BTreeMap::new();
    let mut reader = csv::Reader::from_path(corpus.join("expected.csv")).unwrap();
    let names = reader.headers().unwrap().clone();
    for row in reader.records() {
        let row = row.unwrap();
        let row: BTreeMap<_, _> = names.iter().zip(row.iter()).map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
        expected.entry(row["file"].clone()).or_default().push(row);
    }
    let mut writer = std::env::var("BOUNCE_TEXT_EVENTS").ok().map(|path| csv::Writer::from_path(path).unwrap());
    if let Some(writer) = &mut writer {
        let head = ["file", "recipient", "reply_code", "status", "shape", "outcome", "remote", "stage", "diagnostic"];
        writer.write_record(head).unwrap();
    }
    let mut score = Score::default();
    for (file, rows) in &expected {
        let (events, has_report) = events(&std::fs::read(corpus.join(file)).unwrap());
        for e in events.iter().filter(|_| !has_report || pick.is_empty()) {
            if let Some(writer) = &mut writer {
                let row = [
                    file,
                    &e.recipient,
                    &e.reply_code,
                    &e.status,
                    &e.shape,
                    &e.outcome,
                    &e.remote,
                    &e.stage,
                    &e.diagnostic,
                ];
                writer.write_record(row).unwrap();
            }
        }
        if !has_report {
            add(&mut score, rows, &events);
        }
    }
    let show = |(hits, all): (usize, usize)| format!("{hits}/{all}");
    println!(
        "mails {}/{} recipients {} right of said {} reply codes {} statuses {} false alarms {}",
        score.mails_found,
        score.mails,
        show(score.recipients),
        show(score.said),
        show(score.replies),
        show(score.statuses),
        score.false_alarms
    );
    // Two mails hide their text from a reader of MIME, one expected address is cut short, one code is open to dispute.
    let at_least = |what: &str, (hits, all): (usize, usize), share: f64| {
        assert!(hits as f64 >= share * all as f64, "{what}: {hits} of {all}");
    };
    at_least("recipients found", score.recipients, 0.97);
    at_least("recipients right", score.said, 0.98);
    at_least("reply codes", score.replies, 0.94);
    at_least("statuses", score.statuses, 0.97);
    assert_eq!(score.false_alarms, 0, "events in mails that are no bounces");
}

fn add(score: &mut Score, rows: &[BTreeMap<String, String>], events: &[Event]) {
    let is_neutral =
        |row: &BTreeMap<String, String>| matches!(row["reason"].as_str(), "feedback" | "vacation" | "delivered");
    if rows.iter().all(|row| row["recipient_index"] == "0" || is_neutral(row)) {
        score.false_alarms += usize::from(!events.is_empty());
        return;
    }
    score.mails += 1;
    score.mails_found += usize::from(!events.is_empty());
    let names = |row: &BTreeMap<String, String>, e: &Event| {
        let said = e.recipient.to_ascii_lowercase();
        said == row["recipient"].to_ascii_lowercase() || (!said.is_empty() && said == row["alias"].to_ascii_lowercase())
    };
    for row in rows.iter().filter(|row| !is_neutral(row)) {
        let own = events.iter().find(|e| names(row, e)).or_else(|| events.first().filter(|_| rows.len() == 1));
        score.recipients.1 += 1;
        score.recipients.0 += usize::from(events.iter().any(|e| names(row, e)));
        let hit = |want: &str, said: Option<&str>| (usize::from(said == Some(want)), usize::from(!want.is_empty()));
        if !row["reply_code"].is_empty() {
            let (a, b) = hit(&row["reply_code"], own.map(|e| e.reply_code.as_str()));
            score.replies = (score.replies.0 + a, score.replies.1 + b);
        }
        if !row["status"].is_empty() && row["derived"] != "1" {
            let (a, b) = hit(&row["status"], own.map(|e| e.status.as_str()));
            score.statuses = (score.statuses.0 + a, score.statuses.1 + b);
        }
    }
    for event in events {
        score.said.1 += 1;
        score.said.0 += usize::from(rows.iter().any(|row| names(row, event)));
    }
}
