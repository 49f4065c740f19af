//! Where mails come from: mbox files, directories of mails, single messages, one input behind the other.
//!
//! All workers share one [`MailSources`] behind a lock. Under it only what has an order is done: the next messages are cut
//! off an mbox, the next names taken off a listing. Reading the mails of a directory, and parsing of any, goes on outside.

use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use crate::input::discover::{self, reason};
use crate::input::mbox::{MboxCounts, MboxCutter, MessageBlock};
use crate::input::members::{MemberLister, Names, Which};
use crate::provenance::FileId;

/// Mails of a directory that a worker takes at once.
const AT_ONCE: usize = 64;

/// An input of mails.
pub struct Source<'s> {
    /// The input.
    pub id: FileId,
    /// Its path.
    pub path: &'s Path,
    /// Last plausible moment, UTC seconds; `None` where each mail's file has a date of its own.
    pub latest: Option<i64>,
    /// What it is.
    pub kind: SourceKind,
}

/// How an input of mails is read.
pub enum SourceKind {
    /// An mbox file.
    Mbox,
    /// An mbox from a pipe.
    Stream(Option<Box<dyn Read + Send>>),
    /// A single message.
    Message,
    /// A directory.
    Directory(Which),
}

/// What a worker does next.
pub struct Work<'s> {
    /// Number of this work, without gaps.
    pub nth: u64,
    /// The input.
    pub id: FileId,
    /// Last plausible moment, UTC seconds.
    pub latest: Option<i64>,
    /// The mails.
    pub mails: Mails<'s>,
}

/// Some mails of one input.
pub enum Mails<'s> {
    /// Those in the worker's block.
    Block,
    /// Some of a directory.
    Members(&'s Path, Arc<Names>, Range<usize>),
    /// A file.
    Message(&'s Path),
    /// None: the input is at its end. What the cutter counted, and why it ended early, if so.
    End(MboxCounts, Option<(u64, String)>),
}

/// What is open.
enum Open {
    Mbox(Box<MboxCutter>),
    Directory(MemberLister, Option<(Arc<Names>, usize)>),
}

/// All inputs of mails, and how far they are read.
pub struct MailSources<'s> {
    sources: std::vec::IntoIter<Source<'s>>,
    current: Option<(Source<'s>, Open)>,
    nth: u64,
}

impl<'s> MailSources<'s> {
    /// The sources in the order given. `nth` is the number of the first work.
    pub fn new(sources: Vec<Source<'s>>, nth: u64) -> Self {
        Self { sources: sources.into_iter(), current: None, nth }
    }

    /// The next work; `None` at the end of all inputs. Messages of an mbox are put into `block`.
    pub fn next(&mut self, block: &mut MessageBlock) -> Option<Work<'s>> {
        loop {
            if self.current.is_none() {
                let source = self.sources.next()?;
                if let Some(work) = self.open(source) {
                    return Some(work);
                }
                continue;
            }
            let (source, open) = self.current.as_mut()?;
            let (id, latest) = (source.id, source.latest);
            let mails = open.next(source.path, block);
            if matches!(mails, Mails::End(..)) {
                self.current = None;
            }
            return Some(self.work(id, latest, mails));
        }
    }

    fn work(&mut self, id: FileId, latest: Option<i64>, mails: Mails<'s>) -> Work<'s> {
        let nth = self.nth;
        self.nth += 1;
        Work { nth, id, latest, mails }
    }

    /// Opens a source; work at once where it is a single message or cannot be opened.
    fn open(&mut self, mut source: Source<'s>) -> Option<Work<'s>> {
        let (id, latest, path) = (source.id, source.latest, source.path);
        let opened: std::io::Result<Box<dyn Read + Send>> = match &mut source.kind {
            SourceKind::Message => return Some(self.work(id, latest, Mails::Message(path))),
            SourceKind::Directory(which) => {
                self.current = Some((
                    Source { kind: SourceKind::Directory(*which), ..source },
                    Open::Directory(MemberLister::new(path, *which), None),
                ));
                return None;
            }
            SourceKind::Stream(reader) => Ok(reader.take().unwrap_or_else(|| Box::new(std::io::empty()))),
            SourceKind::Mbox => discover::open(path).map(|file: File| Box::new(file) as _),
        };
        match opened {
            Ok(reader) => {
                let cutter = MboxCutter::new(reader);
                self.current = Some((source, Open::Mbox(Box::new(cutter))));
                None
            }
            Err(error) => Some(self.work(id, latest, Mails::End(MboxCounts::default(), Some((0, reason(&error)))))),
        }
    }
}

impl Open {
    fn next<'s>(&mut self, path: &'s Path, block: &mut MessageBlock) -> Mails<'s> {
        match self {
            Open::Mbox(cutter) => match cutter.next(block) {
                Ok(true) => Mails::Block,
                Ok(false) => Mails::End(cutter.counts(), None),
                Err(error) => Mails::End(cutter.counts(), Some((cutter.offset(), reason(&error)))),
            },
            Open::Directory(lister, batch) => {
                if batch.as_ref().is_none_or(|(names, at)| *at >= names.len()) {
                    match lister.next_batch() {
                        Ok(Some(names)) => *batch = Some((Arc::new(names), 0)),
                        Ok(None) => return Mails::End(MboxCounts::default(), None),
                        Err(error) => return Mails::End(MboxCounts::default(), Some((0, reason(&error)))),
                    }
                }
                match batch {
                    Some((names, at)) => {
                        let range = *at..(*at + AT_ONCE).min(names.len());
                        *at = range.end;
                        Mails::Members(path, Arc::clone(names), range)
                    }
                    None => Mails::End(MboxCounts::default(), None),
                }
            }
        }
    }
}
