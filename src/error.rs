//! The one error type: what went wrong, where, and what to do. Bad data is never an error; it is counted.

use std::io;
use std::path::PathBuf;

/// A failure that stops the program, or (for inputs) one input.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file system refused.
    #[error("{}: {action} failed: {source}", crate::text::shown_path(path))]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, for example `reading`.
        action: &'static str,
        /// The system's answer.
        source: io::Error,
    },
    /// Standard output could not be written.
    #[error("standard output: {0}")]
    Stdout(io::Error),
    /// Arguments that cannot be carried out.
    #[error("{0}")]
    Usage(String),
    /// None of the inputs could be read.
    #[error("nothing to report: {0}")]
    NoInput(String),
    /// A table or report could not be made.
    #[error("{0}")]
    Report(String),
    /// The counts do not add up: a bug.
    #[error("counts do not add up: {0}. This is a bug in bouncesift {version}; please report it", version = env!("CARGO_PKG_VERSION"))]
    Invariant(String),
}

impl From<crate::table::ReportError> for Error {
    fn from(error: crate::table::ReportError) -> Self {
        match error {
            crate::table::ReportError::Io { path, source } if path.as_os_str() == "-" => Error::Stdout(source),
            error => Error::Report(error.to_string()),
        }
    }
}

impl Error {
    /// An [`Error::Io`].
    pub fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { path, action, source }
    }

    /// The exit status that this failure ends the program with.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Usage(_) => 2,
            Error::Invariant(_) => 70,
            Error::Io { .. } | Error::Stdout(_) | Error::NoInput(_) | Error::Report(_) => 1,
        }
    }
}
