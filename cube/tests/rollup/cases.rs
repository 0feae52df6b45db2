//! What is compared with the model.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;
use squall::millis;
use squall::testing::{Fault, Faults};
use squall_cube::Compacting;

use super::model::{Cube, events, schema};
use super::stories::{clicks, of_clicks};
use super::{Place, Way, run};

/// Where a run can fail: where the runtime says, and in between.
fn points() -> Vec<&'static str> {
    let mut points = Faults::POINTS.to_vec();
    points.extend(["segments.written", "segments.swapped"]);
    points
}

fn faults() -> impl Strategy<Value = Vec<(&'static str, u64, Fault)>> {
    let fault = prop_oneof![Just(Fault::Panic), Just(Fault::Error), Just(Fault::Kill)];
    prop::collection::vec((prop::sample::select(points()), 1_u64..12, fault), 0..6)
}

fn compacting() -> impl Strategy<Value = Compacting> {
    let files = prop::sample::select(vec![2, 3, usize::MAX]);
    let own_rows = prop::sample::select(vec![0, 5, 4_096]);
    let keep_ms = prop::sample::select(vec![0, 10]);
    (files, own_rows, any::<bool>(), keep_ms).prop_map(|(files, own_rows, at_once, keep_ms)| {
        Compacting {
            files,
            own_rows,
            at_once,
            keep: millis(keep_ms),
        }
    })
}

fn ways() -> impl Strategy<Value = Way> {
    let tasks = || prop::sample::select(vec![1_usize, 2, 8]);
    let timing = (0_u64..6, any::<u64>());
    (tasks(), tasks(), timing, compacting(), faults()).prop_map(
        |(spouts, tasks, (commit_ms, seed), compacting, faults)| Way {
            spouts,
            tasks,
            commit_ms,
            seed,
            compacting,
            faults,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn segments_are_what_a_naive_evaluation_says(
        events in events(150),
        way in ways(),
        granularity in prop::sample::select(vec![("minute", "hour"), ("hour", "hour"), ("none", "day")]),
    ) {
        let schema = Arc::new(schema(granularity.0, granularity.1, true));
        let place = Place::new();
        run(&schema, &events, &way, &place);
        prop_assert_eq!(place.cube(&schema), Cube::of(&schema, &events));
        // What a compaction has left is deleted when the next run begins.
        run(&schema, &[], &Way { commit_ms: way.commit_ms, ..Way::default() }, &place);
        prop_assert_eq!(place.cube(&schema), Cube::of(&schema, &events));
        let names = place.files().into_iter().map(|(name, _)| name);
        let names: BTreeSet<String> = names.chain(place.retired()).collect();
        let on_disk: BTreeSet<String> = place.on_disk().into_iter().collect();
        // A file may be deleted before that is noted.
        prop_assert!(on_disk.is_subset(&names), "{:?}, {:?}", on_disk, names);
    }
}

/// At every point of a run, the first few times that it is passed.
#[test]
fn a_failure_at_any_point_loses_nothing_and_doubles_nothing() {
    let schema = of_clicks();
    let events = clicks(12, 7);
    let expected = Cube::of(&schema, &events);
    for point in points() {
        for (nth, fault) in (1..=5)
            .flat_map(|nth| [Fault::Panic, Fault::Error, Fault::Kill].map(|fault| (nth, fault)))
        {
            let place = Place::new();
            let way = Way {
                tasks: 2,
                compacting: Compacting {
                    files: 2,
                    own_rows: 0,
                    at_once: true,
                    keep: millis(0),
                },
                faults: vec![(point, nth, fault)],
                ..Way::default()
            };
            run(&schema, &events, &way, &place);
            assert_eq!(place.cube(&schema), expected, "{fault:?} at {point} {nth}");
        }
    }
}
