//! Postfix: syslog lines and `maillog_file`.
//!
//! ```text
//! Feb  8 05:36:57 mx1 postfix/smtp[123]: 3Pt2mN2VXxznjll: to=<a@example.com>, relay=mx.example.com[192.0.2.1]:25,
//!   delay=0.5, delays=0.1/0/0.2/0.2, dsn=5.7.1, status=bounced (host mx.example.com[192.0.2.1] said: 550 5.7.1
//!   Blocked (in reply to RCPT TO command))
//! ```
//!
//! Written by `log_adhoc()` (delivery), `log_whatsup()` of smtpd, postscreen and cleanup (refusals), the queue manager
//! (`from=<>, size=`, `removed`, `status=expired`). Known from releases before 2.3, which have neither `dsn=` nor
//! `delays=`, up to 3.10 with addresses in external form and `tls=`.
//!
//! Not read, on purpose:
//! - `host ... said: 4..` without `to=`: one server of several failed, the next one is tried ([`Skip::Intermediate`]).
//! - verbs that refuse nothing (`warn`, `filter`, `hold`, `redirect`, `discard`, ...).
//! - the bounce daemon's lines: they name the notification, not the message.
//! - `deliverable` and `undeliverable`: probes of the address verifier ([`Skip::Probe`]).
//!
//! The name in front of the agent is free (`syslog_name`), so only the agent's own name, or a tag that starts with
//! `postfix` (some loggers cut the agent off), makes a line one of Postfix; then the text decides.

mod delivery;
mod inbound;
#[cfg(test)]
mod tests;

use super::text::{angle, from, message_id_of, split_byte};
use super::{Frame, LineEvent, LogFormat, Parsed, Skip};
use crate::record::{DeliveryRecord, Hop, Outcome};

/// Reader of Postfix logs.
pub struct Postfix;

const NAME: &str = "postfix";

/// Longest queue id that is looked for; long ids have about 16 characters.
const MAX_QUEUE_ID: usize = 64;

impl LogFormat for Postfix {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parse<'b>(&self, frame: &Frame<'b>, emit: &mut dyn FnMut(LineEvent<'b>)) -> Parsed {
        let Some(program) = frame.program else { return Parsed::NotMine };
        let agent = agent(program);
        if !is_postfix(program, agent) {
            return Parsed::NotMine;
        }
        let (queue_id, rest) = queue_id(frame.message);
        let parsed = match rest.first() {
            Some(b't') if rest.starts_with(b"to=") => delivery::parse(frame, agent, queue_id, rest, emit),
            Some(b'f') if rest.starts_with(b"from=<") => from_line(frame, queue_id, rest, emit),
            Some(b'r') if rest == b"removed" => closes(queue_id, emit),
            Some(b'm') if rest.starts_with(b"message-id=") => names(queue_id, rest, emit),
            Some(b'r' | b'm' | b'p') => inbound::parse(frame, agent, queue_id, rest, emit),
            Some(b'h' | b'l' | b'c' | b'C' | b'S' | b'T') if is_intermediate(rest) => Some(Skip::Intermediate.into()),
            _ => None,
        };
        match parsed {
            Some(parsed) => parsed,
            None if rest.starts_with(b"to=") => Skip::Malformed.into(),
            None => Skip::NoOutcome.into(),
        }
    }
}

/// The program's own name: `smtp` of `postfix-out/smtp` and of `mailu-smtp`.
fn agent(program: &[u8]) -> &[u8] {
    let last = program.rsplit(|b| *b == b'/').next().unwrap_or(program);
    if last.len() < program.len() {
        return last;
    }
    last.rsplit(|b| *b == b'-').next().unwrap_or(last)
}

fn is_postfix(program: &[u8], agent: &[u8]) -> bool {
    const AGENTS: [&[u8]; 28] = [
        b"smtp",
        b"smtpd",
        b"qmgr",
        b"cleanup",
        b"pickup",
        b"bounce",
        b"local",
        b"lmtp",
        b"anvil",
        b"postscreen",
        b"virtual",
        b"pipe",
        b"error",
        b"discard",
        b"nqmgr",
        b"oqmgr",
        b"master",
        b"scache",
        b"tlsmgr",
        b"tlsproxy",
        b"trivial-rewrite",
        b"verify",
        b"flush",
        b"proxymap",
        b"dnsblog",
        b"postsuper",
        b"postqueue",
        b"postdrop",
    ];
    program.starts_with(b"postfix") || (agent.len() < program.len() && AGENTS.contains(&agent))
}

/// Splits `ID: text`; `NOQUEUE` and a missing id give `None`. Where no id stands, the text is the whole message.
fn queue_id(message: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let len = message.iter().take(MAX_QUEUE_ID).take_while(|b| b.is_ascii_alphanumeric()).count();
    match message.split_at_checked(len) {
        Some((id, [b':', b' ', rest @ ..])) if !inbound::is_verb(id) => {
            (Some(id).filter(|id| !id.is_empty() && *id != b"NOQUEUE"), rest)
        }
        _ => (None, message),
    }
}

fn closes<'b>(queue_id: Option<&'b [u8]>, emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
    emit(LineEvent::Closes { queue_id: queue_id? });
    Some(Skip::NoOutcome.into())
}

/// `message-id=<ID>`.
fn names<'b>(queue_id: Option<&'b [u8]>, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
    let (_, message_id) = split_byte(rest, b'=')?;
    if let (Some(queue_id), Some(message_id)) = (queue_id, message_id_of(message_id)) {
        emit(LineEvent::Names { queue_id, message_id });
    }
    Some(Skip::NoOutcome.into())
}

/// `from=<A>, size=N, nrcpt=1 (queue active)` or `from=<A>, status=expired, returned to sender`.
fn from_line<'b>(
    frame: &Frame<'b>,
    queue_id: Option<&'b [u8]>,
    rest: &'b [u8],
    emit: &mut dyn FnMut(LineEvent<'b>),
) -> Option<Parsed> {
    let ends = |rest: &[u8]| rest.starts_with(b", size=") || rest.starts_with(b", status=");
    let (sender, rest) = angle(rest.strip_prefix(b"from=<")?, ends)?;
    if let Some(status) = rest.strip_prefix(b", status=") {
        return expired(frame, queue_id, sender, status, emit);
    }
    let (_, nrcpt) = split_byte(from(rest, 2), b',')?;
    if nrcpt.starts_with(b" nrcpt=") {
        emit(LineEvent::Opens { queue_id: queue_id?, sender });
        return Some(Skip::NoOutcome.into());
    }
    None
}

/// The message was too long in the queue: final for all recipients that are left, none of whom is named.
fn expired<'b>(
    frame: &Frame<'b>,
    queue_id: Option<&'b [u8]>,
    sender: &'b [u8],
    status: &'b [u8],
    emit: &mut dyn FnMut(LineEvent<'b>),
) -> Option<Parsed> {
    let (word, _) = split_byte(status, b',').unwrap_or((status, &[]));
    if !matches!(word, b"expired" | b"force-expired") {
        return None;
    }
    let record = record(frame, Outcome::Bounced, Hop::Unconnected, queue_id);
    let record = DeliveryRecord { attempted: false, sender: Some(sender), diagnostic: Some(status), ..record };
    emit(LineEvent::Record(record));
    Some(Parsed::Outcome)
}

/// One server failed and the next one is tried, or the failure is told again with `status=`.
fn is_intermediate(rest: &[u8]) -> bool {
    const STARTS: [&[u8]; 9] = [
        b"host ",
        b"lost connection with ",
        b"conversation with ",
        b"connect to ",
        b"Cannot start TLS",
        b"SASL authentication failed",
        b"TLS is required",
        b"Server certificate not ",
        b"TLS not available",
    ];
    STARTS.iter().any(|start| rest.starts_with(start))
}

fn record<'b>(frame: &Frame<'b>, outcome: Outcome, hop: Hop, queue_id: Option<&'b [u8]>) -> DeliveryRecord<'b> {
    DeliveryRecord {
        repeats: frame.repeats,
        stamp: frame.stamp,
        reporting_mta: frame.host,
        queue_id,
        ..DeliveryRecord::new(frame.provenance, NAME, outcome, hop)
    }
}
