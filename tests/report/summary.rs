use std::sync::Arc;
use std::time::Duration;

use bouncesift::record::Hop;
use bouncesift::report::terminal::{TextOptions, render};
use bouncesift::report::{CodePatterns, Summary, SummaryInput};
use bouncesift::rows::{GroupIsp, RefusalRow, Seen, TrafficRow};
use bouncesift::table::json;
use bouncesift::text::is_unsafe;
use proptest::prelude::*;

use super::double::*;

fn rows() -> Vec<RefusalRow> {
    let mut inbound = refusal(isp(0), "5.7.1", SPF, 77, 77);
    inbound.key.hop = Hop::Inbound;
    let mut other_text = refusal(isp(2), "5.7.1", UNCLASSIFIED, 93, 70);
    other_text.key.template = bouncesift::rows::Bounded::Value(9);
    vec![
        refusal(isp(0), "5.7.1", SPF, 21_304, 20_117),
        listed(isp(1), 12_880, "192.0.2.7"),
        refusal(isp(2), "5.7.1", LISTED, 4_377, 4_377),
        refusal(GroupIsp::Domain(Arc::from("example.org")), "5.7.1", SPF, 12, 0),
        refusal(isp(0), "5.7.1", UNCLASSIFIED, 3_000, 2_800),
        other_text,
        refusal(isp(0), "5.1.1", NOT_POLICY, 30_114, 30_114),
        refusal(isp(0), "4.7.1", SPF, 38_221, 0),
        refusal(isp(0), "", UNCLASSIFIED, 9_300, 0),
        inbound,
    ]
}

fn totals() -> Vec<TrafficRow> {
    vec![
        traffic(isp(0), 4_000_000, 47_521, 53_031, 24_304),
        traffic(isp(1), 100_000, 0, 12_880, 12_880),
        traffic(isp(2), 10, 23, 4_447, 4_470),
    ]
}

fn with<'a>(refusals: &'a [RefusalRow], traffic: &'a [TrafficRow], codes: &'a CodePatterns) -> SummaryInput<'a> {
    SummaryInput {
        command: "scan",
        tool_version: "0.1.0",
        ruleset: "2026.11+a1b2c3d4",
        inputs: 3,
        damaged: 0,
        bytes: 41_812_000_000,
        lines: 312_904_118,
        mails: 0,
        told_before: 0,
        window: Some(Seen { first: MICROS, last: MICROS + 86_400_000_000 }),
        refusals,
        traffic,
        templates: &[],
        bounces_only: false,
        skipped: &[],
        warnings: &[],
        codes,
        top: 3,
        next: None,
    }
}

#[test]
fn golden() {
    let (rows, traffic, codes) = (rows(), totals(), CodePatterns::default());
    let warnings = [
        "mail.log.3.gz: damaged at compressed byte 104,857; 1,204,330 lines before it are counted. Check with: gzip -t mail.log.3.gz".to_string(),
        "a\u{1b}[2J\n\u{202e}b.log: not read".to_string(),
    ];
    let skipped = [("truncated".to_string(), 12), ("no_status".to_string(), 5)];
    let mut input = with(&rows, &traffic, &codes);
    (input.damaged, input.warnings, input.skipped) = (1, &warnings, &skipped);
    let long = "550 5.7.1 Your mail was \u{1b}[2J not taken in, and nobody here will ever tell you why that is so";
    let templates = [template(7, long, 12_300)];
    input.templates = &templates;
    input.next = Some("bouncesift scan ... --out DIR for CSV, Parquet and HTML");
    let summary = Summary::new(&input, &Double);
    let expected = r"bouncesift 0.1.0  scan: 3 inputs, 41.8 GB, 312,904,118 lines
Window 2026-11-22 00:00 .. 2026-11-23 00:00 UTC  rules 2026.11+a1b2c3d4
PARTIAL: 1 of 3 inputs damaged or unreadable, see the end

Delivery attempts            4,217,912
Rejected or deferred           119,301    2.8% of attempts
  with 5.7.1                    41,666   34.9% of rejected or deferred
  cause known                   38,573   92.6% of 5.7.1
Refused by us                       77  by our own server; in no other count

5.7.1 by receiving ISP and cause  attempts   final   share    rate
Google      spf_fail                21,304  20,117   51.1%    0.5%  ############
Microsoft   ip_blocklisted          12,880  12,880   30.9%   11.4%  #######
GMX/WEB.DE  ip_blocklisted           4,377   4,377   10.5%   97.7%  ##
(1 more row)                            12       0   <0.1%          #
unclassified (2 texts)               3,093   2,870    7.4%          ##
final: given up, the others were deferred. rate: of all attempts to that ISP.

Codes       5.7.1 41,666   4.7.1 38,221   5.1.1 30,114   none 9,300
Explained   text 96.1%  token 0.0%  code 0.0%  abstained 3.9%  (policy only)

  attempts   ISPs  texts that no rule explains
    12,300      1  550 5.7.1 Your mail was \u{1b}[2J not taken in, and nobody ..
        93      1  0000000000000009

Skipped     no_status 5   truncated 12

Warnings
  mail.log.3.gz: damaged at compressed byte 104,857; 1,204,330 lines before it
    are counted. Check with: gzip -t mail.log.3.gz
  a\u{1b}[2J\u{a}\u{202e}b.log: not read

Next: bouncesift scan ... --out DIR for CSV, Parquet and HTML
";
    assert_eq!(render(&summary, TextOptions::default()), expected);
    let timed = render(&summary, TextOptions { color: false, elapsed: Some(Duration::from_secs(72)) });
    assert!(timed.starts_with("bouncesift 0.1.0  scan: 3 inputs, 41.8 GB, 312,904,118 lines in 72 s\n"));
    let coloured = render(&summary, TextOptions { color: true, elapsed: None });
    assert!(coloured.contains("\u{1b}[1;33mPARTIAL"));
    let plain = coloured.replace("\u{1b}[1m", "").replace("\u{1b}[1;33m", "").replace("\u{1b}[0m", "");
    assert_eq!(plain, expected);
}

#[test]
fn nothing_found() {
    let codes = CodePatterns::default();
    let mut input = with(&[], &[], &codes);
    (input.window, input.inputs, input.lines, input.bytes) = (None, 1, 1_234, 999);
    let expected = "\
bouncesift 0.1.0  scan: 1 input, 999 B, 1,234 lines
Window unknown: no usable time stamp  rules 2026.11+a1b2c3d4

Delivery attempts                    0
Rejected or deferred                 0

no refusals found in 1,234 lines
";
    assert_eq!(render(&Summary::new(&input, &Double), TextOptions::default()), expected);
}

#[test]
fn other_codes_only() {
    let rows = [refusal(isp(0), "5.1.1", NOT_POLICY, 5, 5)];
    let codes = CodePatterns::default();
    let mut input = with(&rows, &[], &codes);
    input.bounces_only = true;
    let text = render(&Summary::new(&input, &Double), TextOptions::default());
    assert!(text.contains("\nDelivery attempts              unknown  (bounce mails only)\n"), "{text}");
    assert!(text.contains("\nno refusals with 5.7.1\n\nCodes       5.1.1 5\n"), "{text}");
}

#[test]
fn patterns_choose_the_headline_only() {
    let (rows, traffic) = (rows(), totals());
    let codes: CodePatterns = "5.7.*,4.7.*".parse().unwrap();
    let summary = Summary::new(&with(&rows, &traffic, &codes), &Double);
    assert_eq!((summary.headline.attempts.0, summary.with_571.0), (79_887, 41_666));
    assert_eq!(summary.headline.top[0].attempts.0, 59_525);
    let text = render(&summary, TextOptions::default());
    assert!(text.contains("\n5.7.*,4.7.* by receiving ISP and cause  attempts"), "{text}");
    assert!(text.contains("\n  with 5.7.*,4.7.* "), "{text}");
}

#[test]
fn json_document() {
    let (rows, traffic, codes) = (rows(), totals(), CodePatterns::default());
    let skipped = [("truncated".to_string(), 12)];
    let mut input = with(&rows, &traffic, &codes);
    input.skipped = &skipped;
    let summary = Summary::new(&input, &Double);
    let mut out = Vec::new();
    json::write(&summary, &mut out, "-".as_ref()).unwrap();
    let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
    let keys = "schema_version tool_version ruleset command partial inputs window attempts delivered deferred bounced \
        with_571 classified_571 policy coverage refused_by_us bounces_unnamed bounces_foreign told_before headline codes unexplained skipped warnings";
    let found: Vec<&str> = std::str::from_utf8(&out)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_prefix("  \"")?.split('"').next())
        .collect();
    assert_eq!(found, keys.split_whitespace().collect::<Vec<_>>());
    assert_eq!(value["attempts"], 4_217_912);
    assert_eq!(value["delivered"], 4_100_010);
    assert_eq!((&value["deferred"], &value["bounced"]), (&serde_json::json!(48_943), &serde_json::json!(70_358)));
    assert_eq!(
        (&value["with_571"], &value["classified_571"]),
        (&serde_json::json!(41_666), &serde_json::json!(38_573))
    );
    assert_eq!((&value["policy"], &value["refused_by_us"]), (&serde_json::json!(79_887), &serde_json::json!(77)));
    let coverage = serde_json::json!({"text": 76_794, "token": 0, "registered_code": 0, "abstained": 3_093});
    assert_eq!(value["coverage"], coverage);
    assert_eq!(value["unexplained"]["top"][0]["template_id"], "0000000000000007");
    assert_eq!(value["unexplained"]["top"][1]["attempts"], 93);
    assert_eq!(value["window"]["first"], "2026-11-22T00:00:00.000000Z");
    assert_eq!(value["headline"]["top"][1]["isp"], "microsoft");
    assert_eq!(value["headline"]["top"][1]["isp_attempts"], 112_880);
    assert_eq!(value["codes"][3], serde_json::json!({"code": null, "attempts": 9_300}));
    assert_eq!(value["skipped"]["truncated"], 12);
}

proptest! {
    #[test]
    fn lines_are_short_and_safe(
        domain in ".{1,80}", warning in any::<String>(), ruleset in ".{0,40}",
        attempts in prop_oneof![0u64..50, Just(i64::MAX as u64)], delivered in 0u64..1_000_000, top in 0usize..4,
    ) {
        let known = GroupIsp::Domain(Arc::from(domain));
        let rows = [refusal(known.clone(), "5.7.1", SPF, attempts, attempts), refusal(isp(0), "5.7.1", UNCLASSIFIED, 3, 0)];
        let traffic = [traffic(known, delivered, 0, attempts, attempts)];
        let codes: CodePatterns = "5.7.1,4.7.1,5.7.26,5.7.25,5.7.515,4.7.28,none,5.7.512".parse().unwrap();
        let warnings = [warning];
        let mut input = with(&rows, &traffic, &codes);
        (input.top, input.warnings, input.next, input.ruleset) = (top, &warnings, Some(&*warnings[0]), &ruleset);
        let text = render(&Summary::new(&input, &Double), TextOptions::default());
        for line in text.lines() {
            prop_assert!(line.chars().count() <= 80, "{}", line);
            prop_assert!(!line.chars().any(is_unsafe), "{}", line);
            prop_assert_eq!(line.trim_end(), line);
        }
    }
}
