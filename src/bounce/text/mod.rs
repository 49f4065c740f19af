//! Bounces told in prose: the readable part of a report, without the headers of the returned message.
//!
//! No product has a reader of its own. A text is cut into lines ([`returned_at`] tells where the returned message begins,
//! and nothing behind that is read), phrases of several languages say what a line is about, and then four shapes are
//! told apart:
//!
//! - lists: a line opens with an address, and what follows it, on the line, below it or deeper, says why
//!   (`<a@example.com>: host mx.example.com[192.0.2.1] said: 550 ...`);
//! - fields: `Recipient: a@example.com`, `Reason: ...`, and the fields of RFC 3464 printed in prose;
//! - sessions: `>>> RCPT TO:<a@example.com>`, `<<< 550 ...`, and the lines that Sendmail adds below them;
//! - sentences that say that mail to an address failed.
//!
//! The shape that names recipients best decides who failed; the others only add what they know of these. Where a
//! recipient has no reason of its own, the reason that the text gives for all is taken, and a server's reply beats words.
//! Notifications in JSON are read apart. What no shape names is taken from the clues of the mail's header.
//!
//! Not read, on purpose: sentences outside of the languages of the phrase table, addresses with bytes beyond ASCII
//! outside of `<>`, and texts behind [`MAX_TEXT`] bytes. Time is linear in the text; memory is bounded by the named caps.

mod address;
mod entries;
mod fields;
mod json;
mod lines;
mod openings;
mod phrase_table;
mod phrases;
mod prose;
mod reader;
mod reason;
mod returned;
mod session;
mod settle;
mod value;

#[cfg(test)]
mod tests;

pub use lines::MAX_TEXT;
pub use returned::returned_at;

use crate::record::{Outcome, SmtpStage};
use crate::smtp::EnhancedStatus;

/// What a report says of one recipient. All text is borrowed from the report; `None` is not stated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'t> {
    /// Shape that was recognised, for example `transcript`: the column `mta` of events.
    pub shape: &'static str,
    /// Bounced, or deferred where the report says that it will be tried again.
    pub outcome: Outcome,
    /// Address that failed, without `<>`, as written.
    pub recipient: Option<&'t [u8]>,
    /// Address before forwarding, where the report names both.
    pub original_recipient: Option<&'t [u8]>,
    /// The remote reply with its code where there is one, else the program's own words; line ends and indentation of the
    /// report are still in it.
    pub diagnostic: Option<&'t [u8]>,
    /// Whether `diagnostic` is the reply of an SMTP server.
    pub is_reply: bool,
    /// Status stated apart from the diagnostic.
    pub status: Option<EnhancedStatus>,
    /// Server that spoke.
    pub remote_mta: Option<&'t [u8]>,
    /// Its address, without brackets.
    pub remote_ip: Option<&'t [u8]>,
    /// Program or host that wrote the report.
    pub reporting_mta: Option<&'t [u8]>,
    /// Queue id on the reporting host.
    pub queue_id: Option<&'t [u8]>,
    /// Command that was answered.
    pub stage: Option<SmtpStage>,
}

/// What the mail's header says that helps to read its text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Clues<'t> {
    /// `Subject`, decoded.
    pub subject: Option<&'t [u8]>,
    /// `From` of the report.
    pub from: Option<&'t [u8]>,
    /// `X-Failed-Recipients`, raw: addresses between commas.
    pub failed_recipients: Option<&'t [u8]>,
    /// `To` of the returned message, raw, where that is known.
    pub original_to: Option<&'t [u8]>,
    /// The header says that this is a report of mail that was not delivered.
    pub is_report: bool,
}

/// Reads what `text` says of each recipient that failed or must wait, in the order of the text, and adds it to `out`.
///
/// `text` is the readable part of a report, with LF or CRLF, perhaps followed by the returned message. Nothing is added
/// where neither the text nor the clues say that mail failed. A report that says so but names nobody gives one `Told`
/// without a recipient.
///
/// ```
/// # use bouncesift::bounce::text::{Clues, read};
/// let text = b"Hi. This is the program at mx.example.org.\nI wasn't able to deliver your message.\n\n\
/// <joe@example.net>:\n192.0.2.1 does not like recipient.\nRemote host said: 550 5.7.1 Go away\n";
/// let mut told = Vec::new();
/// read(text, &Clues::default(), &mut told);
/// assert_eq!(told[0].recipient, Some(&b"joe@example.net"[..]));
/// assert_eq!(told[0].diagnostic, Some(&b"550 5.7.1 Go away"[..]));
/// assert_eq!(told[0].remote_ip, Some(&b"192.0.2.1"[..]));
/// ```
///
/// Time is linear in the text, of which [`MAX_TEXT`] bytes are looked at.
pub fn read<'t>(text: &'t [u8], clues: &Clues<'t>, out: &mut Vec<Told<'t>>) {
    if json::read(text, out) {
        return;
    }
    let seen = text.get(..MAX_TEXT).unwrap_or(text);
    let report = returned_at(seen).and_then(|at| seen.get(..at)).unwrap_or(seen);
    let lines = lines::Lines::new(report);
    let found = reader::Reader::new(&lines).read();
    settle::settle(&lines, found, clues, out);
}
