#![allow(clippy::unwrap_used, reason = "tests")]
use super::*;

fn all(text: &str) -> Vec<(String, Option<Action>, String, String)> {
    let lossy = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    let mut out = Vec::new();
    read(text.as_bytes(), &mut MessageFields::default(), &mut |_, group, place| {
        assert_eq!(usize::try_from(place.index).unwrap(), out.len());
        let status = group.status.map(|s| s.to_string()).unwrap_or_default();
        let text = group.diagnostic.map(|d| lossy(d.text)).unwrap_or_default();
        out.push((lossy(group.final_recipient.as_deref().unwrap_or(b"-")), group.action, status, text));
    });
    out
}

#[track_caller]
fn check(text: &str, want: &[(&str, Option<Action>, &str, &str)]) {
    for text in [text.to_owned(), text.replace('\n', "\r\n")] {
        let found = all(&text);
        let found: Vec<_> = found
            .iter()
            .map(|(a, b, c, d)| (a.as_str(), *b, c.as_str(), d.split_whitespace().collect::<Vec<_>>().join(" ")))
            .collect();
        let want: Vec<_> = want.iter().map(|(a, b, c, d)| (*a, *b, *c, (*d).to_owned())).collect();
        assert_eq!(found, want, "{text}");
    }
}

const FAILED: Option<Action> = Some(Action::Failed);

#[test]
fn fields_of_message_and_recipient() {
    let text = b"Reporting-MTA: dns; mail.example.org\nX-Postfix-Queue-ID: 4B1\nX-Postfix-Sender: rfc822; s@example.org\n\
        Arrival-Date: Thu, 29 Apr 2021 23:34:45 +0900\n\nFinal-Recipient: rfc822;<u@example.com>\n\
        Original-Recipient: rfc822;o@example.com\nAction: FAILED (x)\nStatus: 5.7.1 (refused)\n\
        Remote-MTA: dns; mx.example.com [192.0.2.1]\nDiagnostic-Code: X-Postfix; host mx.example.com[192.0.2.1]\n said: 550 no\n\
        Last-Attempt-Date: Fri, 30 Apr 2021 00:00:00 +0900\nWill-Retry-Until: Sat, 1 May 2021 00:00:00 +0900\n";
    let mut count = 0;
    read(text, &mut MessageFields::default(), &mut |message, group, place| {
        count += 1;
        assert!(place.is_last);
        assert_eq!(message.reporting_mta, Some(&b"mail.example.org"[..]));
        assert_eq!(message.queue_id, Some(&b"4B1"[..]));
        assert_eq!(message.sender, Some(&b"s@example.org"[..]));
        assert_eq!(message.arrival_date, Some(&b"Thu, 29 Apr 2021 23:34:45 +0900"[..]));
        assert_eq!(group.original_recipient.as_deref(), Some(&b"o@example.com"[..]));
        assert_eq!(group.remote_mta, Some(Host { name: Some(b"mx.example.com"), ip: Some(b"192.0.2.1") }));
        assert_eq!(group.last_attempt, Some(&b"Fri, 30 Apr 2021 00:00:00 +0900"[..]));
        assert!(group.will_retry);
        let diagnostic = group.diagnostic.unwrap();
        assert_eq!((diagnostic.kind, diagnostic.text), (&b"X-Postfix"[..], &b"550 no"[..]));
        assert!(diagnostic.has_code && !diagnostic.is_smtp());
    });
    assert_eq!(count, 1);
}

#[test]
fn groups_are_cut_whatever_the_empty_lines() {
    let two = [("a@x.example", FAILED, "5.1.1", "550 a"), ("b@x.example", FAILED, "5.2.2", "552 b")];
    let a = "Final-Recipient: rfc822; a@x.example\nAction: failed\nStatus: 5.1.1\nDiagnostic-Code: smtp; 550 a\n";
    let b = "Final-Recipient: rfc822; b@x.example\nAction: failed\nStatus: 5.2.2\nDiagnostic-Code: smtp; 552 b\n";
    check(&format!("Reporting-MTA: dns; m.example\n\n{a}\n{b}"), &two);
    check(&format!("Reporting-MTA: dns; m.example\n{a}{b}"), &two);
    check(&format!("{a}{b}\nReporting-MTA: dns; m.example\n"), &two);
    check(&format!("\n\n{a}\n \n{b}\n\n"), &two);
    let broken = a.replace("Status", "\nStatus").replace("Diag", "\nDiag");
    check(&format!("{broken}\n{b}"), &two);
    let recipient_last = |g: &str| {
        let (first, rest) = g.split_once('\n').unwrap();
        format!("{rest}{first}\n")
    };
    check(&format!("{}\n{}", recipient_last(a), recipient_last(b)), &two);
}

#[test]
fn a_group_without_some_fields_takes_none_of_the_next() {
    check(
        "Final-Recipient: rfc822; a@x.example\nAction: failed\nStatus: 5.1.1\n\n\
         Diagnostic-Code: smtp; 552 b\nAction: failed\nFinal-Recipient: rfc822; b@x.example\n",
        &[("a@x.example", FAILED, "5.1.1", ""), ("b@x.example", FAILED, "", "552 b")],
    );
    check(
        "Original-Recipient: rfc822;a@x.example\nFinal-Recipient: rfc822;a@x.example\nAction: delayed\n\n\
         Original-Recipient: rfc822;b@x.example\nFinal-Recipient: rfc822;b@x.example\nStatus: 5.0.0\n",
        &[("a@x.example", Some(Action::Delayed), "", ""), ("b@x.example", None, "5.0.0", "")],
    );
}

#[test]
fn recipients_of_all_shapes() {
    let one = |value: &str| all(&format!("Final-Recipient: {value}\nAction: failed\n"))[0].0.clone();
    assert_eq!(one("a@x.example"), "a@x.example");
    assert_eq!(one("RFC822; <a@x.example>"), "a@x.example");
    assert_eq!(one("rfc822;\n a@x.example"), "a@x.example");
    assert_eq!(one("rfc822; a@x.example>"), "a@x.example");
    assert_eq!(one("LOCAL;|/usr/bin/x"), "|/usr/bin/x");
    assert_eq!(one("utf-8; \\x{e9}t\\x{E9}@x.example"), "\u{e9}t\u{e9}@x.example");
    assert_eq!(one("utf-8; \\x{zz}\\x{110000}a"), "\\x{zz}\\x{110000}a");
}

#[test]
fn the_best_diagnostic_wins() {
    let one = |lines: &str| all(&format!("Final-Recipient: a@x.example\n{lines}"))[0].3.clone();
    assert_eq!(one("Diagnostic-Code: X-Notes; gone\nDiagnostic-Code: smtp; 550 5.7.1 no\n"), "550 5.7.1 no");
    assert_eq!(one("Diagnostic-Code: smtp; 550 5.7.1 no\nDiagnostic-Code: smtp; 551 x\n"), "550 5.7.1 no");
    assert_eq!(one("Diagnostic-Code: 550 5.7.1 no\n"), "550 5.7.1 no");
    assert_eq!(one("Diagnostic-Code: The account does not exist.\n"), "The account does not exist.");
    assert_eq!(one("Diagnostic-Code: smtp; 550-a\n550-b: c\n550 d\nStatus: 5.0.0\n"), "550-a\n550-b: c\n550 d");
    assert_eq!(one("Diagnostic-Code: smtp;\nStatus: 5.0.0\n"), "");
    let own = "Diagnostic-Code: smtp; 5.1.0 - Unknown address error 550-'5.2.2 full' (delivery attempts: 0)\n";
    assert_eq!(one(own), "550-'5.2.2 full");
    let late = "Diagnostic-Code: smtp; 554 4.4.7 Message expired: unable to deliver.<421 4.4.2 Timed out>\n";
    assert_eq!(one(late), "421 4.4.2 Timed out");
    assert_eq!(one("Diagnostic-Code: smtp; 550 5.7.1 no <550 5.1.1 x>\n"), "550 5.7.1 no <550 5.1.1 x>");
}

#[test]
fn groups_are_capped() {
    let text = "Final-Recipient: a@x.example\nAction: failed\n\n".repeat(100_000);
    let mut seen = 0;
    let found = read(text.as_bytes(), &mut MessageFields::default(), &mut |_, _, _| seen += 1);
    assert_eq!((found, seen), (Read { groups: MAX_GROUPS, exceeded: true }, MAX_GROUPS));
}

#[test]
fn any_bytes_are_taken() {
    for text in [
        "",
        "\n",
        "Final-Recipient:",
        "Final-Recipient: ;",
        ":",
        "Status: 5.",
        "Action:\n\n\nAction: x",
        "Diagnostic-Code: ;",
    ] {
        all(text);
    }
    assert_eq!(find_fields(b"x\nfinal-recipient: a"), Some(2));
    assert_eq!(find_fields(b"x final-recipient: a"), None);
}
