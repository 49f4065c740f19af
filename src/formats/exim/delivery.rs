//! `ADDRESS[ (parent)][ <ORIGINAL>] KEY=value ...`, then `C="reply"` or the text of the error.

use super::super::text::{Peer, angle, from, not_empty, quoted_local_len, split_byte, starts_like_reply};
use super::super::{LineEvent, Parsed, Skip};
use super::Line;
use super::fields::{self, Fields, spaced_peer};
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage};

/// Reads what stands behind the flag.
pub(super) fn parse<'b>(
    line: &Line<'_, 'b>,
    outcome: Outcome,
    rest: &'b [u8],
    emit: &mut dyn FnMut(LineEvent<'b>),
) -> Option<Parsed> {
    let Some(target) = Target::read(rest) else { return Some(Skip::Malformed.into()) };
    if matches!(target.address, b":blackhole:" | b"discarded") {
        return Some(Skip::Discarded.into());
    }
    let fields = Fields::read(target.rest);
    let cause = match outcome {
        Outcome::Delivered => Cause::of_success(&fields),
        _ => Cause::of_failure(&fields),
    };
    let peer = fields.peer.or(cause.peer);
    let (recipient, original) = target.recipients();
    emit(LineEvent::Record(DeliveryRecord {
        attempted: outcome == Outcome::Delivered || !is_told_again(cause.text, fields.errno),
        sender: fields.sender.map(|sender| if sender == b"<>" { &[][..] } else { sender }),
        final_recipient: recipient,
        original_recipient: original,
        remote_mta: peer.and_then(|peer| peer.name),
        remote_ip: peer.and_then(|peer| peer.ip),
        stage: cause.stage,
        diagnostic: not_empty(cause.text),
        is_reply: cause.is_reply,
        truncated: fields.truncated || line.is_piece,
        ..line.record(outcome, hop(outcome, &target, &fields, &cause))
    }));
    Some(Parsed::Outcome)
}

/// Whom a line is about.
struct Target<'b> {
    /// An address, a local part, a pipe or a file.
    address: &'b [u8],
    /// The address in `<>` behind it.
    original: Option<&'b [u8]>,
    rest: &'b [u8],
}

impl<'b> Target<'b> {
    fn read(text: &'b [u8]) -> Option<Self> {
        if text.first().is_some_and(|b| matches!(b, b'|' | b'/' | b'>' | b':')) {
            return Self::of_program(text);
        }
        if let Some(target) = Self::of_quoted(text) {
            return Some(target);
        }
        let (address, mut rest) = fields::address(text);
        if let Some(address) = address.strip_suffix(b":") {
            return Some(Target { address, original: None, rest: from(text, address.len()) });
        }
        if let Some(parent) = rest.strip_prefix(b" (") {
            rest = split_byte(parent, b')').map_or(rest, |(_, rest)| rest);
        }
        let (original, rest) = original(rest);
        (!address.is_empty()).then_some(Target { address, original, rest })
    }

    /// `a b@example.com <"a b"@example.com>`: Exim writes an address without the quotes of its local part, and then
    /// once more as it is. Without them the address has no certain end, so it is taken only where the second says the
    /// same.
    fn of_quoted(text: &'b [u8]) -> Option<Self> {
        let near = text.get(..MAX_LOCAL + MAX_DOMAIN).unwrap_or(text);
        memchr::memmem::find_iter(near, b" <\"").take(4).find_map(|at| {
            let (plain, rest) = text.split_at_checked(at)?;
            let (address, rest) = original(rest);
            let (local, domain) = address?.split_at_checked(quoted_local_len(address?))?;
            let plain = plain.strip_suffix(domain)?;
            let same = plain.len() <= MAX_LOCAL && domain.starts_with(b"@") && is_unquoted(local, plain);
            same.then_some(Target { address: address?, original: None, rest })
        })
    }

    /// A pipe, file or autoreply may hold blanks, so the original address is looked for.
    fn of_program(text: &'b [u8]) -> Option<Self> {
        let start = memchr::memmem::find(text, b" <").or_else(|| memchr::memchr(b' ', text)).unwrap_or(text.len());
        let (address, rest) = text.split_at_checked(start)?;
        let (original, rest) = original(rest);
        Some(Target { address, original, rest })
    }

    /// Exim writes only the local part of what it delivers on this machine.
    fn is_local(&self) -> bool {
        let first = self.address.first();
        first.is_some_and(|b| matches!(b, b'|' | b'/' | b'>')) || memchr::memchr(b'@', self.address).is_none()
    }

    /// Final and original recipient. Words that are no address (`** mua_wrapper is set but ...`) give none.
    fn recipients(&self) -> (Option<&'b [u8]>, Option<&'b [u8]>) {
        match (self.is_local(), self.original) {
            (true, original) => (original, None),
            (false, original) => (Some(self.address), original),
        }
    }
}

/// Longest local part and domain (RFC 5321, section 4.5.3.1). The bound of the local part also keeps a server's reply
/// further on in the line from passing for the end of the address.
const MAX_LOCAL: usize = 64;
const MAX_DOMAIN: usize = 255;

/// Whether `quoted` without quotes and backslashes is `plain`.
fn is_unquoted(quoted: &[u8], plain: &[u8]) -> bool {
    let Some(inside) = quoted.strip_prefix(b"\"").and_then(|q| q.strip_suffix(b"\"")) else { return false };
    let mut escaped = false;
    let bytes = inside.iter().filter(|byte| {
        escaped = **byte == b'\\' && !escaped;
        !escaped
    });
    bytes.eq(plain)
}

/// ` <ORIGINAL>` at the start of `text`.
fn original(text: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let found = text
        .strip_prefix(b" <")
        .and_then(|original| angle(original, |rest| matches!(rest.first(), None | Some(b' ' | b':'))));
    found.map_or((None, text), |(original, rest)| (Some(original), rest))
}

/// The text of a line, taken apart.
#[derive(Default)]
struct Cause<'b> {
    text: &'b [u8],
    is_reply: bool,
    /// The reply was given over LMTP.
    is_lmtp: bool,
    peer: Option<Peer<'b>>,
    stage: Option<SmtpStage>,
}

impl<'b> Cause<'b> {
    fn of_success(fields: &Fields<'b>) -> Self {
        let text = fields.reply.unwrap_or_default();
        Cause { text, is_reply: starts_like_reply(text), ..Cause::default() }
    }

    fn of_failure(fields: &Fields<'b>) -> Self {
        let text = without_times(fields.text);
        if let Some(cause) = Self::of_reply(text) {
            return cause;
        }
        // `defer (110): Connection timed out H=x [ip]: SMTP timeout after ...`
        let head = split_byte(text, b':').map_or(&[][..], |(head, _)| head);
        if let Some(at) = memchr::memmem::find(head, b" H=") {
            let later = Fields::read(from(text, at));
            if !later.text.is_empty() {
                return Cause { peer: later.peer, ..Self::of_reply(later.text).unwrap_or(Cause::plain(later.text)) };
            }
        }
        Cause { peer: named_peer(text), ..Cause::plain(text) }
    }

    fn plain(text: &'b [u8]) -> Self {
        Cause { text, ..Cause::default() }
    }

    /// `SMTP error from remote mail server after [pipelined ]CMD: [host x [ip]: ]REPLY`.
    fn of_reply(text: &'b [u8]) -> Option<Self> {
        const STARTS: [&[u8]; 3] = [
            b"SMTP error from remote mail server after ",
            b"SMTP error from remote mailer after ",
            b"LMTP error after ",
        ];
        if let Some((peer, reply)) = after_host(text).filter(|(_, reply)| starts_like_reply(reply)) {
            return Some(Cause { text: reply, is_reply: true, peer: Some(peer), ..Cause::default() });
        }
        let command = STARTS.iter().find_map(|start| text.strip_prefix(*start))?;
        let command = command.strip_prefix(b"pipelined ").unwrap_or(command);
        let reply = after_command(command)?;
        let (peer, reply) = after_host(reply).map_or((None, reply), |(peer, reply)| (Some(peer), reply));
        Some(Cause {
            text: reply,
            is_reply: starts_like_reply(reply),
            is_lmtp: text.first() == Some(&b'L'),
            peer,
            stage: Some(stage(command)),
        })
    }
}

/// The server and the text behind `host name [ip]: `.
fn after_host(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    let (peer, rest) = spaced_peer(text.strip_prefix(b"host ")?)?;
    Some((peer, rest.strip_prefix(b": ")?))
}

/// The text behind the colon that ends a command. The address in `MAIL` and `RCPT` may hold one itself.
fn after_command(command: &[u8]) -> Option<&[u8]> {
    let address = command.strip_prefix(b"RCPT TO:<").or_else(|| command.strip_prefix(b"MAIL FROM:<"));
    let address = address.and_then(|a| angle(a, |rest| rest.starts_with(b": ") || rest.starts_with(b" ")));
    let rest = address.map_or(command, |(_, rest)| rest);
    memchr::memmem::find(rest, b": ").map(|at| from(rest, at + 2).trim_ascii_start())
}

fn stage(command: &[u8]) -> SmtpStage {
    match command {
        [b'i', ..] => SmtpStage::Connect,
        [b'E' | b'H' | b'L', ..] => SmtpStage::Helo,
        [b'S', b'T', ..] => SmtpStage::StartTls,
        [b'A', ..] => SmtpStage::Auth,
        [b'M', ..] => SmtpStage::Mail,
        [b'R', b'C', ..] => SmtpStage::Rcpt,
        [b'D' | b'B', ..] => SmtpStage::Data,
        [b'e' | b's', ..] => SmtpStage::EndOfData,
        _ => SmtpStage::Other,
    }
}

/// A host that a text without a reply names.
fn named_peer(text: &[u8]) -> Option<Peer<'_>> {
    const STARTS: [&[u8]; 3] = [b"Remote host ", b"Malformed SMTP reply from ", b"host "];
    let start = STARTS.iter().find_map(|start| text.strip_prefix(*start));
    let name = start.or_else(|| Some(from(text, memchr::memmem::find(text, b" connected to ")? + 14)))?;
    spaced_peer(name).map(|(peer, _)| peer)
}

/// Cuts ` DT=0.3s` and ` QT=1m2s` off the end of a text.
fn without_times(text: &[u8]) -> &[u8] {
    let mut text = text.trim_ascii_end();
    while let Some(at) = memchr::memrchr(b' ', text) {
        let word = from(text, at + 1);
        let time = word.strip_prefix(b"DT=").or_else(|| word.strip_prefix(b"QT="));
        let digits = |time: &[u8]| {
            time.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'w' | b'd' | b'h' | b'm' | b's'))
        };
        if !time.is_some_and(digits) {
            break;
        }
        text = text.get(..at).unwrap_or(text);
    }
    text
}

/// Whether a text only repeats that the time for another try has not come, or that the last one is over.
fn is_told_again(text: &[u8], errno: Option<i32>) -> bool {
    const STARTS: [&[u8]; 7] = [
        b"retry time",
        b"domain matches queue_",
        b"domain is held",
        b"all hosts for ",
        b"all hosts have been failing",
        b"remote delivery is disabled",
        b"SMTP delivery explicitly queued",
    ];
    errno.is_some_and(|n| n <= -52) || STARTS.iter().any(|start| text.starts_with(start))
}

fn hop(outcome: Outcome, target: &Target<'_>, fields: &Fields<'_>, cause: &Cause<'_>) -> Hop {
    match fields.peer.or(cause.peer) {
        Some(peer) if peer.is_internal() => Hop::Internal,
        Some(_) if is_network_error(cause.text) => Hop::Unconnected,
        Some(_) => Hop::Remote,
        None if cause.is_lmtp => Hop::Internal,
        None if cause.is_reply && outcome != Outcome::Delivered => Hop::Remote,
        None if target.is_local() || outcome == Outcome::Delivered => Hop::Local,
        None if fields.transport.is_none_or(goes_outward) || is_network_error(cause.text) => Hop::Unconnected,
        None => Hop::Local,
    }
}

/// Whether a text is the operating system's word that no connection came about. (With more behind it, as in
/// `Connection timed out: SMTP timeout after ...`, there was one.)
fn is_network_error(text: &[u8]) -> bool {
    const TEXTS: [&[u8]; 6] = [
        b"Connection refused",
        b"Connection timed out",
        b"Operation timed out",
        b"No route to host",
        b"Network is unreachable",
        b"Network unreachable",
    ];
    TEXTS.contains(&text)
}

/// Transports have free names; those of all known configurations that speak to other servers hold one of these words.
fn goes_outward(transport: &[u8]) -> bool {
    [&b"smtp"[..], b"remote", b"relay", b"smarthost"].iter().any(|word| memchr::memmem::find(transport, word).is_some())
}
