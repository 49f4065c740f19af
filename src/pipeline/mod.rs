//! The order of the stages, and the threads: the only file that knows them.
//!
//! ```text
//! inputs -> prepare (what is it, which years) -> blocks  -> worker (lines -> records -> groups) -> ordered (senders, events)
//!                                             -> mails   -> worker (mail -> records)            -> ordered (told before?)
//! ```
//!
//! Logs are read first, then mails, so that what a mail tells again is known to be told.
//!
//! Regular files are cut into blocks that all workers draw from one counter, so one large file and many small ones both
//! use every core. A pipe is read by whichever worker asks next. Nothing depends on who reads what: groups are merged by
//! addition, and what needs an order is put in order by the number of its block.

mod mail_sources;
mod mails;
mod ordered;
mod prepare;
mod worker;

use std::fs::File;
use std::io::{self, Read};
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::tz::TimeZone;
use rayon::prelude::*;

use crate::clock::Years;
use crate::error::Error;
use crate::groups::Mergeable;
use crate::input::blocks::BlockBuffer;
use crate::input::discover::{self, Found, Input, InputKind, reason};
use crate::input::mbox::MessageBlock;
use crate::input::sniff;
use crate::input::stream::StreamCutter;
use crate::knowledge::Knowledge;
use crate::provenance::FileId;
use crate::rows::EventRow;
use crate::run::{InputReport, InputStatus, Scanned};
use crate::senders::KeyMaker;
use crate::tally::{LineCounts, Tally};
use mail_sources::{MailSources, Source, SourceKind};
use ordered::Shared;
pub use prepare::TimeOptions;
use prepare::{MailInput, Prepared, Readiness};
use worker::{Context, Worker};

/// Largest block: what [`crate::senders::WINDOW`] is made for.
pub const MAX_BLOCK: usize = 8 << 20;

/// Which events are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Events {
    /// None.
    #[default]
    None,
    /// Those of refused and deferred recipients.
    Refused,
    /// Those of delivered recipients too.
    All,
}

impl Events {
    fn refused(self) -> bool {
        self != Events::None
    }

    fn delivered(self) -> bool {
        self == Events::All
    }
}

/// How to scan.
#[derive(Clone, Debug)]
pub struct Options {
    /// Threads; 0 is one for each core.
    pub threads: usize,
    /// Bytes in a block, at most [`MAX_BLOCK`]. Changes no result.
    pub block_size: usize,
    /// Longest line that is read, bytes; longer ones are counted as overlong.
    pub max_line: usize,
    /// Names of the formats to read; empty is all.
    pub formats: Vec<&'static str>,
    /// Zone of stamps that state none.
    pub zone: TimeZone,
    /// Year and present.
    pub time: TimeOptions,
    /// Events wanted.
    pub events: Events,
    /// Events with recipient addresses.
    pub addresses: bool,
    /// Events with the reply text as written.
    pub diagnostics: bool,
    /// Our own domains, lower case: bounces of mail that others sent are counted apart. Empty is not known.
    pub own_domains: Vec<Vec<u8>>,
}

/// Takes events in the order of the inputs.
pub trait EventSink: Send {
    /// Takes one.
    ///
    /// # Errors
    /// If it cannot be written; the scan then stops.
    fn take(&mut self, event: EventRow) -> Result<(), Error>;
}

/// Is told how far the scan is, from any thread.
pub trait Progress: Sync {
    /// All regular files are known; they hold this many bytes.
    fn total(&self, bytes: u64);
    /// So many more bytes were read.
    fn read(&self, bytes: u64);
}

/// Scans inputs. `None` if `stop` was set meanwhile.
///
/// # Errors
/// If the events cannot be taken, or the counts do not add up. Unreadable inputs are no error: see
/// [`InputReport::status`].
pub fn scan(
    found: Found,
    options: &Options,
    knowledge: &Knowledge,
    sink: Option<&mut dyn EventSink>,
    progress: &dyn Progress,
    stop: &AtomicBool,
) -> Result<Option<Scanned>, Error> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .build()
        .map_err(|error| Error::Report(format!("threads could not be started: {error}")))?;
    let ready: Vec<Readiness> =
        pool.install(|| found.inputs.par_iter().map(|input| prepare::prepare(input, &options.time)).collect());
    let mut reports: Vec<InputReport> = found.inputs.iter().zip(&ready).map(report_of).collect();
    let shared = Shared::new(reports.len(), sink);
    let is_log = |ready: &Readiness| matches!(ready, Readiness::Log(_));
    let is_mail = |ready: &Readiness| matches!(ready, Readiness::Mail(..));
    let is_stream = |report: &InputReport| matches!(report.input.kind, InputKind::Stdin | InputKind::Stream);
    let streams = reports.iter().filter(|report| is_stream(report)).count();
    let joins = ready.iter().any(is_mail) && (streams > 0 || ready.iter().any(is_log)) || streams > 1;
    let scan = Scan {
        options,
        knowledge,
        keys: KeyMaker::default(),
        shared: &shared,
        progress,
        stop,
        troubles: Mutex::default(),
        joins,
    };
    let mut nth = scan.files(&pool, &reports, &ready);
    let mut mails = mail_sources(&found.inputs, &ready);
    for (id, report) in reports.iter_mut().enumerate().filter(|(_, report)| is_stream(report)) {
        let path = found.inputs.get(id).map_or(Path::new("-"), |input| &input.path);
        mails.extend(scan.stream(&pool, FileId(id as u32), path, report, &mut nth));
    }
    mails.sort_by_key(|source| source.id);
    scan.mails(&pool, MailSources::new(mails, nth));
    let troubles = scan.troubles.into_inner().unwrap_or_else(PoisonError::into_inner);
    if stop.load(Ordering::Acquire) {
        return Ok(None);
    }
    let (tally, per_input) = shared.finish()?;
    Ok(Some(conclude(tally, per_input, reports, troubles, found.problems, found.passed_over)?))
}

/// The inputs of mails that are no streams.
fn mail_sources<'f>(inputs: &'f [Input], ready: &[Readiness]) -> Vec<Source<'f>> {
    let source = |(id, (input, ready)): (usize, (&'f Input, &Readiness))| match ready {
        Readiness::Mail(mail, latest) => {
            let kind = match mail {
                MailInput::Mbox => SourceKind::Mbox,
                MailInput::Message => SourceKind::Message,
                MailInput::Directory(which) => SourceKind::Directory(*which),
            };
            Some(Source { id: FileId(id as u32), path: &input.path, latest: *latest, kind })
        }
        _ => None,
    };
    inputs.iter().zip(ready).enumerate().filter_map(source).collect()
}

fn report_of((input, ready): (&Input, &Readiness)) -> InputReport {
    let (status, years, year_inferred) = match ready {
        Readiness::Log(log) => (InputStatus::Complete, log.years.span(), log.year_inferred),
        Readiness::Empty | Readiness::Mail(..) => (InputStatus::Complete, None, false),
        Readiness::Refused(why) => (InputStatus::Refused(why.clone()), None, false),
        Readiness::Failed(why) => (InputStatus::Partial(why.clone(), 0), None, false),
    };
    let bytes = match (input.kind, ready) {
        (InputKind::File { size, .. }, Readiness::Log(_) | Readiness::Mail(..)) => size,
        _ => 0,
    };
    InputReport { input: input.clone(), status, bytes, year_inferred, years, counts: LineCounts::default() }
}

/// Where reading an input went wrong: the input, the offset, and why.
type Trouble = (FileId, u64, String);

fn conclude(
    tally: Tally,
    per_input: Vec<LineCounts>,
    mut inputs: Vec<InputReport>,
    mut troubles: Vec<Trouble>,
    problems: Vec<(std::path::PathBuf, String)>,
    passed_over: u64,
) -> Result<Scanned, Error> {
    troubles.sort();
    for (file, offset, why) in troubles.into_iter().rev() {
        if let Some(report) = inputs.get_mut(file.0 as usize) {
            report.status = InputStatus::Partial(why, offset);
        }
    }
    let mut counts = LineCounts::default();
    for (report, lines) in inputs.iter_mut().zip(per_input) {
        if !lines.adds_up() {
            return Err(Error::Invariant(format!("{lines:?}")));
        }
        counts.merge(lines.clone());
        if report.bytes == 0 {
            report.bytes = lines.mail_bytes;
        }
        report.counts = lines;
    }
    Ok(Scanned { tally, inputs, problems, passed_over, counts })
}

struct Scan<'a, 's> {
    options: &'a Options,
    knowledge: &'a Knowledge,
    keys: KeyMaker,
    shared: &'a Shared<'s>,
    progress: &'a dyn Progress,
    stop: &'a AtomicBool,
    troubles: Mutex<Vec<Trouble>>,
    /// Whether mails are read too.
    joins: bool,
}

/// Regular files one behind the other, cut into blocks with running numbers.
struct Plan<'s> {
    files: Vec<Planned<'s>>,
    blocks: u64,
    block_size: u64,
}

struct Planned<'s> {
    id: FileId,
    path: &'s Path,
    size: u64,
    log: &'s Prepared,
    /// Number of this file's first block.
    first_block: u64,
}

impl<'s> Plan<'s> {
    /// Files in the order of their first stamps, so that a message's opening line in an older log is read before its
    /// refusal in a newer one.
    fn new(reports: &'s [InputReport], ready: &'s [Readiness], block_size: usize) -> Self {
        let mut files: Vec<Planned<'s>> = Vec::new();
        for (at, (report, ready)) in reports.iter().zip(ready).enumerate() {
            if let (InputKind::File { size, .. }, Readiness::Log(log)) = (report.input.kind, ready) {
                files.push(Planned { id: FileId(at as u32), path: &report.input.path, size, log, first_block: 0 });
            }
        }
        files.sort_by_key(|file| (file.log.first, file.id));
        let block_size = block_size as u64;
        let mut blocks = 0;
        for file in &mut files {
            file.first_block = blocks;
            blocks += file.size.div_ceil(block_size);
        }
        Self { files, blocks, block_size }
    }

    /// The file and range of a block.
    fn block(&self, nth: u64) -> Option<(&Planned<'s>, Range<u64>)> {
        let after = self.files.partition_point(|file| file.first_block <= nth);
        let file = self.files.get(after.checked_sub(1)?)?;
        let start = (nth - file.first_block) * self.block_size;
        Some((file, start..(start + self.block_size).min(file.size)))
    }
}

impl Scan<'_, '_> {
    /// Scans all regular files; returns the number of their blocks.
    fn files(&self, pool: &rayon::ThreadPool, reports: &[InputReport], ready: &[Readiness]) -> u64 {
        let plan = Plan::new(reports, ready, self.options.block_size);
        let mails = |(report, ready): (&InputReport, &Readiness)| match (report.input.kind, ready) {
            (InputKind::File { size, .. }, Readiness::Mail(..)) => size,
            _ => 0,
        };
        // Nobody knows how much a directory or a pipe holds; then there is no total to tell.
        if reports.iter().all(|report| matches!(report.input.kind, InputKind::File { .. })) {
            let logs: u64 = plan.files.iter().map(|file| file.size).sum();
            self.progress.total(logs + reports.iter().zip(ready).map(mails).sum::<u64>());
        }
        let next = AtomicU64::new(0);
        pool.broadcast(|_| {
            let mut worker = Worker::new(self.knowledge, self.options, self.keys.clone(), self.joins);
            let mut buffer = BlockBuffer::default();
            let mut open: Option<(FileId, io::Result<File>)> = None;
            while !self.stop.load(Ordering::Relaxed) {
                let nth = next.fetch_add(1, Ordering::Relaxed);
                let Some((file, range)) = plan.block(nth).filter(|_| nth < plan.blocks) else { break };
                if open.as_ref().is_none_or(|(id, _)| *id != file.id) {
                    open = Some((file.id, discover::open(file.path)));
                }
                let handle = open.as_ref().map(|(_, handle)| handle);
                if !self.file_block(&mut worker, &mut buffer, handle, file, range, nth) {
                    break;
                }
            }
            self.shared.take_groups(&mut worker.tally);
        });
        plan.blocks
    }

    fn file_block(
        &self,
        worker: &mut Worker<'_>,
        buffer: &mut BlockBuffer,
        handle: Option<&io::Result<File>>,
        file: &Planned<'_>,
        range: Range<u64>,
        nth: u64,
    ) -> bool {
        let read = match handle {
            Some(Ok(handle)) => {
                buffer.read(handle, range.clone(), file.size, self.options.max_line).map_err(|e| reason(&e))
            }
            Some(Err(error)) => Err(reason(error)),
            None => Err("not open".into()),
        };
        let mut remains = worker::Remains::default();
        match read {
            Ok(()) => {
                let context = Context { file: file.id, years: &file.log.years, latest: file.log.latest };
                remains = worker.block(buffer.block(), context);
                if buffer.cut_short() {
                    let block = buffer.block();
                    self.trouble(
                        file.id,
                        block.base + block.bytes.len() as u64,
                        "became shorter while it was read".into(),
                    );
                }
            }
            Err(why) => self.trouble(file.id, range.start, why),
        }
        self.progress.read(range.end - range.start);
        self.shared.take(nth, file.id, remains, &mut worker.tally)
    }

    fn trouble(&self, file: FileId, offset: u64, why: String) {
        self.troubles.lock().unwrap_or_else(PoisonError::into_inner).push((file, offset, why));
    }

    /// Scans a pipe. `nth` is the number of its first block and becomes that of the next one. If it holds mails, they
    /// are left to be read.
    fn stream<'f>(
        &self,
        pool: &rayon::ThreadPool,
        id: FileId,
        path: &'f Path,
        report: &mut InputReport,
        nth: &mut u64,
    ) -> Option<Source<'f>> {
        let reader: io::Result<Box<dyn Read + Send>> = match report.input.kind {
            InputKind::Stdin => Ok(Box::new(io::stdin())),
            _ => File::open(&report.input.path).map(|file| Box::new(file) as _),
        };
        let reader = reader.and_then(head_of);
        let (head, ended, reader) = match reader {
            Ok(opened) => opened,
            Err(error) => {
                report.status = InputStatus::Partial(reason(&error), 0);
                return None;
            }
        };
        let latest = self.options.time.now.unwrap_or_else(|| jiff::Timestamp::now().as_second());
        match prepare::refusal(&head, ended, &report.input.path) {
            Some(Readiness::Refused(why)) => {
                report.status = InputStatus::Refused(why);
                return None;
            }
            Some(Readiness::Mail(..)) => {
                let reader = Box::new(io::Cursor::new(head).chain(reader));
                return Some(Source { id, path, latest: Some(latest), kind: SourceKind::Stream(Some(reader)) });
            }
            _ => {}
        }
        let samples: Vec<_> = prepare::first_without_year(&head).map(|stamp| (0, stamp)).into_iter().collect();
        let anchor = prepare::anchor(&samples, &self.options.time, latest);
        let reader = Box::new(io::Cursor::new(head).chain(reader));
        let source = Mutex::new(Pipe {
            cutter: StreamCutter::new(reader, self.options.block_size, self.options.max_line),
            years: Years::default(),
            nth: *nth,
            anchor,
        });
        pool.broadcast(|_| self.drain(&source, id, latest.max(anchor)));
        let source = source.into_inner().unwrap_or_else(PoisonError::into_inner);
        *nth = source.nth;
        report.bytes = source.cutter.offset();
        report.years = source.years.span();
        report.year_inferred = report.years.is_some();
        None
    }

    /// Reads all mails.
    fn mails(&self, pool: &rayon::ThreadPool, sources: MailSources<'_>) {
        let sources = Mutex::new(sources);
        pool.broadcast(|_| {
            let mut worker = Worker::new(self.knowledge, self.options, self.keys.clone(), self.joins);
            let (mut block, mut buffer) = (MessageBlock::default(), Vec::new());
            while !self.stop.load(Ordering::Relaxed) {
                let work = sources.lock().unwrap_or_else(PoisonError::into_inner).next(&mut block);
                let Some(work) = work else { break };
                let (remains, trouble) = worker.mails(&work, &block, &mut buffer);
                if let Some((offset, why)) = trouble {
                    self.trouble(work.id, offset, why);
                }
                self.progress.read(remains.counts.mail_bytes);
                if !self.shared.take(work.nth, work.id, remains, &mut worker.tally) {
                    break;
                }
            }
            self.shared.take_groups(&mut worker.tally);
        });
    }

    fn drain(&self, source: &Mutex<Pipe>, id: FileId, latest: i64) {
        let mut worker = Worker::new(self.knowledge, self.options, self.keys.clone(), self.joins);
        let mut buffer = BlockBuffer::default();
        while !self.stop.load(Ordering::Relaxed) {
            let mut locked = source.lock().unwrap_or_else(PoisonError::into_inner);
            let before = locked.cutter.offset();
            match locked.cutter.next(&mut buffer) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    self.trouble(id, before, reason(&error));
                    break;
                }
            }
            let nth = locked.nth;
            locked.nth += 1;
            let read = locked.cutter.offset() - before;
            let years = locked.years_for(&buffer);
            drop(locked);
            let context = Context { file: id, years: &years, latest };
            let remains = worker.block(buffer.block(), context);
            self.progress.read(read);
            if !self.shared.take(nth, id, remains, &mut worker.tally) {
                break;
            }
        }
        self.shared.take_groups(&mut worker.tally);
    }
}

/// A pipe that workers share.
struct Pipe {
    cutter: StreamCutter,
    years: Years,
    /// Number of the next block.
    nth: u64,
    anchor: i64,
}

impl Pipe {
    /// The years as far as the stream was read, this block's stamps included.
    fn years_for(&mut self, buffer: &BlockBuffer) -> Years {
        let block = buffer.block();
        let lines = block.bytes.get(block.lines_at..).unwrap_or(&[]);
        prepare::stamps(lines, block.base + block.lines_at as u64, |offset, stamp| {
            self.years.forwards(offset, stamp, self.anchor);
        });
        self.years.clone()
    }
}

/// A reader that has failed: says so once, then that there is no more.
struct Failed(Option<io::Error>);

impl Read for Failed {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.take().map_or(Ok(0), Err)
    }
}

/// The first bytes of a stream (up to what a sniff needs), whether they are all of it, and the rest.
fn head_of(mut reader: Box<dyn Read + Send>) -> io::Result<(Vec<u8>, bool, Box<dyn Read + Send>)> {
    let mut head = vec![0; sniff::HEAD];
    let mut len = 0;
    while let Some(space) = head.get_mut(len..).filter(|space| !space.is_empty()) {
        match reader.read(space) {
            Ok(0) => break,
            Ok(n) => len += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if len > 0 => {
                reader = Box::new(Failed(Some(error)));
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let ended = len < head.len();
    head.truncate(len);
    Ok((head, ended, reader))
}
