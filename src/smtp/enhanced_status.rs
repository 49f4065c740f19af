use std::fmt;

/// An enhanced mail system status code (RFC 3463), such as `5.7.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnhancedStatus {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// 0 to 999; 7 is "security or policy".
    pub subject: u16,
    /// 0 to 999.
    pub detail: u16,
}

impl EnhancedStatus {
    /// Reads a code at the very start of `text`; returns it with its length in bytes.
    ///
    /// Leading zeros, more than three digits, another class than 2, 4 or 5, and a further `.digit` or digit make
    /// it no code. What else follows is not looked at (see [`crate::smtp::parse_reply`]).
    ///
    /// ```
    /// # use bouncesift::smtp::EnhancedStatus;
    /// let (code, len) = EnhancedStatus::at_start(b"5.7.1 Access denied").unwrap();
    /// assert_eq!((code.to_string().as_str(), len), ("5.7.1", 5));
    /// assert!(EnhancedStatus::at_start(b"5.7.1.2").is_none());
    /// assert!(EnhancedStatus::at_start(b"5.1000.0").is_none());
    /// assert!(EnhancedStatus::at_start(b"5.007.1").is_none());
    /// ```
    pub fn at_start(text: &[u8]) -> Option<(Self, usize)> {
        let (&class, rest) = text.split_first()?;
        if !matches!(class, b'2' | b'4' | b'5') {
            return None;
        }
        let (subject, rest) = number(rest.strip_prefix(b".")?)?;
        let (detail, rest) = number(rest.strip_prefix(b".")?)?;
        if matches!(rest, [b'.', d, ..] if d.is_ascii_digit()) {
            return None;
        }
        Some((EnhancedStatus { class: class - b'0', subject, detail }, text.len() - rest.len()))
    }

    /// Reads `text` as a code and nothing else.
    pub fn exact(text: &[u8]) -> Option<Self> {
        Self::at_start(text).filter(|(_, len)| *len == text.len()).map(|(code, _)| code)
    }

    /// Whether the code only says "something went wrong": `X.0.0`, and the queue lifetime codes `4.4.7`, `5.4.7`.
    pub fn is_generic(self) -> bool {
        (self.subject, self.detail) == (0, 0) || (self.subject, self.detail) == (4, 7)
    }
}

/// One to three digits without a leading zero, not followed by a digit.
fn number(text: &[u8]) -> Option<(u16, &[u8])> {
    let len = text.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(len);
    if !(1..=3).contains(&len) || (len > 1 && digits.first() == Some(&b'0')) {
        return None;
    }
    Some((digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0')), rest))
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}
