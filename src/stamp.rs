//! Time stamps as logs write them, before year and zone are settled.

/// A time stamp as written: fields may be missing, nothing is inferred.
///
/// The fields are within their ranges, but the day may not exist in that month (`Feb 30`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Year; `None` in RFC 3164 stamps.
    pub year: Option<u16>,
    /// Month, 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour, 0 to 23.
    pub hour: u8,
    /// Minute, 0 to 59.
    pub minute: u8,
    /// Second, 0 to 60.
    pub second: u8,
    /// Microseconds, 0 to 999,999.
    pub micros: u32,
    /// Offset from UTC in seconds, east positive; `None` where the stamp has no zone.
    pub utc_offset: Option<i32>,
}

impl Stamp {
    /// Reads `Feb  8 05:36:57` (or `Feb 08`, or with a fraction of a second) at the start of `text`; returns it
    /// with its length in bytes.
    pub fn rfc3164(text: &[u8]) -> Option<(Self, usize)> {
        let month = month(text.get(..3)?)?;
        let (day, at) = match *text.get(3..7)? {
            [b' ', b' ', d, b' '] if d.is_ascii_digit() => (d - b'0', 7),
            [b' ', a, b, b' '] if a.is_ascii_digit() && b.is_ascii_digit() => ((a - b'0') * 10 + b - b'0', 7),
            [b' ', d, b' ', _] if d.is_ascii_digit() => (d - b'0', 6),
            _ => return None,
        };
        let (clock, len) = clock(text.get(at..)?)?;
        Self { month, day, ..clock }.in_range(at + len)
    }

    /// Reads `2026-11-23T10:11:12.345678+01:00` at the start of `text`; returns it with its length in bytes.
    ///
    /// The date and the time may be parted by `T` or a blank (Exim); fraction and zone may be missing, the zone may
    /// stand after a blank and without its colon.
    pub fn iso8601(text: &[u8]) -> Option<(Self, usize)> {
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b' ', ..] = text else { return None };
        let year = two(y1, y2)? as u16 * 100 + two(y3, y4)? as u16;
        let (clock, len) = clock(text.get(11..)?)?;
        let mut stamp = Self { year: Some(year), month: two(m1, m2)?, day: two(d1, d2)?, ..clock };
        let mut end = 11 + len;
        let rest = text.get(end..)?;
        let blank = usize::from(
            matches!(rest, [b' ', b'+' | b'-', a, b, c, ..] if [a, b, c].iter().all(|d| d.is_ascii_digit())),
        );
        if let Some((seconds, len)) = zone(rest.get(blank..)?) {
            stamp.utc_offset = Some(seconds);
            end += blank + len;
        }
        stamp.in_range(end)
    }

    fn in_range(self, len: usize) -> Option<(Self, usize)> {
        ((1..=12).contains(&self.month) && (1..=31).contains(&self.day)).then_some((self, len))
    }
}

/// `05:36:57` with an optional fraction; the date fields are left at zero.
fn clock(text: &[u8]) -> Option<(Stamp, usize)> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2, ref rest @ ..] = text else { return None };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (mut micros, mut len) = (0, 8);
    if let [b'.' | b',', fraction @ ..] = rest {
        let digits = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        let mut scale = 100_000;
        for digit in fraction.iter().take(digits.min(6)) {
            micros += u32::from(digit - b'0') * scale;
            scale /= 10;
        }
        len += if digits > 0 { 1 + digits } else { 0 };
    }
    Some((Stamp { year: None, month: 0, day: 0, hour, minute, second, micros, utc_offset: None }, len))
}

/// `Z`, `+01:00` or `+0100`, in seconds.
fn zone(text: &[u8]) -> Option<(i32, usize)> {
    let (sign, rest) = match text.split_first()? {
        (b'Z' | b'z', _) => return Some((0, 1)),
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes, len) = match *rest {
        [a, b, b':', c, d, ..] => (two(a, b)?, two(c, d)?, 6),
        [a, b, c, d, ..] => (two(a, b)?, two(c, d)?, 5),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| (sign * (i32::from(hours) * 3600 + i32::from(minutes) * 60), len))
}

fn two(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

fn month(name: &[u8]) -> Option<u8> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
    MONTHS.iter().position(|m| *m == name).map(|at| at as u8 + 1)
}
