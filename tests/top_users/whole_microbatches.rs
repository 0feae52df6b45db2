//! A microbatch is there as a whole or not at all: after failures, and for those who look into a
//! run.

use std::collections::BTreeMap;

use squall::testing::{Fault, Faults};
use squall::{Next, Result, SpoutOut, States, Value};

use super::*;

/// One cent each, by eleven users in turn: the sum of a ranking says how many purchases are in it.
fn a_cent(number: u64) -> Purchase {
    let user = number.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
    Purchase {
        user: user % 11,
        cents: 1,
    }
}

/// The ranking after so many of these purchases.
fn after(count: u64) -> Entries<u64> {
    let mut totals = BTreeMap::new();
    for number in 0..count {
        *totals.entry(a_cent(number).user).or_insert(0) += 1;
    }
    let mut entries: Vec<_> = totals.into_iter().collect();
    entries.sort_by_key(|(user, total)| (std::cmp::Reverse(*total), *user));
    entries
}

fn sum(entries: &[(u64, u64)]) -> u64 {
    entries.iter().map(|(_, total)| total).sum()
}

/// Makes these purchases, up to one, over all runs; none is made again once it is committed.
struct Cents {
    made: Value<u64>,
    end: u64,
}

impl Cents {
    fn up_to(end: u64) -> Self {
        Self {
            made: Value::default(),
            end,
        }
    }
}

impl Spout for Cents {
    type Output = Purchase;

    fn next(&mut self, out: &mut SpoutOut<Purchase>) -> Result<Next> {
        for _ in 0..50 {
            if *self.made == self.end {
                return Ok(Next::End);
            }
            out.emit(a_cent(*self.made));
            *self.made += 1;
        }
        Ok(Next::More)
    }

    fn state(&mut self, states: &mut States<'_>) {
        states.keep("made", &mut self.made);
    }
}

/// All users are ranked, so that a ranking tells of every purchase.
fn all_ranked(mode: TopMode) -> TopUsers {
    TopUsers {
        places: 20,
        mode,
        ..TopUsers::default()
    }
}

/// Whatever fails, and whenever: every ranking is that of a number of whole purchases, never of
/// one twice, and in the end of all.
#[test]
fn a_microbatch_that_fails_is_retried_with_the_state_of_the_last_commit() {
    const PURCHASES: u64 = 20_000;
    for mode in BOTH_MODES {
        for nth in 1..9 {
            for fault in [Fault::Panic, Fault::Error, Fault::Kill] {
                let dir = DataDir::in_memory().unwrap();
                let top = all_ranked(mode).on(&dir);
                let (topology, rankings) =
                    top.topology(|| Cents::up_to(PURCHASES), Purchase::USER, CENTS);
                let points = Faults::POINTS.iter().enumerate();
                let faults = points.fold(Faults::none(), |faults, (index, point)| {
                    faults.at(point, nth + index as u64 % 3, fault)
                });
                let options = RunOptions {
                    epoch: millis(1),
                    commit: millis(2),
                    faults: faults.clone(),
                    ..top.options
                };
                let test = TopologyTest::new(topology).options(options).seed(nth);
                test.run().unwrap();
                assert!(faults.left() < Faults::POINTS.len(), "nothing has failed");
                let rankings = rankings.take();
                for ranking in &rankings {
                    assert_eq!(
                        ranking.entries,
                        after(sum(&ranking.entries)),
                        "{mode} {nth} {fault:?}"
                    );
                }
                let last = &rankings.last().unwrap().entries;
                assert_eq!(*last, after(PURCHASES), "{mode} {nth} {fault:?}");
                let views = dir.views().unwrap().read().unwrap();
                let stored: Entries<u64> = views.value("top", "top", 0).unwrap().unwrap();
                assert_eq!(stored, *last);
            }
        }
    }
}

/// While it runs at full speed, on threads.
#[test]
fn reads_see_whole_microbatches_only() {
    for mode in BOTH_MODES {
        let dir = DataDir::in_memory().unwrap();
        let top = all_ranked(mode).on(&dir);
        let (topology, _rankings) = top.topology(|| Cents::up_to(u64::MAX), Purchase::USER, CENTS);
        let running = topology
            .start(RunOptions {
                epoch: millis(5),
                commit: millis(10),
                signals: false,
                ..top.options
            })
            .unwrap();
        let views = running.views().unwrap();
        let mut commits = views.changes::<u64, i64>("totals", "totals").unwrap();
        for _ in 0..15 {
            commits.next().unwrap().unwrap();
            let snapshot = views.read().unwrap();
            let made: u64 = snapshot.value("purchases", "made", 0).unwrap().unwrap();
            let top: Entries<u64> = snapshot.value("top", "top", 0).unwrap().unwrap();
            assert_eq!(sum(&top), made);
            let totals = snapshot.table::<u64, i64>("totals", "totals").unwrap();
            let totals = totals.iter().unwrap();
            let totals: BTreeMap<_, _> = totals.map(|(user, total)| (*user, *total)).collect();
            let ranked: BTreeMap<_, _> = top
                .iter()
                .map(|(user, total)| (*user, i64::try_from(*total).unwrap()))
                .collect();
            assert_eq!(totals, ranked);
            assert!(top.is_sorted_by_key(|(user, total)| (std::cmp::Reverse(*total), *user)));
        }
        running.stop();
        let _ = running.wait().unwrap();
    }
}
