//! The words of an HTML text.

use memchr::memmem;

/// Tags that end a line.
const BLOCKS: [&[u8]; 22] = [
    b"br",
    b"p",
    b"div",
    b"tr",
    b"table",
    b"tbody",
    b"li",
    b"ul",
    b"ol",
    b"h1",
    b"h2",
    b"h3",
    b"h4",
    b"h5",
    b"h6",
    b"hr",
    b"pre",
    b"blockquote",
    b"dt",
    b"dd",
    b"center",
    b"title",
];
/// Elements whose content is not shown.
const HIDDEN: [&[u8]; 3] = [b"style", b"script", b"head"];
/// Entities that matter in addresses and replies.
const ENTITIES: [(&[u8], &str); 7] =
    [(b"lt", "<"), (b"gt", ">"), (b"amp", "&"), (b"quot", "\""), (b"apos", "'"), (b"nbsp", " "), (b"shy", "")];
/// Longest entity and longest tag that are read as such.
const MAX_ENTITY: usize = 12;
const MAX_TAG: usize = 4096;

/// Whether a text that is said to be HTML has any tag that lays out a page. Some programs say `text/html` and write
/// plain text.
pub(super) fn is_html(text: &[u8]) -> bool {
    memchr::memchr_iter(b'<', text).any(|at| {
        let name = tag_name(text.get(at + 1..).unwrap_or(&[]));
        is_one_of(name, &BLOCKS) || is_one_of(name, &[b"html", b"body", b"head", b"font", b"span"])
    })
}

/// The words of `html`: tags gone, entities decoded, a new line where a block starts or ends, blanks squeezed outside of
/// `<pre>`. The first cell of a table's row becomes a label. A `<` that opens no tag, such as that of `<a@b.example>`, stays.
pub(super) fn text(html: &[u8]) -> Vec<u8> {
    let mut out = Out { bytes: Vec::with_capacity(html.len()), in_pre: false, unclosed: [false; HIDDEN.len()] };
    let mut at = 0;
    while let Some(&byte) = html.get(at) {
        let rest = html.get(at..).unwrap_or(&[]);
        at += match byte {
            b'<' => tag(rest, &mut out),
            b'&' => entity(rest, &mut out),
            _ => {
                out.push(byte);
                1
            }
        };
    }
    out.bytes
}

struct Out {
    bytes: Vec<u8>,
    in_pre: bool,
    /// Elements of [`HIDDEN`] whose end was looked for in vain: it is not looked for again.
    unclosed: [bool; HIDDEN.len()],
}

impl Out {
    fn push(&mut self, byte: u8) {
        if self.in_pre || !byte.is_ascii_whitespace() {
            self.bytes.push(byte);
        } else if !matches!(self.bytes.last(), None | Some(b' ' | b'\n')) {
            self.bytes.push(b' ');
        }
    }

    /// The border of a table's cell: what stands in the first one of a row is a label.
    fn cell(&mut self, closes: bool) {
        const LABEL: usize = 48;
        let line = self.bytes.rsplit(|b| *b == b'\n').next().unwrap_or(&[]).trim_ascii();
        let is_label = !closes && !line.is_empty() && line.len() <= LABEL && !line.contains(&b':');
        if is_label {
            while self.bytes.last() == Some(&b' ') {
                self.bytes.pop();
            }
            self.bytes.push(b':');
        }
        self.push(b' ');
    }

    fn line_end(&mut self) {
        while self.bytes.last() == Some(&b' ') {
            self.bytes.pop();
        }
        if !self.bytes.ends_with(b"\n\n") && !self.bytes.is_empty() {
            self.bytes.push(b'\n');
        }
    }
}

/// Reads what starts with `<` and returns its length.
fn tag(rest: &[u8], out: &mut Out) -> usize {
    if rest.starts_with(b"<!--") {
        return memmem::find(rest, b"-->").map_or(rest.len(), |end| end + 3);
    }
    let inner = rest.get(1..).unwrap_or(&[]);
    let name = tag_name(inner);
    let seen = rest.get(..MAX_TAG).unwrap_or(rest);
    let end = memchr::memchr(b'>', seen);
    let is_address = !name.is_empty() && matches!(inner.get(name.len()), Some(b'@' | b'.' | b'-' | b'_' | b'+' | b'='));
    let starts = inner.first().is_some_and(|b| b.is_ascii_alphabetic() || matches!(b, b'/' | b'!' | b'?'));
    let Some(end) = end.filter(|_| starts && !is_address) else {
        out.push(b'<');
        return 1;
    };
    let closes = inner.starts_with(b"/");
    let hidden = HIDDEN.iter().position(|known| known.eq_ignore_ascii_case(name)).filter(|_| !closes);
    if let Some(unclosed) = hidden.and_then(|at| out.unclosed.get_mut(at)).filter(|unclosed| !**unclosed) {
        match hidden_len(rest, name) {
            Some(len) => return len,
            None => *unclosed = true,
        }
    }
    if name.eq_ignore_ascii_case(b"pre") {
        out.in_pre = !closes;
    }
    if is_one_of(name, &BLOCKS) {
        out.line_end();
    } else if name.eq_ignore_ascii_case(b"td") || name.eq_ignore_ascii_case(b"th") {
        out.cell(closes);
    }
    end + 1
}

/// Up to behind `</name>`. `None` where it is missing: then the element is shown.
fn hidden_len(rest: &[u8], name: &[u8]) -> Option<usize> {
    let end = memmem::find_iter(rest, b"</").find(|at| {
        let found = tag_name(rest.get(at + 1..).unwrap_or(&[]));
        found.eq_ignore_ascii_case(name)
    })?;
    Some(end + memchr::memchr(b'>', rest.get(end..)?)? + 1)
}

fn tag_name(inner: &[u8]) -> &[u8] {
    let inner = inner.strip_prefix(b"/").unwrap_or(inner);
    let len = inner.iter().take(16).take_while(|b| b.is_ascii_alphanumeric()).count();
    inner.get(..len).unwrap_or(&[])
}

fn is_one_of(name: &[u8], names: &[&[u8]]) -> bool {
    names.iter().any(|known| known.eq_ignore_ascii_case(name))
}

/// Reads what starts with `&` and returns its length.
fn entity(rest: &[u8], out: &mut Out) -> usize {
    let seen = rest.get(..MAX_ENTITY).unwrap_or(rest);
    let name = memchr::memchr(b';', seen).and_then(|end| seen.get(1..end));
    let Some(name) = name else {
        out.push(b'&');
        return 1;
    };
    let known = ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, text)| *text);
    let mut buffer = [0; 4];
    let text = known.or_else(|| numbered(name).map(|c| &*c.encode_utf8(&mut buffer)));
    match text {
        Some(text) => text.bytes().for_each(|byte| out.push(byte)),
        None => out.bytes.extend_from_slice(rest.get(..name.len() + 2).unwrap_or(&[])),
    }
    name.len() + 2
}

fn numbered(name: &[u8]) -> Option<char> {
    let digits = std::str::from_utf8(name.strip_prefix(b"#")?).ok()?;
    let number = match digits.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16).ok()?,
        None => digits.parse().ok()?,
    };
    // A non-breaking blank is a blank to whoever reads a reply.
    if number == 0xA0 { Some(' ') } else { char::from_u32(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(html: &str, want: &str) {
        assert_eq!(String::from_utf8_lossy(&text(html.as_bytes())), want);
    }

    #[test]
    fn tags_are_taken_out() {
        check("<html><head><title>x</title></head><body><p>a  b\nc</p>d<br/>e", "a b c\nd\ne");
        check("&lt;a@b.example&gt; &#53;50&nbsp;x &unknown; &", "<a@b.example> 550 x &unknown; &");
        check("mail <a@b.example>: no <b>way</b>", "mail <a@b.example>: no way");
        check("<pre>a\n  b</pre>c", "a\n  b\nc");
        check("<!-- x --><style>y</style>z <style>w", "z w");
        check("<tr><td>a</td><td>b</td><td>c</td></tr>", "a: b c\n");
        check("1 < 2 <", "1 < 2 <");
    }

    #[test]
    fn plain_text_is_told_apart() {
        assert!(is_html(b"x<BR>y") && is_html(b"<html>"));
        assert!(!is_html(b"to <a@b.example> failed") && !is_html(b"1 < 2"));
    }

    #[test]
    fn hostile_html_takes_linear_time() {
        for part in ["<", "<!--", "<style>", "&", "<pre", "</", "&#x"] {
            text(part.repeat(300_000).as_bytes());
        }
    }
}
