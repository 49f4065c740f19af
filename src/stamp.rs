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

    /// Reads the date of a header field or of an mbox separator: `Thu, 29 Apr 2010 23:34:45 +0900 (JST)`,
    /// `Thu Apr 29 23:34:45 2010`.
    ///
    /// Order and punctuation are not insisted on, as servers differ in them; day, month, year and time must be there,
    /// each once. Years of two digits are 1950 to 2049 (RFC 5322, section 4.3). A zone that is missing or a word not
    /// known gives no offset. What stands in the first 128 bytes is read, comments in parentheses are not.
    pub fn rfc5322(text: &[u8]) -> Option<Self> {
        const LIMIT: usize = 128;
        let text = text.get(..LIMIT).unwrap_or(text);
        let mut date = MailDate::default();
        let mut depth = 0_u32;
        for token in text.split(|b| b.is_ascii_whitespace() || *b == b',').filter(|token| !token.is_empty()) {
            let opens = memchr::memchr_iter(b'(', token).count() as u32;
            let closes = memchr::memchr_iter(b')', token).count() as u32;
            if depth == 0 && opens == 0 && closes == 0 {
                date.token(token)?;
            }
            depth = (depth + opens).saturating_sub(closes);
        }
        date.stamp()
    }

    #[inline(always)]
    fn in_range(self, len: usize) -> Option<(Self, usize)> {
        ((1..=12).contains(&self.month) && (1..=31).contains(&self.day)).then_some((self, len))
    }
}

/// What was read of a date in a header field so far.
#[derive(Default)]
struct MailDate {
    month: Option<u8>,
    day: Option<u8>,
    year: Option<u16>,
    clock: Option<Stamp>,
    utc_offset: Option<i32>,
}

impl MailDate {
    /// Takes the next word or number; `None` if it makes no date.
    fn token(&mut self, token: &[u8]) -> Option<()> {
        match token {
            [b'0'..=b'9', ..] if token.contains(&b':') => self.clock = Some(short_clock(token)?),
            [b'0'..=b'9', ..] if token.contains(&b'-') => return self.dashed(token),
            [b'0'..=b'9', ..] => return self.number(token),
            [b'+' | b'-', ..] => self.utc_offset = zone(token).map(|(seconds, _)| seconds),
            [a, b, c] if self.month.is_none() => match month([*a, *b, *c]) {
                Some(month) => self.month = Some(month),
                None => self.name(token),
            },
            _ => self.name(token),
        }
        Some(())
    }

    fn number(&mut self, token: &[u8]) -> Option<()> {
        let number: u16 = std::str::from_utf8(token).ok()?.parse().ok()?;
        match (token.len(), self.day) {
            (1 | 2, None) => self.day = Some(number as u8),
            _ if self.year.is_some() => return None,
            (2, _) => self.year = Some(if number < 50 { 2000 + number } else { 1900 + number }),
            (3, _) => self.year = Some(1900 + number),
            (4, _) => self.year = Some(number),
            _ => return None,
        }
        Some(())
    }

    /// `29-Apr-2010` and `2010-04-29`.
    fn dashed(&mut self, token: &[u8]) -> Option<()> {
        if let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = token {
            self.year = Some(u16::from(two(y1, y2)?) * 100 + u16::from(two(y3, y4)?));
            (self.month, self.day) = (two(m1, m2), two(d1, d2));
            return Some(());
        }
        let mut parts = token.splitn(3, |b| *b == b'-');
        self.number(parts.next()?)?;
        self.month = Some(month(parts.next()?.try_into().ok()?)?);
        self.number(parts.next()?)
    }

    /// A zone's name (RFC 5322, section 4.3, and Japan's); any other word says nothing.
    fn name(&mut self, name: &[u8]) {
        let hours = match name {
            b"GMT" | b"UT" | b"UTC" | b"Z" => 0,
            b"EDT" => -4,
            b"EST" | b"CDT" => -5,
            b"CST" | b"MDT" => -6,
            b"MST" | b"PDT" => -7,
            b"PST" => -8,
            b"CET" | b"MET" => 1,
            b"CEST" | b"MEST" => 2,
            b"JST" => 9,
            _ => return,
        };
        self.utc_offset = self.utc_offset.or(Some(hours * 3600));
    }

    fn stamp(self) -> Option<Stamp> {
        let clock = self.clock?;
        let (month, day, year, utc_offset) = (self.month?, self.day?, Some(self.year?), self.utc_offset);
        Stamp { year, month, day, utc_offset, ..clock }.in_range(0).map(|(stamp, _)| stamp)
    }
}

/// `05:36:57`, `5:36:57` or `05:36`.
fn short_clock(token: &[u8]) -> Option<Stamp> {
    let mut padded = [b'0'; 9];
    let lead = usize::from(token.get(1) == Some(&b':'));
    let len = token.len().min(8 - lead);
    padded.get_mut(lead..lead + len)?.copy_from_slice(token.get(..len)?);
    if lead + len == 5 {
        padded.get_mut(5..8)?.copy_from_slice(b":00");
    }
    clock(padded.get(..8)?).map(|(stamp, _)| stamp)
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

    #[test]
    fn dates_of_mails() {
        let read = |text: &str| {
            let s = Stamp::rfc5322(text.as_bytes())?;
            Some((s.year.unwrap(), s.month, s.day, s.hour, s.minute, s.second, s.utc_offset))
        };
        let of_april = |offset| Some((2010, 4, 29, 23, 34, 45, offset));
        assert_eq!(read("Thu, 29 Apr 2010 23:34:45 +0900 (JST)"), of_april(Some(32_400)));
        assert_eq!(read("Thu, 29 Apr 2010 23:34:45 (a (nested) one) -0330"), of_april(Some(-12_600)));
        assert_eq!(read("29 Apr 10 23:34:45 EST"), of_april(Some(-18_000)));
        assert_eq!(read("Thu Apr 29 23:34:45 2010"), of_april(None));
        assert_eq!(read("Thu Apr 29 23:34:45 JST 2010"), of_april(Some(32_400)));
        assert_eq!(read("Thu, 29-Apr-2010 23:34:45 GMT"), of_april(Some(0)));
        assert_eq!(read("2010-04-29 23:34:45 +0000"), of_april(Some(0)));
        assert_eq!(read("Thu, 9 Apr 110 3:34 +0900"), Some((2010, 4, 9, 3, 34, 0, Some(32_400))));
        for text in ["", "Thu, 29 Apr 2010", "29 2010 23:34:45", "Thu, 29 Apr 2010 25:34:45", "99 Apr 2010 10:00:00"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(read(&format!("{} 29 Apr 2010 23:34:45", "(".repeat(1_000_000))), None);
        assert_eq!(read("29 Apr 2010 99999999999999999999 23:34:45"), None);
    }
}
