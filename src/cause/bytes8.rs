//! Eight bytes at once: where words start, and where something stands that is neither letter, digit nor single blank.
//!
//! The bytes are compared side by side in one number. With each byte's high bit put away no sum carries over into the
//! next byte, and adding 0x80 - `a` sets the high bit from `a` on.

/// The high bit of each byte.
const HIGH: u64 = 0x8080_8080_8080_8080;
/// What a byte has to be multiplied with to stand in all eight.
const ALL: u64 = 0x0101_0101_0101_0101;

/// Finds the places of a text, eight bytes after eight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// In the lowest byte, whether the byte before is a letter, a digit, a blank.
    letter: u64,
    digit: u64,
    blank: u64,
}

impl Default for Places {
    /// In front of a text stands a blank, as it were.
    fn default() -> Self {
        Places { letter: 0, digit: 0, blank: 0x80 }
    }
}

impl Places {
    /// The places of the next eight bytes: the high bit of each such byte, the first byte lowest.
    pub(super) fn next(&mut self, bytes: [u8; 8]) -> u64 {
        let x = u64::from_le_bytes(bytes);
        let low = x & !HIGH;
        let letter = within(low | (ALL * 0x20), b'a', b'z') & !x & HIGH;
        let digit = within(low, b'0', b'9') & !x & HIGH;
        let blank = !from(low, b' ' + 1) & !x & HIGH;
        let places = (letter & !(letter << 8 | self.letter))
            | (digit & !(digit << 8 | self.digit))
            | (blank & (blank << 8 | self.blank))
            | (!(letter | digit | blank) & HIGH);
        (self.letter, self.digit, self.blank) = (letter >> 56, digit >> 56, blank >> 56);
        places
    }
}

/// High bit where a byte, itself below 0x80, is at least `least`.
fn from(low: u64, least: u8) -> u64 {
    low + ALL * u64::from(0x80 - least)
}

/// High bit where a byte, itself below 0x80, is in the range.
fn within(low: u64, least: u8, most: u8) -> u64 {
    from(low, least) & !from(low, most + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(text: &str) -> Vec<usize> {
        let mut places = Places::default();
        let mut found = Vec::new();
        for (n, chunk) in text.as_bytes().chunks(8).enumerate() {
            let mut bytes = [b'x'; 8];
            bytes[..chunk.len()].copy_from_slice(chunk);
            let bits = places.next(bytes);
            found.extend((0..chunk.len()).filter(|i| bits >> (8 * i + 7) & 1 == 1).map(|i| n * 8 + i));
        }
        found
    }

    #[test]
    fn words_signs_and_second_blanks_are_places() {
        assert_eq!(places("Not accepted Here"), [0, 4, 13]);
        assert_eq!(places(" a  b12\tc"), [0, 1, 3, 4, 5, 8]);
        assert_eq!(places("x@y.z_9"), [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(places("1234567890123"), [0]);
        assert_eq!(places("abcdefghijkl, \u{e9}"), [0, 12, 14, 15]);
        for b in 0..=255_u8 {
            let mut places = Places { letter: 0, digit: 0, blank: 0 };
            let is_place = places.next([b; 8]) & 0x80 != 0;
            assert_eq!(is_place, b > b' ', "{b}");
        }
    }
}
