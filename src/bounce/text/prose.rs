//! Addresses amid sentences, where no list, field or session names any: `Your mail to joe@example.net was not delivered.`

use super::address;
use super::entries::{Entries, Rank};
use super::lines::Lines;
use super::phrases::{self, Kind};
use super::reason::{Reason, find_reply, is_refusal};

/// Words in front of an address that is no recipient.
const NOT_TO: [&[u8]; 10] =
    [b"from", b"sender", b"by", b"von", b"from:", b"sender:", b"contact", b"via", b"mailto", b"of"];

/// Names the addresses of sentences that say that something failed.
pub(super) fn read<'t>(lines: &Lines<'t>, entries: &mut Entries<'t>) {
    for (start, end) in paragraphs(lines) {
        let words = lines.span(start, end);
        let mut place = None;
        for sentence in sentences(words) {
            if address::among(sentence).next().is_none() || !fails(sentence) {
                continue;
            }
            for (at, found) in address::among(sentence) {
                if may_fail(sentence, at) && (!address::is_role(found) || goes_to(sentence, at)) {
                    place = entries.claim(found, Rank::Prose).or(place);
                }
            }
        }
        if let Some(entry) = place.and_then(|place| entries.get_mut(place)) {
            entry.learn(&Reason::read(words));
        }
    }
}

fn fails(sentence: &[u8]) -> bool {
    let mut failure = false;
    for (_, kind) in phrases::find(sentence) {
        match kind {
            Kind::Contact => return false,
            Kind::Failure | Kind::Intro | Kind::Delay => failure = true,
            _ => {}
        }
    }
    failure || find_reply(sentence).is_some()
}

/// The last word in front of the address.
fn word_before(sentence: &[u8], at: usize) -> &[u8] {
    let before = sentence.get(at.saturating_sub(64)..at).unwrap_or_default();
    let before = before.strip_suffix(b"<").unwrap_or(before).trim_ascii_end();
    before.rsplit(|b| b.is_ascii_whitespace()).next().unwrap_or_default()
}

fn may_fail(sentence: &[u8], at: usize) -> bool {
    let before = sentence.get(..at).unwrap_or_default();
    let line = before.rsplit(|b| *b == b'\n').next().unwrap_or(before).trim_ascii_start();
    // In a reply without `<>` addresses are those of its remarks.
    if is_refusal(line) && !line.contains(&b'<') {
        return false;
    }
    let word = word_before(sentence, at);
    !NOT_TO.iter().any(|not| word.eq_ignore_ascii_case(not))
}

fn goes_to(sentence: &[u8], at: usize) -> bool {
    word_before(sentence, at).eq_ignore_ascii_case(b"to")
}

/// Runs of lines that are not blank, as offsets.
pub(super) fn paragraphs(lines: &Lines<'_>) -> Vec<(usize, usize)> {
    let mut found: Vec<(usize, usize)> = Vec::new();
    let mut open = false;
    for line in lines.iter() {
        match (line.is_blank(), open, found.last_mut()) {
            (true, _, _) => open = false,
            (false, true, Some(last)) => last.1 = line.end,
            (false, _, _) => {
                open = true;
                found.push((line.start, line.end));
            }
        }
    }
    found
}

/// Cuts a paragraph behind `.`, `!` and `?` that a blank follows, and behind the Japanese full stop.
fn sentences(words: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = words;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = sentence_end(rest);
        let (sentence, behind) = rest.split_at_checked(end)?;
        rest = behind;
        Some(sentence)
    })
}

fn sentence_end(rest: &[u8]) -> usize {
    let stop = "\u{3002}".as_bytes();
    let ends = |at: usize| match rest.get(at) {
        Some(b'.' | b'!' | b'?') => rest.get(at + 1).is_none_or(u8::is_ascii_whitespace),
        _ => rest.get(at..).is_some_and(|text| text.starts_with(stop)),
    };
    let found =
        rest.iter().enumerate().filter(|(_, b)| matches!(b, b'.' | b'!' | b'?' | 0xE3)).find(|(at, _)| ends(*at));
    found.map_or(rest.len(), |(at, b)| at + if *b == 0xE3 { stop.len() } else { 1 })
}
