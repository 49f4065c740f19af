//! The rule tables: each row's sample selects that very row, and bad tables are refused with file and line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::cell::RefCell;
use std::collections::BTreeSet;

use bouncesift::cause::{
    Engine, Question, RULE_COLUMNS, RuleId, RuleSet, Scratch, Verdict, check, example_of, mask, suggested_row,
};
use bouncesift::isp::{FilterId, IspId};
use bouncesift::smtp::{locate_reply, parse_reply};

/// Numbers for provider slugs, in the order they are asked for.
#[derive(Default)]
struct Slugs(RefCell<Vec<String>>);

impl Slugs {
    fn number(&self, slug: &str) -> u16 {
        let mut slugs = self.0.borrow_mut();
        let at = slugs.iter().position(|s| s == slug).unwrap_or_else(|| {
            slugs.push(slug.to_owned());
            slugs.len() - 1
        });
        u16::try_from(at).unwrap()
    }
}

fn builtin(slugs: &Slugs) -> Engine {
    let rules = RuleSet::builtin().unwrap_or_else(|e| panic!("{e}"));
    Engine::new(rules, &|s| Some(IspId(slugs.number(s))), &|s| Some(FilterId(slugs.number(s))))
        .unwrap_or_else(|e| panic!("{e}"))
}

fn decide(engine: &Engine, text: &str, isp: Option<IspId>, scratch: &mut Scratch) -> Verdict {
    let reply = parse_reply(locate_reply(text.as_bytes()), false);
    engine.decide(&Question { diagnostic: text.as_bytes(), reply: &reply, isp }, scratch)
}

#[test]
fn each_sample_selects_its_own_row() {
    let slugs = Slugs::default();
    let engine = builtin(&slugs);
    let mut scratch = Scratch::default();
    let mut wrong = Vec::new();
    for (at, rule) in engine.rules().iter().enumerate() {
        let isp = rule.providers.first().map(|slug| IspId(slugs.number(slug)));
        let verdict = decide(&engine, &rule.sample, isp, &mut scratch);
        if verdict.rule != Some(RuleId(at as u16)) {
            let winner = verdict.rule.and_then(|id| engine.rule(id)).map(|rule| rule.id.as_str());
            wrong.push(format!("{} {}: {:?} is won by {winner:?}", rule.place, rule.id, rule.sample));
        }
        for anti in &rule.anti {
            if decide(&engine, anti, isp, &mut scratch).rule == Some(RuleId(at as u16)) {
                wrong.push(format!("{} {}: wins its anti-sample {anti:?}", rule.place, rule.id));
            }
        }
    }
    assert!(wrong.is_empty(), "{} rows\n{}", wrong.len(), wrong.join("\n"));
}

/// Rows that can never win and are known: to be narrowed or removed.
const IN_VAIN: [&str; 0] = [];

#[test]
fn no_row_is_there_in_vain() {
    let slugs = Slugs::default();
    let engine = builtin(&slugs);
    let name = |id: RuleId| engine.rule(id).map_or(String::new(), |rule| format!("{} {}", rule.place, rule.id));
    let found = check(&engine, &|slug| Some(IspId(slugs.number(slug))));
    let wrong: Vec<String> = found
        .iter()
        .filter(|finding| finding.kind.is_error() && finding.kind.as_str() != "sample_lost")
        .filter(|finding| !engine.rule(finding.rule).is_some_and(|rule| IN_VAIN.contains(&rule.id.as_str())))
        .map(|finding| {
            format!("{}: {:?} {}", name(finding.rule), finding.kind, finding.other.map_or(String::new(), name))
        })
        .collect();
    assert!(wrong.is_empty(), "{} rows\n{}", wrong.len(), wrong.join("\n"));
}

/// What the check says of a table of own rows: row and kind.
fn findings(table: &str) -> Vec<(String, &'static str)> {
    let slugs = Slugs::default();
    let rules = RuleSet::with_own(&[("own.csv", table)]).unwrap();
    let engine = Engine::new(rules, &|s| Some(IspId(slugs.number(s))), &|s| Some(FilterId(slugs.number(s)))).unwrap();
    let found = check(&engine, &|slug| (slug != "nobody").then(|| IspId(slugs.number(slug))));
    let own = found.iter().filter(|finding| finding.kind.as_str() != "takes_sample");
    own.map(|finding| (engine.rule(finding.rule).unwrap().id.clone(), finding.kind.as_str())).collect()
}

#[test]
fn a_row_that_can_never_win_is_found() {
    let head = "id,provider,reply,status,words,none,cause,sample,anti,source\n";
    let shadowed = |before: &str, row: &str| {
        let found = findings(&format!("{head}a,{before},spam_content,zzz first,,x\nb,{row},spam_content,zzz qq,,x\n"));
        found.contains(&("b".to_owned(), "shadowed"))
    };
    assert!(shadowed(",,,zzz,", ",,,zzz qq,"));
    assert!(shadowed(",5,,zzz|yyy,", ",550;551,,zzz qq|qq yyy,"));
    assert!(shadowed(",,x.7.x,zzz,", ",,5.7.1,zzz & qq,"));
    assert!(shadowed(",,,zzz,not qq", ",,,zzz,qq|not"));
    assert!(shadowed("google;yahoo,,,zzz,", "google,,,zzz,"));
    // Each differs from one above in what lets the second row win after all.
    assert!(!shadowed(",,,zzz qq,", ",,,zzz,"));
    assert!(!shadowed(",550,,zzz,", ",5,,zzz,"));
    assert!(!shadowed(",,x.7.1,zzz,", ",,5.7.x,zzz,"));
    assert!(!shadowed(",,,zzz,qq", ",,,zzz,"));
    assert!(!shadowed("google,,,zzz,", ",,,zzz,"));
    assert!(!shadowed("google,,,zzz,", "google;yahoo,,,zzz,"));
    // Phrases start at words: the second one is not inside the first.
    assert!(!shadowed(",,,zzz,", ",,,azzz qq,"));
    assert!(!shadowed(",,,zzz>,", ",,,zzzz,"));
}

#[test]
fn other_findings_about_own_rows() {
    let head = "id,provider,words,cause,sample,anti,source\n";
    let found = |rows: &str| findings(&format!("{head}{rows}"));
    assert_eq!(found("a,,zzz qq,spam_content,550 zzz qq,550 zzz,x\n"), []);
    assert_eq!(found("a,,zzz qq,spam_content,550 zzz,,x\n"), [("a".into(), "sample_lost")]);
    assert_eq!(found("a,,zzz,spam_content,550 zzz,550 yy|zzz qq,x\n"), [("a".into(), "anti_won")]);
    assert_eq!(found("a,nobody;google,zzz,spam_content,550 zzz,,x\n")[0], ("a".into(), "unknown_provider"));
    let two = "a,,zzz,spam_content,550 zzz qq,,x\nb,,qq zz,greylisted,450 qq zz,,x\n";
    assert_eq!(found(two), []);
    let two = "a,,zzz,spam_content,550 zzz qq,,x\nb,,qq,greylisted,450 qq,,x\n";
    assert_eq!(found(two), [("a".into(), "overlaps")]);
}

#[test]
fn a_verdict_shows_the_words_it_rests_on() {
    let engine = builtin(&Slugs::default());
    let text = "550-5.7.1 x\\n550 5.7.1 <spam@example.net>: Message is  not RFC 5322 compliant";
    let verdict = decide(&engine, text, None, &mut Scratch::default());
    let (start, end) = verdict.span.unwrap();
    assert_eq!(verdict.cause.name(), "message_format");
    assert_eq!(&text[start as usize..end as usize], "not RFC 5322");
}

#[test]
fn strangers_names_are_no_evidence() {
    let engine = builtin(&Slugs::default());
    let mut scratch = Scratch::default();
    for text in [
        "550 5.7.1 <spam.virus.dmarc@blacklist.example> rejected",
        "550 5.7.1 rejected by spam-filter.example.net, see https://x.example/spam/virus/dmarc",
    ] {
        assert_eq!(decide(&engine, text, None, &mut scratch).cause.name(), "access_denied", "{text}");
    }
    assert_eq!(decide(&engine, "550 5.7.1 x", None, &mut scratch).cause.name(), "unclassified");
    let named = decide(&engine, "550 5.7.1 Client host blocked using rbl.example.org", None, &mut scratch);
    assert_eq!(named.blocklist.as_deref(), Some("rbl.example.org"));
}

#[test]
fn any_bytes_are_judged() {
    let engine = builtin(&Slugs::default());
    let mut scratch = Scratch::default();
    let mut seed = 1_u64;
    for len in (0..400).chain([16_383, 16_384, 16_385, 40_000]) {
        let bytes: Vec<u8> = (0..len)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (seed >> 56) as u8
            })
            .collect();
        let reply = parse_reply(locate_reply(&bytes), false);
        let verdict = engine.decide(&Question { diagnostic: &bytes, reply: &reply, isp: None }, &mut scratch);
        assert!(verdict.span.is_none_or(|(start, end)| start <= end && end as usize <= bytes.len()));
    }
}

fn refused(table: &str) -> String {
    let mut rules = RuleSet::default();
    let made = rules.add("x.csv", table).and_then(|()| Engine::new(rules, &|_| None, &|_| None).map(drop));
    made.expect_err(table).to_string()
}

#[test]
fn bad_tables_are_refused_with_their_line() {
    let row = |id: &str, words: &str, cause: &str| {
        format!("id,words,cause,sample,source\na,spam,spam_content,spam,x\n{id},{words},{cause},y,z\n")
    };
    assert!(refused(&row("b", "spam", "nonsense")).starts_with("x.csv:3: no cause"));
    assert!(refused(&row("a", "spam", "spam_content")).starts_with("x.csv:3: id \"a\" is used twice"));
    assert!(refused(&row("b", "", "spam_content")).starts_with("x.csv:3: needs words"));
    assert!(refused(&row("b", "$nothing", "spam_content")).starts_with("x.csv:3: no word list"));
    assert!(refused(&row("b", "x", "spam_content")).starts_with("x.csv:3: phrase \"x\" is too short"));
    assert!(refused("id,word\n").starts_with("x.csv:1: unknown column \"word\""));
    assert!(
        refused("id,words,regex,cause,sample,source\na,spam,(,spam_content,spam,x\n").starts_with("x.csv:2: regex")
    );
    assert!(
        refused("id,words,status,cause,sample,source\na,spam,5.7,spam_content,spam,x\n").starts_with("x.csv:2: status")
    );
    assert!(refused("id,words,cause,sample,source\na,spam\n").starts_with("x.csv:2: "));
}

#[test]
#[allow(clippy::print_stdout, reason = "the share is worth knowing")]
fn a_mask_keeps_what_rules_need() {
    let slugs = Slugs::default();
    let engine = builtin(&slugs);
    let mut scratch = Scratch::default();
    let mut masked = String::new();
    let mut other_cause = Vec::new();
    for rule in engine.rules() {
        let isp = rule.providers.first().map(|slug| IspId(slugs.number(slug)));
        let plain = decide(&engine, &rule.sample, isp, &mut scratch);
        mask(rule.sample.as_bytes(), &mut masked);
        let verdict = decide(&engine, &example_of(&masked), isp, &mut scratch);
        if verdict.cause != plain.cause {
            other_cause.push(format!("{}: {} -> {}: {masked}", rule.id, plain.cause.name(), verdict.cause.name()));
        }
    }
    let (all, kept) = (engine.rules().len(), engine.rules().len() - other_cause.len());
    println!("{kept} of {all} samples keep their cause when masked\n{}", other_cause.join("\n"));
    assert!(kept * 100 >= all * 95, "{}", other_cause.join("\n"));
}

#[test]
fn a_suggested_row_holds_for_its_sample() {
    let mut masked = String::new();
    let mut table = RULE_COLUMNS.join(",") + "\n";
    let (mut templates, mut rows) = (BTreeSet::new(), 0);
    for rule in RuleSet::builtin().unwrap().rules() {
        mask(rule.sample.as_bytes(), &mut masked);
        if templates.insert(masked.clone())
            && let Some(row) = suggested_row(&rule.id, &masked)
        {
            // The ninth column is the cause; the four before it are empty.
            let at = row.find(",,,,,,,,").unwrap_or_else(|| panic!("{row}"));
            table += &format!("{}spam_content{}\n", &row[..at + 4], &row[at + 4..]);
            rows += 1;
        }
    }
    assert!(rows * 100 > templates.len() * 95, "{rows} rows for {} templates", templates.len());
    let own = RuleSet::with_own(&[("own.csv", &table)]).unwrap_or_else(|e| panic!("{e}"));
    let engine = Engine::new(own, &|_| None, &|_| None).unwrap_or_else(|e| panic!("{e}"));
    let mut scratch = Scratch::default();
    for (at, rule) in engine.rules().iter().enumerate().filter(|(_, rule)| rule.is_own) {
        let reply = parse_reply(locate_reply(rule.sample.as_bytes()), false);
        let question = Question { diagnostic: rule.sample.as_bytes(), reply: &reply, isp: None };
        let holding = engine.candidates(&question, &mut scratch);
        assert!(holding.contains(&RuleId(at as u16)), "{:?} in {:?}", rule.cell("words"), rule.sample);
    }
}
