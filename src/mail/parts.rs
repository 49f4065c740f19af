//! The parts of a message as MIME nests them (RFC 2046), as one flat list of leaves.
//!
//! Multiparts are walked, whatever is in them; a `message/rfc822` is a leaf: who wants its parts walks it by itself, so
//! the parts of a returned message never mix with those of the report.
//!
//! Where a message is ambiguous (two `boundary` parameters, two `Content-Type` fields, no `boundary` at all), every
//! boundary that a reader could take is taken: a part is found if any reading has it.

use std::borrow::Cow;
use std::ops::Range;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::fields::{fields, split, starts_field};
use super::params::{main_value, values_of};
use super::{line_at, lines, starts_with_ignore_case};

/// Multiparts in each other that are walked; a deeper one is a leaf.
pub const MAX_DEPTH: usize = 32;
/// Leaves of one message; the rest is left out.
pub const MAX_PARTS: usize = 1000;
/// Boundaries of one multipart that are tried.
const MAX_BOUNDARIES: usize = 4;
/// Lines of a multipart without `boundary` in which one is looked for.
const MAX_LINES_FOR_BOUNDARY: usize = 200;

/// What a leaf holds, by its `Content-Type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Media {
    /// `message/delivery-status`, `message/global-delivery-status`.
    DeliveryStatus,
    /// `message/disposition-notification` and its `global` form.
    Disposition,
    /// `message/feedback-report`.
    Feedback,
    /// `message/rfc822`, `message/global`, `message/partial`.
    Message,
    /// `text/rfc822-headers`, `message/global-headers`, and `message/rfc822-headers`, as some write.
    Headers,
    /// `text/plain`, or no `Content-Type`.
    Plain,
    /// `text/html`.
    Html,
    /// Other text.
    Text,
    /// Anything else.
    Other,
}

impl Media {
    fn of(name: &[u8]) -> Self {
        const NAMED: [(&str, Media); 14] = [
            ("message/delivery-status", Media::DeliveryStatus),
            ("message/global-delivery-status", Media::DeliveryStatus),
            ("message/disposition-notification", Media::Disposition),
            ("message/global-disposition-notification", Media::Disposition),
            ("message/feedback-report", Media::Feedback),
            ("message/rfc822", Media::Message),
            ("message/global", Media::Message),
            ("message/partial", Media::Message),
            ("text/rfc822-headers", Media::Headers),
            ("message/rfc822-headers", Media::Headers),
            ("message/global-headers", Media::Headers),
            ("text/plain", Media::Plain),
            ("text", Media::Plain),
            ("text/html", Media::Html),
        ];
        let named = NAMED.iter().find(|(known, _)| name.eq_ignore_ascii_case(known.as_bytes()));
        match named {
            Some((_, media)) => *media,
            None if name.is_empty() => Media::Plain,
            None if starts_with_ignore_case(name, b"text/") => Media::Text,
            None => Media::Other,
        }
    }

    /// Whether people are meant to read it.
    pub fn is_text(self) -> bool {
        matches!(self, Media::Plain | Media::Html | Media::Text)
    }
}

/// How the body of a leaf is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// `7bit`, `8bit`, `binary`, none, or one that is not known.
    Identity,
    /// `base64`.
    Base64,
    /// `quoted-printable`.
    QuotedPrintable,
}

/// What a `multipart/report` reports, by its `report-type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReportType {
    /// `delivery-status`, or none stated.
    DeliveryStatus,
    /// `disposition-notification`.
    Disposition,
    /// `feedback-report`.
    Feedback,
    /// Another one.
    Other,
}

/// A leaf. Ranges are bytes of the message that was walked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it holds.
    pub media: Media,
    /// How its body is encoded.
    pub transfer: Transfer,
    /// Its header; that of the message where the message is one leaf.
    pub header: Range<usize>,
    /// Its body, encoded, without the line end in front of the next boundary.
    pub body: Range<usize>,
    /// Multiparts around it.
    pub depth: usize,
}

impl Part {
    /// The encoded body, in the message that was walked.
    pub fn body_of<'m>(&self, message: &'m [u8]) -> &'m [u8] {
        message.get(self.body.clone()).unwrap_or(&[])
    }

    /// The `charset` of its first `Content-Type`; `None` where none is stated.
    pub fn charset<'m>(&self, message: &'m [u8]) -> Option<Cow<'m, [u8]>> {
        let header = message.get(self.header.clone())?;
        let value = super::fields::find(header, "Content-Type")?;
        values_of(value, "charset").into_iter().next()
    }
}

/// The leaves of a message. To be reused: [`Parts::walk`] forgets what was there.
#[derive(Debug, Default)]
pub struct Parts {
    leaves: Vec<Part>,
    /// Header of the message.
    pub header: Range<usize>,
    /// The outermost `multipart/report` reports this.
    pub report: Option<ReportType>,
    /// Some multipart is nested deeper than is walked.
    pub depth_exceeded: bool,
    /// The message has more leaves than are listed.
    pub parts_exceeded: bool,
    /// A header is longer than is read.
    pub header_capped: bool,
    /// Readers could differ on what the parts are.
    pub ambiguous: bool,
}

/// What the header of an entity says of its body.
struct Entity<'m> {
    media: Media,
    transfer: Transfer,
    is_multipart: bool,
    boundaries: Vec<Cow<'m, [u8]>>,
}

/// A multipart that is open, or a leaf that is.
struct Open<'m> {
    boundaries: Vec<Cow<'m, [u8]>>,
}

/// A boundary line: which open multipart it belongs to, and whether it ends that one.
struct Delimiter {
    level: usize,
    closes: bool,
}

impl Parts {
    /// The leaves in their order.
    pub fn leaves(&self) -> &[Part] {
        &self.leaves
    }

    /// The leaves of one kind.
    pub fn of(&self, media: Media) -> impl Iterator<Item = &Part> {
        self.leaves.iter().filter(move |part| part.media == media)
    }

    /// Lists the leaves of `message`. Time is linear in its length (times the depth of nesting on lines that start with
    /// `--`), memory bounded by [`MAX_PARTS`].
    pub fn walk(&mut self, message: &[u8]) {
        let leaves = std::mem::take(&mut self.leaves);
        *self = Parts { leaves, ..Parts::default() };
        self.leaves.clear();
        let cut = split(message);
        (self.header, self.header_capped) = (cut.header.clone(), cut.capped);
        let mut stack = Vec::new();
        let mut open = self.enter(message, cut.header.clone(), cut.body.clone(), &mut stack);
        if !stack.is_empty() {
            self.walk_multipart(message, cut.body.start, &mut stack, &mut open);
        }
        self.close(message, &mut open, message.len());
        if self.leaves.is_empty() {
            self.ambiguous = true;
            let media = Media::Plain;
            self.leaves.push(Part {
                media,
                transfer: Transfer::Identity,
                header: cut.header,
                body: cut.body,
                depth: 0,
            });
        }
    }

    fn walk_multipart<'m>(
        &mut self,
        message: &'m [u8],
        from: usize,
        stack: &mut Vec<Open<'m>>,
        open: &mut Option<Part>,
    ) {
        let mut at = from;
        while let Some(start) = dashes(message, at) {
            let Some((line, next)) = line_at(message, start) else { return };
            at = next;
            let Some(delimiter) = delimiter(line, stack) else { continue };
            self.close(message, open, start);
            stack.truncate(delimiter.level + usize::from(!delimiter.closes));
            if delimiter.closes {
                if stack.is_empty() {
                    return;
                }
                continue;
            }
            if self.leaves.len() >= MAX_PARTS {
                self.parts_exceeded = true;
                return;
            }
            let cut = split(message.get(next..).unwrap_or(&[]));
            self.header_capped |= cut.capped;
            let shift = |range: Range<usize>| range.start + next..range.end + next;
            at = shift(cut.body.clone()).start;
            *open = self.enter(message, shift(cut.header), shift(cut.body), stack);
        }
    }

    /// Opens the entity with this header: a multipart goes onto the stack, a leaf is returned.
    fn enter<'m>(
        &mut self,
        message: &'m [u8],
        header: Range<usize>,
        body: Range<usize>,
        stack: &mut Vec<Open<'m>>,
    ) -> Option<Part> {
        let depth = stack.len();
        let mut entity = self.entity(message.get(header.clone()).unwrap_or(&[]));
        if entity.is_multipart && depth < MAX_DEPTH {
            if entity.boundaries.is_empty() {
                self.ambiguous = true;
                let found = boundary_in(message.get(body.clone()).unwrap_or(&[]));
                entity.boundaries.extend(found.map(Cow::Borrowed));
            }
            if !entity.boundaries.is_empty() {
                stack.push(Open { boundaries: entity.boundaries });
                return None;
            }
            entity.media = Media::Plain;
        } else if entity.is_multipart {
            self.depth_exceeded = true;
        }
        Some(Part { media: entity.media, transfer: entity.transfer, header, body, depth })
    }

    fn close(&mut self, message: &[u8], open: &mut Option<Part>, at: usize) {
        let Some(mut part) = open.take() else { return };
        let end = if at == message.len() { at } else { before_line_end(message, at) };
        part.body.end = end.max(part.body.start);
        self.leaves.push(part);
    }

    fn entity<'m>(&mut self, header: &'m [u8]) -> Entity<'m> {
        let mut entity =
            Entity { media: Media::Plain, transfer: Transfer::Identity, is_multipart: false, boundaries: Vec::new() };
        let (mut types, mut transfers) = (0, 0);
        for field in fields(header).filter(|field| starts_with_ignore_case(field.name, b"content-t")) {
            if field.is("Content-Type") {
                types += 1;
                self.content_type(field.value, types, &mut entity);
            } else if field.is("Content-Transfer-Encoding") && transfers == 0 {
                transfers = 1;
                entity.transfer = transfer(field.value);
            }
        }
        self.ambiguous |= types > 1 || entity.boundaries.len() > 1;
        entity
    }

    fn content_type<'m>(&mut self, value: &'m [u8], nth: usize, entity: &mut Entity<'m>) {
        let name = main_value(value);
        if !starts_with_ignore_case(name, b"multipart/") {
            let media = Media::of(name);
            entity.media = if nth == 1 { media } else { entity.media.min(media) };
            return;
        }
        entity.is_multipart = true;
        let room = MAX_BOUNDARIES.saturating_sub(entity.boundaries.len());
        entity.boundaries.extend(values_of(value, "boundary").into_iter().take(room));
        if self.report.is_none() && name.eq_ignore_ascii_case(b"multipart/report") {
            self.report = Some(report_type(value));
        }
        if nth == 1 {
            entity.media = Media::Other;
        }
    }
}

fn report_type(value: &[u8]) -> ReportType {
    let stated = values_of(value, "report-type");
    let is = |name: &str| stated.first().is_some_and(|v| v.trim_ascii().eq_ignore_ascii_case(name.as_bytes()));
    if stated.is_empty() || is("delivery-status") || is("global-delivery-status") {
        ReportType::DeliveryStatus
    } else if is("disposition-notification") {
        ReportType::Disposition
    } else if is("feedback-report") {
        ReportType::Feedback
    } else {
        ReportType::Other
    }
}

fn transfer(value: &[u8]) -> Transfer {
    let name = main_value(value);
    if name.eq_ignore_ascii_case(b"base64") {
        Transfer::Base64
    } else if name.eq_ignore_ascii_case(b"quoted-printable") {
        Transfer::QuotedPrintable
    } else {
        Transfer::Identity
    }
}

/// The next line at or after `at` that starts with `--`. `at` is the start of a line.
fn dashes(message: &[u8], at: usize) -> Option<usize> {
    static DASHES: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\n--"));
    let rest = message.get(at..)?;
    if rest.starts_with(b"--") {
        return Some(at);
    }
    DASHES.find(rest).map(|found| at + found + 1)
}

fn delimiter(line: &[u8], stack: &[Open<'_>]) -> Option<Delimiter> {
    let rest = line.get(2..)?.trim_ascii_end();
    let is_end = |boundary: &[u8]| rest.strip_suffix(b"--").is_some_and(|head| head == boundary);
    stack.iter().enumerate().rev().find_map(|(level, open)| {
        let mut boundaries = open.boundaries.iter().map(|boundary| boundary.trim_ascii_end());
        boundaries.find_map(|boundary| match boundary {
            _ if rest == boundary => Some(Delimiter { level, closes: false }),
            _ if is_end(boundary) => Some(Delimiter { level, closes: true }),
            _ => None,
        })
    })
}

/// The boundary of a multipart that states none: the first line `--x` with a field behind it.
fn boundary_in(body: &[u8]) -> Option<&[u8]> {
    lines(body).take(MAX_LINES_FOR_BOUNDARY).find_map(|(at, line)| {
        let boundary = line.strip_prefix(b"--")?.trim_ascii_end();
        let (_, next) = line_at(body, at)?;
        let (behind, _) = line_at(body, next)?;
        let is_part = starts_field(behind) && starts_with_ignore_case(behind, b"content-");
        (is_part && !boundary.is_empty()).then_some(boundary)
    })
}

/// Where the line in front of `at` ends, its line end left out.
fn before_line_end(message: &[u8], at: usize) -> usize {
    let before = message.get(..at).unwrap_or(message);
    let before = before.strip_suffix(b"\n").unwrap_or(before);
    before.strip_suffix(b"\r").unwrap_or(before).len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn walk(message: &str) -> (Vec<(Media, &str)>, Parts) {
        let mut parts = Parts::default();
        parts.walk(message.as_bytes());
        let leaves = parts.leaves().iter().map(|p| (p.media, &message[p.body.clone()])).collect();
        (leaves, parts)
    }

    const REPORT: &str = "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b.*\"\n\n\
        preamble\n--b.*\n\nhello\n--b.*x\n\n--b.*  \nContent-Type: Message/Delivery-Status\n\nStatus: 5.0.0\n\n\
        --b.*\nContent-Type: message/rfc822\n\nSubject: x\nContent-Type: multipart/mixed; boundary=c\n\n--c\n\ny\n--c--\n\n\
        --b.*--\nepilogue\n";

    #[test]
    fn a_report_has_three_leaves() {
        for message in [REPORT.to_owned(), REPORT.replace('\n', "\r\n")] {
            let (leaves, parts) = walk(&message);
            let media: Vec<_> = leaves.iter().map(|(media, _)| *media).collect();
            assert_eq!(media, [Media::Plain, Media::DeliveryStatus, Media::Message]);
            assert_eq!(leaves[0].1.lines().collect::<Vec<_>>(), ["hello", "--b.*x"]);
            assert_eq!(leaves[1].1.trim_end(), "Status: 5.0.0");
            assert!(leaves[2].1.trim_end().ends_with("--c--"));
            assert_eq!(parts.report, Some(ReportType::DeliveryStatus));
            assert!(!parts.ambiguous && !parts.depth_exceeded && !parts.parts_exceeded);
        }
    }

    #[test]
    fn missing_ends_and_missing_parts_are_borne() {
        let (leaves, _) = walk("Content-Type: multipart/mixed; boundary=b\n\n--b\n\none\n--b\n\ntwo");
        assert_eq!(leaves, [(Media::Plain, "one"), (Media::Plain, "two")]);
        let (leaves, parts) = walk("Content-Type: multipart/mixed; boundary=b\n\nno part at all\n");
        assert_eq!((leaves, parts.ambiguous), (vec![(Media::Plain, "no part at all\n")], true));
        let (leaves, _) = walk("Subject: x\n\nplain\n");
        assert_eq!(leaves, [(Media::Plain, "plain\n")]);
        let (leaves, _) = walk("Content-Type: multipart/mixed; boundary=b\n\n--b\nContent-Type: text/html\n--b--\n");
        assert_eq!(leaves, [(Media::Html, "")]);
    }

    #[test]
    fn any_reading_of_an_ambiguous_message_counts() {
        let status = "Content-Type: message/delivery-status\n\nx";
        for head in [
            "Content-Type: multipart/report; boundary=a; boundary=b\n",
            "Content-Type: multipart/report; boundary=b; boundary=a\n",
            "Content-Type: multipart/report; boundary=b\nContent-Type: multipart/mixed; boundary=a\n",
            "Content-Type: text/plain\nContent-Type: multipart/report; boundary=b\n",
            "Content-Type: multipart/report\n",
        ] {
            let message = format!("{head}\n--b\n{status}\n--b--\n");
            let (leaves, parts) = walk(&message);
            assert_eq!((leaves.as_slice(), parts.ambiguous), (&[(Media::DeliveryStatus, "x")][..], true), "{head}");
        }
        let (leaves, _) = walk("Content-Type: multipart/report; boundary=\"open\n\n--open\n\nx\n--open--\n");
        assert_eq!(leaves, [(Media::Plain, "x")]);
    }

    #[test]
    fn nesting_is_capped() {
        let mut message = String::new();
        for depth in 0..100_000 {
            message.push_str(&format!("Content-Type: multipart/mixed; boundary=b{depth}\n\n--b{depth}\n"));
        }
        let (leaves, parts) = walk(&message);
        assert!(parts.depth_exceeded);
        assert_eq!(leaves.len(), 1);
    }

    #[test]
    fn parts_are_capped_in_linear_time() {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned() + &"--b\n\n\n".repeat(1_000_000);
        let (leaves, parts) = walk(&message);
        assert_eq!((leaves.len(), parts.parts_exceeded), (MAX_PARTS, true));
        let long = "x".repeat(10_000);
        let message =
            format!("Content-Type: multipart/mixed; boundary={long}\n\n") + &format!("--{long}y\n").repeat(2_000);
        assert_eq!(walk(&message).0.len(), 1);
    }
}
