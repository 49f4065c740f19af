//! Phrases of all tables in one Aho-Corasick automaton, and what of them stands in a text.
//!
//! A phrase is text in the form of [`super::normal`]. `<` in front and `>` behind ask for a word border there
//! (`<spf>` is not found in `spfbl`). A phrase with one of `. = #` in it is also looked for inside URLs and host
//! names; words are not.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use super::normal::{Normal, phrase};

/// Number of a phrase.
pub(super) type LiteralId = u32;

/// Places kept for rules that ask for an order; what stands behind them in a text is not ordered.
const KEPT_HITS: usize = 2048;

/// Collects phrases before the automaton is built.
#[derive(Default)]
pub(super) struct Builder {
    ids: BTreeMap<(Vec<u8>, bool, bool), LiteralId>,
}

#[derive(Clone, Copy, Debug)]
struct Literal {
    id: LiteralId,
    left: bool,
    right: bool,
    in_names: bool,
}

/// The automaton.
#[derive(Debug)]
pub(super) struct Literals {
    automaton: AhoCorasick,
    /// The literals of each pattern: same bytes, other borders.
    of_pattern: Vec<Vec<Literal>>,
    count: usize,
}

/// Where a literal was found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hit {
    /// The text it was found in, counted.
    text: u32,
    pub(super) start: u32,
    pub(super) end: u32,
}

/// What was found in one text. Reused.
#[derive(Debug, Default)]
pub(super) struct Found {
    text: u32,
    first: Vec<Hit>,
    /// Literals found, each once, in the order of their first end.
    pub(super) seen: Vec<LiteralId>,
    /// All hits in the order of their ends, up to a limit.
    pub(super) hits: Vec<(LiteralId, Hit)>,
}

impl Builder {
    /// The number of a phrase, or why it is none.
    pub(super) fn add(&mut self, written: &str) -> Result<LiteralId, String> {
        let bare = written.strip_prefix('<').unwrap_or(written);
        let bare = bare.strip_suffix('>').unwrap_or(bare);
        let bytes = phrase(bare);
        if bytes.iter().filter(|b| !b.is_ascii_whitespace()).count() < 2 {
            return Err(format!("phrase {written:?} is too short"));
        }
        let next = u32::try_from(self.ids.len()).map_err(|e| e.to_string())?;
        Ok(*self.ids.entry((bytes, written.starts_with('<'), written.ends_with('>'))).or_insert(next))
    }

    pub(super) fn build(self) -> Result<Literals, String> {
        let count = self.ids.len();
        let mut patterns: Vec<Vec<u8>> = Vec::new();
        let mut of_pattern: Vec<Vec<Literal>> = Vec::new();
        for ((bytes, left, right), id) in self.ids {
            let in_names = bytes.iter().any(|b| matches!(b, b'.' | b'=' | b'#'));
            let literal = Literal { id, left, right, in_names };
            match of_pattern.last_mut() {
                Some(same) if patterns.last() == Some(&bytes) => same.push(literal),
                _ => {
                    patterns.push(bytes);
                    of_pattern.push(vec![literal]);
                }
            }
        }
        // A DFA of this many phrases does not fit the caches: it was slower by a third on texts of one hundred bytes.
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&patterns)
            .map_err(|e| e.to_string())?;
        Ok(Literals { automaton, of_pattern, count })
    }
}

impl Literals {
    /// Finds all phrases of a text, in one pass.
    pub(super) fn find(&self, normal: &Normal, found: &mut Found) {
        found.begin(self.count);
        for hit in self.automaton.find_overlapping_iter(&normal.text) {
            for literal in self.of_pattern.get(hit.pattern().as_usize()).into_iter().flatten() {
                if literal.fits(normal, hit.start(), hit.end()) {
                    found.add(literal.id, hit.start() as u32, hit.end() as u32);
                }
            }
        }
    }
}

impl Literal {
    fn fits(&self, normal: &Normal, start: usize, end: usize) -> bool {
        let cut_left = self.left && start > 0 && alphanumeric(normal, start - 1);
        let cut_right = self.right && alphanumeric(normal, end);
        (self.in_names || !normal.in_name(start)) && !cut_left && !cut_right
    }
}

fn alphanumeric(normal: &Normal, i: usize) -> bool {
    normal.text.get(i).is_some_and(u8::is_ascii_alphanumeric)
}

impl Found {
    fn begin(&mut self, count: usize) {
        self.seen.clear();
        self.hits.clear();
        self.text = self.text.wrapping_add(1);
        if self.text == 0 || self.first.len() != count {
            self.first.clear();
            self.first.resize(count, Hit::default());
            self.text = 1;
        }
    }

    fn add(&mut self, id: LiteralId, start: u32, end: u32) {
        let hit = Hit { text: self.text, start, end };
        if let Some(first) = self.first.get_mut(id as usize)
            && first.text != self.text
        {
            *first = hit;
            self.seen.push(id);
        }
        if self.hits.len() < KEPT_HITS {
            self.hits.push((id, hit));
        }
    }

    /// The first place of a literal in this text.
    pub(super) fn first(&self, id: LiteralId) -> Option<Hit> {
        self.first.get(id as usize).copied().filter(|hit| hit.text == self.text)
    }
}
