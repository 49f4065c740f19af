#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::Exim;
use crate::formats::testing::{only, read, text};
use crate::formats::{LineEvent, Parsed, Skip};
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage};

const OLD: &str = "1jmKso-0009d4-Uf";
const NEW: &str = "10HmaX-000000005vi-0000";

fn line(rest: &str) -> String {
    format!("2020-06-19 10:32:57 {OLD} {rest}")
}

fn of(rest: &str) -> DeliveryRecord<'static> {
    only(&Exim, &line(rest))
}

fn skip(line: &str) -> Parsed {
    let (parsed, events) = read(&Exim, line);
    assert!(!events.iter().any(|e| matches!(e, LineEvent::Record(_))), "{line}: {events:?}");
    parsed
}

#[test]
fn failures_new_and_old() {
    let reply = "550-5.7.1 a\\n550 5.7.1 b";
    for rest in [
        format!(
            "** a@example.com R=r T=remote_smtp H=mx.example.com [192.0.2.1] X=TLS1.2:x:256 CV=yes DN=\"C=US: x\": SMTP error from remote mail server after RCPT TO:<a@example.com>: {reply}"
        ),
        format!(
            "** a@example.com F=<s@example.org> R=r T=t H=mx.example.com [192.0.2.1]:25* PRDR : SMTP error from remote mail server after pipelined RCPT TO:<a@example.com>: {reply} DT=0.3s"
        ),
        format!(
            "** a@example.com R=r T=remote_smtp: SMTP error from remote mail server after RCPT TO:<a@example.com>: host mx.example.com [192.0.2.1]: {reply}"
        ),
        format!(
            "** a@example.com R=r T=remote_smtp: SMTP error from remote mailer after RCPT TO:<a@example.com>: host mx.example.com [192.0.2.1]: {reply}"
        ),
    ] {
        let record = of(&rest);
        assert_eq!((record.outcome, record.hop, record.is_reply), (Outcome::Bounced, Hop::Remote, true), "{rest}");
        assert_eq!((text(record.remote_mta), text(record.remote_ip)), ("mx.example.com", "192.0.2.1"));
        assert_eq!((text(record.diagnostic), record.stage), (reply, Some(SmtpStage::Rcpt)));
        assert_eq!((text(record.final_recipient), text(record.queue_id)), ("a@example.com", OLD));
    }
    let record = of("** a@example.com: retry timeout exceeded");
    assert_eq!((record.attempted, record.hop, record.is_reply), (false, Hop::Unconnected, false));
    let record = of("** a@example.com: Unrouteable address");
    assert_eq!((record.attempted, text(record.diagnostic)), (true, "Unrouteable address"));
}

#[test]
fn deferrals() {
    let record = of(
        "== a@example.com R=r T=remote_smtp defer (-45) H=mx [192.0.2.1]: SMTP error from remote mail server after MAIL FROM:<> SIZE=1: 451 4.7.1 x",
    );
    assert_eq!(
        (record.outcome, record.stage, text(record.diagnostic)),
        (Outcome::Deferred, Some(SmtpStage::Mail), "451 4.7.1 x")
    );
    let record = of(
        "== a@example.com R=r T=remote_smtp defer (110): Connection timed out H=mx [192.0.2.1]: SMTP timeout after initial connection",
    );
    assert_eq!(
        (text(record.remote_ip), text(record.diagnostic)),
        ("192.0.2.1", "SMTP timeout after initial connection")
    );
    let record = of("== a@example.com R=r T=remote_smtp defer (111): Connection refused");
    assert_eq!((record.hop, record.attempted), (Hop::Unconnected, true));
    for cause in ["(-53): retry time not reached for any host", "(-1): domain matches queue_smtp_domains, or -odqs set"]
    {
        assert!(!of(&format!("== a@example.com R=r T=remote_smtp defer {cause}")).attempted);
    }
    assert!(!of("== a@example.com routing defer (-52): retry time not reached").attempted);
    let record = of(
        "== a@example.com R=r T=smtp defer (-19) H=mx [192.0.2.1]: Malformed SMTP reply in response to end of data: 550 x",
    );
    assert!(!record.is_reply);
    let record = of("== a@example.com R=r T=local_delivery defer (-22): mailbox is full");
    assert_eq!(record.hop, Hop::Local);
}

#[test]
fn deliveries() {
    for flag in ["=>", "->", ">>"] {
        let record = of(&format!(
            "{flag} a@example.com <b@example.org> R=r T=t H=mx.example.com. [2001:db8::1]:25 C=\"250 2.0.0 \\\"ok\\\" H=x\" QT=1s DT=2s"
        ));
        assert_eq!((record.outcome, record.hop, record.is_reply), (Outcome::Delivered, Hop::Remote, true));
        assert_eq!((text(record.final_recipient), text(record.original_recipient)), ("a@example.com", "b@example.org"));
        assert_eq!((text(record.remote_mta), text(record.remote_ip)), ("mx.example.com", "2001:db8::1"));
        assert_eq!(text(record.diagnostic), "250 2.0.0 \\\"ok\\\" H=x");
    }
    let record = of("=> user <user@example.com> R=r T=t");
    assert_eq!((record.hop, text(record.final_recipient)), (Hop::Local, "user@example.com"));
    let record = of("=> |/usr/bin/vacation -a b <user@example.com> R=r T=t");
    assert_eq!((record.hop, text(record.final_recipient)), (Hop::Local, "user@example.com"));
    assert_eq!(of("=> a@example.com R=r T=t H=127.0.0.1 [127.0.0.1] C=\"250 ok\"").hop, Hop::Internal);
    assert!(of("=> a@example.com R=r T=t H=mx [192.0.2.1] C=\"250 ok").truncated);
    assert_eq!(skip(&line("=> :blackhole: <a@example.com> R=r")), Parsed::Skipped(Skip::Discarded));
}

#[test]
fn quoted_local_parts() {
    for (shown, address) in [
        ("x y@example.com", "\"x y\"@example.com"),
        ("a@b <c@example.com", "\"a@b <c\"@example.com"),
        ("x\"\\y@example.com", "\"x\\\"\\\\y\"@example.com"),
        ("x R=r T=t: 250@example.com", "\"x R=r T=t: 250\"@example.com"),
    ] {
        let record = of(&format!(
            "** {shown} <{address}> R=r T=remote_smtp H=mx [192.0.2.1]: SMTP error from remote mail server after end of data: 550 5.7.1 x"
        ));
        assert_eq!((text(record.final_recipient), record.original_recipient), (address, None), "{shown}");
        assert_eq!((text(record.diagnostic), record.hop), ("550 5.7.1 x", Hop::Remote), "{shown}");
    }
    // A redirection is no unquoted form of the address it came from.
    let record = of("=> b@example.org <\"x y\"@example.com> R=r T=t H=mx [192.0.2.1] C=\"250 ok\"");
    assert_eq!(
        (text(record.final_recipient), text(record.original_recipient)),
        ("b@example.org", "\"x y\"@example.com")
    );
    // Nor does a server choose whom a line is about.
    let head =
        "a@example.com R=r T=remote_smtp H=mx [192.0.2.1]: SMTP error from remote mail server after end of data: 550";
    let record = of(&format!("** {head} x@example.org <\"{head} x\"@example.org>"));
    assert_eq!(text(record.final_recipient), "a@example.com");
}

#[test]
fn stamps_pids_and_ids() {
    let rest = "** a@example.com: Unrouteable address";
    for head in [
        format!("2020-06-19 10:32:57.123 +0200 [456] {NEW}"),
        format!("2020-06-19 10:32:57 -0200 {NEW}"),
        format!("Feb  8 05:36:57 mx1 exim[123]: {NEW}"),
        format!("Feb  8 05:36:57 mx1 exim4[123]: 2020-06-19 10:32:57 {NEW}"),
        format!("2020-06-19 10:32:57 mx1 exim[123]: [123] {NEW}"),
    ] {
        let record = only(&Exim, &format!("{head} {rest}"));
        assert_eq!((text(record.queue_id), text(record.diagnostic)), (NEW, "Unrouteable address"), "{head}");
        assert!(record.stamp.is_some());
    }
    let record = only(&Exim, &format!("2020-06-19 10:32:57.123 +0200 {NEW} {rest}"));
    assert_eq!(record.stamp.unwrap().utc_offset, Some(7200));
}

#[test]
fn pieces_of_a_line() {
    let record = only(
        &Exim,
        &format!(
            "Feb  8 05:36:57 mx1 exim[1]: [1/3] {OLD} ** a@example.com R=r T=t H=mx [192.0.2.1]: SMTP error from remote mail server after end of data: 550 5.7.1"
        ),
    );
    assert!(record.truncated);
    for piece in ["[2/3]   ** a@example.com: x", "[3\\3] ** a@example.com: x"] {
        assert_eq!(skip(&format!("Feb  8 05:36:57 mx1 exim[1]: {piece}")), Parsed::Skipped(Skip::Continuation));
    }
}

#[test]
fn refusals() {
    let of = |rest: &str| only(&Exim, &format!("2020-06-19 10:32:57 {rest}"));
    let record = of(
        "H=rdns.example.org (helo) [192.0.2.7]:4000 I=[192.0.2.1]:25 X=x CV=no F=<b@example.org> rejected RCPT <a@example.com>: relay not permitted",
    );
    assert_eq!((record.outcome, record.hop, record.stage), (Outcome::Rejected, Hop::Inbound, Some(SmtpStage::Rcpt)));
    assert_eq!((text(record.remote_mta), text(record.remote_ip)), ("rdns.example.org", "192.0.2.7"));
    assert_eq!((text(record.sender), text(record.final_recipient)), ("b@example.org", "a@example.com"));
    assert_eq!((text(record.diagnostic), record.is_reply), ("relay not permitted", false));
    let record = of("H=(x) [192.0.2.7] F=<b@example.org> rejected RCPT <a@example.com>: 5.7.1 Access denied");
    assert_eq!((record.stated_status.unwrap().to_string().as_str(), record.is_reply), ("5.7.1", false));
    let record = of("H=(x) [192.0.2.7] F=<b@example.org> rejected RCPT <a@example.com>: 5.7.1.x");
    assert_eq!(record.stated_status, None);
    let record = of("H=([192.0.2.9]) [192.0.2.7] F=b@example.org rejected RCPT a@example.com: 550 5.7.1 no");
    assert_eq!((record.remote_mta, text(record.remote_ip), record.is_reply), (None, "192.0.2.7", true));
    let record = of("H=(x) [192.0.2.7] temporarily rejected connection in \"connect\" ACL: too fast");
    assert_eq!((record.stage, text(record.diagnostic)), (Some(SmtpStage::Connect), "too fast"));
    let record = of(&format!("{OLD} H=x [192.0.2.7] F=<> rejected after DATA: virus"));
    assert_eq!((text(record.queue_id), record.sender, text(record.diagnostic)), (OLD, Some(&b""[..]), "virus"));
    let record = of("rejected EHLO from [192.0.2.7]: syntactically invalid argument(s): x");
    assert_eq!((record.stage, text(record.remote_ip)), (Some(SmtpStage::Helo), "192.0.2.7"));
    let record = of("unqualified recipient rejected: <abc> H=x [192.0.2.7]");
    assert_eq!((text(record.final_recipient), text(record.remote_ip)), ("abc", "192.0.2.7"));
    let record = of("H=x [192.0.2.7] F=<b@example.org> rejected RCPT <a@example.com>: 192.0.2.1 is listed");
    assert!(!record.is_reply);
}

#[test]
fn texts_that_imitate() {
    let record = of(
        "** \"x: 550 5.7.1 y\"@example.com R=r T=t H=mx [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<\"x>: 550 5.7.1 y\"@example.com>: 554 5.1.1 no host gmail [192.0.2.66]: 550 H=evil [192.0.2.66]: x DT=1",
    );
    assert_eq!(text(record.final_recipient), "\"x: 550 5.7.1 y\"@example.com");
    assert_eq!(text(record.remote_ip), "192.0.2.1");
    assert_eq!(text(record.diagnostic), "554 5.1.1 no host gmail [192.0.2.66]: 550 H=evil [192.0.2.66]: x");
}

#[test]
fn lines_without_an_outcome() {
    for (rest, reason) in [
        ("H=mx [192.0.2.1] Connection timed out", Skip::Intermediate),
        (
            "H=mx [192.0.2.1]: SMTP error from remote mail server after RCPT TO:<a@example.com>: 450 x",
            Skip::Intermediate,
        ),
        ("Message is frozen", Skip::NoOutcome),
        ("DKIM: signing failed: x", Skip::NoOutcome),
        ("*> a@example.com R=r T=t", Skip::NoOutcome),
        ("H=x [192.0.2.7] Warning: rejected RCPT <a@example.com>: no", Skip::NoOutcome),
    ] {
        assert_eq!(skip(&line(rest)), Parsed::Skipped(reason), "{rest}");
    }
    for rest in [
        "H=x [192.0.2.7] sender verify fail for <a@example.com>: Unrouteable address",
        "login authenticator failed for (x) [192.0.2.7]: 535 Incorrect authentication data",
        "SMTP protocol synchronization error (x): rejected connection from H=[192.0.2.7]",
        "Start queue run: pid=1",
    ] {
        assert_eq!(skip(&format!("2020-06-19 10:32:57 {rest}")), Parsed::Skipped(Skip::NoOutcome), "{rest}");
    }
    for line in [
        "2020-06-19 10:32:57 INFO server started",
        "P Received: from x",
        "Feb  8 05:36:57 mx1 postfix/qmgr[1]: A1: removed",
    ] {
        assert_eq!(skip(line), Parsed::NotMine, "{line}");
    }
}

#[test]
fn messages_open_and_close() {
    let (_, events) = read(&Exim, &line("<= a@example.com H=(x) [192.0.2.7] P=smtp S=1"));
    assert!(matches!(events[..], [LineEvent::Opens { sender: b"a@example.com", .. }]));
    let named = "<= a@example.com H=(x) [192.0.2.7] P=smtp S=1 id=1@app.example.com T=\"a id=2 b\" for b@example.org";
    let (_, events) = read(&Exim, &line(named));
    assert!(matches!(events[..], [_, LineEvent::Names { message_id: b"1@app.example.com", .. }]), "{events:?}");
    let (_, events) = read(&Exim, &line("<= <> R=1jmKso-0009d4-Ug U=x P=local S=1"));
    assert!(matches!(events[..], [LineEvent::Opens { sender: b"", .. }]));
    let (_, events) = read(&Exim, &line("Completed QT=1s"));
    assert!(matches!(events[..], [LineEvent::Closes { .. }]));
}
