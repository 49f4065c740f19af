//! What a file is, by its first bytes: a log, mail, or something that is not read, told by name.

use memchr::memmem;

use super::mbox::from_line;
use crate::mail::fields::starts_field;

/// How many bytes are looked at.
pub const HEAD: usize = 64 * 1024;

/// The finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sniffed {
    /// Text that may be a log; the caller asks the formats whether any line is known.
    Text,
    /// No bytes at all.
    Empty,
    /// Compressed, or an archive: its name, and the command that unpacks it to standard output.
    Compressed(&'static str, &'static str),
    /// UTF-16 text.
    Utf16,
    /// A mailbox.
    Mbox,
    /// A single message.
    Message,
    /// Bytes that are no text.
    Binary,
}

const MAGIC: [(&[u8], &str, &str); 8] = [
    (b"\x1f\x8b", "gzip", "zcat"),
    (b"\x28\xb5\x2f\xfd", "zstd", "zstdcat"),
    (b"BZh", "bzip2", "bzcat"),
    (b"\xfd7zXZ\0", "xz", "xzcat"),
    (b"\x04\x22\x4d\x18", "lz4", "lz4cat"),
    (b"PK\x03\x04", "zip", "unzip -p"),
    (b"7z\xbc\xaf\x27\x1c", "7z", "7z x -so"),
    (b"\x1f\x9d", "compress", "zcat"),
];

/// Header fields that say that a text is a message. Two of them must stand among the first lines, all of which must be
/// fields.
const WELL_KNOWN: [&str; 22] = [
    "return-path",
    "received",
    "delivered-to",
    "x-original-to",
    "envelope-to",
    "from",
    "to",
    "cc",
    "sender",
    "reply-to",
    "date",
    "subject",
    "message-id",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "auto-submitted",
    "dkim-signature",
    "authentication-results",
    "arc-seal",
    "x-mozilla-status",
    "x-failed-recipients",
];

/// Lines that are looked at for [`WELL_KNOWN`] fields.
const HEADER_LINES: usize = 200;

/// Looks at the first bytes of a file (at most [`HEAD`] are needed).
pub fn sniff(head: &[u8]) -> Sniffed {
    if head.is_empty() {
        return Sniffed::Empty;
    }
    if let Some((_, name, tool)) = MAGIC.iter().find(|(magic, ..)| head.starts_with(magic)) {
        return Sniffed::Compressed(name, tool);
    }
    if is_utf16(head) {
        return Sniffed::Utf16;
    }
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    let text = text.trim_ascii_start();
    if text.starts_with(b"From ") {
        let line = text.split(|b| matches!(b, b'\n' | b'\r')).next().unwrap_or(text);
        if from_line(line).is_some() {
            return Sniffed::Mbox;
        }
    }
    if is_message(text) {
        return Sniffed::Message;
    }
    if is_binary(head) { Sniffed::Binary } else { Sniffed::Text }
}

/// Whether a text starts with a header: nothing but fields and folds up to an empty line or the end of what is looked
/// at, two of the fields well known.
fn is_message(text: &[u8]) -> bool {
    let mut known: Vec<&str> = Vec::new();
    // Lines may end with CR alone, as the reader of mails takes them.
    let line_end = if memchr::memchr(b'\n', text).is_some() { b'\n' } else { b'\r' };
    let lines = text.split(|b| *b == line_end).map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    for (nth, line) in lines.take(HEADER_LINES).enumerate() {
        let is_separator = nth == 0 && (line.starts_with(b"From ") || line.starts_with(b">From "));
        let is_fold = nth > 0 && matches!(line.first(), Some(b' ' | b'\t'));
        if is_separator || is_fold {
            continue;
        }
        let Some(colon) = memchr::memchr(b':', line).filter(|_| starts_field(line)) else { break };
        let name = line.get(..colon).unwrap_or(&[]).trim_ascii_end();
        let found = WELL_KNOWN.iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
        if let Some(name) = found
            && !known.contains(name)
        {
            known.push(name);
        }
        if known.len() == 2 {
            return true;
        }
    }
    false
}

fn is_utf16(head: &[u8]) -> bool {
    if head.starts_with(b"\xff\xfe") || head.starts_with(b"\xfe\xff") {
        return true;
    }
    let sample = head.get(..64).unwrap_or(head);
    let zeros = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|b| **b == 0).count();
    let (even, odd, half) = (zeros(0), zeros(1), sample.len() / 2);
    sample.len() >= 16 && even.max(odd) * 10 > half * 9 && even.min(odd) * 10 < half
}

/// Known signatures, or more than one byte in ten that text does not hold.
fn is_binary(head: &[u8]) -> bool {
    let signature = [&b"\x7fELF"[..], b"PAR1", b"SQLite format 3\0", b"\x89PNG", b"%PDF-"];
    if signature.iter().any(|s| head.starts_with(s)) {
        return true;
    }
    let odd = head.iter().filter(|b| matches!(b, 0..=8 | 14..=26 | 28..=31)).count();
    odd * 10 > head.len() && memmem::find(head, b"postfix").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_by_their_bytes() {
        assert_eq!(sniff(b""), Sniffed::Empty);
        assert_eq!(sniff(b"\x1f\x8b\x08\0"), Sniffed::Compressed("gzip", "zcat"));
        assert_eq!(sniff(b"\xff\xfeN\0o\0"), Sniffed::Utf16);
        assert_eq!(
            sniff("Nov 23 10:00:00 ".encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>().as_slice()),
            Sniffed::Utf16
        );
        assert_eq!(sniff(b"From a@example.com Mon Nov 23 10:00:00 2026\n"), Sniffed::Mbox);
        assert_eq!(sniff(b"\n\nFrom a@example.com Mon Nov 23 10:00:00 2026\nTo: x"), Sniffed::Mbox);
        assert_eq!(sniff(b"RETURN-PATH: <>\r\nReceived: by x\r\n\tid 1\r\nSubject: x"), Sniffed::Message);
        assert_eq!(sniff(b"From: a\rTo: b\rSubject: x\r\rbody\r"), Sniffed::Message);
        assert_eq!(sniff(b">From a@example.com\nX-Odd: 1\nFrom: a\nX-Other: 2\nTo: b\n"), Sniffed::Message);
        assert_eq!(sniff(b"From somebody who writes\nfrom: here\nto: there\n"), Sniffed::Message);
        assert_eq!(sniff(b"\x7fELF\x02\x01"), Sniffed::Binary);
        assert_eq!(sniff(&[0; 4096]), Sniffed::Binary);
        assert_eq!(sniff(b"Nov 23 10:00:00 mx postfix/smtp[1]: a\0b"), Sniffed::Text);
        assert_eq!(sniff(b"From there on: nothing\nto: x\n\n"), Sniffed::Text);
        assert_eq!(sniff(b"2026-11-23 10:00:00 1abc-2-3 <= a@b.example\nfrom: a\nto: b\n"), Sniffed::Text);
        assert_eq!(sniff(b"<22>from: a\nsubject: b\n"), Sniffed::Text);
        assert_eq!(sniff(b"date: 1\nanything\nsubject: b\n"), Sniffed::Text);
    }
}
