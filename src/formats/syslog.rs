//! The frame around a log line: time stamp, host, program tag, message.

use crate::provenance::Provenance;
use crate::stamp::Stamp;

/// A line taken apart from the left, before any MTA's grammar is applied.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'b> {
    /// The whole line.
    pub provenance: Provenance,
    /// The line's bytes without its line end.
    pub line: &'b [u8],
    /// Time stamp; `None` where the line has no syslog frame (an Exim main log carries its own).
    pub stamp: Option<Stamp>,
    /// Syslog host name.
    pub host: Option<&'b [u8]>,
    /// Program tag without pid, for example `postfix-out/smtp`; `None` without a frame.
    pub program: Option<&'b [u8]>,
    /// Text after the tag; the whole line without a frame.
    pub message: &'b [u8],
    /// 1, or N where the logger folded N further copies into "message repeated N times: [ ... ]".
    pub repeats: u32,
}
