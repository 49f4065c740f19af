//! `--rules` and `--isps`: the user's own tables, on all commands that judge.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::isp::{LostSample, Table};
use crate::knowledge::{Knowledge, OwnTable};
use crate::table::csv_read::Quotes;
use crate::text::shown_path;

/// Bytes of one table. A table of rules is a file written by hand.
const LARGEST_TABLE: u64 = 16 << 20;

/// The user's own tables.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct KnowledgeArgs {
    /// A table of own rules, tried before the built-in ones; columns: bouncesift schema rules. May be repeated
    #[arg(long, value_name = "FILE.csv", help_heading = "Classification")]
    pub rules: Vec<PathBuf>,
    /// A table of own ISPs, tried before the built-in ones; columns: bouncesift schema isps. May be repeated
    #[arg(long, value_name = "FILE.csv", help_heading = "Classification")]
    pub isps: Vec<PathBuf>,
}

impl KnowledgeArgs {
    /// The built-in tables with these before them.
    ///
    /// # Errors
    /// [`Error::Usage`] with the file for one that cannot be read, and with the line for one that is no such table.
    pub fn load(&self) -> Result<Knowledge, Error> {
        let (rules, isps) = (read_all(&self.rules)?, read_all(&self.isps)?);
        Knowledge::with_own(&borrowed(&rules), &borrowed(&isps))
    }

    /// Rows of own ISPs whose samples do not select them. `knowledge` was loaded from these tables.
    ///
    /// # Errors
    /// As [`KnowledgeArgs::load`].
    pub fn lost_samples(&self, knowledge: &Knowledge) -> Result<Vec<LostSample>, Error> {
        let isps = read_all(&self.isps)?;
        let clean: Vec<String> = isps.iter().map(|(_, text)| crate::knowledge::clean(text)).collect();
        let tables: Vec<Table<'_>> = isps.iter().zip(&clean).map(|((name, _), csv)| Table { name, csv }).collect();
        knowledge.directory.lost_samples(&tables).map_err(|error| Error::Usage(error.to_string()))
    }
}

fn borrowed(tables: &[(String, String)]) -> Vec<OwnTable<'_>> {
    tables.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

fn read_all(paths: &[PathBuf]) -> Result<Vec<(String, String)>, Error> {
    paths.iter().map(|path| Ok((shown_path(path), read(path)?))).collect()
}

fn read(path: &Path) -> Result<String, Error> {
    let mut bytes = Vec::new();
    let wrong = |what: String| Error::Usage(format!("{}: {what}", shown_path(path)));
    File::open(path)
        .and_then(|file| file.take(LARGEST_TABLE + 1).read_to_end(&mut bytes))
        .map_err(|error| wrong(format!("reading failed: {error}")))?;
    if bytes.len() as u64 > LARGEST_TABLE {
        return Err(wrong(format!("longer than {} MB; this is no table of rules", LARGEST_TABLE >> 20)));
    }
    if bytes.trim_ascii().is_empty() {
        return Err(wrong("is empty; its first line must name the columns, see: bouncesift schema".to_owned()));
    }
    let mut quotes = Quotes::default();
    quotes.pass(bytes.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&bytes));
    if let Some(line) = quotes.open() {
        return Err(Error::Usage(format!("{}:{line}: a quote is opened and never closed", shown_path(path))));
    }
    String::from_utf8(bytes).map_err(|error| {
        let line = error.as_bytes().iter().take(error.utf8_error().valid_up_to()).filter(|b| **b == b'\n').count() + 1;
        Error::Usage(format!("{}:{line}: no UTF-8; save the table as CSV in UTF-8", shown_path(path)))
    })
}
