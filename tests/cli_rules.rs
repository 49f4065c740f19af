//! Own tables, the commands that look at rules, and `schema`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use assert_cmd::Command;
use common::{FRAME, Lab, PROGRAM, Ran, answer, ran, rows};
use serde_json::Value;

const HEAD: &str = "id,provider,words,cause,sample,anti,source\n";

fn run(lab: &Lab, args: &str) -> Ran {
    let mut command = Command::new(PROGRAM);
    command.args(args.split_whitespace()).current_dir(lab.path(".")).env_clear().env("TZ", "UTC");
    ran(command.timeout(std::time::Duration::from_secs(60)))
}

fn json(lab: &Lab, args: &str) -> Value {
    let ran = run(lab, &format!("{args} --json"));
    assert_eq!(ran.err, "", "{args}");
    let value: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(value["schema_version"], bouncesift::table::SCHEMA_VERSION);
    value
}

const GOOGLE: &str = "gmail-smtp-in.l.google.com";

/// A log of refusals with these replies, one message each, by the host of the address's domain.
fn log(replies: &[(&str, &str)]) -> String {
    let line = |(id, (domain, reply)): (usize, &(&str, &str))| {
        let host = if *domain == "gmail.com" { GOOGLE.to_owned() } else { format!("mx.{domain}") };
        answer(FRAME, id, &format!("user@{domain}"), &host, "dsn=5.0.0, status=bounced", reply)
    };
    replies.iter().enumerate().map(line).collect()
}

/// Causes and rules of the events of `mail.log`.
fn causes(lab: &Lab, flags: &str) -> Vec<(String, String)> {
    let events = lab.table(&format!("mail.log {flags}"), "events");
    events.iter().map(|row| (row["cause"].clone(), row["rule"].clone())).collect()
}

fn pair(cause: &str, rule: &str) -> (String, String) {
    (cause.to_owned(), rule.to_owned())
}

#[test]
fn own_rules_go_first_and_are_in_the_hash() {
    let lab = Lab::new();
    lab.write("mail.log", log(&[("example.org", "550 5.7.1 Zonk says no"), ("gmail.com", "550 5.7.1 spam, Zonk")]));
    let own = format!(
        "{HEAD}zonk,,zonk says,low_reputation,550 zonk says no,,x\ngoogle-zonk,google,zonk,dmarc_fail,550 zonk,,x\n"
    );
    lab.write("own.csv", &own);
    let before = lab.manifest("mail.log")["ruleset"].clone();
    assert_eq!(causes(&lab, "--rules own.csv"), [pair("low_reputation", "zonk"), pair("dmarc_fail", "google-zonk")]);
    let after = lab.manifest("mail.log --rules own.csv")["ruleset"].clone();
    assert_ne!(before["sha256"], after["sha256"]);
    assert_eq!(after["rules"].as_u64().unwrap(), before["rules"].as_u64().unwrap() + 2);
    assert_eq!((&before["own_tables"], &after["own_tables"]), (&Value::Null, &serde_json::json!(["own.csv"])));
    // What the tables are called does not matter, what they say does; nor does how their lines end.
    lab.write("other.csv", format!("\u{feff}{}", own.replace('\n', "\r\n")));
    let same = lab.manifest("mail.log --rules other.csv")["ruleset"].clone();
    assert_eq!(same["sha256"], after["sha256"]);
}

#[test]
fn own_isps_are_asked_first() {
    let lab = Lab::new();
    lab.write("mail.log", log(&[("example.org", "550 5.7.1 no"), ("gmail.com", "550 5.7.1 no")]));
    // The same name as the built-in table's, a slug of it, and a suffix of it.
    lab.write(
        "isps.csv",
        "slug,name,kind,mx_suffixes,sample,source\nours,Ours,isp,example.org,host:mx.example.org,x\n\
         google,Google,mailbox_provider,l.google.com,host:gmail-smtp-in.l.google.com,x\n",
    );
    let isps = |flags: &str| -> Vec<String> {
        lab.table(&format!("mail.log {flags}"), "events").iter().map(|row| row["isp"].clone()).collect()
    };
    assert_eq!(isps("--isps isps.csv"), ["ours", "google"]);
    assert_eq!(isps("")[0], "example.org");
    assert_ne!(lab.manifest("mail.log")["ruleset"], lab.manifest("mail.log --isps isps.csv")["ruleset"]);
    assert_eq!(run(&lab, "rules check --isps isps.csv").out.matches("isps.csv").count(), 0);
    lab.write("wrong.csv", "slug,name,kind,mx_suffixes,sample,source\nnew,New,isp,new.example,host:mx.google.com,x\n");
    let wrong = run(&lab, "rules check --isps wrong.csv");
    assert_eq!(wrong.status, 1);
    assert!(wrong.out.starts_with("wrong.csv:2: new: error: its sample \"host:mx.google.com\""), "{}", wrong.out);
    // A provider of an own table has its own rules.
    lab.write("own.csv", format!("{HEAD}ours-no,ours,<no>,relay_denied,550 5.7.1 no,,x\n"));
    assert_eq!(causes(&lab, "--isps isps.csv --rules own.csv")[0], pair("relay_denied", "ours-no"));
}

#[test]
fn broken_tables_are_named_with_file_and_line() {
    let lab = Lab::new();
    lab.write("mail.log", log(&[("example.org", "550 no")]));
    let cases: [(&str, &[u8], &str); 13] = [
        (
            "rules",
            b"id,words,cause,sample,source\r\n\r\na,some words,nonsense,x,y\r\n",
            "t.csv:3: no cause \"nonsense\"; see",
        ),
        ("rules", b"id,words,cause,sample,source\na,some words,,x,y\n", "t.csv:2: column \"cause\" is empty"),
        ("rules", b"id,words,cause,sample\na,some words,spam_content,x\n", "t.csv:2: column \"source\" is empty"),
        ("rules", b"id,wrds\n", "t.csv:1: unknown column \"wrds\""),
        (
            "rules",
            b"id,provider,words,cause,sample,source\na,gmial,some,spam_content,some,y\n",
            "t.csv:2: no provider \"gmial\"",
        ),
        ("rules", b"id,words,cause,sample,source\nb,some,spam_content,some,y\na,\xff,x,x,y\n", "t.csv:3: no UTF-8"),
        ("rules", b"id,words,regex,cause,sample,source\na,some,(,spam_content,some,y\n", "t.csv:2: regex"),
        ("isps", b"slug,name,kind,sample,source\nX,X,isp,host:x.example,y\n", "t.csv:2: `X` is no slug"),
        ("isps", b"slug,name,sample,source\nx,X,host:x.example,y\n", "t.csv:2: "),
        // The row below the open quote must not vanish in a cell.
        (
            "rules",
            b"\xef\xbb\xbfid,words,cause,sample,source\r\na,some,spam_content,some,\"y\r\nb,other,spam_content,other,y\r\n",
            "t.csv:2: a quote is opened and never closed",
        ),
        ("isps", b"slug,name,kind,sample,source\nx,X,isp,host:x.example,\"y\n", "t.csv:2: a quote is opened"),
        ("rules", b"", "t.csv: is empty"),
        ("isps", b"\n", "t.csv: is empty"),
    ];
    for (flag, table, error) in cases {
        lab.write("t.csv", table);
        let ran = lab.scan(&format!("mail.log --{flag} t.csv"));
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{error}: {}", ran.err);
        assert!(ran.err.starts_with(&format!("bouncesift: {error}")), "{error}: {}", ran.err);
    }
    let ran = lab.scan("mail.log --rules missing.csv");
    assert_eq!(ran.status, 2);
    assert!(ran.err.starts_with("bouncesift: missing.csv: reading failed"), "{}", ran.err);
}

/// Fills in the cause of each row.
fn fill_in(table: &str, cause: &str) -> String {
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let mut writer = csv::Writer::from_writer(Vec::new());
    let header = reader.headers().unwrap().clone();
    writer.write_record(&header).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        let cells = header.iter().zip(&record).map(|(name, cell)| if name == "cause" { cause } else { cell });
        writer.write_record(cells).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}

const ODD: [(&str, &str); 7] = [
    ("example.org", "550 5.7.1 Zonked <user@example.org> for being \"odd\", see https://example.org/x (id 4XhT2q9)"),
    ("example.com", "550 5.7.1 Zonked <other@example.org> for being \"odd\", see https://example.org/y (id 7QqT2q9)"),
    ("example.com", "554 Глюк случился с письмом"),
    ("example.com", "550-5.7.1 one line of blarg | and & more 550 5.7.1 second blarg line"),
    ("example.net", "550 5.7.1 Access denied"),
    ("example.net", "550 5.7.1 =Blargh+cmd| of the day"),
    ("example.net", "450 9 9 9"),
];

#[test]
fn unexplained_texts_become_rules() {
    let lab = Lab::new();
    lab.write("mail.log", log(&ODD));
    let table = lab.table("mail.log", "unclassified");
    assert_eq!(
        (table[0]["attempts"].as_str(), table[0]["isps"].as_str(), table[0]["cause"].as_str()),
        ("2", "2", "unclassified")
    );
    assert!(table.iter().any(|row| row["cause"] == "access_denied"));
    assert!(table.iter().any(|row| row["template"].contains("<n>") && row["suggested_rule"].is_empty()));
    // From the report: header and the cells, as they are.
    let cells: Vec<&str> =
        table.iter().map(|row| row["suggested_rule"].as_str()).filter(|cell| !cell.is_empty()).collect();
    assert!(cells.len() >= 4, "{cells:?}");
    let header = bouncesift::cause::RULE_COLUMNS.join(",");
    check_and_use(&lab, &format!("{header}\n{}\n", cells.join("\n")));
    // From the command.
    lab.scan("mail.log --out out");
    let mined = run(&lab, "rules mine out --csv");
    assert_eq!(mined.status, 0, "{}", mined.err);
    assert!(mined.out.is_ascii() || mined.out.contains("Глюк"));
    check_and_use(&lab, &mined.out);
    let left = json(&lab, "rules mine out --rules filled.csv");
    assert_eq!(left["texts"].as_array().unwrap().len(), 1, "{left}");
}

/// Without causes the table is refused; with them it is sound and explains all but the text without words.
fn check_and_use(lab: &Lab, table: &str) {
    lab.write("raw.csv", table);
    let raw = run(lab, "rules check raw.csv");
    assert_eq!(raw.status, 2);
    assert!(raw.err.starts_with("bouncesift: raw.csv:2: column \"cause\" is empty"), "{}", raw.err);
    lab.write("filled.csv", fill_in(table, "message_format"));
    let checked = run(lab, "rules check filled.csv");
    assert_eq!((checked.status, checked.err.as_str()), (0, ""), "{}", checked.out);
    let after = causes(lab, "--rules filled.csv");
    assert!(
        after.iter().take(6).all(|(cause, rule)| cause == "message_format" && rule.starts_with("local-")),
        "{after:?}"
    );
}

#[test]
fn suggestions_for_recorded_logs_are_sound() {
    let lab = Lab::new();
    let logs = concat!(env!("CARGO_MANIFEST_DIR"), "/sample-logs");
    assert_eq!(lab.scan(&format!("{logs} --out out --quiet")).status, 0);
    let mined = run(&lab, "rules mine out --csv --top 1000");
    lab.write("own.csv", fill_in(&mined.out, "message_format"));
    let checked = run(&lab, "rules check own.csv");
    assert_eq!(checked.status, 0, "{}", checked.out);
    let left = json(&lab, "rules mine out --rules own.csv");
    assert_eq!(left["texts"], serde_json::json!([]), "{left}");
}

#[test]
fn check_reports_rows_with_their_place() {
    let lab = Lab::new();
    let table = format!(
        "{HEAD}wide,,zonk,spam_content,550 zonk,,x\nnarrow,,zonk zonk,low_reputation,550 zonk zonk,,x\n\
         lost,,blarg,spam_content,550 nothing,550 blarg|550 other,x\n"
    );
    lab.write("own.csv", &table);
    let ran = run(&lab, "rules check own.csv");
    assert_eq!((ran.status, ran.err.as_str()), (1, ""), "{}", ran.out);
    let lines: Vec<&str> = ran.out.lines().collect();
    assert!(lines[0].starts_with("own.csv:3: narrow: error: its sample is won by wide (own.csv:2)"), "{}", ran.out);
    assert!(
        lines[1].starts_with("own.csv:3: narrow: error: can never win: where it holds, wide (own.csv:2)"),
        "{}",
        ran.out
    );
    assert!(lines[2].starts_with("own.csv:4: lost: error: its sample is won by no"), "{}", ran.out);
    assert_eq!(lines[3], "own.csv:4: lost: error: wins a text that it must not win: \"550 blarg\"");
    assert_eq!(lines[4], "3 rules checked: 4 errors, 0 notes");
    let report = json(&lab, "rules check own.csv");
    assert_eq!((&report["errors"], &report["findings"][1]["kind"]), (&Value::from(4), &Value::from("shadowed")));
    // What takes a built-in row's sample is a note, and an error with --strict.
    lab.write("own.csv", format!("{HEAD}mine,,greylisting in action,spam_content,450 greylisting in action,,x\n"));
    let ran = run(&lab, "rules check own.csv");
    assert_eq!(ran.status, 0, "{}", ran.out);
    assert!(ran.out.contains("note: wins the sample of the built-in greylist (rules/general.csv:"), "{}", ran.out);
    assert_eq!(run(&lab, "rules check --strict own.csv").status, 1);
}

#[test]
fn check_keeps_to_what_it_is_asked() {
    let lab = Lab::new();
    lab.write("own.csv", HEAD);
    assert_eq!(run(&lab, "rules check own.csv").out, "0 rules checked: 0 errors, 0 notes\n");
    lab.write("own.csv", format!("{HEAD}lost,,blarg,spam_content,{},,x\n", "a b ".repeat(100_000)));
    let ran = run(&lab, "rules check own.csv");
    assert!(ran.status == 1 && ran.out.len() < 2000, "{} bytes", ran.out.len());
}

#[test]
fn the_built_in_tables_can_be_checked() {
    let report = json(&Lab::new(), "rules check");
    let shadowed = report["findings"].as_array().unwrap().iter().filter(|finding| finding["kind"] == "shadowed");
    assert_eq!(shadowed.count(), 0);
    assert!(report["rules"].as_u64().unwrap() > 200);
}

#[test]
fn diff_tells_what_would_change() {
    let lab = Lab::new();
    lab.write("a.log", log(&ODD));
    lab.write("b.log", log(&ODD[..1]));
    lab.scan("a.log --out a");
    lab.scan("b.log --out b");
    let row = "zonk,,zonked,low_reputation,550 zonked,,x\ngone,,access denied,access_denied,550 access denied,,x\n";
    lab.write("own.csv", format!("{HEAD}{row}"));
    let report = json(&lab, "rules diff own.csv --on a b/run=000001");
    assert_eq!(report["judged"], 8);
    assert_eq!((&report["cause_changes"], &report["rule_changes"]), (&Value::from(3), &Value::from(1)));
    let first = &report["changes"][0];
    assert_eq!((&first["attempts"], &first["after"]["rule"]), (&Value::from(3), &Value::from("zonk")));
    assert_eq!(first["before"]["cause"], "unclassified");
    assert_eq!(first["isps"], serde_json::json!(["example.com", "example.org"]));
    let ran = run(&lab, "rules diff own.csv --on a b");
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("\n3 of 8 attempts would get another cause, 1 more only another rule\n"), "{}", ran.out);
    let nothing = run(&lab, "rules diff own.csv --on .");
    assert_eq!((nothing.status, nothing.out.as_str()), (2, ""));
    assert_eq!(run(&lab, "rules diff own.csv --on missing").status, 1);
    assert_eq!(run(&lab, "rules diff own.csv").status, 2);
}

#[test]
fn providers_rules_are_judged_for_their_isp() {
    let lab = Lab::new();
    lab.write("mail.log", log(&[("gmail.com", "550 5.7.1 zonk"), ("example.org", "550 5.7.1 zonk")]));
    lab.scan("mail.log --out out");
    lab.write("own.csv", format!("{HEAD}zonk,google,zonk,low_reputation,550 zonk,,x\n"));
    let report = json(&lab, "rules diff own.csv --on out");
    assert_eq!((&report["judged"], &report["cause_changes"]), (&Value::from(2), &Value::from(1)));
    assert_eq!(report["changes"][0]["isps"], serde_json::json!(["google"]));
}

#[test]
fn rules_are_listed_and_shown() {
    let lab = Lab::new();
    let all = run(&lab, "rules list").out;
    assert!(all.lines().count() > 200 && all.starts_with("rule "));
    let some = json(&lab, "rules list --cause greylisted");
    let some = some["rules"].as_array().unwrap();
    assert!(!some.is_empty() && some.iter().all(|rule| rule["cause"] == "greylisted"));
    assert!(run(&lab, "rules list --provider google").out.lines().skip(1).all(|line| line.contains("google")));
    let shown = json(&lab, "rules show greylist");
    assert_eq!((&shown["samples"][0]["won_by"], &shown["own"]), (&Value::from("greylist"), &Value::from(false)));
    assert!(run(&lab, "rules show greylist").out.contains("\nmeaning "));
    for (args, error) in [
        ("rules show greylis", "no rule \"greylis\"; there is "),
        ("rules list --cause spam", "no cause \"spam\"; there are spf_fail, "),
        ("rules list --provider googl", "--provider: no provider \"googl\"; there is google"),
    ] {
        let ran = run(&lab, args);
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{args}");
        assert!(ran.err.starts_with(&format!("bouncesift: {error}")), "{}", ran.err);
    }
}

#[test]
fn classes_of_other_systems() {
    let lab = Lab::new();
    lab.write("mail.log", log(&[("example.org", "550 5.7.1 Rejected by DMARC policy")]));
    let plain = lab.table("mail.log", "causes_by_isp");
    let row = &lab.table("mail.log --crosswalk postmark,sisimai", "causes_by_isp")[0];
    assert_eq!((row["class_sisimai"].as_str(), row["class_postmark"].as_str()), ("authfailure", "DMARCPolicy"));
    let without: BTreeMap<_, _> = row.iter().filter(|(name, _)| !name.starts_with("class_")).collect();
    assert_eq!(without, plain[0].iter().collect());
    let ran = lab.scan("mail.log --crosswalk sisymai");
    assert_eq!(
        (ran.status, ran.err.starts_with("bouncesift: --crosswalk: \"sisymai\" is not one of sisimai, ")),
        (2, true)
    );
    let table = run(&lab, "rules crosswalk --csv").out;
    assert_eq!(rows(table.as_bytes()).len(), 21);
    assert_eq!(json(&lab, "rules crosswalk")["causes"].as_array().unwrap().len(), 21);
    assert_eq!(run(&lab, "rules crosswalk").out.lines().count(), 22);
}

#[test]
fn the_summary_tells_what_verdicts_rest_on() {
    let lab = Lab::new();
    lab.write(
        "mail.log",
        log(&[
            ("example.org", "550 5.7.1 Rejected by DMARC policy"),
            ("example.org", "550 5.7.1 zonk"),
            ("example.org", "550 5.7.23 zonk"),
            ("example.org", "550 5.1.1 user unknown"),
        ]),
    );
    let summary = lab.summary("mail.log");
    let coverage = serde_json::json!({"text": 1, "token": 0, "registered_code": 1, "abstained": 1});
    assert_eq!((&summary["coverage"], &summary["policy"]), (&coverage, &Value::from(3)));
    assert_eq!(summary["unexplained"]["top"][0]["template"], "550 5.7.1 zonk");
    let text = lab.scan("mail.log").out;
    assert!(
        text.contains("\nExplained   text 33.3%  token 0.0%  code 33.3%  abstained 33.3%  (policy only)\n"),
        "{text}"
    );
    assert!(text.contains("texts that no rule explains\n         1      1  550 5.7.1 zonk\n"), "{text}");
}

#[test]
fn schema_explains_what_is_written() {
    let lab = Lab::new();
    lab.write("mail.log", log(&ODD));
    let all = json(&lab, "schema");
    assert_eq!(all["causes"].as_array().unwrap().len(), 21);
    for table in all["tables"].as_array().unwrap() {
        let name = table["name"].as_str().unwrap();
        let one = json(&lab, &format!("schema {name}"));
        assert_eq!(&one["tables"][0], table);
        let text = run(&lab, &format!("schema {name}"));
        assert_eq!((text.status, text.err.as_str()), (0, ""));
        if table["kind"] == "report" && name != "crosswalk" {
            let written = lab.scan(&format!("mail.log --table {name} --out -")).out;
            let columns: Vec<&str> =
                table["columns"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
            assert_eq!(written.lines().next().unwrap(), columns.join(","), "{name}");
        }
    }
    let ran = run(&lab, "schema cause_by_isp");
    assert_eq!((ran.status, ran.out.as_str()), (2, ""));
    assert!(ran.err.starts_with("bouncesift: no table \"cause_by_isp\"; there are causes_by_isp, "), "{}", ran.err);
}

#[test]
fn foreign_text_is_shown_harmless() {
    let lab = Lab::new();
    lab.write("mail.log", log(&[("example.org", "550 5.7.1 zonk \u{1b}[2J\u{202e} zonk zonk")]));
    lab.scan("mail.log --out out");
    // A run that somebody has changed.
    let path = lab.path("out/run=000001/templates.csv");
    if let Ok(text) = std::fs::read_to_string(&path) {
        std::fs::write(&path, text.replace("zonk", "zo\\u{1b}[2Jnk")).unwrap();
    }
    lab.write("own.csv", format!("{HEAD}five,,5.7.1,low_reputation,550 5.7.1,,\"x\u{1b}[2J\"\n"));
    for args in [
        "rules mine out",
        "rules mine out --csv",
        "rules diff own.csv --on out",
        "rules show five --rules own.csv",
        "rules check own.csv",
    ] {
        let ran = run(&lab, args);
        assert!(!ran.out.contains(['\u{1b}', '\u{202e}']) && !ran.err.contains('\u{1b}'), "{args}: {}", ran.out);
    }
    // The parser of regular expressions quotes what it was given.
    let regex = format!("(\u{1b}[2J\u{202e}{}", "(".repeat(100_000));
    lab.write("own.csv", format!("id,words,regex,cause,sample,source\na,some,{regex},spam_content,some,y\n"));
    let ran = run(&lab, "rules check own.csv");
    assert!(ran.status == 2 && !ran.err.contains(['\u{1b}', '\u{202e}']), "{} bytes", ran.err.len());
    assert!(ran.err.contains("\\u{1b}[2J") && ran.err.len() < 20_000, "{} bytes", ran.err.len());
}
