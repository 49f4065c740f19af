//! Reading the CSV tables that the program carries: rows with their line, and errors that name file and line.

use thiserror::Error;

/// A table row that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{file}:{line}: {message}")]
pub struct RulesError {
    /// Name of the table.
    pub file: String,
    /// Line of the row, from 1; 0 where no line is to blame.
    pub line: u64,
    /// What is wrong with it.
    pub message: String,
}

/// One row of a table, with its place.
pub(crate) struct Row<'a> {
    file: &'a str,
    /// Line in the file, from 1.
    pub(crate) line: u64,
    header: &'a csv::StringRecord,
    record: csv::StringRecord,
}

impl Row<'_> {
    /// The trimmed value of a column; empty where the table has no such column.
    pub(crate) fn get(&self, column: &str) -> &str {
        let at = self.header.iter().position(|name| name == column);
        at.and_then(|at| self.record.get(at)).unwrap_or("").trim()
    }

    /// A value that may not be empty.
    pub(crate) fn need(&self, column: &str) -> Result<&str, RulesError> {
        match self.get(column) {
            "" => Err(self.error(format!("column {column:?} is empty"))),
            value => Ok(value),
        }
    }

    pub(crate) fn error(&self, message: impl Into<String>) -> RulesError {
        RulesError { file: self.file.to_owned(), line: self.line, message: message.into() }
    }
}

/// Calls `each` for all rows of a table. All columns must be known ones.
pub(crate) fn for_each_row(
    file: &str,
    text: &str,
    columns: &[&str],
    mut each: impl FnMut(&Row<'_>) -> Result<(), RulesError>,
) -> Result<(), RulesError> {
    let fail = |line, message: String| RulesError { file: file.to_owned(), line, message };
    let mut reader = csv::ReaderBuilder::new().from_reader(text.as_bytes());
    let header = reader.headers().map_err(|e| fail(1, e.to_string()))?.clone();
    if let Some(unknown) = header.iter().find(|name| !columns.contains(name)) {
        return Err(fail(1, format!("unknown column {unknown:?}; known are {}", columns.join(", "))));
    }
    for record in reader.records() {
        let record = record.map_err(|e| fail(e.position().map_or(0, csv::Position::line), e.to_string()))?;
        let line = record.position().map_or(0, |position| line_of(text, position));
        each(&Row { file, line, header: &header, record })?;
    }
    Ok(())
}

/// The line that a row starts on. The reader's own count is that of the blank lines before it.
pub(crate) fn line_of(text: &str, position: &csv::Position) -> u64 {
    let at = usize::try_from(position.byte()).unwrap_or(usize::MAX);
    let before = text.as_bytes().get(at..).unwrap_or(&[]).iter().take_while(|b| matches!(b, b'\n' | b'\r'));
    position.line() + before.filter(|b| **b == b'\n').count() as u64
}
