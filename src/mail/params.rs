//! Parameters of a MIME field (RFC 2045, section 5.1; RFC 2231).

use std::borrow::Cow;

/// Parameters of one field that are read.
const MAX_PARAMS: usize = 256;

/// `type/subtype` or the disposition in front of the parameters, as written.
pub fn main_value(value: &[u8]) -> &[u8] {
    let end = value.iter().position(|b| matches!(b, b';' | b'(')).unwrap_or(value.len());
    value.get(..end).unwrap_or(value).trim_ascii()
}

/// The parameters of a field's value, in their order: names as written, values without quotes. Copied only where a quoted
/// string has escapes. An open quote ends at the end of its line.
pub fn params(value: &[u8]) -> impl Iterator<Item = Param<'_>> {
    let mut at = memchr::memchr(b';', value).unwrap_or(value.len());
    let one = move || {
        while at < value.len() {
            let (found, next) = param(value, at + 1);
            at = next;
            if found.is_some() {
                return found;
            }
        }
        None
    };
    std::iter::from_fn(one).take(MAX_PARAMS)
}

/// Name as written and value without quotes.
pub type Param<'v> = (&'v [u8], Cow<'v, [u8]>);

/// One parameter, and where its `;` or the end stands.
fn param(value: &[u8], from: usize) -> (Option<Param<'_>>, usize) {
    let rest = value.get(from..).unwrap_or(&[]);
    let Some(len) = rest.iter().position(|b| matches!(b, b'=' | b';')) else { return (None, value.len()) };
    if rest.get(len) == Some(&b';') {
        return (None, from + len);
    }
    let name = rest.get(..len).unwrap_or(&[]).trim_ascii();
    let text = rest.get(len + 1..).unwrap_or(&[]);
    let blanks = text.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let text = text.get(blanks..).unwrap_or(&[]);
    let (content, used) = match text.strip_prefix(b"\"") {
        Some(quoted) => quoted_value(quoted),
        None => plain_value(text),
    };
    let behind = from + len + 1 + blanks + used;
    let next = value.get(behind..).and_then(|rest| memchr::memchr(b';', rest)).map_or(value.len(), |at| behind + at);
    (Some((name, content)), next)
}

fn plain_value(text: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let end = text.iter().position(|b| *b == b';' || b.is_ascii_whitespace()).unwrap_or(text.len());
    (Cow::Borrowed(text.get(..end).unwrap_or(text)), end)
}

/// The content of a quoted string behind its first quote, and the bytes used from that quote on.
fn quoted_value(text: &[u8]) -> (Cow<'_, [u8]>, usize) {
    let (mut at, mut escaped) = (0, false);
    loop {
        match text.get(at) {
            Some(b'\\') => (at, escaped) = (at + 2, true),
            Some(b'"') => break,
            Some(_) => at += 1,
            None => {
                let (line, used) = plain_line(text);
                return (Cow::Borrowed(line), used + 1);
            }
        }
    }
    let content = text.get(..at).unwrap_or(text);
    let content = if escaped { Cow::Owned(without_escapes(content)) } else { Cow::Borrowed(content) };
    (content, at + 2)
}

fn plain_line(text: &[u8]) -> (&[u8], usize) {
    let end = memchr::memchr3(b'\n', b'\r', b';', text).unwrap_or(text.len());
    (text.get(..end).unwrap_or(text).trim_ascii_end(), end)
}

fn without_escapes(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(&byte) = bytes.next() {
        let byte = if byte == b'\\' { bytes.next().copied() } else { Some(byte) };
        out.extend(byte);
    }
    out
}

/// Every value that a reader could take for the parameter `name`: those written plainly, and the one put together from
/// its continuations (`name*0`, `name*1*`, `name*`). More than one means that readers differ.
pub fn values_of<'v>(value: &'v [u8], name: &str) -> Vec<Cow<'v, [u8]>> {
    let (mut all, mut sections) = (Vec::new(), Vec::new());
    for (found, content) in params(value) {
        if found.eq_ignore_ascii_case(name.as_bytes()) {
            all.push(content);
        } else if let Some(section) = section(found, name) {
            sections.push((section, content));
        }
    }
    if !sections.is_empty() {
        sections.sort_by_key(|(section, _)| section.number);
        all.push(Cow::Owned(joined(&sections)));
    }
    all.retain(|value| !value.is_empty());
    all.dedup();
    all
}

#[derive(Clone, Copy)]
struct Section {
    number: u32,
    is_extended: bool,
}

/// `name*`, `name*3` and `name*3*`.
fn section(found: &[u8], name: &str) -> Option<Section> {
    let (head, rest) = found.split_at_checked(name.len())?;
    let rest = rest.strip_prefix(b"*").filter(|_| head.eq_ignore_ascii_case(name.as_bytes()))?;
    if rest.is_empty() {
        return Some(Section { number: 0, is_extended: true });
    }
    let digits = rest.strip_suffix(b"*").unwrap_or(rest);
    let number = std::str::from_utf8(digits).ok()?.parse().ok()?;
    Some(Section { number, is_extended: digits.len() < rest.len() })
}

fn joined(sections: &[(Section, Cow<'_, [u8]>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (at, (section, content)) in sections.iter().enumerate() {
        let text: &[u8] = content;
        match (section.is_extended, at) {
            (false, _) => out.extend_from_slice(text),
            // Only the first section names charset and language.
            (true, 0) => percent_decode(text.splitn(3, |b| *b == b'\'').last().unwrap_or(text), &mut out),
            (true, _) => percent_decode(text, &mut out),
        }
    }
    out
}

fn percent_decode(text: &[u8], out: &mut Vec<u8>) {
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| byte == b'%') {
            Some(decoded) => {
                out.push(decoded);
                at += 3;
            }
            None => {
                out.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boundaries(value: &str) -> Vec<String> {
        values_of(value.as_bytes(), "boundary").iter().map(|v| String::from_utf8_lossy(v).into_owned()).collect()
    }

    #[test]
    fn parameters_are_read() {
        assert_eq!(main_value(b" multipart/report ; a=b"), b"multipart/report");
        assert_eq!(boundaries("multipart/x; charset=a; Boundary=b/c.d"), ["b/c.d"]);
        assert_eq!(boundaries("multipart/x;\r\n boundary = \"a b;c\" ; x=y"), ["a b;c"]);
        assert_eq!(boundaries(r#"multipart/x; boundary="a\"b""#), ["a\"b"]);
        assert_eq!(boundaries("multipart/x; boundary=\"open\n x=y"), ["open"]);
        assert_eq!(boundaries("multipart/x; boundary=a; boundary=b"), ["a", "b"]);
        assert_eq!(boundaries("multipart/x; boundary=; x"), [""; 0]);
        assert_eq!(boundaries("multipart/x"), [""; 0]);
    }

    #[test]
    fn continuations_are_joined() {
        assert_eq!(boundaries("multipart/x; boundary*1=def; boundary*0=\"abc\""), ["abcdef"]);
        assert_eq!(boundaries("multipart/x; boundary*=us-ascii'en'a%20b"), ["a b"]);
        assert_eq!(boundaries("multipart/x; boundary*x=a"), [""; 0]);
    }

    #[test]
    fn hostile_values_take_linear_time() {
        for text in ["; a=\"", ";", "a=", "; boundary*0*=%", "\\\"", "; boundary=\"\\"] {
            boundaries(&text.repeat(300_000));
        }
    }
}
