//! A copy of a store, made while it is in use.

use std::io;
use std::path::Path;

use super::batch::Batch;
use super::dir;
use super::engine::View;
use super::error::StoreError;
use crate::error::BoxError;

/// The copy is written in batches of about this size, so that it needs no more memory.
const BATCH_BYTES: usize = 8 << 20;

/// Copies what `view` shows into a new data directory, and checks it on the way, unless it is
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::{Batch, Store};

    fn store(values: u32, bytes: usize) -> Store {
        let store = Store::in_memory().unwrap();
        let mut batch = Batch::default();
        for value in 0..values {
            batch.put(value.to_be_bytes().to_vec(), vec![7; bytes]);
        }
        store.commit(batch).unwrap();
        store
    }

    #[test]
    fn a_backup_opens_as_a_data_directory_with_the_same_values() {
        let root = tempfile::tempdir().unwrap();
        let to = root.path().join("a/b");
        let store = store(90, 200_000);
        store.backup(&to, &|| false).unwrap();

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
    fn a_backup_that_is_given_up_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let to = root.path().join("copy");
        let error = store(9, 9).backup(&to, &|| true).unwrap_err().to_string();
        assert!(error.contains("the run has ended"), "{error}");
        assert!(!to.exists());
    }

    #[test]
    fn a_backup_overwrites_nothing() {
        let root = tempfile::tempdir().unwrap();
        let store = store(1, 1);
        store.backup(root.path(), &|| false).unwrap();
        let error = store
            .backup(root.path(), &|| false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("this one holds data"), "{error}");

        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join("letter.txt"), "Dear reader").unwrap();
        let error = store
            .backup(other.path(), &|| false)
            .unwrap_err()
            .to_string();
        assert!(error.contains("it holds other files"), "{error}");
        assert_eq!(fs::read_dir(other.path()).unwrap().count(), 1);
    }
}
