//! Results come into being beside their place and are moved there when all are whole.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::error::Error;

/// A directory for results under way, inside the output directory. Dropped without a commit it leaves nothing behind.
#[derive(Debug)]
pub struct Staging {
    out: PathBuf,
    /// The output directory did not exist before.
    made_out: bool,
    temporary: Option<TempDir>,
}

impl Staging {
    /// Makes the output directory if it is missing (its parent must exist), and the directory for results under way.
    ///
    /// # Errors
    /// If either cannot be made, or `out` is a file.
    pub fn new(out: &Path) -> Result<Self, Error> {
        let made_out = match fs::create_dir(out) {
            Ok(()) => true,
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && out.is_dir() => false,
            Err(error) => return Err(Error::io(out, "making the output directory")(error)),
        };
        let mut staging = Self { out: out.into(), made_out, temporary: None };
        let temporary = tempfile::Builder::new().prefix(".tmp-").tempdir_in(out);
        staging.temporary = Some(temporary.map_err(Error::io(out, "writing"))?);
        Ok(staging)
    }

    /// Where results are written to.
    pub fn path(&self) -> &Path {
        self.temporary.as_ref().map_or(&self.out, TempDir::path)
    }

    /// What is to be removed should the program be ended: the output directory itself if it was not there before.
    pub fn disposable(&self) -> &Path {
        if self.made_out { &self.out } else { self.path() }
    }

    /// Moves everything into place, each file with one rename, in the order of the names; a run directory of an earlier
    /// scan is replaced. Then removes those of the `known` files that an earlier scan left and this one did not write,
    /// so that the directory holds one scan's results.
    ///
    /// # Errors
    /// If a result cannot be moved; what was moved before stays.
    pub fn commit(mut self, known: &[String]) -> Result<(), Error> {
        let from = self.path().to_path_buf();
        let mut names = Vec::new();
        for entry in fs::read_dir(&from).map_err(Error::io(&from, "reading"))? {
            names.push(entry.map_err(Error::io(&from, "reading"))?.file_name());
        }
        names.sort();
        for name in &names {
            let (source, target) = (from.join(name), self.out.join(name));
            if source.is_dir() && target.exists() {
                fs::remove_dir_all(&target).map_err(Error::io(&target, "replacing"))?;
            }
            fs::rename(&source, &target).map_err(Error::io(&target, "writing"))?;
        }
        for stale in known.iter().filter(|known| !names.iter().any(|name| name == known.as_str())) {
            let stale = self.out.join(stale);
            match fs::remove_file(&stale) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io(stale, "removing")(error));
                }
                _ => {}
            }
        }
        self.made_out = false;
        Ok(())
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        // Nobody is left to be told if this fails.
        drop(self.temporary.take());
        if self.made_out {
            let _ = fs::remove_dir(&self.out);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn results_appear_only_when_committed() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("out");
        let staging = Staging::new(&out).unwrap();
        fs::write(staging.path().join("a.csv"), "1").unwrap();
        fs::create_dir(staging.path().join("run=1")).unwrap();
        drop(staging);
        assert!(!out.exists());
        for text in ["1", "2"] {
            let staging = Staging::new(&out).unwrap();
            fs::write(staging.path().join("a.csv"), text).unwrap();
            fs::create_dir(staging.path().join("run=1")).unwrap();
            fs::write(staging.path().join("run=1/t"), text).unwrap();
            fs::write(out.join("b.csv"), "old").unwrap();
            staging.commit(&["a.csv".into(), "b.csv".into()]).unwrap();
            assert_eq!(fs::read_to_string(out.join("run=1/t")).unwrap(), text);
            assert_eq!(fs::read_dir(&out).unwrap().count(), 2);
        }
        assert!(Staging::new(&out.join("a.csv")).is_err());
        assert!(Staging::new(&dir.path().join("no/parent")).is_err());
    }
}
