//! Rows of other people's CSV, in bounded memory: whatever the file holds, no cell takes more than [`MAX_CELL`] bytes
//! and no row more than [`MAX_CELLS`] cells. What goes beyond is passed over.

use std::io::{self, BufRead, Chain, Cursor, Read};

use csv_core::{ReadFieldResult, Reader, ReaderBuilder};

/// Bytes of a cell that are kept.
pub const MAX_CELL: usize = 1 << 20;
/// Cells of a row that are kept.
pub const MAX_CELLS: usize = 256;
/// Bytes that are unquoted at once.
const PIECE: usize = 4096;

/// Reads rows (RFC 4180; rows may differ in length, empty lines are none, a byte order mark is left out).
pub struct CsvRows<R> {
    input: Chain<Cursor<Vec<u8>>, R>,
    core: Reader,
    piece: Vec<u8>,
    quotes: Quotes,
}

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

impl<R: BufRead> CsvRows<R> {
    /// Rows of `input`, the header included. Reads its first bytes.
    ///
    /// # Errors
    /// What the input says.
    pub fn new(mut input: R) -> io::Result<Self> {
        // csv-core leaves the mark out too, but ends where it is all that it is given.
        let mut start = Vec::with_capacity(BYTE_ORDER_MARK.len());
        input.by_ref().take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut start)?;
        if start == BYTE_ORDER_MARK {
            start.clear();
        }
        let input = Cursor::new(start).chain(input);
        Ok(Self { input, core: ReaderBuilder::new().build(), piece: vec![0; PIECE], quotes: Quotes::default() })
    }

    /// The line, from 1, of a quote that is still open; after the last row, of one that is never closed, so that all
    /// behind it was taken for one cell.
    pub fn open_quote(&self) -> Option<u64> {
        self.quotes.open()
    }

    /// Reads the next row; `false` at the end. Bytes are as they stand, whatever their encoding.
    ///
    /// # Errors
    /// What the input says.
    pub fn next(&mut self, row: &mut Vec<Vec<u8>>) -> io::Result<bool> {
        row.clear();
        let mut cell = Vec::new();
        let mut cells = 0;
        loop {
            let bytes = match self.input.fill_buf() {
                Ok(bytes) => bytes,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let (result, taken, given) = self.core.read_field(bytes, &mut self.piece);
            self.quotes.pass(bytes.get(..taken).unwrap_or(&[]));
            self.input.consume(taken);
            let room = MAX_CELL.saturating_sub(cell.len());
            cell.extend_from_slice(self.piece.get(..given.min(room)).unwrap_or(&[]));
            match result {
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
                ReadFieldResult::End => return Ok(false),
                ReadFieldResult::Field { record_end } => {
                    let full = std::mem::take(&mut cell);
                    if cells < MAX_CELLS {
                        row.push(full);
                    }
                    cells += 1;
                    if record_end {
                        return Ok(true);
                    }
                }
            }
        }
    }
}

/// Whether a quote is open behind the bytes of a CSV file that were passed, without a byte order mark.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quotes {
    within: Within,
    /// Line breaks so far.
    breaks: u64,
    /// As many stood before the last quote that was opened.
    opened: u64,
}

#[derive(Clone, Copy, Debug, Default)]
enum Within {
    #[default]
    Start,
    Plain,
    Quoted,
    /// Behind a quote in a quoted cell: its end, or the first of two.
    Quote,
}

impl Quotes {
    /// Passes the next bytes.
    pub fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.within = match (self.within, byte) {
                (Within::Quoted, b'"') => Within::Quote,
                (Within::Quoted, _) | (Within::Quote, b'"') => Within::Quoted,
                (Within::Start, b'"') => {
                    self.opened = self.breaks;
                    Within::Quoted
                }
                (_, b',' | b'\r' | b'\n') => Within::Start,
                _ => Within::Plain,
            };
            self.breaks += u64::from(*byte == b'\n');
        }
    }

    /// The line, from 1, of the quote that is open.
    pub fn open(&self) -> Option<u64> {
        matches!(self.within, Within::Quoted).then_some(self.opened + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &[u8], buffer: usize) -> Vec<Vec<String>> {
        let mut reader =
            CsvRows::new(io::BufReader::with_capacity(buffer, text)).unwrap_or_else(|e| unreachable!("{e}"));
        let (mut rows, mut row) = (Vec::new(), Vec::new());
        while reader.next(&mut row).is_ok_and(|more| more) {
            rows.push(row.iter().map(|cell| String::from_utf8_lossy(cell).into_owned()).collect());
        }
        rows
    }

    #[test]
    fn rows_are_read_whatever_pieces_they_come_in() {
        let text = "\u{feff}id,text\r\n1,\"a, \"\"b\"\"\nc\"\n\n2\n3,x,y\n4,\"open".as_bytes();
        let want: Vec<Vec<&str>> =
            vec![vec!["id", "text"], vec!["1", "a, \"b\"\nc"], vec!["2"], vec!["3", "x", "y"], vec!["4", "open"]];
        for buffer in [1, 2, 3, 7, 64, 4096] {
            assert_eq!(rows(text, buffer), want, "{buffer}");
        }
        assert!(rows(b"", 64).is_empty());
    }

    #[test]
    fn an_open_quote_is_told_with_its_line() {
        for (text, line) in [
            ("id,text\n1,\"a\n\"\"b\"\"\n2,c", Some(2)),
            ("\u{feff}\"id\",text\r\n1,\"a\r\nb\"\r\n2,\"c", Some(4)),
            ("\"", Some(1)),
            ("a,\"b\"\"\"\nc\"d,e", None),
            ("a,\"b\"\"", Some(1)),
            ("", None),
        ] {
            for buffer in [1, 2, 4096] {
                let mut reader = CsvRows::new(io::BufReader::with_capacity(buffer, text.as_bytes()))
                    .unwrap_or_else(|e| unreachable!("{e}"));
                let mut row = Vec::new();
                while reader.next(&mut row).is_ok_and(|more| more) {}
                assert_eq!(reader.open_quote(), line, "{text:?}, {buffer}");
            }
        }
    }

    #[test]
    fn memory_is_bounded() {
        let huge = [b"1,\"".as_slice(), &vec![b'x'; 3 * MAX_CELL], b"\"\n2,b\n"].concat();
        let read = rows(&huge, 4096);
        assert_eq!(read.first().and_then(|row| row.get(1)).map(String::len), Some(MAX_CELL));
        assert_eq!(read.get(1).map(Vec::len), Some(2));
        let many = ",".repeat(1_000_000);
        assert_eq!(rows(many.as_bytes(), 4096).first().map(Vec::len), Some(MAX_CELLS));
    }
}
