//! The one record that every format yields: what a line or a message says of one recipient and one attempt.
//!
//! All text is borrowed from the block it was read from, as bytes. `None` always means that the input does
//! not say; nothing is filled in from elsewhere.

use crate::provenance::Provenance;
use crate::smtp::EnhancedStatus;
use crate::stamp::Stamp;

/// What became of an attempt, in the MTA's own words (`status=`, `**`, `stat=`), not by the reply code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The next server, or the local mailbox, took the message.
    Delivered,
    /// Not delivered now; the MTA will try again.
    Deferred,
    /// Given up: the sender gets a bounce.
    Bounced,
    /// Our own server refused a client's command or message.
    Rejected,
}

impl Outcome {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Deferred => "deferred",
            Outcome::Bounced => "bounced",
            Outcome::Rejected => "rejected",
        }
    }
}

/// Which way the attempt went. Only [`Hop::Remote`] and [`Hop::Unconnected`] count for a receiving ISP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Hop {
    /// To a server elsewhere.
    Remote,
    /// To a server elsewhere that was not reached (`relay=none`, connection refused, no such domain).
    Unconnected,
    /// To a program of our own that passes mail on: a content filter on loopback or a socket.
    Internal,
    /// To a mailbox, pipe or file on this machine.
    Local,
    /// From a client to us: refused by our own server.
    Inbound,
}

impl Hop {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Hop::Remote => "remote",
            Hop::Unconnected => "unconnected",
            Hop::Internal => "internal",
            Hop::Local => "local",
            Hop::Inbound => "inbound",
        }
    }

    /// Whether the attempt belongs to a receiving ISP's account.
    pub fn is_outward(self) -> bool {
        matches!(self, Hop::Remote | Hop::Unconnected)
    }
}

/// How a record is known to be about our mail. Anyone can send a mail that looks like a bounce.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Trust {
    /// A line of our own log.
    Log,
    /// A bounce that names a message: one of our domains, where `--own-domain` says which those are.
    Named,
    /// A bounce that names no message: perhaps forged.
    Unnamed,
    /// A bounce of a message that a domain not ours sent: backscatter.
    Foreign,
}

impl Trust {
    /// All of them.
    pub const ALL: [Trust; 4] = [Trust::Log, Trust::Named, Trust::Unnamed, Trust::Foreign];

    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Trust::Log => "log",
            Trust::Named => "named",
            Trust::Unnamed => "unnamed",
            Trust::Foreign => "foreign",
        }
    }

    /// Whether reports count it. What is not believed is counted apart.
    pub fn is_believed(self) -> bool {
        matches!(self, Trust::Log | Trust::Named)
    }
}

/// The SMTP command that was answered, as far as the input says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SmtpStage {
    /// Greeting of the server, before any command.
    Connect,
    /// `HELO`, `EHLO` or `LHLO`.
    Helo,
    /// `STARTTLS`.
    StartTls,
    /// `AUTH`.
    Auth,
    /// `MAIL FROM`.
    Mail,
    /// `RCPT TO`.
    Rcpt,
    /// `DATA` or `BDAT`.
    Data,
    /// The dot that ends the message.
    EndOfData,
    /// `QUIT`, `RSET`, `VRFY`, `ETRN` and others.
    Other,
}

impl SmtpStage {
    /// The word used in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            SmtpStage::Connect => "connect",
            SmtpStage::Helo => "helo",
            SmtpStage::StartTls => "starttls",
            SmtpStage::Auth => "auth",
            SmtpStage::Mail => "mail",
            SmtpStage::Rcpt => "rcpt",
            SmtpStage::Data => "data",
            SmtpStage::EndOfData => "end_of_data",
            SmtpStage::Other => "other",
        }
    }
}

/// One recipient, one attempt.
#[derive(Clone, Copy, Debug)]
pub struct DeliveryRecord<'b> {
    /// The line (or message) this was read from.
    pub provenance: Provenance,
    /// Name of the format that read it, for example `postfix`.
    pub mta: &'static str,
    /// What became of the attempt.
    pub outcome: Outcome,
    /// Which way it went.
    pub hop: Hop,
    /// Whether anything was tried. `false` where the MTA only repeats an earlier cause ("delivery temporarily
    /// suspended", "retry time not reached"): such a record is an event of weight 0 and no attempt.
    pub attempted: bool,
    /// How often the line says it happened: 1, or N for "message repeated N times".
    pub repeats: u32,
    /// Time stamp as written.
    pub stamp: Option<Stamp>,
    /// Host that wrote the line (syslog host name).
    pub reporting_mta: Option<&'b [u8]>,
    /// Queue or message id.
    pub queue_id: Option<&'b [u8]>,
    /// Envelope sender where the line itself names it, without `<>`; `Some(b"")` is the null sender.
    pub sender: Option<&'b [u8]>,
    /// Address delivered to, without `<>`.
    pub final_recipient: Option<&'b [u8]>,
    /// Address before aliases, where it differs, without `<>`.
    pub original_recipient: Option<&'b [u8]>,
    /// Host name of the server that spoke (for [`Hop::Inbound`], of the client), without trailing dot.
    pub remote_mta: Option<&'b [u8]>,
    /// Its address as written, without brackets and `IPv6:`.
    pub remote_ip: Option<&'b [u8]>,
    /// The command that was answered.
    pub stage: Option<SmtpStage>,
    /// The MTA's own status field (`dsn=`).
    pub stated_status: Option<EnhancedStatus>,
    /// Text of the cause as written: the remote reply with its code where there is one, else the MTA's own words.
    pub diagnostic: Option<&'b [u8]>,
    /// Whether `diagnostic` is the reply of an SMTP or LMTP server (only then does it hold a reply code).
    pub is_reply: bool,
    /// The line seems to have been cut by a length limit of the logger.
    pub truncated: bool,
}

impl<'b> DeliveryRecord<'b> {
    /// A record that says nothing yet but its place, format and outcome.
    pub fn new(provenance: Provenance, mta: &'static str, outcome: Outcome, hop: Hop) -> Self {
        DeliveryRecord {
            provenance,
            mta,
            outcome,
            hop,
            attempted: true,
            repeats: 1,
            stamp: None,
            reporting_mta: None,
            queue_id: None,
            sender: None,
            final_recipient: None,
            original_recipient: None,
            remote_mta: None,
            remote_ip: None,
            stage: None,
            stated_status: None,
            diagnostic: None,
            is_reply: false,
            truncated: false,
        }
    }

    /// Domain of the final recipient: the bytes after its last `@`, as written. `None` without an `@`.
    pub fn recipient_domain(&self) -> Option<&'b [u8]> {
        domain_of(self.final_recipient?)
    }
}

/// The bytes after the last `@` of an address; `None` without an `@` or with nothing after it.
pub fn domain_of(address: &[u8]) -> Option<&[u8]> {
    let at = memchr::memrchr(b'@', address)?;
    let domain = address.get(at + 1..)?;
    (!domain.is_empty()).then_some(domain)
}
