//! Sendmail 8: syslog lines.
//!
//! ```text
//! Feb  8 05:36:57 mx1 sm-mta[123]: s1P819mk027713: to=<a@example.com>,<b@example.com>, delay=00:00:03,
//!   xdelay=00:00:03, mailer=esmtp, pri=120344, relay=mx.example.com. [192.0.2.1], dsn=5.1.1, stat=User unknown
//! Feb  8 05:36:57 mx1 sm-mta[123]: s1P819mk027714: to=<a@example.com>, delay=00:00:03, mailer=esmtp, pri=120344,
//!   relay=mx.example.com. [192.0.2.1], dsn=5.7.1, reply=550 5.7.1 No, thanks, stat=Service unavailable
//! Feb  8 05:36:57 mx1 sm-mta[123]: s1P819mk027713: ruleset=check_rcpt, arg1=<a@example.com>,
//!   relay=client.example.org [192.0.2.2], reject=550 5.7.1 <a@example.com>... Relaying denied
//! ```
//!
//! Written by `logdelivery()` and `giveresponse()` of `deliver.c`, `rscheck()` of `srvrsmtp.c` and the Milter code.
//! Known from 8.8 (no `dsn=`, no `pri=`) up to 8.17.
//!
//! Where the server's reply stands:
//! - behind a failure, `stat=` holds Sendmail's own words for an exit code (`User unknown`). 8.17 logs the reply in
//!   `reply=`; before, it is not logged and only `dsn=` tells 5.7.1 from others.
//! - behind a deferral it stands in `stat=`, in 8.17 in `reply=` too.
//! - of a reply of several lines only the first is logged, its hyphen (`550-5.7.1`) kept or not. Sendmail cuts the
//!   middle out of a long reply, and out of a long relay name, and puts `...` there.
//! - behind `Sent` it stands without its codes, so a delivery has no reply code.
//!
//! Not read, on purpose:
//! - `reply=` where the outcome did not follow from it (`Attempt::answer` says how that is told).
//! - `DSN:`, `return to sender`, `postmaster notify`: they speak of the notification.
//! - `ruleset=tls_rcpt`, `tls_server`, `try_tls`: they refuse our own delivery, whose `stat=` follows.
//! - `stat=queued` and `quarantined`: nothing was tried.
//! - `<a@example.com>... User unknown` without `reject=`: no code, and the client's session goes on.

#[cfg(test)]
mod tests;

use super::text::{
    Peer, angle, from, host_name, message_id_of, not_empty, quoted_len, split_byte, starts_like_reply, without_angles,
};
use super::{Frame, LineEvent, LogFormat, Parsed, Skip};
use crate::record::{DeliveryRecord, Hop, Outcome, SmtpStage, domain_of};
use crate::smtp::EnhancedStatus;

/// Reader of Sendmail logs.
pub struct Sendmail;

const NAME: &str = "sendmail";

/// Longest queue id that is looked for; ids have up to 20 characters.
const MAX_QUEUE_ID: usize = 64;

impl LogFormat for Sendmail {
    fn name(&self) -> &'static str {
        NAME
    }

    fn parse<'b>(&self, frame: &Frame<'b>, emit: &mut dyn FnMut(LineEvent<'b>)) -> Parsed {
        let Some(program) = frame.program else { return Parsed::NotMine };
        let (queue_id, rest) = queue_id(frame.message);
        let line = Line { frame, queue_id };
        let parsed = match rest.first() {
            Some(b't') if rest.starts_with(b"to=") => line.delivery(rest, emit),
            Some(b'f') if rest.starts_with(b"from=") => line.opens(rest, emit),
            Some(b'r') if rest.starts_with(b"ruleset=") => line.ruleset(rest, emit),
            Some(b'M') if rest.starts_with(b"Milter: ") => line.milter(rest, emit),
            Some(b'd') if rest.starts_with(b"done; delay=") => line.closes(emit),
            _ => None,
        };
        match parsed {
            Some(parsed) => parsed,
            None if is_sendmail(program) && rest.starts_with(b"to=") => Skip::Malformed.into(),
            None if is_sendmail(program) => Skip::NoOutcome.into(),
            None => Parsed::NotMine,
        }
    }
}

fn is_sendmail(program: &[u8]) -> bool {
    program.starts_with(b"sendmail") || program.starts_with(b"sm-")
}

/// Splits `ID: text`. The id may be empty (`: to=...`) or missing (`ruleset=check_relay, ...`).
fn queue_id(message: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let len = message.iter().take(MAX_QUEUE_ID).take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
    match message.split_at_checked(len) {
        Some((b"Milter", _)) => (None, message),
        Some((id, [b':', b' ', rest @ ..])) => (Some(id).filter(|id| !id.is_empty() && *id != b"NOQUEUE"), rest),
        _ => (None, message),
    }
}

/// The next `key=value, ` of a line. The last value of a line (`stat=`, `reject=`) may hold commas: it is the rest.
struct Items<'b> {
    rest: &'b [u8],
}

impl<'b> Iterator for Items<'b> {
    type Item = (&'b [u8], &'b [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, text) = split_byte(self.rest, b'=').filter(|(key, _)| key.len() <= 16)?;
        let (value, rest) = match key {
            b"stat" | b"reject" => (text, &[][..]),
            b"reply" => reply_value(text),
            b"arg1" | b"ctladdr" | b"from" | b"to" => address_value(text)?,
            _ => split_at_comma(text),
        };
        self.rest = rest;
        Some((key, value))
    }
}

fn split_at_comma(text: &[u8]) -> (&[u8], &[u8]) {
    match split_byte(text, b',') {
        Some((value, rest)) => (value, rest.trim_ascii_start()),
        None => (text, &[]),
    }
}

/// The value of `reply=`, which holds commas and may imitate what follows it: `stat=`, the last item.
///
/// `stat=` repeats a reply 4xx behind `Deferred: `, so the first such place is the border, whatever the reply holds.
/// All other `stat=` are Sendmail's own words, so their border is the last.
fn reply_value(text: &[u8]) -> (&[u8], &[u8]) {
    let deferred = text.starts_with(b"4").then(|| memchr::memmem::find(text, b", stat=Deferred")).flatten();
    match deferred.or_else(|| memchr::memmem::rfind(text, b", stat=")) {
        Some(at) => (text.get(..at).unwrap_or(text), from(text, at + 2)),
        None => split_at_comma(text),
    }
}

/// A value that is an address: commas inside `<>` and quotes are its own. `None` where `<` stays open.
fn address_value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = match text.strip_prefix(b"<") {
        Some(inner) => angle(inner, |rest| matches!(rest.first(), None | Some(b',' | b' ')))?.0.len() + 2,
        None => quoted_len(text).unwrap_or(0),
    };
    let end = memchr::memchr(b',', from(text, len)).map_or(text.len(), |at| len + at);
    let (value, rest) = text.split_at_checked(end)?;
    Some((value, from(rest, 1).trim_ascii_start()))
}

struct Line<'f, 'b> {
    frame: &'f Frame<'b>,
    queue_id: Option<&'b [u8]>,
}

impl<'b> Line<'_, 'b> {
    fn record(&self, outcome: Outcome, hop: Hop) -> DeliveryRecord<'b> {
        DeliveryRecord {
            repeats: self.frame.repeats,
            stamp: self.frame.stamp,
            reporting_mta: self.frame.host,
            queue_id: self.queue_id,
            ..DeliveryRecord::new(self.frame.provenance, NAME, outcome, hop)
        }
    }

    fn closes(&self, emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
        emit(LineEvent::Closes { queue_id: self.queue_id? });
        Some(Skip::NoOutcome.into())
    }

    /// `from=<A>, size=N, class=0, nrcpts=1, ...`.
    fn opens(&self, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
        let (sender, rest) = address_value(rest.strip_prefix(b"from=")?)?;
        let (_, class) = split_byte(rest.strip_prefix(b"size=")?, b',')?;
        if !class.starts_with(b" class=") {
            return None;
        }
        let queue_id = self.queue_id?;
        emit(LineEvent::Opens { queue_id, sender: without_angles(sender) });
        let named = class.get(memchr::memmem::find(class, b", msgid=").map_or(class.len(), |at| at + 8)..);
        let message_id = named.and_then(|rest| message_id_of(split_byte(rest, b',').map_or(rest, |(id, _)| id)));
        if let Some(message_id) = message_id {
            emit(LineEvent::Names { queue_id, message_id });
        }
        Some(Skip::NoOutcome.into())
    }

    /// `to=LIST, ..., relay=NAME [ip], dsn=S, stat=TEXT`: one record for each recipient.
    fn delivery(&self, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
        let (mut list, items) = Recipients::read(rest.strip_prefix(b"to=")?)?;
        let attempt = Attempt::read(items)?;
        let Some(verdict) = attempt.verdict() else { return Some(Skip::NoOutcome.into()) };
        let record = DeliveryRecord {
            remote_ip: attempt.relay.ip,
            stated_status: attempt.status,
            diagnostic: not_empty(verdict.text),
            is_reply: verdict.is_reply,
            truncated: verdict.text.len() >= TEXT_LIMIT && memchr::memmem::find(verdict.text, b"...").is_some(),
            ..self.record(verdict.outcome, attempt.hop(&verdict))
        };
        let mut parsed = Parsed::Skipped(Skip::Malformed);
        while let Some(recipient) = list.next() {
            let remote_mta = attempt.host(recipient);
            emit(LineEvent::Record(DeliveryRecord { final_recipient: not_empty(recipient), remote_mta, ..record }));
            parsed = Parsed::Outcome;
        }
        Some(parsed)
    }

    /// `ruleset=check_rcpt, arg1=<A>, relay=NAME [ip], reject=TEXT`.
    fn ruleset(&self, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
        let (mut ruleset, mut argument, mut relay, mut text) = (&[][..], None, Peer::default(), None);
        for (key, value) in (Items { rest }) {
            match key {
                b"ruleset" => ruleset = value,
                b"arg1" => argument = Some(without_angles(value)),
                b"relay" => relay = peer(value),
                b"reject" => text = Some(value),
                _ => {}
            }
        }
        let text = text?;
        let (stage, sender, recipient) = match ruleset {
            b"tls_rcpt" | b"tls_server" | b"try_tls" => return Some(Skip::Intermediate.into()),
            b"check_rcpt" | b"check_compat" => (SmtpStage::Rcpt, None, argument),
            b"check_mail" => (SmtpStage::Mail, argument, None),
            b"check_relay" => (SmtpStage::Connect, None, None),
            b"check_data" => (SmtpStage::Data, None, None),
            b"check_eom" | b"check_eoh" => (SmtpStage::EndOfData, None, None),
            b"tls_client" => (SmtpStage::StartTls, None, None),
            b"trust_auth" => (SmtpStage::Auth, None, None),
            _ => (SmtpStage::Other, None, None),
        };
        emit(self.rejected(relay, stage, sender, recipient, text));
        Some(Parsed::Outcome)
    }

    /// `Milter: to=<A>, reject=TEXT`, `Milter: data, reject=TEXT`.
    fn milter(&self, rest: &'b [u8], emit: &mut dyn FnMut(LineEvent<'b>)) -> Option<Parsed> {
        let rest = rest.strip_prefix(b"Milter: ")?;
        let end = rest.iter().take(16).position(|b| matches!(b, b'=' | b',' | b':'))?;
        let (word, _) = rest.split_at_checked(end)?;
        let (value, rest) = match rest.get(end) {
            Some(b'=') => address_value(from(rest, end + 1))?,
            _ => (&[][..], from(rest, end + 1).trim_ascii_start()),
        };
        let text = Items { rest }.find(|(key, _)| *key == b"reject").map(|(_, value)| value)?;
        let address = Some(without_angles(value));
        let (stage, sender, recipient) = match word {
            b"to" => (SmtpStage::Rcpt, None, address),
            b"from" => (SmtpStage::Mail, address, None),
            b"helo" => (SmtpStage::Helo, None, None),
            b"connect" => (SmtpStage::Connect, None, None),
            _ => (SmtpStage::EndOfData, None, None),
        };
        emit(self.rejected(Peer::default(), stage, sender, recipient, text));
        Some(Parsed::Outcome)
    }

    fn rejected(
        &self,
        client: Peer<'b>,
        stage: SmtpStage,
        sender: Option<&'b [u8]>,
        recipient: Option<&'b [u8]>,
        text: &'b [u8],
    ) -> LineEvent<'b> {
        LineEvent::Record(DeliveryRecord {
            sender,
            final_recipient: recipient.and_then(not_empty),
            remote_mta: client.name,
            remote_ip: client.ip,
            stage: Some(stage),
            diagnostic: not_empty(text),
            is_reply: starts_like_reply(text),
            ..self.record(Outcome::Rejected, Hop::Inbound)
        })
    }
}

/// A text from which Sendmail cut the middle has at least this length: `stat=` is then 203 bytes long, of which
/// `Deferred: ` is no part of the text.
const TEXT_LIMIT: usize = 190;

/// Recipients of one line: parted by commas, with or without `<>`.
struct Recipients<'b> {
    list: &'b [u8],
}

impl<'b> Recipients<'b> {
    /// Splits a line behind `to=` into its list and its items. The list ends at a comma behind which a key of a
    /// delivery line stands.
    fn read(text: &'b [u8]) -> Option<(Self, &'b [u8])> {
        let mut rest = text;
        loop {
            let (_, after) = address_value(rest)?;
            if after.is_empty() {
                return None;
            }
            if is_delivery_key(after) {
                let list = text.get(..text.len() - after.len())?.trim_ascii_end();
                let list = list.strip_suffix(b",").unwrap_or(list);
                return Some((Recipients { list: list.strip_suffix(b" [more]").unwrap_or(list) }, after));
            }
            rest = after;
        }
    }

    fn next(&mut self) -> Option<&'b [u8]> {
        if self.list.is_empty() {
            return None;
        }
        let (address, rest) = address_value(self.list)?;
        self.list = rest;
        Some(route_address(address.trim_ascii()))
    }
}

/// The address of `<a@example.com>` and of `name <a@example.com>`.
fn route_address(address: &[u8]) -> &[u8] {
    match address.strip_suffix(b">").and_then(|rest| Some((rest, memchr::memrchr(b'<', rest)?))) {
        Some((rest, open)) if !address.starts_with(b"<") => from(rest, open + 1),
        _ => without_angles(address),
    }
}

fn is_delivery_key(text: &[u8]) -> bool {
    const KEYS: [&[u8]; 10] = [
        b"ctladdr=",
        b"delay=",
        b"xdelay=",
        b"mailer=",
        b"pri=",
        b"relay=",
        b"dsn=",
        b"ntries=",
        b"stat=",
        b"quarantine=",
    ];
    KEYS.iter().any(|key| text.starts_with(key))
}

/// The items of a delivery line.
#[derive(Default)]
struct Attempt<'b> {
    relay: Peer<'b>,
    status: Option<EnhancedStatus>,
    reply: &'b [u8],
    stat: &'b [u8],
    local_mailer: bool,
}

/// What `stat=` says.
struct Verdict<'b> {
    outcome: Outcome,
    text: &'b [u8],
    is_reply: bool,
}

impl<'b> Attempt<'b> {
    /// `None` without `stat=`: another MTA's line.
    fn read(rest: &'b [u8]) -> Option<Self> {
        let mut attempt = Attempt::default();
        for (key, value) in (Items { rest }) {
            match key {
                b"relay" => attempt.relay = peer(value),
                b"dsn" => attempt.status = EnhancedStatus::exact(value),
                b"mailer" => {
                    attempt.local_mailer = matches!(value, b"local" | b"prog" | b"*file*" | b"cyrus" | b"cyrusv2")
                }
                b"reply" => attempt.reply = value,
                b"stat" => return Some(Attempt { stat: value, ..attempt }),
                _ => {}
            }
        }
        None
    }

    /// `None` for `queued` and `quarantined`.
    fn verdict(&self) -> Option<Verdict<'b>> {
        let stat = self.stat;
        if let Some(rest) = stat.strip_prefix(b"Sent") {
            let text = rest.trim_ascii().strip_prefix(b"(").and_then(|t| t.strip_suffix(b")")).unwrap_or(stat);
            return Some(Verdict { outcome: Outcome::Delivered, text, is_reply: false });
        }
        if let Some(rest) = stat.strip_prefix(b"Deferred") {
            let text = rest.strip_prefix(b":").map_or(stat, <[u8]>::trim_ascii_start);
            let text = rest.strip_prefix(b" (").and_then(|text| text.strip_suffix(b")")).unwrap_or(text);
            return Some(self.answer(Outcome::Deferred, text));
        }
        if matches!(stat, b"queued" | b"Queued" | b"quarantined" | b"Quarantined") {
            return None;
        }
        Some(self.failure())
    }

    /// The words of an exit code. Some relays put the server's reply in parentheses behind them.
    fn failure(&self) -> Verdict<'b> {
        let transient = matches!(self.stat, b"I/O error" | b"Operating system error" | b"Temporary failure");
        let outcome = match self.status.map(|status| status.class) {
            Some(4) => Outcome::Deferred,
            Some(2) => Outcome::Delivered,
            None if transient => Outcome::Deferred,
            _ => Outcome::Bounced,
        };
        let reason = memchr::memmem::find(self.stat, b"(Reason from remote:").map(|at| from(self.stat, at + 20));
        match reason.map(|reply| reply.strip_suffix(b")").unwrap_or(reply)).filter(|reply| starts_like_reply(reply)) {
            Some(text) => Verdict { outcome, text, is_reply: true },
            None => self.answer(outcome, self.stat),
        }
    }

    /// The server's reply if the outcome followed from it, else `text`, which is what `stat=` says.
    ///
    /// `reply=` is what Sendmail last held as a reply. That may be the answer to an earlier command
    /// (`reply=250 ok, stat=Deferred: Connection timed out with x.`), or invented where the server hung up
    /// (`reply=421 4.4.1 Connection reset by x., stat=Deferred: Connection reset by x.`). So it counts only where
    /// `stat=` repeats its code, or where a 5xx stands behind a failure.
    fn answer(&self, outcome: Outcome, text: &'b [u8]) -> Verdict<'b> {
        let is_repeated = is_answer(text) && self.reply.get(..3) == text.get(..3);
        let is_final = outcome == Outcome::Bounced && self.reply.starts_with(b"5");
        if is_answer(self.reply) && (is_repeated || is_final) {
            return Verdict { outcome, text: self.reply, is_reply: true };
        }
        Verdict { outcome, text, is_reply: outcome == Outcome::Deferred && is_answer(text) }
    }

    /// The server's name. Without a session `relay=` is what was to be looked up: where that is the recipient's own
    /// domain, it names no server.
    fn host(&self, recipient: &[u8]) -> Option<&'b [u8]> {
        let is_domain = |name: &[u8]| domain_of(recipient).is_some_and(|domain| domain.eq_ignore_ascii_case(name));
        self.relay.name.filter(|name| self.relay.ip.is_some() || !is_domain(name))
    }

    fn hop(&self, verdict: &Verdict<'_>) -> Hop {
        const UNCONNECTED: [&[u8]; 6] = [
            b"Connection refused by",
            b"Connection timed out with",
            b"No route to host",
            b"Network is unreachable",
            b"Name server:",
            b"Host unknown",
        ];
        if self.relay.is_internal() {
            Hop::Internal
        } else if self.local_mailer || (self.relay == Peer::default() && verdict.outcome == Outcome::Delivered) {
            Hop::Local
        } else if self.relay.ip.is_none() || UNCONNECTED.iter().any(|start| verdict.text.starts_with(start)) {
            Hop::Unconnected
        } else {
            Hop::Remote
        }
    }
}

/// Whether a server said this. `reply()` of `usersmtp.c` puts these words where an answer would stand if the server
/// hung up.
fn is_answer(text: &[u8]) -> bool {
    starts_like_reply(text) && !text.starts_with(b"421 4.4.1 Connection reset by ")
}

/// `name. [ip] (may be forged)`, `[ip]`, or a name alone.
fn peer(value: &[u8]) -> Peer<'_> {
    let open = value.iter().rposition(|b| *b == b'[');
    let (name, inside) = match open.and_then(|at| value.split_at_checked(at)) {
        Some((name, bracket)) => (name.trim_ascii_end(), split_byte(from(bracket, 1), b']').map(|(ip, _)| ip)),
        None => (value.split(|b| *b == b' ').next().unwrap_or(value), None),
    };
    let name = host_name(name).filter(|name| !name.starts_with(b"["));
    Peer { name, ..Peer::new(b"", inside) }
}
