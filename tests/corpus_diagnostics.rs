//! The verdicts against labelled real replies, where that corpus is at hand.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "tests")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::PathBuf;

use bouncesift::cause::{Engine, Question, RuleSet, Scratch};
use bouncesift::isp::{FilterId, IspId};
use bouncesift::smtp::{locate_reply, parse_reply};

/// Rows with an id from here on were not looked at while the rules were written. Ids are digests, so it is a fair 30 %.
const HELD_ASIDE: &str = "rb4";

/// Floors in percent, just under what is reached: cause, blocklist, sender_ip, reply_code, status, filter_vendor.
const FLOORS: [(&str, f64); 6] = [
    ("cause", 99.0),
    ("blocklist", 99.0),
    ("sender_ip", 99.0),
    ("reply_code", 99.0),
    ("status", 99.0),
    ("filter_vendor", 98.5),
];
/// The same for the rows held aside: cause.
const ASIDE_FLOOR: f64 = 91.0;

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("BOUNCESIFT_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared"));
    Some(shared.join("corpus/diagnostics/dev.csv")).filter(|path| path.exists())
}

#[derive(Default)]
struct Score {
    rows: usize,
    right: BTreeMap<&'static str, usize>,
    confusions: BTreeMap<(String, String), usize>,
    /// Wrong, and not an abstention.
    confident: usize,
}

fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

#[test]
fn labelled_replies() {
    let Some(path) = corpus() else {
        println!("skipped: no corpus");
        return;
    };
    let slugs = RefCell::new(Vec::<String>::new());
    let number = |slug: &str| {
        let mut slugs = slugs.borrow_mut();
        let at = slugs.iter().position(|s| s == slug).unwrap_or(slugs.len());
        if at == slugs.len() {
            slugs.push(slug.to_owned());
        }
        u16::try_from(at).unwrap()
    };
    let engine =
        Engine::new(RuleSet::builtin().unwrap(), &|s| Some(IspId(number(s))), &|s| Some(FilterId(number(s)))).unwrap();
    let mut scratch = Scratch::default();
    let mut scores = [Score::default(), Score::default()];
    let show = std::env::var_os("BOUNCESIFT_SHOW").is_some();
    for row in csv::Reader::from_path(path).unwrap().into_deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        let aside = row["id"].as_str() >= HELD_ASIDE;
        let text = row["text"].as_bytes();
        let reply = parse_reply(locate_reply(text), false);
        let isp = Some(&row["isp"]).filter(|isp| !isp.is_empty()).map(|isp| IspId(number(isp)));
        let verdict = engine.decide(&Question { diagnostic: text, reply: &reply, isp }, &mut scratch);
        let got = [
            ("cause", verdict.cause.name().to_owned()),
            ("blocklist", verdict.blocklist.as_deref().unwrap_or("").to_owned()),
            ("sender_ip", verdict.sending_ip.map(|ip| ip.to_string()).unwrap_or_default()),
            ("reply_code", reply.code.map(|c| c.to_string()).unwrap_or_default()),
            ("status", reply.status.map(|s| s.to_string()).unwrap_or_default()),
            ("filter_vendor", verdict.filter.map(|f| slugs.borrow()[usize::from(f.0)].clone()).unwrap_or_default()),
        ];
        let score = &mut scores[usize::from(aside)];
        score.rows += 1;
        for (column, got) in got {
            let want = &row[column];
            let same = if column == "blocklist" { plain(want) == plain(&got) } else { *want == got };
            *score.right.entry(column).or_default() += usize::from(same);
            if !same && show && !aside {
                let rule = verdict.rule.and_then(|id| engine.rule(id)).map_or("-", |rule| rule.id.as_str());
                println!("{column}: want {want:?} got {got:?} by {rule}: {}", row["text"]);
            }
            if column == "cause" && !same {
                score.confident += usize::from(!matches!(got.as_str(), "access_denied" | "unclassified"));
                *score.confusions.entry((want.clone(), got)).or_default() += 1;
            }
        }
    }
    let mut low = Vec::new();
    for (name, score) in ["written for", "held aside"].into_iter().zip(&scores) {
        println!("{name}: {} rows; wrong and not an abstention: {}", score.rows, score.confident);
        for (column, floor) in FLOORS {
            let percent = 100.0 * score.right[column] as f64 / score.rows as f64;
            println!("  {column}: {percent:.1} %");
            let floor = if name == "written for" { floor } else { ASIDE_FLOOR };
            if percent < floor {
                low.push(format!("{column}: {percent:.1} % is under {floor} %"));
            }
        }
        let mut worst: Vec<_> = score.confusions.iter().collect();
        worst.sort_by_key(|(pair, n)| (std::cmp::Reverse(**n), *pair));
        for ((want, got), n) in worst.into_iter().take(12) {
            println!("  {n} x {want} taken for {got}");
        }
    }
    assert!(low.is_empty(), "{}", low.join("\n"));
}
