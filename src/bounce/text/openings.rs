//! How lines of reports open: bullets, names, programs, rulers, headings; and what follows an address.

use super::address::{self, Opened};
use super::reason;

/// What follows an address at the start of a line.
pub(super) enum Tail {
    Nothing,
    Colon,
    /// Words that say why.
    Reason,
    /// More addresses.
    More,
    /// The line is a sentence.
    Prose,
}

impl Tail {
    pub(super) fn of(rest: &[u8]) -> Self {
        let rest = rest.trim_ascii();
        match rest.first() {
            None => Tail::Nothing,
            Some(b':') => Tail::Colon,
            Some(b',' | b';') if rest.len() == 1 => Tail::Nothing,
            Some(b',' | b';') if address::among(rest).next().is_some() => Tail::More,
            Some(b'.') if rest.len() == 1 => Tail::Nothing,
            Some(b'<') => Tail::Nothing,
            Some(b'(' | b'[' | b'-' | b'.' | b',' | b';' | b'=') => Tail::Reason,
            _ if rest.iter().any(u8::is_ascii_digit) => Tail::Reason,
            _ => Tail::Prose,
        }
    }
}

/// The address in ` (expanded from <a@example.com>)` at the start of `rest`, and what follows the bracket.
pub(super) fn inline_expansion(rest: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let found = || {
        let inside = rest.trim_ascii_start().strip_prefix(b"(")?;
        let (words, behind) = inside.split_at_checked(memchr::memchr(b')', inside)?)?;
        let is_expansion =
            [&b"expanded from"[..], b"generated from", b"originally to"].iter().any(|w| words.starts_with(w));
        let (_, original) = address::among(words).next().filter(|_| is_expansion)?;
        Some((original, behind.get(1..)?))
    };
    found().map_or((None, rest), |(original, behind)| (Some(original), behind))
}

/// The line without the marks that lists put before their items.
pub(super) fn without_bullet(content: &[u8]) -> &[u8] {
    const BULLETS: [&[u8]; 9] =
        [b"* ", b"- ", b"+ ", b"o ", b">>> ", b"> ", b"| ", "\u{2022} ".as_bytes(), "\u{b7} ".as_bytes()];
    let digits = content.iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    if let Some((b". " | b") ", item)) = content.get(digits..).and_then(|rest| rest.split_at_checked(2))
        && digits > 0
    {
        return item.trim_ascii_start();
    }
    BULLETS.iter().find_map(|bullet| content.strip_prefix(*bullet)).unwrap_or(content).trim_ascii_start()
}

/// `"|/usr/bin/filter"`, `pipe to |/usr/bin/filter`, `:include:/etc/list`: what aliases deliver to.
pub(super) fn program(body: &[u8]) -> Option<&[u8]> {
    const STARTS: [&[u8]; 7] = [b"|", b"\"|", b"pipe to ", b"save to ", b":include:", b"<\"|", b"\"/"];
    STARTS.iter().any(|start| body.starts_with(start)).then_some(body)
}

/// Longest display name in front of an address.
const MAX_NAME: usize = 100;

/// `Joe Doe <joe@example.net>`, `"Joe" (joe@example.net)`.
pub(super) fn named_address(body: &[u8]) -> Option<Opened<'_>> {
    let near = body.get(..MAX_NAME).unwrap_or(body);
    let open = near.iter().position(|b| matches!(b, b'<' | b'(' | b'['))?;
    let name = near.get(..open)?;
    if name.iter().any(|b| matches!(b, b':' | b'.' | b'@' | b';')) || name.split(|b| *b == b' ').count() > 6 {
        return None;
    }
    let inside = body.get(open..)?;
    if inside.first() == Some(&b'<') {
        return address::opening(inside).filter(|opened| opened.address.contains(&b'@'));
    }
    let mut opened = address::opening(inside.get(1..)?)?;
    opened.rest = opened.rest.get(1..).unwrap_or_default();
    Some(opened)
}

/// Whether the line is nothing but a ruler.
pub(super) fn is_rule(content: &[u8]) -> bool {
    content.len() >= 3 && content.iter().all(|b| matches!(b, b'-' | b'=' | b'*' | b'_' | b'#' | b'~' | b'+'))
}

/// Whether the line is set off: `--- words ---`, `=== words`, `|--- words: ---|`.
pub(super) fn is_heading(content: &[u8]) -> bool {
    let content = content.strip_prefix(b"|").unwrap_or(content);
    let first = content.first().copied().unwrap_or_default();
    let run = content.iter().take_while(|b| **b == first).count();
    matches!(first, b'-' | b'=' | b'*' | b'_' | b'#' | b'~') && run >= 3
}

/// The host that reports: `This is the mail system at host mx.example.com.`, `Message from example.com.`
pub(super) fn reporter(content: &[u8]) -> Option<&[u8]> {
    const WORDS: [&[u8]; 7] = [
        b"program at host ",
        b"system at host ",
        b"program at ",
        b"system at ",
        b"Mail Agent v",
        b"Message from ",
        b"mail server at ",
    ];
    let rest = WORDS.iter().find_map(|word| {
        let at = memchr::memmem::find(content.get(..200).unwrap_or(content), word)?;
        content.get(at + word.len()..)
    })?;
    let rest =
        memchr::memmem::find(rest.get(..24).unwrap_or(rest), b" at ").and_then(|at| rest.get(at + 4..)).unwrap_or(rest);
    let rest = rest.trim_ascii_start();
    let len =
        rest.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b',' | b':' | b'(')).unwrap_or(rest.len());
    reason::host_name(rest.get(..len)?)
}
