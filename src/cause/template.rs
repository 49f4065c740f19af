//! The wording of a reply without what changes from message to message, for counting replies that say the same.

use std::net::{IpAddr, Ipv4Addr};
use std::str::{FromStr, from_utf8};

use super::normal::{Kind, LIMIT, kind, token_len};
use crate::smtp::{EnhancedStatus, ReplyCode};

/// Characters of a template.
const LONGEST: usize = 512;

/// Writes the template of a reply text into `out`, in place of what is there.
///
/// Addresses, IPs, domains, URLs, numbers and ids become `<addr> <ip> <domain> <url> <n> <id>`; reply codes, enhanced
/// status codes and short upper-case tokens such as `S3150` stay. Blanks are squeezed, control and bidi characters and
/// invalid UTF-8 become U+FFFD. At most 512 characters; the same bytes always give the same template.
///
/// ```
/// let mut out = String::new();
/// bouncesift::cause::mask(b"550 5.7.1 <joe@example.org>: [192.0.2.1] blocked (S3150), id 4XhT2q9", &mut out);
/// assert_eq!(out, "550 5.7.1 <<addr>>: [<ip>] blocked (S3150), id <id>");
/// ```
pub fn mask(text: &[u8], out: &mut String) {
    out.clear();
    let mut room = LONGEST;
    let mut rest = text.get(..LIMIT).unwrap_or(text);
    while let Some((&b, behind)) = rest.split_first() {
        if room == 0 {
            break;
        }
        let len = token_len(rest).min(part_len(rest));
        if len > 0 {
            let (token, behind) = rest.split_at(len);
            token_into(token, out, &mut room);
            rest = behind;
        } else if b <= b' ' || (b == b'\\' && matches!(behind.first(), Some(b'n' | b'r' | b't'))) {
            if !out.is_empty() && !out.ends_with(' ') {
                push(' ', out, &mut room);
            }
            rest = if b == b'\\' { behind.get(1..).unwrap_or(&[]) } else { behind };
        } else {
            push(if b == 0x7f { char::REPLACEMENT_CHARACTER } else { char::from(b) }, out, &mut room);
            rest = behind;
        }
    }
    out.truncate(out.trim_end().len());
}

/// A fixed hash of a template: FNV-1a, 64 bits. Unkeyed, so that ids agree between runs and machines; not for tables
/// that strangers fill.
///
/// ```
/// assert_eq!(bouncesift::cause::template_id(""), 0xcbf2_9ce4_8422_2325);
/// ```
pub fn template_id(template: &str) -> u64 {
    template.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, b| (hash ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// Length up to behind the first `=`, unless the token is a URL or address as a whole.
fn part_len(text: &[u8]) -> usize {
    let token = text.get(..token_len(text)).unwrap_or(text);
    match kind(token) {
        Kind::Url | Kind::Address => token.len(),
        Kind::Word | Kind::Host => token.iter().position(|b| *b == b'=').map_or(token.len(), |at| at + 1),
    }
}

fn push(c: char, out: &mut String, room: &mut usize) {
    if *room > 0 {
        out.push(c);
        *room -= 1;
    }
}

/// Writes a mask; one that does not fit any more is left out.
fn push_mask(mask: &str, out: &mut String, room: &mut usize) {
    match room.checked_sub(mask.len()) {
        Some(left) => {
            out.push_str(mask);
            *room = left;
        }
        None => *room = 0,
    }
}

fn token_into(token: &[u8], out: &mut String, room: &mut usize) {
    let bare_len = token.iter().rposition(|b| !matches!(b, b'.' | b':' | b'!' | b'?' | b'=')).map_or(0, |at| at + 1);
    let (bare, tail) = token.split_at(bare_len);
    match mask_of(bare) {
        Some(mask) => push_mask(mask, out, room),
        None => text_into(bare, out, room),
    }
    text_into(tail, out, room);
}

fn text_into(bytes: &[u8], out: &mut String, room: &mut usize) {
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            push(if is_harmless(c) { c } else { char::REPLACEMENT_CHARACTER }, out, room);
        }
        if !chunk.invalid().is_empty() {
            push(char::REPLACEMENT_CHARACTER, out, room);
        }
    }
}

fn is_harmless(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// What a token is masked with; `None` where it stays.
fn mask_of(token: &[u8]) -> Option<&'static str> {
    match kind(token) {
        Kind::Address => return Some("<addr>"),
        Kind::Url => return Some("<url>"),
        Kind::Host if is_domain(token) => return Some("<domain>"),
        Kind::Host | Kind::Word => {}
    }
    if !token.iter().any(u8::is_ascii_digit) {
        return is_mixed_case(token).then_some("<id>");
    }
    if is_ip(token) {
        return Some("<ip>");
    }
    if is_code(token) || is_provider_token(token) {
        return None;
    }
    match token.iter().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b':' | b'/' | b'+' | b'%' | b'#')) {
        true => Some("<n>"),
        false => Some("<id>"),
    }
}

fn is_ip(token: &[u8]) -> bool {
    let Ok(text) = from_utf8(token) else { return false };
    let bare =
        if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("ipv6:")) { text.get(5..) } else { Some(text) };
    let v4 = |text: &str| Ipv4Addr::from_str(text).is_ok();
    bare.is_some_and(|text| IpAddr::from_str(text).is_ok())
        || text.split_once(':').is_some_and(|(ip, port)| v4(ip) && port.parse::<u16>().is_ok())
}

/// Reply codes of refusals, enhanced status codes, and both together as in `550-5.7.1`.
fn is_code(token: &[u8]) -> bool {
    let token = token.strip_prefix(b"#").unwrap_or(token);
    let behind = match token.get(..3) {
        Some(code) if ReplyCode::at_start(code).is_some_and(|code| code.class() >= 4) => token.get(3..).unwrap_or(&[]),
        _ => return EnhancedStatus::exact(token).is_some(),
    };
    match behind {
        [] | [b'-'] => true,
        [b'-' | b'.' | b'#', status @ ..] => {
            EnhancedStatus::exact(status).is_some() || !status.iter().any(u8::is_ascii_digit)
        }
        _ => false,
    }
}

/// Letters, at most four digits, and perhaps a part of the same kind behind `_` or `-`: `S3150`, `LPN007_102`.
fn is_provider_token(token: &[u8]) -> bool {
    let mut parts = token.split(|b| matches!(b, b'_' | b'-' | b':'));
    let Some(first) = parts.next() else { return false };
    let letters = first.iter().take_while(|b| b.is_ascii_uppercase()).count();
    let marked = first.len() < token.len();
    let letters =
        if letters == 0 && marked { first.iter().take_while(|b| b.is_ascii_lowercase()).count() } else { letters };
    let short = |part: &[u8]| part.len() <= 6 && part.iter().filter(|b| b.is_ascii_digit()).count() <= 4;
    let digits = first.get(letters..).unwrap_or(&[]);
    (1..=8).contains(&letters)
        && digits.len() <= 4
        && digits.iter().all(u8::is_ascii_digit)
        && parts.by_ref().take(2).all(|part| short(part) && part.iter().all(u8::is_ascii_alphanumeric))
        && parts.next().is_none()
}

/// Whether the last label is a known top-level domain.
fn is_domain(token: &[u8]) -> bool {
    let name = token.split(|b| matches!(b, b':' | b'/')).next().unwrap_or(token);
    let Some(top) = name.rsplit(|b| *b == b'.').next() else { return false };
    let mut lower = [0_u8; 24];
    let Some(lower) = lower.get_mut(..top.len()) else { return false };
    lower.copy_from_slice(top);
    lower.make_ascii_lowercase();
    let known = psl::suffix(lower).is_some_and(|suffix| suffix.is_known());
    known || matches!(&*lower, b"example" | b"test" | b"local" | b"invalid" | b"localdomain" | b"lan" | b"internal")
}

/// Whether upper and lower case change as in random ids, not as in `RecipientNotFound`.
fn is_mixed_case(token: &[u8]) -> bool {
    let rises = token.windows(2).filter(|w| matches!(w, [a, b] if a.is_ascii_lowercase() && b.is_ascii_uppercase()));
    token.len() >= 12 && rises.count() >= 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &str) {
        let mut out = "old".to_owned();
        mask(text.as_bytes(), &mut out);
        assert_eq!(out, want, "{text}");
    }

    #[test]
    fn what_changes_is_masked() {
        check(
            "421 4.7.0 [TSS04] Messages from 192.0.2.1 deferred - 4.16.55.1; see https://x.example/a",
            "421 4.7.0 [TSS04] Messages from <ip> deferred - <ip>; see <url>",
        );
        check("550-5.7.26 no 550 5.7.26 a8si12345lab.216 - gsmtp", "550-5.7.26 no 550 5.7.26 <id> - gsmtp");
        check(
            "host mx.example.net[192.0.2.1] said: 550 LPN007_102 ofr_506 IB504",
            "host <domain>[<ip>] said: 550 LPN007_102 ofr_506 IB504",
        );
        check("550 RESOLVER.ADR.RecipNotFound; 10485760 (#5.1.1)", "550 RESOLVER.ADR.RecipNotFound; <n> (#5.1.1)");
        check("554 ip=192.0.2.7 [IPv6:2001:db8::1]", "554 ip=<ip> [<ip>]");
        check("  a \t\n b\\nc ", "a b c");
    }

    #[test]
    fn hostile_bytes_become_harmless_text() {
        let mut out = String::new();
        mask(b"550 \x1b[31m \xff\xfe \xe2\x80\xae x \xc2\x9b", &mut out);
        assert!(out.chars().all(is_harmless), "{out:?}");
        mask(&b"((((".repeat(100_000), &mut out);
        assert_eq!(out.chars().count(), LONGEST);
        mask(&b"a@b ".repeat(1000), &mut out);
        assert!(out.chars().count() <= LONGEST);
    }

    #[test]
    fn the_hash_is_fnv() {
        assert_eq!(template_id("a"), 0xaf63_dc4c_8601_ec8c);
    }
}
