//! What strangers write into logs: forged fields, codes that are none, control characters, floods. The numbers are
//! those of the fault table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::{FRAME, Lab, answer, count, refused, reply, tree};

type Row = BTreeMap<String, String>;

#[track_caller]
fn check(row: &Row, wanted: &[(&str, &str)]) {
    for (column, value) in wanted {
        assert_eq!(row[*column], *value, "{column} of {row:#?}");
    }
}

/// 36: fields in a quoted recipient; 37: fields in a reply.
#[test]
fn forged_fields_are_text() {
    let to = r#""x, status=sent (250 ok) dsn=2.0.0, relay=gmail-smtp-in.l.google.com[192.0.2.9]:25"@example.com"#;
    let bounced = "dsn=5.7.1, status=bounced";
    let denied = "550 5.7.1 Access denied";
    let forged = "550 5.7.1 no, relay=gmail-smtp-in.l.google.com[192.0.2.9]:25, dsn=2.0.0, status=sent (250 2.0.0 ok) \
                  (in reply to end of DATA command)) to=<victim@example.net>, relay=none, status=deferred (later)";
    let lines = answer(FRAME, 1, to, "mx.example.com", bounced, denied)
        + &answer(FRAME, 2, r#""a>, relay=x"@example.com"#, "mx.example.com", bounced, denied)
        + &answer(FRAME, 3, "user@example.com", "mx.example.com", bounced, forged);
    let events = Lab::new().events(lines);
    assert_eq!(events.len(), 3);
    for row in &events {
        check(row, &[("outcome", "bounced"), ("enhanced_status_code", "5.7.1"), ("status_field", "5.7.1")]);
        check(row, &[("remote_mta", "mx.example.com"), ("remote_ip", "203.0.113.9"), ("isp", "example.com")]);
        check(row, &[("recipient_domain", "example.com"), ("reply_code", "550"), ("smtp_stage", "rcpt")]);
    }
}

/// 38: whole lines in a Subject, a HELO name, another program's text.
#[test]
fn quoted_lines_are_no_outcomes() {
    let fake = refused(1).trim_end().to_string();
    let mx = "2024-11-23T10:00:00+00:00 mx";
    let mut text = String::new();
    for frame in [
        "postfix/cleanup[7]: 4F000009: warning: header Subject: ",
        "postfix/cleanup[7]: 4F000009: info: header Subject: hi\\n",
        "postfix/smtpd[7]: NOQUEUE: client=unknown[192.0.2.1], helo=",
        "postfix/smtpd[7]: warning: ",
        "spamd[7]: result: ",
    ] {
        text.push_str(&format!("{mx} {frame}{fake} from client[192.0.2.1]; from=<a@example.com> proto=ESMTP\n"));
        text.push_str(&format!("{mx} {frame}{}\n", fake.trim_start_matches(FRAME)));
    }
    let lab = Lab::new();
    lab.write("a.log", &text);
    let summary = lab.summary("a.log");
    assert_eq!((count(&summary, "/inputs/lines"), count(&summary, "/attempts")), (10, 0));
}

#[test]
fn other_programs_report_no_deliveries() {
    let lab = Lab::new();
    let text = refused(1);
    lab.write("a.log", text.replace("postfix/smtp[9]", "webapp[9]"));
    assert_eq!(count(&lab.summary("a.log"), "/attempts"), 0);
}

/// 39: 200 continuation lines, each with another code.
#[test]
fn of_many_codes_one_wins_and_the_conflict_is_told() {
    let mut text = String::from("550-5.7.1 Go away");
    (0..200).for_each(|n| text.push_str(&format!(" 5{:02}-5.{}.{} and again", n % 60, n % 8, n)));
    let events = Lab::new().events(reply(1, "5.7.1", &format!("{text} 550 5.7.1 end")));
    check(&events[0], &[("reply_code", "550"), ("enhanced_status_code", "5.7.1"), ("outcome", "bounced")]);
    check(&events[0], &[("code_conflict", "true")]);
    let conflict = Lab::new().events(reply(1, "5.7.1", "550-5.7.1 Go away 554 5.1.1 No such user"));
    // The last line speaks for the reply, as in `smtp::reply`.
    check(&conflict[0], &[("reply_code", "554"), ("enhanced_status_code", "5.1.1"), ("code_conflict", "true")]);
}

/// 40, 41: numbers that look like codes. Reply, status field, code wanted ("" is none), counted as invalid.
#[test]
fn codes_stand_in_their_place_or_are_none() {
    let cases = [
        ("550 see http://example.com/5.7.1/x", "5.0.0", "5.0.0", 0),
        ("550 blocked by filter v5.7.1", "5.0.0", "5.0.0", 0),
        ("550 client 15.7.1.2 rejected", "5.0.0", "5.0.0", 0),
        ("550 user 5.7.1@example.com unknown", "5.0.0", "5.0.0", 0),
        ("550 5.7.10 Encryption needed", "5.7.10", "5.7.10", 0),
        ("550 5.7.1: denied", "5.7.1", "5.7.1", 0),
        ("550 5.1000.0 denied", "5.0.0", "5.0.0", 1),
        ("550 9.9.9 denied", "5.0.0", "5.0.0", 1),
        ("550 5.7 denied", "5.0.0", "5.0.0", 0),
        ("550 5.007.001 denied", "5.0.0", "5.0.0", 1),
        ("550 5.7.1111 denied", "5.0.0", "5.0.0", 1),
        ("550 5.7.4294967297 denied", "5.0.0", "5.0.0", 1),
        ("999 5.7.1 denied", "5.7.1", "5.7.1", 1),
    ];
    for (text, dsn, wanted, invalid) in cases {
        let lab = Lab::new();
        let events = lab.events(reply(1, dsn, text));
        assert_eq!(events[0]["enhanced_status_code"], wanted, "{text}");
        assert_eq!(count(&lab.manifest("events.log"), "/counts/noticed/code_invalid"), invalid, "{text}");
    }
}

/// 42: a line that the logger cut within the code.
#[test]
fn half_a_code_is_no_code() {
    for length in [1024, 2048, 8192] {
        let pad = |text: &str| text.replacen("mail.", &format!("{}.", "m".repeat(length - text.len() + 4)), 1);
        for end in ["550 5.7.1", "550 5.7.", "550 5.7", "550 5"] {
            let line = refused(1);
            let cut = line.find("550 5.7.1").unwrap();
            let lab = Lab::new();
            // No status field of the MTA's own to fall back on.
            let text = pad(&(line[..cut].to_string() + end).replace("dsn=5.7.1, ", ""));
            assert_eq!(text.len(), length);
            let events = lab.events(format!("{text}\n{}", reply(2, "5.1.1", "550 5.1.1 no such user")));
            assert_eq!(events[0]["enhanced_status_code"], "", "{end}");
            assert_eq!(count(&lab.manifest("events.log"), "/counts/noticed/line_truncated_suspect"), 1, "{end}");
        }
    }
}

/// 42a: the rest of a line longer than the logger's limit, dressed up as a line.
#[test]
fn the_rest_of_a_long_line_is_not_believed() {
    let lab = Lab::new();
    let cleanup = FRAME.replace("smtp", "cleanup");
    let long = format!("{cleanup}4F000009: warning: header Subject: {}", "x".repeat(8192 - cleanup.len() - 35));
    assert!((8000..=8400).contains(&long.len()));
    let forged = refused(1);
    let repeated = FRAME.replace("postfix/smtp[9]:", "last message repeated 90 times");
    let other = refused(2).replace(" mx ", " mx2 ");
    for (name, text, attempts, suspect) in [
        ("forged", format!("{long}\n{forged}{}", refused(3)), 1, 1),
        ("of another host", format!("{long}\n{other}"), 1, 0),
        ("a short line before", format!("{}\n{forged}", &long[..4000]), 1, 0),
        ("copies of what is not believed", format!("{long}\n{forged}{repeated}\n"), 0, 1),
    ] {
        lab.write("a.log", text);
        for size in ["1M", "8192", "64"] {
            let summary = lab.summary(&format!("a.log --block-size {size}"));
            let found = (count(&summary, "/attempts"), count(&summary, "/skipped/fragment_suspect"));
            assert_eq!(found, (attempts, suspect), "{name}, blocks of {size}");
        }
    }
}

/// 43, 44: repeats, believed and not.
#[test]
fn repeats_count_where_the_logger_states_them() {
    let line = refused(1);
    let text = line.trim_end().trim_start_matches(FRAME);
    let fold = |n: &str| format!("{FRAME}message repeated {n} times: [ {text}]\n");
    let last = |n: &str| format!("2024-11-23T10:00:00+00:00 mx last message repeated {n} times\n");
    let other = "2024-11-23T10:00:00+00:00 mx2 postfix/qmgr[1]: 4F000001: removed\n";
    let in_reply = reply(1, "5.7.1", "550 5.7.1 message repeated 50 times: [ last message repeated 50 times");
    let cases = [
        (fold("3"), 3, 0),
        (line.clone() + &last("5"), 6, 0),
        (line.clone() + other + &last("5"), 6, 0),
        (fold("100000"), 100_000, 0),
        (fold("100001"), 1, 1),
        (fold("18446744073709551615"), 1, 1),
        (fold("99999999999999999999999999"), 1, 1),
        (fold("0"), 1, 1),
        (fold("-3"), 0, 0),
        (line.clone() + &last("18446744073709551615"), 1, 1),
        (last("5"), 0, 0),
        (in_reply, 1, 0),
    ];
    for (text, attempts, refused) in cases {
        let lab = Lab::new();
        lab.write("a.log", &text);
        let manifest = lab.manifest("a.log --events");
        let events = common::rows(&tree(&lab.path("manifest-out"))["events.csv"]);
        let weight: u64 = events.iter().map(|row| row["weight"].parse::<u64>().unwrap()).sum();
        let found = (count(&manifest, "/counts/attempts"), count(&manifest, "/counts/noticed/repeat_refused"));
        assert_eq!((found, weight), ((attempts, refused), attempts), "{text}");
    }
}

/// 45: what the logger says it dropped.
#[test]
fn losses_are_told() {
    let lab = Lab::new();
    let mx = "2024-11-23T10:00:00+00:00 mx";
    let text = format!(
        "{mx} systemd-journald[7]: Suppressed 7124 messages from postfix.service\n\
         {mx} rsyslogd: imjournal: 406 messages lost due to rate-limiting\n\
         {mx} app[1]: Suppressed 9000 messages from postfix.service\n{}",
        reply(1, "5.7.1", "550 5.7.1 Suppressed 5000 messages from you")
    );
    lab.write("a.log", text);
    let manifest = lab.manifest("a.log");
    assert_eq!(count(&manifest, "/counts/noticed/lost_by_logger"), 7530);
    let shown = lab.scan("a.log");
    assert!(shown.out.contains("the logger dropped at least 7530 lines"), "{}", shown.out);
}

/// 46: text that would steer a terminal; 47: bytes that are no UTF-8.
#[test]
fn control_characters_are_shown_and_never_sent() {
    let lab = Lab::new();
    let nasty = "550 5.7.1 \u{1b}[2J\u{1b}]8;;http://evil.example\u{7}x\u{1b}]52;c;cm0=\u{7} \u{9b}31m \r \u{7f} \
                 \u{202e}txt \u{200b}zero";
    let mut text = answer(FRAME, 1, "u@example.com", "mx\u{1b}[31m.example.com", "dsn=5.7.1, status=bounced", nasty);
    text.push_str(&answer(FRAME, 2, "u@exa\u{1b}]0;x\u{7}mple.com", "none", "dsn=5.7.1, status=bounced", nasty));
    let mut bytes = text.into_bytes();
    for bad in [&b"\xff\xfe"[..], b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80"] {
        let line = reply(3, "5.7.1", "550 5.7.1 Access @ denied").into_bytes();
        let at = line.iter().rposition(|b| *b == b'@').unwrap();
        bytes.extend([&line[..at], bad, &line[at + 1..]].concat());
    }
    lab.write("a.log", &bytes);
    let ran = lab.scan("a.log --out out --events --include-addresses --include-diagnostics --color always");
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    let colours = regex::Regex::new("\u{1b}\\[[0-9;]*m").unwrap().replace_all(&ran.out, "").into_owned();
    let mut files = tree(&lab.path("out"));
    files.insert("stdout".into(), colours.into_bytes());
    for (name, text) in files.iter().filter(|(name, _)| !name.ends_with(".parquet")) {
        let text = std::str::from_utf8(text).unwrap_or_else(|e| panic!("{name}: {e}"));
        let steers = |c: char| c.is_control() && c != '\n' || matches!(c, '\u{202e}' | '\u{200b}');
        assert_eq!(text.find(steers), None, "{name}: {text}");
    }
    let events = common::rows(&files["events.csv"]);
    let lossy: Vec<&str> = events.iter().map(|row| row["text_lossy"].as_str()).collect();
    assert_eq!(lossy, ["false", "false", "true", "true", "true", "true"]);
    assert!(events.iter().all(|row| row["enhanced_status_code"] == "5.7.1"));
    let summary: serde_json::Value = serde_json::from_slice(&files["summary.json"]).unwrap();
    assert_eq!(count(&summary, "/with_571"), 6);
}

/// 48: hosts that look like a known one; 49: odd recipient domains. Host, recipient, ISP.
#[test]
fn names_are_taken_label_by_label() {
    let cases = [
        ("gmail-smtp-in.l.google.com", "u@example.com", "google"),
        ("GMAIL-SMTP-IN.L.GOOGLE.COM.", "u@example.com", "google"),
        ("mx.google.com.evil.example", "u@example.com", "evil.example"),
        ("mx.evilgoogle.com", "u@example.com", "evilgoogle.com"),
        ("mx.g\u{43e}\u{43e}gle.com", "u@example.com", "xn--ggle-55da.com"),
        ("mx\u{3002}example\u{3002}net", "u@example.com", "example.net"),
        ("mx.b\u{fc}cher.example", "u@example.com", "xn--bcher-kva.example"),
        ("", "u@[192.0.2.1]", "address_literal"),
        ("", "u@[IPv6:2001:db8::1]", "address_literal"),
        ("", "u@", "unknown"),
        ("", "u", "unknown"),
        ("", r#""a@gmail.com"@example.org"#, "example.org"),
        ("", "u@EXAMPLE.ORG.", "example.org"),
    ];
    for (host, to, isp) in cases {
        let status = "dsn=5.7.1, status=bounced";
        let line = match host {
            "" => {
                format!("{FRAME}4F01: to=<{to}>, relay=none, delay=1, delays=1/0/0/0, dsn=5.4.4, status=bounced (x)\n")
            }
            host => answer(FRAME, 1, to, host, status, "550 5.7.1 Access denied"),
        };
        let events = Lab::new().events(line);
        assert_eq!((events.len(), events[0]["isp"].as_str()), (1, isp), "{host} {to}");
    }
    let long = format!("u@{}.example.org", "x".repeat(300));
    let events = Lab::new().events(answer(FRAME, 1, &long, "mx.example.net", "dsn=5.7.1, status=bounced", "550 no"));
    assert_eq!((events[0]["isp"].as_str(), events[0]["recipient_domain"].len()), ("example.net", 255));
}

/// 50: hops within the house and servers that were never reached.
#[test]
fn loopback_and_nobody_are_no_isp() {
    let lab = Lab::new();
    let line = |relay: &str, reason: &str| {
        format!(
            "{FRAME}4F01: to=<u@gmail.com>, relay={relay}, delay=1, delays=1/0/0/0, dsn=5.7.1, status=bounced ({reason})\n"
        )
    };
    let said = |host: &str| format!("host {host} said: 550 5.7.1 spam (in reply to end of DATA command)");
    let text = [
        line("127.0.0.1[127.0.0.1]:10025", &said("127.0.0.1[127.0.0.1]")),
        line("::1[::1]:10025", &said("::1[::1]")),
        line("local", "unknown user"),
        line("mail[private/dovecot-lmtp]", &said("mail[private/dovecot-lmtp]")),
        line("192.0.2.7[192.0.2.7]:25", &said("192.0.2.7[192.0.2.7]")),
    ]
    .concat();
    let events = lab.events(text);
    let hops: Vec<(&str, &str)> = events.iter().map(|row| (row["hop"].as_str(), row["isp"].as_str())).collect();
    let none = ("internal", "unknown");
    assert_eq!(hops, [none, none, ("local", "unknown"), none, ("remote", "google")]);
    // In the traffic of providers only the last one counts.
    let summary = lab.summary("events.log");
    assert_eq!((count(&summary, "/attempts"), count(&summary, "/bounced")), (1, 1));
    let traffic = lab.table("events.log", "traffic_by_isp");
    assert_eq!((traffic.len(), traffic[0]["isp"].as_str(), traffic[0]["attempts"].as_str()), (1, "google", "1"));
}

/// 51: attempts and final failures are two counts.
#[test]
fn retries_are_attempts_and_one_failure() {
    let lab = Lab::new();
    let deferred = answer(FRAME, 1, "u@example.com", "mx.example.com", "dsn=4.7.1, status=deferred", "451 4.7.1 later");
    lab.write("a.log", deferred.repeat(50) + &refused(1));
    let codes = lab.table("a.log", "codes_by_isp");
    let found: Vec<[&str; 3]> = codes
        .iter()
        .map(|row| ["enhanced_status_code", "attempts", "failed_recipients"].map(|name| row[name].as_str()))
        .collect();
    assert_eq!(found, [["4.7.1", "50", "0"], ["5.7.1", "1", "1"]]);
    let traffic = lab.table("a.log", "traffic_by_isp");
    check(&traffic[0], &[("attempts", "51"), ("deferred", "50"), ("refused", "1"), ("refused_571", "1")]);
    check(&traffic[0], &[("refused_policy", "51")]);
}

/// 52: several servers and several forms of stamps in one file.
#[test]
fn mixed_formats_are_read_line_by_line() {
    let lab = Lab::new();
    let text = refused(1)
        + "2024-11-23 10:00:01 1tEabc-000001-2B ** u@example.net R=dns T=smtp H=mx.example.net [203.0.113.5]: SMTP error \
           from remote mail server after RCPT TO:<u@example.net>: 550 5.7.1 no\n"
        + "Nov 23 10:00:02 mx sm-mta[7]: 4ANA00aa000001: to=<u@example.org>, delay=00:00:01, mailer=esmtp, pri=1, \
           relay=mx.example.org. [203.0.113.6], dsn=5.7.1, stat=User unknown\n"
        + &refused(4).replace("2024-11-23T10:00:00+00:00", "Nov 23 10:00:03");
    let mut backwards: Vec<&str> = text.lines().collect();
    backwards.reverse();
    for text in [text.clone(), backwards.join("\n") + "\n"] {
        lab.write("mail.log-20241123", text);
        let events = lab.table("mail.log-20241123", "events");
        let mut found: Vec<(&str, &str)> =
            events.iter().map(|row| (row["mta"].as_str(), row["event_time"].as_str())).collect();
        found.sort_by_key(|(_, time)| *time);
        let second = |n: u32| format!("2024-11-23T10:00:0{n}.000000Z");
        let times: Vec<String> = (0..4).map(second).collect();
        assert_eq!(found.iter().map(|(_, time)| time.to_string()).collect::<Vec<_>>(), times);
        assert_eq!(found.iter().map(|(mta, _)| *mta).collect::<Vec<_>>(), ["postfix", "exim", "sendmail", "postfix"]);
    }
}
