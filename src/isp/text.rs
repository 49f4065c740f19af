//! Who speaks, by the reply text alone. Asked only where no host and no recipient says it, and for filter vendors.
//!
//! What counts, the earliest in the text first:
//! - the frame of a log or bounce, `host mx.example.com[192.0.2.1] said:`. It names the speaker and beats all else;
//! - a signature (see `signature.rs`);
//! - a host name where a server names itself: as first word after the reply code, or as last word after a comma or
//!   a dash;
//! - the host of a link, if it is a mailbox provider's or an access provider's: a hoster's or gateway's domain also
//!   serves other people's pages.
//!
//! A host named as the client, the sender or somebody's domain counts for nothing. Nor does an address, with one
//! exception: a server that knows a mailbox (`<x@example.com>: user unknown`, `mailbox full`) is the domain's own,
//! while one that only refuses to relay is not. That is asked last, and only where no recipient is known.

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use memchr::memmem;

use super::directory::{Directory, Owner};
use super::name::{self, NameBuf, Named, is_name_byte};
use super::signature::is_someone_else;
use super::{FilterId, IspId};

/// Bytes of a reply that are looked at, as in `smtp::reply`.
const LIMIT: usize = 16 * 1024;

/// Words of a reply that only a server with a list of the domain's mailboxes can give.
const KNOWS_MAILBOXES: [&str; 14] = [
    "user unknown",
    "unknown user",
    "addressee unknown",
    "recipient address rejected",
    "recipient rejected",
    "invalid recipient",
    "recipient not found",
    "recipient temporarily unavailable",
    "quota",
    "mailbox",
    "too many recent messages",
    "no such user",
    "account is disabled",
    "does not exist",
];

/// Words that say the opposite, or that speak of the sender.
const KNOWS_NOTHING: [&str; 12] = [
    "relaying",
    "relay access",
    "relay denied",
    "to relay",
    "sender",
    "mail from",
    "unverified address",
    "client host",
    "helo",
    "domain not found",
    "blocked using",
    "not a local",
];

/// Words after a host name at the start of a reply that make it the host that is refused.
const TOLD_ABOUT: [&[u8]; 10] =
    [b"is", b"has", b"was", b"not", b"listed", b"blocked", b"rejected", b"does", b"found", b"doesn't"];

/// What the text says.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Said<'t> {
    pub(crate) isp: Option<Speaker<'t>>,
    pub(crate) filter: Option<FilterId>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker<'t> {
    Known(IspId),
    /// The host of a frame, as written, that is in no table.
    Host(&'t [u8]),
}

/// The automata; built when the first text is seen.
pub(crate) struct TextIndex {
    signatures: AhoCorasick,
    knows_mailboxes: AhoCorasick,
    knows_nothing: AhoCorasick,
}

impl TextIndex {
    /// `None` only if the patterns are too many for an automaton.
    pub(crate) fn new<'s>(literals: impl Iterator<Item = &'s [u8]>) -> Option<Self> {
        Some(TextIndex {
            // Overlapping, so that a signature that fails at its borders does not hide another.
            signatures: AhoCorasick::builder()
                .ascii_case_insensitive(true)
                .match_kind(MatchKind::Standard)
                .kind(Some(AhoCorasickKind::DFA))
                .build(literals)
                .ok()?,
            knows_mailboxes: words(&KNOWS_MAILBOXES)?,
            knows_nothing: words(&KNOWS_NOTHING)?,
        })
    }
}

fn words(list: &[&str]) -> Option<AhoCorasick> {
    AhoCorasick::builder().ascii_case_insensitive(true).build(list).ok()
}

/// Best candidate so far: smallest place, longest at the same place.
struct Best<T> {
    key: (usize, usize),
    value: Option<T>,
}

impl<T> Best<T> {
    fn none() -> Self {
        Best { key: (usize::MAX, usize::MAX), value: None }
    }

    fn offer(&mut self, start: usize, end: usize, value: T) {
        let key = (start, usize::MAX - end);
        if key < self.key {
            *self = Best { key, value: Some(value) };
        }
    }
}

impl Directory {
    /// Who speaks in `text`. With `asks_isp` unset, only a filter vendor is looked for.
    pub(crate) fn read_text<'t>(&self, text: &'t [u8], asks_isp: bool, has_recipient: bool) -> Said<'t> {
        let text = text.get(..LIMIT).unwrap_or(text);
        let Some(index) = self.text_index() else { return Said::default() };
        let mut filter = Best::none();
        let mut isp = Best::none();
        for found in index.signatures.find_overlapping_iter(text) {
            let Some((signature, owner)) = self.signatures().get(found.pattern().as_usize()) else { continue };
            match owner {
                Owner::Isp(_) if !asks_isp => {}
                _ => {
                    let Some(end) = signature.end_at(text, found.start()) else { continue };
                    match *owner {
                        Owner::Isp(id) => isp.offer(found.start(), end, id),
                        Owner::Filter(id) => filter.offer(found.start(), end, id),
                    }
                }
            }
        }
        if !asks_isp {
            return Said { isp: None, filter: filter.value };
        }
        let frame = self.read_hosts(text, &mut isp, &mut filter);
        let speaker = frame.or(isp.value.map(Speaker::Known)).or_else(|| {
            let is_asked =
                !has_recipient && index.knows_mailboxes.is_match(text) && !index.knows_nothing.is_match(text);
            if is_asked { self.mailbox_owner(text).map(Speaker::Known) } else { None }
        });
        Said { isp: speaker, filter: filter.value }
    }

    /// Looks at each host name of the text; returns the host of the first frame.
    fn read_hosts<'t>(
        &self,
        text: &'t [u8],
        isp: &mut Best<IspId>,
        filter: &mut Best<FilterId>,
    ) -> Option<Speaker<'t>> {
        let banner = banner_start(text);
        let mut buf = NameBuf::new();
        for (start, end) in dotted_runs(text) {
            // `554-mail.com`: the dash belongs to the reply code.
            let start = if (start..end).contains(&banner) { banner } else { start };
            let place = place_of(text, start, end, banner);
            let (Some(place), Some(run)) = (place, text.get(start..end)) else { continue };
            let Named::Name(host) = name::read(run, &mut buf) else { continue };
            let known = self.host_owner(host).or_else(|| match place {
                Place::Frame => None,
                _ => self.recipient_owner(host),
            });
            match (place, known) {
                (Place::Frame, known) => {
                    if let Some(id) = self.filter_of_host(host) {
                        filter.offer(start, end, id);
                    }
                    return Some(known.map_or(Speaker::Host(run), Speaker::Known));
                }
                (Place::Link, Some(id)) if !self.isp(id).kind.has_own_pages() => {}
                (_, Some(id)) => isp.offer(start, end, id),
                (_, None) => {}
            }
        }
        None
    }

    fn mailbox_owner(&self, text: &[u8]) -> Option<IspId> {
        let mut buf = NameBuf::new();
        memchr::memchr_iter(b'@', text).take(4).find_map(|at| {
            let tail = text.get(at + 1..)?;
            let len = tail.iter().take(255).take_while(|byte| is_name_byte(**byte)).count();
            // `x@example.com...User unknown`
            let run = tail.get(..len)?;
            let domain = run.get(..memmem::find(run, b"..").unwrap_or(len))?;
            match name::read(domain, &mut buf) {
                Named::Name(name) => self.recipient_owner(name),
                _ => None,
            }
        })
    }
}

/// Where in a reply a host name stands, if that makes it the speaker's.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Frame,
    Banner,
    Tail,
    Link,
}

fn place_of(text: &[u8], start: usize, end: usize, banner: usize) -> Option<Place> {
    let (before, after) = (text.get(..start)?, text.get(end..)?);
    if matches!(before.last(), Some(b'@')) || matches!(after.first(), Some(b'@')) {
        return None;
    }
    if before.ends_with(b"://") {
        return Some(Place::Link);
    }
    if is_frame(before, after) {
        return Some(Place::Frame);
    }
    if start == banner && !is_told_about(after) {
        return Some(Place::Banner);
    }
    let lead = before.trim_ascii_end();
    let is_tail = after.trim_ascii().is_empty() && (lead.ends_with(b",") || lead.ends_with(b" -"));
    is_tail.then_some(Place::Tail)
}

/// `host X[192.0.2.1] said:`, `host X [192.0.2.1]: 550`, `host X (192.0.2.1) refused`.
fn is_frame(before: &[u8], after: &[u8]) -> bool {
    let Some(head) = before.strip_suffix(b"host ").or_else(|| before.strip_suffix(b"Host ")) else { return false };
    let is_word = head.last().is_none_or(|byte| !byte.is_ascii_alphanumeric());
    is_word
        && !is_someone_else(before.trim_ascii_end())
        && matches!(after.trim_ascii_start().first(), Some(b'[' | b'('))
}

/// Where the words of a reply begin: behind its reply code and enhanced status code. 0 without a reply code, which
/// is then no place of a banner either unless a host name stands there.
fn banner_start(text: &[u8]) -> usize {
    let mut rest = text.trim_ascii_start();
    let Some((code, tail)) = rest.split_first_chunk::<3>() else { return usize::MAX };
    if !code.iter().all(u8::is_ascii_digit) || !matches!(tail.first(), Some(b' ' | b'-')) {
        return usize::MAX;
    }
    rest = tail.get(1..).unwrap_or_default().trim_ascii_start();
    let status = rest.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    if status > 0 && rest.get(status) == Some(&b' ') {
        rest = rest.get(status..).unwrap_or_default().trim_ascii_start();
    }
    text.len() - rest.len()
}

fn is_told_about(after: &[u8]) -> bool {
    if after.first() == Some(&b'[') {
        return true;
    }
    let word = after.trim_ascii_start().split(|byte| byte.is_ascii_whitespace()).next().unwrap_or_default();
    TOLD_ABOUT.iter().any(|told| word.eq_ignore_ascii_case(told))
}

/// Runs of host name bytes that hold an inner dot, without dots and dashes at their ends.
fn dotted_runs(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        loop {
            let dot = next + memchr::memchr(b'.', text.get(next..)?)?;
            let head = text.get(next..dot)?.iter().rev().take_while(|byte| is_name_byte(**byte)).count();
            let tail = text.get(dot..)?.iter().take_while(|byte| is_name_byte(**byte)).count();
            next = dot + tail;
            let trimmed = text.get(dot - head..next)?;
            let lead = trimmed.iter().take_while(|byte| matches!(byte, b'.' | b'-')).count();
            let trail = trimmed.iter().rev().take_while(|byte| matches!(byte, b'.' | b'-')).count();
            let (start, end) = (dot - head + lead, next.saturating_sub(trail));
            if start < end && memmem::find(text.get(start..end)?, b".").is_some() {
                return Some((start, end));
            }
        }
    })
}
