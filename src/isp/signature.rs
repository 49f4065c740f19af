//! Signatures: words, codes and hosts in a reply that name who speaks.
//!
//! How one is written in a table: letters in any case; `#` is one digit; a `*` at the end leaves the right border
//! open (`OFR_*`). Else a signature starts and ends at a border: `gsmtp` is not in `notgsmtp`; a reply code may stand
//! directly before it. One that starts with
//! a host name (`support.google.com/mail`) obeys the borders of host names: a label more on its left is another
//! host of the same owner, one on its right another owner, and behind an `@` it is somebody's address. Where a
//! signature holds an `@` itself, it is a role address of the provider.

use super::name::is_name_byte;

/// Bytes before a host name that can say in what part it is named.
const LOOK_BACK: usize = 24;

/// Words before a host name that make it the client, the sender or a third one.
const NOT_THE_SPEAKER: [&[u8]; 14] = [
    b"client host",
    b"connecting host",
    b"sending host",
    b"client",
    b"from",
    b"of",
    b"for",
    b"domain",
    b"helo",
    b"ehlo",
    b"server at",
    b"sender",
    b"via",
    b"through",
];

/// One signature, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signature {
    /// Lower-case bytes up to the first `#` or to the end: what is searched for.
    literal: Box<[u8]>,
    /// What must follow: lower-case bytes, `#` for a digit.
    rest: Box<[u8]>,
    is_open: bool,
    is_host: bool,
}

impl Signature {
    /// `Err` says in words why this cannot be a signature.
    pub(crate) fn new(written: &str) -> Result<Self, &'static str> {
        let lower = written.to_ascii_lowercase();
        let (body, is_open) = lower.strip_suffix('*').map_or((lower.as_str(), false), |body| (body, true));
        if body.contains('*') {
            return Err("`*` can only stand at the end of a signature");
        }
        let (literal, rest) = body.split_at(body.find('#').unwrap_or(body.len()));
        if literal.len() < 2 {
            return Err("a signature needs two characters before the first digit place");
        }
        let host = body.split('/').next().unwrap_or(body);
        let is_host = host.contains('.') && host.bytes().all(is_name_byte);
        Ok(Signature { literal: literal.as_bytes().into(), rest: rest.as_bytes().into(), is_open, is_host })
    }

    pub(crate) fn literal(&self) -> &[u8] {
        &self.literal
    }

    /// Where the signature ends, if it stands in `text` with its literal at `start`.
    pub(crate) fn end_at(&self, text: &[u8], start: usize) -> Option<usize> {
        let tail_start = start + self.literal.len();
        let end = tail_start + self.rest.len();
        let tail = text.get(tail_start..end)?;
        let fits = tail.iter().zip(&*self.rest).all(|(byte, want)| match want {
            b'#' => byte.is_ascii_digit(),
            _ => byte.eq_ignore_ascii_case(want),
        });
        (fits && self.starts_at_border(text, start) && (self.is_open || self.ends_at_border(text, end))).then_some(end)
    }

    fn starts_at_border(&self, text: &[u8], start: usize) -> bool {
        if !self.literal.first().is_some_and(|first| is_name_byte(*first)) {
            return true;
        }
        let before = text.get(..start).unwrap_or_default();
        if !self.is_host {
            return !before.last().is_some_and(|byte| is_word(*byte) || *byte == b'@') || ends_in_reply_code(before);
        }
        match before.last() {
            Some(b'.') => {
                let run = before.iter().rev().take(253).take_while(|byte| is_name_byte(**byte)).count();
                let head = before.get(..before.len() - run).unwrap_or_default();
                let labels = before.get(before.len() - run..).unwrap_or_default();
                !head.last().is_some_and(|byte| *byte == b'@' || !byte.is_ascii())
                    && !labels.split(|byte| *byte == b'.').any(|label| label.eq_ignore_ascii_case(b"outbound"))
                    && !is_someone_else(head)
            }
            Some(byte) => !is_name_byte(*byte) && *byte != b'@' && byte.is_ascii() && !is_someone_else(before),
            None => true,
        }
    }

    fn ends_at_border(&self, text: &[u8], end: usize) -> bool {
        let mut after = text.get(end..).unwrap_or_default().iter();
        let last = self.rest.last().or(self.literal.last());
        if !last.is_some_and(|last| is_name_byte(*last) || *last == b'#') {
            return true;
        }
        let in_path = self.literal.contains(&b'/');
        match after.next() {
            Some(b'.') if !in_path => !after.next().is_some_and(|byte| is_name_byte(*byte) || !byte.is_ascii()),
            Some(b'-') => !self.is_host || in_path,
            Some(b'@') => false,
            Some(byte) => !is_word(*byte) && (!self.is_host || byte.is_ascii()),
            None => true,
        }
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// `450` in `450DT:RBL`, as some servers write it.
fn ends_in_reply_code(before: &[u8]) -> bool {
    before.split_last_chunk::<3>().is_some_and(|(head, code)| {
        code.iter().all(u8::is_ascii_digit) && !head.last().is_some_and(|byte| is_word(*byte))
    })
}

/// Whether the words before a host name make it somebody else than the server that speaks.
pub(crate) fn is_someone_else(before: &[u8]) -> bool {
    let from = before.len().saturating_sub(LOOK_BACK);
    let mut words = before.get(from..).unwrap_or_default();
    while let Some((last, head)) = words.split_last()
        && matches!(last, b' ' | b'\t' | b'[' | b'(' | b'<' | b'"' | b'\'' | b'`' | b':')
    {
        words = head;
    }
    NOT_THE_SPEAKER.iter().any(|phrase| {
        let Some(at) = words.len().checked_sub(phrase.len()) else { return false };
        let (head, tail) = words.split_at(at);
        tail.eq_ignore_ascii_case(phrase) && !head.last().is_some_and(|byte| is_word(*byte) || *byte == b'-')
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn stands(signature: &str, text: &str) -> bool {
        let signature = Signature::new(signature).unwrap();
        let lower = text.to_ascii_lowercase();
        let literal = std::str::from_utf8(signature.literal()).unwrap().to_owned();
        lower.match_indices(&literal).any(|(start, _)| signature.end_at(text.as_bytes(), start).is_some())
    }

    #[test]
    fn hosts_obey_label_borders() {
        for text in
            ["mx.google.com", "see https://mx.GOOGLE.com/x", "said mx.google.com.", "(google.com)", "google.com,"]
        {
            assert!(stands("google.com", text), "{text}");
        }
        for text in [
            "mx.google.com.evil.example",
            "evilgoogle.com",
            "not-google.com",
            "x@google.com",
            "x@mx.google.com",
            "google.com@evil.example",
            "google.company",
            "google.com-x.example",
            "éxgoogle.com",
            "égoogle.com",
            "Client host [mx.google.com] blocked",
            "mail from mx.google.com",
            "x.outbound.google.com",
        ] {
            assert!(!stands("google.com", text), "{text}");
        }
        assert!(stands("mail.live.com/mail/troubleshooting", "http://mail.live.com/mail/troubleshooting.aspx#errors"));
    }

    #[test]
    fn codes_obey_word_borders() {
        assert!(stands("IB###", "listed. IB212"));
        assert!(stands("IB###", "IB508 <http://x.co/x>"));
        assert!(!stands("IB###", "IB5081"));
        assert!(!stands("IB###", "LIB508"));
        assert!(!stands("IB###", "IB50x"));
        assert!(stands("OFR_*", "rejected. ofr_506 [506]"));
        assert!(!stands("OFR_*", "XOFR_506"));
        assert!(stands("[TSS##]", "[tss04] Messages"));
        assert!(stands("abuse_rbl@abuse-att.net", "forward to abuse_rbl@abuse-att.net"));
    }

    #[test]
    fn unusable_signatures_are_refused() {
        assert!(Signature::new("a").is_err());
        assert!(Signature::new("").is_err());
        assert!(Signature::new("###").is_err());
        assert!(Signature::new("a*b").is_err());
    }
}
