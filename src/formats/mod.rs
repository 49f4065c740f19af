//! Log formats: one file per MTA. A format is given one framed line and says what it is.
//!
//! To add a format: one file here, its `mod` line, its entry in [`FORMATS`], and a folder of samples.
//! Lines of several formats may be mixed in one file: each line is offered to the formats until one claims it.

pub mod exim;
pub mod losses;
pub mod postfix;
pub mod sendmail;
pub mod syslog;
#[cfg(test)]
mod testing;
mod text;

use crate::record::DeliveryRecord;
pub use syslog::Frame;

/// Every known format. A line belongs to the first that does not answer [`Parsed::NotMine`].
pub static FORMATS: &[&dyn LogFormat] = &[&postfix::Postfix, &exim::Exim, &sendmail::Sendmail];

/// One MTA's log.
pub trait LogFormat: Sync {
    /// Short name: `--format`, the column `mta`, the folder of samples.
    fn name(&self) -> &'static str;

    /// Reads one line. Everything the line states is handed to `emit`, borrowed from the line.
    ///
    /// Takes time linear in the length of the line and never allocates.
    fn parse<'b>(&self, frame: &Frame<'b>, emit: &mut dyn FnMut(LineEvent<'b>)) -> Parsed;
}

/// What a format found in a line.
#[derive(Clone, Copy, Debug)]
pub enum LineEvent<'b> {
    /// The outcome of one attempt for one recipient.
    Record(DeliveryRecord<'b>),
    /// A message entered the queue: its sender is known from here on. Without `<>`; empty is the null sender.
    Opens {
        /// Queue id.
        queue_id: &'b [u8],
        /// Envelope sender.
        sender: &'b [u8],
    },
    /// What its author calls a message.
    Names {
        /// Queue id.
        queue_id: &'b [u8],
        /// `Message-ID`, without `<>`.
        message_id: &'b [u8],
    },
    /// A message left the queue: its id may be used again.
    Closes {
        /// Queue id.
        queue_id: &'b [u8],
    },
}

/// What a line is to a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Another program's line.
    NotMine,
    /// This format's line, with at least one record.
    Outcome,
    /// This format's line, but no outcome, for this reason.
    Skipped(Skip),
}

impl From<Skip> for Parsed {
    fn from(reason: Skip) -> Self {
        Parsed::Skipped(reason)
    }
}

/// Why a line or a mail gives no record. Each reason is counted in the manifest under its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Skip {
    /// A line of the MTA that reports no outcome (connections, queue movements, warnings).
    NoOutcome,
    /// A server's answer after which another server of the same domain is tried.
    Intermediate,
    /// Looks like an outcome of this format but its fields cannot be read.
    Malformed,
    /// An address probe (`status=deliverable`): no mail was sent.
    Probe,
    /// Delivered to nothing on purpose (`:blackhole:`, `discard`).
    Discarded,
    /// A further piece of a line that the logger split.
    Continuation,
    /// A line in a known log frame of a program that is no known MTA.
    OtherProgram,
    /// A line in no known frame.
    Unrecognised,
    /// Longer than the line limit: skipped unread.
    Overlong,
    /// An empty line.
    Empty,
    /// Follows a line that filled the logger's limit: may be the rest of that line dressed up as a line.
    FragmentSuspect,
    /// "last message repeated" without a line it could refer to.
    RepeatUnresolved,
    /// A mail that is no report of any kind.
    OrdinaryMail,
    /// A vacation reply or another automatic answer.
    AutoReply,
    /// A report that a mail was delivered, relayed or expanded.
    SuccessNotice,
    /// A complaint of a recipient (ARF, RFC 5965).
    FeedbackReport,
    /// A disposition notification (RFC 8098): read, or deleted unread.
    ReadReceipt,
    /// Looks like a bounce, but names no recipient and no reason.
    NothingTold,
    /// A mail of a directory that could not be read.
    UnreadableMail,
}

impl Skip {
    /// All reasons, in the order of their counters.
    pub const ALL: [Skip; 19] = [
        Skip::NoOutcome,
        Skip::Intermediate,
        Skip::Malformed,
        Skip::Probe,
        Skip::Discarded,
        Skip::Continuation,
        Skip::OtherProgram,
        Skip::Unrecognised,
        Skip::Overlong,
        Skip::Empty,
        Skip::FragmentSuspect,
        Skip::RepeatUnresolved,
        Skip::OrdinaryMail,
        Skip::AutoReply,
        Skip::SuccessNotice,
        Skip::FeedbackReport,
        Skip::ReadReceipt,
        Skip::NothingTold,
        Skip::UnreadableMail,
    ];

    /// The name in the manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Skip::NoOutcome => "no_outcome",
            Skip::Intermediate => "intermediate",
            Skip::Malformed => "malformed",
            Skip::Probe => "probe",
            Skip::Discarded => "discarded",
            Skip::Continuation => "continuation",
            Skip::OtherProgram => "other_program",
            Skip::Unrecognised => "unrecognised",
            Skip::Overlong => "overlong",
            Skip::Empty => "empty",
            Skip::FragmentSuspect => "fragment_suspect",
            Skip::RepeatUnresolved => "repeat_unresolved",
            Skip::OrdinaryMail => "ordinary_mail",
            Skip::AutoReply => "auto_reply",
            Skip::SuccessNotice => "success_notice",
            Skip::FeedbackReport => "feedback_report",
            Skip::ReadReceipt => "read_receipt",
            Skip::NothingTold => "nothing_told",
            Skip::UnreadableMail => "unreadable_mail",
        }
    }
}
