//! A pipe or standard input in blocks: read once, from start to end, by whichever worker asks next.

use std::io::{self, Read};

use super::blocks::{BlockBuffer, LOOKBACK};

/// Cuts what a reader gives into blocks of whole lines.
pub struct StreamCutter {
    reader: Box<dyn Read + Send>,
    block_size: usize,
    max_line: usize,
    /// The last bytes before `offset`, at most [`LOOKBACK`] of them.
    before: Vec<u8>,
    /// Bytes from `offset` on that were read already: a line that is not complete yet.
    tail: Vec<u8>,
    /// Offset in the stream of the next line, from 0.
    offset: u64,
    /// The rest of a line over the limit is still to be passed over.
    skipping: bool,
    at_end: bool,
    /// What the reader said at last; told once the lines before it have been handed out.
    failed: Option<io::Error>,
}

impl StreamCutter {
    /// A cutter that makes blocks of about `block_size` bytes and gives up lines longer than `max_line`.
    pub fn new(reader: Box<dyn Read + Send>, block_size: usize, max_line: usize) -> Self {
        Self {
            reader,
            block_size: block_size.max(1),
            max_line,
            before: Vec::new(),
            tail: Vec::new(),
            offset: 0,
            skipping: false,
            at_end: false,
            failed: None,
        }
    }

    /// Bytes handed out so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills `out` with the next block; `false` at the end of the stream.
    ///
    /// # Errors
    /// What the reader says, once, after all complete lines before it have been handed out.
    pub fn next(&mut self, out: &mut BlockBuffer) -> io::Result<bool> {
        if self.skipping {
            self.skip_line()?;
        }
        if self.at_end && self.tail.is_empty() {
            return self.failed.take().map_or(Ok(false), Err);
        }
        let bytes = out.bytes_mut();
        bytes.clear();
        bytes.extend_from_slice(&self.before);
        let start = bytes.len();
        bytes.append(&mut self.tail);
        // Bytes up to here are known to hold no line end after `line`.
        let (mut line, mut searched) = (start, start);
        loop {
            if let Some(at) = memchr::memrchr(b'\n', bytes.get(searched..).unwrap_or(&[])) {
                line = searched + at + 1;
            }
            searched = bytes.len();
            // As in `blocks`: the last byte may be a carriage return.
            if bytes.len() - line > self.max_line + 1 {
                self.skipping = true;
                break;
            }
            if self.at_end || (line > start && bytes.len() - start >= self.block_size) {
                break;
            }
            match read_more(&mut *self.reader, bytes, self.block_size.clamp(4096, 1 << 20)) {
                Ok(read) => self.at_end = read == 0,
                Err(error) => {
                    (self.at_end, self.failed) = (true, Some(error));
                    bytes.truncate(line);
                    break;
                }
            }
        }
        let overlong = self.skipping.then_some(line);
        let end = if self.at_end && !self.skipping { bytes.len() } else { line };
        let rest = bytes.get(end..).unwrap_or(&[]);
        self.tail.extend_from_slice(rest);
        let base = self.offset - start as u64;
        self.offset += (end - start) as u64;
        self.before.clear();
        self.before.extend_from_slice(bytes.get(end.saturating_sub(LOOKBACK)..end).unwrap_or(&[]));
        out.set(base, start..end, overlong);
        Ok(true)
    }

    /// Passes over the rest of a line that is too long.
    fn skip_line(&mut self) -> io::Result<()> {
        self.before.clear();
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.tail) {
                self.offset += at as u64 + 1;
                self.tail.drain(..=at);
                break;
            }
            self.offset += self.tail.len() as u64;
            self.tail.clear();
            if self.at_end {
                break;
            }
            self.at_end = read_more(&mut *self.reader, &mut self.tail, 64 * 1024)? == 0;
        }
        self.skipping = false;
        Ok(())
    }
}

/// Appends what one read gives, at most `step` bytes; returns how many.
fn read_more(reader: &mut dyn Read, bytes: &mut Vec<u8>, step: usize) -> io::Result<usize> {
    let len = bytes.len();
    bytes.resize(len + step, 0);
    loop {
        match reader.read(bytes.get_mut(len..).unwrap_or(&mut [])) {
            Ok(n) => {
                bytes.truncate(len + n);
                return Ok(n);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                bytes.truncate(len);
                return Err(error);
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Gives one to three bytes a read, as a slow pipe does.
    struct Drips<'a>(&'a [u8]);

    impl Read for Drips<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            let n = (self.0.len() % 3 + 1).min(self.0.len()).min(out.len());
            let (now, later) = self.0.split_at(n);
            out[..n].copy_from_slice(now);
            self.0 = later;
            Ok(n)
        }
    }

    fn cut(text: &'static [u8], block_size: usize, max_line: usize) -> (Vec<(u64, Vec<u8>)>, Vec<u64>) {
        let mut cutter = StreamCutter::new(Box::new(Drips(text)), block_size, max_line);
        let (mut lines, mut overlong, mut buffer) = (Vec::new(), Vec::new(), BlockBuffer::default());
        while cutter.next(&mut buffer).unwrap() {
            let block = buffer.block();
            let mut offset = block.base + block.lines_at as u64;
            for line in block.bytes[block.lines_at..].split_inclusive(|b| *b == b'\n') {
                lines.push((offset, line.to_vec()));
                offset += line.len() as u64;
            }
            overlong.extend(block.overlong_at);
        }
        (lines, overlong)
    }

    #[test]
    fn lines_are_the_same_at_any_block_size() {
        let text = b"a\n\nbcd\r\nlonger line of text\n\n\nz without end";
        let whole = cut(text, 1000, 1000);
        assert_eq!(whole.0.len(), 7);
        for size in 1..50 {
            assert_eq!(cut(text, size, 1000), whole, "block size {size}");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_passed_over() {
        let text = b"one\nthis line is far too long for the limit\ntwo\nand so is this last one";
        let (lines, overlong) = cut(text, 8, 20);
        assert_eq!(lines, [(0, b"one\n".to_vec()), (44, b"two\n".to_vec())]);
        assert_eq!(overlong, [4, 48]);
    }
}
