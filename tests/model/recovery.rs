//! The model beside runs that fail, at every point where they can, and go on: the results
//! are the same as without failures.

use proptest::prelude::*;
use squall::testing::{Fault, Faults, SplitStep, TopologyTest};
use squall::{DataDir, RunOptions, Timestamp, Topology, millis, run::Restarts};

use super::cases::{Draw, each_case};
use super::draws::{case, case_of};
use super::{
    Case, Click, Rankings, Ranks, Windows, as_counted, declare, expected, judge, options,
    rising_and_falling,
};

/// How many tasks the components have, and the levels of mergers.
type Tasks = ([usize; 4], [usize; 2]);

/// What goes wrong.
#[derive(Clone, Debug)]
struct Trouble {
    /// Of these points of [`Faults::POINTS`], at which pass, and what.
    faults: Vec<(usize, u64, Fault)>,
    commit_ms: u64,
    ranks: Ranks,
    /// Runs that are stopped after so many milliseconds; the next one has other numbers of
    /// tasks, and so many places more.
    stops: Vec<(u64, Tasks, usize)>,
}

/// What all runs together have given.
struct Together {
    /// Each ranking with the places of the run that has given it.
    rankings: Vec<(usize, Rankings)>,
    late: Vec<Click>,
    letters: Vec<String>,
    /// The places of the last run.
    places: usize,
}

impl Trouble {
    fn faults(&self, threads: bool) -> Faults {
        let faults = self.faults.iter();
        faults.fold(Faults::none(), |all, (point, nth, fault)| {
            // On threads a kill is one of this process.
            let fault = match fault {
                Fault::Kill if threads => Fault::Panic,
                fault => *fault,
            };
            all.at(Faults::POINTS[*point], *nth, fault)
        })
    }

    fn options(&self, case: &Case, data_dir: &DataDir, faults: &Faults) -> RunOptions {
        RunOptions {
            data_dir: Some(data_dir.clone()),
            commit: millis(self.commit_ms),
            restarts: Restarts {
                per_minute: 1_000,
                first_pause: millis(1),
                longest_pause: millis(1),
            },
            faults: faults.clone(),
            ..options(case)
        }
    }
}

fn run(case: &Case, trouble: &Trouble) -> Together {
    let data_dir = DataDir::in_memory().expect("memory is there");
    let (mut rankings, mut late, mut letters) = (Vec::new(), Vec::new(), Vec::new());
    let mut case = case.clone();
    let ranks = match case.windows {
        Windows::Sliding { .. } => Ranks::All,
        Windows::All | Windows::Running { .. } => trouble.ranks,
    };
    // Each happens once in all runs.
    let faults = trouble.faults(case.seed.is_none());
    let mut stops = trouble.stops.iter();
    loop {
        let topology = Topology::named("model");
        let stop = stops.next();
        let mut options = trouble.options(&case, &data_dir, &faults);
        options.run_for = stop.map(|(after, ..)| millis(*after));
        let results = declare(&topology, &case, case.parallelism, Some(ranks));
        let summary = match case.seed {
            Some(seed) => TopologyTest::new(topology)
                .options(options)
                .seed(seed)
                .run(),
            None => topology.run(options),
        };
        let (more, more_late, more_letters) = results.take();
        rankings.push((case.places, more));
        late.extend(more_late);
        letters.extend(more_letters);
        match summary {
            Ok(summary) if summary.input_ended => {
                return Together {
                    rankings,
                    late,
                    letters,
                    places: case.places,
                };
            }
            // Before anything runs a failure ends the run; it is begun again.
            Err(error) if !error.to_string().contains("on purpose") => panic!("{error}"),
            _ => {}
        }
        if let Some((_, (parallelism, levels), more)) = stop {
            // What a monotonic top has pushed out does not come back.
            if ranks != Ranks::Monotonic {
                case.places += more;
            }
            case.parallelism = *parallelism;
            for (tasks, new) in case.merger_levels.iter_mut().zip(levels) {
                *tasks = *new;
            }
        }
    }
}

fn trouble(ranks: impl Strategy<Value = Ranks>) -> impl Strategy<Value = Trouble> {
    let fault = prop_oneof![Just(Fault::Panic), Just(Fault::Error), Just(Fault::Kill)];
    let point = 0..Faults::POINTS.len();
    let faults = prop::collection::vec((point, 1_u64..60, fault), 0..6);
    let tasks = prop::array::uniform4(1_usize..4);
    let more = prop_oneof![2 => Just(0), 1 => 1_usize..3];
    let stop = (1_u64..60, (tasks, prop::array::uniform2(1_usize..4)), more);
    let stops = prop::collection::vec(stop, 0..6);
    let commit_ms = prop_oneof![Just(0), 1_u64..60];
    (faults, commit_ms, ranks, stops).prop_map(|(faults, commit_ms, ranks, stops)| Trouble {
        faults,
        commit_ms,
        ranks,
        stops,
    })
}

/// A case whose events take their time, so that a stop comes between them.
fn slow_case() -> impl Strategy<Value = Case> {
    let waits = prop::collection::vec(0_u64..12, 1..20);
    (case(), waits).prop_map(|(mut case, waits)| {
        let mut waits = waits.into_iter().cycle();
        for split in &mut case.splits {
            let events = std::mem::take(split).into_iter();
            *split = events
                .flat_map(|event| [SplitStep::Wait(millis(waits.next().unwrap_or(0))), event])
                .collect();
        }
        case
    })
}

/// Running totals in place of the windows of a case.
fn totals() -> impl Strategy<Value = Windows> {
    prop_oneof![
        1 => Just(Windows::All),
        4 => (1_i64..60).prop_map(|slide| Windows::Running { slide }),
    ]
}

/// A case with totals in place of its windows, perhaps, and what goes wrong.
fn recovering(draw: Draw) -> BoxedStrategy<(Case, Trouble)> {
    let cases = match draw {
        Draw::Usual => prop_oneof![case(), slow_case()].boxed(),
        Draw::Large => case_of(draw),
    };
    let windows = match draw {
        Draw::Usual => prop::option::weighted(0.3, totals()).boxed(),
        Draw::Large => Just(None).boxed(),
    };
    let trouble = trouble(prop_oneof![Just(Ranks::All), Just(Ranks::Monotonic)]);
    (cases, windows, trouble)
        .prop_map(|(mut case, totals, trouble)| {
            case.windows = totals.unwrap_or(case.windows);
            (case, trouble)
        })
        .boxed()
}

impl Together {
    /// The rankings beside those of the model, which have as many places as each run had.
    fn beside(&self, case: &Case, clicks: &[Click], total: fn(u64) -> u64) -> (Rankings, Rankings) {
        let most = Case {
            places: self.places,
            ..case.clone()
        };
        let mut wanted = expected(&most, clicks, total);
        let places = self.rankings.iter();
        let places = places.flat_map(|(places, given)| given.iter().map(|_| *places));
        for ((_, entries), places) in wanted.iter_mut().zip(places) {
            entries.truncate(places);
        }
        let given = self.rankings.iter().flat_map(|(_, given)| given.clone());
        (given.collect(), wanted)
    }
}

#[test]
fn runs_that_fail_and_go_on_give_the_rankings_of_the_model() {
    each_case(11..16, recovering, |(case, trouble)| {
        let (counted, mut late) = judge(&case);
        let mut together = run(&case, &trouble);
        let (rankings, wanted) = together.beside(&case, &counted, as_counted);
        prop_assert_eq!(rankings, wanted);
        late.sort();
        together.late.sort();
        prop_assert_eq!(&together.late, &late);
        let mut reasons: Vec<_> = late.iter().map(|click| click.at.to_string()).collect();
        reasons.sort();
        together.letters.sort();
        prop_assert_eq!(together.letters, reasons);
        Ok(())
    });
}

#[test]
fn totals_that_rise_and_fall_are_right_whatever_the_parallelism_becomes() {
    let drawn = || {
        (slow_case(), totals(), trouble(Just(Ranks::Falling))).prop_map(
            |(mut case, totals, trouble)| {
                case.windows = totals;
                (case, trouble)
            },
        )
    };
    each_case(
        16..18,
        |_| drawn(),
        |(case, trouble)| {
            let (counted, _) = judge(&case);
            let together = run(&case, &trouble);
            let (rankings, wanted) = together.beside(&case, &counted, rising_and_falling);
            prop_assert_eq!(rankings, wanted);
            Ok(())
        },
    );
}

/// Some pages are counted in a run; then comes one with more places, in which other pages, or a few
/// of these, are counted.
fn growing() -> impl Strategy<Value = (Case, Trouble)> {
    let clicks = |pages: u16, most: usize, at: i64| {
        prop::collection::vec((0..pages, at..at + 100), 1..most).prop_map(|clicks| {
            let clicks = clicks.into_iter().map(|(page, at)| {
                let time = Timestamp::from_millis(at);
                SplitStep::Tuple(time, Click { page, at })
            });
            clicks.collect::<Vec<_>>()
        })
    };
    let tasks = || (2_usize..7, 2_usize..4);
    let same = prop::bool::weighted(0.7);
    let runs = (
        clicks(8, 30, 0),
        clicks(8, 4, 1_000),
        tasks(),
        tasks(),
        same,
    );
    (case(), 1_i64..60, 1_usize..3, 1_usize..4, runs).prop_map(
        |(mut case, slide, places, more, (before, after, first, then, same))| {
            // What was counted before the stop is ranked before it.
            let between = vec![
                SplitStep::Nothing(Timestamp::from_millis(500)),
                SplitStep::Wait(millis(400)),
            ];
            case.splits = vec![[before, between, after].concat()];
            case.idle = None;
            case.lateness = 200;
            case.windows = Windows::Running { slide };
            case.places = places;
            case.seed = case.seed.or(Some(1));
            let parallelism = |rankers| [1, 2, rankers, 1];
            case.parallelism = parallelism(first.0);
            case.merger_levels = vec![first.1];
            let (rankers, mergers) = if same { first } else { then };
            let trouble = Trouble {
                faults: Vec::new(),
                commit_ms: 10,
                ranks: Ranks::All,
                stops: vec![(200, (parallelism(rankers), [mergers, 1]), more)],
            };
            (case, trouble)
        },
    )
}

#[test]
fn a_top_that_grows_has_what_mergers_had_not_sent() {
    each_case(
        18..19,
        |_| growing(),
        |(case, trouble)| {
            let (counted, _) = judge(&case);
            let together = run(&case, &trouble);
            let (rankings, wanted) = together.beside(&case, &counted, as_counted);
            prop_assert_eq!(rankings, wanted);
            Ok(())
        },
    );
}
