use std::fmt;

/// An SMTP reply code (RFC 5321, section 4.2): three digits, the first of them 2 to 5, the second 0 to 7.
///
/// The standard ends at 5 for the second digit; servers have used 571 and its neighbours for refusals by policy, and
/// 580 to 599 as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ReplyCode(u16);

impl ReplyCode {
    /// The code for a number, if it is one.
    ///
    /// ```
    /// # use bouncesift::smtp::ReplyCode;
    /// assert_eq!(ReplyCode::new(550).unwrap().class(), 5);
    /// assert!(ReplyCode::new(605).is_none());
    /// ```
    pub fn new(number: u16) -> Option<Self> {
        ((200..580).contains(&number) && number / 10 % 10 <= 7 || (580..600).contains(&number))
            .then_some(ReplyCode(number))
    }

    /// Reads the three digits at the start of `text`, which must not go on with a fourth digit or a letter.
    pub fn at_start(text: &[u8]) -> Option<Self> {
        let &[a, b, c, ref rest @ ..] = text else { return None };
        let digits = [a, b, c];
        if !digits.iter().all(u8::is_ascii_digit) || rest.first().is_some_and(u8::is_ascii_alphanumeric) {
            return None;
        }
        Self::new(digits.iter().fold(0, |n, d| n * 10 + u16::from(d - b'0')))
    }

    /// The number, 200 to 599.
    pub fn get(self) -> u16 {
        self.0
    }

    /// 2 accepted, 3 go on, 4 transient failure, 5 permanent failure.
    pub fn class(self) -> u8 {
        (self.0 / 100) as u8
    }
}

impl fmt::Display for ReplyCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}
