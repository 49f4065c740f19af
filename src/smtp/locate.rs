use super::reply::run_on_code;
use super::{EnhancedStatus, ReplyCode};

/// Bytes of a text that are looked at.
const LIMIT: usize = 16 * 1024;

/// What programs write between their own words and the remote server's reply.
const MARKS: [&[u8]; 8] =
    [b" said: ", b"]said:", b"refused to talk to me: ", b"smtp;", b"responded: ", b"replied: ", b"response: ", b"<<< "];

/// The remote server's reply in a text that may have a frame around it (`host mx.example[192.0.2.1] said: 550 ...`).
///
/// It is the text itself where that starts with a code; else what stands behind the first known mark and starts with
/// a code; else the first place where a reply code stands behind a colon or `error`, or in front of an enhanced status
/// code. Where none is found, it is the whole text.
///
/// ```
/// # use bouncesift::smtp::locate_reply;
/// let text = b"host mx.example.net[192.0.2.1] said: 550 5.7.1 Refused (in reply to RCPT TO command)";
/// assert!(locate_reply(text).starts_with(b"550 5.7.1 Refused"));
/// assert_eq!(locate_reply(b"mailbox full"), b"mailbox full");
/// ```
pub fn locate_reply(text: &[u8]) -> &[u8] {
    let text = text.trim_ascii_start();
    let seen = text.get(..LIMIT).unwrap_or(text);
    if starts_with_code(seen) {
        return text;
    }
    let marked = MARKS.iter().flat_map(|mark| memchr::memmem::find_iter(seen, mark).map(|at| at + mark.len()).take(8));
    let marked =
        marked.filter(|&at| seen.get(at..).is_some_and(|rest| starts_with_code(rest.trim_ascii_start()))).min();
    match marked.or_else(|| bare_code(seen)) {
        Some(at) => text.get(at..).unwrap_or(text).trim_ascii_start(),
        None => text,
    }
}

fn starts_with_code(text: &[u8]) -> bool {
    ReplyCode::at_start(text).is_some_and(|code| code.class() >= 4)
        || run_on_code(text).is_some()
        || EnhancedStatus::at_start(text).is_some()
}

/// A reply code of a refusal somewhere in a text, with something around it that says so.
fn bare_code(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(digit) = text.get(from..)?.iter().position(u8::is_ascii_digit) {
        let at = from + digit;
        let rest = text.get(at..)?;
        let run = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if run == 3 && ReplyCode::at_start(rest).is_some_and(|code| code.class() >= 4) && is_told(text.get(..at)?, rest)
        {
            return Some(at);
        }
        from = at + run;
    }
    None
}

fn is_told(before: &[u8], code: &[u8]) -> bool {
    let status = code.get(4..).is_some_and(|rest| EnhancedStatus::at_start(rest).is_some());
    let word = before.trim_ascii_end();
    let word = word.get(word.len().saturating_sub(5)..).unwrap_or(&[]).to_ascii_lowercase();
    let border = before.last().is_none_or(|b| matches!(b, b' ' | b':' | b';' | b'"' | b'(' | b'\n'));
    border
        && (status
            || word.ends_with(b":")
            || word.ends_with(b";")
            || word.ends_with(b"error")
            || word.ends_with(b"code"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_left_out() {
        let check =
            |text: &str, want: &str| assert!(locate_reply(text.as_bytes()).starts_with(want.as_bytes()), "{text}");
        check("X-Postfix; host a.example[192.0.2.2] said: 501 no", "501 no");
        check("host a.example[192.0.2.2] refused to talk to me: 421 Refused", "421 Refused");
        check("SMTP error from remote mail server after MAIL FROM:<a@b.example> SIZE=2022: 553 no", "553 no");
        check("failed,5.1.1 (bad mailbox),smtp;553 Relaying", "553 Relaying");
        check("Returned a Permanent Error 554 Service unavailable", "554 Service");
        check("450DT:RBL x", "450DT:RBL");
        check("550 5.7.1 a: host b.example said: 550 5.1.1 c", "550 5.7.1 a");
        check("please wait 450 seconds", "please wait");
    }

    #[test]
    fn any_bytes_are_taken() {
        for text in [&b""[..], b" ", b"\xff said: ", b"smtp;", b"5", b"55", b"550"] {
            locate_reply(text);
        }
    }
}
