//! Hosts as reports name them, and which way an attempt went.

use std::net::IpAddr;

use super::dsn::Diagnostic;
use crate::mail::starts_with_ignore_case;
use crate::record::{Hop, SmtpStage};
use crate::smtp::EnhancedStatus;

/// A host by name, by address, or both; neither where nothing usable is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Host<'m> {
    /// Name without its trailing dot.
    pub name: Option<&'m [u8]>,
    /// Address without brackets and `IPv6:`.
    pub ip: Option<&'m [u8]>,
}

impl<'m> Host<'m> {
    /// Reads `mx.example`, `192.0.2.1`, `[192.0.2.1]`, `mx.example [192.0.2.1]`, `mx.example (192.0.2.1)` and the like.
    pub fn read(text: &'m [u8]) -> Self {
        let mut host = Host::default();
        let is_border =
            |b: &u8| b.is_ascii_whitespace() || matches!(b, b'(' | b')' | b'[' | b']' | b',' | b';' | b'<' | b'>');
        for word in text.split(is_border).filter(|word| !word.is_empty()).take(4) {
            let address = word.strip_prefix(b"IPv6:").unwrap_or(word);
            if is_ip(address) {
                host.ip = host.ip.or(Some(address));
            } else if host.name.is_none() && host.ip.is_none() && is_name(word) {
                host.name = Some(word.strip_suffix(b".").unwrap_or(word));
            }
        }
        host
    }
}

/// The host of a `Remote-MTA`; `None` where it names none that could be elsewhere.
pub fn remote(text: &[u8]) -> Option<Host<'_>> {
    let host = Host::read(text);
    (host.name.is_some() || host.ip.is_some()).then_some(host)
}

fn is_ip(word: &[u8]) -> bool {
    std::str::from_utf8(word).is_ok_and(|word| word.parse::<IpAddr>().is_ok())
}

/// Whether a word is a host name: labels of letters, digits, hyphens and bytes beyond ASCII, with a dot between them.
fn is_name(word: &[u8]) -> bool {
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_') || !b.is_ascii();
    word.iter().all(is_part) && word.iter().any(|b| !b.is_ascii_digit() && *b != b'.') && word.contains(&b'.')
}

/// The host in the frame that Postfix and others put around a reply: `host mx.example[192.0.2.1] said: 550 ...`.
pub fn in_frame(whole: &[u8]) -> Option<Host<'_>> {
    let rest = whole.trim_ascii_start().strip_prefix(b"host ")?;
    let end = [&b" said:"[..], b" refused to talk"].iter().find_map(|mark| memchr::memmem::find(rest, mark))?;
    remote(rest.get(..end)?)
}

/// The command in `(in reply to RCPT TO command)`.
pub fn stage_in(text: &[u8]) -> Option<SmtpStage> {
    let at = memchr::memmem::rfind(text, b"(in reply to ")?;
    let rest = text.get(at + 13..)?;
    const COMMANDS: [(&[u8], SmtpStage); 10] = [
        (b"initial server greeting", SmtpStage::Connect),
        (b"HELO", SmtpStage::Helo),
        (b"EHLO", SmtpStage::Helo),
        (b"LHLO", SmtpStage::Helo),
        (b"STARTTLS", SmtpStage::StartTls),
        (b"AUTH", SmtpStage::Auth),
        (b"MAIL", SmtpStage::Mail),
        (b"RCPT", SmtpStage::Rcpt),
        (b"end of DATA", SmtpStage::EndOfData),
        (b"DATA", SmtpStage::Data),
    ];
    let known = COMMANDS.iter().find(|(name, _)| rest.starts_with(name)).map(|(_, stage)| *stage);
    Some(known.unwrap_or(SmtpStage::Other))
}

/// Words of our own side that say that no server was reached.
const UNCONNECTED: [&str; 16] = [
    "connection timed out",
    "connection refused",
    "connection reset",
    "network is unreachable",
    "network unreachable",
    "no route to host",
    "could not connect",
    "unable to connect",
    "requests to connect",
    "host not found",
    "host unknown",
    "unknown host",
    "name service error",
    "name lookup fail",
    "host lookup",
    "domain name not found",
];

/// Words of programs that deliver into a mailbox of their own host.
const LOCAL: [&str; 8] = [
    "unknown user: ",
    "command died",
    "command output",
    "cannot update mailbox",
    "maildir delivery failed",
    "mailbox /",
    "user unknown in virtual mailbox table",
    "command time limit exceeded",
];

/// Bytes of a diagnostic in which such words are looked for.
const MAX_WORDS: usize = 512;

/// Which way an attempt went that a report tells of.
///
/// A server that is named, or whose reply is quoted, was reached. Without either the words decide, then the status:
/// X.4.x speaks of networks and names. Failing these, a server elsewhere is the likely one.
pub fn hop(
    is_server_named: bool,
    is_reply: bool,
    diagnostic: Option<&Diagnostic<'_>>,
    words: Option<&[u8]>,
    status: Option<EnhancedStatus>,
) -> Hop {
    if is_reply {
        return Hop::Remote;
    }
    let says = |known: &[&str]| {
        let text = words.unwrap_or(&[]);
        let text = text.get(..MAX_WORDS).unwrap_or(text);
        known.iter().any(|phrase| contains_ignore_case(text, phrase.as_bytes()))
    };
    if says(&UNCONNECTED) {
        return Hop::Unconnected;
    }
    if is_server_named {
        return Hop::Remote;
    }
    if diagnostic.is_some_and(Diagnostic::is_local) || says(&LOCAL) {
        return Hop::Local;
    }
    let no_route = status.is_some_and(|status| status.subject == 4 && (1..=4).contains(&status.detail));
    if no_route { Hop::Unconnected } else { Hop::Remote }
}

fn contains_ignore_case(text: &[u8], phrase: &[u8]) -> bool {
    let Some(&first) = phrase.first() else { return false };
    let mut starts = memchr::memchr2_iter(first, first.to_ascii_uppercase(), text);
    starts.any(|at| text.get(at..).is_some_and(|rest| starts_with_ignore_case(rest, phrase)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_read() {
        let read = |text: &str| {
            let host = Host::read(text.as_bytes());
            let text = |field: Option<&[u8]>| String::from_utf8_lossy(field.unwrap_or(b"-")).into_owned();
            (text(host.name), text(host.ip))
        };
        let pair = |name: &str, ip: &str| (name.to_owned(), ip.to_owned());
        assert_eq!(read("mx.example.com. [192.0.2.1]"), pair("mx.example.com", "192.0.2.1"));
        assert_eq!(read("[IPv6:2001:db8::1]"), pair("-", "2001:db8::1"));
        assert_eq!(read("192.0.2.1"), pair("-", "192.0.2.1"));
        assert_eq!(read("mx.example.com (mx.example.com [192.0.2.1])"), pair("mx.example.com", "192.0.2.1"));
        assert_eq!(read("mirapoint"), pair("-", "-"));
        assert_eq!(read(""), pair("-", "-"));
    }

    #[test]
    fn frames_name_host_and_command() {
        let text = b"host mx.example.com[192.0.2.1] said: 550 no (in reply to RCPT TO command)";
        assert_eq!(in_frame(text), Some(Host { name: Some(b"mx.example.com"), ip: Some(b"192.0.2.1") }));
        assert_eq!(stage_in(text), Some(SmtpStage::Rcpt));
        assert_eq!(stage_in(b"550 no"), None);
        assert_eq!(in_frame(b"hosted elsewhere"), None);
    }

    #[test]
    fn ways_of_attempts() {
        let status = |text: &str| EnhancedStatus::exact(text.as_bytes());
        assert_eq!(hop(false, true, None, None, None), Hop::Remote);
        assert_eq!(hop(true, false, None, Some(b"Connection Timed Out"), None), Hop::Unconnected);
        assert_eq!(hop(false, false, None, None, status("5.4.4")), Hop::Unconnected);
        assert_eq!(hop(false, false, None, None, status("5.4.7")), Hop::Remote);
        assert_eq!(hop(false, false, None, Some(b"unknown user: \"x\""), status("5.1.1")), Hop::Local);
        assert_eq!(hop(false, false, None, None, status("5.7.1")), Hop::Remote);
    }
}
