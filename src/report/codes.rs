//! Patterns of enhanced status codes.

use std::fmt;
use std::str::FromStr;

use crate::smtp::EnhancedStatus;

/// Which enhanced status codes the headline counts: `5.7.1`, `5.7.*,4.7.*`; `none` is a reply without one.
///
/// ```
/// # use bouncesift::{report::CodePatterns, smtp::EnhancedStatus};
/// let patterns: CodePatterns = "5.7.*, 4.7.1".parse().unwrap();
/// assert!(patterns.matches(EnhancedStatus::exact(b"5.7.26")));
/// assert!(!patterns.matches(EnhancedStatus::exact(b"4.7.26")));
/// assert_eq!(patterns.to_string(), "5.7.*,4.7.1");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodePatterns(Vec<Pattern>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    NoCode,
    Code { class: Option<u16>, subject: Option<u16>, detail: Option<u16> },
}

/// A pattern that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no enhanced status code or pattern such as 5.7.1, 5.7.* or none")]
pub struct CodePatternError(String);

impl CodePatterns {
    /// Whether the code is one of them.
    pub fn matches(&self, status: Option<EnhancedStatus>) -> bool {
        self.0.iter().any(|pattern| match (pattern, status) {
            (Pattern::NoCode, code) => code.is_none(),
            (Pattern::Code { .. }, None) => false,
            (Pattern::Code { class, subject, detail }, Some(code)) => {
                let fits = |want: &Option<u16>, is: u16| want.is_none_or(|w| w == is);
                fits(class, code.class.into()) && fits(subject, code.subject) && fits(detail, code.detail)
            }
        })
    }
}

impl Default for CodePatterns {
    /// `5.7.1`.
    fn default() -> Self {
        CodePatterns(vec![Pattern::Code { class: Some(5), subject: Some(7), detail: Some(1) }])
    }
}

impl FromStr for CodePatterns {
    type Err = CodePatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let one = |word: &str| pattern(word.trim()).ok_or_else(|| CodePatternError(word.trim().to_string()));
        text.split(',').map(one).collect::<Result<_, _>>().map(CodePatterns)
    }
}

fn pattern(word: &str) -> Option<Pattern> {
    if word == "none" {
        return Some(Pattern::NoCode);
    }
    let mut parts = word.split('.').map(part);
    let (class, subject, detail) = (parts.next()??, parts.next()??, parts.next()??);
    let class_exists = matches!(class, None | Some(2 | 4 | 5));
    (parts.next().is_none() && class_exists).then_some(Pattern::Code { class, subject, detail })
}

/// `Some(None)` is `*`.
fn part(text: &str) -> Option<Option<u16>> {
    if text == "*" {
        return Some(None);
    }
    let is_number = (1..=3).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok().map(Some))?
}

impl fmt::Display for CodePatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, pattern) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match pattern {
                Pattern::NoCode => f.write_str("none")?,
                Pattern::Code { class, subject, detail } => {
                    let word = |n: &Option<u16>| n.map_or_else(|| "*".to_string(), |n| n.to_string());
                    write!(f, "{}.{}.{}", word(class), word(subject), word(detail))?;
                }
            }
        }
        Ok(())
    }
}
