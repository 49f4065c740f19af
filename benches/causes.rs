//! How fast the causes are decided: on texts that all differ, on repeated ones, and on texts made to be slow.
//!
//!     cargo bench --bench causes              BENCH_TEXTS=200000, BENCH_ONLY_SETS=1 (no attacks)
//!
//! Texts are made from the rules' own samples, about 200 bytes long: with other addresses, hosts, ids and numbers ("other
//! figures", what a log holds), or with other words behind them, so that no two share a wording ("other words"). Before anything is timed, each text's verdict is compared with that of its sample.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout, reason = "a benchmark")]

use std::hint::black_box;
use std::time::Instant;

use bouncesift::cause::{Question, Scratch, Verdict};
use bouncesift::isp::{Isp, IspId};
use bouncesift::judge::{Judge, codes};
use bouncesift::knowledge::Knowledge;
use bouncesift::provenance::{FileId, Provenance};
use bouncesift::record::{DeliveryRecord, Hop, Outcome};
use bouncesift::smtp::{locate_reply, parse_reply};

const REPEATS: usize = 7;
/// Words that no rule knows.
const FILLERS: [&str; 24] = [
    "lantern", "orchard", "velvet", "harbour", "copper", "meadow", "thistle", "gravel", "saffron", "cobalt", "willow",
    "ember", "quarry", "linen", "juniper", "marble", "falcon", "hazel", "timber", "cedar", "pebble", "raven", "ivory",
    "clover",
];

struct Text {
    bytes: Vec<u8>,
    isp: Option<IspId>,
    cause: &'static str,
}

struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }
}

fn main() {
    let count: usize = std::env::var("BENCH_TEXTS").ok().map_or(200_000, |n| n.parse().expect("BENCH_TEXTS: a number"));
    let knowledge = Knowledge::builtin().unwrap();
    println!("{} rules, {count} texts a set, one core, median of {REPEATS}\n", knowledge.engine.rules().len());
    println!("{:<34} {:>7} {:>12} {:>9} {:>9}", "", "bytes", "texts/s", "ns/text", "ns/byte");
    let mut random = Random(7);
    let figures = texts(&knowledge, count, &mut random, false);
    let words = texts(&knowledge, count, &mut random, true);
    let mut judge = Judging::new(&knowledge);
    time(&mut judge, "scan: different, other figures", &figures);
    time(&mut judge, "scan: different, other words", &words);
    let few: Vec<Text> = figures.iter().take(300).map(copy).collect();
    let repeated: Vec<Text> = few.iter().cycle().take(count).map(copy).collect();
    time(&mut judge, "scan: 300 texts, repeated", &repeated);
    let mut engine = Deciding { knowledge: &knowledge, scratch: Scratch::default() };
    let benign = time(&mut engine, "rules alone: other figures", &figures);
    time(&mut engine, "rules alone: other words", &words);
    if std::env::var_os("BENCH_ONLY_SETS").is_some() {
        return;
    }
    println!();
    for (name, part) in [
        ("(((((", "("),
        ("aaaaa", "a"),
        ("spam ", "spam "),
        ("a@b ", "a@b "),
        ("codes", "550 5.7.1 "),
        ("1.2.3.4 ", "1.2.3.4 "),
        (":::::", ":"),
        (" said: ", " said: "),
        ("a.b@", "a.b@"),
        ("blocked using", "blocked using "),
        ("http://", "http://x "),
        ("rejected by policy", "rejected by policy "),
    ] {
        let bytes = part.repeat(16 * 1024 / part.len()).into_bytes();
        let text = Text { bytes, isp: None, cause: "" };
        let cost = time(&mut engine, &format!("attack: {name}"), &vec![text; 100]);
        assert!(cost < 5.0 * benign, "{name}: {cost} ns a byte, benign {benign}");
    }
}

impl Clone for Text {
    fn clone(&self) -> Self {
        copy(self)
    }
}

fn copy(text: &Text) -> Text {
    Text { bytes: text.bytes.clone(), isp: text.isp, cause: text.cause }
}

/// Texts that all differ, each with the cause of the sample it is made from.
fn texts(knowledge: &Knowledge, count: usize, random: &mut Random, other_words: bool) -> Vec<Text> {
    let mut scratch = Scratch::default();
    let samples: Vec<_> = knowledge
        .engine
        .rules()
        .iter()
        .map(|rule| {
            (
                rule.sample.as_str(),
                rule.providers.first().and_then(|slug| knowledge.directory.isp_by_slug(slug)),
                rule.cause.name(),
            )
        })
        .filter(|(sample, ..)| sample.len() < 170 && sample.is_ascii())
        .collect();
    let mut texts = Vec::with_capacity(count);
    let mut tried = 0;
    while texts.len() < count {
        let (sample, isp, cause) = samples[tried % samples.len()];
        tried += 1;
        let text = Text { bytes: vary(sample, random, other_words), isp, cause };
        // A filler may part two words that a rule wants together; such a text is made anew.
        if judge(knowledge, &text, &mut scratch).cause.name() == cause {
            texts.push(text);
        }
        assert!(tried < count * 3 + 1000, "too many texts lost their cause");
    }
    texts
}

/// The sample with other figures in it and, if wanted, other words at its end, 200 bytes long.
fn vary(sample: &str, random: &mut Random, other_words: bool) -> Vec<u8> {
    let codes = sample.len().min(9);
    let (head, rest) = sample.split_at(codes);
    let mut text = head.to_owned();
    let keep_digits = rest.split(' ').map(|word| word.contains("192.0.2.") || word.contains("example"));
    for (word, keep) in rest.split(' ').zip(keep_digits) {
        if keep {
            let word = word.replace("192.0.2.1", &format!("192.0.2.{}", random.below(250) + 2));
            text.push_str(&word.replace("example", &format!("host{}", random.below(100_000))));
        } else {
            text.push_str(word);
        }
        text.push(' ');
    }
    if !other_words {
        let (id, n) = (random.below(usize::MAX) as u32, random.below(1000));
        text.push_str(&format!(
            "{id:08X}.{n} <user{n}@host{}.example> mx{}.host{n}.example ",
            random.below(9999),
            n % 7
        ));
    }
    for word in FILLERS.iter().cycle() {
        if text.len() >= 200 {
            break;
        }
        text.push_str(if other_words { FILLERS[random.below(FILLERS.len())] } else { word });
        text.push(' ');
    }
    text.truncate(200);
    text.into_bytes()
}

fn judge(knowledge: &Knowledge, text: &Text, scratch: &mut Scratch) -> Verdict {
    let reply = parse_reply(locate_reply(&text.bytes), false);
    knowledge.engine.decide(&Question { diagnostic: &text.bytes, reply: &reply, isp: text.isp }, scratch)
}

/// What is timed.
trait Answer {
    fn cause(&mut self, text: &Text) -> &'static str;
}

/// The rules, asked for each text.
struct Deciding<'k> {
    knowledge: &'k Knowledge,
    scratch: Scratch,
}

impl Answer for Deciding<'_> {
    fn cause(&mut self, text: &Text) -> &'static str {
        judge(self.knowledge, text, &mut self.scratch).cause.name()
    }
}

/// As `scan` asks: with what is remembered of texts, and with the masked template of each.
struct Judging<'k> {
    judge: Judge<'k>,
}

impl<'k> Judging<'k> {
    fn new(knowledge: &'k Knowledge) -> Self {
        Judging { judge: Judge::new(knowledge) }
    }
}

impl Answer for Judging<'_> {
    fn cause(&mut self, text: &Text) -> &'static str {
        let mut record = DeliveryRecord::new(
            Provenance { file: FileId(0), len: 0, offset: 0 },
            "postfix",
            Outcome::Bounced,
            Hop::Remote,
        );
        record.diagnostic = Some(&text.bytes);
        record.is_reply = true;
        let isp = text.isp.map_or(Isp::Unknown, Isp::Known);
        let (_, reply) = codes(&record);
        self.judge.opinion(&record, &reply, &isp).verdict.cause.name()
    }
}

/// Nanoseconds a byte, the median.
fn time(answer: &mut dyn Answer, name: &str, texts: &[Text]) -> f64 {
    let bytes: usize = texts.iter().map(|text| text.bytes.len()).sum();
    for text in texts.iter().filter(|text| !text.cause.is_empty()) {
        assert_eq!(answer.cause(text), text.cause, "{}", String::from_utf8_lossy(&text.bytes));
    }
    let mut runs: Vec<f64> = (0..REPEATS)
        .map(|_| {
            let start = Instant::now();
            for text in texts {
                black_box(answer.cause(text));
            }
            start.elapsed().as_nanos() as f64
        })
        .collect();
    runs.sort_by(f64::total_cmp);
    let median = runs[REPEATS / 2];
    let (count, size) = (texts.len() as f64, bytes as f64);
    println!(
        "{name:<34} {:>7} {:>12.0} {:>9.0} {:>9.2}",
        bytes / texts.len(),
        count * 1e9 / median,
        median / count,
        median / size
    );
    median / size
}
