//! Files with more rows than are in memory at once.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall::Text;

use super::file::SegmentFile;
use super::folder::Folder;
use super::merge::Merge;
use super::reader::SegmentReader;
use super::writer::{GROUP_ROWS, SegmentWriter};
use crate::rows::{DimensionColumn, MetricColumn, RolledRows};
use crate::schema::{Kind, Metric, Schema};
use squall::aggregate::Sketch;

const HOUR: i64 = 3_600_000;

fn schema() -> Arc<Schema> {
    let metric = |name: &str, kind| Metric {
        name: name.to_owned(),
        field: None,
        kind,
    };
    Arc::new(Schema {
        metrics: vec![
            metric("count", Kind::Count),
            metric("users", Kind::HyperUnique),
        ],
        query: "minute".parse().unwrap(),
        segment: "hour".parse().unwrap(),
        rollup: true,
    })
}

/// Sorted rows: one for each number, so many to a minute; users are from here on.
fn rows(
    numbers: impl Iterator<Item = u32>,
    to_a_minute: u32,
    users: std::ops::Range<u64>,
) -> RolledRows {
    let mut sketch = Sketch::new();
    for user in users {
        sketch.insert_hash(user.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    }
    let sketch: Arc<[u8]> = sketch.to_bytes().into();
    let mut rows = RolledRows::default();
    let mut values = DimensionColumn {
        name: "value".into(),
        ..DimensionColumn::default()
    };
    for number in numbers {
        rows.times.push(i64::from(number / to_a_minute) * 60_000);
        values
            .ids
            .push(u32::try_from(values.dictionary.len()).unwrap());
        // Numbers of one length sort as they are.
        let value = format!("value {:06}", number % to_a_minute);
        values.dictionary.push(value.as_str().into());
    }
    let count = rows.times.len();
    rows.dimensions.push(values);
    rows.metrics = vec![
        MetricColumn::Long(vec![Some(1); count]),
        MetricColumn::Distinct(vec![sketch; count]),
    ];
    rows
}

fn write(path: &Path, rows: &RolledRows) -> SegmentFile {
    let names: Vec<Text> = rows
        .dimensions
        .iter()
        .map(|column| column.name.clone())
        .collect();
    let mut writer = SegmentWriter::create(path, &schema(), &names).unwrap();
    writer.write(rows).unwrap();
    writer.finish(0).unwrap()
}

/// Each row as text, with its count and the length of its sketch.
fn read(path: &Path, file: &SegmentFile) -> Vec<(i64, String, i64, usize)> {
    let reader = SegmentReader::open(path, file).unwrap();
    let mut all = Vec::new();
    for group in 0..reader.row_groups() {
        let rows = reader.read(group, &["value"], &["users", "count"]).unwrap();
        assert!(rows.len() <= GROUP_ROWS);
        let [MetricColumn::Distinct(users), MetricColumn::Long(counts)] = rows.metrics.as_slice()
        else {
            panic!("other metrics were asked for");
        };
        for row in 0..rows.len() {
            let value = rows.dimensions[0].value(row).unwrap().to_string();
            all.push((
                rows.times[row],
                value,
                counts[row].unwrap(),
                users[row].len(),
            ));
        }
    }
    all
}

#[test]
fn a_damaged_file_whose_checksum_is_right_is_an_error_and_no_panic() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.parquet");
    let file = write(&path, &rows(0..9, 3, 0..2));
    let bytes = std::fs::read(&path).unwrap();
    let (mut opened, mut refused) = (0, 0);
    for at in 0..bytes.len() {
        for other in [0x00, 0x10, 0x15, 0xff] {
            let mut bytes = bytes.clone();
            bytes[at] = other;
            std::fs::write(&path, &bytes).unwrap();
            let file = SegmentFile {
                checksum: format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&bytes)),
                ..file.clone()
            };
            let Ok(reader) = SegmentReader::open(&path, &file) else {
                refused += 1;
                continue;
            };
            opened += 1;
            for group in 0..reader.row_groups() {
                let _ = reader.may_have(group, "value", Some("value 000001"));
                let read = reader.read(group, &["value"], &["users", "count"]);
                refused += usize::from(read.is_err());
            }
        }
    }
    assert!(opened > 100 && refused > 100, "{opened}, {refused}");
}

fn merged(inputs: &[(PathBuf, SegmentFile)], folder: &Path) -> Vec<(PathBuf, SegmentFile)> {
    let names = (0..).map(|number| format!("merged-{number}.parquet"));
    let merge = Merge::of(inputs.to_vec(), 0).unwrap();
    let files = merge.write(1, &Folder::at(folder), names, || true).unwrap();
    let files = files.into_iter();
    files
        .map(|(name, file)| (folder.join(name), file))
        .collect()
}

/// The last hour alone has many rows, and lies behind the others.
#[test]
fn segments_of_few_rows_are_merged_into_one_file_and_those_of_many_into_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let few = (path("few"), write(&path("few"), &rows(0..180, 1, 0..1)));
    let many = (
        path("many"),
        write(&path("many"), &rows(1_200..1_500, 10, 0..1)),
    );
    let merge = Merge::of(vec![many, few], 300).unwrap();
    let names = (0..).map(|number| format!("{number}"));
    let files = merge
        .write(1, &Folder::at(folder.path()), names, || true)
        .unwrap();
    let parts = |file: &SegmentFile| file.parts.iter().map(|part| part.rows).collect::<Vec<_>>();
    let files: Vec<_> = files
        .iter()
        .map(|(name, file)| (name.as_str(), parts(file)))
        .collect();
    assert_eq!(files, [("1", vec![330]), ("0", vec![60, 60])]);
}

#[test]
fn row_groups_end_with_segments_and_before_they_are_too_large() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many");
    let many = rows(0..70_000, 1_000, 0..1);
    let file = write(&path, &many);
    // 70 minutes with 1,000 rows each: the second hour begins in the 61st.
    let parts = file
        .parts
        .iter()
        .map(|part| (part.rows, part.row_groups.clone()));
    assert_eq!(parts.collect::<Vec<_>>(), [(60_000, 0..1), (10_000, 1..2)]);
    assert_eq!(
        (file.parts[1].first, file.parts[1].last),
        (HOUR, HOUR + 9 * 60_000)
    );
    let in_one_hour = write(&path, &rows(0..70_000, 70_000, 0..1));
    assert_eq!(in_one_hour.parts.len(), 1);
    assert_eq!(in_one_hour.parts[0].row_groups, 0..2);
    assert_eq!(read(&path, &in_one_hour).len(), 70_000);

    let large = write(&path, &rows(0..1_000, 1_000, 0..3_000));
    let groups = large.parts[0].row_groups.len();
    assert!(
        groups > 1,
        "the sketches take some MiB, and are in {groups} group"
    );
    assert_eq!(read(&path, &large).len(), 1_000);
}

/// The last row of the first group, number 65,535, is in two files.
#[test]
fn merged_files_have_each_row_once() {
    let folder = tempfile::tempdir().unwrap();
    let of_file = |name: &str, rows: &RolledRows| {
        let path = folder.path().join(name);
        let file = write(&path, rows);
        (path, file)
    };
    // In one hour, so that there are several groups in it; and then a few of the next one.
    let a = rows(
        (0..70_000).chain(71_000 * 60..71_000 * 60 + 10),
        71_000,
        0..3,
    );
    let b = rows((0..70_500).step_by(2), 71_000, 2..6);
    let c = rows((102..140_000).step_by(3), 71_000, 0..3);
    let inputs = [of_file("a", &a), of_file("b", &b), of_file("c", &c)];
    let outputs = merged(&inputs, folder.path());
    let expected = |number: u32| {
        let (in_a, in_b) = (
            !(70_000..71_000 * 60).contains(&number),
            number < 70_500 && number.is_multiple_of(2),
        );
        let in_c = (102..140_000).contains(&number) && (number - 102).is_multiple_of(3);
        let count = i64::from(in_a) + i64::from(in_b) + i64::from(in_c);
        let mut users = Sketch::new();
        for (there, of_file) in [(in_a, 0..3), (in_b, 2..6), (in_c, 0..3)] {
            for user in of_file.filter(|_| there) {
                users.insert_hash(u64::wrapping_mul(user, 0x9e37_79b9_7f4a_7c15));
            }
        }
        let value = format!("value {:06}", number % 71_000);
        let time = i64::from(number / 71_000) * 60_000;
        (count > 0).then(|| (time, value, count, users.to_bytes().len()))
    };
    let numbers = (0..140_000).chain(71_000 * 60..71_000 * 60 + 10);
    let expected: Vec<_> = numbers.filter_map(expected).collect();
    let found: Vec<_> = outputs
        .iter()
        .flat_map(|(path, file)| read(path, file))
        .collect();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "rows differ");
    let segments: Vec<i64> = outputs
        .iter()
        .map(|(_, file)| file.parts[0].segment.start)
        .collect();
    assert_eq!(segments, [0, HOUR]);
    assert!(
        outputs
            .iter()
            .all(|(_, file)| file.level == 1 && file.parts.len() == 1)
    );
    assert!(outputs[0].1.parts[0].row_groups.len() > 1);
}

#[test]
fn several_threads_read_one_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let written = rows(0..70_000, 70_000, 0..1);
    let file = write(&path, &written);
    let reader = SegmentReader::open(&path, &file).unwrap();
    let of_group = |group: usize| &written.times[..][group * GROUP_ROWS..];
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (reader, written) = (&reader, &written);
            scope.spawn(move || {
                for turn in 0..10 {
                    let group = (thread + turn) % 2;
                    let rows = reader.read(group, &["value"], &["count"]).unwrap();
                    let expected = &of_group(group)[..rows.len()];
                    assert_eq!(rows.times, expected);
                    for row in (0..rows.len()).step_by(97) {
                        let expected = written.dimensions[0].value(group * GROUP_ROWS + row);
                        assert_eq!(rows.dimensions[0].value(row), expected);
                    }
                }
            });
        }
    });
}

#[test]
fn a_merge_that_is_stopped_ends_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let file = write(&path, &rows(0..5_000, 100, 0..1));
    let names = ["merged".to_owned()].into_iter();
    let merge = Merge::of(vec![(path, file)], 0).unwrap();
    let merged = merge.write(1, &Folder::at(folder.path()), names, || false);
    let error = merged.unwrap_err();
    assert_eq!(error.to_string(), "the compaction was stopped");
}

#[test]
fn what_is_asked_for_is_read_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let file = write(&path, &rows(0..50, 10, 0..1));
    let reader = SegmentReader::open(&path, &file).unwrap();
    let rows = reader.read(0, &["absent"], &[]).unwrap();
    assert_eq!(rows.times.len(), 50);
    assert_eq!(rows.dimensions[0].ids, [DimensionColumn::NULL; 50]);
    assert!(rows.metrics.is_empty());
    let error = reader.read(0, &[], &["cuont"]).unwrap_err().to_string();
    assert!(error.ends_with("has no metric `cuont`"), "{error}");

    assert_eq!(reader.times(0), Some(0..=240_000));
    let may_have = |dimension, value| reader.may_have(0, dimension, value);
    assert!(may_have("value", Some("value 000004")));
    assert!(!may_have("value", Some("value 000010")));
    assert!(!may_have("value", Some("")));
    assert!(!may_have("value", None));
    assert!(may_have("absent", None));
    assert!(!may_have("absent", Some("value 000004")));
}

/// Rows of one time with these values; sorted, as a writer takes them.
fn with_values(mut values: Vec<Option<String>>) -> RolledRows {
    values.sort();
    let mut column = DimensionColumn {
        name: "value".into(),
        ..DimensionColumn::default()
    };
    for value in &values {
        let Some(value) = value else {
            column.ids.push(DimensionColumn::NULL);
            continue;
        };
        if column
            .dictionary
            .last()
            .is_none_or(|last| last != value.as_str())
        {
            column.dictionary.push(value.as_str().into());
        }
        column
            .ids
            .push(u32::try_from(column.dictionary.len() - 1).unwrap());
    }
    RolledRows {
        times: vec![0; values.len()],
        dimensions: vec![column],
        metrics: vec![
            MetricColumn::Long(vec![Some(1); values.len()]),
            MetricColumn::Distinct(vec![Sketch::new().to_bytes().into(); values.len()]),
        ],
    }
}

/// The values of a row group, read in portions of so many rows.
fn values_read(reader: &SegmentReader, group: usize, portion: usize) -> Vec<Option<Text>> {
    let mut group = reader.group(group, &["value"], &[]).unwrap();
    let mut values = Vec::new();
    while let Some(rows) = group.next(portion).unwrap() {
        let column = &rows.dimensions[0];
        // Each value is there once, and none that no row has.
        for number in 0..column.dictionary.len() {
            assert!(column.ids.contains(&u32::try_from(number).unwrap()));
        }
        let different: std::collections::HashSet<_> = column.dictionary.iter().collect();
        assert_eq!(different.len(), column.dictionary.len());
        values.extend((0..rows.len()).map(|row| column.value(row).cloned()));
    }
    values
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(64))]

    #[test]
    fn values_are_read_as_they_were_written(
        // Runs of a value, and many different ones beside each other.
        runs in proptest::collection::vec(
            (proptest::option::of("[a-c]{0,20}"), 1..400_usize), 1..40),
        portion in 1..5_000_usize,
    ) {
        let values = runs.iter().flat_map(|(value, count)| vec![value.clone(); *count]);
        let rows = with_values(values.collect());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let reader = SegmentReader::open(&path, &write(&path, &rows)).unwrap();
        let all: Vec<Option<Text>> =
            (0..rows.len()).map(|row| rows.dimensions[0].value(row).cloned()).collect();
        proptest::prop_assert_eq!(values_read(&reader, 0, portion), all);
    }
}

#[test]
fn values_that_are_too_many_for_a_dictionary_are_read() {
    // A dictionary ends at 1 MiB; what comes after it is in the pages themselves.
    let long = |number| Some(format!("{number:06}{}", "x".repeat(100)));
    let values: Vec<Option<String>> = (0..30_000).map(|n| long(n / 2)).chain([None]).collect();
    let rows = with_values(values);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let reader = SegmentReader::open(&path, &write(&path, &rows)).unwrap();
    let all: Vec<_> = (0..rows.len())
        .map(|row| rows.dimensions[0].value(row).cloned())
        .collect();
    for portion in [usize::MAX, 4_096, 7_001] {
        assert_eq!(values_read(&reader, 0, portion), all);
    }
    for number in [0, 14_999] {
        assert!(reader.may_have(0, "value", long(number).as_deref()));
    }
    assert!(reader.may_have(0, "value", None));
}

#[test]
fn a_value_that_is_in_no_dictionary_is_not_looked_for() {
    let values = ["a", "c", "e"].map(|value| Some(value.to_owned()));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let reader = SegmentReader::open(&path, &write(&path, &with_values(values.to_vec()))).unwrap();
    // Between the least and the greatest.
    let has = ["a", "b", "c", "d", "e"].map(|value| reader.may_have(0, "value", Some(value)));
    assert_eq!(has, [true, false, true, false, true]);
}
