//! A copy of a store, made while it is in use.

use std::fs;
use std::io::{self, Write};
use std::path::{Component, Path, PathBuf};

use super::batch::Batch;
use super::dir;
use super::engine::View;
use super::error::StoreError;
use crate::error::BoxError;
use crate::private;

/// The copy is written in batches of about this size, so that it needs no more memory.
const BATCH_BYTES: usize = 8 << 20;

/// Copies what `view` shows into a backup that was begun, and checks it on the way, unless it is
/// given up.
pub(super) fn backup(
    view: &View,
    to: &Path,
    given_up: &dyn Fn() -> bool,
) -> Result<(), StoreError> {
    dir::make(to, |copy| {
        let mut batch = Batch::default();
        let read = view.prefix(&[], &mut |key, value| {
            if given_up() {
                let ended = io::Error::new(io::ErrorKind::Interrupted, "the run has ended");
                return Err(StoreError::io("copy everything to", to)(ended).into());
            }
            batch.put(key.to_vec(), value.to_vec());
            if batch.bytes() >= BATCH_BYTES {
                copy.commit(std::mem::take(&mut batch))?;
            }
            Ok(())
        });
        let found = read.map_err(|error: BoxError| view.error(error))?;
        copy.commit(batch)?;
        view.compare(found)
    })
}

/// What a backup says of itself until it is whole.
const NOTICE: &[u8] = b"This backup was not finished. Delete it, and make another one.\n";

/// A backup that is being made. It is under another name until it is whole, or, where its
/// directory was there before, says that it is not; it is deleted unless it is finished.
pub(crate) struct PartialBackup {
    /// Where it is made.
    at: PathBuf,
    /// Where it is to be.
    to: PathBuf,
    /// The directories above that were made for it, the lowest first.
    parents: Vec<PathBuf>,
    finished: bool,
}

impl PartialBackup {
    /// Begins one in a directory that is empty or absent, and does not lie within `source`.
    ///
    /// # Errors
    /// Where it does, holds anything, or cannot be made.
    pub(crate) fn begin(to: &Path, source: Option<&Path>) -> Result<Self, StoreError> {
        let to = resolved(to).map_err(StoreError::io("write", to))?;
        let source = source.and_then(|source| source.canonicalize().ok());
        if source.is_some_and(|source| to.starts_with(source)) {
            return Err(StoreError::NotADataDirectory {
                dir: to,
                why: "a backup cannot be inside of the directory that it copies: give another one",
            });
        }
        let is_there = dir::has_room(&to)?;
        let mut partial = Self {
            at: to.clone(),
            to,
            parents: Vec::new(),
            finished: false,
        };
        if !is_there {
            let above = partial.to.ancestors().skip(1);
            let missing = above.take_while(|above| !above.exists());
            partial.parents = missing.map(Path::to_owned).collect();
            let name = partial.to.file_name().unwrap_or_default();
            let name = format!("{}.{}-{}", name.display(), dir::PARTIAL, std::process::id());
            partial.at.set_file_name(name);
        }
        dir::make_dir(&partial.at)?;
        let notice = partial.at.join(dir::PARTIAL);
        let written = private::create(&notice).and_then(|mut file| {
            file.write_all(NOTICE)?;
            file.sync_all()
        });
        written.map_err(StoreError::io("write", &notice))?;
        dir::sync_dir(&partial.at)?;
        Ok(partial)
    }

    /// Where it is made.
    pub(crate) fn path(&self) -> &Path {
        &self.at
    }

    /// It is whole, and on the disk: it gets its name.
    ///
    /// # Errors
    /// Where the operating system refuses that.
    pub(crate) fn finish(mut self) -> Result<(), StoreError> {
        let notice = self.at.join(dir::PARTIAL);
        dir::sync_dir(&self.at)?;
        fs::remove_file(&notice).map_err(StoreError::io("remove", &notice))?;
        dir::sync_dir(&self.at)?;
        if self.at != self.to {
            fs::rename(&self.at, &self.to).map_err(StoreError::io("rename", &self.at))?;
            self.finished = true;
            for made in std::iter::once(&self.to).chain(&self.parents) {
                if let Some(above) = made.parent() {
                    dir::sync_dir(above)?;
                }
            }
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for PartialBackup {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        // The error that is reported says what to look at, whatever becomes of the rest; what
        // cannot be deleted still says that it is not whole.
        if self.at != self.to {
            let _ = fs::remove_dir_all(&self.at);
            for parent in &self.parents {
                let _ = fs::remove_dir(parent);
            }
            return;
        }
        let entries = fs::read_dir(&self.at).into_iter().flatten().flatten();
        let (notice, others): (Vec<_>, Vec<_>) = entries
            .map(|entry| entry.path())
            .partition(|path| path.ends_with(dir::PARTIAL));
        // The notice goes last.
        for path in others.into_iter().chain(notice) {
            let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
        }
    }
}

/// The path without links and `..`, as far as it is there.
fn resolved(path: &Path) -> io::Result<PathBuf> {
    let mut at = PathBuf::new();
    for part in std::path::absolute(path)?.components() {
        match part {
            Component::ParentDir => {
                at.pop();
            }
            Component::Normal(name) => {
                at.push(name);
                match at.canonicalize() {
                    Ok(real) => at = real,
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    Err(_) if at.is_symlink() => {
                        return Err(io::Error::other("it is a link to what does not exist"));
                    }
                    Err(_) => {}
                }
            }
            part => at.push(part),
        }
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::super::{Batch, Store};
    use super::*;

    fn store(values: u32, bytes: usize) -> Store {
        let store = Store::in_memory().unwrap();
        let mut batch = Batch::default();
        for value in 0..values {
            batch.put(value.to_be_bytes().to_vec(), vec![7; bytes]);
        }
        store.commit(batch).unwrap();
        store
    }

    fn back_up(store: &Store, to: &Path, given_up: bool) -> Result<(), StoreError> {
        let partial = PartialBackup::begin(to, store.dir())?;
        store.backup(partial.path(), &|| given_up)?;
        partial.finish()
    }

    fn entries(dir: &Path) -> usize {
        fs::read_dir(dir).unwrap().count()
    }

    #[test]
    fn a_backup_opens_as_a_data_directory_with_the_same_values() {
        let root = tempfile::tempdir().unwrap();
        let to = root.path().join("a/b");
        let store = store(90, 200_000);
        back_up(&store, &to, false).unwrap();
        assert_eq!(entries(&root.path().join("a")), 1);

        let copy = Store::open_existing(&to).unwrap();
        assert_eq!(copy.dir(), Some(to.as_path()));
        assert!(copy.bytes_on_disk() > 18_000_000);
        let copy = copy.read().unwrap();
        copy.verify().unwrap();
        let value = copy.get(&89u32.to_be_bytes()).unwrap();
        assert_eq!(value, Some(vec![7; 200_000]));
        assert_eq!(copy.get(&90u32.to_be_bytes()).unwrap(), None);
    }

    #[test]
    fn a_backup_that_failed_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        for to in ["copy", "a/b/copy"] {
            let error = back_up(&store(9, 9), &root.path().join(to), true);
            let error = error.unwrap_err().to_string();
            assert!(error.contains("the run has ended"), "{error}");
            assert_eq!(entries(root.path()), 0);
        }
        // A directory that was there stays.
        assert!(back_up(&store(9, 9), root.path(), true).is_err());
        assert_eq!(entries(root.path()), 0);
    }

    /// As a process leaves it that is killed.
    #[test]
    fn a_backup_that_was_not_finished_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let there = root.path().join("there");
        fs::create_dir(&there).unwrap();
        for to in [&there, &root.path().join("absent")] {
            let partial = PartialBackup::begin(to, None).unwrap();
            store(9, 9).backup(partial.path(), &|| false).unwrap();
            let at = partial.path().to_owned();
            std::mem::forget(partial);
            let again = |dir: &Path| back_up(&store(1, 1), dir, false);
            for refused in [
                Store::open(&at).map(drop),
                Store::open_existing(&at).map(drop),
                again(&at),
            ] {
                let error = refused.unwrap_err().to_string();
                assert!(
                    error.contains("a backup that was not finished: delete it"),
                    "{error}"
                );
            }
        }
        assert!(!root.path().join("absent").exists());
    }

    #[test]
    fn a_backup_overwrites_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = store(1, 1);
        back_up(&store, root.path(), false).unwrap();
        let error = back_up(&store, root.path(), false).unwrap_err().to_string();
        assert!(error.contains("this one holds data"), "{error}");

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("letter.txt"), "Dear reader").unwrap();
        let error = back_up(&store, other.path(), false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("it holds other files"), "{error}");
        assert_eq!(entries(other.path()), 1);
    }

    #[test]
    fn a_backup_into_the_directory_itself_is_refused_by_whatever_path() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("data");
        let store = Store::open(&dir).unwrap();
        let mut paths = vec![
            dir.clone(),
            dir.join("copy"),
            dir.join("a/b/copy"),
            root.path().join("other/../data/copy"),
            dir.join("a/../../data/copy"),
        ];
        #[cfg(unix)]
        {
            let link = root.path().join("link");
            std::os::unix::fs::symlink(&dir, &link).unwrap();
            paths.extend([link.clone(), link.join("copy"), link.join("../data/copy")]);
        }
        let before = entries(&dir);
        for to in paths {
            let error = back_up(&store, &to, false).unwrap_err().to_string();
            assert!(
                error.contains("cannot be inside of the directory"),
                "{}: {error}",
                to.display()
            );
        }
        assert_eq!(entries(&dir), before);
        back_up(&store, &dir.join("../copy"), false).unwrap();
        assert!(Store::open_existing(&root.path().join("copy")).is_ok());
    }
}
