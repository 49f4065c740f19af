//! The text as the rules see it: one line of lower-case words, with the way back to the bytes as written.
//!
//! - ASCII and Cyrillic in lower case, accented Latin letters without their accent, typographic quotes as `'`, `"`.
//! - Runs of blanks, control characters, the two characters `\n`, and `_` are one blank.
//! - Repeated reply codes of a folded reply (`550-5.7.1`) are gone.
//! - A mail address is the single byte `@`: what strangers call their mailboxes is no evidence.
//! - The starts of words are noted, for phrases start there (see [`super::literals`]): of runs of letters, of runs of
//!   digits, of each ideograph, and signs that some phrase starts with. Those in URLs and host names are marked.
//!
//! This and the search for phrases are most of a verdict's time. So the text is copied in lower case as a whole, which
//! the compiler does many bytes at a time; then one look-up for each byte finds where the kind of byte changes, and
//! only there something is decided. What does not belong into the text is noted as a cut; all cuts are made at the end.

use std::ops::Range;

use super::letters::fold;
use crate::smtp::{EnhancedStatus, ReplyCode};

/// Bytes of a diagnostic that are looked at.
pub(super) const LIMIT: usize = 16 * 1024;

/// A place where a phrase may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct WordStart {
    /// Offset in the normalised text.
    pub(super) at: u16,
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
    /// Bytes of the words as written that are not in the text: start and length, ascending.
    cuts: Vec<(u16, u16)>,
    /// Bytes of all cuts.
    removed: usize,
    /// Where the words start in the text as written.
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

/// Blanks and control characters.
const BLANK: u8 = 1;
/// Signs that part tokens.
const PARTING: u8 = 2;
const LETTER: u8 = 4;
const DIGIT: u8 = 8;
/// `.`, `@`, `:`: the token may be a host name, an address, a URL.
const NAMING: u8 = 16;
/// Part of a letter outside ASCII.
const HIGH: u8 = 32;
/// `_`: a blank that does not end the token.
const JOINER: u8 = 64;
const SIGN: u8 = 128;

const CLASS: [u8; 256] = {
    let mut class = [SIGN; 256];
    let mut i = 0;
    while i < 256 {
        class[i] = match i as u8 {
            0..=b' ' | 0x7f => BLANK,
            b'<' | b'>' | b'(' | b')' | b'[' | b']' | b'{' | b'}' => PARTING,
            b',' | b';' | b'"' | b'\'' | b'`' | b'\\' | b'|' => PARTING,
            b'a'..=b'z' | b'A'..=b'Z' => LETTER,
            b'0'..=b'9' => DIGIT,
            b'.' | b'@' | b':' => NAMING,
            0x80.. => HIGH,
            b'_' => JOINER,
            _ => SIGN,
        };
        i += 1;
    }
    class
};

fn class(b: u8) -> u8 {
    CLASS[usize::from(b)]
}

fn is_delimiter(b: u8) -> bool {
    class(b) & (BLANK | PARTING) != 0
}

impl Normal {
    /// Takes in `words` of `text`, at most 16 KiB. `code` is the reply's code, whose repetitions are left out.
    pub(super) fn fill(&mut self, text: &[u8], words: Range<usize>, code: Option<ReplyCode>, openers: &Openers) {
        self.base = u32::try_from(words.start).unwrap_or(u32::MAX);
        let raw = text.get(words).unwrap_or(&[]);
        let raw = raw.get(..LIMIT).unwrap_or(raw);
        self.text.clear();
        self.text.extend(raw.iter().map(|&b| plain(b)));
        self.starts.clear();
        self.cuts.clear();
        self.removed = 0;
        let code = code.map(|c| digits(c.get()));
        Scan { normal: self, raw, openers, code, after_code: false, before: BLANK, token: None }.run();
        self.make_cuts();
    }

    /// Where normalised bytes `start..end` stand in the text as written, `text`.
    pub(super) fn span(&self, text: &[u8], start: usize, end: usize) -> (u32, u32) {
        let written = |at: usize| {
            let before = self.cuts.iter().scan(0, |cut, &(start, len)| {
                let here = (usize::from(start) <= at + *cut).then_some(*cut + usize::from(len));
                *cut = here.unwrap_or(*cut);
                here
            });
            at + before.last().unwrap_or(0) + self.base as usize
        };
        let start = written(start);
        let mut end = written(end.saturating_sub(1)) + 1;
        while text.get(end).is_some_and(|b| (0x80..0xc0).contains(b)) {
            end += 1;
        }
        (u32::try_from(start).unwrap_or(u32::MAX), u32::try_from(end).unwrap_or(u32::MAX))
    }

    fn cut(&mut self, at: usize, len: usize) {
        if len > 0 {
            self.cuts.push((at as u16, len as u16));
            self.removed += len;
        }
    }

    fn make_cuts(&mut self) {
        let Some(&(first, _)) = self.cuts.first() else { return };
        let mut to = usize::from(first);
        let next = self.cuts.iter().skip(1).map(|(start, _)| usize::from(*start)).chain([self.text.len()]);
        for (&(start, len), next) in self.cuts.iter().zip(next) {
            let from = usize::from(start) + usize::from(len);
            if from < next {
                self.text.copy_within(from..next, to);
                to += next - from;
            }
        }
        self.text.truncate(to);
    }
}

/// ASCII in lower case, blanks for what is none.
fn plain(b: u8) -> u8 {
    let lower = if b.is_ascii_uppercase() { b | 0x20 } else { b };
    if b <= b' ' || b == 0x7f || b == b'_' { b' ' } else { lower }
}

/// One pass over a text.
struct Scan<'n> {
    normal: &'n mut Normal,
    raw: &'n [u8],
    openers: &'n Openers,
    code: Option<[u8; 3]>,
    /// Whether what was read last is a repeated reply code.
    after_code: bool,
    /// Class of the byte kept last.
    before: u8,
    token: Option<Token>,
}

/// The token that is read, and what was noted before it.
#[derive(Clone, Copy)]
struct Token {
    at: usize,
    starts: usize,
    cuts: usize,
    removed: usize,
    /// Its first byte that hints at a name.
    named: usize,
}

impl Scan<'_> {
    fn run(mut self) {
        let mut i = 0;
        while let Some(&b) = self.raw.get(i) {
            let class = class(b);
            if class == self.before && class & (LETTER | DIGIT) != 0 {
                i += 1;
            } else if class & (BLANK | PARTING) != 0 {
                i = self.delimiter(b, class, i);
            } else {
                i = self.in_token(b, class, i);
            }
            if i >= self.raw.len() {
                i = self.end_token(i);
            }
        }
    }

    fn start(&mut self, at: usize) {
        self.normal.starts.push(WordStart { at: (at - self.normal.removed) as u16, in_name: false });
    }

    /// What follows is given by place: each of these returns where to go on.
    fn delimiter(&mut self, b: u8, class: u8, at: usize) -> usize {
        let go_on = self.end_token(at);
        if go_on < at {
            return go_on;
        }
        let escaped = b == b'\\' && matches!(self.raw.get(at + 1), Some(b'n' | b'r' | b't'));
        if escaped && let Some(byte) = self.normal.text.get_mut(at) {
            *byte = b' ';
            self.normal.cut(at + 1, 1);
        }
        if class == BLANK || escaped {
            // A blank behind a blank: in order, the cut of `n` comes behind that of the backslash.
            if self.before == BLANK {
                match escaped {
                    true => self.extend_cut(at),
                    false => self.normal.cut(at, 1),
                }
            }
            self.before = BLANK;
        } else {
            self.sign(b, PARTING, at);
        }
        at + 1 + usize::from(escaped)
    }

    /// Lets the cut made last start one byte earlier.
    fn extend_cut(&mut self, at: usize) {
        if let Some((start, len)) = self.normal.cuts.last_mut() {
            *start = at as u16;
            *len += 1;
            self.normal.removed += 1;
        }
    }

    fn sign(&mut self, b: u8, class: u8, at: usize) {
        if self.openers[usize::from(b)] {
            self.start(at);
        }
        self.before = class;
    }

    fn in_token(&mut self, b: u8, class: u8, at: usize) -> usize {
        if self.token.is_none() {
            let rest = self.raw.get(at..).unwrap_or(&[]);
            if class == DIGIT || self.after_code {
                let skip = code_len(rest, self.code, self.after_code);
                self.after_code = (1..=4).contains(&skip);
                self.normal.cut(at, skip);
                if skip > 0 {
                    return at + skip;
                }
            }
            self.begin_token(at);
        }
        match class {
            LETTER | DIGIT => {
                self.start(at);
                self.before = class;
            }
            HIGH => return at + self.letter(at),
            JOINER => self.joiner(at),
            _ => {
                if class == NAMING
                    && let Some(token) = &mut self.token
                {
                    token.named = token.named.min(at);
                }
                self.sign(b, SIGN, at);
            }
        }
        at + 1
    }

    fn joiner(&mut self, at: usize) {
        if self.before == BLANK {
            self.normal.cut(at, 1);
        }
        self.before = BLANK;
    }

    fn begin_token(&mut self, at: usize) {
        let (starts, cuts) = (self.normal.starts.len(), self.normal.cuts.len());
        self.token = Some(Token { at, starts, cuts, removed: self.normal.removed, named: usize::MAX });
    }

    /// Asks what the token was that ends before `at`, but only where a byte of it hints at a name: `policy.` and
    /// `rejected:` are none.
    fn end_token(&mut self, at: usize) -> usize {
        let Some(token) = self.token.take() else { return at };
        if token.named >= at - 1 {
            return at;
        }
        let bytes = self.raw.get(token.at..at).unwrap_or(&[]);
        match kind(bytes) {
            Kind::Word => at,
            Kind::Url | Kind::Host => {
                self.normal.starts.iter_mut().skip(token.starts).for_each(|start| start.in_name = true);
                at
            }
            Kind::Address => {
                let behind = self.address(token, address_len(bytes));
                if behind < at {
                    self.begin_token(behind);
                }
                behind
            }
        }
    }

    /// Puts `@` for an address.
    fn address(&mut self, token: Token, len: usize) -> usize {
        self.normal.starts.truncate(token.starts);
        self.normal.cuts.truncate(token.cuts);
        self.normal.removed = token.removed;
        if let Some(byte) = self.normal.text.get_mut(token.at) {
            *byte = b'@';
        }
        self.sign(b'@', SIGN, token.at);
        self.normal.cut(token.at + 1, len - 1);
        token.at + len
    }

    /// A letter outside ASCII; returns its length.
    fn letter(&mut self, at: usize) -> usize {
        let text = self.raw.get(at..).unwrap_or(&[]);
        let letter = fold(text, text.first().copied().unwrap_or(b' '));
        let stands_for = letter.bytes();
        let first = stands_for.first().copied().unwrap_or(b' ');
        let class = class(first);
        if class == BLANK && self.before == BLANK {
            self.normal.cut(at, letter.len());
            return letter.len();
        }
        // Ideographs (three bytes and more) are not parted by blanks: each may start a phrase.
        if class != BLANK && (class != self.before || first >= 0xe0) {
            self.start(at);
        }
        let room = self.normal.text.get_mut(at..at + stands_for.len());
        room.into_iter().for_each(|room| room.copy_from_slice(stands_for));
        self.normal.cut(at + stands_for.len(), letter.len() - stands_for.len());
        self.before = class;
        letter.len()
    }
}

fn digits(code: u16) -> [u8; 3] {
    [b'0' + (code / 100 % 10) as u8, b'0' + (code / 10 % 10) as u8, b'0' + (code % 10) as u8]
}

/// Bytes at the start of a token that are a repeated reply code, or the enhanced status code right after one.
fn code_len(rest: &[u8], code: Option<[u8; 3]>, after_code: bool) -> usize {
    if let Some(code) = code
        && let Some(behind) = rest.strip_prefix(&code)
    {
        match behind.first() {
            Some(b'-') => return 4,
            Some(&b) if !is_delimiter(b) => {}
            _ => return 3,
        }
    }
    if !after_code {
        return 0;
    }
    let token = rest.get(..token_len(rest)).unwrap_or(rest);
    let bare = token.strip_prefix(b"-").or_else(|| token.strip_prefix(b"#")).unwrap_or(token);
    if EnhancedStatus::exact(bare).is_some() { token.len() } else { 0 }
}

/// Length of the token that starts here; 0 at a byte between tokens.
pub(super) fn token_len(text: &[u8]) -> usize {
    text.iter().position(|b| is_delimiter(*b)).unwrap_or(text.len())
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
