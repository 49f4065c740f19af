//! The frame around a log line: time stamp, host, program tag, message.
//!
//! Frames read, each from the left and by position:
//!
//! ```text
//! Feb  8 05:36:57 host postfix/smtp[123]: text                     RFC 3164, also with <22> in front
//! Feb  8 05:36:57 <mail.info> host sm-mta[123]: text               BSD syslogd -v
//! Feb  8 05:36:57 host mail.info postfix/smtp[123]: text           BusyBox
//! Feb  8 05:36:57 host sendmail[123]: [ID 801593 mail.info] text   Solaris
//! 2013 Jun 10 06:27:30.123 host postfix/smtp[123]: text            year in front, or behind the time
//! 2025-07-24T08:50:26.640058+00:00 host postfix/smtp[123]: text    rsyslog, journalctl -o short-iso
//! <22>1 2025-07-24T08:50:26Z host postfix/smtp 123 - - text        RFC 5424
//! ```
//!
//! Not read: the journal's JSON and export forms and other stamps; such a line counts as one without a frame.
//! Nothing behind the tag is looked at except for a nested frame and the two ways of writing repeats, so the cost of
//! a line does not grow with its length.

use super::text::{from, split_byte};
use crate::provenance::Provenance;
use crate::stamp::Stamp;

/// Repeats beyond this are not believed.
pub const MAX_REPEATS: u32 = 100_000;

/// Length of `2025-07-24 08:50:26`.
const DATE_AND_TIME: usize = 19;

/// Longest program tag that is looked for.
const MAX_TAG: usize = 128;

/// A line taken apart from the left, before any MTA's grammar is applied.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'b> {
    /// The whole line.
    pub provenance: Provenance,
    /// The line's bytes without its line end.
    pub line: &'b [u8],
    /// Time stamp; `None` where the line has no syslog frame (an Exim main log carries its own).
    pub stamp: Option<Stamp>,
    /// Syslog host name.
    pub host: Option<&'b [u8]>,
    /// Program tag without pid, for example `postfix-out/smtp`; `None` without a frame.
    pub program: Option<&'b [u8]>,
    /// Text after the tag; the whole line without a frame.
    pub message: &'b [u8],
    /// 1, or N where the logger folded N further copies into "message repeated N times: [ ... ]".
    pub repeats: u32,
    /// The line says only "last message repeated N times": N further copies of the host's previous line.
    /// 0 is never given.
    pub repeat_of_previous: Option<u32>,
    /// The line claims an impossible number of repeats (0, or more than [`MAX_REPEATS`]); it counts once, or not
    /// at all where it says "last message repeated".
    pub repeat_refused: bool,
}

/// Takes a line apart. `line` is without its line end; `provenance` is only passed on.
///
/// ```
/// # use bouncesift::{formats::syslog, provenance::{FileId, Provenance}};
/// # let at = Provenance { file: FileId(0), offset: 0, len: 0 };
/// let frame = syslog::frame(b"Feb  8 05:36:57 mx1 postfix/smtp[123]: connect to example.com", at);
/// assert_eq!(frame.program, Some(&b"postfix/smtp"[..]));
/// assert_eq!(frame.message, b"connect to example.com");
/// ```
///
/// Allocates nothing; the time does not depend on the length of the line.
#[inline(always)]
pub fn frame(line: &[u8], provenance: Provenance) -> Frame<'_> {
    let mut frame = bare(line, provenance);
    read_head(line, &mut frame);
    finish(frame)
}

/// Takes lines apart that come one after the other: most of them start with the same second and the same host as the
/// line before, and comparing those bytes is much quicker than reading them.
#[derive(Clone, Copy, Debug)]
pub struct Framer {
    /// Time stamp, host and the blank behind each, of the last line that starts so.
    head: [u8; MAX_HEAD],
    /// Bytes of `head` in use; 0 before the first such line.
    len: usize,
    /// Where the host starts in `head`; it ends before the last blank.
    host_at: usize,
    stamp: Option<Stamp>,
}

/// Longest start of a line that is remembered.
const MAX_HEAD: usize = 64;

impl Default for Framer {
    fn default() -> Self {
        Self { head: [0; MAX_HEAD], len: 0, host_at: 0, stamp: None }
    }
}

impl Framer {
    /// As [`frame`].
    #[inline(always)]
    pub fn frame<'b>(&mut self, line: &'b [u8], provenance: Provenance) -> Frame<'b> {
        let mut frame = bare(line, provenance);
        if self.read_known(line, &mut frame).is_none() {
            read_head(line, &mut frame);
            self.remember(&frame);
        }
        finish(frame)
    }

    #[inline(always)]
    fn read_known<'b>(&self, line: &'b [u8], frame: &mut Frame<'b>) -> Option<()> {
        let known = self.head.get(..self.len).filter(|known| !known.is_empty())?;
        let (head, rest) = line.split_at_checked(self.len)?;
        if head != known {
            return None;
        }
        let (program, message) = tag(rest)?;
        set(frame, self.stamp, head.get(self.host_at..self.len - 1), Some(program), message)
    }

    /// Remembers the start of a line of the form `STAMP HOST TAG: ...`.
    #[inline(always)]
    fn remember(&mut self, frame: &Frame<'_>) {
        let (Some(host), Some(program)) = (frame.host, frame.program) else { return };
        let offset = |part: &[u8]| (part.as_ptr() as usize).wrapping_sub(frame.line.as_ptr() as usize);
        let (host_at, len) = (offset(host), offset(program));
        if len != host_at + host.len() + 1 || frame.line.first() == Some(&b'<') {
            return;
        }
        let (Some(to), Some(head)) = (self.head.get_mut(..len), frame.line.get(..len)) else { return };
        to.copy_from_slice(head);
        (self.len, self.host_at, self.stamp) = (len, host_at, frame.stamp);
    }
}

#[inline(always)]
fn bare(line: &[u8], provenance: Provenance) -> Frame<'_> {
    Frame {
        provenance,
        line,
        stamp: None,
        host: None,
        program: None,
        message: line,
        repeats: 1,
        repeat_of_previous: None,
        repeat_refused: false,
    }
}

/// What may stand in the message: another frame, or the logger's own words about repeats.
#[inline(always)]
fn finish(mut frame: Frame<'_>) -> Frame<'_> {
    if frame.program.is_some() && holds_frame(frame.message) {
        read_nested(&mut frame);
    }
    match frame.message.first() {
        Some(b'm') => fold_copies(&mut frame),
        Some(b'l' | b'-') if frame.program.is_none() => count_copies(&mut frame),
        _ => {}
    }
    frame
}

/// Sets stamp, host, program and message if the line has a frame, else nothing.
///
/// All readers below write into the frame: handing its parts about by value made up most of their time.
#[inline(always)]
fn read_head<'b>(line: &'b [u8], frame: &mut Frame<'b>) -> Option<()> {
    match line.first()? {
        b'<' => after_priority(line, frame),
        _ => dated(line, frame),
    }
}

fn after_priority<'b>(line: &'b [u8], frame: &mut Frame<'b>) -> Option<()> {
    let rest = without_priority(line)?;
    match rest.strip_prefix(b"1 ") {
        Some(rest) => rfc5424(rest, frame),
        None => dated(rest, frame),
    }
}

#[inline(always)]
fn dated<'b>(line: &'b [u8], frame: &mut Frame<'b>) -> Option<()> {
    match line.first()? {
        b'A'..=b'Z' => {
            let (stamp, len) = Stamp::rfc3164(line)?;
            after_stamp(stamp, from(line, len), frame)
        }
        b'0'..=b'9' => dated_with_year(line, frame),
        _ => None,
    }
}

/// Whether a message may start with a frame of its own, as drivers of containers write it.
#[inline(always)]
fn holds_frame(message: &[u8]) -> bool {
    match message.first() {
        Some(b'A'..=b'Z') => message.get(3) == Some(&b' ') && message.get(9) == Some(&b':'),
        Some(b'0'..=b'9') => message.get(10) == Some(&b'T'),
        Some(b'<') => true,
        _ => false,
    }
}

/// Takes the frame inside the message instead. Only a complete one with a tag counts.
#[cold]
fn read_nested(frame: &mut Frame<'_>) {
    let mut inner = Frame { program: None, ..*frame };
    if read_head(frame.message, &mut inner).is_some() && inner.program.is_some() {
        *frame = inner;
    }
}

fn without_priority(line: &[u8]) -> Option<&[u8]> {
    let close = line.iter().take(5).position(|b| *b == b'>')?;
    let (priority, rest) = line.split_at_checked(close + 1)?;
    let digits = priority.get(1..close)?;
    (!digits.is_empty() && digits.iter().all(u8::is_ascii_digit)).then_some(rest)
}

/// `2025-07-24T08:50:26Z host ...` or `2013 Jun 10 06:27:30.123 host ...`.
///
/// With a blank between date and time it is a frame only if host and a tag with pid follow: Exim's own stamps look
/// like that.
#[inline(never)]
fn dated_with_year<'b>(line: &'b [u8], frame: &mut Frame<'b>) -> Option<()> {
    match (line.get(4)?, line.get(10)?) {
        (b'-', b'T') => {
            let (stamp, len) = Stamp::iso8601(line)?;
            after_stamp(stamp, from(line, len), frame)
        }
        (b'-', b' ') => {
            let (host, rest) = split_byte(line.get(DATE_AND_TIME..)?.strip_prefix(b" ")?, b' ')?;
            let (program, message) = tag(rest)?;
            let plain = host.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
            if !plain || rest.get(program.len()) != Some(&b'[') {
                return None;
            }
            let (stamp, _) = Stamp::iso8601(line)?;
            set(frame, Some(stamp), Some(host), Some(program), message)
        }
        (b' ', _) => {
            let year = four_digits(*line.first_chunk()?)?;
            let (stamp, len) = Stamp::rfc3164(line.get(5..)?)?;
            after_stamp(Stamp { year: Some(year), ..stamp }, from(line, 5 + len), frame)
        }
        _ => None,
    }
}

/// ` [<facility.level> ]host tag[pid]: message`.
#[inline(always)]
fn after_stamp<'b>(stamp: Stamp, rest: &'b [u8], frame: &mut Frame<'b>) -> Option<()> {
    let mut rest = rest.strip_prefix(b" ")?;
    let mut stamp = stamp;
    if let [b'1' | b'2', ..] = rest
        && let Some(year) = year_and_blank(rest)
    {
        stamp.year = stamp.year.or(Some(year));
        rest = from(rest, 5);
    }
    if let Some(facility) = rest.strip_prefix(b"<") {
        rest = split_byte(facility, b'>')?.1.trim_ascii_start();
    }
    let (first, after) = match near(rest, |b| b == b' ') {
        Some(end) => (rest.get(..end)?, from(rest, end + 1)),
        None => split_byte(rest, b' ').unwrap_or((rest, &[])),
    };
    if first.ends_with(b":") {
        let (program, message) = tag(rest)?;
        return set(frame, Some(stamp), None, Some(program), message);
    }
    match tag(after) {
        Some((program, message)) => set(frame, Some(stamp), Some(first), Some(program), message),
        None => match after_facility(after).and_then(tag) {
            Some((program, message)) => set(frame, Some(stamp), Some(first), Some(program), message),
            None => set(frame, Some(stamp), Some(first), None, after),
        },
    }
}

#[inline(always)]
fn set<'b>(
    frame: &mut Frame<'b>,
    stamp: Option<Stamp>,
    host: Option<&'b [u8]>,
    program: Option<&'b [u8]>,
    message: &'b [u8],
) -> Option<()> {
    frame.stamp = stamp;
    frame.host = host;
    frame.program = program;
    frame.message = message;
    Some(())
}

/// `2016 `: some appliances write the year behind the time.
fn year_and_blank(rest: &[u8]) -> Option<u16> {
    let &[a, b, c, d, b' ', ..] = rest else { return None };
    four_digits([a, b, c, d]).filter(|year| (1970..2100).contains(year))
}

fn four_digits(digits: [u8; 4]) -> Option<u16> {
    let number = digits.iter().fold(0, |n, d| n * 10 + u16::from(d.wrapping_sub(b'0') % 10));
    digits.iter().all(u8::is_ascii_digit).then_some(number)
}

/// The text behind `mail.info `.
fn after_facility(text: &[u8]) -> Option<&[u8]> {
    const FACILITIES: [&[u8]; 6] = [b"mail.", b"local", b"daemon.", b"user.", b"syslog.", b"auth"];
    FACILITIES.iter().any(|f| text.starts_with(f)).then(|| split_byte(text, b' ')).flatten().map(|(_, rest)| rest)
}

/// `name[pid]: message` or `name: message`; returns name and message.
#[inline(always)]
fn tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = near(text, |b| matches!(b, b'[' | b':' | b' ')).filter(|end| *end > 0)?;
    let (name, rest) = text.split_at_checked(end)?;
    let message = match rest {
        [b':', rest @ ..] => rest,
        [b'[', rest @ ..] => after_pid(rest)?,
        _ => return None,
    };
    let message = match message {
        [b' ', next, ..] if *next != b' ' => from(message, 1),
        _ => message.trim_ascii_start(),
    };
    Some((name, if message.first() == Some(&b'[') { after_solaris_id(message) } else { message }))
}

/// The first byte that pleases `stops` among the first [`MAX_TAG`]. Quicker than memchr for the few bytes of a name.
#[inline(always)]
fn near(text: &[u8], stops: impl Fn(u8) -> bool) -> Option<usize> {
    text.get(..MAX_TAG).unwrap_or(text).iter().position(|b| stops(*b))
}

#[inline(always)]
fn after_pid(text: &[u8]) -> Option<&[u8]> {
    let close = near(text, |b| b == b']')?;
    match text.get(close + 1..)? {
        [b':', rest @ ..] => Some(rest),
        rest => Some(rest),
    }
}

fn after_solaris_id(message: &[u8]) -> &[u8] {
    let Some(id) = message.strip_prefix(b"[ID ") else { return message };
    match id.iter().take(MAX_TAG).position(|b| *b == b']') {
        Some(close) => from(id, close + 1).trim_ascii_start(),
        None => message,
    }
}

/// `STAMP HOST APP PROCID MSGID SD MSG` behind `<PRI>1 `.
fn rfc5424<'b>(rest: &'b [u8], frame: &mut Frame<'b>) -> Option<()> {
    let (stamp, rest) = match rest.strip_prefix(b"- ") {
        Some(rest) => (None, rest),
        None => {
            let (stamp, len) = Stamp::iso8601(rest)?;
            (Some(stamp), rest.get(len..)?.strip_prefix(b" ")?)
        }
    };
    let (host, rest) = split_byte(rest, b' ')?;
    let (program, rest) = split_byte(rest, b' ')?;
    let (_, rest) = split_byte(rest, b' ')?;
    let (_, rest) = split_byte(rest, b' ')?;
    let message = after_structured_data(rest)?.trim_ascii_start();
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    let given = |text| Some(text).filter(|t: &&[u8]| *t != b"-");
    set(frame, stamp, given(host), given(program), message)
}

/// The text behind `-` or behind `[id name="value"]...`, whose values may hold `]` and `\"`.
fn after_structured_data(text: &[u8]) -> Option<&[u8]> {
    if let Some(rest) = text.strip_prefix(b"-") {
        return Some(rest);
    }
    let mut rest = text;
    while let Some(element) = rest.strip_prefix(b"[") {
        let mut at = 0;
        let mut quoted = false;
        loop {
            match element.get(at)? {
                b'\\' if quoted => at += 1,
                b'"' => quoted = !quoted,
                b']' if !quoted => break,
                _ => {}
            }
            at += 1;
        }
        rest = from(element, at + 1);
    }
    (rest.len() < text.len()).then_some(rest)
}

/// `message repeated 3 times: [ text]`.
fn fold_copies(frame: &mut Frame<'_>) {
    let Some((count, rest)) = frame.message.strip_prefix(b"message repeated ").and_then(count) else { return };
    let Some(text) = rest.strip_prefix(b" times: [") else { return };
    frame.message = text.strip_suffix(b"]").unwrap_or(text).trim_ascii_start();
    frame.repeats = count.unwrap_or(1);
    frame.repeat_refused = count.is_none();
}

/// `last message repeated 3 times`, also between dashes.
fn count_copies(frame: &mut Frame<'_>) {
    let text = frame.message.strip_prefix(b"--- ").unwrap_or(frame.message);
    let Some((count, rest)) = text.strip_prefix(b"last message repeated ").and_then(count) else { return };
    if rest.starts_with(b" time") {
        frame.repeat_of_previous = count;
        frame.repeat_refused = count.is_none();
    }
}

/// A number of repeats and the text behind it; an inner `None` where the number is not believed.
fn count(text: &[u8]) -> Option<(Option<u32>, &[u8])> {
    let digits = text.iter().take(32).take_while(|b| b.is_ascii_digit()).count();
    let (number, rest) = text.split_at_checked(digits).filter(|(number, _)| !number.is_empty())?;
    let number = number.iter().try_fold(0_u32, |n, d| n.checked_mul(10)?.checked_add(u32::from(d.wrapping_sub(b'0'))));
    Some((number.filter(|n| (1..=MAX_REPEATS).contains(n)), rest))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::provenance::FileId;

    fn of(line: &str) -> Frame<'_> {
        frame(line.as_bytes(), Provenance { file: FileId(0), len: 0, offset: 0 })
    }

    #[track_caller]
    fn check(line: &str, host: &str, program: &str, message: &str) {
        let frame = of(line);
        let text = |t: Option<&[u8]>| t.map(|t| String::from_utf8_lossy(t).into_owned()).unwrap_or_default();
        assert_eq!((text(frame.host).as_str(), text(frame.program).as_str()), (host, program), "{line}");
        assert_eq!(String::from_utf8_lossy(frame.message), message);
        assert!(frame.stamp.is_some(), "{line}");
    }

    #[test]
    fn frames() {
        check("Feb  8 05:36:57 mx1 postfix/smtp[123]: text", "mx1", "postfix/smtp", "text");
        check("Feb 08 05:36:57 mx1 postfix/smtp[123]: warning: x", "mx1", "postfix/smtp", "warning: x");
        check("<22>Feb  8 05:36:57 mx1 postfix/smtp[123]: text", "mx1", "postfix/smtp", "text");
        check("Feb  8 05:36:57 <mail.info> mx1 sm-mta[123]: text", "mx1", "sm-mta", "text");
        check("Feb  8 05:36:57 mx1 mail.info postfix/smtp[123]: text", "mx1", "postfix/smtp", "text");
        check("Feb  8 05:36:57 mx1 sendmail[1]: [ID 801593 mail.info] text", "mx1", "sendmail", "text");
        check("2013 Jun 10 06:27:30.123 mx1 postfix/smtp[123]: text", "mx1", "postfix/smtp", "text");
        check("2025-07-24T08:50:26.640058+00:00 mx1 postfix/smtp[123]: text", "mx1", "postfix/smtp", "text");
        check("2025-07-24T08:50:26+0000 mx1 postfix/smtp[123]: text", "mx1", "postfix/smtp", "text");
        check("2025-07-24 08:50:26 mx1 exim[123]: text", "mx1", "exim", "text");
        check("Feb  8 05:36:57 postfix/smtp[123]: text", "", "postfix/smtp", "text");
        check("Feb  8 05:36:57 mx1 text without a tag", "mx1", "", "text without a tag");
        check("Feb  8 05:36:57 mx1", "mx1", "", "");
        check("Apr 06 15:16:46 2016 mx1 outbound/error: text", "mx1", "outbound/error", "text");
        assert_eq!(of("Apr 06 15:16:46 2016 mx1 outbound/error: text").stamp.unwrap().year, Some(2016));
    }

    #[test]
    fn rfc5424_with_structured_data() {
        check("<22>1 2025-07-24T08:50:26Z mx1 postfix/smtp 123 - -  text", "mx1", "postfix/smtp", "text");
        let line = r#"<22>1 2025-07-24T08:50:26Z mx1 app 1 id [a x="]\"] "][b] text"#;
        check(line, "mx1", "app", "text");
        assert_eq!(of("<22>1 - mx1 app 1 - - text").message, b"text");
        assert_eq!(of("<22>1 2025-07-24T08:50:26Z mx1 app 1 - [a text").program, None);
    }

    #[test]
    fn a_nested_frame_is_the_frame() {
        let line = "Dec 15 13:15:06 node mailu-smtp[1]: Dec 15 05:15:06 mx1 postfix/smtp[2]: text";
        check(line, "mx1", "postfix/smtp", "text");
        assert_eq!(of(line).stamp.unwrap().hour, 5);
        check("Dec 15 13:15:06 node app[1]: Dec 15 05:15:06 no tag", "node", "app", "Dec 15 05:15:06 no tag");
    }

    #[test]
    fn lines_without_a_frame_are_left_whole() {
        let deep = "<1>".repeat(100_000);
        let exim = "2020-06-19 04:51:49 [123] 1jmFYj-00039V-QX <= a@example.com";
        for line in [exim, "", "<", "<22>", "Feb", "x: y", &deep] {
            let frame = of(line);
            assert_eq!((frame.message, frame.program), (line.as_bytes(), None));
            assert!(frame.stamp.is_none());
        }
    }

    #[test]
    fn repeats() {
        let frame = of("Feb  8 05:36:57 mx1 postfix/smtpd[1]: message repeated 3 times: [ NOQUEUE: x]");
        assert_eq!((frame.repeats, frame.message, frame.repeat_refused), (3, &b"NOQUEUE: x"[..], false));
        let frame = of("Feb  8 05:36:57 mx1 a[1]: message repeated 18446744073709551615 times: [ x]");
        assert_eq!((frame.repeats, frame.repeat_refused), (1, true));
        let frame = of("Feb  8 05:36:57 mx1 a[1]: message repeated 100001 times: [ x]");
        assert_eq!((frame.repeats, frame.repeat_refused), (1, true));
        assert_eq!(of("Feb  8 05:36:57 mx1 last message repeated 5 times").repeat_of_previous, Some(5));
        let huge = of("Feb  8 05:36:57 mx1 last message repeated 99999999999 times");
        assert_eq!((huge.repeat_of_previous, huge.repeat_refused), (None, true));
        let inside = of("Feb  8 05:36:57 mx1 a[1]: said: message repeated 3 times: [ x]");
        assert_eq!(inside.repeats, 1);
        assert_eq!(of("Feb  8 05:36:57 mx1 a[1]: last message repeated 5 times").repeat_of_previous, None);
    }
}
