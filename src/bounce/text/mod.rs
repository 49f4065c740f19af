//! Bounces told in prose: the readable part of a report, without the headers of the returned message.

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
}
