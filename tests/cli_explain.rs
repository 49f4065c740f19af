//! `explain` from the outside: what it reads, what it says, how it ends, and that it agrees with `scan`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use bouncesift::explain::{Code, Explainer, Explanation, Hints, Told};
use bouncesift::knowledge::Knowledge;
use common::{Lab, PROGRAM, Ran, rows};
use serde_json::Value;

const LISTED: &str =
    "554 5.7.1 Service unavailable; Client host [192.0.2.7] blocked using zen.spamhaus.org; see https://example.org/a.";
const HEADER: &str = "id,cause,isp,reply_code,status,blocklist,sender_ip,isp_basis,receiver_domain,isp_name,\
filter_vendor,category,rule,evidence,matched,listed_kind,listed,auth_domain,responsible,retry_helps\n";

fn explain(args: &[&str], input: &[u8]) -> Ran {
    let mut command = assert_cmd::Command::new(PROGRAM);
    command.arg("explain").args(args).env_clear().write_stdin(input).timeout(std::time::Duration::from_secs(60));
    common::ran(&mut command)
}

/// What is said, where nothing goes wrong.
#[track_caller]
fn said(args: &[&str], input: &[u8]) -> String {
    let ran = explain(args, input);
    assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{args:?}");
    ran.out
}

#[track_caller]
fn json(args: &[&str], input: &[u8]) -> Vec<Value> {
    let document: Value = serde_json::from_str(&said(&[&["--json"], args].concat(), input)).unwrap();
    assert_eq!(document["schema_version"], "1.0");
    document["explanations"].as_array().unwrap().clone()
}

#[test]
fn a_reply_is_told_in_full() {
    let out = said(&[LISTED], b"");
    let start = out.split("text  ").next().unwrap();
    // Which rules hold changes with the tables.
    let is_rule = |line: &&str| ["rule  ", "runner-up  "].iter().any(|name| line.starts_with(name));
    let (rules, start): (Vec<_>, Vec<_>) = start.split_inclusive('\n').partition(is_rule);
    assert!(rules.len() == 2 && rules[0].ends_with(", by words of the text\n"), "{rules:?}");
    assert!(rules[1].ends_with(" (ip_blocklisted)\n"), "{rules:?}");
    assert_eq!(
        start.concat(),
        "\
reply code            554, permanent failure
enhanced status code  5.7.1, after the reply code; registered as: Delivery not authorized, message
                      refused
receiving ISP         unknown, nothing names it
cause                 ip_blocklisted (blocklist)
meaning               The sending IP or its network is on a public blocklist or on the provider's
                      own.
blocklist             Spamhaus ZEN, public
look it up at         https://check.spamhaus.org/
listed                192.0.2.7 (ip)
sending address       192.0.2.7
"
    );
    for part in
        ["[[", "]]", "link in the text      https://example.org/a\n", "whose to put right    the sending side's"]
    {
        assert!(out.contains(part), "{part}: {out}");
    }
    let told = &json(&[LISTED], b"")[0];
    let judged = &told["judged"];
    assert_eq!((&told["form"], &told["told"], &told["line"]), (&"reply".into(), &"refusal".into(), &Value::Null));
    assert_eq!((&told["reply_code"]["value"], &told["status"]["from"]), (&"554".into(), &"after_reply_code".into()));
    assert_eq!(judged["blocklist"]["scope"], "public");
    assert_eq!(judged["listed"], serde_json::json!({"kind": "ip", "value": "192.0.2.7"}));
    assert_eq!((&judged["responsible"], &judged["retry_helps"]), (&"sender".into(), &"no".into()));
    assert_eq!(judged["advice"][0]["about"], "blocklist");
    assert!(judged["advice"].as_array().unwrap().iter().all(|a| a["source"].is_string()));
    let (start, end) = (&judged["matched"]["start"], &judged["matched"]["end"]);
    let span = start.as_u64().unwrap() as usize..end.as_u64().unwrap() as usize;
    assert_eq!(judged["matched"]["text"].as_str(), LISTED.get(span));
}

#[test]
fn hints_are_used_where_the_text_does_not_say() {
    let text = "550-5.7.26 Unauthenticated email from example.net is not accepted due to domain's DMARC policy";
    let google = &json(&["--host", "gmail-smtp-in.l.google.com", text], b"")[0];
    assert_eq!((&google["receiver"]["isp"], &google["receiver"]["basis"]), (&"google".into(), &"remote_host".into()));
    assert_eq!(google["judged"]["auth_domain"], "example.net");
    assert_eq!(google["fields"][0]["from"], "option");
    let domain = &json(&["--recipient-domain", "example.org", "550 5.7.1 no"], b"")[0]["receiver"];
    assert_eq!((&domain["isp"], &domain["domain"]), (&Value::Null, &"example.org".into()));
    assert!(said(&["--recipient-domain", "gmail.com", "550 5.7.1 no"], b"").contains("(google), by recipient domain"));
    let line = "2024-11-23T10:00:00+00:00 mx postfix/smtp[9]: 4F1: to=<a@example.com>, relay=mx.example.com[192.0.2.2]:25, \
        delay=1, delays=0/0/0/1, dsn=5.7.1, status=bounced (host mx.example.com[192.0.2.2] said: 550 5.7.1 spam)";
    let told = &json(&["--host", "gmail-smtp-in.l.google.com", line], b"")[0];
    assert_eq!(told["receiver"]["domain"], "example.com");
}

#[test]
fn text_comes_from_arguments_a_file_or_standard_input() {
    let lab = Lab::new();
    let path = lab.write("reply.txt", LISTED);
    let path = path.to_str().unwrap();
    let want = said(&[LISTED], b"");
    assert_eq!(said(&["-"], LISTED.as_bytes()), want);
    assert_eq!(said(&[], LISTED.as_bytes()), want);
    assert_eq!(said(&["--file", "-"], LISTED.as_bytes()), want);
    assert_eq!(said(&["--file", path], b""), want);
    assert_eq!(said(&LISTED.split(' ').collect::<Vec<_>>(), b""), want);
    // A file's name is a text like any other, but whoever meant the file is told.
    let ran = explain(&[path], b"");
    assert!(ran.status == 0 && ran.err.contains("--file") && !ran.out.contains("spamhaus"), "{ran:?}");
    let missing = explain(&["--file", "no-such-file"], b"");
    assert_eq!((missing.status, missing.out.as_str()), (1, ""));
    assert!(missing.err.contains("no-such-file"), "{}", missing.err);
    assert_eq!(explain(&["--file", path, "text"], b"").status, 2);
}

#[test]
fn lines_of_a_log_are_told_one_by_one() {
    let refused = common::refused(1);
    let delivered =
        common::answer(common::FRAME, 2, "b@example.com", "mx.example.com", "dsn=2.0.0, status=sent", "250 ok");
    let exim = "2020-06-19 10:32:57 1jmKso-0009d4-Uf ** a@example.com R=r T=t H=mx.example.com [192.0.2.3]: \
        SMTP error from remote mail server after RCPT TO:<a@example.com>: 550 5.7.1 spam\r\n";
    let text = format!("{}{refused}\n{delivered}{exim}", common::opens(common::FRAME, 1, "s@example.net"));
    let told = json(&["-"], text.as_bytes());
    let line = |at: usize| (told[at]["line"].as_u64(), told[at]["mta"].as_str(), told[at]["told"].as_str());
    assert_eq!(told.len(), 3);
    assert_eq!(line(0), (Some(2), Some("postfix"), Some("refusal")));
    assert_eq!(line(1), (Some(4), Some("postfix"), Some("delivery")));
    assert_eq!(line(2), (Some(5), Some("exim"), Some("refusal")));
    assert!(told[1]["judged"].is_null());
    let out = said(&["-"], text.as_bytes());
    assert!(out.contains("log line 4 (postfix): no refusal: it was accepted\n"), "{out}");
    let opened = common::opens(common::FRAME, 1, "s@example.net");
    assert_eq!(said(&[&opened], b""), "log line 1 (postfix): no refusal: the line reports no outcome of a delivery\n");
    let other = "2024-11-23T10:00:00+00:00 mx sshd[9]: spam 550 5.7.1";
    assert_eq!(json(&[other], b"")[0]["reason"], "other_program");
}

const MAIL: &str = "\
Return-Path: <>
From: MAILER-DAEMON@mx.example.org
Subject: Undelivered Mail Returned to Sender
Content-Type: multipart/report; report-type=delivery-status; boundary=b

--b
Content-Type: text/plain

It failed.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example.org

Final-Recipient: rfc822; a@example.com
Action: failed
Status: 5.7.1
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; 554 5.7.1 Service unavailable; Client host [192.0.2.7]
 blocked using zen.spamhaus.org

Final-Recipient: rfc822; b@example.com
Action: delayed
Status: 4.7.1
Remote-MTA: dns; mx.example.com
Diagnostic-Code: smtp; 450 4.7.1 Greylisted, try again later
--b--
";

#[test]
fn each_recipient_of_a_mail_is_told() {
    let ordinary = "From: a@example.com\nTo: b@example.org\nSubject: hello\n\n550 5.7.1 spam\n";
    let mbox = format!("From - Sat Nov 23 10:00:00 2024\n{MAIL}\nFrom a@b Sat Nov 23 10:00:01 2024\n{ordinary}");
    for mail in
        [MAIL.to_owned(), MAIL.replace('\n', "\r\n"), MAIL.replace('\n', "\r"), format!("\u{feff}\n{MAIL}"), mbox]
    {
        let told = json(&["-"], mail.as_bytes());
        let causes: Vec<_> = told.iter().map(|one| one["judged"]["cause"].as_str().unwrap()).collect();
        assert_eq!(causes, ["ip_blocklisted", "greylisted"], "{mail:?}");
        assert!(told.iter().all(|one| one["form"] == "bounce_mail" && one["receiver"]["domain"] == "example.com"));
        assert_eq!(told[1]["judged"]["retry_helps"], "yes");
    }
    let out = said(&["-"], MAIL.as_bytes());
    assert!(out.contains("bounce mail, recipient 2 (dsn): refused or put off\n"), "{out}");
    assert_eq!(said(&["-"], ordinary.as_bytes()), "mail: no refusal: the mail is no report of any kind\n");
}

#[test]
fn csv_gives_a_row_for_each_row() {
    let lab = Lab::new();
    let text = "\u{feff}extra,text,id,recipient_domain,remote_host\r\n\
        x,\"550-5.7.1 [192.0.2.7]\n550 5.7.1 message looks like spam\",a,gmail.com,\n\
        ,550 5.7.1 Access denied,b,,mx.example.org\n\
        \n\
        ,,c\n\
        ,250 2.0.0 Ok,d,,\n\
        ,450 4.7.1 Greylisted,=e,,";
    let path = lab.write("in.csv", text);
    let out = said(&["--csv", path.to_str().unwrap()], b"");
    assert!(out.starts_with(HEADER), "{out}");
    assert_eq!(said(&["--csv", "-"], text.as_bytes()), out);
    let rows = rows(out.as_bytes());
    let column = |name: &str| rows.iter().map(|row| row[name].as_str()).collect::<Vec<_>>();
    assert_eq!(column("id"), ["a", "b", "c", "d", "'=e"]);
    assert_eq!(column("cause"), ["spam_content", "access_denied", "", "", "greylisted"]);
    assert_eq!(column("isp"), ["google", "", "", "", ""]);
    assert_eq!(column("receiver_domain"), ["", "example.org", "", "", ""]);
    assert_eq!(column("reply_code"), ["550", "550", "", "250", "450"]);
    assert_eq!(column("sender_ip"), ["192.0.2.7", "", "", "", ""]);
    assert_eq!(column("retry_helps"), ["no", "maybe", "", "", "yes"]);
    let raw = said(&["--csv", "-", "--csv-raw"], text.as_bytes());
    assert!(raw.contains("\n=e,"), "{raw}");
}

#[test]
fn csv_is_the_same_on_any_number_of_threads() {
    let mut text = b"id,text\n".to_vec();
    for i in 0..9_000 {
        let reply = [LISTED, "450 4.7.1 Greylisted", "550 5.1.1 no such user", "550 é spam"][i % 4];
        writeln!(text, "{i},{reply} {}", i % 77).unwrap();
    }
    text.extend(b"bad,550 5.7.1 spam \xff\xfe\n");
    let first = said(&["--csv", "-", "--threads", "1"], &text);
    assert_eq!(rows(first.as_bytes()).len(), 9_001);
    for threads in ["2", "3", "16"] {
        assert!(said(&["--csv", "-", "--threads", threads], &text) == first, "{threads}");
    }
    let ids: Vec<String> = rows(first.as_bytes()).into_iter().map(|mut row| row.remove("id").unwrap()).collect();
    assert!(ids[..9_000].iter().enumerate().all(|(at, id)| *id == at.to_string()) && ids[9_000] == "bad");
}

#[test]
fn broken_csv_is_named() {
    for (text, part) in [
        ("", "is empty"),
        ("id,txt\n1,a\n", "no column \"text\""),
        ("text\na\n", "no column \"id\""),
        ("ID,TEXT\n", "no column \"id\""),
    ] {
        let ran = explain(&["--csv", "-"], text.as_bytes());
        assert!(ran.status == 1 && ran.out.is_empty() && ran.err.contains(part), "{text:?}: {ran:?}");
    }
    assert_eq!(said(&["--csv", "-"], b"id,text\n"), HEADER);
    assert_eq!(explain(&["--csv", "/no/such/file"], b"").status, 1);
    assert_eq!(explain(&["--csv", "-", "text"], b"").status, 2);
    assert_eq!(explain(&["--csv", "-", "--json"], b"").status, 2);
    let open = explain(&["--csv", "-"], b"id,text\n1,\"550 spam\n2,x\n");
    assert_eq!((open.status, rows(open.out.as_bytes()).len()), (3, 1));
    assert!(open.err.starts_with("bouncesift: standard input:2: a quote is opened and never closed"), "{}", open.err);
}

#[test]
fn hostile_input_neither_stalls_nor_steers() {
    let long = |piece: &str| piece.repeat((1 << 20) / piece.len()).into_bytes();
    let binary: Vec<u8> = (0..=255_u8).cycle().take(1 << 20).collect();
    let inputs = [
        Vec::new(),
        b"\0".to_vec(),
        b"\n\r\n \t\n".to_vec(),
        b"550 5.7.1 \x1b[2J\x1b]0;x\x07 \xe2\x80\xae spam \xc2\x9b \xff\xfe\0".to_vec(),
        binary,
        vec![b'x'; 10 << 20],
        long("550 5.7.1 spam "),
        long("550-5.7.1 domain of a@example.com http://example.com "),
        long("a: b\n"),
        long("From: a\n"),
        long("From a@b Sat Nov 23 10:00:01 2024\n"),
        long("\"\"\"\"\n"),
    ];
    for input in inputs {
        let name = String::from_utf8_lossy(&input[..input.len().min(40)]).into_owned();
        for args in [&["-"][..], &["-", "--json"]] {
            let out = said(args, &input);
            assert!(!out.chars().any(|c| c != '\n' && bouncesift::text::is_unsafe(c)), "{name}");
            assert!(!out.is_empty() && out.len() < 1 << 20, "{name}: {} bytes", out.len());
        }
        let csv = [b"id,text\n1,\"".as_slice(), &input, b"\"\n2,550 5.7.1 spam\n"].concat();
        let out = said(&["--csv", "-"], &csv);
        assert!(!out.chars().any(|c| c != '\n' && bouncesift::text::is_unsafe(c)), "{name}");
        assert!(out.starts_with(HEADER) && rows(out.as_bytes()).len() > 1, "{name}");
    }
}

#[test]
fn a_closed_or_full_standard_output() {
    let lab = Lab::new();
    let rows: String = (0..50_000).map(|i| format!("{i},{LISTED}\n")).collect();
    lab.write("in.csv", format!("id,text\n{rows}"));
    lab.write("in.log", (0..9_000).map(common::refused).collect::<String>());
    for args in ["--csv in.csv", "--file in.log", "--file in.log --json"] {
        let command = |out: Stdio| {
            let mut command = Command::new(PROGRAM);
            command.arg("explain").args(args.split(' ')).current_dir(lab.path(".")).env_clear();
            command.stdin(Stdio::null()).stdout(out).stderr(Stdio::piped()).spawn().unwrap()
        };
        let mut child = command(Stdio::piped());
        let mut out = child.stdout.take().unwrap();
        out.read_exact(&mut [0; 100]).unwrap();
        drop(out);
        let ended = child.wait_with_output().unwrap();
        assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""), "{args}");
        if Path::new("/dev/full").exists() {
            let ended = command(File::create("/dev/full").unwrap().into()).wait_with_output().unwrap();
            let err = String::from_utf8(ended.stderr).unwrap();
            assert_eq!(ended.status.code(), Some(1), "{args}: {err}");
            assert!(err.starts_with("bouncesift: standard output: No space left"), "{args}: {err}");
        }
    }
}

/// What the sample logs have not: hosts without a name, names cut in the middle, servers that were not reached, a text
/// that alone tells who spoke, a delay that only repeats an earlier one.
const CLUES: &str = "\
2024-11-23T10:00:00+00:00 mx postfix/smtp[9]: 4F000001: to=<a@example.com>, relay=192.0.2.9[192.0.2.9]:25, delay=1, \
delays=0/0/0/1, dsn=5.7.26, status=bounced (host 192.0.2.9[192.0.2.9] said: 550-5.7.26 Unauthenticated email from \
example.net is not accepted 550 5.7.26 x - gsmtp (in reply to end of DATA command))
2024-11-23T10:00:00+00:00 mx postfix/smtp[9]: 4F000002: to=<a@gmail.com>, relay=none, delay=1, delays=0/0/1/0, \
dsn=4.4.1, status=deferred (connect to gmail-smtp-in.l.google.com[192.0.2.8]:25: Connection refused)
2024-11-23T10:00:00+00:00 mx postfix/smtp[9]: 4F000003: to=<a@example.com>, relay=none, delay=1, delays=0/0/1/0, \
dsn=4.4.1, status=deferred (delivery temporarily suspended: connect to mx.example.com[192.0.2.8]:25: refused by policy)
Feb  8 05:36:57 mx sm-mta[1]: s1P8: to=<a@example.com>, delay=0, mailer=esmtp, relay=mx...l.google.com. [192.0.2.1], \
dsn=5.7.1, reply=550 5.7.1 spam detected, stat=Service unavailable
2020-06-19 10:32:57 1jmKso-0009d4-Uf ** a@example.com R=r T=t H=mx.example.org [192.0.2.3]: SMTP error from remote mail \
server after RCPT TO:<a@example.com>: 550 Client host [192.0.2.7] blocked using zen.spamhaus.org
Feb  8 05:36:57 mx postfix/smtpd[1]: NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <a@example.com>: Relay \
access denied; from=<b@example.org> to=<a@example.com> proto=ESMTP helo=<x>
";

/// What `scan` counts and what `explain` tells of the same line or mail is the same.
#[test]
fn scan_and_explain_agree() {
    let lab = Lab::new();
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("sample-logs");
    let clues = lab.write("clues.log", CLUES);
    let compared = compare(&lab, &[logs, clues]);
    assert!(compared > 1_500, "{compared}");
}

/// The same for recorded logs of others, where they are at hand.
#[test]
fn scan_and_explain_agree_on_recorded_logs() {
    let logs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus/logs");
    let inputs: Vec<_> = ["postfix", "exim", "sendmail"].map(|mta| logs.join(mta)).into();
    if !inputs.iter().all(|input| input.exists()) {
        return println!("skipped: no corpus");
    }
    let compared = compare(&Lab::new(), &inputs);
    assert!(compared > 1_000, "{compared}");
}

/// Scans inputs and explains each line and mail with an event; gives how many events were compared.
fn compare(lab: &Lab, inputs: &[PathBuf]) -> usize {
    let inputs: Vec<_> = inputs.iter().map(|input| input.display().to_string()).collect();
    let ran = lab.scan(&format!("{} --events=all --csv-raw --table events --out -", inputs.join(" ")));
    let events = rows(ran.out.as_bytes());
    let knowledge = Knowledge::builtin().unwrap();
    let mut explainer = Explainer::brief(&knowledge);
    let mut files: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut wrong = Vec::new();
    let (mut compared, mut at) = (0, 0);
    while let Some(first) = events.get(at) {
        let is_same = |event: &&BTreeMap<String, String>| {
            event["input"] == first["input"] && event["byte_offset"] == first["byte_offset"]
        };
        let group: Vec<_> = events[at..].iter().take_while(is_same).collect();
        at += group.len();
        let bytes = files.entry(first["input"].clone()).or_insert_with_key(|path| fs::read(path).unwrap());
        let rest = &bytes[first["byte_offset"].parse::<usize>().unwrap()..];
        let input = match first["source"].as_str() {
            "log" => rest.split(|b| *b == b'\n').next().unwrap(),
            _ => one_mail(rest),
        };
        // "last message repeated": the line alone does not say what.
        if memchr::memmem::find(input, b"last message repeated").is_some() {
            continue;
        }
        let told = compared_columns(&explainer.explain(input, &Hints::default()));
        let want: Vec<_> = group.iter().map(|event| COMPARED.map(|name| event[name].clone()).to_vec()).collect();
        compared += group.len();
        if told != want {
            wrong.push(format!("{}:{}\n  scan    {want:?}\n  explain {told:?}", first["input"], first["byte_offset"]));
        }
    }
    assert!(wrong.is_empty(), "{} differ\n{}", wrong.len(), wrong[..wrong.len().min(10)].join("\n"));
    compared
}

const COMPARED: [&str; 10] = [
    "outcome",
    "reply_code",
    "enhanced_status_code",
    "isp",
    "isp_basis",
    "filter_vendor",
    "cause",
    "rule",
    "blocklist",
    "sending_ip",
];

/// The first mail of a mbox that starts here, or all of a file.
fn one_mail(rest: &[u8]) -> &[u8] {
    let next = memchr::memmem::find(rest, b"\nFrom ").map(|at| at + 1);
    if rest.starts_with(b"From ") { &rest[..next.unwrap_or(rest.len())] } else { rest }
}

fn compared_columns(told: &[Explanation]) -> Vec<Vec<String>> {
    let told = told.iter().filter(|one| one.told != Told::Nothing);
    told.map(|one| {
        let code = |code: &Option<Code>| code.as_ref().map_or(String::new(), |c| c.value.clone());
        let outcome = one.fields.iter().find(|field| field.name == "outcome").unwrap().value.clone();
        let to = one.receiver.as_ref();
        let judged = one.judged.as_ref();
        vec![
            outcome,
            code(&one.reply_code),
            code(&one.status),
            to.map_or("unknown".into(), |to| to.isp.clone().unwrap_or(to.name.clone())),
            to.map_or("none", |to| to.basis).into(),
            to.and_then(|to| to.filter_vendor.clone()).unwrap_or_default(),
            judged.map_or("", |j| j.cause).into(),
            judged.and_then(|j| j.rule.clone()).unwrap_or_default(),
            judged.and_then(|j| j.blocklist.as_ref()).map_or(String::new(), |list| list.name.clone()),
            judged.and_then(|j| j.sending_ip.clone()).unwrap_or_default(),
        ]
    })
    .collect()
}

#[test]
fn help_has_examples() {
    let out = said(&["--help"], b"");
    for part in ["--csv in.csv", "--file bounce.eml", "--json", "remote_host"] {
        assert!(out.contains(part), "{part}: {out}");
    }
    assert!(out.lines().all(|line| line.chars().count() <= 100), "{out}");
}
