//! The one error of this module.

use std::io;
use std::path::{Path, PathBuf};

use crate::text::shown_path;

/// What can go wrong with a table or a report: bad data never does, only files and schemas.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The operating system refused to read or write.
    #[error("{}: {source}", shown_path(path))]
    Io {
        /// The file, or `-` for standard output.
        path: PathBuf,
        /// Its words.
        #[source]
        source: io::Error,
    },
    /// The file is there but is not the table it should be.
    #[error("{}: {reason}", shown_path(path))]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong, without the path.
        reason: String,
    },
    /// A table in memory breaks its own rules.
    #[error("table {table}: {reason}")]
    Table {
        /// Name of the table.
        table: String,
        /// What is wrong.
        reason: String,
    },
}

impl ReportError {
    /// An I/O error at `path`.
    pub fn io(path: &Path, source: io::Error) -> Self {
        ReportError::Io { path: path.to_path_buf(), source }
    }

    /// Bad content of `path`.
    pub fn content(path: &Path, reason: impl ToString) -> Self {
        ReportError::Content { path: path.to_path_buf(), reason: reason.to_string() }
    }

    /// A broken table in memory.
    pub fn table(table: &str, reason: impl ToString) -> Self {
        ReportError::Table { table: table.to_string(), reason: reason.to_string() }
    }

    /// Whether a reader of our output went away (`| head -1`): no reason to complain.
    pub fn is_broken_pipe(&self) -> bool {
        matches!(self, ReportError::Io { source, .. } if source.kind() == io::ErrorKind::BrokenPipe)
    }
}
