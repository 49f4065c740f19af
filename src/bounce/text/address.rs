//! Addresses as reports write them: `<a@example.com>`, `a@example.com`, in lists and amid words.

/// Longest local part and domain that are believed, more than RFC 5321 allows: VERP makes long ones.
const MAX_LOCAL: usize = 256;
const MAX_DOMAIN: usize = 255;

/// An address and what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Opened<'t> {
    pub address: &'t [u8],
    pub rest: &'t [u8],
    /// It stood in `<>`.
    pub angled: bool,
}

/// The address at the very start of `text`, in `<>`, in quotes, or bare.
pub(super) fn opening(text: &[u8]) -> Option<Opened<'_>> {
    match text.first()? {
        b'<' => angled(text),
        quote @ (b'\'' | b'"') => {
            let inside = text.get(1..)?;
            let plain = bare(inside).and_then(|len| inside.split_at_checked(len));
            match plain {
                Some((address, rest)) if rest.first() == Some(quote) => {
                    Some(Opened { address, rest: rest.get(1..)?, angled: false })
                }
                // An apostrophe that is not closed opens a quotation.
                Some((address, rest)) if *quote == b'\'' => Some(Opened { address, rest, angled: false }),
                _ => bare(text).and_then(|len| text.split_at_checked(len)).map(plain_opened),
            }
        }
        _ => bare(text).and_then(|len| text.split_at_checked(len)).map(plain_opened),
    }
}

fn plain_opened<'t>((address, rest): (&'t [u8], &'t [u8])) -> Opened<'t> {
    Opened { address, rest, angled: false }
}

/// `<ADDRESS>`, where ADDRESS has no blank outside a quoted local part; `<SMTP:a@example.com>` and source routes give the
/// mailbox alone.
fn angled(text: &[u8]) -> Option<Opened<'_>> {
    let inside = text.strip_prefix(b"<")?;
    let near = inside.get(..MAX_LOCAL + MAX_DOMAIN).unwrap_or(inside);
    let quoted = quoted_len(near).unwrap_or(0);
    let close = quoted + memchr::memchr(b'>', near.get(quoted..)?)?;
    let (address, rest) = inside.split_at_checked(close)?;
    let address = without_scheme(address);
    let body = address.get(quoted.min(address.len())..)?;
    let odd = |b: &u8| b.is_ascii_whitespace() || matches!(b, b'<' | b'(' | b')' | b',' | b';');
    (!address.is_empty() && !body.iter().any(odd)).then_some(Opened { address, rest: rest.get(1..)?, angled: true })
}

/// The address without `rfc822;`, `SMTP:`, `mailto:` and the like, and without a source route.
pub(super) fn without_scheme(address: &[u8]) -> &[u8] {
    const SCHEMES: [&[u8]; 5] = [b"rfc822;", b"smtp:", b"mailto:", b"utf-8;", b"imceasmtp:"];
    let mut address = address.trim_ascii();
    for scheme in SCHEMES {
        if let Some((head, rest)) = address.split_at_checked(scheme.len())
            && head.eq_ignore_ascii_case(scheme)
        {
            address = rest.trim_ascii();
        }
    }
    if address.first() == Some(&b'@')
        && let Some(colon) = memchr::memchr(b':', address)
    {
        address = address.get(colon + 1..).unwrap_or_default();
    }
    address
}

/// Length of a bare address at the start of `text`: it has an `@`, and its domain a dot, a literal, or is `localhost`.
fn bare(text: &[u8]) -> Option<usize> {
    let local = match quoted_len(text) {
        Some(len) => len,
        None => text.iter().take(MAX_LOCAL + 1).take_while(|b| is_local(**b)).count(),
    };
    if local == 0 || text.get(local) != Some(&b'@') {
        return None;
    }
    Some(local + 1 + domain_len(text.get(local + 1..)?)?)
}

/// Length of the domain at the start of `text`.
fn domain_len(text: &[u8]) -> Option<usize> {
    if text.first() == Some(&b'[') {
        let len = memchr::memchr(b']', text.get(..64).unwrap_or(text))? + 1;
        return Some(len);
    }
    let run = text.iter().take(MAX_DOMAIN).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    let domain = text.get(..run.count())?;
    let len = domain.iter().rposition(|b| b.is_ascii_alphanumeric())? + 1;
    let domain = domain.get(..len)?;
    let named = domain.contains(&b'.') || domain.eq_ignore_ascii_case(b"localhost");
    (named && domain.first() != Some(&b'.')).then_some(len)
}

fn quoted_len(text: &[u8]) -> Option<usize> {
    text.strip_prefix(b"\"")?;
    let near = text.get(..MAX_LOCAL).unwrap_or(text);
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', near.get(at..)?)?;
        if near.get(at) == Some(&b'"') {
            return (near.get(at + 1) == Some(&b'@')).then_some(at + 1);
        }
        at += 2;
    }
}

fn is_local(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte)
}

/// The addresses amid the words of `text`, with their offsets. Those behind `mailto:` and in URLs are left out.
///
/// Linear: no byte is looked at by more than one search to the left and one to the right.
pub(super) fn among(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut floor = 0;
    memchr::memchr_iter(b'@', text).filter_map(move |at| {
        let before = text.get(floor.min(at)..at)?;
        let quoted = before.last() == Some(&b'"');
        let local = match quoted {
            true => 1 + before.iter().rev().skip(1).take(MAX_LOCAL).position(|b| *b == b'"')? + 1,
            false => before.iter().rev().take(MAX_LOCAL).take_while(|b| is_local(**b)).count(),
        };
        // A word's own punctuation is no part of the address: `'a@example.com'`, `/a@example.com`.
        let head = before.get(before.len() - local..)?;
        let trim = if quoted { 0 } else { head.iter().take_while(|b| matches!(b, b'\'' | b'`' | b'.' | b'-')).count() };
        let start = at - local + trim;
        let domain = domain_len(text.get(at + 1..)?)?;
        floor = at + 1 + domain;
        let address = text.get(start..floor)?;
        let lead = text.get(start.saturating_sub(7)..start).unwrap_or_default();
        let linked = lead.to_ascii_lowercase().ends_with(b"mailto:") || address.windows(2).any(|w| w == b"//");
        (start < at && !linked).then_some((start, address))
    })
}

/// An address that stands alone in a header clue, for example `"Joe" <joe@example.net>`; `None` where there are several.
pub(super) fn only(text: &[u8]) -> Option<&[u8]> {
    let mut found = among(text).map(|(_, address)| address);
    let first = found.next()?;
    found.all(|other| other.eq_ignore_ascii_case(first)).then_some(first)
}

/// Whether the address is one of those that answer for a mail system, not of a person.
pub(super) fn is_role(address: &[u8]) -> bool {
    const ROLES: [&[u8]; 12] = [
        b"postmaster",
        b"mailer-daemon",
        b"mailerdaemon",
        b"abuse",
        b"no-reply",
        b"noreply",
        b"support",
        b"helpdesk",
        b"hostmaster",
        b"webmaster",
        b"listserv",
        b"majordomo",
    ];
    let local = address.split(|b| *b == b'@').next().unwrap_or_default();
    ROLES.iter().any(|role| local.eq_ignore_ascii_case(role))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        among(text.as_bytes()).map(|(_, a)| str::from_utf8(a).unwrap()).collect()
    }

    #[test]
    fn addresses_amid_words() {
        assert_eq!(all("to <joe@example.net>, 'ann@example.org'."), ["joe@example.net", "ann@example.org"]);
        assert_eq!(all("宛先joe@example.netへの"), ["joe@example.net"]);
        assert_eq!(all("ann@example.org<mailto:ann@example.org> http://u@example.org"), ["ann@example.org"]);
        assert_eq!(all("\"a b\"@example.org, @example.org a@b"), ["\"a b\"@example.org"]);
        assert_eq!(all("joe@[192.0.2.1] joe@example.net."), ["joe@[192.0.2.1]", "joe@example.net"]);
        assert_eq!(all("@@@@"), Vec::<&str>::new());
    }

    #[test]
    fn addresses_that_open_a_line() {
        let check = |text: &'static str| {
            opening(text.as_bytes()).map(|o| (str::from_utf8(o.address).unwrap(), str::from_utf8(o.rest).unwrap()))
        };
        assert_eq!(check("<joe@example.net>: no"), Some(("joe@example.net", ": no")));
        assert_eq!(check("<root>: no"), Some(("root", ": no")));
        assert_eq!(check("<SMTP:joe@example.net> x"), Some(("joe@example.net", " x")));
        assert_eq!(check("<@a.example,@b.example:joe@example.net>"), Some(("joe@example.net", "")));
        assert_eq!(check("joe@example.net..."), Some(("joe@example.net", "...")));
        assert_eq!(check("'joe@example.net' on 1/2"), Some(("joe@example.net", " on 1/2")));
        assert_eq!(check("<mx.example.net #5.1.1 smtp;550>"), None);
        assert_eq!(check("joe at example"), None);
    }
}
