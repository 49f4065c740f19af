//! From the paths a person names to a sorted list of inputs.
//!
//! Directories are walked to any depth; links met there are not followed and only regular files are taken. A path that
//! was named is followed if it is a link, and read as a stream if it is a pipe. A file under two names is read once.
//!
//! Mails that lie each in a file of their own are not listed here: their directory is one input ([`super::members`]). Those
//! are `new` and `cur` of a Maildir, at any depth, and any directory that holds `*.eml`. Of a Maildir nothing else is
//! read, neither `tmp` nor the index files of its server.

use std::collections::HashSet;
use std::fs::{self, DirEntry, File, FileType, Metadata};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::members::{self, O_NONBLOCK, Which};

/// One input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The path as named, or as found below a named directory; `-` for standard input.
    pub path: PathBuf,
    /// How it is read.
    pub kind: InputKind,
    /// Named by the user, not met in a walk: then a reason not to read it is a problem, else a remark.
    pub named: bool,
}

/// How an input is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputKind {
    /// A regular file, read at positions.
    File {
        /// Size in bytes when it was found; what is appended later is not read.
        size: u64,
        /// Modification time in seconds since 1970-01-01 UTC.
        modified: i64,
    },
    /// A directory whose mails are read; its path is the input's.
    Mails {
        /// Which of its files.
        which: Which,
    },
    /// A pipe, read from start to end.
    Stream,
    /// Standard input.
    Stdin,
}

/// What the walk found.
#[derive(Debug, Default)]
pub struct Found {
    /// Inputs, sorted by path.
    pub inputs: Vec<Input>,
    /// Paths that cannot be read, with the reason; sorted.
    pub problems: Vec<(PathBuf, String)>,
    /// Links, sockets and devices met in a walk, and files met a second time under another name.
    pub passed_over: u64,
}

/// Finds all inputs below `paths`. Never fails: what cannot be read is a problem of the result.
pub fn discover(paths: &[PathBuf]) -> Found {
    let mut walk = Walk::default();
    for path in paths {
        walk.named(path);
    }
    walk.finish()
}

/// Opens a regular file for reading. A pipe or device that took its place since it was listed does not block and is
/// refused.
pub fn open(path: &Path) -> io::Result<File> {
    let file = File::options().read(true).custom_flags(O_NONBLOCK).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("no longer a regular file"));
    }
    Ok(file)
}

#[derive(Default)]
struct Walk {
    files: Vec<(Input, Option<(u64, u64)>)>,
    problems: Vec<(PathBuf, String)>,
    passed_over: u64,
}

impl Walk {
    fn named(&mut self, path: &Path) {
        if path.as_os_str() == "-" {
            self.files.push((Input { path: path.into(), kind: InputKind::Stdin, named: true }, None));
            return;
        }
        match fs::metadata(path) {
            Ok(meta) if meta.is_dir() => self.directory(path),
            Ok(meta) if meta.is_file() => self.file(path, &meta, true),
            Ok(meta) if meta.file_type().is_fifo() => {
                self.files.push((Input { path: path.into(), kind: InputKind::Stream, named: true }, None));
            }
            Ok(meta) => {
                self.problem(path, format!("is a {}, not a file, directory or pipe", kind_name(meta.file_type())))
            }
            Err(error) => self.problem(path, reason(&error)),
        }
    }

    fn directory(&mut self, root: &Path) {
        let mut open = vec![root.to_path_buf()];
        if is_maildir_part(root) {
            return self.mails(root, Which::All);
        }
        while let Some(dir) = open.pop() {
            let maildir = is_maildir(&dir);
            let mut has_eml = false;
            let entries = match fs::read_dir(&dir) {
                Ok(entries) => entries,
                Err(error) => {
                    self.problem(&dir, reason(&error));
                    continue;
                }
            };
            for entry in entries {
                match entry {
                    Ok(entry) if maildir => self.maildir_entry(&entry, &mut open),
                    Ok(entry) if is_mail(&entry) => has_eml = true,
                    Ok(entry) => self.entry(&entry.path(), &mut open),
                    Err(error) => self.problem(&dir, reason(&error)),
                }
            }
            if has_eml {
                self.mails(&dir, Which::Eml);
            }
        }
    }

    fn entry(&mut self, path: &Path, open: &mut Vec<PathBuf>) {
        match fs::symlink_metadata(path) {
            Ok(meta) if meta.is_dir() => open.push(path.to_path_buf()),
            Ok(meta) if meta.is_file() => self.file(path, &meta, false),
            Ok(_) => self.passed_over += 1,
            Err(error) => self.problem(path, reason(&error)),
        }
    }

    /// An entry of a Maildir: its mails, or a folder.
    fn maildir_entry(&mut self, entry: &DirEntry, open: &mut Vec<PathBuf>) {
        let (name, path) = (entry.file_name(), entry.path());
        match entry.file_type() {
            Ok(kind) if !kind.is_dir() => self.passed_over += u64::from(!kind.is_file()),
            Ok(_) if name == "new" || name == "cur" => self.mails(&path, Which::All),
            Ok(_) if name == "tmp" => {}
            Ok(_) => open.push(path),
            Err(error) => self.problem(&path, reason(&error)),
        }
    }

    fn mails(&mut self, directory: &Path, which: Which) {
        match fs::metadata(directory) {
            Ok(meta) => {
                let input = Input { path: directory.into(), kind: InputKind::Mails { which }, named: false };
                self.files.push((input, Some((meta.dev(), meta.ino()))));
            }
            Err(error) => self.problem(directory, reason(&error)),
        }
    }

    fn file(&mut self, path: &Path, meta: &Metadata, named: bool) {
        let kind = InputKind::File { size: meta.len(), modified: meta.mtime() };
        self.files.push((Input { path: path.into(), kind, named }, Some((meta.dev(), meta.ino()))));
    }

    fn problem(&mut self, path: &Path, reason: String) {
        self.problems.push((path.to_path_buf(), reason));
    }

    /// Sorts, and keeps of several names of one file the first, named before met.
    fn finish(mut self) -> Found {
        self.files.sort_by(|(a, _), (b, _)| (!a.named, &a.path).cmp(&(!b.named, &b.path)));
        let mut seen = HashSet::new();
        let before = self.files.len();
        self.files.retain(|(input, identity)| match identity {
            Some(identity) => seen.insert(*identity),
            None => input.kind != InputKind::Stdin || seen.insert((u64::MAX, u64::MAX)),
        });
        let passed_over = self.passed_over + (before - self.files.len()) as u64;
        let mut inputs: Vec<Input> = self.files.into_iter().map(|(input, _)| input).collect();
        inputs.sort_by(|a, b| a.path.cmp(&b.path));
        self.problems.sort();
        self.problems.dedup();
        Found { inputs, problems: self.problems, passed_over }
    }
}

/// A directory with the two folders that every Maildir has. Symbolic links are none.
fn is_maildir(directory: &Path) -> bool {
    ["new", "cur"].iter().all(|name| fs::symlink_metadata(directory.join(name)).is_ok_and(|meta| meta.is_dir()))
}

/// `new` or `cur` of a Maildir, named itself.
fn is_maildir_part(directory: &Path) -> bool {
    let is_part = directory.file_name().is_some_and(|name| name == "new" || name == "cur");
    is_part && directory.parent().is_some_and(|parent| is_maildir(if parent == "" { Path::new(".") } else { parent }))
}

fn is_mail(entry: &DirEntry) -> bool {
    members::is_eml(entry.file_name().as_encoded_bytes()) && entry.file_type().is_ok_and(|kind| kind.is_file())
}

fn kind_name(kind: FileType) -> &'static str {
    if kind.is_socket() {
        "socket"
    } else if kind.is_char_device() || kind.is_block_device() {
        "device"
    } else {
        "special file"
    }
}

/// The system's answer in words that say what to do.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file or directory".into(),
        io::ErrorKind::PermissionDenied => {
            "permission denied (mail logs are often readable by the group adm only)".into()
        }
        _ => error.to_string(),
    }
}
