//! Much of everything: lines made to be slow, floods of names, and the same bytes however the work is divided. The
//! numbers are those of the fault table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::{FILES, FRAME, Lab, answer, count, opens, reply, rows, tree};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/sample-logs");

/// 53: lines made to be slow cost no more than a small multiple of a plain text of their size. Only what grows faster
/// than its text can miss this bound.
#[test]
fn attack_lines_take_linear_time() {
    const SIZE: usize = 10 << 20;
    let lab = Lab::new();
    let time = |name: &str, text: &str| {
        lab.write("a.log", reply(1, "5.7.1", text));
        let started = Instant::now();
        let summary = lab.summary("a.log --max-line 16M");
        assert_eq!(count(&summary, "/attempts"), 1, "{name}");
        started.elapsed()
    };
    let benign = "550 5.7.1 Service unavailable, please read our page and try again later. ".repeat(SIZE / 73);
    let bound = time("benign", &benign).max(Duration::from_millis(250)) * 20;
    let attacks =
        ["(", "a", "550-5.7.1 ", "5.7.1.", "<a@b>", "blocked using ", "\"\\", "http://", "[192.0.2.1] ", "\u{1b}["];
    for unit in attacks {
        let text = format!("{}550 5.7.1", unit.repeat(SIZE / unit.len()));
        let took = time(unit, &text);
        assert!(took < bound, "{unit:?}: {took:?}, bound {bound:?}");
    }
}

/// 54: more domains and texts than are kept apart. All are counted, the rows are bounded, and the order does not tell.
#[test]
fn a_flood_of_names_is_bounded_exact_and_repeatable() {
    flood(70_000);
}

#[test]
#[ignore = "takes minutes in a debug build"]
fn a_larger_flood_is_folded_on_the_way() {
    flood(200_000);
}

fn flood(total: usize) {
    const LIMIT: usize = 65_536;
    let lab = Lab::new();
    let line = |n: usize| {
        let word: String = format!("{n:06}").bytes().map(|b| char::from(b - b'0' + b'a')).collect();
        // Every other text is new too.
        let reply = format!("550 5.7.1 refused {} by policy", if n % 4 < 2 { &word } else { "you" });
        answer(
            FRAME,
            n,
            &format!("u@{word}.example"),
            &format!("mx.{word}.example"),
            "dsn=5.7.1, status=bounced",
            &reply,
        )
    };
    let halves = [0, 1].map(|half| (0..total).filter(|n| n % 2 == half).map(line).collect::<String>());
    let mut runs = Vec::new();
    for (first, second, args) in [(0, 1, "-j 1"), (1, 0, "-j 3 --block-size 64K")] {
        lab.write("logs/1.log", &halves[first]);
        lab.write("logs/2.log", &halves[second]);
        let out = format!("out{first}");
        let ran = lab.scan(&format!("logs --json --out {out} {args}"));
        let summary: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        let totals = ["/attempts", "/with_571", "/bounced", "/inputs/lines"].map(|at| count(&summary, at));
        assert_eq!(totals, [total as u64; 4]);
        let mut files = tree(&lab.path(&out));
        // These two name the file that holds an example.
        files.retain(|name, _| !name.ends_with("manifest.json") && !name.contains("/templates."));
        runs.push(files);
    }
    for (name, bytes) in &runs[0] {
        assert!(runs[1][name] == *bytes, "{name} differs");
    }
    let sum = |name: &str, column: &str| {
        let rows = common::rows(&runs[0][name]);
        (rows.len(), rows.iter().map(|row| row[column].parse::<usize>().unwrap()).sum::<usize>(), rows)
    };
    for (name, column) in [("causes_by_isp.csv", "attempts"), ("traffic_by_isp.csv", "refused")] {
        let (rows, attempts, all) = sum(name, column);
        assert_eq!(attempts, total, "{name}");
        assert!((LIMIT..LIMIT + 100).contains(&rows), "{name}: {rows}");
        assert!(all.iter().any(|row| row["isp"] == "other"), "{name}");
    }
}

/// 55: names that are alike in all but their order cost what other names cost.
#[test]
fn the_same_letters_in_another_order_are_another_name() {
    let lab = Lab::new();
    let names = ["ab-ba", "ba-ab", "abba", "baab", "aabb"];
    let text: String = names
        .iter()
        .map(|name| {
            answer(FRAME, 1, "u@x.example", &format!("mx.{name}.example"), "dsn=5.7.1, status=bounced", "550 5.7.1 no")
        })
        .collect();
    lab.write("a.log", text);
    assert_eq!(lab.table("a.log", "traffic_by_isp").len(), names.len());
}

/// All files that a scan writes.
fn written(lab: &Lab, args: &str, nth: usize) -> BTreeMap<String, Vec<u8>> {
    let out = format!("out{nth}");
    let ran = lab.scan(&format!("{args} --out {out} --events=all --quiet"));
    assert!(matches!(ran.status, 0 | 3), "{args}: {}", ran.err);
    let files = tree(&lab.path(&out));
    assert!(FILES.iter().all(|file| files.contains_key(*file)));
    files
}

#[track_caller]
fn check_same(lab: &Lab, runs: &[&str]) {
    let first = written(lab, runs[0], 0);
    for (nth, args) in runs.iter().enumerate().skip(1) {
        let files = written(lab, args, nth);
        assert!(files.keys().eq(first.keys()), "{args}");
        for (name, bytes) in &files {
            assert!(first[name] == *bytes, "{name} differs with {args}");
        }
    }
}

#[test]
fn the_samples_give_the_same_bytes_every_time() {
    let lab = Lab::new();
    std::os::unix::fs::symlink(SAMPLES, lab.path("s")).unwrap();
    let shuffled = "s/sendmail s/bounces s/postfix/main.log s/mixed s/exim s/postfix";
    let sorted = "s/bounces s/exim s/mixed s/postfix s/postfix/main.log s/sendmail";
    let runs: Vec<String> = [
        "-j 1 --block-size 1M",
        "-j 1 --block-size 4K",
        "-j 2 --block-size 4K",
        "-j 3 --block-size 64K",
        "-j 16 --block-size 8M",
        "-j 16 --block-size 4K",
    ]
    .iter()
    .enumerate()
    .map(|(nth, args)| format!("{} {args}", if nth % 2 == 0 { sorted } else { shuffled }))
    .collect();
    check_same(&lab, &runs.iter().map(String::as_str).collect::<Vec<_>>());
}

/// Messages whose sender is named megabytes before their refusals, queue ids that come again, texts that differ.
#[test]
fn a_long_log_gives_the_same_bytes_every_time() {
    let lab = Lab::new();
    let (mut text, messages) = (String::new(), 4000);
    let frame = |minute: usize| {
        format!("Nov {:2} {:02}:{:02}:00 mx postfix/smtp[9]: ", 1 + minute / 1440, minute / 60 % 24, minute % 60)
    };
    let refusal = |n: usize, minute: usize| {
        let status = ["dsn=5.7.1, status=bounced", "dsn=4.7.1, status=deferred"][n % 2];
        let reply = ["550 5.7.1 spam", "451 4.7.1 later", "550 5.7.1 blocked using zen.spamhaus.org", "550 no"][n % 4];
        answer(
            &frame(minute),
            n,
            &format!("u{n}@r{}.example", n % 50),
            &format!("mx.r{}.example", n % 50),
            status,
            reply,
        )
    };
    for n in 0..messages {
        text.push_str(&opens(&frame(n), n % 3000, &format!("a@s{}.example", n % 97)));
        text.push_str(&format!("{}connect from nobody[192.0.2.1] {}\n", frame(n), "x".repeat(700)));
    }
    for n in 0..messages {
        text.push_str(&refusal(n, messages + n));
        if n % 7 == 0 {
            text.push_str(&format!("{}4F{n:06X}: removed\n", frame(messages + n).replace("smtp", "qmgr")));
            text.push_str(&frame(messages + n).replace("postfix/smtp[9]: ", "last message repeated 2 times\n"));
        }
    }
    assert!(text.len() > 4_000_000);
    lab.write("long.log", &text);
    let year = "long.log --year 2024 --tz Europe/Berlin";
    let runs: Vec<String> =
        ["-j 1 --block-size 8M", "-j 2 --block-size 4K", "-j 3 --block-size 64K", "-j 16 --block-size 1M"]
            .iter()
            .map(|args| format!("{year} {args}"))
            .collect();
    check_same(&lab, &runs.iter().map(String::as_str).collect::<Vec<_>>());
    let events = rows(&tree(&lab.path("out0"))["events.csv"]);
    let named = events.iter().filter(|row| row["mail_from_domain"].ends_with(".example")).count();
    assert!(named > messages / 2, "{named}");
}
