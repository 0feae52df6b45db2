//! Single cases by name.

use std::sync::Arc;

use squall::testing::{BoltTest, Collected, Events, Fault, TopologyTest};
use squall::{RunError, RunOptions, Text, Timestamp, Topology, secs, tuple::DeadLetter};
use squall_cube::{
    Compacting, Event, Input, Kind, Metric, MetricColumn, Roller, Rollup, Schema, SegmentError,
    SegmentFiles, SegmentReader, compact,
};

use super::model::{Cube, schema};
use super::{Place, Way, run};

const HOUR: i64 = 3_600_000;

/// A schema of these metrics, by the hour, with segments of a day.
fn hourly(metrics: &[(&str, Kind)]) -> Arc<Schema> {
    let metrics = metrics.iter().map(|(name, kind)| Metric {
        name: (*name).to_owned(),
        field: Some((*name).to_owned()),
        kind: *kind,
    });
    Arc::new(Schema {
        metrics: metrics.collect(),
        ..schema("hour", "day", true)
    })
}

/// Events of one dimension.
struct Maker(Arc<[Text]>);

impl Maker {
    fn of(name: &str) -> Self {
        Self(Arc::from([Text::from(name)]))
    }

    fn event(&self, millis: i64, value: &str, inputs: &[Input]) -> Event {
        Event {
            time: Timestamp::from_millis(millis),
            names: Arc::clone(&self.0),
            dimensions: [Some(Text::from(value))].into(),
            inputs: inputs.into(),
            raw: None,
        }
    }
}

/// Clicks of a few days: each hour's users are 10 of 40.
pub(crate) fn clicks(hours: i64, each: i64) -> Vec<Event> {
    let maker = Maker::of("campaign");
    let numbers = (0..hours).flat_map(|hour| (0..each).map(move |number| (hour, number)));
    let clicks = numbers.map(|(hour, number)| {
        let campaign = ["a", "b", "c"][usize::try_from(number % 3).unwrap()];
        let user = (hour * 7 + number % 10) % 40;
        let inputs = [Input::Long(number), Input::Hash(user.unsigned_abs())];
        maker.event(hour * HOUR + number, campaign, &inputs)
    });
    clicks.collect()
}

pub(crate) fn of_clicks() -> Arc<Schema> {
    hourly(&[("bytes", Kind::LongSum), ("users", Kind::HyperUnique)])
}

fn in_durable_run(place: &Place) -> RunOptions {
    RunOptions {
        data_dir: Some(place.data_dir.clone()),
        ..RunOptions::default()
    }
}

fn topology(schema: &Arc<Schema>, events: Vec<Event>, place: &Place) -> Topology {
    let topology = Topology::named("cube");
    let events = Events::now(events);
    let spout = topology.spout("events", move || events.clone());
    Rollup::new(Arc::clone(schema), place.folder()).wire(&topology, &spout);
    topology
}

#[test]
fn a_sum_that_leaves_its_range_sends_the_event_to_the_dead_letters() {
    let schema = hourly(&[("packets", Kind::LongSum), ("bytes", Kind::LongSum)]);
    let maker = Maker::of("host");
    let sent = |packets, bytes| {
        maker.event(
            HOUR + 5,
            "web 1",
            &[Input::Long(packets), Input::Long(bytes)],
        )
    };
    let place = Place::new();
    let events = Events::now([sent(1, i64::MAX - 1), sent(10, 2), sent(100, 1)]);
    let topology = Topology::named("cube");
    let spout = topology.spout("events", move || events.clone());
    Rollup::new(Arc::clone(&schema), place.folder()).wire(&topology, &spout);
    let letters = Arc::new(std::sync::Mutex::new(Vec::new()));
    let collected = Arc::clone(&letters);
    topology.dead_letter_sink("letters", move || Letters(Arc::clone(&collected)));
    let summary = TopologyTest::new(topology)
        .options(in_durable_run(&place))
        .run();
    assert_eq!(summary.unwrap().stats.dead_letters(), 1);
    let letters = letters.lock().unwrap();
    assert_eq!(
        letters[0].reason,
        "the longSum `bytes` leaves its range with this event, in the row of \
         1970-01-01T01:00:00Z with host = `web 1`"
    );
    // The packets of that event are not in it.
    let cube = place.cube(&schema);
    let expected = Cube::of(&schema, &[sent(101, i64::MAX)]);
    assert_eq!(cube, expected);
}

#[test]
fn the_reason_of_an_event_without_dimensions_ends_with_its_row() {
    let event = Event {
        time: Timestamp::from_millis(HOUR + 5),
        names: [].into(),
        dimensions: [].into(),
        inputs: [Input::Long(i64::MAX)].into(),
        raw: None,
    };
    let roller = Roller::new(hourly(&[("bytes", Kind::LongSum)]));
    let out = BoltTest::new(roller).send(event.clone()).send(event);
    let out = out.last_epoch().run().unwrap();
    assert_eq!(
        out.dead_letters()[0].reason,
        "the longSum `bytes` leaves its range with this event, in the row of 1970-01-01T01:00:00Z"
    );
}

struct Letters(Arc<std::sync::Mutex<Vec<DeadLetter>>>);

impl squall::Sink for Letters {
    type Input = DeadLetter;
    fn write(&mut self, letters: &[DeadLetter]) -> squall::Result {
        self.0.lock().unwrap().extend_from_slice(letters);
        Ok(())
    }
}

/// Each task has a part of the sum that is in range.
#[test]
fn parts_of_a_sum_that_leaves_its_range_stay_rows_of_their_own() {
    let schema = hourly(&[("bytes", Kind::LongSum)]);
    let maker = Maker::of("host");
    let sent = || maker.event(0, "a", &[Input::Long(i64::MAX)]);
    let place = Place::new();
    let way = Way {
        spouts: 2,
        tasks: 2,
        compacting: Compacting {
            files: 2,
            own_rows: 0,
            at_once: true,
            keep: secs(0),
        },
        ..Way::default()
    };
    run(&schema, &[sent(), sent()], &way, &place);
    run(&schema, &[], &way, &place);
    let mut sums = Vec::new();
    for (name, file) in place.files() {
        let reader = SegmentReader::open(&place.folder().join(name), &file).unwrap();
        for group in 0..reader.row_groups() {
            let rows = reader.read(group, &[], &["bytes"]).unwrap();
            if let MetricColumn::Long(numbers) = &rows.metrics[0] {
                sums.extend(numbers.clone());
            }
        }
    }
    assert_eq!(sums, [Some(i64::MAX), Some(i64::MAX)]);
}

#[test]
fn without_rollup_every_event_is_a_row() {
    let schema = Arc::new(Schema {
        rollup: false,
        ..(*of_clicks()).clone()
    });
    let place = Place::new();
    let events = [clicks(3, 30), clicks(3, 30)].concat();
    let way = Way {
        tasks: 2,
        compacting: Compacting {
            files: 2,
            own_rows: 0,
            at_once: true,
            keep: secs(0),
        },
        ..Way::default()
    };
    run(&schema, &events, &way, &place);
    let rows: u64 = place.files().iter().map(|(_, file)| file.rows).sum();
    assert_eq!(rows, 180);
    assert_eq!(place.cube(&schema), Cube::of(&schema, &events));
}

#[test]
fn events_that_are_fed_twice_double_the_sums_and_not_the_distinct_users() {
    let schema = of_clicks();
    let place = Place::new();
    let events = clicks(30, 50);
    let twice = [events.clone(), events.clone()].concat();
    run(&schema, &twice, &Way::default(), &place);
    let cube = place.cube(&schema);
    let once = Cube::of(&schema, &events);
    for (key, metrics) in &cube.metrics {
        use super::model::Known::{Distinct, Long};
        let (Long(Some(sum)), Distinct(users)) = (&metrics[0], &metrics[1]) else {
            panic!("{metrics:?}");
        };
        let (Long(Some(of_once)), Distinct(same)) = (&once.metrics[key][0], &once.metrics[key][1])
        else {
            panic!("{metrics:?}");
        };
        assert_eq!((*sum, users), (of_once * 2, same));
    }
    assert_eq!(cube.metrics.len(), 90);
}

#[test]
fn rows_that_take_too_much_memory_are_written_before_the_commit() {
    let schema = of_clicks();
    let events = clicks(200, 30);
    let place = Place::new();
    let topology = Topology::named("cube");
    let spout = Events::now(events.clone());
    let spout = topology.spout("events", move || spout.clone());
    let of_rows = Arc::clone(&schema);
    let rolled = topology
        .bolt("rolled", move || {
            squall_cube::Roller::new(Arc::clone(&of_rows)).most_rows(7)
        })
        .shuffle_grouping(&spout);
    let (of_files, folder) = (Arc::clone(&schema), place.folder().to_owned());
    let segments = topology
        .bolt("segments", move || {
            squall_cube::Segments::new(&folder, Arc::clone(&of_files)).most_bytes(4_096)
        })
        .global_grouping(&rolled);
    let listings = Collected::of(&topology, "listings", &segments);
    let options = RunOptions {
        commit: secs(3_600),
        ..in_durable_run(&place)
    };
    TopologyTest::new(topology).options(options).run().unwrap();
    assert_eq!(place.cube(&schema), Cube::of(&schema, &events));
    // One commit, and many files.
    let listings = listings.take();
    assert_eq!(listings.len(), 1);
    assert!(listings[0].files.len() > 10, "{}", listings[0].files.len());
}

#[test]
fn row_groups_are_found_by_their_times() {
    let schema = of_clicks();
    let place = Place::new();
    // Of four days, each segment a row group of each file; each commit leaves its own.
    let way = Way {
        compacting: Compacting {
            files: usize::MAX,
            ..Compacting::default()
        },
        ..Way::default()
    };
    run(&schema, &clicks(96, 10), &way, &place);
    let snapshot = place.data_dir.views().unwrap().read().unwrap();
    let files = SegmentFiles::of(&snapshot, place.folder()).unwrap();
    let count = |times: std::ops::Range<i64>| {
        let groups = files.row_groups(&times).unwrap();
        let mut rows = 0;
        for group in groups {
            assert!(group.times().start() < &times.end && group.times().end() >= &times.start);
            assert_eq!(group.schema(), &*schema);
            let read = group.read(&["campaign"], &["bytes"]).unwrap();
            let found = read.times.iter().filter(|time| times.contains(time));
            rows += found.count();
        }
        rows
    };
    let expected = Cube::of(&schema, &clicks(96, 10));
    let in_time = |times: std::ops::Range<i64>| {
        let keys = expected.metrics.keys();
        keys.filter(|(time, _)| times.contains(time)).count()
    };
    // Hours of several commits are in several rows.
    for hours in [0..96, 25..26, 23..25, 95..200] {
        let times = hours.start * HOUR..hours.end * HOUR;
        assert!(count(times.clone()) >= in_time(times.clone()), "{hours:?}");
        assert!(count(times.clone()) <= 2 * in_time(times), "{hours:?}");
    }
    assert!(files.row_groups(&(-HOUR..0)).unwrap().is_empty());
    assert!(
        files
            .row_groups(&(96 * HOUR..97 * HOUR))
            .unwrap()
            .is_empty()
    );
    let of_an_hour = files.row_groups(&(30 * HOUR..31 * HOUR)).unwrap().len();
    assert!(of_an_hour < files.files().len() / 4, "{of_an_hour}");
}

/// So that a query begins again, with the files that there are then.
#[test]
fn a_file_that_goes_away_before_its_rows_are_read_is_missing() {
    let place = Place::new();
    run(&of_clicks(), &clicks(2, 20), &Way::default(), &place);
    let snapshot = place.data_dir.views().unwrap().read().unwrap();
    let files = SegmentFiles::of(&snapshot, place.folder()).unwrap();
    let groups = files.row_groups(&(i64::MIN..i64::MAX)).unwrap();
    std::fs::remove_dir_all(place.folder()).unwrap();
    for group in groups {
        let error = group.read(&["campaign"], &[]).unwrap_err();
        assert!(matches!(error, SegmentError::Missing { .. }), "{error}");
    }
}

#[test]
fn a_file_that_was_changed_is_noticed() {
    let schema = of_clicks();
    let place = Place::new();
    run(&schema, &clicks(2, 20), &Way::default(), &place);
    let (name, file) = place.files().remove(0);
    let path = place.folder().join(&name);
    let bytes = std::fs::read(&path).unwrap();
    // No byte is of no account.
    for at in [0, 4, bytes.len() / 2, bytes.len() - 1] {
        let mut changed = bytes.clone();
        changed[at] ^= 1;
        std::fs::write(&path, &changed).unwrap();
        let error = SegmentReader::open(&path, &file).err().unwrap();
        assert!(matches!(error, SegmentError::Changed { .. }), "{error}");
    }
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let error = SegmentReader::open(&path, &file).err().unwrap().to_string();
    let expected = format!("{} bytes instead of {} bytes", bytes.len() - 1, bytes.len());
    assert!(error.contains(&expected), "{error}");

    // A run does not go on with it, either.
    let again = || {
        let topology = topology(&schema, clicks(1, 1), &place);
        let error = TopologyTest::new(topology)
            .options(in_durable_run(&place))
            .run();
        said(&error.unwrap_err())
    };
    assert!(again().contains("is not as it was written"), "{}", again());
    std::fs::remove_file(&path).unwrap();
    let error = again();
    assert!(error.contains(&format!("{name}`, with")), "{error}");
}

/// An error with its causes.
fn said(error: &RunError) -> String {
    let mut said = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        said += &format!(": {error}");
        cause = error.source();
    }
    said
}

#[test]
fn another_spec_is_refused_before_anything_is_changed() {
    let place = Place::new();
    run(&of_clicks(), &clicks(2, 20), &Way::default(), &place);
    let before = place.files();
    let other = hourly(&[("bytes", Kind::LongMax)]);
    let event = Maker::of("campaign").event(0, "a", &[Input::Long(1)]);
    let topology = topology(&other, vec![event], &place);
    let error = TopologyTest::new(topology)
        .options(in_durable_run(&place))
        .run();
    let error = said(&error.unwrap_err());
    assert!(error.contains("does not fit the state"), "{error}");
    assert!(
        error.contains("longMax") && error.contains("hyperUnique"),
        "{error}"
    );
    assert_eq!(place.files(), before);
}

/// A run without a data directory does not know whose files there are: it would count twice.
#[test]
fn without_a_data_directory_files_of_others_are_not_touched() {
    let place = Place::new();
    run(&of_clicks(), &clicks(2, 20), &Way::default(), &place);
    let before = place.on_disk();
    let topology = topology(&of_clicks(), clicks(1, 1), &place);
    let error = said(&TopologyTest::new(topology).run().unwrap_err());
    assert!(error.contains("the folder already has segments"), "{error}");
    assert_eq!(place.on_disk(), before);

    let empty = Place::new();
    let topology = self::topology(&of_clicks(), clicks(1, 1), &empty);
    TopologyTest::new(topology).run().unwrap();
    assert_eq!(empty.on_disk().len(), 1);
}

/// What a run has written for a commit that never was.
#[test]
fn files_of_no_commit_are_deleted_by_the_next_run() {
    let schema = of_clicks();
    let place = Place::new();
    let foreign = place.folder().join("sales.parquet");
    std::fs::write(&foreign, "not ours").unwrap();
    let killed = Way {
        faults: vec![("segments.written", 3, Fault::Kill)],
        commit_ms: 1,
        ..Way::default()
    };
    run(&schema, &clicks(10, 40), &killed, &place);
    let mut names: Vec<String> = place.files().into_iter().map(|(name, _)| name).collect();
    names.extend(place.retired());
    names.push("sales.parquet".to_owned());
    names.sort();
    assert_eq!(place.on_disk(), names);
    assert_eq!(place.cube(&schema), Cube::of(&schema, &clicks(10, 40)));
}

/// Dimensions that are discovered may change from day to day.
#[test]
fn a_file_has_the_dimensions_of_its_rows_and_no_others() {
    let schema = hourly(&[("bytes", Kind::LongSum)]);
    let place = Place::new();
    let events: Vec<Event> = (0..40)
        .map(|number| {
            let maker = Maker::of(&format!("dimension {number:02}"));
            maker.event(number * 60_000, "x", &[Input::Long(number)])
        })
        .collect();
    let way = Way {
        compacting: Compacting {
            files: usize::MAX,
            ..Compacting::default()
        },
        ..Way::default()
    };
    run(&schema, &events, &way, &place);
    assert_eq!(place.cube(&schema), Cube::of(&schema, &events));
    let dimensions = |(name, file): &(String, _)| {
        let reader = SegmentReader::open(&place.folder().join(name), file).unwrap();
        reader.dimensions().len()
    };
    let files = place.files();
    assert!(files.len() > 3);
    assert!(files.iter().map(dimensions).max().unwrap() < 20);
    compact(&place.data_dir, place.folder()).unwrap();
    let compacted = place.files();
    assert_eq!(compacted.iter().map(dimensions).collect::<Vec<_>>(), [40]);
    assert_eq!(place.cube(&schema), Cube::of(&schema, &events));
}

/// The nine rows of Druid's tutorial, by the minute.
#[test]
fn the_tutorial_of_druid() {
    const ROWS: [(&str, &str, i64, i64); 9] = [
        ("01:01:35", "1", 20, 9_024),
        ("01:01:51", "1", 255, 21_133),
        ("01:01:59", "1", 11, 5_780),
        ("01:02:14", "1", 38, 6_289),
        ("01:02:29", "1", 377, 359_971),
        ("01:03:29", "1", 49, 10_204),
        ("21:33:14", "2", 38, 6_289),
        ("21:33:45", "2", 123, 93_999),
        ("21:35:45", "2", 12, 2_818),
    ];
    let kinds = [
        ("packets", Kind::LongSum),
        ("bytes", Kind::LongSum),
        ("count", Kind::Count),
    ];
    let schema = Arc::new(Schema {
        query: "minute".parse().unwrap(),
        ..(*hourly(&kinds)).clone()
    });
    let maker = Maker::of("srcIP");
    let millis_of = |time: &str| {
        let parts = time.split(':').map(|part| part.parse::<i64>().unwrap());
        parts.fold(0, |sum, part| sum * 60 + part) * 1_000
    };
    let events = ROWS.map(|(time, source, packets, bytes)| {
        let inputs = [Input::Long(packets), Input::Long(bytes), Input::None];
        maker.event(millis_of(time), source, &inputs)
    });
    let place = Place::new();
    TopologyTest::new(topology(&schema, events.to_vec(), &place))
        .options(in_durable_run(&place))
        .run()
        .unwrap();
    let (name, file) = place.files().remove(0);
    let reader = SegmentReader::open(&place.folder().join(name), &file).unwrap();
    let rows = reader.read(0, &[], &["packets", "bytes", "count"]).unwrap();
    let minutes: Vec<i64> = ["01:01:00", "01:02:00", "01:03:00", "21:33:00", "21:35:00"]
        .map(millis_of)
        .into();
    assert_eq!(rows.times, minutes);
    let column = |numbers: [i64; 5]| MetricColumn::Long(numbers.map(Some).into());
    assert_eq!(rows.metrics[0], column([286, 415, 49, 161, 12]));
    assert_eq!(
        rows.metrics[1],
        column([35_937, 366_260, 10_204, 100_288, 2_818])
    );
    assert_eq!(rows.metrics[2], column([3, 2, 1, 2, 1]));
}
