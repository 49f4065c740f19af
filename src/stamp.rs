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
    #[inline(always)]
    pub fn rfc3164(text: &[u8]) -> Option<(Self, usize)> {
        let &[m1, m2, m3, b' ', d1, d2, d3, ..] = text else { return None };
        let month = month([m1, m2, m3])?;
        let (day, at) = match [d1, d2, d3] {
            [b' ', d, b' '] => (two(b'0', d)?, 7),
            [d, b' ', _] => (two(b'0', d)?, 6),
            [a, b, b' '] => (two(a, b)?, 7),
            _ => return None,
        };
        let (clock, len) = clock(text.get(at..)?)?;
        Self { month, day, ..clock }.in_range(at + len)
    }

    /// Reads `2026-11-23T10:11:12.345678+01:00` at the start of `text`; returns it with its length in bytes.
    ///
    /// The date and the time may be parted by `T` or a blank (Exim); fraction and zone may be missing, the zone may
    /// stand after a blank and without its colon.
    #[inline(always)]
    pub fn iso8601(text: &[u8]) -> Option<(Self, usize)> {
        let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2, b'T' | b' ', ..] = text else { return None };
        let year = two(y1, y2)? as u16 * 100 + two(y3, y4)? as u16;
        let (clock, len) = clock(text.get(11..)?)?;
        let mut stamp = Self { year: Some(year), month: two(m1, m2)?, day: two(d1, d2)?, ..clock };
        let mut end = 11 + len;
        let rest = text.get(end..)?;
        let blank = usize::from(matches!(rest, [b' ', b'+' | b'-', a, b, ..] if two(*a, *b).is_some()));
        if let Some((seconds, len)) = zone(rest.get(blank..)?) {
            stamp.utc_offset = Some(seconds);
            end += blank + len;
        }
        stamp.in_range(end)
    }

    #[inline(always)]
    fn in_range(self, len: usize) -> Option<(Self, usize)> {
        ((1..=12).contains(&self.month) && (1..=31).contains(&self.day)).then_some((self, len))
    }
}

/// `05:36:57` with an optional fraction; the date fields are left at zero.
#[inline(always)]
fn clock(text: &[u8]) -> Option<(Stamp, usize)> {
    let &[h1, h2, b':', m1, m2, b':', s1, s2, ref rest @ ..] = text else { return None };
    let (hour, minute, second) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    if hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (micros, len) = match rest {
        [b'.' | b',', rest @ ..] => fraction(rest),
        _ => (0, 0),
    };
    Some((Stamp { year: None, month: 0, day: 0, hour, minute, second, micros, utc_offset: None }, 8 + len))
}

/// Microseconds, and the length with the point; nothing where no digit follows the point.
#[inline]
fn fraction(text: &[u8]) -> (u32, usize) {
    const SCALE: [u32; 7] = [0, 100_000, 10_000, 1_000, 100, 10, 1];
    let (mut value, mut digits) = (0_u32, 0);
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            break;
        }
        if digits < 6 {
            value = value * 10 + u32::from(digit);
        }
        digits += 1;
    }
    let scale = SCALE.get(digits).copied().unwrap_or(1);
    (value * scale, if digits > 0 { 1 + digits } else { 0 })
}

/// `Z`, `+01:00` or `+0100`, in seconds.
#[inline]
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

#[inline(always)]
fn two(tens: u8, ones: u8) -> Option<u8> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    if tens > 9 || ones > 9 { None } else { Some(tens.wrapping_mul(10).wrapping_add(ones)) }
}

#[inline(always)]
fn month(name: [u8; 3]) -> Option<u8> {
    let (month, full) = match name {
        [b'J', b'a', _] => (1, b"Jan"),
        [b'F', ..] => (2, b"Feb"),
        [b'M', _, b'r'] => (3, b"Mar"),
        [b'A', b'p', _] => (4, b"Apr"),
        [b'M', ..] => (5, b"May"),
        [b'J', _, b'n'] => (6, b"Jun"),
        [b'J', ..] => (7, b"Jul"),
        [b'A', ..] => (8, b"Aug"),
        [b'S', ..] => (9, b"Sep"),
        [b'O', ..] => (10, b"Oct"),
        [b'N', ..] => (11, b"Nov"),
        [b'D', ..] => (12, b"Dec"),
        _ => return None,
    };
    (name == *full).then_some(month)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn stamps_of_logs() {
        let (stamp, len) = Stamp::rfc3164(b"Feb  8 05:36:57 host").unwrap();
        assert_eq!((stamp.month, stamp.day, stamp.hour, stamp.minute, stamp.second, len), (2, 8, 5, 36, 57, 15));
        let short = Stamp::rfc3164(b"Mar 7 02:09:33 host").unwrap();
        assert_eq!((short.0.day, short.1), (7, 14));
        assert_eq!(Stamp::rfc3164(b"Feb 08 05:36:57.5 x").unwrap().0.micros, 500_000);
        for text in
            ["Feb 30", "Fen  8 05:36:57", "Feb  8 25:36:57", "Feb  0 05:36:57", "Feb 32 05:36:57", "feb  8 05:36:57"]
        {
            assert_eq!(Stamp::rfc3164(text.as_bytes()), None, "{text}");
        }
        for (at, name) in
            ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"].iter().enumerate()
        {
            let stamp = Stamp::rfc3164(format!("{name} 31 05:36:57").as_bytes()).unwrap().0;
            assert_eq!(usize::from(stamp.month), at + 1);
        }
    }

    #[test]
    fn stamps_with_a_zone() {
        let read = |text: &str| Stamp::iso8601(text.as_bytes()).map(|(s, len)| (s.micros, s.utc_offset, len));
        assert_eq!(read("2025-07-24T08:50:26.640058+01:00 x"), Some((640_058, Some(3600), 32)));
        assert_eq!(read("2025-07-24T08:50:26.1234567890Z"), Some((123_456, Some(0), 31)));
        assert_eq!(read("2025-07-24 08:50:26 -0230 x"), Some((0, Some(-9000), 25)));
        assert_eq!(read("2025-07-24 08:50:26 -> x"), Some((0, None, 19)));
        assert_eq!(read("2025-07-24T08:50:26. x"), Some((0, None, 19)));
        assert_eq!(read("2025-13-24T08:50:26"), None);
        assert_eq!(read("2025-07-24"), None);
    }
}
