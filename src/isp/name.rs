//! Host and domain names as logs write them, brought to the one form that is looked up.

use std::net::Ipv6Addr;

/// Longest name in the DNS as text, without the trailing dot.
const MAX_NAME: usize = 253;
const MAX_LABEL: usize = 63;
/// Longer input is no name whatever it holds; keeps the mapping of Unicode names bounded.
const MAX_RAW: usize = 1024;

/// What a field that should hold a name holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Named<'b> {
    /// Nothing, or a word that stands for nothing: `none`, `unknown`, `localhost`, `local`.
    Nothing,
    /// An address, with or without brackets, or a name in `in-addr.arpa` or `ip6.arpa`.
    Literal,
    /// Something, but no name that the DNS could hold.
    Invalid,
    /// Lower-case A-labels, no trailing dot, at most 253 bytes.
    Name(&'b [u8]),
}

/// Room for one name, so that reading one does not allocate.
pub(crate) struct NameBuf([u8; MAX_NAME]);

impl NameBuf {
    pub(crate) fn new() -> Self {
        NameBuf([0; MAX_NAME])
    }
}

/// Lower case of the bytes a label may hold; 0 for all others. The underscore is no host name character, but it
/// stands in real ones.
const FOLDED: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 128 {
        let b = byte as u8;
        if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.') {
            table[byte] = b.to_ascii_lowercase();
        }
        byte += 1;
    }
    table
};

/// Whether the byte may stand in a host name, dots included.
pub(crate) fn is_name_byte(byte: u8) -> bool {
    FOLDED[usize::from(byte)] != 0
}

/// Reads a host name. Costs one pass over the bytes; allocates only for names with bytes outside ASCII, which are
/// mapped by UTS 46.
pub(crate) fn read<'b>(raw: &[u8], buf: &'b mut NameBuf) -> Named<'b> {
    let (raw, was_bracketed) = strip_frame(raw.trim_ascii());
    if let Some(len) = fold(raw, buf) {
        return judge(buf.0.get(..len).unwrap_or_default(), was_bracketed);
    }
    if raw.is_empty() || raw == b"-" {
        return Named::Nothing;
    }
    if raw.len() > MAX_RAW {
        return Named::Invalid;
    }
    if raw.contains(&b':') {
        return read_with_colon(raw, buf);
    }
    if raw.is_ascii() { Named::Invalid } else { read_unicode(raw, buf) }
}

/// Reads a recipient's domain; of a whole address, the part after the last `@`.
pub(crate) fn read_recipient<'b>(raw: &[u8], buf: &'b mut NameBuf) -> Named<'b> {
    let domain = memchr::memrchr(b'@', raw).and_then(|at| raw.get(at + 1..)).unwrap_or(raw);
    read(domain, buf)
}

fn strip_frame(raw: &[u8]) -> (&[u8], bool) {
    let bare = raw.strip_prefix(b"[").and_then(|inner| inner.strip_suffix(b"]"));
    let name = bare.unwrap_or(raw);
    (name.strip_suffix(b".").unwrap_or(name), bare.is_some())
}

/// Copies the lower-case name; its length, or `None` where a byte, a label or the length is not allowed.
fn fold(raw: &[u8], buf: &mut NameBuf) -> Option<usize> {
    let out = buf.0.get_mut(..raw.len())?;
    let mut label = 0;
    for (to, from) in out.iter_mut().zip(raw) {
        let byte = FOLDED[usize::from(*from)];
        if byte == b'.' {
            if label == 0 || label > MAX_LABEL {
                return None;
            }
            label = 0;
        } else if byte == 0 {
            return None;
        } else {
            label += 1;
        }
        *to = byte;
    }
    (1..=MAX_LABEL).contains(&label).then_some(raw.len())
}

fn judge(name: &[u8], was_bracketed: bool) -> Named<'_> {
    let last = name.rsplit(|b| *b == b'.').next().unwrap_or(name);
    if last.iter().all(u8::is_ascii_digit) {
        return Named::Literal;
    }
    match last {
        b"arpa" if name.ends_with(b".in-addr.arpa") || name.ends_with(b".ip6.arpa") => Named::Literal,
        b"unknown" | b"none" | b"local" | b"localhost" | b"-" if last.len() == name.len() && !was_bracketed => {
            Named::Nothing
        }
        b"localhost" | b"localdomain" if last.len() == name.len() || name.starts_with(b"localhost.") => Named::Nothing,
        _ => Named::Name(name),
    }
}

/// `IPv6:...`, a bare IPv6 address, or a name or address with a port.
fn read_with_colon<'b>(raw: &[u8], buf: &'b mut NameBuf) -> Named<'b> {
    let tagged = raw.get(..5).is_some_and(|tag| tag.eq_ignore_ascii_case(b"ipv6:"));
    let address = raw.split(|b| *b == b'%').next().unwrap_or(raw);
    if tagged || std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok()) {
        return Named::Literal;
    }
    let mut parts = raw.rsplitn(2, |b| *b == b':');
    let (port, host) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if port.is_empty() || !port.iter().all(u8::is_ascii_digit) {
        return Named::Invalid;
    }
    let (host, was_bracketed) = strip_frame(host);
    match fold(host, buf) {
        Some(len) => judge(buf.0.get(..len).unwrap_or_default(), was_bracketed),
        None if was_bracketed && host.contains(&b':') => Named::Literal,
        None => Named::Invalid,
    }
}

fn read_unicode<'b>(raw: &[u8], buf: &'b mut NameBuf) -> Named<'b> {
    let Ok(ascii) = idna::domain_to_ascii_cow(raw, idna::AsciiDenyList::EMPTY) else {
        return Named::Invalid;
    };
    let ascii = ascii.as_bytes();
    match fold(ascii.strip_suffix(b".").unwrap_or(ascii), buf) {
        Some(len) => judge(buf.0.get(..len).unwrap_or_default(), false),
        None => Named::Invalid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(raw: &[u8]) -> String {
        let mut buf = NameBuf::new();
        match read(raw, &mut buf) {
            Named::Name(name) => String::from_utf8_lossy(name).into_owned(),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn names_come_out_in_one_form() {
        for (raw, want) in [
            ("MX.Google.COM.", "mx.google.com"),
            ("[mx.example.com]", "mx.example.com"),
            ("mx.example.com:25", "mx.example.com"),
            ("[mx.example.com]:587", "mx.example.com"),
            ("mx。google。com。", "mx.google.com"),
            ("MÜNCHEN.example", "xn--mnchen-3ya.example"),
            ("gооgle.com", "xn--ggle-55da.com"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("_dmarc.example.com", "_dmarc.example.com"),
            ("mailhost", "mailhost"),
        ] {
            assert_eq!(shown(raw.as_bytes()), want, "{raw}");
        }
    }

    #[test]
    fn addresses_and_fillers_name_nobody() {
        for raw in ["192.0.2.1", "[192.0.2.1]", "[192.0.2.1]:25", "127.0.0.1:10025", "2001:db8::1", "fe80::1%eth0"] {
            assert_eq!(shown(raw.as_bytes()), "Literal", "{raw}");
        }
        for raw in ["[IPv6:2001:db8::1]", "ipv6:2001:db8::1", "[2001:db8::1]:25", "1.2.0.192.in-addr.arpa", "1.2.3"] {
            assert_eq!(shown(raw.as_bytes()), "Literal", "{raw}");
        }
        for raw in
            ["", " ", ".", "[]", "none", "UNKNOWN", "unknown.", "localhost", "local", "localhost.localdomain", "-"]
        {
            assert_eq!(shown(raw.as_bytes()), "Nothing", "{raw}");
        }
    }

    #[test]
    fn what_the_dns_cannot_hold_is_invalid() {
        let long_label = format!("{}.example.com", "a".repeat(300));
        let long_name = format!("{}com", "abcdefgh.".repeat(40));
        let many_dots = ".".repeat(5000);
        let unicode = "ü".repeat(2000);
        for raw in [&long_label, &long_name, &many_dots, &unicode] {
            assert_eq!(shown(raw.as_bytes()), "Invalid");
        }
        for raw in ["a..b", ".google.com", "google.com..", "a@b", "a b.com", "/var/run/lmtp", "a:b", ":", "a\0.com"] {
            assert_eq!(shown(raw.as_bytes()), "Invalid", "{raw}");
        }
        assert_eq!(shown(b"mx.goo\xffgle.com"), "Invalid");
        assert_eq!(shown("\u{fffd}.com".as_bytes()), "Invalid");
    }
}
