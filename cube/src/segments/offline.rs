//! All files become one for each segment, while no run has them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use squall::{DataDir, Result, Table};

use super::SEGMENTS;
use super::compaction::{Job, MAX_INPUTS, Merged};
use super::file::SegmentFile;
use super::folder::Folder;
use super::manifest::{self, Listing};
use super::merge::Written;
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
/// not depend on how many rows there are. A crash leaves the files of before or of after. The disk
/// needs room for both, and where rows of one time are in many files once more for what is merged
/// on the way.
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
    let groups = to_merge(&listing.files);
    let inputs: Vec<String> = groups
        .iter()
        .flat_map(|files| files.keys().cloned())
        .collect();
    if !inputs.is_empty() {
        let mut merging = Merging {
            folder: &folder,
            // The number of the commit that takes them in.
            commit: listing.commit + 1,
            begun: 0,
            made: BTreeSet::new(),
        };
        let outputs = merging.merge(groups)?;
        data_dir.edit_table(SEGMENTS, "files", |files: &mut Files| {
            for name in &inputs {
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

/// The files of each schema, but for those that are one segment's and all of it.
fn to_merge(files: &BTreeMap<String, SegmentFile>) -> Vec<BTreeMap<String, SegmentFile>> {
    let mut of_segments: BTreeMap<(&str, i64), usize> = BTreeMap::new();
    for file in files.values() {
        for part in &file.parts {
            let segment = (file.schema.as_str(), part.segment.start);
            *of_segments.entry(segment).or_default() += 1;
        }
    }
    let mut by_schema: BTreeMap<&str, BTreeMap<String, SegmentFile>> = BTreeMap::new();
    for (name, file) in files {
        let schema = file.schema.as_str();
        let is_alone = |segment: i64| of_segments.get(&(schema, segment)) == Some(&1);
        match file.parts.as_slice() {
            [part] if is_alone(part.segment.start) => {}
            _ => {
                let of_schema = by_schema.entry(schema).or_default();
                of_schema.insert(name.clone(), file.clone());
            }
        }
    }
    by_schema.into_values().collect()
}

/// Files being merged, none of which is part of the cube before all are there.
struct Merging<'f> {
    folder: &'f Folder,
    commit: u64,
    /// How many files got a name.
    begun: u32,
    /// The new files that are there.
    made: BTreeSet<String>,
}

impl Merging<'_> {
    /// One file for each segment of these files, by schema. Where that fails nothing is left of
    /// the new ones.
    fn merge(&mut self, by_schema: Vec<BTreeMap<String, SegmentFile>>) -> Merged {
        let mut all = Written::new();
        for files in by_schema {
            match self.one_for_each_segment(files) {
                Ok(files) => all.extend(files),
                Err(error) => {
                    for name in &self.made {
                        // What cannot be deleted is deleted by the next run.
                        let _ = self.folder.delete(name);
                    }
                    return Err(error);
                }
            }
        }
        Ok(all)
    }

    fn one_for_each_segment(&mut self, mut files: BTreeMap<String, SegmentFile>) -> Merged {
        loop {
            let mut deepest = deepest(&files);
            let count = deepest.len();
            if count <= MAX_INPUTS {
                return self.run(files.into_iter().collect(), 0);
            }
            // The smaller ones first, and of many the smaller half before all are looked at
            // again: so no row is written too often.
            deepest.sort_by_key(|(_, file)| file.rows);
            deepest.truncate(MAX_INPUTS.max(count / 2));
            let too_many = count - MAX_INPUTS;
            let at_once = MAX_INPUTS.min(too_many + 1);
            let enough = too_many.div_ceil(MAX_INPUTS - 1);
            for inputs in deepest.chunks_exact(at_once).take(enough) {
                for (name, _) in inputs {
                    files.remove(name);
                }
                files.extend(self.run(inputs.to_vec(), u64::MAX)?);
            }
        }
    }

    /// Merges files, of which at most [`MAX_INPUTS`] have rows of one time.
    fn run(&mut self, inputs: Written, own_rows: u64) -> Merged {
        let job = Job::of(inputs, own_rows);
        let mut names = Vec::new();
        for _ in 0..job.outputs() {
            names.push(Folder::name(self.commit, self.begun));
            self.begun += 1;
        }
        let files = job.run(self.folder, &names, || true)?;
        self.made.extend(names);
        for (name, _) in &job.inputs {
            // The others are part of the cube until the new ones are.
            if self.made.remove(name) {
                self.folder.delete(name)?;
            }
        }
        Ok(files)
    }
}

/// The files with rows of the moment at which most files have some.
fn deepest(files: &BTreeMap<String, SegmentFile>) -> Written {
    let times = |file: &SegmentFile| {
        let first = file.parts.first().map_or(i64::MIN, |part| part.first);
        first..=file.parts.last().map_or(i64::MAX, |part| part.last)
    };
    // Where one ends as another one begins, both are open.
    let begins = files.values().map(|file| (*times(file).start(), false));
    let ends = files.values().map(|file| (*times(file).end(), true));
    let mut bounds: Vec<(i64, bool)> = begins.chain(ends).collect();
    bounds.sort_unstable();
    let (mut open, mut most, mut moment) = (0_usize, 0, 0);
    for (time, is_end) in bounds {
        if is_end {
            open -= 1;
            continue;
        }
        open += 1;
        if open > most {
            (most, moment) = (open, time);
        }
    }
    let deepest = files
        .iter()
        .filter(|(_, file)| times(file).contains(&moment));
    deepest
        .map(|(name, file)| (name.clone(), file.clone()))
        .collect()
}

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
