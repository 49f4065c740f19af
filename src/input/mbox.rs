//! An mbox in blocks of whole messages: read once, from start to end, by whichever worker asks next.
//!
//! A message starts at a `From ` line: the first line of the input, or a line behind an empty line that holds a sender
//! and a date (see [`from_line`]). Every other line that starts with `From ` is body, and counted. A message that states
//! its `Content-Length`, as Solaris and Dovecot write it, ends where that says, provided that a separator or the end of
//! the input stands there; then lines in its body separate nothing. A length that does not prove right is counted and
//! has no effect.
//!
//! Left as they are: `>From ` in bodies (mboxo and mboxrd quote so, and which of them wrote a file cannot be told), line
//! ends, bytes that are no text. Bytes before the first separator, if there are any but empty lines, are a message
//! without a `From ` line, so a single message with others behind it can be cut as well.
//!
//! Memory is bounded by [`MAX_MESSAGE`] whatever the input: of a longer message the first bytes are handed out and the
//! rest is read past.

mod frame;
mod from_line;
#[cfg(test)]
mod tests;

use std::io::{self, Read};
use std::ops::{ControlFlow, Range};

use frame::{CONTEXT, End, MAX_FROM_LINE, Open, Step};
pub use from_line::{FromLine, from_line};

/// Bytes of a block, about: small enough for the second-level cache, large enough to be worth handing over.
pub const BLOCK: usize = 256 * 1024;
/// Bytes of a message that are handed out; longer ones are cut.
pub const MAX_MESSAGE: usize = 16 << 20;
/// Longest body that is proven by its `Content-Length`. Half of [`MAX_MESSAGE`]: a block holds up to twice as much while
/// an input full of wrong lengths is cut, since what was read ahead must not be moved again and again.
pub const MAX_PROOF: usize = MAX_MESSAGE / 2;
/// A block's buffer that has grown larger than this is given back.
const KEEP: usize = 4 * BLOCK;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// What was noticed on the way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MboxCounts {
    /// Messages.
    pub messages: u64,
    /// Messages longer than [`MAX_MESSAGE`].
    pub cut: u64,
    /// Lines that start with `From ` and separate nothing. Those in bodies that a `Content-Length` vouches for are not
    /// looked at.
    pub from_line_suspect: u64,
    /// Messages with a `Content-Length` that is no number, is stated twice or does not lead to the end of the message.
    pub content_length_wrong: u64,
    /// Messages with a `Content-Length` that does.
    pub content_length_right: u64,
    /// Lines that start with `>From `, or with more than one `>`: signs of quoting. Counted as `from_line_suspect` is.
    pub from_line_quoted: u64,
}

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MboxMessage<'b> {
    /// Its `From ` line without line end; empty where it has none. [`from_line`] reads it, and gives `None` for the
    /// first line of an input that has no date.
    pub from_line: &'b [u8],
    /// Header and body: without the `From ` line, without `>From ` lines right behind it (UUCP's), and without the
    /// empty line that stands before the next separator.
    pub bytes: &'b [u8],
    /// Offset in the input of the `From ` line (of the first byte, where there is none), from 0.
    pub offset: u64,
    /// Length in the input from `offset` to the end of the body; of a message that was cut too.
    pub len: u64,
    /// `bytes` are the first [`MAX_MESSAGE`] bytes of a longer message.
    pub cut: bool,
    /// A `Content-Length` in the header leads to the end of this message.
    pub length_right: bool,
    /// The `From ` line may be a line of the message before, written by whoever sent that: not every message before this
    /// one has a right `Content-Length`, and no message but the last one before this holds a `>From ` line, which would
    /// hint at a writer that quotes. A hint, no proof: nothing in an mbox is one.
    pub unescaped_risk: bool,
}

#[derive(Debug)]
struct Span {
    /// Within the block's bytes, as `bytes`.
    from_line: Range<usize>,
    bytes: Range<usize>,
    offset: u64,
    len: u64,
    cut: bool,
    length_right: bool,
    unescaped_risk: bool,
}

/// Bytes that were read.
#[derive(Debug, Default)]
struct Buffer {
    /// Always at least `filled` long, and never cleared; what stands behind `filled` is of no meaning.
    bytes: Vec<u8>,
    filled: usize,
}

impl Buffer {
    fn from(&self, start: usize) -> &[u8] {
        self.bytes.get(start..self.filled).unwrap_or(&[])
    }

    fn clear(&mut self) {
        self.filled = 0;
        if self.bytes.len() > KEEP {
            self.bytes = Vec::new();
        }
    }

    /// Room for `len` more bytes.
    fn space(&mut self, len: usize) -> &mut [u8] {
        let end = self.filled + len;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.filled..end).unwrap_or(&mut [])
    }

    fn append(&mut self, more: &[u8]) {
        self.space(more.len()).copy_from_slice(more);
        self.filled += more.len();
    }

    fn drop_front(&mut self, len: usize) {
        let len = len.min(self.filled);
        self.bytes.copy_within(len..self.filled, 0);
        self.filled -= len;
    }
}

/// A buffer with whole messages; used again and again.
#[derive(Debug, Default)]
pub struct MessageBlock {
    buffer: Buffer,
    spans: Vec<Span>,
}

impl MessageBlock {
    /// The messages, in the order of the input.
    pub fn messages(&self) -> impl ExactSizeIterator<Item = MboxMessage<'_>> {
        let slice = |range: &Range<usize>| self.buffer.bytes.get(range.clone()).unwrap_or(&[]);
        self.spans.iter().map(move |span| MboxMessage {
            from_line: slice(&span.from_line),
            bytes: behind_uucp_lines(slice(&span.bytes)),
            offset: span.offset,
            len: span.len,
            cut: span.cut,
            length_right: span.length_right,
            unescaped_risk: span.unescaped_risk,
        })
    }
}

/// `>From ` lines at the top of a header are UUCP's record of earlier hops, no header fields.
fn behind_uucp_lines(mut bytes: &[u8]) -> &[u8] {
    while bytes.starts_with(b">From ") {
        bytes = memchr::memchr(b'\n', bytes).and_then(|end| bytes.get(end + 1..)).unwrap_or(&[]);
    }
    bytes
}

/// Sizes; others than the constants in tests only.
#[derive(Clone, Copy, Debug)]
struct Limits {
    block: usize,
    message: usize,
    proof: usize,
}

/// Cuts what a reader gives into blocks of whole messages.
pub struct MboxCutter {
    input: Input,
    limits: Limits,
    /// Bytes from `offset` on that were read already: a message that is not complete yet.
    tail: Buffer,
    /// Offset in the input of the next block, from 0.
    offset: u64,
    counts: MboxCounts,
    trust: Trust,
}

struct Input {
    reader: Box<dyn Read + Send>,
    at_end: bool,
    /// What the reader said at last; told once the messages before it have been handed out.
    failed: Option<io::Error>,
}

impl Input {
    /// Reads `step` bytes to the end of `buffer`, fewer at the end of the input; `false` if nothing more will come.
    fn fill(&mut self, buffer: &mut Buffer, step: usize) -> bool {
        let mut left = step.max(1);
        while left > 0 && !self.at_end && self.failed.is_none() {
            match self.reader.read(buffer.space(left)) {
                Ok(0) => self.at_end = true,
                Ok(n) => {
                    buffer.filled += n;
                    left -= n.min(left);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => self.failed = Some(error),
            }
        }
        left < step.max(1) || self.at_end
    }
}

/// What the messages so far say of their separators.
#[derive(Debug, Default)]
struct Trust {
    /// Some message had no right `Content-Length`.
    unproven: bool,
    /// A message before the last one holds a `>From ` line.
    quotes: bool,
    /// The last one does.
    last_quotes: bool,
}

impl MboxCutter {
    /// A cutter of what `reader` gives, from the first byte of the input.
    pub fn new(reader: Box<dyn Read + Send>) -> Self {
        Self::with_limits(reader, Limits { block: BLOCK, message: MAX_MESSAGE, proof: MAX_PROOF })
    }

    fn with_limits(reader: Box<dyn Read + Send>, limits: Limits) -> Self {
        Self {
            input: Input { reader, at_end: false, failed: None },
            limits,
            tail: Buffer::default(),
            offset: 0,
            counts: MboxCounts::default(),
            trust: Trust::default(),
        }
    }

    /// Bytes of the input up to the end of what was handed out so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Counts up to the end of what was handed out so far.
    pub fn counts(&self) -> MboxCounts {
        self.counts
    }

    /// Fills `out` with the next messages, at least one; `false` at the end of the input. Takes time linear in what is
    /// handed out, whatever lengths the messages claim.
    ///
    /// # Errors
    /// What the reader says, once, after all complete messages before it have been handed out. The message that it
    /// interrupts is not, unless it was longer than [`MAX_MESSAGE`] already.
    pub fn next(&mut self, out: &mut MessageBlock) -> io::Result<bool> {
        out.spans.clear();
        out.buffer.clear();
        out.buffer.append(self.tail.from(0));
        self.tail.clear();
        if self.counts.messages == 0 {
            self.skip_leading(&mut out.buffer);
        }
        let mut start = 0;
        let consumed = loop {
            match self.message(out, start) {
                ControlFlow::Continue(next) => start = next,
                ControlFlow::Break(consumed) => break consumed,
            }
        };
        self.offset += consumed;
        match self.input.failed.take_if(|_| out.spans.is_empty()) {
            Some(error) => {
                self.input.at_end = true;
                Err(error)
            }
            None => Ok(!out.spans.is_empty()),
        }
    }

    /// Passes over a byte order mark and empty lines at the start of the input.
    fn skip_leading(&mut self, buffer: &mut Buffer) {
        while buffer.filled < BYTE_ORDER_MARK.len() && self.input.fill(buffer, self.limits.block) && !self.input.at_end
        {
        }
        if self.offset == 0 && buffer.from(0).starts_with(BYTE_ORDER_MARK) {
            self.drop_leading(buffer, BYTE_ORDER_MARK.len());
        }
        loop {
            let mut rest = buffer.from(0);
            while let [b'\n', more @ ..] | [b'\r', b'\n', more @ ..] = rest {
                rest = more;
            }
            let undecided = rest.is_empty() || rest == b"\r";
            self.drop_leading(buffer, buffer.filled - rest.len());
            if !undecided || self.input.at_end || !self.input.fill(buffer, self.limits.block) {
                return;
            }
        }
    }

    fn drop_leading(&mut self, buffer: &mut Buffer, len: usize) {
        buffer.drop_front(len);
        self.offset += len as u64;
    }

    /// Takes the message at `start` of the block. Continues with where the next one starts; breaks off when the block is
    /// full or the input ends, with the number of bytes of the input that the block stands for.
    fn message(&mut self, out: &mut MessageBlock, start: usize) -> ControlFlow<u64, usize> {
        let mut open = None;
        loop {
            let bytes = out.buffer.from(start);
            if bytes.is_empty() && self.input.at_end {
                return ControlFlow::Break(start as u64);
            }
            if open.is_none() {
                open = Open::new(bytes, self.input.at_end);
            }
            if let Some(open) = &mut open
                && let Step::End(end) = open.step(bytes, self.input.at_end, self.limits.proof)
            {
                self.push(out, start, open, &end);
                return ControlFlow::Continue(start + end.next);
            }
            // What is moved to the next block is no more than what this one holds, so that moving costs no more than
            // reading.
            if start >= self.limits.block.div_ceil(2) && start >= bytes.len() {
                self.tail.append(bytes);
                out.buffer.filled = start;
                return ControlFlow::Break(start as u64);
            }
            let len = bytes.len();
            if let Some(open) = open.as_mut().filter(|open| open.is_searched())
                && len > open.header + self.limits.message + 2 * MAX_FROM_LINE
            {
                return ControlFlow::Break(start as u64 + self.read_past(out, start, open));
            }
            if !self.input.fill(&mut out.buffer, self.limits.block) {
                out.buffer.filled = start;
                return ControlFlow::Break(start as u64);
            }
        }
    }

    /// Takes the first bytes of a message that is too long and reads past the rest, keeping only what the search still
    /// looks at. Returns the length of the message in the input.
    fn read_past(&mut self, out: &mut MessageBlock, start: usize, open: &mut Open) -> u64 {
        let mut search = open.search;
        let mut passed = search.at.saturating_sub(CONTEXT);
        self.tail.append(out.buffer.from(start + passed));
        out.buffer.filled = start + open.header + self.limits.message;
        (search.at, search.floor) = (search.at - passed, 0);
        let next = loop {
            if let Some(next) = search.next(self.tail.from(0), self.input.at_end) {
                break next;
            }
            let done = search.at.saturating_sub(CONTEXT);
            self.tail.drop_front(done);
            passed += done;
            search.at -= done;
            if !self.input.fill(&mut self.tail, self.limits.block) {
                break self.tail.filled;
            }
        };
        let before = self.tail.from(0).get(..next).unwrap_or(&[]);
        let end = open.end_at(passed + next, before);
        open.search = search;
        self.tail.drop_front(next);
        self.push(out, start, open, &end);
        end.next as u64
    }

    /// Notes a complete message that stands at `start` of the block.
    fn push(&mut self, out: &mut MessageBlock, start: usize, open: &Open, end: &End) {
        let kept = end.body.min(open.header + self.limits.message);
        let cut = kept < end.body;
        out.spans.push(Span {
            from_line: start..start + open.from_line,
            bytes: start + open.header..start + kept,
            offset: self.offset + start as u64,
            len: end.body as u64,
            cut,
            length_right: end.vouched,
            unescaped_risk: self.trust.unproven && !self.trust.quotes,
        });
        self.trust.unproven |= !end.vouched;
        self.trust.quotes |= self.trust.last_quotes;
        self.trust.last_quotes = open.search.quoted > 0;
        self.counts.messages += 1;
        self.counts.cut += u64::from(cut);
        self.counts.content_length_right += u64::from(end.vouched);
        self.counts.content_length_wrong += u64::from(open.length_wrong(end));
        self.counts.from_line_suspect += open.search.suspects;
        self.counts.from_line_quoted += open.search.quoted;
    }
}
