//! From what a report says of a recipient to a record.

use foldhash::fast::RandomState;
use hashbrown::HashMap;

use super::dsn::{Action, Diagnostic, MessageFields, RecipientFields};
use super::host;
use super::text::Told;
use crate::provenance::Provenance;
use crate::record::{DeliveryRecord, Hop, Outcome, domain_of};
use crate::smtp::{EnhancedStatus, inner_reply, parse_reply};

/// Name of records that were read from the fields of a notification.
pub(super) const SHAPE: &str = "dsn";

/// What became of a recipient; `None` where its mail was delivered or passed on.
pub(super) fn outcome(group: &RecipientFields<'_>) -> Option<Outcome> {
    match group.action {
        Some(Action::Delivered | Action::Relayed | Action::Expanded) => None,
        Some(Action::Delayed) => Some(Outcome::Deferred),
        Some(Action::Failed) => Some(Outcome::Bounced),
        None if group.status.is_some_and(|status| status.class == 2) => None,
        None if group.will_retry => Some(Outcome::Deferred),
        None => Some(Outcome::Bounced),
    }
}

/// Whether the readable part of the report could say more than the group.
pub(super) fn needs_text(group: &RecipientFields<'_>) -> bool {
    let has_reply = group.diagnostic.as_ref().is_some_and(|diagnostic| reply(diagnostic).is_reply);
    let has_recipient = group.final_recipient.as_deref().is_some_and(is_address);
    !has_reply || !has_recipient
}

/// Whether a recipient is an address and no program, file or bare name.
pub(super) fn is_address(recipient: &[u8]) -> bool {
    let is_odd = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'|' | b',' | b';');
    recipient.contains(&b'@')
        && !matches!(recipient.first(), Some(b'|' | b'/' | b':' | b'@'))
        && (recipient.first() == Some(&b'"') || !recipient.iter().any(is_odd))
}

/// A text of a cause, and whether a server said it.
#[derive(Clone, Copy)]
struct Said<'m> {
    text: &'m [u8],
    is_reply: bool,
}

impl Said<'_> {
    /// What the server said, where a program quotes it behind a code of its own.
    fn innermost(self) -> Self {
        inner_reply(self.text).map_or(self, |text| Said { text, is_reply: true })
    }
}

fn reply<'m>(diagnostic: &Diagnostic<'m>) -> Said<'m> {
    if diagnostic.has_code {
        return Said { text: diagnostic.text, is_reply: true };
    }
    let names_status = diagnostic.is_smtp() && parse_reply(diagnostic.whole, false).status.is_some();
    Said { text: diagnostic.whole, is_reply: names_status }
}

/// What the prose of a report says, by recipient: a report may list thousands in its prose and in its groups.
pub(super) struct ByRecipient<'a, 't> {
    told: &'a [Told<'t>],
    /// Index into `told` of what says most, by address in lower case.
    best: HashMap<Vec<u8>, usize, RandomState>,
}

impl<'a, 't> ByRecipient<'a, 't> {
    /// Sorts what was told.
    pub(super) fn new(told: &'a [Told<'t>]) -> Self {
        let mut by = ByRecipient { told, best: HashMap::default() };
        for (at, one) in told.iter().enumerate() {
            for address in [one.recipient, one.original_recipient].into_iter().flatten() {
                let known = by.best.entry(address.to_ascii_lowercase()).or_insert(at);
                if weight(told, at) > weight(told, *known) {
                    *known = at;
                }
            }
        }
        by
    }

    /// What was told of the recipient of a group; where there is but one group, also what names nobody.
    pub(super) fn of(&self, group: &RecipientFields<'_>, is_only: bool) -> Option<&'a Told<'t>> {
        if self.told.is_empty() {
            return None;
        }
        let addresses = [&group.final_recipient, &group.original_recipient, &group.actual_recipient];
        let same = addresses.into_iter().flatten().filter_map(|a| self.best.get(&a.to_ascii_lowercase()).copied());
        let best = same.max_by_key(|at| weight(self.told, *at)).and_then(|at| self.told.get(at));
        best.or_else(|| self.told.first().filter(|_| is_only && self.told.len() == 1))
    }
}

/// The one that quotes a server says most; of equals, the last.
fn weight(told: &[Told<'_>], at: usize) -> (bool, bool, usize) {
    told.get(at).map_or((false, false, at), |told| (told.is_reply, told.diagnostic.is_some(), at))
}

/// The record of a group.
pub(super) fn record<'r>(
    message: &MessageFields<'r>,
    group: &'r RecipientFields<'_>,
    told: Option<&Told<'r>>,
    failed: Option<&'r [u8]>,
    outcome: Outcome,
    provenance: Provenance,
) -> DeliveryRecord<'r> {
    let own = group.diagnostic.as_ref().map(reply);
    let others = told.and_then(|told| Some(Said { text: told.diagnostic?, is_reply: told.is_reply }));
    let said = match (own, others) {
        (Some(own), Some(others)) if others.is_reply && !own.is_reply => Some(others),
        (own, others) => own.or(others),
    };
    let said = said.map(Said::innermost);
    let remote = group.remote_mta.or_else(|| group.diagnostic.as_ref().and_then(|d| host::in_frame(d.whole)));
    let remote = remote.unwrap_or_default();
    let remote = match told {
        Some(told) if remote == host::Host::default() => host::Host { name: told.remote_mta, ip: told.remote_ip },
        _ => remote,
    };
    let is_reply = said.is_some_and(|said| said.is_reply);
    let words = group.diagnostic.as_ref().map(|d| d.whole).or(said.map(|said| said.text));
    let is_named = remote != host::Host::default();
    let status = group.status.or(told.and_then(|told| told.status));
    // What a program puts in front of the reply that it quotes is more precise than X.0.0.
    let outer = words.and_then(|words| EnhancedStatus::at_start(words.trim_ascii())).map(|(status, _)| status);
    let status = status.filter(|status| status.detail != 0 || status.subject != 0).or(outer).or(status);
    let hop = host::hop(is_named, is_reply, group.diagnostic.as_ref(), words, status);
    let final_recipient = recipient(group, told, failed);
    DeliveryRecord {
        attempted: outcome != Outcome::Deferred,
        reporting_mta: message.reporting_mta.or(told.and_then(|told| told.reporting_mta)),
        queue_id: message.queue_id.or(told.and_then(|told| told.queue_id)),
        sender: message.sender,
        final_recipient,
        original_recipient: group.original_recipient.as_deref().filter(|a| Some(*a) != final_recipient),
        remote_mta: remote.name,
        remote_ip: remote.ip,
        stage: words.and_then(host::stage_in).or(told.and_then(|told| told.stage)),
        stated_status: status,
        diagnostic: said.map(|said| said.text),
        is_reply,
        ..DeliveryRecord::new(provenance, SHAPE, outcome, hop)
    }
}

/// The address that failed: the final one; another of the report's where that is a program or no address. `failed` is the
/// only address that the mail's header names.
fn recipient<'r>(
    group: &'r RecipientFields<'_>,
    told: Option<&Told<'r>>,
    failed: Option<&'r [u8]>,
) -> Option<&'r [u8]> {
    let final_recipient = group.final_recipient.as_deref();
    if final_recipient.is_some_and(|address| is_address(address) && is_public(address)) {
        return final_recipient;
    }
    let told = told.and_then(|told| told.original_recipient.or(told.recipient));
    let others = [group.actual_recipient.as_deref(), group.original_recipient.as_deref(), told, failed];
    let mut others = others.into_iter().flatten().filter(|other| is_address(other));
    match final_recipient.filter(|address| is_address(address)) {
        Some(known) => others.find(|other| is_public(other)).or(Some(known)),
        None => others.next().or(final_recipient),
    }
}

/// Whether an address means something outside of the host that reports: no route, and a domain with a dot.
fn is_public(address: &[u8]) -> bool {
    !address.starts_with(b"@")
        && domain_of(address).is_some_and(|domain| domain.contains(&b'.') || domain.starts_with(b"["))
}

/// The record of what prose alone says.
pub(super) fn told_record<'r>(told: &Told<'r>, provenance: Provenance) -> DeliveryRecord<'r> {
    let is_named = told.remote_mta.is_some() || told.remote_ip.is_some();
    let said = told.diagnostic.map(|text| Said { text, is_reply: told.is_reply }.innermost());
    let is_reply = said.is_some_and(|said| said.is_reply);
    let hop: Hop = host::hop(is_named, is_reply, None, told.diagnostic, told.status);
    DeliveryRecord {
        attempted: told.outcome != Outcome::Deferred,
        reporting_mta: told.reporting_mta,
        queue_id: told.queue_id,
        final_recipient: told.recipient,
        original_recipient: told.original_recipient,
        remote_mta: told.remote_mta,
        remote_ip: told.remote_ip,
        stage: told.stage,
        stated_status: told.status,
        diagnostic: said.map(|said| said.text),
        is_reply,
        ..DeliveryRecord::new(provenance, told.shape, told.outcome, hop)
    }
}
