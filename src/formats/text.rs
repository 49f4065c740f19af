//! Small readers that several formats share. All of them work from the left, in linear time, and never panic.

use memchr::memchr;

/// A server or client as logs name it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Peer<'b> {
    /// Host name without trailing dot; `None` for `unknown`, an empty name, or none.
    pub name: Option<&'b [u8]>,
    /// Address without brackets and `IPv6:`; `None` for a socket.
    pub ip: Option<&'b [u8]>,
    /// The brackets held a path: a socket on this machine.
    pub socket: bool,
}

impl<'b> Peer<'b> {
    /// A peer from its name and from what stood in its brackets.
    pub fn new(name: &'b [u8], inside: Option<&'b [u8]>) -> Self {
        let socket = inside.is_some_and(|i| memchr(b'/', i).is_some());
        let ip = inside.filter(|i| !socket && !i.is_empty() && *i != b"unknown").map(without_ipv6_tag);
        Peer { name: host_name(name), ip, socket }
    }

    /// Reads `name[inside]` at the start of `text`; returns what follows the bracket too. The name has no blank; old
    /// releases write one behind it.
    pub fn attached(text: &'b [u8]) -> Option<(Self, &'b [u8])> {
        let end = text.iter().position(|b| matches!(b, b'[' | b' '))?;
        let (name, rest) = text.split_at_checked(end)?;
        let rest = rest.strip_prefix(b" ").unwrap_or(rest).strip_prefix(b"[")?;
        let (inside, rest) = split_byte(rest, b']')?;
        Some((Peer::new(name, Some(inside)), rest))
    }

    /// Whether this is a program of our own: loopback, or a socket.
    pub fn is_internal(&self) -> bool {
        let loopback = |a: &[u8]| a.starts_with(b"127.") || a == b"::1" || a.eq_ignore_ascii_case(b"localhost");
        self.socket || self.ip.is_some_and(loopback) || (self.ip.is_none() && self.name.is_some_and(loopback))
    }
}

fn without_ipv6_tag(address: &[u8]) -> &[u8] {
    match address.split_at_checked(5) {
        Some((tag, rest)) if tag.eq_ignore_ascii_case(b"IPv6:") => rest,
        _ => address,
    }
}

/// A host name without its trailing dot; `None` for an empty name and for `unknown`.
pub(super) fn host_name(name: &[u8]) -> Option<&[u8]> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    (!name.is_empty() && name != b"unknown").then_some(name)
}

/// A `Message-ID` without its `<>`; `None` if it is empty.
pub(super) fn message_id_of(text: &[u8]) -> Option<&[u8]> {
    let bare = text.strip_prefix(b"<").map_or(text, |t| t.strip_suffix(b">").unwrap_or(t));
    (!bare.is_empty()).then_some(bare)
}

/// Cuts at the first `byte`, which belongs to neither part.
#[inline]
pub(super) fn split_byte(text: &[u8], byte: u8) -> Option<(&[u8], &[u8])> {
    let (before, rest) = text.split_at_checked(memchr(byte, text)?)?;
    Some((before, rest.get(1..)?))
}

/// The text from `at` on; empty behind the end.
#[inline]
pub(super) fn from(text: &[u8], at: usize) -> &[u8] {
    text.get(at..).unwrap_or(&[])
}

/// Length of the quoted string at the start of `text`, with its quotes; `None` without one.
pub(super) fn quoted_len(text: &[u8]) -> Option<usize> {
    text.strip_prefix(b"\"")?;
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', from(text, at))?;
        match text.get(at)? {
            b'"' => return Some(at + 1),
            _ => at += 2,
        }
    }
}

/// Length of the quoted local part at the start of an address, 0 where it is not quoted.
pub(super) fn quoted_local_len(address: &[u8]) -> usize {
    quoted_len(address).filter(|&len| matches!(address.get(len), Some(b'@' | b'>'))).unwrap_or(0)
}

/// Reads an address that stands behind `<`: it ends at the first `>` outside a quoted local part whose followers
/// please `ends`, because addresses may hold `>` themselves. Returns what follows the `>` too.
pub(super) fn angle(text: &[u8], ends: impl Fn(&[u8]) -> bool) -> Option<(&[u8], &[u8])> {
    let search = |skip: usize| {
        let close = memchr::memchr_iter(b'>', from(text, skip)).find(|at| ends(from(text, skip + at + 1)))?;
        let (address, rest) = text.split_at_checked(skip + close)?;
        Some((address, rest.get(1..)?))
    };
    match quoted_local_len(text) {
        0 => search(0),
        skip => search(skip).or_else(|| search(0)),
    }
}

/// An address without its `<>`.
pub(super) fn without_angles(address: &[u8]) -> &[u8] {
    address.strip_prefix(b"<").and_then(|a| a.strip_suffix(b">")).unwrap_or(address)
}

/// `Some` for text that is not empty.
pub(super) fn not_empty(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}

/// Whether `text` starts with three digits and a border, as a server's reply does (and an IP address does not).
pub(super) fn starts_like_reply(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    matches!(text, [b'2'..=b'5', b, c, rest @ ..] if b.is_ascii_digit() && c.is_ascii_digit()
        && !rest.first().is_some_and(|next| next.is_ascii_alphanumeric() || *next == b'.'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn peers() {
        let (peer, rest) = Peer::attached(b"mx.example.com.[IPv6:2001:db8::1]:25, x").unwrap();
        assert_eq!((peer.name, peer.ip), (Some(&b"mx.example.com"[..]), Some(&b"2001:db8::1"[..])));
        assert_eq!(rest, b":25, x");
        let (peer, _) = Peer::attached(b"unknown[192.0.2.1]").unwrap();
        assert_eq!(peer.name, None);
        let (peer, _) = Peer::attached(b"mail[private/dovecot-lmtp]").unwrap();
        assert!(peer.is_internal() && peer.ip.is_none());
        assert!(Peer::attached(b"127.0.0.1 [127.0.0.1]: x").unwrap().0.is_internal());
        assert!(Peer::attached(b"no brackets [192.0.2.1]").is_none());
        assert!(Peer::attached(b"mx[192.0.2.1").is_none());
    }

    #[test]
    fn addresses_may_hold_their_own_border() {
        let ends = |rest: &[u8]| rest.starts_with(b", relay=");
        let line = b"\"a>, relay=x\"@example.com>, relay=y";
        assert_eq!(angle(line, ends), Some((&b"\"a>, relay=x\"@example.com"[..], &b", relay=y"[..])));
        assert_eq!(angle(b"a>b@example.com>, relay=y", ends).unwrap().0, b"a>b@example.com");
        assert_eq!(angle(b"\"a@example.com>, relay=y \"@", ends).unwrap().0, b"\"a@example.com");
        assert_eq!(angle(b"a>", ends), None);
        assert_eq!(quoted_len(b"\"a\\\"b\" c"), Some(6));
        assert_eq!(quoted_len(b"\"a\\"), None);
    }
}
