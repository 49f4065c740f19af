//! The header of a message: where it ends, its fields, their values.
//!
//! Real headers are tolerated: a `From ` or `>From ` line in front (mbox), lines without a colon, a missing empty line
//! before the body. Values are raw: folds and encoded words are still in them, see [`unfold`] and [`decoded`].

use std::borrow::Cow;
use std::ops::Range;

use mail_parser::parsers::MessageStream;

use super::{line_at, lines};

/// Lines of a header that are read; the rest is left out.
pub const MAX_LINES: usize = 10_000;
/// Bytes of a header that are read; the rest is left out.
pub const MAX_BYTES: usize = 1024 * 1024;
/// Bytes of one value whose encoded words are decoded; no Subject is that long, and the decoder may look twice.
const MAX_DECODED: usize = 4096;

/// A message cut into header and body, as ranges of its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// The fields, without the empty line that ends them.
    pub header: Range<usize>,
    /// All behind the empty line.
    pub body: Range<usize>,
    /// The header has more lines or bytes than are read.
    pub capped: bool,
}

/// Cuts a message, or a MIME entity, into header and body.
///
/// The header ends at the first empty line; or, where that is missing, in front of a line that starts with `--` or of
/// two lines in a row that are no fields. Only the header is looked at.
pub fn split(message: &[u8]) -> Split {
    let start = envelope_line(message);
    let (mut at, mut count, mut odd) = (start, 0, None);
    while let Some((line, next)) = line_at(message, at) {
        if line.is_empty() {
            return Split { header: start..at, body: next..message.len(), capped: false };
        }
        if count == MAX_LINES || at - start > MAX_BYTES {
            let end = odd.unwrap_or(at);
            return Split { header: start..end, body: behind_empty_line(message, at)..message.len(), capped: true };
        }
        let is_field = starts_field(line);
        let is_fold = matches!(line.first(), Some(b' ' | b'\t')) && at > start;
        if line.starts_with(b"--") {
            return Split { header: start..at, body: at..message.len(), capped: false };
        }
        match odd {
            Some(first) if !is_field && !is_fold => {
                return Split { header: start..first, body: first..message.len(), capped: false };
            }
            _ if is_field || is_fold => odd = None,
            _ => odd = Some(at),
        }
        (at, count) = (next, count + 1);
    }
    let end = odd.unwrap_or(at);
    Split { header: start..end, body: end..message.len(), capped: at - start > MAX_BYTES }
}

/// Length of the mbox separator in front of a message, 0 where there is none.
fn envelope_line(message: &[u8]) -> usize {
    let unquoted = message.strip_prefix(b">").unwrap_or(message);
    if !unquoted.starts_with(b"From ") {
        return 0;
    }
    line_at(message, 0).map_or(0, |(_, next)| next)
}

fn behind_empty_line(message: &[u8], from: usize) -> usize {
    let rest = message.get(from..).unwrap_or(&[]);
    let empty = lines(rest).find(|(_, line)| line.is_empty());
    empty.and_then(|(at, _)| line_at(message, from + at)).map_or(message.len(), |(_, next)| next)
}

/// Whether a line starts with a field name (printable ASCII without blanks) and its colon.
pub fn starts_field(line: &[u8]) -> bool {
    name_len(line).is_some()
}

fn name_len(line: &[u8]) -> Option<usize> {
    let len = line.iter().take_while(|b| matches!(b, 33..=57 | 59..=126)).count();
    let blanks = line.get(len..)?.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    (len > 0 && line.get(len + blanks) == Some(&b':')).then_some(len)
}

/// A header field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'m> {
    /// Name as written, without the colon.
    pub name: &'m [u8],
    /// All behind the colon, folds included, without the last line end.
    pub value: &'m [u8],
}

impl Field<'_> {
    /// Whether this is the field's name, whatever the case.
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// The fields of a header, in their order. Lines that belong to no field are skipped.
pub fn fields(header: &[u8]) -> Fields<'_> {
    Fields { header, at: 0 }
}

/// Iterator over the fields of a header, see [`fields`].
#[derive(Clone, Debug)]
pub struct Fields<'m> {
    header: &'m [u8],
    at: usize,
}

impl<'m> Iterator for Fields<'m> {
    type Item = Field<'m>;

    fn next(&mut self) -> Option<Field<'m>> {
        loop {
            let start = self.at;
            let (line, mut next) = line_at(self.header, start)?;
            while matches!(self.header.get(next), Some(b' ' | b'\t')) {
                next = line_at(self.header, next)?.1;
            }
            self.at = next;
            let Some(len) = name_len(line) else { continue };
            let whole = self.header.get(start..next)?;
            let whole = whole.strip_suffix(b"\n").unwrap_or(whole);
            let whole = whole.strip_suffix(b"\r").unwrap_or(whole);
            let colon = len + memchr::memchr(b':', whole.get(len..)?)?;
            return Some(Field { name: whole.get(..len)?, value: whole.get(colon + 1..)? });
        }
    }
}

/// The raw value of the first field of that name.
pub fn find<'m>(header: &'m [u8], name: &str) -> Option<&'m [u8]> {
    fields(header).find(|field| field.is(name)).map(|field| field.value)
}

/// A value on one line, without blanks around it. Copied only where it was folded.
pub fn unfold(value: &[u8]) -> Cow<'_, [u8]> {
    let value = value.trim_ascii();
    if memchr::memchr2(b'\n', b'\r', value).is_none() {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.iter().copied().filter(|b| !matches!(b, b'\n' | b'\r')).collect())
}

/// A value on one line with its encoded words (RFC 2047) decoded to UTF-8, at most 4 KiB of it. Bytes outside of encoded
/// words stay as they are where the value has none, and become U+FFFD where they are no UTF-8 beside some.
pub fn decoded(value: &[u8]) -> Cow<'_, [u8]> {
    let value = unfold(value);
    if memchr::memmem::find(&value, b"=?").is_none() {
        return value;
    }
    let mut line = value.get(..MAX_DECODED).unwrap_or(&value).to_vec();
    line.push(b'\n');
    match MessageStream::new(&line).parse_unstructured() {
        mail_parser::HeaderValue::Text(text) => Cow::Owned(text.into_owned().into_bytes()),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn cut(message: &str) -> (&str, &str, bool) {
        let split = split(message.as_bytes());
        (&message[split.header], &message[split.body], split.capped)
    }

    #[test]
    fn a_header_ends_at_the_empty_line() {
        assert_eq!(cut("A: 1\n b\nB: 2\n\nbody\n\nx"), ("A: 1\n b\nB: 2\n", "body\n\nx", false));
        assert_eq!(cut("A: 1\r\nB: 2\r\n\r\nbody"), ("A: 1\r\nB: 2\r\n", "body", false));
        assert_eq!(cut("From a@b.example Thu Jan  1 00:00:00 2026\nA: 1\n\nx"), ("A: 1\n", "x", false));
        assert_eq!(cut(">From a\nA: 1\n\nx"), ("A: 1\n", "x", false));
        assert_eq!(cut("\nx"), ("", "x", false));
        assert_eq!(cut(""), ("", "", false));
        assert_eq!(cut("A: 1"), ("A: 1", "", false));
    }

    #[test]
    fn a_missing_empty_line_is_found() {
        assert_eq!(cut("A: 1\nSorry to say\nit failed\n\nx"), ("A: 1\n", "Sorry to say\nit failed\n\nx", false));
        assert_eq!(cut("A: 1\n--b\nB: 2\n"), ("A: 1\n", "--b\nB: 2\n", false));
        assert_eq!(cut("A: 1\nodd\nB: 2\n\nx"), ("A: 1\nodd\nB: 2\n", "x", false));
    }

    #[test]
    fn a_header_without_end_is_capped() {
        let message = "A: 1\n".repeat(MAX_LINES + 5) + "\nbody";
        let (header, body, capped) = cut(&message);
        assert_eq!((header.len(), body, capped), (5 * MAX_LINES, "body", true));
        let message = format!("A: {}\nB: 1\nC: 1\n\nbody", "x".repeat(MAX_BYTES));
        assert_eq!(cut(&message).1, "body");
        assert!(cut(&message).2);
        assert!(cut(&format!("A: {}", "x".repeat(MAX_BYTES))).2, "a message cut within a field");
    }

    #[test]
    fn fields_are_found_by_name() {
        let header = b"Subject: a\r\n b\r\nX\r\nto : c\r\nSUBJECT: d";
        let names: Vec<_> = fields(header).map(|f| (f.name, f.value)).collect();
        assert_eq!(names, [(&b"Subject"[..], &b" a\r\n b"[..]), (b"to", b" c"), (b"SUBJECT", b" d")]);
        assert_eq!(find(header, "subject"), Some(&b" a\r\n b"[..]));
        assert_eq!(find(header, "From"), None);
    }

    #[test]
    fn values_are_unfolded_and_decoded() {
        assert_eq!(*unfold(b" a\r\n\tb "), *b"a\tb");
        assert!(matches!(unfold(b" a b"), Cow::Borrowed(b"a b")));
        assert_eq!(*decoded(b" =?iso-8859-1?Q?Non_remis_:?= x"), *b"Non remis : x");
        assert_eq!(*decoded("=?utf-8?b?w6k=?=\n =?utf-8?b?w6k=?=".as_bytes()), *"éé".as_bytes());
        assert_eq!(*decoded(b"=? x"), *b"=? x");
        decoded(&b"=?a?q?".repeat(100_000));
        decoded(&b"=?".repeat(100_000));
    }
}
