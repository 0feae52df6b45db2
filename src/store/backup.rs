//! A copy of a store, made while it is in use.

use std::path::Path;

use super::batch::Batch;
use super::dir;
use super::engine::View;
use super::error::StoreError;
use crate::error::BoxError;

/// The copy is written in batches of about this size, so that it needs no more memory.
const BATCH_BYTES: usize = 8 << 20;

/// Copies what `view` shows into a new data directory, and checks it on the way.
pub(super) fn backup(view: &View, to: &Path) -> Result<(), StoreError> {
    dir::make(to, |copy| {
        let mut batch = Batch::default();
        let read = view.prefix(&[], &mut |key, value| {
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
