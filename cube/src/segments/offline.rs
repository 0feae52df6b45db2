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
/// on the way; the rows are the same.
///
/// # Errors
/// Where a run has the data directory, where it holds no cube, and where files are missing, were
/// changed, or cannot be written.
pub fn compact(data_dir: &DataDir, folder: impl AsRef<Path>) -> Result<Compacted> {
    let folder = Folder::at(folder.as_ref());
    let mut listing = listing(data_dir)?;
    let rows = |listing: &Listing| listing.files.values().map(|file| file.rows).sum();
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
        for (name, _) in &job.inputs {
            folder.delete(name)?;
        }
        listing = self::listing(data_dir)?;
        manifest::write(&folder, &serde_json::to_vec_pretty(&listing)?)?;
    }
    // Nobody can have begun to read them: that needs the data directory, and so did this.
    let retired =
        data_dir.edit_table(SEGMENTS, "retired", |retired: &mut Table<String, i64>| {
            let names: Vec<String> = retired.iter().map(|(name, _)| name.clone()).collect();
            retired.clear();
            Ok(names)
        })?;
    for name in retired {
        folder.delete(&name)?;
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
fn listing(data_dir: &DataDir) -> Result<Listing> {
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
