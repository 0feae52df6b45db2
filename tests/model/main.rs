//! squall beside a model that keeps every event: the same rankings for any events, windows,
//! parallelism, batch size, credits, levels of mergers, drivers and orders of delivery.
//!
//! Cases are numbered, and each has a seed of its own: the same number is the same case, on every
//! machine. The first 2,000 are run where nothing is said. More are run by
//!
//! ```text
//! SQUALL_CASES=2000..50000 cargo test --test model -- --nocapture
//! ```
//!
//! which says now and then how far it has come: what was stopped goes on with the number that was
//! named last, and a case that failed is run again by its number alone (`SQUALL_CASES=4711..4712`).

mod cases;
mod draws;
mod recovery;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use cases::each_case;
use draws::case_of;
use proptest::prelude::*;
use squall::bolts::{Filter, Map, MergeRankings, Rank, RollingCount, TopMonotonic};
use squall::testing::{Collected, Events, SplitStep, TopologyTest};
use squall::topology::{Stream, When};
use squall::{
    Count, Ranking, RunOptions, Timestamp, Topology, Tuple, millis,
    time::{TimeDomain, Window},
    tuple::DeadLetter,
};

#[derive(Tuple, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Click {
    page: u16,
    /// The time again, to tell tuples apart.
    at: i64,
}

/// How the events reach the count.
#[derive(Clone, Copy, Debug)]
enum Shape {
    /// events -> count
    Straight,
    /// events -> even pages, events -> all pages -> both into the count
    Diamond,
    /// two spouts -> count, the second with the same splits again
    Join,
}

#[derive(Clone, Copy, Debug)]
enum Windows {
    Sliding { length: i64, slide: i64 },
    All,
    Running { slide: i64 },
}

#[derive(Clone, Debug)]
struct Case {
    splits: Vec<Vec<SplitStep<Click>>>,
    /// A split of a spout of its own that is idle for a while and then goes on after all
    /// others.
    idle: Option<Vec<i64>>,
    interleaved: bool,
    lateness: i64,
    shape: Shape,
    windows: Windows,
    places: usize,
    largest: bool,
    parallelism: [usize; 4],
    merger_levels: Vec<usize>,
    batch_tuples: usize,
    credit_tuples: Option<usize>,
    epoch_ms: u64,
    linger_ms: u64,
    combine: When,
    chain: When,
    /// None: actors on threads; a seed: the test kit.
    seed: Option<u64>,
}

// --- the model ---

/// The events that count, and those that are late.
fn judge(case: &Case) -> (Vec<Click>, Vec<Click>) {
    let (mut counted, mut late) = (Vec::new(), Vec::new());
    for split in &case.splits {
        let mut greatest: Option<i64> = None;
        for event in split {
            let (time, click) = match event {
                SplitStep::Tuple(time, click) => (time.millis(), Some(click)),
                SplitStep::Nothing(time) => (time.millis(), None),
                SplitStep::Idle | SplitStep::Wait(_) => continue,
            };
            let is_late = greatest.is_some_and(|greatest| time < greatest - case.lateness);
            greatest = Some(greatest.map_or(time, |greatest| greatest.max(time)));
            if let Some(click) = click {
                let list = if is_late { &mut late } else { &mut counted };
                list.push(click.clone());
            }
        }
    }
    let twice = |clicks: Vec<Click>| -> Vec<Click> {
        let even = |click: &Click| click.page.is_multiple_of(2);
        let copies = |click: &Click| match case.shape {
            Shape::Straight => 1,
            Shape::Diamond => 1 + usize::from(even(click)),
            Shape::Join => 2,
        };
        let all = clicks
            .into_iter()
            .flat_map(|click| vec![click.clone(); copies(&click)]);
        all.collect()
    };
    let (mut counted, late) = (twice(counted), twice(late));
    counted.extend(idle_clicks(case));
    (counted, late)
}

fn idle_clicks(case: &Case) -> Vec<Click> {
    let times = case.idle.iter().flatten();
    times.map(|at| Click { page: 3, at: *at }).collect()
}

fn top(places: usize, clicks: impl Iterator<Item = u16>, total: fn(u64) -> u64) -> Vec<(u16, u64)> {
    let mut counts = BTreeMap::new();
    for page in clicks {
        *counts.entry(page).or_insert(0_u64) += 1;
    }
    let mut entries: Vec<_> = counts
        .into_iter()
        .map(|(page, count)| (page, total(count)))
        .filter(|(_, total)| *total > 0)
        .collect();
    entries.sort_by_key(|(page, count)| (std::cmp::Reverse(*count), *page));
    entries.truncate(places);
    entries
}

type Rankings = Vec<(Window, Vec<(u16, u64)>)>;

/// What is ranked of a number of clicks.
fn as_counted(count: u64) -> u64 {
    count
}

/// A total that rises, falls, and is nothing now and then.
fn rising_and_falling(count: u64) -> u64 {
    [0, 3, 9, 4, 1][(count % 5) as usize]
}

fn expected(case: &Case, clicks: &[Click], total: fn(u64) -> u64) -> Rankings {
    let mut clicks = clicks.to_vec();
    clicks.sort_by_key(|click| click.at);
    let within = |window: Window| {
        let before =
            |end: Timestamp| clicks.partition_point(|click| Timestamp::from_millis(click.at) < end);
        let inside = &clicks[before(window.start)..before(window.end)];
        top(case.places, inside.iter().map(|click| click.page), total)
    };
    let everything = top(case.places, clicks.iter().map(|click| click.page), total);
    let panes = |slide: i64| -> BTreeSet<i64> {
        let panes = clicks.iter().map(|click| click.at.div_euclid(slide));
        panes.collect()
    };
    match case.windows {
        Windows::All => vec![(Window::ALL, everything)],
        Windows::Running { slide } => {
            let ends = panes(slide).into_iter().map(|pane| Window {
                start: Timestamp::MIN,
                end: Timestamp::from_millis((pane + 1) * slide),
            });
            let mut rankings: Rankings = ends.map(|window| (window, within(window))).collect();
            rankings.push((Window::ALL, everything));
            rankings
        }
        Windows::Sliding { length, slide } => {
            let mut rankings: Rankings = Vec::new();
            let mut next = None;
            for pane in panes(slide) {
                // A gap has one empty ranking, however long it is.
                let first = next.filter(|next| *next < pane);
                let last = pane + length / slide;
                for pane in first
                    .into_iter()
                    .chain(next.unwrap_or(pane).max(pane)..last)
                {
                    let end = (pane + 1) * slide;
                    let window = Window {
                        start: Timestamp::from_millis(end - length),
                        end: Timestamp::from_millis(end),
                    };
                    rankings.push((window, within(window)));
                }
                next = Some(last);
            }
            rankings
        }
    }
}

// --- squall ---

fn options(case: &Case) -> RunOptions {
    RunOptions {
        epoch: millis(case.epoch_ms),
        batch_tuples: case.batch_tuples,
        linger: millis(case.linger_ms),
        credit_tuples: case.credit_tuples,
        signals: false,
        ..RunOptions::default()
    }
}

/// What a topology gives.
struct Results {
    rankings: Collected<Ranking<u16>>,
    late: Collected<Click>,
    /// Where every late click is refused by a further bolt.
    letters: Option<Collected<DeadLetter>>,
}

fn run(case: &Case) -> (Rankings, Vec<Click>, u64) {
    let topology = Topology::named("model");
    let results = declare(&topology, case, case.parallelism, None);
    let summary = match case.seed {
        Some(seed) => TopologyTest::new(topology)
            .options(options(case))
            .seed(seed)
            .run(),
        None => topology.run(options(case)),
    };
    let summary = summary.expect("the topology ends well");
    assert!(summary.input_ended);
    assert_eq!(summary.stats.dead_letters(), 0);
    let (rankings, late, _) = results.take();
    (rankings, late, summary.stats.late())
}

impl Results {
    fn take(self) -> (Rankings, Vec<Click>, Vec<String>) {
        let rankings = self
            .rankings
            .take()
            .into_iter()
            .map(|ranking| (ranking.window, ranking.entries));
        let letters = self.letters.map(|letters| letters.take());
        let letters = letters.into_iter().flatten();
        let reasons = letters.map(|letter| letter.reason).collect();
        (rankings.collect(), self.late.take(), reasons)
    }
}

/// How the counts are ranked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ranks {
    All,
    Monotonic,
    /// As totals that rise and fall.
    Falling,
}

/// Ranks counts in the first number of tasks; the second makes totals of them that fall.
fn rank<'t>(
    topology: &'t Topology,
    counts: &Stream<'t, Count<u16>>,
    [rankers, others]: [usize; 2],
    places: usize,
    ranks: Ranks,
) -> Stream<'t, Ranking<u16>> {
    let all = || {
        topology
            .bolt("rankings", move || Rank::top(places))
            .parallelism(rankers)
    };
    match ranks {
        Ranks::All => all().fields_grouping(counts, Count::KEY).main_stream(),
        Ranks::Monotonic => topology
            .bolt("rankings", move || TopMonotonic::top(places))
            .parallelism(rankers)
            .fields_grouping(counts, Count::KEY)
            .main_stream(),
        Ranks::Falling => {
            let fall = |count: &Count<u16>| {
                Ok(Count {
                    count: rising_and_falling(count.count),
                    ..count.clone()
                })
            };
            let falling = topology
                .bolt("falling", move || Map::new(fall))
                .parallelism(others)
                .fields_grouping(counts, Count::KEY);
            all().fields_grouping(&falling, Count::KEY).main_stream()
        }
    }
}

/// Declares the topology of a case; with `extras` it also has a bolt that refuses all late
/// clicks, and ranks as that says.
fn declare(
    topology: &Topology,
    case: &Case,
    parallelism: [usize; 4],
    extras: Option<Ranks>,
) -> Results {
    topology.combine(case.combine);
    topology.chain(case.chain);
    let lateness = millis(case.lateness.unsigned_abs());
    let mut events = Events::splits(TimeDomain::Event, case.splits.clone()).lateness(lateness);
    if case.interleaved {
        events = events.interleaved();
    }
    let [spouts, counters, rankers, others] = parallelism;
    let second = events.clone();
    let clicks = topology
        .spout("clicks", move || events.clone())
        .parallelism(spouts);
    let (windows, largest, places) = (case.windows, case.largest, case.places);
    let count = move || {
        let count = match windows {
            Windows::All => RollingCount::over_all(),
            Windows::Sliding { length, slide } => RollingCount::over(millis(length.unsigned_abs()))
                .every(millis(slide.unsigned_abs())),
            Windows::Running { slide } => {
                RollingCount::over_all().every(millis(slide.unsigned_abs()))
            }
        };
        if largest {
            count.largest(places)
        } else {
            count
        }
    };
    let counts = topology.keyed("counts", count).parallelism(counters);
    let mut counts = match case.shape {
        Shape::Straight => counts.fields_grouping(&clicks, Click::PAGE),
        Shape::Diamond => {
            let even = topology
                .bolt("even", || {
                    Filter::new(|click: &Click| click.page.is_multiple_of(2))
                })
                .parallelism(others)
                .shuffle_grouping(&clicks);
            let all = topology
                .bolt("all", || Map::new(|click: &Click| Ok(click.clone())))
                .parallelism(spouts)
                .local_or_shuffle_grouping(&clicks);
            counts.fields_grouping(&even, Click::PAGE).also(&all)
        }
        Shape::Join => {
            let again = topology
                .spout("again", move || second.clone())
                .parallelism(others);
            counts.fields_grouping(&clicks, Click::PAGE).also(&again)
        }
    };
    if let Some(times) = &case.idle {
        let wait = SplitStep::Wait(millis(30));
        let mut script = vec![SplitStep::Idle, wait, SplitStep::Idle];
        let clicks = times.iter().map(|at| {
            let click = Click { page: 3, at: *at };
            SplitStep::Tuple(Timestamp::from_millis(*at), click)
        });
        script.extend(clicks);
        let idle = Events::splits(TimeDomain::Event, vec![script]);
        let idle = topology.spout("idle", move || idle.clone());
        counts = counts.also(&idle);
    }
    let late = Collected::of(topology, "late", &counts.stream(RollingCount::LATE));
    let letters = extras.map(|_| {
        let refuse =
            |click: &Click| -> squall::Result<Click> { Err(format!("{}", click.at).into()) };
        let refused = topology
            .bolt("refused", move || Map::new(refuse))
            .shuffle_grouping(&counts.stream(RollingCount::LATE));
        Collected::of(topology, "letters", &refused.dead_letters())
    });
    let counts = counts.main_stream();
    let tasks = [rankers, others];
    let mut ranked = rank(
        topology,
        &counts,
        tasks,
        places,
        extras.unwrap_or(Ranks::All),
    );
    for (level, tasks) in case.merger_levels.iter().enumerate() {
        ranked = topology
            .bolt(format!("merged-{level}"), move || {
                MergeRankings::top(places)
            })
            .parallelism(*tasks)
            .fields_grouping(&ranked, Ranking::ORIGIN)
            .main_stream();
    }
    let merged = topology
        .bolt("merged", move || MergeRankings::top(places))
        .global_grouping(&ranked);
    let rankings = Collected::of(topology, "collected", &merged);
    Results {
        rankings,
        late,
        letters,
    }
}

#[test]
fn any_run_gives_the_rankings_of_the_model() {
    each_case(0..11, case_of, |case| {
        let (counted, mut late) = judge(&case);
        let wanted = expected(&case, &counted, as_counted);
        let (rankings, mut diverted, late_count) = run(&case);
        prop_assert_eq!(rankings, wanted);
        late.sort();
        diverted.sort();
        prop_assert_eq!(late_count, late.len() as u64);
        prop_assert_eq!(diverted, late);
        Ok(())
    });
}

/// By processing time the moments are the run's own, but every tuple counts once in
/// each window that it falls into, and there is a ranking at every slide.
#[test]
fn by_processing_time_every_tuple_counts_and_no_slide_is_left_out() {
    let drawn = (
        prop::collection::vec((0_u64..400, 0_u16..4), 0..40),
        1_u64..5,
        1_u64..4,
        1_usize..4,
        any::<u64>(),
    );
    each_case(
        19..20,
        |_| drawn.clone(),
        |(waits, slide, panes, parallelism, seed)| {
            let script = waits.iter().flat_map(|(wait, page)| {
                let click = Click { page: *page, at: 0 };
                [
                    SplitStep::Wait(millis(*wait)),
                    SplitStep::Tuple(Timestamp::MIN, click),
                ]
            });
            let events = Events::splits(TimeDomain::Processing, vec![script.collect()]);
            let slide_ms = slide * 100;
            let topology = Topology::named("processing-time");
            let clicks = topology.spout("clicks", move || events.clone());
            let counts = topology
                .keyed("counts", move || {
                    RollingCount::over(millis(slide_ms * panes)).every(millis(slide_ms))
                })
                .parallelism(parallelism)
                .fields_grouping(&clicks, Click::PAGE);
            let ranked = topology
                .bolt("rankings", || Rank::top(10))
                .parallelism(parallelism)
                .fields_grouping(&counts, Count::KEY);
            let merged = topology
                .bolt("merged", || MergeRankings::top(10))
                .global_grouping(&ranked);
            let rankings = Collected::of(&topology, "collected", &merged);
            let began = Timestamp::from_millis(1_000_000_000_007);
            TopologyTest::new(topology)
                .seed(seed)
                .begin_at(began)
                .run()
                .expect("it ends well");
            let rankings = rankings.take();
            let counted: u64 = rankings
                .iter()
                .flat_map(|ranking| &ranking.entries)
                .map(|(_, count)| count)
                .sum();
            prop_assert_eq!(counted, waits.len() as u64 * panes);
            let ends: Vec<_> = rankings
                .iter()
                .map(|ranking| ranking.window.end.millis())
                .collect();
            for pair in ends.windows(2) {
                prop_assert_eq!(pair[1] - pair[0], i64::try_from(slide_ms).unwrap());
            }
            let total: Duration = waits.iter().map(|(wait, _)| millis(*wait)).sum();
            prop_assert!(ends.len() as u128 >= total.as_millis() / u128::from(slide_ms));
            Ok(())
        },
    );
}
