//! Refusals by our own server: smtpd, postscreen and cleanup.
//!
//! ```text
//! [ID|NOQUEUE: ]VERB: STAGE from NAME[IP][:port]: NNN x.y.z TEXT; from=<A> to=<B> proto=P helo=<H>
//! ID: reject: header LINE from NAME[IP]; from=<A> to=<B> proto=P helo=<H>: x.y.z TEXT
//! proxy-reject: END-OF-MESSAGE: NNN x.y.z TEXT; from=<A> ...
//! ```

use std::sync::LazyLock;

use memchr::memmem::FinderRev;

use super::super::text::{Peer, angle, from, not_empty, split_byte};
use super::super::{Frame, LineEvent, Parsed, Skip};
use super::record;
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage};
use crate::smtp::EnhancedStatus;

static CLIENT: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new(" from "));
static ENVELOPE: LazyLock<FinderRev<'static>> = LazyLock::new(|| FinderRev::new("; from=<"));

/// Whether a word in front of `: ` is a verb of this grammar and no queue id.
pub(super) fn is_verb(word: &[u8]) -> bool {
    word == b"reject"
}

/// Reads a refusal; `None` for all else, verbs that refuse nothing among them.
pub(super) fn parse<'b>(
    frame: &Frame<'b>,
    agent: &[u8],
    queue_id: Option<&'b [u8]>,
    rest: &'b [u8],
    emit: &mut dyn FnMut(LineEvent<'b>),
) -> Option<Parsed> {
    const VERBS: [&[u8]; 4] = [b"reject: ", b"milter-reject: ", b"proxy-reject: ", b"milter-header-reject: "];
    let rest = VERBS.iter().find_map(|verb| rest.strip_prefix(*verb))?;
    let content = [&b"header "[..], b"body ", b"content "].iter().any(|class| rest.starts_with(class));
    let refusal = if content && agent != b"smtpd" { of_content(rest) } else { of_command(rest) };
    let Some(refusal) = refusal else { return Some(Skip::Malformed.into()) };
    emit(LineEvent::Record(DeliveryRecord {
        sender: refusal.envelope.sender,
        final_recipient: refusal.envelope.recipient,
        remote_mta: refusal.client.name,
        remote_ip: refusal.client.ip,
        stage: refusal.stage,
        diagnostic: not_empty(refusal.text),
        is_reply: refusal.text.first().is_some_and(u8::is_ascii_digit),
        stated_status: EnhancedStatus::at_start(refusal.text).map(|(status, _)| status),
        ..record(frame, Outcome::Rejected, Hop::Inbound, queue_id)
    }));
    Some(Parsed::Outcome)
}

struct Refusal<'b> {
    stage: Option<SmtpStage>,
    client: Peer<'b>,
    text: &'b [u8],
    envelope: Envelope<'b>,
}

/// `STAGE[ from CLIENT]: TEXT; from=<A> to=<B> ...`.
fn of_command(rest: &[u8]) -> Option<Refusal<'_>> {
    let end = rest.iter().take(32).position(|b| matches!(b, b' ' | b':'))?;
    let (word, rest) = rest.split_at_checked(end)?;
    let (word, rest) = match rest.strip_prefix(b" content") {
        Some(rest) => (&b"END-OF-MESSAGE"[..], rest),
        None => (word, rest),
    };
    let (client, rest) = match rest.strip_prefix(b" from ") {
        Some(client) => client_and_rest(client)?,
        None => (Peer::default(), rest),
    };
    let text = rest.strip_prefix(b":")?.trim_ascii_start();
    let (text, envelope) = split_envelope(text);
    Some(Refusal { stage: Some(stage(word)), client, text, envelope })
}

/// `name[ip]`, or `[ip]:port` of postscreen; the rest starts at the colon behind it.
fn client_and_rest(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    let (client, rest) = Peer::attached(text)?;
    let port = rest.strip_prefix(b":").map_or(0, |r| r.iter().take_while(|b| b.is_ascii_digit()).count());
    Some((client, if port > 0 { from(rest, port + 1) } else { rest }))
}

/// `header LINE from CLIENT; from=<A> to=<B> proto=P helo=<H>: TEXT`. LINE is the client's text and may imitate the
/// rest, so client and envelope are looked for from the right.
fn of_content(rest: &[u8]) -> Option<Refusal<'_>> {
    let (head, tail) = rest.split_at_checked(ENVELOPE.rfind(rest)?)?;
    let client = CLIENT.rfind(head).map(|at| from(head, at + " from ".len()));
    let client = client.and_then(Peer::attached).map(|(client, _)| client).unwrap_or_default();
    let (envelope, rest) = Envelope::read(from(tail, 2));
    let text = match memchr::memmem::find(rest, b">: ") {
        Some(at) => from(rest, at + 3),
        None => split_byte(rest, b':').map_or(&[][..], |(_, text)| text.trim_ascii_start()),
    };
    Some(Refusal { stage: Some(SmtpStage::EndOfData), client, text, envelope })
}

/// Cuts the text where the envelope starts: the leftmost `; from=<`, `; to=<` or `; proto=`.
fn split_envelope(text: &[u8]) -> (&[u8], Envelope<'_>) {
    for at in memchr::memchr_iter(b';', text) {
        let rest = from(text, at + 2);
        if text.get(at + 1) == Some(&b' ')
            && (rest.starts_with(b"from=<") || rest.starts_with(b"to=<") || rest.starts_with(b"proto="))
        {
            return (text.get(..at).unwrap_or(text), Envelope::read(rest).0);
        }
    }
    (text.strip_suffix(b";").unwrap_or(text), Envelope::default())
}

/// Sender and recipient as far as the client had named them.
#[derive(Default)]
struct Envelope<'b> {
    sender: Option<&'b [u8]>,
    recipient: Option<&'b [u8]>,
}

impl<'b> Envelope<'b> {
    /// Reads `from=<A> to=<B> ...`, also with commas; gives back the text behind the addresses.
    fn read(text: &'b [u8]) -> (Self, &'b [u8]) {
        let (sender, rest) = item(text, b"from=<");
        let (recipient, rest) = item(rest, b"to=<");
        (Envelope { sender, recipient: recipient.and_then(not_empty) }, rest)
    }
}

/// The address behind `key` if the text starts with it, and the text from the next item on.
fn item<'b>(text: &'b [u8], key: &[u8]) -> (Option<&'b [u8]>, &'b [u8]) {
    let Some(address) = text.strip_prefix(key) else { return (None, text) };
    let next = |rest: &'_ [u8]| {
        let rest = rest.strip_prefix(b",").unwrap_or(rest);
        matches!(rest.strip_prefix(b" "), Some(r) if [&b"to=<"[..], b"proto=", b"helo=<", b"sasl_"].iter().any(|k| r.starts_with(k)))
            || rest.is_empty()
            || rest.starts_with(b": ")
    };
    match angle(address, next) {
        Some((address, rest)) => {
            let rest = rest.strip_prefix(b",").unwrap_or(rest);
            (Some(address), rest.strip_prefix(b" ").unwrap_or(rest))
        }
        None => (None, text),
    }
}

fn stage(word: &[u8]) -> SmtpStage {
    match word {
        b"CONNECT" => SmtpStage::Connect,
        b"HELO" | b"EHLO" => SmtpStage::Helo,
        b"MAIL" => SmtpStage::Mail,
        b"RCPT" => SmtpStage::Rcpt,
        b"DATA" | b"BDAT" => SmtpStage::Data,
        b"END-OF-MESSAGE" => SmtpStage::EndOfData,
        b"AUTH" => SmtpStage::Auth,
        b"STARTTLS" => SmtpStage::StartTls,
        _ => SmtpStage::Other,
    }
}
