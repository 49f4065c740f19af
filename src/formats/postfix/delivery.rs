//! `to=<A>, orig_to=<B>, relay=R, ..., dsn=D, status=WORD (REASON)`, in that order.
//!
//! The frame is read from the left, because the reason is the remote server's text and may imitate all of it.

use std::sync::LazyLock;

use memchr::memmem::{Finder, FinderRev};

use super::super::text::{Peer, angle, from, host_name, not_empty, split_byte, starts_like_reply};
use super::super::{Frame, LineEvent, Parsed, Skip};
use super::record;
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage};
use crate::smtp::EnhancedStatus;

static IN_REPLY_TO: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(" (in reply to "));
static PEER_SPOKE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(": "));

/// Reads a delivery line whose text behind the queue id starts with `to=`; `None` for another MTA's line.
pub(super) fn parse<'b>(
    frame: &Frame<'b>,
    agent: &[u8],
    queue_id: Option<&'b [u8]>,
    rest: &'b [u8],
    emit: &mut dyn FnMut(LineEvent<'b>),
) -> Option<Parsed> {
    let (recipient, rest) = recipient(rest.strip_prefix(b"to=")?)?;
    let Some(items) = Items::read(rest) else {
        return rest.starts_with(b"relay=").then_some(Skip::Malformed.into());
    };
    let outcome = match items.word {
        b"sent" if agent == b"discard" => return Some(Skip::Discarded.into()),
        b"sent" => Outcome::Delivered,
        b"bounced" | b"expired" | b"force-expired" => Outcome::Bounced,
        b"deferred" | b"SOFTBOUNCE" => Outcome::Deferred,
        b"deliverable" | b"undeliverable" | b"undeliverable-but-not-cached" => return Some(Skip::Probe.into()),
        _ => return Some(Skip::Malformed.into()),
    };
    let reason = Reason::read(items.reason, outcome);
    let hop = hop(agent, &items, &reason);
    let peer = reason.peer.filter(|peer| peer.ip.is_some() || peer.name.is_some()).unwrap_or(items.relay.peer);
    let is_reply = match outcome {
        Outcome::Delivered => items.relay.bracketed && starts_like_reply(reason.text),
        _ => reason.is_reply,
    };
    emit(LineEvent::Record(DeliveryRecord {
        attempted: reason.attempted,
        final_recipient: not_empty(recipient),
        original_recipient: items.original.and_then(not_empty),
        remote_mta: peer.name,
        remote_ip: peer.ip,
        stage: reason.stage,
        stated_status: items.status,
        diagnostic: not_empty(reason.text),
        is_reply,
        truncated: items.truncated,
        ..record(frame, outcome, hop, queue_id)
    }));
    Some(Parsed::Outcome)
}

/// The address behind `to=` or `orig_to=`, and the text from the next key on.
fn recipient(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let (address, rest) = match text.strip_prefix(b"<") {
        Some(address) => angle(address, |rest| next_key(rest).is_some())?,
        None => text.split_at_checked(memchr::memchr(b',', text)?)?,
    };
    Some((address, next_key(rest)?))
}

/// What stands behind the comma that ends an address, if it is one of the two keys that can follow. (Sendmail has
/// other keys there.)
fn next_key(rest: &[u8]) -> Option<&[u8]> {
    let next = rest.strip_prefix(b",")?.trim_ascii_start();
    (next.starts_with(b"relay=") || next.starts_with(b"orig_to=")).then_some(next)
}

/// The fields between the recipient and the reason.
struct Items<'b> {
    original: Option<&'b [u8]>,
    relay: Relay<'b>,
    status: Option<EnhancedStatus>,
    word: &'b [u8],
    reason: &'b [u8],
    truncated: bool,
}

/// The value of `relay=`.
#[derive(Clone, Copy, Default)]
struct Relay<'b> {
    peer: Peer<'b>,
    bracketed: bool,
    none: bool,
}

impl<'b> Items<'b> {
    /// `None` where `relay=` or `status=` is missing: the line was cut, or is another MTA's.
    fn read(text: &'b [u8]) -> Option<Self> {
        let (original, mut rest) = match text.strip_prefix(b"orig_to=") {
            Some(address) => recipient(address).map(|(address, rest)| (Some(address), rest))?,
            None => (None, text),
        };
        let mut relay = None;
        let mut status = None;
        loop {
            if let Some(value) = rest.strip_prefix(b"status=") {
                let (word, reason, truncated) = word_and_reason(value);
                return Some(Items { original, relay: relay?, status, word, reason, truncated });
            }
            let (item, after) = split_byte(rest, b',')?;
            if let Some(value) = item.strip_prefix(b"relay=") {
                relay = Some(Relay::read(value));
            } else if let Some(value) = item.strip_prefix(b"dsn=") {
                status = EnhancedStatus::exact(value);
            }
            rest = after.trim_ascii_start();
        }
    }
}

impl<'b> Relay<'b> {
    fn read(value: &'b [u8]) -> Self {
        match Peer::attached(value) {
            Some((peer, _)) => Relay { peer, bracketed: true, none: false },
            None => Relay { none: value == b"none", ..Relay::default() },
        }
    }
}

/// `sent (250 Ok)`: the word, the text in parentheses, and whether the last parenthesis is missing.
fn word_and_reason(text: &[u8]) -> (&[u8], &[u8], bool) {
    let Some((word, reason)) = split_byte(text, b' ') else { return (text, &[], true) };
    let reason = reason.trim_ascii_end();
    let reason = reason.strip_prefix(b"(").unwrap_or(reason);
    match reason.strip_suffix(b")") {
        Some(reason) => (word, reason, false),
        None => (word, reason, true),
    }
}

/// What stands between the name of a server and its reply.
const SPOKE: [&[u8]; 3] = [b"said", b"refused to talk to me", b"refused to start TLS"];

/// The text in parentheses, taken apart.
struct Reason<'b> {
    attempted: bool,
    peer: Option<Peer<'b>>,
    text: &'b [u8],
    is_reply: bool,
    unconnected: bool,
    stage: Option<SmtpStage>,
}

impl<'b> Reason<'b> {
    fn read(whole: &'b [u8], outcome: Outcome) -> Self {
        let plain =
            Reason { attempted: true, peer: None, text: whole, is_reply: false, unconnected: false, stage: None };
        if outcome == Outcome::Delivered {
            return plain;
        }
        let cause = whole.strip_prefix(b"delivery temporarily suspended: ");
        let plain = Reason { attempted: cause.is_none(), ..plain };
        let cause = cause.unwrap_or(whole);
        match cause.first() {
            Some(b'h') => plain.of_reply(cause, b"host ", None),
            Some(b'T') => plain.of_reply(cause, b"TLS is required, but host ", Some(SmtpStage::StartTls)),
            Some(b'S') => plain.of_reply(cause, b"SASL authentication failed; server ", Some(SmtpStage::Auth)),
            Some(b'c' | b'l') => plain.of_connection(cause),
            _ => plain,
        }
    }

    /// `START name[ip] said: REPLY (in reply to CMD command)`.
    fn of_reply(self, cause: &'b [u8], start: &[u8], stage: Option<SmtpStage>) -> Self {
        let Some(after) = cause.strip_prefix(start) else { return self };
        let (peer, after) = match Peer::attached(after) {
            Some((peer, after)) => (Some(peer), after.strip_prefix(b" ").unwrap_or(after)),
            None => (None, after),
        };
        let Some(end) = PEER_SPOKE.find(after) else { return Reason { peer, ..self } };
        let verb = after.get(..end).unwrap_or(&[]);
        let Some(spoke) = SPOKE.iter().find(|spoke| verb.ends_with(spoke)) else { return Reason { peer, ..self } };
        // Without brackets the name still stands in front of the verb.
        let name = verb.strip_suffix(*spoke).and_then(|name| host_name(name.trim_ascii_end()));
        let peer = peer.or(name.map(|name| Peer { name: Some(name), ..Peer::default() }));
        let (text, command) = without_command(from(after, end + 2));
        let stage = stage.or(if spoke.starts_with(b"refused") { Some(SmtpStage::Connect) } else { command });
        Reason { peer, text, is_reply: true, stage, ..self }
    }

    /// `connect to name[ip]:25: Connection refused`, `lost connection with name[ip] while ...`.
    fn of_connection(self, cause: &'b [u8]) -> Self {
        const STARTS: [&[u8]; 3] = [b"connect to ", b"lost connection with ", b"conversation with "];
        let Some(after) = STARTS.iter().find_map(|start| cause.strip_prefix(*start)) else { return self };
        let peer = Peer::attached(after).map(|(peer, _)| peer);
        Reason { peer, unconnected: cause.starts_with(b"connect to "), ..self }
    }
}

/// Cuts ` (in reply to CMD command)` off a reply. The reply may quote another such text, so the last one counts.
fn without_command(reply: &[u8]) -> (&[u8], Option<SmtpStage>) {
    let Some(at) = IN_REPLY_TO.rfind(reply) else { return (reply, None) };
    let Some((text, command)) = reply.split_at_checked(at) else { return (reply, None) };
    let command = from(command, " (in reply to ".len());
    let stage = match command.first() {
        Some(b'M') => SmtpStage::Mail,
        Some(b'R') => SmtpStage::Rcpt,
        Some(b'D' | b'B') => SmtpStage::Data,
        Some(b'e') if command.starts_with(b"end of") => SmtpStage::EndOfData,
        Some(b'E' | b'H' | b'L') => SmtpStage::Helo,
        Some(b'S') => SmtpStage::StartTls,
        Some(b'A') => SmtpStage::Auth,
        _ => SmtpStage::Other,
    };
    (text, Some(stage))
}

fn hop(agent: &[u8], items: &Items<'_>, reason: &Reason<'_>) -> Hop {
    let relay = &items.relay;
    let internal = |peer: &Peer<'_>| peer.is_internal();
    if reason.peer.as_ref().map_or_else(|| internal(&relay.peer), internal) {
        Hop::Internal
    } else if reason.unconnected || !reason.attempted {
        // Of a suspended delivery the reason tells who was spoken to then; now nobody was.
        Hop::Unconnected
    } else if relay.bracketed || reason.is_reply {
        Hop::Remote
    } else if !relay.none || is_own_verdict(agent) {
        Hop::Local
    } else {
        Hop::Unconnected
    }
}

/// Agents that speak to nobody: what they report with `relay=none` is this machine's own decision.
fn is_own_verdict(agent: &[u8]) -> bool {
    matches!(agent, b"local" | b"virtual" | b"pipe" | b"error" | b"cleanup" | b"qmgr" | b"nqmgr" | b"bounce")
}
