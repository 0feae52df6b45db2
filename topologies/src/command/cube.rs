//! Asks cubes, and changes them while no run has them.

use std::path::{Path, PathBuf};

use clap::Args;
use squall::{BoxError, DataDir};
use squall_cube::query::{self, DimensionFilter, Query as Question, QueryError};
use squall_cube::{Compacted, Cube, Granularity, NoCube, compact, reindex, spec};
use squall_topologies::rollup::{self, SEGMENTS};

use super::print;
use super::status::Ending;

/// The cube that all of these take.
#[derive(Args)]
struct Dir {
    /// The data directory of a rollup
    #[arg(value_name = "DIR")]
    dir: PathBuf,
}

impl Dir {
    fn data_dir(&self) -> DataDir {
        DataDir::at(&self.dir)
    }

    fn segments(&self) -> PathBuf {
        self.dir.join(SEGMENTS)
    }
}

/// Copies the segments of a cube, where there are some, to a copy of its data directory.
pub(crate) fn copy_segments(from: &Path, copy: &DataDir) -> Result<(), BoxError> {
    let segments = from.join(SEGMENTS);
    let Some(to) = copy.path().filter(|_| segments.is_dir()) else {
        return Ok(());
    };
    // Those of the copy's commit: compaction leaves replaced files for a while.
    let cube = Cube::at(copy.clone(), segments);
    match cube.copy_segments(to.join(SEGMENTS)) {
        Err(error) if !error.is::<NoCube>() => Err(error),
        _ => Ok(()),
    }
}

/// Looks whether the files of a cube are as they were written, where there is one.
pub(crate) fn verify(dir: &Path, archive: Option<&Path>) -> Result<(), Ending> {
    let cube = Cube::at(DataDir::at(dir), dir.join(SEGMENTS));
    match cube.verify(archive) {
        Ok(wrong) if wrong.is_empty() => Ok(()),
        Ok(wrong) => Err(Ending::NotWhole(wrong)),
        Err(error) if error.is::<NoCube>() => Ok(()),
        Err(error) => Err(Ending::of_cube(error)),
    }
}

#[derive(Args)]
pub(crate) struct Query {
    #[command(flatten)]
    dir: Dir,
    /// The length of the time buckets: `hour`, `day`, `all`; an ISO period (`P1D`), also in a time
    /// zone (`P1D in Europe/Prague`) or from a moment on (`P2W from 2015-01-05`); or Druid's JSON
    /// (`{"type":"period","period":"P1D","timeZone":"Europe/Prague"}`). Not finer than the stored
    /// granularity [default: the stored one]
    #[arg(long, value_name = "G", value_parser = spec::granularity)]
    granularity: Option<Granularity>,
    /// The dimensions to group by
    #[arg(long, value_name = "DIM,...", value_delimiter = ',')]
    by: Vec<String>,
    /// Keep only rows with this value: DIM=VALUE, DIM= for the empty string, DIM alone for null. If
    /// given more than once, rows must match all
    #[arg(long, value_name = "DIM=VALUE")]
    filter: Vec<DimensionFilter>,
    /// The metrics; `count`, if no stored metric has this name, is the number of stored rows
    /// [default: all]
    #[arg(long, value_name = "METRIC,...", value_delimiter = ',')]
    metrics: Vec<String>,
    /// The first moment: a date, or a date and a time; UTC, unless it has an offset
    #[arg(long, value_name = "T", value_parser = query::moment, allow_hyphen_values = true)]
    from: Option<i64>,
    /// The end: the first moment that is not included
    #[arg(long, value_name = "T", value_parser = query::moment, allow_hyphen_values = true)]
    to: Option<i64>,
    /// Sort by this metric, greatest first [default: by time and dimensions]
    #[arg(long, value_name = "METRIC")]
    order: Option<String>,
    /// Sort by it, least first
    #[arg(long, requires = "order")]
    ascending: bool,
    /// Print at most this number of rows
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Print each row as a line of JSON
    #[arg(long)]
    json: bool,
}

impl Query {
    pub(crate) fn run(self) -> Result<(), Ending> {
        let cube = Cube::at(self.dir.data_dir(), self.dir.segments());
        let question = Question {
            granularity: self.granularity,
            by: self.by,
            filters: self.filter,
            metrics: self.metrics,
            from: self.from,
            to: self.to,
            order: self.order,
            ascending: self.ascending,
            limit: self.limit,
        };
        let answer = cube.query(&question).map_err(|error| match error {
            QueryError::Source(cause) => Ending::of_cube(cause),
            wrong => Ending::input(wrong),
        })?;
        if self.json {
            let lines = answer.json().map(|line| line + "\n");
            return print(&lines.collect::<String>());
        }
        print(&answer.to_string())
    }
}

#[derive(Args)]
pub(crate) struct Compact {
    #[command(flatten)]
    dir: Dir,
}

impl Compact {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let compacted = compact(&self.dir.data_dir(), self.dir.segments());
        let Compacted {
            files_before,
            files,
            rows_before,
            rows,
        } = compacted.map_err(Ending::of_cube)?;
        tracing::info!("{files_before} files with {rows_before} rows are {files} with {rows}");
        Ok(())
    }
}

#[derive(Args)]
pub(crate) struct Reindex {
    #[command(flatten)]
    dir: Dir,
    /// The new spec: a Druid ingestion spec, as JSON
    #[arg(long, value_name = "PATH")]
    spec: PathBuf,
    /// The begin of the first segment to rebuild
    #[arg(long, value_name = "T", value_parser = query::moment, allow_hyphen_values = true)]
    from: i64,
    /// The end of the last segment to rebuild
    #[arg(long, value_name = "T", value_parser = query::moment, allow_hyphen_values = true)]
    to: i64,
    /// The directory of the archive [default: the one it was written in]
    #[arg(long, value_name = "DIR")]
    archive: Option<PathBuf>,
}

impl Reindex {
    pub(crate) fn run(&self) -> Result<(), Ending> {
        let spec = rollup::read_spec(&self.spec).map_err(Ending::input)?;
        if self.from >= self.to {
            return Err(Ending::input("--from is not before --to"));
        }
        let archive = self.archive.as_deref();
        let (dir, segments) = (self.dir.data_dir(), self.dir.segments());
        let done = reindex(&dir, segments, archive, spec, self.from..self.to);
        let done = done.map_err(Ending::of_cube)?;
        if let Some(first) = done.first_refused {
            let refused = done.refused;
            tracing::warn!(
                "{refused} archived events do not fit the new spec; the first one: {first}"
            );
        }
        tracing::info!(
            "{} archived events are {} rows, in place of {} files",
            done.events,
            done.rows,
            done.replaced
        );
        Ok(())
    }
}
