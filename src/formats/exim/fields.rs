//! `KEY=value` items between an address or id and the text, read from the left. Values may be quoted, `H=` holds
//! blanks, and the text starts behind a colon.

use super::super::text::{Peer, angle, from, message_id_of, quoted_len, quoted_local_len, split_byte};

/// Longest `HELO` name whose end is looked for.
const MAX_HELO: usize = 1024;

/// What the items say.
#[derive(Default)]
pub(super) struct Fields<'b> {
    /// `H=`.
    pub peer: Option<Peer<'b>>,
    /// `F=`, without `<>`.
    pub sender: Option<&'b [u8]>,
    /// `T=`: name of the transport.
    pub transport: Option<&'b [u8]>,
    /// Content of `C="..."`, escapes not undone.
    pub reply: Option<&'b [u8]>,
    /// A quoted value has no end: the line was cut.
    pub truncated: bool,
    /// N of `defer (N)`.
    pub errno: Option<i32>,
    /// What stands behind the items: behind a colon, or the first word that is no item.
    pub text: &'b [u8],
}

impl<'b> Fields<'b> {
    /// Reads items from the start of `rest`.
    pub fn read(mut rest: &'b [u8]) -> Self {
        let mut fields = Fields::default();
        loop {
            rest = rest.trim_ascii_start();
            if let Some(text) = rest.strip_prefix(b":") {
                fields.text = text.trim_ascii_start();
                return fields;
            }
            let next = fields.item(rest).filter(|next| next.len() < rest.len());
            let Some(next) = next else {
                fields.text = rest;
                return fields;
            };
            rest = next;
        }
    }

    /// Reads one item; gives back what follows it. `None` where none stands.
    fn item(&mut self, rest: &'b [u8]) -> Option<&'b [u8]> {
        if let Some(host) = rest.strip_prefix(b"H=") {
            let (peer, rest) = host_item(host);
            self.peer = Some(peer);
            return Some(rest);
        }
        if let Some(number) = rest.strip_prefix(b"routing ").unwrap_or(rest).strip_prefix(b"defer (") {
            let (number, rest) = split_byte(number, b')')?;
            self.errno = std::str::from_utf8(number).ok().and_then(|n| n.parse().ok());
            return Some(rest);
        }
        if let Some(note) = rest.strip_prefix(b"(") {
            return split_byte(note, b')').map(|(_, rest)| rest);
        }
        if let Some(sender) = rest.strip_prefix(b"F=<") {
            let (sender, rest) = angle(sender, |rest| matches!(rest.first(), None | Some(b' ' | b':')))?;
            self.sender = Some(sender);
            return Some(rest);
        }
        let key = rest.iter().take(8).position(|b| !b.is_ascii_alphanumeric())?;
        match rest.get(key) {
            Some(b'=') => self.value(rest, key),
            _ => flag(rest),
        }
    }

    fn value(&mut self, rest: &'b [u8], key: usize) -> Option<&'b [u8]> {
        let (key, value) = (rest.get(..key)?, from(rest, key + 1));
        if value.first() == Some(&b'"') {
            let len = quoted_len(value);
            self.truncated |= len.is_none();
            let quoted = value.get(..len.unwrap_or(value.len()))?;
            if key == b"C" {
                let inside = from(quoted, 1);
                self.reply = Some(if len.is_some() { inside.strip_suffix(b"\"").unwrap_or(inside) } else { inside });
            }
            return Some(from(value, quoted.len()));
        }
        let end = memchr::memchr(b' ', value).unwrap_or(value.len());
        // A colon at the end of a word starts the text and is no part of the value.
        let colon = usize::from(end > 0 && value.get(end - 1) == Some(&b':'));
        let (value, rest) = value.split_at_checked(end - colon)?;
        match key {
            b"F" => self.sender = Some(value),
            b"T" => self.transport = Some(value),
            _ => {}
        }
        Some(rest)
    }
}

/// The `Message-ID` (`id=`) of a line that tells of a message's arrival; it stands before the subject.
pub(super) fn message_id(rest: &[u8]) -> Option<&[u8]> {
    let rest = from(rest, memchr::memmem::find(rest, b" id=")? + 4);
    message_id_of(split_byte(rest, b' ').map_or(rest, |(id, _)| id))
}

/// Items without a value.
fn flag(rest: &[u8]) -> Option<&[u8]> {
    const FLAGS: [&[u8]; 6] = [b"L", b"K", b"PRDR", b"TFO", b"TFO*", b"L*"];
    let end = rest.iter().take(8).position(|b| matches!(b, b' ' | b':')).unwrap_or(rest.len());
    let (word, after) = rest.split_at_checked(end)?;
    FLAGS.contains(&word).then_some(after)
}

/// `name [ip]:port*`, `(helo) [ip]`, `name (helo) [ip]` or `[ip]`. The name is the looked up one, else the one the
/// client gave in `HELO`.
pub(super) fn host_item(text: &[u8]) -> (Peer<'_>, &[u8]) {
    let (name, rest) = match text.first() {
        Some(b'(') => helo(text),
        Some(b'[') => (&[][..], text),
        _ => {
            let end = text.iter().position(|b| *b == b' ').unwrap_or(text.len());
            let (name, rest) = text.split_at_checked(end).unwrap_or((text, &[]));
            let after = rest.strip_prefix(b" ").unwrap_or(rest);
            match after.first() {
                Some(b'(') => (name, helo(after).1),
                Some(b'[') => (name, after),
                _ => (name, rest),
            }
        }
    };
    let name = if name.starts_with(b"[") { &[][..] } else { name };
    match rest.strip_prefix(b"[") {
        Some(inside) => bracket(name, inside),
        None => (Peer::new(name.strip_suffix(b":").unwrap_or(name), None), rest),
    }
}

/// `(helo) [`: the name and the text from the bracket on. Parentheses may stand in the name.
fn helo(text: &[u8]) -> (&[u8], &[u8]) {
    let near = text.get(..MAX_HELO).unwrap_or(text);
    let end = memchr::memmem::find(near, b") [").or_else(|| memchr::memchr(b')', near));
    let Some((name, rest)) = end.and_then(|end| text.split_at_checked(end)) else { return (&[], text) };
    let rest = from(rest, 1);
    (from(name, 1), rest.strip_prefix(b" ").unwrap_or(rest))
}

/// The address behind `[`, and the text behind port and `*`. The closing bracket is missing in some logs.
fn bracket<'b>(name: &'b [u8], inside: &'b [u8]) -> (Peer<'b>, &'b [u8]) {
    let end = inside.iter().position(|b| matches!(b, b']' | b' ')).unwrap_or(inside.len());
    let (ip, rest) = inside.split_at_checked(end).unwrap_or((inside, &[]));
    let Some(rest) = rest.strip_prefix(b"]") else {
        let colon = usize::from(ip.ends_with(b":"));
        return (Peer::new(name, Some(ip.strip_suffix(b":").unwrap_or(ip))), from(inside, end - colon));
    };
    let port = match rest {
        [b':', next, ..] if *next != b' ' => {
            1 + rest.iter().skip(1).take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count()
        }
        _ => 0,
    };
    let rest = from(rest, port);
    (Peer::new(name, Some(ip)), rest.strip_prefix(b"*").unwrap_or(rest))
}

/// `name [ip]` inside a text; gives back what follows.
pub(super) fn spaced_peer(text: &[u8]) -> Option<(Peer<'_>, &[u8])> {
    let (name, rest) = split_byte(text, b' ')?;
    let (ip, rest) = split_byte(rest.strip_prefix(b"[")?, b']')?;
    Some((Peer::new(name, Some(ip)), rest))
}

/// The address at the start of `text`, up to a blank outside its quoted local part, and the text behind it.
pub(super) fn address(text: &[u8]) -> (&[u8], &[u8]) {
    let skip = match text.strip_prefix(b"<") {
        Some(inner) => 1 + quoted_local_len(inner),
        None => quoted_local_len(text),
    };
    let end = memchr::memchr(b' ', from(text, skip)).map_or(text.len(), |at| skip + at);
    text.split_at_checked(end).unwrap_or((text, &[]))
}
