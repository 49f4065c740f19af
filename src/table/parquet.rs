//! Tables as Parquet files. The only place that knows polars.
//!
//! What the files promise: row groups of at most [`ROW_GROUP_ROWS`] rows, zstd, statistics of every column, text as
//! plain UTF-8 (`large_string` to Arrow), dates and times as such, whole numbers signed; the schema's version and
//! each column's documentation as key-value metadata; the same bytes for the same table. polars marks every column
//! as optional, also those that never hold a null.

use std::fs::File;
use std::io::{BufWriter, Cursor, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use polars::io::parquet::write::BatchedWriter;
use polars::prelude::NamedFrom;
use polars::prelude::{
    Column as PolarsColumn, DataFrame, DataType, IntoColumn, IntoSeries, KeyValueMetadata, NewChunkedArray,
    ParquetCompression, ParquetReader, ParquetWriter, PolarsError, SerReader, Series, StatisticsOptions, StringChunked,
    TimeUnit, TimeZone,
};

use super::arrow_schema;
use super::{Column, ColumnData, ReportError, SCHEMA_VERSION, Table};

/// Rows of a row group: part of what makes files the same everywhere.
pub const ROW_GROUP_ROWS: usize = 262_144;

const KEY_ARROW: &str = "ARROW:schema";
const KEY_VERSION: &str = "bouncesift.schema_version";
const KEY_TABLE: &str = "bouncesift.table";
const KEY_COLUMN: &str = "bouncesift.column.";

/// Writes a table, or batches of one, to a file.
pub struct TableWriter {
    path: PathBuf,
    writer: BatchedWriter<BufWriter<File>>,
}

impl TableWriter {
    /// A writer of tables with the columns of `like`, whose rows do not matter.
    ///
    /// # Errors
    /// [`ReportError::Io`] where the file cannot be written, [`ReportError::Content`] where polars refuses; likewise
    /// below.
    pub fn create(path: &Path, like: &Table) -> Result<Self, ReportError> {
        let file = File::create(path).map_err(|e| ReportError::io(path, e))?;
        let empty = frame(like).map_err(|e| polars_error(path, e))?.head(Some(0));
        let mut pairs = metadata(like);
        if let Some(schema) = plain_arrow_schema(&empty) {
            pairs.push((KEY_ARROW.to_string(), schema));
        }
        let writer = options(BufWriter::new(file), pairs).batched(empty.schema());
        Ok(Self { path: path.into(), writer: writer.map_err(|e| polars_error(path, e))? })
    }

    /// Adds the rows of a table, in row groups of at most [`ROW_GROUP_ROWS`] rows.
    pub fn append(&mut self, table: &Table) -> Result<(), ReportError> {
        let failed = |e| polars_error(&self.path, e);
        let frame = frame(table).map_err(failed)?;
        for start in (0..table.rows()).step_by(ROW_GROUP_ROWS) {
            let group = frame.slice(start as i64, ROW_GROUP_ROWS);
            self.writer.write_batch(&group).map_err(failed)?;
        }
        Ok(())
    }

    /// Writes the end of the file, without which it is none.
    pub fn finish(self) -> Result<(), ReportError> {
        self.writer.finish().map(|_| ()).map_err(|e| polars_error(&self.path, e))
    }
}

/// Writes a table to a file.
///
/// # Errors
/// As [`TableWriter::create`].
pub fn write_file(table: &Table, path: &Path) -> Result<(), ReportError> {
    let mut writer = TableWriter::create(path, table)?;
    writer.append(table)?;
    writer.finish()
}

fn options<W: Write>(out: W, pairs: Vec<(String, String)>) -> ParquetWriter<W> {
    ParquetWriter::new(out)
        .with_compression(ParquetCompression::Zstd(None))
        .with_statistics(StatisticsOptions::full())
        .with_key_value_metadata(Some(KeyValueMetadata::from_static(pairs)))
}

fn metadata(table: &Table) -> Vec<(String, String)> {
    let mut pairs =
        vec![(KEY_VERSION.to_string(), SCHEMA_VERSION.to_string()), (KEY_TABLE.to_string(), table.name().to_string())];
    pairs.extend(table.columns().iter().map(|c| (format!("{KEY_COLUMN}{}", c.name), c.doc.to_string())));
    pairs
}

/// The embedded Arrow schema with plain strings: polars writes its own string views there, which older readers
/// refuse, and gives no other way to the schema than to write it and look.
fn plain_arrow_schema(frame: &DataFrame) -> Option<String> {
    let mut bytes = Vec::new();
    options(&mut bytes, Vec::new()).finish(&mut frame.head(Some(0))).ok()?;
    let mut reader = ParquetReader::new(Cursor::new(bytes));
    let pairs = reader.get_metadata().ok()?.key_value_metadata().as_ref()?;
    let schema = pairs.iter().find(|pair| pair.key == KEY_ARROW)?.value.as_deref()?;
    arrow_schema::with_plain_strings(schema)
}

fn frame(table: &Table) -> Result<DataFrame, PolarsError> {
    DataFrame::new(table.rows(), table.columns().iter().map(column).collect())
}

fn column(column: &Column) -> PolarsColumn {
    let name = (&*column.name).into();
    let series = match &column.data {
        ColumnData::Date(v) => Series::new(name, v.as_slice()).into_date(),
        ColumnData::Str(v) => StringChunked::from_iter_options(name, v.iter().map(|t| t.as_deref())).into_series(),
        ColumnData::Int32(v) => Series::new(name, v.as_slice()),
        ColumnData::Int64(v) => Series::new(name, v.as_slice()),
        ColumnData::Int64Null(v) => Series::new(name, v.as_slice()),
        ColumnData::Float64(v) => Series::new(name, v.as_slice()),
        ColumnData::Timestamp(v) => {
            Series::new(name, v.as_slice()).into_datetime(TimeUnit::Microseconds, Some(TimeZone::UTC))
        }
        ColumnData::Bool(v) => Series::new(name, v.as_slice()),
        ColumnData::BoolNull(v) => Series::new(name, v.as_slice()),
    };
    series.into_column()
}

/// Reads a table that [`TableWriter`] wrote. A column of counts comes back as [`ColumnData::Int64`] where it holds no null,
/// else as [`ColumnData::Int64Null`].
///
/// # Errors
/// [`ReportError::Io`], or [`ReportError::Content`] where the file is no such table.
pub fn read(path: &Path) -> Result<Table, ReportError> {
    // Given a file, polars would map it, and a file cut short meanwhile would then kill us.
    let bytes = std::fs::read(path).map_err(|e| ReportError::io(path, e))?;
    let mut reader = ParquetReader::new(Cursor::new(bytes));
    let footer = reader.get_metadata().map_err(|e| polars_error(path, e))?;
    let pairs = footer.key_value_metadata().clone().unwrap_or_default();
    let find = |key: &str| pairs.iter().find(|pair| pair.key == key).and_then(|pair| pair.value.clone());
    let version = find(KEY_VERSION).ok_or_else(|| ReportError::content(path, "no table of bouncesift"))?;
    let major = |version: &str| version.split('.').next().unwrap_or_default().to_string();
    if major(&version) != major(SCHEMA_VERSION) {
        let reason = format!("schema version {version}; this program reads {}", major(SCHEMA_VERSION));
        return Err(ReportError::content(path, crate::text::sanitize(&reason)));
    }
    let frame = reader.finish().map_err(|e| polars_error(path, e))?;
    let mut columns = Vec::with_capacity(frame.width());
    for column in frame.columns() {
        let series = column.as_materialized_series();
        let name = series.name().to_string();
        let doc = find(&format!("{KEY_COLUMN}{name}")).unwrap_or_default();
        let data = data(series).map_err(|e| polars_error(path, e))?;
        columns.push(Column { name: name.into(), doc: doc.into(), data });
    }
    Table::new(find(KEY_TABLE).unwrap_or_default(), columns)
}

fn data(series: &Series) -> Result<ColumnData, PolarsError> {
    let wrong = || PolarsError::SchemaMismatch(format!("column {} is {}", series.name(), series.dtype()).into());
    Ok(match series.dtype() {
        DataType::Date => ColumnData::Date(series.to_physical_repr().i32()?.iter().collect()),
        DataType::String => ColumnData::Str(series.str()?.iter().map(|t| t.map(Arc::from)).collect()),
        DataType::Int32 => ColumnData::Int32(series.i32()?.iter().collect()),
        DataType::Int64 if series.null_count() == 0 => ColumnData::Int64(series.i64()?.iter().flatten().collect()),
        DataType::Int64 => ColumnData::Int64Null(series.i64()?.iter().collect()),
        DataType::Float64 => ColumnData::Float64(series.f64()?.iter().collect()),
        DataType::Datetime(TimeUnit::Microseconds, _) => {
            ColumnData::Timestamp(series.to_physical_repr().i64()?.iter().collect())
        }
        DataType::Boolean if series.null_count() == 0 => ColumnData::Bool(series.bool()?.iter().flatten().collect()),
        DataType::Boolean => ColumnData::BoolNull(series.bool()?.iter().collect()),
        _ => return Err(wrong()),
    })
}

fn polars_error(path: &Path, error: PolarsError) -> ReportError {
    match error {
        PolarsError::IO { error, .. } => ReportError::io(path, std::io::Error::new(error.kind(), error)),
        other => ReportError::content(path, crate::text::sanitize(&other.to_string())),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
    use super::*;

    #[test]
    fn text_is_no_string_view() {
        let columns = vec![
            Column::new("day", "", ColumnData::Date(vec![])),
            Column::new("text", "", ColumnData::Str(vec![])),
            Column::new("count", "", ColumnData::Int64(vec![])),
            Column::new("more", "", ColumnData::Str(vec![])),
        ];
        let file = tempfile::NamedTempFile::new().unwrap();
        write_file(&Table::new("t", columns).unwrap(), file.path()).unwrap();
        let mut reader = ParquetReader::new(File::open(file.path()).unwrap());
        let pairs = reader.get_metadata().unwrap().key_value_metadata().clone().unwrap();
        let schemas: Vec<_> = pairs.iter().filter(|pair| pair.key == KEY_ARROW).collect();
        assert_eq!(schemas.len(), 1);
        // Schema.fbs: Date is 8, LargeUtf8 20, Int 2; a string view would be 24.
        assert_eq!(arrow_schema::types(schemas[0].value.as_deref().unwrap()).unwrap(), [8, 20, 2, 20]);
    }
}
