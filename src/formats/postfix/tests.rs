#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use super::Postfix;
use crate::formats::testing::{only, read, text};
use crate::formats::{LineEvent, Parsed, Skip};
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage};
use crate::smtp::parse_reply;

const HEAD: &str = "Feb  8 05:36:57 mx1 postfix/smtp[123]: 3Pt2mN2VXxznjll: ";

fn delivery(rest: &str) -> DeliveryRecord<'static> {
    only(&Postfix, &format!("{HEAD}{rest}"))
}

fn skip(line: &str) -> Parsed {
    let (parsed, events) = read(&Postfix, line);
    assert!(!events.iter().any(|e| matches!(e, LineEvent::Record(_))), "{line}: {events:?}");
    parsed
}

const BOUNCED: &str = "to=<a@example.com>, relay=mx.example.com[192.0.2.1]:25, delay=0.5, delays=0.1/0/0.2/0.2, \
    dsn=5.7.1, status=bounced (host mx2.example.com[192.0.2.2] said: 550 5.7.1 Blocked (in reply to RCPT TO command))";

#[test]
fn a_bounce_names_who_spoke() {
    let record = delivery(BOUNCED);
    assert_eq!((record.outcome, record.hop, record.attempted), (Outcome::Bounced, Hop::Remote, true));
    assert_eq!(text(record.queue_id), "3Pt2mN2VXxznjll");
    assert_eq!(text(record.reporting_mta), "mx1");
    assert_eq!(text(record.final_recipient), "a@example.com");
    assert_eq!((text(record.remote_mta), text(record.remote_ip)), ("mx2.example.com", "192.0.2.2"));
    assert_eq!(text(record.diagnostic), "550 5.7.1 Blocked");
    assert_eq!((record.stage, record.is_reply, record.truncated), (Some(SmtpStage::Rcpt), true, false));
    assert_eq!(record.stated_status.unwrap().to_string(), "5.7.1");
}

#[test]
fn old_releases_and_unknown_items() {
    let record = delivery("to=<a@example.com>, relay=local, delay=0, status=SOFTBOUNCE (mail forwarding loop for a)");
    assert_eq!((record.outcome, record.hop, record.stated_status), (Outcome::Deferred, Hop::Local, None));
    let line = "to=a@example.com,relay=mx.example.com[192.0.2.1],delay=1,new=x,dsn=2.0.0,status=sent (250 Ok)";
    let record = delivery(line);
    assert_eq!((text(record.final_recipient), record.is_reply), ("a@example.com", true));
    let line = "to=<a@example.com>, orig_to=<b@example.org>, relay=mx[2001:db8::1]:25, conn_use=2, delay=1, \
        delays=0/0/0/1, tls=x, dsn=2.0.0, status=sent (250 Ok)";
    let record = delivery(line);
    assert_eq!((text(record.original_recipient), text(record.remote_ip)), ("b@example.org", "2001:db8::1"));
}

#[test]
fn kinds_of_reasons() {
    let of = |relay: &str, reason: &str| {
        delivery(&format!(
            "to=<a@example.com>, relay={relay}, delay=1, delays=1/0/0/0, dsn=4.7.1, status=deferred ({reason})"
        ))
    };
    let record = of("mx[192.0.2.1]:25", "host mx[192.0.2.1] refused to talk to me: 554 5.7.1 Go away");
    assert_eq!((text(record.diagnostic), record.stage), ("554 5.7.1 Go away", Some(SmtpStage::Connect)));
    let record = of("mx[192.0.2.1]:25", "TLS is required, but host mx[192.0.2.1] refused to start TLS: 454 4.7.0 no");
    assert_eq!((text(record.diagnostic), record.stage), ("454 4.7.0 no", Some(SmtpStage::StartTls)));
    let record = of("mx[192.0.2.1]:587", "SASL authentication failed; server mx[192.0.2.1] said: 535 5.7.8 no");
    assert_eq!((text(record.diagnostic), record.stage), ("535 5.7.8 no", Some(SmtpStage::Auth)));
    let record = of("none", "connect to mx[192.0.2.1]:25: Connection refused");
    assert_eq!((text(record.remote_ip), record.hop, record.is_reply), ("192.0.2.1", Hop::Unconnected, false));
    let record = of("mx[192.0.2.1]:25", "lost connection with mx[192.0.2.1] while sending RCPT TO");
    assert_eq!((record.hop, record.is_reply), (Hop::Remote, false));
    let record = of("none", "delivery temporarily suspended: host mx[192.0.2.1] refused to talk to me: 554 5.7.1 x");
    assert_eq!((record.attempted, record.hop, text(record.diagnostic)), (false, Hop::Unconnected, "554 5.7.1 x"));
    let record = of("none", "Host or domain name not found. Name service error for name=example.com type=MX: x");
    assert_eq!((record.hop, record.remote_mta), (Hop::Unconnected, None));
    let record = of("mx[192.0.2.1]:25", "host [192.0.2.9] said: 450 x (in reply to MAIL FROM command)");
    assert_eq!((record.remote_mta, text(record.remote_ip)), (None, "192.0.2.9"));
    let record = of("mx[192.0.2.1]:25", "host said: 421 x");
    assert_eq!((text(record.diagnostic), text(record.remote_ip)), ("421 x", "192.0.2.1"));
    let record = of("none", "host mx.example.com said: 450 x");
    assert_eq!((text(record.diagnostic), text(record.remote_mta)), ("450 x", "mx.example.com"));
    let record = of("none", "delivery temporarily suspended: connect to 127.0.0.1 [127.0.0.1]: read timeout");
    assert_eq!(record.hop, Hop::Internal);
}

#[test]
fn a_filter_of_our_own_is_no_isp() {
    for relay in ["127.0.0.1[127.0.0.1]:10024", "localhost[::1]:24", "mx1[private/dovecot-lmtp]", "mx1[/run/lmtp]"] {
        let line = format!(
            "to=<a@example.com>, relay={relay}, delay=1, dsn=5.7.1, status=bounced (host x[127.0.0.1] said: 554 5.7.1 x)"
        );
        assert_eq!(delivery(&line).hop, Hop::Internal, "{relay}");
        let line = format!("to=<a@example.com>, relay={relay}, delay=1, dsn=2.0.0, status=sent (250 Ok)");
        assert_eq!(delivery(&line).hop, Hop::Internal, "{relay}");
    }
    for relay in ["local", "virtual", "dovecot", "procmail"] {
        let line = format!("to=<a@example.com>, relay={relay}, delay=1, dsn=2.0.0, status=sent (delivered)");
        assert_eq!(delivery(&line).hop, Hop::Local);
    }
}

#[test]
fn an_address_that_imitates_the_frame() {
    let line = "to=<\"x, status=sent (250 ok) dsn=2.0.0\"@example.com>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.1.1, \
        status=bounced (host mx[192.0.2.1] said: 550 5.1.1 no)";
    let record = delivery(line);
    assert_eq!((record.outcome, text(record.remote_ip)), (Outcome::Bounced, "192.0.2.1"));
    let line = "to=<\"x>, relay=good[192.0.2.9]:25, delay=1, dsn=2.0.0, status=sent (ok)\"@example.com>, \
        relay=mx[192.0.2.1]:25, delay=1, dsn=5.1.1, status=bounced (host mx[192.0.2.1] said: 550 5.1.1 no)";
    let record = delivery(line);
    assert_eq!((record.outcome, text(record.remote_ip)), (Outcome::Bounced, "192.0.2.1"));
    assert_eq!(record.stated_status.unwrap().to_string(), "5.1.1");
}

#[test]
fn a_reply_that_imitates_the_frame() {
    let reply = "550 5.7.1 to=<victim@example.net>, relay=gmail-smtp-in.l.google.com[192.0.2.66]:25, dsn=2.0.0, \
        status=sent (250 ok) said: 250 2.0.0 x (in reply to DATA command)";
    let line = format!(
        "to=<a@example.com>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.7.1, status=bounced (host mx[192.0.2.1] said: {reply} (in reply to RCPT TO command))"
    );
    let record = delivery(&line);
    assert_eq!((record.outcome, text(record.remote_ip)), (Outcome::Bounced, "192.0.2.1"));
    assert_eq!((text(record.final_recipient), text(record.diagnostic)), ("a@example.com", reply));
    assert_eq!(record.stage, Some(SmtpStage::Rcpt));
}

#[test]
fn a_subject_that_imitates_a_line_is_no_event() {
    let fake = BOUNCED;
    let line = format!(
        "Feb  8 05:36:57 mx1 postfix/cleanup[1]: ABC12: warning: header Subject: {fake} from x[192.0.2.1]; from=<> to=<a@example.com> proto=ESMTP helo=<x>"
    );
    assert_eq!(skip(&line), Parsed::Skipped(Skip::NoOutcome));
    let line = format!(
        "Feb  8 05:36:57 mx1 postfix/cleanup[1]: ABC12: reject: header Subject: from evil[192.0.2.66]; from=<e@example.net>: 5.7.1 {fake} from x.example.org[192.0.2.1]; from=<s@example.org> to=<a@example.com> proto=ESMTP helo=<x>: 5.7.1 content rejected"
    );
    let record = only(&Postfix, &line);
    assert_eq!((record.outcome, text(record.remote_ip)), (Outcome::Rejected, "192.0.2.1"));
    assert_eq!((text(record.sender), text(record.diagnostic)), ("s@example.org", "5.7.1 content rejected"));
}

#[test]
fn a_reply_of_200_lines() {
    let lines: String = (0..200).map(|n| format!("550-5.7.{n} line ")).collect();
    let line = format!(
        "to=<a@example.com>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.7.1, status=bounced (host mx[192.0.2.1] said: {lines}550 5.7.1 end (in reply to end of DATA command))"
    );
    let record = delivery(&line);
    let reply = parse_reply(record.diagnostic.unwrap(), record.truncated);
    assert_eq!((reply.code.unwrap().get(), reply.conflict), (550, true));
    assert_eq!(record.stage, Some(SmtpStage::EndOfData));
}

#[test]
fn a_cut_line_is_told() {
    let cut = "to=<a@example.com>, relay=mx[192.0.2.1]:25, delay=1, dsn=5.7.1, status=bounced (host mx[192.0.2.1] said: 550 5.7.1";
    let record = delivery(cut);
    assert!(record.truncated);
    assert_eq!(parse_reply(record.diagnostic.unwrap(), record.truncated).status, None);
    // Without its very last byte the line still ends in a parenthesis, but then nothing of the reply is missing.
    for end in 1..BOUNCED.len() - 1 {
        let line = format!("{HEAD}{}", &BOUNCED[..end]);
        let (parsed, events) = read(&Postfix, &line);
        for event in events {
            assert!(matches!(event, LineEvent::Record(r) if r.truncated || r.diagnostic.is_none()), "{line}");
        }
        assert_ne!(parsed, Parsed::NotMine);
    }
}

#[test]
fn folded_repeats_count() {
    let line = "Feb  8 05:36:57 mx1 postfix/smtpd[1]: message repeated 3 times: [ NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <a@example.com>: Relay access denied; from=<b@example.org> to=<a@example.com> proto=ESMTP helo=<x>]";
    let record = only(&Postfix, line);
    assert_eq!((record.repeats, text(record.diagnostic)), (3, "554 5.7.1 <a@example.com>: Relay access denied"));
    let record = delivery(&BOUNCED.replace("Blocked", "message repeated 9 times: [ x]"));
    assert_eq!(record.repeats, 1);
}

#[test]
fn bytes_of_all_kinds_are_text() {
    let line = format!("{HEAD}{}", BOUNCED).replace("Blocked", "\x1b]52;c;x\x07 \u{202e}\u{9b}31m \r DEL\x7f");
    let record = only(&Postfix, &line);
    assert_eq!(record.outcome, Outcome::Bounced);
    for address in ["a@[192.0.2.1]", "a@[IPv6:2001:db8::1]", "@", "", "\"a@b\"@example.com"] {
        let record = delivery(&BOUNCED.replace("a@example.com", address));
        assert_eq!(text(record.final_recipient), address);
    }
}

#[test]
fn other_outcomes() {
    let of = |word: &str| {
        skip(&format!("{HEAD}to=<a@example.com>, relay=mx[192.0.2.1]:25, delay=1, dsn=2.0.0, status={word} (250 Ok)"))
    };
    assert_eq!(of("deliverable"), Parsed::Skipped(Skip::Probe));
    assert_eq!(of("undeliverable"), Parsed::Skipped(Skip::Probe));
    assert_eq!(of("nonsense"), Parsed::Skipped(Skip::Malformed));
    assert_eq!(skip(&format!("{HEAD}to=<a@example.com, rela")), Parsed::Skipped(Skip::Malformed));
    let line = "Feb  8 05:36:57 mx1 postfix/discard[1]: A1: to=<a@example.com>, relay=none, delay=0, dsn=2.0.0, status=sent (x)";
    assert_eq!(skip(line), Parsed::Skipped(Skip::Discarded));
    let line =
        "Feb  8 05:36:57 mx1 postfix/qmgr[1]: A1: from=<s@example.com>, status=force-expired, returned to sender";
    let record = only(&Postfix, line);
    assert_eq!(
        (record.outcome, text(record.sender), record.final_recipient),
        (Outcome::Bounced, "s@example.com", None)
    );
}

#[test]
fn lines_without_an_outcome() {
    for (rest, reason) in [
        ("host mx[192.0.2.1] said: 450 4.7.1 x (in reply to RCPT TO command)", Skip::Intermediate),
        ("host mx[192.0.2.1] refused to talk to me: 421 x", Skip::Intermediate),
        ("lost connection with mx[192.0.2.1] while sending MAIL FROM", Skip::Intermediate),
        ("enabling PIX workarounds: disable_esmtp for mx[192.0.2.1]:25", Skip::NoOutcome),
        ("reject_warning: RCPT from x[192.0.2.1]: 554 5.7.1 x; from=<> to=<a@example.com> proto=SMTP", Skip::NoOutcome),
        (
            "filter: RCPT from x[192.0.2.1]: <x>: Client host triggers FILTER x; from=<> to=<a@example.com>",
            Skip::NoOutcome,
        ),
        ("sender non-delivery notification: 4F2A3", Skip::NoOutcome),
        ("message-id=<to=<a@example.com>, relay=x, status=sent (ok)>", Skip::NoOutcome),
    ] {
        assert_eq!(skip(&format!("{HEAD}{rest}")), Parsed::Skipped(reason), "{rest}");
    }
}

#[test]
fn queues_open_and_close() {
    let (_, events) =
        read(&Postfix, "Feb  8 05:36:57 mx1 postfix/qmgr[1]: A1: from=<>, size=1, nrcpt=2 (queue active)");
    assert!(matches!(events[..], [LineEvent::Opens { queue_id: b"A1", sender: b"" }]), "{events:?}");
    let (parsed, events) = read(&Postfix, "Feb  8 05:36:57 mx1 postfix/cleanup[1]: A1: message-id=<1@app.example.com>");
    assert_eq!(parsed, Parsed::Skipped(Skip::NoOutcome));
    assert!(
        matches!(events[..], [LineEvent::Names { queue_id: b"A1", message_id: b"1@app.example.com" }]),
        "{events:?}"
    );
    let line = "Feb  8 05:36:57 mx1 postfix/qmgr[1]: A1: from=<\"a>, size=1, nrcpt=2 \"@example.com>, size=1, nrcpt=2 (queue active)";
    let (_, events) = read(&Postfix, line);
    assert!(
        matches!(events[..], [LineEvent::Opens { sender: b"\"a>, size=1, nrcpt=2 \"@example.com", .. }]),
        "{events:?}"
    );
    let (parsed, events) = read(&Postfix, "Feb  8 05:36:57 mx1 postfix/qmgr[1]: A1: removed");
    assert!(matches!(events[..], [LineEvent::Closes { queue_id: b"A1" }]));
    assert_eq!(parsed, Parsed::Skipped(Skip::NoOutcome));
}

#[test]
fn refusals_of_clients() {
    let of = |agent: &str, rest: &str| only(&Postfix, &format!("Feb  8 05:36:57 mx1 postfix/{agent}[1]: {rest}"));
    let record = of(
        "postscreen",
        "NOQUEUE: reject: RCPT from [192.0.2.7]:6591: 550 5.7.1 Service unavailable; client [192.0.2.7] blocked using x; from=<b@example.org>, to=<a@example.com>, proto=ESMTP, helo=<h>",
    );
    assert_eq!((record.hop, record.queue_id), (Hop::Inbound, None));
    assert_eq!((text(record.remote_ip), text(record.final_recipient)), ("192.0.2.7", "a@example.com"));
    assert_eq!(text(record.diagnostic), "550 5.7.1 Service unavailable; client [192.0.2.7] blocked using x");
    let record = of("postscreen", "NOQUEUE: reject: CONNECT from [192.0.2.7]:6591: too many connections");
    assert_eq!((record.is_reply, record.stage), (false, Some(SmtpStage::Connect)));
    let record = of(
        "cleanup",
        "A1: milter-reject: END-OF-MESSAGE from x.example.org[192.0.2.7]: 5.7.1 Spam; from=<b@example.org> to=<a@example.com> proto=ESMTP helo=<h>",
    );
    let reply = parse_reply(record.diagnostic.unwrap(), false);
    assert_eq!((reply.code, reply.status.unwrap().to_string()), (None, "5.7.1".to_owned()));
    assert_eq!((text(record.queue_id), text(record.remote_mta)), ("A1", "x.example.org"));
    let record = of(
        "smtpd",
        "proxy-reject: END-OF-MESSAGE: 554 5.7.1 Spam; from=<b@example.org> to=<a@example.com> proto=ESMTP helo=<h>",
    );
    assert_eq!((record.stage, text(record.diagnostic)), (Some(SmtpStage::EndOfData), "554 5.7.1 Spam"));
    let record = of(
        "smtpd",
        "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <a; to=<x@example.net>: no; from=<b@example.org> to=<\"a> proto=\"@example.com> proto=SMTP helo=<h>",
    );
    assert_eq!(text(record.remote_ip), "192.0.2.7");
    let record = of("smtpd", "reject: RCPT from unknown[192.0.2.7]: 554 no; from=<b@example.org> to=<a@example.com>");
    assert_eq!((record.queue_id, text(record.final_recipient)), (None, "a@example.com"));
}

#[test]
fn lines_of_others() {
    for line in [
        "Feb  8 05:36:57 mx1 dovecot: imap-login: Login",
        "Feb  8 05:36:57 mx1 sm-mta[1]: A1: to=<a@example.com>, delay=00:00:03, mailer=esmtp, relay=x. [192.0.2.1], dsn=2.0.0, stat=Sent",
        "Feb  8 05:36:57 mx1 sm-mta[1]: A1: to=a, delay=1, relay=x. [192.0.2.1], stat=Deferred: x, status=sent (250 ok)",
        "2020-06-19 04:54:02 1jmFYj-00039V-QX Completed",
        "",
    ] {
        assert_eq!(skip(line), Parsed::NotMine, "{line}");
    }
    let nested = format!("Dec 15 13:15:06 node mailu-smtp[1]: {HEAD}{BOUNCED}");
    assert_eq!(only(&Postfix, &nested).outcome, Outcome::Bounced);
    let tagged = format!("Dec 15 13:15:06 node mailu-smtp[1]: A1: {BOUNCED}");
    assert_eq!(only(&Postfix, &tagged).outcome, Outcome::Bounced);
    let rfc5424 = format!("<22>1 2025-07-24T08:50:26Z mx1 postfix/smtp 123 - - A1: {BOUNCED}");
    assert_eq!(text(only(&Postfix, &rfc5424).queue_id), "A1");
}
