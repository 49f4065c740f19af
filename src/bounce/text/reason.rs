//! The words that say why: the remote reply in them, the server that gave it, and the command that was answered.

use std::net::IpAddr;
use std::sync::LazyLock;

use aho_corasick::AhoCorasick;

use crate::record::SmtpStage;
use crate::smtp::{EnhancedStatus, ReplyCode, StatusPlace, inner_reply, parse_reply};

/// Bytes of a reason that are looked at.
pub(super) const MAX_REASON: usize = 16 * 1024;

/// What a reason holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reason<'t> {
    /// The reply with its code, else the words.
    pub text: &'t [u8],
    pub is_reply: bool,
    /// Status in words that are no reply, as in `mailbox full (#5.2.2)`.
    pub status: Option<EnhancedStatus>,
    pub host: Option<&'t [u8]>,
    pub ip: Option<&'t [u8]>,
    pub stage: Option<SmtpStage>,
}

impl<'t> Reason<'t> {
    /// Reads `words`: the whole of what a report says of one recipient or of one failure.
    pub fn read(words: &'t [u8]) -> Self {
        let words = words.get(..MAX_REASON).unwrap_or(words).trim_ascii();
        let reply_at = find_reply(words);
        let frame = words.get(..reply_at.unwrap_or(words.len())).unwrap_or(words);
        let (host, ip) = server(frame);
        let ip = ip.or_else(|| ip_behind(words, b"Giving up on "));
        let Some(reply) = reply_at.and_then(|at| words.get(at..)) else {
            let text = without_brackets(words);
            return Reason { text, status: marked_status(text), host, ip, stage: stage(words), is_reply: false };
        };
        let text = without_frame_end(reply, words.get(..reply_at.unwrap_or(0)).unwrap_or_default());
        let text = inner_reply(text).unwrap_or(text);
        let behind = reply.get(text.len()..).unwrap_or_default();
        // Exchange puts its own status in front: `<mx.example.com #5.5.0 smtp;554 ...>`.
        let status = memchr::memrchr(b'#', frame).and_then(|at| EnhancedStatus::at_start(frame.get(at + 1..)?));
        let status = status.map(|(status, _)| status);
        Reason { text, is_reply: true, status, host, ip, stage: stage(behind).or_else(|| stage(frame)) }
    }
}

/// Words without the brackets around all of them.
fn without_brackets(words: &[u8]) -> &[u8] {
    let inside = match words {
        [b'(', inside @ .., b')'] | [b'[', inside @ .., b']'] => inside,
        _ => return words,
    };
    let balanced = !inside.iter().any(|b| matches!(b, b'(' | b')' | b'[' | b']'));
    if balanced { inside.trim_ascii() } else { words }
}

/// A status in words without a reply code: one marked with `#`, in brackets, or at the start of a line.
fn marked_status(words: &[u8]) -> Option<EnhancedStatus> {
    let reply = parse_reply(words, false);
    let sure = reply.place == Some(StatusPlace::Marked) || EnhancedStatus::at_start(words).is_some();
    let borders = [&b"("[..], b"[", b"\n", b"- "];
    let bordered = |status: &EnhancedStatus| {
        let text = status.to_string();
        memchr::memmem::find_iter(words, text.as_bytes())
            .take(8)
            .any(|at| words.get(..at).is_some_and(|before| borders.iter().any(|border| before.ends_with(border))))
    };
    reply.status.filter(|status| sure || bordered(status))
}

/// Where the first reply of a refusal stands in `words`: a reply code at the start of a line or behind something that
/// announces it, and not the number of something.
pub(super) fn find_reply(words: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(digit) = words.get(from..)?.iter().position(u8::is_ascii_digit) {
        let at = from + digit;
        let rest = words.get(at..)?;
        let run = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if run == 3 && is_reply(words.get(..at)?, rest) {
            return Some(at);
        }
        from = at + run;
    }
    None
}

/// Whether a reply starts at `rest`, with `before` in front of it.
fn is_reply(before: &[u8], rest: &[u8]) -> bool {
    if !is_refusal(rest) || matches!(rest.get(3), Some(b'.' | b'/' | b'@' | b'_' | b'%')) {
        return false;
    }
    let behind = rest.get(3..).unwrap_or_default();
    let next = behind.iter().position(|b| !matches!(b, b' ' | b'-' | b'\t' | b'\r' | b'\n'));
    let word = next.and_then(|at| behind.get(at..)).unwrap_or_default();
    if is_unit(word) {
        return false;
    }
    let status = EnhancedStatus::at_start(word.strip_prefix(b"#").unwrap_or(word)).is_some();
    announced(before, status)
}

/// A reply code 4xx or 5xx at the start of `text`.
pub(super) fn is_refusal(text: &[u8]) -> bool {
    ReplyCode::at_start(text).is_some_and(|code| code.class() >= 4)
}

/// Whether the words are such as stand behind a quantity.
fn is_unit(word: &[u8]) -> bool {
    const UNITS: [&[u8]; 17] = [
        b"second",
        b"sec",
        b"minute",
        b"min",
        b"hour",
        b"day",
        b"byte",
        b"kb",
        b"kib",
        b"kbyte",
        b"mb",
        b"mib",
        b"mbyte",
        b"message",
        b"attempt",
        b"recipient",
        b"time",
    ];
    let len = word.iter().take(12).take_while(|b| b.is_ascii_alphabetic()).count();
    let word = word.get(..len).unwrap_or_default().to_ascii_lowercase();
    UNITS.iter().any(|unit| word == *unit || word.strip_suffix(b"s") == Some(unit))
}

/// Whether a reply code may stand behind these words; with a status behind it, nearly anywhere.
fn announced(before: &[u8], status: bool) -> bool {
    const WORDS: [&[u8]; 12] = [
        b"said",
        b"error",
        b"code",
        b"returned",
        b"response",
        b"responded",
        b"reply",
        b"smtp",
        b"status",
        b"wrote",
        b"with",
        b"reason",
    ];
    let blanks = before.iter().rev().take_while(|b| b.is_ascii_whitespace()).count();
    let gap = before.get(before.len() - blanks..).unwrap_or_default();
    let before = before.get(..before.len() - blanks).unwrap_or_default();
    let Some(&last) = before.last() else { return true };
    let opens_line = gap.contains(&b'\n') || gap.contains(&b'\r');
    if opens_line || matches!(last, b':' | b';' | b'[' | b'(' | b'"' | b'\'' | b'<' | b'=' | b'#' | b'|' | b'>') {
        return blanks > 0 || last != b'=' || status;
    }
    let len = before.iter().rev().take(12).take_while(|b| b.is_ascii_alphabetic()).count();
    let word = before.get(before.len() - len..).unwrap_or_default().to_ascii_lowercase();
    blanks > 0 && (status || WORDS.iter().any(|known| word == *known) || word.ends_with(b"code"))
}

/// The reply without what the program that reports it wrote behind: `(in reply to ...)`, the closing bracket, `##`.
fn without_frame_end<'t>(reply: &'t [u8], before: &[u8]) -> &'t [u8] {
    const ENDS: [&[u8]; 5] = [b"(in reply to", b"Giving up on ", b"Remote host said:", b"##", b"\n\n"];
    let mut end = reply.len();
    for mark in ENDS {
        let near = reply.get(..end).unwrap_or(reply);
        end = memchr::memmem::find(near, mark).unwrap_or(end);
    }
    let crlf = reply.get(..end).unwrap_or(reply);
    end = memchr::memmem::find(crlf, b"\r\n\r\n").unwrap_or(end);
    without_loose_end(reply.get(..end).unwrap_or(reply), before)
}

/// The text without brackets and quotes at its end that were opened in front of it.
fn without_loose_end<'t>(text: &'t [u8], before: &[u8]) -> &'t [u8] {
    let mut text = text.trim_ascii_end();
    for _ in 0..4 {
        let Some((&last, head)) = text.split_last() else { return text };
        let open = match last {
            b')' => b'(',
            b']' => b'[',
            b'>' => b'<',
            quote @ (b'\'' | b'"') => quote,
            _ => return text,
        };
        let opened = head.iter().filter(|b| **b == open).count();
        let closed = head.iter().filter(|b| **b == last).count();
        let is_loose = if open == last { opened % 2 == 0 && before.contains(&open) } else { closed >= opened };
        if !is_loose {
            return text;
        }
        text = head.trim_ascii_end();
    }
    text
}

/// Bytes in front of a bracket that may be a host name.
const MAX_NAME: usize = 255;

/// The server that the words in front of a reply name: `host NAME[IP]`, `NAME (IP)`, `by NAME. [IP]`, `server NAME`. The
/// last one stands next to the reply.
fn server(frame: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let mut found = (None, None);
    for open in memchr::memchr2_iter(b'[', b'(', frame) {
        if let Some(ip) = frame.get(open + 1..).and_then(bracketed_ip) {
            let before = frame.get(open.saturating_sub(MAX_NAME)..open).unwrap_or_default().trim_ascii_end();
            found = (name_at_end(before), Some(ip));
        }
    }
    if found.1.is_none() {
        found.0 = named(frame);
        found.1 = found.0.filter(|name| is_ip(name));
        found.0 = found.0.filter(|name| !is_ip(name));
    }
    found
}

/// The address in front of a closing bracket.
fn bracketed_ip(inside: &[u8]) -> Option<&[u8]> {
    let near = inside.get(..64).unwrap_or(inside);
    let end = near.iter().position(|b| matches!(b, b']' | b')' | b'#' | b',' | b'|'))?;
    let ip = near.get(..end)?.trim_ascii();
    let ip = ip.strip_prefix(b"IPv6:").unwrap_or(ip);
    is_ip(ip).then_some(ip)
}

fn is_ip(text: &[u8]) -> bool {
    text.len() >= 3 && str::from_utf8(text).is_ok_and(|text| text.parse::<IpAddr>().is_ok())
}

/// The host name that ends `text`, without its dot.
fn name_at_end(text: &[u8]) -> Option<&[u8]> {
    let len = text.iter().rev().take(MAX_NAME).take_while(|b| is_name(**b)).count();
    host_name(text.get(text.len() - len..)?)
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')
}

/// `text` as a host name: letters and a dot amid them.
pub(super) fn host_name(text: &[u8]) -> Option<&[u8]> {
    let name = text.strip_suffix(b".").unwrap_or(text);
    let dotted = name.iter().skip(1).any(|b| *b == b'.') && name.iter().any(u8::is_ascii_alphabetic);
    (dotted && !name.starts_with(b".") && name.iter().all(|b| is_name(*b))).then_some(name)
}

/// A host named by the word in front of it.
fn named(frame: &[u8]) -> Option<&[u8]> {
    const WORDS: [&[u8]; 14] = [
        b"host ",
        b"host: ",
        b"server ",
        b"server: ",
        b"server <",
        b"talking to ",
        b"connected to ",
        b"domain by ",
        b"connect to ",
        b"response from ",
        b"relay ",
        b"by ",
        b"from ",
        b"<",
    ];
    let lower = frame.get(..1024).unwrap_or(frame).to_ascii_lowercase();
    for word in WORDS {
        let found = memchr::memmem::find_iter(&lower, word).take(8).find_map(|at| {
            let border = at.checked_sub(1).and_then(|b| lower.get(b)).is_none_or(|b| !b.is_ascii_alphanumeric());
            let rest = frame.get(at + word.len()..).filter(|_| border)?.trim_ascii_start();
            let len = rest.iter().take(MAX_NAME).take_while(|b| is_name(**b)).count();
            let ends = !matches!(rest.get(len), Some(b'@'));
            let name = rest.get(..len).filter(|_| ends)?;
            host_name(name).or_else(|| is_ip(name).then_some(name))
        });
        if found.is_some() {
            return found;
        }
    }
    // `192.0.2.1 does not like recipient.`, `mx.example.net said:`
    let len = frame.iter().take(MAX_NAME).take_while(|b| is_name(**b)).count();
    let first = frame.get(..len)?;
    let speaks = lower.get(len..).is_some_and(|rest| {
        [&b" does not like"[..], b" said", b" rejected", b" failed", b" did not", b" returned", b" gave", b" #"]
            .iter()
            .any(|verb| rest.starts_with(verb))
    });
    let first = Some(first).filter(|_| speaks)?;
    host_name(first).or_else(|| is_ip(first).then_some(first))
}

fn ip_behind<'t>(words: &'t [u8], mark: &[u8]) -> Option<&'t [u8]> {
    let rest = words.get(memchr::memmem::find(words, mark)? + mark.len()..)?;
    let len = rest.iter().take(48).take_while(|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':')).count();
    let ip = rest.get(..len)?;
    let ip = ip.strip_suffix(b".").unwrap_or(ip);
    is_ip(ip).then_some(ip)
}

/// Phrases that name the command that was answered; the first in this order decides.
const STAGES: [(&[u8], SmtpStage); 32] = [
    (b"in reply to end of data", SmtpStage::EndOfData),
    (b"in reply to rcpt", SmtpStage::Rcpt),
    (b"in reply to mail", SmtpStage::Mail),
    (b"in reply to data", SmtpStage::Data),
    (b"in reply to bdat", SmtpStage::Data),
    (b"in reply to ehlo", SmtpStage::Helo),
    (b"in reply to helo", SmtpStage::Helo),
    (b"in reply to lhlo", SmtpStage::Helo),
    (b"in reply to starttls", SmtpStage::StartTls),
    (b"in reply to auth", SmtpStage::Auth),
    (b"after end of data", SmtpStage::EndOfData),
    (b"after rcpt", SmtpStage::Rcpt),
    (b"after pipelined rcpt", SmtpStage::Rcpt),
    (b"after mail from", SmtpStage::Mail),
    (b"after pipelined mail", SmtpStage::Mail),
    (b"after data", SmtpStage::Data),
    (b"after pipelined data", SmtpStage::Data),
    (b"after ehlo", SmtpStage::Helo),
    (b"after helo", SmtpStage::Helo),
    (b"after initial connection", SmtpStage::Connect),
    (b"following rcpt", SmtpStage::Rcpt),
    (b"following mail", SmtpStage::Mail),
    (b"following data", SmtpStage::Data),
    (b"like our rcpt", SmtpStage::Rcpt),
    (b"like our mail", SmtpStage::Mail),
    (b"like our final data", SmtpStage::EndOfData),
    (b"like our data", SmtpStage::Data),
    (b"does not like recipient", SmtpStage::Rcpt),
    (b"does not like sender", SmtpStage::Mail),
    (b"failed after i sent the message", SmtpStage::EndOfData),
    (b"smtp:rcpt", SmtpStage::Rcpt),
    (b"refused to talk to me", SmtpStage::Connect),
];

static STAGE: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let phrases = STAGES.iter().map(|(phrase, _)| *phrase).chain([&b"rcpt to"[..], b"mail from"]);
    AhoCorasick::builder().ascii_case_insensitive(true).build(phrases).ok()
});

/// The command that the words say was answered.
pub(super) fn stage(words: &[u8]) -> Option<SmtpStage> {
    let near = words.get(..2048).unwrap_or(words);
    let finder = STAGE.as_ref()?;
    let (mut best, mut rcpt, mut mail) = (STAGES.len(), false, false);
    for found in finder.find_overlapping_iter(near) {
        let at = found.pattern().as_usize();
        best = best.min(at);
        rcpt |= at == STAGES.len();
        mail |= at == STAGES.len() + 1;
    }
    match (STAGES.get(best), rcpt, mail) {
        (Some((_, stage)), _, _) => Some(*stage),
        (None, true, false) => Some(SmtpStage::Rcpt),
        (None, false, true) => Some(SmtpStage::Mail),
        _ => None,
    }
}

/// The command at the start of a line of a session.
pub(super) fn stage_of_command(command: &[u8]) -> Option<SmtpStage> {
    const COMMANDS: [(&[u8], SmtpStage); 14] = [
        (b"RCPT", SmtpStage::Rcpt),
        (b"MAIL", SmtpStage::Mail),
        (b"SEND", SmtpStage::Mail),
        (b"DATA", SmtpStage::Data),
        (b"BDAT", SmtpStage::Data),
        (b"EHLO", SmtpStage::Helo),
        (b"HELO", SmtpStage::Helo),
        (b"LHLO", SmtpStage::Helo),
        (b"STARTTLS", SmtpStage::StartTls),
        (b"AUTH", SmtpStage::Auth),
        (b"QUIT", SmtpStage::Other),
        (b"RSET", SmtpStage::Other),
        (b"VRFY", SmtpStage::Other),
        (b".", SmtpStage::EndOfData),
    ];
    let is = |word: &[u8]| {
        command.split_at_checked(word.len()).is_some_and(|(head, rest)| {
            head.eq_ignore_ascii_case(word) && !rest.first().is_some_and(u8::is_ascii_alphanumeric)
        })
    };
    COMMANDS.iter().find(|(word, _)| is(word)).map(|(_, stage)| *stage)
}
