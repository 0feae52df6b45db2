//! Rolling up as part of a topology.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use squall::topology::AsStream;
use squall::{Topology, state::Meaning};

use crate::event::Event;
use crate::roller::Roller;
use crate::schema::Schema;
use crate::segments::{Compacting, CubeManifest, SEGMENTS, Segments};
use crate::spec::Spec;

/// How events are rolled up, and where to; see [`Rollup::wire`].
///
/// ```
/// use std::sync::Arc;
/// use squall::testing::{Events, TopologyTest};
/// use squall::{DataDir, RunOptions, Timestamp, Topology};
/// use squall_cube::{
///     Event, Input, Kind, Metric, MetricColumn, Rollup, Schema, SegmentFile, SegmentReader,
/// };
///
/// let sum = Metric { name: "bytes".into(), field: Some("bytes".into()), kind: Kind::LongSum };
/// let schema = Arc::new(Schema {
///     metrics: vec![sum],
///     query: "minute".parse()?,
///     segment: "day".parse()?,
///     rollup: true,
/// });
/// let names = Arc::from(["host".into()]);
/// let sent = |millis, host: &str, bytes| Event {
///     time: Timestamp::from_millis(millis),
///     names: Arc::clone(&names),
///     dimensions: [Some(host.into())].into(),
///     inputs: [Input::Long(bytes)].into(),
///     raw: None,
/// };
/// let events = Events::now([sent(1, "a", 5), sent(60_001, "b", 7), sent(9, "a", 6)]);
///
/// let folder = std::env::temp_dir().join(format!("squall-doc-rollup-{}", std::process::id()));
/// let topology = Topology::named("traffic");
/// let spout = topology.spout("events", move || events.clone());
/// Rollup::new(schema, &folder).wire(&topology, &spout);
/// let data_dir = DataDir::in_memory()?;
/// let options = RunOptions { data_dir: Some(data_dir.clone()), ..RunOptions::default() };
/// TopologyTest::new(topology).options(options).run()?;
///
/// let files = data_dir.views()?.read()?.table::<String, SegmentFile>("segments", "files")?;
/// for (name, file) in files.iter()? {
///     let reader = SegmentReader::open(&folder.join(name), file)?;
///     let rows = reader.read(0, &["host"], &["bytes"])?;
///     assert_eq!(rows.times, [0, 60_000]);
///     assert_eq!(rows.metrics, [MetricColumn::Long(vec![Some(11), Some(7)])]);
/// }
/// # std::fs::remove_dir_all(folder)?;
/// # Ok::<(), squall::BoxError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rollup {
    schema: Arc<Schema>,
    folder: PathBuf,
    tasks: usize,
    compacting: Compacting,
    reads: Meaning,
}

impl Rollup {
    /// By a schema, into the segments of a folder: `segments` of the data directory, mostly.
    pub fn new(schema: Arc<Schema>, folder: impl AsRef<Path>) -> Self {
        Self {
            schema,
            folder: folder.as_ref().to_owned(),
            tasks: 1,
            compacting: Compacting::default(),
            reads: Meaning::none(),
        }
    }

    /// By what spec the events are made of records: a data directory then refuses to go on by
    /// one that reads other times or dimensions, or from other intervals. Another schema is
    /// refused in any case.
    #[must_use]
    pub fn reading(mut self, spec: &Spec) -> Self {
        self.reads = spec.meaning();
        self
    }

    /// How many tasks roll up; 1 unless said. Where there are as many as of the component of the
    /// events, each shares the thread of one of these.
    #[must_use]
    pub fn parallelism(mut self, tasks: usize) -> Self {
        self.tasks = tasks;
        self
    }

    /// When files are merged.
    #[must_use]
    pub fn compacting(mut self, compacting: Compacting) -> Self {
        self.compacting = compacting;
        self
    }

    /// Adds the components `rolled`, `segments` and `manifest` to a topology, which read a stream
    /// of events.
    pub fn wire<A: AsStream<Item = Event>>(&self, topology: &Topology, events: &A) {
        let schema = Arc::clone(&self.schema);
        let rolled = topology
            .bolt("rolled", move || Roller::new(Arc::clone(&schema)))
            .parallelism(self.tasks)
            .shuffle_grouping(events);
        let Self {
            schema,
            folder,
            compacting,
            reads,
            ..
        } = self.clone();
        let segments = topology
            .bolt(SEGMENTS, move || {
                Segments::new(&folder, Arc::clone(&schema)).compacting(compacting.clone())
            })
            .meaning(&reads)
            .global_grouping(&rolled);
        let folder = self.folder.clone();
        topology
            .sink("manifest", move || CubeManifest::new(&folder))
            .global_grouping(&segments);
    }
}
