//! Tables as CSV (RFC 4180), safe to open in a spreadsheet and to print on a terminal.
//!
//! - Null is the empty field; no column uses the empty string as a value.
//! - Every byte is ASCII: characters beyond it and control characters are written `\u{e9}`. So that this can be
//!   undone, a backslash that stands before `u{` is written `\u{5c}`.
//! - Text that a spreadsheet would take for a formula (it starts with `=`, `+`, `-`, `@`, tab, CR, LF or a
//!   full-width form of the first four) gets a leading `'`; so does text that has `'` before such a start already.
//!
//! `raw` turns the last two off: text as it is, in UTF-8.

use std::borrow::Cow;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::ReportError;
use super::time;
use super::{Column, ColumnData, Table, Value};
use crate::text::push_escape;

/// How to write.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CsvOptions {
    /// Neither guard nor escape text.
    pub raw: bool,
    /// Start with a byte order mark: Excel then takes the file for UTF-8.
    pub bom: bool,
}

/// Rows that a spreadsheet (Excel, LibreOffice) can hold, the header included.
pub const SPREADSHEET_ROWS: usize = 1_048_576;

/// A warning for a table that a spreadsheet would cut without a word.
pub fn spreadsheet_warning(table: &Table) -> Option<String> {
    let rows = table.rows();
    let warn =
        || format!("{}.csv: {rows} rows; spreadsheets show the first {} only", table.name(), SPREADSHEET_ROWS - 1);
    (rows >= SPREADSHEET_ROWS).then(warn)
}

/// Writes a table, or batches of one, as CSV.
pub struct CsvWriter<W: Write> {
    writer: ::csv::Writer<W>,
    path: PathBuf,
    raw: bool,
    has_header: bool,
    cell: String,
}

impl<W: Write> CsvWriter<W> {
    /// A writer to `out`, which is named `path` in errors.
    ///
    /// # Errors
    /// [`ReportError::Io`] where `out` refuses; likewise below.
    pub fn new(mut out: W, path: &Path, options: CsvOptions) -> Result<Self, ReportError> {
        if options.bom {
            out.write_all("\u{feff}".as_bytes()).map_err(|e| ReportError::io(path, e))?;
        }
        let writer = ::csv::WriterBuilder::new().from_writer(out);
        Ok(Self { writer, path: path.into(), raw: options.raw, has_header: false, cell: String::new() })
    }

    /// Adds the rows of a table; the first one's column names make the header.
    pub fn append(&mut self, table: &Table) -> Result<(), ReportError> {
        let at = |e: ::csv::Error| ReportError::io(&self.path, plain(e));
        if !self.has_header {
            self.writer.write_record(table.columns().iter().map(|c| c.name.as_bytes())).map_err(at)?;
            self.has_header = true;
        }
        for row in 0..table.rows() {
            for column in table.columns() {
                self.cell.clear();
                push_value(&mut self.cell, column.data.value(row).unwrap_or(Value::Null), self.raw);
                self.writer.write_field(&self.cell).map_err(at)?;
            }
            self.writer.write_record(None::<&[u8]>).map_err(at)?;
        }
        Ok(())
    }

    /// Hands the last bytes over.
    pub fn finish(mut self) -> Result<(), ReportError> {
        self.writer.flush().map_err(|e| ReportError::io(&self.path, e))
    }
}

/// The error of the file behind the writer, with its kind.
fn plain(error: ::csv::Error) -> std::io::Error {
    match error.into_kind() {
        ::csv::ErrorKind::Io(error) => error,
        other => std::io::Error::other(format!("{other:?}")),
    }
}

/// Writes a table to `out`, which is named `path` in errors.
///
/// # Errors
/// [`ReportError::Io`] where `out` refuses.
pub fn write(table: &Table, out: impl Write, path: &Path, options: CsvOptions) -> Result<(), ReportError> {
    let mut writer = CsvWriter::new(out, path, options)?;
    writer.append(table)?;
    writer.finish()
}

fn push_value(cell: &mut String, value: Value<'_>, raw: bool) {
    match value {
        Value::Null => {}
        Value::Str(text) if raw => cell.push_str(text),
        Value::Str(text) => push_text(cell, text),
        Value::Date(days) => cell.push_str(&time::date(days)),
        Value::Timestamp(micros) => cell.push_str(&time::timestamp(micros)),
        Value::Int(n) => cell.push_str(&n.to_string()),
        Value::Float(x) => cell.push_str(&x.to_string()),
        Value::Bool(flag) => cell.push_str(if flag { "true" } else { "false" }),
    }
}

fn push_text(cell: &mut String, text: &str) {
    if needs_guard(text) {
        cell.push('\'');
    }
    for (i, c) in text.char_indices() {
        let starts_escape = c == '\\' && text.get(i + 1..).is_some_and(|rest| rest.starts_with("u{"));
        if starts_escape || !c.is_ascii() || c.is_ascii_control() { push_escape(cell, c) } else { cell.push(c) }
    }
}

/// The text with the guard that keeps a spreadsheet from taking it for a formula, where it needs one.
pub fn guarded(text: &str) -> Cow<'_, str> {
    if needs_guard(text) { Cow::Owned(format!("'{text}")) } else { Cow::Borrowed(text) }
}

/// Whether `text`, after any `'`, starts like a formula.
fn needs_guard(text: &str) -> bool {
    let start = text.trim_start_matches('\'').chars().next();
    start.is_some_and(|c| "=+-@\t\r\n\u{ff1d}\u{ff0b}\u{ff0d}\u{ff20}".contains(c))
}

/// The text that [`write()`] made this cell of (not `raw`).
pub fn unescape(cell: &str) -> String {
    let mut text = String::with_capacity(cell.len());
    let mut rest = cell;
    while let Some(at) = rest.find("\\u{") {
        text.push_str(rest.get(..at).unwrap_or_default());
        let after = rest.get(at + 3..).unwrap_or_default();
        let escaped = after.split_once('}').and_then(|(hex, tail)| {
            let plain = hex.len() <= 6 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            Some((char::from_u32(u32::from_str_radix(hex, 16).ok().filter(|_| plain)?)?, tail))
        });
        match escaped {
            Some((c, tail)) => {
                text.push(c);
                rest = tail;
            }
            None => {
                text.push_str("\\u{");
                rest = after;
            }
        }
    }
    text.push_str(rest);
    match text.strip_prefix('\'') {
        Some(unguarded) if needs_guard(unguarded) => unguarded.to_string(),
        _ => text,
    }
}

/// Reads a table that [`write()`] wrote (not `raw`), with the columns of `schema` in their order.
///
/// Further columns are passed over: a newer version may have added them.
///
/// # Errors
/// [`ReportError::Io`], or [`ReportError::Content`] with the line of the first cell that does not fit.
pub fn read(input: impl Read, path: &Path, schema: &Table) -> Result<Table, ReportError> {
    let bad = |e: ::csv::Error| match e.is_io_error() {
        true => ReportError::io(path, e.into()),
        false => ReportError::content(path, e),
    };
    let mut reader = ::csv::Reader::from_reader(input);
    let header = reader.headers().map_err(bad)?.clone();
    let mut columns = Vec::new();
    for column in schema.columns() {
        let found = header.iter().position(|name| name.trim_start_matches('\u{feff}') == column.name);
        let place = found.ok_or_else(|| ReportError::content(path, format!("no column {}", column.name)))?;
        columns.push((place, Column { data: empty_like(&column.data), ..column.clone() }));
    }
    let mut record = ::csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(bad)? {
        for (place, column) in &mut columns {
            let cell = record.get(*place).unwrap_or_default();
            if push_cell(&mut column.data, cell).is_none() {
                let line = record.position().map_or(0, ::csv::Position::line);
                let reason = format!("line {line}: column {} holds no {}", column.name, column.data.type_name());
                return Err(ReportError::content(path, reason));
            }
        }
    }
    Table::new(schema.name().to_string(), columns.into_iter().map(|(_, column)| column).collect())
}

fn empty_like(data: &ColumnData) -> ColumnData {
    match data {
        ColumnData::Date(_) => ColumnData::Date(Vec::new()),
        ColumnData::Str(_) => ColumnData::Str(Vec::new()),
        ColumnData::Int32(_) => ColumnData::Int32(Vec::new()),
        ColumnData::Int64(_) => ColumnData::Int64(Vec::new()),
        ColumnData::Int64Null(_) => ColumnData::Int64Null(Vec::new()),
        ColumnData::Float64(_) => ColumnData::Float64(Vec::new()),
        ColumnData::Timestamp(_) => ColumnData::Timestamp(Vec::new()),
        ColumnData::Bool(_) => ColumnData::Bool(Vec::new()),
        ColumnData::BoolNull(_) => ColumnData::BoolNull(Vec::new()),
    }
}

/// Appends the cell's value; `None` where it is none of the column's type.
fn push_cell(data: &mut ColumnData, cell: &str) -> Option<()> {
    fn nullable<T>(cell: &str, parse: impl Fn(&str) -> Option<T>) -> Option<Option<T>> {
        if cell.is_empty() { Some(None) } else { parse(cell).map(Some) }
    }
    match data {
        ColumnData::Date(v) => v.push(nullable(cell, time::parse_date)?),
        ColumnData::Str(v) => v.push(nullable(cell, |c| Some(Arc::from(unescape(c))))?),
        ColumnData::Int32(v) => v.push(nullable(cell, |c| c.parse().ok())?),
        ColumnData::Int64(v) => v.push(cell.parse().ok()?),
        ColumnData::Int64Null(v) => v.push(nullable(cell, |c| c.parse().ok())?),
        ColumnData::Float64(v) => v.push(nullable(cell, |c| c.parse().ok())?),
        ColumnData::Timestamp(v) => v.push(nullable(cell, time::parse_timestamp)?),
        ColumnData::Bool(v) => v.push(cell.parse().ok()?),
        ColumnData::BoolNull(v) => v.push(nullable(cell, |c| c.parse().ok())?),
    }
    Some(())
}
