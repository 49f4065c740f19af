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
//! the compiler does many bytes at a time; then eight bytes at once are searched for places where a word starts or
//! something else than letters, digits and single blanks stands ([`super::bytes8`]), and only there something is decided.
//! What does not belong into the text is noted as a cut; all cuts are made at the end.

use std::ops::Range;

use super::bytes8::Places;
use super::letters::fold;
use crate::smtp::{EnhancedStatus, ReplyCode};

/// Bytes of a diagnostic that are looked at.
pub(super) const LIMIT: usize = 16 * 1024;

const PADDING: usize = 8;

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
    /// The bytes the rules are matched against, and [`PADDING`] zeros behind them, so that eight bytes can be read from
    /// any place at once.
    padded: Vec<u8>,
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
        self.padded.clear();
        self.padded.extend(raw.iter().map(|&b| plain(b)));
        self.starts.clear();
        self.cuts.clear();
        self.removed = 0;
        let code = code.map(|c| digits(c.get()));
        Scan { normal: self, raw, openers, code, done: 0, kept: None, token: (0, false) }.run();
        self.make_cuts();
        self.padded.extend([0; PADDING]);
    }

    /// The bytes the rules are matched against.
    pub(super) fn text(&self) -> &[u8] {
        self.padded.get(..self.padded.len().saturating_sub(PADDING)).unwrap_or(&[])
    }

    /// The text from a place on, with eight more bytes behind it.
    pub(super) fn padded(&self, at: usize) -> &[u8] {
        self.padded.get(at..).unwrap_or(&[])
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
        let next = self.cuts.iter().skip(1).map(|(start, _)| usize::from(*start)).chain([self.padded.len()]);
        for (&(start, len), next) in self.cuts.iter().zip(next) {
            let from = usize::from(start) + usize::from(len);
            if from < next {
                self.padded.copy_within(from..next, to);
                to += next - from;
            }
        }
        self.padded.truncate(to);
    }
}

/// ASCII in lower case, blanks for what is none.
fn plain(b: u8) -> u8 {
    let lower = if b.is_ascii_uppercase() { b | 0x20 } else { b };
    if b <= b' ' || b == 0x7f || b == b'_' { b' ' } else { lower }
}

/// One pass over a text, from place to place where something is to be decided.
struct Scan<'n> {
    normal: &'n mut Normal,
    raw: &'n [u8],
    openers: &'n Openers,
    code: Option<[u8; 3]>,
    /// Up to here all is decided: what stands before it is passed over.
    done: usize,
    /// Class of the byte kept last, where that is not the byte before.
    kept: Option<(usize, u8)>,
    /// The token that was last asked what it is: its end, and whether it is a name.
    token: (usize, bool),
}

impl Scan<'_> {
    fn run(mut self) {
        let raw = self.raw;
        let mut places = Places::default();
        let (chunks, rest) = raw.as_chunks::<8>();
        for (n, chunk) in chunks.iter().enumerate() {
            self.decide_all(places.next(*chunk), n * 8);
        }
        let mut last = [b' '; 8];
        for (to, from) in last.iter_mut().zip(rest) {
            *to = *from;
        }
        // Blanks behind the end are no places, or would be cut beyond the text.
        let inside = u64::MAX.checked_shr(64 - 8 * rest.len() as u32).unwrap_or(0);
        self.decide_all(places.next(last) & inside, chunks.len() * 8);
    }

    fn decide_all(&mut self, mut places: u64, base: usize) {
        while places != 0 {
            let at = base + places.trailing_zeros() as usize / 8;
            places &= places - 1;
            if at >= self.done {
                self.decide(at);
            }
        }
    }

    fn byte(&self, at: usize) -> u8 {
        self.raw.get(at).copied().unwrap_or(b' ')
    }

    /// Class of the byte kept before a place; a blank before the first.
    fn before(&self, at: usize) -> u8 {
        match (self.kept, at.checked_sub(1)) {
            (Some((end, class)), _) if end == at => class,
            (_, Some(before)) => class(self.byte(before)),
            _ => BLANK,
        }
    }

    fn start(&mut self, at: usize) {
        let in_name = self.token.1 && at < self.token.0;
        self.normal.starts.push(WordStart { at: (at - self.normal.removed) as u16, in_name });
    }

    /// Leaves out `len` bytes; what is kept last is of `class`. Behind a blank the blanks that follow go too: they are
    /// no places where only one of them stands as written.
    fn cut(&mut self, at: usize, len: usize, class: u8) {
        let behind = self.raw.get(at + len..).unwrap_or(&[]);
        let blanks = if class & (BLANK | JOINER) != 0 { blanks(behind) } else { 0 };
        self.normal.cut(at, len + blanks);
        self.done = at + len + blanks;
        self.kept = Some((self.done, class));
    }

    fn decide(&mut self, at: usize) {
        let b = self.byte(at);
        match class(b) {
            LETTER => self.start(at),
            DIGIT => self.digits(at),
            BLANK | JOINER => match self.before(at) {
                before @ (BLANK | JOINER) => self.cut(at, 1, before),
                _ => self.cut(at + 1, 0, BLANK),
            },
            HIGH => self.letter(at),
            NAMING => self.naming(at, b),
            _ if b == b'\\' && matches!(self.byte(at + 1), b'n' | b'r' | b't') => self.escaped(at),
            _ => self.sign(at, b),
        }
    }

    fn sign(&mut self, at: usize, b: u8) {
        if self.openers[usize::from(b)] {
            self.start(at);
        }
    }

    /// A backslash and a letter, for a line's end or a blank.
    fn escaped(&mut self, at: usize) {
        match self.before(at) {
            before @ (BLANK | JOINER) => self.cut(at, 2, before),
            _ => {
                self.put(at, b" ");
                self.cut(at + 1, 1, BLANK);
            }
        }
    }

    /// Writes over bytes of the text.
    fn put(&mut self, at: usize, bytes: &[u8]) {
        if let Some(room) = self.normal.padded.get_mut(at..at + bytes.len()) {
            room.copy_from_slice(bytes);
        }
    }

    fn digits(&mut self, at: usize) {
        let before = self.before(at);
        if before & (BLANK | PARTING) == 0 {
            return self.start(at);
        }
        match self.code.map_or(0, |code| repeated_code_len(self.raw.get(at..).unwrap_or(&[]), code)) {
            0 => self.start(at),
            len => self.cut(at, len, before),
        }
    }

    /// A byte that hints at a name: asks what its token is as a whole. `policy.` and `rejected:` are none.
    fn naming(&mut self, at: usize, b: u8) {
        let ends = self.raw.get(at + 1).is_none_or(|b| is_delimiter(*b));
        if at >= self.token.0 && !(ends && b != b'@') {
            let head = self.raw.get(self.token.0.max(self.done)..at).unwrap_or(&[]);
            let start =
                head.iter().rposition(|b| is_delimiter(*b)).map_or(at - head.len(), |d| at - head.len() + d + 1);
            let token = self.raw.get(start..).unwrap_or(&[]);
            let token = token.get(..token_len(token)).unwrap_or(token);
            let kind = kind(token);
            self.token = (start + token.len(), matches!(kind, Kind::Url | Kind::Host));
            match kind {
                Kind::Word => {}
                Kind::Url | Kind::Host => self.mark_names(start),
                Kind::Address => return self.address(start, address_len(token)),
            }
        }
        self.sign(at, b);
    }

    fn mark_names(&mut self, from: usize) {
        let from = (from - self.normal.removed) as u16;
        self.normal.starts.iter_mut().rev().take_while(|s| s.at >= from).for_each(|s| s.in_name = true);
    }

    /// Puts `@` for an address; what follows in the token is looked at anew.
    fn address(&mut self, at: usize, len: usize) {
        while self.normal.cuts.last().is_some_and(|(start, _)| usize::from(*start) >= at) {
            let len = self.normal.cuts.pop().map_or(0, |(_, len)| usize::from(len));
            self.normal.removed -= len;
        }
        let text_at = (at - self.normal.removed) as u16;
        while self.normal.starts.last().is_some_and(|start| start.at >= text_at) {
            self.normal.starts.pop();
        }
        self.put(at, b"@");
        self.token = (at + len, false);
        self.sign(at, b'@');
        self.cut(at + 1, len - 1, SIGN);
    }

    /// A letter outside ASCII.
    fn letter(&mut self, at: usize) {
        let before = self.before(at);
        let letter = fold(self.raw.get(at..).unwrap_or(&[]), self.byte(at));
        let stands_for = letter.bytes();
        let first = stands_for.first().copied().unwrap_or(b' ');
        let class = class(first);
        if class == BLANK && before & (BLANK | JOINER) != 0 {
            return self.cut(at, letter.len(), before);
        }
        // Ideographs (three bytes and more) are not parted by blanks: each may start a phrase.
        if class != BLANK && (class != before || first >= 0xe0) {
            self.start(at);
        }
        self.put(at, stands_for);
        self.cut(at + stands_for.len(), letter.len() - stands_for.len(), class);
        // An ASCII letter behind it goes on with the word.
        if class == LETTER && self.raw.get(self.done).is_some_and(u8::is_ascii_alphabetic) {
            self.done += 1;
        }
    }
}

fn digits(code: u16) -> [u8; 3] {
    [b'0' + (code / 100 % 10) as u8, b'0' + (code / 10 % 10) as u8, b'0' + (code % 10) as u8]
}

/// Bytes at the start of a token that are a repeated reply code, with the enhanced status code behind it; 0 if none.
fn repeated_code_len(rest: &[u8], code: [u8; 3]) -> usize {
    let Some(behind) = rest.strip_prefix(&code) else { return 0 };
    let code = match behind.first() {
        Some(b'-') => 4,
        Some(&b) if !is_delimiter(b) => return 0,
        _ => 3,
    };
    let behind = rest.get(code..).unwrap_or(&[]);
    let blanks = blanks(behind);
    let token = behind.get(blanks..).unwrap_or(&[]);
    let token = token.get(..token_len(token)).unwrap_or(token);
    let bare = token.strip_prefix(b"-").or_else(|| token.strip_prefix(b"#")).unwrap_or(token);
    if EnhancedStatus::exact(bare).is_some() { code + blanks + token.len() } else { code }
}

fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|b| class(**b) == BLANK).count()
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
        String::from_utf8_lossy(filled(raw, code).text()).into_owned()
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
        let at = normal.text().len() - 4;
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
