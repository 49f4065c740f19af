use std::sync::Arc;

use bouncesift::report::CodePatterns;
use bouncesift::report::rate::wilson;
use bouncesift::smtp::EnhancedStatus;
use bouncesift::table::csv::{self, CsvOptions};
use bouncesift::table::{Column, ColumnData, ReportError, Table, json};
use bouncesift::text::{sanitize, shown_path};
use proptest::prelude::*;

use super::double::*;

/// One column of each type, a null in each that may hold one.
pub fn every_type(texts: &[&str]) -> Table {
    let n = texts.len();
    let some = |i: usize| i.is_multiple_of(2).then_some(i);
    let columns = vec![
        Column::new("day", "A day.", ColumnData::Date((0..n).map(|i| some(i).map(|i| DAY + i as i32)).collect())),
        Column::new("text", "A text.", ColumnData::Str(texts.iter().map(|t| Some(Arc::from(*t))).collect())),
        Column::new("code", "A code.", ColumnData::Int32((0..n).map(|i| some(i).map(|i| 550 + i as i32)).collect())),
        Column::new("count", "A count.", ColumnData::Int64((0..n).map(|i| i64::MAX - i as i64).collect())),
        Column::new("all", "A count.", ColumnData::Int64Null((0..n).map(|i| some(i).map(|i| i as i64 - 1)).collect())),
        Column::new("rate", "A rate.", ColumnData::Float64((0..n).map(|i| some(i).map(|i| i as f64 / 8.0)).collect())),
        Column::new(
            "at",
            "A time.",
            ColumnData::Timestamp((0..n).map(|i| some(i).map(|i| MICROS + i as i64)).collect()),
        ),
        Column::new("flag", "A flag.", ColumnData::Bool((0..n).map(|i| i % 3 == 0).collect())),
    ];
    Table::new("every_type", columns).unwrap()
}

pub const HOSTILE: &[&str] = &[
    "plain",
    "=HYPERLINK(\"http://x\")",
    "+1",
    "-1",
    "@SUM(A1)",
    "\tx",
    "\rx",
    "\nx",
    "\u{ff1d}1",
    "\u{ff0b}1",
    "\u{ff0d}1",
    "\u{ff20}1",
    "'=1",
    "''=1",
    "'quoted'",
    "'",
    "a,b\"c\"",
    "two\nlines",
    "esc \u{1b}[2J c1 \u{9b} bidi \u{202e} zero \u{200b} del \u{7f}",
    "caf\u{e9} \u{1f4e7}",
    "\\u{41}",
    "\\u{",
    "\\\\u{zz}",
    "\\u{5c}u{41}",
    " lead",
    "\u{0}",
];

#[test]
fn csv_golden() {
    let table = every_type(&["=1+1", "caf\u{e9}, \"x\"", "\u{1b}[m"]);
    let expected = "day,text,code,count,all,rate,at,flag\n\
        2026-11-22,'=1+1,550,9223372036854775807,-1,0,2026-11-22T00:00:00.000000Z,true\n\
        ,\"caf\\u{e9}, \"\"x\"\"\",,9223372036854775806,,,,false\n\
        2026-11-24,\\u{1b}[m,552,9223372036854775805,1,0.25,2026-11-22T00:00:00.000002Z,false\n";
    assert_eq!(csv_of(&table), expected);
}

#[test]
fn csv_switches() {
    let table = every_type(&["=\u{e9}"]);
    let raw = csv_with(&table, CsvOptions { raw: true, bom: false });
    assert!(raw.contains(",=\u{e9},"), "{raw}");
    let with_mark = csv_with(&table, CsvOptions { raw: false, bom: true });
    assert_eq!(with_mark.strip_prefix('\u{feff}'), Some(&*csv_of(&table)));
    assert_eq!(csv::read(with_mark.as_bytes(), "x.csv".as_ref(), &table).unwrap(), table);
}

#[test]
fn csv_there_and_back() {
    let table = every_type(HOSTILE);
    let text = csv_of(&table);
    assert!(text.bytes().all(|b| b == b'\n' || (b' '..0x7f).contains(&b)));
    assert_eq!(text.lines().count(), HOSTILE.len() + 1);
    assert_eq!(csv::read(text.as_bytes(), "x.csv".as_ref(), &table).unwrap(), table);
    // What a spreadsheet shows is never the start of a formula.
    for record in ::csv::Reader::from_reader(text.as_bytes()).records() {
        let record = record.unwrap();
        assert!(!record[1].starts_with(['=', '+', '-', '@']), "{}", &record[1]);
    }
}

#[test]
fn csv_says_where_it_is_wrong() {
    let table = every_type(&["x"]);
    let read = |text: &str| csv::read(text.as_bytes(), "dir/\u{1b}x.csv".as_ref(), &table).unwrap_err().to_string();
    let text = csv_of(&table);
    assert_eq!(read(&text.replace("9223372036854775807", "")), r"dir/\u{1b}x.csv: line 2: column count holds no int64");
    assert_eq!(read(&text.replace("rate", "ratio")), r"dir/\u{1b}x.csv: no column rate");
    assert!(read("").contains("no column day"));
}

proptest! {
    #[test]
    fn any_text_comes_back(texts in proptest::collection::vec(any::<String>(), 0..6)) {
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let table = every_type(&texts);
        let text = csv_of(&table);
        prop_assert!(text.is_ascii());
        prop_assert_eq!(csv::read(text.as_bytes(), "x".as_ref(), &table).unwrap(), table);
    }

    #[test]
    fn sanitized_text_steers_nothing(text: String) {
        let safe = sanitize(&text);
        prop_assert!(!safe.chars().any(bouncesift::text::is_unsafe));
    }

    #[test]
    fn intervals_hold_their_rate(part in 0u64..1_000_000, more in 0u64..1_000_000) {
        if let Some(r) = wilson(part, part + more) {
            prop_assert!(0.0 <= r.low && r.low <= r.rate && r.rate <= r.high && r.high <= 1.0, "{:?}", r);
        }
    }
}

#[test]
fn wilson_values() {
    // Computed with 40 decimal digits elsewhere.
    let show = |part, whole| wilson(part, whole).map(|r| (r.rate, r.low, r.high));
    assert_eq!(show(0, 0), None);
    assert_eq!(show(2, 1), None);
    assert_eq!(show(0, 10), Some((0.0, 0.0, 0.2775328)));
    assert_eq!(show(10, 10), Some((1.0, 0.7224672, 1.0)));
    assert_eq!(show(1, 2), Some((0.5, 0.094531206, 0.905468794)));
    assert_eq!(show(61_905, 4_449_756), Some((0.013911999, 0.013803592, 0.014021245)));
}

#[test]
fn sanitizer() {
    assert_eq!(
        sanitize("a\u{1b}]52;c;x\u{7}\r\n\u{9b}\u{202e}\u{200b}\u{feff}\u{e0041}"),
        r"a\u{1b}]52;c;x\u{7}\u{d}\u{a}\u{9b}\u{202e}\u{200b}\u{feff}\u{e0041}"
    );
    assert_eq!(sanitize("caf\u{e9} \u{4e2d}"), "caf\u{e9} \u{4e2d}");
    assert_eq!(shown_path("a\nb.log".as_ref()), r"a\u{a}b.log");
}

#[test]
fn code_patterns() {
    let code = |text: &str| EnhancedStatus::exact(text.as_bytes());
    let patterns: CodePatterns = "5.7.*,4.7.1,none".parse().unwrap();
    for (text, fits) in
        [("5.7.1", true), ("5.7.26", true), ("4.7.1", true), ("4.7.0", false), ("", true), ("5.1.7", false)]
    {
        assert_eq!(patterns.matches(code(text)), fits, "{text}");
    }
    assert!(CodePatterns::default().matches(code("5.7.1")) && !CodePatterns::default().matches(None));
    for bad in ["", "5.7", "5.7.1.1", "3.7.1", "5.7.x", "5.7.1,", "5.7.1234", "*", "5..1", "+5.7.1"] {
        assert!(bad.parse::<CodePatterns>().is_err(), "{bad}");
    }
}

#[test]
fn json_rows() {
    let table = every_type(&["caf\u{e9}\u{1b}\u{7f}\u{1f4e7}", "x"]);
    let mut out = Vec::new();
    json::write(&json::Rows(&table), &mut out, "-".as_ref()).unwrap();
    let text = String::from_utf8(out).unwrap();
    assert!(text.bytes().all(|b| b == b'\n' || (b' '..0x7f).contains(&b)), "{text}");
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value[0]["text"], "caf\u{e9}\u{1b}\u{7f}\u{1f4e7}");
    assert_eq!(value[0]["count"], "9223372036854775807");
    assert_eq!((&value[0]["code"], &value[1]["code"]), (&550.into(), &serde_json::Value::Null));
    assert_eq!(value[1]["flag"], false);
}

#[test]
fn columns_must_agree() {
    let a = Column::new("a", "A.", ColumnData::Bool(vec![true]));
    let b = Column::new("b", "B.", ColumnData::Bool(vec![]));
    assert!(Table::new("t", vec![a.clone(), b]).is_err());
    assert!(Table::new("t", vec![a.clone(), a]).is_err());
    let empty = Column::new("s", "S.", ColumnData::Str(vec![Some(Arc::from("")), None]));
    assert_eq!(Table::new("t", vec![empty]).unwrap().strs("s").unwrap(), [None, None]);
}

#[test]
#[cfg(target_os = "linux")]
fn full_disk_is_an_error_and_a_closed_pipe_is_known() {
    let full = std::fs::File::create("/dev/full").unwrap();
    let error = csv::write(&every_type(&["x"]), full, "-".as_ref(), CsvOptions::default()).unwrap_err();
    assert!(error.to_string().starts_with("-: ") && !error.is_broken_pipe());
    let pipe = ReportError::io("-".as_ref(), std::io::ErrorKind::BrokenPipe.into());
    assert!(pipe.is_broken_pipe());
}

#[test]
fn long_tables_warn() {
    let table = |rows| Table::new("t", vec![Column::new("a", "A.", ColumnData::Bool(vec![true; rows]))]).unwrap();
    assert_eq!(csv::spreadsheet_warning(&table(csv::SPREADSHEET_ROWS - 1)), None);
    let warning = csv::spreadsheet_warning(&table(csv::SPREADSHEET_ROWS)).unwrap();
    assert_eq!(warning, "t.csv: 1048576 rows; spreadsheets show the first 1048575 only");
}
