//! Phrases of all tables, and what of them stands in a text.
//!
//! A phrase is text in the form of [`super::normal`]. It is found where a word starts: `spam` in `spammer`, not in
//! `antispam`. `>` behind it asks for a word border there too (`<spf>` is not found in `spfbl`); `<` in front says
//! the same as none. A phrase with one of `. = #` in it is also looked for inside URLs and host names; words are not.
//!
//! Why no Aho-Corasick automaton: it looks for a phrase at each byte, and took a third of a verdict's time. Here a word's
//! first letters (up to four, fewer where the word is shorter) are looked up in a bit set that fits the first cache; only
//! the words that pass are followed down a trie.

use std::collections::BTreeMap;

use super::letters::phrase;
use super::normal::{Normal, Openers, WordStart};
use super::trie::{Trie, TrieBuilder};

/// Number of a phrase.
pub(super) type LiteralId = u32;

/// Places kept for rules that ask for an order; what stands behind them in a text is not ordered.
const KEPT_HITS: usize = 2048;

/// Collects phrases before they are indexed.
#[derive(Default)]
pub(super) struct Builder {
    ids: BTreeMap<(Vec<u8>, bool), LiteralId>,
}

/// What a phrase asks for at its end, and where it is looked for.
#[derive(Clone, Copy, Debug)]
struct Literal {
    id: LiteralId,
    whole: bool,
    in_names: bool,
}

/// The index.
#[derive(Debug)]
pub(super) struct Literals {
    /// Phrases by the first letters of their first word, in one number.
    by_word: Index,
    literals: Vec<Literal>,
    openers: Openers,
}

/// Keys with the trie of the phrases that share it.
#[derive(Debug)]
struct Index {
    /// One bit for each hash of a key.
    seen: Box<[u64; 1024]>,
    /// Open addressing, a power of two, at most half full.
    slots: Vec<(u32, u32)>,
    trie: Trie,
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
    /// Literals found, each once, in the order of their first place.
    pub(super) seen: Vec<LiteralId>,
    /// All hits in the order of their starts, up to a limit.
    pub(super) hits: Vec<(LiteralId, Hit)>,
}

impl Builder {
    /// The number of a phrase, or why it is none.
    pub(super) fn add(&mut self, written: &str) -> Result<LiteralId, String> {
        let bare = written.strip_prefix('<').unwrap_or(written);
        let whole = bare.ends_with('>');
        let bytes = phrase(bare.strip_suffix('>').unwrap_or(bare));
        if bytes.iter().filter(|b| !b.is_ascii_whitespace()).count() < 2 {
            return Err(format!("phrase {written:?} is too short"));
        }
        let next = u32::try_from(self.ids.len()).map_err(|e| e.to_string())?;
        Ok(*self.ids.entry((bytes, whole)).or_insert(next))
    }

    pub(super) fn build(self) -> Literals {
        let none = Literal { id: 0, whole: false, in_names: false };
        let mut literals = vec![none; self.ids.len()];
        let mut openers = [false; 256];
        let mut by_word = BTreeMap::new();
        for ((bytes, whole), id) in self.ids {
            let in_names = bytes.iter().any(|b| matches!(b, b'.' | b'=' | b'#'));
            if let Some(literal) = literals.get_mut(id as usize) {
                *literal = Literal { id, whole, in_names };
            }
            if let Some(&first) = bytes.first().filter(|b| !b.is_ascii_alphanumeric() && b.is_ascii()) {
                openers[usize::from(first)] = true;
            }
            for key in keys(&bytes, whole) {
                by_word.entry(key).or_insert_with(Vec::new).push((bytes.clone(), id));
            }
        }
        Literals { by_word: Index::new(by_word), literals, openers }
    }
}

/// The keys of the words that a phrase may be found at: one, unless the phrase is a word's start of less than four
/// letters.
fn keys(phrase: &[u8], whole: bool) -> Vec<u32> {
    let is_open = !whole && phrase.len() < 4 && word_len(phrase) >= phrase.len();
    let mut keys = vec![word_key(phrase)];
    if !is_open {
        return keys;
    }
    let letters = match phrase.first() {
        Some(b'a'..=b'z') => b'a'..=b'z',
        Some(b'0'..=b'9') => b'0'..=b'9',
        _ => 0..=u8::MAX,
    };
    let mut longer = vec![phrase.to_vec()];
    while longer.first().is_some_and(|word| word.len() < 4) {
        longer = longer.iter().flat_map(|w| letters.clone().map(|b| [w.as_slice(), &[b]].concat())).collect();
        keys.extend(longer.iter().map(|word| word_key(word)));
    }
    keys.sort_unstable();
    keys.dedup();
    keys
}

impl Index {
    /// Phrases by key, each list in ascending order.
    fn new(keys: BTreeMap<u32, Vec<(Vec<u8>, LiteralId)>>) -> Index {
        let mut trie = TrieBuilder::default();
        let empty = (0, u32::MAX);
        let mut slots = vec![empty; (keys.len() * 2).next_power_of_two().max(2)];
        let mut seen = Box::new([0_u64; 1024]);
        let mask = slots.len() - 1;
        for (key, phrases) in keys {
            let hash = hash(key);
            if let Some(word) = seen.get_mut(hash / 64) {
                *word |= 1 << (hash % 64);
            }
            let mut at = hash & mask;
            while slots.get(at).is_some_and(|slot| *slot != empty) {
                at = (at + 1) & mask;
            }
            if let Some(slot) = slots.get_mut(at) {
                *slot = (key, trie.add(&phrases));
            }
        }
        Index { seen, slots, trie: trie.build() }
    }

    /// The trie's node of a key.
    fn root(&self, key: u32) -> Option<u32> {
        let hash = hash(key);
        if self.seen[hash / 64] & (1 << (hash % 64)) == 0 {
            return None;
        }
        let mask = self.slots.len() - 1;
        let mut at = hash & mask;
        loop {
            let &(known, node) = self.slots.get(at)?;
            if node == u32::MAX {
                return None;
            }
            if known == key {
                return Some(node);
            }
            at = (at + 1) & mask;
        }
    }
}

/// 16 bits of a key.
fn hash(key: u32) -> usize {
    (key.wrapping_mul(0x9e37_79b1) >> 16) as usize
}

/// Bytes of the word at the start of a text, at most four; four where no word starts, but a sign or another script.
fn word_len(text: &[u8]) -> usize {
    (word_mask(first_four(text)).count_ones() / 8) as usize
}

/// The first bytes of the word at the start of a text, in one number; the other bits are 0.
fn word_key(text: &[u8]) -> u32 {
    let four = first_four(text);
    four & word_mask(four)
}

fn first_four(text: &[u8]) -> u32 {
    let mut four = [0; 4];
    match text.first_chunk() {
        Some(whole) => four = *whole,
        None => four.iter_mut().zip(text).for_each(|(to, from)| *to = *from),
    }
    u32::from_le_bytes(four)
}

/// All bits of those of four bytes that go on in the word of the first one. Letters are in lower case. The bytes are
/// compared side by side: with the high bit away no sum carries over, and adding 0x80 - `a` sets it from `a` on.
fn word_mask(four: u32) -> u32 {
    const HIGH: u32 = 0x8080_8080;
    let (from, behind) = match four as u8 {
        b'a'..=b'z' => (0x1f1f_1f1f, 0x0505_0505),
        b'0'..=b'9' => (0x5050_5050, 0x4646_4646),
        _ => return u32::MAX,
    };
    let low = four & !HIGH;
    let same = (low + from) & !(low + behind) & !four & HIGH;
    let other = !same & HIGH;
    if other == 0 { u32::MAX } else { (1 << (other.trailing_zeros() - 7)) - 1 }
}

impl Literals {
    /// Signs that phrases start with.
    pub(super) fn openers(&self) -> &Openers {
        &self.openers
    }

    /// Finds all phrases of a text, in one pass over its words.
    pub(super) fn find(&self, normal: &Normal, found: &mut Found) {
        found.begin(self.literals.len());
        for start in &normal.starts {
            let text = normal.padded(usize::from(start.at));
            if let Some(root) = self.by_word.root(word_key(text)) {
                self.follow(root, text, *start, found);
            }
        }
    }

    fn follow(&self, root: u32, text: &[u8], start: WordStart, found: &mut Found) {
        let from = u32::from(start.at);
        self.by_word.trie.follow(root, text, |id, len| {
            let Some(literal) = self.literals.get(id as usize) else { return };
            let cut = literal.whole && text.get(len).is_some_and(u8::is_ascii_alphanumeric);
            if (literal.in_names || !start.in_name) && !cut {
                found.add(literal.id, from, from + len as u32);
            }
        });
    }
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
