//! Exim 4: main log and reject log, as files or through syslog.
//!
//! ```text
//! 2020-06-19 10:32:57 1jmKso-0009d4-Uf ** a@example.com R=dnslookup T=remote_smtp H=mx.example.com [192.0.2.1]:
//!   SMTP error from remote mail server after RCPT TO:<a@example.com>: 550 5.7.1 Blocked
//! ```
//!
//! Written by `delivery_log()`, `failure_log()` and `deferral_log()` of `deliver.c` and by the ACLs; described in the
//! specification, chapter "Log files". Known from 4.7x (replies behind `host x [ip]:`) up to 4.98 (ids of 23
//! characters, ` : ` in front of the text).
//!
//! Not read, on purpose:
//! - lines about one host of several (`H=x [ip]: SMTP error ...` without a flag): [`Skip::Intermediate`].
//! - `(=` (accepted, but the client is told otherwise) and `*>` (`-N`: nothing is sent).
//! - protocol errors, failed logins and dropped connections: no message was refused.
//! - header lines in the reject log: they carry no stamp and count as unrecognised.
//! - codes in `defer (N)`: errno or Exim's own numbers, never a reply.

mod delivery;
mod fields;
mod inbound;
#[cfg(test)]
mod tests;

use super::text::{from, without_angles};
use super::{Frame, LineEvent, LogFormat, Parsed, Skip};
use crate::record::{DeliveryRecord, Hop, Outcome};
use crate::stamp::Stamp;

/// Reader of Exim logs.
pub struct Exim;

const NAME: &str = "exim";

impl LogFormat for Exim {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parse<'b>(&self, frame: &Frame<'b>, emit: &mut dyn FnMut(LineEvent<'b>)) -> Parsed {
        let tagged = frame.program.is_some_and(is_exim);
        if !tagged && frame.stamp.is_some() {
            return Parsed::NotMine;
        }
        let Some((piece, message)) = piece(frame.message, tagged) else { return Skip::Continuation.into() };
        let (stamp, rest) = own_stamp(message);
        if !tagged && stamp.is_none() {
            return Parsed::NotMine;
        }
        let (id, rest) = message_id(after_pid(rest));
        let line = Line { frame, id, stamp: stamp.or(frame.stamp), is_piece: piece };
        match line.read(rest, emit) {
            Some(parsed) => parsed,
            None if tagged || id.is_some() || sounds_like_exim(rest) => Skip::NoOutcome.into(),
            None => Parsed::NotMine,
        }
    }
}

/// What stands in front of a line's text.
struct Line<'f, 'b> {
    frame: &'f Frame<'b>,
    id: Option<&'b [u8]>,
    stamp: Option<Stamp>,
    is_piece: bool,
}

impl<'b> Line<'_, 'b> {
    fn read(&self, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
        let Some(id) = self.id else { return inbound::parse(self, rest, emit) };
        let mut flagged = |outcome| delivery::parse(self, outcome, from(rest, 3), emit);
        match rest {
            [b'=' | b'-' | b'>', b'>', b' ', ..] => flagged(Outcome::Delivered),
            [b'*', b'*', b' ', ..] => flagged(Outcome::Bounced),
            [b'=', b'=', b' ', ..] => flagged(Outcome::Deferred),
            [b'<', b'=', b' ', sender @ ..] => {
                emit(LineEvent::Opens { queue_id: id, sender: sender_of(sender) });
                if let Some(message_id) = fields::message_id(sender) {
                    emit(LineEvent::Names { queue_id: id, message_id });
                }
                Some(Skip::NoOutcome.into())
            }
            [b'C', ..] if rest.starts_with(b"Completed") => {
                emit(LineEvent::Closes { queue_id: id });
                Some(Skip::NoOutcome.into())
            }
            [b'*' | b'(', _, b' ', ..] => Some(Skip::NoOutcome.into()),
            _ => inbound::parse(self, rest, emit),
        }
    }

    fn record(&self, outcome: Outcome, hop: Hop) -> DeliveryRecord<'b> {
        DeliveryRecord {
            repeats: self.frame.repeats,
            stamp: self.stamp,
            reporting_mta: self.frame.host,
            queue_id: self.id,
            ..DeliveryRecord::new(self.frame.provenance, NAME, outcome, hop)
        }
    }
}

fn is_exim(program: &[u8]) -> bool {
    program.rsplit(|b| *b == b'/').next().unwrap_or(program).starts_with(b"exim")
}

/// Through syslog long lines come in pieces, `[1/3] text` or `[1\3] text`. The first piece is read as far as it
/// goes (`true`); for a further piece the answer is `None`.
fn piece(message: &[u8], tagged: bool) -> Option<(bool, &[u8])> {
    let Some(numbers) = message.strip_prefix(b"[").filter(|_| tagged) else { return Some((false, message)) };
    let end = numbers.iter().take(16).position(|b| *b == b']');
    let Some((numbers, rest)) = end.and_then(|at| numbers.split_at_checked(at)) else { return Some((false, message)) };
    let Some(slash) = numbers.iter().position(|b| matches!(b, b'/' | b'\\')) else { return Some((false, message)) };
    let first = numbers.get(..slash) == Some(b"1");
    let rest = from(rest, 1);
    first.then(|| (true, rest.strip_prefix(b" ").unwrap_or(rest)))
}

fn own_stamp(message: &[u8]) -> (Option<Stamp>, &[u8]) {
    match Stamp::iso8601(message).filter(|_| message.get(10) == Some(&b' ')) {
        Some((stamp, len)) => (Some(stamp), from(message, len).trim_ascii_start()),
        None => (None, message),
    }
}

/// `[123] ` in front of the id, with the selector `pid`.
fn after_pid(text: &[u8]) -> &[u8] {
    let Some(pid) = text.strip_prefix(b"[") else { return text };
    let digits = pid.iter().take(10).take_while(|b| b.is_ascii_digit()).count();
    match pid.get(digits..) {
        Some([b']', b' ', rest @ ..]) if digits > 0 => rest,
        _ => text,
    }
}

/// An id of 16 (`6-6-2`) or 23 characters (`6-11-4`) and the text behind it.
fn message_id(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    if text.get(6) != Some(&b'-') {
        return (None, text);
    }
    let is_id = |len: usize, dash: usize| {
        let alphanumeric =
            |(at, b): (usize, &u8)| if at == 6 || at == dash { *b == b'-' } else { b.is_ascii_alphanumeric() };
        matches!(text.get(len), None | Some(b' ')) && text.iter().take(len).enumerate().all(alphanumeric)
    };
    let len = match (text.get(13), text.get(18)) {
        (Some(b'-'), _) if is_id(16, 13) => 16,
        (_, Some(b'-')) if is_id(23, 18) => 23,
        _ => return (None, text),
    };
    match text.split_at_checked(len) {
        Some((id, rest)) => (Some(id), rest.strip_prefix(b" ").unwrap_or(rest)),
        None => (None, text),
    }
}

/// The sender of `<= A H=...`; the null sender is written `<>`.
fn sender_of(text: &[u8]) -> &[u8] {
    without_angles(fields::address(text).0)
}

/// Whether a line with Exim's stamp, but without an id and without an outcome, is in Exim's words. Other programs
/// write such stamps too.
fn sounds_like_exim(rest: &[u8]) -> bool {
    const STARTS: [&[u8]; 37] = [
        b"H=",
        b"U=",
        b"F=",
        b"SMTP ",
        b"Start ",
        b"End ",
        b"no host name found",
        b"no IP address found",
        b"exim ",
        b"TLS ",
        b"cwd=",
        b"rejected ",
        b"temporarily rejected",
        b"too many ",
        b"unexpected disconnection",
        b"Connection from",
        b"refused connection",
        b"daemon",
        b"unqualified ",
        b"Warning:",
        b"no MAIL in",
        b"ident ",
        b"VRFY ",
        b"ATRN ",
        b"EXPN ",
        b"ETRN ",
        b"socket ",
        b"pid ",
        b"SIGHUP",
        b"DNS list lookup",
        b"lost incoming",
        b"ACL ",
        b"Considering:",
        b"Deleted ",
        b"Spool file",
        b"DKIM",
        b"dropped ",
    ];
    let head = rest.get(..160).unwrap_or(rest);
    STARTS.iter().any(|start| rest.starts_with(start))
        || memchr::memmem::find(head, b"authenticator failed").is_some()
        || memchr::memmem::find(head, b"Exim ").is_some()
}
