//! Any purchases at all, compared with sorted sums.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

/// The sorted totals of batches, one ranking after each.
fn model(batches: &[Vec<(u64, i64)>], places: usize) -> Vec<Entries<u64>> {
    let mut totals = BTreeMap::new();
    let mut rankings = Vec::new();
    for batch in batches {
        for (user, cents) in batch {
            *totals.entry(*user).or_insert(0_i64) += cents;
        }
        let placed = totals.iter().filter(|(_, total)| **total > 0);
        let mut ranking: Vec<_> = placed
            .map(|(user, total)| (*user, total.unsigned_abs()))
            .collect();
        ranking.sort_by_key(|(user, total)| (std::cmp::Reverse(*total), *user));
        ranking.truncate(places);
        rankings.push(ranking);
    }
    rankings.dedup();
    rankings
}

fn batches(cents: std::ops::Range<i64>) -> impl Strategy<Value = Vec<Vec<(u64, i64)>>> {
    let batch = prop::collection::vec((0_u64..40, cents), 1..30);
    prop::collection::vec(batch, 1..10)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn exact_is_right_for_totals_that_rise_and_fall(
        batches in batches(-50..60),
        places in 1_usize..6,
        counters in 1_usize..6,
        seed in 0_u64..1_000,
    ) {
        let top = TopUsers { places, counters, seed, ..TopUsers::default() };
        let slices: Vec<_> = batches.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(top.of_purchases(&slices), model(&batches, places));
    }

    #[test]
    fn monotonic_is_right_for_totals_that_only_grow(
        batches in batches(0..60),
        places in 1_usize..6,
        counters in 1_usize..6,
        seed in 0_u64..1_000,
    ) {
        let mode = TopMode::Monotonic;
        let top = TopUsers { places, mode, counters, seed, ..TopUsers::default() };
        let slices: Vec<_> = batches.iter().map(Vec::as_slice).collect();
        prop_assert_eq!(top.of_purchases(&slices), model(&batches, places));
    }

    /// Runs of other parallelism, mode and number of places, one after the other in one
    /// data directory.
    #[test]
    fn each_run_goes_on_from_the_one_before(
        batches in batches(0..60),
        runs in prop::collection::vec((1_usize..6, 1_usize..8, any::<bool>()), 1..5),
    ) {
        let dir = DataDir::in_memory().unwrap();
        for (number, (counters, places, exact)) in runs.into_iter().enumerate() {
            let mode = if exact { TopMode::Exact } else { TopMode::Monotonic };
            let so_far = &batches[..batches.len().min(2 * number + 1)];
            let slices: Vec<_> = so_far.iter().map(Vec::as_slice).collect();
            let top = TopUsers { places, mode, counters, ..TopUsers::default() }.on(&dir);
            let rankings = top.of_purchases(&slices);
            let expected = model(so_far, places);
            prop_assert_eq!(rankings.last(), expected.last());
        }
    }
}
