//! Letters as the rules see them: lower case, without accents.

/// What one letter outside ASCII stands for, and how many bytes it takes as written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Letter {
    len: u8,
    out: [u8; 4],
    out_len: u8,
}

impl Letter {
    /// Bytes it takes as written.
    pub(super) fn len(self) -> usize {
        usize::from(self.len)
    }

    /// What stands for it.
    pub(super) fn bytes(&self) -> &[u8] {
        self.out.get(..usize::from(self.out_len)).unwrap_or(&[])
    }
}

/// A phrase of a table in the same form as the texts.
pub(super) fn phrase(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&b) = bytes.get(i) {
        if b < 0x80 {
            out.push(lower(b));
            i += 1;
        } else {
            let letter = fold(bytes.get(i..).unwrap_or(&[]), b);
            out.extend_from_slice(letter.bytes());
            i += letter.len();
        }
    }
    out
}

/// ASCII in lower case, `_` as a blank.
pub(super) fn lower(b: u8) -> u8 {
    match b {
        b'_' => b' ',
        _ => b.to_ascii_lowercase(),
    }
}

/// The letter outside ASCII at the start of `text`, whose first byte is `b`. Bytes that are no UTF-8 stand for
/// themselves, one by one.
pub(super) fn fold(text: &[u8], b: u8) -> Letter {
    let plain = |len: u8, c: u8| Letter { len, out: [c, 0, 0, 0], out_len: 1 };
    let two = |a: u8, c: u8| Letter { len: 2, out: [a, c, 0, 0], out_len: 2 };
    let second = text.get(1).copied().unwrap_or(0);
    match (b, second) {
        (0xc2, 0xa0) => plain(2, b' '),
        (0xc3, 0x9f) => two(b's', b's'),
        (0xc3, 0x80..=0xbf) => plain(2, latin1(second | 0x20)),
        (0xc4 | 0xc5, 0x80..=0xbf) => match latin_extended(u16::from(b & 3) * 64 + u16::from(second & 0x3f)) {
            0 => as_written(text, b),
            letter => plain(2, letter),
        },
        (0xd0, 0x90..=0x9f) => two(0xd0, second + 0x20),
        (0xd0, 0xa0..=0xaf) => two(0xd1, second - 0x20),
        (0xd0, 0x80..=0x8f) => two(0xd1, second + 0x10),
        (0xe2, 0x80) => match text.get(2) {
            Some(0x98 | 0x99) => plain(3, b'\''),
            Some(0x9c | 0x9d) => plain(3, b'"'),
            Some(0x93 | 0x94) => plain(3, b'-'),
            _ => as_written(text, b),
        },
        _ => as_written(text, b),
    }
}

/// The letter in its own bytes: as many as its first byte promises and as are there.
fn as_written(text: &[u8], b: u8) -> Letter {
    let promised = match b {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    let behind = text.iter().skip(1).take(promised - 1).take_while(|b| (0x80..0xc0).contains(*b)).count();
    let len = if behind + 1 == promised { promised } else { 1 };
    let mut out = [0; 4];
    for (to, from) in out.iter_mut().zip(text.iter().take(len)) {
        *to = *from;
    }
    Letter { len: len as u8, out, out_len: len as u8 }
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

/// The plain letter of U+0100 to U+017F, by its distance from U+0100; 0 where there is none.
fn latin_extended(x: u16) -> u8 {
    match x {
        0x00..=0x05 => b'a',
        0x06..=0x0d => b'c',
        0x0e..=0x11 => b'd',
        0x12..=0x1b => b'e',
        0x1c..=0x23 => b'g',
        0x24..=0x27 => b'h',
        0x28..=0x31 => b'i',
        0x36..=0x38 => b'k',
        0x39..=0x42 => b'l',
        0x43..=0x4b => b'n',
        0x4c..=0x51 => b'o',
        0x54..=0x59 => b'r',
        0x5a..=0x61 => b's',
        0x62..=0x67 => b't',
        0x68..=0x73 => b'u',
        0x74 | 0x75 => b'w',
        0x76..=0x78 => b'y',
        0x79..=0x7e => b'z',
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accents_go_and_capitals_with_them() {
        for (written, plain) in [
            ("Žádný příjemce ŁÓDŹ", "zadny prijemce lodz"),
            ("Gönderen İPTAL kullanıcı", "gonderen iptal kullanici"),
            ("straße “x” – ЁЖ Українська", "strasse \"x\" - ёж українська"),
            ("迷惑メール", "迷惑メール"),
        ] {
            assert_eq!(String::from_utf8_lossy(&phrase(written)), plain);
        }
    }

    #[test]
    fn broken_letters_stand_for_themselves() {
        for bytes in [&b"\xff"[..], b"\xc3", b"\xe2\x80", b"\xd0x", b"\xf0\x9f"] {
            let letter = fold(bytes, bytes[0]);
            assert_eq!((letter.len(), letter.bytes()), (1, &bytes[..1]));
        }
    }
}
