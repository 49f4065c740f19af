//! Codes in a reply text, and the order of precedence among them.
//!
//! Logs fold a reply of several lines into one: `550-5.7.26 first 550 5.7.26 last` (Postfix joins with blanks,
//! Exim with the two characters `\n`). A line starts where three digits stand behind a border and before `-` or a
//! blank; at the very start `450DT:RBL` and `550.5.7.0` are read as well, since some servers write so. The last line's reply code is the reply's (RFC 5321, section 4.2.1: all lines carry the same, but not all
//! servers know that).
//!
//! The enhanced status code is, in this order: that of the last line, directly after its reply code; that of any
//! earlier line in that place; one marked `#` (`(#5.1.1)`); one anywhere in the text whose class fits the reply
//! code. Not read: codes inside URLs, addresses, version numbers and longer dotted numbers.

use super::{EnhancedStatus, ReplyCode};

/// Bytes of a reply that are looked at; what stands behind is evidence for nobody.
const LIMIT: usize = 16 * 1024;

/// Where in a reply the enhanced status code stood, best place first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StatusPlace {
    /// Directly after the reply code, where RFC 2034 puts it.
    AfterReplyCode,
    /// Marked with `#`, as in `550 rejected (#5.1.1)`.
    Marked,
    /// Somewhere else in the text, or at its start where no reply code stands.
    InText,
}

/// What a reply text says, codes apart from words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply<'b> {
    /// Reply code of the last complete line; `None` where the text has none.
    pub code: Option<ReplyCode>,
    /// Enhanced status code; `None` where the server gave none.
    pub status: Option<EnhancedStatus>,
    /// Where `status` stood; `None` exactly where `status` is `None`.
    pub place: Option<StatusPlace>,
    /// The text after the first reply code and the enhanced status code that follows it. The repeated codes of
    /// folded lines are still in it.
    pub text: &'b [u8],
    /// Lines of the reply, or its reply code and enhanced status code, contradict each other.
    pub conflict: bool,
    /// Something stood in a code's place that is none (`5.1000.0`, `999`).
    pub invalid: bool,
}

impl<'b> Reply<'b> {
    /// Words that are no server's reply: no codes, whatever numbers stand in them.
    pub fn words_only(text: &'b [u8]) -> Self {
        Reply { code: None, status: None, place: None, text, conflict: false, invalid: false }
    }
}

/// Reads a reply text that starts with its reply code (blanks before it are skipped).
///
/// `truncated` says that the text may have been cut: then a code that touches its end is not believed.
///
/// ```
/// # use bouncesift::smtp::parse_reply;
/// let reply = parse_reply(b"550-5.7.26 Unauthenticated 550 5.7.26 See https://example.net/5.0.1", false);
/// assert_eq!(reply.code.unwrap().get(), 550);
/// assert_eq!(reply.status.unwrap().to_string(), "5.7.26");
/// assert!(parse_reply(b"550 blocked, see http://x.example/5.7.1", false).status.is_none());
/// ```
///
/// Time is linear in the first 16 KiB of the text; the rest is not looked at. Nothing is allocated.
pub fn parse_reply(text: &[u8], truncated: bool) -> Reply<'_> {
    let text = text.trim_ascii_start();
    let seen = text.get(..LIMIT).unwrap_or(text);
    let truncated = truncated || seen.len() < text.len();
    let mut lines = Lines::default();
    if let Some(first) = line_at(seen, 0, truncated) {
        lines.read(seen, first, truncated);
    }
    let rest_at = lines.first_text_at;
    let mut invalid = lines.invalid || (lines.first.is_none() && looks_like_reply_code(seen));
    let (status, place) = match lines.last_status.or(lines.any_status) {
        Some(status) => (Some(status), Some(StatusPlace::AfterReplyCode)),
        None => in_text(seen, lines.code(), truncated, &mut invalid),
    };
    let mismatch = |c: ReplyCode, s: EnhancedStatus| c.class() != s.class;
    let conflict = lines.disagree || lines.code().zip(status).is_some_and(|(c, s)| mismatch(c, s));
    Reply { code: lines.code(), status, place, text: text.get(rest_at..).unwrap_or(&[]), conflict, invalid }
}

/// What the starts of the lines of a reply say together.
#[derive(Default)]
struct Lines {
    first: Option<ReplyCode>,
    last: Option<ReplyCode>,
    last_status: Option<EnhancedStatus>,
    any_status: Option<EnhancedStatus>,
    first_text_at: usize,
    disagree: bool,
    invalid: bool,
}

/// The start of one line: `550-5.7.1 ` or `550 #5.1.1 `.
struct LineStart {
    code: ReplyCode,
    status: Option<EnhancedStatus>,
    goes_on: bool,
    invalid: bool,
    text_at: usize,
}

impl Lines {
    fn code(&self) -> Option<ReplyCode> {
        self.last.or(self.first)
    }

    fn read(&mut self, text: &[u8], first: LineStart, truncated: bool) {
        self.first = Some(first.code);
        self.first_text_at = first.text_at;
        self.any_status = first.status;
        self.invalid = first.invalid;
        if !first.goes_on {
            self.last = Some(first.code);
            self.last_status = first.status;
            return;
        }
        let mut at = first.text_at;
        while let Some(found) = next_line(text, at, first.code, truncated) {
            at = found.text_at;
            self.add(&found, first.code);
        }
    }

    fn add(&mut self, line: &LineStart, first: ReplyCode) {
        self.disagree |= line.code != first;
        if let (Some(a), Some(b)) = (self.any_status, line.status) {
            self.disagree |= a != b;
        }
        self.any_status = self.any_status.or(line.status);
        if !line.goes_on {
            self.last = Some(line.code);
            self.last_status = line.status;
        }
    }
}

/// The next start of a line at or after `at`: the first line's code again, or another one with its own
/// enhanced status code. Other numbers of three digits are words of the text.
fn next_line(text: &[u8], at: usize, first: ReplyCode, truncated: bool) -> Option<LineStart> {
    let mut from = at;
    while let Some(digit) = text.get(from..)?.iter().position(u8::is_ascii_digit) {
        let start = from + digit;
        let run = text.get(start..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        if run == 3
            && line_border(text, start)
            && let Some(line) = line_at(text, start, truncated)
            && (line.code == first || line.status.is_some_and(|s| s.class == line.code.class()))
        {
            return Some(line);
        }
        from = start + run;
    }
    None
}

/// Whether a line of a folded reply can start at `at`: after a blank, a newline, or the two characters `\n`.
fn line_border(text: &[u8], at: usize) -> bool {
    let before = text.get(..at).unwrap_or(&[]);
    matches!(before.last(), None | Some(b' ' | b'\n' | b'\t')) || before.ends_with(b"\\n") || before.ends_with(b"/")
}

fn line_at(text: &[u8], at: usize, truncated: bool) -> Option<LineStart> {
    let line = text.get(at..)?;
    let code = ReplyCode::at_start(line).or_else(|| run_on_code(line).filter(|_| at == 0))?;
    if truncated && line.len() == 3 {
        return None;
    }
    let goes_on = line.get(3) == Some(&b'-');
    let skip = line.get(3..)?.iter().position(|b| !matches!(b, b' ' | b'-' | b'\t')).unwrap_or(line.len() - 3);
    let mut text_at = at + 3 + skip;
    if at == 0 && line.get(3) == Some(&b'.') && EnhancedStatus::at_start(line.get(4..)?).is_some() {
        text_at += 1;
    }
    if let Some(quoted) = line.get(3..).and_then(quoted_behind) {
        text_at = at + 3 + quoted;
    }
    let hash = usize::from(text.get(text_at) == Some(&b'#'));
    let code_place = text.get(text_at + hash..)?;
    let status = EnhancedStatus::at_start(code_place).filter(|(_, len)| !(truncated && *len == code_place.len()));
    if let Some((_, len)) = status {
        text_at += hash + len;
    }
    let invalid = status.is_none() && dotted_number(code_place);
    Some(LineStart { code, status: status.map(|(s, _)| s), goes_on, invalid, text_at })
}

/// Bytes between a reply code and its words where a program shows both as a pair: `(550, b'5.7.1 Refused')`.
pub(super) fn quoted_behind(behind: &[u8]) -> Option<usize> {
    let rest = behind.strip_prefix(b",")?;
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let rest = rest.strip_prefix(b"b").unwrap_or(rest);
    let words = rest.strip_prefix(b"'").or_else(|| rest.strip_prefix(b"\""))?;
    Some(behind.len() - words.len())
}

/// A reply code of a refusal that goes on with a capital without a blank: `450DT:RBL`, `454Transient`.
pub(super) fn run_on_code(text: &[u8]) -> Option<ReplyCode> {
    let (code, behind) = text.split_at_checked(3)?;
    let runs_on = matches!(behind, [b'A'..=b'Z', b'A'..=b'Z' | b'a'..=b'z' | b':', ..]);
    ReplyCode::at_start(code).filter(|code| runs_on && code.class() >= 4)
}

/// Three numbers with dots between, and no more: what an enhanced status code looks like, valid or not.
fn dotted_number(text: &[u8]) -> bool {
    let number = |text: &[u8]| text.iter().take(6).take_while(|b| b.is_ascii_digit()).count();
    let mut at = 0;
    for part in 0..3 {
        let rest = text.get(at..).unwrap_or(&[]);
        let len = number(rest);
        if len == 0 {
            return false;
        }
        at += len;
        match (part, text.get(at)) {
            (0 | 1, Some(b'.')) => at += 1,
            (0 | 1, _) => return false,
            (_, next) => return next != Some(&b'.'),
        }
    }
    false
}

fn looks_like_reply_code(text: &[u8]) -> bool {
    matches!(text, [a, b, c, rest @ ..] if [a, b, c].iter().all(|d| d.is_ascii_digit())
        && matches!(rest.first(), None | Some(b' ' | b'-')))
}

/// An enhanced status code that does not stand after a reply code: one marked `#` if there is one, else the first
/// with clean borders whose class fits.
fn in_text(
    text: &[u8],
    code: Option<ReplyCode>,
    truncated: bool,
    invalid: &mut bool,
) -> (Option<EnhancedStatus>, Option<StatusPlace>) {
    let mut plain = None;
    for dot in memchr::memchr_iter(b'.', text) {
        let Some(at) = dot.checked_sub(1) else { continue };
        let Some(before) = border_before(text, at) else { continue };
        let here = text.get(at..).unwrap_or(&[]);
        let Some((status, len)) = EnhancedStatus::at_start(here) else {
            *invalid |= before == b'#' && dotted_number(here);
            continue;
        };
        if !border_after(here.get(len..).unwrap_or(&[])) || (truncated && len == here.len()) {
            continue;
        }
        if before == b'#' {
            return (Some(status), Some(StatusPlace::Marked));
        }
        if plain.is_none() && code.is_none_or(|c| c.class() == status.class) {
            plain = Some(status);
        }
    }
    (plain, plain.map(|_| StatusPlace::InText))
}

/// The byte in front of a code, if a code may stand behind it (a blank stands for the start of the text).
fn border_before(text: &[u8], at: usize) -> Option<u8> {
    let before = text.get(..at)?;
    match before.last() {
        None => Some(b' '),
        Some(
            &b @ (b' ' | b'\t' | b'\n' | b'-' | b'#' | b'(' | b'[' | b'<' | b':' | b';' | b'_' | b'"' | b'\'' | b'='),
        ) => Some(b),
        Some(b'n') if before.ends_with(b"\\n") => Some(b'\n'),
        _ => None,
    }
}

fn border_after(rest: &[u8]) -> bool {
    matches!(
        rest.first(),
        None | Some(
            b' ' | b'\t'
                | b'\n'
                | b'\r'
                | b')'
                | b']'
                | b'>'
                | b','
                | b';'
                | b':'
                | b'.'
                | b'_'
                | b'"'
                | b'\''
                | b'\\'
                | b'-'
                | b'!'
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> (Option<u16>, Option<String>, bool) {
        let reply = parse_reply(text.as_bytes(), false);
        (reply.code.map(ReplyCode::get), reply.status.map(|s| s.to_string()), reply.conflict)
    }

    #[track_caller]
    fn check(text: &str, code: u16, status: &str, conflict: bool) {
        let want = ((code > 0).then_some(code), (!status.is_empty()).then(|| status.to_string()), conflict);
        assert_eq!(codes(text), want, "{text}");
    }

    #[test]
    fn codes_stand_where_the_standards_put_them() {
        check("550 5.7.1 Access denied", 550, "5.7.1", false);
        check("550 5.7.1", 550, "5.7.1", false);
        check("550", 550, "", false);
        check("250 2.1.5Recipient OK", 250, "2.1.5", false);
        check("550 #5.1.0 Address rejected.", 550, "5.1.0", false);
        check("550 address rejected (#5.1.1)", 550, "5.1.1", false);
        check("4.7.1 Service unavailable", 0, "4.7.1", false);
        check("550.5.7.0 Message", 550, "5.7.0", false);
        check("550, b'5.7.1 Message'", 550, "5.7.1", false);
        check("591 listed", 591, "", false);
        check("450DT:RBL", 450, "", false);
        check("454Transient", 454, "", false);
        check("550a", 0, "", false);
    }

    #[test]
    fn other_numbers_are_not_codes() {
        check("550 blocked 94.5.7.1 and 5.7.1.2 v5.7.10 http://x/5.7.1 5.7.1x", 550, "", false);
        check("550 5.1000.0 x", 550, "", false);
        check("550 5.007.001 x", 550, "", false);
        check("550 9.9.9 x", 550, "", false);
        check("550 by Postfix 2.10.1 at host", 550, "", false);
        check("999 5.7.1 x", 0, "5.7.1", false);
        check("550 rejected (5.7.10)", 550, "5.7.10", false);
        assert!(parse_reply(b"550 5.1000.0 x", false).invalid);
        assert!(parse_reply(b"999 x", false).invalid);
        assert!(!parse_reply(b"550 1.2.3.4 is listed", false).invalid);
    }

    #[test]
    fn the_last_line_of_a_folded_reply_decides() {
        check("550-5.7.26 a 550 5.7.26 b", 550, "5.7.26", false);
        check("550-Mailbox unknown. Either none 550 5.1.1 User unknown", 550, "5.1.1", false);
        check("550-5.7.1 spam\\n550 see http://x", 550, "5.7.1", false);
        check("550-5.7.26 a 450 4.7.26 b", 450, "4.7.26", true);
        check("550-a limit of 500 messages 550 b", 550, "", false);
        check("554-5.7.1 cut in the mid", 554, "5.7.1", false);
    }

    #[test]
    fn contradictions_are_told() {
        check("450 5.1.1 Mailbox is currently disabled.", 450, "5.1.1", true);
        check("552 4.2.2 User has full mailbox.", 552, "4.2.2", true);
    }

    #[test]
    fn a_code_that_touches_the_cut_is_not_believed() {
        assert_eq!(parse_reply(b"550 5.7.1", true).status, None);
        assert!(parse_reply(b"550 5.7.1 a", true).status.is_some());
        assert_eq!(parse_reply(b"550", true).code, None);
    }

    #[test]
    fn the_text_starts_behind_the_codes() {
        assert_eq!(parse_reply(b"550 5.7.1 Access denied", false).text, b" Access denied");
        assert_eq!(parse_reply(b"Access denied", false).text, b"Access denied");
    }
}
