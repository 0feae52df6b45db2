//! Many files become fewer, and the rows stay the same.

use std::sync::Arc;

use squall::testing::Events;
use squall::{RunOptions, Timestamp, Topology, millis, secs};
use squall_cube::{Compacting, Event, Rollup, Schema, SegmentReader, compact};

use super::model::Cube;
use super::stories::{clicks, of_clicks};
use super::{Place, Way, run};

/// Compacted, every segment is one file; and nobody who reads sees any other rows.
#[test]
fn compaction_leaves_fewer_files_of_the_same_rows() {
    let schema = of_clicks();
    let events = clicks(60, 40);
    let plain = Place::new();
    let never = Way {
        compacting: Compacting {
            files: usize::MAX,
            ..Compacting::default()
        },
        ..Way::default()
    };
    run(&schema, &events, &never, &plain);
    assert!(plain.files().len() > 50, "{}", plain.files().len());
    assert!(plain.files().iter().all(|(_, file)| file.level == 0));

    let compacted = Place::new();
    let at_once = Way {
        compacting: Compacting {
            files: 4,
            own_rows: 0,
            at_once: true,
            keep: secs(0),
        },
        ..Way::default()
    };
    run(&schema, &events, &at_once, &compacted);
    let files = compacted.files();
    // At most three of each level and segment, and three of level 0.
    assert!(files.len() < 24, "{}", files.len());
    assert!(files.iter().any(|(_, file)| file.level >= 2));
    for (_, file) in files.iter().filter(|(_, file)| file.level > 0) {
        assert_eq!(file.parts.len(), 1, "{file:?}");
    }
    // Deleted at once, but for those of the end.
    assert!(compacted.on_disk().len() < 40, "{:?}", compacted.on_disk());
    assert_eq!(compacted.cube(&schema), plain.cube(&schema));
    assert_eq!(compacted.cube(&schema), Cube::of(&schema, &events));
}

/// Each commit has rows of all hours, which are segments of three rows.
#[test]
fn segments_of_few_rows_stay_together_in_few_files() {
    let schema = Arc::new(Schema {
        segment: "hour".parse().unwrap(),
        ..(*of_clicks()).clone()
    });
    let clicks = clicks(120, 12);
    // 101 and their number have no divisor.
    let shuffled = (0..clicks.len()).map(|number| clicks[number * 101 % clicks.len()].clone());
    let events: Vec<Event> = shuffled.collect();
    let wanted = Cube::of(&schema, &events);
    // Three of each level at most, and of a hundred commits there are four levels; or all of them.
    for (files, expected) in [(4, 1..=12), (usize::MAX, 100..=300)] {
        let place = Place::new();
        let way = Way {
            compacting: Compacting {
                files,
                at_once: true,
                keep: secs(0),
                ..Compacting::default()
            },
            ..Way::default()
        };
        run(&schema, &events, &way, &place);
        let files = place.files().len();
        assert!(expected.contains(&files), "{files}");
        assert_eq!(place.cube(&schema), wanted);
        let compacted = compact(&place.data_dir, place.folder()).unwrap();
        assert_eq!((compacted.files, place.on_disk().len()), (120, 120));
        assert_eq!(place.cube(&schema), wanted);
    }
}

/// Every segment becomes one file; the next run goes on with it.
#[test]
fn compacted_between_two_runs_each_segment_is_one_file() {
    let schema = of_clicks();
    let events = clicks(60, 40);
    let place = Place::new();
    // The days that there are events of: of the second one half, and a bit of the third.
    for (count, days) in [(1_500, 2), (2_400, 3)] {
        let way = Way {
            compacting: Compacting {
                files: 11,
                own_rows: 0,
                at_once: true,
                keep: secs(60),
            },
            ..Way::default()
        };
        run(&schema, &events[..count], &way, &place);
        let before = place.files();
        // What a compaction that died has left.
        let left = place.folder().join("0000000099-0000.parquet");
        std::fs::write(left, "half a file").unwrap();
        let elsewhere = Place::new();
        let error = compact(&place.data_dir, elsewhere.folder()).unwrap_err();
        assert!(error.to_string().contains("is missing"), "{error}");
        let compacted = compact(&place.data_dir, place.folder()).unwrap();
        assert_eq!(compacted.files_before, before.len());
        assert_eq!(compacted.files, days);
        assert_eq!(place.on_disk().len(), days);
        let cube = place.cube(&schema);
        assert_eq!(compacted.rows, cube.metrics.len() as u64);
        assert!(compacted.rows_before > compacted.rows);
        for (_, file) in place.files() {
            assert_eq!(file.parts.len(), 1, "{file:?}");
        }
        let again = compact(&place.data_dir, place.folder()).unwrap();
        assert_eq!(
            (again.files_before, again.files),
            (compacted.files, compacted.files)
        );
        let text = std::fs::read_to_string(place.folder().join("manifest.json")).unwrap();
        for (name, _) in place.files() {
            assert!(text.contains(&name), "{text}");
        }
    }
    assert_eq!(place.cube(&schema), Cube::of(&schema, &events));

    let empty = Place::new();
    run(&schema, &[], &Way::default(), &empty);
    let compacted = compact(&empty.data_dir, empty.folder()).unwrap();
    assert_eq!((compacted.files_before, compacted.files), (0, 0));
}

/// The rows of a file that cannot be merged are where they were, and events come in.
#[test]
fn a_file_that_cannot_be_read_does_not_stop_the_events() {
    let schema = of_clicks();
    let events = clicks(60, 40);
    let place = Place::new();
    let way = |files| Way {
        compacting: Compacting {
            files,
            own_rows: 0,
            at_once: true,
            keep: secs(60),
        },
        ..Way::default()
    };
    run(&schema, &events[..1_000], &way(usize::MAX), &place);
    let (name, _) = place.files()[0].clone();
    let path = place.folder().join(&name);
    let whole = std::fs::read(&path).unwrap();
    let mut damaged = whole.clone();
    damaged[whole.len() / 2] ^= 1;
    std::fs::write(&path, damaged).unwrap();

    run(&schema, &events, &way(4), &place);
    let files = place.files();
    assert!(files.len() > 10, "{}", files.len());
    assert!(files.iter().all(|(_, file)| file.level == 0));
    assert!(files.iter().any(|(other, _)| *other == name));
    // None is there that is no part of the cube.
    assert_eq!(place.on_disk().len(), files.len());

    std::fs::write(&path, whole).unwrap();
    assert_eq!(place.cube(&schema), Cube::of(&schema, &events));
}

/// In a real run, with its threads and a data directory.
#[test]
fn compaction_goes_on_beside_a_run() {
    let schema = of_clicks();
    let place = Place::new();
    let events = clicks(48, 40);
    let data_dir = squall::DataDir::at(place.folder().join("data"));
    let folder = place.folder().join("data/segments");
    let mut splits = vec![Vec::new()];
    for event in &events {
        splits[0].push(squall::testing::SplitStep::Tuple(
            Timestamp::MIN,
            event.clone(),
        ));
        splits[0].push(squall::testing::SplitStep::Wait(
            std::time::Duration::from_micros(100),
        ));
    }
    let topology = Topology::named("cube");
    let events_spout = Events::splits(squall::time::TimeDomain::Processing, splits);
    let spout = topology.spout("events", move || events_spout.clone());
    Rollup::new(Arc::clone(&schema), &folder)
        .compacting(Compacting {
            files: 2,
            own_rows: 0,
            at_once: false,
            keep: secs(0),
        })
        .wire(&topology, &spout);
    let options = RunOptions {
        data_dir: Some(data_dir.clone()),
        epoch: millis(1),
        commit: millis(1),
        signals: false,
        ..RunOptions::default()
    };
    topology.run(options).unwrap();
    let snapshot = data_dir.views().unwrap().read().unwrap();
    let files = snapshot.table("segments", "files").unwrap();
    let mut cube = Cube::new(&schema);
    let mut levels = Vec::new();
    for (name, file) in files.iter().unwrap() {
        let name: &String = name;
        let reader = SegmentReader::open(&folder.join(name), file).unwrap();
        cube.add_file(&reader, file);
        levels.push(file.level);
    }
    assert_eq!(cube, Cube::of(&schema, &events));
    assert!(levels.iter().any(|level| *level > 0), "{levels:?}");
}
