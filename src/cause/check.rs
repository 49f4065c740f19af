//! Whether the rule tables keep what they promise: samples are won, anti-samples are not, no row is there in vain.

use super::letters::phrase;
use super::rules::Rule;
use super::{Engine, Evidence, Question, RuleId, Scratch, Verdict};
use crate::isp::IspId;
use crate::smtp::{locate_reply, parse_reply};

/// Something about a row that its author should know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The row.
    pub rule: RuleId,
    /// What is about it.
    pub kind: FindingKind,
    /// The other row that it has to do with; `None` where no row spoke.
    pub other: Option<RuleId>,
}

/// What can be about a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FindingKind {
    /// Its sample is won by `other`, or by no row.
    SampleLost,
    /// It wins a text that it must not win: the anti-sample of this number, from 0.
    AntiWon(usize),
    /// It names a provider, this one from 0, that no table has: the row never speaks as that provider's own.
    UnknownProvider(usize),
    /// It can never win: wherever it holds, `other` holds and stands before it.
    Shadowed,
    /// Its sample also satisfies `other`, which names another cause and is of the same rank: only their order decides.
    Overlaps,
    /// It is the user's own and wins the sample of the built-in row `other`, which names another cause.
    TakesSample,
}

impl FindingKind {
    /// Whether the row is wrong; else it is only worth a look.
    pub fn is_error(self) -> bool {
        !matches!(self, FindingKind::Overlaps | FindingKind::TakesSample)
    }

    /// The word used in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            FindingKind::SampleLost => "sample_lost",
            FindingKind::AntiWon(_) => "anti_won",
            FindingKind::UnknownProvider(_) => "unknown_provider",
            FindingKind::Shadowed => "shadowed",
            FindingKind::Overlaps => "overlaps",
            FindingKind::TakesSample => "takes_sample",
        }
    }
}

/// Checks rows: those of the user's own tables where there are any, else all. Findings are in the order of the rows.
///
/// The row before it that shadows a row is found by what their columns say, not by trying texts: each condition of the
/// one must follow from the conditions of the other. So what is reported is true, but not all there is.
pub fn check(engine: &Engine, isp_of: &dyn Fn(&str) -> Option<IspId>) -> Vec<Finding> {
    let rules = engine.rules();
    let has_own = rules.iter().any(|rule| rule.is_own);
    let forms: Vec<Form> = rules.iter().map(Form::new).collect();
    let mut scratch = Scratch::default();
    let mut findings = Vec::new();
    for (at, rule) in rules.iter().enumerate() {
        let id = RuleId(at as u16);
        let isp = rule.providers.iter().find_map(|slug| isp_of(slug));
        if rule.is_own || !has_own {
            let mut add = |kind, other| findings.push(Finding { rule: id, kind, other });
            for (number, _) in rule.providers.iter().enumerate().filter(|(_, slug)| isp_of(slug).is_none()) {
                add(FindingKind::UnknownProvider(number), None);
            }
            let mut others = forms.iter().enumerate().filter(|(other, _)| *other != at);
            if let Some((shadow, _)) =
                forms.get(at).and_then(|form| others.find(|(other, by)| by.shadows(*other < at, form)))
            {
                add(FindingKind::Shadowed, Some(RuleId(shadow as u16)));
            }
            let winner = decide(engine, &rule.sample, isp, &mut scratch).rule;
            if winner != Some(id) {
                add(FindingKind::SampleLost, winner);
            }
            for (number, anti) in rule.anti.iter().enumerate() {
                if decide(engine, anti, isp, &mut scratch).rule == Some(id) {
                    add(FindingKind::AntiWon(number), None);
                }
            }
            if winner == Some(id)
                && let Some(other) = overlap(engine, rule, id, isp, &mut scratch)
            {
                add(FindingKind::Overlaps, Some(other));
            }
        } else if let Some(own) = decide(engine, &rule.sample, isp, &mut scratch).rule
            && engine.rule(own).is_some_and(|own| own.is_own && own.cause != rule.cause)
        {
            findings.push(Finding { rule: own, kind: FindingKind::TakesSample, other: Some(id) });
        }
    }
    findings.sort_by_key(|finding| (finding.rule, finding.kind, finding.other));
    findings
}

fn decide(engine: &Engine, text: &str, isp: Option<IspId>, scratch: &mut Scratch) -> Verdict {
    let reply = parse_reply(locate_reply(text.as_bytes()), false);
    engine.decide(&Question { diagnostic: text.as_bytes(), reply: &reply, isp }, scratch)
}

/// The first row of the same rank that the row's sample satisfies too, and that names another cause.
fn overlap(engine: &Engine, rule: &Rule, id: RuleId, isp: Option<IspId>, scratch: &mut Scratch) -> Option<RuleId> {
    let text = rule.sample.as_bytes();
    let reply = parse_reply(locate_reply(text), false);
    let holding = engine.candidates(&Question { diagnostic: text, reply: &reply, isp }, scratch);
    let speaker = rule.providers.first().map(String::as_str);
    let same_rank = |other: &Rule| Rank::of(other, speaker) == Rank::of(rule, speaker);
    holding.into_iter().find(|&other| {
        other != id && engine.rule(other).is_some_and(|other| other.cause != rule.cause && same_rank(other))
    })
}

/// Which rows are asked first. The same as the engine's own order, told from the row and who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Own,
    Speaker,
    Token,
    General,
    Last,
}

impl Rank {
    /// `None` where the row has no say when `speaker` speaks, or nobody known.
    fn of(rule: &Rule, speaker: Option<&str>) -> Option<Rank> {
        let anybodys = rule.providers.is_empty();
        let speaks = speaker.is_some_and(|slug| rule.providers.iter().any(|provider| provider == slug));
        match (rule.is_own, rule.evidence) {
            (true, _) => (anybodys || speaks).then_some(Rank::Own),
            (false, Evidence::None) => Some(Rank::Last),
            (false, Evidence::Token) => Some(if speaks { Rank::Speaker } else { Rank::Token }),
            (false, _) if anybodys => Some(Rank::General),
            (false, _) => speaks.then_some(Rank::Speaker),
        }
    }
}

/// A row in the form that conditions are compared in.
struct Form<'r> {
    rule: &'r Rule,
    words: Vec<Vec<Phrase>>,
    none: Vec<Phrase>,
}

impl<'r> Form<'r> {
    fn new(rule: &'r Rule) -> Form<'r> {
        let group = |phrases: &Vec<String>| phrases.iter().map(|text| Phrase::new(text)).collect();
        Form { rule, words: rule.words.iter().map(group).collect(), none: group(&rule.none) }
    }

    /// Whether this row, which stands before `other` in the tables or not, always wins where `other` holds.
    fn shadows(&self, is_before: bool, other: &Form<'_>) -> bool {
        self.goes_first(is_before, other.rule) && self.follows_from(other)
    }

    /// Whoever speaks: nobody known, or only one of the providers of `other`. Where more speak, this row's rank can only
    /// be better.
    fn goes_first(&self, is_before: bool, other: &Rule) -> bool {
        let speakers = [None].into_iter().chain(other.providers.iter().map(|slug| Some(slug.as_str())));
        speakers.into_iter().all(|speaker| match (Rank::of(self.rule, speaker), Rank::of(other, speaker)) {
            (_, None) => true,
            (None, Some(_)) => false,
            (Some(this), Some(other)) => this < other || (this == other && is_before),
        })
    }

    /// Whether each condition of this row follows from those of `other`.
    fn follows_from(&self, other: &Form<'_>) -> bool {
        let (this, that) = (self.rule, other.rule);
        let implied = |group: &[Phrase], by: &[Phrase]| by.iter().all(|p| group.iter().any(|q| p.implies(q)));
        covers(&this.replies, &that.replies, |&wide, &narrow| wide == narrow || wide == narrow / 100)
            && covers(&this.statuses, &that.statuses, |wide, narrow| wide.covers(*narrow))
            && self.words.iter().all(|group| other.words.iter().any(|by| implied(group, by)))
            && self.none.iter().all(|phrase| other.none.iter().any(|by| phrase.implies(by)))
            && (this.gap.is_none() || (this.gap >= that.gap && that.gap.is_some() && this.words == that.words))
            && (this.regex.is_none() || this.regex == that.regex)
    }
}

/// Whether a list of codes (empty: any) lets all through that another one lets through.
fn covers<T>(wide: &[T], narrow: &[T], one: impl Fn(&T, &T) -> bool) -> bool {
    wide.is_empty() || (!narrow.is_empty() && narrow.iter().all(|n| wide.iter().any(|w| one(w, n))))
}

/// A phrase without its marks.
struct Phrase {
    bytes: Vec<u8>,
    /// Nothing of the last word may follow.
    whole: bool,
    /// It is also looked for in host names and URLs.
    in_names: bool,
}

impl Phrase {
    fn new(written: &str) -> Phrase {
        let bare = written.strip_prefix('<').unwrap_or(written);
        let bytes = phrase(bare.strip_suffix('>').unwrap_or(bare));
        let in_names = bytes.iter().any(|b| matches!(b, b'.' | b'=' | b'#'));
        Phrase { whole: bare.ends_with('>'), bytes, in_names }
    }

    /// Whether a text that holds this phrase always holds `other`.
    fn implies(&self, other: &Phrase) -> bool {
        if self.in_names && !other.in_names {
            return false;
        }
        let words = self.bytes.iter().enumerate().filter(|(_, b)| **b == b' ').map(|(at, _)| at + 1);
        [0].into_iter().chain(words).any(|at| {
            let behind = self.bytes.get(at..).and_then(|text| text.strip_prefix(other.bytes.as_slice()));
            behind.is_some_and(|behind| match behind.first() {
                Some(next) => !other.whole || !next.is_ascii_alphanumeric(),
                None => !other.whole || self.whole,
            })
        })
    }
}
