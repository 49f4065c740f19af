//! Years, zones and clocks of logs, and the join of a refusal with its sender. The numbers are those of the fault
//! table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod common;

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use common::{Lab, count, opens, refused};

/// A refusal whose stamp is this text.
fn at(stamp: &str) -> String {
    refused(1).replace("2024-11-23T10:00:00+00:00", stamp)
}

fn lines(stamps: &[&str]) -> String {
    stamps.iter().map(|stamp| at(stamp)).collect()
}

fn set_modified(lab: &Lab, name: &str, date: &str) {
    let seconds = date.parse::<jiff::Timestamp>().unwrap().as_second().unsigned_abs();
    let file = File::options().write(true).open(lab.path(name)).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
}

/// Times of the events, up to the second and without zone; "" where there is none.
fn times(lab: &Lab, args: &str) -> Vec<String> {
    let events = lab.table(args, "events");
    events.iter().map(|row| row["event_time"].trim_end_matches(".000000Z").to_string()).collect()
}

const NEW_YEAR: [&str; 4] = ["Dec 30 10:00:00", "Dec 31 23:59:59", "Jan  1 00:00:01", "Jan  2 09:00:00"];
const NEW_YEAR_TIMES: [&str; 4] =
    ["2023-12-30T10:00:00", "2023-12-31T23:59:59", "2024-01-01T00:00:01", "2024-01-02T09:00:00"];

/// 56: the same years whenever the file is read, by its date, its name, `--now`, `--year` or `SOURCE_DATE_EPOCH`.
#[test]
fn a_new_year_is_found_whenever_the_file_is_read() {
    let lab = Lab::new();
    lab.write("mail.log", lines(&NEW_YEAR));
    for modified in ["2024-01-02T09:00:00Z", "2024-03-01T00:00:00Z", "2024-12-28T00:00:00Z"] {
        set_modified(&lab, "mail.log", modified);
        assert_eq!(times(&lab, "mail.log"), NEW_YEAR_TIMES, "{modified}");
    }
    set_modified(&lab, "mail.log", "2029-06-01T00:00:00Z");
    for args in ["--now 2024-03-01T00:00:00Z", "--now 2024-01-02", "--year 2024"] {
        assert_eq!(times(&lab, &format!("mail.log {args}")), NEW_YEAR_TIMES, "{args}");
    }
    let epoch = common::ran(lab.command("mail.log --out o").env("SOURCE_DATE_EPOCH", "1704186000"));
    assert!(epoch.out.contains("Window 2023-12-30 10:00 .. 2024-01-02 09:00 UTC"), "{}", epoch.out);
    std::fs::rename(lab.path("mail.log"), lab.path("mail.log-20240102")).unwrap();
    assert_eq!(times(&lab, "mail.log-20240102"), NEW_YEAR_TIMES);
}

/// 56: a stream is read forwards; several years; blocks of any size.
#[test]
fn years_do_not_depend_on_how_the_log_is_read() {
    let lab = Lab::new();
    let months = ["Jan", "Apr", "Jul", "Oct"];
    let text: String = (0..5000).map(|n| at(&format!("{} 15 10:00:{:02}", months[n / 400 % 4], n % 60))).collect();
    lab.write("mail.log", &text);
    let run = |args: &str| common::ran(lab.command(args).write_stdin(text.clone())).out;
    let whole = run("mail.log --year 2024 --table traffic_by_isp");
    let days: Vec<&str> = whole.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
    assert_eq!((days.len(), days[0], days[12]), (13, "2021-01-15", "2024-01-15"));
    for args in ["-j 1 --block-size 4K", "-j 3 --block-size 64K", "--block-size 8M"] {
        assert_eq!(run(&format!("mail.log --year 2024 --table traffic_by_isp {args}")), whole, "{args}");
        // The first stamp of a stream is what is known of it.
        assert_eq!(run(&format!("- --year 2021 --table traffic_by_isp {args}")), whole, "stream, {args}");
    }
}

/// 57: the last leap year not after the anchor; a day that never was has no time but is counted.
#[test]
fn leap_days() {
    let lab = Lab::new();
    for (stamp, now, time) in [
        ("Feb 29 12:00:00", "2027-06-01", "2024-02-29T12:00:00"),
        ("Feb 29 12:00:00", "2024-02-28", "2024-02-29T12:00:00"),
        ("Feb 29 12:00:00", "2024-01-01", "2020-02-29T12:00:00"),
        ("Feb 30 12:00:00", "2024-06-01", ""),
        ("2023-02-29T12:00:00Z", "2024-06-01", ""),
    ] {
        lab.write("mail.log", at(stamp));
        assert_eq!(times(&lab, &format!("mail.log --now {now}")), [time], "{stamp} read on {now}");
    }
    assert_eq!(count(&lab.manifest("mail.log"), "/counts/noticed/time_unknown"), 1);
}

/// 58: hosts minutes out of order, also around midnight of New Year.
#[test]
fn disorder_is_no_new_year() {
    let lab = Lab::new();
    let stamps = ["Dec 31 23:58:00", "Jan  1 00:02:00", "Dec 31 23:59:00", "Jan  1 00:00:30", "Jan  1 00:00:10"];
    lab.write("mail.log", lines(&stamps));
    let wanted = [
        "2023-12-31T23:58:00",
        "2024-01-01T00:02:00",
        "2023-12-31T23:59:00",
        "2024-01-01T00:00:30",
        "2024-01-01T00:00:10",
    ];
    assert_eq!(times(&lab, "mail.log --year 2024"), wanted);
}

/// 59, 62: stamps from the future of the file and stamps that are none: kept, without a date, and told.
#[test]
fn impossible_stamps_make_no_partition() {
    let lab = Lab::new();
    let stamps = [
        ("2024-11-24T10:00:00Z", "2024-11-24T10:00:00"),
        ("2024-11-26T10:00:00Z", ""),
        ("2034-11-23T10:00:00Z", ""),
        ("9999-12-31T23:59:59Z", ""),
        ("0000-01-01T00:00:00Z", ""),
        ("1970-01-01T00:00:00Z", ""),
        ("2024-11-23T10:00:00+14:00", "2024-11-22T20:00:00"),
    ];
    for (stamp, time) in stamps {
        lab.write("mail.log", at(stamp));
        assert_eq!(times(&lab, "mail.log --now 2024-11-23"), [time], "{stamp}");
        let traffic = lab.table("mail.log --now 2024-11-23", "traffic_by_isp");
        assert_eq!((traffic[0]["attempts"].as_str(), traffic[0]["log_date"].is_empty()), ("1", time.is_empty()));
    }
    for stamp in
        ["-2147483648", "18446744073709551615", "2024-13-01T00:00:00Z", "2024-11-23T25:00:00Z", "24-11-23T10:00:00Z"]
    {
        lab.write("mail.log", refused(1) + &at(stamp));
        let lines = count(&lab.summary("mail.log"), "/inputs/lines");
        assert_eq!(lines, 2, "{stamp}");
    }
    lab.write("mail.log", at("2034-11-23T10:00:00Z"));
    let shown = lab.scan("mail.log --now 2024-11-23");
    assert!(shown.out.contains("1 records have a time in the future of their file"), "{}", shown.out);
}

/// 60: the hour that comes twice, the one that never comes, and the 61st second.
#[test]
fn summer_time_loses_nothing() {
    let lab = Lab::new();
    let cases = [
        ("Oct 27 02:30:00", "2024-10-27T00:30:00"),
        ("Oct 27 03:30:00", "2024-10-27T02:30:00"),
        ("Mar 31 02:30:00", "2024-03-31T01:30:00"),
        ("Jul  1 12:00:00", "2024-07-01T10:00:00"),
        ("Nov 23 12:00:00", "2024-11-23T11:00:00"),
        ("2024-11-23T12:00:00-05:00", "2024-11-23T17:00:00"),
        ("2024-12-31T23:59:60Z", "2025-01-01T00:00:00"),
    ];
    for (stamp, utc) in cases {
        lab.write("mail.log", at(stamp));
        assert_eq!(times(&lab, "mail.log --year 2024 --tz Europe/Berlin"), [utc], "{stamp}");
    }
    // The system's zone is the default.
    lab.write("mail.log", at("Jul  1 12:00:00"));
    let berlin = common::ran(lab.command("mail.log --year 2024 --table events").env("TZ", "Europe/Berlin"));
    assert!(berlin.out.contains(",2024-07-01T10:00:00"), "{}", berlin.out);
}

/// 61: a copy whose date is not the log's.
#[test]
fn inferred_years_are_marked_and_doubted() {
    let lab = Lab::new();
    // 16 months on end: read backwards from any date, more than 13 months.
    let stamps = ["Jan 10 00:00:00", "May 10 00:00:00", "Sep 10 00:00:00", "Jan 11 00:00:00", "May 11 00:00:00"];
    lab.write("mail.log", lines(&stamps));
    set_modified(&lab, "mail.log", "2024-05-12T00:00:00Z");
    let shown = lab.scan("mail.log");
    assert!(shown.out.contains("stamps have no year"), "{}", shown.out);
    assert_eq!(times(&lab, "mail.log")[0], "2023-01-10T00:00:00");
    assert_eq!(times(&lab, "mail.log --year 2021")[0], "2020-01-10T00:00:00");
    let manifest = lab.manifest("mail.log");
    assert_eq!(manifest["inputs"][0]["year_inferred"], true);
    assert!(lab.table("mail.log", "events").iter().all(|row| row["event_time_basis"] == "year_inferred"));
    // `unzip` and some archives set the date to the start of time: nothing is dated, and the reader is told.
    lab.write("old.log", at("Nov 23 10:00:00"));
    set_modified(&lab, "old.log", "1980-01-01T00:00:00Z");
    let old = lab.scan("old.log");
    assert_eq!(old.status, 0);
    assert!(old.out.contains("1 records have a time in the future of their file or before 1980"), "{}", old.out);
    assert_eq!(times(&lab, "old.log --year 2024"), ["2024-11-23T10:00:00"]);
}

/// A stated year needs no date of the file.
#[test]
fn a_file_from_the_start_of_time_keeps_stated_years() {
    let lab = Lab::new();
    lab.write("mail.log", refused(1));
    set_modified(&lab, "mail.log", "1970-01-01T00:00:01Z");
    assert_eq!(times(&lab, "mail.log"), ["2024-11-23T10:00:00"]);
}

/// The sender named in one place of a log and the refusal in another, in files and streams, in blocks of any size.
#[test]
fn senders_are_found_over_blocks_and_files() {
    let lab = Lab::new();
    let frame = |day: u32| format!("2024-11-{day:02}T10:00:00+00:00 mx postfix/smtp[9]: ");
    let filler = |day: u32| format!("{}connect from nobody\n", frame(day).replace("smtp", "smtpd")).repeat(2000);
    let refusal = |id: usize, day: u32| refused(id).replace("2024-11-23", &format!("2024-11-{day:02}"));
    let first: String = (1..=3).map(|id| opens(&frame(21), id, &format!("a@s{id}.example"))).collect();
    let closed = format!("{}4F000003: removed\n", frame(21).replace("smtp", "qmgr"));
    let other_host = opens(&frame(21).replace(" mx ", " mx2 "), 2, "a@elsewhere.example");
    let first = first + &closed + &other_host + &filler(21);
    let second =
        filler(22) + &refusal(1, 22) + &refusal(2, 22) + &refusal(3, 22) + &opens(&frame(22), 1, "a@late.example");
    // The older one has the later name.
    lab.write("b.log", &first);
    lab.write("a.log", &second);
    lab.write("all.log", first.clone() + &second);
    for size in ["4K", "64K", "8M"] {
        for input in ["a.log b.log", "all.log", "-"] {
            let args = format!("{input} --table events --block-size {size} -j 3");
            let ran = common::ran(lab.command(&args).write_stdin(first.clone() + &second));
            let rows = common::rows(ran.out.as_bytes());
            let senders: Vec<&str> = rows.iter().map(|row| row["mail_from_domain"].as_str()).collect();
            assert_eq!(senders, ["s1.example", "s2.example", ""], "{args}");
        }
    }
    let delivered =
        lab.write("sent.log", opens(&frame(21), 1, "a@s1.example") + &refusal(1, 21).replace("bounced", "sent"));
    assert!(delivered.exists());
    let events = lab.table("sent.log --events=all", "events");
    assert_eq!((events[0]["outcome"].as_str(), events[0]["mail_from_domain"].as_str()), ("delivered", "s1.example"));
}

/// Of a pipe, how much is read at once is chance: the years must not hang on it.
#[test]
fn years_of_a_stream_do_not_depend_on_blocks() {
    let lab = Lab::new();
    let months = ["Jan", "May", "Oct", "Mar", "Aug", "Dec", "Jan", "Jun"];
    let line = |n: usize| {
        let frame = format!("{} {:2} 10:00:00 mx postfix/smtp[9]: ", months[n / 40 % 8], n % 28 + 1);
        common::answer(&frame, n, "u@example.net", "mx.example.net", "dsn=5.7.1, status=bounced", "550 5.7.1 no")
    };
    let text: String = (0..400).map(line).collect();
    let run = |size: &str| {
        let mut command =
            lab.command(&format!("- --year 2026 --now 2032-01-01 --table causes_by_isp --block-size {size}"));
        common::ran(command.write_stdin(text.clone())).out
    };
    let whole = run("8M");
    assert!(whole.lines().count() > 100, "{whole}");
    for size in ["4K", "64K"] {
        assert_eq!(run(size), whole, "{size}");
    }
}

#[test]
fn wrong_times_are_usage_errors() {
    let lab = Lab::new();
    lab.write("mail.log", refused(1));
    for args in ["--now yesterday", "--year 24", "--year 20240", "--tz Mars/Olympus", "--now 2024-02-30"] {
        let ran = lab.scan(&format!("mail.log {args}"));
        assert_eq!((ran.status, ran.out.as_str()), (2, ""), "{args}: {}", ran.err);
        assert!(ran.err.contains(args.split(' ').next().unwrap()), "{}", ran.err);
    }
}
