//! What the tests of the command line share: a folder of their own, log lines, and the program's answers.

#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod mails;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use serde_json::Value;

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_bouncesift");

/// A temporary folder in which the program runs.
pub struct Lab(tempfile::TempDir);

/// How the program ended and what it wrote.
#[derive(Debug)]
pub struct Ran {
    pub status: i32,
    pub out: String,
    pub err: String,
}

impl Lab {
    pub fn new() -> Self {
        Lab(tempfile::tempdir().unwrap())
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file, with its folder.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    /// `scan` with these arguments, separated by blanks, in the folder, in UTC.
    pub fn command(&self, args: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("scan").args(args.split_whitespace()).current_dir(self.0.path()).env_clear().env("TZ", "UTC");
        command.timeout(std::time::Duration::from_secs(60));
        command
    }

    pub fn scan(&self, args: &str) -> Ran {
        ran(&mut self.command(args))
    }

    /// The summary as JSON of a scan that must be complete.
    pub fn summary(&self, args: &str) -> Value {
        let ran = self.scan(&format!("{args} --json"));
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{args}");
        serde_json::from_str(&ran.out).unwrap()
    }

    /// The rows of a table of a scan that must be complete.
    pub fn table(&self, args: &str, name: &str) -> Vec<BTreeMap<String, String>> {
        let ran = self.scan(&format!("{args} --table {name} --out -"));
        assert_eq!((ran.status, ran.err.as_str()), (0, ""), "{args}");
        rows(ran.out.as_bytes())
    }

    /// The rows of the events of these lines.
    pub fn events(&self, text: impl AsRef<[u8]>) -> Vec<BTreeMap<String, String>> {
        self.write("events.log", text);
        self.table("events.log --include-addresses --include-diagnostics --csv-raw --events=all", "events")
    }

    /// The manifest of a scan of `args`, whatever its exit status.
    pub fn manifest(&self, args: &str) -> Value {
        let _ = fs::remove_dir_all(self.path("manifest-out"));
        self.scan(&format!("{args} --out manifest-out"));
        serde_json::from_slice(&fs::read(self.path("manifest-out/run=000001/manifest.json")).unwrap()).unwrap()
    }
}

pub fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { status: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

pub fn rows(csv: &[u8]) -> Vec<BTreeMap<String, String>> {
    ::csv::Reader::from_reader(csv).deserialize().map(|row| row.unwrap()).collect()
}

/// All files below a folder and what they hold, by their names within it.
pub fn tree(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![root.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.insert(path.strip_prefix(root).unwrap().display().to_string(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

/// A count in JSON; 0 where it is left out.
pub fn count(json: &Value, path: &str) -> u64 {
    json.pointer(path).map_or(0, |n| n.as_u64().unwrap())
}

/// Frame of the lines below: their stamps state year and zone.
pub const FRAME: &str = "2024-11-23T10:00:00+00:00 mx postfix/smtp[9]: ";

/// A refusal with 5.7.1, with its line end. `id` makes it one message's.
pub fn refused(id: usize) -> String {
    reply(id, "5.7.1", "550 5.7.1 Access denied")
}

/// A bounce after this reply.
pub fn reply(id: usize, dsn: &str, reply: &str) -> String {
    answer(FRAME, id, "user@example.com", "mail.example.com", &format!("dsn={dsn}, status=bounced"), reply)
}

pub fn answer(frame: &str, id: usize, to: &str, host: &str, status: &str, reply: &str) -> String {
    format!(
        "{frame}4F{id:06X}: to=<{to}>, relay={host}[203.0.113.9]:25, delay=1, delays=0/0/0/1, {status} \
         (host {host}[203.0.113.9] said: {reply} (in reply to RCPT TO command))\n"
    )
}

/// The line that opens a message.
pub fn opens(frame: &str, id: usize, from: &str) -> String {
    format!("{}4F{id:06X}: from=<{from}>, size=1, nrcpt=1 (queue active)\n", frame.replace("smtp", "qmgr"))
}

/// All files of `--out --events=all`, in a build without Parquet or with it.
pub const FILES: [&str; 9] = [
    "blocklists.csv",
    "causes_by_isp.csv",
    "codes_by_isp.csv",
    "events.csv",
    "run=000001/manifest.json",
    "summary.json",
    "summary.txt",
    "traffic_by_isp.csv",
    "unclassified.csv",
];
