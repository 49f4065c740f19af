//! The text of a leaf: its transfer encoding undone, its charset turned into UTF-8 where it has to be.

use std::borrow::Cow;

use mail_parser::decoders::base64::base64_decode;
use mail_parser::decoders::charsets::map::charset_decoder;
use mail_parser::decoders::quoted_printable::quoted_printable_decode;

use super::html;
use super::parts::{Media, Part, Transfer};
use super::starts_with_ignore_case;

/// Decoded bytes of one leaf that are read.
pub const MAX_DECODED: usize = 1024 * 1024;
/// Encoded bytes that are looked at for them: quoted-printable may take three for one.
const MAX_ENCODED: usize = 3 * MAX_DECODED;

/// What decoding cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Texts that had to be copied.
    pub copies: u32,
    /// Something could not be decoded, or was longer than is read.
    pub lossy: bool,
}

impl Cost {
    /// Adds what something else cost.
    pub fn add(&mut self, other: Cost) {
        self.copies += other.copies;
        self.lossy |= other.lossy;
    }
}

/// The text of a leaf of `message`, at most [`MAX_DECODED`] bytes of it where it has to be decoded.
///
/// Borrowed where no encoding forces a copy. A charset that is not known, or in which the bytes make no sense, leaves the
/// bytes as they are: codes and addresses in ASCII are still found in them. HTML comes without its tags.
pub fn text<'m>(message: &'m [u8], part: &Part, cost: &mut Cost) -> Cow<'m, [u8]> {
    let bytes = transferred(part.body_of(message), part.transfer, cost);
    let bytes = in_utf8(bytes, part.charset(message).as_deref(), cost);
    if part.media == Media::Html { without_tags(bytes, cost) } else { bytes }
}

/// The bytes of a leaf of `message` with its transfer encoding undone.
pub fn content<'m>(message: &'m [u8], part: &Part, cost: &mut Cost) -> Cow<'m, [u8]> {
    transferred(part.body_of(message), part.transfer, cost)
}

fn transferred<'m>(body: &'m [u8], transfer: Transfer, cost: &mut Cost) -> Cow<'m, [u8]> {
    if transfer == Transfer::Identity {
        return Cow::Borrowed(body);
    }
    let encoded = body.get(..MAX_ENCODED).unwrap_or(body);
    cost.lossy |= encoded.len() < body.len();
    let decoded = match transfer {
        Transfer::Base64 => base64_decode(encoded),
        _ if !encoded.contains(&b'=') => return Cow::Borrowed(body),
        _ => quoted_printable_decode(encoded),
    };
    let mut decoded = decoded.unwrap_or_else(|| {
        cost.lossy = true;
        if transfer == Transfer::Base64 { lenient_base64(encoded) } else { lenient_quoted_printable(encoded) }
    });
    cost.copies += 1;
    cost.lossy |= decoded.len() > MAX_DECODED;
    decoded.truncate(MAX_DECODED);
    Cow::Owned(decoded)
}

/// What can be decoded of base64 with junk in it. Plain text that only claims to be base64 stays as it is.
fn lenient_base64(encoded: &[u8]) -> Vec<u8> {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let end = memchr::memchr(b'=', encoded).unwrap_or(encoded.len());
    let mut digits: Vec<u8> = encoded.iter().take(end).copied().filter(is_digit).collect();
    let blanks = encoded.iter().filter(|b| matches!(b, b' ' | b':' | b',' | b'.')).count();
    if blanks * 20 > encoded.len() {
        return encoded.to_vec();
    }
    digits.truncate(digits.len() / 4 * 4 + if digits.len() % 4 == 1 { 0 } else { digits.len() % 4 });
    base64_decode(&digits).unwrap_or_else(|| encoded.to_vec())
}

/// Quoted-printable in which `=` may stand for itself.
fn lenient_quoted_printable(encoded: &[u8]) -> Vec<u8> {
    let hex = |at: usize| encoded.get(at).and_then(|b| char::from(*b).to_digit(16));
    let (mut out, mut at) = (Vec::with_capacity(encoded.len()), 0);
    while let Some(&byte) = encoded.get(at) {
        if byte != b'=' {
            out.push(byte);
            at += 1;
        } else if let (Some(high), Some(low)) = (hex(at + 1), hex(at + 2)) {
            out.push((high * 16 + low) as u8);
            at += 3;
        } else if encoded.get(at + 1..).is_some_and(|rest| rest.starts_with(b"\n")) {
            at += 2;
        } else if encoded.get(at + 1..).is_some_and(|rest| rest.starts_with(b"\r\n")) {
            at += 3;
        } else {
            out.push(byte);
            at += 1;
        }
    }
    out
}

/// Bytes in a charset turned into UTF-8; as they are where they are ASCII or UTF-8 already, or the charset is not known.
pub fn in_utf8<'m>(bytes: Cow<'m, [u8]>, charset: Option<&[u8]>, cost: &mut Cost) -> Cow<'m, [u8]> {
    let charset = match charset.map(<[u8]>::trim_ascii) {
        Some(charset) if uses_escapes(charset) => charset,
        // Mail programs of Japan left the charset out for decades.
        _ if holds_iso_2022_jp(&bytes) => b"iso-2022-jp",
        Some(charset) if !is_wide(charset) && std::str::from_utf8(&bytes).is_ok() => {
            let _ = charset;
            return bytes;
        }
        Some(charset) => charset,
        None => return bytes,
    };
    if uses_escapes(charset) && bytes.is_ascii() && memchr::memchr3(0x1B, b'+', b'~', &bytes).is_none() {
        return bytes;
    }
    let Some(decoder) = charset_decoder(charset).filter(|_| !is_utf8(charset)) else {
        cost.lossy = true;
        return bytes;
    };
    let seen = bytes.get(..MAX_DECODED).unwrap_or(&bytes);
    cost.lossy |= seen.len() < bytes.len();
    let mut text = decoder(seen);
    if text.contains('\u{FFFD}') {
        cost.lossy = true;
    }
    if text.is_empty() && !bytes.is_empty() {
        return bytes;
    }
    cost.copies += 1;
    let end = text.floor_char_boundary(MAX_DECODED);
    text.truncate(end);
    Cow::Owned(text.into_bytes())
}

fn is_utf8(charset: &[u8]) -> bool {
    charset.eq_ignore_ascii_case(b"utf-8") || charset.eq_ignore_ascii_case(b"utf8")
}

/// Charsets in which ASCII bytes may mean something else.
fn uses_escapes(charset: &[u8]) -> bool {
    starts_with_ignore_case(charset, b"iso-2022")
        || starts_with_ignore_case(charset, b"utf-7")
        || starts_with_ignore_case(charset, b"hz-gb")
}

fn is_wide(charset: &[u8]) -> bool {
    starts_with_ignore_case(charset, b"utf-16")
}

fn holds_iso_2022_jp(bytes: &[u8]) -> bool {
    memchr::memchr_iter(0x1B, bytes).take(4).any(|at| matches!(bytes.get(at + 1..at + 3), Some(b"$B" | b"$@")))
}

fn without_tags<'m>(bytes: Cow<'m, [u8]>, cost: &mut Cost) -> Cow<'m, [u8]> {
    if !html::is_html(&bytes) {
        return bytes;
    }
    cost.copies += 1;
    let seen = bytes.get(..MAX_DECODED).unwrap_or(&bytes);
    cost.lossy |= seen.len() < bytes.len();
    Cow::Owned(html::text(seen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::parts::Parts;

    fn read(message: &[u8]) -> (String, Cost) {
        let (mut parts, mut cost) = (Parts::default(), Cost::default());
        parts.walk(message);
        let text = parts.leaves().first().map(|part| text(message, part, &mut cost).into_owned());
        (String::from_utf8_lossy(&text.unwrap_or_default()).into_owned(), cost)
    }

    #[track_caller]
    fn check(head: &str, body: &[u8], want: &str, copies: u32, lossy: bool) {
        let message = [head.as_bytes(), b"\n\n", body].concat();
        assert_eq!(read(&message), (want.to_owned(), Cost { copies, lossy }));
    }

    #[test]
    fn transfer_encodings_are_undone() {
        check("A: b", b"plain", "plain", 0, false);
        check("Content-Transfer-Encoding: 8bit", "\u{e9}".as_bytes(), "\u{e9}", 0, false);
        check("Content-Transfer-Encoding: BASE64", b"NTUwIDUuNy4x\nIG5v\n", "550 5.7.1 no", 1, false);
        check("Content-Transfer-Encoding: base64", b"NTUwIDUuNy4x*IG5v=\n-- \nx", "550 5.7.1 no", 1, true);
        check("Content-Transfer-Encoding: base64", b"550 5.7.1: no, go away", "550 5.7.1: no, go away", 1, true);
        check("Content-Transfer-Encoding: quoted-printable", b"a=\n b=3D", "a b=", 1, false);
        check("Content-Transfer-Encoding: quoted-printable", b"a=ZZ b=3D=", "a=ZZ b==", 1, true);
        check("Content-Transfer-Encoding: quoted-printable", b"nothing", "nothing", 0, false);
    }

    #[test]
    fn charsets_become_utf8() {
        let typed = |charset: &str| format!("Content-Type: text/plain; charset={charset}");
        check(&typed("iso-8859-1"), b"Non remis \xe9", "Non remis \u{e9}", 1, false);
        check(&typed("koi8-r"), b"\xce\xc5", "\u{43d}\u{435}", 1, false);
        check(&typed("iso-2022-jp"), b"\x1b$B%a\x1b(B 550", "\u{30e1} 550", 1, false);
        check(&typed("iso-2022-jp"), b"550 5.7.1", "550 5.7.1", 0, false);
        check("A: b", b"\x1b$B%a\x1b(B 550", "\u{30e1} 550", 1, false);
        check(&typed("shift_jis"), b"\x83\x81", "\u{30e1}", 1, false);
        check(&typed("gb2312"), b"\xcd\xcb", "\u{9000}", 1, false);
        check(&typed("x-unheard"), b"550 \xe9", "550 \u{fffd}", 0, true);
        check(&typed("us-ascii"), b"550 5.7.1", "550 5.7.1", 0, false);
        check(&typed("utf-16le"), b"5\x005\x000\x00", "550", 1, false);
    }

    #[test]
    fn long_bodies_are_capped() {
        let body = "NTUw".repeat(MAX_DECODED);
        let message = format!("Content-Transfer-Encoding: base64\n\n{body}");
        let (text, cost) = read(message.as_bytes());
        assert_eq!((text.len(), cost.lossy), (MAX_DECODED, true));
    }
}
