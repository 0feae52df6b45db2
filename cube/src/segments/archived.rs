//! Whether the archive has what segments were made of.

use std::collections::BTreeMap;
use std::ops::Range;

use squall::{Result, Timestamp};

use super::file::{Part, SegmentError, SegmentFile};
use super::folder::Folder;
use super::reader::SegmentReader;
use super::reindex_error::ReindexError;
use crate::archive::Archived;
use crate::rows::MetricColumn;
use crate::schema::{Kind, Schema};

/// As many events are archived as are in these files, or more, since the archive has those too
/// of which the cube took nothing; of each segment by itself.
///
/// Where a schema has no count, its rows are counted: none is of less than one event. That tells
/// something only where the archive is `complete`, from the beginning of the cube.
pub(super) fn check<'f>(
    folder: &Folder,
    files: impl Iterator<Item = (&'f String, &'f SegmentFile)>,
    schemas: &BTreeMap<String, Schema>,
    segments: &[(i64, Archived)],
    complete: bool,
) -> Result<()> {
    let archived = segments
        .iter()
        .map(|(start, archived)| (*start..archived.end, 0, archived.events));
    let mut all: Vec<Counted> = archived.collect();
    for (name, file) in files {
        let schema = schemas.get(&file.schema);
        let counts = schema.and_then(|schema| {
            let mut metrics = schema.metrics.iter();
            let count = metrics.find(|metric| metric.kind == Kind::Count)?;
            Some(count.name.as_str())
        });
        if counts.is_none() && !complete {
            return Err(ReindexError::NotKnown.into());
        }
        let reader = SegmentReader::open(&folder.file(name), file)?;
        for part in &file.parts {
            let stored = match counts {
                Some(metric) => events(&reader, part, metric)?,
                None => part.rows,
            };
            all.push((part.segment.clone(), stored, 0));
        }
    }
    for (time, stored, archived) in together(all) {
        if stored > archived {
            return Err(ReindexError::NotArchived {
                from: Timestamp::from_millis(time.start),
                to: Timestamp::from_millis(time.end),
                stored,
                archived,
            }
            .into());
        }
    }
    Ok(())
}

/// A time, the events of it in the cube, and in the archive.
type Counted = (Range<i64>, u64, u64);

/// The same for times that do not overlap: the segments of the cube need not be as long as those
/// of the archive.
fn together(mut all: Vec<Counted>) -> Vec<Counted> {
    all.sort_by_key(|(time, ..)| time.start);
    let mut together: Vec<Counted> = Vec::new();
    for (time, stored, archived) in all {
        match together.last_mut() {
            Some((last, of_cube, of_archive)) if overlap(last, &time) => {
                last.end = last.end.max(time.end);
                *of_cube = of_cube.saturating_add(stored);
                *of_archive = of_archive.saturating_add(archived);
            }
            _ => together.push((time, stored, archived)),
        }
    }
    together
}

pub(super) fn overlap(one: &Range<i64>, other: &Range<i64>) -> bool {
    one.start < other.end && other.start < one.end
}

/// The events of a part, by the metric that counts them.
fn events(reader: &SegmentReader, part: &Part, metric: &str) -> Result<u64, SegmentError> {
    let mut events = 0_u64;
    for group in part.row_groups.clone() {
        let rows = reader.read(group as usize, &[], &[metric])?;
        if let Some(MetricColumn::Long(counts)) = rows.metrics.first() {
            let counts = counts.iter().flatten().map(|count| count.cast_unsigned());
            events = counts.fold(events, u64::saturating_add);
        }
    }
    Ok(events)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_segments_of_other_lengths_are_compared_as_one() {
        let all = vec![(0..30, 9, 0), (0..10, 0, 4), (10..20, 0, 5), (30..40, 1, 0)];
        assert_eq!(together(all), [(0..30, 9, 9), (30..40, 1, 0)]);
        assert_eq!(together(Vec::new()), []);
    }
}
