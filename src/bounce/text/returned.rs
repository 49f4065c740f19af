//! Where the returned message begins in a report that holds both in one text.

use super::lines::cut;

/// Words of the line that stands before the returned message or its header, at their start. They count in a line that is
/// decorated (`--- ... ---`), ends with a colon or a full stop and is followed by a header, or is followed by one.
const MARKS: [&str; 45] = [
    "below this line is a copy of the message",
    "below is a copy of the",
    "below is the original",
    "this is a copy of the message",
    "this is a copy of your message",
    "this is a copy of the original",
    "a copy of the message",
    "here is a copy of the",
    "here is your message",
    "included is a copy of the message",
    "original message",
    "original mail",
    "original headers",
    "original header",
    "the original message",
    "the original mail",
    "the header of the original message",
    "the headers of the original message",
    "the body of the original message",
    "the following is a copy of the",
    "header of the original message",
    "headers of the original message",
    "message header",
    "message headers",
    "message text follows",
    "message follows",
    "received message",
    "returned message",
    "returned mail",
    "undelivered message",
    "undeliverable message",
    "unsent message",
    "unsent mail",
    "rejected message",
    "failed message",
    "your original message",
    "your message follows",
    "ursprüngliche nachricht",
    "originalnachricht",
    "message d'origine",
    "message original",
    "mensaje original",
    "messaggio originale",
    "mensagem original",
    "元のメッセージ",
];

/// Lines behind a mark among which a header must begin, where the mark is not decorated.
const NEAR: usize = 4;

/// Header fields in a row that make a returned message where no mark stands before it.
const RUN: usize = 3;

/// Where the returned message, or its header, begins in `text`: offset of the line that says so, or of its first field.
/// `None` where the text holds none.
///
/// ```
/// # use bouncesift::bounce::text::returned_at;
/// let text = b"joe@example.net: no such user\n\n--- Original message follows.\n\nReceived: from a.example\n";
/// assert_eq!(returned_at(text), Some(31));
/// assert_eq!(returned_at(b"joe@example.net: no such user\n"), None);
/// ```
///
/// Time is linear in the text.
pub fn returned_at(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    let mut run = Run::default();
    let mut marked: Option<(usize, usize)> = None;
    let mut before = false;
    for line in cut(text) {
        let content = line.trim_ascii();
        match mark_of(content) {
            Mark::Decorated if before => return Some(at),
            Mark::Decorated | Mark::Plain => marked = Some((at, 0)),
            Mark::None => {}
        }
        let field = field_of(line, run.fields > 0);
        if let Some((mark_at, lines)) = &mut marked {
            if matches!(field, Field::Trace | Field::Common) {
                return Some(*mark_at);
            }
            *lines += usize::from(!content.is_empty());
            marked = marked.filter(|(_, lines)| *lines < NEAR);
        }
        if let Some(start) = run.add(at, field, before) {
            return Some(start);
        }
        before |= field == Field::None && content.iter().any(u8::is_ascii_alphabetic) && !content.starts_with(b"--");
        at += line.len();
    }
    None
}

enum Mark {
    None,
    Plain,
    Decorated,
}

/// What a line says of a returned message below it.
fn mark_of(content: &[u8]) -> Mark {
    let is_decoration =
        |b: &u8| matches!(b, b'-' | b'=' | b'*' | b'_' | b'#' | b'~' | b'|' | b'+' | b'>' | b' ' | b'<');
    let lead = content.iter().take_while(|b| is_decoration(b)).count();
    let words = content.get(lead..).unwrap_or_default();
    let rules = content.iter().take(lead).filter(|b| matches!(b, b'-' | b'=' | b'*' | b'_' | b'#' | b'~')).count();
    let head = words.get(..80).unwrap_or(words).to_ascii_lowercase();
    if !MARKS.iter().any(|mark| head.starts_with(mark.as_bytes())) {
        return Mark::None;
    }
    // "The original message was received at ..." is the first line of many reports.
    let tells = [&b" was "[..], b" has ", b" is over", b" could ", b" with ", b" cannot ", b" sent "];
    if tells.iter().any(|word| memchr::memmem::find(&head, word).is_some()) && rules < 2 {
        return Mark::None;
    }
    if rules >= 2 { Mark::Decorated } else { Mark::Plain }
}

/// What a line is in a header.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    None,
    /// A field that only a message has: `Received`, `Message-ID`.
    Trace,
    /// A field that prose quotes too: `From`, `To`, `Subject`, `Date`.
    Common,
    /// Some other field.
    Other,
    /// The next line of a folded field.
    Folded,
}

const TRACE: [&[u8]; 14] = [
    b"received",
    b"message-id",
    b"return-path",
    b"mime-version",
    b"dkim-signature",
    b"delivered-to",
    b"x-received",
    b"x-mailer",
    b"content-type",
    b"content-transfer-encoding",
    b"x-originating-ip",
    b"authentication-results",
    b"references",
    b"arc-seal",
];
const COMMON: [&[u8]; 8] = [b"from", b"to", b"subject", b"date", b"cc", b"reply-to", b"sender", b"organization"];

fn field_of(line: &[u8], in_header: bool) -> Field {
    if in_header && matches!(line.first(), Some(b' ' | b'\t')) && !line.trim_ascii().is_empty() {
        return Field::Folded;
    }
    let name_len = line.iter().take(64).take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')).count();
    let name = line.get(..name_len).unwrap_or_default();
    if name.is_empty() || line.get(name_len) != Some(&b':') {
        // The line that some programs put before the header.
        return if line.starts_with(b"From ") && line.contains(&b'@') { Field::Other } else { Field::None };
    }
    let is = |names: &[&[u8]]| names.iter().any(|n| name.eq_ignore_ascii_case(n));
    match () {
        () if is(&TRACE) => Field::Trace,
        () if is(&COMMON) => Field::Common,
        () if name.contains(&b'-') => Field::Other,
        () => Field::None,
    }
}

/// Fields in a row.
#[derive(Default)]
struct Run {
    start: usize,
    fields: usize,
    trace: bool,
    common: bool,
}

impl Run {
    /// Adds a line; returns where the header began as soon as it is one.
    /// Fields that nothing stands `before` belong to the report itself.
    fn add(&mut self, at: usize, field: Field, before: bool) -> Option<usize> {
        match field {
            Field::None => *self = Run::default(),
            Field::Folded => {}
            _ => {
                if self.fields == 0 {
                    self.start = at;
                }
                self.fields += 1;
                self.trace |= field == Field::Trace;
                self.common |= field == Field::Common;
            }
        }
        (self.fields >= RUN && self.trace && before).then_some(self.start)
    }
}
