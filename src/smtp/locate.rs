use super::reply::{quoted_behind, run_on_code};
use super::{EnhancedStatus, ReplyCode};

/// Bytes of a text that are looked at.
const LIMIT: usize = 16 * 1024;

/// What programs write between their own words and the remote server's reply.
const MARKS: [&[u8]; 8] =
    [b" said: ", b"]said:", b"refused to talk to me: ", b"smtp;", b"responded: ", b"replied: ", b"response: ", b"<<< "];

/// The remote server's reply in a text that may have a frame around it (`host mx.example[192.0.2.1] said: 550 ...`).
///
/// It is the text itself where that starts with a reply code; else what stands behind the first known mark and starts
/// with a code; else the text where it starts with an enhanced status code; else the first place where a reply code
/// stands behind a colon, a quote or a word such as `error`, as programs report what they were told, or in front of an
/// enhanced status code. Where none is found, it is the whole text.
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
    if starts_with_reply_code(seen) {
        return text;
    }
    let marked = MARKS.iter().flat_map(|mark| memchr::memmem::find_iter(seen, mark).map(|at| at + mark.len()).take(8));
    let marked =
        marked.filter(|&at| seen.get(at..).is_some_and(|rest| starts_with_code(rest.trim_ascii_start()))).min();
    let bare = || if EnhancedStatus::at_start(seen).is_some() { None } else { bare_code(seen) };
    match marked.or_else(bare) {
        Some(at) => text.get(at..).unwrap_or(text).trim_ascii_start(),
        None => text,
    }
}

fn starts_with_reply_code(text: &[u8]) -> bool {
    ReplyCode::at_start(text).is_some_and(|code| code.class() >= 4) || run_on_code(text).is_some()
}

fn starts_with_code(text: &[u8]) -> bool {
    starts_with_reply_code(text) || EnhancedStatus::at_start(text).is_some()
}

/// Words in front of a code that say that it is one. Bytes outside ASCII are compared as written; of a Cyrillic word
/// the first letter may be a capital and is left out.
const TELLING: [&str; 17] = [
    ":",
    ";",
    "error",
    "code",
    "status",
    "reply",
    "response",
    "smtp",
    "retcode",
    "msg",
    "fehler",
    "erreur",
    "errore",
    "erro",
    "шибка",
    "エラー",
    "错误",
];
/// Quotes that open, outside ASCII.
const OPENING: [&str; 5] = ["“", "‘", "«", "「", "『"];

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
    let behind = code.get(3..).unwrap_or(&[]);
    let status = behind.get(1..).is_some_and(|rest| EnhancedStatus::at_start(rest).is_some());
    let has_words = matches!(behind, [b' ' | b'-', next, ..] if *next > b' ');
    match before.last() {
        None => status,
        Some(b'(') if quoted_behind(behind).is_some() => true,
        Some(b'"' | b'\'' | b'`' | b'<' | b'#') if has_words => true,
        Some(0x80..) => has_words && OPENING.iter().any(|quote| before.ends_with(quote.as_bytes())),
        Some(b' ' | b':' | b';' | b'"' | b'(' | b'\n' | b'=' | b'<') => status || is_telling(before),
        _ => false,
    }
}

fn is_telling(before: &[u8]) -> bool {
    let word = before.trim_ascii_end();
    let word = word.strip_suffix(b"(").or_else(|| word.strip_suffix(b"=")).unwrap_or(word).trim_ascii_end();
    let word = word.get(word.len().saturating_sub(12)..).unwrap_or(&[]).to_ascii_lowercase();
    TELLING.iter().any(|telling| word.ends_with(telling.as_bytes()))
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
        check("limit is 500 messages", "limit is");
    }

    #[test]
    fn what_programs_report_is_found() {
        let check =
            |text: &str, want: &str| assert!(locate_reply(text.as_bytes()).starts_with(want.as_bytes()), "{text}");
        check("SMTPDataError: (554, b'5.7.1 spam')", "554, b'");
        check("{'a@example.net': (550, 'not relaying')}", "550, '");
        check("AUTH LOGIN failed: '535 Incorrect", "535 Inc");
        check("returned ‘554 Reject by behaviour’", "554 Reject");
        check("「550 can't accept user", "550 can't");
        check("smtpstatus=554 smtpmsg='554-Transaction failed", "554 smtp");
        check("SMTP 421 ERROR - Service not available", "421 ERROR");
        check("Ошибка 512 x", "512 x");
        check("reply: retcode (535); Msg: Error", "535)");
        check("Depot returns error: <552 5.2.2 Over quota>", "552 5.2.2");
        check("5.1.1 <a@b.example>: host b.example said: 554 5.7.1 no", "554 5.7.1");
        check("5.7.1 refused by 550 rules: see error 554 there", "5.7.1 refused");
        check("#550 5.7.1 Delivery not authorized", "550 5.7.1");
    }

    #[test]
    fn any_bytes_are_taken() {
        for text in [&b""[..], b" ", b"\xff said: ", b"smtp;", b"5", b"55", b"550"] {
            locate_reply(text);
        }
    }
}
