//! The data directory as files: what it may hold, and how it is made.
//!
//! A store is made under another name and gets its own when it is complete and synced, so a
//! crash while it is made leaves no damaged store, and an empty file is known to be damage.

use std::fs;
use std::path::Path;

use super::engine::{Engine, Place};
use super::error::StoreError;
use super::lock::{self, Lock};

/// The store's file.
pub(super) const STORE: &str = "store.redb";

/// The store's file while it is made.
const UNFINISHED: &str = "store.redb.new";

/// What is at a path that shall be a data directory.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    /// Nothing.
    Nothing,
    /// A directory that is empty, or in which making a store had begun.
    Empty,
    /// A directory with our files, or at least with the lock of somebody who makes them.
    Ours,
}

/// Locks the data directory; makes it where there is none.
pub(super) fn open(dir: &Path) -> Result<Lock, StoreError> {
    if find(dir)? == Found::Nothing {
        make_dir(dir)?;
    }
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
    if find(dir)? != Found::Ours {
        return Err(none_there(dir));
    }
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

/// Makes a data directory with what `write` puts into it; nothing is left where that fails.
pub(super) fn make(
    dir: &Path,
    write: impl FnOnce(&Engine) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let found = find(dir)?;
    if found == Found::Ours {
        return Err(StoreError::NotADataDirectory {
            dir: dir.to_owned(),
            why: "a new one needs a directory that is empty or does not exist, \
                  and this one holds data",
        });
    }
    if found == Found::Nothing {
        make_dir(dir)?;
    }
    let mut lock = Lock::take(dir)?;
    let made = fill(dir, write).and_then(|()| lock.sign());
    if made.is_err() {
        // The error that is reported says what to look at, whatever becomes of the rest.
        let _ = fs::remove_file(dir.join(UNFINISHED));
        let _ = fs::remove_file(dir.join(STORE));
        let _ = fs::remove_file(dir.join(lock::NAME));
        if found == Found::Nothing {
            let _ = fs::remove_dir(dir);
        }
    }
    made
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
    let synced = fs::File::open(&unfinished).and_then(|file| file.sync_all());
    synced.map_err(StoreError::io("write", &unfinished))?;
    fs::rename(&unfinished, dir.join(STORE)).map_err(StoreError::io("rename", &unfinished))?;
    sync_dir(dir)
}

fn make_dir(dir: &Path) -> Result<(), StoreError> {
    fs::create_dir_all(dir).map_err(StoreError::io("make", dir))?;
    match dir.parent() {
        Some(parent) if parent != Path::new("") => sync_dir(parent),
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable, where the operating system has that.
fn sync_dir(dir: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        let synced = fs::File::open(dir).and_then(|dir| dir.sync_all());
        synced.map_err(StoreError::io("write", dir))?;
    }
    Ok(())
}

fn has_store(dir: &Path) -> Result<bool, StoreError> {
    let store = dir.join(STORE);
    store.try_exists().map_err(StoreError::io("open", &store))
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
    for entry in fs::read_dir(dir).map_err(StoreError::io("read", dir))? {
        let name = entry.map_err(StoreError::io("read", dir))?.file_name();
        if name == STORE {
            return Ok(Found::Ours);
        }
        if name == lock::NAME {
            found = Found::Ours;
        } else if name != UNFINISHED {
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
