//! The `From ` line that stands before each message of an mbox: a sender and a date (RFC 4155 appendix A).
//!
//! ```text
//! From MAILER-DAEMON Thu Apr 29 23:34:45 2010
//! From a@example.com Thu Apr 29 23:34:45 +0900 2010          zone before the year, or after it; a name or an offset
//! From - Thu Apr 29 23:34 JST 2010                           no seconds; programs that know no sender
//! From a b at example.com  Thu Apr 29 23:34:45 2010          blanks in the sender (list archives)
//! From mx!a Thu Apr 29 23:34:45 93 remote from mx            UUCP
//! From a@example.com Thu, 29 Apr 2010 23:34:45 +0900 (JST)   date of RFC 5322
//! From () 2020-03-03 07:50:45 +0000                          ISO 8601
//! ```
//!
//! The day of the week has to be one, but need not be that of the date: writers get it wrong. Not read, on purpose:
//! dates without a year (no separator can be told from prose by them), names of days in other languages.

use crate::stamp::Stamp;

/// What a `From ` line says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FromLine<'l> {
    /// Envelope sender as written; may be empty, `-`, `<>` or a name of a program.
    pub sender: &'l [u8],
    /// When the message was delivered. The zone is `None` where the line states none or one that is ambiguous; the time
    /// is then that of the machine that wrote it, or UTC.
    pub delivered: Stamp,
}

/// Offsets of zone names from UTC in hours: those of RFC 5322 section 4.3 and those that mean one zone only.
static ZONES: [(&str, i32); 18] = [
    ("UT", 0),
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("EST", -5),
    ("EDT", -4),
    ("CST", -6),
    ("CDT", -5),
    ("MST", -7),
    ("MDT", -6),
    ("PST", -8),
    ("PDT", -7),
    ("JST", 9),
    ("KST", 9),
    ("CET", 1),
    ("CEST", 2),
    ("MET", 1),
    ("MEST", 2),
];

const WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Most words between the time and the end that may be a zone: `MET DST`, or an offset and its name in parentheses.
const MAX_ZONE_WORDS: usize = 3;

/// Reads a line without its line end; `None` if it is none that separates messages: no `From `, no date, or more text
/// behind the date. Takes time linear in the line.
///
/// ```
/// # use bouncesift::input::mbox::from_line;
/// let line = from_line(b"From MAILER-DAEMON Thu Apr 29 23:34:45 2010").unwrap();
/// assert_eq!((line.sender, line.delivered.year), (&b"MAILER-DAEMON"[..], Some(2010)));
/// assert_eq!(from_line(b"From what we saw on Thu Apr 29 23:34:45 2010 it follows"), None);
/// ```
pub fn from_line(line: &[u8]) -> Option<FromLine<'_>> {
    let text = line.strip_prefix(b"From ")?;
    let mut words = 0;
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        let blanks = rest.iter().take_while(|b| is_blank(**b)).count();
        at += blanks;
        let word = text.get(at..)?;
        let len = word.iter().take_while(|b| !is_blank(**b)).count();
        if len == 0 {
            return None;
        }
        if let Some(delivered) = date(word, words == 1) {
            let sender = text.get(..at).unwrap_or(&[]).trim_ascii();
            return Some(FromLine { sender, delivered });
        }
        words += 1;
        at += len;
    }
    None
}

fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// Blank-separated words, from the left.
#[derive(Clone)]
struct Words<'l>(&'l [u8]);

impl<'l> Iterator for Words<'l> {
    type Item = &'l [u8];

    fn next(&mut self) -> Option<&'l [u8]> {
        let text = self.0.trim_ascii_start();
        let end = text.iter().position(|b| is_blank(*b)).unwrap_or(text.len());
        let (word, rest) = text.split_at_checked(end)?;
        self.0 = rest;
        (!word.is_empty()).then_some(word)
    }
}

/// A date that takes all of `text`. One that does not start with a day of the week is looked for only behind a sender
/// of one word: prose has such dates too.
fn date(text: &[u8], behind_one_word: bool) -> Option<Stamp> {
    let first = *text.first()?;
    if first.is_ascii_digit() {
        if !behind_one_word {
            return None;
        }
        if let Some((stamp, len)) = Stamp::iso8601(text) {
            return text.get(len..)?.trim_ascii().is_empty().then_some(stamp);
        }
        return day_first(Words(text));
    }
    let mut words = Words(text);
    let weekday = words.next()?;
    let weekday = weekday.strip_suffix(b",").unwrap_or(weekday);
    position(&WEEKDAYS, weekday)?;
    let mut ahead = words.clone();
    match ahead.next().and_then(|word| position(&MONTHS, word)) {
        Some(month) => {
            let day = number(ahead.next()?, 31)?;
            clock_year_zone(month, day, ahead)
        }
        None => day_first(words),
    }
}

fn day_first(mut words: Words<'_>) -> Option<Stamp> {
    let day = number(words.next()?, 31)?;
    let month = position(&MONTHS, words.next()?)?;
    clock_year_zone(month, day, words)
}

/// Time of day, year and zone in any order, and what UUCP puts behind them.
fn clock_year_zone(month: u8, day: u8, mut words: Words<'_>) -> Option<Stamp> {
    let (mut time, mut year, mut utc_offset, mut zone_words) = (None, None, None, 0);
    while let Some(word) = words.next() {
        if time.is_none()
            && let Some(found) = clock(word)
        {
            time = Some(found);
        } else if year.is_none()
            && let Some(found) = year_of(word)
        {
            year = Some(found);
        } else if year.is_some() && is_hop(word, words.clone()) {
            break;
        } else {
            let zone = zone(word).filter(|_| time.is_some() && zone_words < MAX_ZONE_WORDS)?;
            zone_words += 1;
            // A name behind an offset only explains it; `MET DST` is not what `MET` means.
            utc_offset = if word == b"DST" { None } else { utc_offset.or(zone) };
        }
    }
    let (hour, minute, second) = time?;
    if day == 0 {
        return None;
    }
    Some(Stamp { year: Some(year?), month, day, hour, minute, second, micros: 0, utc_offset })
}

/// `remote from HOST` or `forwarded by HOST`.
fn is_hop(word: &[u8], mut rest: Words<'_>) -> bool {
    let (from, host) = (rest.next(), rest.next());
    matches!((word, from), (b"remote", Some(b"from")) | (b"forwarded", Some(b"by"))) && host.is_some()
}

/// Number of a name in a list, from 1.
fn position(names: &[&str], word: &[u8]) -> Option<u8> {
    let at = names.iter().position(|name| word.eq_ignore_ascii_case(name.as_bytes()))?;
    u8::try_from(at + 1).ok()
}

/// One or two digits, at most `max`.
fn number(word: &[u8], max: u8) -> Option<u8> {
    let value = match *word {
        [ones] if ones.is_ascii_digit() => ones - b'0',
        [tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => (tens - b'0') * 10 + (ones - b'0'),
        _ => return None,
    };
    (value <= max).then_some(value)
}

/// `23:34:45` or `23:34`; single digits occur.
fn clock(word: &[u8]) -> Option<(u8, u8, u8)> {
    let mut parts = word.split(|b| *b == b':');
    let hour = number(parts.next()?, 23)?;
    let minute = number(parts.next()?, 59)?;
    let second = parts.next().map_or(Some(0), |part| number(part, 60))?;
    parts.next().is_none().then_some((hour, minute, second))
}

/// Four digits from 1900 on, or two: 70 to 99 are of the last century.
fn year_of(word: &[u8]) -> Option<u16> {
    if let [c1, c2, y1, y2] = *word {
        let (century, year) = (number(&[c1, c2], 99)?, number(&[y1, y2], 99)?);
        return (century >= 19).then_some(u16::from(century) * 100 + u16::from(year));
    }
    let year = u16::from(number(word, 99)?);
    (word.len() == 2).then_some(if year < 70 { 2000 + year } else { 1900 + year })
}

/// `+0900`, `+09:00`, `JST`, `(JST)`, `GMT+0900`: the offset in seconds, `Some(None)` for a name that does not say it.
fn zone(word: &[u8]) -> Option<Option<i32>> {
    if let Some(digits) = word.strip_prefix(b"+") {
        return offset(digits).map(Some);
    }
    if let Some(digits) = word.strip_prefix(b"-") {
        return offset(digits).map(|seconds| Some(-seconds));
    }
    let name = word.strip_prefix(b"(").and_then(|inner| inner.strip_suffix(b")")).unwrap_or(word);
    if let Some(signed) = name.strip_prefix(b"GMT").or_else(|| name.strip_prefix(b"UTC")).filter(|s| !s.is_empty()) {
        return zone(signed).filter(|_| matches!(signed.first(), Some(b'+' | b'-')));
    }
    let plausible = name.len() <= 10
        && name.first().is_some_and(u8::is_ascii_uppercase)
        && name.iter().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'+' | b'-'));
    let known = ZONES.iter().find(|(zone, _)| zone.as_bytes() == name).map(|(_, hours)| hours * 3600);
    plausible.then_some(known)
}

/// `0900` or `09:00` in seconds.
fn offset(digits: &[u8]) -> Option<i32> {
    let (hours, minutes) = match digits {
        [h1, h2, b':', m1, m2] | [h1, h2, m1, m2] => (number(&[*h1, *h2], 23)?, number(&[*m1, *m2], 59)?),
        _ => return None,
    };
    Some(i32::from(hours) * 3600 + i32::from(minutes) * 60)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Sender, date and time, offset in seconds.
    fn read(line: &str) -> Option<(String, String, Option<i32>)> {
        let FromLine { sender, delivered: d } = from_line(line.as_bytes())?;
        let when =
            format!("{:04}-{:02}-{:02} {:02}:{:02}:{:02}", d.year.unwrap(), d.month, d.day, d.hour, d.minute, d.second);
        Some((String::from_utf8_lossy(sender).into_owned(), when, d.utc_offset))
    }

    #[test]
    fn lines_that_separate() {
        const AT: &str = "2010-04-29 23:34:45";
        const SHORT: &str = "2010-04-29 23:34:00";
        let cases = [
            ("From MAILER-DAEMON Thu Apr 29 23:34:45 2010", "MAILER-DAEMON", AT, None),
            ("From MAILER-DAEMON  Thu Apr 29 23:34:45 2010  ", "MAILER-DAEMON", AT, None),
            ("From a@example.com Thu Apr 29 23:34:45 +0900 2010", "a@example.com", AT, Some(32_400)),
            ("From a@example.com Thu Apr 29 23:34:45 2010 +0900", "a@example.com", AT, Some(32_400)),
            ("From a@example.com Thu Apr 29 23:34:45 2010 -0230", "a@example.com", AT, Some(-9000)),
            ("From a@example.com Thu Apr 29 23:34:45 JST 2010", "a@example.com", AT, Some(32_400)),
            ("From a@example.com Thu Apr 29 23:34:45 MET DST 2010", "a@example.com", AT, None),
            ("From a@example.com Thu Apr 29 23:34 IST 2010", "a@example.com", SHORT, None),
            ("From - Thu Apr 29 23:34 2010", "-", SHORT, None),
            ("From ???@??? Thu Apr 29 23:34:45 2010", "???@???", AT, None),
            ("From <> Thu Apr 29 23:34:45 2010", "<>", AT, None),
            ("From  Thu Apr 29 23:34:45 2010", "", AT, None),
            ("From \"a b\"@example.com Thu Apr 29 23:34:45 2010", "\"a b\"@example.com", AT, None),
            ("From a at example.com  Thu Apr 29 23:34:45 2010", "a at example.com", AT, None),
            ("From Thu Mon Thu Apr 29 23:34:45 2010", "Thu Mon", AT, None),
            ("From mx!a Thu Apr 29 23:34:45 10 remote from mx", "mx!a", AT, None),
            ("From mx!a Thu Apr 29 23:34 EDT 2010 forwarded by mx", "mx!a", SHORT, Some(-14_400)),
            ("From a@example.com Thu, 29 Apr 2010 23:34:45 +0900 (JST)", "a@example.com", AT, Some(32_400)),
            ("From a@example.com 29 Apr 2010 23:34:45 GMT", "a@example.com", AT, Some(0)),
            ("From a@example.com Thu Apr 29 2010 23:34:45 GMT+0900", "a@example.com", AT, Some(32_400)),
            ("From () 2010-04-29 23:34:45 +0000", "()", AT, Some(0)),
            ("From a@example.com 2010-04-29T23:34:45Z", "a@example.com", AT, Some(0)),
            ("From a\tThu Apr 29 23:34:45 2010", "a", AT, None),
            ("From a Wed Jan 1 00:0:00 2015", "a", "2015-01-01 00:00:00", None),
            ("From a Tue Jul 13 14:03:11 82", "a", "1982-07-13 14:03:11", None),
        ];
        for (line, sender, when, offset) in cases {
            assert_eq!(read(line), Some((sender.into(), when.into(), offset)), "{line}");
        }
    }

    #[test]
    fn lines_of_prose() {
        for line in [
            "From ",
            "From: a@example.com Thu Apr 29 23:34:45 2010",
            "from a@example.com Thu Apr 29 23:34:45 2010",
            ">From a@example.com Thu Apr 29 23:34:45 2010",
            "From a@example.com",
            "From Thursday on we refuse your mail",
            "From a Thu Apr 29 23:34:45",
            "From a Thu Apr 29 2010",
            "From a Thu Apr 29 23:34:45 2010 on, mail is refused",
            "From a Thu Apr 29 23:34:45 2010 remote from",
            "From a Thu Apr 32 23:34:45 2010",
            "From a Thu Apr 0 23:34:45 2010",
            "From a Thu Apr 29 24:34:45 2010",
            "From a Thu Apr 29 23:34:45:10 2010",
            "From a Thu Avr 29 23:34:45 2010",
            "From a Thi Apr 29 23:34:45 2010",
            "From what I saw at 2010-04-29 23:34:45",
            "From what we saw on 29 Apr 2010 23:34:45",
            "From a Thu Apr 29 23:34:45 2010 A B C D",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_of_many_words_takes_linear_time() {
        let line = format!("From {}", "Thu Apr 29 ".repeat(100_000));
        let started = std::time::Instant::now();
        assert_eq!(from_line(line.as_bytes()), None);
        assert!(started.elapsed().as_secs() < 5);
    }
}
