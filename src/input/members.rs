//! A directory of mails, each in a file of its own: listed in the order of the names in bounded memory, read one by one.
//!
//! A Maildir may hold millions of files. Only so many names are kept at once, those that come first behind the last one
//! handed out; a directory with more is listed again for each further batch.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Names that are kept at once; while a directory is listed, up to twice as many.
pub const BATCH: usize = 1 << 18;
/// Bytes of a mail that are read.
pub const MAX_MAIL: usize = super::mbox::MAX_MESSAGE;

/// Which files of a directory are mails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// All regular ones: of `new` and `cur` in a Maildir.
    All,
    /// Those whose name ends with `.eml`, in any case.
    Eml,
}

impl Which {
    /// Whether a regular file of this name is a mail. Hidden ones, and what servers keep beside the mails, are none.
    pub fn takes(self, name: &[u8]) -> bool {
        const BESIDE: [&[u8]; 5] = [b"dovecot", b"courierimap", b"maildirfolder", b"maildirsize", b"subscriptions"];
        let is_beside = name.first() == Some(&b'.') || BESIDE.iter().any(|start| name.starts_with(start));
        !is_beside && (self == Which::All || is_eml(name))
    }
}

/// Whether a file's name says that it is a mail.
pub fn is_eml(name: &[u8]) -> bool {
    let end = name.len().checked_sub(4).and_then(|at| name.get(at..));
    end.is_some_and(|end| end.eq_ignore_ascii_case(b".eml"))
}

/// Names in one run of bytes.
#[derive(Debug, Default)]
pub struct Names {
    bytes: Vec<u8>,
    /// Start and end of each name, in the order of the names.
    spans: Vec<(u32, u32)>,
}

impl Names {
    /// Number of names.
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The name at `at`, from 0; `None` behind the last one.
    pub fn get(&self, at: usize) -> Option<&[u8]> {
        let (start, end) = *self.spans.get(at)?;
        self.bytes.get(start as usize..end as usize)
    }

    fn push(&mut self, name: &[u8]) {
        let start = self.bytes.len() as u32;
        self.bytes.extend_from_slice(name);
        self.spans.push((start, self.bytes.len() as u32));
    }

    /// Sorts, and keeps the first `limit`.
    fn keep(&mut self, limit: usize) {
        let bytes = &self.bytes;
        let name = |span: &(u32, u32)| bytes.get(span.0 as usize..span.1 as usize);
        self.spans.sort_unstable_by(|a, b| name(a).cmp(&name(b)));
        if self.spans.len() <= limit {
            return;
        }
        let mut kept = Names::default();
        (0..limit).filter_map(|at| self.get(at)).for_each(|name| kept.push(name));
        *self = kept;
    }
}

/// Lists the mails of a directory.
#[derive(Debug)]
pub struct MemberLister {
    directory: PathBuf,
    which: Which,
    batch: usize,
    /// The last name handed out.
    last: Option<Vec<u8>>,
    at_end: bool,
}

impl MemberLister {
    /// A lister at the start of a directory.
    pub fn new(directory: &Path, which: Which) -> Self {
        Self::with_batch(directory, which, BATCH)
    }

    fn with_batch(directory: &Path, which: Which, batch: usize) -> Self {
        Self { directory: directory.into(), which, batch, last: None, at_end: false }
    }

    /// The next names; `None` behind the last one.
    ///
    /// # Errors
    /// If the directory cannot be listed; there is nothing more then.
    pub fn next_batch(&mut self) -> io::Result<Option<Names>> {
        if std::mem::replace(&mut self.at_end, true) {
            return Ok(None);
        }
        let (mut names, mut more) = (Names::default(), false);
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.as_bytes();
            let is_next = self.last.as_deref().is_none_or(|last| name > last);
            if is_next && self.which.takes(name) && entry.file_type().is_ok_and(|kind| kind.is_file()) {
                names.push(name);
                if names.len() >= 2 * self.batch {
                    names.keep(self.batch);
                    more = true;
                }
            }
        }
        more |= names.len() > self.batch;
        names.keep(self.batch);
        self.at_end = !more;
        self.last = names.len().checked_sub(1).and_then(|at| names.get(at)).map(<[u8]>::to_vec);
        Ok((!names.is_empty()).then_some(names))
    }
}

/// What is known of a mail's file once it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MailFile {
    /// Bytes of the file; more than were read where it is longer than [`MAX_MAIL`].
    pub size: u64,
    /// Modification time in seconds since 1970-01-01 UTC.
    pub modified: i64,
}

/// Reads a mail's file into `buffer`, at most [`MAX_MAIL`] bytes of it.
///
/// # Errors
/// What the system says; also where the path is a link, a pipe or a device, none of which is opened.
pub fn read(path: &Path, buffer: &mut Vec<u8>) -> io::Result<MailFile> {
    let mut file = File::options().read(true).custom_flags(O_NONBLOCK | O_NOFOLLOW).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    let wanted = MAX_MAIL.min(usize::try_from(meta.len()).unwrap_or(MAX_MAIL));
    buffer.resize(wanted, 0);
    let mut done = 0;
    while let Some(space) = buffer.get_mut(done..).filter(|space| !space.is_empty()) {
        match file.read(space) {
            Ok(0) => break,
            Ok(n) => done += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    buffer.truncate(done);
    Ok(MailFile { size: meta.len(), modified: meta.mtime() })
}

const LINUX: bool = cfg!(any(target_os = "linux", target_os = "android"));
/// `O_NONBLOCK` of Linux and of the BSDs.
pub(super) const O_NONBLOCK: i32 = if LINUX { 0o4000 } else { 0x4 };
/// `O_NOFOLLOW`, which on Linux has one value on ARM and PowerPC and another elsewhere.
const O_NOFOLLOW: i32 =
    match (LINUX, cfg!(any(target_arch = "aarch64", target_arch = "arm", target_arch = "powerpc64"))) {
        (true, true) => 0o100_000,
        (true, false) => 0o400_000,
        (false, _) => 0x100,
    };

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn all(dir: &Path, which: Which, batch: usize) -> (Vec<Vec<u8>>, usize) {
        let mut lister = MemberLister::with_batch(dir, which, batch);
        let (mut found, mut batches) = (Vec::new(), 0);
        while let Some(names) = lister.next_batch().unwrap() {
            assert!(names.len() <= batch);
            found.extend((0..names.len()).map(|at| names.get(at).unwrap().to_vec()));
            batches += 1;
        }
        (found, batches)
    }

    #[test]
    fn names_come_in_order_however_few_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        for n in 0..500 {
            fs::write(dir.path().join(format!("{}.mx:2,S", n * 7919 % 500)), b"").unwrap();
        }
        let (whole, batches) = all(dir.path(), Which::All, 1000);
        assert_eq!((whole.len(), batches), (500, 1));
        assert!(whole.is_sorted());
        for batch in [1, 7, 100, 250, 499, 500] {
            let (found, batches) = all(dir.path(), Which::All, batch);
            assert_eq!(found, whole, "{batch}");
            assert_eq!(batches, 500_usize.div_ceil(batch), "{batch}");
        }
    }

    #[test]
    fn only_regular_files_that_are_mails_are_listed() {
        let dir = tempfile::tempdir().unwrap();
        let path = |name: &str| dir.path().join(name);
        for name in ["a.eml", "b.EML", "c", ".hidden.eml", "dovecot.index.log", "maildirsize", "new\nline.eml"] {
            fs::write(path(name), b"x").unwrap();
        }
        fs::create_dir(path("d.eml")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("e.eml")).unwrap();
        std::os::unix::net::UnixListener::bind(path("f.eml")).unwrap();
        let names = |which| all(dir.path(), which, 10).0;
        assert_eq!(names(Which::Eml), [&b"a.eml"[..], b"b.EML", b"new\nline.eml"]);
        assert_eq!(names(Which::All), [&b"a.eml"[..], b"b.EML", b"c", b"new\nline.eml"]);
    }

    #[test]
    fn links_and_devices_are_not_read() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("a"), dir.path().join("b"));
        fs::write(&file, b"Subject: x\n\n").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut buffer = Vec::new();
        assert_eq!(read(&file, &mut buffer).unwrap().size, 12);
        assert_eq!(buffer, b"Subject: x\n\n");
        assert!(read(&link, &mut buffer).is_err());
        assert!(read(Path::new("/dev/null"), &mut buffer).is_err());
        assert!(read(dir.path(), &mut buffer).is_err());
    }

    #[test]
    fn of_a_huge_mail_the_first_bytes_are_read() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, b"Subject: x\n\n").unwrap();
        file.as_file().set_len(5 << 30).unwrap();
        let mut buffer = Vec::new();
        assert_eq!(read(file.path(), &mut buffer).unwrap().size, 5 << 30);
        assert_eq!(buffer.len(), MAX_MAIL);
    }
}
