//! Inputs of every kind, good and bad, given to the program. The numbers are those of the fault table.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

mod common;

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::time::{Duration, Instant};

use common::{Lab, PROGRAM, count, refused};

const GZIP: &[u8] = b"\x1f\x8b\x08\0\0\0\0\0\0\x03\x03\0\0\0\0\0\0\0\0\0";

#[test]
fn a_missing_path_fails_alone_and_makes_a_run_partial() {
    let lab = Lab::new();
    lab.write("good.log", refused(1));
    let alone = lab.scan("nope.log");
    assert_eq!((alone.status, alone.out.as_str()), (1, ""));
    assert_eq!(alone.err, "bouncesift: nothing to report: nope.log: no such file or directory\n");
    let mixed = lab.scan("nope.log good.log --json");
    assert_eq!((mixed.status, mixed.err.as_str()), (3, "bouncesift: nope.log: no such file or directory\n"));
    let summary: serde_json::Value = serde_json::from_str(&mixed.out).unwrap();
    assert_eq!((count(&summary, "/attempts"), &summary["partial"]), (1, &true.into()));
    assert_eq!((count(&summary, "/inputs/count"), count(&summary, "/inputs/damaged")), (2, 1));
    let manifest = lab.manifest("nope.log good.log");
    assert_eq!((&manifest["exit_status"], &manifest["problems"][0]["path"]), (&3.into(), &"nope.log".into()));
}

#[test]
fn many_equal_problems_are_one_line_and_counted_each() {
    let lab = Lab::new();
    lab.write("good.log", refused(1));
    let names: Vec<String> = (0..1000).map(|n| format!("no{n:04}")).collect();
    let ran = lab.scan(&format!("good.log --json {}", names.join(" ")));
    assert_eq!(ran.status, 3);
    assert_eq!(ran.err, "bouncesift: 1000 files: no such file or directory (first: no0000)\n");
    let summary: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((count(&summary, "/inputs/count"), count(&summary, "/inputs/damaged")), (1001, 1000));
}

/// Root may read everything: there, the program runs as somebody else.
#[test]
fn an_unreadable_file_is_named_and_the_rest_counted() {
    let lab = Lab::new();
    lab.write("good.log", refused(1));
    let secret = lab.write("secret.log", refused(2));
    fs::set_permissions(&secret, PermissionsExt::from_mode(0o000)).unwrap();
    fs::set_permissions(lab.path("."), PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = std::process::Command::new(PROGRAM);
    command.args(["scan", "good.log", "secret.log", "--json"]).current_dir(lab.path(".")).env_clear();
    if secret.metadata().unwrap().uid() == 0 {
        command.uid(65_534).gid(65_534);
    }
    let output = match command.output() {
        Ok(output) => output,
        Err(error) => return println!("skipped: another user may not run {PROGRAM}: {error}"),
    };
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(3), "{err}");
    assert!(err.starts_with("bouncesift: secret.log: permission denied (mail logs are often"), "{err}");
    let summary: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(count(&summary, "/attempts"), 1);
}

/// 13, 14: text that is a log in spite of its looks. File, lines, attempts.
#[test]
fn odd_texts_are_read() {
    let (one, two) = (refused(1), refused(2));
    let nul = |text: &str| text.replace("Access", "Acc\0ess").into_bytes();
    let cases: [(&str, Vec<u8>, u64, u64); 11] = [
        ("empty", vec![], 0, 0),
        ("one line end", b"\n".to_vec(), 1, 0),
        ("one CRLF", b"\r\n".to_vec(), 1, 0),
        ("no last line end", format!("{one}{}", two.trim_end()).into(), 2, 2),
        ("CRLF", format!("{one}{two}").replace('\n', "\r\n").into(), 2, 2),
        ("byte order mark", format!("\u{feff}{one}{two}").into(), 2, 2),
        ("byte order mark, one line", format!("\u{feff}{one}").into(), 1, 1),
        ("NUL in a line", nul(&one), 1, 1),
        ("NUL block between", [one.as_bytes(), &[0; 5000], b"\n", two.as_bytes()].concat(), 3, 2),
        (
            "invalid UTF-8",
            one.replace("denied", "deni?d").bytes().map(|b| if b == b'?' { 0xff } else { b }).collect(),
            1,
            1,
        ),
        ("control Z at the end", format!("{one}\u{1a}").into(), 2, 1),
    ];
    for (name, bytes, lines, attempts) in cases {
        for through_pipe in [false, true] {
            let lab = Lab::new();
            lab.write("odd.log", &bytes);
            let ran = if through_pipe {
                common::ran(lab.command("- --json").write_stdin(bytes.clone()))
            } else {
                lab.scan("odd.log --json")
            };
            assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{name}");
            let summary: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
            assert_eq!((count(&summary, "/inputs/lines"), count(&summary, "/attempts")), (lines, attempts), "{name}");
            assert_eq!(count(&summary, "/with_571"), attempts, "{name}");
        }
    }
    let lab = Lab::new();
    lab.write("nul.log", nul(&one));
    assert_eq!(count(&lab.manifest("nul.log"), "/counts/noticed/lines_with_nul"), 1);
}

/// A stamp without a year on the line behind a byte order mark has a time too.
#[test]
fn a_byte_order_mark_does_not_hide_the_year() {
    let lab = Lab::new();
    let line = refused(1).replace("2024-11-23T10:00:00+00:00", "Nov 23 10:00:00");
    let events = lab.events(format!("\u{feff}{line}"));
    assert!(events[0]["event_time"].ends_with("-11-23T10:00:00.000000Z"), "{events:?}");
}

/// 14, 16: what is no log is refused by name, alone or among others.
#[test]
fn what_is_no_log_is_refused_by_name() {
    let utf16: Vec<u8> = refused(1).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let cases: [(&[u8], &str); 7] = [
        (GZIP, "gzip compressed; read it with: zcat bad | bouncesift scan -"),
        (b"\x28\xb5\x2f\xfd\0\0", "zstd compressed; read it with: zstdcat bad | bouncesift scan -"),
        (b"PK\x03\x04\0\0", "zip compressed; read it with: unzip -p bad | bouncesift scan -"),
        (&[b"\xff\xfe", &utf16[..]].concat(), "UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8"),
        (&utf16, "UTF-16 text; convert it first: iconv -f UTF-16 -t UTF-8"),
        (b"\x7fELF\x02\x01\x01\0\0\0\0\0", "no text"),
        (b"some,other,text\n1,2,3\n", "no line in a known log format"),
    ];
    let lab = Lab::new();
    lab.write("good.log", refused(1));
    for (bytes, why) in cases {
        lab.write("bad", bytes);
        let alone = lab.scan("bad");
        assert_eq!((alone.status, alone.out.as_str()), (1, ""));
        assert_eq!(alone.err, format!("bouncesift: nothing to report: bad: {why}\n"));
        let mixed = lab.scan("bad good.log --json");
        assert_eq!((mixed.status, mixed.err), (3, format!("bouncesift: bad: {why}\n")));
        assert!(mixed.out.contains("\"attempts\": 1"));
    }
}

/// 92: a command that is proposed does what it says, whatever the file's name.
#[test]
fn a_proposed_command_quotes_the_name() {
    let lab = Lab::new();
    lab.write("it's;reboot .gz", GZIP);
    let ran = common::ran(lab.command("").arg("it's;reboot .gz"));
    assert!(ran.err.contains(r"zcat 'it'\''s;reboot .gz' | bouncesift scan -"), "{}", ran.err);
}

#[test]
fn directories_without_logs_say_so() {
    let lab = Lab::new();
    fs::create_dir(lab.path("empty")).unwrap();
    lab.write("letters/a.txt", "Dear all,\nthis is no log.\n");
    lab.write("letters/b/c.gz", GZIP);
    let empty = lab.scan("empty");
    assert_eq!((empty.status, empty.err.as_str()), (1, "bouncesift: nothing to report: no files in empty\n"));
    let letters = lab.scan("letters");
    assert_eq!((letters.status, letters.out.as_str()), (1, ""));
    for part in ["no mail log found", "1 file not read: gzip compressed (first: letters/b/c.gz)", "letters/a.txt"] {
        assert!(letters.err.contains(part), "{}", letters.err);
    }
    lab.write("letters/mail.log", refused(1));
    let mixed = lab.scan("letters");
    assert_eq!((mixed.status, mixed.err.as_str()), (0, ""));
    assert!(mixed.out.contains("1 file not read: gzip compressed"), "{}", mixed.out);
}

#[test]
fn walks_follow_no_links_and_count_no_file_twice() {
    let lab = Lab::new();
    lab.write("logs/a.log", refused(1));
    lab.write("elsewhere.log", refused(2));
    symlink("../elsewhere.log", lab.path("logs/link.log")).unwrap();
    symlink("..", lab.path("logs/loop")).unwrap();
    fs::hard_link(lab.path("logs/a.log"), lab.path("logs/b.log")).unwrap();
    let manifest = lab.manifest("logs logs/../logs logs/b.log");
    assert_eq!(count(&manifest, "/counts/attempts"), 1);
    let inputs = manifest["inputs"].as_array().unwrap();
    assert_eq!((inputs.len(), &inputs[0]["path"]), (1, &"logs/b.log".into()), "named before met");
    // A link that was named is followed.
    assert_eq!(count(&lab.summary("logs/link.log"), "/attempts"), 1);
}

#[test]
fn standard_input_and_pipes_are_read() {
    let lab = Lab::new();
    lab.write("good.log", refused(1));
    let ran = common::ran(lab.command("- good.log - --json").write_stdin(refused(2) + &refused(3)));
    assert_eq!((ran.status, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("\"attempts\": 3"), "{}", ran.out);
    let bad = common::ran(lab.command("- good.log").write_stdin(GZIP));
    assert_eq!(bad.status, 3);
    assert!(bad.err.starts_with("bouncesift: standard input: gzip compressed"), "{}", bad.err);

    let made = std::process::Command::new("mkfifo").arg(lab.path("fifo")).status();
    assert!(made.unwrap().success());
    let fifo = lab.path("fifo");
    let writer = std::thread::spawn(move || fs::write(fifo, (0..5000).map(refused).collect::<String>()).unwrap());
    let manifest = lab.manifest("fifo good.log");
    writer.join().unwrap();
    assert_eq!((count(&manifest, "/counts/attempts"), &manifest["inputs"][0]["kind"]), (5001, &"pipe".into()));
    let device = lab.scan("/dev/null");
    assert_eq!(device.err, "bouncesift: nothing to report: /dev/null: is a device, not a file, directory or pipe\n");
    // A pipe met in a directory is passed over, not waited for.
    fs::create_dir(lab.path("spool")).unwrap();
    fs::rename(lab.path("fifo"), lab.path("spool/fifo")).unwrap();
    assert_eq!(lab.scan("spool").status, 1);
}

/// 92: names that would steer a terminal, split a message or open a tag.
#[test]
fn hostile_names_are_escaped_everywhere() {
    let lab = Lab::new();
    let names = ["a\nbouncesift: forged.log", "\u{1b}[2Jcleared.log", "\"><script>alert(1)<.log", "rtl\u{202e}gol.txt"];
    for (n, name) in names.iter().enumerate() {
        lab.write(&format!("logs/{name}"), refused(n));
        lab.write(&format!("logs/{name}.gz"), GZIP);
    }
    let mut command = lab.command("logs --out out --events");
    let ran = common::ran(command.args(names.map(|name| format!("missing{name}"))));
    assert_eq!(ran.status, 3);
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
    let mut texts = vec![("stdout".to_string(), ran.out), ("stderr".to_string(), ran.err)];
    let files = common::tree(&lab.path("out")).into_iter().filter(|(name, _)| !name.ends_with(".parquet"));
    texts.extend(files.map(|(name, text)| (name, String::from_utf8(text).unwrap())));
    for (name, text) in &texts {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{name}");
        assert!(!text.lines().any(|line| line.starts_with("bouncesift: forged")), "{name}");
    }
    let manifest: serde_json::Value =
        serde_json::from_slice(&fs::read(lab.path("out/run=000001/manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["inputs"].as_array().unwrap().len(), 8);
    assert!(manifest.to_string().contains(r"a\\u{a}bouncesift: forged.log"), "{manifest}");
    for name in &names[2..] {
        let shown = name.replace('\u{202e}', r"\u{202e}");
        let named = lab.manifest("logs");
        assert!(named["inputs"].as_array().unwrap().iter().any(|i| i["path"] == format!("logs/{shown}")), "{shown}");
    }
}

/// 15: a line over the limit costs a counter and a warning, not the run.
#[test]
fn overlong_lines_are_counted_and_passed_over() {
    let lab = Lab::new();
    let long = [vec![b'x'; 64 << 20], b"\n".to_vec(), refused(1).into_bytes()].concat();
    lab.write("long.log", &long);
    let runs = [lab.scan("long.log --json"), common::ran(lab.command("- --json").write_stdin(long))];
    for ran in runs {
        let summary: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
        assert_eq!((ran.status, count(&summary, "/attempts"), count(&summary, "/skipped/overlong")), (0, 1, 1));
        assert!(ran.out.contains("longer than --max-line"), "{}", ran.out);
    }
    let short = refused(1);
    lab.write("border.log", short.repeat(2));
    let at = |limit: usize| count(&lab.summary(&format!("border.log --max-line {limit}")), "/attempts");
    assert_eq!((at(short.len() - 1), at(short.len() - 2)), (2, 0));
}

/// 12: an event behind 2^32 bytes that nobody wrote.
#[test]
fn a_hole_of_four_gibibytes_is_quick() {
    let lab = Lab::new();
    let mut file = File::create(lab.path("hole.log")).unwrap();
    file.write_all(refused(1).as_bytes()).unwrap();
    file.seek(SeekFrom::Start(1 << 32)).unwrap();
    file.write_all(format!("\n{}", refused(2)).as_bytes()).unwrap();
    let started = Instant::now();
    let events = lab.table("hole.log", "events");
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
    let offsets: Vec<&str> = events.iter().map(|event| event["byte_offset"].as_str()).collect();
    assert_eq!(offsets, ["0", "4294967297"]);
    // Nothing but a hole is no text: looked at, not read through.
    File::create(lab.path("nul.log")).unwrap().set_len(1 << 32).unwrap();
    let nul = lab.scan("nul.log");
    assert_eq!((nul.status, nul.err.as_str()), (1, "bouncesift: nothing to report: nul.log: no text\n"));
}

/// 11: blocks of one byte, more threads than bytes.
#[test]
fn tiny_blocks_and_many_threads() {
    let lab = Lab::new();
    lab.write("three.log", "\n\n\n");
    assert_eq!(count(&lab.summary("three.log --block-size 1 -j 64"), "/inputs/lines"), 3);
    lab.write("good.log", refused(1) + &refused(2));
    assert_eq!(count(&lab.summary("good.log --block-size 1 -j 64"), "/attempts"), 2);
    let many = lab.scan("good.log -j 100000");
    assert_eq!(many.status, 2, "{}", many.err);
}

#[test]
fn many_tiny_files_are_counted_each() {
    let lab = Lab::new();
    for n in 0..4000 {
        lab.write(&format!("logs/{}/{n}.log", n % 10), refused(n));
    }
    let summary = lab.summary("logs");
    assert_eq!((count(&summary, "/inputs/count"), count(&summary, "/attempts")), (4000, 4000));
}
