//! The refused client's address, as the receiver saw it.
//!
//! The first address of the text, unless the words around it say that it is something else: the receiving host
//! (`host mx.example[192.0.2.1] said:`), a DNSBL's return code (127.0.0.x), a resolver, part of a name or version.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::{FromStr, from_utf8};

use super::normal::LIMIT;

/// Bytes around an address that are looked at.
const CONTEXT: usize = 64;
/// The longest address in text form, with a port behind.
const LONGEST: usize = 52;

/// The address; `None` where the text states none.
pub(super) fn sending_ip(text: &[u8]) -> Option<IpAddr> {
    let text = text.get(..LIMIT).unwrap_or(text);
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'.', b':', text.get(from..)?) {
        let mark = from + found;
        if !may_be_inside(text, mark) {
            from = mark + 1;
            continue;
        }
        let start = text.get(from..mark)?.iter().rposition(|b| !in_address(*b)).map_or(from, |at| from + at + 1);
        let len = text.get(mark..)?.iter().position(|b| !in_address(*b)).unwrap_or(text.len() - mark);
        let end = mark + len;
        if let Some(ip) = address(text, start, end) {
            return Some(ip);
        }
        from = end;
    }
    None
}

/// Whether a `.` or `:` may be one of an address: most are the end of a sentence, or part of a name. Between two digits
/// a dot may, and a colon next to another one or between two digits in base 16.
fn may_be_inside(text: &[u8], mark: usize) -> bool {
    let before = mark.checked_sub(1).and_then(|at| text.get(at)).copied().unwrap_or(b' ');
    let after = text.get(mark + 1).copied().unwrap_or(b' ');
    match text.get(mark) {
        Some(b'.') => before.is_ascii_digit() && after.is_ascii_digit(),
        _ => after == b':' || (before.is_ascii_hexdigit() && after.is_ascii_hexdigit()),
    }
}

fn in_address(b: u8) -> bool {
    b.is_ascii_hexdigit() || matches!(b, b'.' | b':')
}

/// The address in a run of address bytes, if it is one and the client's.
fn address(text: &[u8], start: usize, end: usize) -> Option<IpAddr> {
    let mut run = text.get(start..end)?;
    let mut before = text.get(start.saturating_sub(CONTEXT)..start)?;
    let after = text.get(end..(end + CONTEXT).min(text.len()))?;
    if after.first().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'@')) {
        return None;
    }
    if run.starts_with(b"6:") && before.to_ascii_lowercase().ends_with(b"ipv") {
        run = run.get(2..)?;
        before = b"";
    } else if let Some(bare) = run.strip_prefix(b":").filter(|bare| !bare.starts_with(b":")) {
        run = bare;
        before = before.strip_suffix(b"-").unwrap_or(b"");
    }
    if before.last().is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.')) {
        return None;
    }
    let ip = parse(run.trim_ascii_end())?;
    is_client(ip, before, after).then_some(ip)
}

fn parse(run: &[u8]) -> Option<IpAddr> {
    let run = from_utf8(run.get(..LONGEST).unwrap_or(run)).ok()?;
    let run = run.trim_end_matches('.');
    if run.bytes().filter(|b| *b == b':').count() >= 2 {
        let v6 = |text: &str| Ipv6Addr::from_str(text).ok().map(IpAddr::V6);
        return v6(run).or_else(|| v6(run.strip_suffix(':')?));
    }
    let mut parts = run.split(':').filter(|part| part.contains('.'));
    Ipv4Addr::from_str(parts.next()?).ok().map(IpAddr::V4)
}

/// What stands in front of an address that is not the client's.
const NOT_BEFORE: [&[u8]; 13] = [
    b"giving up on ",
    b"relay: ",
    b"connected to ",
    b"connecting to ",
    b"returnc/pub/",
    b"resolver ",
    b"resolver [",
    b"nameserver ",
    b"version ",
    b"dns server ",
    b"@[",
    b"local ip ",
    b"listening on ",
];
/// What stands in front of the name and address of a server that was called.
const CALLED: [&[u8]; 5] =
    [b"connect to ", b"connection to ", b"connection with ", b"conversation with ", b"offered by host "];
/// What follows an address that is not the client's.
const NOT_AFTER: [&[u8]; 12] = [
    b" does not like recipient",
    b" failed after i sent",
    b", the server for the domain",
    b"]: smtp error from",
    b"]:25",
    b"]:465",
    b"]:587",
    b"] said",
    b") said",
    b"] refused to talk",
    b" said:",
    b"]said",
];

fn is_client(ip: IpAddr, before: &[u8], after: &[u8]) -> bool {
    let before = before.to_ascii_lowercase();
    let after = after.to_ascii_lowercase();
    if matches!(ip, IpAddr::V4(v4) if v4.octets().first() == Some(&127)) {
        return before.ends_with(b"client host [");
    }
    let version = before.ends_with(b" - ") && after.starts_with(b";");
    // `RFC2821 4.1.1.1` is a section.
    let section = before
        .strip_suffix(b" ")
        .and_then(|b| b.get(b.len().saturating_sub(9)..))
        .is_some_and(|word| memchr::memmem::find(word, b"rfc").is_some());
    let bracketed = before.ends_with(b"[") || before.ends_with(b"(");
    let called =
        |words: &[u8]| memchr::memmem::rfind(&before, words).is_some_and(|at| no_blank(&before, at + words.len()));
    let network = matches!(ip, IpAddr::V4(v4) if v4.octets().last() == Some(&0)) && after.starts_with(b"/");
    let told_as_server = bracketed
        && (is_receiving_host(&before)
            || ((CALLED.iter().any(|words| called(words)) || called(b"relay=")) && !before.ends_with(b"relay=[")));
    let named_otherwise = NOT_BEFORE.iter().any(|words| before.ends_with(words))
        || NOT_AFTER.iter().any(|words| after.starts_with(words));
    !(version || network || section || told_as_server || named_otherwise)
}

/// A server that was called, in the words of the program that called it: `host mx.example [`, `host: mx.example (`,
/// `H=mx.example [`, `relay=mx.example. [`, `by mx.example. [`; not `client host [`.
fn is_receiving_host(before: &[u8]) -> bool {
    let words = before.strip_suffix(b"[").or_else(|| before.strip_suffix(b"(")).unwrap_or(before).trim_ascii_end();
    let host_at = memchr::memrchr(b' ', words).map_or(0, |at| at + 1);
    let (lead, host) = words.split_at(host_at);
    let lead = lead.trim_ascii_end();
    let marked = [&b"relay="[..], b"relay:", b"h="].iter().any(|mark| host.starts_with(mark));
    let last = lead.rsplit(|b| *b == b' ').next().unwrap_or(lead);
    let called = matches!(last, b"host" | b"host:" | b"(host" | b"by");
    host.contains(&b'.') && (marked || (called && !lead.ends_with(b"client host")))
}

fn no_blank(text: &[u8], from: usize) -> bool {
    text.get(from..).is_some_and(|rest| !rest.contains(&b' '))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let found = sending_ip(text.as_bytes()).map(|ip| ip.to_string()).unwrap_or_default();
        assert_eq!(found, want, "{text}");
    }

    #[test]
    fn the_client_is_found() {
        check("554 Client host a.example.org [192.0.2.1] rejected", "192.0.2.1");
        check(
            "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; 127.0.0.2",
            "192.0.2.1",
        );
        check("550 see https://www.spamhaus.org/query/ip/192.0.2.9", "192.0.2.9");
        check("550-5.7.1 [2001:db8::25 12] Our system", "2001:db8::25");
        check("450 4.7.1 Client host rejected: cannot find your hostname, [IPv6:2001:db8::1]", "2001:db8::1");
        check("550-\"JunkMail rejected - [host] [192.0.2.3]:24706 is in an RBL", "192.0.2.3");
        check("421 SPF [example.org] with ip: [192.0.2.1] = did not pass", "192.0.2.1");
        check("553 521< 192.0.2.4 >_is_blocked.", "192.0.2.4");
        check("554 see http://x.example/?ip=192.0.2.5&c=rdns", "192.0.2.5");
        check("450 <c.example.jp[192.0.2.56]>: Client host rejected: no", "192.0.2.56");
        check("554 blocked using x; Client host [127.0.0.1]", "127.0.0.1");
        check("550 IP:192.0.2.8 is listed", "192.0.2.8");
    }

    #[test]
    fn other_addresses_are_not_the_client() {
        check("192.0.2.1 does not like recipient. Remote host said: 550 no Giving up on 192.0.2.1.", "");
        check("R=dnslookup T=remote_smtp H=mx.example.org [192.0.2.1]: SMTP error from remote mail server", "");
        check("host: mx.example.org (192.0.2.1) reason: 550 no", "");
        check("rejected by mx.example.org. [192.0.2.1]: 550 no", "");
        check("lost connection with mx.example.org[192.0.2.1] while sending RCPT TO", "");
        check("TLS is required, but was not offered by host mx.example.org[192.0.2.1]", "");
        check("Connected to 192.0.2.1 but greeting failed", "");
        check("550 192.0.2.0/24 is listed", "");
        check("SMTP error from remote mail server: host mx.example.org [192.0.2.1]: 550 no", "");
        check("550 Invalid HELO name (See RFC2821 4.1.1.1)", "");
        check("host mx.example.net[192.0.2.2] said: 550 no", "");
        check("host mx.example.net[192.0.2.2] refused to talk to me: 550 blocked 192.0.2.7", "192.0.2.7");
        check("connect to mx.example.net[192.0.2.2]:25: Connection refused", "");
        check("554 listed, 127.0.0.4, see zen", "");
        check("554 error: open resolver; https://check.spamhaus.org/returnc/pub/192.0.2.3/", "");
        check("421 4.7.0 [TSS04] Messages from x.x.x.x deferred due to complaints - 4.16.55.1; see x", "");
        check("550 4.3.2.1.zen.example.org 5.7.1.2.3 v1.2.3.4 at 12:30:45 256.1.1.1", "");
        check("550-5.7.1 [2401:2500:102:3032:192.0.2.222 13] Messages", "");
    }
}
