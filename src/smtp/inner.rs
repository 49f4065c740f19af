//! The reply within a reply: what a server said, quoted by a program that puts a code of its own in front.

use super::{EnhancedStatus, ReplyCode, parse_reply};

/// Bytes of a reply in which another one is looked for.
const LIMIT: usize = 2048;

/// The server's own reply where `reply` only quotes it; `None` where it does not.
///
/// The one in `<>` counts where the outer code only says that something went wrong or took too long. Three programs are known to do so: Sendmail 5 (`554 <a@example.com>... 550 Host unknown`), Amazon SES after its last
/// try (`554 4.4.7 Message expired.<421 4.4.2 Connection timed out>`) and IronPort
/// (`5.1.0 - Unknown address error 550-'5.1.1 User unknown'`).
///
/// ```
/// # use bouncesift::smtp::inner_reply;
/// assert_eq!(inner_reply(b"554 <a@example.com>... 550 Host unknown"), Some(&b"550 Host unknown"[..]));
/// assert_eq!(inner_reply(b"550 5.7.1 Refused, see <https://example.net/550>"), None);
/// ```
pub fn inner_reply(reply: &[u8]) -> Option<&[u8]> {
    let reply = reply.get(..LIMIT).unwrap_or(reply).trim_ascii();
    behind_address(reply).or_else(|| last_try(reply)).or_else(|| in_quotes(reply))
}

fn is_refusal(text: &[u8]) -> bool {
    ReplyCode::at_start(text).is_some_and(|code| code.class() >= 4)
}

fn behind_address(reply: &[u8]) -> Option<&[u8]> {
    let rest = reply.get(3..).filter(|_| is_refusal(reply))?.trim_ascii_start();
    // A precise code is the server's own: then the code in its words is a remark.
    let rest = match EnhancedStatus::at_start(rest) {
        Some((status, _)) if status.subject != 0 || status.detail != 0 => return None,
        Some((_, len)) => rest.get(len..)?,
        None => rest,
    };
    let at = memchr::memmem::find(rest, b"... ")?;
    let (address, rest) = rest.split_at(at);
    let is_address = !address.trim_ascii().is_empty() && !address.trim_ascii().iter().any(u8::is_ascii_whitespace);
    rest.get(4..).filter(|inner| is_address && is_refusal(inner))
}

fn last_try(reply: &[u8]) -> Option<&[u8]> {
    let expired = parse_reply(reply, false).status.is_some_and(EnhancedStatus::is_generic);
    let open = memchr::memrchr(b'<', reply).filter(|_| expired)?;
    let inner = reply.get(open + 1..)?;
    inner.get(..memchr::memchr(b'>', inner)?).filter(|inner| is_refusal(inner))
}

fn in_quotes(reply: &[u8]) -> Option<&[u8]> {
    EnhancedStatus::at_start(reply)?;
    let quote = memchr::memmem::find(reply, b"-'")?;
    let start = quote.checked_sub(3)?;
    let inner = reply.get(start..).filter(|inner| is_refusal(inner))?;
    let end = memchr::memrchr(b'\'', inner).filter(|end| *end > 4).unwrap_or(inner.len());
    inner.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_replies_are_found() {
        let check = |text: &str, want: Option<&str>| {
            assert_eq!(inner_reply(text.as_bytes()), want.map(str::as_bytes), "{text}")
        };
        check("554 5.0.0 a@example.com... 450 4.7.1 later", Some("450 4.7.1 later"));
        check(
            "554 4.4.7 Message expired: gave up.<421 4.4.2 Connection timed out>",
            Some("421 4.4.2 Connection timed out"),
        );
        check(
            "5.1.0 - Unknown address error 550-'5.7.1 <a@b.example>: no' (delivery attempts: 0)",
            Some("550-'5.7.1 <a@b.example>: no"),
        );
        check("5.4.7 - Delivery expired (message too old) 'timeout'", None);
        check("550 5.1.1 <a@example.com>... User unknown", None);
        check("553 5.3.0 <a@example.com>... 550 addressee unknown", None);
        check("550 5.7.1 wait... 450 seconds", None);
        check("550 5.7.1 <421 4.4.2 x>", None);
        check("", None);
    }
}
