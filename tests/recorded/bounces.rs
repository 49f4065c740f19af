//! Recorded bounces: their reports carry the codes that the log's lines carry.

use std::io::BufReader;
use std::path::Path;

use bouncesift::smtp::parse_reply;
use mail_parser::mailbox::mbox::MessageIterator;
use mail_parser::{Message, MessageParser, MimeHeaders};

use crate::{Row, rows, samples, shown};

#[test]
fn bounces_carry_the_recorded_codes() {
    let mut compared = 0;
    for folder in std::fs::read_dir(samples().join("bounces")).unwrap() {
        let folder = folder.unwrap().path();
        let mails = mails(&folder);
        for expected in rows(&folder.join("expected.csv")).chunk_by(|a, b| a["mail"] == b["mail"]) {
            let mail = &expected[0]["mail"];
            let nth: usize = mail.parse().unwrap();
            let parsed = MessageParser::default().parse(&mails[nth - 1]).unwrap();
            let wanted: Vec<_> = expected.iter().map(codes_wanted).collect();
            assert_eq!(codes_of(&parsed), wanted, "{} mail {mail}", folder.display());
            compared += wanted.len();
        }
    }
    println!("{compared} recipients of bounces agree");
    assert!(compared > 0, "no bounces");
}

/// The mails of a Maildir, in the order of their names, or those of an mbox.
fn mails(folder: &Path) -> Vec<Vec<u8>> {
    if let Ok(file) = std::fs::File::open(folder.join("bounces.mbox")) {
        return MessageIterator::new(BufReader::new(file)).map(|mail| mail.unwrap().unwrap_contents()).collect();
    }
    let mut paths: Vec<_> = std::fs::read_dir(folder.join("new")).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

fn codes_wanted(row: &Row) -> (String, String) {
    (row["reply_code"].clone(), row["status"].clone())
}

/// Reply code and enhanced code of each failed recipient of the mail's own report.
fn codes_of(mail: &Message<'_>) -> Vec<(String, String)> {
    let is_report = |c: &mail_parser::ContentType<'_>| {
        c.ctype().eq_ignore_ascii_case("message") && c.subtype() == Some("delivery-status")
    };
    let report = mail.parts.iter().find(|part| part.content_type().is_some_and(is_report)).unwrap();
    let text = report.text_contents().unwrap().replace("\r\n", "\n");
    let failed = |block: &&str| field(block, "Action").is_some_and(|action| action == "failed");
    text.split("\n\n").filter(failed).map(codes).collect()
}

fn codes(block: &str) -> (String, String) {
    let diagnostic = field(block, "Diagnostic-Code").unwrap_or_default();
    let reply = diagnostic.strip_prefix("smtp;").map(|reply| parse_reply(reply.as_bytes(), false));
    let status = reply.and_then(|reply| reply.status).map(|status| status.to_string());
    let own = || field(block, "Status").unwrap_or_default();
    (shown(reply.and_then(|reply| reply.code)), status.unwrap_or_else(own))
}

/// A field's value, unfolded.
fn field(block: &str, name: &str) -> Option<String> {
    let mut lines = block.lines().skip_while(|line| line.split(':').next() != Some(name));
    let (_, value) = lines.next()?.split_once(':')?;
    let more = lines.take_while(|line| line.starts_with([' ', '\t'])).map(str::trim);
    Some(std::iter::once(value.trim()).chain(more).collect::<Vec<_>>().join(" "))
}
