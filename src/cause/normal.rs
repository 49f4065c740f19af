//! The text as the rules see it: one line of lower-case words, with the way back to the bytes as written.
//!
//! - ASCII and Cyrillic in lower case, accented Latin letters without their accent, typographic quotes as `'`, `"`.
//! - Runs of blanks, control characters, the two characters `\n`, and `_` are one blank.
//! - Repeated reply codes of a folded reply (`550-5.7.1`) are gone.
//! - A mail address is the single byte `@`: what strangers call their mailboxes is no evidence.
//! - Bytes of URLs and host names are marked; words are not looked for in them (see [`super::literals`]).

use std::ops::Range;

use crate::smtp::{EnhancedStatus, ReplyCode};

/// Bytes of a diagnostic that are looked at.
pub(super) const LIMIT: usize = 16 * 1024;

/// Mark on an offset: the byte belongs to a URL or host name. Offsets stay below it.
const IN_NAME: u16 = 0x8000;

/// A normalised text. Reused: filling it again allocates only if the text is longer than any before.
#[derive(Debug, Default)]
pub(super) struct Normal {
    /// The bytes the rules are matched against.
    pub(super) text: Vec<u8>,
    /// Offset of each of them from `base`, with [`IN_NAME`].
    at: Vec<u16>,
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

impl Normal {
    /// Takes in `words` of `text`, at most 16 KiB. `code` is the reply's code, whose repetitions are left out.
    pub(super) fn fill(&mut self, text: &[u8], words: Range<usize>, code: Option<ReplyCode>) {
        self.text.clear();
        self.at.clear();
        self.base = u32::try_from(words.start).unwrap_or(u32::MAX);
        let raw = text.get(words).unwrap_or(&[]);
        let raw = raw.get(..LIMIT).unwrap_or(raw);
        let code = code.map(|c| digits(c.get()));
        let mut after_code = false;
        let mut i = 0;
        while let Some(&b) = raw.get(i) {
            let rest = raw.get(i..).unwrap_or(&[]);
            let len = token_len(rest);
            if len == 0 {
                i += self.delimiter(rest, b, i);
                continue;
            }
            let token = rest.get(..len).unwrap_or(&[]);
            let skip = code_len(token, code, after_code);
            after_code = (1..=4).contains(&skip);
            if skip == 0 {
                self.token(token, i);
            }
            i += if skip > 0 { skip } else { len };
        }
    }

    /// Where normalised bytes `start..end` stand in the text as written.
    pub(super) fn span(&self, start: usize, end: usize) -> (u32, u32) {
        let offset = |i: usize| u32::from(self.at.get(i).copied().unwrap_or(0) & !IN_NAME);
        let (start, end) = (offset(start), offset(end.saturating_sub(1)) + 1);
        (self.base.saturating_add(start), self.base.saturating_add(end))
    }

    /// Whether a byte belongs to a URL or host name.
    pub(super) fn in_name(&self, i: usize) -> bool {
        self.at.get(i).is_some_and(|at| at & IN_NAME != 0)
    }

    fn push(&mut self, b: u8, at: usize, mark: u16) {
        if b == b' ' && matches!(self.text.last(), None | Some(b' ')) {
            return;
        }
        self.text.push(b);
        self.at.push((at & usize::from(!IN_NAME)) as u16 | mark);
    }

    /// A byte between tokens; returns how many bytes it took.
    fn delimiter(&mut self, rest: &[u8], b: u8, at: usize) -> usize {
        if b == b'\\' && matches!(rest.get(1), Some(b'n' | b'r' | b't')) {
            self.push(b' ', at, 0);
            return 2;
        }
        self.push(if b <= b' ' || b == 0x7f { b' ' } else { b }, at, 0);
        1
    }

    fn token(&mut self, token: &[u8], at: usize) {
        let mark = match kind(token) {
            Kind::Address => {
                self.push(b'@', at, 0);
                let len = address_len(token);
                return self.token(token.get(len..).unwrap_or(&[]), at + len);
            }
            Kind::Url | Kind::Host => IN_NAME,
            Kind::Word => 0,
        };
        let mut i = 0;
        while let Some(&b) = token.get(i) {
            let (len, out, second) = if b < 0x80 { (1, lower(b), 0) } else { fold(token.get(i..).unwrap_or(&[]), b) };
            self.push(out, at + i, mark);
            if second != 0 {
                self.push(second, at + i, mark);
            }
            let rest_of_letter = token.get(i + 1..i + len).unwrap_or(&[]);
            if out >= 0x80 && second == 0 {
                for (k, &more) in rest_of_letter.iter().enumerate() {
                    self.push(more, at + i + 1 + k, mark);
                }
            }
            i += len;
        }
    }
}

/// A phrase of a table in the same form as the texts.
pub(super) fn phrase(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        let (len, first, second) = if b < 0x80 { (1, lower(b), 0) } else { fold(bytes.get(i..).unwrap_or(&[]), b) };
        out.push(first);
        match second {
            0 if first >= 0x80 => out.extend_from_slice(bytes.get(i + 1..i + len).unwrap_or(&[])),
            0 => {}
            _ => out.push(second),
        }
        i += len;
    }
    out
}

fn lower(b: u8) -> u8 {
    match b {
        b'_' => b' ',
        _ => b.to_ascii_lowercase(),
    }
}

/// A letter outside ASCII at the start of `text`: its length, and one or two bytes that stand for it.
fn fold(text: &[u8], b: u8) -> (usize, u8, u8) {
    match (b, text.get(1).copied(), text.get(2).copied()) {
        (0xc2, Some(0xa0), _) => (2, b' ', 0),
        (0xc3, Some(0x9f), _) => (2, b's', b's'),
        (0xc3, Some(x @ 0x80..=0xbf), _) => (2, latin1(x | 0x20), 0),
        (0xc4, Some(x), _) => match x {
            0x84 | 0x85 => (2, b'a', 0),
            0x86 | 0x87 | 0x8c | 0x8d => (2, b'c', 0),
            0x98..=0x9b => (2, b'e', 0),
            _ => (1, b, 0),
        },
        (0xc5, Some(x), _) => match x {
            0x81 | 0x82 => (2, b'l', 0),
            0x83 | 0x84 => (2, b'n', 0),
            0x98 | 0x99 => (2, b'r', 0),
            0x9a | 0x9b | 0xa0 | 0xa1 => (2, b's', 0),
            0xb9..=0xbe => (2, b'z', 0),
            _ => (1, b, 0),
        },
        (0xd0, Some(x @ 0x90..=0x9f), _) => (2, 0xd0, x + 0x20),
        (0xd0, Some(x @ 0xa0..=0xaf), _) => (2, 0xd1, x - 0x20),
        (0xe2, Some(0x80), Some(0x98 | 0x99)) => (3, b'\'', 0),
        (0xe2, Some(0x80), Some(0x9c | 0x9d)) => (3, b'"', 0),
        _ => (1, b, 0),
    }
}

/// The plain letter of U+00C0 to U+00FF, by the second byte of its lower case.
fn latin1(x: u8) -> u8 {
    match x {
        0xa0..=0xa6 => b'a',
        0xa7 => b'c',
        0xa8..=0xab => b'e',
        0xac..=0xaf => b'i',
        0xb1 => b'n',
        0xb2..=0xb6 | 0xb8 => b'o',
        0xb9..=0xbc => b'u',
        0xbd | 0xbf => b'y',
        _ => b'?',
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
    let bare = token.trim_ascii_start();
    let bare = bare.strip_prefix(b"-").or_else(|| bare.strip_prefix(b"#")).unwrap_or(bare);
    if after_code && EnhancedStatus::exact(bare).is_some() { token.len() } else { 0 }
}

/// Length of the token that starts here; 0 at a byte between tokens.
pub(super) fn token_len(text: &[u8]) -> usize {
    text.iter().position(|b| is_delimiter(*b)).unwrap_or(text.len())
}

fn is_delimiter(b: u8) -> bool {
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
    use super::*;

    fn normal(raw: &str, code: u16) -> String {
        let mut normal = Normal::default();
        normal.fill(raw.as_bytes(), 0..raw.len(), ReplyCode::new(code));
        assert_eq!(normal.text.len(), normal.at.len());
        String::from_utf8_lossy(&normal.text).into_owned()
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
        let mut normal = Normal::default();
        normal.fill(b"  see http://spam.example/  SPAM", 0..32, None);
        let at = normal.text.len() - 4;
        assert_eq!(normal.span(at, at + 4), (28, 32));
        assert!(!normal.in_name(at) && normal.in_name(6));
        assert_eq!(kind(b"mx.spam.example"), Kind::Host);
        assert_eq!(kind(b"blocked.For"), Kind::Word);
    }
}
