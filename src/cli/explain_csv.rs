//! `explain --csv`: many texts at once, row by row, on all cores, in the order of the input.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::complain;
use crate::error::Error;
use crate::explain::{Explainer, Explanation, Hints, Told};
use crate::knowledge::Knowledge;
use crate::table::csv::{CsvOptions, CsvWriter};
use crate::table::csv_read::CsvRows;
use crate::table::{Column, ColumnData, Table};
use crate::text::shown_path;

/// Rows that are worked on at once.
const CHUNK_ROWS: usize = 8192;
/// Bytes of texts that are worked on at once.
const CHUNK_BYTES: usize = 8 << 20;
/// Rows that one thread takes at a time: what an explainer remembers should pay.
const PART: usize = 256;
/// Exit status where some of the input could not be read.
const INCOMPLETE: u8 = 3;
/// Bytes of an id that are given back.
const MAX_ID: usize = 1024;

/// One row of the input.
#[derive(Debug, Default)]
struct Row {
    id: Vec<u8>,
    text: Vec<u8>,
    host: Vec<u8>,
    recipient_domain: Vec<u8>,
}

/// Reads rows from `path` (`-` is standard input) and writes what they mean to standard output.
///
/// # Errors
/// If the file cannot be read, lacks a column, or standard output refuses.
pub fn run(path: &Path, threads: usize, raw: bool, knowledge: &Knowledge) -> Result<u8, Error> {
    let is_stdin = path.as_os_str() == "-";
    let input: Box<dyn BufRead> = match is_stdin {
        true => Box::new(io::stdin().lock()),
        false => Box::new(BufReader::with_capacity(1 << 16, File::open(path).map_err(Error::io(path, "opening"))?)),
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .build()
        .map_err(|error| Error::Report(format!("threads could not be started: {error}")))?;
    let name = if is_stdin { "standard input".to_owned() } else { shown_path(path) };
    let mut rows = Rows::new(CsvRows::new(input).map_err(Error::io(path, "reading"))?, path, &name)?;
    let mut writer = CsvWriter::new(io::stdout().lock(), Path::new("-"), CsvOptions { raw, bom: false })?;
    let mut chunk = Vec::new();
    let mut is_first = true;
    while rows.chunk(&mut chunk)? || is_first {
        let told = pool.install(|| chunk.par_chunks(PART).flat_map_iter(|part| explained(part, knowledge)).collect());
        writer.append(&table(&chunk, told)?)?;
        is_first = false;
    }
    writer.finish()?;
    let Some(line) = rows.rows.open_quote() else { return Ok(0) };
    complain(&format!("{name}:{line}: a quote is opened and never closed; all behind it was taken for one cell"));
    Ok(INCOMPLETE)
}

fn explained(rows: &[Row], knowledge: &Knowledge) -> Vec<Explanation> {
    let mut explainer = Explainer::brief(knowledge);
    let stated = |text: &[u8]| !text.trim_ascii().is_empty();
    rows.iter()
        .filter_map(|row| {
            let hints = Hints {
                host: Some(row.host.as_slice()).filter(|host| stated(host)),
                recipient_domain: Some(row.recipient_domain.as_slice()).filter(|domain| stated(domain)),
            };
            let mut told = explainer.explain(&row.text, &hints);
            let at = told.iter().position(|one| one.told == Told::Refusal).unwrap_or(0);
            (at < told.len()).then(|| told.swap_remove(at))
        })
        .collect()
}

/// The rows of the input, and where its columns stand.
struct Rows<'a> {
    rows: CsvRows<Box<dyn BufRead>>,
    path: &'a Path,
    id: usize,
    text: usize,
    host: Option<usize>,
    recipient_domain: Option<usize>,
    row: Vec<Vec<u8>>,
}

impl<'a> Rows<'a> {
    /// Reads the header. `name` is the input's in messages.
    fn new(mut rows: CsvRows<Box<dyn BufRead>>, path: &'a Path, name: &str) -> Result<Self, Error> {
        let mut header = Vec::new();
        if !rows.next(&mut header).map_err(Error::io(path, "reading"))? {
            return Err(Error::NoInput(format!("{name} is empty; its first line must name the columns id and text")));
        }
        let column = |wanted: &str| header.iter().position(|cell| cell.trim_ascii() == wanted.as_bytes());
        let need = |wanted: &str| {
            let missing = || format!("{name}: no column {wanted:?} in the first line; it must name id and text");
            column(wanted).ok_or_else(|| Error::NoInput(missing()))
        };
        let (id, text) = (need("id")?, need("text")?);
        let (host, recipient_domain) = (column("remote_host"), column("recipient_domain"));
        Ok(Self { rows, path, id, text, host, recipient_domain, row: Vec::new() })
    }

    /// Fills `chunk` with the next rows; `false` if there are none.
    fn chunk(&mut self, chunk: &mut Vec<Row>) -> Result<bool, Error> {
        chunk.clear();
        let mut bytes = 0;
        while chunk.len() < CHUNK_ROWS && bytes < CHUNK_BYTES {
            if !self.rows.next(&mut self.row).map_err(Error::io(self.path, "reading"))? {
                break;
            }
            let mut cell =
                |at: Option<usize>| at.and_then(|at| self.row.get_mut(at)).map(std::mem::take).unwrap_or_default();
            let row = Row {
                id: cell(Some(self.id)),
                text: cell(Some(self.text)),
                host: cell(self.host),
                recipient_domain: cell(self.recipient_domain),
            };
            bytes += row.id.len() + row.text.len() + row.host.len() + row.recipient_domain.len();
            chunk.push(row);
        }
        Ok(!chunk.is_empty())
    }
}

/// The table without rows.
///
/// # Errors
/// None that data could cause.
pub fn columns() -> Result<Table, Error> {
    table(&[], Vec::new())
}

/// The answers as columns. Rows and answers are as many.
fn table(rows: &[Row], told: Vec<Explanation>) -> Result<Table, Error> {
    let told = &told;
    let judged = |one: &Explanation, value: fn(&crate::explain::Judged) -> Option<&str>| {
        one.judged.as_ref().and_then(value).filter(|text| !text.is_empty()).map(Arc::from)
    };
    let text = |name, doc, value: &dyn Fn(&Explanation) -> Option<Arc<str>>| {
        Column::new(name, doc, ColumnData::Str(told.iter().map(value).collect()))
    };
    let receiver = |one: &Explanation, value: fn(&crate::explain::Receiver) -> Option<&str>| {
        one.receiver.as_ref().and_then(value).filter(|text| !text.is_empty()).map(Arc::from)
    };
    let code = |one: &Explanation| one.reply_code.as_ref().and_then(|code| code.value.parse().ok());
    let columns = vec![
        Column::new("id", "The row's id as it came.", ColumnData::Str(rows.iter().map(|row| id(&row.id)).collect())),
        text("cause", "Cause; unclassified where no rule spoke. Null where nothing was refused.", &|one| {
            judged(one, |j| Some(j.cause))
        }),
        text("isp", "Slug of the receiving ISP. Null where the table has none.", &|one| {
            receiver(one, |to| to.isp.as_deref())
        }),
        Column::new("reply_code", "Reply code.", ColumnData::Int32(told.iter().map(code).collect())),
        text("status", "Enhanced status code.", &|one| one.status.as_ref().map(|code| Arc::from(&*code.value))),
        text("blocklist", "The list named.", &|one| judged(one, |j| j.blocklist.as_ref().map(|list| &*list.name))),
        text("sender_ip", "Our address as the receiver saw it.", &|one| judged(one, |j| j.sending_ip.as_deref())),
        text("isp_basis", "Which clue named the ISP.", &|one| receiver(one, |to| Some(to.basis))),
        text("receiver_domain", "The registrable domain where the table has no ISP for it.", &|one| {
            receiver(one, |to| to.domain.as_deref())
        }),
        text("isp_name", "Display name of the ISP, or the domain.", &|one| receiver(one, |to| Some(&*to.name))),
        text("filter_vendor", "Who filters for it.", &|one| receiver(one, |to| to.filter_vendor.as_deref())),
        text("category", "Category of the cause.", &|one| judged(one, |j| Some(j.category))),
        text("rule", "Rule that chose the cause.", &|one| judged(one, |j| j.rule.as_deref())),
        text("evidence", "What the cause rests on.", &|one| judged(one, |j| Some(j.evidence))),
        text("matched", "The words that the rule matched.", &|one| {
            let matched = one.judged.as_ref().and_then(|j| j.matched.as_ref())?;
            Some(Arc::from(String::from_utf8_lossy(&matched.text.0)))
        }),
        text("listed_kind", "What is listed: ip, domain or url.", &|one| {
            judged(one, |j| j.listed.as_ref().map(|listed| listed.kind.as_str()))
        }),
        text("listed", "What is listed.", &|one| judged(one, |j| j.listed.as_ref().map(|listed| &*listed.value))),
        text("auth_domain", "The domain that failed SPF, DKIM or DMARC.", &|one| {
            judged(one, |j| j.auth_domain.as_deref())
        }),
        text("responsible", "Whose to put right.", &|one| judged(one, |j| Some(j.responsible))),
        text("retry_helps", "Whether a retry can help.", &|one| judged(one, |j| Some(j.retry_helps))),
    ];
    Ok(Table::new("explain", columns)?)
}

fn id(id: &[u8]) -> Option<Arc<str>> {
    let id = id.get(..MAX_ID).unwrap_or(id);
    (!id.is_empty()).then(|| Arc::from(String::from_utf8_lossy(id)))
}
