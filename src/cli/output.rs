//! Where results go: a directory of files, one table on standard output, or the summary alone.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::scan_args::{Args, FileFormat};
use crate::error::Error;
use crate::knowledge::{Knowledge, hex};
use crate::pipeline::EventSink;
use crate::rows::EventRow;
use crate::run::manifest::{Manifest, ManifestOutput};
use crate::run::{BATCH, events_table};
use crate::table::csv::{CsvOptions, CsvWriter};
use crate::table::{Table, json};

/// Name of the run directory that a scan makes.
pub const RUN: &str = "run=000001";

/// The tables that can be asked for by name.
const TABLES: [&str; 6] = ["causes_by_isp", "codes_by_isp", "traffic_by_isp", "blocklists", "unclassified", "events"];

/// The files that any scan may write beside its run.
pub fn known_files() -> Vec<String> {
    let tables = TABLES.iter().flat_map(|table| ["csv", "parquet"].map(|format| format!("{table}.{format}")));
    tables.chain(["summary.txt".into(), "summary.json".into()]).collect()
}

/// Where results go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Nothing is written.
    Summary,
    /// All files, or those of one table.
    Directory(PathBuf),
    /// This table as CSV on standard output.
    Stdout(String),
}

impl Target {
    /// The output directory, if there is one.
    pub fn directory(&self) -> Option<&Path> {
        if let Target::Directory(path) = self { Some(path) } else { None }
    }
}

/// Reads the target off the arguments.
///
/// # Errors
/// [`Error::Usage`] if they contradict each other.
pub fn target(args: &Args) -> Result<Target, Error> {
    let usage = |text: String| Err(Error::Usage(text));
    if let Some(table) = args.table.as_deref().filter(|table| !TABLES.contains(table)) {
        return usage(format!("--table: {table:?} is not one of {}", TABLES.join(", ")));
    }
    if !cfg!(feature = "parquet") && args.formats.as_ref().is_some_and(|list| list.contains(&FileFormat::Parquet)) {
        return usage("--formats: this build has no Parquet (it was made without the feature parquet)".into());
    }
    match (&args.out, &args.table) {
        (Some(out), Some(table)) if out.as_os_str() == "-" => Ok(Target::Stdout(table.clone())),
        (Some(out), None) if out.as_os_str() == "-" => usage("--out -: say with --table which table is wanted".into()),
        (Some(out), _) => Ok(Target::Directory(out.clone())),
        (None, Some(table)) => Ok(Target::Stdout(table.clone())),
        (None, None) if args.events.is_some() => usage("--events: say with --out where to write them".into()),
        (None, None) => Ok(Target::Summary),
    }
}

/// The formats that are wanted.
fn wants(args: &Args, format: FileFormat) -> bool {
    let built_in = format != FileFormat::Parquet || cfg!(feature = "parquet");
    built_in && args.formats.as_ref().is_none_or(|list| list.contains(&format))
}

fn csv_options(args: &Args) -> CsvOptions {
    CsvOptions { raw: args.csv_raw, bom: args.csv_bom }
}

/// Writes the files of a scan below a directory and remembers what it wrote.
pub struct Files<'a> {
    args: &'a Args,
    root: &'a Path,
    outputs: BTreeMap<String, ManifestOutput>,
}

impl<'a> Files<'a> {
    /// Files below `root`.
    pub fn new(args: &'a Args, root: &'a Path) -> Self {
        Self { args, root, outputs: BTreeMap::new() }
    }

    /// Writes a view in the formats wanted.
    ///
    /// # Errors
    /// If a file cannot be written; likewise below.
    pub fn view(&mut self, table: &Table) -> Result<(), Error> {
        if wants(self.args, FileFormat::Csv) {
            let name = format!("{}.csv", table.name());
            let mut writer = CsvWriter::new(self.create(&name)?, &self.root.join(&name), csv_options(self.args))?;
            writer.append(table)?;
            writer.finish()?;
            self.wrote(&name, Some(table.rows()))?;
        }
        #[cfg(feature = "parquet")]
        if wants(self.args, FileFormat::Parquet) {
            self.parquet(&format!("{}.parquet", table.name()), table)?;
        }
        Ok(())
    }

    /// Writes a table of the run: Parquet, or CSV in a build without it.
    pub fn run_table(&mut self, table: &Table) -> Result<(), Error> {
        #[cfg(feature = "parquet")]
        return self.parquet(&format!("{RUN}/{}.parquet", table.name()), table);
        #[cfg(not(feature = "parquet"))]
        {
            let name = format!("{RUN}/{}.csv", table.name());
            let mut writer = CsvWriter::new(self.create(&name)?, &self.root.join(&name), CsvOptions::default())?;
            writer.append(table)?;
            writer.finish()?;
            self.wrote(&name, Some(table.rows()))
        }
    }

    #[cfg(feature = "parquet")]
    fn parquet(&mut self, name: &str, table: &Table) -> Result<(), Error> {
        let path = self.root.join(name);
        let mut writer = crate::table::parquet::TableWriter::create(&path, table)?;
        writer.append(table)?;
        writer.finish()?;
        self.wrote(name, Some(table.rows()))
    }

    /// Writes text.
    pub fn text(&mut self, name: &str, text: &[u8]) -> Result<(), Error> {
        let path = self.root.join(name);
        fs::write(&path, text).map_err(Error::io(path, "writing"))?;
        self.wrote(name, None)
    }

    /// Remembers a file that was written on the way.
    pub fn wrote(&mut self, name: &str, rows: Option<usize>) -> Result<(), Error> {
        let path = self.root.join(name);
        let mut hash = Sha256::new();
        hash_file(&path, &mut hash).map_err(Error::io(path, "reading back"))?;
        let sha256 = hex(&hash.finalize());
        self.outputs.insert(name.into(), ManifestOutput { rows: rows.map(|rows| rows as u64), sha256 });
        Ok(())
    }

    /// Writes the manifest, which lists all the others.
    pub fn manifest(self, mut manifest: Manifest) -> Result<(), Error> {
        let path = self.root.join(RUN).join("manifest.json");
        manifest.outputs = self.outputs;
        let file = File::create(&path).map_err(Error::io(&path, "writing"))?;
        json::write(&manifest, BufWriter::new(file), &path)?;
        Ok(())
    }

    fn create(&self, name: &str) -> Result<BufWriter<File>, Error> {
        let path = self.root.join(name);
        File::create(&path).map(BufWriter::new).map_err(Error::io(path, "writing"))
    }
}

fn hash_file(path: &Path, hash: &mut Sha256) -> io::Result<()> {
    let mut file = File::open(path)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            n => hash.update(piece.get(..n).unwrap_or(&[])),
        }
    }
}

/// Writes a table as CSV to standard output.
///
/// # Errors
/// [`Error::Stdout`].
pub fn table_to_stdout(args: &Args, table: &Table) -> Result<(), Error> {
    let mut writer = CsvWriter::new(io::stdout().lock(), Path::new("-"), csv_options(args))?;
    writer.append(table)?;
    Ok(writer.finish()?)
}

/// Takes events as they come and writes them in batches.
pub struct EventWriter<'a> {
    knowledge: &'a Knowledge,
    inputs: &'a [Arc<str>],
    batch: Vec<EventRow>,
    rows: usize,
    csv: Option<CsvWriter<Box<dyn Write + Send>>>,
    #[cfg(feature = "parquet")]
    parquet: Option<crate::table::parquet::TableWriter>,
    files: Vec<String>,
}

/// Makes the writer of events if any are wanted.
///
/// # Errors
/// If a file cannot be made.
pub fn event_writer<'a>(
    args: &Args,
    target: &Target,
    root: Option<&Path>,
    knowledge: &'a Knowledge,
    inputs: &'a [Arc<str>],
) -> Result<Option<EventWriter<'a>>, Error> {
    let empty = events_table(&[], inputs, knowledge)?;
    let mut writer = EventWriter {
        knowledge,
        inputs,
        batch: Vec::new(),
        rows: 0,
        csv: None,
        #[cfg(feature = "parquet")]
        parquet: None,
        files: Vec::new(),
    };
    match (target, root) {
        (Target::Stdout(table), _) if table == "events" => {
            let out: Box<dyn Write + Send> = Box::new(io::stdout());
            writer.csv = Some(CsvWriter::new(out, Path::new("-"), csv_options(args))?);
        }
        (Target::Directory(_), Some(root)) if args.events.is_some() || args.table.as_deref() == Some("events") => {
            if wants(args, FileFormat::Csv) {
                let path = root.join("events.csv");
                let file = File::create(&path).map_err(Error::io(&path, "writing"))?;
                let out: Box<dyn Write + Send> = Box::new(BufWriter::new(file));
                writer.csv = Some(CsvWriter::new(out, &path, csv_options(args))?);
                writer.files.push("events.csv".into());
            }
            #[cfg(feature = "parquet")]
            if wants(args, FileFormat::Parquet) {
                let name = format!("{RUN}/events.parquet");
                writer.parquet = Some(crate::table::parquet::TableWriter::create(&root.join(&name), &empty)?);
                writer.files.push(name);
            }
        }
        _ => return Ok(None),
    }
    writer.write(&empty)?;
    Ok(Some(writer))
}

impl EventWriter<'_> {
    fn write(&mut self, table: &Table) -> Result<(), Error> {
        if let Some(csv) = &mut self.csv {
            csv.append(table)?;
        }
        #[cfg(feature = "parquet")]
        if let Some(parquet) = &mut self.parquet
            && table.rows() > 0
        {
            parquet.append(table)?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Error> {
        let table = events_table(&self.batch, self.inputs, self.knowledge)?;
        self.rows += self.batch.len();
        self.batch.clear();
        self.write(&table)
    }

    /// Writes the last batch; returns the names of the files and the number of rows.
    ///
    /// # Errors
    /// If they cannot be written.
    pub fn finish(mut self) -> Result<(Vec<String>, usize), Error> {
        if !self.batch.is_empty() {
            self.flush()?;
        }
        if let Some(csv) = self.csv {
            csv.finish()?;
        }
        #[cfg(feature = "parquet")]
        if let Some(parquet) = self.parquet {
            parquet.finish()?;
        }
        Ok((self.files, self.rows))
    }
}

impl EventSink for EventWriter<'_> {
    fn take(&mut self, event: EventRow) -> Result<(), Error> {
        self.batch.push(event);
        if self.batch.len() < BATCH {
            return Ok(());
        }
        self.flush()
    }
}

/// One of the views by its name.
pub fn find<'t>(tables: &'t [Table], name: &str) -> Option<&'t Table> {
    tables.iter().find(|table| table.name() == name)
}
