//! Foreign text made fit to be shown: on a terminal, in a mail, in a message.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

/// Whether a terminal, or a reader's eye, could be led astray by `c`: C0 and C1 controls, DEL, line and paragraph
/// separators, bidirectional controls, zero-width and other invisible characters, private use and noncharacters.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(u32::from(c),
            0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
            | 0x200B..=0x200F | 0x2028..=0x202E | 0x2060..=0x206F | 0x3164
            | 0xE000..=0xF8FF | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0 | 0xFFF0..=0xFFFB | 0xFFFE | 0xFFFF
            | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF | 0xF0000..)
}

/// `text` on one line and without characters that could steer a terminal: each becomes `\u{XXXX}`.
///
/// Meant for people, so it is not reversible: a text may hold `\u{1b}` literally.
///
/// ```
/// # use bouncesift::text::sanitize;
/// assert_eq!(sanitize("550 \u{1b}[2Jno"), r"550 \u{1b}[2Jno");
/// assert_eq!(sanitize("550 no"), "550 no");
/// ```
pub fn sanitize(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        if is_unsafe(c) { push_escape(&mut out, c) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Bytes made fit to be shown: as [`sanitize`], and bytes that are no UTF-8 as `\x..`.
///
/// ```
/// assert_eq!(bouncesift::text::shown(b"a\x1b[31m\xff"), "a\\u{1b}[31m\\xff");
/// ```
pub fn shown(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(&sanitize(chunk.valid()));
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// A path made fit to be shown.
pub fn shown_path(path: &Path) -> String {
    shown(path.as_os_str().as_encoded_bytes())
}

/// The path of a file as it is shown: the input's, and below it the file's name where the input is a directory.
pub fn joined(input: &Arc<str>, member: Option<&str>) -> Arc<str> {
    match member {
        Some(name) => Arc::from(format!("{}/{name}", input.strip_suffix('/').unwrap_or(input))),
        None => Arc::clone(input),
    }
}

/// Appends `\u{XXXX}`, lower-case hexadecimal without leading zeros.
pub fn push_escape(out: &mut String, c: char) {
    // Writing to a String cannot fail.
    let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
}

/// Columns that `c` takes on a terminal: 2 for East Asian wide characters and emoji, else 1. Combining marks count
/// as 1, which errs on the safe side of a line's width.
pub fn columns_of(c: char) -> usize {
    let wide = matches!(u32::from(c),
        0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF | 0xFE30..=0xFE6F
        | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD);
    if wide { 2 } else { 1 }
}

/// Columns that a sanitised text takes on a terminal.
pub fn columns(text: &str) -> usize {
    text.chars().map(columns_of).sum()
}
