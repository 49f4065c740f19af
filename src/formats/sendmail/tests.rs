#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::Sendmail;
use crate::formats::testing::{only, read, text};
use crate::formats::{LineEvent, Parsed, Skip};
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage};

const HEAD: &str = "Feb  8 05:36:57 mx1 sm-mta[123]: s1P819mk027713: ";

fn of(rest: &str) -> DeliveryRecord<'static> {
    only(&Sendmail, &format!("{HEAD}{rest}"))
}

fn skip(line: &str) -> Parsed {
    let (parsed, events) = read(&Sendmail, line);
    assert!(!events.iter().any(|e| matches!(e, LineEvent::Record(_))), "{line}: {events:?}");
    parsed
}

fn recipients(list: &str) -> Vec<&'static str> {
    let (_, events) = read(
        &Sendmail,
        &format!("{HEAD}to={list}, delay=00:00:01, mailer=esmtp, relay=mx. [192.0.2.1], dsn=2.0.0, stat=Sent"),
    );
    let recipient = |event: &LineEvent<'static>| match event {
        LineEvent::Record(record) => text(record.final_recipient),
        _ => panic!("{event:?}"),
    };
    events.iter().map(recipient).collect()
}

#[test]
fn a_bounce_of_an_old_release_has_only_its_status() {
    let record = of(
        "to=<a@example.com>, ctladdr=<b@example.org> (33/33), delay=00:00:03, xdelay=00:00:03, mailer=esmtp, pri=120344, relay=mx.example.com. [IPv6:2001:db8::1], dsn=5.7.1, stat=Service unavailable",
    );
    assert_eq!((record.outcome, record.hop, record.is_reply), (Outcome::Bounced, Hop::Remote, false));
    assert_eq!((text(record.remote_mta), text(record.remote_ip)), ("mx.example.com", "2001:db8::1"));
    assert_eq!(
        (text(record.diagnostic), record.stated_status.unwrap().to_string().as_str()),
        ("Service unavailable", "5.7.1")
    );
    let record = of(
        "to=<a@example.com>, delay=0, mailer=esmtp, relay=mx. [192.0.2.1], dsn=5.1.1, stat=User unknown(Reason from remote:550 5.1.1 no)",
    );
    assert_eq!((text(record.diagnostic), record.is_reply), ("550 5.1.1 no", true));
}

#[test]
fn kinds_of_stat() {
    let of = |relay: &str, rest: &str| of(&format!("to=a@example.com, delay=1+00:00:03, mailer=esmtp, {relay}{rest}"));
    let record = of("relay=mx. [192.0.2.1], ", "dsn=4.7.1, stat=Deferred: 451 4.7.1 later, dsn=2.0.0, stat=Sent");
    assert_eq!((record.outcome, text(record.diagnostic)), (Outcome::Deferred, "451 4.7.1 later, dsn=2.0.0, stat=Sent"));
    assert!(record.is_reply);
    let record = of("relay=mx. [192.0.2.1], ", "dsn=4.0.0, stat=Deferred: Connection refused by mx.");
    assert_eq!((record.hop, record.is_reply), (Hop::Unconnected, false));
    let record = of("relay=mx. [192.0.2.1], ", "stat=Sent (Ok: queued)");
    assert_eq!((record.outcome, text(record.diagnostic)), (Outcome::Delivered, "Ok: queued"));
    let record = of("relay=[127.0.0.1] [127.0.0.1], ", "dsn=2.0.0, stat=Sent (x)");
    assert_eq!((record.hop, record.remote_mta), (Hop::Internal, None));
    let record =
        of("relay=mx.example.com, ", "dsn=5.1.2, stat=Host unknown (Name server: mx.example.com: host not found)");
    assert_eq!((record.hop, text(record.remote_mta)), (Hop::Unconnected, "mx.example.com"));
    assert_eq!(of("", "dsn=4.5.0, stat=Operating system error").outcome, Outcome::Deferred);
    assert_eq!(of("", "stat=I/O error").outcome, Outcome::Deferred);
    assert_eq!(of("", "stat=User unknown").outcome, Outcome::Bounced);
    let line = format!("{HEAD}to=a, delay=0, mailer=esmtp, pri=1, stat=queued");
    assert_eq!(skip(&line), Parsed::Skipped(Skip::NoOutcome));
}

#[test]
fn replies_are_logged_beside_the_verdict() {
    let of = |rest: &str| {
        let record =
            of(&format!("to=a@example.com, delay=0, mailer=esmtp, pri=1, relay=mx.example.org. [192.0.2.1], {rest}"));
        (record.outcome, text(record.diagnostic), record.is_reply)
    };
    for (rest, outcome, diagnostic) in [
        ("dsn=5.7.1, reply=550 5.7.1 No, thanks, stat=Service unavailable", Outcome::Bounced, "550 5.7.1 No, thanks"),
        ("dsn=5.1.1, reply=550-5.1.1 Who is, stat=User unknown", Outcome::Bounced, "550-5.1.1 Who is"),
        ("dsn=4.2.2, reply=452 4.2.2 full, stat=Deferred: 452-4.2.2 full", Outcome::Deferred, "452 4.2.2 full"),
        // The frame wins over what a server writes.
        (
            "dsn=5.7.1, reply=550 x, stat=Sent, dsn=2.0.0, stat=User unknown",
            Outcome::Bounced,
            "550 x, stat=Sent, dsn=2.0.0",
        ),
        ("dsn=4.7.1, reply=450 x, stat=Sent, stat=Deferred: 450 x, stat=Sent", Outcome::Deferred, "450 x, stat=Sent"),
        (
            "dsn=5.7.1, reply=550 a, stat=Deferred: 550 b, stat=User unknown",
            Outcome::Bounced,
            "550 a, stat=Deferred: 550 b",
        ),
    ] {
        assert_eq!(of(rest), (outcome, diagnostic, true), "{rest}");
    }
    for (rest, outcome, diagnostic) in [
        (
            "dsn=4.0.0, reply=421 4.4.1 Connection reset by mx.example.org., stat=Deferred: Connection reset by mx.example.org.",
            Outcome::Deferred,
            "Connection reset by mx.example.org.",
        ),
        (
            "dsn=4.0.0, reply=250 2.1.0 Ok, stat=Deferred: Connection timed out with mx.example.org.",
            Outcome::Deferred,
            "Connection timed out with mx.example.org.",
        ),
        (
            "dsn=4.4.1, reply=421 4.4.1 Connection reset by mx., stat=Deferred: 421 4.4.1 Connection reset by mx.",
            Outcome::Deferred,
            "421 4.4.1 Connection reset by mx.",
        ),
        ("dsn=5.6.0, reply=250 2.1.0 Ok, stat=Data format error", Outcome::Bounced, "Data format error"),
    ] {
        assert_eq!(of(rest), (outcome, diagnostic, false), "{rest}");
    }
}

#[test]
fn names_and_texts_may_lack_their_middle() {
    let reply = format!("550 5.7.1 {}...{}", "a ".repeat(50), "b ".repeat(45));
    let record = of(&format!(
        "to=a@tenant.example.org, delay=0, mailer=esmtp, relay=tenant-example-org...ction.outlook.com. [192.0.2.1], dsn=5.7.1, reply={reply}, stat=User unknown"
    ));
    assert_eq!((text(record.remote_mta), record.truncated), ("tenant-example-org...ction.outlook.com", true));
    let record =
        of("to=a@example.com, mailer=esmtp, relay=mx. [192.0.2.1], reply=550 5.1.1 <a>... no, stat=User unknown");
    assert!(!record.truncated);
}

#[test]
fn a_domain_that_was_looked_up_is_no_host() {
    let of = |to: &str| {
        of(&format!(
            "to={to}, delay=0, mailer=esmtp, relay=example.com, stat=Host unknown (Name server: example.com: host not found)"
        ))
    };
    assert_eq!((of("a@EXAMPLE.com").remote_mta, of("a@EXAMPLE.com").hop), (None, Hop::Unconnected));
    assert_eq!(text(of("a@example.net").remote_mta), "example.com");
}

#[test]
fn lists_of_recipients() {
    assert_eq!(recipients("<a@example.com>,<b@example.com>"), ["a@example.com", "b@example.com"]);
    assert_eq!(recipients("a@example.com,b,\\c [more]"), ["a@example.com", "b", "\\c"]);
    assert_eq!(
        recipients("<\"a, delay=0\"@example.com>,\"|prog x, y\""),
        ["\"a, delay=0\"@example.com", "\"|prog x, y\""]
    );
    assert_eq!(recipients("<a,b>"), ["a,b"]);
    assert_eq!(recipients("[x]<a@example.com>"), ["a@example.com"]);
}

#[test]
fn a_list_may_be_empty() {
    for rest in ["to=, delay=0, mailer=esmtp, stat=Sent", "to=", "to=<a@example.com", "to=<a@example.com>, delay=0"] {
        assert_eq!(skip(&format!("{HEAD}{rest}")), Parsed::Skipped(Skip::Malformed), "{rest}");
    }
}

#[test]
fn ids_may_be_empty() {
    let record = only(
        &Sendmail,
        "Feb  8 05:36:57 mx1 sendmail[123]: : to=<a@example.com>, delay=0, mailer=esmtp, stat=User unknown",
    );
    assert_eq!(record.queue_id, None);
    let record = only(
        &Sendmail,
        "Feb  8 05:36:57 mx1 mta[123]: SAA15929: to=<a@example.com>, delay=0, mailer=esmtp, stat=User unknown",
    );
    assert_eq!(text(record.queue_id), "SAA15929");
}

#[test]
fn refusals() {
    let record = of(
        "ruleset=check_rcpt, arg1=<\"a, reject=250 x\"@example.com>, relay=x.example.org [192.0.2.7] (may be forged), reject=550 5.7.1 <a@example.com>... Relaying denied, sorry",
    );
    assert_eq!((record.outcome, record.hop, record.stage), (Outcome::Rejected, Hop::Inbound, Some(SmtpStage::Rcpt)));
    assert_eq!(text(record.final_recipient), "\"a, reject=250 x\"@example.com");
    assert_eq!(text(record.diagnostic), "550 5.7.1 <a@example.com>... Relaying denied, sorry");
    assert_eq!((text(record.remote_mta), text(record.remote_ip)), ("x.example.org", "192.0.2.7"));
    let line = "Feb  8 05:36:57 mx1 sm-mta[123]: ruleset=check_relay, arg1=x, arg2=192.0.2.7, relay=[192.0.2.7], reject=421 4.3.2 x";
    let record = only(&Sendmail, line);
    assert_eq!((record.stage, record.queue_id, text(record.remote_ip)), (Some(SmtpStage::Connect), None, "192.0.2.7"));
    let record = of("Milter: to=<a@example.com>, reject=451 4.3.2 Please try again later");
    assert_eq!(
        (text(record.final_recipient), text(record.diagnostic)),
        ("a@example.com", "451 4.3.2 Please try again later")
    );
    let record = of("Milter: data, reject=554 5.7.1 Spam");
    assert_eq!((record.stage, text(record.diagnostic)), (Some(SmtpStage::EndOfData), "554 5.7.1 Spam"));
    let line = format!("{HEAD}ruleset=tls_rcpt, arg1=a@example.com, relay=mx., reject=451 4.3.0 x");
    assert_eq!(skip(&line), Parsed::Skipped(Skip::Intermediate));
}

#[test]
fn lines_without_an_outcome() {
    for rest in [
        "s1P819mk027714: DSN: User unknown",
        "s1P819mk027714: return to sender: User unknown",
        "<a@example.com>... User unknown",
        "STARTTLS=client, relay=x., version=TLSv1",
        "Milter: connect: host=x, addr=192.0.2.7, accept",
        "Milter (x): to error state",
    ] {
        assert_eq!(skip(&format!("{HEAD}{rest}")), Parsed::Skipped(Skip::NoOutcome), "{rest}");
    }
    for line in [
        "Feb  8 05:36:57 mx1 postfix/qmgr[1]: A1: removed",
        "Feb  8 05:36:57 mx1 postfix/smtp[1]: A1: to=<a@example.com>, relay=x[192.0.2.1]:25, delay=1, dsn=2.0.0, status=sent (stat=Sent)",
        "no frame: to=<a@example.com>, delay=0, stat=Sent",
    ] {
        assert_eq!(skip(line), Parsed::NotMine, "{line}");
    }
}

#[test]
fn queues_open_and_close() {
    let (_, events) = read(&Sendmail, &format!("{HEAD}from=<a@example.com>, size=1, class=0, nrcpts=1, msgid=<x>"));
    let [LineEvent::Opens { sender: b"a@example.com", .. }, LineEvent::Names { message_id: b"x", .. }] = events[..]
    else {
        panic!("{events:?}");
    };
    let (_, events) = read(&Sendmail, &format!("{HEAD}from=<>, size=1, class=0, nrcpts=1"));
    assert!(matches!(events[..], [LineEvent::Opens { sender: b"", .. }]), "{events:?}");
    let (_, events) = read(&Sendmail, &format!("{HEAD}done; delay=00:00:00, ntries=1"));
    assert!(matches!(events[..], [LineEvent::Closes { .. }]));
}
