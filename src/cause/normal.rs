//! The text as the rules see it: one line of lower-case words, with the way back to the bytes as written.
//!
//! - ASCII and Cyrillic in lower case, accented Latin letters without their accent, typographic quotes as `'`, `"`.
//! - Runs of blanks, control characters, the two characters `\n`, and `_` are one blank.
//! - Repeated reply codes of a folded reply (`550-5.7.1`) are gone.
//! - A mail address is the single byte `@`: what strangers call their mailboxes is no evidence.
//! - The starts of words are noted, for phrases start there (see [`super::literals`]): of runs of letters, of runs of
//!   digits, of each ideograph, and signs that some phrase starts with. Those in URLs and host names are marked.
//!
//! Each byte is classified by one table look-up, and the common token, letters and digits alone, is copied without
//! looking at its bytes again: this and the search for phrases are most of a verdict's time.

use std::ops::Range;

use super::letters::{fold, lower};
use crate::smtp::{EnhancedStatus, ReplyCode};

/// Bytes of a diagnostic that are looked at.
pub(super) const LIMIT: usize = 16 * 1024;

/// A place where a phrase may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordStart {
    /// Offset in the normalised text.
    pub(super) at: u16,
    /// Offset from where the words start in the text as written.
    raw: u16,
    /// Whether it is part of a URL or host name.
    pub(super) in_name: bool,
}

/// Signs that a phrase starts with, by byte.
pub(super) type Openers = [bool; 256];

/// A normalised text. Reused: filling it again allocates only if the text is longer than any before.
#[derive(Debug, Default)]
pub(super) struct Normal {
    /// The bytes the rules are matched against.
    pub(super) text: Vec<u8>,
    /// Where phrases may start, ascending.
    pub(super) starts: Vec<WordStart>,
    /// Where the words start in the text.
    base: u32,
}

/// What a run of bytes without blanks is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Words, numbers, signs.
    Word,
    /// `local@domain`.
    Address,
    /// With `://`, or starting with `www.`.
    Url,
    /// Labels with dots between.
    Host,
}

/// The byte parts tokens.
const DELIMITER: u8 = 1;
const LETTER: u8 = 2;
const DIGIT: u8 = 4;
/// `.`, `@`, `:`: the token may be a host name, an address, a URL.
const NAMING: u8 = 8;
/// Any other byte; the token has to be looked at byte by byte.
const SIGN: u8 = 16;

const CLASS: [u8; 256] = {
    let mut class = [SIGN; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        if is_delimiter(b) {
            class[i] = DELIMITER;
        } else if b.is_ascii_alphabetic() {
            class[i] = LETTER;
        } else if b.is_ascii_digit() {
            class[i] = DIGIT;
        } else if matches!(b, b'.' | b'@' | b':') {
            class[i] = NAMING;
        }
        i += 1;
    }
    class
};

fn class(b: u8) -> u8 {
    CLASS[usize::from(b)]
}

impl Normal {
    /// Takes in `words` of `text`, at most 16 KiB. `code` is the reply's code, whose repetitions are left out.
    pub(super) fn fill(&mut self, text: &[u8], words: Range<usize>, code: Option<ReplyCode>, openers: &Openers) {
        self.text.clear();
        self.starts.clear();
        self.base = u32::try_from(words.start).unwrap_or(u32::MAX);
        let raw = text.get(words).unwrap_or(&[]);
        let raw = raw.get(..LIMIT).unwrap_or(raw);
        let code = code.map(|c| digits(c.get()));
        let mut after_code = false;
        let mut i = 0;
        while let Some(&b) = raw.get(i) {
            if class(b) == DELIMITER {
                i += self.delimiter(raw, b, i, openers);
                continue;
            }
            let rest = raw.get(i..).unwrap_or(&[]);
            let mut flags = 0;
            let mut len = 0;
            for &b in rest {
                let class = class(b);
                if class == DELIMITER {
                    break;
                }
                flags |= class;
                len += 1;
            }
            let token = rest.get(..len).unwrap_or(&[]);
            let skip = if b.is_ascii_digit() || after_code { code_len(token, code, after_code) } else { 0 };
            after_code = (1..=4).contains(&skip);
            match skip {
                0 if flags == LETTER || flags == DIGIT => self.plain(token, i),
                0 => self.token(token, flags, i, openers),
                _ => len = skip,
            }
            i += len;
        }
    }

    /// Where normalised bytes `start..end` stand in the text as written. `start` is that of a word.
    pub(super) fn span(&self, text: &[u8], start: usize, end: usize) -> (u32, u32) {
        let word = |at: usize| {
            let behind = self.starts.partition_point(|start| usize::from(start.at) <= at);
            self.starts.get(behind.saturating_sub(1)).map_or((0, 0), |s| (usize::from(s.at), usize::from(s.raw)))
        };
        let base = self.base as usize;
        let (mut at, raw) = word(end.saturating_sub(1));
        let mut raw_end = base + raw;
        // From the start of the last word on, byte by byte: folded letters are shorter than written ones.
        while at < end {
            let Some(&b) = text.get(raw_end) else { break };
            let (len, bytes) = match class(b) {
                _ if b >= 0x80 => fold(text.get(raw_end..).unwrap_or(&[]), b).lengths(),
                _ => (1, 1),
            };
            (raw_end, at) = (raw_end + len, at + bytes);
        }
        let start = base + word(start).1;
        (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(raw_end.max(start)).unwrap_or(u32::MAX))
    }

    fn start(&mut self, raw: usize, in_name: bool) {
        self.starts.push(WordStart { at: self.text.len() as u16, raw: raw as u16, in_name });
    }

    fn blank(&mut self) {
        if !matches!(self.text.last(), None | Some(b' ')) {
            self.text.push(b' ');
        }
    }

    /// A byte between tokens; returns how many bytes it took.
    fn delimiter(&mut self, raw: &[u8], b: u8, at: usize, openers: &Openers) -> usize {
        if b == b'\\' && matches!(raw.get(at + 1), Some(b'n' | b'r' | b't')) {
            self.blank();
            return 2;
        }
        if b <= b' ' || b == 0x7f {
            self.blank();
        } else {
            if openers[usize::from(b)] {
                self.start(at, false);
            }
            self.text.push(b);
        }
        1
    }

    /// Letters alone, or digits alone.
    fn plain(&mut self, token: &[u8], at: usize) {
        self.start(at, false);
        self.text.extend(token.iter().map(u8::to_ascii_lowercase));
    }

    fn token(&mut self, token: &[u8], flags: u8, at: usize, openers: &Openers) {
        let kind = if flags & NAMING == 0 { Kind::Word } else { kind(token) };
        if kind == Kind::Address {
            if openers[usize::from(b'@')] {
                self.start(at, false);
            }
            self.text.push(b'@');
            let len = address_len(token);
            let rest = token.get(len..).unwrap_or(&[]);
            return self.bytes(rest, at + len, self::kind(rest) != Kind::Word, openers);
        }
        self.bytes(token, at, kind != Kind::Word, openers);
    }

    fn bytes(&mut self, token: &[u8], at: usize, in_name: bool, openers: &Openers) {
        let mut i = 0;
        let mut before = SIGN;
        while let Some(&b) = token.get(i) {
            if b >= 0x80 {
                i += self.letter(token.get(i..).unwrap_or(&[]), at + i, in_name, &mut before);
                continue;
            }
            let class = class(b);
            if b == b'_' {
                self.blank();
            } else {
                if (class & (LETTER | DIGIT) != 0 && class != before) || openers[usize::from(b)] {
                    self.start(at + i, in_name);
                }
                self.text.push(lower(b));
            }
            before = class;
            i += 1;
        }
    }

    /// A letter outside ASCII; returns its length. `before` is the class of what stands in front.
    fn letter(&mut self, text: &[u8], at: usize, in_name: bool, before: &mut u8) -> usize {
        let letter = fold(text, text.first().copied().unwrap_or(b' '));
        let stands_for = letter.bytes();
        let first = stands_for.first().copied().unwrap_or(b' ');
        let class = if first < 0x80 { class(first) } else { 0 };
        if first == b' ' {
            self.blank();
        } else {
            // Ideographs (three bytes and more) are not parted by blanks, so that each may start a phrase.
            if class != *before || first >= 0xe0 {
                self.start(at, in_name);
            }
            self.text.extend_from_slice(stands_for);
        }
        *before = class;
        letter.len()
    }
}

fn digits(code: u16) -> [u8; 3] {
    [b'0' + (code / 100 % 10) as u8, b'0' + (code / 10 % 10) as u8, b'0' + (code % 10) as u8]
}

/// Bytes at the start of a token that are a repeated reply code, or the enhanced status code right after one.
fn code_len(token: &[u8], code: Option<[u8; 3]>, after_code: bool) -> usize {
    if let Some(code) = code
        && let Some(rest) = token.strip_prefix(&code)
        && matches!(rest.first(), None | Some(b'-'))
    {
        return (3 + usize::from(!rest.is_empty())).min(token.len());
    }
    let bare = token.strip_prefix(b"-").or_else(|| token.strip_prefix(b"#")).unwrap_or(token);
    if after_code && EnhancedStatus::exact(bare).is_some() { token.len() } else { 0 }
}

/// Length of the token that starts here; 0 at a byte between tokens.
pub(super) fn token_len(text: &[u8]) -> usize {
    text.iter().position(|b| class(*b) == DELIMITER).unwrap_or(text.len())
}

const fn is_delimiter(b: u8) -> bool {
    b <= b' '
        || matches!(b, b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b',' | b';' | b'"' | b'\'' | b'`')
        || matches!(b, b'\\' | b'|' | 0x7f)
}

/// Length of the address at the start of a token: `user@example.org` of `user@example.org:blocked`.
fn address_len(token: &[u8]) -> usize {
    let at = token.iter().rposition(|b| *b == b'@').map_or(0, |at| at + 1);
    let domain = token.get(at..).unwrap_or(&[]);
    let ends = |b: &u8| !(b.is_ascii_alphanumeric() || *b >= 0x80 || matches!(b, b'.' | b'-' | b'_'));
    (at + domain.iter().position(ends).unwrap_or(domain.len())).max(1)
}

/// What a token is.
pub(super) fn kind(token: &[u8]) -> Kind {
    let mut dotted = false;
    let mut before = b' ';
    for (i, &b) in token.iter().enumerate() {
        let next = token.get(i + 1).copied().unwrap_or(b' ');
        match b {
            b'@' if i > 0 && (next.is_ascii_alphanumeric() || next >= 0x80) => return Kind::Address,
            b':' if next == b'/' && token.get(i + 2) == Some(&b'/') => return Kind::Url,
            b'.' => dotted |= joins_labels(before, next),
            _ => {}
        }
        before = b;
    }
    match dotted {
        true if token.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"www.")) => Kind::Url,
        true => Kind::Host,
        false => Kind::Word,
    }
}

/// Whether a dot between two bytes is inside a name. `blocked.For help` is two sentences without a blank.
fn joins_labels(before: u8, next: u8) -> bool {
    let upper = before.is_ascii_uppercase() || before.is_ascii_digit();
    before.is_ascii_alphanumeric()
        && (next.is_ascii_lowercase() || next.is_ascii_digit() || (upper && next.is_ascii_uppercase()))
}

#[cfg(test)]
mod tests {
    use super::super::letters::phrase;
    use super::*;

    fn filled(raw: &str, code: u16) -> Normal {
        let mut normal = Normal::default();
        normal.fill(raw.as_bytes(), 0..raw.len(), ReplyCode::new(code), &[false; 256]);
        normal
    }

    fn normal(raw: &str, code: u16) -> String {
        String::from_utf8_lossy(&filled(raw, code).text).into_owned()
    }

    #[test]
    fn folded_replies_become_one_line() {
        assert_eq!(normal("550-5.7.1 Not  accepted\\n550-5.7.1 by 550 5.7.1\tUS", 550), "not accepted by us");
        assert_eq!(normal("550-\"JunkMail", 550), "\"junkmail");
        assert_eq!(normal("see 554", 550), "see 554");
    }

    #[test]
    fn addresses_are_no_words() {
        assert_eq!(normal("<spam@example.net>: unknown", 0), "<@>: unknown");
        assert_eq!(normal("(user@example.net:blocked)", 0), "(@:blocked)");
        assert_eq!(normal("521< x >_is_blocked.For", 0), "521< x > is blocked.for");
    }

    #[test]
    fn letters_are_folded() {
        assert_eq!(normal("Rejeté, ÉCHEC domain’s ПОЧТА", 0), "rejete, echec domain's почта");
        assert_eq!(phrase("Rejeté ПОЧТА 拒绝"), "rejete почта 拒绝".as_bytes());
        assert_eq!(normal("邮件被拒绝", 0), "邮件被拒绝");
    }

    #[test]
    fn names_are_marked_and_spans_lead_back() {
        let raw = "  see http://spam.example/  Été SPAM";
        let normal = filled(raw, 0);
        let at = normal.text.len() - 4;
        assert_eq!(normal.span(raw.as_bytes(), at, at + 4), (34, 38));
        assert_eq!(normal.span(raw.as_bytes(), at - 4, at - 1), (28, 33));
        let marked: Vec<_> = normal.starts.iter().map(|start| start.in_name).collect();
        assert_eq!(marked, [false, true, true, true, false, false]);
        assert_eq!(kind(b"mx.spam.example"), Kind::Host);
        assert_eq!(kind(b"blocked.For"), Kind::Word);
    }

    #[test]
    fn words_start_where_the_kind_of_letter_changes() {
        let starts = |raw: &str| filled(raw, 0).starts.iter().map(|start| start.at).collect::<Vec<_>>();
        assert_eq!(starts("s3150x"), [0, 1, 5]);
        assert_eq!(starts("почта ip被拒"), [0, 11, 13, 16]);
        assert_eq!(starts("rejeté"), [0]);
    }
}
