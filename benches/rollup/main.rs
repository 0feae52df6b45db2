//! Generated ad events rolled up by the hour, beside a loop over a hash map on one thread; how
//! large the segments are, and how long the top of a month takes.
//!
//! `cargo bench -p squall-bench --bench rollup -- --events 20000000 --rounds 3`. The rows of
//! both programs are compared in every round; nothing is asserted about time. `--only` runs one
//! part: `without-users`, `with-users` or `month`.

// Numbers of events and bytes are far below 2^53.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss
)]

mod ads;
mod hand_written;
#[path = "../rolling_top_words/process.rs"]
#[allow(dead_code)]
mod process;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use squall::{DataDir, Next, Result, RunOptions, Spout, SpoutOut, Timestamp, Topology, secs};
use squall_cube::query::{Measure, Query};
use squall_cube::{Cube, Event, Rollup, compact, spec};

use ads::Hour;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const HOUR_MS: i64 = 3_600_000;

/// 2026-03-01T00:00:00Z.
const BEGIN_MS: i64 = 1_772_323_200_000;

/// The same events in each of several hours.
#[derive(Clone)]
struct Hours {
    events: Arc<Vec<Event>>,
    hours: usize,
    next: usize,
}

impl Hours {
    fn all(&self) -> usize {
        self.events.len() * self.hours
    }

    /// An event of its own, as a parser would make it.
    fn get(&self, number: usize) -> Event {
        let event = &self.events[number % self.events.len()];
        let hour = (number / self.events.len()) as i64;
        Event {
            time: Timestamp::from_millis(BEGIN_MS + hour * HOUR_MS + event.time.millis()),
            ..event.clone()
        }
    }
}

impl Spout for Hours {
    type Output = Event;

    fn next(&mut self, out: &mut SpoutOut<Event>) -> Result<Next> {
        let end = self.all().min(self.next + 1_024);
        for number in self.next..end {
            out.emit(self.get(number));
        }
        self.next = end;
        Ok(if end == self.all() {
            Next::End
        } else {
            Next::More
        })
    }
}

/// Rolls up into a data directory.
fn squall(hours: &Hours, users: bool, dir: &Path) {
    let (spec, _) = spec::parse(&ads::spec(users), "ads.json").expect("the spec is right");
    let topology = Topology::named("rollup");
    let hours = hours.clone();
    let events = topology.spout("events", move || hours.clone());
    Rollup::new(spec.schema.into(), dir.join("segments")).wire(&topology, &events);
    let options = RunOptions {
        data_dir: Some(DataDir::at(dir)),
        commit: secs(1),
        signals: false,
        ..RunOptions::default()
    };
    topology.run(options).expect("the rollup runs");
}

fn hand_written(hours: &Hours) -> hand_written::RolledRows {
    let mut rows = hand_written::RolledRows::default();
    for number in 0..hours.all() {
        hand_written::roll_up(&hours.get(number), &mut rows);
    }
    rows
}

fn cube(dir: &Path) -> Cube {
    Cube::at(DataDir::at(dir), dir.join("segments"))
}

/// The rows of both are the same, by number and sums.
fn compare(dir: &Path, rows: &hand_written::RolledRows) -> usize {
    let mut query = Query {
        by: ads::DIMENSIONS.map(str::to_owned).to_vec(),
        metrics: vec!["impressions".to_owned(), "clicks".to_owned()],
        ..Query::default()
    };
    let answer = cube(dir).query(&query).expect("the cube answers");
    let theirs: usize = rows.values().map(|rows| rows.len()).sum();
    assert_eq!(answer.rows.len(), theirs, "the rows of both");
    query.by.clear();
    query.granularity = Some("all".parse().expect("a granularity"));
    let answer = cube(dir).query(&query).expect("the cube answers");
    let all = rows.values().flat_map(|rows| rows.values());
    let sums = all.fold([0, 0], |[impressions, clicks], row| {
        [
            impressions + row.impressions.cast_signed(),
            clicks + row.clicks,
        ]
    });
    let ours = answer.rows[0].metrics.clone();
    assert_eq!(ours, sums.map(Measure::Long).to_vec(), "the sums of both");
    theirs
}

/// The bytes of the segments.
fn segment_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir.join("segments")).expect("there are segments");
    let files = files.filter_map(|file| file.ok()?.metadata().ok().map(|about| about.len()));
    files.sum()
}

/// A new directory beside what is built: the one for temporary files may be in memory.
fn directory() -> tempfile::TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory")
}

fn median(times: &mut [Duration]) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64()
}

/// A day of events: speed, memory, and size.
fn day(events: usize, rounds: usize, users: bool) {
    let Hour { events, json_bytes } = Hour::generate(events / 24, users);
    let hours = Hours {
        events: Arc::new(events),
        hours: 24,
        next: 0,
    };
    let name = if users { "with users" } else { "without users" };
    let count = hours.all();
    let (mut ours, mut theirs) = ([Vec::new(), Vec::new()], Vec::new());
    let (mut last, mut memory) = (String::new(), 0);
    for _ in 0..rounds {
        let dir = directory();
        process::reset_peak();
        let before = process::resident_mib().unwrap_or(0);
        let ((), clock, cpu) = process::timed(|| squall(&hours, users, dir.path()));
        // What a round before has given back is still the process's, so the first one tells.
        memory = memory.max(process::peak_mib().unwrap_or(0).saturating_sub(before));
        ours[0].push(clock);
        ours[1].push(cpu);
        let (rows, _, cpu) = process::timed(|| hand_written(&hours));
        theirs.push(cpu);
        let rows = compare(dir.path(), &rows);
        compact(&DataDir::at(dir.path()), dir.path().join("segments")).expect("it is compacted");
        let bytes = segment_bytes(dir.path());
        let json = json_bytes * 24;
        last = format!(
            "{name}: {rows} rows, 1 of {:.0} events; {:.2} MB of segments for a million events, \
             {:.0} times smaller than {:.0} MB of JSON; {memory} MiB at most beside the events",
            count as f64 / rows as f64,
            bytes as f64 / count as f64,
            json as f64 / bytes as f64,
            json as f64 / count as f64,
        );
    }
    let [clock, cpu] = ours.each_mut().map(|times| median(times));
    let hand_written = median(&mut theirs);
    let nanos = |seconds: f64| seconds * 1e9 / count as f64;
    println!("{last}");
    println!(
        "{name}: squall {:.2} M events/s by the clock, {:.0} ns of processor time an event; \
         hand-written {:.0} ns",
        count as f64 / clock / 1e6,
        nanos(cpu),
        nanos(hand_written),
    );
    println!(
        "ratio rollup/hand-written-{} {:.2}",
        name.replace(' ', "-"),
        hand_written / cpu
    );
}

/// A month of hourly rows: the largest campaigns.
fn month(events: usize) {
    let Hour { events, .. } = Hour::generate(events / 720, false);
    let hours = Hours {
        events: Arc::new(events),
        hours: 720,
        next: 0,
    };
    let dir = directory();
    squall(&hours, false, dir.path());
    compact(&DataDir::at(dir.path()), dir.path().join("segments")).expect("it is compacted");
    let query = Query {
        granularity: Some("all".parse().expect("a granularity")),
        by: vec!["campaign".to_owned()],
        metrics: vec!["impressions".to_owned()],
        order: Some("impressions".to_owned()),
        limit: Some(10),
        ..Query::default()
    };
    let mut read = 0;
    let mut times: Vec<Duration> = (0..9)
        .map(|_| {
            let (answer, clock, _) = process::timed(|| cube(dir.path()).query(&query));
            read = answer.expect("the cube answers").rows_read;
            clock
        })
        .collect();
    println!(
        "the 10 largest of a month: {read} stored rows, {:.1} ms (median of 9)",
        median(&mut times) * 1e3
    );
}

fn main() {
    let (mut events, mut rounds, mut only) = (20_000_000, 3, None);
    let mut given = std::env::args().skip(1);
    while let Some(argument) = given.next() {
        let mut number = || given.next().and_then(|number| number.parse().ok());
        match argument.as_str() {
            "--events" => events = number().expect("--events takes a number"),
            "--rounds" => rounds = number().expect("--rounds takes a number"),
            "--only" => only = given.next(),
            // What cargo adds.
            _ => {}
        }
    }
    let wanted = |part| only.as_deref().is_none_or(|only| only == part);
    for (part, users) in [("without-users", false), ("with-users", true)] {
        if wanted(part) {
            day(events, rounds, users);
        }
    }
    if wanted("month") {
        month(events);
    }
}
