//! A file in blocks, read at positions into a buffer that is used again.
//!
//! A line belongs to the block in which it starts: a block skips the rest of a line that started before it and reads
//! on past its end to finish its last line. So every line is in exactly one block, whatever the block size.
//! No memory mapping: a log that is truncated while it is read must not kill the program.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;

/// Bytes before a block that are read with it, so that a line can refer to the line before it.
pub const LOOKBACK: usize = 16 * 1024;

/// Read-on step for the last line of a block.
const STEP: usize = 64 * 1024;

/// A buffer and what part of it holds the lines of one block.
#[derive(Debug, Default)]
pub struct BlockBuffer {
    bytes: Vec<u8>,
    /// Offset in the file of `bytes[0]`.
    base: u64,
    /// The lines of this block within `bytes`: empty, or from the start of a line to the end of a line.
    lines: Range<usize>,
    /// A last line that was given up because it is longer than the limit: where it starts within `bytes`.
    overlong_at: Option<usize>,
    /// The file ended before the size it was listed with.
    cut_short: bool,
}

/// The lines of one block, borrowed.
#[derive(Clone, Copy, Debug)]
pub struct Block<'b> {
    /// Lines of this block with some bytes before them; `lines_at` tells where they start.
    pub bytes: &'b [u8],
    /// Offset in the input of `bytes[0]`, from 0.
    pub base: u64,
    /// Where the lines of this block start within `bytes`.
    pub lines_at: usize,
    /// The block's last line is longer than the limit and not in `bytes`; this is its offset in the input.
    pub overlong_at: Option<u64>,
}

impl BlockBuffer {
    /// Reads the block `range` of a file of `size` bytes. Lines longer than `max_line` bytes that start in it as its
    /// last are given up.
    ///
    /// # Errors
    /// What the system says; a file that has become shorter is no error but [`BlockBuffer::cut_short`].
    pub fn read(&mut self, file: &File, range: Range<u64>, size: u64, max_line: usize) -> io::Result<()> {
        self.base = range.start.saturating_sub(LOOKBACK as u64);
        self.overlong_at = None;
        self.cut_short = false;
        self.lines = 0..0;
        let wanted = (range.end.min(size) - self.base) as usize;
        let mut len = self.fill(file, 0, wanted)?;
        let start = (range.start - self.base) as usize;
        let Some(first) = first_line(self.bytes.get(..len).unwrap_or(&[]), start, range.start == 0) else {
            return Ok(());
        };
        while len > 0 && self.bytes.get(len - 1) != Some(&b'\n') && self.base + (len as u64) < size && !self.cut_short {
            let last =
                memchr::memrchr(b'\n', self.bytes.get(first..len).unwrap_or(&[])).map_or(first, |at| first + at + 1);
            // A carriage return is not counted; whoever reads the line decides about the byte that may be one.
            if len - last > max_line + 1 {
                self.overlong_at = Some(last);
                len = last;
                break;
            }
            let step = STEP.min((size - self.base) as usize - len);
            let got = self.fill(file, len, step)?;
            let new = self.bytes.get(len..len + got).unwrap_or(&[]);
            len += memchr::memchr(b'\n', new).map_or(got, |at| at + 1);
        }
        self.lines = first..len;
        Ok(())
    }

    /// Reads up to `len` bytes to `bytes[at..]`; returns how many there were.
    fn fill(&mut self, file: &File, at: usize, len: usize) -> io::Result<usize> {
        if self.bytes.len() < at + len {
            self.bytes.resize(at + len, 0);
        }
        let mut done = 0;
        while done < len {
            let target = self.bytes.get_mut(at + done..at + len).unwrap_or(&mut []);
            match file.read_at(target, self.base + (at + done) as u64) {
                Ok(0) => {
                    self.cut_short = true;
                    break;
                }
                Ok(n) => done += n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    /// Takes the bytes of a stream's block over: `lines` within `bytes`, which starts at offset `base`.
    pub(super) fn set(&mut self, base: u64, lines: Range<usize>, overlong_at: Option<usize>) {
        (self.base, self.lines, self.overlong_at, self.cut_short) = (base, lines, overlong_at, false);
    }

    pub(super) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// What was read last.
    pub fn block(&self) -> Block<'_> {
        Block {
            bytes: self.bytes.get(..self.lines.end).unwrap_or(&[]),
            base: self.base,
            lines_at: self.lines.start,
            overlong_at: self.overlong_at.map(|at| self.base + at as u64),
        }
    }

    /// Whether the file ended before the size it was listed with.
    pub fn cut_short(&self) -> bool {
        self.cut_short
    }
}

/// Where the first line starts that starts at or after `start`; `None` if none does in `bytes`.
fn first_line(bytes: &[u8], start: usize, at_top: bool) -> Option<usize> {
    if at_top {
        return (!bytes.is_empty()).then_some(0);
    }
    let before = start.checked_sub(1)?;
    let first = before + memchr::memchr(b'\n', bytes.get(before..)?)? + 1;
    (first < bytes.len()).then_some(first)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use std::io::Write;

    fn lines_in_blocks(text: &[u8], block_size: u64, max_line: usize) -> (Vec<(u64, Vec<u8>)>, Vec<u64>) {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        let size = text.len() as u64;
        let (mut lines, mut overlong, mut buffer, mut at) = (Vec::new(), Vec::new(), BlockBuffer::default(), 0);
        while at < size {
            buffer.read(&file, at..(at + block_size).min(size), size, max_line).unwrap();
            let block = buffer.block();
            let mut offset = block.base + block.lines_at as u64;
            for line in block.bytes[block.lines_at..].split_inclusive(|b| *b == b'\n') {
                lines.push((offset, line.to_vec()));
                offset += line.len() as u64;
            }
            overlong.extend(block.overlong_at);
            at += block_size;
        }
        (lines, overlong)
    }

    #[test]
    fn every_line_is_in_one_block_at_any_block_size() {
        let text = b"a\n\nbcd\r\nlonger line of text\n\n\nz without end";
        let whole = lines_in_blocks(text, 1000, 1000);
        assert_eq!(whole.0.len(), 7);
        for size in 1..text.len() as u64 + 2 {
            assert_eq!(lines_in_blocks(text, size, 1000), whole, "block size {size}");
        }
    }

    #[test]
    fn a_line_over_the_limit_is_given_up_and_the_next_one_found() {
        let mut text = vec![b'x'; 400_000];
        text.extend_from_slice(b"\nnext\n");
        for size in [1, 1000, 65_536, 100_000] {
            let (lines, overlong) = lines_in_blocks(&text, if size == 1 { 7919 } else { size }, 100_000);
            assert_eq!(lines, [(400_001, b"next\n".to_vec())], "block size {size}");
            assert_eq!(overlong, [0]);
        }
    }

    #[test]
    fn a_file_cut_while_it_is_read_is_told() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"one\ntw").unwrap();
        let mut buffer = BlockBuffer::default();
        buffer.read(&file, 0..100, 100, 1000).unwrap();
        assert!(buffer.cut_short());
        assert_eq!(buffer.block().bytes, b"one\ntw");
    }
}
