//! Lines without a flag: refusals of clients, and failures of one host of several.
//!
//! ```text
//! H=name (helo) [ip]:port F=<a@example.com> rejected RCPT <b@example.org>: text of the ACL
//! ```

use super::super::text::{Peer, angle, from, not_empty, split_byte, starts_like_reply, without_angles};
use super::super::{LineEvent, Parsed, Skip};
use super::Line;
use super::fields::{self, Fields, address};
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage};
use crate::smtp::EnhancedStatus;

/// Reads a refusal; `None` for all other lines.
pub(super) fn parse<'b>(line: &Line<'_, 'b>, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
    if let Some(unqualified) = rest.strip_prefix(b"unqualified ") {
        return of_unqualified(line, unqualified, emit);
    }
    if !matches!(rest.first()?, b'H' | b'U' | b'F' | b'r' | b't' | b'P' | b'I' | b'X') {
        return None;
    }
    let fields = Fields::read(rest);
    let what = fields.text.strip_prefix(b"temporarily ").unwrap_or(fields.text);
    let Some(what) = what.strip_prefix(b"rejected ") else {
        return (line.id.is_some() && rest.starts_with(b"H=") && is_one_host(fields.text))
            .then_some(Skip::Intermediate.into());
    };
    let refusal = Refusal::read(what);
    let sender = match refusal.stage {
        Some(SmtpStage::Rcpt) => fields.sender,
        _ => fields.sender.or(refusal.address),
    };
    let recipient = refusal.address.filter(|_| refusal.stage == Some(SmtpStage::Rcpt));
    let peer = fields.peer.or(refusal.peer);
    emit(rejected(line, peer, sender, recipient, refusal.stage, refusal.text));
    Some(Parsed::Outcome)
}

fn rejected<'b>(
    line: &Line<'_, 'b>,
    client: Option<Peer<'b>>,
    sender: Option<&'b [u8]>,
    recipient: Option<&'b [u8]>,
    stage: Option<SmtpStage>,
    text: &'b [u8],
) -> LineEvent<'b> {
    LineEvent::Record(DeliveryRecord {
        sender: sender.map(|sender| if sender == b"<>" { &[][..] } else { sender }),
        final_recipient: recipient.and_then(not_empty),
        remote_mta: client.and_then(|peer| peer.name),
        remote_ip: client.and_then(|peer| peer.ip),
        stage,
        stated_status: own_status(text),
        diagnostic: not_empty(text),
        is_reply: starts_like_reply(text),
        truncated: line.is_piece,
        ..line.record(Outcome::Rejected, Hop::Inbound)
    })
}

/// The enhanced status code that the ACL's message starts with. Exim puts the reply code in front of it on the wire and
/// logs the message alone.
fn own_status(text: &[u8]) -> Option<EnhancedStatus> {
    let (status, len) = EnhancedStatus::at_start(text)?;
    matches!(text.get(len), None | Some(b' ')).then_some(status)
}

/// What stands behind `rejected `.
struct Refusal<'b> {
    stage: Option<SmtpStage>,
    address: Option<&'b [u8]>,
    peer: Option<Peer<'b>>,
    text: &'b [u8],
}

impl<'b> Refusal<'b> {
    fn read(what: &'b [u8]) -> Self {
        let (word, rest) = split_byte(what, b' ').unwrap_or((what, &[]));
        let word = word.strip_suffix(b":").unwrap_or(word);
        let stage = stage(word, rest);
        if let Some(sender) = what.strip_prefix(b"from <") {
            return Self::of_message(sender);
        }
        if matches!(stage, Some(SmtpStage::Mail | SmtpStage::Rcpt)) && !rest.starts_with(b"from ") {
            let (address, text) = address_and_text(rest);
            return Refusal { stage, address, peer: None, text };
        }
        // `EHLO from name [ip]: syntactically invalid argument(s): ...`
        let from_host = rest.strip_prefix(b"from ").map(fields::host_item);
        let peer = from_host.as_ref().map(|(peer, _)| *peer).filter(|peer| peer.ip.is_some());
        let rest = from_host.map_or(what, |(_, rest)| rest);
        let text = memchr::memchr(b':', rest).map_or(&[][..], |at| from(rest, at + 1).trim_ascii_start());
        Refusal { stage, address: None, peer, text }
    }

    /// `from <a@example.com> H=name [ip]: message too big: ...`.
    fn of_message(sender: &'b [u8]) -> Self {
        let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b' ' | b':'));
        let (address, rest) = angle(sender, ends).map_or((None, sender), |(address, rest)| (Some(address), rest));
        let fields = Fields::read(rest);
        Refusal { stage: Some(SmtpStage::EndOfData), address, peer: fields.peer, text: fields.text }
    }
}

/// `<a@example.com> SIZE=1: text`; the angles are missing in some releases.
fn address_and_text(rest: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let ends = |rest: &[u8]| matches!(rest.first(), None | Some(b' ' | b':'));
    let (found, rest) = match rest.strip_prefix(b"<").and_then(|a| angle(a, ends)) {
        Some((found, rest)) => (found, rest),
        None => {
            let (word, after) = address(rest);
            match word.strip_suffix(b":") {
                Some(word) => (word, from(rest, word.len())),
                None => (word, after),
            }
        }
    };
    let text = match rest.strip_prefix(b":") {
        Some(text) => text,
        None => memchr::memmem::find(rest, b": ").map_or(&[][..], |at| from(rest, at + 2)),
    };
    (Some(without_angles(found)), text.trim_ascii_start())
}

fn stage(word: &[u8], rest: &[u8]) -> Option<SmtpStage> {
    Some(match word {
        b"connection" => SmtpStage::Connect,
        b"HELO" | b"EHLO" => SmtpStage::Helo,
        b"STARTTLS" => SmtpStage::StartTls,
        b"AUTH" => SmtpStage::Auth,
        b"MAIL" => SmtpStage::Mail,
        b"RCPT" => SmtpStage::Rcpt,
        b"DATA" => SmtpStage::Data,
        b"after" | b"during" => SmtpStage::EndOfData,
        b"by" if rest.starts_with(b"local_scan") => SmtpStage::EndOfData,
        b"VRFY" | b"EXPN" | b"ETRN" | b"QUIT" => SmtpStage::Other,
        _ => return None,
    })
}

/// `recipient rejected: <abc> H=name [ip]`.
fn of_unqualified<'b>(line: &Line<'_, 'b>, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
    let (word, rest) = split_byte(rest, b' ')?;
    let (stage, is_recipient) = match word {
        b"recipient" => (SmtpStage::Rcpt, true),
        b"sender" => (SmtpStage::Mail, false),
        _ => return None,
    };
    let (found, rest) = address(rest.strip_prefix(b"rejected: ")?);
    let found = without_angles(found);
    let fields = Fields::read(rest);
    let (sender, recipient) = if is_recipient { (fields.sender, Some(found)) } else { (Some(found), None) };
    emit(rejected(line, fields.peer, sender, recipient, Some(stage), b""));
    Some(Parsed::Outcome)
}

/// The text behind `ID H=x [ip]` where one host of several has failed.
fn is_one_host(text: &[u8]) -> bool {
    const STARTS: [&[u8]; 10] = [
        b"SMTP error",
        b"LMTP error",
        b"SMTP timeout",
        b"Connection ",
        b"No route to host",
        b"Network is unreachable",
        b"Remote host closed",
        b"TLS ",
        b"Operation timed out",
        b"Malformed SMTP reply",
    ];
    STARTS.iter().any(|start| text.starts_with(start))
}
