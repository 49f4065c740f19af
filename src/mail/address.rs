//! Addresses in the value of a field.

/// The addr-specs of a field's value (RFC 5322, section 3.4), as written and without `<>`: what stands in angle brackets,
/// else words with an `@`. Display names, comments, group names and source routes are left out; `<>` is an empty address.
///
/// ```
/// # use bouncesift::mail::address::addresses;
/// let mut found = addresses(b"\"Doe, J\" <j@a.example>, (x@y) b@c.example");
/// assert_eq!(found.next(), Some(&b"j@a.example"[..]));
/// assert_eq!(found.next(), Some(&b"b@c.example"[..]));
/// assert_eq!(found.next(), None);
/// ```
///
/// Linear in the value's length; nothing is allocated.
pub fn addresses(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let (mut at, mut may_quote) = (0, true);
    std::iter::from_fn(move || {
        while at < value.len() {
            let (found, next) = mailbox(value, at, &mut may_quote);
            at = next;
            if found.is_some() {
                return found;
            }
        }
        None
    })
}

/// The only address of a value; `None` where it has none or several.
pub fn only_address(value: &[u8]) -> Option<&[u8]> {
    let mut all = addresses(value);
    all.next().filter(|address| !address.is_empty() && all.next().is_none())
}

/// One item of an address list, and where the next one starts. `may_quote` turns false at the first quote that no other
/// one ends: then none behind it is ended either, and nobody needs to look again.
fn mailbox<'v>(value: &'v [u8], from: usize, may_quote: &mut bool) -> (Option<&'v [u8]>, usize) {
    let (mut at, mut in_angles, mut bare) = (from, None, None);
    while let Some(&byte) = value.get(at) {
        match byte {
            b',' | b';' => return (in_angles.or(bare), at + 1),
            b'(' => at = comment_end(value, at),
            b'<' => {
                let end = memchr::memchr(b'>', value.get(at..).unwrap_or(&[])).map_or(value.len(), |len| at + len);
                in_angles = in_angles.or(value.get(at + 1..end).map(|inner| route_end(inner.trim_ascii())));
                at = end + 1;
            }
            b' ' | b'\t' | b'\r' | b'\n' | b':' => at += 1,
            _ => {
                let end = word_end(value, at, may_quote);
                let word = value.get(at..end).unwrap_or(&[]);
                if bare.is_none() && word.first() != Some(&b'@') && word.contains(&b'@') {
                    bare = Some(word);
                }
                at = end.max(at + 1);
            }
        }
    }
    (in_angles.or(bare), value.len())
}

/// Behind the comment that starts at `at`; comments nest.
fn comment_end(value: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(&byte) = value.get(at) {
        at += 1;
        match byte {
            b'\\' => at += 1,
            b'(' => depth += 1,
            b')' if depth <= 1 => return at,
            b')' => depth -= 1,
            _ => {}
        }
    }
    value.len()
}

/// Behind the word that starts at `at`; a quoted string is part of a word, an open quote a character like others.
fn word_end(value: &[u8], mut at: usize, may_quote: &mut bool) -> usize {
    while let Some(&byte) = value.get(at) {
        match byte {
            b',' | b';' | b'(' | b'<' | b'>' | b' ' | b'\t' | b'\r' | b'\n' => return at,
            b'"' if *may_quote => match quote_end(value, at) {
                Some(end) => at = end,
                None => (*may_quote, at) = (false, at + 1),
            },
            _ => at += 1,
        }
    }
    value.len()
}

fn quote_end(value: &[u8], mut at: usize) -> Option<usize> {
    at += 1;
    loop {
        match value.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// `@a.example,@b.example:user@c.example` without its route.
fn route_end(inner: &[u8]) -> &[u8] {
    match memchr::memchr(b':', inner) {
        Some(colon) if inner.starts_with(b"@") => inner.get(colon + 1..).unwrap_or(inner),
        _ => inner,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str) -> Vec<&str> {
        addresses(value.as_bytes()).filter_map(|a| std::str::from_utf8(a).ok()).collect()
    }

    #[test]
    fn addresses_of_all_shapes() {
        assert_eq!(all("a@b.example"), ["a@b.example"]);
        assert_eq!(all("a@b.example <c@d.example>, e@f.example"), ["c@d.example", "e@f.example"]);
        assert_eq!(all("\"x, y@z\" <c@d.example> (note <n@o>)"), ["c@d.example"]);
        assert_eq!(all("\"a b\"@c.example"), ["\"a b\"@c.example"]);
        assert_eq!(all("list: a@b.example, c@d.example;"), ["a@b.example", "c@d.example"]);
        assert_eq!(all("<@r.example:a@b.example>"), ["a@b.example"]);
        assert_eq!(all("<>"), [""]);
        assert_eq!(all("undisclosed-recipients:;"), [""; 0]);
        assert_eq!(all("MAILER-DAEMON (Mail)"), [""; 0]);
        assert_eq!(only_address(b"a@b.example, c@d.example"), None);
        assert_eq!(only_address(b"<a@b.example>"), Some(&b"a@b.example"[..]));
    }

    #[test]
    fn hostile_values_take_linear_time() {
        for text in ["(", "\"", "<", "a@", "\\", "(\\", ",", "\"a\"", "@", "\\\" ", "\\\","] {
            addresses(text.repeat(1_000_000).as_bytes()).for_each(drop);
        }
    }
}
