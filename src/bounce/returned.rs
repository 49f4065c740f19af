//! What the returned message's header says of how we sent it: whether it was signed, and for which domains.
//!
//! A receiver that says "unauthenticated" does not say what was missing. The header that the bounce returns does: the
//! `From` domain that DMARC asks about, the `Return-Path` domain that SPF is checked for, and the domains that signed.
//! What it cannot say: whether a signature was valid, and what the receiver saw after a relay on the way. A report that
//! returns only part of the header may lack a signature that was there.

use crate::record::domain_of;

/// Signatures that are kept.
const SIGNATURES: usize = 8;
/// `Received` fields whose queue ids are kept: the hosts that the message went through on our side.
const HOPS: usize = 16;
/// Bytes of a field that are looked at.
const LIMIT: usize = 4096;

/// A `DKIM-Signature` field (RFC 6376, section 3.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature<'m> {
    /// `d=`: the domain that signed.
    pub domain: &'m [u8],
    /// `s=`: the selector of its key. Empty where the field has none.
    pub selector: &'m [u8],
}

/// The facts. All text is borrowed and as written; `None` is not stated.
#[derive(Clone, Debug, Default)]
pub struct Returned<'m> {
    /// Number of fields read: 0 where nothing was returned.
    pub fields: u32,
    /// `Message-ID`, without `<>`.
    pub message_id: Option<&'m [u8]>,
    /// Domain of the first address in `From`.
    pub from_domain: Option<&'m [u8]>,
    /// Address in `Return-Path`, without `<>`; `Some(b"")` is the null sender.
    pub return_path: Option<&'m [u8]>,
    /// Signatures in the order of the header, the first eight.
    pub signatures: Vec<Signature<'m>>,
    /// `List-Unsubscribe` is there: bulk mail.
    pub list_unsubscribe: bool,
    /// `X-Mailer` or `User-Agent`: the program that wrote it.
    pub mailer: Option<&'m [u8]>,
    /// Host that says in the topmost `Received` that it took the message: the last one on our side.
    pub received_by: Option<&'m [u8]>,
    /// Queue ids that hosts gave it, the last host's first.
    pub queue_ids: Vec<&'m [u8]>,
}

impl<'m> Returned<'m> {
    /// Forgets everything; keeps the memory.
    pub fn clear(&mut self) {
        let (mut signatures, mut queue_ids) =
            (std::mem::take(&mut self.signatures), std::mem::take(&mut self.queue_ids));
        signatures.clear();
        queue_ids.clear();
        *self = Self { signatures, queue_ids, ..Self::default() };
    }

    /// Takes the next field of the header: its name, and its value as written, folds included.
    pub fn field(&mut self, name: &[u8], value: &'m [u8]) {
        self.fields = self.fields.saturating_add(1);
        let is = |word: &[u8]| name.eq_ignore_ascii_case(word);
        let value = value.get(..LIMIT).unwrap_or(value).trim_ascii();
        // By length first: most fields are of no interest.
        match name.len() {
            4 if is(b"From") => self.from_domain = self.from_domain.or_else(|| first_domain(value)),
            8 if is(b"Received") => self.received(value),
            8 if is(b"X-Mailer") => self.mailer = self.mailer.or(Some(value)),
            10 if is(b"User-Agent") => self.mailer = self.mailer.or(Some(value)),
            10 if is(b"Message-ID") => self.message_id = self.message_id.or_else(|| bare(value)),
            11 if is(b"Return-Path") => self.return_path = self.return_path.or_else(|| bare(value)),
            14 if is(b"DKIM-Signature") => self.signature(value),
            16 if is(b"List-Unsubscribe") => self.list_unsubscribe = true,
            _ => {}
        }
    }

    /// Whether one of the signatures is of the `From` domain's organisation (relaxed alignment, RFC 7489, section 3.1.1).
    /// `None` where no `From` domain was returned.
    pub fn is_signature_aligned(&self) -> Option<bool> {
        let from = self.from_domain?;
        Some(self.signatures.iter().any(|signature| same_organisation(signature.domain, from)))
    }

    /// The same for the `Return-Path` domain, which SPF is checked for. `None` where one of the two is not there.
    pub fn is_return_path_aligned(&self) -> Option<bool> {
        Some(same_organisation(domain_of(self.return_path?)?, self.from_domain?))
    }

    fn received(&mut self, value: &'m [u8]) {
        let mut words = value.split(|b| b.is_ascii_whitespace()).filter(|word| !word.is_empty());
        let mut by = None;
        // `;` ends the clauses; words in parentheses are remarks.
        let mut depth = 0_usize;
        while let Some(word) = words.next() {
            let outside = depth == 0 && word.first() != Some(&b'(');
            depth = (depth + memchr::memchr_iter(b'(', word).count())
                .saturating_sub(memchr::memchr_iter(b')', word).count());
            if !outside {
                continue;
            }
            if word == b"by" {
                by = by.or_else(|| words.next());
            } else if word == b"id"
                && let Some(id) = words.next().map(|id| id.split(|b| *b == b';').next().unwrap_or(id))
                && self.queue_ids.len() < HOPS
            {
                self.queue_ids.extend(bare(id).filter(|id| !id.is_empty()));
            }
        }
        self.received_by = self.received_by.or(by.map(|by| by.strip_suffix(b";").unwrap_or(by)));
    }

    fn signature(&mut self, value: &'m [u8]) {
        if self.signatures.len() >= SIGNATURES {
            return;
        }
        let (mut domain, mut selector) = (None, &[][..]);
        for tag in value.split(|b| *b == b';') {
            let Some(equals) = memchr::memchr(b'=', tag) else { continue };
            let (name, value) = tag.split_at(equals);
            let value = value.get(1..).unwrap_or(&[]).trim_ascii();
            match name.trim_ascii() {
                b"d" => domain = Some(value),
                b"s" => selector = value,
                _ => {}
            }
        }
        self.signatures.extend(domain.filter(|d| !d.is_empty()).map(|domain| Signature { domain, selector }));
    }
}

/// What stands in the first `<>`, else the whole.
fn bare(value: &[u8]) -> Option<&[u8]> {
    let Some(open) = memchr::memchr(b'<', value) else { return Some(value) };
    let inner = value.get(open + 1..)?;
    inner.get(..memchr::memchr(b'>', inner)?).map(<[u8]>::trim_ascii)
}

/// Domain of the first address of a field: of the first in `<>`, else of the first `@`.
fn first_domain(value: &[u8]) -> Option<&[u8]> {
    let opened = memchr::memchr_iter(b'<', value).find_map(|open| {
        let inner = value.get(open + 1..)?;
        domain_of(inner.get(..memchr::memchr(b'>', inner)?)?)
    });
    let domain = opened.or_else(|| value.get(memchr::memchr(b'@', value)? + 1..))?;
    let end = domain.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b'>' | b'(' | b';' | b'"'));
    domain.get(..end.unwrap_or(domain.len())).filter(|domain| !domain.is_empty())
}

/// Whether two domains have the same registrable domain by the public suffix list.
pub fn same_organisation(a: &[u8], b: &[u8]) -> bool {
    let lower = |name: &[u8]| name.strip_suffix(b".").unwrap_or(name).to_ascii_lowercase();
    let (a, b) = (lower(a), lower(b));
    if a == b {
        return !a.is_empty();
    }
    match (psl::domain(&a), psl::domain(&b)) {
        (Some(a), Some(b)) => a.as_bytes() == b.as_bytes(),
        _ => false,
    }
}

/// Whether a domain is `own` (lower case) or below it.
pub fn is_within(domain: &[u8], own: &[u8]) -> bool {
    let domain = domain.strip_suffix(b".").unwrap_or(domain);
    let Some(at) = domain.len().checked_sub(own.len()) else { return false };
    let (before, tail) = domain.split_at(at);
    tail.eq_ignore_ascii_case(own) && matches!(before, [] | [.., b'.'])
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn read<'m>(fields: &[(&str, &'m str)]) -> Returned<'m> {
        let mut returned = Returned::default();
        fields.iter().for_each(|(name, value)| returned.field(name.as_bytes(), value.as_bytes()));
        returned
    }

    #[test]
    fn signatures_are_compared_with_the_from_domain() {
        let signed = |from, domain| read(&[("from", from), ("dkim-signature", domain)]).is_signature_aligned();
        assert_eq!(signed("News <a@news.example.co.uk>", "v=1; d=example.co.uk; s=k1; b=abc"), Some(true));
        assert_eq!(signed("a@example.com", "v=1; a=rsa-sha256;\r\n\td=EXAMPLE.com; s=k1"), Some(true));
        assert_eq!(signed("a@example.com", "v=1; d=esp.example; s=k1"), Some(false));
        assert_eq!(signed("a@a.co.uk", "v=1; d=b.co.uk"), Some(false));
        assert_eq!(read(&[("From", "a@example.com")]).is_signature_aligned(), Some(false));
        assert_eq!(read(&[("Subject", "none")]).is_signature_aligned(), None);
        let two = read(&[
            ("From", "a@x.example"),
            ("DKIM-Signature", "d=esp.example; s=1"),
            ("DKIM-Signature", "s=2; d=x.example"),
        ]);
        assert_eq!(two.is_signature_aligned(), Some(true));
        assert_eq!(two.signatures[1], Signature { domain: b"x.example", selector: b"2" });
    }

    #[test]
    fn the_return_path_is_compared_too() {
        let path =
            |path| read(&[("From", "\"x <y>\" <a@example.com>"), ("Return-Path", path)]).is_return_path_aligned();
        assert_eq!(path("<bounce-1@mail.example.com>"), Some(true));
        assert_eq!(path("<bounce-1@esp.example>"), Some(false));
        assert_eq!(path("<>"), None);
    }

    #[test]
    fn own_domains_are_whole_labels() {
        assert!(is_within(b"Example.com", b"example.com") && is_within(b"a.example.com.", b"example.com"));
        assert!(!is_within(b"notexample.com", b"example.com") && !is_within(b"com", b"example.com"));
    }

    #[test]
    fn queue_ids_and_hosts_come_from_received() {
        let returned = read(&[
            (
                "Received",
                "from app (localhost [127.0.0.1])\n\tby mx1.example.com (Postfix (x) by y) with ESMTP id 4Wq1Xn2bz9z1r;\n\tThu, 1 Jan 2026 00:00:00 +0000",
            ),
            ("Received", "by app.example.com with local (Exim 4.96) id 1abcde-000123-AB for a@b.example; Thu"),
        ]);
        assert_eq!(returned.received_by, Some(&b"mx1.example.com"[..]));
        assert_eq!(returned.queue_ids, [&b"4Wq1Xn2bz9z1r"[..], b"1abcde-000123-AB"]);
    }

    #[test]
    fn any_bytes_are_taken() {
        for value in ["", "<", ">", "<>", "@", "<@>", "d=", ";;;=;d", "by", "id", "by id by", "((((", "))))"] {
            let names = ["From", "Received", "Return-Path", "DKIM-Signature", "Message-ID", "X-Mailer"];
            read(&names.map(|name| (name, value)));
        }
        let many: Vec<_> = (0..100).map(|_| ("DKIM-Signature", "d=a.example; s=1")).collect();
        assert_eq!(read(&many).signatures.len(), SIGNATURES);
    }
}
