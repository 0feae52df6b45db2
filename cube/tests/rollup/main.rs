//! Events that are rolled up into segments are what a naive evaluation says, whatever happens.

mod cases;
mod compaction;
mod manifest;
mod model;
mod sketch;
mod stories;

use std::path::Path;
use std::sync::Arc;

use squall::testing::{self, Events, Fault, Faults, TopologyTest};
use squall::{DataDir, RunOptions, Timestamp, Topology, millis, run::Restarts, time::TimeDomain};
use squall_cube::{Compacting, Event, Rollup, Schema, SegmentFile, SegmentReader};

use model::Cube;

/// The folder of a run and its store.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    pub(crate) data_dir: DataDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            data_dir: DataDir::in_memory().unwrap(),
        }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The files that are committed.
    pub(crate) fn files(&self) -> Vec<(String, SegmentFile)> {
        let snapshot = self.data_dir.views().unwrap().read().unwrap();
        let files = snapshot.table("segments", "files").unwrap();
        let files = files.iter().unwrap();
        files
            .map(|(name, file): (&String, &SegmentFile)| (name.clone(), file.clone()))
            .collect()
    }

    /// The names of the files that are not part of the cube any more, and not deleted.
    pub(crate) fn retired(&self) -> Vec<String> {
        let snapshot = self.data_dir.views().unwrap().read().unwrap();
        let retired = snapshot
            .table::<String, i64>("segments", "retired")
            .unwrap();
        retired
            .iter()
            .unwrap()
            .map(|(name, _)| name.clone())
            .collect()
    }

    /// The names of the files that are there.
    pub(crate) fn on_disk(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.filter(|name| name.ends_with(".parquet")).collect();
        names.sort();
        names
    }

    /// All rows of all files.
    pub(crate) fn cube(&self, schema: &Schema) -> Cube {
        let mut cube = Cube::new(schema);
        for (name, file) in self.files() {
            let reader = SegmentReader::open(&self.folder().join(name), &file).unwrap();
            assert_eq!(reader.schema(), schema);
            cube.add_file(&reader, &file);
        }
        cube
    }
}

/// How a run is done.
#[derive(Clone, Debug)]
pub(crate) struct Way {
    pub(crate) spouts: usize,
    pub(crate) tasks: usize,
    pub(crate) commit_ms: u64,
    pub(crate) seed: u64,
    pub(crate) compacting: Compacting,
    /// At which pass of which point what goes wrong.
    pub(crate) faults: Vec<(&'static str, u64, Fault)>,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            spouts: 1,
            tasks: 1,
            commit_ms: 1,
            seed: 0,
            compacting: Compacting::default(),
            faults: Vec::new(),
        }
    }
}

/// Splits events over the spouts, rolls them up, and goes on until the input has ended.
pub(crate) fn run(schema: &Arc<Schema>, events: &[Event], way: &Way, place: &Place) {
    let mut splits = vec![Vec::new(); way.spouts];
    for (number, event) in events.iter().enumerate() {
        let tuple = testing::SplitStep::Tuple(Timestamp::MIN, event.clone());
        splits[number % way.spouts].push(tuple);
        if number % 7 == 0 {
            splits[number % way.spouts].push(testing::SplitStep::Wait(millis(1)));
        }
    }
    let events = Events::splits(TimeDomain::Processing, splits);
    let faults = way
        .faults
        .iter()
        .fold(Faults::none(), |all, (point, nth, fault)| {
            all.at(point, *nth, *fault)
        });
    loop {
        let topology = Topology::named("cube");
        let events = events.clone();
        let spout = topology
            .spout("events", move || events.clone())
            .parallelism(way.spouts);
        Rollup::new(Arc::clone(schema), place.folder())
            .parallelism(way.tasks)
            .compacting(way.compacting.clone())
            .wire(&topology, &spout);
        let options = RunOptions {
            data_dir: Some(place.data_dir.clone()),
            epoch: millis(1),
            commit: millis(way.commit_ms),
            restarts: Restarts {
                per_minute: 1_000,
                first_pause: millis(1),
                longest_pause: millis(1),
            },
            faults: faults.clone(),
            ..RunOptions::default()
        };
        let ended = TopologyTest::new(topology)
            .options(options)
            .seed(way.seed)
            .run();
        match ended {
            Ok(summary) => {
                assert!(summary.input_ended);
                assert_eq!(summary.stats.dead_letters(), 0);
                return;
            }
            // It is begun again, as after a crash.
            Err(error) => {
                let error = format!("{error:?}");
                assert!(error.contains("on purpose"), "{error}");
            }
        }
    }
}
