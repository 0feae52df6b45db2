//! The data directory as files: what it may hold, and how it is made.
//!
//! A store is made under another name and gets its own when it is complete and synced, so a
//! crash while it is made leaves no damaged store, and an empty file is known to be damage.

use std::fs;
use std::path::Path;

use super::engine::Engine;
use super::error::StoreError;
use super::lock::{self, Lock};
use super::place::Place;
use crate::private;

/// The store's file.
pub(super) const STORE: &str = "store.redb";

/// The socket of the run that has the directory, or what is left of it.
pub(crate) const SOCKET: &str = "socket";

/// The store's file while it is made.
const UNFINISHED: &str = "store.redb.new";

/// Says that a backup is not whole: the file is there from its first byte to its last.
pub(super) const PARTIAL: &str = "unfinished";

/// What is at a path that shall be a data directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing.
    Nothing,
    /// A directory that is empty, or in which making a store had begun.
    Empty,
    /// A backup that was not finished.
    Partial,
    /// A directory with our files, or at least with the lock of somebody who makes them.
    Ours,
}

/// Locks the data directory; makes it where there is none.
pub(super) fn open(dir: &Path) -> Result<Lock, StoreError> {
    if find(dir)? == Found::Partial {
        return Err(partial(dir));
    }
    make_dir(dir)?;
    let mut lock = Lock::take(dir)?;
    if !has_store(dir)? {
        if lock.had_holder {
            return Err(StoreError::damaged(&dir.join(STORE), "it is missing"));
        }
        fill(dir, |_| Ok(()))?;
    }
    lock.sign()?;
    Ok(lock)
}

/// Locks the data directory; changes nothing where there is none.
pub(super) fn open_existing(dir: &Path) -> Result<Lock, StoreError> {
    match find(dir)? {
        Found::Ours => {}
        Found::Partial => return Err(partial(dir)),
        Found::Nothing | Found::Empty => return Err(none_there(dir)),
    }
    make_dir(dir)?;
    let mut lock = Lock::take(dir)?;
    if !has_store(dir)? {
        return Err(if lock.had_holder {
            StoreError::damaged(&dir.join(STORE), "it is missing")
        } else {
            none_there(dir)
        });
    }
    lock.sign()?;
    Ok(lock)
}

/// Locks a backup that is being made and has its store.
pub(super) fn open_partial(dir: &Path) -> Result<Lock, StoreError> {
    if find(dir)? != Found::Partial || !has_store(dir)? {
        return Err(none_there(dir));
    }
    Lock::take(dir)
}

/// Whether a backup can be made here: says whether the directory is there already.
pub(super) fn has_room(dir: &Path) -> Result<bool, StoreError> {
    match find(dir)? {
        Found::Nothing => Ok(false),
        Found::Empty => Ok(true),
        Found::Partial => Err(partial(dir)),
        Found::Ours => Err(StoreError::NotADataDirectory {
            dir: dir.to_owned(),
            why: "a new one needs a directory that is empty or does not exist, \
                  and this one holds data",
        }),
    }
}

/// Makes the store of a backup with what `write` puts into it.
pub(super) fn make(
    dir: &Path,
    write: impl FnOnce(&Engine) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    if find(dir)? != Found::Partial {
        return Err(none_there(dir));
    }
    let mut lock = Lock::take(dir)?;
    fill(dir, write)?;
    lock.sign()
}

/// Makes the store in a directory that is locked and has none.
fn fill(
    dir: &Path,
    write: impl FnOnce(&Engine) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let unfinished = dir.join(UNFINISHED);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(StoreError::io("remove", &unfinished)(error));
        }
        _ => {}
    }
    let engine = Engine::create(&Place::File(unfinished.clone()))?;
    write(&engine)?;
    drop(engine);
    let synced = private::open_to_read(&unfinished).and_then(|file| file.sync_all());
    synced.map_err(StoreError::io("write", &unfinished))?;
    fs::rename(&unfinished, dir.join(STORE)).map_err(StoreError::io("rename", &unfinished))?;
    sync_dir(dir)
}

/// Makes the directory where there is none. It is this user's alone, and what is in it under our
/// names is ours: of anything else, such as a pipe that opening would wait for, nothing is opened.
pub(super) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    let made = private::make_dir(dir).map_err(StoreError::io("make", dir))?;
    if made && let Some(parent) = dir.parent().filter(|parent| *parent != Path::new("")) {
        sync_dir(parent)?;
    }
    for name in [lock::NAME, STORE, UNFINISHED] {
        let path = dir.join(name);
        private::is_file(&path).map_err(StoreError::io("open", &path))?;
    }
    let socket = dir.join(SOCKET);
    private::is_file_or_socket(&socket).map_err(StoreError::io("open", &socket))?;
    Ok(())
}

/// Makes the names in a directory durable, where the operating system has that.
pub(super) fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        let synced = fs::File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(StoreError::io("write", dir))?;
    }
    Ok(())
}

fn has_store(dir: &Path) -> Result<bool, StoreError> {
    let store = dir.join(STORE);
    private::is_file(&store).map_err(StoreError::io("open", &store))
}

fn partial(dir: &Path) -> StoreError {
    StoreError::NotADataDirectory {
        dir: dir.to_owned(),
        why: "it is a backup that was not finished: delete it, and make another one",
    }
}

fn none_there(dir: &Path) -> StoreError {
    StoreError::NotADataDirectory {
        dir: dir.to_owned(),
        why: "there is no store in it",
    }
}

/// Looks without changing anything.
fn find(dir: &Path) -> Result<Found, StoreError> {
    match fs::metadata(dir) {
        Ok(about) if !about.is_dir() => {
            return Err(StoreError::NotADataDirectory {
                dir: dir.to_owned(),
                why: "it is a file",
            });
        }
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Found::Nothing),
        Err(error) => return Err(StoreError::io("open", dir)(error)),
    }
    let mut found = Found::Empty;
    let mut foreign = false;
    let marked = dir.join(PARTIAL);
    if marked
        .try_exists()
        .map_err(StoreError::io("open", &marked))?
    {
        return Ok(Found::Partial);
    }
    for entry in fs::read_dir(dir).map_err(StoreError::io("read", dir))? {
        let name = entry.map_err(StoreError::io("read", dir))?.file_name();
        if name == STORE {
            return Ok(Found::Ours);
        }
        if name == lock::NAME {
            found = Found::Ours;
        } else if name != UNFINISHED && name != SOCKET {
            foreign = true;
        }
    }
    if foreign {
        return Err(StoreError::NotADataDirectory {
            dir: dir.to_owned(),
            why: "it holds other files: give a directory that is empty or does not exist",
        });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(dir: &Path) -> String {
        open(dir).unwrap_err().to_string()
    }

    #[test]
    fn what_is_something_else_stays_untouched() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("letter.txt"), "Dear reader").unwrap();
        for refused in [
            refused(root.path()),
            open_existing(root.path()).unwrap_err().to_string(),
        ] {
            assert!(refused.contains("it holds other files"), "{refused}");
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);

        let file = root.path().join("letter.txt");
        let error = refused(&file);
        assert!(
            error.contains("letter.txt` is not a data directory: it is a file"),
            "{error}"
        );
    }

    #[test]
    fn a_path_that_cannot_be_made_is_named_with_the_reason() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("file"), "").unwrap();
        let error = refused(&root.path().join("file/data"));
        assert!(error.contains("file/data`: "), "{error}");
        assert!(error.contains("os error"), "{error}");
    }

    #[test]
    fn looking_into_a_directory_makes_none() {
        let root = tempfile::tempdir().unwrap();
        for dir in [root.path().to_owned(), root.path().join("absent")] {
            let error = open_existing(&dir).unwrap_err().to_string();
            assert!(error.contains("there is no store in it"), "{error}");
        }
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }

    /// A crash while the store was made left a part of it, which is nobody's data.
    #[test]
    fn a_store_that_was_half_made_is_made_anew() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join(lock::NAME), "").unwrap();
        fs::write(root.path().join(UNFINISHED), "half").unwrap();
        assert!(open_existing(root.path()).is_err());
        open(root.path()).unwrap();
        assert!(has_store(root.path()).unwrap());
        assert!(!root.path().join(UNFINISHED).exists());
    }

    /// An empty store in its place would be taken for the state before the first commit.
    #[test]
    fn a_store_that_is_gone_is_not_made_anew() {
        let root = tempfile::tempdir().unwrap();
        drop(open(root.path()).unwrap());
        fs::remove_file(root.path().join(STORE)).unwrap();
        for error in [
            refused(root.path()),
            open_existing(root.path()).unwrap_err().to_string(),
        ] {
            assert!(
                error.contains("store.redb` is damaged: it is missing"),
                "{error}"
            );
        }
    }
}
