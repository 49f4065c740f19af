//! Bounce mails: what a mail is, and what it says of each recipient.
//!
//! A mail is read from what is certain to what is not: the fields of a delivery status notification ([`dsn`]), the same
//! fields printed in a text, and only then prose ([`text`]). Where a notification has no reply of a server, the one that
//! its readable part quotes is taken. What the returned message holds is never read as a report; its header only fills
//! gaps ([`BounceFacts`]).

pub mod dsn;
pub mod host;
pub mod kind;
mod merge;
mod reader;
pub mod returned;
pub mod text;

#[cfg(test)]
mod tests;

pub use kind::{Kind, is_candidate};
pub use reader::Reader;

/// What reading one mail brought, apart from its records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Finding {
    /// What the mail is.
    pub kind: Kind,
    /// Records that were emitted.
    pub records: u32,
    /// Texts that had to be copied: transfer encodings, charsets, HTML, line ends of CR alone.
    pub copies: u32,
    /// Something could not be decoded, or was longer than is read.
    pub decode_lossy: bool,
    /// Multiparts nested deeper than [`crate::mail::parts::MAX_DEPTH`].
    pub mime_depth_exceeded: bool,
    /// More parts than [`crate::mail::parts::MAX_PARTS`].
    pub mime_parts_exceeded: bool,
    /// A header longer than is read.
    pub header_capped: bool,
    /// More recipients than [`dsn::MAX_GROUPS`].
    pub groups_exceeded: bool,
    /// Readers of this mail could differ on what its parts are.
    pub ambiguous_mime: bool,
    /// The returned message holds a notification of its own; it was not read.
    pub nested_report: bool,
    /// The bounce came as the attachment of another mail.
    pub is_forwarded: bool,
}

/// Where the rest of what a bounce says stands, as raw bytes. `None` is not there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BounceFacts<'m> {
    /// Header of the bounce.
    pub header: &'m [u8],
    /// Header of the returned message: fields, folded as they are, maybe with lines behind them that are none.
    pub returned: Option<&'m [u8]>,
    /// Where the time of the attempt may be taken from, best first.
    pub times: Times<'m>,
}

/// Values of date fields as written (RFC 5322 in good reports), best source first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times<'m> {
    /// `Last-Attempt-Date` of the recipient.
    pub last_attempt: Option<&'m [u8]>,
    /// `Arrival-Date` of the report: when the returned message came to the reporting host.
    pub arrival: Option<&'m [u8]>,
    /// The date behind the last `;` of the topmost `Received` of the bounce.
    pub received: Option<&'m [u8]>,
    /// `Date` of the bounce.
    pub date: Option<&'m [u8]>,
}

impl<'m> Times<'m> {
    /// The values that are there, best first.
    pub fn in_order(&self) -> impl Iterator<Item = &'m [u8]> {
        [self.last_attempt, self.arrival, self.received, self.date].into_iter().flatten()
    }
}
