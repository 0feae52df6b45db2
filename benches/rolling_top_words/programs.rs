//! The programs that do the job.

use squall::run::RunStats;
use squall::topology::When;

#[cfg(feature = "rivals")]
use crate::rivals;
use crate::straightforward::Rankings;
use crate::topology::{self, Config};
use crate::words::Words;
use crate::{best_hand_written, hand_written, hand_written_combined};

/// Two sources and two counters, every word sent.
pub const HAND_WRITTEN: &str = "hand-written-same-keys";
/// The same, with words counted before they are sent.
pub const HAND_WRITTEN_COMBINED: &str = "hand-written-combined";
pub const BEST_HAND_WRITTEN: &str = "best-hand-written";
/// Default options.
pub const SQUALL: &str = "squall";
/// Every word sent, as in [`HAND_WRITTEN`].
pub const SQUALL_UNCOMBINED: &str = "squall-uncombined";
pub const TIMELY: &str = "timely";
pub const RENOIR: &str = "renoir";

/// One program.
pub struct Program {
    pub name: &'static str,
    /// Counts the words of so many repetitions.
    pub run: fn(&'static Words, usize) -> Run,
}

/// What a run gives.
pub struct Run {
    pub rankings: Rankings,
    /// What squall says of itself.
    pub stats: Option<RunStats>,
}

impl From<Rankings> for Run {
    fn from(rankings: Rankings) -> Self {
        let stats = None;
        Self { rankings, stats }
    }
}

/// All programs, in the order of a round.
pub const PROGRAMS: &[Program] = &[
    Program {
        name: HAND_WRITTEN,
        run: |words, repetitions| hand_written::run(words, repetitions).into(),
    },
    Program {
        name: SQUALL,
        run: |words, repetitions| squall(words, repetitions, Config::default()),
    },
    Program {
        name: SQUALL_UNCOMBINED,
        run: |words, repetitions| {
            let combine = When::Never;
            let config = Config::default();
            squall(words, repetitions, Config { combine, ..config })
        },
    },
    Program {
        name: HAND_WRITTEN_COMBINED,
        run: |words, repetitions| hand_written_combined::run(words, repetitions).into(),
    },
    Program {
        name: BEST_HAND_WRITTEN,
        run: |words, repetitions| best_hand_written::run(words, repetitions).into(),
    },
    #[cfg(feature = "rivals")]
    Program {
        name: TIMELY,
        run: |words, repetitions| rivals::timely(words, repetitions).into(),
    },
    #[cfg(feature = "rivals")]
    Program {
        name: RENOIR,
        run: |words, repetitions| rivals::renoir(words, repetitions).into(),
    },
];

fn squall(words: &'static Words, repetitions: usize, config: Config) -> Run {
    let (rankings, stats) = topology::run(words, repetitions, config);
    let stats = Some(stats);
    Run { rankings, stats }
}
