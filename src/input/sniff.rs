//! What a file is, by its first bytes: a log, or something that is not read, told by name.

use memchr::memmem;

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
    /// A mailbox or a single message: its name.
    Mail(&'static str),
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

/// Header fields that start a message, as servers and mail programs put them first.
const MESSAGE_STARTS: [&[u8]; 10] = [
    b"return-path:",
    b"received:",
    b"delivered-to:",
    b"x-original-to:",
    b"envelope-to:",
    b"from:",
    b"date:",
    b"message-id:",
    b"mime-version:",
    b"x-mozilla-status:",
];

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
    if head.starts_with(b"From ") {
        return Sniffed::Mail("an mbox mailbox");
    }
    if MESSAGE_STARTS.iter().any(|start| starts_ignoring_case(head, start)) {
        return Sniffed::Mail("a mail message");
    }
    if is_binary(head) { Sniffed::Binary } else { Sniffed::Text }
}

fn starts_ignoring_case(head: &[u8], start: &[u8]) -> bool {
    head.get(..start.len()).is_some_and(|h| h.eq_ignore_ascii_case(start))
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
        assert_eq!(sniff(b"From a@example.com Mon Nov 23 10:00:00 2026\n"), Sniffed::Mail("an mbox mailbox"));
        assert_eq!(sniff(b"RETURN-PATH: <>\r\n"), Sniffed::Mail("a mail message"));
        assert_eq!(sniff(b"\x7fELF\x02\x01"), Sniffed::Binary);
        assert_eq!(sniff(&[0; 4096]), Sniffed::Binary);
        assert_eq!(sniff(b"Nov 23 10:00:00 mx postfix/smtp[1]: a\0b"), Sniffed::Text);
    }
}
