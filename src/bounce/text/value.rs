//! Values of fields: what stands behind the type in `rfc822; a@example.com`, `dns; mx.example.com`, `smtp; 550 ...`.

use super::address;
use super::fields::Role;
use super::reason::host_name;

/// The text behind `TYPE;`, where TYPE is one short word.
pub(super) fn after_type(text: &[u8]) -> &[u8] {
    let len = text.iter().take(24).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b' ')).count();
    match text.get(len) {
        Some(b';') if len > 0 => text.get(len + 1..).unwrap_or_default().trim_ascii(),
        _ => text.trim_ascii(),
    }
}

/// The value of a field as its role asks for it: an address, a host name, else the text.
pub(super) fn of(role: Role, text: &[u8]) -> Option<&[u8]> {
    let text = after_type(text);
    match role {
        Role::RemoteMta | Role::ReportingMta => {
            let len =
                text.iter().position(|b| b.is_ascii_whitespace() || matches!(b, b'(' | b'[')).unwrap_or(text.len());
            host_name(text.get(..len)?)
        }
        Role::FinalRecipient | Role::Original => recipient(text),
        _ => (!text.is_empty()).then_some(text),
    }
}

/// The one address of a field.
fn recipient(text: &[u8]) -> Option<&[u8]> {
    if let Some(opened) = address::opening(text) {
        return Some(opened.address);
    }
    let found = address::among(text).map(|(_, found)| found).next();
    found.or_else(|| Some(text).filter(|text| !text.is_empty() && !text.iter().any(u8::is_ascii_whitespace)))
}
