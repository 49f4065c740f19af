//! Mailboxes given to the program: mbox files, Maildirs, single mails, beside logs. The numbers are those of the fault
//! table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::mails::{FROM, REPORTER, bounce, group, in_mbox, part, parts, report, returned};
use common::{Lab, PROGRAM, Ran, count, ran, refused, rows, tree};
use serde_json::Value;

/// All skipped lines and mails.
fn skipped(counts: &Value) -> u64 {
    counts["skipped"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum()
}

/// Every line and mail is accounted for, in sum and in each input.
#[track_caller]
fn adds_up(manifest: &Value) {
    let inputs = manifest["inputs"].as_array().unwrap().iter().map(|input| &input["counts"]);
    for counts in inputs.chain([&manifest["counts"]]) {
        let told = count(counts, "/lines_with_records") + count(counts, "/mails_with_records");
        assert_eq!(count(counts, "/lines") + count(counts, "/mails"), told + skipped(counts), "{counts}");
    }
}

#[track_caller]
fn json(ran: &Ran, status: i32) -> Value {
    assert_eq!(ran.status, status, "{}", ran.err);
    serde_json::from_str(&ran.out).unwrap()
}

/// A mailbox through standard input, a pipe and a file tells the same.
#[test]
fn a_mailbox_is_read_from_a_pipe_as_from_a_file() {
    let lab = Lab::new();
    // More than the first look at a pipe takes.
    let text: String = (0..500).map(|n| in_mbox(&bounce(n, &format!("u{n}@example.com")))).collect();
    lab.write("m.mbox", &text);
    let file = lab.summary("m.mbox");
    assert_eq!((count(&file, "/bounced"), count(&file, "/inputs/mails")), (500, 500));
    let stdin = json(&ran(lab.command("- --json").write_stdin(text.clone())), 0);
    assert!(Command::new("mkfifo").arg(lab.path("fifo")).status().unwrap().success());
    let fifo = lab.path("fifo");
    let writer = std::thread::spawn(move || fs::write(fifo, text).unwrap());
    let pipe = lab.summary("fifo");
    writer.join().unwrap();
    for field in ["bounced", "with_571", "policy", "window", "headline", "codes", "skipped", "told_before"] {
        assert_eq!((&stdin[field], &pipe[field]), (&file[field], &file[field]), "{field}");
    }
    assert_eq!((&stdin["attempts"], count(&pipe, "/inputs/mails")), (&Value::Null, 500));
}

/// A single mail is a mail: in a file, on standard input, with and without CRLF, without its last line end.
#[test]
fn a_single_mail_is_read() {
    let mail = bounce(1, "user@example.com");
    for text in [mail.clone(), mail.replace('\n', "\r\n"), mail.trim_end().to_string(), mail.replace('\n', "\r")] {
        let lab = Lab::new();
        lab.write("mail.eml", &text);
        let file = lab.summary("mail.eml");
        assert_eq!((count(&file, "/bounced"), count(&file, "/with_571"), count(&file, "/inputs/mails")), (1, 1, 1));
        let stdin = json(&ran(lab.command("- --json").write_stdin(text)), 0);
        assert_eq!((count(&stdin, "/bounced"), count(&stdin, "/inputs/mails")), (1, 1));
    }
}

/// Refusals in a log of each program: the queue id, and the lines that name message and recipient.
fn logs() -> [(&'static str, String); 3] {
    let zone = "2024-11-23T10:00:00+00:00 mx";
    let postfix = format!("{zone} postfix/cleanup[7]: 4F000001: message-id=<1@example.org>\n{}", refused(1));
    let sendmail = format!(
        "{zone} sendmail[7]: 4AN9jvvF000123: from=<sender@example.org>, size=1, class=0, nrcpts=1, msgid=<1@example.org>\n\
         {zone} sendmail[8]: 4AN9jvvF000123: to=<user@example.com>, delay=00:00:01, mailer=esmtp, \
         relay=mail.example.com. [203.0.113.9], dsn=5.7.1, reply=550 5.7.1 Access denied, stat=Service unavailable\n"
    );
    let exim = "2024-11-23 10:00:00 +0000 1tEmDx-000000001aB-1ABC <= sender@example.org U=a P=local S=1 \
                id=1@example.org\n2024-11-23 10:00:01 +0000 1tEmDx-000000001aB-1ABC ** user@example.com \
                R=dnslookup T=remote_smtp H=mail.example.com [203.0.113.9]: SMTP error from remote mail server after \
                RCPT TO:<user@example.com>: 550 5.7.1 Access denied\n"
        .to_string();
    [("4F000001", postfix), ("4AN9jvvF000123", sendmail), ("1tEmDx-000000001aB-1ABC", exim)]
}

/// A refusal that a log and a bounce tell is counted once; of the bounce's other recipients each is counted.
#[test]
fn what_a_log_and_a_bounce_tell_is_counted_once() {
    for (id, log) in logs() {
        let by_queue_id =
            format!("Received: from app by mx.example.org with ESMTP id {id}; Sat, 23 Nov 2024 10:00:00 +0000\n");
        for (name, header) in [("queue id", by_queue_id), ("Message-ID", returned(1))] {
            let lab = Lab::new();
            lab.write("a.log", &log);
            let groups = group("User@example.com") + "\n" + &group("other@example.com");
            // Mails come before logs here by name, behind them in the order of reading.
            lab.write("a.eml", report("Sorry.", &groups, &header));
            let events = lab.table("a.eml a.log --events --include-addresses", "events");
            let mut told: Vec<_> = events
                .iter()
                .map(|row| {
                    [&row["source"], &row["final_recipient"], &row["told_before"], &row["weight"]].map(String::as_str)
                })
                .collect();
            told.sort();
            let wanted = [
                ["bounce", "User@example.com", "true", "0"],
                ["bounce", "other@example.com", "false", "1"],
                ["log", "user@example.com", "false", "1"],
            ];
            assert_eq!(told, wanted, "{id} by {name}");
            let summary = lab.summary("a.log a.eml");
            assert_eq!((count(&summary, "/bounced"), count(&summary, "/told_before")), (2, 1), "{id} by {name}");
        }
    }
}

/// Another message to the same recipient is another refusal.
#[test]
fn another_message_is_another_refusal() {
    let lab = Lab::new();
    for (_, log) in logs() {
        lab.write("a.log", &log);
        lab.write("a.eml", bounce(2, "user@example.com"));
        assert_eq!(count(&lab.summary("a.log a.eml"), "/bounced"), 2, "{log}");
    }
}

/// The same mail in two folders, with other header fields of servers on top, is counted once.
#[test]
fn the_same_mail_in_two_folders_is_counted_once() {
    let lab = Lab::new();
    // It names no message and nobody: only its content tells that it is the same.
    let mail = report("Sorry.", &group("user@example.com"), "X-Nothing: 1\n");
    lab.write("a/cur/1.mx:2,S", format!("Delivered-To: x@example.org\nReceived: from a by b; x\n{mail}"));
    lab.write("a/new/2.mx", format!("X-Keywords: old\n{mail}"));
    lab.write("b.mbox", in_mbox(&mail));
    lab.write("c.eml", &mail);
    fs::create_dir_all(lab.path("a/tmp")).unwrap();
    let manifest = lab.manifest("a b.mbox c.eml");
    adds_up(&manifest);
    assert_eq!(count(&manifest, "/counts/noticed/told_before"), 3);
    assert_eq!((count(&manifest, "/counts/attempts"), count(&manifest, "/counts/mails_with_records")), (1, 4));
    let ids: Vec<String> = lab.table("a b.mbox c.eml", "events").iter().map(|row| row["event_id"].clone()).collect();
    assert!(ids.len() == 4 && ids.iter().all(|id| *id == ids[0]), "{ids:?}");
}

/// 33: `tmp` and index files are passed over; names of any bytes; a mail that was read keeps its event.
#[test]
fn a_maildir_is_read_whatever_its_names() {
    let lab = Lab::new();
    let names: [&[u8]; 4] = [b"1.a\nbouncesift: forged:2,", b"2.\xff\xfe", b"3.\x1b[2J", b"4.plain"];
    fs::create_dir_all(lab.path("box/cur")).unwrap();
    fs::create_dir_all(lab.path("box/tmp")).unwrap();
    for (n, name) in names.iter().enumerate() {
        lab.write("box/new/x", bounce(n, "user@example.com"));
        fs::rename(lab.path("box/new/x"), lab.path("box/new").join(OsStr::from_bytes(name))).unwrap();
    }
    for other in ["tmp/9.half", "new/.hidden", "cur/dovecot-uidlist", "maildirsize", "dovecot.index"] {
        lab.write(&format!("box/{other}"), bounce(99, "user@example.com"));
    }
    let first = lab.scan("box --out out --events");
    assert_eq!((first.status, first.err.as_str()), (0, ""));
    for (name, bytes) in tree(&lab.path("out")).into_iter().filter(|(name, _)| !name.ends_with(".parquet")) {
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains('\u{1b}') && !text.lines().any(|line| line.starts_with("bouncesift: forged")), "{name}");
    }
    let events = rows(&tree(&lab.path("out"))["events.csv"]);
    assert_eq!(events.len(), names.len());
    assert!(events.iter().any(|row| row["input"] == "box/new/4.plain"), "{events:?}");
    let ids = |events: &[BTreeMap<String, String>]| {
        let mut ids: Vec<String> = events.iter().map(|row| row["event_id"].clone()).collect();
        ids.sort();
        ids
    };
    for name in names {
        let read = [name, b":2,S"].concat();
        fs::rename(
            lab.path("box/new").join(OsStr::from_bytes(name)),
            lab.path("box/cur").join(OsStr::from_bytes(&read)),
        )
        .unwrap();
    }
    let later = lab.table("box", "events");
    assert_eq!(ids(&later), ids(&events));
    assert!(ids(&events).windows(2).all(|pair| pair[0] != pair[1]), "{events:?}");
}

/// 34: many small files, each counted.
#[test]
fn twenty_thousand_mails_of_a_maildir_are_counted_each() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("box/new")).unwrap();
    fs::create_dir_all(lab.path("box/cur")).unwrap();
    for n in 0..20_000_usize {
        let mail = if n % 10 == 0 { bounce(n, "user@example.com") } else { "From: a@b.example\n\nhello\n".into() };
        fs::write(lab.path(if n % 2 == 0 { "box/new" } else { "box/cur" }).join(n.to_string()), mail).unwrap();
    }
    let manifest = lab.manifest("box");
    adds_up(&manifest);
    assert_eq!((count(&manifest, "/counts/mails"), count(&manifest, "/counts/attempts")), (20_000, 2000));
    assert_eq!(count(&manifest, "/counts/skipped/ordinary_mail"), 18_000);
}

/// 35: links, pipes, sockets and devices of a Maildir are never opened.
#[test]
fn only_regular_files_of_a_maildir_are_opened() {
    let lab = Lab::new();
    lab.write("secret", bounce(7, "secret@example.com"));
    lab.write("box/cur/1", bounce(1, "user@example.com"));
    fs::create_dir_all(lab.path("box/new")).unwrap();
    for (to, name) in [("/dev/zero", "zero"), ("../../secret", "secret"), ("/dev/full", "full"), (".", "self")] {
        symlink(to, lab.path("box/new").join(name)).unwrap();
    }
    assert!(Command::new("mkfifo").arg(lab.path("box/new/fifo")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(lab.path("box/new/socket")).unwrap();
    for args in ["box", "box/new box/cur", "."] {
        let manifest = lab.manifest(args);
        adds_up(&manifest);
        let secret = u64::from(args == ".");
        assert_eq!(count(&manifest, "/counts/mails"), 1 + secret, "{args}: {manifest}");
        assert_eq!((count(&manifest, "/exit_status"), count(&manifest, "/counts/attempts")), (0, 1 + secret), "{args}");
    }
}

/// A mail that may not be read makes the run partial and is counted; root may read all, so somebody else reads here.
#[test]
fn an_unreadable_mail_is_named_and_the_rest_counted() {
    let lab = Lab::new();
    fs::create_dir_all(lab.path("box/new")).unwrap();
    for n in 0..3 {
        lab.write(&format!("box/cur/{n}"), bounce(n, "user@example.com"));
    }
    let locked = lab.path("box/cur/1");
    fs::set_permissions(&locked, PermissionsExt::from_mode(0o000)).unwrap();
    fs::set_permissions(lab.path("."), PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = Command::new(PROGRAM);
    command.args(["scan", "box", "--out", "out"]).current_dir(lab.path(".")).env_clear();
    if locked.metadata().unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return println!("skipped: another user may not run {PROGRAM}: {error}"),
    };
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.contains("box/cur") && err.contains("permission denied"), "{err}");
    let manifest: Value = serde_json::from_slice(&fs::read(lab.path("out/run=000001/manifest.json")).unwrap()).unwrap();
    adds_up(&manifest);
    assert_eq!(count(&manifest, "/counts/skipped/unreadable_mail"), 1);
    assert_eq!((count(&manifest, "/counts/attempts"), &manifest["partial"]), (2, &true.into()));
}

/// Mails that are no bounces are counted under their names.
#[test]
fn what_is_no_bounce_is_counted_by_name() {
    let mail = |head: &str, body: &str| in_mbox(&format!("Date: Sat, 23 Nov 2024 10:00:00 +0000\n{head}\n\n{body}"));
    let of = |kind: &str, media: &str, fields: &str| {
        let text = parts("b", &[part("text/plain", "See below."), part(media, fields)]);
        in_mbox(&text.replace("report-type=delivery-status", &format!("report-type={kind}")))
    };
    let group = |action: &str, status: &str| {
        format!("Final-Recipient: rfc822; user@example.com\nAction: {action}\nStatus: {status}\n")
    };
    let cases = [
        ("ordinary_mail", mail("From: a@b.example\nSubject: lunch", "At noon?\n")),
        ("ordinary_mail", mail("From: a@b.example\nSubject: Re: Undelivered Mail", "550 5.7.1 x <u@example.com>\n")),
        (
            "auto_reply",
            mail("Return-Path: <>\nFrom: a@b.example\nSubject: Out of office\nAuto-Submitted: auto-replied", "Away.\n"),
        ),
        ("success_notice", in_mbox(&report("Delivered.", &group("delivered", "2.0.0"), &returned(1)))),
        ("success_notice", in_mbox(&report("Relayed.", &group("relayed", "2.1.5"), &returned(2)))),
        ("feedback_report", of("feedback-report", "message/feedback-report", "Feedback-Type: abuse\nVersion: 1\n")),
        (
            "read_receipt",
            of(
                "disposition-notification",
                "message/disposition-notification",
                "Final-Recipient: rfc822; user@example.com\nDisposition: manual-action/MDN-sent-manually; displayed\n",
            ),
        ),
        ("nothing_told", mail("From: MAILER-DAEMON@mx.example.org\nSubject: Hello", "Nothing at all.\n")),
    ];
    for (name, text) in &cases {
        let lab = Lab::new();
        lab.write("m.mbox", text);
        let manifest = lab.manifest("m.mbox");
        assert_eq!(manifest["counts"]["skipped"], serde_json::json!({ *name: 1 }), "{text}");
    }
    let lab = Lab::new();
    let delay = in_mbox(&report("Still trying.", &group("delayed", "4.7.1"), &returned(3)));
    lab.write("m.mbox", cases.iter().map(|(_, text)| text.as_str()).collect::<String>() + &delay);
    let manifest = lab.manifest("m.mbox");
    adds_up(&manifest);
    assert_eq!((count(&manifest, "/counts/mails"), skipped(&manifest["counts"])), (9, 8));
    assert_eq!(count(&manifest, "/counts/noticed/delay_notice"), 1);
    assert_eq!((count(&manifest, "/counts/attempts"), count(&manifest, "/counts/noticed/not_attempted")), (0, 1));
}

/// 31: who names no message, or one of strangers, is counted apart and in no report.
#[test]
fn forged_bounces_are_counted_apart() {
    let lab = Lab::new();
    let unnamed = report("Sorry.", &group("user@example.com"), "X-Nothing: 1\n");
    let foreign = bounce(2, "user@example.com").replace("sender@example.org", "x@spam.example");
    lab.write("m.mbox", [&unnamed, &foreign, &bounce(3, "user@example.com")].map(|mail| in_mbox(mail)).concat());
    let trusts = |args: &str| -> Vec<String> {
        lab.table(&format!("m.mbox {args}"), "events").iter().map(|row| row["trust"].clone()).collect()
    };
    assert_eq!(trusts(""), ["unnamed", "named", "named"]);
    for own in ["example.org", "EXAMPLE.ORG.", "a.example --own-domain @example.org", "org"] {
        assert_eq!(trusts(&format!("--own-domain {own}")), ["unnamed", "foreign", "named"], "{own}");
    }
    assert_eq!(trusts("--own-domain xample.org"), ["unnamed", "foreign", "foreign"]);
    let args = "m.mbox --own-domain example.org";
    let causes = lab.table(args, "causes_by_isp");
    let refused: u64 = causes.iter().map(|row| row["attempts"].parse::<u64>().unwrap()).sum();
    assert_eq!(refused, 1, "{causes:?}");
    let summary = lab.summary(args);
    let found = ["/bounced", "/with_571", "/bounces_unnamed", "/bounces_foreign"].map(|path| count(&summary, path));
    assert_eq!(found, [1, 1, 1, 1]);
    let shown = lab.scan(args).out;
    for line in ["Unnamed bounces ", "Foreign bounces "] {
        assert!(shown.lines().any(|shown| shown.starts_with(line) && shown.contains(" 1 ")), "{shown}");
    }
}

/// 31: a bounce that is not believed does not hide the one that is, in whatever order they come.
#[test]
fn a_forged_bounce_hides_no_true_one() {
    let bounce = bounce(1, "user@example.com");
    let forged = bounce.replace("sender@example.org", "x@spam.example").replace("Sorry.", "Forged.");
    for (first, second) in [(&forged, &bounce), (&bounce, &forged)] {
        let lab = Lab::new();
        lab.write("m.mbox", in_mbox(first) + &in_mbox(second));
        let summary = lab.summary("m.mbox --own-domain example.org");
        assert_eq!(count(&summary, "/bounced"), 1, "{first}");
    }
}

/// The same inputs give the same bytes at any number of threads and in any order of the paths.
#[test]
fn results_of_mails_depend_on_no_order() {
    let lab = Lab::new();
    let log: String = (0..200).map(refused).collect();
    lab.write("a.log", log);
    for n in 0..300_usize {
        let mail = match n % 7 {
            0 => "From: a@b.example\n\nhello\n".into(),
            1 => bounce(n - 1, "user@example.com"),
            2 => report("x", &group("user@example.com"), "X-No: 1\n"),
            3 => bounce(n, "user@example.com").replace("sender@example.org", "x@spam.example"),
            _ => bounce(n, &format!("u{n}@host{n}.example")),
        };
        lab.write(&format!("box/{}/{n}.mx", if n % 2 == 0 { "new" } else { "cur" }), &mail);
        lab.write(&format!("eml/{}.eml", n % 50), &mail);
        let mut mbox = File::options().append(true).create(true).open(lab.path("m.mbox")).unwrap();
        mbox.write_all(in_mbox(&mail).as_bytes()).unwrap();
    }
    // Their time is that of their files where they have none.
    let run = |out: &str, args: &str| {
        let ran = lab.scan(&format!("--events=all --own-domain example.org --now 2024-12-01 --out {out} {args}"));
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{args}");
        tree(&lab.path(out))
    };
    let wanted = run("first", "a.log box eml m.mbox -j 1");
    assert!(rows(&wanted["events.csv"]).len() > 500);
    for (n, args) in [
        "m.mbox eml box a.log -j 2",
        "box/new m.mbox a.log box/cur eml -j 3",
        "eml a.log m.mbox box -j 16",
        "box a.log m.mbox eml -j 16 --block-size 512",
    ]
    .iter()
    .enumerate()
    {
        let found = run(&format!("other{n}"), args);
        for (name, bytes) in &wanted {
            assert!(found.get(name) == Some(bytes), "{name} with {args}");
        }
        assert_eq!(found.len(), wanted.len(), "{args}");
    }
}

/// Nothing of people's addresses and subjects reaches a file unless it was asked for.
#[test]
fn no_local_part_of_a_mail_is_written() {
    let lab = Lab::new();
    let secret = "zqsecret";
    let returned = "Return-Path: <zqsecret-return@example.org>\nReceived: from zqsecret.local by mx.example.org \
                    (Postfix) with ESMTP id 4F00000A for <zqsecret-for@example.com>; Sat, 23 Nov 2024 10:00:00 +0000\n\
                    Message-ID: <zqsecret-id@example.org>\nFrom: \"zqsecret name\" <zqsecret-from@example.org>\n\
                    To: zqsecret-to@example.com\nCc: zqsecret-cc@example.com\nSubject: zqsecret subject\n\
                    List-Unsubscribe: <mailto:zqsecret-u@example.org>\n\
                    DKIM-Signature: v=1; d=example.org; s=k1; i=zqsecret@example.org; b=x\n";
    let groups = [
        "smtp; 550 5.7.1 <zqsecret@example.com>: Access denied",
        "smtp; 550 5.7.1 zqsecret@example.com Access denied, see zqsecret@example.net",
        "smtp; 550 5.7.1 Message from zqsecret@example.org refused",
        "X-Postfix; host mail.example.com[203.0.113.9] said: 550 5.7.1 <zqsecret@example.com> no (in reply to RCPT TO)",
    ]
    .map(|text| common::mails::group_of("zqsecret@example.com", "5.7.1", text))
    .join("\n");
    let prose = format!(
        "{REPORTER}X-Failed-Recipients: zqsecret@example.com\n\nThe message could not be delivered:\n\n  \
         zqsecret@example.com\n    host mail.example.com [203.0.113.9] said: 550 5.7.1 <zqsecret@example.com> denied\n\n\
         ------ This is a copy of the message, including all the headers. ------\n\n{returned}\nDear zqsecret,\n"
    );
    let head = "Subject: zqsecret\nX-Original-To: zqsecret@example.org\n";
    let dsn = format!("{head}{}", report("Dear zqsecret@example.org,\n<zqsecret@example.com>: no", &groups, returned));
    lab.write("m.mbox", in_mbox(&dsn) + &in_mbox(&prose));
    lab.write("box/new/1", &dsn);
    lab.write("box/cur/2", prose.replace("Dear", "dear"));
    let seen = lab.scan("m.mbox box --out out --events=all --codes 5.*.*");
    assert_eq!((seen.status, seen.err.as_str()), (0, ""));
    let json = lab.scan("m.mbox box --json");
    let mut files = tree(&lab.path("out"));
    assert!(rows(&files["events.csv"]).len() >= 10);
    files.insert("stdout".into(), (seen.out + &json.out).into_bytes());
    for (name, bytes) in &files {
        let text = String::from_utf8_lossy(bytes).to_lowercase();
        assert_eq!(text.lines().find(|line| line.contains(secret)), None, "{name}");
    }
    let open = lab.scan("m.mbox --table events --include-addresses").out;
    assert!(rows(open.as_bytes()).iter().all(|row| row["final_recipient"].contains(secret)), "{open}");
}

/// An interrupt while a large mailbox is read leaves nothing.
#[test]
fn an_interrupt_within_a_mailbox_leaves_nothing() {
    let lab = Lab::new();
    let mails: String = (0..2000).map(|n| in_mbox(&bounce(n, "user@example.com"))).collect();
    let mut file = File::create(lab.path("m.mbox")).unwrap();
    (0..60).for_each(|_| file.write_all(mails.as_bytes()).unwrap());
    drop(file);
    for (args, stdin) in [("m.mbox", Stdio::null()), ("-", File::open(lab.path("m.mbox")).unwrap().into())] {
        let mut command = Command::new(PROGRAM);
        command.args(["scan", args, "--out", "out", "--events", "-j", "1"]).current_dir(lab.path("."));
        let child = command.stdin(stdin).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let started = Instant::now();
        while !lab.path("out").exists() {
            assert!(started.elapsed() < Duration::from_secs(10), "{args}: does not start");
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_millis(200));
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), ended.stdout.len()), (Some(130), 0), "{args}");
        let left: Vec<_> = fs::read_dir(lab.path(".")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["m.mbox"], "{args}");
    }
}

/// 19: quoting of `From ` lines in a report changes no code.
#[test]
fn quoted_from_lines_change_no_code() {
    for quote in [">From ", ">>From ", ">>>>From ", "From "] {
        let lab = Lab::new();
        let text = format!("Sorry.\n{quote}here on: 554 5.1.1 nothing\n");
        let groups = group("user@example.com") + &format!("X-Text: a\n{quote}there\n");
        lab.write("m.mbox", format!("{FROM}{}\n", report(&text, &groups, &returned(1))));
        let events = lab.table("m.mbox", "events");
        assert_eq!(events.len(), 1, "{quote}");
        let codes = [&events[0]["enhanced_status_code"], &events[0]["reply_code"], &events[0]["code_conflict"]];
        assert_eq!(codes, ["5.7.1", "550", "false"], "{quote}");
    }
}
