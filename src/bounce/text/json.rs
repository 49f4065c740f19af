//! Notifications in JSON, as Amazon SES sends them, plain or as a string within the notification of SNS.
//!
//! ```text
//! {"notificationType":"Bounce","bounce":{"bouncedRecipients":[{"emailAddress":"a@example.com","status":"5.1.1",
//!   "diagnosticCode":"smtp; 550 5.1.1 user unknown"}],"reportingMTA":"dsn; mx.example.net"},"mail":{...}}
//! ```
//!
//! It is read without building a tree: within a string of SNS every quote is `\"`, and values stay borrowed as they
//! are written. Not read: complaints and deliveries, which refuse nothing.

use super::entries::told;
use super::fields::Role;
use super::reason::Reason;
use super::{Told, address, value};
use crate::record::Outcome;
use crate::smtp::EnhancedStatus;

/// Recipients of one notification; SES allows 50.
const MAX_RECIPIENTS: usize = 1_000;

const LISTS: [(&[u8], Outcome); 2] =
    [(b"bouncedRecipients", Outcome::Bounced), (b"delayedRecipients", Outcome::Deferred)];

/// Reads a notification; returns whether it was one.
pub(super) fn read<'t>(text: &'t [u8], out: &mut Vec<Told<'t>>) -> bool {
    let start = text.trim_ascii_start();
    if start.first() != Some(&b'{') {
        return false;
    }
    let Some((at, outcome)) =
        LISTS.iter().find_map(|(list, outcome)| Some((memchr::memmem::find(start, list)?, *outcome)))
    else {
        return memchr::memmem::find(start, b"notificationType").is_some();
    };
    let quote: &[u8] = if at >= 2 && start.get(at - 2) == Some(&b'\\') { b"\\\"" } else { b"\"" };
    let first = out.len();
    let mut reporting_mta = None;
    let list = start.get(at.saturating_sub(quote.len())..).unwrap_or_default();
    for (key, text) in (Pairs { rest: list, quote }) {
        let known = out.len() - first;
        match (key, out.last_mut().filter(|_| known > 0)) {
            (b"emailAddress", _) if known < MAX_RECIPIENTS => {
                let recipient = address::without_scheme(text);
                let recipient = address::among(recipient).map(|(_, a)| a).next().unwrap_or(recipient);
                out.push(Told { outcome, ..told("json", Some(recipient)) });
            }
            (b"status", Some(told)) => told.status = EnhancedStatus::exact(text.trim_ascii()),
            (b"diagnosticCode", Some(told)) => {
                let reason = Reason::read(value::after_type(text));
                (told.diagnostic, told.is_reply) = (Some(reason.text), reason.is_reply);
                (told.remote_mta, told.remote_ip) = (reason.host, reason.ip);
                told.stage = reason.stage;
            }
            (b"reportingMTA", _) => reporting_mta = value::of(Role::ReportingMta, text),
            (b"source" | b"headers" | b"commonHeaders" | b"messageId", _) => break,
            _ => {}
        }
    }
    for told in out.get_mut(first..).unwrap_or_default() {
        told.reporting_mta = reporting_mta;
    }
    true
}

/// `"key":"value"` pairs of strings; other values are passed over.
struct Pairs<'t> {
    rest: &'t [u8],
    quote: &'static [u8],
}

impl<'t> Pairs<'t> {
    /// The next string: what stands between two quotes that are not escaped themselves.
    fn string(&mut self) -> Option<&'t [u8]> {
        let open = self.find_quote(self.rest)?;
        let inside = self.rest.get(open + self.quote.len()..)?;
        let close = self.find_quote(inside)?;
        self.rest = inside.get(close + self.quote.len()..)?;
        inside.get(..close)
    }

    fn find_quote(&self, text: &[u8]) -> Option<usize> {
        memchr::memmem::find_iter(text, self.quote)
            .find(|&at| at.checked_sub(1).and_then(|before| text.get(before)) != Some(&b'\\'))
    }
}

impl<'t> Iterator for Pairs<'t> {
    type Item = (&'t [u8], &'t [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let key = self.string()?;
            let behind = self.rest.trim_ascii_start();
            let Some(behind) = behind.strip_prefix(b":") else { continue };
            if behind.trim_ascii_start().starts_with(self.quote) {
                return Some((key, self.string()?));
            }
        }
    }
}
