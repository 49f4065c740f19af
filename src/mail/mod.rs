//! Messages as RFC 5322 and MIME describe them, read in place: header fields, parts, decoded text.
//!
//! Nothing here knows what a bounce is. All of it takes time linear in its input and none of it recurses on input.
//! Line ends are LF or CRLF; a message with bare CR alone is to be turned by its reader first.

pub mod address;
pub mod decode;
pub mod fields;
mod html;
pub mod params;
pub mod parts;

/// The line that starts at `at`, without its line end, and where the next one starts.
///
/// `None` at the end of `text`. A last line without a line end is a line.
pub fn line_at(text: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
    let (line, next) = match memchr::memchr(b'\n', rest) {
        Some(end) => (rest.get(..end)?, at + end + 1),
        None => (rest, text.len()),
    };
    Some((line.strip_suffix(b"\r").unwrap_or(line), next))
}

/// The lines of a text, without their line ends, each with its offset.
pub fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (line, next) = line_at(text, at)?;
        Some((std::mem::replace(&mut at, next), line))
    })
}

/// Whether `text` starts with `start`, whatever the case of ASCII letters.
pub fn starts_with_ignore_case(text: &[u8], start: &[u8]) -> bool {
    text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start))
}
