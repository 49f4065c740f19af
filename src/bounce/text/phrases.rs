//! What reports say, in words: short phrases of several languages, each with what it tells.
//!
//! Phrases are short because reports wrap their sentences anywhere. ASCII letters match in either case; others as
//! written, so a phrase that may open a sentence in Cyrillic lacks its first letter.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, MatchKind};

use super::phrase_table::PHRASES;

/// What a phrase tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Recipients follow.
    Intro,
    /// Something was not delivered.
    Failure,
    /// It will be tried again.
    Delay,
    /// It will not be tried again.
    GivenUp,
    /// Who to ask: an address nearby is no recipient.
    Contact,
    /// The cause follows.
    Cause,
}

impl Kind {
    pub(super) fn bit(self) -> u16 {
        1 << self as u16
    }
}

/// The automaton over [`PHRASES`]; `None` only if the table could not be built, which a test rules
/// out.
static AUTOMATON: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasickBuilder::new()
        .ascii_case_insensitive(true)
        .match_kind(MatchKind::Standard)
        .build(PHRASES.iter().map(|(phrase, _)| phrase))
        .ok()
});

/// The phrases in `text`, in order of their ends: offset of the last byte, and kind.
pub(super) fn find(text: &[u8]) -> impl Iterator<Item = (usize, Kind)> {
    let found = AUTOMATON.as_ref().map(|automaton| automaton.find_overlapping_iter(text));
    found.into_iter().flatten().filter_map(|found| {
        let (_, kind) = PHRASES.get(found.pattern().as_usize())?;
        Some((found.end().checked_sub(1)?, *kind))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_makes_an_automaton() {
        assert!(AUTOMATON.is_some());
    }

    #[test]
    fn phrases_are_lower_case_and_unlike() {
        for (at, (phrase, kind)) in PHRASES.iter().enumerate() {
            assert_eq!(phrase.to_lowercase(), *phrase);
            assert!(PHRASES.iter().skip(at + 1).all(|other| other != &(*phrase, *kind)), "{phrase} stands twice");
        }
    }
}
