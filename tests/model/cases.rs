//! Numbered cases: the same number is the same case, whenever and wherever it is run.

use std::fmt::Debug;
use std::ops::Range;

use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseResult, TestRng, TestRunner};

/// How much is drawn for a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    Usual,
    /// One in `LARGE` of a test's cases.
    Large,
}

/// The cases that are run where nothing is said, over all tests together.
const USUAL: Range<u64> = 0..2_000;

/// Of so many neighbours each test has its share.
const SHARED: u64 = 20;

const LARGE: u64 = 500;

/// So many cases after each other are told as one.
const TOLD: u64 = 500;

/// The numbers of the cases to run, and whether they were asked for.
fn asked() -> (Range<u64>, bool) {
    let Ok(asked) = std::env::var("SQUALL_CASES") else {
        return (USUAL, false);
    };
    let ends = asked.split_once("..");
    let ends = ends.and_then(|(from, to)| Some((from.parse().ok()?, to.parse().ok()?)));
    let Some((from, to)) = ends else {
        panic!("SQUALL_CASES is {asked:?}: give FROM..TO, such as 2000..50000");
    };
    (from..to, true)
}

/// Checks the cases of a test: those whose numbers lie in `share` of each 20.
pub fn each_case<S>(
    share: Range<u64>,
    strategy: impl Fn(Draw) -> S,
    check: impl Fn(S::Value) -> TestCaseResult,
) where
    S: Strategy,
    S::Value: Debug,
{
    let (asked, told) = asked();
    for number in asked {
        if !share.contains(&(number % SHARED)) {
            continue;
        }
        let draw = if number % LARGE == share.start {
            Draw::Large
        } else {
            Draw::Usual
        };
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&number.to_le_bytes());
        let config = ProptestConfig {
            cases: 1,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(config, rng);
        if let Err(failure) = runner.run(&strategy(draw), &check) {
            let next = number + 1;
            panic!("case {number} (SQUALL_CASES={number}..{next}): {failure}");
        }
        if told && number % TOLD < SHARED && number % SHARED == share.start {
            eprintln!("cases {share:?} of each {SHARED}: all until {number} went well");
        }
    }
}
