//! The one interface between what makes tables and what writes them: a plain table of typed columns whose rows have an
//! order, and the file formats it is written in.

#[cfg(feature = "parquet")]
mod arrow_schema;
pub mod csv;
pub mod csv_read;
mod error;
pub mod json;
#[cfg(feature = "parquet")]
pub mod parquet;
pub mod time;

use std::borrow::Cow;
use std::sync::Arc;

pub use error::ReportError;

/// Version of names, types, order and meaning of columns. Additions raise it; nothing else may change.
pub const SCHEMA_VERSION: &str = "1.0";

/// The values of one column, top to bottom. `None` is null.
#[derive(Clone, Debug, PartialEq)]
pub enum ColumnData {
    /// Days since 1970-01-01.
    Date(Vec<Option<i32>>),
    /// Text, never empty.
    Str(Vec<Option<Arc<str>>>),
    /// Small numbers such as codes.
    Int32(Vec<Option<i32>>),
    /// Counts, never null.
    Int64(Vec<i64>),
    /// Counts that may be unknown.
    Int64Null(Vec<Option<i64>>),
    /// Rates.
    Float64(Vec<Option<f64>>),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(Vec<Option<i64>>),
    /// Flags, never null.
    Bool(Vec<bool>),
    /// Flags that may be unknown.
    BoolNull(Vec<Option<bool>>),
}

impl ColumnData {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            ColumnData::Date(v) | ColumnData::Int32(v) => v.len(),
            ColumnData::Str(v) => v.len(),
            ColumnData::Int64(v) => v.len(),
            ColumnData::Int64Null(v) | ColumnData::Timestamp(v) => v.len(),
            ColumnData::Float64(v) => v.len(),
            ColumnData::Bool(v) => v.len(),
            ColumnData::BoolNull(v) => v.len(),
        }
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name of the type, as documentation and messages use it.
    pub fn type_name(&self) -> &'static str {
        match self {
            ColumnData::Date(_) => "date",
            ColumnData::Str(_) => "string",
            ColumnData::Int32(_) => "int32",
            ColumnData::Int64(_) | ColumnData::Int64Null(_) => "int64",
            ColumnData::Float64(_) => "double",
            ColumnData::Timestamp(_) => "timestamp(us, UTC)",
            ColumnData::Bool(_) | ColumnData::BoolNull(_) => "boolean",
        }
    }

    /// The value in row `row`; `None` beyond the last one.
    pub fn value(&self, row: usize) -> Option<Value<'_>> {
        Some(match self {
            ColumnData::Date(v) => v.get(row)?.map_or(Value::Null, Value::Date),
            ColumnData::Str(v) => v.get(row)?.as_deref().map_or(Value::Null, Value::Str),
            ColumnData::Int32(v) => v.get(row)?.map_or(Value::Null, |n| Value::Int(n.into())),
            ColumnData::Int64(v) => Value::Int(*v.get(row)?),
            ColumnData::Int64Null(v) => v.get(row)?.map_or(Value::Null, Value::Int),
            ColumnData::Float64(v) => v.get(row)?.map_or(Value::Null, Value::Float),
            ColumnData::Timestamp(v) => v.get(row)?.map_or(Value::Null, Value::Timestamp),
            ColumnData::Bool(v) => Value::Bool(*v.get(row)?),
            ColumnData::BoolNull(v) => v.get(row)?.map_or(Value::Null, Value::Bool),
        })
    }
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Not known or not applicable.
    Null,
    /// Days since 1970-01-01.
    Date(i32),
    /// Text, never empty.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// A rate.
    Float(f64),
    /// Microseconds since 1970-01-01 UTC.
    Timestamp(i64),
    /// A flag.
    Bool(bool),
}

/// A named column with its documentation.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Name, part of the contract.
    pub name: Cow<'static, str>,
    /// What it means and when it is null; goes into Parquet metadata and `schema`.
    pub doc: Cow<'static, str>,
    /// The values.
    pub data: ColumnData,
}

impl Column {
    /// A column as written in code.
    pub fn new(name: &'static str, doc: &'static str, data: ColumnData) -> Self {
        Column { name: Cow::Borrowed(name), doc: Cow::Borrowed(doc), data }
    }
}

/// A table. All columns have the same number of rows, and no two the same name.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    name: Cow<'static, str>,
    columns: Vec<Column>,
}

impl Table {
    /// A table of these columns.
    ///
    /// Empty strings become null: no column uses the empty string as a value.
    ///
    /// # Errors
    /// [`ReportError::Table`] where columns differ in length or share a name.
    pub fn new(name: impl Into<Cow<'static, str>>, mut columns: Vec<Column>) -> Result<Self, ReportError> {
        let name = name.into();
        let rows = columns.first().map_or(0, |c| c.data.len());
        for (i, column) in columns.iter().enumerate() {
            if column.data.len() != rows {
                let reason = format!("column {} has {} rows, not {rows}", column.name, column.data.len());
                return Err(ReportError::table(&name, reason));
            }
            if columns.iter().take(i).any(|earlier| earlier.name == column.name) {
                return Err(ReportError::table(&name, format!("two columns {}", column.name)));
            }
        }
        columns.iter_mut().for_each(|c| empty_to_null(&mut c.data));
        Ok(Table { name, columns })
    }

    /// Name, as in file names: `causes_by_isp`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |c| c.data.len())
    }

    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The values of column `name`, for reading a table back.
    ///
    /// # Errors
    /// [`ReportError::Table`] where there is no such column.
    pub fn data(&self, name: &str) -> Result<&ColumnData, ReportError> {
        let found = self.column(name).map(|c| &c.data);
        found.ok_or_else(|| ReportError::table(&self.name, format!("no column {name}")))
    }

    /// An error that says that column `name` is not what it should be.
    pub(crate) fn wrong_type(&self, name: &str, data: &ColumnData, wanted: &str) -> ReportError {
        ReportError::table(&self.name, format!("column {name} is {}, not {wanted}", data.type_name()))
    }

    /// Text column `name`.
    ///
    /// # Errors
    /// [`ReportError::Table`] where it is missing or of another type; likewise the functions below.
    pub fn strs(&self, name: &str) -> Result<&[Option<Arc<str>>], ReportError> {
        match self.data(name)? {
            ColumnData::Str(v) => Ok(v),
            other => Err(self.wrong_type(name, other, "string")),
        }
    }

    /// Counts of column `name`; a null is an error.
    pub fn counts(&self, name: &str) -> Result<&[i64], ReportError> {
        match self.data(name)? {
            ColumnData::Int64(v) => Ok(v),
            other => Err(self.wrong_type(name, other, "int64 without nulls")),
        }
    }

    /// Small numbers of column `name`.
    pub fn ints(&self, name: &str) -> Result<&[Option<i32>], ReportError> {
        match self.data(name)? {
            ColumnData::Int32(v) => Ok(v),
            other => Err(self.wrong_type(name, other, "int32")),
        }
    }

    /// Days of column `name`.
    pub fn dates(&self, name: &str) -> Result<&[Option<i32>], ReportError> {
        match self.data(name)? {
            ColumnData::Date(v) => Ok(v),
            other => Err(self.wrong_type(name, other, "date")),
        }
    }

    /// Times of column `name`.
    pub fn timestamps(&self, name: &str) -> Result<&[Option<i64>], ReportError> {
        match self.data(name)? {
            ColumnData::Timestamp(v) => Ok(v),
            other => Err(self.wrong_type(name, other, "timestamp")),
        }
    }
}

/// A count as tables hold it: at most `i64::MAX`.
pub fn int64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn empty_to_null(data: &mut ColumnData) {
    if let ColumnData::Str(values) = data {
        for value in values.iter_mut().filter(|v| v.as_deref() == Some("")) {
            *value = None;
        }
    }
}
