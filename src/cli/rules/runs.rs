//! Stored runs, for commands that judge their templates again.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cause::{Question, Scratch, Verdict, example_of};
use crate::error::Error;
use crate::knowledge::Knowledge;
use crate::record::Hop;
use crate::report::{merge_refusals, merge_templates};
use crate::rows::{Bounded, GroupIsp, RefusalRow, TemplateRow};
use crate::run::tables::{
    self, REFUSALS, TEMPLATES, read_table, refusal_rows, refusal_table, template_rows, template_table,
};
use crate::smtp::{Reply, locate_reply, parse_reply};
use crate::text::shown_path;

/// What is judged again.
pub struct Stored {
    /// Refused and deferred attempts of all runs.
    pub refusals: Vec<RefusalRow>,
    /// Their texts by id.
    pub templates: BTreeMap<u64, Arc<str>>,
}

/// Reads runs: directories that hold the tables of one, or directories of `run=*`.
///
/// # Errors
/// [`Error::Usage`] for a directory that holds no run; else what reading says.
pub fn read(paths: &[PathBuf], knowledge: &Knowledge) -> Result<Stored, Error> {
    let mut refusals = Vec::new();
    let mut templates: Vec<TemplateRow> = Vec::new();
    for path in paths {
        for run in runs(path)? {
            let table = read_table(&file(&run, REFUSALS), &refusal_table(&[], knowledge)?)?;
            refusals.extend(refusal_rows(&table, knowledge)?);
            let table = read_table(&file(&run, TEMPLATES), &template_table(&[])?)?;
            templates.extend(template_rows(&table)?);
        }
    }
    let templates = merge_templates(templates).rows.into_iter().map(|row| (row.id, row.text)).collect();
    Ok(Stored { refusals: merge_refusals(refusals).rows, templates })
}

/// The file of a table of a run.
fn file(run: &Path, table: &str) -> PathBuf {
    let parquet = run.join(format!("{table}.parquet"));
    if parquet.exists() { parquet } else { run.join(format!("{table}.csv")) }
}

fn runs(path: &Path) -> Result<Vec<PathBuf>, Error> {
    if file(path, tables::REFUSALS).exists() {
        return Ok(vec![path.to_path_buf()]);
    }
    let entries = fs::read_dir(path).map_err(Error::io(path, "reading"))?;
    let is_run = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"run=");
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(path, "reading"))?;
        if is_run(&entry.file_name()) && file(&entry.path(), tables::REFUSALS).exists() {
            found.push(entry.path());
        }
    }
    found.sort();
    match found.is_empty() {
        true => {
            Err(Error::Usage(format!("{}: no run in there; give a directory that scan --out made", shown_path(path))))
        }
        false => Ok(found),
    }
}

/// Judges templates, each text and ISP once.
pub struct Rejudge<'k> {
    knowledge: &'k Knowledge,
    scratch: Scratch,
    known: BTreeMap<(u64, Option<u16>, bool), Verdict>,
}

impl<'k> Rejudge<'k> {
    /// A judge with these tables.
    pub fn new(knowledge: &'k Knowledge) -> Self {
        Rejudge { knowledge, scratch: Scratch::default(), known: BTreeMap::new() }
    }

    /// The verdict on a row's template; `None` where no text is stored, or no server said it.
    pub fn verdict(&mut self, row: &RefusalRow, stored: &Stored) -> Option<&Verdict> {
        let Bounded::Value(id) = row.key.template else { return None };
        let text = stored.templates.get(&id)?;
        let is_reply = row.key.reply_code.is_some();
        if row.key.hop == Hop::Unconnected && !is_reply {
            return None;
        }
        let isp = if let GroupIsp::Known(isp) = row.key.isp { Some(isp) } else { None };
        let (knowledge, scratch) = (self.knowledge, &mut self.scratch);
        Some(self.known.entry((id, isp.map(|isp| isp.0), is_reply)).or_insert_with(|| {
            // A placeholder such as <domain> would itself be read as a word.
            let text = example_of(text);
            let text = text.as_bytes();
            let reply = if is_reply { parse_reply(locate_reply(text), false) } else { Reply::words_only(text) };
            knowledge.engine.decide(&Question { diagnostic: text, reply: &reply, isp }, scratch)
        }))
    }
}
