//! Helpers for the formats' tests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::{FORMATS, LineEvent, LogFormat, Parsed, syslog};
use crate::provenance::{FileId, Provenance};
use crate::record::DeliveryRecord;
use proptest::prelude::*;

/// Reads one line; it is leaked, so that its events may be kept.
pub(super) fn read(format: &dyn LogFormat, line: &str) -> (Parsed, Vec<LineEvent<'static>>) {
    let line: &'static [u8] = line.as_bytes().to_vec().leak();
    let frame = syslog::frame(line, Provenance { file: FileId(0), len: line.len() as u32, offset: 0 });
    let mut events = Vec::new();
    let parsed = format.parse(&frame, &mut |event| events.push(event));
    (parsed, events)
}

/// The one record of a line.
#[track_caller]
pub(super) fn only(format: &dyn LogFormat, line: &str) -> DeliveryRecord<'static> {
    match read(format, line) {
        (Parsed::Outcome, events) => match events[..] {
            [LineEvent::Record(record)] => record,
            _ => panic!("{line}: {events:?}"),
        },
        (parsed, _) => panic!("{line}: {parsed:?}"),
    }
}

/// The text of a field; empty for `None`.
pub(super) fn text(field: Option<&'static [u8]>) -> &'static str {
    std::str::from_utf8(field.unwrap_or_default()).unwrap()
}

/// Lines that are cut up and put together again below.
const LINES: [&str; 14] = [
    "Feb  8 05:36:57 mx1 postfix/smtp[123]: A1: to=<a@example.com>, orig_to=<\"b c\"@example.org>, relay=mx.example.com[192.0.2.1]:25, conn_use=2, delay=0.5, delays=0.1/0/0.2/0.2, dsn=5.7.1, status=bounced (host mx[192.0.2.2] said: 550-5.7.1 a 550 5.7.1 b (in reply to RCPT TO command))",
    "<22>1 2025-07-24T08:50:26Z mx1 postfix/qmgr 123 - [a b=\"]\"] A1: from=<a@example.com>, size=1, nrcpt=1 (queue active)",
    "Feb  8 05:36:57 mx1 postfix/smtpd[1]: message repeated 3 times: [ NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <a@example.com>: denied; from=<b@example.org> to=<a@example.com> proto=ESMTP helo=<x>]",
    "2013 Jun 10 06:27:30.123 mx1 postfix/cleanup[1]: A1: reject: header Subject: x from y[192.0.2.1]; from=<> to=<a@example.com> proto=ESMTP helo=<x>: 5.7.1 no",
    "2020-06-19 10:32:57.123 +0200 [12] 1jmKso-0009d4-Uf ** a@example.com <b@example.com> F=<c@example.com> R=r T=t H=mx (h) [192.0.2.3]:25* X=y DN=\"C=US\" : SMTP error from remote mail server after RCPT TO:<a@example.com>: 554 5.2.0 x\\n550 y DT=1s",
    "2020-06-19 10:32:57 10HmaX-000000005vi-0000 == a@example.com R=r T=t defer (-44): SMTP error from remote mail server after end of data: host mx [192.0.2.3]: 450 4.3.2 x",
    "2020-06-19 10:32:57 1jmKso-0009d4-Uf => |/bin/x y <b@example.com> R=r T=t C=\"250 \\\"ok\\\"\" QT=1s",
    "Feb  8 05:36:57 mx1 exim[1]: [1/2] 2020-06-19 10:32:57 H=(x) [192.0.2.3] F=<b@example.org> temporarily rejected RCPT <a@example.com>: no",
    "Feb  8 05:36:57 mx1 sm-mta[1]: s1P8: to=<a@example.com>,\"b, c\" [more], ctladdr=<d@example.com> (3/3), delay=00:00:02, mailer=esmtp, relay=mx.example.com. [192.0.2.1], dsn=4.0.0, stat=Deferred: 421 4.7.1 x",
    "Feb  8 05:36:57 <mail.info> mx1 sm-mta[1]: s1P8: ruleset=check_rcpt, arg1=<a@example.com>, relay=x [192.0.2.1] (may be forged), reject=550 5.7.1 <a@example.com>... no",
    "Dec 15 13:15:06 node mailu-smtp[1]: Dec 15 05:15:06 mx1 postfix/smtp[2]: A1: from=<a@example.com>, status=expired, returned to sender",
    "Feb  8 05:36:57 mx1 sm-mta[1]: s1P8: to=a@example.com, delay=0, mailer=esmtp, relay=mx...example.com. [192.0.2.1], dsn=5.7.1, reply=550-5.7.1 x, stat=Sent, stat=User unknown",
    "2020-06-19 10:32:57 1jmKso-0009d4-Uf ** a b@example.com <\"a b\"@example.com> R=r T=t H=mx [192.0.2.3]: SMTP error from remote mail server after end of data: 550 x",
    "Feb  8 05:36:57 mx1 sendmail[1]: [ID 801593 mail.info] s1P8: Milter: to=<a@example.com>, reject=451 4.3.2 x",
];

/// Offers a line to all formats and asserts that all they hand out lies inside it.
fn spans_lie_inside(line: &[u8]) {
    let inside = |part: Option<&[u8]>| {
        let (start, end) = (line.as_ptr() as usize, line.as_ptr() as usize + line.len());
        part.is_none_or(|p| p.is_empty() || (start <= p.as_ptr() as usize && p.as_ptr() as usize + p.len() <= end))
    };
    let frame = syslog::frame(line, Provenance { file: FileId(0), len: line.len() as u32, offset: 0 });
    assert!(inside(Some(frame.message)) && inside(frame.host) && inside(frame.program));
    for format in FORMATS {
        let mut records = 0;
        let parsed = format.parse(&frame, &mut |event| match event {
            LineEvent::Record(r) => {
                records += 1;
                let parts = [r.reporting_mta, r.queue_id, r.sender, r.final_recipient, r.original_recipient];
                assert!(parts.into_iter().chain([r.remote_mta, r.remote_ip, r.diagnostic]).all(inside));
            }
            LineEvent::Opens { queue_id, sender } => assert!(inside(Some(queue_id)) && inside(Some(sender))),
            LineEvent::Names { queue_id, message_id } => assert!(inside(Some(queue_id)) && inside(Some(message_id))),
            LineEvent::Closes { queue_id } => assert!(inside(Some(queue_id))),
        });
        assert_eq!(parsed == Parsed::Outcome, records > 0, "{parsed:?} with {records} records");
    }
}

/// Two lines cut at any byte, put together, with some bytes in between.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    let line = || proptest::sample::select(&LINES[..]).prop_map(str::as_bytes);
    let middle = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        "[<>\"\\\\,:=()\\[\\] ]{0,6}".prop_map(String::into_bytes)
    ];
    (line(), any::<proptest::sample::Index>(), middle, line(), any::<proptest::sample::Index>()).prop_map(
        |(a, cut_a, middle, b, cut_b)| {
            [&a[..cut_a.index(a.len() + 1)], &middle, &b[cut_b.index(b.len() + 1)..]].concat()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2048, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes(line in proptest::collection::vec(any::<u8>(), 0..400)) {
        spans_lie_inside(&line);
    }

    #[test]
    fn any_mutation(line in mutated()) {
        spans_lie_inside(&line);
    }

    #[test]
    fn any_tail(line in proptest::sample::select(&LINES[..]), cut in any::<proptest::sample::Index>(), tail in proptest::collection::vec(any::<u8>(), 0..200)) {
        spans_lie_inside(&[&line.as_bytes()[..cut.index(line.len() + 1)], &tail].concat());
    }
}

/// No line makes a reader take more than a few passes over it.
#[test]
fn hostile_lines_take_linear_time() {
    let heads = [
        "A1: to=<",
        "A1: to=<\"",
        "A1: to=<a>, relay=",
        "A1: to=<a>, relay=x[1]:25, status=bounced (host x[1] said: ",
        "A1: reject: RCPT from ",
        "A1: reject: header ",
        "A1: from=<",
        "A1: ruleset=check_rcpt, arg1=<",
        "A1: to=",
        "A1: to=a, delay=0, relay=mx. [192.0.2.1], reply=450 x",
        "",
        "2020-06-19 10:32:57 1jmKso-0009d4-Uf ** ",
        "2020-06-19 10:32:57 1jmKso-0009d4-Uf => |",
        "2020-06-19 10:32:57 1jmKso-0009d4-Uf ** a@example.com H=(",
    ];
    let fills = [
        ">, ",
        "(",
        "\"",
        "\\",
        ",",
        " ",
        ":",
        ": ",
        "; ",
        " from ",
        "; from=<",
        "(in reply to ",
        " H=",
        "<",
        ") [",
        "a,",
        "a=\"",
        "defer (1) ",
        "L ",
        ",<",
        "<a>x,",
        "H=a (x) ",
        "F=<a>x ",
        "F=<a> ",
        "aaaa...550 5.7.1 ",
        ", stat=",
        "a <\"a\"",
    ];
    for program in ["postfix/smtp", "postfix/cleanup", "sm-mta", "exim"] {
        for (head, fill) in heads.iter().flat_map(|head| fills.iter().map(move |fill| (head, fill))) {
            let line = format!("Feb  8 05:36:57 mx1 {program}[1]: {head}{}", fill.repeat(200_000 / fill.len()));
            let start = std::time::Instant::now();
            spans_lie_inside(line.as_bytes());
            assert!(start.elapsed().as_millis() < 1000, "{program} {head} {fill}");
        }
    }
}
