//! A text as lines, each with what the phrases of the tables say of it.

use super::phrases::{self, Kind};

/// Bytes of a report that are looked at; longer ones are lists of recipients without end or no reports.
pub const MAX_TEXT: usize = 512 * 1024;

/// Lines of a report that are looked at.
pub(super) const MAX_LINES: usize = 20_000;

/// One line: offsets count from the start of the text, `end` stands before the line end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub start: usize,
    pub end: usize,
    /// Bytes of blanks at its start.
    pub indent: usize,
    /// Kinds of the phrases that end in it, one bit each.
    kinds: u16,
}

impl Line {
    /// Whether a phrase of this kind ends in the line.
    pub fn has(&self, kind: Kind) -> bool {
        self.kinds & kind.bit() != 0
    }

    /// Whether it holds nothing but blanks.
    pub fn is_blank(&self) -> bool {
        self.start + self.indent >= self.end
    }
}

/// The part of a report that stands before the returned message, cut into lines.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    pub text: &'t [u8],
    lines: Vec<Line>,
}

impl<'t> Lines<'t> {
    /// Cuts `text`; what lies behind [`MAX_TEXT`] bytes or [`MAX_LINES`] lines is left out.
    pub fn new(text: &'t [u8]) -> Self {
        let mut lines = Vec::new();
        let mut start = 0;
        let text = text.get(..MAX_TEXT).unwrap_or(text);
        for line in cut(text).take(MAX_LINES) {
            let end = start + line.trim_ascii_end().len();
            let indent = line.len() - line.trim_ascii_start().len();
            lines.push(Line { start, end, indent: indent.min(end - start), kinds: 0 });
            start += line.len();
        }
        let text = text.get(..start).unwrap_or(text);
        mark(text, &mut lines);
        Lines { text, lines }
    }

    pub fn get(&self, at: usize) -> Option<Line> {
        self.lines.get(at).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = Line> {
        self.lines.iter().copied()
    }

    /// The line's text without blanks around it.
    pub fn content(&self, line: Line) -> &'t [u8] {
        self.text.get(line.start + line.indent..line.end).unwrap_or_default()
    }

    /// The text from one offset to another, blanks around it left out.
    pub fn span(&self, start: usize, end: usize) -> &'t [u8] {
        self.text.get(start..end).unwrap_or_default().trim_ascii()
    }
}

/// Lines with their ends. A bare CR ends a line too, as in mail kept by old Macintosh programs, but only where the text
/// has no LF at all.
pub(super) fn cut(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let end = if memchr::memchr(b'\n', text).is_some() { b'\n' } else { b'\r' };
    text.split_inclusive(move |byte| *byte == end)
}

/// Notes in each line the kinds of the phrases that end in it.
fn mark(text: &[u8], lines: &mut [Line]) {
    let mut lines = lines.iter_mut().peekable();
    for (at, kind) in phrases::find(text) {
        while lines.peek().is_some_and(|line| line.end <= at) {
            lines.next();
        }
        if let Some(line) = lines.peek_mut() {
            line.kinds |= kind.bit();
        }
    }
}
