#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;
use crate::provenance::{FileId, Provenance};
use crate::record::{Hop, Outcome};

/// Recipient, outcome, hop, diagnostic and shape of each record.
type Row = (String, Outcome, Hop, String, &'static str);

fn read(mail: &str) -> (Finding, Vec<Row>) {
    let place = Provenance { file: FileId(0), len: mail.len() as u32, offset: 0 };
    let lossy = |text: Option<&[u8]>| String::from_utf8_lossy(text.unwrap_or(b"-")).into_owned();
    let mut rows = Vec::new();
    let finding = Reader::new().read(mail.as_bytes(), place, &mut |record, _| {
        let diagnostic = lossy(record.diagnostic);
        rows.push((lossy(record.final_recipient), record.outcome, record.hop, diagnostic, record.mta));
    });
    assert_eq!(finding.records as usize, rows.len());
    (finding, rows)
}

fn dsn(group: &str, text: &str, original: &str) -> String {
    format!(
        "Received: from a.example by b.example; Thu, 29 Apr 2021 23:34:46 +0900\nFrom: MAILER-DAEMON@mx.example.org\n\
         Date: Thu, 29 Apr 2021 23:34:45 +0900\n\
         Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n\n{text}\n\n--b\n\
         Content-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.org\nArrival-Date: Thu, 29 Apr 2021\n\n\
         {group}\n--b\nContent-Type: message/rfc822\n\n{original}\n--b--\n"
    )
}

const REFUSED: &str = "Final-Recipient: rfc822; u@example.com\nAction: failed\nStatus: 5.7.1\n\
    Diagnostic-Code: smtp; 550 5.7.1 Refused\n";
const ORIGINAL: &str =
    "Return-Path: <s@example.org>\nFrom: S <other@example.org>\nTo: u@example.com\nSubject: x\n\nhello\n";

#[test]
fn a_notification_is_read_in_place() {
    for mail in [dsn(REFUSED, "Sorry", ORIGINAL), dsn(REFUSED, "Sorry", ORIGINAL).replace('\n', "\r\n")] {
        let (finding, rows) = read(&mail);
        assert_eq!(finding, Finding { kind: Kind::Bounce, records: 1, ..Finding::default() });
        let want = ("u@example.com".to_owned(), Outcome::Bounced, Hop::Remote, "550 5.7.1 Refused".to_owned(), "dsn");
        assert_eq!(rows, [want]);
    }
    let (finding, rows) = read(&dsn(REFUSED, "Sorry", ORIGINAL).replace('\n', "\r"));
    assert_eq!((finding.copies, rows.len()), (1, 1));
}

#[test]
fn the_rest_is_handed_over_raw() {
    let mail = dsn(REFUSED, "Sorry", ORIGINAL);
    let mut count = 0;
    Reader::new().read(mail.as_bytes(), Provenance { file: FileId(0), len: 0, offset: 7 }, &mut |record, facts| {
        count += 1;
        assert_eq!(record.provenance.offset, 7);
        assert_eq!(record.sender, Some(&b"s@example.org"[..]));
        assert_eq!(record.reporting_mta, Some(&b"mx.example.org"[..]));
        assert!(facts.header.starts_with(b"Received: from a.example"));
        assert!(
            facts.returned.unwrap().starts_with(b"Return-Path") && facts.returned.unwrap().ends_with(b"Subject: x\n")
        );
        let times: Vec<_> = facts.times.in_order().collect();
        let date = |second: &str| format!("Thu, 29 Apr 2021 23:34:{second} +0900").into_bytes();
        assert_eq!(times, [&b"Thu, 29 Apr 2021"[..], &date("46"), &date("45")]);
    });
    assert_eq!(count, 1);
}

#[test]
fn the_text_fills_what_the_fields_lack() {
    let group = "Final-Recipient: rfc822; u@example.com\nAction: failed\nStatus: 5.0.0\n";
    let text = "I was not able to deliver your message.\n\n\
        <u@example.com>: host mx.example.com[192.0.2.1] said: 550 5.7.1 Refused\n";
    let (_, rows) = read(&dsn(group, text, ORIGINAL));
    assert_eq!((rows[0].2, rows[0].3.trim(), rows[0].4), (Hop::Remote, "550 5.7.1 Refused", "dsn"));
}

#[test]
fn outcomes_decide_the_kind() {
    let one = |group: &str| {
        let (finding, rows) = read(&dsn(group, "Sorry", ORIGINAL));
        (finding.kind, rows.iter().map(|row| row.1).collect::<Vec<_>>())
    };
    let delayed = REFUSED.replace("failed", "delayed");
    let delivered = REFUSED.replace("failed", "delivered").replace("5.7.1", "2.0.0");
    assert_eq!(one(&delayed), (Kind::DelayNotice, vec![Outcome::Deferred]));
    assert_eq!(one(&delivered), (Kind::SuccessNotice, vec![]));
    assert_eq!(one(&format!("{delivered}\n{REFUSED}\n{delayed}")).0, Kind::Bounce);
}

#[test]
fn a_report_in_the_returned_message_is_not_read() {
    let inner = dsn(&REFUSED.replace("u@", "inner@"), "Sorry", ORIGINAL).replace("=b\n", "=c\n").replace("--b", "--c");
    let (finding, rows) = read(&dsn(REFUSED, "Sorry", &inner));
    assert_eq!((rows.len(), rows[0].0.as_str(), finding.nested_report), (1, "u@example.com", true));
}

#[test]
fn a_forward_of_nothing_but_a_bounce_is_read() {
    let forward = |cover: &str, more: &str| {
        let bounce = dsn(REFUSED, "Sorry", ORIGINAL);
        format!(
            "From: p@example.org\nSubject: Fwd: x\nContent-Type: multipart/mixed; boundary=o\n\n--o\n\n{cover}\n--o\n\
             Content-Type: message/rfc822\n\n{bounce}\n{more}--o--\n"
        )
    };
    let (finding, rows) = read(&forward("see below", ""));
    assert_eq!((finding.kind, finding.is_forwarded, rows.len()), (Kind::Bounce, true, 1));
    let (finding, rows) = read(&forward(&"a long letter ".repeat(200), ""));
    assert_eq!((finding.kind, rows.len()), (Kind::Ordinary, 0));
    let (finding, rows) = read(&forward("see below", "--o\nContent-Type: image/png\n\nx\n"));
    assert_eq!((finding.kind, rows.len()), (Kind::Ordinary, 0));
}

#[test]
fn persons_write_about_bounces() {
    let quoted = "Hi, what is this?\n\n> Final-Recipient: rfc822; u@example.com\n> Action: failed\n> Status: 5.7.1\n";
    for head in
        ["Subject: Re: Undelivered Mail", "Subject: Mail delivery failed\nIn-Reply-To: <x@y.example>", "Subject: x"]
    {
        let (finding, rows) = read(&format!("From: p@example.org\n{head}\n\n{quoted}{REFUSED}"));
        assert_eq!((finding.kind, rows.len()), (Kind::Ordinary, 0), "{head}");
    }
}

#[test]
fn fields_without_mime_are_read() {
    let mail = format!("From: MAILER-DAEMON@mx.example.org\nSubject: failure\n\nSorry.\n\n{REFUSED}\n{ORIGINAL}");
    let (finding, rows) = read(&mail);
    assert_eq!((finding.kind, rows.len(), rows[0].4), (Kind::Bounce, 1, "dsn"));
}

#[test]
fn other_reports_are_no_failures() {
    let of = |mail: &str| {
        let (finding, rows) = read(mail);
        assert!(rows.is_empty());
        finding.kind
    };
    let report = |kind: &str, media: &str| {
        format!(
            "From: x@y.example\nContent-Type: multipart/report; report-type={kind}; boundary=b\n\n--b\n\nSorry\n--b\nContent-Type: {media}\n\nVersion: 1\n--b--\n"
        )
    };
    assert_eq!(of(&report("feedback-report", "message/feedback-report")), Kind::Feedback);
    assert_eq!(of(&report("disposition-notification", "message/disposition-notification")), Kind::Disposition);
    assert_eq!(
        of("From: a@b.example\nReturn-Path: <>\nAuto-Submitted: auto-replied\nSubject: Re: x\n\nI am away.\n"),
        Kind::AutoReply
    );
    assert_eq!(of("From: a@b.example\nSubject: x\n\nhello\n"), Kind::Ordinary);
    assert_eq!(of(""), Kind::Ordinary);
}

#[test]
fn any_bytes_are_taken() {
    let whole = dsn(REFUSED, "Sorry", ORIGINAL);
    for end in 0..whole.len() {
        read(&whole[..end]);
        read(&whole[end..]);
    }
}

#[test]
fn hostile_mails_take_linear_time() {
    let report = |boundary: &str, body: &str| {
        format!("From: MAILER-DAEMON@x.example\nContent-Type: multipart/report; boundary={boundary}\n\n{body}")
    };
    let status = "Content-Type: message/delivery-status\n";
    let groups = REFUSED.to_owned() + "\n";
    let mails = [
        report("b", &format!("--b\n{status}\n{}", groups.repeat(50_000))),
        report("b", &format!("--b\n{status}Content-Transfer-Encoding: base64\n\n{}", "RmluYWw=\n".repeat(300_000))),
        report("b", &"--b\n\nx\n".repeat(300_000)),
        report("b", &format!("--b\n{status}\n").repeat(100_000)),
        format!(
            "From: MAILER-DAEMON@x.example\nSubject: {}\n\n{}",
            "=?x?q?".repeat(100_000),
            "Final-Recipient: ".repeat(100_000)
        ),
        format!("From: {}\nSubject: failure notice\n\n{}", "(".repeat(1_000_000), "<".repeat(1_000_000)),
        format!("From: MAILER-DAEMON@x.example\n{}\n\nx", "Received: x\n".repeat(1_000_000)),
        format!("From: MAILER-DAEMON@x.example\nContent-Type: text/html\n\n{}", "<p><style>".repeat(100_000)),
        "Content-Type: message/rfc822\n\n".repeat(100_000),
    ];
    for mail in mails {
        let start = std::time::Instant::now();
        let (finding, _) = read(&mail);
        assert!(start.elapsed().as_secs() < 20, "{finding:?}");
    }
    let (finding, rows) = read(&report("b", &format!("--b\n{status}\n{}", groups.repeat(10_001))));
    assert_eq!((finding.groups_exceeded, rows.len()), (true, 10_000));
}
