//! All files become one for each segment, while no run has them.

use std::collections::BTreeMap;
use std::path::Path;

use squall::{DataDir, Result, Table};

use super::SEGMENTS;
use super::compaction::Job;
use super::file::SegmentFile;
use super::folder::Folder;
use super::manifest::{self, Listing};
use crate::schema::Schema;

/// What [`compact`] has found, and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The files that there were.
    pub files_before: usize,
    /// The files that there are.
    pub files: usize,
    /// The rows that there were.
    pub rows_before: u64,
    /// The rows that there are.
    pub rows: u64,
}

/// Merges the segments in a folder until each is one file, and each bucket and set of
/// dimensions one row of it; other files of the cube are deleted. No run may have the data
/// directory. The memory that it takes does
/// not depend on how many rows there are. A crash leaves the files of before, or those of a step
/// on the way; the rows are the same. The disk needs room for the files of before and after.
///
/// # Errors
/// Where a run has the data directory, where it holds no cube, and where files are missing, were
/// changed, or cannot be written.
pub fn compact(data_dir: &DataDir, folder: impl AsRef<Path>) -> Result<Compacted> {
    compact_held(&held(data_dir)?, folder.as_ref())
}

/// A data directory with a cube, open as long as this is kept: nobody else has it meanwhile.
pub(super) fn held(data_dir: &DataDir) -> Result<DataDir> {
    // It is there: opening would make one.
    listing(data_dir)?;
    match data_dir.path() {
        Some(path) => Ok(DataDir::opened(path)?),
        None => Ok(data_dir.clone()),
    }
}

/// The same in a directory that is held.
pub(super) fn compact_held(data_dir: &DataDir, folder: &Path) -> Result<Compacted> {
    let folder = Folder::at(folder);
    let mut listing = listing(data_dir)?;
    let rows = |listing: &Listing| listing.files.values().map(|file| file.rows).sum();
    // In the folder of another cube nothing is deleted.
    for (name, file) in &listing.files {
        folder.check(name, file)?;
    }
    if listing.files.is_empty() {
        // Whose files there are is not known.
        return Ok(Compacted {
            files_before: 0,
            files: 0,
            rows_before: 0,
            rows: 0,
        });
    }
    let (files_before, rows_before) = (listing.files.len(), rows(&listing));
    while let Some(job) = Job::choose_all(&listing.files) {
        let numbers = (0..).take(job.outputs());
        // The number of the commit that takes them in.
        let commit = listing.commit + 1;
        let names: Vec<String> = numbers.map(|number| Folder::name(commit, number)).collect();
        let outputs = job.run(&folder, &names, || true)?;
        data_dir.edit_table(SEGMENTS, "files", |files: &mut Files| {
            for (name, _) in &job.inputs {
                files.remove(name);
            }
            for (name, file) in outputs {
                files.insert(name, file);
            }
            Ok(())
        })?;
        listing = self::listing(data_dir)?;
        manifest::write(&folder, &serde_json::to_vec_pretty(&listing)?)?;
    }
    // Queries learn of the files from us meanwhile; one that finds a file gone lists them again.
    data_dir.edit_table(SEGMENTS, "retired", |retired: &mut Table<String, i64>| {
        retired.clear();
        Ok(())
    })?;
    for name in folder.names()? {
        if !listing.files.contains_key(&name) {
            folder.delete(&name)?;
        }
    }
    Ok(Compacted {
        files_before,
        files: listing.files.len(),
        rows_before,
        rows: rows(&listing),
    })
}

type Files = Table<String, SegmentFile>;

/// The files as of the last commit.
pub(super) fn listing(data_dir: &DataDir) -> Result<Listing> {
    let snapshot = data_dir.views()?.read()?;
    let files = snapshot.table::<String, SegmentFile>(SEGMENTS, "files")?;
    let schemas = snapshot.table::<String, Schema>(SEGMENTS, "schemas")?;
    let files: BTreeMap<_, _> = files
        .iter()?
        .map(|(name, file)| (name.clone(), file.clone()))
        .collect();
    let schemas = schemas.iter()?;
    Ok(Listing {
        commit: snapshot.epoch(),
        schemas: schemas
            .map(|(id, schema)| (id.clone(), schema.clone()))
            .collect(),
        files,
    })
}
