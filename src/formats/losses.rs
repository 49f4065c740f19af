//! Lines in which the logger itself says that it dropped lines: the known undercount of a log.
//!
//! ```text
//! systemd-journald[1]: Suppressed 7124 messages from postfix.service                 systemd (older: from /system.slice/...)
//! rsyslogd: imjournal: 406 messages lost due to rate-limiting                        rsyslog, imjournal
//! rsyslogd: imuxsock lost 215 messages from pid 987 due to rate-limiting             rsyslog, imuxsock
//! ```

use memchr::memmem;

use super::Frame;

/// A logger that says it lost more lines than this many digits can tell is not believed.
const MAX_DIGITS: usize = 10;

/// How many lines the line says were dropped; `None` if it says nothing of that.
pub fn lost_messages(frame: &Frame<'_>) -> Option<u64> {
    let program = frame.program?;
    let is_logger = program.starts_with(b"rsyslogd") || program.ends_with(b"journald") || program == b"systemd-journal";
    if !is_logger {
        return None;
    }
    let text = frame.message;
    if let Some(before) = memmem::find(text, b" messages lost").and_then(|at| text.get(..at)) {
        let digits = before.iter().rev().take_while(|b| b.is_ascii_digit()).count();
        return leading_number(before.get(before.len() - digits..)?);
    }
    memmem::find(text, b" messages")?;
    let after = |words: &[u8]| memmem::find(text, words).and_then(|at| text.get(at + words.len()..));
    leading_number(after(b"uppressed ").or_else(|| after(b"lost "))?)
}

fn leading_number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take(MAX_DIGITS + 1).take_while(|b| b.is_ascii_digit()).count();
    let number = text.get(..digits).filter(|_| digits <= MAX_DIGITS)?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::syslog::frame;
    use crate::provenance::{FileId, Provenance};

    fn lost(line: &str) -> Option<u64> {
        let at = Provenance { file: FileId(0), len: 0, offset: 0 };
        lost_messages(&frame(line.as_bytes(), at))
    }

    #[test]
    fn losses_are_read_from_the_logger_only() {
        assert_eq!(
            lost("Nov 23 10:00:00 mx systemd-journald[77]: Suppressed 7124 messages from postfix.service"),
            Some(7124)
        );
        assert_eq!(lost("Nov 23 10:00:00 mx rsyslogd: imjournal: 406 messages lost due to rate-limiting"), Some(406));
        assert_eq!(
            lost("Nov 23 10:00:00 mx rsyslogd: imuxsock lost 215 messages from pid 9 due to rate-limiting"),
            Some(215)
        );
        assert_eq!(lost("Nov 23 10:00:00 mx app[1]: Suppressed 7124 messages from x"), None);
        assert_eq!(lost("Nov 23 10:00:00 mx rsyslogd: start"), None);
        assert_eq!(lost("Nov 23 10:00:00 mx rsyslogd: imjournal: 99999999999 messages lost"), None);
    }
}
